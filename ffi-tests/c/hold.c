/* qz_hold_*: taken on one thread, released on any, exactly once however often it is called, and in flight on its handle. */
#include "visitor.h"

static qz_kind *kind;

static qz_status call_release(void *taken) { return qz_hold_release(taken); }

static void hold_refuses_bad_arguments(void) {
    qz_kind *other = new_kind("other");
    thing t;
    qz_handle *h = new_handle(kind, &t);
    void *untouched = &untouched, *object = untouched;
    qz_hold *taken = (qz_hold *)0x1234;
    EXPECT(qz_handle_hold(NULL, kind, "take", &object, &taken), QZ_ERR_NULL);
    CHECK(taken == NULL);
    taken = (qz_hold *)0x1234;
    EXPECT(qz_handle_hold(h, NULL, "take", &object, &taken), QZ_ERR_NULL);
    CHECK(taken == NULL);
    EXPECT(qz_handle_hold(h, kind, "take", &object, NULL), QZ_ERR_NULL);
    taken = (qz_hold *)0x1234;
    EXPECT(qz_handle_hold((qz_handle *)&t, kind, "take", &object, &taken), QZ_ERR_BAD_HANDLE);
    CHECK(taken == NULL);
    taken = (qz_hold *)0x1234;
    EXPECT(qz_handle_hold(h, other, "take", &object, &taken), QZ_ERR_WRONG_KIND);
    CHECK(taken == NULL && object == untouched);
    EXPECT(qz_handle_try_free(h), QZ_OK); /* none of them is in flight */
    EXPECT(qz_handle_hold(h, kind, "take", &object, &taken), QZ_ERR_FREED);
    CHECK(taken == NULL && object == untouched);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
}

static void release_refuses_bad_arguments(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_hold_release(NULL), QZ_OK);
    EXPECT(qz_hold_release((qz_hold *)&t), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_hold_release((qz_hold *)h), QZ_ERR_WRONG_KIND);
    EXPECT(qz_hold_release((qz_hold *)kind), QZ_ERR_WRONG_KIND);
    CHECK(!qz_handle_is_closing(h));
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void released_once(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *taken = hold(h, kind, "take", &t), *second = hold(h, kind, "take", &t);
    EXPECT(qz_hold_release(taken), QZ_OK);
    for (int i = 0; i < 3; i++) EXPECT(qz_hold_release(taken), QZ_ALREADY_FREED);
    EXPECT(qz_handle_try_free(h), QZ_ERR_BUSY); /* the second hold is still in flight */
    EXPECT(qz_hold_release(second), QZ_OK);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    EXPECT(qz_hold_release(taken), QZ_ALREADY_FREED); /* also when its handle is long gone */
    EXPECT(qz_hold_release(second), QZ_ALREADY_FREED);
    check_gone(h, &t);
}

/* A second release of an old hold may not release what took its shell over. */
static void a_stale_hold_releases_nobody_elses(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *stale = hold(h, kind, "old", &t), *newer[64];
    EXPECT(qz_hold_release(stale), QZ_OK);
    for (int i = 0; i < 64; i++) newer[i] = hold(h, kind, "new", &t);
    for (int i = 0; i < 1000; i++) CHECK(qz_hold_release(stale) == QZ_ALREADY_FREED);
    qz_handle_info info;
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    CHECK(info.holds == 64 && info.in_flight == 64);
    for (int i = 0; i < 64; i++) {
        CHECK(newer[i] != stale);
        EXPECT(qz_hold_release(newer[i]), QZ_OK);
    }
    EXPECT(qz_handle_try_free(h), QZ_OK);
}

static void released_on_any_thread(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *taken = hold(h, kind, "hand over", &t);
    CHECK(call_elsewhere(call_release, taken) == QZ_OK);
    EXPECT(qz_hold_release(taken), QZ_ALREADY_FREED);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t);
}

static void *hold_and_end(void *argument) {
    qz_hold **out = argument;
    thing *t = NULL;
    void *object = NULL;
    qz_handle *h = (qz_handle *)*out;
    EXPECT(qz_handle_hold(h, kind, "outlives its thread", &object, out), QZ_OK);
    t = object;
    CHECK(t->alive == THING_ALIVE);
    return NULL;
}

