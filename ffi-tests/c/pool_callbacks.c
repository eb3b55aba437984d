/* qz_pool_*: when the callbacks run, what their answers mean, and what they may call; detach, discard, warm-up, maintenance. */
#include "shop.h"

static void *out_resource;
static qz_hold *out_hold;

static void detached_and_discarded(void) {
    static shop s;
    qz_pool *pool = new_pool(&s, up_to(1));
    qz_hold *hold;
    void *kept = NULL;
    uint64_t garbage = 0;
    acquire(pool, &hold);
    EXPECT(qz_pool_detach(NULL, &kept), QZ_ERR_NULL);
    EXPECT(qz_pool_detach(hold, NULL), QZ_ERR_NULL);
    EXPECT(qz_pool_detach((qz_hold *)&garbage, &kept), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_pool_discard((qz_hold *)&garbage), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_pool_detach((qz_hold *)pool, &kept), QZ_ERR_WRONG_KIND);
    EXPECT(qz_pool_discard((qz_hold *)pool), QZ_ERR_WRONG_KIND);
    EXPECT(qz_pool_discard(NULL), QZ_OK);
    if (in_child()) {
        EXPECT(qz_pool_detach(hold, &kept), QZ_ERR_FORKED);
        EXPECT(qz_pool_discard(hold), QZ_ERR_FORKED);
        _Exit(0);
    }

    /* A hold of something else stays what it is. */
    qz_semaphore *semaphore = NULL;
    qz_hold *permit = NULL;
    EXPECT(qz_semaphore_new(1, 1, &semaphore), QZ_OK);
    EXPECT(qz_semaphore_acquire(semaphore, 1, 0, NULL, &permit), QZ_OK);
    EXPECT(qz_pool_detach(permit, &kept), QZ_ERR_WRONG_KIND);
    EXPECT(qz_pool_discard(permit), QZ_ERR_WRONG_KIND);
    EXPECT(qz_hold_release(permit), QZ_OK);
    EXPECT(qz_semaphore_free(semaphore, 0), QZ_OK);

    CHECK(kept == NULL && stats_of(pool).in_use == 1);
    EXPECT(qz_pool_detach(hold, &kept), QZ_OK);
    CHECK(kept == (void *)1 && stats_of(pool).size == 0 && stats_of(pool).detached == 1);
    EXPECT(qz_pool_detach(hold, &kept), QZ_ERR_FREED);
    EXPECT(qz_pool_discard(hold), QZ_ALREADY_FREED);
    EXPECT(qz_hold_release(hold), QZ_ALREADY_FREED);
    CHECK(acquire(pool, &hold) == 2);
    EXPECT(qz_pool_discard(hold), QZ_OK);
    EXPECT(qz_pool_discard(hold), QZ_ALREADY_FREED);
    CHECK(atomic_load(&s.recycled) == 0 && atomic_load(&s.destroyed[QZ_POOL_UNHEALTHY]) == 1);

    /* The last one out of a freed pool may leave so, too. */
    acquire(pool, &hold);
    EXPECT(qz_pool_free(pool, 0), QZ_FREE_PENDING);
    EXPECT(qz_pool_detach(hold, &kept), QZ_OK);
    CHECK(kept == (void *)3);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
    check_shop(&s, 2);
}

typedef struct both {
    qz_hold *hold;
    void *kept;
    pthread_barrier_t line;
} both;

static qz_status call_detach(void *argument) {
    both *b = argument;
    pthread_barrier_wait(&b->line);
    return qz_pool_detach(b->hold, &b->kept);
}

/* Exactly one of them has it. */
static void detach_vs_release(void) {
    enum { ROUNDS = 1000 };
    static shop s;
    qz_pool *pool = new_pool(&s, up_to(1));
    int kept = 0;
    for (int round = 0; round < ROUNDS; round++) {
        both b = {0};
        pthread_barrier_init(&b.line, NULL, 2);
        acquire(pool, &b.hold);
        caller detaching;
        caller_start(&detaching, call_detach, &b);
        pthread_barrier_wait(&b.line);
        for (volatile int pause = 0; pause < round % 50 * 20;) pause = pause + 1;
        qz_status released = qz_hold_release(b.hold), detached = caller_join(&detaching);
        CHECK(released == QZ_OK ? detached == QZ_ERR_FREED && b.kept == NULL
                                : released == QZ_ALREADY_FREED && detached == QZ_OK && b.kept != NULL);
        kept += detached == QZ_OK;
        pthread_barrier_destroy(&b.line);
    }
    printf("%d detached, %d released\n", kept, ROUNDS - kept);
    CHECK(stats_of(pool).detached == (uint64_t)kept);
    free_pool(pool, &s, kept);
}

