/* Everything at once on the ready-made kinds: threads take and give back, on their own thread and on others', with deadlines that
 * pass and tokens that are cancelled meanwhile, while others free what is held and waited for and put new ones in place. Another
 * process takes the files of the file locks now and then, so that some wait for the operating system's lock as they are cancelled.
 *
 *     kinds_stress [ROUNDS] [THREADS]
 *
 * What a lock protects is plain memory, so that two holders are a data race to ThreadSanitizer, and a wrong sum to everybody. */
#include "visitor.h"
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PLACES = 4, PERMITS = 3 };

/* A handle and what it protects; leaked, as somebody may always be late. */
typedef struct place {
    struct place *older; /* reachable, so that no leak checker takes it for an accident */
    qz_mutex *mutex;
    qz_semaphore *semaphore;
    qz_rwlock *rwlock;
    qz_pool *pool;
    qz_once *once;
    qz_barrier *barrier;
    qz_notify *notify;
    qz_filelock *file;
    long value;         /* by whoever has the mutex */
    atomic_long locked; /* how often it was */
    atomic_int inside;  /* of those with permits */
    long halves[2];     /* equal, but for a writer at work */
    long tool[PERMITS]; /* what the pool lends: each used by one at a time */
    atomic_bool there[PERMITS];
    atomic_int made, destroyed;
    long once_value; /* what the once is set to */
    atomic_int set;
} place;

static _Atomic(place *) places[PLACES];
static _Atomic(qz_cancel *) cancels[PLACES];
static _Atomic(qz_hold *) mailbox; /* a hold on its way to another thread */
static atomic_long granted, timed_out, cancelled, freed, mailed, renewed, met;
static char directory[] = "/tmp/qz-kinds-XXXXXX";
static long file_value[PLACES]; /* by whoever has the file */
static atomic_long file_locked[PLACES], file_cancelled;
static long rounds = 20000;

static int32_t make_tool(int64_t timeout_ms, void *ctx, void **out_tool) {
    place *p = ctx;
    (void)timeout_ms;
    for (int i = 0; i < PERMITS; i++)
        if (!atomic_exchange(&p->there[i], true)) {
            atomic_fetch_add(&p->made, 1);
            *out_tool = &p->tool[i];
            return QZ_OK;
        }
    CHECK_SAY(false, "the pool has more than %d", PERMITS);
    return QZ_ERR_BUSY;
}

static void destroy_tool(void *tool, int32_t reason, void *ctx) {
    place *p = ctx;
    (void)reason;
    ++*(long *)tool;
    atomic_fetch_add(&p->destroyed, 1);
    CHECK(atomic_exchange(&p->there[(long *)tool - p->tool], false));
}

static int32_t set_once(void *ctx, void **out_value) {
    place *p = ctx;
    CHECK(atomic_fetch_add(&p->set, 1) == 0);
    p->once_value = 42;
    *out_value = &p->once_value;
    return QZ_OK;
}

static const char *file_at(size_t at, char path[64]) {
    snprintf(path, 64, "%s/%zu", directory, at);
    return path;
}

static place *new_place(size_t at, place *older) {
    char path[64];
    place *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->older = older;
    CHECK(qz_mutex_new_measured(&p->mutex) == QZ_OK);
    CHECK(qz_semaphore_new(PERMITS, PERMITS, &p->semaphore) == QZ_OK);
    CHECK(qz_rwlock_new(&p->rwlock) == QZ_OK);
    qz_pool_ops ops = {sizeof ops, make_tool, NULL, NULL, destroy_tool, p};
    qz_pool_config config = {sizeof config, 0, PERMITS, 0, 0, 0, 0, 0, 0};
    CHECK(qz_pool_new(&ops, &config, &p->pool) == QZ_OK);
    CHECK(qz_once_new(NULL, NULL, &p->once) == QZ_OK);
    CHECK(qz_barrier_new(2, &p->barrier) == QZ_OK);
    CHECK(qz_notify_new(&p->notify) == QZ_OK);
    CHECK(qz_filelock_open(file_at(at, path), 0, &p->file) == QZ_OK);
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
    CHECK_SAY(inside <= PERMITS, "%d share %d permits", inside, PERMITS);
    atomic_fetch_sub(&p->inside, 1);
    give_back(hold, dice >> 8);
}