static void a_hold_outlives_its_thread(void) {
    thing t;
    pthread_t thread;
    qz_occupant found;
    size_t count = 0;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *taken = (qz_hold *)h;
    start_thread(&thread, hold_and_end, &taken);
    pthread_join(thread, NULL);
    EXPECT(qz_handle_try_free(h), QZ_ERR_BUSY);
    EXPECT(qz_handle_occupants(h, &found, sizeof found, 1, &count), QZ_OK);
    CHECK(count == 1 && found.is_hold == 1 && strcmp(found.operation, "outlives its thread") == 0);
    EXPECT(qz_handle_free(h, 20), QZ_FREE_PENDING); /* not our own hold: this free waited */
    EXPECT(qz_hold_release(taken), QZ_OK);
    CHECK(destroys(&t) == 1 && atomic_load(&t.destroyed_by) == thread_id());
    check_gone(h, &t);
}

static void the_last_release_destroys(void) {
    thing t;
    caller c;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *here = hold(h, kind, "here", &t), *there = hold(h, kind, "there", &t);
    EXPECT_AT_ONCE(qz_handle_free(h, 0), QZ_FREE_PENDING);
    EXPECT(qz_hold_release(here), QZ_OK);
    CHECK(destroys(&t) == 0);
    caller_start(&c, call_release, there);
    CHECK(caller_join(&c) == QZ_OK);
    CHECK(destroys(&t) == 1 && atomic_load(&t.destroyed_by) != thread_id());
    check_gone(h, &t);
}

/* "Whose own holds are all that is in flight": with one of somebody else's as well, a free waits; when that one goes
 * during the wait, only our own are left, and waiting on would never end. */
static void own_holds_and_another_one(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *mine = hold(h, kind, "mine", &t);
    visitor_enter(&v, h, kind, "company");
    EXPECT_AFTER(qz_handle_free(h, 40), QZ_FREE_PENDING, 40);
    visitor_dismiss(&v);
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    visitor_join(&v);
    CHECK(destroys(&t) == 0);
    EXPECT(qz_hold_release(mine), QZ_OK);
    check_gone(h, &t);
}

static void entered_and_held_by_one_thread(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "inside", &t);
    qz_hold *taken = hold(h, kind, "held", &t);
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    leave(h);
    CHECK(destroys(&t) == 0);
    EXPECT(qz_hold_release(taken), QZ_OK);
    check_gone(h, &t);
}

static void holds_are_listed_with_their_age(void) {
    enum { N = 20 };
    thing t;
    qz_hold *taken[N];
    qz_occupant found[N];
    size_t count = 0;
    qz_handle *h = new_handle(kind, &t);
    taken[0] = hold(h, kind, "oldest", &t);
    sleep_ms(60);
    for (int i = 1; i < N; i++) taken[i] = hold(h, kind, "younger", &t);
    EXPECT(qz_handle_occupants(h, found, sizeof *found, N, &count), QZ_OK);
    CHECK_SAY(count == N, "%zu of %d holds are listed", count, N);
    for (int i = 0; i < N; i++) {
        bool oldest = strcmp(found[i].operation, "oldest") == 0;
        CHECK(found[i].is_hold == 1 && found[i].thread_id == thread_id());
        CHECK_SAY(oldest ? found[i].since_ms >= 60 : found[i].since_ms >= 0, "'%s' is %" PRId64 " ms old",
                  found[i].operation, found[i].since_ms);
    }
    for (int i = 0; i < N; i++) EXPECT(qz_hold_release(taken[i]), QZ_OK);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void thousands_of_holds(void) {
    enum { N = 5000 };
    static qz_hold *taken[N];
    thing t;
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < N; i++) {
        void *object = NULL;
        CHECK(qz_handle_hold(h, kind, "many", &object, &taken[i]) == QZ_OK);
    }
    EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
    for (int i = 0; i < N; i++) {
        int which = (int)((uint64_t)i * 7777 % N); /* 7777 and 5000 share no factor: every one, in another order */
        CHECK(destroys(&t) == 0);
        CHECK(qz_hold_release(taken[which]) == QZ_OK);
    }
    check_gone(h, &t);
    for (int i = 0; i < N; i++) CHECK(qz_hold_release(taken[i]) == QZ_ALREADY_FREED);
}

int main(void) {
    kind = new_kind("hold");
    RUN(hold_refuses_bad_arguments);
    RUN(release_refuses_bad_arguments);
    RUN(released_once);
    RUN(a_stale_hold_releases_nobody_elses);
    RUN(released_on_any_thread);
    RUN(a_hold_outlives_its_thread);
    RUN(the_last_release_destroys);
    RUN(own_holds_and_another_one);
    RUN(entered_and_held_by_one_thread);
    RUN(holds_are_listed_with_their_age);
    RUN(thousands_of_holds);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    return 0;
}
