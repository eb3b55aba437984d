/* A print shop that closes while everybody is at work.
 *
 * Six workers share two presses (a qz_pool: a press is made when it is first needed) and take jobs off a counter (a
 * qz_semaphore: one permit for each job that waits). So at any moment some print, some wait for a press and some for a
 * job. Then the shop closes:
 *
 *   1. one qz_cancel_cancel ends every wait, wherever it is, and the sleep of those that print;
 *   2. the frees of the semaphore and the pool find out who does not let go (one worker takes no notice), say so, and
 *      return at their deadline;
 *   3. when that worker is done after all, his release destroys the pool: nothing is lost, nothing is destroyed twice.
 *
 * Nothing here has a flag to look at, a condition variable to signal, or a thread to kill. */
#define _GNU_SOURCE /* names of threads */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "quiescent.h"

enum { WORKERS = 6, PRESSES = 2, JOBS = 12, STUBBORN = 0 };

typedef struct press {
    int number;
    atomic_int printing; /* 1 while somebody prints: two at once would be a bad day */
} press;

static press presses[PRESSES];
static atomic_int made, destroyed, printed, at_once;
static atomic_bool begun_to_take_no_notice, may_take_notice;
static qz_cancel *closing;
static qz_semaphore *jobs;
static qz_pool *pool;

