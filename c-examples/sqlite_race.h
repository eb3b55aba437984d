/* What the parts of the SQLite race share. sqlite_race.c says what the program is about. */
#ifndef SQLITE_RACE_H
#define SQLITE_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <quiescent.h>
#include <sqlite3.h>

/* What the command line says. */
struct options {
    unsigned seconds, readers, writers, closers, handles;
    uint64_t seed;
    unsigned slack_ms;       /* how much later than its deadline a free may answer: the scheduler's share */
    unsigned memory_mb;      /* how much the process may grow after its warm-up */
    const char *break_claim; /* what to falsify before the check, to see it fail: the key of a claim, "all" of them,
                              * or "destroy-twice" in the records of one connection */
};

/* One SQLite connection: the object behind a handle. These records live as long as the program, so that it may look
 * at one whose connection is long closed: the magic then says so. What a wrong close corrupts is `db`. */
struct connection {
    atomic_uint magic;
    unsigned id;       /* also the only row of the database's table `who` */
    sqlite3 *db;       /* an in-memory database of its own */
    qz_handle *handle; /* the token; written once, before the record is published */

    /* Book-keeping, all of it relaxed: it must not order what Quiescent is there to order. */
    atomic_uint inside;    /* readers and writers that are inside, as they themselves count it */
    atomic_bool met;       /* the close found somebody inside */
    atomic_bool sat;       /* a closer sat inside on purpose: no measure of a drain */
    atomic_uint destroyed; /* times on_destroy ran */
    atomic_uint issued;    /* frees of this handle, by as many threads */
    atomic_uint ok, pending; /* their answers; the rest is "already freed" */
    atomic_llong closed_us, drain_us; /* when the close was seen; how long until on_destroy */
};

/* A place in the table that all threads share. The connection in it changes; the place stays. */
struct slot {
    _Atomic(struct connection *) connection;
    atomic_bool claimed; /* by the team of closers that is about to free what is in it */
};

typedef atomic_ullong counter;

/* Everything counted, by all threads. */
struct tally {
    counter opened, destroyed;
    counter admitted, interrupted, refused[32]; /* refused: by the negated status */
    counter frees_ok, frees_already, frees_pending, frees_busy;
    counter pending_deadline, pending_at_once, pending_inside, pending_try; /* frees_pending, by the reason */
    counter freed_late; /* pending frees that wait_freed saw completed */
    counter sat_out; /* deadlines that passed under an operation longer than the slack */
    counter self_frees, stale_uses, handles_freed;
    atomic_llong worst_overrun_us;
    /* What a correct run leaves at zero. */
    counter dead_objects, wrong_objects, close_failures, not_destroyed, late_frees, sql_errors, unexpected;
};

/* Who was inside when a free gave up: one line for each operation. */
struct blame {
    char operation[40], thread[16];
    unsigned long long times;
    long long longest_ms;
};

struct race {
    struct options options;
    qz_kind *kind;
    struct slot *slots;
    atomic_bool stop_closers, stop;
    struct tally tally;

    pthread_mutex_t lock; /* of what follows */
    struct connection **records; /* all connections ever opened, by id */
    size_t record_capacity;
    struct blame blames[8];
    char blame_in_words[256]; /* qz_last_error() of the free that gave up with the fewest inside */
    size_t blame_in_words_found;
    char surprises[8][96];    /* the first answers that no correct run gives */
    size_t surprise_count;

    long rss_start_kb, rss_warm_kb, rss_end_kb;
    long long sqlite_bytes_end;
    size_t left_by_kind, left_at_end;
    uint64_t closed_with_kind;
};

extern struct race race;

static inline void count(counter *c)
{
    atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static inline unsigned long long counted(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* sqlite_race_connection.c: what is behind the handles */
bool connection_open(struct slot *slot);
void connection_on_close(void *object, void *ctx);
void connection_on_destroy(void *object, void *ctx);
void connection_check_alive(const struct connection *connection);
bool connection_is_destroyed(const struct connection *connection);
void connection_run(struct connection *connection, const char *sql, int parameter);

/* sqlite_race_threads.c: who does what with them. Each takes its number as argument. */
void *reader(void *number);
void *writer(void *number);
void *closer(void *number);
bool teams_form(void);
void teams_dissolve(void);
long long now_us(void);
void surprise(const char *call, const char *answer, counter *which);

/* sqlite_race_report.c: what came of it */
long resident_kb(void);
void progress(unsigned second, bool last);
void report(void);
unsigned verify(void); /* returns how many claims failed */

#endif
