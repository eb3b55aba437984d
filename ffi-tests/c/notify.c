/* qz_notify_*: waking one or all; a wake-up for one is stored; waits end by deadline, cancel and free. */
#include "refusals.h"

static qz_notify *new_notify(void) {
    qz_notify *n = NULL;
    EXPECT(qz_notify_new(&n), QZ_OK);
    return n;
}

CALL(call_wait, qz_notify_wait(h, 0, NULL))
CALL(call_one, qz_notify_one(h))
CALL(call_all, qz_notify_all(h))
CALL(call_free, qz_notify_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_notify_free(h, -3))
static const bad_call *const calls[] = {&call_wait, &call_one, &call_all};

static void bad_arguments(void) {
    qz_notify *live = new_notify(), *freed = new_notify(), *none = live;
    EXPECT(qz_notify_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    EXPECT(qz_notify_new(NULL), QZ_ERR_NULL);
    fail_after(0);
    qz_status got = qz_notify_new(&none);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_notify_new(&none)", got, QZ_ERR_NO_MEMORY);
    CHECK(none == NULL);
    EXPECT(qz_notify_wait(live, -2, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_notify_wait(live, 0, (qz_cancel *)live), QZ_ERR_WRONG_KIND);
    EXPECT(qz_notify_wait(live, 0, NULL), QZ_ERR_TIMEOUT); /* none of the above stored anything */
    EXPECT(qz_notify_free(live, 0), QZ_OK);
}

typedef struct waiter {
    qz_notify *n;
    qz_cancel *cancel;
    int64_t timeout_ms;
} waiter;

static qz_status wait_for(void *argument) {
    waiter *w = argument;
    return qz_notify_wait(w->n, w->timeout_ms, w->cancel);
}

/* Returns when so many are in the call, and most probably in line. */
static void await_waiters(qz_notify *n, uint32_t in_flight) {
    qz_handle_info info;
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(n), &info, sizeof info), QZ_OK);
    } while (info.in_flight < in_flight);
    sleep_ms(20);
}

static void one_is_stored(void) {
    qz_notify *n = new_notify();
    EXPECT(qz_notify_wait(n, 0, NULL), QZ_ERR_TIMEOUT);
    EXPECT(qz_notify_all(n), QZ_OK);
    EXPECT(qz_notify_wait(n, 0, NULL), QZ_ERR_TIMEOUT);
    EXPECT(qz_notify_one(n), QZ_OK);
    EXPECT(qz_notify_one(n), QZ_OK);
    EXPECT(qz_notify_wait(n, 0, NULL), QZ_OK);
    EXPECT(qz_notify_wait(n, 0, NULL), QZ_ERR_TIMEOUT);
    EXPECT(qz_notify_free(n, 0), QZ_OK);
}

/* Each wake-up for one ends one wait, whoever's; one for all ends the rest. */
static void one_or_all_are_woken(void) {
    enum { N = 6 };
    qz_notify *n = new_notify();
    waiter w = {n, NULL, QZ_INFINITE};
    caller callers[N];
    qz_handle_info info;
    for (int i = 0; i < N; i++) caller_start(&callers[i], wait_for, &w);
    await_waiters(n, N);
    EXPECT(qz_notify_one(n), QZ_OK);
    EXPECT(qz_notify_one(n), QZ_OK);
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(n), &info, sizeof info), QZ_OK);
    } while (info.in_flight > N - 2);
    sleep_ms(20);
    EXPECT(qz_handle_get_info(QZ_HANDLE(n), &info, sizeof info), QZ_OK);
    CHECK(info.in_flight == N - 2);
    /* Once, unless somebody is in the call and still not in line. */
    do {
        EXPECT(qz_notify_all(n), QZ_OK);
        sleep_ms(20);
        EXPECT(qz_handle_get_info(QZ_HANDLE(n), &info, sizeof info), QZ_OK);
    } while (info.in_flight > 0);
    for (int i = 0; i < N; i++) CHECK(caller_join(&callers[i]) == QZ_OK);
    EXPECT(qz_notify_wait(n, 0, NULL), QZ_ERR_TIMEOUT);
    EXPECT(qz_notify_free(n, 0), QZ_OK);
}

static void waits_end_by_deadline_and_cancel(void) {
    qz_notify *n = new_notify();
    waiter cancelled = {n, NULL, QZ_INFINITE};
    double begin = now_ms();
    EXPECT(qz_notify_wait(n, 30, NULL), QZ_ERR_TIMEOUT);
    CHECK_SAY(now_ms() - begin >= 30, "after %.1f ms of 30", now_ms() - begin);
    EXPECT(qz_cancel_new(&cancelled.cancel), QZ_OK);
    caller ended;
    caller_start(&ended, wait_for, &cancelled);
    await_waiters(n, 1);
    qz_occupant who;
    size_t count = 0;
    EXPECT(qz_handle_occupants(QZ_HANDLE(n), &who, sizeof who, 1, &count), QZ_OK);
    CHECK(count == 1 && who.is_waiting && !who.is_hold);
    EXPECT(qz_cancel_cancel(cancelled.cancel), QZ_OK);
    CHECK(caller_join(&ended) == QZ_ERR_CANCELLED);
    EXPECT(qz_notify_one(n), QZ_OK);
    EXPECT(qz_notify_wait(n, QZ_INFINITE, cancelled.cancel), QZ_ERR_CANCELLED);
    EXPECT(qz_notify_wait(n, 0, NULL), QZ_OK); /* which nobody else took */
    EXPECT(qz_cancel_free(cancelled.cancel, 0), QZ_OK);
    EXPECT(qz_notify_wait(n, 0, cancelled.cancel), QZ_ERR_FREED);
    EXPECT(qz_notify_free(n, 0), QZ_OK);
}

static void freed_while_others_wait(void) {
    enum { N = 20 };
    qz_status freed = QZ_OK;
    /* A free that does not wait is pending, unless all of them are out by then. */
    for (int attempt = 0; attempt < 100 && freed != QZ_FREE_PENDING; attempt++) {
        qz_notify *n = new_notify();
        waiter w = {n, NULL, QZ_INFINITE};
        caller waiting[N];
        for (int i = 0; i < N; i++) caller_start(&waiting[i], wait_for, &w);
        await_waiters(n, N);
        freed = qz_notify_free(n, 0);
        for (int i = 0; i < N; i++) CHECK(caller_join(&waiting[i]) == QZ_ERR_FREED);
        EXPECT(qz_handle_wait_freed(QZ_HANDLE(n), 0), QZ_OK);
        EXPECT(qz_notify_wait(n, 0, NULL), QZ_ERR_FREED);
        EXPECT(qz_notify_free(n, 0), QZ_ALREADY_FREED);
    }
    expect_status(__FILE__, __LINE__, "qz_notify_free(n, 0)", freed, QZ_FREE_PENDING);
}

int main(void) {
    bad_arguments();
    one_is_stored();
    one_or_all_are_woken();
    waits_end_by_deadline_and_cancel();
    freed_while_others_wait();
    puts("notify: ok");
    return 0;
}
