/* Busy handles: what only the hazard lane can get wrong, and what it does where the kernel does not help. */
#include "visitor.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static qz_kind *kind;
static atomic_bool stop;

static qz_handle *busy_handle(thing *t) {
    qz_handle *h = new_handle(kind, t);
    void *object = NULL;
    for (int i = 0; i < 1000; i++)
        CHECK(qz_handle_enter(h, kind, "before", &object) == QZ_OK && qz_handle_leave(h) == QZ_OK);
    return h;
}

static uint64_t barriers(void) {
    qz_stats stats;
    EXPECT(qz_stats_get(&stats, sizeof stats), QZ_OK);
    return stats.barriers;
}

/* Nobody else has ever entered anything, so there is nobody to order. */
static void alone_no_free_needs_a_barrier(void) {
    thing t;
    qz_handle *h = busy_handle(&t);
    uint64_t before = barriers();
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    check_gone(h, &t);
    CHECK_SAY(barriers() == before, "%llu barriers", (unsigned long long)(barriers() - before));
}

static qz_status call_enter_and_leave(void *handle) {
    void *object = NULL;
    qz_status got = qz_handle_enter(handle, kind, "elsewhere", &object);
    return got == QZ_OK ? qz_handle_leave(handle) : got;
}

static void one_barrier_is_enough_for_many(void) {
    enum { N = 100 };
    static thing t[3 * N];
    qz_handle *h[N];
    qz_status each[N];
    size_t left = 7;
    qz_kind *of_all = kind;
    for (int i = 0; i < N; i++) h[i] = busy_handle(&t[i]);
    CHECK(call_elsewhere(call_enter_and_leave, h[0]) == QZ_OK); /* another thread's record */
    uint64_t before = barriers();
    EXPECT(qz_handle_free_many(h, N, 0, each), QZ_OK);
    for (int i = 0; i < N; i++) CHECK(each[i] == QZ_OK && destroys(&t[i]) == 1);
    CHECK_SAY(barriers() - before == 1, "%llu barriers", (unsigned long long)(barriers() - before));

    kind = new_kind("closed together");
    for (int i = 0; i < N; i++) busy_handle(&t[N + i]);
    before = barriers();
    EXPECT(qz_kind_close(kind, 0, &left), QZ_OK);
    CHECK_SAY(left == 0 && barriers() - before == 1, "%llu barriers", (unsigned long long)(barriers() - before));

    kind = of_all;
    for (int i = 0; i < N; i++) busy_handle(&t[2 * N + i]);
    before = barriers();
    EXPECT(qz_quiesce_all(0, &left), QZ_OK);
    CHECK_SAY(left == 0 && barriers() - before == 1, "%llu barriers", (unsigned long long)(barriers() - before));
    for (int i = N; i < 3 * N; i++) CHECK(destroys(&t[i]) == 1);
}

typedef struct storm {
    qz_handle *handle;
    pthread_t thread;
    long entered, refused;
} storm;

static void *storm_main(void *argument) {
    storm *s = argument;
    void *object = NULL;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        qz_status got = qz_handle_enter(s->handle, kind, "storm", &object);
        if (got == QZ_OK) {
            s->entered++;
            CHECK(qz_handle_leave(s->handle) == QZ_OK);
        } else {
            s->refused++;
        }
    }
    return NULL;
}

/* Somebody is inside by a slot all the time, so every try_free has to look, and to put back what it shut. */
static void try_free_refuses_nobody(void) {
    thing t;
    visitor v;
    storm storms[2];
    long tries = 0, entered = 0;
    qz_handle *h = busy_handle(&t);
    visitor_enter(&v, h, kind, "stays");
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++) {
        storms[i] = (storm){h, 0, 0, 0};
        start_thread(&storms[i].thread, storm_main, &storms[i]);
    }
    /* Some find somebody counted, and need no look at the slots; that many must have looked. */
    uint64_t before = barriers(), looked = 0;
    for (; tries < 100000 || looked < 20000; tries++) {
        CHECK(qz_handle_try_free(h) == QZ_ERR_BUSY);
        if (tries % 1000 == 0) looked = barriers() - before;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(storms[i].thread, NULL);
        CHECK_SAY(storms[i].refused == 0, "%ld entries were refused for a try_free that was busy", storms[i].refused);
        CHECK_SAY(storms[i].entered > 1000, "only %ld entries: no storm", storms[i].entered);
        entered += storms[i].entered;
    }
    printf("    %ld times busy, after %llu looks, among %ld entries\n", tries, (unsigned long long)looked, entered);
    visitor_leave(&v);
    EXPECT(qz_handle_try_free(h), QZ_OK);
    check_gone(h, &t);
}

static void *ends_inside(void *argument) {
    void *object = NULL;
    name_thread("ends inside");
    CHECK(qz_handle_enter(argument, kind, "left behind", &object) == QZ_OK);
    return NULL;
}

static void *is_cancelled_inside(void *argument) {
    void *object = NULL;
    CHECK(qz_handle_enter(argument, kind, "cancelled", &object) == QZ_OK);
    for (;;) sleep_ms(1000); /* a cancellation point */
    return NULL;
}

