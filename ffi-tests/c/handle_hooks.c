/* on_close, on_destroy and on_freed: how often, when, on which thread, and what they may call. */
#include "visitor.h"

/* An operation that blocks until on_close wakes it. The classic trap: it was admitted before the close, but begins to
 * block only after the first on_close, which therefore finds nothing to wake. */
typedef struct blocker {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool blocking, interrupted, entered;
    int missed; /* on_close calls that found nobody blocking */
    int calls;
    bool destroyed;
} blocker;

typedef struct blocking_call {
    qz_handle *handle;
    qz_kind *kind;
} blocking_call;

static void blocker_on_close(void *object, void *ctx) {
    blocker *b = object;
    (void)ctx;
    pthread_mutex_lock(&b->mutex);
    CHECK(!b->destroyed);
    b->calls++;
    if (b->blocking) {
        b->interrupted = true; /* like sqlite3_interrupt: does nothing unless a query runs */
        pthread_cond_broadcast(&b->changed);
    } else {
        b->missed++;
    }
    pthread_mutex_unlock(&b->mutex);
}

static void blocker_on_destroy(void *object, void *ctx) {
    blocker *b = object;
    (void)ctx;
    b->destroyed = true;
}

/* Enters, waits until on_close has already been called in vain, and only then starts to block. */
static void *block_late(void *argument) {
    blocking_call *call = argument;
    void *object = NULL;
    EXPECT(qz_handle_enter(call->handle, call->kind, "block late", &object), QZ_OK);
    blocker *b = object;
    pthread_mutex_lock(&b->mutex);
    b->entered = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mutex);
    for (bool missed = false; !missed;) {
        sleep_ms(1);
        pthread_mutex_lock(&b->mutex);
        missed = b->missed > 0;
        pthread_mutex_unlock(&b->mutex);
    }
    pthread_mutex_lock(&b->mutex);
    b->blocking = true;
    while (!b->interrupted) pthread_cond_wait(&b->changed, &b->mutex);
    b->blocking = false;
    pthread_mutex_unlock(&b->mutex);
    EXPECT(qz_handle_leave(call->handle), QZ_OK);
    return NULL;
}

static void on_close_is_repeated_until_the_operation_is_out(void) {
    static blocker b = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false, false, 0, 0, false};
    qz_kind_ops ops = {sizeof ops, blocker_on_close, blocker_on_destroy, NULL};
    blocking_call call = {NULL, NULL};
    pthread_t thread;
    EXPECT(qz_kind_new("blocker", &ops, &call.kind), QZ_OK);
    EXPECT(qz_handle_new(call.kind, &b, &call.handle), QZ_OK);
    start_thread(&thread, block_late, &call);
    pthread_mutex_lock(&b.mutex);
    while (!b.entered) pthread_cond_wait(&b.changed, &b.mutex);
    pthread_mutex_unlock(&b.mutex);
    /* Without the repeat this would be FREE_PENDING after 20 s. */
    EXPECT_AT_ONCE(qz_handle_free(call.handle, 20000), QZ_OK);
    CHECK(b.destroyed && b.missed >= 1 && b.calls > b.missed);
    pthread_join(thread, NULL);
    printf("    on_close ran %d times, %d of them found nobody blocking\n", b.calls, b.missed);
    EXPECT(qz_kind_close(call.kind, 0, NULL), QZ_OK);
}

/* The same trap, and a free that gave up: a later one wakes again. */
static void a_later_free_wakes_what_a_pending_one_missed(void) {
    static blocker b = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false, false, 0, 0, false};
    qz_kind_ops ops = {sizeof ops, blocker_on_close, blocker_on_destroy, NULL};
    blocking_call call = {NULL, NULL};
    pthread_t thread;
    EXPECT(qz_kind_new("blocker", &ops, &call.kind), QZ_OK);
    EXPECT(qz_handle_new(call.kind, &b, &call.handle), QZ_OK);
    start_thread(&thread, block_late, &call);
    pthread_mutex_lock(&b.mutex);
    while (!b.entered) pthread_cond_wait(&b.changed, &b.mutex);
    pthread_mutex_unlock(&b.mutex);
    EXPECT_AT_ONCE(qz_handle_free(call.handle, 0), QZ_FREE_PENDING);
    CHECK(b.missed == 1);
    /* Nobody else wakes it: without the second free's on_close this would be FREE_PENDING after 20 s. */
    EXPECT_AT_ONCE(qz_handle_free(call.handle, 20000), QZ_ALREADY_FREED);
    CHECK(b.destroyed && b.calls > b.missed);
    pthread_join(thread, NULL);
    EXPECT(qz_kind_close(call.kind, 0, NULL), QZ_OK);
}

