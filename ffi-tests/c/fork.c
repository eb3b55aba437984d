/* Fork: in the child, and in the child's child, every call with a token of an ancestor answers FORKED at once, whatever the
 * parent's threads were doing at the instant of the fork; new kinds and handles work; and the parent notices nothing. */
#include "visitor.h"
#include <sys/wait.h>

static qz_kind *kind;
static thing t;
static qz_handle *handle;
static qz_hold *held;

static void ran_in_the_child(void *ctx) {
    (void)ctx;
    give_up(__FILE__, __LINE__, "on_freed ran in the child for a handle of the parent");
}

/* Every call with a parent's token. None may block: also not for the parent's threads, which do not exist here. */
static void everything_answers_forked(void) {
    void *untouched = &untouched, *object = untouched;
    qz_handle *new_one = (qz_handle *)0x1234;
    qz_hold *new_hold = (qz_hold *)0x1234;
    qz_handle_info info;
    qz_occupant occupant;
    qz_status each[2] = {QZ_OK, QZ_OK};
    qz_handle *many[2] = {handle, NULL};
    size_t left = 77;
    double begin = now_ms();
    EXPECT(qz_handle_enter(handle, kind, "child", &object), QZ_ERR_FORKED);
    EXPECT(qz_handle_hold(handle, kind, "child", &object, &new_hold), QZ_ERR_FORKED);
    EXPECT(qz_handle_leave(handle), QZ_ERR_FORKED);
    EXPECT(qz_hold_release(held), QZ_ERR_FORKED);
    EXPECT(qz_handle_new(kind, &t, &new_one), QZ_ERR_FORKED);
    EXPECT(qz_kind_close(kind, QZ_INFINITE, &left), QZ_ERR_FORKED);
    EXPECT(qz_handle_free(handle, QZ_INFINITE), QZ_ERR_FORKED);
    EXPECT(qz_handle_free(QZ_HANDLE(kind), QZ_DEFAULT_TIMEOUT), QZ_ERR_FORKED);
    EXPECT(qz_handle_try_free(handle), QZ_ERR_FORKED);
    EXPECT(qz_handle_wait_freed(handle, QZ_INFINITE), QZ_ERR_FORKED);
    EXPECT(qz_handle_on_freed(handle, ran_in_the_child, NULL), QZ_ERR_FORKED);
    EXPECT(qz_handle_set_label(handle, "child"), QZ_ERR_FORKED);
    EXPECT(qz_handle_get_info(handle, &info, sizeof info), QZ_ERR_FORKED);
    EXPECT(qz_handle_occupants(handle, &occupant, sizeof occupant, 1, &left), QZ_ERR_FORKED);
    (void)qz_handle_free_many(many, 2, QZ_INFINITE, each);
    CHECK(each[0] == QZ_ERR_FORKED && each[1] == QZ_OK);
    CHECK(qz_handle_is_closing(handle));
    CHECK(qz_last_error()[0] != '\0');
    CHECK_SAY(now_ms() - begin < LATE_MS, "the refusals took %.0f ms", now_ms() - begin);
    CHECK(object == untouched && new_one == NULL && new_hold == NULL && left == 77);
    CHECK(destroys(&t) == 0 && closes(&t) == 0); /* nothing of the parent's runs here */
}

static void new_ones_work(void) {
    thing u;
    visitor v;
    size_t left = 77;
    qz_kind *own = new_kind("of the child");
    qz_handle *mine = new_handle(own, &u);
    CHECK(mine != handle && own != kind);
    enter(mine, own, "child", &u);
    EXPECT(qz_handle_free(mine, 0), QZ_FREE_PENDING);
    leave(mine);
    check_gone(mine, &u);
    mine = new_handle(own, &u);
    visitor_enter(&v, mine, own, "a thread of the child");
    EXPECT_AFTER(qz_handle_free(mine, 20), QZ_FREE_PENDING, 20);
    visitor_leave(&v);
    check_gone(mine, &u);
    EXPECT(qz_kind_close(own, QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    EXPECT(qz_quiesce_all(QZ_INFINITE, &left), QZ_OK); /* what lives in the parent is not the child's to wait for */
    CHECK(left == 0);
}

/* Runs `body` in a child that dies by SIGALRM if it blocks. */
static void run_in_child(void (*body)(void)) {
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(20);
        body();
        _Exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) != child) {}
    CHECK_SAY(!WIFSIGNALED(status), "the child died by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    CHECK_SAY(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed");
}

static qz_handle *childs_handle;
static qz_kind *childs_kind;
static thing childs_thing;

static void grandchild(void) {
    void *object = NULL;
    everything_answers_forked();                                                               /* the grandparent's */
    EXPECT(qz_handle_enter(childs_handle, childs_kind, "grandchild", &object), QZ_ERR_FORKED); /* and the parent's */
    EXPECT(qz_handle_free(childs_handle, QZ_INFINITE), QZ_ERR_FORKED);
    EXPECT(qz_handle_leave(childs_handle), QZ_ERR_FORKED);
    CHECK(destroys(&childs_thing) == 0);
    new_ones_work();
}

