/* qz_cache_aware_rundown: the run-down of what many threads use at once. Its owner makes it and gives it back. */
#include "visitor.h"

static qz_cache_aware_rundown *new_rundown(void) {
    qz_cache_aware_rundown *r = NULL;
    EXPECT(qz_cache_aware_rundown_new(&r), QZ_OK);
    CHECK(r != NULL && (uintptr_t)r % 128 == 0);
    return r;
}

static void run_down_and_delete(qz_cache_aware_rundown *r) {
    EXPECT(qz_cache_aware_rundown_wait(r, 0), QZ_OK);
    EXPECT(qz_cache_aware_rundown_delete(r), QZ_OK);
}

static uint32_t acquired(qz_cache_aware_rundown *r, uint32_t n) {
    uint32_t stripe = 77;
    CHECK(qz_cache_aware_rundown_try_acquire(r, n, &stripe) == QZ_OK && stripe < 64);
    return stripe;
}

/* One reference, on a thread of its own: the threads' stripes are one after the other. */
typedef struct reference {
    qz_cache_aware_rundown *r;
    uint32_t stripe;
} reference;

static qz_status call_acquire(void *argument) {
    reference *mine = argument;
    return qz_cache_aware_rundown_try_acquire(mine->r, 1, &mine->stripe);
}
static qz_status call_release(void *argument) {
    reference *mine = argument;
    return qz_cache_aware_rundown_release(mine->r, 1, mine->stripe);
}
static qz_status call_wait(void *r) { return qz_cache_aware_rundown_wait(r, QZ_INFINITE); }
static qz_status call_re_init(void *r) { return qz_cache_aware_rundown_re_init(r); }

static void bad_arguments(void) {
    qz_cache_aware_rundown *r = new_rundown();
    uint32_t stripe = 77;
    EXPECT(qz_cache_aware_rundown_new(NULL), QZ_ERR_NULL);
    EXPECT(qz_cache_aware_rundown_try_acquire(NULL, 1, &stripe), QZ_ERR_NULL);
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 1, NULL), QZ_ERR_NULL);
    EXPECT(qz_cache_aware_rundown_release(NULL, 1, 0), QZ_ERR_NULL);
    EXPECT(qz_cache_aware_rundown_wait(NULL, 0), QZ_ERR_NULL);
    EXPECT(qz_cache_aware_rundown_re_init(NULL), QZ_ERR_NULL);
    EXPECT(qz_cache_aware_rundown_delete(NULL), QZ_OK); /* nothing to give back */
    qz_cache_aware_rundown *misaligned = (qz_cache_aware_rundown *)((char *)r + 64);
    EXPECT(qz_cache_aware_rundown_try_acquire(misaligned, 1, &stripe), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_release(misaligned, 1, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_wait(misaligned, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_re_init(misaligned), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_delete(misaligned), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 0, &stripe), QZ_ERR_INVALID_ARGUMENT);
    CHECK(stripe == 77); /* written on success only */
    EXPECT(qz_cache_aware_rundown_release(r, 0, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_wait(r, -3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_wait(r, INT64_MIN), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 1, &stripe), QZ_OK); /* still open */
    static const uint32_t none[] = {64, 65, 77, INT32_MAX, UINT32_MAX};
    for (int i = 0; i < 5; i++) EXPECT(qz_cache_aware_rundown_release(r, 1, none[i]), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cache_aware_rundown_release(r, 1, stripe), QZ_OK);
    run_down_and_delete(r);
}

static void acquire_and_release(void) {
    qz_cache_aware_rundown *r = new_rundown();
    uint32_t stripe = acquired(r, 1);
    CHECK(acquired(r, 9) == stripe); /* a thread's stripe is always the same */
    EXPECT(qz_cache_aware_rundown_release(r, 11, stripe), QZ_ERR_NOT_INSIDE); /* fewer are out: nothing changes */
    EXPECT(qz_cache_aware_rundown_release(r, UINT32_MAX, stripe), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_cache_aware_rundown_release(r, 4, stripe), QZ_OK);
    EXPECT(qz_cache_aware_rundown_release(r, 6, stripe), QZ_OK);
    EXPECT(qz_cache_aware_rundown_release(r, 1, stripe), QZ_ERR_NOT_INSIDE);
    EXPECT_AT_ONCE(qz_cache_aware_rundown_wait(r, QZ_INFINITE), QZ_OK);
    EXPECT(qz_cache_aware_rundown_delete(r), QZ_OK);
}

/* Also for a thread whose own stripe nobody has acquired from. */
static void in_progress_and_complete(void) {
    enum { THREADS = 8 };
    qz_cache_aware_rundown *r = new_rundown();
    uint32_t stripe = acquired(r, 2), unused = 77;
    EXPECT(qz_cache_aware_rundown_delete(r), QZ_ERR_BUSY); /* open */
    EXPECT_AFTER(qz_cache_aware_rundown_wait(r, 30), QZ_ERR_TIMEOUT, 30);
    reference elsewhere = {r, 77};
    for (int i = 0; i < THREADS; i++) CHECK(call_elsewhere(call_acquire, &elsewhere) == QZ_ERR_BUSY);
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 1, &unused), QZ_ERR_BUSY);
    EXPECT(qz_cache_aware_rundown_re_init(r), QZ_ERR_BUSY);
    EXPECT(qz_cache_aware_rundown_delete(r), QZ_ERR_BUSY); /* in progress */
    EXPECT_AT_ONCE(qz_cache_aware_rundown_wait(r, 0), QZ_ERR_TIMEOUT);
    EXPECT(qz_cache_aware_rundown_release(r, 1, stripe), QZ_OK);
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 1, &unused), QZ_ERR_BUSY);
    EXPECT(qz_cache_aware_rundown_release(r, 1, stripe), QZ_OK);
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 1, &unused), QZ_ERR_FREED);
    for (int i = 0; i < THREADS; i++) CHECK(call_elsewhere(call_acquire, &elsewhere) == QZ_ERR_FREED);
    CHECK(unused == 77 && elsewhere.stripe == 77);
    for (int i = 0; i < 3; i++) EXPECT_AT_ONCE(qz_cache_aware_rundown_wait(r, QZ_INFINITE), QZ_OK);
    EXPECT(qz_cache_aware_rundown_delete(r), QZ_OK);
}

