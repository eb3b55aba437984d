/* SQLite connections that are freed while they are in use.
 *
 * SQLite lets several threads use one connection, but it is up to the caller that nobody closes it meanwhile, closes it
 * twice, or goes on using it. This program does all of that, all the time: readers and writers run SQL through
 * connections that closers free under their feet, each of them from two threads at once, with deadlines that pass,
 * and from inside an operation of the same connection; new connections take the place of the old ones. Every
 * connection is behind a qz_handle, and that is the whole protection. There is no lock in this program around any of
 * it. (The mutex in `struct race` guards notes for the report.)
 *
 * Each handle has an in-memory database of its own. So the only things that threads can meet on are the connection and
 * its handle, and no disk, no file lock and no other connection's writes make them wait for each other: that gives the
 * most real concurrency. It also means that every close gives back real memory, which a late user would touch.
 *
 * At the end it checks what it claims, and exits with 1 if a claim failed. Linked with sqlite_race_unguarded.c in place
 * of libquiescent, the same program shows what happens without. */
#define _GNU_SOURCE
#include "sqlite_race.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct race race = {
    .options = {.seconds = 10, .readers = 4, .writers = 2, .closers = 4, .handles = 4, .seed = 1, .slack_ms = 500,
                .memory_mb = 32},
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

static void usage(FILE *out)
{
    fprintf(out, "usage: sqlite_race [--seconds N] [--readers N] [--writers N] [--closers N] [--handles N] [--seed N]\n"
                 "                   [--slack-ms N] [--memory-mb N]\n"
                 "  --slack-ms     how late after its deadline a free may answer (default 500)\n"
                 "  --memory-mb    how much the process may grow after its warm-up (default 32)\n");
}

static bool parse_number(const char *text, unsigned long long *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

static bool parse(int argc, char **argv)
{
    struct options *o = &race.options;
    struct {
        const char *name;
        unsigned *value;
        unsigned least, most;
    } const numbers[] = {
        {"--seconds", &o->seconds, 1, 1000000}, {"--readers", &o->readers, 1, 1000},
        {"--writers", &o->writers, 1, 1000},    {"--closers", &o->closers, 2, 1000},
        {"--handles", &o->handles, 1, 10000},   {"--slack-ms", &o->slack_ms, 0, 1000000},
        {"--memory-mb", &o->memory_mb, 0, 1000000},
    };
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *text = i + 1 < argc ? argv[i + 1] : "";
        unsigned long long value = 0;
        bool known = false;
        if (strcmp(name, "--break-claim") == 0) { /* not in the usage: for the test of the checks */
            o->break_claim = text;
            continue;
        }
        if (strcmp(name, "--seed") == 0 && parse_number(text, &value)) {
            o->seed = value;
            continue;
        }
        for (size_t j = 0; j < sizeof numbers / sizeof numbers[0]; j++) {
            if (strcmp(name, numbers[j].name) == 0 && parse_number(text, &value) && value >= numbers[j].least &&
                value <= numbers[j].most) {
                *numbers[j].value = (unsigned)value;
                known = true;
            }
        }
        if (!known) {
            fprintf(stderr, "sqlite_race: cannot use \"%s %s\"\n", name, text);
            return false;
        }
    }
    if (o->handles < o->closers / 2) { /* each team of two is at a handle of its own */
        fprintf(stderr, "sqlite_race: --handles must be at least half of --closers\n");
        return false;
    }
    return true;
}

static bool setup(void)
{
    const qz_kind_ops ops = {
        .struct_size = sizeof ops, .on_close = connection_on_close, .on_destroy = connection_on_destroy, .ctx = NULL};
    const qz_status status = qz_kind_new("sqlite connection", &ops, &race.kind);
    if (status != QZ_OK) {
        fprintf(stderr, "sqlite_race: qz_kind_new: %s: %s\n", qz_status_name(status), qz_last_error());
        return false;
    }
    race.slots = calloc(race.options.handles, sizeof *race.slots);
    for (unsigned i = 0; race.slots != NULL && i < race.options.handles; i++) {
        if (!connection_open(&race.slots[i])) {
            fprintf(stderr, "sqlite_race: cannot open connection %u: %s\n", i, race.surprises[0]);
            return false;
        }
    }
    return race.slots != NULL && teams_form();
}

