/* Backends and completions, as the tests expect them. What a completion says is noted under the function that submitted the call
 * (check.h), as what a call answers is. User data are small numbers here. */
#ifndef COMPLETIONS_H
#define COMPLETIONS_H
#include "refusals.h"

#include <poll.h>

enum { NUMBERS = 64 };

static atomic_int discarded[NUMBERS]; /* how often on_discard was told of each number */

static inline void note_discard(void *user_data, void *ctx) {
    CHECK(ctx == discarded && (uintptr_t)user_data < NUMBERS);
    atomic_fetch_add(&discarded[(uintptr_t)user_data], 1);
}

/* How often since the last time. */
static inline int discards_of(uintptr_t number) { return atomic_exchange(&discarded[number], 0); }

static inline void *number(uintptr_t n) { return (void *)n; }

static inline qz_backend *new_backend(void) {
    qz_backend *backend = NULL;
    EXPECT(qz_backend_new(note_discard, discarded, &backend), QZ_OK);
    CHECK(backend != NULL);
    return backend;
}

/* Nothing may be under way. */
static inline void free_backend(qz_backend *backend) {
    EXPECT(qz_backend_free(backend, QZ_DEFAULT_TIMEOUT), QZ_OK);
    for (uintptr_t n = 0; n < NUMBERS; n++) CHECK_SAY(discards_of(n) == 0, "%d was discarded", (int)n);
}

static inline size_t pending(qz_backend *backend) {
    size_t pending = 77;
    EXPECT(qz_backend_pending(backend, &pending), QZ_OK);
    return pending;
}

static inline qz_completion next_completion(qz_backend *backend) {
    qz_completion over;
    size_t len = 77;
    memset(&over, 0xff, sizeof over);
    EXPECT(qz_backend_poll(backend, &over, 1, 10000, &len), QZ_OK);
    CHECK(len == 1);
    return over;
}

static inline qz_completion expect_completion(const char *file, int line, qz_backend *backend, const char *function,
                                              uintptr_t n, qz_status wanted) {
    qz_completion over = next_completion(backend);
    if (over.user_data != number(n)) give_up(file, line, "another call's completion");
    expect_status(file, line, function, (qz_status)over.status, wanted);
    if (wanted < QZ_OK && over.hold != NULL) give_up(file, line, "a hold of what was not taken");
    if (wanted != QZ_ERR_IO && over.os_error != 0) give_up(file, line, "an error of nobody's");
    return over;
}

/* The next completion is that of call number `n`, which `function` submitted, and says `wanted`. */
#define EXPECT_COMPLETION(backend, function, n, wanted) \
    expect_completion(__FILE__, __LINE__, backend, function, n, wanted)

/* Nothing is over. */
static inline void expect_nothing(qz_backend *backend) {
    qz_completion none;
    size_t len = 77;
    EXPECT(qz_backend_poll(backend, &none, 1, 0, &len), QZ_ERR_TIMEOUT);
    CHECK(len == 77);
}

static inline int descriptor_of(qz_backend *backend) {
    int fd = -1;
    EXPECT(qz_backend_fd(backend, &fd), QZ_OK);
    CHECK(fd >= 0);
    return fd;
}

static inline bool is_readable_within(int fd, int ms) {
    struct pollfd watched = {fd, POLLIN, 0};
    int ready = poll(&watched, 1, ms);
    CHECK(ready >= 0 && (ready == 0 || watched.revents == POLLIN));
    return ready == 1;
}

static inline bool is_readable(int fd) { return is_readable_within(fd, 0); }

static inline uint32_t in_flight(void *h) {
    qz_handle_info info;
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    return info.in_flight;
}

static inline qz_cancel *new_cancel(void) {
    qz_cancel *cancel = NULL;
    EXPECT(qz_cancel_new(&cancel), QZ_OK);
    return cancel;
}

static inline qz_status call_cancel(void *cancel) {
    sleep_ms(15); /* until the other thread sleeps in its poll, most likely */
    return qz_cancel_cancel(cancel);
}

#endif
