/* The message queue of examples/rust-cdylib from C: three threads free the same queue, six use it, all at once. */
#include "messages.h"

enum { SLOTS = 4, WORKERS = 6, CLOSERS = 3, LOTS = 1 << 20 };

typedef struct lot {
    mq *queue;
    atomic_int ended, won, woken;
} lot;

static lot lots[LOTS]; /* never given back: stale tokens are used on purpose */
static atomic_long opened;
static _Atomic(lot *) slots[SLOTS];
static atomic_bool over;
static atomic_long pending, already, busy, from_inside;

static lot *open_lot(void) {
    lot *l = &lots[atomic_fetch_add(&opened, 1)];
    l->queue = new_queue(1 + (size_t)atomic_load(&opened) % 3);
    EXPECT(mq_on_freed(l->queue, count, &l->ended), RC_OK);
    return l;
}

static void drain_one(void *m, void *free_it_too) {
    end_message(m, &popped);
    if (free_it_too != NULL) {
        EXPECT_AT_ONCE(mq_free(free_it_too, RC_INFINITE), RC_FREE_PENDING);
        atomic_fetch_add(&from_inside, 1);
    }
}

static void use(lot *l, uint64_t *seed) {
    static const int64_t timeouts[] = {0, 1, RC_INFINITE, RC_INFINITE};
    int64_t timeout = timeouts[choose(seed, 4)];
    mq_hold *hold = NULL;
    rc_status got;
    long before = sleeps();
    switch (choose(seed, 16)) {
        case 0:
            if (mq_hold_take(l->queue, &hold) != RC_OK) return;
            sched_yield();
            CHECK(atomic_load(&l->ended) == 0);
            EXPECT(mq_hold_release(hold), RC_OK);
            EXPECT(mq_hold_release(hold), RC_ALREADY_FREED);
            return;
        case 1:
            got = mq_drain(l->queue, drain_one, choose(seed, 8) == 0 ? l->queue : NULL);
            CHECK(got == RC_OK || got == RC_ERR_FREED);
            return;
        case 2: case 3: case 4: case 5: case 6: case 7:
            got = push(l->queue, timeout);
            break;
        default:
            got = pop(l->queue, timeout);
    }
    bool late = got == RC_ERR_TIMEOUT && timeout != RC_INFINITE;
    CHECK_SAY(got == RC_OK || got == RC_ERR_FREED || late, "answered %d", (int)got);
    if (got == RC_ERR_FREED && sleeps() > before) atomic_fetch_add(&l->woken, 1);
}

static void *work(void *argument) {
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&over)) {
        lot *l = atomic_load(&slots[choose(&seed, SLOTS)]);
        use(l, &seed);
    }
    return NULL;
}

static pthread_barrier_t gate;
static lot *victim;

/* All closers free the same queue at the same time; the first one sees to the rest. */
static void *close_all(void *argument) {
    uintptr_t me = (uintptr_t)argument;
    uint64_t seed = 1000 + me;
    double until = now_ms() + SECONDS * 1e3;
    for (unsigned round = 0;; round++) {
        unsigned slot = round % SLOTS;
        if (me == 1) {
            sched_yield();
            if (choose(&seed, 4) == 0) sleep_ms(1);
            atomic_store(&over, now_ms() > until || atomic_load(&opened) > LOTS - 8);
            victim = atomic_load(&slots[slot]);
        }
        pthread_barrier_wait(&gate);
        if (atomic_load(&over)) return NULL;
        static const int64_t timeouts[] = {0, 1, RC_DEFAULT_TIMEOUT, RC_INFINITE};
        bool tries = me != 1 && choose(&seed, 4) == 0;
        rc_status got = tries ? mq_try_free(victim->queue) : mq_free(victim->queue, timeouts[choose(&seed, 4)]);
        switch (got) {
            case RC_OK: atomic_fetch_add(&victim->won, 1); break;
            case RC_FREE_PENDING: atomic_fetch_add(&pending, 1); break;
            case RC_ALREADY_FREED: atomic_fetch_add(&already, 1); break;
            default:
                CHECK_SAY(tries && got == RC_ERR_BUSY, "a free answered %d", (int)got);
                atomic_fetch_add(&busy, 1);
        }
        if (got == RC_OK || got == RC_ALREADY_FREED) CHECK(atomic_load(&victim->ended) <= 1);
        pthread_barrier_wait(&gate);
        if (me == 1) {
            lot *old = victim;
            atomic_store(&slots[slot], open_lot());
            EXPECT(mq_wait_freed(old->queue, 20000), RC_OK);
        }
    }
}

static void frees_race_calls(void) {
    pthread_t workers[WORKERS], closers[CLOSERS];
    pthread_barrier_init(&gate, NULL, CLOSERS);
    for (int i = 0; i < SLOTS; i++) atomic_store(&slots[i], open_lot());
    for (uintptr_t i = 0; i < WORKERS; i++) start(&workers[i], work, (void *)(i + 1));
    for (uintptr_t i = 0; i < CLOSERS; i++) start(&closers[i], close_all, (void *)(i + 1));
    for (int i = 0; i < CLOSERS; i++) pthread_join(closers[i], NULL);
    for (int i = 0; i < SLOTS; i++) { /* wakes the last workers */
        CHECK(mq_free(atomic_load(&slots[i])->queue, RC_DEFAULT_TIMEOUT) >= 0);
    }
    for (int i = 0; i < WORKERS; i++) pthread_join(workers[i], NULL);

    long n = atomic_load(&opened), met = 0, woken = 0;
    for (long i = 0; i < n; i++) {
        EXPECT(mq_wait_freed(lots[i].queue, 0), RC_OK);
        EXPECT(mq_free(lots[i].queue, 0), RC_ALREADY_FREED);
        CHECK_SAY(atomic_load(&lots[i].ended) == 1, "destroyed %d times", atomic_load(&lots[i].ended));
        CHECK_SAY(atomic_load(&lots[i].won) <= 1, "%d frees of one queue answered RC_OK", atomic_load(&lots[i].won));
        woken += atomic_load(&lots[i].woken);
        met += atomic_load(&lots[i].woken) > 0;
    }
    printf("    %ld queues, each freed by %d threads: %ld pending, %ld already freed, %ld busy, %ld from inside\n", n,
           CLOSERS, atomic_load(&pending), atomic_load(&already), atomic_load(&busy), atomic_load(&from_inside));
    report_overlap(n, met, woken);
    CHECK(atomic_load(&pending) > 0 && atomic_load(&already) > 0 && atomic_load(&from_inside) > 0);
}

int main(void) {
    RUN(frees_race_calls);
    RUN(every_message_came_out_once);
    return 0;
}