static atomic_uint closed_by;

static void remember_closer(void *object, void *ctx) {
    (void)object, (void)ctx;
    atomic_store(&closed_by, thread_id());
}

static void on_close_runs_only_if_somebody_is_inside(void) {
    qz_kind_ops ops = {sizeof ops, remember_closer, NULL, NULL};
    qz_kind *kind = NULL;
    qz_handle *h = NULL;
    void *object = NULL;
    caller c;
    EXPECT(qz_kind_new("closer", &ops, &kind), QZ_OK);
    EXPECT(qz_handle_new(kind, NULL, &h), QZ_OK);
    EXPECT(qz_handle_enter(h, kind, NULL, &object), QZ_OK);
    EXPECT(qz_handle_leave(h), QZ_OK);
    EXPECT(qz_handle_free(h, QZ_INFINITE), QZ_OK);
    CHECK(atomic_load(&closed_by) == 0);
    EXPECT(qz_handle_new(kind, NULL, &h), QZ_OK);
    EXPECT(qz_handle_enter(h, kind, NULL, &object), QZ_OK);
    caller_start(&c, call_free_infinite, h);
    while (atomic_load(&closed_by) == 0) sleep_ms(1);
    CHECK(atomic_load(&closed_by) != thread_id()); /* on the thread that frees */
    EXPECT(qz_handle_leave(h), QZ_OK);
    CHECK(caller_join(&c) == QZ_OK);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void on_close_backs_off(void) {
    qz_kind *kind = new_kind("back-off");
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "stubborn");
    int calls = 0;
    /* Once more, should the scheduler have kept this thread from running until the deadline was over. */
    for (int attempt = 0, before = 0; attempt < 10 && calls - before < 2; attempt++) {
        before = calls;
        EXPECT_AFTER(qz_handle_free(h, 400), QZ_FREE_PENDING, 400);
        calls = closes(&t);
        CHECK_SAY(calls - before >= 2 || attempt < 9, "on_close ran %d times in 400 ms", calls - before);
        CHECK_SAY(calls - before < 400, "on_close ran %d times in 400 ms: that is polling", calls - before);
    }
    sleep_ms(150);
    CHECK(closes(&t) == calls); /* the drain ended with the free's deadline: nobody calls it behind our back */
    visitor_leave(&v);
    CHECK(closes(&t) == calls);
    check_gone(h, &t);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

/* on_close and on_destroy of the same handle that free the handle again, and wait for it. */
typedef struct nosy {
    qz_handle *handle;
    qz_kind *kind;
    atomic_int closes, destroys, destroying;
    qz_status free_in_close, wait_in_close, enter_in_close, free_in_destroy, wait_in_destroy, enter_in_destroy,
        try_in_destroy;
    double took_ms; /* the longest that any of them took */
} nosy;

static void took(nosy *n, double since) {
    double ms = now_ms() - since;
    if (ms > n->took_ms) n->took_ms = ms;
}

static void nosy_on_close(void *object, void *ctx) {
    nosy *n = object;
    void *out = NULL;
    double begin = now_ms();
    (void)ctx;
    CHECK(atomic_load(&n->destroying) == 0);
    if (atomic_fetch_add(&n->closes, 1) > 0) return;
    n->free_in_close = qz_handle_free(n->handle, QZ_INFINITE);
    n->wait_in_close = qz_handle_wait_freed(n->handle, QZ_INFINITE);
    n->enter_in_close = qz_handle_enter(n->handle, n->kind, "from on_close", &out);
    CHECK(atomic_load(&n->destroys) == 0);
    took(n, begin);
}

static void nosy_on_destroy(void *object, void *ctx) {
    nosy *n = object;
    void *out = NULL;
    double begin = now_ms();
    (void)ctx;
    atomic_store(&n->destroying, 1);
    atomic_fetch_add(&n->destroys, 1);
    n->free_in_destroy = qz_handle_free(n->handle, QZ_INFINITE);
    n->try_in_destroy = qz_handle_try_free(n->handle);
    n->wait_in_destroy = qz_handle_wait_freed(n->handle, QZ_INFINITE);
    n->enter_in_destroy = qz_handle_enter(n->handle, n->kind, "from on_destroy", &out);
    took(n, begin);
}

static void free_from_its_own_hooks(void) {
    for (int somebody_inside = 0; somebody_inside < 2; somebody_inside++) {
        static nosy n;
        memset(&n, 0, sizeof n);
        n.enter_in_close = n.free_in_close = n.wait_in_close = QZ_OK; /* on_close need not run when nobody is inside */
        qz_kind_ops ops = {sizeof ops, nosy_on_close, nosy_on_destroy, NULL};
        caller c;
        void *object = NULL;
        EXPECT(qz_kind_new("nosy", &ops, &n.kind), QZ_OK);
        EXPECT(qz_handle_new(n.kind, &n, &n.handle), QZ_OK);
        qz_handle *h = n.handle;
        if (somebody_inside) EXPECT(qz_handle_enter(h, n.kind, "inside", &object), QZ_OK);
        caller_start(&c, call_free_infinite, h);
        if (somebody_inside) {
            while (atomic_load(&n.closes) == 0) sleep_ms(1);
            EXPECT(qz_handle_leave(h), QZ_OK);
        }
        CHECK(caller_join(&c) == QZ_OK);
        CHECK(atomic_load(&n.destroys) == 1);
        if (atomic_load(&n.closes) > 0) {
            CHECK_SAY(n.free_in_close == QZ_FREE_PENDING, "free from on_close answered %s",
                      qz_status_name(n.free_in_close));
            CHECK_SAY(n.wait_in_close == QZ_ERR_DEADLOCK, "wait_freed from on_close answered %s",
                      qz_status_name(n.wait_in_close));
            CHECK_SAY(n.enter_in_close == QZ_ERR_FREED, "enter from on_close answered %s",
                      qz_status_name(n.enter_in_close));
        }
        CHECK(!somebody_inside || atomic_load(&n.closes) > 0);
        /* The destructor has not returned: the object is not destroyed yet, and waiting for it here would never end. */
        CHECK_SAY(n.free_in_destroy == QZ_FREE_PENDING, "free from on_destroy answered %s",
                  qz_status_name(n.free_in_destroy));
        CHECK_SAY(n.try_in_destroy == QZ_FREE_PENDING, "try_free from on_destroy answered %s",
                  qz_status_name(n.try_in_destroy));
        CHECK_SAY(n.wait_in_destroy == QZ_ERR_DEADLOCK, "wait_freed from on_destroy answered %s",
                  qz_status_name(n.wait_in_destroy));
        CHECK_SAY(n.enter_in_destroy == QZ_ERR_FREED, "enter from on_destroy answered %s",
                  qz_status_name(n.enter_in_destroy));
        CHECK_SAY(n.took_ms < LATE_MS, "a call from a hook took %.0f ms", n.took_ms);
        EXPECT(qz_handle_free(h, QZ_INFINITE), QZ_ALREADY_FREED);
        EXPECT(qz_kind_close(n.kind, 0, NULL), QZ_OK);
    }
}

/* While a slow destructor runs, nobody else is told that the object is destroyed. */
static atomic_bool slow_destroy_began, slow_destroy_may_end, slow_destroy_ended;

static void slow_on_destroy(void *object, void *ctx) {
    (void)object, (void)ctx;
    atomic_store(&slow_destroy_began, true);
    while (!atomic_load(&slow_destroy_may_end)) sleep_ms(1);
    atomic_store(&slow_destroy_ended, true);
}

static qz_status call_free_after_the_destructor(void *handle) {
    qz_status freed = qz_handle_free(handle, QZ_INFINITE);
    CHECK(atomic_load(&slow_destroy_ended));
    return freed;
}

static void destroyed_means_that_the_destructor_returned(void) {
    qz_kind_ops ops = {sizeof ops, NULL, slow_on_destroy, NULL};
    qz_kind *kind = NULL;
    qz_handle *h = NULL;
    caller winner, waiter, loser;
    EXPECT(qz_kind_new("slow destroy", &ops, &kind), QZ_OK);
    EXPECT(qz_handle_new(kind, NULL, &h), QZ_OK);
    caller_start(&waiter, call_wait_freed, h);
    caller_start(&winner, call_free_infinite, h);
    while (!atomic_load(&slow_destroy_began)) sleep_ms(1);
    EXPECT(qz_handle_try_free(h), QZ_FREE_PENDING);
    EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
    EXPECT(qz_handle_wait_freed(h, 0), QZ_ERR_TIMEOUT);
    caller_start(&loser, call_free_after_the_destructor, h);
    sleep_ms(50);
    atomic_store(&slow_destroy_may_end, true);
    CHECK(caller_join(&loser) == QZ_ALREADY_FREED);
    CHECK(caller_join(&waiter) == QZ_OK && caller_join(&winner) == QZ_OK);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

typedef struct notice {
    thing *watched;
    atomic_int runs;
    int destroys_seen, order;
    unsigned ran_on;
} notice;

static void on_freed_hook(void *ctx) {
    notice *n = ctx;
    static atomic_int order;
    n->destroys_seen = destroys(n->watched);
    n->ran_on = thread_id();
    n->order = atomic_fetch_add(&order, 1);
    atomic_fetch_add(&n->runs, 1);
}

static void on_freed_early_and_late(void) {
    qz_kind *kind = new_kind("on_freed");
    thing t;
    visitor v;
    notice early[3], pending, late;
    memset(early, 0, sizeof early);
    memset(&pending, 0, sizeof pending);
    memset(&late, 0, sizeof late);
    for (int i = 0; i < 3; i++) early[i].watched = &t;
    pending.watched = late.watched = &t;

    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_on_freed(h, NULL, NULL), QZ_ERR_NULL);
    for (int i = 0; i < 3; i++) EXPECT(qz_handle_on_freed(h, on_freed_hook, &early[i]), QZ_OK);
    visitor_enter(&v, h, kind, "inside");
    EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
    EXPECT(qz_handle_on_freed(h, on_freed_hook, &pending), QZ_OK); /* not too late: it is not destroyed yet */
    CHECK(atomic_load(&early[0].runs) == 0 && atomic_load(&pending.runs) == 0);
    visitor_leave(&v);
    EXPECT(qz_handle_wait_freed(h, QZ_INFINITE), QZ_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_SAY(atomic_load(&early[i].runs) == 1, "on_freed ran %d times", atomic_load(&early[i].runs));
        CHECK(early[i].destroys_seen == 1);                   /* after the destructor */
        CHECK(early[i].ran_on == v.thread_id);                /* on the thread that destroyed */
        CHECK(i == 0 || early[i].order > early[i - 1].order); /* in the order of registration */
    }
    CHECK(atomic_load(&pending.runs) == 1 && pending.destroys_seen == 1);

    EXPECT(qz_handle_on_freed(h, on_freed_hook, &late), QZ_ALREADY_FREED); /* too late: runs at once, here */
    CHECK(atomic_load(&late.runs) == 1 && late.ran_on == thread_id() && late.destroys_seen == 1);
    CHECK(atomic_load(&early[0].runs) == 1);

    /* It does not survive into the next use of the shell. */
    thing u;
    qz_handle *next = new_handle(kind, &u);
    EXPECT(qz_handle_free(next, 0), QZ_OK);
    CHECK(atomic_load(&early[0].runs) == 1 && atomic_load(&pending.runs) == 1 && atomic_load(&late.runs) == 1);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

/* The hooks get the object and the ctx that they were registered with; both hooks are optional. */
static int ctx_closes, ctx_destroys;

static void ctx_on_close(void *object, void *ctx) {
    CHECK(object == (void *)&ctx_closes && ctx == (void *)&ctx_destroys);
    ctx_closes++;
}

static void ctx_on_destroy(void *object, void *ctx) {
    CHECK(object == (void *)&ctx_closes && ctx == (void *)&ctx_destroys);
    ctx_destroys++;
}

static void hooks_get_their_object_and_ctx(void) {
    for (int which = 0; which < 4; which++) {
        qz_kind_ops ops = {sizeof ops, which & 1 ? ctx_on_close : NULL, which & 2 ? ctx_on_destroy : NULL,
                           &ctx_destroys};
        qz_kind *kind = NULL;
        qz_handle *h = NULL;
        void *object = NULL;
        ctx_closes = ctx_destroys = 0;
        EXPECT(qz_kind_new("ctx", &ops, &kind), QZ_OK);
        memset(&ops, 0xFF, sizeof ops); /* the kind keeps a copy */
        EXPECT(qz_handle_new(kind, &ctx_closes, &h), QZ_OK);
        EXPECT(qz_handle_enter(h, kind, NULL, &object), QZ_OK);
        EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
        EXPECT(qz_handle_leave(h), QZ_OK);
        CHECK((ctx_closes > 0) == ((which & 1) != 0) && ctx_destroys == (which & 2) / 2);
        EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    }
}

int main(void) {
    RUN(on_close_is_repeated_until_the_operation_is_out);
    RUN(a_later_free_wakes_what_a_pending_one_missed);
    RUN(on_close_runs_only_if_somebody_is_inside);
    RUN(on_close_backs_off);
    RUN(free_from_its_own_hooks);
    RUN(destroyed_means_that_the_destructor_returned);
    RUN(on_freed_early_and_late);
    RUN(hooks_get_their_object_and_ctx);
    return 0;
}
