/* Backends in backends: one poll drives them all, each comes out again, and whichever goes first takes nothing of the other's. */
#include "completions.h"

static qz_mutex *mutex;
static qz_hold *mine;

static void submit(qz_backend *backend, uintptr_t n, int64_t ms) {
    EXPECT(qz_mutex_lock_async(mutex, ms, NULL, backend, number(n)), QZ_OK);
}
static void expect_late(qz_backend *backend, uintptr_t n) {
    (void)EXPECT_COMPLETION(backend, "qz_mutex_lock_async", n, QZ_ERR_TIMEOUT);
}
static void attach(qz_backend *outer, qz_backend *inner) { EXPECT(qz_backend_attach(outer, inner), QZ_OK); }

static qz_status call_poll(void *backend) {
    qz_completion one;
    size_t len;
    qz_status polled;
    do polled = qz_backend_poll(backend, &one, 1, 10000, &len);
    while (polled == QZ_ERR_BUSY); /* attached just now */
    return polled;
}

static void own_calls_first_then_those_inside_in_their_order(void) {
    qz_backend *outer = new_backend(), *first = new_backend(), *second = new_backend();
    qz_completion over[4];
    size_t len = 0;
    attach(outer, first);
    attach(outer, second);
    submit(second, 3, 0);
    submit(first, 2, 0);
    submit(outer, 1, 0);
    EXPECT(qz_backend_poll(outer, over, 4, 0, &len), QZ_OK);
    CHECK(len == 3);
    for (uintptr_t n = 1; n <= 3; n++) CHECK(over[n - 1].user_data == number(n) && over[n - 1].status == QZ_ERR_TIMEOUT);
    expect_nothing(outer);
    /* Those inside wake a poll that sleeps: by a deadline, and from another thread. */
    submit(second, 4, 25);
    expect_late(outer, 4);
    qz_cancel *cancel = new_cancel();
    EXPECT(qz_mutex_lock_async(mutex, QZ_INFINITE, cancel, first, number(5)), QZ_OK);
    caller other;
    caller_start(&other, call_cancel, cancel);
    (void)EXPECT_COMPLETION(outer, "qz_mutex_lock_async", 5, QZ_ERR_CANCELLED);
    CHECK(caller_join(&other) == QZ_OK);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    free_backend(second);
    free_backend(first);
    expect_nothing(outer);
    free_backend(outer);
}

static void the_descriptor_tells_of_those_inside(void) {
    qz_backend *outer = new_backend(), *inner = new_backend();
    int fd = descriptor_of(outer);
    submit(inner, 1, 0); /* over before it is attached */
    CHECK(!is_readable(fd));
    attach(outer, inner);
    CHECK(is_readable(fd));
    expect_late(outer, 1);
    CHECK(!is_readable(fd));
    double begin = now_ms();
    submit(inner, 2, 20);
    CHECK(!is_readable(fd) || now_ms() - begin >= 20);
    CHECK(is_readable_within(fd, 5000) && now_ms() - begin >= 20);
    expect_late(outer, 2);
    CHECK(!is_readable(fd));
    submit(inner, 3, 0);
    EXPECT(qz_backend_detach(outer, inner), QZ_OK); /* and takes its completion with it */
    CHECK(!is_readable(fd));
    expect_nothing(outer);
    expect_late(inner, 3);
    free_backend(inner);
    free_backend(outer);
}

/* Whoever wakes an inner one ends the poll that drives it: the outer one's, once. */
static void a_wake_up_goes_to_who_polls(void) {
    qz_backend *outer = new_backend(), *middle = new_backend(), *inner = new_backend();
    qz_completion over;
    size_t len = 77;
    uint64_t one = 1;
    int fd = descriptor_of(outer), wake_fd = -1;
    attach(outer, middle);
    attach(middle, inner);
    EXPECT(qz_backend_wake(inner), QZ_OK);
    CHECK(is_readable(fd));
    EXPECT_AT_ONCE(qz_backend_poll(outer, &over, 1, 10000, &len), QZ_OK);
    CHECK(len == 0 && !is_readable(fd));
    expect_nothing(outer);
    EXPECT(qz_backend_wake_fd(inner, &wake_fd), QZ_OK);
    CHECK(write(wake_fd, &one, sizeof one) == sizeof one && is_readable(fd));
    EXPECT(qz_backend_poll(outer, &over, 1, 0, &len), QZ_OK);
    CHECK(len == 0 && !is_readable(fd) && close(wake_fd) == 0);
    expect_nothing(outer);
    free_backend(outer);
    free_backend(middle);
    free_backend(inner);
}

static void driven_by_one_alone(void) {
    qz_backend *outer = new_backend(), *inner = new_backend(), *other = new_backend();
    qz_completion over;
    size_t len;
    attach(outer, inner);
    EXPECT(qz_backend_poll(inner, &over, 1, 0, &len), QZ_ERR_BUSY);
    EXPECT(qz_backend_attach(outer, inner), QZ_ERR_BUSY);
    EXPECT(qz_backend_attach(other, inner), QZ_ERR_BUSY);
    EXPECT(qz_backend_detach(other, inner), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_detach(outer, inner), QZ_OK);
    EXPECT(qz_backend_detach(outer, inner), QZ_ERR_INVALID_ARGUMENT);
    expect_nothing(inner);
    /* Who is polled is not to be attached meanwhile. */
    caller poller;
    caller_start(&poller, call_poll, inner);
    qz_status got = QZ_OK;
    for (double begin = now_ms(); got != QZ_ERR_BUSY && now_ms() - begin < 5000;) {
        got = qz_backend_attach(outer, inner);
        if (got == QZ_OK) EXPECT(qz_backend_detach(outer, inner), QZ_OK);
    }
    expect_status(__FILE__, __LINE__, "qz_backend_attach", got, QZ_ERR_BUSY);
    EXPECT(qz_backend_wake(inner), QZ_OK);
    CHECK(caller_join(&poller) == QZ_OK);
    free_backend(outer);
    free_backend(inner);
    free_backend(other);
}

