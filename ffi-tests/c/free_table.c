/* One row of the free table, in C. tests/free_table.rs holds the table and starts this program for each row and case:
 *
 *     free_table FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER
 *
 * What the function answers: AGAIN: once the subject has ended; MEANWHILE: while another call is ending it (or AGAIN);
 * PENDING, PENDING_AGAIN: the first and second time while somebody is inside; AFTER: when those have left. Exit 64: this
 * program does not know the function, subject or case. The C++ and the Python program take the same arguments. */
#include "ready_made.h"
#include "visitor.h"

#define UNKNOWN 64
#define REUSES 1000000
#define THREADS 64
#define ROUNDS 30

typedef struct subject {
    thing t;
    qz_kind *kind;
    qz_handle *handle;
    qz_hold *hold;
    qz_guard *guard;
    qz_rundown *rundown;
    qz_cache_aware_rundown *wide;
    uint32_t stripe;
    visitor inside;
} subject;

typedef struct subject_type {
    const char *name;
    void (*open)(subject *s);      /* something alive that the function can end */
    void (*open_here)(subject *s); /* the part of it that belongs to the calling thread */
    void (*occupy)(subject *s);    /* somebody is inside, so that it cannot end */
    void (*vacate)(subject *s);    /* and leaves again */
    int (*ended)(subject *s);      /* how often its destructor ran */
} subject_type;

static qz_kind *shared_kind;
static const subject_type *type;
static const ready_made *ready; /* the ready-made kind that is the subject, or NULL */
static const char *function;
static qz_status again, meanwhile, pending, pending_again, after;
static int64_t timeout_ms = QZ_DEFAULT_TIMEOUT;
static atomic_int reported; /* OKs of a guard: its owner destroys, here by counting */

/* ---- subjects ---- */

static void nothing(subject *s) { (void)s; }

static void handle_open(subject *s) { s->handle = new_handle(s->kind = shared_kind, &s->t); }
static void handle_occupy(subject *s) { visitor_enter(&s->inside, s->handle, s->kind, "occupy"); }
static void vacate(subject *s) { visitor_leave(&s->inside); }
static int thing_ended(subject *s) { return destroys(&s->t); }

static void kind_open(subject *s) {
    s->kind = new_kind("row");
    s->handle = new_handle(s->kind, &s->t);
}

/* A kind without handles, ended by qz_handle_free like any other handle. It has no destructor: its own end is counted. */
static void bare_kind_open(subject *s) {
    s->kind = new_kind("row");
    s->handle = QZ_HANDLE(s->kind);
}
static int bare_kind_ended(subject *s) { return qz_handle_wait_freed(s->handle, 0) == QZ_OK; }

/* A hold, and an operation, on a handle that is already closed: they are the last ones out, so that ending them runs the
 * destructor. */
static void hold_open(subject *s) {
    handle_open(s);
    s->hold = hold(s->handle, s->kind, "row", &s->t);
    CHECK(qz_handle_free(s->handle, 0) == QZ_FREE_PENDING);
}
static void operation_open_here(subject *s) {
    enter(s->handle, s->kind, "row", &s->t);
    CHECK(qz_handle_free(s->handle, 0) == QZ_FREE_PENDING);
}

