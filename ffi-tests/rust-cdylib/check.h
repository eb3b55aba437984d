/* What the programs here share: claims about what the library answers, threads, and numbers to choose by. They know
 * nothing of Quiescent but the library that was built on it. Include this file first. */
#ifndef CHECK_H
#define CHECK_H
#include "../claims.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "rust_cdylib.h"

#define EXPECT(call, wanted)                                                                                  \
    do {                                                                                                      \
        rc_status got_ = (call);                                                                              \
        CHECK_SAY(got_ == (wanted), "%s answered %d, expected %d (last error: %s)", #call, (int)got_,         \
                  (int)(wanted), rc_last_error());                                                            \
    } while (0)

static inline void start(pthread_t *thread, void *(*body)(void *), void *argument) {
    int failed = pthread_create(thread, NULL, body, argument);
    CHECK_SAY(failed == 0, "pthread_create: %s", strerror(failed));
}

/* A number below `below`. */
static inline unsigned choose(uint64_t *state, unsigned below) { return (unsigned)(next_random(state) >> 33) % below; }

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
