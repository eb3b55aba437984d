/* Misuse: what the hook is told of, what is counted, and how the process ends that is to abort: by the program's own word,
 * or by QUIESCENT_MISUSE alone. */
#include "visitor.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static qz_kind *kind;
static thing t;

/* ---- the hook ---- */

static struct {
    int calls;
    int32_t misuse;
    const void *handle;
    unsigned thread;
} told;

static void note(int32_t misuse, const void *handle, void *ctx) {
    CHECK(ctx == &told);
    told.calls++;
    told.misuse = misuse;
    told.handle = handle;
    told.thread = thread_id();
}

static qz_stats stats_now(void) {
    qz_stats stats;
    EXPECT(qz_stats_get(&stats, sizeof stats), QZ_OK);
    return stats;
}

/* `call` answers `status`, is told as `what` of `h`, and is counted as `name`. */
#define MISUSE(call, status, what, h, name)                                                                           \
    do {                                                                                                              \
        qz_stats before_ = stats_now();                                                                               \
        told.calls = 0;                                                                                               \
        EXPECT(call, status);                                                                                         \
        CHECK_SAY(told.calls == 1 && told.misuse == (int32_t)(what), "%s: told %d times, of misuse %d", #call,        \
                  told.calls, (int)told.misuse);                                                                      \
        CHECK(told.handle == (const void *)(h) && told.thread == thread_id());                                        \
        qz_stats after_ = stats_now();                                                                                \
        CHECK_SAY(after_.name == before_.name + 1, "%s adds %d to " #name, #call, (int)(after_.name - before_.name)); \
        CHECK(after_.double_free + after_.stale + after_.wrong_kind + after_.not_inside ==                            \
              before_.double_free + before_.stale + before_.wrong_kind + before_.not_inside + 1);                     \
    } while (0)

#define NO_MISUSE(call, status)                                   \
    do {                                                          \
        told.calls = 0;                                           \
        EXPECT(call, status);                                     \
        CHECK_SAY(told.calls == 0, "%s is told as misuse", #call); \
    } while (0)

static void the_hook_is_told(void) {
    qz_handle_info info;
    qz_occupant occupant;
    size_t count;
    void *object;
    qz_hold *taken;
    qz_handle *none;
    EXPECT(qz_misuse_set_level(QZ_MISUSE_COUNT), QZ_OK);
    EXPECT(qz_misuse_set_hook(note, &told), QZ_OK);
    qz_kind *other = new_kind("other");
    qz_handle *h = new_handle(kind, &t);
    MISUSE(qz_handle_leave(h), QZ_ERR_NOT_INSIDE, QZ_MISUSE_NOT_INSIDE, h, not_inside);
    MISUSE(qz_handle_enter(h, other, "wrong", &object), QZ_ERR_WRONG_KIND, QZ_MISUSE_WRONG_KIND, h, wrong_kind);
    MISUSE(qz_handle_hold(h, other, "wrong", &object, &taken), QZ_ERR_WRONG_KIND, QZ_MISUSE_WRONG_KIND, h, wrong_kind);
    MISUSE(qz_hold_release((qz_hold *)h), QZ_ERR_WRONG_KIND, QZ_MISUSE_WRONG_KIND, h, wrong_kind);
    taken = hold(h, kind, "held", &t);
    MISUSE(qz_handle_free((qz_handle *)taken, 0), QZ_ERR_WRONG_KIND, QZ_MISUSE_WRONG_KIND, taken, wrong_kind);
    MISUSE(qz_handle_get_info((qz_handle *)taken, &info, sizeof info), QZ_ERR_WRONG_KIND, QZ_MISUSE_WRONG_KIND, taken,
           wrong_kind);
    NO_MISUSE(qz_handle_free(h, 0), QZ_FREE_PENDING);
    NO_MISUSE(qz_handle_free(h, 0), QZ_FREE_PENDING);
    NO_MISUSE(qz_handle_enter(h, kind, "too late", &object), QZ_ERR_FREED);
    NO_MISUSE(qz_hold_release(taken), QZ_OK);
    MISUSE(qz_hold_release(taken), QZ_ALREADY_FREED, QZ_MISUSE_DOUBLE_FREE, taken, double_free);
    MISUSE(qz_hold_pass_on(taken), QZ_ERR_FREED, QZ_MISUSE_STALE, taken, stale);
    MISUSE(qz_handle_free(h, 0), QZ_ALREADY_FREED, QZ_MISUSE_DOUBLE_FREE, h, double_free);
    MISUSE(qz_handle_try_free(h), QZ_ALREADY_FREED, QZ_MISUSE_DOUBLE_FREE, h, double_free);
    MISUSE(qz_handle_enter(h, kind, "stale", &object), QZ_ERR_FREED, QZ_MISUSE_STALE, h, stale);
    MISUSE(qz_handle_hold(h, kind, "stale", &object, &taken), QZ_ERR_FREED, QZ_MISUSE_STALE, h, stale);
    MISUSE(qz_handle_leave(h), QZ_ERR_FREED, QZ_MISUSE_STALE, h, stale);
    MISUSE(qz_handle_set_label(h, "stale"), QZ_ERR_FREED, QZ_MISUSE_STALE, h, stale);
    NO_MISUSE(qz_handle_wait_freed(h, 0), QZ_OK);
    NO_MISUSE(qz_handle_get_info(h, &info, sizeof info), QZ_ERR_FREED);
    NO_MISUSE(qz_handle_occupants(h, &occupant, sizeof occupant, 1, &count), QZ_ERR_FREED);
    NO_MISUSE(qz_handle_free(NULL, 0), QZ_OK);
    NO_MISUSE(qz_handle_free((qz_handle *)&t, 0), QZ_ERR_BAD_HANDLE);
    NO_MISUSE(qz_kind_close(other, 0, NULL), QZ_OK);
    MISUSE(qz_kind_close(other, 0, NULL), QZ_ALREADY_FREED, QZ_MISUSE_DOUBLE_FREE, other, double_free);
    MISUSE(qz_handle_new(other, &t, &none), QZ_ERR_FREED, QZ_MISUSE_STALE, other, stale);
    EXPECT(qz_misuse_set_hook(NULL, NULL), QZ_OK);
    NO_MISUSE(qz_handle_free(h, 0), QZ_ALREADY_FREED);
    EXPECT(qz_misuse_set_hook(note, &told), QZ_OK);
    EXPECT(qz_misuse_set_level(QZ_MISUSE_IGNORE), QZ_OK);
    qz_stats before = stats_now(), after;
    NO_MISUSE(qz_handle_free(h, 0), QZ_ALREADY_FREED);
    after = stats_now();
    CHECK(memcmp(&before, &after, sizeof after) == 0);
    EXPECT(qz_misuse_set_hook(NULL, NULL), QZ_OK);
}

static void a_level_is_one_of_three(void) {
    EXPECT(qz_misuse_set_level(QZ_MISUSE_COUNT), QZ_OK);
    EXPECT(qz_misuse_set_level(-1), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_misuse_set_level(3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_misuse_set_level(INT32_MIN), QZ_ERR_INVALID_ARGUMENT);
    qz_handle *h = new_handle(kind, &t);
    qz_stats before = stats_now();
    EXPECT(qz_handle_leave(h), QZ_ERR_NOT_INSIDE);
    CHECK(stats_now().not_inside == before.not_inside + 1); /* still QZ_MISUSE_COUNT */
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_misuse_set_level(QZ_MISUSE_IGNORE), QZ_OK);
}

/* ---- the end ---- */

static char said[512]; /* what the latest child wrote to stderr */

/* Runs `body` in a child, and answers how it ended. */
static int run_in_child(void (*body)(void)) {
    int pipes[2], status = 0;
    size_t length = 0;
    fflush(stdout);
    CHECK(pipe(pipes) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        alarm(20);
        body();
        _Exit(0);
    }
    close(pipes[1]);
    for (ssize_t got; (got = read(pipes[0], said + length, sizeof said - 1 - length)) > 0;) length += (size_t)got;
    said[length] = '\0';
    close(pipes[0]);
    while (waitpid(child, &status, 0) != child) {}
    return status;
}

static void expect_abort(void (*body)(void), const char *begins, const char *ends) {
    int status = run_in_child(body);
    CHECK_SAY(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status 0x%x instead of SIGABRT; it said: %s",
              (unsigned)status, said);
    size_t length = strlen(said), tail = strlen(ends);
    CHECK_SAY(strncmp(said, begins, strlen(begins)) == 0 && length >= tail && strcmp(said + length - tail, ends) == 0,
              "\"%s...%s\" was to be said, not: %s", begins, ends, said);
    char *line_end = strchr(said, '\n');
    CHECK_SAY(line_end != NULL && line_end[1] == '\0', "not one line: %s", said);
    printf("    %s", said);
}

static qz_handle *fresh(const char *label) {
    static thing own;
    if (kind == NULL) kind = new_kind("session");
    qz_handle *h = new_handle(kind, &own);
    if (label != NULL) EXPECT(qz_handle_set_label(h, label), QZ_OK);
    return h;
}

static qz_handle *fresh_to_abort(const char *label) {
    kind = NULL; /* it is the parent's */
    EXPECT(qz_misuse_set_level(QZ_MISUSE_ABORT), QZ_OK);
    return fresh(label);
}

static void double_free(void) {
    qz_handle *h = fresh_to_abort("main");
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    (void)qz_handle_free(h, 0);
}

static void double_free_after_the_next_life_began(void) {
    qz_handle *h = fresh_to_abort("main");
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    (void)fresh("of the next life");
    (void)qz_handle_free(h, 0);
}

static void double_free_of_a_kind(void) {
    (void)fresh_to_abort(NULL);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    (void)qz_kind_close(kind, 0, NULL);
}

static void double_free_of_the_last_one_of_a_kind_that_is_gone(void) {
    qz_handle *h = fresh_to_abort("main");
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    (void)qz_handle_free(h, 0);
}

static void double_release(void) {
    qz_handle *h = fresh_to_abort(NULL);
    void *object;
    qz_hold *taken;
    EXPECT(qz_handle_hold(h, kind, "held", &object, &taken), QZ_OK);
    EXPECT(qz_hold_release(taken), QZ_OK);
    (void)qz_hold_release(taken);
}

static void stale_enter(void) {
    void *object;
    qz_handle *h = fresh_to_abort("two\nlines");
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    (void)qz_handle_enter(h, kind, "stale", &object);
}

static void wrong_kind(void) {
    void *object;
    qz_handle *h = fresh_to_abort(NULL);
    (void)qz_handle_enter(h, new_kind("other"), "wrong", &object);
}

static void not_inside(void) { (void)qz_handle_leave(fresh_to_abort(NULL)); }

static void tell_stdout(int32_t misuse, const void *handle, void *ctx) {
    (void)handle;
    CHECK(misuse == QZ_MISUSE_NOT_INSIDE && ctx == said);
    CHECK(write(STDERR_FILENO, "the hook; ", 10) == 10);
}

static void not_inside_with_a_hook(void) {
    EXPECT(qz_misuse_set_hook(tell_stdout, said), QZ_OK);
    not_inside();
}

static void all_is_well(void) {
    void *object;
    qz_handle *h = fresh_to_abort(NULL);
    EXPECT(qz_handle_enter(h, kind, "fine", &object), QZ_OK);
    EXPECT(qz_handle_leave(h), QZ_OK);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_handle_wait_freed(h, 0), QZ_OK);
}

static void misuse_aborts(void) {
    expect_abort(double_free, "quiescent: misuse, double free: handle 0x", " of kind 'session', 'main'\n");
    expect_abort(double_free_of_a_kind, "quiescent: misuse, double free: handle 0x", " of kind 'kind'\n");
    expect_abort(double_free_of_the_last_one_of_a_kind_that_is_gone, "quiescent: misuse, double free: handle 0x",
                 " of kind '', 'main'\n");
    expect_abort(double_release, "quiescent: misuse, double free: handle 0x", " of kind 'hold'\n");
    expect_abort(stale_enter, "quiescent: misuse, stale use: handle 0x", " of kind 'session', 'two?lines'\n");
    expect_abort(wrong_kind, "quiescent: misuse, wrong kind: handle 0x", " of kind 'session'\n");
    expect_abort(not_inside, "quiescent: misuse, leave without an enter: handle 0x", " of kind 'session'\n");
    expect_abort(not_inside_with_a_hook, "the hook; quiescent: misuse, leave without an enter: handle 0x", "'session'\n");
    /* Nothing is said of a handle that another has come after. */
    expect_abort(double_free_after_the_next_life_began, "quiescent: misuse, double free: handle 0x", "\n");
    CHECK_SAY(strstr(said, " of kind") == NULL, "the names are another handle's: %s", said);
    int status = run_in_child(all_is_well);
    CHECK_SAY(status == 0 && said[0] == '\0', "status 0x%x without a misuse: %s", (unsigned)status, said);
}

/* ---- by the environment, in a process of its own ---- */

static const char *variable, *own_level;

static void as_another_program(void) {
    if (variable == NULL)
        unsetenv("QUIESCENT_MISUSE");
    else
        setenv("QUIESCENT_MISUSE", variable, 1);
    execl("/proc/self/exe", "misuse", "one double free", own_level, (char *)NULL);
    _Exit(99);
}

/* What that program does: answers how many double frees were counted. */
static int one_double_free(const char *level) {
    if (level != NULL) EXPECT(qz_misuse_set_level(atoi(level)), QZ_OK);
    qz_handle *h = fresh("main");
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_handle_free(h, 0), QZ_ALREADY_FREED);
    return 10 + (int)stats_now().double_free;
}