/* Guards and run-downs lie in memory that is never given back. */
static void *eternal(size_t size) {
    static struct link {
        struct link *next;
    } *all;
    struct link *memory = calloc(1, sizeof *memory + size);
    CHECK(memory != NULL);
    memory->next = all; /* reachable, so that no leak checker takes it for an accident */
    all = memory;
    return memory + 1;
}
static void guard_open(subject *s) {
    s->guard = eternal(sizeof *s->guard);
    atomic_store(&reported, 0);
}
static void guard_occupy(subject *s) { EXPECT(qz_guard_try_enter(s->guard), QZ_OK); }
static void guard_vacate(subject *s) {
    EXPECT(qz_guard_leave(s->guard), QZ_OK);
    if (qz_guard_wait_drained(s->guard, QZ_INFINITE) == QZ_OK) atomic_fetch_add(&reported, 1);
}
static int guard_ended(subject *s) {
    (void)s;
    return atomic_load(&reported);
}
static void guard_operation_open(subject *s) {
    guard_open(s);
    CHECK(qz_guard_try_enter(s->guard) == QZ_OK);
    CHECK(qz_guard_begin_free(s->guard, 0) == QZ_ERR_TIMEOUT);
}
static int guard_operation_ended(subject *s) {
    int drained = qz_guard_wait_drained(s->guard, 0) == QZ_OK; /* to one caller only: this one */
    CHECK(qz_guard_wait_drained(s->guard, 0) == QZ_ALREADY_FREED && qz_guard_try_enter(s->guard) == QZ_ERR_FREED);
    return drained;
}
static void guard_closing_vacate(subject *s) { EXPECT(qz_guard_leave(s->guard), QZ_OK); }
static void guard_drained_open(subject *s) {
    guard_operation_open(s);
    CHECK(qz_guard_leave(s->guard) == QZ_OK);
}
/* Opened again where there is one: that is its re-use. */
static void rundown_open(subject *s) {
    if (s->rundown == NULL) s->rundown = eternal(sizeof *s->rundown);
    (void)qz_rundown_re_init(s->rundown);
}
static void rundown_occupy(subject *s) { EXPECT(qz_rundown_try_acquire(s->rundown, 1), QZ_OK); }
static void rundown_vacate(subject *s) { EXPECT(qz_rundown_release(s->rundown, 1), QZ_OK); }
static int rundown_ended(subject *s) {
    CHECK(qz_rundown_release(s->rundown, 1) ==
          QZ_ERR_NOT_INSIDE); /* nothing is out any more, and a stray release opens nothing */
    return qz_rundown_try_acquire(s->rundown, 1) == QZ_ERR_FREED;
}
static void reference_open(subject *s) {
    rundown_open(s);
    CHECK(qz_rundown_try_acquire(s->rundown, 1) == QZ_OK);
    CHECK(qz_rundown_wait(s->rundown, 0) == QZ_ERR_TIMEOUT);
}
static void rundown_complete_open(subject *s) {
    rundown_open(s);
    CHECK(qz_rundown_wait(s->rundown, 0) == QZ_OK);
}
static int rundown_reopened(subject *s) {
    qz_status got = qz_rundown_try_acquire(s->rundown, 1);
    if (got == QZ_OK) CHECK(qz_rundown_release(s->rundown, 1) == QZ_OK);
    return got == QZ_OK;
}
/* The same with stripes. Never deleted. */
static void wide_open(subject *s) {
    if (s->wide == NULL) EXPECT(qz_cache_aware_rundown_new(&s->wide), QZ_OK);
    (void)qz_cache_aware_rundown_re_init(s->wide);
}
static void wide_occupy(subject *s) { EXPECT(qz_cache_aware_rundown_try_acquire(s->wide, 1, &s->stripe), QZ_OK); }
static void wide_vacate(subject *s) { EXPECT(qz_cache_aware_rundown_release(s->wide, 1, s->stripe), QZ_OK); }
static int wide_ended(subject *s) {
    uint32_t stripe = 0;
    CHECK(qz_cache_aware_rundown_release(s->wide, 1, 0) == QZ_ERR_NOT_INSIDE);
    return qz_cache_aware_rundown_try_acquire(s->wide, 1, &stripe) == QZ_ERR_FREED;
}
static void wide_reference_open(subject *s) {
    wide_open(s);
    CHECK(qz_cache_aware_rundown_try_acquire(s->wide, 1, &s->stripe) == QZ_OK);
    CHECK(qz_cache_aware_rundown_wait(s->wide, 0) == QZ_ERR_TIMEOUT);
}
static void wide_complete_open(subject *s) {
    wide_open(s);
    CHECK(qz_cache_aware_rundown_wait(s->wide, 0) == QZ_OK);
}
static int wide_reopened(subject *s) {
    qz_status got = qz_cache_aware_rundown_try_acquire(s->wide, 1, &s->stripe);
    if (got == QZ_OK) CHECK(qz_cache_aware_rundown_release(s->wide, 1, s->stripe) == QZ_OK);
    return got == QZ_OK;
}

/* A handle of a ready-made kind has no destructor of ours: its own end is counted. What keeps its free waiting is a hold that
 * this thread took and passed on, so that it counts as somebody else's. */
static void ready_made_open(subject *s) { EXPECT(ready->make(&s->handle), QZ_OK); }
static void ready_made_occupy(subject *s) {
    EXPECT(ready->take(s->handle, &s->hold), QZ_OK);
    EXPECT(qz_hold_pass_on(s->hold), QZ_OK);
}
static void ready_made_vacate(subject *s) { EXPECT(qz_hold_release(s->hold), QZ_OK); }

