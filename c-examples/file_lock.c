/* Two editors and one document.
 *
 * A program locks a document (a qz_filelock on "document.lock") that another process has already. What it sees:
 *
 *   1. a try is refused at once, and told who has it: process, program, since when;
 *   2. a wait ends at its deadline, and another one when a qz_cancel is cancelled on another thread (somebody clicked "never
 *      mind"), and nothing is left of either: no thread, no open file, no place in a line;
 *   3. a thread that holds it is not made to wait for itself;
 *   4. the other process is killed with kill -9, and whoever waits has the lock: nobody cleans up a stale file.
 *
 * The file stays: it is a name to meet at, and locked only while somebody has it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quiescent.h"

static void need(qz_status status, const char *what) {
    if (status == QZ_OK) return;
    fprintf(stderr, "%s: %s (%s)\n", what, qz_status_name((int32_t)status), qz_last_error());
    exit(1);
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double opened_at;
#define SAY(...) (printf("%5.0f ms  ", now_ms() - opened_at), printf(__VA_ARGS__), (void)putchar('\n'))

static void sleep_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static int count(const char *directory) {
    DIR *entries = opendir(directory);
    int number = 0;
    while (entries != NULL && readdir(entries) != NULL) number++;
    if (entries != NULL) closedir(entries);
    return number;
}

/* The other editor: locks the document, says so, and never lets go. */
static void edit_for_ever(const char *path, int ready) {
    qz_filelock *lock = NULL;
    qz_hold *hold = NULL;
    need(qz_filelock_open(path, 0, &lock), "qz_filelock_open");
    need(qz_filelock_acquire(lock, QZ_FILELOCK_EXCLUSIVE, QZ_INFINITE, NULL, &hold), "qz_filelock_acquire");
    if (write(ready, "", 1) != 1) _exit(1);
    for (;;) pause();
}

typedef struct later {
    long ms;
    qz_cancel *cancel; /* cancelled then, or */
    pid_t victim;      /* killed then */
    double at;
} later;

static void *do_later(void *argument) {
    later *l = argument;
    sleep_ms(l->ms);
    l->at = now_ms();
    if (l->cancel != NULL)
        need(qz_cancel_cancel(l->cancel), "qz_cancel_cancel");
    else
        kill(l->victim, SIGKILL);
    return NULL;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    opened_at = now_ms();
    char directory[] = "/tmp/qz-editors-XXXXXX", path[64], words[64];
    if (mkdtemp(directory) == NULL) return 1;
    snprintf(path, sizeof path, "%s/document.lock", directory);

    int ready[2];
    char byte;
    if (pipe(ready) != 0) return 1;
    pid_t other = fork(); /* before this process has used the library: the child is a program of its own */
    if (other == 0) edit_for_ever(path, ready[1]);
    if (other < 0 || read(ready[0], &byte, 1) != 1) return 1;
    SAY("process %d edits the document", (int)other);

    qz_filelock *lock = NULL, *same = NULL;
    qz_hold *hold = NULL;
    need(qz_filelock_open(path, 0, &lock), "qz_filelock_open");

    qz_status tried = qz_filelock_try_acquire(lock, QZ_FILELOCK_EXCLUSIVE, &hold);
    SAY("may we? %s: %s", qz_status_name((int32_t)tried), qz_last_error());
    snprintf(words, sizeof words, "held by process %d", (int)other);
    int told = strstr(qz_last_error(), words) != NULL;

    qz_status late = qz_filelock_acquire(lock, QZ_FILELOCK_EXCLUSIVE, 100, NULL, &hold);
    SAY("within 100 ms? %s: %s", qz_status_name((int32_t)late), qz_last_error());

    pthread_t helper;
    qz_cancel *never_mind = NULL;
    need(qz_cancel_new(&never_mind), "qz_cancel_new");
    later click = {150, never_mind, 0, 0};
    if (pthread_create(&helper, NULL, do_later, &click) != 0) return 1;
    qz_status cancelled = qz_filelock_acquire(lock, QZ_FILELOCK_EXCLUSIVE, QZ_INFINITE, never_mind, &hold);
    double cancelled_at = now_ms();
    pthread_join(helper, NULL);
    SAY("for ever, until somebody clicks: %s, %.1f ms after the click", qz_status_name((int32_t)cancelled),
        cancelled_at - click.at);

    /* The thread that watched for us lingers for a tenth of a second. */
    int threads = 0;
    for (int look = 0; threads != 1 && look < 200; look++) {
        sleep_ms(100);
        threads = count("/proc/self/task") - 2;
    }
    SAY("of three waits is left: %s", threads == 1 ? "nothing; one thread, ours" : "SOMETHING");

    later kill9 = {100, NULL, other, 0};
    if (pthread_create(&helper, NULL, do_later, &kill9) != 0) return 1;
    need(qz_filelock_acquire(lock, QZ_FILELOCK_EXCLUSIVE, 5000, NULL, &hold), "qz_filelock_acquire");
    double ours_at = now_ms();
    pthread_join(helper, NULL);
    SAY("kill -9 %d; %.1f ms later the document is ours", (int)other, ours_at - kill9.at);
    waitpid(other, NULL, 0);

    qz_filelock_holder_info holder;
    need(qz_filelock_holder(lock, &holder, sizeof holder), "qz_filelock_holder");
    SAY("the file says: process %d (%s) on %s", (int)holder.process, holder.program, holder.host);

    snprintf(words, sizeof words, "%s/./document.lock", directory);
    qz_hold *none = NULL;
    need(qz_filelock_open(words, 0, &same), "qz_filelock_open");
    qz_status again = qz_filelock_acquire(same, QZ_FILELOCK_EXCLUSIVE, QZ_INFINITE, NULL, &none);
    SAY("once more, by another name: %s", qz_status_name((int32_t)again));

    need(qz_hold_release(hold), "qz_hold_release");
    need(qz_filelock_free(same, QZ_DEFAULT_TIMEOUT), "qz_filelock_free");
    need(qz_filelock_free(lock, QZ_DEFAULT_TIMEOUT), "qz_filelock_free");
    need(qz_cancel_free(never_mind, QZ_DEFAULT_TIMEOUT), "qz_cancel_free");
    int all_well = tried == QZ_ERR_BUSY && told && late == QZ_ERR_TIMEOUT && cancelled == QZ_ERR_CANCELLED &&
                   cancelled_at - click.at < 4000 && threads == 1 && ours_at - kill9.at < 4000 && ours_at >= kill9.at &&
                   holder.process == (uint64_t)getpid() && again == QZ_ERR_DEADLOCK && none == NULL;
    remove(path);
    remove(directory);
    puts(all_well ? "all claims hold: nobody waited longer than told, nothing was left, and a killed holder kept nothing"
                  : "A CLAIM DOES NOT HOLD");
    return all_well ? 0 : 1;
}
