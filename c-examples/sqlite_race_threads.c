/* The threads of the race: readers and writers go in and out, closers free under their feet. */
#define _GNU_SOURCE
#include "sqlite_race.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LATE_RECLAIM_MS = 60000 }; /* long enough for any operation here, under any sanitizer */

long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void sleep_us(unsigned us)
{
    const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = (us % 1000000) * 1000L};
    nanosleep(&pause, NULL);
}

/* Notes an answer that no correct run gives. */
void surprise(const char *call, const char *answer, counter *which)
{
    count(which);
    pthread_mutex_lock(&race.lock);
    if (race.surprise_count < sizeof race.surprises / sizeof race.surprises[0]) {
        snprintf(race.surprises[race.surprise_count++], sizeof race.surprises[0], "%.60s: %.30s", call, answer);
    }
    pthread_mutex_unlock(&race.lock);
}

static void expect(const char *call, qz_status status, qz_status expected)
{
    if (status != expected) {
        surprise(call, qz_status_name(status), &race.tally.unexpected);
    }
}

/* xorshift64*: each thread draws from its own, so that a seed repeats what every thread wants to do (when it gets to
 * do it is the scheduler's choice). */
static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (*state * 2685821657736338717ULL >> 33) % below;
}

static uint64_t thread_begins(const char *role, unsigned number)
{
    char name[16]; /* occupants are listed by this name */
    snprintf(name, sizeof name, "%.8s %u", role, number + 1);
    pthread_setname_np(pthread_self(), name);
    uint64_t state = race.options.seed * 1000003 + (unsigned char)role[0] * 7919ULL + number + 1;
    draw(&state, 2);
    draw(&state, 2);
    return state;
}

/* ---- readers and writers ---- */

/* One operation: in, a statement, out. That is all a caller has to do. */
static void operate(const char *operation, struct connection *connection, const char *sql, int parameter)
{
    void *object = NULL;
    const qz_status status = qz_handle_enter(connection->handle, race.kind, operation, &object);
    if (status != QZ_OK) {
        count(&race.tally.refused[status < 0 && status > -32 ? -status : 0]);
        expect("qz_handle_enter", status, QZ_ERR_FREED);
        return;
    }
    count(&race.tally.admitted);
    if (object != connection) {
        count(&race.tally.wrong_objects);
    }
    atomic_fetch_add_explicit(&connection->inside, 1, memory_order_relaxed);
    connection_check_alive(connection);
    connection_run(connection, sql, parameter);
    connection_check_alive(connection);
    atomic_fetch_sub_explicit(&connection->inside, 1, memory_order_relaxed);
    expect("qz_handle_leave", qz_handle_leave(connection->handle), QZ_OK);
}

static struct connection *any_connection(uint64_t *random)
{
    struct slot *slot = &race.slots[draw(random, race.options.handles)];
    return atomic_load_explicit(&slot->connection, memory_order_acquire);
}

void *reader(void *number)
{
    uint64_t random = thread_begins("reader", *(unsigned *)number);
    while (!atomic_load_explicit(&race.stop, memory_order_relaxed)) {
        struct connection *connection = any_connection(&random);
        const unsigned which = (unsigned)draw(&random, 10000);
        if (which < 5) {
            operate("nap in a query", connection, "SELECT (SELECT id FROM who), nap(?1)", 5 + (int)draw(&random, 20));
        } else if (which < 15) {
            operate("long query", connection,
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)"
                    "SELECT (SELECT id FROM who), count(*) FROM n WHERE i <> ?1", 0);
        } else {
            operate("short query", connection,
                    "SELECT (SELECT id FROM who), count(*), sum(v) FROM entry WHERE k BETWEEN ?1 AND ?1 + 16",
                    (int)draw(&random, 64));
        }
    }
    return NULL;
}

void *writer(void *number)
{
    static const char *const statements[] = {
        "INSERT OR REPLACE INTO entry VALUES (?1, ?1 * 3) RETURNING (SELECT id FROM who)",
        "UPDATE entry SET v = v + 1 WHERE k % 8 = ?1 % 8",
        "DELETE FROM entry WHERE k = ?1",
    };
    uint64_t random = thread_begins("writer", *(unsigned *)number);
    while (!atomic_load_explicit(&race.stop, memory_order_relaxed)) {
        struct connection *connection = any_connection(&random);
        operate("write", connection, statements[draw(&random, 3)], (int)draw(&random, 128));
    }
    return NULL;
}

/* ---- closers ---- */

/* Closers work in teams of two (one of three, if their number is odd): the leader picks a victim, and all members
 * free it, each in its own way, at nearly the same moment. */
struct team {
    pthread_barrier_t barrier;
    struct slot *slot; /* written by the leader before a barrier, read after it */
    struct connection *victim;
};

static struct team *teams;

static unsigned team_count(void)
{
    return race.options.closers / 2;
}