static void child(void) {
    everything_answers_forked();
    new_ones_work();
    childs_kind = new_kind("of the child");
    childs_handle = new_handle(childs_kind, &childs_thing);
    enter(childs_handle, childs_kind, "while forking", &childs_thing);
    run_in_child(grandchild);
    leave(childs_handle);
    EXPECT(qz_handle_free(childs_handle, 0), QZ_OK);
    check_gone(childs_handle, &childs_thing);
    everything_answers_forked();
}

static void open_all(void) {
    handle = new_handle(kind, &t);
    held = hold(handle, kind, "held across the fork", &t);
}

static void close_all(void) {
    CHECK(destroys(&t) == 0 && t.alive == THING_ALIVE);
    EXPECT(qz_hold_release(held), QZ_OK);
    EXPECT(qz_handle_free(handle, QZ_DEFAULT_TIMEOUT), QZ_OK);
    check_gone(handle, &t);
}

static void a_quiet_parent(void) {
    open_all();
    run_in_child(child);
    close_all();
}

static void in_the_middle_of_an_operation(void) {
    open_all();
    enter(handle, kind, "forks", &t);
    enter(handle, kind, "forks, nested", &t);
    run_in_child(child);
    leave(handle);
    leave(handle);
    close_all();
}

static void a_child_of_a_child_that_never_called(void) {
    open_all();
    fflush(stdout);
    pid_t first = fork(); /* makes no call at all, only forks on */
    CHECK(first >= 0);
    if (first == 0) {
        run_in_child(everything_answers_forked);
        _Exit(0);
    }
    int status = 0;
    CHECK(waitpid(first, &status, 0) == first && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close_all();
}

/* The handle was being freed, with a drain asleep on it, when its process forked. */
static void while_another_thread_drains(void) {
    visitor v;
    caller freer;
    handle = new_handle(kind, &t);
    held = hold(handle, kind, "held across the fork", &t);
    visitor_enter(&v, handle, kind, "inside across the fork");
    caller_start(&freer, call_free_infinite, handle);
    while (!qz_handle_is_closing(handle)) sleep_ms(1);
    sleep_ms(20); /* the drain sleeps */
    int before = closes(&t);
    atomic_store(&t.closes, 0);
    for (int i = 0; i < 5; i++) {
        fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(20);
            atomic_store(&t.closes, 0);
            everything_answers_forked();
            new_ones_work();
            _Exit(0);
        }
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK(before >= 1 && destroys(&t) == 0);
    EXPECT(qz_hold_release(held), QZ_OK);
    visitor_leave(&v);
    CHECK(caller_join(&freer) == QZ_OK);
    check_gone(handle, &t);
}

static atomic_bool stop;
static atomic_long rounds;

static void *busy(void *unused) {
    (void)unused;
    thing own;
    while (!atomic_load(&stop)) {
        qz_handle *mine = NULL;
        qz_hold *taken = NULL;
        void *object = NULL;
        thing_init(&own);
        CHECK(qz_handle_new(kind, &own, &mine) == QZ_OK);
        CHECK(qz_handle_enter(mine, kind, "busy", &object) == QZ_OK);
        CHECK(qz_handle_hold(mine, kind, "busy", &object, &taken) == QZ_OK);
        CHECK(qz_handle_leave(mine) == QZ_OK);
        CHECK(qz_hold_release(taken) == QZ_OK);
        CHECK(qz_handle_set_label(mine, "busy") == QZ_OK);
        CHECK(qz_handle_free(mine, QZ_INFINITE) == QZ_OK);
        CHECK(atomic_load(&own.destroys) == 1);
        (void)qz_handle_free((qz_handle *)&own, 0); /* a refusal, with its words */
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void child_of_a_busy_parent(void) {
    everything_answers_forked();
    new_ones_work();
}

/* The parent's threads hold whatever there is to hold when it forks, at 200 different instants. */
static void while_other_threads_are_busy(void) {
    pthread_t threads[3];
    open_all();
    atomic_store(&stop, false);
    for (int i = 0; i < 3; i++) start_thread(&threads[i], busy, NULL);
    for (int i = 0; i < 200; i++) run_in_child(child_of_a_busy_parent);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK(atomic_load(&rounds) > 200);
    close_all();
    printf("    200 forks under %ld lives of handles\n", atomic_load(&rounds));
}

int main(void) {
    kind = new_kind("fork");
    RUN(a_quiet_parent);
    RUN(in_the_middle_of_an_operation);
    RUN(a_child_of_a_child_that_never_called);
    RUN(while_another_thread_drains);
    RUN(while_other_threads_are_busy);
    EXPECT(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, NULL), QZ_OK);
    return 0;
}
