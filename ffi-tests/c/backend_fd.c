/* qz_backend_wait_fd_async: readiness of the caller's own descriptors, next to every other call. */
#include "completions.h"
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define WAIT "qz_backend_wait_fd_async"

static qz_backend *backend;
static int ends[2];

/* In place of the C library's, to refuse what is to be watched for a while. */
static int epoll_ctl_fails;
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event) {
    if (epoll_ctl_fails != 0 && operation == EPOLL_CTL_ADD) {
        errno = epoll_ctl_fails;
        return -1;
    }
    return (int)syscall(SYS_epoll_ctl, set, operation, fd, event);
}

static void new_sockets(void) { CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0); }
static void close_both(void) { CHECK(close(ends[0]) == 0 && close(ends[1]) == 0); }

static void wait_for(int fd, uint32_t interest, uintptr_t n) {
    EXPECT(qz_backend_wait_fd_async(backend, fd, interest, QZ_INFINITE, NULL, number(n)), QZ_OK);
}

static void expect_ready(uintptr_t n, size_t ready) {
    qz_completion over = EXPECT_COMPLETION(backend, WAIT, n, QZ_OK);
    CHECK_SAY(over.value == ready, "ready for %zu, not %zu", over.value, ready);
    CHECK(over.hold == NULL);
}

CALL(call_wait, qz_backend_wait_fd_async(h, ends[0], QZ_READABLE, 0, NULL, NULL))
CALL(call_wait_cancelled, qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, 0, h, NULL))
static const bad_call *const calls[] = {&call_wait};
static const bad_call *const cancels[] = {&call_wait_cancelled};

static int next_descriptor(void) {
    int fd = dup(0);
    CHECK(fd >= 0);
    close(fd);
    return fd;
}

static void bad_arguments(void) {
    new_sockets();
    qz_backend *freed = new_backend();
    free_backend(freed);
    REFUSE_BAD_HANDLES(calls, backend, freed);
    qz_cancel *live = new_cancel(), *gone = new_cancel();
    EXPECT(qz_cancel_free(gone, 0), QZ_OK);
    refuse_wrong_handles(cancels, 1, live, gone);
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], 0, 0, NULL, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], QZ_HANGUP, 0, NULL, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE | 8, 0, NULL, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, -2, NULL, NULL), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_backend_wait_fd_async(backend, -1, QZ_READABLE, 0, NULL, NULL), QZ_ERR_IO);
    CHECK(qz_last_os_error() == EBADF);
    int unused = next_descriptor();
    EXPECT(qz_backend_wait_fd_async(backend, unused, QZ_READABLE, 0, NULL, NULL), QZ_ERR_IO);
    CHECK(qz_last_os_error() == EBADF && next_descriptor() == unused);
    struct rlimit before, few;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = (rlim_t)unused;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    qz_status got = qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, 0, NULL, NULL);
    int reason = qz_last_os_error();
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    expect_status(__FILE__, __LINE__, WAIT, got, QZ_ERR_IO);
    CHECK(reason == EMFILE && pending(backend) == 0);
    /* At every allocation: the copy is closed again. */
    for (long n = 0;; n++) {
        fail_after(n);
        got = qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, QZ_INFINITE, live, number(1));
        succeed_again();
        if (got == QZ_OK) break;
        expect_status(__FILE__, __LINE__, WAIT, got, QZ_ERR_NO_MEMORY);
        CHECK(n < 50 && pending(backend) == 0 && next_descriptor() == unused);
    }
    CHECK(next_descriptor() > unused);
    EXPECT(qz_cancel_cancel(live), QZ_OK);
    (void)EXPECT_COMPLETION(backend, WAIT, 1, QZ_ERR_CANCELLED);
    CHECK(next_descriptor() == unused);
    EXPECT(qz_cancel_free(live, 0), QZ_OK);
    close_both();
}