static void wait_until_us(long long when)
{
    for (;;) {
        const long long left = when - now_us();
        if (left <= 0) {
            return;
        }
        const struct timespec pause = {.tv_sec = left / 1000000, .tv_nsec = (left % 1000000) * 1000};
        nanosleep(&pause, NULL);
    }
}

/* One line a second, and a look at the memory once everything has been used for a while. */
static void watch(void)
{
    const long long start = now_us();
    const unsigned warm = race.options.seconds < 12 ? race.options.seconds / 4 : 3;
    for (unsigned second = 0; second <= race.options.seconds; second++) {
        wait_until_us(start + second * 1000000LL);
        if (second == warm) {
            wait_until_us(start + second * 1000000LL + 200000);
            race.rss_warm_kb = resident_kb();
        }
        if (second > 0) {
            progress(second, second == race.options.seconds);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (!parse(argc, argv)) {
        usage(stderr);
        return 2;
    }
    const struct options *o = &race.options;
    printf("%u readers, %u writers and %u closers share %u SQLite connections for %u s "
           "(SQLite %s, libquiescent %s, seed %llu)\n",
           o->readers, o->writers, o->closers, o->handles, o->seconds, sqlite3_libversion(), qz_version(),
           (unsigned long long)o->seed);
    fflush(stdout);
    race.rss_start_kb = resident_kb();
    if (!setup()) {
        return 2;
    }

    const unsigned users = o->readers + o->writers, total = users + o->closers;
    pthread_t *threads = calloc(total, sizeof *threads);
    unsigned *numbers = calloc(total, sizeof *numbers);
    if (threads == NULL || numbers == NULL) {
        fprintf(stderr, "sqlite_race: no memory\n");
        return 2;
    }
    for (unsigned i = 0; i < total; i++) {
        void *(*role)(void *) = i < o->readers ? reader : i < users ? writer : closer;
        numbers[i] = i < o->readers ? i : i < users ? i - o->readers : i - users;
        if (pthread_create(&threads[i], NULL, role, &numbers[i]) != 0) {
            fprintf(stderr, "sqlite_race: cannot start thread %u\n", i);
            return 2; /* the process ends with live handles and running threads: that is allowed, too */
        }
    }
    watch();

    /* First the closers stop; then the kind is closed under the readers and writers, which frees what is left. */
    atomic_store(&race.stop_closers, true);
    for (unsigned i = users; i < total; i++) {
        pthread_join(threads[i], NULL);
    }
    const unsigned long long before = counted(&race.tally.destroyed);
    const qz_status status = qz_kind_close(race.kind, QZ_DEFAULT_TIMEOUT, &race.left_by_kind);
    if (status != QZ_OK) {
        surprise("qz_kind_close", qz_status_name(status), &race.tally.unexpected);
    }
    race.closed_with_kind = counted(&race.tally.destroyed) - before;
    atomic_store(&race.stop, true);
    for (unsigned i = 0; i < users; i++) {
        pthread_join(threads[i], NULL);
    }
    const qz_status quiet = qz_quiesce_all(QZ_DEFAULT_TIMEOUT, &race.left_at_end);
    if (quiet != QZ_OK) {
        surprise("qz_quiesce_all", qz_status_name(quiet), &race.tally.unexpected);
    }

    malloc_trim(0);
    race.rss_end_kb = resident_kb();
    race.sqlite_bytes_end = sqlite3_memory_used();
    if (o->break_claim != NULL && strcmp(o->break_claim, "destroy-twice") == 0) {
        atomic_fetch_add(&race.records[0]->destroyed, 1);
        count(&race.tally.destroyed);
    }
    report();
    const unsigned failed = verify();

    for (size_t i = 0; i < (size_t)counted(&race.tally.opened); i++) {
        free(race.records[i]);
    }
    free(race.records);
    free(race.slots);
    free(threads);
    free(numbers);
    teams_dissolve();
    return failed == 0 ? 0 : 1;
}
