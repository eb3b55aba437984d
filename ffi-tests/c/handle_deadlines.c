/* Deadlines: never early, not much late, never overflowing, not cut short by signals, not stretched by a storm of
 * refused callers. */
#include "visitor.h"
#include <signal.h>

static qz_kind *kind;

static void never_early_and_not_much_late(void) {
    static const int64_t timeouts[] = {1, 2, 3, 5, 10, 17, 33, 100, 250};
    double worst = 0;
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        thing t;
        visitor v;
        qz_handle *h = new_handle(kind, &t);
        visitor_enter(&v, h, kind, "stays");
        double begin = now_ms();
        EXPECT_AFTER(qz_handle_wait_freed(h, timeouts[i]), QZ_ERR_TIMEOUT, timeouts[i]);
        double late = now_ms() - begin - (double)timeouts[i];
        worst = late > worst ? late : worst;
        EXPECT_AFTER(qz_handle_free(h, timeouts[i]), QZ_FREE_PENDING, timeouts[i]);
        EXPECT_AFTER(qz_handle_free(h, timeouts[i]), QZ_FREE_PENDING, timeouts[i]);
        visitor_leave(&v);
        check_gone(h, &t);
    }
    printf("    at most %.2f ms late\n", worst);
}

static int64_t huge;

static qz_status free_huge(void *handle) { return qz_handle_free(handle, huge); }
static qz_status wait_huge(void *handle) { return qz_handle_wait_freed(handle, huge); }

static void huge_timeouts_are_long_and_do_not_overflow(void) {
    static const int64_t timeouts[] = {
        INT64_MAX,           INT64_MAX - 1,           INT64_MAX / 2,          INT64_MAX / 1000,
        INT64_MAX / 1000000, INT64_MAX / 1000000 + 1, (INT64_C(1) << 53) + 1, (INT64_C(1) << 32) - 1,
        INT64_C(1) << 31};
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
        thing t;
        visitor v;
        caller freer, waiter;
        huge = timeouts[i];
        qz_handle *h = new_handle(kind, &t);
        visitor_enter(&v, h, kind, "stays a little");
        caller_start(&waiter, wait_huge, h);
        caller_start(&freer, free_huge, h);
        while (!qz_handle_is_closing(h)) sleep_ms(1);
        sleep_ms(10);
        CHECK(destroys(&t) == 0);
        visitor_dismiss(&v);
        qz_status freed = caller_join(&freer), waited = caller_join(&waiter);
        CHECK_SAY(freed == QZ_OK, "free(%" PRId64 ") answered %s", huge, qz_status_name((int32_t)freed));
        CHECK_SAY(waited == QZ_OK, "wait_freed(%" PRId64 ") answered %s", huge, qz_status_name((int32_t)waited));
        visitor_join(&v);
        check_gone(h, &t);
    }
}

static void the_default_is_five_seconds(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "stays");
    EXPECT_AFTER(qz_handle_free(h, QZ_DEFAULT_TIMEOUT), QZ_FREE_PENDING, 5000);
    visitor_leave(&v);
    check_gone(h, &t);
}

static void on_signal(int number) { (void)number; }

typedef struct pest {
    pthread_t victim;
    atomic_bool stop;
} pest;

static void *send_signals(void *argument) {
    pest *p = argument;
    while (!atomic_load(&p->stop)) {
        pthread_kill(p->victim, SIGUSR1);
        sleep_ms(1);
    }
    return NULL;
}

static void signals_do_not_cut_a_wait_short(void) {
    thing t;
    visitor v;
    pest p = {pthread_self(), false};
    pthread_t thread;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* without SA_RESTART: the kernel's sleep returns EINTR */
    sigaction(SIGUSR1, &action, NULL);
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "stays");
    start_thread(&thread, send_signals, &p);
    EXPECT_AFTER(qz_handle_wait_freed(h, 150), QZ_ERR_TIMEOUT, 150);
    EXPECT_AFTER(qz_handle_free(h, 150), QZ_FREE_PENDING, 150);
    atomic_store(&p.stop, true);
    pthread_join(thread, NULL);
    visitor_leave(&v);
    check_gone(h, &t);
}

/* Eight threads call without a pause, refused or not: in an older design they disturbed the count that the drain
 * watched, and 15 of 20 frees timed out after 200 ms. */