/* Of the one thing inside: its operation, whether its thread has ended, and since when at least. */
static void expect_left_behind(qz_handle *h, const char *operation, int64_t since_ms) {
    qz_occupant o;
    size_t count = 0;
    EXPECT(qz_handle_occupants(h, &o, sizeof o, 1, &count), QZ_OK);
    CHECK(count == 1 && strcmp(o.operation, operation) == 0 && o.has_ended == 1 && o.is_hold == 0);
    CHECK_SAY(o.since_ms >= since_ms, "only since %lld ms", (long long)o.since_ms);
    CHECK_SAY(strstr(qz_last_error(), operation) != NULL, "%s", qz_last_error());
}

static void a_thread_that_ends_inside_is_named_and_hangs_nobody(void) {
    thing t[2];
    pthread_t thread;
    qz_handle *h = busy_handle(&t[0]), *cancelled = busy_handle(&t[1]);
    qz_handle_info info;
    start_thread(&thread, ends_inside, h);
    pthread_join(thread, NULL);
    double start = now_ms();
    EXPECT(qz_handle_free(h, 50), QZ_FREE_PENDING);
    CHECK(now_ms() - start >= 49 && now_ms() - start < 50 + LATE_MS);
    expect_left_behind(h, "left behind", 49);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    CHECK(info.state == QZ_STATE_PENDING && info.in_flight == 1 && info.holds == 0);
    CHECK(destroys(&t[0]) == 0);

    start_thread(&thread, is_cancelled_inside, cancelled);
    for (size_t count = 0; count == 0;) qz_handle_occupants(cancelled, NULL, 0, 0, &count);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    EXPECT(qz_handle_free(cancelled, 20), QZ_FREE_PENDING);
    expect_left_behind(cancelled, "cancelled", 19);
    EXPECT(qz_handle_wait_freed(cancelled, 0), QZ_ERR_TIMEOUT);
    CHECK(destroys(&t[1]) == 0);
}

/* The kernel takes membarrier back, as a sandbox may: a free that cannot know who is inside destroys nothing, and says so. */
static void a_refused_barrier_keeps_the_free_pending(void) {
    struct sock_filter refuse[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof refuse / sizeof *refuse, refuse};
    thing t[3];
    visitor v;
    qz_handle_info info;
    size_t count = 7;
    qz_handle *h = busy_handle(&t[0]), *other = busy_handle(&t[1]), *many[2] = {h, other};
    qz_status each[2];
    visitor_enter(&v, h, kind, "elsewhere"); /* so that there is another thread with a record */
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        printf("    skipped: this system allows no seccomp filters\n");
        exit(0);
    }
    EXPECT(qz_handle_try_free(other), QZ_ERR_BUSY); /* it cannot tell, so it frees nothing */
    enter(other, kind, "still open", &t[1]);
    leave(other);
    EXPECT(qz_handle_free(other, QZ_INFINITE), QZ_FREE_PENDING);
    CHECK_SAY(strstr(qz_last_error(), "membarrier") != NULL, "%s", qz_last_error());
    EXPECT(qz_handle_free(h, 1000), QZ_FREE_PENDING);
    visitor_leave(&v);
    EXPECT(qz_handle_free_many(many, 2, 10, each), QZ_FREE_PENDING);
    CHECK(each[0] == QZ_FREE_PENDING && each[1] == QZ_FREE_PENDING);
    CHECK(destroys(&t[0]) == 0 && destroys(&t[1]) == 0);
    EXPECT(qz_handle_wait_freed(h, 10), QZ_ERR_TIMEOUT);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    CHECK(info.state == QZ_STATE_PENDING);
    EXPECT(qz_handle_occupants(h, NULL, 0, 0, &count), QZ_OK);
    CHECK(count == 0);
    /* New handles stay in the counter lane, which needs no barrier. */
    qz_handle *fresh = busy_handle(&t[2]);
    EXPECT(qz_handle_free(fresh, 0), QZ_OK);
    check_gone(fresh, &t[2]);
    exit(0);
}

static void in_a_child(void (*body)(void)) {
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        kind = new_kind("in a child");
        body();
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_SAY(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed (%d)", status);
}

static void without_the_barrier(void) { in_a_child(a_refused_barrier_keeps_the_free_pending); }

/* A child has its parent's records, but nobody's operations. */
static void body_of_a_child_of_a_busy_parent(void) {
    thing t;
    qz_handle *h = busy_handle(&t);
    EXPECT(qz_handle_free(h, QZ_INFINITE), QZ_OK);
    check_gone(h, &t);
    exit(0);
}

static void a_fork_with_threads_inside(void) {
    thing t;
    visitor v;
    qz_handle *h = busy_handle(&t);
    qz_kind *own = kind;
    enter(h, kind, "own", &t);
    visitor_enter(&v, h, kind, "inside");
    in_a_child(body_of_a_child_of_a_busy_parent);
    CHECK(kind == own);
    EXPECT(qz_handle_free(h, 10), QZ_FREE_PENDING);
    leave(h);
    CHECK(destroys(&t) == 0);
    visitor_leave(&v);
    check_gone(h, &t);
}

int main(void) {
    kind = new_kind("busy");
    RUN(alone_no_free_needs_a_barrier);
    RUN(one_barrier_is_enough_for_many);
    RUN(try_free_refuses_nobody);
    RUN(a_thread_that_ends_inside_is_named_and_hangs_nobody);
    RUN(without_the_barrier);
    RUN(a_fork_with_threads_inside);
    return 0;
}
