/* The object behind a handle: one SQLite connection, its two hooks, and the SQL that runs on it. */
#define _GNU_SOURCE
#include "sqlite_race.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ALIVE = 0x600DC0DE, DEAD = 0xDEADDB };

/* nap(milliseconds): an SQL function that sleeps. sqlite3_interrupt cannot wake it, so that a free with a short
 * deadline has something to lose against. */
static void nap(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const int ms = argc == 1 ? sqlite3_value_int(argv[0]) : 0;
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * 1000000L};
    nanosleep(&pause, NULL);
    sqlite3_result_int(context, ms);
}

static struct connection *record_new(void)
{
    struct connection *record = calloc(1, sizeof *record);
    if (record == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&race.lock);
    record->id = (unsigned)counted(&race.tally.opened);
    if (record->id == race.record_capacity) {
        const size_t capacity = race.record_capacity * 2 + 1024;
        struct connection **records = realloc(race.records, capacity * sizeof(struct connection *));
        if (records == NULL) {
            pthread_mutex_unlock(&race.lock);
            free(record);
            return NULL;
        }
        race.records = records;
        race.record_capacity = capacity;
    }
    race.records[record->id] = record;
    count(&race.tally.opened);
    pthread_mutex_unlock(&race.lock);
    return record;
}

/* Opens a connection, puts it behind a new handle and publishes it in the slot. */
bool connection_open(struct slot *slot)
{
    struct connection *connection = record_new();
    if (connection == NULL) {
        return false;
    }
    /* FULLMUTEX: several threads may use one connection at the same time. That much SQLite does by itself; what it
     * leaves to the caller is that nobody closes it meanwhile. */
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    char sql[320];
    snprintf(sql, sizeof sql,
             "CREATE TABLE who(id INTEGER); INSERT INTO who VALUES (%u);"
             "CREATE TABLE entry(k INTEGER PRIMARY KEY, v INTEGER);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64)"
             "INSERT INTO entry SELECT i, i * i FROM n;",
             connection->id);
    int rc = sqlite3_open_v2(":memory:", &connection->db, flags, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_create_function(connection->db, "nap", 1, SQLITE_UTF8, NULL, nap, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        surprise("opening a connection", sqlite3_errstr(rc), &race.tally.sql_errors);
    }
    atomic_store_explicit(&connection->magic, ALIVE, memory_order_relaxed);

    const qz_status status = qz_handle_new(race.kind, connection, &connection->handle);
    if (status != QZ_OK) {
        surprise("qz_handle_new", qz_status_name(status), &race.tally.unexpected);
        connection_on_destroy(connection, NULL); /* refused: the object is still ours */
        return false;
    }
    atomic_store_explicit(&slot->connection, connection, memory_order_release);
    return true;
}

/* Wakes what runs on the connection. May be called several times, while operations are inside. */
void connection_on_close(void *object, void *ctx)
{
    struct connection *connection = object;
    (void)ctx;
    connection_check_alive(connection);
    long long never = 0;
    if (atomic_compare_exchange_strong_explicit(&connection->closed_us, &never, now_us(), memory_order_relaxed,
                                                memory_order_relaxed)) {
        const bool met = atomic_load_explicit(&connection->inside, memory_order_relaxed) > 0;
        atomic_store_explicit(&connection->met, met, memory_order_relaxed);
    }
    sqlite3_interrupt(connection->db);
}

/* Runs once, when the last one has left. */
void connection_on_destroy(void *object, void *ctx)
{
    struct connection *connection = object;
    (void)ctx;
    const long long closed = atomic_load_explicit(&connection->closed_us, memory_order_relaxed);
    if (closed != 0) {
        atomic_store_explicit(&connection->drain_us, now_us() - closed, memory_order_relaxed);
    }
    atomic_store_explicit(&connection->magic, DEAD, memory_order_relaxed);
    const int rc = sqlite3_close(connection->db); /* SQLITE_BUSY if a statement is still there */
    if (rc != SQLITE_OK) {
        surprise("sqlite3_close", sqlite3_errstr(rc), &race.tally.close_failures);
    }
    atomic_fetch_add_explicit(&connection->destroyed, 1, memory_order_relaxed);
    count(&race.tally.destroyed);
}

void connection_check_alive(const struct connection *connection)
{
    if (atomic_load_explicit(&connection->magic, memory_order_relaxed) != ALIVE) {
        count(&race.tally.dead_objects);
    }
}

bool connection_is_destroyed(const struct connection *connection)
{
    return atomic_load_explicit(&connection->destroyed, memory_order_relaxed) > 0;
}

/* Runs one statement, from inside. A row it returns begins with the id of the database it comes from. */
void connection_run(struct connection *connection, const char *sql, int parameter)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_bind_int(statement, 1, parameter);
    }
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW && (unsigned)sqlite3_column_int(statement, 0) != connection->id) {
            count(&race.tally.wrong_objects);
        }
    }
    sqlite3_finalize(statement);
    if (rc == SQLITE_DONE) {
        return;
    }
    /* A close interrupts; an interrupted write also aborts the reads that were between two rows. Nothing else may
     * go wrong, and nothing may be interrupted on a handle that is open. */
    const bool by_close = rc == SQLITE_INTERRUPT || rc == SQLITE_ABORT;
    if (by_close && qz_handle_is_closing(connection->handle)) {
        count(&race.tally.interrupted);
    } else {
        surprise(sql, sqlite3_errstr(rc), &race.tally.sql_errors);
    }
}