static const subject_type types[] = {
    {"handle", handle_open, nothing, handle_occupy, vacate, thing_ended},
    {"kind", kind_open, nothing, handle_occupy, vacate, thing_ended},
    {"bare_kind", bare_kind_open, nothing, nothing, nothing, bare_kind_ended},
    {"ready_made", ready_made_open, nothing, ready_made_occupy, ready_made_vacate, bare_kind_ended},
    {"hold", hold_open, nothing, nothing, nothing, thing_ended},
    {"operation", handle_open, operation_open_here, nothing, nothing, thing_ended},
    {"guard", guard_open, nothing, guard_occupy, guard_vacate, guard_ended},
    {"guard_operation", guard_operation_open, nothing, nothing, nothing, guard_operation_ended},
    {"guard_closing", guard_operation_open, nothing, nothing, guard_closing_vacate, guard_ended},
    {"guard_drained", guard_drained_open, nothing, nothing, nothing, guard_ended},
    {"rundown", rundown_open, nothing, rundown_occupy, rundown_vacate, rundown_ended},
    {"reference", reference_open, nothing, nothing, nothing, rundown_ended},
    {"rundown_complete", rundown_complete_open, nothing, nothing, nothing, rundown_reopened},
    {"cache_aware_rundown", wide_open, nothing, wide_occupy, wide_vacate, wide_ended},
    {"cache_aware_reference", wide_reference_open, nothing, nothing, nothing, wide_ended},
    {"cache_aware_rundown_complete", wide_complete_open, nothing, nothing, nothing, wide_reopened},
};

/* ---- functions ---- */

static qz_status free_many_of_one(subject *s) {
    qz_status each = QZ_ERR_PANIC;
    (void)qz_handle_free_many(&s->handle, 1, timeout_ms, &each);
    return each;
}
static qz_status close_kind(subject *s) {
    size_t left = 77;
    qz_status got = qz_kind_close(s->kind, timeout_ms, &left);
    CHECK((left == 0) == (got == QZ_OK || got == QZ_ALREADY_FREED));
    return got;
}
static qz_status own_the_end(qz_status got) {
    if (got == QZ_OK) atomic_fetch_add(&reported, 1);
    return got;
}

static qz_status end(subject *s) {
    if (ends_ready_made(ready, function)) return ready->end(s->handle, timeout_ms);
#define IS(name) (strcmp(function, #name) == 0)
    if (IS(qz_handle_free)) return qz_handle_free(s->handle, timeout_ms);
    if (IS(qz_handle_try_free)) return qz_handle_try_free(s->handle);
    if (IS(qz_handle_free_many)) return free_many_of_one(s);
    if (IS(qz_handle_leave)) return qz_handle_leave(s->handle);
    if (IS(qz_kind_close)) return close_kind(s);
    if (IS(qz_quiesce_all)) return qz_quiesce_all(timeout_ms, NULL);
    if (IS(qz_hold_release)) return qz_hold_release(s->hold);
    if (IS(qz_guard_begin_free)) return own_the_end(qz_guard_begin_free(s->guard, timeout_ms));
    if (IS(qz_guard_wait_drained))
        return own_the_end(qz_guard_wait_drained(s->guard, timeout_ms == QZ_DEFAULT_TIMEOUT ? 5000 : timeout_ms));
    if (IS(qz_guard_leave)) return qz_guard_leave(s->guard);
    if (IS(qz_rundown_release)) return qz_rundown_release(s->rundown, 1);
    if (IS(qz_rundown_wait)) return qz_rundown_wait(s->rundown, timeout_ms == QZ_DEFAULT_TIMEOUT ? 5000 : timeout_ms);
    if (IS(qz_rundown_re_init)) return qz_rundown_re_init(s->rundown);
    if (IS(qz_cache_aware_rundown_release)) return qz_cache_aware_rundown_release(s->wide, 1, s->stripe);
    if (IS(qz_cache_aware_rundown_wait))
        return qz_cache_aware_rundown_wait(s->wide, timeout_ms == QZ_DEFAULT_TIMEOUT ? 5000 : timeout_ms);
    if (IS(qz_cache_aware_rundown_re_init)) return qz_cache_aware_rundown_re_init(s->wide);
#undef IS
    fprintf(stderr, "free_table.c does not know %s\n", function);
    _Exit(UNKNOWN);
}

/* ---- cases ---- */

static void expect(const char *when, qz_status got, qz_status wanted) {
    CHECK_SAY(got == wanted, "%s of a %s, %s: answered %s, expected %s (%s)", function, type->name, when,
              qz_status_name((int32_t)got), qz_status_name((int32_t)wanted), qz_last_error());
}

static void ended_once(subject *s) {
    int times = type->ended(s);
    CHECK_SAY(times == 1, "%s of a %s: it ended %d times", function, type->name, times);
}

static void three_in_a_row(subject *s) {
    expect("first", end(s), QZ_OK);
    for (int i = 0; i < 2; i++) expect("again", end(s), again);
    ended_once(s);
}

static void sequential(void) {
    subject s;
    memset(&s, 0, sizeof s);
    type->open(&s);
    type->open_here(&s);
    three_in_a_row(&s);
}

static subject *target;
static pthread_barrier_t gate;
static qz_status answers[THREADS];

