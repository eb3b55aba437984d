/* Claims that fail with words a person understands, and a clock. It knows no library: `EXPECT(call, status)` is
 * defined by the check.h of those who include it. */
#ifndef CLAIMS_H
#define CLAIMS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How late a deadline may be answered before a test calls it broken. Generous: CI shares two cores with everything. */
#define LATE_MS 4000.0

static inline double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline void sleep_ms(int ms) {
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000L};
    while (nanosleep(&t, &t) != 0) {}
}

/* _Exit, not exit: other threads may still be inside, and their state is not to be touched by atexit handlers. */
static inline void give_up(const char *file, int line, const char *what) {
    fflush(stdout);
    fprintf(stderr, "FAILED %s:%d: %s\n", file, line, what);
    fflush(stderr);
    _Exit(1);
}

#define CHECK(claim) ((claim) ? (void)0 : give_up(__FILE__, __LINE__, #claim))

#define CHECK_SAY(claim, ...)                             \
    do {                                                  \
        if (!(claim)) {                                   \
            char words_[768];                             \
            snprintf(words_, sizeof words_, __VA_ARGS__); \
            give_up(__FILE__, __LINE__, words_);          \
        }                                                 \
    } while (0)

/* The call must answer `wanted`, not before `ms` have passed and not much later. */
#define EXPECT_AFTER(call, wanted, ms)                                                                            \
    do {                                                                                                          \
        double begin_ = now_ms();                                                                                 \
        EXPECT(call, wanted);                                                                                     \
        double took_ = now_ms() - begin_;                                                                         \
        CHECK_SAY(took_ >= (double)(ms), "%s: %.3f ms is before its deadline of %d ms", #call, took_, (int)(ms)); \
        CHECK_SAY(took_ < (double)(ms) + LATE_MS, "%s: %.0f ms is far past its deadline of %d ms", #call, took_,  \
                  (int)(ms));                                                                                     \
    } while (0)

/* "At once": without waiting for anything or anybody. */
#define EXPECT_AT_ONCE(call, wanted) EXPECT_AFTER(call, wanted, 0)

/* Runs one test function and says so. */
#define RUN(test)                                                 \
    do {                                                          \
        double begin_ = now_ms();                                 \
        test();                                                   \
        printf("ok  %-58s %7.1f ms\n", #test, now_ms() - begin_); \
        fflush(stdout);                                           \
    } while (0)

/* xorshift64*: the same numbers in every run. */
static inline uint64_t next_random(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

#endif
