/* Everything at once on backends: threads submit, cancel, poll, attach and detach, free what is waited for and free the backends, and
 * put new ones in place, while others are at it. Each call that was submitted completes or is discarded, exactly once; what was taken comes back.
 *
 *     backend_stress [ROUNDS] [THREADS]
 *
 * What a lock protects is plain memory, so that two holders are a data race to ThreadSanitizer, and a wrong sum to everybody. */
#include "visitor.h"
#include <errno.h>

enum { PLACES = 3, PERMITS = 2, BATCH = 4 };

/* One call; given back by whoever learns of its end, who is the only one. */
typedef struct ticket {
    struct place *place;
    int what;
    atomic_int ends;
} ticket;

/* A backend and what is waited for on it; leaked, as somebody may always be late. */
typedef struct place {
    struct place *older;
    qz_backend *backend;
    qz_mutex *mutex;
    qz_semaphore *semaphore;
    qz_notify *notify;
    int pipe[2];
    long value; /* by whoever has the mutex: plain on purpose */
    atomic_long locked;
    atomic_int inside; /* of those with permits */
    atomic_long submitted, completed, discards;
} place;

static _Atomic(place *) places[PLACES];
static _Atomic(qz_cancel *) cancels[PLACES];
static atomic_long granted, late, cancelled, freed, discarded, renewed, busy, pending_frees, nested, crowded;
static long rounds = 20000;

static void end_ticket(ticket *t) {
    CHECK_SAY(atomic_fetch_add(&t->ends, 1) == 0, "a call ended twice");
    free(t);
}

static void on_discard(void *user_data, void *ctx) {
    ticket *t = user_data;
    CHECK(t->place == ctx);
    atomic_fetch_add(&t->place->discards, 1);
    atomic_fetch_add(&discarded, 1);
    end_ticket(t);
}

static place *new_place(place *older) {
    place *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->older = older;
    CHECK(qz_backend_new(on_discard, p, &p->backend) == QZ_OK && qz_backend_fd(p->backend, &(int){0}) == QZ_OK);
    CHECK(qz_mutex_new(&p->mutex) == QZ_OK && qz_semaphore_new(PERMITS, PERMITS, &p->semaphore) == QZ_OK);
    CHECK(qz_notify_new(&p->notify) == QZ_OK && pipe2(p->pipe, O_CLOEXEC | O_NONBLOCK) == 0);
    return p;
}

static qz_cancel *new_cancel(void) {
    qz_cancel *c = NULL;
    CHECK(qz_cancel_new(&c) == QZ_OK);
    return c;
}

/* What can be waited for. */
enum { LOCK, PERMIT, WAKE_UP, DESCRIPTOR, WAIT_FREED, KINDS };

static void submit(place *p, qz_cancel *cancel, uint64_t dice) {
    ticket *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    t->place = p;
    t->what = (int)(dice % KINDS);
    int64_t ms = dice & 64 ? 50 : (int64_t)(dice >> 60) % 3;
    qz_status got = QZ_ERR_NULL;
    atomic_fetch_add(&p->submitted, 1);
    switch (t->what) {
    case LOCK: got = qz_mutex_lock_async(p->mutex, ms, cancel, p->backend, t); break;
    case PERMIT: got = qz_semaphore_acquire_async(p->semaphore, 1 + (uint32_t)(dice >> 8) % PERMITS, ms, cancel, p->backend, t); break;
    case WAKE_UP: got = qz_notify_wait_async(p->notify, ms, cancel, p->backend, t); break;
    case DESCRIPTOR: got = qz_backend_wait_fd_async(p->backend, p->pipe[dice >> 8 & 1], QZ_READABLE | QZ_WRITABLE, ms, cancel, t); break;
    default: got = qz_handle_wait_freed_async(QZ_HANDLE(p->notify), ms, cancel, p->backend, t); break;
    }
    if (got == QZ_OK) return; /* the ticket is another's by now, perhaps */
    CHECK_SAY(got == QZ_ERR_FREED, "the submission answered %s: %s", qz_status_name((int32_t)got), qz_last_error());
    atomic_fetch_sub(&p->submitted, 1);
    end_ticket(t);
}