static void sockets_by_interest(void) {
    char byte = 'x';
    new_sockets();
    wait_for(ends[0], QZ_READABLE, 1);
    expect_nothing(backend);
    CHECK(write(ends[1], &byte, 1) == 1);
    expect_ready(1, QZ_READABLE);
    expect_nothing(backend);                             /* once, though there still is a byte */
    wait_for(ends[0], QZ_READABLE | QZ_WRITABLE, 2);     /* it is both */
    expect_ready(2, QZ_READABLE | QZ_WRITABLE);
    wait_for(ends[0], QZ_WRITABLE, 3); /* what nobody asked for is not told */
    expect_ready(3, QZ_WRITABLE);
    /* Two calls for one descriptor are two. */
    CHECK(read(ends[0], &byte, 1) == 1);
    wait_for(ends[0], QZ_READABLE, 4);
    wait_for(ends[0], QZ_WRITABLE, 5);
    expect_ready(5, QZ_WRITABLE);
    expect_nothing(backend);
    CHECK(write(ends[1], &byte, 1) == 1);
    expect_ready(4, QZ_READABLE);
    /* Full: not writable until somebody reads. */
    char block[4096] = {0};
    while (write(ends[1], block, sizeof block) > 0) {}
    wait_for(ends[1], QZ_WRITABLE, 6);
    expect_nothing(backend);
    while (read(ends[0], block, sizeof block) > 0) {}
    expect_ready(6, QZ_WRITABLE);
    /* The other end goes. */
    wait_for(ends[0], QZ_READABLE, 7);
    CHECK(shutdown(ends[1], SHUT_WR) == 0);
    expect_ready(7, QZ_READABLE); /* the end of what is to be read */
    wait_for(ends[0], QZ_READABLE, 8);
    CHECK(close(ends[1]) == 0);
    qz_completion over = EXPECT_COMPLETION(backend, WAIT, 8, QZ_OK);
    CHECK((over.value & QZ_READABLE) != 0);
    wait_for(ends[0], QZ_READABLE, 9);
    expect_ready(9, QZ_READABLE | QZ_HANGUP);
    CHECK(close(ends[0]) == 0);
}

static void pipes_files_and_what_cannot_be_watched(void) {
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    wait_for(ends[0], QZ_READABLE, 1);
    wait_for(ends[1], QZ_WRITABLE, 2);
    expect_ready(2, QZ_WRITABLE);
    CHECK(close(ends[1]) == 0);
    expect_ready(1, QZ_READABLE | QZ_HANGUP);
    CHECK(close(ends[0]) == 0);
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    char block[4096] = {0};
    while (write(ends[1], block, sizeof block) > 0) {}
    wait_for(ends[1], QZ_WRITABLE, 3);
    expect_nothing(backend);
    CHECK(close(ends[0]) == 0); /* nobody will ever read it */
    CHECK((EXPECT_COMPLETION(backend, WAIT, 3, QZ_OK).value & QZ_HANGUP) != 0);
    CHECK(close(ends[1]) == 0);

    FILE *file = tmpfile();
    CHECK(file != NULL);
    wait_for(fileno(file), QZ_READABLE | QZ_WRITABLE, 4);
    expect_ready(4, QZ_READABLE | QZ_WRITABLE);
    wait_for(fileno(file), QZ_WRITABLE, 5);
    expect_ready(5, QZ_WRITABLE);
    fclose(file);

    /* Its own descriptor: a backend cannot wait for itself. */
    wait_for(descriptor_of(backend), QZ_READABLE, 6);
    CHECK(EXPECT_COMPLETION(backend, WAIT, 6, QZ_ERR_IO).os_error != 0);
    new_sockets();
    epoll_ctl_fails = ENOSPC;
    wait_for(ends[0], QZ_READABLE, 7);
    CHECK(EXPECT_COMPLETION(backend, WAIT, 7, QZ_ERR_IO).os_error == ENOSPC);
    qz_backend *none = backend, *inner = NULL;
    EXPECT(qz_backend_new(NULL, NULL, &none), QZ_ERR_IO);
    CHECK(none == NULL && qz_last_os_error() == ENOSPC);
    epoll_ctl_fails = 0;
    inner = new_backend();
    epoll_ctl_fails = ENOSPC;
    EXPECT(qz_backend_attach(backend, inner), QZ_ERR_IO);
    CHECK(qz_last_os_error() == ENOSPC);
    epoll_ctl_fails = 0;
    expect_nothing(inner); /* it is its own, as before */
    free_backend(inner);
    close_both();
}

static void wait_for_all(qz_backend *waits, int times, uintptr_t n) {
    for (int i = 0; i < times; i++)
        EXPECT(qz_backend_wait_fd_async(waits, ends[0], QZ_READABLE, QZ_INFINITE, NULL, number(n)), QZ_OK);
}

static void free_discarding(qz_backend *gone, uintptr_t n, int times) {
    EXPECT(qz_backend_free(gone, QZ_DEFAULT_TIMEOUT), QZ_OK);
    CHECK(discards_of(n) == times);
}

