/* The journal of examples/rust-cdylib from C. Its pointers are addresses: NULL, or from journal_new. */
#include "check.h"

/* ---- lines: numbers, each appended and written at most once */

enum { LINES = 1 << 22 };

static atomic_uchar accepted[LINES], written[LINES];
static atomic_uint next_line;

static void note_line(const char *line) {
    char *end;
    unsigned long number = strtoul(line, &end, 10);
    CHECK_SAY(*end == '\0' && end != line && number < LINES, "not a line that was appended: '%s'", line);
    unsigned char before = atomic_fetch_add(&written[number], 1);
    CHECK_SAY(before == 0, "line %lu was written twice", number);
}

static void sink(const char *line, void *ctx) {
    note_line(line);
    if (ctx != NULL) atomic_fetch_add((atomic_int *)ctx, 1);
}

static rc_status append(journal *j, int64_t timeout_ms) {
    char line[16];
    unsigned number = atomic_fetch_add(&next_line, 1);
    CHECK(number < LINES);
    snprintf(line, sizeof line, "%u", number);
    rc_status got = journal_append(j, line, timeout_ms);
    if (got == RC_OK) atomic_store(&accepted[number], 1);
    return got;
}

/* Journals are used for ever, and so remembered for ever: what LeakSanitizer then reports is something else. */
enum { JOURNALS = 1 << 17 };
static journal *eternal[JOURNALS];
static atomic_uint journals;

static journal *new_journal_for(void (*write)(const char *line, void *ctx), size_t capacity, void *ctx) {
    journal **j = &eternal[atomic_fetch_add(&journals, 1)];
    EXPECT(journal_new(capacity, write, ctx, j), RC_OK);
    CHECK(*j != NULL);
    return *j;
}

static journal *new_journal(size_t capacity, void *ctx) { return new_journal_for(sink, capacity, ctx); }

/* ---- one thing at a time */

static void nothing_and_numbers_are_refused(void) {
    journal *j = NULL;
    EXPECT(journal_append(NULL, "x", 0), RC_ERR_NULL);
    EXPECT(journal_flush(NULL), RC_ERR_NULL);
    EXPECT(journal_free(NULL, 0), RC_OK);
    EXPECT(journal_new(0, sink, NULL, &j), RC_ERR_INVALID_ARGUMENT);
    EXPECT(journal_new(1, NULL, NULL, &j), RC_ERR_NULL);
    EXPECT(journal_new(1, sink, NULL, NULL), RC_ERR_NULL);
    CHECK(j == NULL);
    j = new_journal(1, NULL);
    EXPECT(journal_append(j, NULL, 0), RC_ERR_NULL);
    EXPECT(journal_append(j, "x", -7), RC_ERR_INVALID_ARGUMENT);
    EXPECT(journal_free(j, -7), RC_ERR_INVALID_ARGUMENT);
    EXPECT(append(j, INT64_MAX), RC_OK); /* neither closed it */
    EXPECT_AFTER(append(j, 30), RC_ERR_TIMEOUT, 30);
    EXPECT(journal_free(j, 0), RC_OK);
}

static void freed_twice_and_used_afterwards(void) {
    atomic_int lines = 0;
    journal *j = new_journal(8, &lines);
    for (int i = 0; i < 3; i++) EXPECT(append(j, 0), RC_OK);
    EXPECT(journal_flush(j), RC_OK);
    CHECK(atomic_load(&lines) == 3);
    EXPECT(append(j, 0), RC_OK);
    EXPECT(journal_free(j, RC_DEFAULT_TIMEOUT), RC_OK);
    CHECK(atomic_load(&lines) == 4); /* what was left, once */
    for (int i = 0; i < 3; i++) {
        EXPECT(journal_free(j, RC_INFINITE), RC_ALREADY_FREED);
        EXPECT(append(j, RC_INFINITE), RC_ERR_FREED);
        EXPECT(journal_flush(j), RC_ERR_FREED);
    }
    CHECK(atomic_load(&lines) == 4);
}

enum { MANY = 8 };

typedef struct call {
    journal *j;
    rc_status (*make)(journal *j, int64_t timeout_ms);
    pthread_barrier_t *together; /* or NULL */
    atomic_bool begun;
    rc_status answered;
    bool slept;
} call;

static void *make_call(void *argument) {
    call *c = argument;
    if (c->together != NULL) pthread_barrier_wait(c->together);
    long before = sleeps();
    atomic_store(&c->begun, true);
    c->answered = c->make(c->j, RC_INFINITE);
    c->slept = sleeps() > before;
    return NULL;
}

static void start_call(pthread_t *thread, call *c, journal *j, rc_status (*make)(journal *, int64_t)) {
    *c = (call){.j = j, .make = make};
    start(thread, make_call, c);
    while (!atomic_load(&c->begun)) sched_yield();
}