/* Of the backend that was polled, or of one that is attached to it. */
static void collect(const qz_completion *over) {
    ticket *t = over->user_data;
    place *p = t->place;
    atomic_fetch_add(&p->completed, 1);
    CHECK((over->hold != NULL) == (over->status == QZ_OK && (t->what == LOCK || t->what == PERMIT)));
    switch (over->status) {
    case QZ_OK: atomic_fetch_add(&granted, 1); break;
    case QZ_ERR_TIMEOUT: atomic_fetch_add(&late, 1); break;
    case QZ_ERR_CANCELLED: atomic_fetch_add(&cancelled, 1); break;
    case QZ_ERR_FREED: atomic_fetch_add(&freed, 1); break;
    case QZ_ERR_IO:
        CHECK_SAY(t->what == DESCRIPTOR && over->os_error == EINVAL, "errno %d", over->os_error);
        atomic_fetch_add(&crowded, 1);
        break;
    default: CHECK_SAY(false, "completed with %s", qz_status_name(over->status));
    }
    if (over->hold != NULL && t->what == LOCK) {
        p->value++;
        atomic_fetch_add(&p->locked, 1);
    } else if (over->hold != NULL) {
        CHECK(atomic_fetch_add(&p->inside, 1) < PERMITS);
        atomic_fetch_sub(&p->inside, 1);
    }
    if (over->hold != NULL) CHECK(qz_hold_release(over->hold) == QZ_OK);
    end_ticket(t);
}

static void poll_some(place *p, uint64_t dice) {
    qz_completion over[BATCH];
    size_t len = 0;
    qz_status got = qz_backend_poll(p->backend, over, 1 + dice % BATCH, (int64_t)(dice >> 8) % 3, &len);
    if (got == QZ_ERR_BUSY) atomic_fetch_add(&busy, 1);
    CHECK(got == QZ_OK || got == QZ_ERR_BUSY || got == QZ_ERR_TIMEOUT || got == QZ_ERR_FREED);
    for (size_t i = 0; got == QZ_OK && i < len; i++) collect(&over[i]);
}

/* One in another: freed, polled and submitted to as any. More than a hundred calls that wait for one pipe are too many paths for the
 * kernel if they are on the third level. */
static void nest(place *p, place *other, bool ends) {
    qz_status got = ends ? qz_backend_detach(p->backend, other->backend) : qz_backend_attach(p->backend, other->backend);
    if (got == QZ_OK) atomic_fetch_add(&nested, 1);
    const bool is_crowded = !ends && got == QZ_ERR_IO && qz_last_os_error() == EINVAL;
    if (is_crowded) atomic_fetch_add(&crowded, 1);
    CHECK_SAY(got == QZ_OK || got == QZ_ERR_FREED || is_crowded ||
                  (ends ? got == QZ_ERR_INVALID_ARGUMENT : got == QZ_ERR_BUSY || got == QZ_ERR_DEADLOCK),
              "%s answered %s: %s", ends ? "detach" : "attach", qz_status_name((int32_t)got), qz_last_error());
}

static void free_some(place *p, uint64_t dice) {
    int64_t ms = (int64_t)(dice >> 8) % 3;
    qz_status got = QZ_OK;
    switch (dice % 4) {
    case 0: got = qz_mutex_free(p->mutex, ms); break;
    case 1: got = qz_semaphore_free(p->semaphore, ms); break;
    case 2: got = qz_notify_free(p->notify, ms); break;
    default: got = qz_backend_free(p->backend, ms); break;
    }
    CHECK(got >= 0);
    if (got == QZ_FREE_PENDING) atomic_fetch_add(&pending_frees, 1);
}