static void need(qz_status status, const char *what) {
    if (status == QZ_OK) return;
    fprintf(stderr, "%s: %s (%s)\n", what, qz_status_name((int32_t)status), qz_last_error());
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double opened_at;
#define SAY(...) (printf("%5.0f ms  ", now_ms() - opened_at), printf(__VA_ARGS__), (void)putchar('\n'))

/* ---- the pool's callbacks ---- */

static int32_t make_press(int64_t timeout_ms, void *ctx, void **out_press) {
    (void)timeout_ms;
    (void)ctx;
    int number = atomic_fetch_add(&made, 1);
    if (number >= PRESSES) return QZ_ERR_BUSY;
    presses[number].number = number;
    *out_press = &presses[number];
    return QZ_OK;
}

static void scrap_press(void *resource, int32_t reason, void *ctx) {
    press *p = resource;
    (void)ctx;
    atomic_fetch_add(&destroyed, 1);
    SAY("press %d is scrapped%s", p->number, reason == QZ_POOL_CLOSING ? ": the shop closes" : "");
}

/* ---- the workers ---- */

typedef struct worker {
    int number;
    pthread_t thread;
    int done;
    qz_status ended; /* what ended the day */
    const char *where;
} worker;

/* Prints for a while; until the shop closes, unless this worker takes no notice. */
static qz_status print(press *p, int worker) {
    if (atomic_fetch_add(&p->printing, 1) != 0) atomic_fetch_add(&at_once, 1);
    struct timespec while_it_prints = {0, 1000000};
    qz_status status = QZ_OK;
    if (worker == STUBBORN) {
        atomic_store(&begun_to_take_no_notice, true);
        while (!atomic_load(&may_take_notice)) nanosleep(&while_it_prints, NULL);
    } else if (qz_cancel_wait(closing, 20) == QZ_OK)
        status = QZ_ERR_CANCELLED;
    atomic_fetch_sub(&p->printing, 1);
    return status;
}

static void *work(void *argument) {
    worker *w = argument;
    char name[16];
    snprintf(name, sizeof name, "worker %d", w->number);
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        qz_hold *job = NULL, *hold = NULL;
        void *p = NULL;
        w->where = "waiting for a job";
        if ((w->ended = qz_semaphore_acquire(jobs, 1, QZ_INFINITE, closing, &job)) != QZ_OK) return NULL;
        w->where = "waiting for a press";
        w->ended = qz_pool_acquire(pool, QZ_INFINITE, closing, &p, &hold);
        if (w->ended == QZ_OK) {
            w->where = "printing";
            w->ended = print(p, w->number);
            (void)qz_hold_release(hold); /* the press goes to the next in line */
        }
        (void)qz_hold_release(job);
        if (w->ended != QZ_OK) return NULL;
        w->done++;
        atomic_fetch_add(&printed, 1);
    }
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    opened_at = now_ms();
    qz_pool_ops ops = {.struct_size = sizeof ops, .create = make_press, .destroy = scrap_press};
    qz_pool_config config = {.struct_size = sizeof config, .max_size = PRESSES};
    need(qz_cancel_new(&closing), "qz_cancel_new");
    need(qz_semaphore_new(JOBS, JOBS, &jobs), "qz_semaphore_new");
    need(qz_pool_new(&ops, &config, &pool), "qz_pool_new");
    need(qz_handle_set_label(QZ_HANDLE(pool), "presses"), "qz_handle_set_label");

    SAY("the shop opens: %d workers, %d presses, %d jobs at a time", WORKERS, PRESSES, JOBS);
    worker workers[WORKERS] = {{0}};
    for (int i = 0; i < WORKERS; i++) {
        workers[i].number = i;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) return 1;
    }
    struct timespec day = {0, 150 * 1000000};
    do { /* on a slow machine it is longer */
        nanosleep(&day, NULL);
    } while (atomic_load(&printed) < WORKERS || !atomic_load(&begun_to_take_no_notice));

    qz_handle_info info;
    need(qz_handle_get_info(QZ_HANDLE(pool), &info, sizeof info), "qz_handle_get_info");
    SAY("it closes; of the presses %u are in use, and %u workers wait for one", info.holds, info.in_flight - info.holds);
    double closed_at = now_ms();
    need(qz_cancel_cancel(closing), "qz_cancel_cancel");

    /* Everybody but one lets go at once. */
    for (int i = 0; i < WORKERS; i++) {
        if (i == STUBBORN) continue;
        pthread_join(workers[i].thread, NULL);
        SAY("worker %d goes home after %d jobs: %s while %s", i, workers[i].done,
            qz_status_name((int32_t)workers[i].ended), workers[i].where);
    }
    double everybody_ms = now_ms() - closed_at;

    qz_status semaphore = qz_semaphore_free(jobs, 0), freed = qz_pool_free(pool, 50);
    SAY("qz_pool_free(50 ms): %s", qz_status_name((int32_t)freed));
    if (freed == QZ_FREE_PENDING) SAY("  %s", qz_last_error());
    int scrapped_before = atomic_load(&destroyed);
    struct timespec evening = {0, 200 * 1000000};
    nanosleep(&evening, NULL);
    atomic_store(&may_take_notice, true);

    pthread_join(workers[STUBBORN].thread, NULL);
    SAY("worker %d is done after all, with %d jobs: %s while %s", STUBBORN, workers[STUBBORN].done,
        qz_status_name((int32_t)workers[STUBBORN].ended), workers[STUBBORN].where);
    need(qz_handle_wait_freed(QZ_HANDLE(pool), 0), "qz_handle_wait_freed(pool)");
    need(qz_handle_wait_freed(QZ_HANDLE(jobs), 0), "qz_handle_wait_freed(jobs)");
    qz_status again = qz_pool_free(pool, QZ_DEFAULT_TIMEOUT);
    need(qz_cancel_free(closing, QZ_DEFAULT_TIMEOUT), "qz_cancel_free");
    SAY("closed: %d jobs printed, %d presses made, %d scrapped; freeing the pool once more: %s", atomic_load(&printed),
        atomic_load(&made), atomic_load(&destroyed), qz_status_name((int32_t)again));

    bool all_well = semaphore == QZ_FREE_PENDING && freed == QZ_FREE_PENDING && again == QZ_ALREADY_FREED &&
                    atomic_load(&made) == PRESSES && scrapped_before == PRESSES - 1 && atomic_load(&destroyed) == PRESSES &&
                    atomic_load(&at_once) == 0 && atomic_load(&printed) >= WORKERS && everybody_ms < 5000;
    /* The one who took no notice asked for another job, of a semaphore that was freed by then. */
    for (int i = 0; i < WORKERS; i++)
        all_well = all_well && workers[i].ended == (i == STUBBORN ? QZ_ERR_FREED : QZ_ERR_CANCELLED);
    puts(all_well ? "all claims hold: every wait ended at once, every press was scrapped once, and the one in use last"
                  : "A CLAIM DOES NOT HOLD");
    return all_well ? 0 : 1;
}