static void answers_of_the_callbacks(void) {
    static shop s;
    qz_pool_config config = up_to(1);
    config.create_timeout_ms = 5000;
    qz_pool *pool = new_pool(&s, config);
    qz_hold *hold;
    static const qz_status passed_on[] = {QZ_ERR_BUSY, QZ_ERR_NO_MEMORY, QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED};
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        atomic_store(&s.create_answers, passed_on[i]);
        EXPECT(qz_pool_acquire(pool, QZ_INFINITE, NULL, &out_resource, &out_hold), passed_on[i]);
    }
    static const int others[] = {1, 77, -1000, QZ_ERR_FREED, QZ_ERR_IO};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        atomic_store(&s.create_answers, others[i]);
        EXPECT(qz_pool_acquire(pool, QZ_INFINITE, NULL, &out_resource, &out_hold), QZ_ERR_IO);
    }
    CHECK(out_hold == NULL && stats_of(pool).size == 0 && stats_of(pool).not_created == 9);
    CHECK(atomic_load(&s.told_ms) > 0 && atomic_load(&s.told_ms) <= 5000);
    atomic_store(&s.create_answers, QZ_OK);
    EXPECT(qz_pool_acquire(pool, 1000, NULL, &out_resource, &hold), QZ_OK);
    CHECK(atomic_load(&s.told_ms) > 0 && atomic_load(&s.told_ms) <= 1000);

    atomic_store(&s.is_dirty, true);
    release(hold);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_UNHEALTHY]) == 1 && atomic_load(&s.recycled) == 1);
    atomic_store(&s.is_dirty, false);
    acquire(pool, &hold);
    release(hold);
    atomic_store(&s.is_bad, true);
    EXPECT(qz_pool_try_acquire(pool, &out_resource, &out_hold), QZ_ERR_BUSY);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_UNHEALTHY]) == 2 && stats_of(pool).size == 0);
    CHECK(acquire(pool, &hold) == 3);
    release(hold);
    CHECK(acquire(pool, &hold) == 4);
    release(hold);
    free_pool(pool, &s, 0);

    /* Nothing but `create`. */
    qz_pool_ops ops = {sizeof ops, shop_create, NULL, NULL, NULL, &s};
    EXPECT(qz_pool_new(&ops, &config, &pool), QZ_OK);
    acquire(pool, &hold);
    release(hold);
    acquire(pool, &hold);
    EXPECT(qz_pool_discard(hold), QZ_OK);
    EXPECT(qz_pool_free(pool, 0), QZ_OK);
}

static void warmed_up(void) {
    static shop s;
    qz_pool_config config = up_to(3);
    config.min_size = 2;
    qz_pool *pool = new_pool(&s, config);
    uint32_t size = 77;
    EXPECT(qz_pool_warm_up(pool, 2, QZ_POOL_FAIL, 0, NULL, &size), QZ_ERR_TIMEOUT);
    atomic_store(&s.create_answers, QZ_ERR_BUSY);
    EXPECT(qz_pool_warm_up(pool, 2, QZ_POOL_FAIL, QZ_INFINITE, NULL, &size), QZ_ERR_BUSY);
    CHECK(size == 77);
    EXPECT(qz_pool_warm_up(pool, 2, QZ_POOL_BEST_EFFORT, QZ_INFINITE, NULL, &size), QZ_OK);
    CHECK(size == 0);
    atomic_store(&s.create_answers, 99);
    EXPECT(qz_pool_warm_up(pool, 2, QZ_POOL_REQUIRE_MINIMUM, QZ_INFINITE, NULL, NULL), QZ_ERR_IO);
    atomic_store(&s.create_answers, QZ_OK);
    EXPECT(qz_pool_warm_up(pool, 2, QZ_POOL_REQUIRE_MINIMUM, QZ_INFINITE, NULL, &size), QZ_OK);
    CHECK(size == 2 && stats_of(pool).idle == 2 && atomic_load(&s.recycled) == 0);
    EXPECT(qz_pool_warm_up(pool, 1000, QZ_POOL_FAIL, QZ_INFINITE, NULL, &size), QZ_OK);
    CHECK(size == 3);
    qz_hold *hold;
    CHECK(acquire(pool, &hold) == 3 && stats_of(pool).created == 3);
    release(hold);
    free_pool(pool, &s, 0);
}

static void maintained(void) {
    static shop s;
    qz_pool_config config = up_to(4);
    config.min_size = 1;
    config.max_idle = 3;
    config.idle_timeout_ms = 50;
    qz_pool *pool = new_pool(&s, config);
    qz_hold *holds[4];
    for (int i = 0; i < 4; i++) acquire(pool, &holds[i]);
    for (int i = 0; i < 4; i++) release(holds[i]);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_SURPLUS]) == 1);
    int64_t next = -7;
    EXPECT(qz_pool_maintain(pool, &next), QZ_OK);
    CHECK(next > 0 && next <= 50);
    sleep_ms(60);
    EXPECT(qz_pool_maintain(pool, &next), QZ_OK);
    CHECK(stats_of(pool).size == 1 && atomic_load(&s.destroyed[QZ_POOL_IDLE]) == 2 && next == 50);
    free_pool(pool, &s, 0);

    config = up_to(1);
    config.max_lifetime_ms = 20;
    pool = new_pool(&s, config);
    acquire(pool, &holds[0]);
    sleep_ms(30);
    release(holds[0]);
    CHECK(atomic_load(&s.destroyed[QZ_POOL_EXPIRED]) == 1 && atomic_load(&s.recycled) == 0);
    free_pool(pool, &s, 0);

    pool = new_pool(&s, up_to(1));
    EXPECT(qz_pool_maintain(pool, &next), QZ_OK);
    CHECK(next == QZ_INFINITE);
    free_pool(pool, &s, 0);
}

