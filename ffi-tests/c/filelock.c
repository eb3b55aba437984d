/* qz_filelock_*: one holder at a time among threads and processes; what the system refuses is told with its number and the file. */
#include "refusals.h"
#include <stdarg.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What the system is to refuse, if anything: in place of the C library's, so that no odd file system is needed. */
static int flock_fails, create_fails, nameless_fails, link_fails;
/* Whether somebody writes into a file as soon as its name leads to it. */
static bool somebody_writes;
/* Whether a file that has no name yet gets what the umask forbids: as Linux before 6.0 does on some file systems. */
static bool umask_is_ignored;

int flock(int fd, int operation) {
    if (flock_fails != 0 && operation != LOCK_UN) {
        errno = flock_fails;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static void is_found(int fd) {
    if (somebody_writes) CHECK(pwrite(fd, "mine", 4, 0) == 4);
    somebody_writes = false;
}

int open(const char *path, int flags, ...) {
    bool is_nameless = (flags & O_TMPFILE) == O_TMPFILE, creates = is_nameless || (flags & O_CREAT) != 0;
    mode_t mode = 0;
    if (creates) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    int refused = creates && create_fails != 0 ? create_fails : is_nameless ? nameless_fails : 0;
    if (refused != 0) {
        errno = refused;
        return -1;
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && is_nameless && umask_is_ignored) CHECK(fchmod(fd, mode) == 0);
    if (fd >= 0 && creates && !is_nameless) is_found(fd);
    return fd;
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    if (link_fails != 0) {
        errno = link_fails;
        return -1;
    }
    int linked = (int)syscall(SYS_linkat, from, old, to, new, flags);
    int fd = linked == 0 && somebody_writes ? open(new, O_RDWR) : -1;
    if (fd >= 0) {
        is_found(fd);
        CHECK(close(fd) == 0);
    }
    return linked;
}

static char directory[64] = "/tmp/qz-filelock-XXXXXX";

static const char *in_directory(const char *name) {
    static char path[2][1024];
    static int next;
    next = 1 - next;
    snprintf(path[next], sizeof path[next], "%s/%s", directory, name);
    return path[next];
}

static qz_filelock *open_lock(const char *name) {
    qz_filelock *l = NULL;
    EXPECT(qz_filelock_open(in_directory(name), 0, &l), QZ_OK);
    return l;
}

static qz_hold *lock(qz_filelock *l, uint32_t mode) {
    qz_hold *hold = NULL;
    EXPECT(qz_filelock_acquire(l, mode, 5000, NULL, &hold), QZ_OK);
    CHECK(hold != NULL);
    return hold;
}

static qz_hold *out_hold;
static qz_filelock_holder_info info;
CALL(call_acquire, qz_filelock_acquire(h, QZ_FILELOCK_SHARED, 0, NULL, &out_hold))
CALL(call_try_acquire, qz_filelock_try_acquire(h, QZ_FILELOCK_SHARED, &out_hold))
CALL(call_holder, qz_filelock_holder(h, &info, sizeof info))
CALL(call_free, qz_filelock_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_filelock_free(h, -3))
static const bad_call *const calls[] = {&call_acquire, &call_try_acquire, &call_holder};

static void bad_arguments(void) {
    qz_filelock *live = open_lock("file"), *freed = open_lock("file"), *none = freed;
    EXPECT(qz_filelock_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out_hold == NULL);
    EXPECT(qz_filelock_open(NULL, 0, &none), QZ_ERR_NULL);
    CHECK(none == NULL);
    EXPECT(qz_filelock_open(in_directory("file"), 0, NULL), QZ_ERR_NULL);
    EXPECT(qz_filelock_open(in_directory("file"), 2, &none), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_filelock_acquire(live, 2, 0, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_filelock_acquire(live, 0, -2, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_filelock_acquire(live, 0, 0, (qz_cancel *)live, &out_hold), QZ_ERR_WRONG_KIND);
    EXPECT(qz_filelock_acquire(live, 0, 0, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_filelock_try_acquire(live, 2, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_filelock_try_acquire(live, 0, NULL), QZ_ERR_NULL);
    EXPECT(qz_filelock_holder(live, NULL, sizeof info), QZ_ERR_NULL);
    EXPECT(qz_filelock_holder(live, &info, 8), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_filelock_free(live, 0), QZ_OK);
}

/* Each allocation on the way fails once. */
static void without_memory(void) {
    for (long n = 0;; n++) {
        qz_filelock *l = NULL;
        const char *path = in_directory("memory/file");
        fail_after(n);
        qz_status opened = qz_filelock_open(path, 0, &l);
        bool all = failed == 0;
        succeed_again();
        expect_status(__FILE__, __LINE__, "qz_filelock_open(", opened, all ? QZ_OK : QZ_ERR_NO_MEMORY);
        CHECK((l != NULL) == all);
        if (all) {
            CHECK(n > 1);
            EXPECT(qz_filelock_free(l, 0), QZ_OK);
            break;
        }
    }
    qz_filelock *l = open_lock("memory/other");
    for (long n = 0;; n++) {
        qz_hold *hold = NULL;
        fail_after(n);
        qz_status acquired = qz_filelock_acquire(l, 0, QZ_INFINITE, NULL, &hold);
        bool all = failed == 0;
        succeed_again();
        expect_status(__FILE__, __LINE__, "qz_filelock_acquire(", acquired, all ? QZ_OK : QZ_ERR_NO_MEMORY);
        CHECK((hold != NULL) == all);
        if (all) {
            EXPECT(qz_hold_release(hold), QZ_OK);
            break;
        }
    }
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
}

/* Another process that holds the file by the system's call alone, until it is told to end. */
typedef struct other {
    pid_t process;
    int end;
} other;

static void other_begins(other *o, const char *name, int operation) {
    int ready[2], end[2];
    CHECK(pipe(ready) == 0 && pipe(end) == 0);
    fflush(stdout);
    o->process = fork();
    CHECK(o->process >= 0);
    if (o->process == 0) {
        char byte;
        close(end[1]);
        int fd = open(in_directory(name), O_RDONLY);
        if (fd < 0 || flock(fd, operation) != 0 || write(ready[1], "", 1) != 1) _Exit(1);
        (void)!read(end[0], &byte, 1);
        _Exit(0);
    }
    char byte;
    close(end[0]);
    close(ready[1]);
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    o->end = end[1];
}

static void other_ends(other *o) {
    int status = 0;
    close(o->end);
    CHECK(waitpid(o->process, &status, 0) == o->process && status == 0);
}

typedef struct locker {
    qz_filelock *l;
    qz_cancel *cancel;
    int64_t timeout_ms;
    qz_hold *hold;
} locker;

static qz_status call_acquire_with(void *argument) {
    locker *l = argument;
    qz_status got = qz_filelock_acquire(l->l, QZ_FILELOCK_EXCLUSIVE, l->timeout_ms, l->cancel, &l->hold);
    CHECK((got == QZ_OK) == (l->hold != NULL));
    log_status("qz_filelock_acquire(", got);
    return got;
}

static void waits_for_another_process_end_by_grant_deadline_cancel_and_free(void) {
    qz_filelock *l = open_lock("file"), *to_free = open_lock("file");
    locker first = {l, NULL, QZ_INFINITE, NULL}, late = {l, NULL, 30, NULL}, ended = {l, NULL, QZ_INFINITE, NULL};
    locker closed = {to_free, NULL, QZ_INFINITE, NULL};
    caller granted, timed_out, cancelled, refused;
    other o;
    other_begins(&o, "file", LOCK_EX);
    EXPECT(qz_filelock_try_acquire(l, QZ_FILELOCK_SHARED, &out_hold), QZ_ERR_BUSY);
    EXPECT(qz_cancel_new(&ended.cancel), QZ_OK);
    caller_start(&cancelled, call_acquire_with, &ended);
    caller_start(&timed_out, call_acquire_with, &late);
    CHECK(caller_join(&timed_out) == QZ_ERR_TIMEOUT && timed_out.ended - timed_out.began >= 30);
    EXPECT(qz_cancel_cancel(ended.cancel), QZ_OK);
    CHECK(caller_join(&cancelled) == QZ_ERR_CANCELLED);
    caller_start(&refused, call_acquire_with, &closed);
    sleep_ms(30);
    EXPECT(qz_filelock_free(to_free, 5000), QZ_OK);
    CHECK(caller_join(&refused) == QZ_ERR_FREED);
    caller_start(&granted, call_acquire_with, &first);
    sleep_ms(30);
    other_ends(&o);
    CHECK(caller_join(&granted) == QZ_OK);
    CHECK(first.hold != NULL);
    /* Held, it is waited for; released on this thread, not on the one that took it. */
    EXPECT(qz_filelock_free(l, 20), QZ_FREE_PENDING);
    CHECK(strstr(qz_last_error(), "in hold 'qz_filelock_acquire'") != NULL);
    EXPECT(qz_hold_release(first.hold), QZ_OK);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(l), 0), QZ_OK);
    EXPECT(qz_cancel_free(ended.cancel, 0), QZ_OK);
}

static void a_thread_that_would_wait_for_itself_is_told(void) {
    CHECK(symlink("file", in_directory("link")) == 0);
    qz_filelock *l = open_lock("file"), *same = open_lock("link");
    qz_hold *mine = lock(l, QZ_FILELOCK_EXCLUSIVE), *none = mine;
    EXPECT_AT_ONCE(qz_filelock_acquire(same, QZ_FILELOCK_SHARED, 5000, NULL, &none), QZ_ERR_DEADLOCK);
    CHECK(none == NULL);
    EXPECT(qz_filelock_acquire(l, QZ_FILELOCK_EXCLUSIVE, 5000, NULL, &none), QZ_ERR_DEADLOCK);
    EXPECT(qz_filelock_try_acquire(same, QZ_FILELOCK_SHARED, &none), QZ_ERR_BUSY);
    /* Another thread's, as far as anybody knows. */
    EXPECT(qz_hold_pass_on(mine), QZ_OK);
    EXPECT_AFTER(qz_filelock_acquire(same, QZ_FILELOCK_SHARED, 20, NULL, &none), QZ_ERR_TIMEOUT, 20);
    EXPECT_AFTER(qz_filelock_acquire(l, QZ_FILELOCK_SHARED, 20, NULL, &none), QZ_ERR_TIMEOUT, 20);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_hold_release(mine), QZ_ALREADY_FREED);
    qz_hold *one = lock(l, QZ_FILELOCK_SHARED), *two = lock(same, QZ_FILELOCK_SHARED);
    EXPECT(qz_hold_release(one), QZ_OK);
    EXPECT(qz_filelock_try_acquire(l, QZ_FILELOCK_EXCLUSIVE, &none), QZ_ERR_BUSY);
    EXPECT(qz_hold_release(two), QZ_OK);
    EXPECT(qz_filelock_try_acquire(l, QZ_FILELOCK_EXCLUSIVE, &one), QZ_OK);
    EXPECT(qz_hold_release(one), QZ_OK);
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
    EXPECT(qz_filelock_free(same, 0), QZ_OK);
}

static void who_holds_it_is_told(void) {
    qz_filelock *l = open_lock("new/parents/lock"), *same = NULL;
    EXPECT(qz_filelock_open(in_directory("new/parents/../parents/lock"), QZ_FILELOCK_SIDECAR, &same), QZ_OK);
    memset(&info, 1, sizeof info);
    EXPECT(qz_filelock_holder(l, &info, sizeof info), QZ_OK);
    CHECK(info.process == 0 && info.program[0] == 0 && info.mode == 0);
    qz_hold *mine = lock(l, QZ_FILELOCK_SHARED), *none = NULL;
    EXPECT(qz_filelock_holder(same, &info, sizeof info), QZ_OK);
    CHECK(info.process == (uint64_t)getpid() && info.mode == QZ_FILELOCK_SHARED);
    CHECK_SAY(strncmp(info.program, "filelock", 8) == 0, "%s", info.program);
    /* time() is late by up to a tick of the system's, and so by a second where one begins. */
    CHECK(info.since + 60 >= (uint64_t)time(NULL) && info.since <= (uint64_t)time(NULL) + 1);
    char words[64];
    snprintf(words, sizeof words, "held by process %d (filelock", (int)getpid());
    EXPECT(qz_filelock_try_acquire(same, QZ_FILELOCK_EXCLUSIVE, &none), QZ_ERR_BUSY);
    CHECK_SAY(strstr(qz_last_error(), words) != NULL, "%s", qz_last_error());
    CHECK(qz_last_os_error() == 0);
    EXPECT(qz_hold_pass_on(mine), QZ_OK);
    EXPECT(qz_filelock_acquire(same, QZ_FILELOCK_EXCLUSIVE, 10, NULL, &none), QZ_ERR_TIMEOUT);
    CHECK_SAY(strstr(qz_last_error(), words) != NULL, "%s", qz_last_error());
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_filelock_holder(l, &info, sizeof info), QZ_OK);
    CHECK(info.process == 0);
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
    EXPECT(qz_filelock_free(same, 0), QZ_OK);
}

/* Also what somebody wrote who found the file before anybody locked it. */
static void what_the_file_holds_is_kept(void) {
    char content[5] = "";
    somebody_writes = true;
    qz_filelock *l = open_lock("found");
    CHECK(!somebody_writes);
    EXPECT(qz_hold_release(lock(l, QZ_FILELOCK_EXCLUSIVE)), QZ_OK);
    int fd = open(in_directory("found"), O_RDONLY);
    CHECK(fd >= 0 && read(fd, content, 4) == 4 && close(fd) == 0);
    CHECK_SAY(strcmp(content, "mine") == 0, "%s", content);
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
}

/* However it is made: as open() makes one, and marked, so that who holds it is told. */
static void a_file_that_is_made(const char *name) {
    mode_t before = umask(027);
    struct stat made;
    qz_filelock *l = open_lock(name);
    umask(before);
    CHECK(stat(in_directory(name), &made) == 0);
    CHECK_SAY((made.st_mode & 0777) == 0640 && made.st_nlink == 1, "%o", (unsigned)made.st_mode);
    qz_hold *mine = lock(l, QZ_FILELOCK_EXCLUSIVE);
    EXPECT(qz_filelock_holder(l, &info, sizeof info), QZ_OK);
    CHECK(info.process == (uint64_t)getpid());
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
}

static void a_file_is_made_wherever_it_can_be(void) {
    a_file_that_is_made("made/at/once");
    nameless_fails = EOPNOTSUPP;
    a_file_that_is_made("made/under/its/name");
    nameless_fails = 0;
    link_fails = ENOENT; /* there is no /proc */
    a_file_that_is_made("made/again");
    link_fails = 0;
    umask_is_ignored = true;
    a_file_that_is_made("made/by/the/umask");
    umask_is_ignored = false;
}

static void told(int number, const char *name) {
    CHECK_SAY(qz_last_os_error() == number, "errno %d: %s", qz_last_os_error(), qz_last_error());
    CHECK_SAY(strstr(qz_last_error(), in_directory(name)) != NULL, "%s", qz_last_error());
}

static void what_the_system_refuses_is_told(void) {
    qz_filelock *none = NULL;
    EXPECT(qz_filelock_open(in_directory("memory"), 0, &none), QZ_ERR_IO); /* a directory by now */
    told(EISDIR, "memory");
    create_fails = ENOSPC;
    qz_status opened = qz_filelock_open(in_directory("full/disk"), 0, &none);
    create_fails = 0;
    told(ENOSPC, "full/disk");
    expect_status(__FILE__, __LINE__, "qz_filelock_open(", opened, QZ_ERR_IO);
    CHECK(none == NULL && access(in_directory("full"), F_OK) != 0);

    qz_filelock *l = open_lock("refused");
    static const int numbers[] = {ENOLCK, EOPNOTSUPP};
    for (size_t i = 0; i < 2; i++) {
        flock_fails = numbers[i];
        EXPECT(qz_filelock_acquire(l, QZ_FILELOCK_EXCLUSIVE, QZ_INFINITE, NULL, &out_hold), QZ_ERR_IO);
        told(numbers[i], "refused");
        EXPECT(qz_filelock_try_acquire(l, QZ_FILELOCK_SHARED, &out_hold), QZ_ERR_IO);
        told(numbers[i], "refused");
    }
    flock_fails = 0;

    struct rlimit before, few;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    qz_status acquired = qz_filelock_acquire(l, QZ_FILELOCK_EXCLUSIVE, QZ_INFINITE, NULL, &out_hold);
    int number = qz_last_os_error();
    qz_status held = qz_filelock_holder(l, &info, sizeof info);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    expect_status(__FILE__, __LINE__, "qz_filelock_acquire(", acquired, QZ_ERR_IO);
    CHECK(number == EMFILE && out_hold == NULL);
    expect_status(__FILE__, __LINE__, "qz_filelock_holder(", held, QZ_ERR_IO);
    EXPECT(qz_filelock_try_acquire(l, QZ_FILELOCK_EXCLUSIVE, &out_hold), QZ_OK);
    EXPECT(qz_hold_release(out_hold), QZ_OK);
    out_hold = NULL;
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
}

/* In a child, as a user to whom nothing is allowed. */
static void what_is_not_permitted(void) {
    CHECK(mkdir(in_directory("closed"), 0755) == 0);
    int fd = open(in_directory("closed/secret"), O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && chmod(directory, 0755) == 0 && close(fd) == 0);
    if (!in_child()) return;
    qz_filelock *none = NULL;
    if (getuid() == 0 && setuid(65534) != 0) _Exit(0);
    CHECK(getuid() == 65534 || chmod(in_directory("closed/secret"), 0) == 0);
    CHECK(getuid() == 65534 || chmod(in_directory("closed"), 0555) == 0);
    CHECK(qz_filelock_open(in_directory("closed/secret"), 0, &none) == QZ_ERR_IO);
    told(EACCES, "closed/secret");
    CHECK(qz_filelock_open(in_directory("closed/new/file"), 0, &none) == QZ_ERR_IO);
    told(EACCES, "closed/new/file");
    CHECK(qz_filelock_open(in_directory("closed/new"), 0, &none) == QZ_ERR_IO);
    told(EACCES, "closed/new");
    _Exit(0);
}

/* The parent's lock lives on when a child, which has a copy of it, ends; and in the child new locks work. */
static void a_child_does_not_release_it(void) {
    qz_filelock *l = open_lock("file");
    qz_hold *mine = lock(l, QZ_FILELOCK_EXCLUSIVE);
    if (in_child()) {
        qz_filelock *fresh = NULL;
        qz_hold *none = NULL;
        EXPECT(qz_hold_release(mine), QZ_ERR_FORKED);
        EXPECT(qz_filelock_free(l, 0), QZ_ERR_FORKED);
        EXPECT(qz_filelock_open(in_directory("file"), 0, &fresh), QZ_OK);
        EXPECT(qz_filelock_acquire(fresh, QZ_FILELOCK_EXCLUSIVE, 20, NULL, &none), QZ_ERR_TIMEOUT);
        EXPECT(qz_filelock_free(fresh, 0), QZ_OK);
        _Exit(0);
    }
    if (in_child()) {
        int fd = open(in_directory("file"), O_RDONLY);
        CHECK(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK);
        _Exit(0);
    }
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
}

int main(void) {
    CHECK(mkdtemp(directory) != NULL);
    /* Those that fork come first: their parent is to have one thread. */
    bad_arguments();
    what_is_not_permitted();
    a_child_does_not_release_it();
    without_memory();
    what_the_system_refuses_is_told();
    who_holds_it_is_told();
    what_the_file_holds_is_kept();
    a_file_is_made_wherever_it_can_be();
    a_thread_that_would_wait_for_itself_is_told();
    waits_for_another_process_end_by_grant_deadline_cancel_and_free();
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    CHECK(system(command) == 0);
    puts("filelock: ok");
    return 0;
}
