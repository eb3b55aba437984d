/* Embedded guards and run-downs under stress, made for ThreadSanitizer and AddressSanitizer.
 *
 *     guard_stress [ITERATIONS per thread] [THREADS]
 *
 * A box is an author's own struct with a guard inline. The box is never given back, its payload is: by the one caller that
 * is told that it owns the end. A run-down protects a table that is rewritten, without any lock, whenever it is run down. */
#include "thing.h"
#include <pthread.h>

#define ALIVE UINT64_C(0xA11FE)
#define BOXES 4
#define MAX_THREADS 64

typedef struct box {
    qz_guard guard;    /* zero bytes: open */
    uint64_t *payload; /* plain, and given back */
    atomic_int owners; /* how many were told that they own the end */
    atomic_int inside; /* relaxed: for the overlap only */
    struct box *next;
} box;

static _Atomic(box *) boxes[BOXES];
static _Atomic(box *) all_boxes; /* reachable: a leak checker sees that they are kept on purpose */
static long iterations = 20000;
static int threads = 8;
static atomic_long opened, released, met, admitted, refused, timed_out, lost;

static void add(atomic_long *counter, long n) { atomic_fetch_add_explicit(counter, n, memory_order_relaxed); }

static box *open_box(void) {
    box *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    b->payload = malloc(4 * sizeof *b->payload);
    CHECK(b->payload != NULL);
    for (int i = 0; i < 4; i++) b->payload[i] = ALIVE;
    b->next = atomic_load(&all_boxes);
    while (!atomic_compare_exchange_weak(&all_boxes, &b->next, b)) {}
    add(&opened, 1);
    return b;
}

static void use_box(box *b, uint64_t *random) {
    qz_status got = qz_guard_try_enter(&b->guard);
    if (got != QZ_OK) {
        CHECK(got == QZ_ERR_FREED);
        add(&refused, 1);
        return;
    }
    add(&admitted, 1);
    atomic_fetch_add_explicit(&b->inside, 1, memory_order_relaxed);
    for (int i = 0; i < 4; i++) CHECK(b->payload[i] == ALIVE);
    if (next_random(random) % 32 == 0) sched_yield();
    if (next_random(random) % 256 == 0) sleep_ms(1);
    CHECK(b->payload[3] == ALIVE);
    atomic_fetch_sub_explicit(&b->inside, 1, memory_order_relaxed);
    CHECK(qz_guard_leave(&b->guard) == QZ_OK);
}

/* Exactly one caller gets here for each box. */
static void own_the_end(box *b) {
    CHECK_SAY(atomic_fetch_add(&b->owners, 1) == 0, "two owners of one end");
    for (int i = 0; i < 4; i++) {
        CHECK(b->payload[i] == ALIVE);
        b->payload[i] = 0;
    }
    free(b->payload);
    b->payload = NULL;
    add(&released, 1);
}

static void free_box(int slot, box *b, uint64_t *random) {
    static const int64_t timeouts[] = {0, 0, 1, QZ_INFINITE, QZ_DEFAULT_TIMEOUT};
    bool somebody = atomic_load_explicit(&b->inside, memory_order_relaxed) > 0;
    qz_status got = qz_guard_begin_free(&b->guard, timeouts[next_random(random) % 5]);
    if (got == QZ_ALREADY_FREED) {
        add(&lost, 1);
        if (next_random(random) % 2 == 0) return;
        /* A loser may wait as well: it owns the end only if nobody else was told so. */
        got = qz_guard_wait_drained(&b->guard, 1);
        if (got == QZ_OK) own_the_end(b);
        else CHECK(got == QZ_ALREADY_FREED || got == QZ_ERR_TIMEOUT);
        return;
    }
    if (somebody || got == QZ_ERR_TIMEOUT) add(&met, 1);
    if (got == QZ_OK) {
        own_the_end(b);
    } else {
        CHECK_SAY(got == QZ_ERR_TIMEOUT, "begin_free answered %s", qz_status_name((int32_t)got));
        add(&timed_out, 1);
        got = qz_guard_wait_drained(&b->guard, QZ_INFINITE);
        CHECK(got == QZ_OK || got == QZ_ALREADY_FREED);
        if (got == QZ_OK) own_the_end(b);
    }
    atomic_store(&boxes[slot], open_box()); /* the one winner replaces it */
}

static void *work_on_boxes(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (long i = 0; i < iterations; i++) {
        int slot = (int)(next_random(&random) % BOXES);
        box *b = atomic_load(&boxes[slot]);
        if (next_random(&random) % 10 < 9) use_box(b, &random);
        else free_box(slot, b, &random);
    }
    return NULL;
}

/* ---- run-down ---- */

static qz_rundown rundown;
static uint64_t table[8]; /* plain: read while acquired, written when run down */
static atomic_long acquired, rewrites, rundown_met, rundown_refused, waits;
static atomic_bool stop;

