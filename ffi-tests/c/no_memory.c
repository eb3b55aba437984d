/* Out of memory:
 *
 *  - After a thread's first call, enter, leave, try_free and free allocate nothing, so they cannot fail for lack of memory.
 *  - Everything else answers NO_MEMORY, and loses nothing: not the object, not the count, not the next call. */
#include "visitor.h"

#include "allocation.h"
#include <signal.h>
#include <sys/wait.h>

/* ---- nothing is allocated ---- */

static qz_kind *kind;

static void *first_call_of_a_thread(void *handle) {
    void *object = NULL;
    CHECK(qz_handle_enter(handle, kind, "first", &object) == QZ_OK);
    CHECK(qz_handle_leave(handle) == QZ_OK);
    long before = allocations;
    fail_after(0);
    for (int i = 0; i < 1000; i++) {
        for (int depth = 0; depth < 3; depth++) CHECK(qz_handle_enter(handle, kind, "later", &object) == QZ_OK);
        for (int depth = 0; depth < 3; depth++) CHECK(qz_handle_leave(handle) == QZ_OK);
    }
    CHECK_SAY(allocations == before, "1000 enters and leaves asked for memory %ld times", allocations - before);
    succeed_again();
    return NULL;
}

static void enter_and_leave_allocate_nothing(void) {
    thing t;
    pthread_t threads[4];
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < 4; i++) start_thread(&threads[i], first_call_of_a_thread, h);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    (void)first_call_of_a_thread(h);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

/* With nobody and with somebody inside, with a wait that really sleeps, with losers, with on_close and late reclaim. */
static void free_allocates_nothing(void) {
    enum { N = 200 };
    static thing t[N];
    static qz_handle *h[N];
    for (int i = 0; i < N; i++) h[i] = new_handle(kind, &t[i]);
    EXPECT(qz_handle_free(h[N - 1], 0), QZ_OK); /* the thread's first call of each sort */
    visitor inside, slow;
    caller winner;
    visitor_enter(&inside, h[0], kind, "inside");
    visitor_enter(&slow, h[1], kind, "slow");
    caller_start(&winner, call_free_infinite, h[1]);
    while (!qz_handle_is_closing(h[1])) sleep_ms(1);

    void *object = NULL;
    long before = allocations;
    fail_after(0);
    CHECK(qz_handle_try_free(h[0]) == QZ_ERR_BUSY);
    CHECK(qz_handle_free(h[0], 60) == QZ_FREE_PENDING); /* sleeps */
    CHECK(qz_handle_free(h[0], 20) == QZ_FREE_PENDING);
    CHECK(qz_handle_free(h[1], 20) == QZ_FREE_PENDING); /* a loser that sleeps */
    CHECK(qz_handle_wait_freed(h[1], 20) == QZ_ERR_TIMEOUT);
    CHECK(qz_handle_enter(h[2], kind, "self", &object) == QZ_OK);
    CHECK(qz_handle_free(h[2], QZ_INFINITE) == QZ_FREE_PENDING);
    CHECK(qz_handle_leave(h[2]) == QZ_OK);
    for (int i = 3; i < N - 1; i++)
        CHECK((i % 2 ? qz_handle_try_free(h[i]) : qz_handle_free(h[i], QZ_DEFAULT_TIMEOUT)) == QZ_OK);
    for (int i = 3; i < N - 1; i++) CHECK(qz_handle_free(h[i], QZ_DEFAULT_TIMEOUT) == QZ_ALREADY_FREED);
    CHECK(qz_handle_enter(h[5], kind, "stale", &object) == QZ_ERR_FREED);
    CHECK_SAY(allocations == before, "the frees asked for memory %ld times", allocations - before);
    succeed_again();

    visitor_leave(&inside);
    visitor_leave(&slow);
    CHECK(caller_join(&winner) == QZ_OK);
    for (int i = 0; i < N; i++) CHECK(destroys(&t[i]) == 1);
}

