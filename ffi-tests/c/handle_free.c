/* The free table, line by line: try_free, free(timeout), free(0), free from inside, a later or concurrent free, and
 * wait_freed, each with nobody and with somebody inside. The rule over all of them: whenever a free answers OK or
 * ALREADY_FREED, the object is destroyed. */
#include "visitor.h"

static qz_kind *kind;

/* Freed for everybody, and whoever is late is told the same as everybody else. Not for a thread that keeps it alive itself. */
static void check_closed_but_alive(qz_handle *handle, thing *t) {
    void *object = NULL;
    qz_hold *taken = NULL;
    CHECK(destroys(t) == 0 && t->alive == THING_ALIVE);
    EXPECT(qz_handle_enter(handle, kind, "late", &object), QZ_ERR_FREED);
    EXPECT(qz_handle_hold(handle, kind, "late", &object, &taken), QZ_ERR_FREED);
    EXPECT(qz_handle_try_free(handle), QZ_FREE_PENDING); /* somebody else closed it */
    EXPECT_AT_ONCE(qz_handle_free(handle, 0), QZ_FREE_PENDING);
    EXPECT_AFTER(qz_handle_free(handle, 30), QZ_FREE_PENDING, 30);
    EXPECT_AT_ONCE(qz_handle_wait_freed(handle, 0), QZ_ERR_TIMEOUT);
    EXPECT_AFTER(qz_handle_wait_freed(handle, 30), QZ_ERR_TIMEOUT, 30);
    CHECK(qz_handle_is_closing(handle) && destroys(t) == 0);
}

static void nobody_inside(void) {
    thing t[5];
    qz_handle *h = new_handle(kind, &t[0]);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t[0]);
    EXPECT(qz_handle_try_free(h), QZ_ALREADY_FREED);

    static const int64_t timeouts[] = {0, 100, QZ_INFINITE, QZ_DEFAULT_TIMEOUT};
    for (int i = 0; i < 4; i++) {
        h = new_handle(kind, &t[i + 1]);
        EXPECT_AT_ONCE(qz_handle_free(h, timeouts[i]), QZ_OK);
        CHECK(destroys(&t[i + 1]) == 1 && atomic_load(&t[i + 1].destroyed_by) == thread_id());
        check_gone(h, &t[i + 1]);
        EXPECT(qz_handle_try_free(h), QZ_ALREADY_FREED);
    }
}

static void try_free_leaves_a_busy_handle_fully_usable(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "busy");
    for (int i = 0; i < 1000; i++) CHECK(qz_handle_try_free(h) == QZ_ERR_BUSY);
    EXPECT_AT_ONCE(qz_handle_try_free(h), QZ_ERR_BUSY);
    CHECK(closes(&t) == 0 && !qz_handle_is_closing(h));
    enter(h, kind, "still welcome", &t);
    EXPECT_AT_ONCE(qz_handle_try_free(h), QZ_ERR_BUSY); /* also when it is the caller who is inside */
    leave(h);
    EXPECT(qz_hold_release(hold(h, kind, "still welcome", &t)), QZ_OK);
    visitor_leave(&v);
    CHECK(destroys(&t) == 0);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t);
}

static void try_free_is_busy_while_held(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *taken = hold(h, kind, "held", &t);
    EXPECT_AT_ONCE(qz_handle_try_free(h), QZ_ERR_BUSY);
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t);
}

static void free_waits_for_those_inside(void) {
    thing t;
    visitor v;
    caller c;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "working");
    caller_start(&c, call_free_infinite, h);
    while (!qz_handle_is_closing(h)) sleep_ms(1);
    sleep_ms(30);
    CHECK(destroys(&t) == 0); /* the visitor still reads the object */
    double let_go = now_ms();
    visitor_leave(&v);
    CHECK(caller_join(&c) == QZ_OK);
    CHECK(c.ended >= let_go && c.ended - let_go < LATE_MS);
    check_gone(h, &t);
    CHECK(closes(&t) >= 1);
}

static void free_at_its_deadline_leaves_it_to_the_last_one_out(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "slow");
    EXPECT_AFTER(qz_handle_free(h, 60), QZ_FREE_PENDING, 60);
    CHECK(closes(&t) >= 1);
    check_closed_but_alive(h, &t);
    visitor_leave(&v);
    CHECK(destroys(&t) == 1);
    CHECK(atomic_load(&t.destroyed_by) == v.thread_id); /* the destructor ran inside the last leave */
    check_gone(h, &t);
}

