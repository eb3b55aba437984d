/* qz_handle_*: arguments, outputs, wrong kinds, and what a freed handle answers. The rest of the contract:
 * handle_tokens.c (garbage), handle_free.c (the free table), handle_hooks.c, handle_occupants.c, handle_threads.c,
 * handle_deadlines.c, handle_many.c. */
#include "visitor.h"

static void never_called(void *ctx) {
    (void)ctx;
    give_up(__FILE__, __LINE__, "a refused on_freed was called");
}

static void new_refuses_without_taking_the_object(void) {
    qz_kind *kind = new_kind("new");
    qz_kind *ended = new_kind("ended");
    qz_handle *none = (qz_handle *)0x1234;
    thing t;
    thing_init(&t);
    EXPECT(qz_kind_close(ended, QZ_DEFAULT_TIMEOUT, NULL), QZ_OK);

    EXPECT(qz_handle_new(NULL, &t, &none), QZ_ERR_NULL);
    CHECK(none == NULL); /* a refused call sets a handle output to NULL */
    none = (qz_handle *)0x1234;
    EXPECT(qz_handle_new((qz_kind *)&t, &t, &none), QZ_ERR_BAD_HANDLE);
    CHECK(none == NULL);
    none = (qz_handle *)0x1234;
    EXPECT(qz_handle_new(ended, &t, &none), QZ_ERR_FREED);
    CHECK(none == NULL);
    EXPECT(qz_handle_new(kind, &t, NULL), QZ_ERR_NULL);

    qz_handle *handle = new_handle(kind, &t);
    none = (qz_handle *)0x1234;
    EXPECT(qz_handle_new((qz_kind *)handle, &t, &none), QZ_ERR_WRONG_KIND);
    CHECK(none == NULL);
    CHECK(destroys(&t) == 0);
    EXPECT(qz_handle_free(handle, 0), QZ_OK);
    CHECK(destroys(&t) == 1);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void a_null_object_is_an_object(void) {
    qz_kind *kind = NULL;
    qz_handle *handle = NULL;
    void *object = &kind;
    EXPECT(qz_kind_new("null object", NULL, &kind), QZ_OK);
    EXPECT(qz_handle_new(kind, NULL, &handle), QZ_OK);
    EXPECT(qz_handle_enter(handle, kind, NULL, &object), QZ_OK);
    CHECK(object == NULL);
    leave(handle);
    EXPECT(qz_handle_free(handle, 0), QZ_OK);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void enter_and_leave(void) {
    qz_kind *kind = new_kind("enter"), *other = new_kind("other");
    thing t;
    qz_handle *handle = new_handle(kind, &t);
    void *untouched = &untouched, *object = untouched;

    enter(handle, kind, "read", &t);
    leave(handle);
    enter(handle, kind, NULL, &t); /* the operation's name is optional */
    leave(handle);

    EXPECT(qz_handle_enter(NULL, kind, "read", &object), QZ_ERR_NULL);
    EXPECT(qz_handle_enter(handle, NULL, "read", &object), QZ_ERR_NULL);
    EXPECT(qz_handle_enter(handle, kind, "read", NULL), QZ_ERR_NULL);
    EXPECT(qz_handle_enter((qz_handle *)&t, kind, "read", &object), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_enter(handle, (qz_kind *)&t, "read", &object), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_enter(handle, other, "read", &object), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_enter(QZ_HANDLE(kind), kind, "read", &object), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_enter(handle, (qz_kind *)handle, "read", &object), QZ_ERR_WRONG_KIND);
    CHECK(object == untouched); /* other outputs are written on success only */

    /* None of the refused enters is inside: a leave has nothing to end, and a free nobody to wait for. */
    EXPECT(qz_handle_leave(handle), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_handle_leave(NULL), QZ_ERR_NULL);
    EXPECT(qz_handle_leave((qz_handle *)&t), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_try_free(handle), QZ_OK);

    EXPECT(qz_handle_enter(handle, kind, "read", &object), QZ_ERR_FREED);
    CHECK(object == untouched);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
}

/* A stale token never reads as a wrong kind, whatever its shell is used for now. */
static void stale_reads_as_freed_not_as_wrong_kind(void) {
    qz_kind *kind = new_kind("first"), *other = new_kind("second");
    static thing t, u[64];
    qz_handle *stale = new_handle(kind, &t), *newer[64];
    void *object = NULL;
    EXPECT(qz_handle_free(stale, 0), QZ_OK);
    for (int i = 0; i < 64; i++) newer[i] = new_handle(other, &u[i]); /* one of them is the same shell */
    EXPECT(qz_handle_enter(stale, kind, "read", &object), QZ_ERR_FREED);
    EXPECT(qz_handle_enter(stale, other, "read", &object), QZ_ERR_FREED);
    EXPECT(qz_handle_free(stale, QZ_INFINITE), QZ_ALREADY_FREED);
    EXPECT(qz_handle_try_free(stale), QZ_ALREADY_FREED);
    EXPECT(qz_handle_wait_freed(stale, QZ_INFINITE), QZ_OK);
    CHECK(qz_handle_is_closing(stale));
    for (int i = 0; i < 64; i++) {
        CHECK(newer[i] != stale && destroys(&u[i]) == 0);
        enter(newer[i], other, "read", &u[i]);
        leave(newer[i]);
        EXPECT(qz_handle_free(newer[i], 0), QZ_OK);
        CHECK(destroys(&u[i]) == 1);
    }
    CHECK(destroys(&t) == 1);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
}

/* Everything that takes a handle says the same about one that is gone, and about one that never was. */
static void a_freed_handle_refuses_everything(void) {
    qz_kind *kind = new_kind("freed");
    thing t;
    qz_handle *handle = new_handle(kind, &t);
    qz_handle_info info;
    qz_occupant occupant;
    qz_hold *taken = (qz_hold *)0x1234;
    void *object = NULL;
    size_t count = 77;
    EXPECT(qz_handle_free(handle, QZ_DEFAULT_TIMEOUT), QZ_OK);

    memset(&info, 0x5A, sizeof info);
    EXPECT(qz_handle_enter(handle, kind, "read", &object), QZ_ERR_FREED);
    EXPECT(qz_handle_hold(handle, kind, "read", &object, &taken), QZ_ERR_FREED);
    EXPECT(qz_handle_set_label(handle, "label"), QZ_ERR_FREED);
    EXPECT(qz_handle_get_info(handle, &info, sizeof info), QZ_ERR_FREED);
    EXPECT(qz_handle_occupants(handle, &occupant, sizeof occupant, 1, &count), QZ_ERR_FREED);
    CHECK(object == NULL && taken == NULL && count == 77 && info.in_flight == 0x5A5A5A5A);
    CHECK(qz_handle_is_closing(handle));
    check_gone(handle, &t);

    EXPECT(qz_handle_leave(handle), QZ_ERR_FREED); /* freed, so nobody is inside */
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void null_and_bad_handles(void) {
    thing t;
    qz_handle *bad = (qz_handle *)&t;
    qz_handle_info info;
    qz_occupant occupant;
    size_t count = 77;
    EXPECT(qz_handle_free(NULL, 0), QZ_OK); /* like free(NULL) */
    EXPECT(qz_handle_try_free(NULL), QZ_OK);
    EXPECT(qz_handle_wait_freed(NULL, 0), QZ_ERR_NULL); /* there is nothing that anybody could free */
    EXPECT(qz_handle_set_label(NULL, "label"), QZ_ERR_NULL);
    EXPECT(qz_handle_get_info(NULL, &info, sizeof info), QZ_ERR_NULL);
    EXPECT(qz_handle_occupants(NULL, &occupant, sizeof occupant, 1, &count), QZ_ERR_NULL);
    EXPECT(qz_handle_on_freed(NULL, never_called, NULL), QZ_ERR_NULL);
    CHECK(qz_handle_is_closing(NULL));

    EXPECT(qz_handle_free(bad, 0), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_try_free(bad), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_wait_freed(bad, 0), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_set_label(bad, "label"), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_get_info(bad, &info, sizeof info), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_occupants(bad, &occupant, sizeof occupant, 1, &count), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_handle_on_freed(bad, never_called, NULL), QZ_ERR_BAD_HANDLE);
    CHECK(qz_handle_is_closing(bad) && count == 77);
}

static void timeouts_below_the_named_ones_are_refused(void) {
    static const int64_t wrong[] = {-3, -4, -1000, INT64_MIN, INT64_MIN + 1, -(INT64_C(1) << 32)};
    qz_kind *kind = new_kind("timeouts");
    thing t;
    qz_handle *handle = new_handle(kind, &t);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EXPECT(qz_handle_free(handle, wrong[i]), QZ_ERR_INVALID_ARGUMENT);
        EXPECT(qz_handle_wait_freed(handle, wrong[i]), QZ_ERR_INVALID_ARGUMENT);
        EXPECT(qz_handle_free_many(&handle, 1, wrong[i], NULL), QZ_ERR_INVALID_ARGUMENT);
        EXPECT(qz_quiesce_all(wrong[i], NULL), QZ_ERR_INVALID_ARGUMENT);
        EXPECT(qz_kind_close(kind, wrong[i], NULL), QZ_ERR_INVALID_ARGUMENT);
    }
    EXPECT(qz_handle_wait_freed(handle, QZ_DEFAULT_TIMEOUT), QZ_ERR_INVALID_ARGUMENT); /* a default only for frees */
    CHECK(!qz_handle_is_closing(handle) && closes(&t) == 0 && destroys(&t) == 0);      /* nothing changed */
    enter(handle, kind, "still usable", &t);
    leave(handle);
    EXPECT(qz_handle_free(handle, QZ_DEFAULT_TIMEOUT), QZ_OK);
    EXPECT(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, NULL), QZ_OK);
}

static void is_closing_from_the_instant_a_free_begins(void) {
    qz_kind *kind = new_kind("closing");
    thing t;
    visitor v;
    qz_handle *handle = new_handle(kind, &t);
    CHECK(!qz_handle_is_closing(handle));
    visitor_enter(&v, handle, kind, "read");
    CHECK(!qz_handle_is_closing(handle));
    EXPECT(qz_handle_try_free(handle), QZ_ERR_BUSY);
    CHECK(!qz_handle_is_closing(handle));
    EXPECT(qz_handle_free(handle, 0), QZ_FREE_PENDING);
    CHECK(qz_handle_is_closing(handle));
    visitor_leave(&v);
    CHECK(qz_handle_is_closing(handle));
    CHECK(!qz_handle_is_closing(QZ_HANDLE(kind)));
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void kinds_and_holds_are_handles_too(void) {
    qz_handle_info info;
    qz_occupant occupant;
    size_t count = 77;
    qz_kind *kind = new_kind("tokens");
    thing t;
    qz_handle *handle = new_handle(kind, &t);
    qz_hold *taken = hold(handle, kind, "holding", &t);
    void *object = NULL;
    EXPECT(qz_handle_free(QZ_HANDLE(taken), 0), QZ_ERR_WRONG_KIND); /* a hold is released, not freed */
    EXPECT(qz_handle_try_free(QZ_HANDLE(taken)), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_enter(QZ_HANDLE(taken), kind, "read", &object), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_leave(QZ_HANDLE(taken)), QZ_ERR_NOT_INSIDE); /* a hold is never entered */
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(taken), 0), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_on_freed(QZ_HANDLE(taken), never_called, NULL), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_set_label(QZ_HANDLE(taken), "label"), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_get_info(QZ_HANDLE(taken), &info, sizeof info), QZ_ERR_WRONG_KIND);
    EXPECT(qz_handle_occupants(QZ_HANDLE(taken), &occupant, sizeof occupant, 1, &count), QZ_ERR_WRONG_KIND);
    CHECK(qz_handle_is_closing(QZ_HANDLE(taken)) && count == 77);
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_handle_free(handle, 0), QZ_OK);
    EXPECT(qz_handle_free(QZ_HANDLE(kind), 0), QZ_OK); /* a kind is */
    EXPECT(qz_handle_free(QZ_HANDLE(kind), 0), QZ_ALREADY_FREED);
}

/* One thread's refusal in words is not another's, and a success does not need to clear it. */
static qz_status provoke_null(void *unused) {
    (void)unused;
    return qz_handle_leave(NULL);
}

static void last_error_belongs_to_the_thread(void) {
    thing t;
    EXPECT(qz_handle_free((qz_handle *)&t, 0), QZ_ERR_BAD_HANDLE);
    char before[512];
    snprintf(before, sizeof before, "%s", qz_last_error());
    CHECK(before[0] != '\0');
    CHECK(call_elsewhere(provoke_null, NULL) == QZ_ERR_NULL);
    CHECK(strcmp(before, qz_last_error()) == 0);
}

int main(void) {
    RUN(new_refuses_without_taking_the_object);
    RUN(a_null_object_is_an_object);
    RUN(enter_and_leave);
    RUN(stale_reads_as_freed_not_as_wrong_kind);
    RUN(a_freed_handle_refuses_everything);
    RUN(null_and_bad_handles);
    RUN(timeouts_below_the_named_ones_are_refused);
    RUN(is_closing_from_the_instant_a_free_begins);
    RUN(kinds_and_holds_are_handles_too);
    RUN(last_error_belongs_to_the_thread);
    return 0;
}