static void embedded_guards_allocate_nothing(void) {
    static qz_guard guard;
    static qz_rundown rundown;
    long before = allocations;
    fail_after(0);
    CHECK(qz_guard_try_enter(&guard) == QZ_OK);
    CHECK(qz_guard_begin_free(&guard, 20) == QZ_ERR_TIMEOUT);
    CHECK(qz_guard_leave(&guard) == QZ_OK);
    CHECK(qz_guard_wait_drained(&guard, 0) == QZ_OK);
    CHECK(qz_rundown_try_acquire(&rundown, 2) == QZ_OK);
    CHECK(qz_rundown_wait(&rundown, 20) == QZ_ERR_TIMEOUT);
    CHECK(qz_rundown_release(&rundown, 2) == QZ_OK);
    CHECK(qz_rundown_wait(&rundown, 0) == QZ_OK);
    CHECK(qz_rundown_re_init(&rundown) == QZ_OK);
    CHECK_SAY(allocations == before, "asked for memory %ld times", allocations - before);
    succeed_again();
}

static void only_the_new_of_a_cache_aware_rundown_allocates(void) {
    qz_cache_aware_rundown *r = NULL;
    uint32_t stripe = 77;
    long allowed = 0;
    for (;; allowed++) { /* each of its allocations may fail */
        r = (qz_cache_aware_rundown *)&stripe;
        fail_after(allowed);
        qz_status got = qz_cache_aware_rundown_new(&r);
        succeed_again();
        if (got == QZ_OK) break;
        CHECK(r == NULL && allowed < 100);
        CHECK(got == QZ_ERR_NO_MEMORY);
    }
    CHECK_SAY(allowed > 0, "making it asked for memory %ld times", allowed);
    EXPECT(qz_cache_aware_rundown_wait(r, 0), QZ_OK);
    EXPECT(qz_cache_aware_rundown_delete(r), QZ_OK);
    fail_after(0);
    EXPECT(qz_cache_aware_rundown_new(&r), QZ_ERR_NO_MEMORY);
    succeed_again();
    EXPECT(qz_cache_aware_rundown_new(&r), QZ_OK);
    long before = allocations;
    fail_after(0);
    CHECK(qz_cache_aware_rundown_try_acquire(r, 2, &stripe) == QZ_OK);
    CHECK(qz_cache_aware_rundown_wait(r, 20) == QZ_ERR_TIMEOUT);
    CHECK(qz_cache_aware_rundown_release(r, 2, stripe) == QZ_OK);
    CHECK(qz_cache_aware_rundown_wait(r, 0) == QZ_OK);
    CHECK(qz_cache_aware_rundown_re_init(r) == QZ_OK);
    CHECK(qz_cache_aware_rundown_wait(r, 0) == QZ_OK);
    CHECK(qz_cache_aware_rundown_delete(r) == QZ_OK);
    CHECK_SAY(allocations == before, "asked for memory %ld times", allocations - before);
    succeed_again();
}

static long before_abort;

static void aborted(int signal) {
    (void)signal;
    _Exit(allocations == before_abort ? 42 : 1);
}

/* The report, the statistics, and the last words of a process that is to abort. */
static void what_is_told_allocates_nothing(void) {
    thing t;
    qz_stats stats;
    char text[2000];
    size_t length = 0;
    int status = 0;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "inside", &t);
    long before = allocations;
    fail_after(0);
    CHECK(qz_report(text, sizeof text, &length) == QZ_OK && strstr(text, "'inside'") != NULL);
    CHECK(qz_stats_get(&stats, sizeof stats) == QZ_OK && stats.live > 0);
    CHECK_SAY(allocations == before, "asked for memory %ld times", allocations - before);
    succeed_again();
    leave(h);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        kind = new_kind("of the child");
        h = new_handle(kind, &t);
        EXPECT(qz_handle_free(h, 0), QZ_OK);
        signal(SIGABRT, aborted);
        CHECK(qz_misuse_set_level(QZ_MISUSE_ABORT) == QZ_OK);
        before_abort = allocations;
        fail_after(0);
        (void)qz_handle_free(h, 0);
        _Exit(2);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_SAY(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status 0x%x of a child that was to abort", (unsigned)status);
}

/* ---- NO_MEMORY, and nothing lost ---- */

static void unused_hook(int32_t misuse, const void *handle, void *ctx) {
    (void)misuse;
    (void)handle;
    (void)ctx;
}

