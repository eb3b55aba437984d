/* qz_semaphore_*: permits, taken in turn, given back on any thread; waits that end by deadline, cancel and free. */
#include "refusals.h"

static qz_semaphore *new_semaphore(uint32_t initial, uint32_t max) {
    qz_semaphore *s = NULL;
    EXPECT(qz_semaphore_new(initial, max, &s), QZ_OK);
    return s;
}

static uint32_t available(qz_semaphore *s) {
    uint32_t permits = 77;
    EXPECT(qz_semaphore_available(s, &permits), QZ_OK);
    return permits;
}

static qz_hold *acquire(qz_semaphore *s, uint32_t permits) {
    qz_hold *hold = NULL;
    EXPECT(qz_semaphore_acquire(s, permits, QZ_INFINITE, NULL, &hold), QZ_OK);
    CHECK(hold != NULL);
    return hold;
}

static qz_hold *out_hold;
static uint32_t number;
CALL(call_acquire, qz_semaphore_acquire(h, 1, 0, NULL, &out_hold))
CALL(call_try_acquire, qz_semaphore_try_acquire(h, 1, &out_hold))
CALL(call_add, qz_semaphore_add(h, 1))
CALL(call_forget, qz_semaphore_forget(h, 1, NULL))
CALL(call_available, qz_semaphore_available(h, &number))
CALL(call_free, qz_semaphore_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_semaphore_free(h, -3))
static const bad_call *const calls[] = {&call_acquire, &call_try_acquire, &call_add, &call_forget, &call_available};

static void bad_arguments(void) {
    qz_semaphore *live = new_semaphore(1, 2), *freed = new_semaphore(1, 1);
    EXPECT(qz_semaphore_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out_hold == NULL && available(live) == 1);

    qz_semaphore *none = live;
    EXPECT(qz_semaphore_new(2, 1, &none), QZ_ERR_INVALID_ARGUMENT);
    CHECK(none == NULL);
    EXPECT(qz_semaphore_new(0, 0, &none), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_semaphore_new(0, (1u << 28) + 1, &none), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_semaphore_new(1, 1, NULL), QZ_ERR_NULL);
    fail_after(0);
    qz_status got = qz_semaphore_new(1, 1, &none);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_semaphore_new()", got, QZ_ERR_NO_MEMORY);

    out_hold = (qz_hold *)0x1234;
    EXPECT(qz_semaphore_acquire(live, 3, QZ_INFINITE, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    CHECK(out_hold == NULL);
    EXPECT(qz_semaphore_try_acquire(live, 0, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_semaphore_acquire(live, 1, -2, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_semaphore_acquire(live, 1, 0, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_semaphore_try_acquire(live, 1, NULL), QZ_ERR_NULL);
    EXPECT(qz_semaphore_acquire(live, 1, 0, (qz_cancel *)live, &out_hold), QZ_ERR_WRONG_KIND);
    EXPECT(qz_semaphore_available(live, NULL), QZ_ERR_NULL);
    CHECK(available(live) == 1);
    EXPECT(qz_semaphore_free(live, 0), QZ_OK);
}

static void taken_and_given_back(void) {
    qz_semaphore *s = new_semaphore(3, 4);
    qz_hold *two = acquire(s, 2), *none = NULL;
    CHECK(available(s) == 1);
    EXPECT(qz_semaphore_try_acquire(s, 2, &none), QZ_ERR_BUSY);
    CHECK(none == NULL && strstr(qz_last_error(), "in hold 'qz_semaphore_acquire'") != NULL);
    EXPECT(qz_semaphore_acquire(s, 2, 0, NULL, &none), QZ_ERR_TIMEOUT);
    EXPECT(qz_semaphore_add(s, 2), QZ_ERR_LIMIT);
    EXPECT(qz_semaphore_add(s, 1), QZ_OK);
    CHECK(available(s) == 2);
    EXPECT(qz_semaphore_try_acquire(s, 2, &none), QZ_OK);
    CHECK(none != NULL && available(s) == 0);
    EXPECT(qz_hold_release(none), QZ_OK);
    EXPECT(qz_hold_release(two), QZ_OK);
    EXPECT(qz_hold_release(two), QZ_ALREADY_FREED);
    EXPECT(qz_semaphore_try_acquire(s, 4, &two), QZ_OK);
    EXPECT(qz_hold_release(two), QZ_OK);
    CHECK(available(s) == 4);
    EXPECT(qz_semaphore_forget(s, 10, &number), QZ_OK);
    CHECK(number == 4 && available(s) == 0);
    EXPECT(qz_semaphore_free(s, QZ_DEFAULT_TIMEOUT), QZ_OK);
}

typedef struct wait_for {
    qz_semaphore *s;
    qz_cancel *cancel;
    qz_hold *hold;
    int64_t timeout_ms;
} wait_for;

static qz_status call_acquire_one(void *argument) {
    wait_for *w = argument;
    qz_status got = qz_semaphore_acquire(w->s, 1, w->timeout_ms, w->cancel, &w->hold);
    CHECK((got == QZ_OK) == (w->hold != NULL));
    return got;
}

static void await_a_waiter(qz_semaphore *s, uint32_t in_flight) {
    qz_handle_info info;
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(s), &info, sizeof info), QZ_OK);
    } while (info.in_flight < in_flight);
}

static void waits_end_by_grant_deadline_and_cancel(void) {
    qz_semaphore *s = new_semaphore(1, 1);
    qz_hold *mine = acquire(s, 1);
    wait_for forever = {s, NULL, NULL, QZ_INFINITE}, late = {s, NULL, NULL, 30}, cancelled = {s, NULL, NULL, QZ_INFINITE};
    EXPECT(qz_cancel_new(&cancelled.cancel), QZ_OK);
    caller granted, timed_out, ended;
    caller_start(&granted, call_acquire_one, &forever);
    await_a_waiter(s, 2);

    qz_occupant who[4];
    size_t n = 0;
    EXPECT(qz_handle_occupants(QZ_HANDLE(s), who, sizeof *who, 4, &n), QZ_OK);
    CHECK(n == 2 && who[0].is_hold + who[1].is_hold == 1 && who[0].is_waiting + who[1].is_waiting == 1);
    for (size_t i = 0; i < n; i++) CHECK(who[i].is_hold != who[i].is_waiting && who[i].since_ms >= 0);

    caller_start(&timed_out, call_acquire_one, &late);
    caller_start(&ended, call_acquire_one, &cancelled);
    CHECK(caller_join(&timed_out) == QZ_ERR_TIMEOUT);
    CHECK_SAY(timed_out.ended - timed_out.began >= 30, "after %.1f ms of 30", timed_out.ended - timed_out.began);
    EXPECT(qz_cancel_cancel(cancelled.cancel), QZ_OK);
    CHECK(caller_join(&ended) == QZ_ERR_CANCELLED);
    qz_hold *none = NULL;
    EXPECT(qz_semaphore_acquire(s, 1, QZ_INFINITE, cancelled.cancel, &none), QZ_ERR_CANCELLED);
    EXPECT(qz_hold_release(mine), QZ_OK);
    CHECK(caller_join(&granted) == QZ_OK);
    EXPECT(qz_hold_release(forever.hold), QZ_OK); /* taken on another thread, which has ended */
    CHECK(available(s) == 1);
    EXPECT(qz_cancel_free(cancelled.cancel, 0), QZ_OK);
    EXPECT(qz_semaphore_free(s, 0), QZ_OK);
}

/* Those that wait are answered at once; permits that are out keep it alive. */
static void freed_while_others_wait_and_hold(void) {
    enum { N = 20 };
    qz_semaphore *s = new_semaphore(1, 1);
    qz_hold *mine = acquire(s, 1);
    wait_for w[N];
    caller waiting[N];
    for (int i = 0; i < N; i++) {
        w[i] = (wait_for){s, NULL, NULL, QZ_INFINITE};
        caller_start(&waiting[i], call_acquire_one, &w[i]);
    }
    await_a_waiter(s, N + 1);
    EXPECT(qz_hold_pass_on(mine), QZ_OK); /* so that this free waits for it */
    EXPECT(qz_semaphore_free(s, 0), QZ_FREE_PENDING); /* its words have room for few: not for those on their way out */
    CHECK(strstr(qz_last_error(), "in hold 'qz_semaphore_acquire'") != NULL);
    for (int i = 0; i < N; i++) CHECK(caller_join(&waiting[i]) == QZ_ERR_FREED);
    EXPECT(qz_semaphore_add(s, 1), QZ_ERR_FREED);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(s), 0), QZ_OK);
    EXPECT(qz_semaphore_free(s, 0), QZ_ALREADY_FREED);
    EXPECT(qz_hold_release(mine), QZ_ALREADY_FREED);
}