bool teams_form(void)
{
    teams = calloc(team_count(), sizeof *teams);
    for (unsigned i = 0; teams != NULL && i < team_count(); i++) {
        const bool takes_the_odd_one = i == 0 && race.options.closers % 2 == 1;
        if (pthread_barrier_init(&teams[i].barrier, NULL, takes_the_odd_one ? 3 : 2) != 0) {
            return false;
        }
    }
    return teams != NULL;
}

void teams_dissolve(void)
{
    for (unsigned i = 0; i < team_count(); i++) {
        pthread_barrier_destroy(&teams[i].barrier);
    }
    free(teams);
}

/* Claims a slot that no other team is at, so that each handle is freed by one team (and used by everybody). */
static void pick_victim(struct team *team, uint64_t *random)
{
    for (;;) {
        struct slot *slot = &race.slots[draw(random, race.options.handles)];
        if (!atomic_exchange_explicit(&slot->claimed, true, memory_order_acquire)) {
            team->slot = slot;
            team->victim = atomic_load_explicit(&slot->connection, memory_order_acquire);
            return;
        }
        sched_yield();
    }
}

/* Right after a free gave up: who is in the way? */
static void blame_occupants(struct connection *victim)
{
    char words[sizeof race.blame_in_words];
    snprintf(words, sizeof words, "%s", qz_last_error()); /* before the next call overwrites it */
    qz_occupant occupants[8];
    size_t found = 0;
    const qz_status status =
        qz_handle_occupants(victim->handle, occupants, sizeof occupants[0], sizeof occupants / sizeof occupants[0], &found);
    if (status != QZ_OK) {
        expect("qz_handle_occupants", status, QZ_ERR_FREED); /* the last one left just now */
        return;
    }
    if (found > sizeof occupants / sizeof occupants[0]) {
        found = sizeof occupants / sizeof occupants[0];
    }
    pthread_mutex_lock(&race.lock);
    if (found > 0 && (race.blame_in_words_found == 0 || found < race.blame_in_words_found)) {
        memcpy(race.blame_in_words, words, sizeof words);
        race.blame_in_words_found = found;
    }
    for (size_t i = 0; i < found; i++) {
        for (size_t j = 0; j < sizeof race.blames / sizeof race.blames[0]; j++) {
            struct blame *blame = &race.blames[j];
            if (blame->times != 0 && strcmp(blame->operation, occupants[i].operation) != 0) {
                continue;
            }
            if (blame->times++ == 0 || occupants[i].since_ms > blame->longest_ms) {
                memcpy(blame->operation, occupants[i].operation, sizeof blame->operation);
                memcpy(blame->thread, occupants[i].thread_name, sizeof blame->thread);
                blame->longest_ms = occupants[i].since_ms;
            }
            break;
        }
    }
    pthread_mutex_unlock(&race.lock);
}

