/* qz_pool_*: resources taken in turn, given back on any thread; waits that end by deadline, cancel and free. */
#include "shop.h"

static void *out_resource;
static qz_hold *out_hold;
static qz_pool_stats out_stats;
CALL(call_acquire, qz_pool_acquire(h, 0, NULL, &out_resource, &out_hold))
CALL(call_try_acquire, qz_pool_try_acquire(h, &out_resource, &out_hold))
CALL(call_warm_up, qz_pool_warm_up(h, 0, QZ_POOL_FAIL, 0, NULL, NULL))
CALL(call_maintain, qz_pool_maintain(h, NULL))
CALL(call_stats, qz_pool_stats_get(h, &out_stats, sizeof out_stats))
CALL(call_free, qz_pool_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_pool_free(h, -3))
static const bad_call *const calls[] = {&call_acquire, &call_try_acquire, &call_warm_up, &call_maintain, &call_stats};

static void bad_arguments(void) {
    static shop s, t;
    qz_pool *live = new_pool(&s, up_to(2)), *freed = new_pool(&t, up_to(1));
    free_pool(freed, &t, 0);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out_hold == NULL && out_resource == NULL && atomic_load(&s.made) == 0);

    out_hold = (qz_hold *)0x1234;
    EXPECT(qz_pool_acquire(live, -2, NULL, &out_resource, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    CHECK(out_hold == NULL);
    EXPECT(qz_pool_acquire(live, 0, NULL, NULL, &out_hold), QZ_ERR_NULL);
    EXPECT(qz_pool_acquire(live, 0, NULL, &out_resource, NULL), QZ_ERR_NULL);
    EXPECT(qz_pool_try_acquire(live, NULL, &out_hold), QZ_ERR_NULL);
    EXPECT(qz_pool_acquire(live, 0, (qz_cancel *)live, &out_resource, &out_hold), QZ_ERR_WRONG_KIND);
    EXPECT(qz_pool_warm_up(live, 1, 3, 0, NULL, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_pool_warm_up(live, 1, QZ_POOL_FAIL, -2, NULL, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_pool_stats_get(live, NULL, sizeof out_stats), QZ_ERR_NULL);
    EXPECT(qz_pool_stats_get(live, &out_stats, sizeof out_stats - 8), QZ_ERR_INVALID_ARGUMENT);
    struct {
        qz_pool_stats known;
        uint64_t later;
    } newer = {.later = 77};
    EXPECT(qz_pool_stats_get(live, &newer.known, sizeof newer), QZ_OK);
    CHECK(newer.later == 0 && atomic_load(&s.made) == 0);
    free_pool(live, &s, 0);
}

static void bad_configurations(void) {
    static shop s;
    qz_pool_ops ops = {sizeof ops, shop_create, NULL, NULL, NULL, &s};
    qz_pool_config config = up_to(1);
    qz_pool *pool = (qz_pool *)0x1234;
    EXPECT(qz_pool_new(NULL, &config, &pool), QZ_ERR_NULL);
    CHECK(pool == NULL);
    EXPECT(qz_pool_new(&ops, NULL, &pool), QZ_ERR_NULL);
    EXPECT(qz_pool_new(&ops, &config, NULL), QZ_ERR_NULL);
    ops.create = NULL;
    EXPECT(qz_pool_new(&ops, &config, &pool), QZ_ERR_NULL);
    ops.create = shop_create;
    ops.struct_size--;
    EXPECT(qz_pool_new(&ops, &config, &pool), QZ_ERR_INVALID_ARGUMENT);
    ops.struct_size = sizeof ops;
    config.struct_size--;
    EXPECT(qz_pool_new(&ops, &config, &pool), QZ_ERR_INVALID_ARGUMENT);
    for (int wrong = 0; wrong < 6; wrong++) {
        config = up_to(wrong == 0 ? 0 : wrong == 1 ? (1u << 20) + 1 : 2);
        if (wrong == 2) config.min_size = 3;
        if (wrong == 3) config.min_size = 2, config.max_idle = 1;
        if (wrong == 4) config.idle_timeout_ms = -2;
        if (wrong == 5) config.wait_timeout_ms = INT64_MIN;
        EXPECT(qz_pool_new(&ops, &config, &pool), QZ_ERR_INVALID_ARGUMENT);
    }
    config = up_to(1);
    for (int allowed = 0; allowed < 6; allowed++) {
        fail_after(allowed);
        qz_status got = qz_pool_new(&ops, &config, &pool);
        bool has_failed = failed > 0;
        succeed_again();
        if (!has_failed) {
            expect_status(__FILE__, __LINE__, "qz_pool_new()", got, QZ_OK);
            EXPECT(qz_pool_free(pool, 0), QZ_OK);
            break;
        }
        expect_status(__FILE__, __LINE__, "qz_pool_new()", got, QZ_ERR_NO_MEMORY);
        CHECK(pool == NULL && allowed < 5);
    }
}

static void taken_and_given_back(void) {
    static shop s;
    qz_pool *pool = new_pool(&s, up_to(2));
    qz_hold *first, *second;
    EXPECT(qz_pool_try_acquire(pool, &out_resource, &out_hold), QZ_ERR_BUSY);
    EXPECT(qz_pool_acquire(pool, 0, NULL, &out_resource, &out_hold), QZ_ERR_TIMEOUT);
    CHECK(out_hold == NULL && atomic_load(&s.made) == 0);
    CHECK(acquire(pool, &first) == 1 && acquire(pool, &second) == 2);
    CHECK(atomic_load(&s.told_ms) == QZ_INFINITE);
    EXPECT(qz_pool_acquire(pool, 0, NULL, &out_resource, &out_hold), QZ_ERR_TIMEOUT);
    CHECK(out_hold == NULL && strstr(qz_last_error(), "in hold 'qz_pool_acquire'") != NULL);

    /* Whoever never gives one back is named. */
    char report[4096];
    size_t length = 0;
    EXPECT(qz_report(report, sizeof report, &length), QZ_OK);
    CHECK(strstr(report, "of kind 'pool'") != NULL && strstr(report, "in hold 'qz_pool_acquire'") != NULL);

    release(first);
    EXPECT(qz_hold_release(first), QZ_ALREADY_FREED);
    EXPECT(qz_pool_try_acquire(pool, &out_resource, &first), QZ_OK);
    CHECK(out_resource == (void *)1 && atomic_load(&s.recycled) == 1);
    qz_pool_stats stats = stats_of(pool);
    CHECK(stats.in_use == 2 && stats.acquired == 3 && stats.created == 2 && stats.waits == 0);
    release(first);
    release(second);
    free_pool(pool, &s, 0);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_CLOSING]) == 2);
}