static void *end_with_the_others(void *argument) {
    size_t me = (size_t)(uintptr_t)argument;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&gate); /* the subject is open */
        if (me == 0) type->open_here(target);
        pthread_barrier_wait(&gate);
        answers[me] = end(target);
        pthread_barrier_wait(&gate);
    }
    return NULL;
}

static void concurrent(void) {
    pthread_t threads[THREADS];
    static subject subjects[ROUNDS];
    pthread_barrier_init(&gate, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++) start_thread(&threads[i], end_with_the_others, (void *)(uintptr_t)i);
    for (int round = 0; round < ROUNDS; round++) {
        int winners = 0;
        target = &subjects[round];
        type->open(target);
        for (int i = 0; i < 3; i++) pthread_barrier_wait(&gate);
        for (int i = 0; i < THREADS; i++) {
            if (answers[i] == QZ_OK) winners++;
            else if (answers[i] != meanwhile) expect("concurrent", answers[i], again);
        }
        CHECK_SAY(winners == (again == QZ_OK ? THREADS : 1), "%s of a %s: %d of %d concurrent calls answered OK",
                  function, type->name, winners, THREADS);
        expect("after all", end(target), again);
        ended_once(target);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&gate);
}

/* Somebody is inside, the deadline passes, they leave, and it is freed again. */
static void timeout(void) {
    subject s;
    memset(&s, 0, sizeof s);
    type->open(&s);
    type->occupy(&s);
    timeout_ms = 30;
    expect("somebody inside", end(&s), pending);
    expect("somebody inside, again", end(&s), pending_again);
    timeout_ms = QZ_DEFAULT_TIMEOUT;
    type->vacate(&s);
    expect("they have left", end(&s), after);
    for (int i = 0; i < 2; i++) expect("again after the timeout", end(&s), again);
    ended_once(&s);
}

static long resident_kb(void) {
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%ld %ld", &size, &resident) == 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* 10^6 lives of one shell (a run-down: of one word): bounded memory, and the last life ends like the first. */
static void reuse(void) {
    static subject s;
    long before = 0;
    for (int i = 0; i < REUSES; i++) {
        if (i == 1000) before = resident_kb();
        type->open(&s);
        type->open_here(&s);
        qz_status got = end(&s);
        if (got != QZ_OK) expect("in a re-used shell", got, QZ_OK);
        if (type->ended(&s) != 1) ended_once(&s);
    }
    long grown = resident_kb() - before;
    CHECK_SAY(grown < 8 * 1024, "%s: %d re-uses made the process %ld kB larger", function, REUSES, grown);
    printf("    %d re-uses: %+ld kB\n", REUSES, grown);
    memset(&s, 0, sizeof s);
    type->open(&s);
    type->open_here(&s);
    three_in_a_row(&s);
}

/* A token of an older generation ends nothing, whoever lives in its shell now. */
static void stale(void) {
    enum { NEWER = 64 };
    static subject old, newer[NEWER];
    type->open(&old);
    type->open_here(&old);
    three_in_a_row(&old);
    for (int i = 0; i < NEWER; i++) type->open(&newer[i]);
    for (int i = 0; i < 3; i++) expect("stale", end(&old), again);
    for (int i = 0; i < NEWER; i++)
        CHECK_SAY(type->ended(&newer[i]) == 0, "%s: a stale token ended somebody else", function);
    ended_once(&old);
    for (int i = 0; i < NEWER; i++) {
        type->open_here(&newer[i]);
        three_in_a_row(&newer[i]);
    }
}

static qz_status status_named(const char *name) {
    for (int32_t i = -64; i < 64; i++)
        if (strcmp(qz_status_name(i), name) == 0) return (qz_status)i;
    fprintf(stderr, "no status is called %s\n", name);
    _Exit(UNKNOWN);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"sequential", sequential},
                 {"concurrent", concurrent},
                 {"timeout", timeout},
                 {"reuse", reuse},
                 {"stale", stale}};
    CHECK_SAY(argc == 9, "usage: free_table FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER");
    function = argv[1];
    again = status_named(argv[4]);
    meanwhile = status_named(argv[5]);
    pending = status_named(argv[6]);
    pending_again = status_named(argv[7]);
    after = status_named(argv[8]);
    ready = ready_made_named(argv[2]);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, ready != NULL ? "ready_made" : argv[2]) == 0) type = &types[i];
    for (size_t i = 0; type != NULL && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].name, argv[3]) != 0) continue;
        shared_kind = new_kind("shared");
        cases[i].run();
        printf("ok  %s of a %s, %s\n", function, type->name, argv[3]);
        return 0;
    }
    fprintf(stderr, "free_table.c does not know the subject %s or the case %s\n", argv[2], argv[3]);
    return UNKNOWN;
}