/* The kernel allows so many paths from a file up through sets that are in others: what comes after is told why. */
static void too_many_for_one_file(void) {
    enum { MOST = 500 };
    new_sockets();
    qz_backend *outer = new_backend(), *inner = new_backend();
    wait_for_all(inner, MOST + 1, 1);
    expect_nothing(inner); /* of one set any number */
    EXPECT(qz_backend_attach(outer, inner), QZ_ERR_IO);
    CHECK(qz_last_os_error() == EINVAL);
    expect_nothing(inner); /* it is its own, as before */
    free_discarding(inner, 1, MOST + 1);
    inner = new_backend();
    EXPECT(qz_backend_attach(outer, inner), QZ_OK);
    wait_for_all(inner, MOST, 1);
    expect_nothing(outer);
    wait_for_all(inner, 1, 2);
    CHECK(EXPECT_COMPLETION(outer, WAIT, 2, QZ_ERR_IO).os_error == EINVAL);
    free_discarding(inner, 1, MOST);
    free_backend(outer);
    close_both();
}

/* The caller's descriptor may go, and its number be another's: the call is about what it was. */
static void closed_meanwhile(void) {
    char byte = 'x';
    new_sockets();
    int kept = dup(ends[0]), lowest = next_descriptor();
    wait_for(ends[0], QZ_READABLE, 1);
    CHECK(close(ends[0]) == 0);
    int other[2];
    CHECK(pipe(other) == 0 && other[0] == ends[0]); /* the same number */
    CHECK(write(other[1], &byte, 1) == 1);
    expect_nothing(backend);
    CHECK(write(ends[1], &byte, 1) == 1);
    expect_ready(1, QZ_READABLE);
    expect_nothing(backend);
    CHECK(close(other[0]) == 0 && close(other[1]) == 0);
    /* Nothing of what is over stays in the set: there is a byte to read for ever. */
    CHECK(!is_readable(descriptor_of(backend)));
    EXPECT_AFTER(qz_backend_poll(backend, &(qz_completion){0}, 1, 20, &(size_t){0}), QZ_ERR_TIMEOUT, 20);
    CHECK(next_descriptor() <= lowest);
    CHECK(close(kept) == 0 && close(ends[1]) == 0);
}

static void deadlines_cancels_and_the_end_of_the_backend(void) {
    new_sockets();
    int lowest = next_descriptor(), watched = descriptor_of(backend);
    qz_cancel *cancel = new_cancel();
    double begin = now_ms();
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, 30, NULL, number(1)), QZ_OK);
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, QZ_INFINITE, cancel, number(2)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, WAIT, 1, QZ_ERR_TIMEOUT);
    CHECK(now_ms() - begin >= 30 && now_ms() - begin < 30 + LATE_MS);
    caller other;
    caller_start(&other, call_cancel, cancel);
    CHECK(is_readable_within(watched, 5000));
    (void)EXPECT_COMPLETION(backend, WAIT, 2, QZ_ERR_CANCELLED);
    CHECK(caller_join(&other) == QZ_OK && next_descriptor() == lowest);
    EXPECT(qz_backend_wait_fd_async(backend, ends[0], QZ_READABLE, 0, NULL, number(3)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, WAIT, 3, QZ_ERR_TIMEOUT);
    /* The descriptor of an event loop is readable when one of them is. */
    char byte = 'x';
    wait_for(ends[0], QZ_READABLE, 4);
    CHECK(!is_readable(watched) && write(ends[1], &byte, 1) == 1 && is_readable(watched));
    expect_ready(4, QZ_READABLE);
    CHECK(!is_readable(watched));
    CHECK(read(ends[0], &byte, 1) == 1);
    wait_for(ends[0], QZ_READABLE, 5);
    EXPECT(qz_backend_free(backend, 0), QZ_OK);
    CHECK(discards_of(5) == 1);
    CHECK(next_descriptor() <= lowest); /* the copy is closed */
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    close_both();
}

int main(void) {
    backend = new_backend();
    RUN(bad_arguments);
    RUN(sockets_by_interest);
    RUN(pipes_files_and_what_cannot_be_watched);
    RUN(too_many_for_one_file);
    RUN(closed_meanwhile);
    RUN(deadlines_cancels_and_the_end_of_the_backend);
    puts("backend_fd: ok");
    return 0;
}
