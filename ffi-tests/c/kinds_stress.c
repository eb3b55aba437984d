/* Everything at once on the ready-made kinds: threads take and give back, on their own thread and on others', with deadlines that
 * pass and tokens that are cancelled meanwhile, while others free what is held and waited for and put new ones in place.
 *
 *     kinds_stress [ROUNDS] [THREADS]
 *
 * What a lock protects is plain memory, so that two holders are a data race to ThreadSanitizer, and a wrong sum to everybody. */
#include "visitor.h"

enum { PLACES = 4, PERMITS = 3 };

/* A handle and what it protects; leaked, as somebody may always be late. */
typedef struct place {
    struct place *older; /* reachable, so that no leak checker takes it for an accident */
    qz_mutex *mutex;
    qz_semaphore *semaphore;
    long value;            /* by whoever has the mutex */
    atomic_long locked;    /* how often it was */
    atomic_int inside;     /* of those with permits */
    atomic_int most;
} place;

static _Atomic(place *) places[PLACES];
static _Atomic(qz_cancel *) cancels[PLACES];
static _Atomic(qz_hold *) mailbox; /* a hold on its way to another thread */
static atomic_long granted, timed_out, cancelled, freed, mailed, renewed;
static long rounds = 20000;

static place *new_place(place *older) {
    place *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->older = older;
    CHECK(qz_mutex_new_measured(&p->mutex) == QZ_OK);
    CHECK(qz_semaphore_new(PERMITS, PERMITS, &p->semaphore) == QZ_OK);
    return p;
}

static qz_cancel *new_cancel(void) {
    qz_cancel *c = NULL;
    CHECK(qz_cancel_new(&c) == QZ_OK);
    return c;
}

static bool was_granted(qz_status got) {
    switch (got) {
    case QZ_OK: atomic_fetch_add(&granted, 1); return true;
    case QZ_ERR_BUSY:
    case QZ_ERR_TIMEOUT: atomic_fetch_add(&timed_out, 1); return false;
    case QZ_ERR_CANCELLED: atomic_fetch_add(&cancelled, 1); return false;
    case QZ_ERR_FREED: atomic_fetch_add(&freed, 1); return false;
    default: CHECK_SAY(false, "answered %s: %s", qz_status_name((int32_t)got), qz_last_error()); return false;
    }
}

static void give_back(qz_hold *hold, uint64_t dice) {
    if (dice % 8 == 0) {
        /* Through the mailbox, by whoever empties it. */
        CHECK(qz_hold_pass_on(hold) == QZ_OK);
        hold = atomic_exchange(&mailbox, hold);
        atomic_fetch_add(&mailed, 1);
        if (hold == NULL) return;
    }
    qz_status got = qz_hold_release(hold);
    CHECK_SAY(got == QZ_OK, "the release answered %s", qz_status_name((int32_t)got));
}

static void lock_and_count(place *p, int64_t timeout, qz_cancel *cancel, uint64_t dice) {
    qz_hold *hold = NULL;
    qz_status got = dice % 5 ? qz_mutex_lock(p->mutex, timeout, cancel, &hold) : qz_mutex_try_lock(p->mutex, &hold);
    if (!was_granted(got)) return;
    p->value++;
    atomic_fetch_add(&p->locked, 1);
    give_back(hold, dice >> 8);
}

static void share(place *p, int64_t timeout, qz_cancel *cancel, uint64_t dice) {
    qz_hold *hold = NULL;
    if (!was_granted(qz_semaphore_acquire(p->semaphore, (uint32_t)(1 + dice % PERMITS), timeout, cancel, &hold))) return;
    int inside = atomic_fetch_add(&p->inside, 1) + 1;
    if (inside > atomic_load(&p->most)) atomic_store(&p->most, inside);
    CHECK_SAY(inside <= PERMITS, "%d share %d permits", inside, PERMITS);
    atomic_fetch_sub(&p->inside, 1);
    give_back(hold, dice >> 8);
}

static void renew(size_t at, uint64_t dice) {
    place *old = atomic_load(&places[at]), *new = new_place(old);
    if (!atomic_compare_exchange_strong(&places[at], &old, new)) {
        CHECK(qz_mutex_free(new->mutex, 0) == QZ_OK && qz_semaphore_free(new->semaphore, 0) == QZ_OK);
        free(new);
        return;
    }
    atomic_fetch_add(&renewed, 1);
    int64_t timeout = (int64_t)(dice % 3);
    CHECK(qz_mutex_free(old->mutex, timeout) >= 0);
    CHECK(qz_semaphore_free(old->semaphore, timeout) >= 0);
}

/* Whoever waits with the token is cancelled, or not; its handle goes in any case. */
static void cancel_some(size_t at, uint64_t dice) {
    qz_cancel *token = atomic_exchange(&cancels[at], new_cancel());
    if (dice % 4) CHECK(qz_cancel_cancel(token) == QZ_OK);
    CHECK(qz_cancel_free(token, QZ_DEFAULT_TIMEOUT) == QZ_OK);
}

static void *work(void *argument) {
    uint64_t random = 0x9E3779B97F4A7C15u * ((uintptr_t)argument + 1);
    for (long i = 0; i < rounds; i++) {
        uint64_t dice = next_random(&random);
        size_t at = dice % PLACES;
        place *p = atomic_load(&places[at]);
        qz_cancel *cancel = dice & 16 ? atomic_load(&cancels[at]) : NULL;
        int64_t timeout = dice & 32 ? 50 : (int64_t)(dice >> 60) % 2;
        if (dice % 211 == 0)
            renew(at, dice >> 16);
        else if (dice % 53 == 0)
            cancel_some(at, dice >> 16);
        else if (dice & 1024)
            lock_and_count(p, timeout, cancel, dice >> 16);
        else
            share(p, timeout, cancel, dice >> 16);
    }
    return NULL;
}

int main(int argc, char **argv) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    long n = argc > 2 ? atol(argv[2]) : 8;
    if (argc > 1) rounds = atol(argv[1]);
    CHECK(n > 0 && n <= MOST);
    for (size_t i = 0; i < PLACES; i++) {
        atomic_store(&places[i], new_place(NULL));
        atomic_store(&cancels[i], new_cancel());
    }
    for (long i = 0; i < n; i++) start_thread(&threads[i], work, (void *)(uintptr_t)i);
    for (long i = 0; i < n; i++) pthread_join(threads[i], NULL);
    (void)qz_hold_release(atomic_exchange(&mailbox, NULL));

    size_t left = 77;
    EXPECT(qz_quiesce_all(QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    CHECK_SAY(left == 0, "%zu handles are left: a hold was lost", left);
    long values = 0, locked = 0;
    for (size_t i = 0; i < PLACES; i++)
        for (place *p = atomic_load(&places[i]); p != NULL; p = p->older) {
            CHECK(p->value == atomic_load(&p->locked));
            values += p->value;
            locked += atomic_load(&p->locked);
        }
    printf("kinds_stress: %ld granted, %ld timed out, %ld cancelled, %ld freed, %ld released elsewhere, %ld renewed\n",
           atomic_load(&granted), atomic_load(&timed_out), atomic_load(&cancelled), atomic_load(&freed),
           atomic_load(&mailed), atomic_load(&renewed));
    CHECK(values == locked);
    /* Without each of these nothing was tested. */
    CHECK(atomic_load(&granted) > 100 && atomic_load(&timed_out) > 0 && atomic_load(&cancelled) > 0 &&
          atomic_load(&freed) > 0 && atomic_load(&mailed) > 0 && atomic_load(&renewed) > 0);
    return 0;
}
