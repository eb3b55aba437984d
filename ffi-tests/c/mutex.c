/* qz_mutex_*: one holder at a time, in turn; it may unlock on another thread, and is told when it would wait for itself. */
#include "refusals.h"

static qz_mutex *new_mutex(void) {
    qz_mutex *m = NULL;
    EXPECT(qz_mutex_new(&m), QZ_OK);
    return m;
}

static qz_hold *lock(qz_mutex *m) {
    qz_hold *hold = NULL;
    EXPECT(qz_mutex_lock(m, QZ_INFINITE, NULL, &hold), QZ_OK);
    CHECK(hold != NULL);
    return hold;
}

static qz_hold *out_hold;
static qz_mutex_stats stats;
CALL(call_lock, qz_mutex_lock(h, 0, NULL, &out_hold))
CALL(call_try_lock, qz_mutex_try_lock(h, &out_hold))
CALL(call_stats, qz_mutex_stats_get(h, &stats, sizeof stats))
CALL(call_free, qz_mutex_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_mutex_free(h, -3))
static const bad_call *const calls[] = {&call_lock, &call_try_lock, &call_stats};

static void bad_arguments(void) {
    qz_mutex *live = NULL, *freed = new_mutex(), *none = freed;
    EXPECT(qz_mutex_new_measured(&live), QZ_OK);
    EXPECT(qz_mutex_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out_hold == NULL);
    EXPECT(qz_mutex_new(NULL), QZ_ERR_NULL);
    EXPECT(qz_mutex_new_measured(NULL), QZ_ERR_NULL);
    fail_after(0);
    qz_status plain = qz_mutex_new(&none), measured = qz_mutex_new_measured(&none);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_mutex_new(", plain, QZ_ERR_NO_MEMORY);
    expect_status(__FILE__, __LINE__, "qz_mutex_new_measured(", measured, QZ_ERR_NO_MEMORY);
    CHECK(none == NULL);
    EXPECT(qz_mutex_lock(live, 0, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_mutex_try_lock(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_mutex_lock(live, -2, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_mutex_lock(live, 0, (qz_cancel *)live, &out_hold), QZ_ERR_WRONG_KIND);
    EXPECT(qz_mutex_stats_get(live, NULL, sizeof stats), QZ_ERR_NULL);
    EXPECT(qz_mutex_stats_get(live, &stats, 8), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_mutex_free(live, 0), QZ_OK);
}

typedef struct locker {
    qz_mutex *m;
    qz_cancel *cancel;
    int64_t timeout_ms;
    qz_hold *hold;
} locker;

static qz_status call_lock_with(void *argument) {
    locker *l = argument;
    qz_status got = qz_mutex_lock(l->m, l->timeout_ms, l->cancel, &l->hold);
    CHECK((got == QZ_OK) == (l->hold != NULL));
    return got;
}

static void await_waiters(qz_mutex *m, uint32_t in_flight) {
    qz_handle_info info;
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(m), &info, sizeof info), QZ_OK);
    } while (info.in_flight < in_flight);
}

static void a_thread_that_would_wait_for_itself_is_told(void) {
    qz_mutex *m = new_mutex();
    qz_hold *mine = lock(m), *none = mine;
    double begin = now_ms();
    EXPECT(qz_mutex_lock(m, 5000, NULL, &none), QZ_ERR_DEADLOCK);
    CHECK(none == NULL && now_ms() - begin < LATE_MS);
    EXPECT(qz_mutex_try_lock(m, &none), QZ_ERR_BUSY);
    CHECK(strstr(qz_last_error(), "held by: thread") != NULL);
    EXPECT(qz_mutex_free(m, QZ_INFINITE), QZ_FREE_PENDING); /* and so is a free */
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_mutex_free(m, QZ_INFINITE), QZ_ALREADY_FREED);

    m = new_mutex();
    mine = lock(m);
    EXPECT(qz_hold_pass_on(mine), QZ_OK); /* another thread's, as far as anybody knows: it can be waited for */
    EXPECT(qz_mutex_lock(m, 20, NULL, &none), QZ_ERR_TIMEOUT);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_mutex_try_lock(m, &mine), QZ_OK);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_hold_release(mine), QZ_ALREADY_FREED);
    EXPECT(qz_mutex_free(m, 0), QZ_OK);
}