static void the_environment_sets_the_level(void) {
    static const struct {
        const char *variable, *own_level;
        int exits;
        const char *says;
    } cases[] = {
        {NULL, NULL, 10, ""},
        {"", NULL, 10, ""},
        {"ignore", NULL, 10, ""},
        {"count", NULL, 11, ""},
        {"Abort", NULL, 10, "quiescent: QUIESCENT_MISUSE is neither ignore nor count nor abort\n"},
        /* The program's own word counts for more. */
        {"abort", "1", 11, ""},
        {"abort", "0", 10, ""},
        {"count", "0", 10, ""},
        {NULL, "1", 11, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        variable = cases[i].variable;
        own_level = cases[i].own_level;
        int status = run_in_child(as_another_program);
        CHECK_SAY(WIFEXITED(status) && WEXITSTATUS(status) == cases[i].exits, "case %zu: status 0x%x; it said: %s", i,
                  (unsigned)status, said);
        CHECK_SAY(strcmp(said, cases[i].says) == 0, "case %zu: it said: %s", i, said);
    }
    variable = "abort";
    own_level = NULL;
    expect_abort(as_another_program, "quiescent: misuse, double free: handle 0x", " of kind 'session', 'main'\n");
    variable = "ignore";
    own_level = "2";
    expect_abort(as_another_program, "quiescent: misuse, double free: handle 0x", " of kind 'session', 'main'\n");
}

/* ---- a fork while other threads set and call the hook ---- */

static atomic_bool stop;

static void check_ctx(int32_t misuse, const void *handle, void *ctx) {
    CHECK(misuse == QZ_MISUSE_DOUBLE_FREE && handle != NULL && ctx == said);
}
static void check_other_ctx(int32_t misuse, const void *handle, void *ctx) {
    CHECK(misuse == QZ_MISUSE_DOUBLE_FREE && handle != NULL && ctx == &t);
}

static void *sets(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        CHECK(qz_misuse_set_hook(check_ctx, said) == QZ_OK);
        CHECK(qz_misuse_set_hook(check_other_ctx, &t) == QZ_OK);
    }
    return NULL;
}

