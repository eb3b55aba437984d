/* qz_kind_*: making a kind, ending one with and without live handles, and what a plugin that registered one may rely on. */
#include "visitor.h"

static void new_refuses_bad_arguments(void) {
    qz_kind_ops ops = {sizeof ops, thing_on_close, thing_on_destroy, NULL};
    qz_kind *kind = (qz_kind *)0x1234;
    EXPECT(qz_kind_new(NULL, &ops, &kind), QZ_ERR_NULL);
    CHECK(kind == NULL);
    EXPECT(qz_kind_new("name", &ops, NULL), QZ_ERR_NULL);
    kind = (qz_kind *)0x1234;
    ops.struct_size = 0;
    EXPECT(qz_kind_new("name", &ops, &kind), QZ_ERR_INVALID_ARGUMENT);
    CHECK(kind == NULL);
    ops.struct_size = sizeof ops - 1;
    EXPECT(qz_kind_new("name", &ops, &kind), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_kind_new("\xFF not UTF-8", NULL, &kind), QZ_ERR_INVALID_ARGUMENT);
    /* A caller with a newer header has a larger struct. */
    struct {
        qz_kind_ops ops;
        void *later[4];
    } newer = {{sizeof newer, thing_on_close, thing_on_destroy, NULL}, {0}};
    EXPECT(qz_kind_new("name", &newer.ops, &kind), QZ_OK);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void close_refuses_bad_arguments(void) {
    qz_kind *kind = new_kind("arguments");
    thing t;
    size_t left = 77;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_kind_close(NULL, 0, &left), QZ_ERR_NULL);
    EXPECT(qz_kind_close((qz_kind *)&t, 0, &left), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_kind_close((qz_kind *)h, 0, &left), QZ_ERR_WRONG_KIND);
    EXPECT(qz_kind_close(kind, -3, &left), QZ_ERR_INVALID_ARGUMENT);
    CHECK(left == 77);
    enter(h, kind, "still usable", &t);
    leave(h);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    CHECK(destroys(&t) == 1);
}

static void close_without_handles(void) {
    qz_kind *kind = new_kind("empty");
    qz_handle *h = (qz_handle *)0x1234;
    thing t;
    size_t left = 77;
    thing_init(&t);
    EXPECT_AT_ONCE(qz_kind_close(kind, QZ_INFINITE, &left), QZ_OK);
    CHECK(left == 0);
    left = 77;
    EXPECT_AT_ONCE(qz_kind_close(kind, QZ_INFINITE, &left), QZ_ALREADY_FREED);
    CHECK_SAY(left == 0, "%zu left of a kind that is gone", left);
    EXPECT(qz_handle_new(kind, &t, &h), QZ_ERR_FREED);
    CHECK(h == NULL && destroys(&t) == 0); /* refused: the object stays the caller's */
    void *object = NULL;
    EXPECT(qz_handle_enter(QZ_HANDLE(kind), kind, NULL, &object), QZ_ERR_FREED);
}

static void close_frees_the_handles(void) {
    enum { N = 50 };
    qz_kind *kind = new_kind("with handles"), *other = new_kind("untouched");
    static thing t[N], u;
    qz_handle *h[N], *bystander = new_handle(other, &u);
    size_t left = 77;
    for (int i = 0; i < N; i++) h[i] = new_handle(kind, &t[i]);
    EXPECT_AT_ONCE(qz_kind_close(kind, QZ_INFINITE, &left), QZ_OK);
    CHECK(left == 0);
    for (int i = 0; i < N; i++) check_gone(h[i], &t[i]);
    CHECK(destroys(&u) == 0 && closes(&u) == 0);
    enter(bystander, other, "untouched", &u);
    leave(bystander);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
}