static void free_0_closes_and_returns_at_once(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "slow");
    EXPECT_AT_ONCE(qz_handle_free(h, 0), QZ_FREE_PENDING);
    CHECK(closes(&t) >= 1);
    check_closed_but_alive(h, &t);
    visitor_leave(&v);
    CHECK(atomic_load(&t.destroyed_by) == v.thread_id);
    check_gone(h, &t);
}

static void the_last_of_several_destroys(void) {
    thing t;
    visitor v[4];
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < 4; i++) visitor_enter(&v[i], h, kind, "one of four");
    EXPECT(qz_handle_free(h, 0), QZ_FREE_PENDING);
    for (int i = 0; i < 4; i++) {
        CHECK(destroys(&t) == 0);
        visitor_leave(&v[3 - i]);
    }
    CHECK(atomic_load(&t.destroyed_by) == v[0].thread_id);
    check_gone(h, &t);
}

static void free_from_inside_is_pending_at_once(void) {
    static const int64_t timeouts[] = {0, 500, QZ_INFINITE, QZ_DEFAULT_TIMEOUT};
    for (int i = 0; i < 4; i++) {
        thing t;
        qz_handle *h = new_handle(kind, &t);
        enter(h, kind, "self", &t);
        EXPECT_AT_ONCE(qz_handle_free(h, timeouts[i]), QZ_FREE_PENDING);
        CHECK(t.alive == THING_ALIVE); /* we are still inside */
        EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
        EXPECT_AT_ONCE(qz_handle_wait_freed(h, QZ_INFINITE), QZ_ERR_DEADLOCK);
        CHECK(destroys(&t) == 0);
        EXPECT(qz_handle_leave(h), QZ_OK);
        CHECK(destroys(&t) == 1 && atomic_load(&t.destroyed_by) == thread_id());
        check_gone(h, &t);
    }
}

static void free_from_a_nested_operation(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < 3; i++) enter(h, kind, "nested", &t);
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    for (int i = 0; i < 3; i++) {
        CHECK(destroys(&t) == 0);
        leave(h);
    }
    check_gone(h, &t);
    /* Inside another handle is not inside this one. */
    thing u;
    qz_handle *outer = new_handle(kind, &t), *inner = new_handle(kind, &u);
    enter(outer, kind, "outer", &t);
    EXPECT(qz_handle_free(inner, QZ_INFINITE), QZ_OK);
    leave(outer);
    EXPECT(qz_handle_free(outer, 0), QZ_OK);
}

/* Inside, while others are inside as well: waiting could never end, so it does not begin. */
static void free_from_inside_with_company(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "self", &t);
    visitor_enter(&v, h, kind, "company");
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    leave(h);
    CHECK(destroys(&t) == 0);
    visitor_leave(&v);
    CHECK(atomic_load(&t.destroyed_by) == v.thread_id);
    check_gone(h, &t);
}

/* A loser that is inside itself may not wait for the winner, which waits for it. */
static void losing_free_from_inside(void) {
    thing t;
    caller winner;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "self", &t);
    caller_start(&winner, call_free_infinite, h);
    while (!qz_handle_is_closing(h)) sleep_ms(1);
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    EXPECT_AT_ONCE(qz_handle_wait_freed(h, QZ_INFINITE), QZ_ERR_DEADLOCK);
    CHECK(destroys(&t) == 0);
    leave(h);
    CHECK(caller_join(&winner) == QZ_OK);
    check_gone(h, &t);
}

static void free_when_only_own_holds_are_in_flight(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *one = hold(h, kind, "mine", &t), *two = hold(h, kind, "mine too", &t);
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING);
    EXPECT_AT_ONCE(qz_handle_free(h, QZ_INFINITE), QZ_FREE_PENDING); /* the second one would wait for itself, too */
    EXPECT_AT_ONCE(qz_handle_wait_freed(h, QZ_INFINITE), QZ_ERR_DEADLOCK);
    CHECK(destroys(&t) == 0 && t.alive == THING_ALIVE);
    EXPECT(qz_hold_release(one), QZ_OK);
    EXPECT_AT_ONCE(qz_handle_wait_freed(h, QZ_INFINITE), QZ_ERR_DEADLOCK);
    CHECK(destroys(&t) == 0);
    EXPECT(qz_hold_release(two), QZ_OK);
    CHECK(destroys(&t) == 1);
    check_gone(h, &t);
}

/* Somebody else's hold can be released while we wait: this free does wait. */
static void free_waits_for_holds_of_others(void) {
    thing t;
    caller c;
    qz_handle *h = new_handle(kind, &t);
    qz_hold *taken = hold(h, kind, "held by the test", &t);
    caller_start(&c, call_free_infinite, h);
    while (!qz_handle_is_closing(h)) sleep_ms(1);
    sleep_ms(30);
    CHECK(destroys(&t) == 0);
    EXPECT(qz_hold_release(taken), QZ_OK);
    CHECK(caller_join(&c) == QZ_OK);
    check_gone(h, &t);
}