/* Every reference counts, whichever thread acquired it and whichever releases it. */
static void references_of_many_threads(void) {
    enum { THREADS = 16 };
    qz_cache_aware_rundown *r = new_rundown();
    reference each[THREADS];
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < THREADS; i++) {
            each[i].r = r;
            CHECK(call_elsewhere(call_acquire, &each[i]) == QZ_OK);
        }
        EXPECT(qz_cache_aware_rundown_wait(r, 0), QZ_ERR_TIMEOUT);
        for (int i = 0; i < THREADS; i++) {
            CHECK(qz_cache_aware_rundown_wait(r, 0) == QZ_ERR_TIMEOUT);
            CHECK((i % 2 ? call_elsewhere(call_release, &each[i]) : call_release(&each[i])) == QZ_OK);
        }
        EXPECT(qz_cache_aware_rundown_wait(r, 0), QZ_OK);
        for (int i = 0; i < THREADS; i++) CHECK(call_release(&each[i]) == QZ_ERR_NOT_INSIDE); /* opens nothing */
        EXPECT(qz_cache_aware_rundown_re_init(r), QZ_OK);
    }
    run_down_and_delete(r);
}

static void re_init_only_when_complete(void) {
    qz_cache_aware_rundown *r = new_rundown();
    EXPECT(qz_cache_aware_rundown_re_init(r), QZ_ERR_BUSY); /* open: no run-down has begun */
    for (int i = 0; i < 1000; i++) {
        CHECK(qz_cache_aware_rundown_wait(r, QZ_INFINITE) == QZ_OK);
        uint32_t stripe = 77;
        CHECK(qz_cache_aware_rundown_try_acquire(r, 1, &stripe) == QZ_ERR_FREED);
        EXPECT(qz_cache_aware_rundown_re_init(r), QZ_OK);
        EXPECT(qz_cache_aware_rundown_re_init(r), QZ_ERR_BUSY);
        if (i % 2) CHECK(qz_cache_aware_rundown_release(r, 3, acquired(r, 3)) == QZ_OK);
    }
    run_down_and_delete(r);
}

