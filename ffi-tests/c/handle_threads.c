/* enter and leave belong to a thread: leave without enter, leave on another thread, nesting in any order and depth,
 * and a thread that ends while it is inside. */
#include "visitor.h"

static qz_kind *kind;

static void leave_without_enter(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_leave(h), QZ_ERR_NOT_INSIDE);
    enter(h, kind, "once", &t);
    leave(h);
    for (int i = 0; i < 3; i++) EXPECT(qz_handle_leave(h), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t);
}

/* The defect of older designs: a stray leave lowered the count, and the free no longer waited for those inside. */
static void stray_leaves_do_not_open_the_way_for_a_free(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "working");
    for (int i = 0; i < 100; i++)
        CHECK(qz_handle_leave(h) == QZ_ERR_NOT_INSIDE); /* the visitor is inside, we are not */
    EXPECT(qz_handle_try_free(h), QZ_ERR_BUSY);
    EXPECT(qz_handle_free(h, 10), QZ_FREE_PENDING);
    for (int i = 0; i < 100; i++) CHECK(qz_handle_leave(h) == QZ_ERR_NOT_INSIDE);
    CHECK(destroys(&t) == 0);
    visitor_leave(&v);
    check_gone(h, &t);
}

static void leave_on_another_thread(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "here", &t);
    CHECK(call_elsewhere(call_leave, h) == QZ_ERR_NOT_INSIDE);
    EXPECT(qz_handle_try_free(h), QZ_ERR_BUSY);
    leave(h);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    check_gone(h, &t);
}

/* A hold is not an enter: it is released, not left. */
static void a_hold_is_not_inside(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *taken = hold(h, kind, "held", &t);
    EXPECT(qz_handle_leave(h), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_handle_try_free(h), QZ_ERR_BUSY);
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    check_gone(h, &t);
}

static void leaves_in_any_order(void) {
    enum { N = 6 };
    thing t[N];
    qz_handle *h[N];
    for (int i = 0; i < N; i++) h[i] = new_handle(kind, &t[i]);
    for (int i = 0; i < N; i++) enter(h[i], kind, "nested", &t[i]);
    static const int order[N] = {2, 0, 5, 1, 4, 3};
    for (int i = 0; i < N; i++) {
        leave(h[order[i]]);
        EXPECT(qz_handle_leave(h[order[i]]), QZ_ERR_NOT_INSIDE);
        EXPECT(qz_handle_free(h[order[i]], QZ_INFINITE), QZ_OK); /* not inside this one any more */
    }
    for (int i = 0; i < N; i++) check_gone(h[i], &t[i]);
}

static void the_same_handle_entered_many_times(void) {
    enum { DEEP = 1000 };
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_handle_info info;
    for (int i = 0; i < DEEP; i++) enter(h, kind, "again", &t);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    CHECK(info.in_flight == DEEP);
    EXPECT(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    for (int i = 0; i < DEEP; i++) {
        CHECK(destroys(&t) == 0);
        leave(h);
    }
    EXPECT(qz_handle_free(h, 0), QZ_ALREADY_FREED);
    check_gone(h, &t);
}

/* More than the slots of a thread record hold: the rest is in its overflow list, and must be found there as well. */
static void many_different_handles_at_once(void) {
    enum { MANY = 300 };
    static thing t[MANY];
    static qz_handle *h[MANY];
    for (int i = 0; i < MANY; i++) h[i] = new_handle(kind, &t[i]);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) enter(h[i], kind, "one of many", &t[i]);
        for (int i = 0; i < MANY; i++) CHECK(qz_handle_wait_freed(h[i], QZ_INFINITE) == QZ_ERR_DEADLOCK);
        for (int i = 0; i < MANY; i++) {
            int which = round == 0 ? i : round == 1 ? MANY - 1 - i : (i * 7) % MANY; /* 7 and 300 share no factor */
            leave(h[which]);
            CHECK(qz_handle_leave(h[which]) == QZ_ERR_NOT_INSIDE);
        }
    }
    for (int i = 0; i < MANY; i++) enter(h[i], kind, "freed inside", &t[i]);
    for (int i = 0; i < MANY; i++) EXPECT_AT_ONCE(qz_handle_free(h[i], QZ_INFINITE), QZ_FREE_PENDING);
    for (int i = MANY - 1; i >= 0; i--) {
        CHECK(destroys(&t[i]) == 0);
        leave(h[i]);
        CHECK(destroys(&t[i]) == 1);
    }
    for (int i = 0; i < MANY; i++) check_gone(h[i], &t[i]);
}

