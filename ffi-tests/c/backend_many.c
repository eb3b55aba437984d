/* A hundred thousand calls under way on one backend: no thread, a few hundred bytes each; and no wake-up while nothing happens. */
#include "completions.h"
#include <sys/resource.h>

enum { CALLS = 100000, BATCH = 256 };

static qz_completion over[BATCH];

/* A line of /proc/self/status, as a number. */
static long status_line(const char *name) {
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "r");
    CHECK(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) value = atol(line + strlen(name) + 1);
    fclose(file);
    CHECK(value >= 0);
    return value;
}

/* Polls until `calls` are collected; each is `wanted`, and comes once. */
static void collect(qz_backend *backend, size_t calls, qz_status wanted) {
    static unsigned char times[CALLS];
    memset(times, 0, sizeof times);
    for (size_t got = 0, len = 0; got < calls; got += len) {
        qz_status polled = qz_backend_poll(backend, over, BATCH, 20000, &len);
        CHECK_SAY(polled == QZ_OK && len > 0, "after %zu: %s", got, qz_status_name((int32_t)polled));
        for (size_t i = 0; i < len; i++) {
            CHECK(over[i].status == wanted && ++times[(uintptr_t)over[i].user_data] == 1);
            if (over[i].hold != NULL) CHECK(qz_hold_release(over[i].hold) == QZ_OK);
        }
    }
    expect_nothing(backend);
}

static void a_hundred_thousand_wait_on_one_backend(void) {
    qz_backend *backend = new_backend();
    qz_mutex *mutex = NULL;
    qz_hold *mine = NULL;
    EXPECT(qz_mutex_new(&mutex), QZ_OK);
    EXPECT(qz_mutex_lock(mutex, 0, NULL, &mine), QZ_OK);
    long threads = status_line("Threads:"), before = status_line("VmRSS:");
    double begin = now_ms();
    for (uintptr_t n = 0; n < CALLS; n++)
        CHECK(qz_mutex_lock_async(mutex, QZ_INFINITE, NULL, backend, number(n)) == QZ_OK);
    double submitted = now_ms();
    long bytes = (status_line("VmRSS:") - before) * 1024 / CALLS;
    CHECK(status_line("Threads:") == threads && pending(backend) == CALLS);
    EXPECT(qz_hold_release(mine), QZ_OK);
    collect(backend, CALLS, QZ_OK); /* each releases, which completes the next */
    printf("    %d locks under way: %ld bytes each; %.2f us to submit, %.2f us to complete and release\n", CALLS, bytes,
           (submitted - begin) * 1e3 / CALLS, (now_ms() - submitted) * 1e3 / CALLS);
    CHECK_SAY(bytes < 1500, "%ld bytes for each call", bytes);
    CHECK(status_line("Threads:") == threads);
    EXPECT(qz_mutex_free(mutex, 0), QZ_OK);
    free_backend(backend);
}

static void a_hundred_thousand_timers(void) {
    qz_backend *backend = new_backend();
    qz_notify *never = NULL;
    EXPECT(qz_notify_new(&never), QZ_OK);
    long threads = status_line("Threads:");
    uint64_t random = 7;
    double begin = now_ms();
    for (uintptr_t n = 0; n < CALLS; n++)
        CHECK(qz_notify_wait_async(never, (int64_t)(next_random(&random) % 300), NULL, backend, number(n)) == QZ_OK);
    CHECK(status_line("Threads:") == threads);
    collect(backend, CALLS, QZ_ERR_TIMEOUT);
    CHECK(now_ms() - begin >= 290);
    /* An hour's deadline that nobody needs any more leaves nothing behind. */
    for (uintptr_t n = 0; n < CALLS; n++)
        CHECK(qz_notify_wait_async(never, 3600000, NULL, backend, number(n)) == QZ_OK);
    EXPECT(qz_notify_all(never), QZ_OK);
    collect(backend, CALLS, QZ_OK);
    CHECK(pending(backend) == 0);
    EXPECT(qz_notify_free(never, 0), QZ_OK);
    free_backend(backend);
}

/* How often this thread went to sleep. */
static long sleeps(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_nvcsw;
}

/* With calls and an hour's timers under way, a poll of a second sleeps once. */
static void an_idle_second_has_no_wake_up(void) {
    qz_backend *backend = new_backend();
    qz_notify *never = NULL;
    size_t len = 0;
    EXPECT(qz_notify_new(&never), QZ_OK);
    for (uintptr_t n = 0; n < 1000; n++)
        CHECK(qz_notify_wait_async(never, n % 2 ? QZ_INFINITE : 3600000, NULL, backend, number(n)) == QZ_OK);
    int fd = descriptor_of(backend);
    expect_nothing(backend);
    long before = sleeps();
    qz_status polled = qz_backend_poll(backend, over, BATCH, 1000, &len);
    long slept = sleeps() - before;
    expect_status(__FILE__, __LINE__, "qz_backend_poll", polled, QZ_ERR_TIMEOUT);
    printf("    an idle second in a poll: asleep %ld time(s)\n", slept);
    /* A page that has to be read is a sleep, too, where memory is short; what ticks sleeps far more often. */
    CHECK(slept >= 1 && slept <= 3 && !is_readable(fd));
    before = sleeps();
    CHECK(!is_readable_within(fd, 300)); /* and in an event loop */
    CHECK(sleeps() - before <= 3);
    EXPECT(qz_notify_all(never), QZ_OK);
    collect(backend, 1000, QZ_OK);
    EXPECT(qz_notify_free(never, 0), QZ_OK);
    free_backend(backend);
}

int main(void) {
    RUN(a_hundred_thousand_wait_on_one_backend);
    RUN(a_hundred_thousand_timers);
    RUN(an_idle_second_has_no_wake_up);
    puts("backend_many: ok");
    return 0;
}