static void freed_by_its_own_holder(void) {
    qz_semaphore *s = new_semaphore(1, 1);
    qz_hold *mine = acquire(s, 1);
    double begin = now_ms();
    EXPECT(qz_semaphore_free(s, QZ_INFINITE), QZ_FREE_PENDING);
    CHECK(now_ms() - begin < LATE_MS);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(s), 0), QZ_OK);
}

/* The hold's own token: refused like any other. */
static void passing_on_refuses_bad_arguments(void) {
    qz_semaphore *s = new_semaphore(1, 1);
    qz_hold *mine = acquire(s, 1);
    EXPECT(qz_hold_pass_on(NULL), QZ_ERR_NULL);
    EXPECT(qz_hold_pass_on((qz_hold *)&mine), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_hold_pass_on((qz_hold *)s), QZ_ERR_WRONG_KIND);
    EXPECT(qz_hold_pass_on(mine), QZ_OK);
    EXPECT(qz_hold_pass_on(mine), QZ_OK);
    if (in_child()) {
        EXPECT(qz_hold_pass_on(mine), QZ_ERR_FORKED);
        _Exit(0);
    }
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_hold_pass_on(mine), QZ_ERR_FREED);
    EXPECT(qz_semaphore_free(s, 0), QZ_OK);
}

int main(void) {
    bad_arguments();
    taken_and_given_back();
    waits_end_by_grant_deadline_and_cancel();
    freed_while_others_wait_and_hold();
    freed_by_its_own_holder();
    passing_on_refuses_bad_arguments();
    puts("semaphore: ok");
    return 0;
}