static void one_of_many_re_inits(void) {
    enum { CALLERS = 16 };
    qz_cache_aware_rundown *r = new_rundown();
    for (int round = 0; round < 50; round++) {
        caller c[CALLERS];
        int won = 0;
        EXPECT(qz_cache_aware_rundown_wait(r, 0), QZ_OK);
        for (int i = 0; i < CALLERS; i++) caller_start(&c[i], call_re_init, r);
        for (int i = 0; i < CALLERS; i++) {
            qz_status got = caller_join(&c[i]);
            CHECK(got == QZ_OK || got == QZ_ERR_BUSY);
            won += got == QZ_OK;
        }
        CHECK_SAY(won == 1, "%d re_inits of one run-down answered OK", won);
    }
    run_down_and_delete(r);
}

static void any_number_of_waiters(void) {
    enum { WAITERS = 16 };
    for (int round = 0; round < 50; round++) {
        qz_cache_aware_rundown *r = new_rundown();
        caller c[WAITERS];
        reference mine = {r, acquired(r, 1)};
        for (int i = 0; i < WAITERS; i++) caller_start(&c[i], call_wait, r);
        uint32_t stripe = 77;
        qz_status got;
        while ((got = qz_cache_aware_rundown_try_acquire(r, 1, &stripe)) == QZ_OK)
            CHECK(qz_cache_aware_rundown_release(r, 1, stripe) == QZ_OK);
        CHECK(got == QZ_ERR_BUSY);
        if (round % 2 == 0) sleep_ms(2); /* let them fall asleep, every other time */
        double released = now_ms();
        CHECK(call_elsewhere(call_release, &mine) == QZ_OK);
        for (int i = 0; i < WAITERS; i++) {
            CHECK(caller_join(&c[i]) == QZ_OK);
            CHECK(c[i].ended >= released && c[i].ended - released < LATE_MS);
        }
        EXPECT(qz_cache_aware_rundown_delete(r), QZ_OK);
    }
}

/* The owner deletes it as soon as its wait returns; the release that it waited for may not have. */
static void deleted_while_the_last_release_returns(void) {
    for (int round = 0; round < 500; round++) {
        reference mine = {new_rundown(), 77};
        caller c;
        CHECK(call_elsewhere(call_acquire, &mine) == QZ_OK);
        CHECK(qz_cache_aware_rundown_wait(mine.r, 0) == QZ_ERR_TIMEOUT);
        caller_start(&c, call_release, &mine);
        if (round % 2 == 0) sleep_ms(round % 4 / 2);
        CHECK(qz_cache_aware_rundown_wait(mine.r, QZ_INFINITE) == QZ_OK);
        CHECK(qz_cache_aware_rundown_delete(mine.r) == QZ_OK);
        CHECK(caller_join(&c) == QZ_OK);
    }
}

static void the_count_is_limited_and_never_wraps(void) {
    qz_cache_aware_rundown *r = new_rundown();
    uint32_t step = UINT32_MAX, out = 0, stripe = 77;
    EXPECT(qz_cache_aware_rundown_try_acquire(r, UINT32_MAX, &stripe), QZ_ERR_LIMIT);
    CHECK(stripe == 77);
    for (; step > 0; step /= 2) /* fills it up by bisection: all or none each time */
        while (qz_cache_aware_rundown_try_acquire(r, step, &stripe) == QZ_OK) {
            CHECK(out + step > out);
            out += step;
        }
    EXPECT(qz_cache_aware_rundown_try_acquire(r, 1, &stripe), QZ_ERR_LIMIT);
    EXPECT(qz_cache_aware_rundown_release(r, out + 1, stripe), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_cache_aware_rundown_wait(r, 0), QZ_ERR_TIMEOUT); /* also full, it can be closed */
    EXPECT(qz_cache_aware_rundown_release(r, out, stripe), QZ_OK);
    run_down_and_delete(r);
    printf("    %u were out at once\n", out);
}

int main(void) {
    RUN(bad_arguments);
    RUN(acquire_and_release);
    RUN(in_progress_and_complete);
    RUN(references_of_many_threads);
    RUN(re_init_only_when_complete);
    RUN(one_of_many_re_inits);
    RUN(any_number_of_waiters);
    RUN(deleted_while_the_last_release_returns);
    RUN(the_count_is_limited_and_never_wraps);
    return 0;
}