static void the_hook_stays_as_it_was(void) {
    static int first, second;
    EXPECT(qz_misuse_set_hook(unused_hook, &first), QZ_OK);
    fail_after(0);
    EXPECT(qz_misuse_set_hook(unused_hook, &second), QZ_ERR_NO_MEMORY);
    EXPECT(qz_misuse_set_hook(NULL, NULL), QZ_OK);
    EXPECT(qz_misuse_set_hook(unused_hook, &first), QZ_OK); /* as before: it needs no memory again */
    succeed_again();
    EXPECT(qz_misuse_set_hook(NULL, NULL), QZ_OK);
}

static void new_handles_until_there_is_no_memory(void) {
    enum { MANY = 200000 };
    static thing t[MANY];
    static qz_handle *h[MANY];
    int made = 0;
    qz_status got = QZ_OK;
    fail_after(0);
    for (; made < MANY; made++) {
        thing_init(&t[made]);
        h[made] = (qz_handle *)0x1234;
        if ((got = qz_handle_new(kind, &t[made], &h[made])) != QZ_OK) break;
    }
    succeed_again();
    CHECK_SAY(got == QZ_ERR_NO_MEMORY && failed > 0, "%d handles without memory, then %s", made,
              qz_status_name((int32_t)got));
    log_status("qz_handle_new(", got);
    CHECK(h[made] == NULL && destroys(&t[made]) == 0);      /* the object stays the caller's */
    EXPECT(qz_handle_new(kind, &t[made], &h[made]), QZ_OK); /* with memory, the same object is taken */
    for (int i = 0; i <= made; i++) {
        void *object = NULL;
        CHECK(qz_handle_enter(h[i], kind, "alive", &object) == QZ_OK && object == &t[i]);
        CHECK(qz_handle_leave(h[i]) == QZ_OK);
        CHECK(qz_handle_free(h[i], 0) == QZ_OK && destroys(&t[i]) == 1);
    }
    printf("    %d shells were at hand without memory\n", made);
}

static void new_kinds_until_there_is_no_memory(void) {
    enum { MANY = 20000 };
    static qz_kind *kinds[MANY];
    int made = 0;
    qz_status got = QZ_OK;
    fail_after(0);
    for (; made < MANY; made++) {
        kinds[made] = (qz_kind *)0x1234;
        if ((got = qz_kind_new("no memory", NULL, &kinds[made])) != QZ_OK) break;
    }
    succeed_again();
    CHECK_SAY(got == QZ_ERR_NO_MEMORY && failed > 0, "%d kinds without memory, then %s", made,
              qz_status_name((int32_t)got));
    log_status("qz_kind_new(", got);
    CHECK(kinds[made] == NULL);
    EXPECT(qz_kind_new("memory again", NULL, &kinds[made]), QZ_OK);
    for (int i = 0; i <= made; i++) EXPECT(qz_kind_close(kinds[i], 0, NULL), QZ_OK);
}

static void new_holds_until_there_is_no_memory(void) {
    enum { MANY = 200000 };
    static qz_hold *holds[MANY];
    thing t;
    int made = 0;
    qz_status got = QZ_OK;
    qz_handle_info info;
    qz_handle *h = new_handle(kind, &t);
    void *object = NULL;
    fail_after(0);
    for (; made < MANY; made++) {
        holds[made] = (qz_hold *)0x1234;
        if ((got = qz_handle_hold(h, kind, "no memory", &object, &holds[made])) != QZ_OK) break;
    }
    succeed_again();
    CHECK_SAY(got == QZ_ERR_NO_MEMORY && failed > 0, "%d holds without memory, then %s", made,
              qz_status_name((int32_t)got));
    log_status("qz_handle_hold(", got);
    CHECK(holds[made] == NULL);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    CHECK_SAY((int)info.in_flight == made, "%d holds, %u in flight", made,
              info.in_flight); /* the refused one is not in flight */
    for (int i = 0; i < made; i++) CHECK(qz_hold_release(holds[i]) == QZ_OK);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    CHECK(destroys(&t) == 1);
}

