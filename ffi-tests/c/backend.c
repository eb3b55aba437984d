/* qz_backend_*: polling, waking, the descriptor for event loops, and the end, with what nobody collected. */
#include "completions.h"
#include <signal.h>
#include <sys/resource.h>

static qz_mutex *mutex;
static qz_hold *mine;
static qz_backend *spare;
static qz_completion over[8];
static size_t len;
static int out_fd;

CALL(call_poll, qz_backend_poll(h, over, 8, 0, &len))
CALL(call_wake, qz_backend_wake(h))
CALL(call_fd, qz_backend_fd(h, &out_fd))
CALL(call_wake_fd, qz_backend_wake_fd(h, &out_fd))
CALL(call_pending, qz_backend_pending(h, &len))
CALL(call_attach, qz_backend_attach(h, spare))
CALL(call_attach_to, qz_backend_attach(spare, h))
CALL(call_detach, qz_backend_detach(h, spare))
CALL(call_detach_from, qz_backend_detach(spare, h))
CALL(call_free, qz_backend_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_backend_free(h, -3))
static const bad_call *const calls[] = {&call_poll,   &call_wake,      &call_fd,     &call_wake_fd,    &call_pending,
                                        &call_attach, &call_attach_to, &call_detach, &call_detach_from};

/* A lock that is held, so that a call for it stays under way. */
static void submit(qz_backend *backend, uintptr_t n) {
    EXPECT(qz_mutex_lock_async(mutex, QZ_INFINITE, NULL, backend, number(n)), QZ_OK);
}