static void blocked_appenders_are_woken_by_free(void) {
    pthread_t threads[MANY];
    call calls[MANY];
    int blocked = 0;
    journal *j = new_journal(1, NULL);
    EXPECT(append(j, 0), RC_OK);
    for (int i = 0; i < MANY; i++) start_call(&threads[i], &calls[i], j, append);
    sleep_ms(50);
    EXPECT_AT_ONCE(journal_free(j, RC_DEFAULT_TIMEOUT), RC_OK);
    for (int i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
        CHECK_SAY(calls[i].answered == RC_ERR_FREED, "a blocked append answered %d", (int)calls[i].answered);
        blocked += calls[i].slept;
    }
    CHECK_SAY(blocked > 0, "nobody was blocked: this proves nothing");
}

static void one_of_64_wins(journal *j) {
    pthread_t threads[64];
    call calls[64];
    pthread_barrier_t together;
    int won = 0;
    pthread_barrier_init(&together, NULL, 64);
    for (int i = 0; i < 64; i++) {
        calls[i] = (call){.j = j, .make = journal_free, .together = &together};
        start(&threads[i], make_call, &calls[i]);
    }
    for (int i = 0; i < 64; i++) {
        pthread_join(threads[i], NULL);
        won += calls[i].answered == RC_OK;
        CHECK(calls[i].answered == RC_OK || calls[i].answered == RC_ALREADY_FREED);
    }
    CHECK_SAY(won == 1, "%d frees answered RC_OK", won);
}

static void one_of_64_frees_wins(void) {
    for (int round = 0; round < 20; round++) {
        atomic_int lines = 0;
        journal *j = new_journal(1, &lines);
        EXPECT(append(j, 0), RC_OK);
        one_of_64_wins(j);
        CHECK(atomic_load(&lines) == 1);
    }
}

typedef struct stuck {
    journal *j;
    atomic_bool inside, may_leave;
} stuck;

static void stuck_sink(const char *line, void *ctx) {
    stuck *s = ctx;
    note_line(line);
    atomic_store(&s->inside, true);
    while (!atomic_load(&s->may_leave)) sleep_ms(1);
}

static void *flush(void *j) {
    EXPECT(journal_flush(j), RC_OK);
    return NULL;
}

static void a_free_that_timed_out_is_completed_by_a_later_one(void) {
    for (int finishers = 1; finishers <= 2; finishers++) {
        stuck s = {0};
        pthread_t flusher;
        s.j = new_journal_for(stuck_sink, 4, &s);
        EXPECT(append(s.j, 0), RC_OK);
        start(&flusher, flush, s.j);
        while (!atomic_load(&s.inside)) sched_yield();
        EXPECT(append(s.j, 0), RC_OK);
        EXPECT_AFTER(journal_free(s.j, 30), RC_FREE_PENDING, 30);
        EXPECT_AFTER(journal_free(s.j, 30), RC_FREE_PENDING, 30);
        EXPECT(append(s.j, RC_INFINITE), RC_ERR_FREED);
        atomic_store(&s.may_leave, true);
        if (finishers == 1) {
            EXPECT(journal_free(s.j, RC_INFINITE), RC_OK);
        } else {
            one_of_64_wins(s.j);
        }
        pthread_join(flusher, NULL);
        EXPECT(journal_free(s.j, RC_INFINITE), RC_ALREADY_FREED);
    }
}

static void freeing_sink(const char *line, void *ctx) {
    stuck *s = ctx;
    note_line(line);
    if (!atomic_exchange(&s->inside, true)) {
        EXPECT_AFTER(journal_free(s->j, 30), RC_FREE_PENDING, 30); /* a guard knows no threads: it waits for itself */
        EXPECT(append(s->j, RC_INFINITE), RC_ERR_FREED);
    } else {
        EXPECT(journal_free(s->j, RC_INFINITE), RC_ALREADY_FREED); /* from the destructor */
    }
}

static void a_free_from_inside_is_completed_outside(void) {
    stuck s = {0};
    s.j = new_journal_for(freeing_sink, 4, &s);
    EXPECT(append(s.j, 0), RC_OK);
    EXPECT(journal_flush(s.j), RC_OK);
    EXPECT(journal_free(s.j, RC_INFINITE), RC_OK);
    EXPECT(journal_free(s.j, RC_INFINITE), RC_ALREADY_FREED);

    s = (stuck){.inside = true};
    s.j = new_journal_for(freeing_sink, 4, &s);
    EXPECT(append(s.j, 0), RC_OK);
    EXPECT(journal_free(s.j, RC_INFINITE), RC_OK); /* its destructor's sink frees it once more */
}

/* ---- everything at once */

enum { SLOTS = 4, WORKERS = 6, CLOSERS = 3, LOTS = 1 << 16 };

typedef struct lot {
    journal *j;
    atomic_int won, woken;
} lot;

static lot lots[LOTS];
static atomic_long opened;
static _Atomic(lot *) slots[SLOTS];
static atomic_bool over;
static atomic_long pending, already;

static lot *open_lot(void) {
    lot *l = &lots[atomic_fetch_add(&opened, 1)];
    l->j = new_journal(1 + (size_t)atomic_load(&opened) % 3, NULL);
    return l;
}