/* A thread inside more different handles than its record has room for. */
static void entering_ever_deeper(void) {
    enum { DEEP = 5000 };
    static thing t[DEEP];
    static qz_handle *h[DEEP];
    int inside = 0;
    qz_status got = QZ_OK;
    void *object = NULL;
    for (int i = 0; i < DEEP; i++) h[i] = new_handle(kind, &t[i]);
    fail_after(0);
    for (; inside < DEEP; inside++)
        if ((got = qz_handle_enter(h[inside], kind, "deep", &object)) != QZ_OK) break;
    succeed_again();
    CHECK_SAY(got == QZ_ERR_NO_MEMORY && inside >= 8, "inside %d handles, then %s", inside,
              qz_status_name((int32_t)got));
    log_status("qz_handle_enter(", got);
    EXPECT(qz_handle_leave(h[inside]), QZ_ERR_NOT_INSIDE);
    EXPECT(qz_handle_try_free(h[inside]), QZ_OK); /* the refused one is not in flight */
    for (int i = 0; i < inside; i++) {
        EXPECT(qz_handle_try_free(h[i]), QZ_ERR_BUSY);
        EXPECT(qz_handle_leave(h[i]), QZ_OK);
    }
    for (int i = 0; i < DEEP; i++) CHECK(qz_handle_free(h[i], 0) == (i == inside ? QZ_ALREADY_FREED : QZ_OK));
    printf("    inside %d handles at once without memory\n", inside);
}

static atomic_int starved;

static void *first_call_without_memory(void *handle) {
    void *object = NULL;
    fail_after(0);
    qz_status got = qz_handle_enter(handle, kind, "starved", &object);
    if (got == QZ_ERR_NO_MEMORY) {
        atomic_fetch_add(&starved, 1);
        CHECK(qz_handle_leave(handle) == QZ_ERR_NOT_INSIDE);
    } else {
        CHECK_SAY(got == QZ_OK, "a thread's first call without memory answered %s", qz_status_name((int32_t)got));
        CHECK(qz_handle_leave(handle) == QZ_OK);
    }
    CHECK(qz_last_error() != NULL);
    /* A free needs nothing of the kind. */
    CHECK(qz_handle_try_free((qz_handle *)&object) == QZ_ERR_BAD_HANDLE);
    succeed_again();
    CHECK(qz_handle_enter(handle, kind, "fed", &object) == QZ_OK);
    sleep_ms(20); /* so that many records are in use at once */
    CHECK(qz_handle_leave(handle) == QZ_OK);
    return NULL;
}

static void first_calls_without_memory(void) {
    enum { THREADS = 200 };
    thing t;
    pthread_t threads[THREADS];
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < THREADS; i++) start_thread(&threads[i], first_call_without_memory, h);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    EXPECT(qz_handle_try_free(h), QZ_OK); /* none of the refused is in flight */
    CHECK(destroys(&t) == 1);
    CHECK_SAY(atomic_load(&starved) > 0, "no first call was short of memory: nothing was tested");
    printf("    %d of %d first calls were refused\n", atomic_load(&starved), THREADS);
}

static void count_up(void *ctx) { atomic_fetch_add((atomic_int *)ctx, 1); }

/* Every allocation of a whole life fails once, on a thread whose first call it is: the n-th, and all after it. */
static long allowed;
static bool life_was_complete;