typedef struct deserter {
    qz_handle *handle;
    unsigned thread_id;
} deserter;

static void *end_while_inside(void *argument) {
    deserter *d = argument;
    void *object = NULL;
    name_thread("deserter");
    d->thread_id = thread_id();
    EXPECT(qz_handle_enter(d->handle, kind, "never left", &object), QZ_OK);
    return NULL;
}

static void a_thread_that_ends_inside_is_named(void) {
    static thing t;
    deserter d = {new_handle(kind, &t), 0};
    pthread_t thread;
    qz_occupant found[2];
    size_t count = 0;
    start_thread(&thread, end_while_inside, &d);
    pthread_join(thread, NULL);
    EXPECT_AFTER(qz_handle_free(d.handle, 50), QZ_FREE_PENDING, 50);
    EXPECT(qz_handle_occupants(d.handle, found, sizeof *found, 2, &count), QZ_OK);
    CHECK_SAY(count == 1, "%zu occupants", count);
    CHECK(found[0].thread_id == d.thread_id && strcmp(found[0].operation, "never left") == 0);
    CHECK(found[0].has_ended == 1 && found[0].is_hold == 0);
    EXPECT(qz_handle_leave(d.handle), QZ_ERR_NOT_INSIDE); /* nobody can leave in its place */
    EXPECT(qz_handle_wait_freed(d.handle, 0), QZ_ERR_TIMEOUT);
    CHECK(destroys(&t) == 0); /* never destroyed: nobody can know that the object is not used any more */

    /* Other handles, other threads and new threads with a record used again do not mind. */
    for (int i = 0; i < 50; i++) {
        thing u;
        visitor v;
        qz_handle *h = new_handle(kind, &u);
        visitor_enter(&v, h, kind, "life goes on");
        EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
        visitor_leave(&v);
        check_gone(h, &u);
    }
}

/* A leave from a destructor of the host's own thread-specific data: later than most teardown, and still inside. */
static pthread_key_t leaves_at_exit;

static void leave_at_exit(void *handle) { EXPECT(qz_handle_leave(handle), QZ_OK); }

static void *enter_and_end(void *handle) {
    void *object = NULL;
    EXPECT(qz_handle_enter(handle, kind, "left at exit", &object), QZ_OK);
    pthread_setspecific(leaves_at_exit, handle);
    return NULL;
}

static void a_leave_during_thread_exit(void) {
    thing t;
    CHECK(pthread_key_create(&leaves_at_exit, leave_at_exit) == 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        qz_handle *h = new_handle(kind, &t);
        start_thread(&thread, enter_and_end, h);
        pthread_join(thread, NULL);
        EXPECT(qz_handle_try_free(h), QZ_OK);
        check_gone(h, &t);
    }
    pthread_key_delete(leaves_at_exit);
}

/* First call of a thread during its own teardown. */
static pthread_key_t enters_at_exit;

static void enter_at_exit(void *handle) {
    void *object = NULL;
    EXPECT(qz_handle_enter(handle, kind, "entered at exit", &object), QZ_OK);
    EXPECT(qz_handle_leave(handle), QZ_OK);
}

static void *only_set_key(void *handle) {
    pthread_setspecific(enters_at_exit, handle);
    return NULL;
}

static void an_enter_during_thread_exit(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    CHECK(pthread_key_create(&enters_at_exit, enter_at_exit) == 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        start_thread(&thread, only_set_key, h);
        pthread_join(thread, NULL);
    }
    pthread_key_delete(enters_at_exit);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t);
}

int main(void) {
    kind = new_kind("threads");
    RUN(leave_without_enter);
    RUN(stray_leaves_do_not_open_the_way_for_a_free);
    RUN(leave_on_another_thread);
    RUN(a_hold_is_not_inside);
    RUN(leaves_in_any_order);
    RUN(the_same_handle_entered_many_times);
    RUN(many_different_handles_at_once);
    RUN(a_leave_during_thread_exit);
    RUN(an_enter_during_thread_exit);
    RUN(a_thread_that_ends_inside_is_named);
    printf("    ends with one handle that stays pending for ever, quietly\n");
    return 0;
}