typedef struct storm {
    _Atomic(qz_handle *) handle;
    atomic_bool stop;
    atomic_long admitted, refused;
} storm;

static void *hammer(void *argument) {
    storm *s = argument;
    long admitted = 0, refused = 0;
    while (!atomic_load(&s->stop)) {
        qz_handle *h = atomic_load(&s->handle);
        void *object = NULL;
        qz_status got = qz_handle_enter(h, kind, "hammer", &object);
        if (got == QZ_OK) {
            CHECK(((thing *)object)->alive == THING_ALIVE);
            CHECK(qz_handle_leave(h) == QZ_OK);
            admitted++;
        } else {
            CHECK_SAY(got == QZ_ERR_FREED, "a refused enter answered %s", qz_status_name((int32_t)got));
            refused++;
        }
    }
    atomic_fetch_add(&s->admitted, admitted);
    atomic_fetch_add(&s->refused, refused);
    return NULL;
}

static void a_storm_of_refusals_does_not_delay_a_drain(void) {
    enum { HAMMERS = 8, ROUNDS = 20 };
    static thing t[ROUNDS];
    static storm s;
    pthread_t threads[HAMMERS];
    visitor v;
    double worst = 0;
    atomic_store(&s.handle, new_handle(kind, &t[0]));
    for (int i = 0; i < HAMMERS; i++) start_thread(&threads[i], hammer, &s);
    for (int round = 0; round < ROUNDS; round++) {
        qz_handle *h = atomic_load(&s.handle);
        sleep_ms(5);
        /* Close it while somebody is inside, so that the storm really meets a closing handle, then drain it. */
        visitor_enter(&v, h, kind, "inside");
        EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
        sleep_ms(5);
        visitor_dismiss(&v);
        double begin = now_ms();
        qz_status got = qz_handle_free(h, 5000);
        double took = now_ms() - begin;
        worst = took > worst ? took : worst;
        CHECK_SAY(got == QZ_ALREADY_FREED, "drain %d of %d answered %s after %.0f ms", round + 1, ROUNDS,
                  qz_status_name((int32_t)got), took);
        visitor_join(&v);
        CHECK(destroys(&t[round]) == 1);
        if (round + 1 < ROUNDS) atomic_store(&s.handle, new_handle(kind, &t[round + 1]));
    }
    atomic_store(&s.stop, true);
    for (int i = 0; i < HAMMERS; i++) pthread_join(threads[i], NULL);
    CHECK_SAY(atomic_load(&s.refused) > 0 && atomic_load(&s.admitted) > 0, "no storm: nothing was tested");
    printf("    20 of 20 drained, the slowest in %.1f ms, under %ld refusals and %ld admissions\n", worst,
           atomic_load(&s.refused), atomic_load(&s.admitted));
}

/* The same with the free that closes doing the drain, under callers who are still being admitted. */
static void a_storm_of_callers_does_not_delay_a_free(void) {
    enum { HAMMERS = 8, ROUNDS = 20 };
    static thing t[ROUNDS];
    static storm s;
    pthread_t threads[HAMMERS];
    atomic_store(&s.handle, new_handle(kind, &t[0]));
    for (int i = 0; i < HAMMERS; i++) start_thread(&threads[i], hammer, &s);
    for (int round = 0; round < ROUNDS; round++) {
        qz_handle *h = atomic_load(&s.handle);
        sleep_ms(5);
        EXPECT(qz_handle_free(h, 5000), QZ_OK);
        CHECK(destroys(&t[round]) == 1);
        if (round + 1 < ROUNDS) atomic_store(&s.handle, new_handle(kind, &t[round + 1]));
    }
    atomic_store(&s.stop, true);
    for (int i = 0; i < HAMMERS; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&s.admitted) > 0);
}

int main(void) {
    kind = new_kind("deadlines");
    RUN(never_early_and_not_much_late);
    RUN(huge_timeouts_are_long_and_do_not_overflow);
    RUN(signals_do_not_cut_a_wait_short);
    RUN(a_storm_of_refusals_does_not_delay_a_drain);
    RUN(a_storm_of_callers_does_not_delay_a_free);
    RUN(the_default_is_five_seconds);
    EXPECT(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, NULL), QZ_OK);
    return 0;
}
