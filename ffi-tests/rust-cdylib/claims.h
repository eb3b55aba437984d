/* What the two programs share: claims that fail with words, threads, and numbers to choose by. They know nothing of
 * Quiescent but the library that was built on it. Include this file first. */
#ifndef CLAIMS_H
#define CLAIMS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "rust_cdylib.h"

/* How late a deadline may be answered before a test calls it broken. Generous: CI shares two cores with everything. */
#define LATE_MS 1500.0

static inline double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline void sleep_ms(int ms) {
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};
    while (nanosleep(&t, &t) != 0) {
    }
}

/* _Exit, not exit: other threads may still be inside. */
static inline void give_up(const char *file, int line, const char *what) {
    fflush(stdout);
    fprintf(stderr, "FAILED %s:%d: %s\n", file, line, what);
    fflush(stderr);
    _Exit(1);
}

#define CHECK_SAY(claim, ...)                    \
    do {                                         \
        if (!(claim)) {                          \
            char words_[768];                    \
            snprintf(words_, sizeof words_, __VA_ARGS__); \
            give_up(__FILE__, __LINE__, words_); \
        }                                        \
    } while (0)

#define CHECK(claim) CHECK_SAY(claim, "%s", #claim)

#define EXPECT(call, wanted)                                                                                  \
    do {                                                                                                      \
        rc_status got_ = (call);                                                                              \
        CHECK_SAY(got_ == (wanted), "%s answered %d, expected %d (last error: %s)", #call, (int)got_,         \
                  (int)(wanted), rc_last_error());                                                            \
    } while (0)

/* The call must answer `wanted`, not before `ms` have passed and not much later. */
#define EXPECT_AFTER(call, wanted, ms)                                                              \
    do {                                                                                            \
        double began_ = now_ms();                                                                   \
        EXPECT(call, wanted);                                                                       \
        double took_ = now_ms() - began_;                                                           \
        CHECK_SAY(took_ >= (double)(ms) && took_ < (double)(ms) + LATE_MS, "%s took %.1f ms, not %d", #call, took_, \
                  (int)(ms));                                                                       \
    } while (0)

#define EXPECT_AT_ONCE(call, wanted) EXPECT_AFTER(call, wanted, 0)

#define RUN(test)                                                 \
    do {                                                          \
        double began_ = now_ms();                                 \
        test();                                                   \
        printf("ok  %-52s %7.1f ms\n", #test, now_ms() - began_); \
        fflush(stdout);                                           \
    } while (0)

static inline void start(pthread_t *thread, void *(*body)(void *), void *argument) {
    int failed = pthread_create(thread, NULL, body, argument);
    CHECK_SAY(failed == 0, "pthread_create: %s", strerror(failed));
}

/* xorshift64*: the same numbers in every run. Below `below`. */
static inline unsigned choose(uint64_t *state, unsigned below) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (unsigned)((*state * UINT64_C(2685821657736338717)) >> 33) % below;
}

/* How long a race runs. */
#define SECONDS 1.5

/* How often this thread has gone to sleep. More often after a call than before it: the call was let in, and blocked.
 * (The time it took does not tell: a thread may be off its core for longer, at the door.) */
static inline long sleeps(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

/* What a race's claim to have been one rests on: `woken` calls had gone to sleep inside and were told of a free, on
 * `met` of the `freed` objects. */
static inline void report_overlap(long freed, long met, long woken) {
    double share = freed > 0 ? 100.0 * (double)met / (double)freed : 0.0;
    printf("    overlap: at least %ld of %ld objects freed with operations in flight (%.1f %%); %ld sleepers woken\n",
           met, freed, share, woken);
    CHECK_SAY(met > 0, "the frees never met an operation: this run proves nothing");
}

#endif