static void read_or_write(place *p, int64_t timeout, qz_cancel *cancel, uint64_t dice) {
    qz_hold *hold = NULL;
    bool writes = dice % 4 == 0;
    if (!was_granted(writes ? qz_rwlock_write(p->rwlock, timeout, cancel, &hold)
                            : qz_rwlock_read(p->rwlock, timeout, cancel, &hold)))
        return;
    if (writes) {
        p->halves[0]++;
        p->halves[1]++;
        if (dice & 32) CHECK(qz_rwlock_downgrade(hold) >= QZ_ERR_FREED); /* OK, or it is being freed */
    }
    CHECK(p->halves[0] == p->halves[1]);
    give_back(hold, dice >> 8);
}

static void borrow(place *p, int64_t timeout, qz_cancel *cancel, uint64_t dice) {
    qz_hold *hold = NULL;
    void *tool = NULL;
    if (!was_granted(qz_pool_acquire(p->pool, timeout, cancel, &tool, &hold))) return;
    ++*(long *)tool; /* plain on purpose */
    if (dice % 16 == 0)
        CHECK(qz_pool_discard(hold) == QZ_OK);
    else
        give_back(hold, dice >> 8);
}

static void lock_file(place *p, size_t at, int64_t timeout, qz_cancel *cancel, uint64_t dice) {
    qz_hold *hold = NULL;
    uint32_t mode = dice % 4 == 0 ? QZ_FILELOCK_SHARED : QZ_FILELOCK_EXCLUSIVE;
    qz_status got = qz_filelock_acquire(p->file, mode, timeout, cancel, &hold);
    if (got == QZ_ERR_CANCELLED) atomic_fetch_add(&file_cancelled, 1);
    if (!was_granted(got)) return;
    if (mode == QZ_FILELOCK_EXCLUSIVE) {
        file_value[at]++;
        atomic_fetch_add(&file_locked[at], 1);
    } else
        CHECK(file_value[at] <= atomic_load(&file_locked[at]));
    give_back(hold, dice >> 8);
}

/* Another process, which takes one file after the other, until it is killed or its parent ends. */
static pid_t take_files(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child != 0) return child;
    CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    for (size_t i = 0;; i++) {
        char path[64];
        int file = open(file_at(i % PLACES, path), O_RDWR | O_CREAT, 0600);
        CHECK(file >= 0 && flock(file, LOCK_EX) == 0);
        sleep_ms(1);
        CHECK(close(file) == 0);
        sleep_ms(1);
    }
}

static void meet(place *p, int64_t timeout, qz_cancel *cancel, uint64_t dice) {
    bool leads = false;
    void *value = NULL;
    switch (dice % 4) {
    case 0:
        if (was_granted(qz_barrier_wait(p->barrier, timeout, cancel, &leads)) && leads) atomic_fetch_add(&met, 1);
        break;
    case 1: (void)was_granted(qz_notify_wait(p->notify, timeout, cancel)); break;
    case 2: (void)(dice & 8 ? qz_notify_one(p->notify) : qz_notify_all(p->notify)); break;
    default:
        if (was_granted(qz_once_get_or_init(p->once, set_once, p, timeout, cancel, &value)))
            CHECK(value == &p->once_value && atomic_load(&p->set) == 1);
    }
}

/* Every one of them, some while they are waited for and held. */
static void free_all(place *p, int64_t timeout) {
    CHECK(qz_mutex_free(p->mutex, timeout) >= 0 && qz_semaphore_free(p->semaphore, timeout) >= 0);
    CHECK(qz_rwlock_free(p->rwlock, timeout) >= 0 && qz_pool_free(p->pool, timeout) >= 0);
    CHECK(qz_once_free(p->once, timeout) >= 0 && qz_barrier_free(p->barrier, timeout) >= 0);
    CHECK(qz_notify_free(p->notify, timeout) >= 0 && qz_filelock_free(p->file, timeout) >= 0);
}

static void renew(size_t at, uint64_t dice) {
    place *old = atomic_load(&places[at]), *new = new_place(at, old);
    if (!atomic_compare_exchange_strong(&places[at], &old, new)) {
        free_all(new, QZ_DEFAULT_TIMEOUT);
        free(new);
        return;
    }
    atomic_fetch_add(&renewed, 1);
    free_all(old, (int64_t)(dice % 3));
}