static void check_deadline(long long took_us, int64_t timeout_ms)
{
    const long long overrun = took_us - timeout_ms * 1000;
    long long worst = atomic_load_explicit(&race.tally.worst_overrun_us, memory_order_relaxed);
    while (overrun > worst &&
           !atomic_compare_exchange_weak_explicit(&race.tally.worst_overrun_us, &worst, overrun, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
    if (overrun > race.options.slack_ms * 1000LL) {
        count(&race.tally.late_frees);
    }
}

/* Books one answer of a free and checks what it promises. Returns whether the free is left to the last one out. */
static bool answered(struct connection *victim, qz_status status, counter *reason)
{
    if (status == QZ_FREE_PENDING) {
        count(&race.tally.frees_pending);
        count(reason);
        atomic_fetch_add_explicit(&victim->pending, 1, memory_order_relaxed);
        return true;
    }
    if (status == QZ_OK) {
        count(&race.tally.frees_ok);
        atomic_fetch_add_explicit(&victim->ok, 1, memory_order_relaxed);
    } else {
        count(&race.tally.frees_already);
        expect("qz_handle_free", status, QZ_ALREADY_FREED);
    }
    if (!connection_is_destroyed(victim)) {
        count(&race.tally.not_destroyed);
    }
    return false;
}

static bool free_within(struct connection *victim, int64_t timeout_ms, counter *reason)
{
    const long long start = now_us();
    const qz_status status = qz_handle_free(victim->handle, timeout_ms);
    const long long took = now_us() - start;
    check_deadline(took, timeout_ms == QZ_DEFAULT_TIMEOUT ? 5000 : timeout_ms);
    const bool pending = answered(victim, status, reason);
    if (pending) {
        blame_occupants(victim);
    }
    return pending;
}

static bool try_free_first(struct connection *victim)
{
    const qz_status status = qz_handle_try_free(victim->handle);
    if (status == QZ_ERR_BUSY) { /* nothing has happened to the handle */
        count(&race.tally.frees_busy);
        return free_within(victim, QZ_DEFAULT_TIMEOUT, &race.tally.pending_deadline);
    }
    return answered(victim, status, &race.tally.pending_try);
}

/* From inside an operation of the same handle: waiting would be waiting for oneself, so that the answer is "pending"
 * at once, and the connection stays usable for this thread until it leaves. */
static bool free_from_inside(struct connection *victim, unsigned sit_us)
{
    if (sit_us > 0) {
        atomic_store_explicit(&victim->sat, true, memory_order_relaxed);
        sleep_us(sit_us);
    }
    const long long start = now_us();
    const qz_status status = qz_handle_free(victim->handle, QZ_DEFAULT_TIMEOUT);
    check_deadline(now_us() - start, 0);
    count(&race.tally.self_frees);
    expect("qz_handle_free from inside", status, QZ_FREE_PENDING);
    const bool pending = answered(victim, status, &race.tally.pending_inside);
    connection_check_alive(victim);
    connection_run(victim, "SELECT (SELECT id FROM who), ?1", 0);
    connection_check_alive(victim);
    expect("qz_handle_leave", qz_handle_leave(victim->handle), QZ_OK);
    return pending;
}

/* A token whose handle is gone, perhaps with its memory in use by another one by now. */
static void use_stale(struct connection *old)
{
    void *object = NULL;
    count(&race.tally.stale_uses);
    expect("qz_handle_free of a stale token", qz_handle_free(old->handle, 0), QZ_ALREADY_FREED);
    expect("qz_handle_wait_freed of a stale token", qz_handle_wait_freed(old->handle, 0), QZ_OK);
    expect("qz_handle_enter of a stale token", qz_handle_enter(old->handle, race.kind, "stale", &object), QZ_ERR_FREED);
}

void *closer(void *number)
{
    enum way { PATIENT, HASTY, AT_ONCE, TRY_FIRST, FROM_INSIDE };
    static const enum way ways[] = {PATIENT, PATIENT, HASTY,     HASTY,     AT_ONCE,
                                    AT_ONCE, TRY_FIRST, TRY_FIRST, FROM_INSIDE};
    const unsigned index = *(unsigned *)number;
    uint64_t random = thread_begins("closer", index);
    struct team *team = &teams[index % team_count()];
    const bool leads = index < team_count();
    struct connection *stale = NULL;

    for (unsigned round = 0;; round++) {
        /* Now and then one member sits inside for longer than a free may be late, while the leader is in a hurry: a
         * free that waits past its deadline cannot hide in the slack then. */
        const bool sitting = round % 1024 == 10;
        if (leads) {
            team->victim = NULL;
            if (!atomic_load_explicit(&race.stop_closers, memory_order_relaxed)) {
                pick_victim(team, &random);
            }
        }
        pthread_barrier_wait(&team->barrier);
        struct connection *victim = team->victim;
        if (victim == NULL) {
            return NULL;
        }
        enum way way = ways[draw(&random, sizeof ways / sizeof ways[0])];
        if (sitting) {
            way = leads ? HASTY : FROM_INSIDE;
        }
        if (way == FROM_INSIDE) {
            void *object = NULL;
            expect("qz_handle_enter", qz_handle_enter(victim->handle, race.kind, "frees from inside", &object), QZ_OK);
        }
        pthread_barrier_wait(&team->barrier);
        sleep_us((unsigned)draw(&random, 200));
        atomic_fetch_add_explicit(&victim->issued, 1, memory_order_relaxed);
        bool pending = false;
        switch (way) {
        case PATIENT:
            pending = free_within(victim, QZ_DEFAULT_TIMEOUT, &race.tally.pending_deadline);
            break;
        case HASTY:
            pending = free_within(victim, 1 + (int64_t)draw(&random, 4), &race.tally.pending_deadline);
            break;
        case AT_ONCE:
            pending = free_within(victim, 0, &race.tally.pending_at_once);
            break;
        case TRY_FIRST:
            pending = try_free_first(victim);
            break;
        case FROM_INSIDE:
            pending = free_from_inside(victim, sitting ? (race.options.slack_ms + 100) * 1000 : 0);
            break;
        }
        pthread_barrier_wait(&team->barrier);
        if (sitting && leads && pending) {
            count(&race.tally.sat_out);
        }
        if (leads) { /* a new handle takes the place, even where the old one is still pending */
            count(&race.tally.handles_freed);
            connection_open(team->slot);
            atomic_store_explicit(&team->slot->claimed, false, memory_order_release);
        }
        if (pending) {
            const qz_status status = qz_handle_wait_freed(victim->handle, LATE_RECLAIM_MS);
            expect("qz_handle_wait_freed", status, QZ_OK);
            if (status == QZ_OK) {
                count(connection_is_destroyed(victim) ? &race.tally.freed_late : &race.tally.not_destroyed);
            }
        }
        if (stale != NULL) {
            use_stale(stale);
        }
        stale = victim;
        sleep_us((unsigned)draw(&random, 4000));
    }
}