static void waits_end_by_grant_deadline_cancel_and_free(void) {
    qz_mutex *m = new_mutex();
    qz_hold *mine = lock(m);
    locker first = {m, NULL, QZ_INFINITE, NULL}, late = {m, NULL, 30, NULL}, ended = {m, NULL, QZ_INFINITE, NULL};
    caller granted, timed_out, cancelled, refused;
    EXPECT(qz_cancel_new(&ended.cancel), QZ_OK);
    caller_start(&granted, call_lock_with, &first);
    await_waiters(m, 2);
    caller_start(&timed_out, call_lock_with, &late);
    caller_start(&cancelled, call_lock_with, &ended);
    CHECK(caller_join(&timed_out) == QZ_ERR_TIMEOUT && timed_out.ended - timed_out.began >= 30);
    EXPECT(qz_cancel_cancel(ended.cancel), QZ_OK);
    CHECK(caller_join(&cancelled) == QZ_ERR_CANCELLED);
    EXPECT(qz_mutex_lock(m, QZ_INFINITE, ended.cancel, &out_hold), QZ_ERR_CANCELLED);
    EXPECT(qz_hold_release(mine), QZ_OK);
    CHECK(caller_join(&granted) == QZ_OK);
    /* Its thread has ended; the lock is held. */
    locker last = {m, NULL, QZ_INFINITE, NULL};
    caller_start(&refused, call_lock_with, &last);
    await_waiters(m, 2);
    EXPECT(qz_mutex_free(m, 20), QZ_FREE_PENDING);
    CHECK(strstr(qz_last_error(), "in hold 'qz_mutex_lock'") != NULL);
    CHECK(caller_join(&refused) == QZ_ERR_FREED);
    EXPECT(qz_hold_release(first.hold), QZ_OK);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(m), 0), QZ_OK);
    EXPECT(qz_cancel_free(ended.cancel, 0), QZ_OK);
}

static qz_mutex *shared;
static long counter;

static qz_status count_up(void *unused) {
    (void)unused;
    for (int i = 0; i < 2000; i++) {
        qz_hold *hold = lock(shared);
        counter++; /* plain on purpose: a second holder is a data race */
        CHECK(qz_hold_release(hold) == QZ_OK);
    }
    return QZ_OK;
}

static void one_at_a_time_and_measured(void) {
    enum { N = 4 };
    caller callers[N];
    EXPECT(qz_mutex_new_measured(&shared), QZ_OK);
    for (int i = 0; i < N; i++) caller_start(&callers[i], count_up, NULL);
    for (int i = 0; i < N; i++) (void)caller_join(&callers[i]);
    CHECK(counter == N * 2000L);
    qz_hold *mine = lock(shared);
    sleep_ms(5);
    EXPECT(qz_mutex_stats_get(shared, &stats, sizeof stats), QZ_OK);
    CHECK(stats.acquisitions == N * 2000 + 1 && stats.contended < stats.acquisitions && stats.waiters == 0);
    CHECK(stats.is_held == 1 && stats.held_for_ns >= 5000000 && stats.holder == thread_id());
    CHECK(stats.hold_max_ns <= stats.hold_total_ns && stats.wait_max_ns <= stats.wait_total_ns);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_mutex_stats_get(shared, &stats, sizeof stats), QZ_OK);
    CHECK(stats.is_held == 0 && stats.holder == 0 && stats.hold_max_ns >= 5000000);
    EXPECT(qz_mutex_free(shared, 0), QZ_OK);

    qz_mutex *plain = new_mutex();
    EXPECT(qz_mutex_stats_get(plain, &stats, sizeof stats), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_mutex_free(plain, 0), QZ_OK);
}

int main(void) {
    bad_arguments();
    a_thread_that_would_wait_for_itself_is_told();
    waits_end_by_grant_deadline_cancel_and_free();
    one_at_a_time_and_measured();
    puts("mutex: ok");
    return 0;
}
