/* qz_rundown: close and drain of something that may be opened again. Zero bytes are open. */
#include "visitor.h"

_Static_assert(sizeof(qz_rundown) == 8, "a run-down is one word");

static qz_rundown *new_rundown(void) {
    static qz_rundown arena[4096]; /* static: outlives every late acquire */
    static atomic_size_t used;
    size_t i = atomic_fetch_add(&used, 1);
    CHECK(i < sizeof arena / sizeof *arena);
    return &arena[i];
}

static qz_status call_wait(void *r) { return qz_rundown_wait(r, QZ_INFINITE); }
static qz_status call_release(void *r) { return qz_rundown_release(r, 1); }
static qz_status call_re_init(void *r) { return qz_rundown_re_init(r); }

static void bad_arguments(void) {
    qz_rundown *r = new_rundown();
    EXPECT(qz_rundown_try_acquire(NULL, 1), QZ_ERR_NULL);
    EXPECT(qz_rundown_release(NULL, 1), QZ_ERR_NULL);
    EXPECT(qz_rundown_wait(NULL, 0), QZ_ERR_NULL);
    EXPECT(qz_rundown_re_init(NULL), QZ_ERR_NULL);
    qz_rundown *misaligned = (qz_rundown *)((char *)r + 4);
    EXPECT(qz_rundown_try_acquire(misaligned, 1), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_release(misaligned, 1), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_wait(misaligned, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_re_init(misaligned), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_try_acquire(r, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_release(r, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_wait(r, -3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_wait(r, INT64_MIN), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK); /* still open */
    EXPECT(qz_rundown_release(r, 1), QZ_OK);
}

static void acquire_and_release(void) {
    qz_rundown *r = new_rundown();
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
    EXPECT(qz_rundown_try_acquire(r, 9), QZ_OK);
    EXPECT(qz_rundown_release(r, 11), QZ_ERR_NOT_INSIDE); /* fewer are out: nothing changes */
    EXPECT(qz_rundown_release(r, UINT32_MAX), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_rundown_release(r, 4), QZ_OK);
    EXPECT(qz_rundown_release(r, 6), QZ_OK);
    EXPECT(qz_rundown_release(r, 1), QZ_ERR_NOT_INSIDE);
    EXPECT_AT_ONCE(qz_rundown_wait(r, QZ_INFINITE), QZ_OK);
}

/* In progress is told apart from complete. */
static void in_progress_and_complete(void) {
    qz_rundown *r = new_rundown();
    EXPECT(qz_rundown_try_acquire(r, 2), QZ_OK);
    EXPECT_AFTER(qz_rundown_wait(r, 30), QZ_ERR_TIMEOUT, 30);
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_ERR_BUSY);
    EXPECT(qz_rundown_re_init(r), QZ_ERR_BUSY);
    EXPECT_AT_ONCE(qz_rundown_wait(r, 0), QZ_ERR_TIMEOUT);
    EXPECT(qz_rundown_release(r, 1), QZ_OK);
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_ERR_BUSY);
    EXPECT(qz_rundown_release(r, 1), QZ_OK);
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_ERR_FREED);
    for (int i = 0; i < 3; i++) EXPECT_AT_ONCE(qz_rundown_wait(r, QZ_INFINITE), QZ_OK);
}

/* The defect of an older design: a stray release after the run-down opened the object again. */
static void a_stray_release_opens_nothing(void) {
    qz_rundown *r = new_rundown();
    EXPECT(qz_rundown_wait(r, 0), QZ_OK);
    for (int i = 0; i < 100; i++) EXPECT(qz_rundown_release(r, 1), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_ERR_FREED);
    EXPECT(qz_rundown_wait(r, 0), QZ_OK);
    EXPECT(qz_rundown_re_init(r), QZ_OK);
    EXPECT(qz_rundown_release(r, 1), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
    EXPECT(qz_rundown_release(r, 1), QZ_OK);
    EXPECT(qz_rundown_wait(r, 0), QZ_OK);
}

static void re_init_only_when_complete(void) {
    qz_rundown *r = new_rundown();
    EXPECT(qz_rundown_re_init(r), QZ_ERR_BUSY); /* open: no run-down has begun */
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
    EXPECT(qz_rundown_re_init(r), QZ_ERR_BUSY);
    EXPECT(qz_rundown_release(r, 1), QZ_OK);
    for (int i = 0; i < 1000; i++) {
        CHECK(qz_rundown_wait(r, QZ_INFINITE) == QZ_OK);
        CHECK(qz_rundown_try_acquire(r, 1) == QZ_ERR_FREED);
        EXPECT(qz_rundown_re_init(r), QZ_OK);
        EXPECT(qz_rundown_re_init(r), QZ_ERR_BUSY);
        CHECK(qz_rundown_try_acquire(r, 3) == QZ_OK);
        CHECK(qz_rundown_release(r, 3) == QZ_OK);
    }
}

static void one_of_many_re_inits(void) {
    enum { CALLERS = 16 };
    for (int round = 0; round < 50; round++) {
        qz_rundown *r = new_rundown();
        caller c[CALLERS];
        int won = 0;
        EXPECT(qz_rundown_wait(r, 0), QZ_OK);
        for (int i = 0; i < CALLERS; i++) caller_start(&c[i], call_re_init, r);
        for (int i = 0; i < CALLERS; i++) {
            qz_status got = caller_join(&c[i]);
            CHECK(got == QZ_OK || got == QZ_ERR_BUSY);
            won += got == QZ_OK;
        }
        CHECK_SAY(won == 1, "%d re_inits of one run-down answered OK", won);
        EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
        EXPECT(qz_rundown_release(r, 1), QZ_OK);
    }
}

static void any_number_of_waiters(void) {
    enum { WAITERS = 16 };
    for (int round = 0; round < 50; round++) {
        qz_rundown *r = new_rundown();
        caller c[WAITERS];
        EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
        for (int i = 0; i < WAITERS; i++) caller_start(&c[i], call_wait, r);
        qz_status got;
        while ((got = qz_rundown_try_acquire(r, 1)) == QZ_OK) CHECK(qz_rundown_release(r, 1) == QZ_OK);
        CHECK(got == QZ_ERR_BUSY);
        if (round % 2 == 0) sleep_ms(2); /* let them fall asleep, every other time */
        double released = now_ms();
        CHECK(call_elsewhere(call_release, r) == QZ_OK);
        for (int i = 0; i < WAITERS; i++) {
            CHECK(caller_join(&c[i]) == QZ_OK);
            CHECK(c[i].ended >= released && c[i].ended - released < LATE_MS);
        }
    }
}

/* A waiter of one run-down is released though the object was opened again at once. */
static void nobody_sleeps_through_a_re_init(void) {
    for (int round = 0; round < 200; round++) {
        qz_rundown *r = new_rundown();
        caller c;
        EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
        caller_start(&c, call_wait, r);
        while (qz_rundown_try_acquire(r, 1) == QZ_OK) CHECK(qz_rundown_release(r, 1) == QZ_OK);
        if (round % 2 == 0) sleep_ms(1);
        CHECK(qz_rundown_release(r, 1) == QZ_OK);
        CHECK(qz_rundown_re_init(r) == QZ_OK);
        CHECK(caller_join(&c) == QZ_OK);
    }
}

static void the_count_is_limited_and_never_wraps(void) {
    qz_rundown *r = new_rundown();
    uint32_t step = UINT32_MAX, out = 0;
    EXPECT(qz_rundown_try_acquire(r, UINT32_MAX), QZ_ERR_LIMIT);
    for (; step > 0; step /= 2) /* fills it up by bisection: all or none each time */
        while (qz_rundown_try_acquire(r, step) == QZ_OK) {
            CHECK(out + step > out);
            out += step;
        }
    EXPECT(qz_rundown_try_acquire(r, 1), QZ_ERR_LIMIT);
    EXPECT(qz_rundown_release(r, out + 1), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_rundown_wait(r, 0), QZ_ERR_TIMEOUT); /* also full, it can be closed */
    EXPECT(qz_rundown_release(r, out), QZ_OK);
    EXPECT(qz_rundown_wait(r, 0), QZ_OK);
    printf("    %u were out at once\n", out);
}

static void huge_timeouts_do_not_overflow(void) {
    static const int64_t timeouts[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 1000, INT64_MAX / 1000000 + 1};
    for (int i = 0; i < 4; i++) {
        qz_rundown *r = new_rundown();
        caller c;
        EXPECT(qz_rundown_try_acquire(r, 1), QZ_OK);
        EXPECT(qz_rundown_wait(r, 0), QZ_ERR_TIMEOUT);
        caller_start(&c, call_release, r);
        EXPECT_AT_ONCE(qz_rundown_wait(r, timeouts[i]), QZ_OK);
        CHECK(caller_join(&c) == QZ_OK);
    }
}

int main(void) {
    RUN(bad_arguments);
    RUN(acquire_and_release);
    RUN(in_progress_and_complete);
    RUN(a_stray_release_opens_nothing);
    RUN(re_init_only_when_complete);
    RUN(one_of_many_re_inits);
    RUN(any_number_of_waiters);
    RUN(nobody_sleeps_through_a_re_init);
    RUN(the_count_is_limited_and_never_wraps);
    RUN(huge_timeouts_do_not_overflow);
    return 0;
}
