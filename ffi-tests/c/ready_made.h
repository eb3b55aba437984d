/* The ready-made kinds, as the free table sees them: how to make one, how to keep its free waiting, how to free it. */
#ifndef READY_MADE_H
#define READY_MADE_H
#include "check.h"

typedef struct ready_made {
    const char *name; /* of the subject; qz_<name>_free ends it */
    qz_status (*make)(void *out);
    qz_status (*take)(void *h, qz_hold **out_hold); /* NULL: nothing of it can be held */
    qz_status (*end)(void *h, int64_t timeout_ms);
} ready_made;

static inline qz_status cancel_make(void *out) { return qz_cancel_new(out); }
static inline qz_status cancel_end(void *h, int64_t ms) { return qz_cancel_free(h, ms); }
static inline qz_status mutex_make(void *out) { return qz_mutex_new(out); }
static inline qz_status mutex_take(void *h, qz_hold **hold) { return qz_mutex_lock(h, 0, NULL, hold); }
static inline qz_status mutex_end(void *h, int64_t ms) { return qz_mutex_free(h, ms); }
static inline qz_status semaphore_make(void *out) { return qz_semaphore_new(1, 1, out); }
static inline qz_status semaphore_take(void *h, qz_hold **hold) { return qz_semaphore_acquire(h, 1, 0, NULL, hold); }
static inline qz_status semaphore_end(void *h, int64_t ms) { return qz_semaphore_free(h, ms); }

static inline qz_status rwlock_make(void *out) { return qz_rwlock_new(out); }
static inline qz_status rwlock_take(void *h, qz_hold **hold) { return qz_rwlock_read(h, 0, NULL, hold); }
static inline qz_status rwlock_end(void *h, int64_t ms) { return qz_rwlock_free(h, ms); }
static inline qz_status barrier_make(void *out) { return qz_barrier_new(2, out); }
static inline qz_status barrier_end(void *h, int64_t ms) { return qz_barrier_free(h, ms); }
static inline qz_status notify_make(void *out) { return qz_notify_new(out); }
static inline qz_status notify_end(void *h, int64_t ms) { return qz_notify_free(h, ms); }

static inline qz_status backend_make(void *out) { return qz_backend_new(NULL, NULL, out); }
static inline qz_status backend_end(void *h, int64_t ms) { return qz_backend_free(h, ms); }

/* With a value, which can be held. */
static inline qz_status once_make(void *out) {
    qz_status made = qz_once_new(NULL, NULL, out);
    return made == QZ_OK ? qz_once_set(*(qz_once **)out, out) : made;
}
static inline qz_status once_take(void *h, qz_hold **hold) {
    void *value = NULL;
    return qz_once_hold(h, &value, hold);
}
static inline qz_status once_end(void *h, int64_t ms) { return qz_once_free(h, ms); }

static inline int32_t create_resource(int64_t timeout_ms, void *ctx, void **out_resource) {
    (void)timeout_ms;
    *out_resource = ctx;
    return QZ_OK;
}
static inline qz_status pool_make(void *out) {
    qz_pool_ops ops = {sizeof ops, create_resource, NULL, NULL, NULL, NULL};
    qz_pool_config config = {sizeof config, 0, 1, 0, 0, 0, 0, 0, 0};
    return qz_pool_new(&ops, &config, out);
}
static inline qz_status pool_take(void *h, qz_hold **hold) {
    void *resource = NULL;
    return qz_pool_acquire(h, 1000, NULL, &resource, hold);
}
static inline qz_status pool_end(void *h, int64_t ms) { return qz_pool_free(h, ms); }

/* A file of its own, removed at the end. */
static char lock_path[64];
static inline void remove_lock_file(void) { (void)remove(lock_path); }
static inline qz_status filelock_make(void *out) {
    if (lock_path[0] == '\0') {
        snprintf(lock_path, sizeof lock_path, "/tmp/quiescent-free-table-%ld.lock", (long)getpid());
        CHECK(atexit(remove_lock_file) == 0);
    }
    return qz_filelock_open(lock_path, 0, out);
}
static inline qz_status filelock_take(void *h, qz_hold **hold) {
    return qz_filelock_try_acquire(h, QZ_FILELOCK_EXCLUSIVE, hold);
}
static inline qz_status filelock_end(void *h, int64_t ms) { return qz_filelock_free(h, ms); }

static const ready_made ready_mades[] = {
    {"cancel", cancel_make, NULL, cancel_end},
    {"mutex", mutex_make, mutex_take, mutex_end},
    {"rwlock", rwlock_make, rwlock_take, rwlock_end},
    {"semaphore", semaphore_make, semaphore_take, semaphore_end},
    {"pool", pool_make, pool_take, pool_end},
    {"barrier", barrier_make, NULL, barrier_end},
    {"notify", notify_make, NULL, notify_end},
    {"backend", backend_make, NULL, backend_end},
    {"once", once_make, once_take, once_end},
    {"filelock", filelock_make, filelock_take, filelock_end},
};

/* The one of that name, or NULL. */
static inline const ready_made *ready_made_named(const char *name) {
    for (size_t i = 0; i < sizeof ready_mades / sizeof *ready_mades; i++)
        if (strcmp(ready_mades[i].name, name) == 0) return &ready_mades[i];
    return NULL;
}

/* Whether `function` is its free. */
static inline bool ends_ready_made(const ready_made *kind, const char *function) {
    char name[64];
    if (kind == NULL) return false;
    snprintf(name, sizeof name, "qz_%s_free", kind->name);
    return strcmp(name, function) == 0;
}

#endif