static void losers_wait_until_it_is_destroyed(void) {
    enum { LOSERS = 8 };
    thing t;
    visitor v;
    caller c[LOSERS];
    qz_handle *h = new_handle(kind, &t);
    int winners = 0, losers = 0;
    visitor_enter(&v, h, kind, "working");
    for (int i = 0; i < LOSERS; i++) caller_start(&c[i], call_free_infinite, h);
    sleep_ms(50);
    CHECK(destroys(&t) == 0);
    double let_go = now_ms();
    visitor_dismiss(&v);
    for (int i = 0; i < LOSERS; i++) {
        qz_status got = caller_join(&c[i]);
        CHECK_SAY(got == QZ_OK || got == QZ_ALREADY_FREED, "a waiting free answered %s", qz_status_name(got));
        got == QZ_OK ? winners++ : losers++;
        CHECK_SAY(c[i].ended >= let_go, "a free answered %s before the object could be destroyed", qz_status_name(got));
        CHECK(destroys(&t) == 1);
    }
    visitor_join(&v);
    CHECK(winners == 1 && losers == LOSERS - 1);
    check_gone(h, &t);
}

/* A later free after a timed-out one waits again, and sees the end. */
static void a_second_free_can_still_see_the_end(void) {
    thing t;
    visitor v;
    caller c;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "slow");
    EXPECT_AFTER(qz_handle_free(h, 20), QZ_FREE_PENDING, 20);
    caller_start(&c, call_free_infinite, h);
    sleep_ms(20);
    CHECK(destroys(&t) == 0);
    visitor_leave(&v);
    CHECK(caller_join(&c) == QZ_ALREADY_FREED);
    check_gone(h, &t);
}

static void wait_freed_by_anyone_any_number_of_times(void) {
    thing t;
    caller c[4];
    qz_handle *h = new_handle(kind, &t);
    EXPECT_AT_ONCE(qz_handle_wait_freed(h, 0), QZ_ERR_TIMEOUT); /* open: nobody has freed it */
    EXPECT_AFTER(qz_handle_wait_freed(h, 25), QZ_ERR_TIMEOUT, 25);
    CHECK(!qz_handle_is_closing(h)); /* waiting closes nothing */
    for (int i = 0; i < 4; i++) caller_start(&c[i], call_wait_freed, h);
    sleep_ms(20);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    for (int i = 0; i < 4; i++) CHECK(caller_join(&c[i]) == QZ_OK);
    for (int i = 0; i < 10; i++) EXPECT(qz_handle_wait_freed(h, QZ_INFINITE), QZ_OK);
}

/* Sleepers of one generation are woken though the shell is used again at once. */
static void nobody_sleeps_through_a_re_use(void) {
    enum { ROUNDS = 200 };
    for (int round = 0; round < ROUNDS; round++) {
        thing t, next;
        caller c[2];
        qz_handle *h = new_handle(kind, &t);
        caller_start(&c[0], call_wait_freed, h);
        caller_start(&c[1], call_wait_freed, h);
        if (round % 2 == 0) sleep_ms(1); /* let them fall asleep, every other time */
        CHECK(qz_handle_free(h, 0) == QZ_OK);
        qz_handle *reused = new_handle(kind, &next);
        CHECK(caller_join(&c[0]) == QZ_OK && caller_join(&c[1]) == QZ_OK);
        CHECK(destroys(&next) == 0);
        CHECK(qz_handle_free(reused, 0) == QZ_OK);
    }
}

int main(void) {
    kind = new_kind("free");
    RUN(nobody_inside);
    RUN(try_free_leaves_a_busy_handle_fully_usable);
    RUN(try_free_is_busy_while_held);
    RUN(free_waits_for_those_inside);
    RUN(free_at_its_deadline_leaves_it_to_the_last_one_out);
    RUN(free_0_closes_and_returns_at_once);
    RUN(the_last_of_several_destroys);
    RUN(free_from_inside_is_pending_at_once);
    RUN(free_from_a_nested_operation);
    RUN(free_from_inside_with_company);
    RUN(losing_free_from_inside);
    RUN(free_when_only_own_holds_are_in_flight);
    RUN(free_waits_for_holds_of_others);
    RUN(losers_wait_until_it_is_destroyed);
    RUN(a_second_free_can_still_see_the_end);
    RUN(wait_freed_by_anyone_any_number_of_times);
    RUN(nobody_sleeps_through_a_re_use);
    EXPECT(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, NULL), QZ_OK);
    return 0;
}