static void *read_table(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (long i = 0; i < iterations / 10;) {
        uint32_t n = (uint32_t)(next_random(&random) % 3) + 1;
        qz_status got = qz_rundown_try_acquire(&rundown, n);
        if (got != QZ_OK) {
            CHECK(got == QZ_ERR_BUSY || got == QZ_ERR_FREED);
            add(&rundown_refused, 1);
            sched_yield();
            continue;
        }
        i++;
        add(&acquired, 1);
        uint64_t first = table[0];
        if (next_random(&random) % 32 == 0) sched_yield();
        for (int j = 1; j < 8; j++) CHECK_SAY(table[j] == first, "the table changed while it was acquired");
        for (uint32_t j = 0; j < n; j++) CHECK(qz_rundown_release(&rundown, 1) == QZ_OK);
    }
    return NULL;
}

static void *rewrite_table(void *unused) {
    (void)unused;
    for (uint64_t i = 1; !atomic_load(&stop); i++) {
        qz_status got = qz_rundown_wait(&rundown, 0);
        if (got == QZ_ERR_TIMEOUT) {
            add(&rundown_met, 1);
            got = qz_rundown_wait(&rundown, QZ_INFINITE);
        }
        CHECK_SAY(got == QZ_OK, "wait answered %s", qz_status_name((int32_t)got));
        for (int j = 0; j < 8; j++) table[j] = i;
        add(&rewrites, 1);
        CHECK(qz_rundown_re_init(&rundown) == QZ_OK); /* only this thread opens it again */
        if (i % 4 == 0) sched_yield();
    }
    return NULL;
}

/* The others only watch: any number may wait, none is lost. */
static void *wait_for_rundown(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        qz_status got = qz_rundown_wait(&rundown, 1);
        CHECK(got == QZ_OK || got == QZ_ERR_TIMEOUT);
        add(&waits, 1);
        sleep_ms(1);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc > 1) iterations = atol(argv[1]);
    if (argc > 2) threads = atoi(argv[2]);
    CHECK(iterations > 0 && threads > 0 && threads <= MAX_THREADS);
    pthread_t all[MAX_THREADS], writer, watcher;

    for (int i = 0; i < BOXES; i++) atomic_store(&boxes[i], open_box());
    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&all[i], NULL, work_on_boxes, (void *)(uintptr_t)(i + 1)) == 0);
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    for (int i = 0; i < BOXES; i++) {
        CHECK(qz_guard_begin_free(&atomic_load(&boxes[i])->guard, QZ_DEFAULT_TIMEOUT) == QZ_OK);
        own_the_end(atomic_load(&boxes[i]));
    }
    for (box *b = atomic_load(&all_boxes); b != NULL; b = b->next) {
        CHECK_SAY(atomic_load(&b->owners) == 1 && b->payload == NULL, "%d owners", atomic_load(&b->owners));
        CHECK(qz_guard_try_enter(&b->guard) == QZ_ERR_FREED && qz_guard_leave(&b->guard) == QZ_ERR_NOT_INSIDE);
    }
    printf("guard_stress: guards, %d threads\n", threads);
    printf("  operations  admitted %ld, refused %ld\n", atomic_load(&admitted), atomic_load(&refused));
    printf("  frees       won %ld, of these timed out %ld, lost %ld\n", atomic_load(&opened), atomic_load(&timed_out),
           atomic_load(&lost));
    printf("  overlap     %ld of %ld frees met somebody inside\n", atomic_load(&met), atomic_load(&opened));
    CHECK(atomic_load(&opened) == atomic_load(&released));
    CHECK_SAY(atomic_load(&met) > 0 && atomic_load(&lost) > 0 && atomic_load(&refused) > 0,
              "no overlap: nothing was tested");

    CHECK(pthread_create(&writer, NULL, rewrite_table, NULL) == 0 &&
          pthread_create(&watcher, NULL, wait_for_rundown, NULL) == 0);
    for (int i = 0; i < threads; i++) CHECK(pthread_create(&all[i], NULL, read_table, (void *)(uintptr_t)(i + 1)) == 0);
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    atomic_store(&stop, true);
    pthread_join(watcher, NULL);
    pthread_join(writer, NULL);
    printf("guard_stress: run-down, %d readers, 1 writer, 1 watcher\n", threads);
    printf("  acquired %ld, refused %ld, rewritten %ld, watched %ld\n", atomic_load(&acquired),
           atomic_load(&rundown_refused), atomic_load(&rewrites), atomic_load(&waits));
    printf("  overlap     %ld of %ld run-downs met a reference\n", atomic_load(&rundown_met), atomic_load(&rewrites));
    CHECK_SAY(atomic_load(&rundown_met) > 0 && atomic_load(&acquired) > 0 && atomic_load(&rundown_refused) > 0,
              "no overlap: nothing was tested");
    return 0;
}
