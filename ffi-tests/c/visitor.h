/* A visitor: a second thread that is inside a handle, for exactly as long as the test wants. */
#ifndef VISITOR_H
#define VISITOR_H
#include "thing.h"
#include <pthread.h>

typedef struct visitor {
    qz_handle *handle;
    qz_kind *kind;
    const char *operation;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool inside, may_leave;
    unsigned thread_id;
    qz_status left; /* what its leave answered */
} visitor;

static inline void *visitor_main(void *argument) {
    visitor *v = argument;
    void *object = NULL;
    name_thread("visitor");
    EXPECT(qz_handle_enter(v->handle, v->kind, v->operation, &object), QZ_OK);
    pthread_mutex_lock(&v->mutex);
    v->inside = true;
    v->thread_id = thread_id();
    pthread_cond_broadcast(&v->changed);
    while (!v->may_leave) pthread_cond_wait(&v->changed, &v->mutex);
    pthread_mutex_unlock(&v->mutex);
    CHECK(((thing *)object)->alive == THING_ALIVE);
    v->left = qz_handle_leave(v->handle);
    return NULL;
}

static inline void start_thread(pthread_t *thread, void *(*body)(void *), void *argument) {
    int failed = pthread_create(thread, NULL, body, argument);
    CHECK_SAY(failed == 0, "pthread_create: %s", strerror(failed));
}

/* Returns once the visitor is inside. */
static inline void visitor_enter(visitor *v, qz_handle *handle, qz_kind *kind, const char *operation) {
    memset(v, 0, sizeof *v);
    v->handle = handle;
    v->kind = kind;
    v->operation = operation;
    pthread_mutex_init(&v->mutex, NULL);
    pthread_cond_init(&v->changed, NULL);
    start_thread(&v->thread, visitor_main, v);
    pthread_mutex_lock(&v->mutex);
    while (!v->inside) pthread_cond_wait(&v->changed, &v->mutex);
    pthread_mutex_unlock(&v->mutex);
}

/* Lets it go, without waiting for it. */
static inline void visitor_dismiss(visitor *v) {
    pthread_mutex_lock(&v->mutex);
    v->may_leave = true;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->mutex);
}

static inline void visitor_join(visitor *v) {
    pthread_join(v->thread, NULL);
    CHECK_SAY(v->left == QZ_OK, "the visitor's leave answered %s", qz_status_name((int32_t)v->left));
    pthread_mutex_destroy(&v->mutex);
    pthread_cond_destroy(&v->changed);
}

/* Lets it leave, and returns once it has. */
static inline void visitor_leave(visitor *v) {
    visitor_dismiss(v);
    visitor_join(v);
}

/* One call on another thread, for what only another thread can see. `answered` may be read after `caller_join`. */
typedef struct caller {
    pthread_t thread;
    qz_status (*call)(void *argument);
    void *argument;
    qz_status answered;
    double began, ended;
} caller;

static inline void *caller_main(void *argument) {
    caller *c = argument;
    c->began = now_ms();
    c->answered = c->call(c->argument);
    c->ended = now_ms();
    return NULL;
}

static inline void caller_start(caller *c, qz_status (*call)(void *), void *argument) {
    c->call = call;
    c->argument = argument;
    start_thread(&c->thread, caller_main, c);
}

static inline qz_status caller_join(caller *c) {
    pthread_join(c->thread, NULL);
    return c->answered;
}

static inline qz_status call_elsewhere(qz_status (*call)(void *), void *argument) {
    caller c;
    caller_start(&c, call, argument);
    return caller_join(&c);
}

static inline qz_status call_leave(void *handle) { return qz_handle_leave(handle); }
static inline qz_status call_free_infinite(void *handle) { return qz_handle_free(handle, QZ_INFINITE); }
static inline qz_status call_free_default(void *handle) { return qz_handle_free(handle, QZ_DEFAULT_TIMEOUT); }
static inline qz_status call_free_now(void *handle) { return qz_handle_free(handle, 0); }
static inline qz_status call_wait_freed(void *handle) { return qz_handle_wait_freed(handle, QZ_INFINITE); }

#endif