/* Callbacks that use, and free, their own pool. */
typedef struct inward {
    shop s;
    qz_pool *pool;
    bool frees_in_create, frees_in_check, frees_in_recycle, frees_in_destroy;
    int depth;
} inward;

static void free_from_inside(inward *in, bool wanted) {
    if (!wanted) return;
    double begin = now_ms();
    EXPECT(qz_pool_free(in->pool, QZ_INFINITE), QZ_FREE_PENDING);
    CHECK(now_ms() - begin < LATE_MS);
}

static int32_t inward_create(int64_t timeout_ms, void *ctx, void **out) {
    inward *in = ctx;
    qz_hold *inner = NULL;
    void *resource = NULL;
    if (in->depth++ == 0) {
        /* There is a place for one more: made inside, and given back. */
        EXPECT(qz_pool_acquire(in->pool, QZ_INFINITE, NULL, &resource, &inner), QZ_OK);
        EXPECT(qz_hold_release(inner), QZ_OK);
    } else if (in->depth == 2) {
        EXPECT(qz_pool_acquire(in->pool, 20, NULL, &resource, &inner), QZ_ERR_TIMEOUT);
        CHECK(stats_of(in->pool).creating == 2);
    }
    free_from_inside(in, in->frees_in_create);
    return shop_create(timeout_ms, &in->s, out);
}

static bool inward_check(void *resource, void *ctx) {
    inward *in = ctx;
    free_from_inside(in, in->frees_in_check);
    return shop_check(resource, &in->s);
}

static bool inward_recycle(void *resource, void *ctx) {
    inward *in = ctx;
    if (qz_pool_maintain(in->pool, NULL) == QZ_OK) CHECK(stats_of(in->pool).in_use > 0);
    free_from_inside(in, in->frees_in_recycle);
    return shop_recycle(resource, &in->s);
}

static void inward_destroy(void *resource, int32_t reason, void *ctx) {
    inward *in = ctx;
    free_from_inside(in, in->frees_in_destroy);
    shop_destroy(resource, reason, &in->s);
}

static qz_pool *new_inward(inward *in, int depth) {
    qz_pool_ops ops = {sizeof ops, inward_create, inward_check, inward_recycle, inward_destroy, in};
    qz_pool_config config = up_to(2);
    memset(in, 0, sizeof *in);
    in->depth = depth;
    EXPECT(qz_pool_new(&ops, &config, &in->pool), QZ_OK);
    return in->pool;
}

static void callbacks_may_use_their_pool(void) {
    static inward in;
    qz_pool *pool = new_inward(&in, 0);
    qz_hold *hold;
    acquire(pool, &hold);
    release(hold);
    CHECK(atomic_load(&in.s.made) == 2);
    free_pool(pool, &in.s, 0);
}

static void callbacks_may_free_their_pool(void) {
    static inward in;
    qz_pool *pool = new_inward(&in, 2);
    in.frees_in_create = true;
    EXPECT(qz_pool_acquire(pool, QZ_INFINITE, NULL, &out_resource, &out_hold), QZ_ERR_FREED);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
    CHECK(out_hold == NULL && atomic_load(&in.s.destroyed[QZ_POOL_CLOSING]) == 1);
    check_shop(&in.s, 0);

    qz_hold *hold;
    pool = new_inward(&in, 2);
    acquire(pool, &hold);
    in.frees_in_recycle = true;
    release(hold);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
    check_shop(&in.s, 0);

    pool = new_inward(&in, 2);
    acquire(pool, &hold);
    release(hold);
    in.frees_in_check = true;
    EXPECT(qz_pool_try_acquire(pool, &out_resource, &out_hold), QZ_ERR_FREED);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
    check_shop(&in.s, 0);

    for (int how = 0; how < 3; how++) {
        pool = new_inward(&in, 2);
        acquire(pool, &hold);
        in.frees_in_destroy = true;
        if (how == 0) EXPECT(qz_pool_discard(hold), QZ_OK);
        if (how == 1) {
            release(hold);
            EXPECT(qz_pool_free(pool, QZ_INFINITE), QZ_OK); /* and the callback's own free is pending */
        }
        if (how == 2) {
            qz_hold *other;
            acquire(pool, &other);
            release(hold);
            EXPECT(qz_pool_free(pool, QZ_INFINITE), QZ_FREE_PENDING); /* its own hold is out: `other` */
            release(other);
        }
        EXPECT(qz_handle_wait_freed(QZ_HANDLE(pool), 0), QZ_OK);
        check_shop(&in.s, 0);
    }
}

int main(void) {
    detached_and_discarded();
    detach_vs_release();
    answers_of_the_callbacks();
    warmed_up();
    maintained();
    callbacks_may_use_their_pool();
    callbacks_may_free_their_pool();
    puts("pool_callbacks: ok");
    return 0;
}
