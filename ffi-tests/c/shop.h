/* A pool's callbacks that note what they did. A resource is a number, counted from 1. */
#ifndef SHOP_H
#define SHOP_H
#include "refusals.h"

typedef struct shop {
    atomic_int made, recycled, misses; /* misses: of what was not alive */
    atomic_int alive[4096];
    atomic_int destroyed[5]; /* by reason */
    atomic_int create_answers; /* a qz_status */
    atomic_bool is_bad, is_dirty;
    atomic_llong told_ms; /* the last timeout */
} shop;

static inline void shop_touch(shop *s, void *resource) {
    if (atomic_load(&s->alive[(uintptr_t)resource]) != 1) atomic_fetch_add(&s->misses, 1);
}

static inline int32_t shop_create(int64_t timeout_ms, void *ctx, void **out_resource) {
    shop *s = ctx;
    atomic_store(&s->told_ms, timeout_ms);
    if (atomic_load(&s->create_answers) != QZ_OK) return atomic_load(&s->create_answers);
    int number = atomic_fetch_add(&s->made, 1) + 1;
    CHECK(number < 4096);
    atomic_store(&s->alive[number], 1);
    *out_resource = (void *)(uintptr_t)number;
    return QZ_OK;
}

static inline bool shop_check(void *resource, void *ctx) {
    shop *s = ctx;
    shop_touch(s, resource);
    return !atomic_load(&s->is_bad);
}

static inline bool shop_recycle(void *resource, void *ctx) {
    shop *s = ctx;
    shop_touch(s, resource);
    atomic_fetch_add(&s->recycled, 1);
    return !atomic_load(&s->is_dirty);
}

static inline void shop_destroy(void *resource, int32_t reason, void *ctx) {
    shop *s = ctx;
    if (atomic_exchange(&s->alive[(uintptr_t)resource], 0) != 1) atomic_fetch_add(&s->misses, 1);
    atomic_fetch_add(&s->destroyed[reason], 1);
}

static inline qz_pool_config up_to(uint32_t max_size) {
    qz_pool_config config = {0};
    config.struct_size = sizeof config;
    config.max_size = max_size;
    return config;
}

static inline qz_pool *new_pool(shop *s, qz_pool_config config) {
    qz_pool_ops ops = {sizeof ops, shop_create, shop_check, shop_recycle, shop_destroy, s};
    qz_pool *pool = NULL;
    memset(s, 0, sizeof *s);
    EXPECT(qz_pool_new(&ops, &config, &pool), QZ_OK);
    CHECK(pool != NULL);
    return pool;
}

static inline qz_pool_stats stats_of(qz_pool *pool) {
    qz_pool_stats stats;
    memset(&stats, 0xff, sizeof stats);
    EXPECT(qz_pool_stats_get(pool, &stats, sizeof stats), QZ_OK);
    CHECK(stats.size == stats.idle + stats.in_use + stats.creating + stats.leaving);
    return stats;
}

static inline uintptr_t acquire(qz_pool *pool, qz_hold **hold) {
    void *resource = NULL;
    EXPECT(qz_pool_acquire(pool, QZ_INFINITE, NULL, &resource, hold), QZ_OK);
    CHECK(resource != NULL && *hold != NULL);
    return (uintptr_t)resource;
}

static inline void release(qz_hold *hold) { EXPECT(qz_hold_release(hold), QZ_OK); }

/* Each that was made was destroyed once, or is `kept`. */
static inline void check_shop(shop *s, int kept) {
    int destroyed = 0, alive = 0;
    for (int i = 0; i < 5; i++) destroyed += atomic_load(&s->destroyed[i]);
    for (int i = 0; i < 4096; i++) alive += atomic_load(&s->alive[i]);
    CHECK(atomic_load(&s->misses) == 0);
    CHECK_SAY(alive == kept, "%d are alive, not %d", alive, kept);
    CHECK(destroyed + alive == atomic_load(&s->made));
}

static inline void free_pool(qz_pool *pool, shop *s, int kept) {
    EXPECT(qz_pool_free(pool, QZ_DEFAULT_TIMEOUT), QZ_OK);
    check_shop(s, kept);
}

#endif