static void *one_life(void *unused) {
    thing t;
    qz_kind *own = NULL;
    qz_handle *h = NULL;
    qz_hold *taken = NULL;
    qz_occupant occupant;
    void *object = NULL;
    size_t count = 0;
    atomic_int freed_hooks = 0;
    int hooks = 0;
    (void)unused;
    thing_init(&t);
    qz_kind_ops ops = {sizeof ops, thing_on_close, thing_on_destroy, NULL};
#define OK_OR_NO_MEMORY(call)                                                                                      \
    do {                                                                                                           \
        got = (call);                                                                                              \
        CHECK_SAY(got == QZ_OK || got == QZ_ERR_NO_MEMORY, "%s answered %s", #call, qz_status_name((int32_t)got)); \
        log_status(#call, got);                                                                                    \
    } while (0)
    qz_status got;
    fail_after(allowed);
    OK_OR_NO_MEMORY(qz_kind_new("life", &ops, &own));
    if (own != NULL) OK_OR_NO_MEMORY(qz_handle_new(own, &t, &h));
    bool made = h != NULL;
    if (made) {
        OK_OR_NO_MEMORY(qz_handle_on_freed(h, count_up, &freed_hooks));
        if (got == QZ_OK) hooks++;
        OK_OR_NO_MEMORY(qz_handle_set_label(h, "life"));
        OK_OR_NO_MEMORY(qz_handle_enter(h, own, "life", &object));
        bool inside = got == QZ_OK;
        OK_OR_NO_MEMORY(qz_handle_hold(h, own, "life", &object, &taken));
        OK_OR_NO_MEMORY(qz_handle_occupants(h, &occupant, sizeof occupant, 1, &count));
        if (inside) CHECK(qz_handle_leave(h) == QZ_OK); /* what was taken can always be given back */
        if (taken != NULL) CHECK(qz_hold_release(taken) == QZ_OK);
        CHECK(qz_handle_free(h, QZ_DEFAULT_TIMEOUT) == QZ_OK);
        CHECK(qz_handle_free(h, QZ_DEFAULT_TIMEOUT) == QZ_ALREADY_FREED);
    }
    if (own != NULL) OK_OR_NO_MEMORY(qz_kind_close(own, QZ_DEFAULT_TIMEOUT, NULL));
    bool closed = own == NULL || got == QZ_OK;
    life_was_complete = failed == 0;
    succeed_again();
    if (!closed) CHECK(qz_kind_close(own, QZ_DEFAULT_TIMEOUT, NULL) == QZ_OK);
    CHECK_SAY(destroys(&t) == (made ? 1 : 0), "the destructor ran %d times", destroys(&t));
    CHECK_SAY(atomic_load(&freed_hooks) == hooks, "%d of %d on_freed callbacks ran", atomic_load(&freed_hooks), hooks);
    return NULL;
#undef OK_OR_NO_MEMORY
}

static void every_allocation_of_a_life_may_fail(void) {
    life_was_complete = false;
    for (allowed = 0; !life_was_complete; allowed++) {
        pthread_t thread;
        CHECK(allowed < 1000);
        start_thread(&thread, one_life, NULL);
        pthread_join(thread, NULL);
    }
    printf("    one life after %ld failures\n", allowed - 1);
}

/* The calls for many handles need memory for all of them: without it nothing is closed, and they can be called again. */
static void many_handles_at_once(void) {
    enum { N = 1000 };
    static thing t[N];
    static qz_handle *h[N];
    static qz_status each[N];
    size_t left = 77;
    qz_kind *own = new_kind("many");
    for (int i = 0; i < N; i++) {
        h[i] = new_handle(own, &t[i]);
        each[i] = QZ_ERR_PANIC;
    }
    fail_after(0);
    EXPECT(qz_handle_free_many(h, N, 0, each), QZ_ERR_NO_MEMORY);
    EXPECT(qz_kind_close(own, 0, &left), QZ_ERR_NO_MEMORY);
    EXPECT(qz_quiesce_all(0, &left), QZ_ERR_NO_MEMORY);
    succeed_again();
    CHECK(left == 77 && !qz_handle_is_closing(QZ_HANDLE(own)));
    for (int i = 0; i < N; i++) {
        void *object = NULL;
        CHECK(each[i] == QZ_ERR_PANIC && qz_handle_enter(h[i], own, "still usable", &object) == QZ_OK);
        CHECK(qz_handle_leave(h[i]) == QZ_OK && destroys(&t[i]) == 0);
    }
    EXPECT(qz_handle_free_many(h, N / 2, 0, each), QZ_OK);
    EXPECT(qz_kind_close(own, 0, &left), QZ_OK);
    for (int i = 0; i < N; i++) CHECK(destroys(&t[i]) == 1);
}

int main(void) {
    /* First of all, while the library has nothing yet: the process's very first calls. */
    RUN(every_allocation_of_a_life_may_fail);
    kind = new_kind("no memory");
    RUN(enter_and_leave_allocate_nothing);
    RUN(free_allocates_nothing);
    RUN(embedded_guards_allocate_nothing);
    RUN(only_the_new_of_a_cache_aware_rundown_allocates);
    RUN(what_is_told_allocates_nothing);
    RUN(the_hook_stays_as_it_was);
    RUN(new_handles_until_there_is_no_memory);
    RUN(new_kinds_until_there_is_no_memory);
    RUN(new_holds_until_there_is_no_memory);
    RUN(entering_ever_deeper);
    RUN(many_handles_at_once);
    RUN(first_calls_without_memory);
    size_t left = 77;
    EXPECT(qz_quiesce_all(QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    CHECK(left == 0);
    return 0;
}