typedef struct wait_for {
    qz_pool *pool;
    qz_cancel *cancel;
    qz_hold *hold;
    int64_t timeout_ms;
} wait_for;

static qz_status call_acquire_one(void *argument) {
    wait_for *w = argument;
    void *resource = NULL;
    qz_status got = qz_pool_acquire(w->pool, w->timeout_ms, w->cancel, &resource, &w->hold);
    CHECK((got == QZ_OK) == (w->hold != NULL) && (got == QZ_OK) == (resource != NULL));
    return got;
}

static void await_waiting(qz_pool *pool, uint64_t waiting) {
    while (stats_of(pool).waiting < waiting) sleep_ms(1);
}

static void waits_end_by_grant_deadline_and_cancel(void) {
    static shop s;
    qz_pool_config config = up_to(1);
    config.wait_timeout_ms = 100000;
    qz_pool *pool = new_pool(&s, config);
    qz_hold *mine;
    acquire(pool, &mine);
    wait_for forever = {pool, NULL, NULL, QZ_INFINITE}, late = {pool, NULL, NULL, 30},
             cancelled = {pool, NULL, NULL, QZ_INFINITE};
    EXPECT(qz_cancel_new(&cancelled.cancel), QZ_OK);
    caller granted, timed_out, ended;
    caller_start(&granted, call_acquire_one, &forever);
    await_waiting(pool, 1);
    caller_start(&timed_out, call_acquire_one, &late);
    caller_start(&ended, call_acquire_one, &cancelled);
    CHECK(caller_join(&timed_out) == QZ_ERR_TIMEOUT);
    CHECK_SAY(timed_out.ended - timed_out.began >= 30, "after %.1f ms of 30", timed_out.ended - timed_out.began);
    await_waiting(pool, 2);
    EXPECT(qz_cancel_cancel(cancelled.cancel), QZ_OK);
    CHECK(caller_join(&ended) == QZ_ERR_CANCELLED);
    EXPECT(qz_pool_acquire(pool, QZ_INFINITE, cancelled.cancel, &out_resource, &out_hold), QZ_ERR_CANCELLED);
    EXPECT(qz_pool_warm_up(pool, 1, QZ_POOL_BEST_EFFORT, 0, cancelled.cancel, NULL), QZ_ERR_CANCELLED);
    release(mine);
    CHECK(caller_join(&granted) == QZ_OK);
    release(forever.hold); /* taken on another thread, which has ended */
    qz_pool_stats stats = stats_of(pool);
    CHECK(stats.idle == 1 && stats.waits == 3 && stats.wait_max_ns >= 30000000 && stats.wait_total_ns >= stats.wait_max_ns);
    EXPECT(qz_cancel_free(cancelled.cancel, 0), QZ_OK);
    free_pool(pool, &s, 0);

    config.wait_timeout_ms = 20;
    pool = new_pool(&s, config);
    acquire(pool, &mine);
    EXPECT(qz_pool_acquire(pool, QZ_INFINITE, NULL, &out_resource, &out_hold), QZ_ERR_TIMEOUT);
    release(mine);
    free_pool(pool, &s, 0);
}