static void close_counts_what_is_left(void) {
    qz_kind *kind = new_kind("left");
    thing t[3], never;
    visitor v;
    size_t left = 77;
    qz_handle *h[3], *none = NULL;
    for (int i = 0; i < 3; i++) h[i] = new_handle(kind, &t[i]);
    visitor_enter(&v, h[1], kind, "inside");
    qz_hold *taken = hold(h[2], kind, "held", &t[2]);
    EXPECT_AFTER(qz_kind_close(kind, 50, &left), QZ_FREE_PENDING, 50);
    CHECK_SAY(left == 2, "%zu left, expected 2", left);
    CHECK(destroys(&t[0]) == 1 && destroys(&t[1]) == 0 && destroys(&t[2]) == 0);
    CHECK(closes(&t[1]) >= 1 && closes(&t[2]) >= 1);
    thing_init(&never);
    EXPECT(qz_handle_new(kind, &never, &none), QZ_ERR_FREED);
    CHECK(none == NULL);
    void *object = NULL;
    EXPECT(qz_handle_enter(h[1], kind, "late", &object), QZ_ERR_FREED);
    EXPECT(qz_kind_close(kind, 0, &left), QZ_FREE_PENDING); /* asking again tells how far it is */
    CHECK(left == 2);
    visitor_leave(&v);
    EXPECT(qz_kind_close(kind, 0, &left), QZ_FREE_PENDING);
    CHECK(left == 1);
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, &left), QZ_ALREADY_FREED);
    CHECK(left == 0);
    for (int i = 0; i < 3; i++) check_gone(h[i], &t[i]);
}

static qz_kind *closed_by_another;

static qz_status call_kind_close(void *left) { return qz_kind_close(closed_by_another, QZ_INFINITE, left); }

static void close_waits_for_those_inside(void) {
    thing t;
    visitor v;
    caller c[2];
    size_t left[2] = {77, 77};
    closed_by_another = new_kind("awaited");
    qz_handle *h = new_handle(closed_by_another, &t);
    visitor_enter(&v, h, closed_by_another, "inside");
    for (int i = 0; i < 2; i++) caller_start(&c[i], call_kind_close, &left[i]);
    while (!qz_handle_is_closing(h)) sleep_ms(1);
    sleep_ms(20);
    CHECK(destroys(&t) == 0);
    visitor_leave(&v);
    int first = caller_join(&c[0]), second = caller_join(&c[1]);
    CHECK_SAY((first == QZ_OK && second == QZ_ALREADY_FREED) || (first == QZ_ALREADY_FREED && second == QZ_OK),
              "two closes answered %s and %s", qz_status_name(first), qz_status_name(second));
    CHECK(left[0] == 0 && left[1] == 0);
    check_gone(h, &t);
}

/* Freed as a handle, a kind lets the live handles be, and goes with the last of them. */
static void a_freed_kind_goes_with_its_last_handle(void) {
    qz_kind *kind = new_kind("freed");
    thing t, u, never;
    qz_handle *h = new_handle(kind, &t), *second = new_handle(kind, &u), *none = NULL;
    EXPECT(qz_handle_try_free(QZ_HANDLE(kind)), QZ_ERR_BUSY); /* still fully usable */
    EXPECT_AT_ONCE(qz_handle_free(QZ_HANDLE(kind), 0), QZ_FREE_PENDING);
    CHECK(qz_handle_is_closing(QZ_HANDLE(kind)) && !qz_handle_is_closing(h));
    thing_init(&never);
    EXPECT(qz_handle_new(kind, &never, &none), QZ_ERR_FREED);
    EXPECT_AFTER(qz_handle_free(QZ_HANDLE(kind), 20), QZ_FREE_PENDING, 20);
    CHECK(closes(&t) == 0);
    /* A caller that has the kind's token can still use the handles that live. */
    void *object = NULL;
    EXPECT(qz_handle_enter(h, kind, "still usable", &object), QZ_OK);
    CHECK(object == &t);
    leave(h);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    CHECK(destroys(&t) == 1);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(kind), 0), QZ_ERR_TIMEOUT);
    EXPECT(qz_handle_free(second, 0), QZ_OK);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(kind), QZ_INFINITE), QZ_OK);
    EXPECT(qz_handle_free(QZ_HANDLE(kind), 0), QZ_ALREADY_FREED);
    check_gone(h, &t);
    check_gone(second, &u);
}