static void *work(void *argument) {
    static const int64_t timeouts[] = {0, 1, RC_INFINITE, RC_INFINITE};
    uint64_t seed = (uint64_t)(uintptr_t)argument;
    while (!atomic_load(&over)) {
        lot *l = atomic_load(&slots[choose(&seed, SLOTS)]);
        int64_t timeout = timeouts[choose(&seed, 4)];
        bool flushes = choose(&seed, 3) == 0;
        long before = sleeps();
        rc_status got = flushes ? journal_flush(l->j) : append(l->j, timeout);
        if (got == RC_ERR_FREED && sleeps() > before) atomic_fetch_add(&l->woken, 1);
        bool late = got == RC_ERR_TIMEOUT && timeout != RC_INFINITE;
        CHECK_SAY(got == RC_OK || got == RC_ERR_FREED || late, "answered %d", (int)got);
    }
    return NULL;
}

static pthread_barrier_t gate;
static lot *victim;

/* All closers free the same journal at the same time; the first one sees to the rest. */
static void *close_all(void *argument) {
    static const int64_t timeouts[] = {0, 1, RC_DEFAULT_TIMEOUT};
    uintptr_t me = (uintptr_t)argument;
    uint64_t seed = 1000 + me;
    double until = now_ms() + SECONDS * 1e3;
    for (unsigned round = 0;; round++) {
        unsigned slot = round % SLOTS;
        if (me == 1) {
            if (choose(&seed, 4) == 0) sleep_ms(1);
            bool is_full = atomic_load(&opened) > LOTS - 8 || atomic_load(&next_line) > LINES / 2;
            atomic_store(&over, now_ms() > until || is_full);
            victim = atomic_load(&slots[slot]);
        }
        pthread_barrier_wait(&gate);
        if (atomic_load(&over)) return NULL;
        rc_status got = journal_free(victim->j, timeouts[choose(&seed, 3)]);
        switch (got) {
            case RC_OK: atomic_fetch_add(&victim->won, 1); break;
            case RC_FREE_PENDING: atomic_fetch_add(&pending, 1); break;
            default:
                CHECK_SAY(got == RC_ALREADY_FREED, "a free answered %d", (int)got);
                atomic_fetch_add(&already, 1);
        }
        pthread_barrier_wait(&gate);
        if (me == 1) atomic_store(&slots[slot], open_lot());
    }
}

static void frees_race_calls(void) {
    pthread_t workers[WORKERS], closers[CLOSERS];
    pthread_barrier_init(&gate, NULL, CLOSERS);
    for (int i = 0; i < SLOTS; i++) atomic_store(&slots[i], open_lot());
    for (uintptr_t i = 0; i < WORKERS; i++) start(&workers[i], work, (void *)(i + 1));
    for (uintptr_t i = 0; i < CLOSERS; i++) start(&closers[i], close_all, (void *)(i + 1));
    for (int i = 0; i < CLOSERS; i++) pthread_join(closers[i], NULL);
    for (int i = 0; i < SLOTS; i++) {
        lot *l = atomic_load(&slots[i]);
        if (journal_free(l->j, RC_DEFAULT_TIMEOUT) == RC_OK) atomic_fetch_add(&l->won, 1); /* wakes the last workers */
    }
    for (int i = 0; i < WORKERS; i++) pthread_join(workers[i], NULL);

    long n = atomic_load(&opened), late = 0, met = 0, woken = 0;
    for (long i = 0; i < n; i++) {
        rc_status got = journal_free(lots[i].j, 0); /* nobody is inside any more */
        int won = atomic_load(&lots[i].won) + (got == RC_OK);
        CHECK(got == RC_OK || got == RC_ALREADY_FREED);
        CHECK_SAY(won == 1, "%d frees of one journal answered RC_OK", won);
        late += got == RC_OK;
        woken += atomic_load(&lots[i].woken);
        met += atomic_load(&lots[i].woken) > 0;
    }
    printf("    %ld journals, each freed by %d threads: %ld pending, %ld already freed; %ld completed at the end\n", n,
           CLOSERS, atomic_load(&pending), atomic_load(&already), late);
    report_overlap(n, met, woken);
    CHECK(atomic_load(&pending) > 0 && atomic_load(&already) > 0);
}

static void every_line_was_written_once(void) {
    long in = 0, out = 0;
    for (unsigned i = 0; i < LINES; i++) {
        in += atomic_load(&accepted[i]);
        out += atomic_load(&written[i]);
        CHECK_SAY(atomic_load(&accepted[i]) == atomic_load(&written[i]), "line %u: appended %d, written %d times", i,
                  atomic_load(&accepted[i]), atomic_load(&written[i]));
    }
    printf("    %ld lines appended, %ld written\n", in, out);
    CHECK(in > 0);
}

int main(void) {
    RUN(nothing_and_numbers_are_refused);
    RUN(freed_twice_and_used_afterwards);
    RUN(blocked_appenders_are_woken_by_free);
    RUN(one_of_64_frees_wins);
    RUN(a_free_that_timed_out_is_completed_by_a_later_one);
    RUN(a_free_from_inside_is_completed_outside);
    RUN(frees_race_calls);
    RUN(every_line_was_written_once);
    return 0;
}