static void bad_arguments(void) {
    qz_backend *live = new_backend(), *freed = new_backend();
    free_backend(freed);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    EXPECT(qz_backend_new(NULL, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_backend_poll(live, NULL, 8, 0, &len), QZ_ERR_NULL);
    EXPECT(qz_backend_poll(live, over, 8, 0, NULL), QZ_ERR_NULL);
    EXPECT(qz_backend_poll(live, over, 0, 0, &len), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_poll(live, over, 8, -2, &len), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_fd(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_backend_wake_fd(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_backend_pending(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_backend_free(live, 0), QZ_OK);
    for (long n = 0;; n++) {
        qz_backend *none = freed;
        fail_after(n);
        qz_status got = qz_backend_new(note_discard, discarded, &none);
        succeed_again();
        if (got == QZ_OK) {
            CHECK(n >= 2);
            free_backend(none);
            return;
        }
        expect_status(__FILE__, __LINE__, "qz_backend_new", got, QZ_ERR_NO_MEMORY);
        CHECK(n < 20 && none == NULL);
    }
}

static int next_descriptor(void) {
    int fd = dup(0);
    CHECK(fd >= 0);
    close(fd);
    return fd;
}

/* Descriptors are the limit here; whatever was opened before a refusal is closed again. */
static void no_more_descriptors(void) {
    struct rlimit before, few;
    qz_backend *none = spare, *backend = new_backend();
    int lowest = next_descriptor();
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    for (rlim_t more = 0; more < 4; more++) {
        few = before;
        few.rlim_cur = (rlim_t)lowest + more;
        CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
        qz_status made = qz_backend_new(NULL, NULL, &none);
        qz_status woken = more == 0 ? qz_backend_wake_fd(backend, &out_fd) : QZ_ERR_IO;
        int reason = qz_last_os_error();
        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        expect_status(__FILE__, __LINE__, "qz_backend_new", made, QZ_ERR_IO);
        expect_status(__FILE__, __LINE__, "qz_backend_wake_fd", woken, QZ_ERR_IO);
        CHECK(none == NULL && reason == EMFILE && next_descriptor() == lowest);
    }
    free_backend(backend);
    CHECK(next_descriptor() < lowest); /* and so is what it had */
}

static qz_status call_poll_long(void *backend) {
    qz_completion one;
    size_t count = 77;
    qz_status polled;
    do polled = qz_backend_poll(backend, &one, 1, 20000, &count);
    while (polled == QZ_ERR_BUSY); /* whoever tries whether it is busy polls it, too */
    CHECK(count == (polled == QZ_OK ? 0 : 77));
    return polled;
}

static void one_polls_at_a_time(void) {
    qz_backend *backend = new_backend();
    caller poller;
    caller_start(&poller, call_poll_long, backend);
    qz_status second = QZ_ERR_TIMEOUT;
    for (double begin = now_ms(); second != QZ_ERR_BUSY && now_ms() - begin < 5000;)
        second = qz_backend_poll(backend, over, 8, 0, &len);
    expect_status(__FILE__, __LINE__, "qz_backend_poll", second, QZ_ERR_BUSY);
    EXPECT(qz_backend_wake(backend), QZ_OK);
    CHECK(caller_join(&poller) == QZ_OK); /* with nothing, but not late */
    CHECK(poller.ended - poller.began < 10000);
    /* A poll in progress ends with its backend; nobody is kept waiting. */
    caller_start(&poller, call_poll_long, backend);
    sleep_ms(15);
    EXPECT(qz_backend_free(backend, QZ_INFINITE), QZ_OK);
    CHECK(caller_join(&poller) == QZ_ERR_FREED);
}

static qz_status call_poll_for_one(void *backend) {
    qz_completion one;
    size_t count = 0;
    qz_status polled = qz_backend_poll(backend, &one, 1, 20000, &count);
    return polled == QZ_OK && count == 1 ? (qz_status)one.status : polled;
}

/* What is submitted while another thread sleeps in its poll comes out of it, also if it is over by its deadline alone. */
static void a_poll_that_sleeps_hears_of_new_calls(void) {
    qz_backend *backend = new_backend();
    for (int64_t ms = 0; ms <= 30; ms += 30) {
        caller poller;
        caller_start(&poller, call_poll_for_one, backend);
        sleep_ms(15);
        EXPECT(qz_mutex_lock_async(mutex, ms, NULL, backend, number(1)), QZ_OK);
        CHECK(caller_join(&poller) == QZ_ERR_TIMEOUT && poller.ended - poller.began < 10000);
    }
    free_backend(backend);
}

static void wake_ups_before_a_poll_are_one(void) {
    qz_backend *backend = new_backend();
    EXPECT(qz_backend_wake(backend), QZ_OK);
    EXPECT(qz_backend_wake(backend), QZ_OK);
    len = 77;
    EXPECT_AT_ONCE(qz_backend_poll(backend, over, 8, QZ_INFINITE, &len), QZ_OK);
    CHECK(len == 0);
    EXPECT_AFTER(qz_backend_poll(backend, over, 8, 20, &len), QZ_ERR_TIMEOUT, 20);
    free_backend(backend);
}

static int alarm_fd = -1;
static void on_alarm(int signal) {
    (void)signal;
    uint64_t one = 1;
    ssize_t written = write(alarm_fd, &one, sizeof one);
    (void)written;
}

static void on_nothing(int signal) { (void)signal; }

static void a_signal_handler_wakes(void) {
    qz_backend *backend = new_backend();
    EXPECT(qz_backend_wake_fd(backend, &alarm_fd), QZ_OK);
    CHECK((fcntl(alarm_fd, F_GETFD) & FD_CLOEXEC) != 0);
    struct sigaction action = {0}, before;
    action.sa_handler = on_alarm;
    CHECK(sigaction(SIGALRM, &action, &before) == 0);
    timer_t timer;
    struct itimerspec soon = {{0, 0}, {0, 20 * 1000000}};
    double begin = now_ms();
    CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0 && timer_settime(timer, 0, &soon, NULL) == 0);
    len = 77;
    EXPECT(qz_backend_poll(backend, over, 8, 10000, &len), QZ_OK);
    CHECK(len == 0 && now_ms() - begin >= 20 && now_ms() - begin < 20 + LATE_MS);
    EXPECT(qz_backend_poll(backend, over, 8, 0, &len), QZ_ERR_TIMEOUT); /* heard once */
    on_alarm(SIGALRM);
    CHECK(is_readable(descriptor_of(backend)));
    EXPECT(qz_backend_poll(backend, over, 8, 0, &len), QZ_OK);
    CHECK(len == 0 && !is_readable(descriptor_of(backend)));
    /* A signal that wrote nothing ends no poll early. */
    action.sa_handler = on_nothing;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && timer_settime(timer, 0, &soon, NULL) == 0);
    EXPECT_AFTER(qz_backend_poll(backend, over, 8, 40, &len), QZ_ERR_TIMEOUT, 40);
    free_backend(backend);
    on_alarm(SIGALRM); /* too late, and harmless: the descriptor is nobody else's yet */
    CHECK(close(alarm_fd) == 0 && timer_delete(timer) == 0 && sigaction(SIGALRM, &before, NULL) == 0);
}

static void the_descriptor_is_readable_exactly_while_there_is_something(void) {
    qz_backend *backend = new_backend();
    int fd = descriptor_of(backend);
    CHECK(descriptor_of(backend) == fd && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && !is_readable(fd));
    submit(backend, 1);
    submit(backend, 2);
    submit(backend, 3);
    CHECK(!is_readable(fd));
    EXPECT(qz_hold_release(mine), QZ_OK); /* one of them is to be looked at */
    CHECK(is_readable(fd));
    mine = EXPECT_COMPLETION(backend, "qz_mutex_lock_async", 1, QZ_OK).hold;
    CHECK(!is_readable(fd));
    expect_nothing(backend);
    /* Two are over, and one is collected. */
    EXPECT(qz_mutex_lock_async(mutex, 0, NULL, backend, number(4)), QZ_OK);
    EXPECT(qz_mutex_lock_async(mutex, 0, NULL, backend, number(5)), QZ_OK);
    CHECK(is_readable(fd));
    (void)EXPECT_COMPLETION(backend, "qz_mutex_lock_async", 4, QZ_ERR_TIMEOUT);
    CHECK(is_readable(fd));
    (void)EXPECT_COMPLETION(backend, "qz_mutex_lock_async", 5, QZ_ERR_TIMEOUT);
    CHECK(!is_readable(fd));
    /* Deadlines, by the kernel's timer, also one that comes before another; one that is gone rings nobody. */
    qz_cancel *cancel = new_cancel();
    EXPECT(qz_mutex_lock_async(mutex, 60000, NULL, backend, number(6)), QZ_OK);
    EXPECT(qz_mutex_lock_async(mutex, 1000, cancel, backend, number(7)), QZ_OK);
    double begin = now_ms();
    EXPECT(qz_mutex_lock_async(mutex, 25, NULL, backend, number(8)), QZ_OK);
    CHECK(!is_readable(fd) || now_ms() - begin >= 25);
    CHECK(is_readable_within(fd, 10000) && now_ms() - begin >= 25);
    (void)EXPECT_COMPLETION(backend, "qz_mutex_lock_async", 8, QZ_ERR_TIMEOUT);
    EXPECT(qz_cancel_cancel(cancel), QZ_OK);
    CHECK(is_readable(fd));
    (void)EXPECT_COMPLETION(backend, "qz_mutex_lock_async", 7, QZ_ERR_CANCELLED);
    CHECK(!is_readable_within(fd, 1100));
    /* And a wake-up is something. */
    EXPECT(qz_backend_wake(backend), QZ_OK);
    CHECK(is_readable(fd));
    EXPECT(qz_backend_poll(backend, over, 8, 0, &len), QZ_OK);
    CHECK(len == 0 && !is_readable(fd));
    CHECK(pending(backend) == 3);
    EXPECT(qz_backend_free(backend, 0), QZ_OK);
    CHECK(discards_of(2) == 1 && discards_of(3) == 1 && discards_of(6) == 1);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
}

/* More than fit come out in their order, and a completion is over when it is handed out, not before. */
static void completions_come_in_order_as_many_as_fit(void) {
    qz_backend *backend = new_backend();
    for (uintptr_t n = 0; n < 20; n++)
        EXPECT(qz_mutex_lock_async(mutex, 0, NULL, backend, number(n)), QZ_OK);
    uintptr_t next = 0;
    for (int round = 0; round < 3; round++) {
        EXPECT(qz_backend_poll(backend, over, 8, 0, &len), QZ_OK);
        CHECK(len == (round < 2 ? 8 : 4));
        for (size_t i = 0; i < len; i++) CHECK(over[i].user_data == number(next++) && over[i].status == QZ_ERR_TIMEOUT);
    }
    CHECK(pending(backend) == 0);
    free_backend(backend);
}

/* The end discards what nobody collected, each once, and releases what was taken. */
static void the_end_discards_exactly_what_is_left(void) {
    qz_backend *backend = new_backend();
    qz_semaphore *permits = NULL;
    uint32_t available = 0;
    EXPECT(qz_semaphore_new(4, 4, &permits), QZ_OK);
    for (uintptr_t n = 0; n < 7; n++)
        EXPECT(qz_semaphore_acquire_async(permits, 1, QZ_INFINITE, NULL, backend, number(n)), QZ_OK);
    EXPECT(qz_backend_poll(backend, over, 2, 0, &len), QZ_OK);
    CHECK(len == 2 && pending(backend) == 5); /* 2 are collected, 2 have permits, 3 wait */
    EXPECT(qz_backend_free(backend, QZ_INFINITE), QZ_OK);
    for (uintptr_t n = 0; n < 7; n++) {
        int times = discards_of(n);
        CHECK_SAY(times == (n < 2 ? 0 : 1), "%d was discarded %d times", (int)n, times);
    }
    EXPECT(qz_semaphore_available(permits, &available), QZ_OK);
    CHECK(available == 2);
    for (size_t i = 0; i < 2; i++) EXPECT(qz_hold_release(over[i].hold), QZ_OK);
    EXPECT(qz_semaphore_available(permits, &available), QZ_OK);
    CHECK(available == 4);
    EXPECT(qz_semaphore_free(permits, 0), QZ_OK);
    /* Without on_discard the same, only nobody is told. */
    EXPECT(qz_backend_new(NULL, NULL, &backend), QZ_OK);
    submit(backend, 1);
    EXPECT(qz_backend_free(backend, 0), QZ_OK);
    CHECK(in_flight(mutex) == 1);
}

static qz_backend *freed_from_inside;
static int32_t free_from_inside(void *ctx, void **out_value) {
    *out_value = ctx;
    if (freed_from_inside == NULL) return QZ_ERR_BUSY;
    EXPECT_AT_ONCE(qz_backend_free(freed_from_inside, QZ_INFINITE), QZ_FREE_PENDING);
    return QZ_OK;
}

/* A poll whose call frees the backend hands out what is over, and is the last one out. */
static void a_call_frees_its_backend(void) {
    qz_backend *backend = new_backend();
    qz_once *once = NULL;
    EXPECT(qz_once_new(NULL, NULL, &once), QZ_OK);
    freed_from_inside = backend;
    EXPECT(qz_once_get_or_init_async(once, free_from_inside, &once, QZ_INFINITE, NULL, backend, number(9)), QZ_OK);
    /* The submission was the last one out. */
    CHECK(discards_of(9) == 1);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(backend), 0), QZ_OK);
    EXPECT(qz_once_free(once, 0), QZ_OK);
}

int main(void) {
    EXPECT(qz_backend_new(NULL, NULL, &spare), QZ_OK);
    EXPECT(qz_mutex_new(&mutex), QZ_OK);
    EXPECT(qz_mutex_lock(mutex, 0, NULL, &mine), QZ_OK);
    RUN(bad_arguments);
    RUN(no_more_descriptors);
    RUN(one_polls_at_a_time);
    RUN(a_poll_that_sleeps_hears_of_new_calls);
    RUN(wake_ups_before_a_poll_are_one);
    RUN(a_signal_handler_wakes);
    RUN(the_descriptor_is_readable_exactly_while_there_is_something);
    RUN(completions_come_in_order_as_many_as_fit);
    RUN(the_end_discards_exactly_what_is_left);
    RUN(a_call_frees_its_backend);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_mutex_free(mutex, 0), QZ_OK);
    EXPECT(qz_backend_free(spare, 0), QZ_OK);
    puts("backend: ok");
    return 0;
}