static void no_circles_and_not_too_deep(void) {
    enum { MOST = 12 };
    qz_backend *chain[MOST];
    for (int i = 0; i < MOST; i++) chain[i] = new_backend();
    EXPECT(qz_backend_attach(chain[0], chain[0]), QZ_ERR_DEADLOCK);
    attach(chain[0], chain[1]);
    EXPECT(qz_backend_attach(chain[1], chain[0]), QZ_ERR_DEADLOCK);
    attach(chain[1], chain[2]);
    EXPECT(qz_backend_attach(chain[2], chain[0]), QZ_ERR_DEADLOCK);
    expect_nothing(chain[0]); /* after a refusal it is its own, as before */
    int levels = 3;
    while (levels < MOST && qz_backend_attach(chain[levels - 1], chain[levels]) == QZ_OK) levels++;
    CHECK_SAY(levels == 5, "%d levels", levels);
    EXPECT(qz_backend_attach(chain[levels - 1], chain[levels]), QZ_ERR_DEADLOCK);
    submit(chain[levels - 1], 7, 10); /* from the bottom to the top */
    expect_late(chain[0], 7);
    for (int i = 0; i < MOST; i++) free_backend(chain[i]);
}

static void at_every_allocation(void) {
    qz_backend *outer = new_backend(), *inner = new_backend();
    for (long n = 0;; n++) {
        fail_after(n);
        qz_status got = qz_backend_attach(outer, inner);
        succeed_again();
        if (got == QZ_OK) {
            CHECK(n >= 1);
            break;
        }
        expect_status(__FILE__, __LINE__, "qz_backend_attach", got, QZ_ERR_NO_MEMORY);
        CHECK(n < 20);
        expect_nothing(inner);
    }
    free_backend(inner);
    free_backend(outer);
}

static void whichever_goes_first(void) {
    /* The inner one: its calls are discarded, the outer one goes on. */
    qz_backend *outer = new_backend(), *inner = new_backend();
    attach(outer, inner);
    submit(inner, 1, QZ_INFINITE);
    submit(inner, 2, 0);
    EXPECT(qz_backend_free(inner, QZ_INFINITE), QZ_OK);
    CHECK(discards_of(1) == 1 && discards_of(2) == 1 && in_flight(mutex) == 1);
    submit(outer, 3, 10);
    expect_late(outer, 3);
    CHECK(!is_readable(descriptor_of(outer)));
    /* The outer one, while the inner one has calls: these stay, and it is its own again. */
    inner = new_backend();
    attach(outer, inner);
    submit(inner, 4, QZ_INFINITE);
    submit(inner, 5, 0);
    submit(outer, 6, QZ_INFINITE);
    EXPECT(qz_backend_free(outer, QZ_INFINITE), QZ_OK);
    CHECK(discards_of(6) == 1 && discards_of(4) == 0 && discards_of(5) == 0);
    expect_late(inner, 5);
    EXPECT(qz_hold_release(mine), QZ_OK);
    mine = EXPECT_COMPLETION(inner, "qz_mutex_lock_async", 4, QZ_OK).hold;
    free_backend(inner);
}

/* The inner one goes while the outer one sleeps in its poll, which goes on. */
static qz_status call_free_soon(void *backend) {
    sleep_ms(15);
    return qz_backend_free(backend, QZ_INFINITE);
}
static void the_inner_goes_under_a_poll(void) {
    qz_backend *outer = new_backend(), *inner = new_backend();
    attach(outer, inner);
    submit(inner, 1, QZ_INFINITE);
    caller other;
    caller_start(&other, call_free_soon, inner);
    qz_completion over;
    size_t len;
    EXPECT_AFTER(qz_backend_poll(outer, &over, 1, 50, &len), QZ_ERR_TIMEOUT, 50);
    CHECK(caller_join(&other) == QZ_OK && discards_of(1) == 1);
    submit(outer, 2, 10);
    expect_late(outer, 2);
    free_backend(outer);
}

int main(void) {
    EXPECT(qz_mutex_new(&mutex), QZ_OK);
    EXPECT(qz_mutex_lock(mutex, 0, NULL, &mine), QZ_OK);
    RUN(own_calls_first_then_those_inside_in_their_order);
    RUN(the_descriptor_tells_of_those_inside);
    RUN(a_wake_up_goes_to_who_polls);
    RUN(driven_by_one_alone);
    RUN(no_circles_and_not_too_deep);
    RUN(at_every_allocation);
    RUN(whichever_goes_first);
    RUN(the_inner_goes_under_a_poll);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_mutex_free(mutex, 0), QZ_OK);
    puts("backend_nested: ok");
    return 0;
}