static void renew(size_t at, uint64_t dice) {
    place *old = atomic_load(&places[at]), *new = new_place(old);
    /* What is waited for goes first, now and then: while everybody submits and polls. */
    for (uint64_t i = 0; dice % 2 == 0 && i < 3; i++) free_some(old, i | dice << 8);
    if (!atomic_compare_exchange_strong(&places[at], &old, new)) {
        CHECK(qz_backend_free(new->backend, 0) == QZ_OK);
        CHECK(qz_mutex_free(new->mutex, 0) == QZ_OK && qz_semaphore_free(new->semaphore, 0) == QZ_OK);
        CHECK(qz_notify_free(new->notify, 0) == QZ_OK && close(new->pipe[0]) == 0 && close(new->pipe[1]) == 0);
        free(new);
        return;
    }
    atomic_fetch_add(&renewed, 1);
    for (uint64_t i = 0; i < 4; i++) free_some(old, (dice + i) % 4 | dice << 8);
}

static void cancel_some(size_t at, uint64_t dice) {
    qz_cancel *token = atomic_exchange(&cancels[at], new_cancel());
    if (dice % 4) CHECK(qz_cancel_cancel(token) == QZ_OK);
    CHECK(qz_cancel_free(token, QZ_DEFAULT_TIMEOUT) == QZ_OK);
}

/* Without each of these nothing was tested. */
static bool all_was_met(void) {
    return atomic_load(&granted) > 100 && atomic_load(&late) > 0 && atomic_load(&cancelled) > 0 && atomic_load(&freed) > 0 &&
           atomic_load(&discarded) > 0 && atomic_load(&renewed) > 0 && atomic_load(&busy) > 0 && atomic_load(&nested) > 0;
}

static void *work(void *argument) {
    uint64_t random = 0x9E3779B97F4A7C15u * ((uintptr_t)argument + 1);
    for (long i = 0; i < rounds || (i < 50 * rounds && !all_was_met()); i++) {
        uint64_t dice = next_random(&random);
        size_t at = dice % PLACES;
        place *p = atomic_load(&places[at]);
        if (dice % 499 == 0)
            renew(at, dice >> 16);
        else if (dice % 53 == 0)
            cancel_some(at, dice >> 16);
        else if (dice % 17 == 0)
            (void)(dice & 1024 ? qz_notify_one(p->notify) : qz_backend_wake(p->backend));
        else if (dice % 13 == 0)
            nest(p, atomic_load(&places[(dice >> 16) % PLACES]), dice & 2048);
        else if ((dice >> 10) % 5 < 2)
            submit(p, dice & 16 ? atomic_load(&cancels[at]) : NULL, dice >> 16);
        else
            poll_some(p, dice >> 16);
    }
    return NULL;
}

int main(int argc, char **argv) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    long n = argc > 2 ? atol(argv[2]) : 6;
    if (argc > 1) rounds = atol(argv[1]);
    CHECK(n > 0 && n <= MOST);
    for (size_t i = 0; i < PLACES; i++) {
        atomic_store(&places[i], new_place(NULL));
        atomic_store(&cancels[i], new_cancel());
    }
    for (long i = 0; i < n; i++) start_thread(&threads[i], work, (void *)(uintptr_t)i);
    for (long i = 0; i < n; i++) pthread_join(threads[i], NULL);
    size_t left = 77;
    EXPECT(qz_quiesce_all(QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    CHECK_SAY(left == 0, "%zu handles are left: a hold was lost", left);
    long submitted = 0;
    for (size_t i = 0; i < PLACES; i++)
        for (place *p = atomic_load(&places[i]); p != NULL; p = p->older) {
            long ended = atomic_load(&p->completed) + atomic_load(&p->discards);
            CHECK_SAY(atomic_load(&p->submitted) == ended, "%ld submitted, %ld ended", atomic_load(&p->submitted), ended);
            CHECK(p->value == atomic_load(&p->locked));
            submitted += ended;
            CHECK(close(p->pipe[0]) == 0 && close(p->pipe[1]) == 0);
        }
    printf("backend_stress: %ld calls: %ld granted, %ld late, %ld cancelled, %ld freed, %ld discarded; %ld renewed, %ld busy, "
           "%ld frees pending, %ld nested, %ld times too many of one pipe\n",
           submitted, atomic_load(&granted), atomic_load(&late), atomic_load(&cancelled), atomic_load(&freed),
           atomic_load(&discarded), atomic_load(&renewed), atomic_load(&busy), atomic_load(&pending_frees), atomic_load(&nested),
           atomic_load(&crowded));
    CHECK(all_was_met());
    return 0;
}