/* Those that wait are answered at once; resources that are out keep the pool alive. */
static void freed_while_others_wait_and_hold(void) {
    enum { N = 20 };
    static shop s;
    qz_pool *pool = new_pool(&s, up_to(2));
    qz_hold *mine, *idle;
    acquire(pool, &mine);
    acquire(pool, &idle);
    wait_for w[N];
    caller waiting[N];
    for (int i = 0; i < N; i++) {
        w[i] = (wait_for){pool, NULL, NULL, QZ_INFINITE};
        caller_start(&waiting[i], call_acquire_one, &w[i]);
    }
    await_waiting(pool, N);
    EXPECT(qz_hold_pass_on(mine), QZ_OK); /* so that this free waits for it */
    EXPECT(qz_hold_pass_on(idle), QZ_OK);
    EXPECT(qz_pool_free(pool, 0), QZ_FREE_PENDING); /* its words have room for few: not for those on their way out */
    CHECK(strstr(qz_last_error(), "in hold 'qz_pool_acquire'") != NULL);
    for (int i = 0; i < N; i++) CHECK(caller_join(&waiting[i]) == QZ_ERR_FREED);
    EXPECT(qz_pool_acquire(pool, 0, NULL, &out_resource, &out_hold), QZ_ERR_FREED);
    release(idle);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_CLOSING]) == 1 && atomic_load(&s.recycled) == 0);
    release(mine);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
    EXPECT(qz_pool_free(pool, 0), QZ_ALREADY_FREED);
    EXPECT(qz_hold_release(mine), QZ_ALREADY_FREED);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_CLOSING]) == 2);
    check_shop(&s, 0);
}

/* The close destroys what is idle while others are still out. */
static void freed_by_its_own_holder(void) {
    static shop s;
    qz_pool *pool = new_pool(&s, up_to(2));
    qz_hold *mine, *idle;
    acquire(pool, &mine);
    acquire(pool, &idle);
    release(idle);
    double begin = now_ms();
    EXPECT(qz_pool_free(pool, QZ_INFINITE), QZ_FREE_PENDING);
    CHECK(now_ms() - begin < LATE_MS && atomic_load(&s.destroyed[QZ_POOL_CLOSING]) == 1);
    release(mine);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
    check_shop(&s, 0);
}

/* Taking one may fail for want of memory at each of its allocations: nothing is lost. */
static void want_of_memory(void) {
    static shop s;
    qz_pool *pool = new_pool(&s, up_to(1));
    int refused = 0;
    for (long allowed = 0;; allowed++) {
        CHECK(allowed < 20);
        fail_after(allowed);
        qz_status got = qz_pool_acquire(pool, 1000, NULL, &out_resource, &out_hold);
        bool has_failed = failed > 0;
        succeed_again();
        expect_status(__FILE__, __LINE__, "qz_pool_acquire()", got, has_failed ? QZ_ERR_NO_MEMORY : QZ_OK);
        CHECK(stats_of(pool).in_use == !has_failed && (out_hold != NULL) == !has_failed);
        if (!has_failed) break;
        refused++;
    }
    CHECK(refused > 0);
    release(out_hold);
    free_pool(pool, &s, 0);
}

int main(void) {
    bad_arguments();
    bad_configurations();
    taken_and_given_back();
    waits_end_by_grant_deadline_and_cancel();
    freed_while_others_wait_and_hold();
    freed_by_its_own_holder();
    want_of_memory();
    puts("pool: ok");
    return 0;
}