/* From inside an operation of one of its handles, waiting for it would never end. */
static void close_from_inside(void) {
    qz_kind *kind = new_kind("from inside");
    thing t;
    size_t left = 77;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "self", &t);
    EXPECT_AT_ONCE(qz_kind_close(kind, QZ_INFINITE, &left), QZ_FREE_PENDING);
    CHECK_SAY(left == 1, "%zu left", left);
    leave(h);
    check_gone(h, &t);
    EXPECT(qz_kind_close(kind, QZ_INFINITE, &left), QZ_ALREADY_FREED);
    CHECK(left == 0);
}

/* "Once it reports nothing left, no callback of that kind can start": the plugin's code may be unmapped. */
typedef struct race {
    qz_kind *kind;
    atomic_bool unloaded, stop;
    atomic_long made, refused;
} race;

static race unloading;

static void callback_of_a_plugin(void *object, void *ctx) {
    (void)object, (void)ctx;
    CHECK(!atomic_load(&unloading.unloaded));
    for (volatile int i = 0; i < 200; i++) {}
    CHECK(!atomic_load(&unloading.unloaded));
}

static void *make_and_free(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument * 77 + 1;
    void *object = NULL;
    while (!atomic_load(&unloading.stop)) {
        qz_handle *h = NULL;
        qz_status got = qz_handle_new(unloading.kind, &unloading, &h);
        if (got != QZ_OK) {
            CHECK_SAY(got == QZ_ERR_FREED, "handle_new on a closing kind answered %s", qz_status_name((int32_t)got));
            atomic_fetch_add(&unloading.refused, 1);
            break;
        }
        atomic_fetch_add(&unloading.made, 1);
        if (qz_handle_enter(h, unloading.kind, "work", &object) == QZ_OK) {
            if (next_random(&random) % 4 == 0) (void)qz_handle_free(h, 0);
            if (next_random(&random) % 8 == 0) sched_yield();
            (void)qz_handle_leave(h);
        }
        if (next_random(&random) % 2 == 0) (void)qz_handle_free(h, QZ_INFINITE); /* the others are left to the close */
    }
    return NULL;
}

static void no_callback_after_nothing_is_left(void) {
    enum { ROUNDS = 100, THREADS = 4 };
    long made = 0;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        qz_kind_ops ops = {sizeof ops, callback_of_a_plugin, callback_of_a_plugin, NULL};
        size_t left = 77;
        atomic_store(&unloading.unloaded, false);
        atomic_store(&unloading.stop, false);
        EXPECT(qz_kind_new("plugin", &ops, &unloading.kind), QZ_OK);
        for (uintptr_t i = 0; i < THREADS; i++)
            start_thread(&threads[i], make_and_free, (void *)(i + (uintptr_t)round * 10));
        sleep_ms(round % 3);
        EXPECT(qz_kind_close(unloading.kind, QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
        CHECK(left == 0);
        atomic_store(&unloading.unloaded, true);
        atomic_store(&unloading.stop, true);
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    }
    made = atomic_load(&unloading.made);
    CHECK_SAY(made > ROUNDS && atomic_load(&unloading.refused) > 0, "no overlap: nothing was tested");
    printf("    %d kinds closed under %ld new handles, %ld were refused\n", ROUNDS, made,
           atomic_load(&unloading.refused));
}

int main(void) {
    RUN(new_refuses_bad_arguments);
    RUN(close_refuses_bad_arguments);
    RUN(close_without_handles);
    RUN(close_frees_the_handles);
    RUN(close_counts_what_is_left);
    RUN(close_waits_for_those_inside);
    RUN(a_freed_kind_goes_with_its_last_handle);
    RUN(close_from_inside);
    RUN(no_callback_after_nothing_is_left);
    size_t left = 77;
    EXPECT(qz_quiesce_all(0, &left), QZ_OK);
    CHECK(left == 0);
    return 0;
}
