/* qz_guard: embedded in the caller's own memory, which is never given back. Zero bytes are an open guard. */
#include "visitor.h"

_Static_assert(sizeof(qz_guard) == 8, "a guard is one word");

static qz_guard *new_guard(void) {
    static qz_guard arena[4096]; /* static: outlives every late enter */
    static atomic_size_t used;
    size_t i = atomic_fetch_add(&used, 1);
    CHECK(i < sizeof arena / sizeof *arena);
    return &arena[i];
}

static qz_status call_begin_free(void *g) { return qz_guard_begin_free(g, QZ_INFINITE); }
static qz_status call_wait_drained(void *g) { return qz_guard_wait_drained(g, QZ_INFINITE); }
static qz_status call_guard_leave(void *g) { return qz_guard_leave(g); }

static void bad_arguments(void) {
    qz_guard *g = new_guard();
    EXPECT(qz_guard_try_enter(NULL), QZ_ERR_NULL);
    EXPECT(qz_guard_leave(NULL), QZ_ERR_NULL);
    EXPECT(qz_guard_begin_free(NULL, 0), QZ_ERR_NULL); /* not OK: OK means that the caller won something */
    EXPECT(qz_guard_wait_drained(NULL, 0), QZ_ERR_NULL);
    qz_guard *misaligned = (qz_guard *)((char *)g + 1);
    EXPECT(qz_guard_try_enter(misaligned), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_leave(misaligned), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_begin_free(misaligned, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_wait_drained(misaligned, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_begin_free(g, -3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_begin_free(g, INT64_MIN), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_wait_drained(g, -3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_guard_try_enter(g), QZ_OK); /* still open */
    EXPECT(qz_guard_leave(g), QZ_OK);
    EXPECT(qz_guard_wait_drained(g, 0), QZ_ERR_BUSY); /* no free has begun */
}

static void one_free_wins(void) {
    qz_guard *g = new_guard();
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    EXPECT(qz_guard_leave(g), QZ_OK);
    EXPECT(qz_guard_leave(g), QZ_OK);
    EXPECT_AT_ONCE(qz_guard_begin_free(g, QZ_DEFAULT_TIMEOUT), QZ_OK);
    for (int i = 0; i < 3; i++) EXPECT_AT_ONCE(qz_guard_begin_free(g, QZ_INFINITE), QZ_ALREADY_FREED);
    EXPECT_AT_ONCE(qz_guard_wait_drained(g, QZ_INFINITE), QZ_ALREADY_FREED); /* the end was handed out */
    EXPECT(qz_guard_try_enter(g), QZ_ERR_FREED);
    /* A stray leave neither underflows nor opens it again. */
    for (int i = 0; i < 3; i++) EXPECT(qz_guard_leave(g), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_guard_try_enter(g), QZ_ERR_FREED);
    EXPECT(qz_guard_begin_free(g, 0), QZ_ALREADY_FREED);
}

static void leave_without_enter(void) {
    qz_guard *g = new_guard();
    for (int i = 0; i < 3; i++) EXPECT(qz_guard_leave(g), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    EXPECT_AFTER(qz_guard_begin_free(g, 10), QZ_ERR_TIMEOUT, 10); /* the strays did not make up for the one inside */
    EXPECT(qz_guard_leave(g), QZ_OK);
    EXPECT(qz_guard_wait_drained(g, 0), QZ_OK);
    EXPECT(qz_guard_leave(g), QZ_ERR_NOT_INSIDE);
}

static void after_a_timeout_the_end_is_handed_out_once(void) {
    qz_guard *g = new_guard();
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    EXPECT_AFTER(qz_guard_begin_free(g, 40), QZ_ERR_TIMEOUT, 40);
    EXPECT(qz_guard_try_enter(g), QZ_ERR_FREED);
    EXPECT_AT_ONCE(qz_guard_begin_free(g, QZ_INFINITE), QZ_ALREADY_FREED);
    EXPECT_AFTER(qz_guard_wait_drained(g, 30), QZ_ERR_TIMEOUT, 30);
    EXPECT_AT_ONCE(qz_guard_wait_drained(g, 0), QZ_ERR_TIMEOUT);
    CHECK(call_elsewhere(call_guard_leave, g) == QZ_OK); /* a guard does not mind which thread leaves */
    EXPECT_AT_ONCE(qz_guard_wait_drained(g, QZ_INFINITE), QZ_OK);
    for (int i = 0; i < 3; i++) EXPECT_AT_ONCE(qz_guard_wait_drained(g, QZ_INFINITE), QZ_ALREADY_FREED);
}

static void zero_closes_and_returns_at_once(void) {
    qz_guard *g = new_guard();
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    EXPECT_AT_ONCE(qz_guard_begin_free(g, 0), QZ_ERR_TIMEOUT);
    EXPECT(qz_guard_try_enter(g), QZ_ERR_FREED);
    EXPECT(qz_guard_leave(g), QZ_OK);
    EXPECT(qz_guard_wait_drained(g, 0), QZ_OK);
}

static void begin_free_waits_for_those_inside(void) {
    qz_guard *g = new_guard();
    caller c;
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    caller_start(&c, call_begin_free, g);
    qz_status got;
    while ((got = qz_guard_try_enter(g)) == QZ_OK) CHECK(qz_guard_leave(g) == QZ_OK);
    CHECK(got == QZ_ERR_FREED);
    sleep_ms(30);
    double left = now_ms();
    EXPECT(qz_guard_leave(g), QZ_OK);
    CHECK(caller_join(&c) == QZ_OK);
    CHECK(c.ended >= left && c.ended - left < LATE_MS);
}

static void many_wait_one_is_told(void) {
    enum { WAITERS = 16 };
    for (int round = 0; round < 50; round++) {
        qz_guard *g = new_guard();
        caller c[WAITERS];
        int told = 0;
        EXPECT(qz_guard_try_enter(g), QZ_OK);
        EXPECT(qz_guard_begin_free(g, 0), QZ_ERR_TIMEOUT);
        for (int i = 0; i < WAITERS; i++) caller_start(&c[i], call_wait_drained, g);
        if (round % 2 == 0) sleep_ms(2); /* let them fall asleep, every other time */
        EXPECT(qz_guard_leave(g), QZ_OK);
        for (int i = 0; i < WAITERS; i++) {
            qz_status got = caller_join(&c[i]);
            CHECK_SAY(got == QZ_OK || got == QZ_ALREADY_FREED, "wait_drained answered %s",
                      qz_status_name((int32_t)got));
            told += got == QZ_OK;
        }
        CHECK_SAY(told == 1, "%d callers were told that they own the end", told);
    }
}

/* wait_drained beside a begin_free that still waits: one of the two owns the end, never both. */
static void a_waiter_beside_the_closer(void) {
    for (int round = 0; round < 50; round++) {
        qz_guard *g = new_guard();
        caller closer, waiter;
        EXPECT(qz_guard_try_enter(g), QZ_OK);
        caller_start(&closer, call_begin_free, g);
        while (qz_guard_try_enter(g) == QZ_OK) CHECK(qz_guard_leave(g) == QZ_OK);
        caller_start(&waiter, call_wait_drained, g);
        if (round % 2 == 0) sleep_ms(1);
        EXPECT(qz_guard_leave(g), QZ_OK);
        CHECK(caller_join(&closer) == QZ_OK);
        CHECK(caller_join(&waiter) == QZ_ALREADY_FREED);
    }
}

static void the_count_is_limited_and_never_wraps(void) {
    qz_guard *g = new_guard();
    int64_t entered = 0;
    qz_status got;
    while ((got = qz_guard_try_enter(g)) == QZ_OK) CHECK(++entered <= INT64_C(1) << 32);
    CHECK(got == QZ_ERR_LIMIT);
    EXPECT(qz_guard_try_enter(g), QZ_ERR_LIMIT);
    EXPECT(qz_guard_leave(g), QZ_OK);
    EXPECT(qz_guard_try_enter(g), QZ_OK);
    EXPECT(qz_guard_begin_free(g, 0), QZ_ERR_TIMEOUT); /* also full, it can be closed */
    EXPECT(qz_guard_try_enter(g), QZ_ERR_FREED);
    for (int64_t i = 0; i < entered; i++) CHECK(qz_guard_leave(g) == QZ_OK);
    EXPECT(qz_guard_leave(g), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_guard_wait_drained(g, 0), QZ_OK);
    printf("    %" PRId64 " were inside at once\n", entered);
}

static void huge_timeouts_do_not_overflow(void) {
    static const int64_t timeouts[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 1000, INT64_MAX / 1000000 + 1};
    for (int i = 0; i < 4; i++) {
        qz_guard *g = new_guard();
        caller c;
        EXPECT(qz_guard_try_enter(g), QZ_OK);
        EXPECT(qz_guard_begin_free(g, 0), QZ_ERR_TIMEOUT);
        caller_start(&c, call_guard_leave, g);
        EXPECT_AT_ONCE(qz_guard_wait_drained(g, timeouts[i]), QZ_OK);
        CHECK(caller_join(&c) == QZ_OK);
        EXPECT_AT_ONCE(qz_guard_begin_free(new_guard(), timeouts[i]), QZ_OK);
    }
}

typedef struct storm {
    qz_guard *guard;
    atomic_bool stop;
    atomic_long refused;
} storm;

static void *hammer(void *argument) {
    storm *s = argument;
    long refused = 0;
    while (!atomic_load(&s->stop)) {
        if (qz_guard_try_enter(s->guard) == QZ_OK) {
            CHECK(qz_guard_leave(s->guard) == QZ_OK);
        } else {
            refused++;
        }
    }
    atomic_fetch_add(&s->refused, refused);
    return NULL;
}

/* In the older design the refused callers disturbed the count that the drain watched: 15 of 20 frees timed out after 200 ms. */
static void a_storm_of_refusals_does_not_delay_a_drain(void) {
    enum { HAMMERS = 8, ROUNDS = 20 };
    double worst = 0;
    long refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[HAMMERS];
        caller c;
        storm s = {new_guard(), false, 0};
        EXPECT(qz_guard_try_enter(s.guard), QZ_OK);
        EXPECT(qz_guard_begin_free(s.guard, 0), QZ_ERR_TIMEOUT);
        for (int i = 0; i < HAMMERS; i++) start_thread(&threads[i], hammer, &s);
        sleep_ms(5);
        caller_start(&c, call_guard_leave, s.guard);
        /* Every other time nobody is inside any more: then it needs no time at all. */
        if (round % 2 == 1) CHECK(caller_join(&c) == QZ_OK);
        double begin = now_ms();
        qz_status got = qz_guard_wait_drained(s.guard, round % 2 == 1 ? 0 : 5000);
        double took = now_ms() - begin;
        worst = took > worst ? took : worst;
        CHECK_SAY(got == QZ_OK, "drain %d of %d answered %s after %.0f ms", round + 1, ROUNDS,
                  qz_status_name((int32_t)got), took);
        atomic_store(&s.stop, true);
        for (int i = 0; i < HAMMERS; i++) pthread_join(threads[i], NULL);
        if (round % 2 == 0) CHECK(caller_join(&c) == QZ_OK);
        refused += atomic_load(&s.refused);
    }
    CHECK_SAY(refused > 0, "no storm: nothing was tested");
    printf("    20 of 20 drained, the slowest in %.1f ms, under %ld refusals\n", worst, refused);
}

int main(void) {
    RUN(bad_arguments);
    RUN(one_free_wins);
    RUN(leave_without_enter);
    RUN(after_a_timeout_the_end_is_handed_out_once);
    RUN(zero_closes_and_returns_at_once);
    RUN(begin_free_waits_for_those_inside);
    RUN(many_wait_one_is_told);
    RUN(a_waiter_beside_the_closer);
    RUN(the_count_is_limited_and_never_wraps);
    RUN(huge_timeouts_do_not_overflow);
    RUN(a_storm_of_refusals_does_not_delay_a_drain);
    return 0;
}