/* Whoever waits with the token is cancelled, or not; its handle goes in any case. */
static void cancel_some(size_t at, uint64_t dice) {
    qz_cancel *token = atomic_exchange(&cancels[at], new_cancel());
    if (dice % 4) CHECK(qz_cancel_cancel(token) == QZ_OK);
    CHECK(qz_cancel_free(token, QZ_DEFAULT_TIMEOUT) == QZ_OK);
}

/* Without each of these nothing was tested. */
static bool all_was_met(void) {
    return atomic_load(&granted) > 100 && atomic_load(&timed_out) > 0 && atomic_load(&cancelled) > 0 && atomic_load(&freed) > 0 &&
           atomic_load(&mailed) > 0 && atomic_load(&renewed) > 0 && atomic_load(&met) > 0 && atomic_load(&file_cancelled) > 0;
}

static void *work(void *argument) {
    uint64_t random = 0x9E3779B97F4A7C15u * ((uintptr_t)argument + 1);
    for (long i = 0; i < rounds || (i < 50 * rounds && !all_was_met()); i++) {
        uint64_t dice = next_random(&random);
        size_t at = dice % PLACES;
        place *p = atomic_load(&places[at]);
        qz_cancel *cancel = dice & 16 ? atomic_load(&cancels[at]) : NULL;
        int64_t timeout = dice & 32 ? 50 : (int64_t)(dice >> 60) % 2;
        if (dice % 211 == 0)
            renew(at, dice >> 16);
        else if (dice % 53 == 0)
            cancel_some(at, dice >> 16);
        else if (dice % 61 == 0)
            lock_file(p, at, timeout, cancel, dice >> 16);
        else {
            static void (*const use[])(place *, int64_t, qz_cancel *, uint64_t) = {lock_and_count, share, read_or_write,
                                                                                  borrow, meet};
            use[(dice >> 10) % 5](p, timeout, cancel, dice >> 16);
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    enum { MOST = 64 };
    pthread_t threads[MOST];
    long n = argc > 2 ? atol(argv[2]) : 8;
    if (argc > 1) rounds = atol(argv[1]);
    CHECK(n > 0 && n <= MOST);
    CHECK(mkdtemp(directory) != NULL);
    pid_t other = take_files();
    for (size_t i = 0; i < PLACES; i++) {
        atomic_store(&places[i], new_place(i, NULL));
        atomic_store(&cancels[i], new_cancel());
    }
    for (long i = 0; i < n; i++) start_thread(&threads[i], work, (void *)(uintptr_t)i);
    for (long i = 0; i < n; i++) pthread_join(threads[i], NULL);
    (void)qz_hold_release(atomic_exchange(&mailbox, NULL));

    CHECK(kill(other, SIGKILL) == 0 && waitpid(other, NULL, 0) == other);

    size_t left = 77;
    EXPECT(qz_quiesce_all(QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    CHECK_SAY(left == 0, "%zu handles are left: a hold was lost", left);
    long values = 0, locked = 0;
    for (size_t i = 0; i < PLACES; i++)
        for (place *p = atomic_load(&places[i]); p != NULL; p = p->older) {
            CHECK(p->value == atomic_load(&p->locked) && p->halves[0] == p->halves[1]);
            CHECK_SAY(atomic_load(&p->made) == atomic_load(&p->destroyed), "%d made, %d destroyed", atomic_load(&p->made),
                      atomic_load(&p->destroyed));
            values += p->value;
            locked += atomic_load(&p->locked);
        }
    long files = 0;
    for (size_t i = 0; i < PLACES; i++) {
        char path[64];
        CHECK(file_value[i] == atomic_load(&file_locked[i]) && remove(file_at(i, path)) == 0);
        files += file_value[i];
    }
    CHECK(rmdir(directory) == 0);
    printf("kinds_stress: %ld granted, %ld timed out, %ld cancelled, %ld freed, %ld released elsewhere, %ld renewed, %ld met\n",
           atomic_load(&granted), atomic_load(&timed_out), atomic_load(&cancelled), atomic_load(&freed),
           atomic_load(&mailed), atomic_load(&renewed), atomic_load(&met));
    printf("kinds_stress: files locked %ld times, %ld of those waits cancelled\n", files, atomic_load(&file_cancelled));
    CHECK(values == locked && files > 0 && all_was_met());
    return 0;
}
