/* What came of the race: the progress line, the table, and the claims that decide the exit code. */
#define _GNU_SOURCE
#include "sqlite_race.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Resident memory of this process. */
long resident_kb(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) {
        resident = 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* 1234567 as "1 234 567". Eight results live at a time; for the main thread only. */
static const char *grouped(unsigned long long number)
{
    static char buffers[8][32];
    static unsigned next;
    char *out = buffers[next++ % 8], digits[24];
    const int length = snprintf(digits, sizeof digits, "%llu", number);
    for (int i = 0; i < length; i++) {
        *out++ = digits[i];
        if ((length - i) % 3 == 1 && i + 1 < length) {
            *out++ = ' ';
        }
    }
    *out = '\0';
    return buffers[(next - 1) % 8];
}

void progress(unsigned second, bool last)
{
    const unsigned long long freed = counted(&race.tally.destroyed), opened = counted(&race.tally.opened);
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    printf("%s%4u s  %12s operations  %8s handles freed  %2llu live%s", terminal ? "\r\033[K" : "", second,
           grouped(counted(&race.tally.admitted)), grouped(freed), opened - freed, terminal && !last ? "" : "\n");
    fflush(stdout);
}

/* ---- what the records of all connections say together ---- */

struct survey {
    uint64_t freed, met, destroyed_not_once, freed_by_one, winners_wrong, drains;
    long long *drain_us; /* of the frees that met operations, sorted */
};

static int ascending(const void *a, const void *b)
{
    const long long left = *(const long long *)a, right = *(const long long *)b;
    return (left > right) - (left < right);
}

static struct survey survey_records(void)
{
    struct survey survey = {0};
    const size_t opened = (size_t)counted(&race.tally.opened);
    survey.drain_us = calloc(opened + 1, sizeof *survey.drain_us);
    for (size_t i = 0; i < opened; i++) {
        struct connection *record = race.records[i];
        survey.destroyed_not_once += atomic_load(&record->destroyed) != 1;
        const unsigned issued = atomic_load(&record->issued);
        if (issued == 0) {
            continue; /* ended with its kind */
        }
        survey.freed++;
        survey.freed_by_one += issued < 2;
        const unsigned ok = atomic_load(&record->ok);
        survey.winners_wrong += ok > 1 || (ok == 0 && atomic_load(&record->pending) == 0);
        if (atomic_load(&record->met)) {
            survey.met++;
            if (survey.drain_us != NULL && !atomic_load(&record->sat)) {
                survey.drain_us[survey.drains++] = atomic_load(&record->drain_us);
            }
        }
    }
    if (survey.drain_us != NULL) {
        qsort(survey.drain_us, survey.drains, sizeof *survey.drain_us, ascending);
    }
    return survey;
}

static double percentile_ms(const struct survey *survey, double share)
{
    if (survey->drains == 0) {
        return 0;
    }
    const size_t index = (size_t)(share * (double)(survey->drains - 1) + 0.5);
    return (double)survey->drain_us[index] / 1000;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* ---- the table ---- */

static void row(const char *name, const counter *value, const char *remark)
{
    printf("  %-28s %12s%s%s\n", name, grouped(counted(value)), *remark != '\0' ? "   " : "", remark);
}

static int most_often_first(const void *a, const void *b)
{
    const struct blame *left = a, *right = b;
    return (left->times < right->times) - (left->times > right->times);
}

static void report_blame(void)
{
    const size_t blames = sizeof race.blames / sizeof race.blames[0];
    qsort(race.blames, blames, sizeof race.blames[0], most_often_first);
    printf("who was inside when a free gave up\n");
    for (size_t i = 0; i < blames && race.blames[i].times != 0; i++) {
        const struct blame *blame = &race.blames[i];
        printf("  %-28.28s %12s   such as thread \"%.15s\"", blame->operation, grouped(blame->times), blame->thread);
        if (blame->longest_ms >= 0) {
            printf(", inside for %lld ms or more", blame->longest_ms);
        }
        printf("\n");
    }
    printf("  in the words of qz_last_error():\n    %s\n", race.blame_in_words);
}

void report(void)
{
    const struct tally *t = &race.tally;
    struct survey survey = survey_records();
    char remark[160];

    printf("\noperations\n");
    row("admitted", &t->admitted, "");
    row("  cut short by a close", &t->interrupted, "on_close calls sqlite3_interrupt");
    for (int i = 0; i < (int)(sizeof t->refused / sizeof t->refused[0]); i++) {
        if (counted(&t->refused[i]) > 0) {
            row("refused", &t->refused[i], qz_status_name(-i));
        }
    }

    printf("handles\n");
    row("opened", &t->opened, "each a SQLite connection with its own in-memory database");
    row("destructors run", &t->destroyed, "each a sqlite3_close");
    snprintf(remark, sizeof remark, "by closers; %s more with their kind, at the end", grouped(race.closed_with_kind));
    row("freed", &t->handles_freed, remark);
    printf("  %-28s %12s\n", "live at the end", grouped(race.left_at_end));

    printf("frees, each handle by at least two threads\n");
    row("QZ_OK", &t->frees_ok, "this call freed it");
    row("QZ_ALREADY_FREED", &t->frees_already, "another thread did");
    row("QZ_FREE_PENDING", &t->frees_pending, "left to the last one out, because");
    row("  its deadline passed", &t->pending_deadline, "");
    row("  it was not to wait", &t->pending_at_once, "timeout 0");
    row("  it came from inside", &t->pending_inside, "an operation of the same handle");
    row("  another free had begun", &t->pending_try, "qz_handle_try_free");
    row("later seen completed", &t->freed_late, "by qz_handle_wait_freed");
    row("QZ_ERR_BUSY", &t->frees_busy, "qz_handle_try_free: in use, nothing changed");
    row("stale tokens used again", &t->stale_uses, "freed again, waited for, entered: each answered, none harmed");
    printf("  %-28s %10.1f %%   handles that had readers or writers inside when they closed\n", "overlap",
           percent(survey.met, survey.freed));
    printf("  %-28s %9.2f ms   p99 %.2f ms, longest %.2f ms: from their close to their destructor\n", "drain p50",
           percentile_ms(&survey, 0.5), percentile_ms(&survey, 0.99), percentile_ms(&survey, 1));
    printf("  %-28s %9.2f ms   allowed: %u ms, for the scheduler\n", "latest answer after deadline",
           (double)atomic_load(&t->worst_overrun_us) / 1000, race.options.slack_ms);

    report_blame();

    printf("memory\n");
    printf("  %-28s %9.1f MB   at the start %.1f MB, after the warm-up %.1f MB\n", "resident at the end",
           (double)race.rss_end_kb / 1024, (double)race.rss_start_kb / 1024, (double)race.rss_warm_kb / 1024);
    printf("  %-28s %9lld B\n", "held by SQLite at the end", race.sqlite_bytes_end);
    free(survey.drain_us);
}

/* ---- the claims ---- */

enum relation { IS, AT_LEAST, AT_MOST };

struct claim {
    const char *key, *text;
    double measured;
    enum relation relation;
    double bound;
};

/* A claim broken on purpose has its measurement moved to the wrong side of the bound. */
static bool holds(struct claim *claim)
{
    const char *broken = race.options.break_claim;
    if (broken != NULL && (strcmp(broken, claim->key) == 0 || strcmp(broken, "all") == 0)) {
        claim->measured = claim->bound + (claim->relation == AT_LEAST ? -1 : 1);
    }
    switch (claim->relation) {
    case IS:
        return claim->measured == claim->bound;
    case AT_LEAST:
        return claim->measured >= claim->bound;
    default:
        return claim->measured <= claim->bound;
    }
}

unsigned verify(void)
{
    static const char *const relations[] = {"", "at least ", "at most "};
    const struct tally *t = &race.tally;
    struct survey survey = survey_records();
    const double opened = (double)counted(&t->opened);
    const double ledger_kb = opened * sizeof(struct connection) / 1024;
    const double grown_mb = ((double)(race.rss_end_kb - race.rss_warm_kb) - ledger_kb) / 1024;
    struct claim claims[] = {
        {"destructors", "every handle opened was destroyed", (double)counted(&t->destroyed), IS, opened},
        {"destroyed-once", "objects not destroyed exactly once", (double)survey.destroyed_not_once, IS, 0},
        {"dead-objects", "operations that saw a destroyed object", (double)counted(&t->dead_objects), IS, 0},
        {"wrong-objects", "operations that saw another handle's object or rows", (double)counted(&t->wrong_objects), IS,
         0},
        {"sql-errors", "SQL errors other than an interrupt by a close", (double)counted(&t->sql_errors), IS, 0},
        {"sqlite-close", "sqlite3_close refused: a statement was left", (double)counted(&t->close_failures), IS, 0},
        {"interrupted", "operations that a close cut short", (double)counted(&t->interrupted), AT_LEAST, 1},
        {"admitted", "operations admitted", (double)counted(&t->admitted), AT_LEAST, 1},
        {"refused", "operations refused", (double)counted(&t->refused[-QZ_ERR_FREED]), AT_LEAST, 1},
        {"statuses", "answers that a correct run cannot give", (double)counted(&t->unexpected), IS, 0},
        {"two-freers", "handles freed by one thread only", (double)survey.freed_by_one, IS, 0},
        {"one-winner", "handles without exactly one winner (OK, or left to the last one out)",
         (double)survey.winners_wrong, IS, 0},
        {"means-destroyed", "OK or ALREADY_FREED for an object not destroyed", (double)counted(&t->not_destroyed), IS,
         0},
        {"overlap", "handles closed with operations inside", (double)survey.met, AT_LEAST, 1},
        {"pending", "frees that a deadline ended", (double)counted(&t->pending_deadline), AT_LEAST, 1},
        {"completed-late", "pending frees completed later", (double)counted(&t->freed_late), IS,
         (double)counted(&t->frees_pending)},
        {"self-frees", "frees from inside", (double)counted(&t->self_frees), AT_LEAST, 1},
        {"self-frees-pending", "of them left to the last one out", (double)counted(&t->pending_inside), IS,
         (double)counted(&t->self_frees)},
        {"deadlines", "frees later than deadline and slack", (double)counted(&t->late_frees), IS, 0},
        {"sat-out", "deadlines kept under an operation that outlasts the slack", (double)counted(&t->sat_out), AT_LEAST,
         1},
        {"blamed", "operations named by frees that gave up", (double)race.blames[0].times, AT_LEAST, 1},
        {"kind-closed", "handles left when the kind was closed", (double)race.left_by_kind, IS, 0},
        {"live-handles", "handles live at the end", (double)race.left_at_end, IS, 0},
        {"sqlite-memory", "bytes SQLite holds at the end", (double)race.sqlite_bytes_end, IS, 0},
        {"memory", "MB grown since the warm-up", grown_mb, AT_MOST, race.options.memory_mb},
    };
    const unsigned total = sizeof claims / sizeof claims[0];
    unsigned failed = 0;
    for (unsigned i = 0; i < total; i++) {
        if (!holds(&claims[i])) {
            failed++;
            printf("FAILED  %s: %s: %.10g, must be %s%.10g\n", claims[i].key, claims[i].text, claims[i].measured,
                   relations[claims[i].relation], claims[i].bound);
        }
    }
    for (size_t i = 0; i < race.surprise_count; i++) {
        printf("        unexpected: %s\n", race.surprises[i]);
    }
    if (failed == 0) {
        printf("\nall %u claims hold: ", total);
        printf("every object destroyed exactly once and never used afterwards, every answer and deadline kept\n");
    } else {
        printf("\n%u of %u claims FAILED\n", failed, total);
    }
    free(survey.drain_us);
    return failed;
}
