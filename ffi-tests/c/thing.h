/* The object that the test programs put behind handles. It is never given back, so its counters can be read after the
 * destructor ran; `alive` is a plain int on purpose: whoever reads it while the destructor writes it is a data race. */
#ifndef THING_H
#define THING_H
#include "check.h"
#include "system.h"
#include <stdatomic.h>

#define THING_ALIVE 0x600D
#define THING_GONE 0xDEAD

typedef struct thing {
    int alive;
    atomic_int closes;
    atomic_int destroys;
    atomic_int misordered;    /* on_close during or after on_destroy */
    atomic_uint destroyed_by; /* the thread id that ran on_destroy */
    atomic_bool destroying;
} thing;

static inline void thing_on_close(void *object, void *ctx) {
    thing *t = object;
    (void)ctx;
    if (atomic_load(&t->destroying)) atomic_fetch_add(&t->misordered, 1);
    atomic_fetch_add(&t->closes, 1);
}

static inline void thing_on_destroy(void *object, void *ctx) {
    thing *t = object;
    (void)ctx;
    atomic_store(&t->destroying, true);
    atomic_fetch_add(&t->destroys, 1);
    atomic_store(&t->destroyed_by, thread_id());
    t->alive = THING_GONE;
}

static inline void thing_init(thing *t) {
    memset(t, 0, sizeof *t);
    t->alive = THING_ALIVE;
}

static inline int destroys(thing *t) { return atomic_load(&t->destroys); }
static inline int closes(thing *t) { return atomic_load(&t->closes); }

static inline qz_kind *new_kind(const char *name) {
    qz_kind_ops ops = {sizeof ops, thing_on_close, thing_on_destroy, NULL};
    qz_kind *kind = NULL;
    EXPECT(qz_kind_new(name, &ops, &kind), QZ_OK);
    CHECK(kind != NULL);
    return kind;
}

/* With QZ_BUSY in the environment every new handle has been entered so often that its hazard lane is open. */
static inline void keep_busy(qz_handle *handle, qz_kind *kind) {
    void *object = NULL;
    if (getenv("QZ_BUSY") == NULL) return;
    for (int i = 0; i < 500; i++)
        CHECK(qz_handle_enter(handle, kind, "busy", &object) == QZ_OK && qz_handle_leave(handle) == QZ_OK);
}

static inline qz_handle *new_handle(qz_kind *kind, thing *t) {
    qz_handle *handle = NULL;
    thing_init(t);
    EXPECT(qz_handle_new(kind, t, &handle), QZ_OK);
    CHECK(handle != NULL);
    keep_busy(handle, kind);
    return handle;
}

/* Enters and checks that the object is the right one, and alive. */
static inline void enter(qz_handle *handle, qz_kind *kind, const char *operation, thing *t) {
    void *object = NULL;
    EXPECT(qz_handle_enter(handle, kind, operation, &object), QZ_OK);
    CHECK(object == t);
    CHECK(t->alive == THING_ALIVE);
}

static inline void leave(qz_handle *handle) { EXPECT(qz_handle_leave(handle), QZ_OK); }

static inline qz_hold *hold(qz_handle *handle, qz_kind *kind, const char *operation, thing *t) {
    void *object = NULL;
    qz_hold *taken = NULL;
    EXPECT(qz_handle_hold(handle, kind, operation, &object, &taken), QZ_OK);
    CHECK(object == t && taken != NULL && t->alive == THING_ALIVE);
    return taken;
}

/* Destroyed, once, in good order, and everybody agrees. */
static inline void check_gone(qz_handle *handle, thing *t) {
    CHECK_SAY(destroys(t) == 1, "the destructor ran %d times", destroys(t));
    CHECK(atomic_load(&t->misordered) == 0);
    EXPECT(qz_handle_free(handle, 0), QZ_ALREADY_FREED);
    EXPECT(qz_handle_wait_freed(handle, 0), QZ_OK);
    CHECK(destroys(t) == 1);
}

#endif