static void *misuses(void *handle) {
    while (!atomic_load(&stop)) CHECK(qz_handle_free(handle, 0) == QZ_ALREADY_FREED);
    return NULL;
}

static void a_child_with_a_hook(void) {
    kind = NULL;
    qz_handle *h = fresh(NULL);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_handle_free(h, 0), QZ_ALREADY_FREED);
    EXPECT(qz_misuse_set_hook(note, &told), QZ_OK);
    MISUSE(qz_handle_free(h, 0), QZ_ALREADY_FREED, QZ_MISUSE_DOUBLE_FREE, h, double_free);
}

static void while_the_hook_changes(void) {
    pthread_t threads[3];
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_misuse_set_level(QZ_MISUSE_COUNT), QZ_OK);
    for (int i = 0; i < 3; i++) start_thread(&threads[i], i == 0 ? sets : misuses, h);
    for (int i = 0; i < 100; i++) {
        int status = run_in_child(a_child_with_a_hook);
        CHECK_SAY(status == 0, "status 0x%x; it said: %s", (unsigned)status, said);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    EXPECT(qz_misuse_set_hook(NULL, NULL), QZ_OK);
    EXPECT(qz_misuse_set_level(QZ_MISUSE_IGNORE), QZ_OK);
}

int main(int count, char **arguments) {
    if (count > 1) return one_double_free(count > 2 ? arguments[2] : NULL);
    RUN(the_environment_sets_the_level); /* while there is no other thread */
    kind = new_kind("session");
    RUN(the_hook_is_told);
    RUN(a_level_is_one_of_three);
    RUN(misuse_aborts);
    RUN(while_the_hook_changes);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    return 0;
}
