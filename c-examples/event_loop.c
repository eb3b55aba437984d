/* One thread, one epoll loop: sockets and hundreds of waits side by side.
 *
 * A small bank over sockets. Clients (in the same process, their ends of the sockets in the same loop) ask for transfers; the server
 * answers each by a line. What stands in the way of a transfer is waited for, without a thread that waits:
 *
 *   1. a permit of a qz_semaphore: so many transfers are under way at most;
 *   2. a connection to the ledger, of a qz_pool;
 *   3. the qz_mutex of one of a few accounts, which everybody wants.
 *
 * Each of them is an asynchronous call on one qz_backend, whose descriptor stands in the epoll set next to the sockets. Some transfers
 * have a deadline that passes, and then the bank closes while many still wait: each of them is told, and nothing is lost. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "quiescent.h"

enum { CLIENTS = 300, ROUNDS = 10, PERMITS = 16, CONNECTIONS = 8, ACCOUNTS = 3, WORK_MS = 1, LATE_MS = 30000, BATCH = 64 };

/* A client's session: at most one transfer at a time, and each step of it is one call on the backend. */
typedef struct session {
    int server, client; /* the two ends of its socket */
    int account, asked;
    enum { IDLE, FOR_PERMIT, FOR_CONNECTION, FOR_ACCOUNT, WORKING } step;
    qz_hold *permit, *connection, *lock;
} session;

static session sessions[CLIENTS];
static qz_semaphore *permits;
static qz_pool *pool;
static qz_mutex *accounts[ACCOUNTS];
static qz_notify *working; /* nobody rings it: its waits end at their deadline, as a timer does */
static qz_cancel *closing;
static qz_backend *backend;
static long balance[ACCOUNTS]; /* by whoever has the account's lock */
static int answered, refused, connections, waiting, most_waiting, inside[ACCOUNTS], overlaps, asks;
static bool is_closing;

static void need(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "%s (%s; %s)\n", what, qz_last_error(), strerror(errno));
    exit(1);
}
#define NEED(call) need((call) == QZ_OK, #call)

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int threads(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    need(tasks != NULL, "/proc/self/task");
    for (struct dirent *entry = readdir(tasks); entry != NULL; entry = readdir(tasks)) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static int32_t connect_to_ledger(int64_t timeout_ms, void *ctx, void **out_connection) {
    (void)timeout_ms;
    *out_connection = ctx;
    connections++;
    return QZ_OK;
}

/* Begins the next step of a transfer: the call completes with the session as its user data. */
static void begin(session *s, int step) {
    qz_status begun = QZ_OK;
    s->step = step;
    if (++waiting > most_waiting) most_waiting = waiting;
    switch (step) {
    case FOR_PERMIT: begun = qz_semaphore_acquire_async(permits, 1, LATE_MS, closing, backend, s); break;
    case FOR_CONNECTION: begun = qz_pool_acquire_async(pool, LATE_MS, closing, backend, s); break;
    case FOR_ACCOUNT: begun = qz_mutex_lock_async(accounts[s->account], LATE_MS, closing, backend, s); break;
    default: begun = qz_notify_wait_async(working, WORK_MS, NULL, backend, s); break;
    }
    need(begun == QZ_OK, "a call was not submitted");
}

static void answer(session *s, const char *line) {
    qz_hold **holds[] = {&s->lock, &s->connection, &s->permit};
    for (size_t i = 0; i < 3; i++) {
        NEED(qz_hold_release(*holds[i])); /* of NULL: nothing */
        *holds[i] = NULL;
    }
    s->step = IDLE;
    need(write(s->server, line, strlen(line)) == (ssize_t)strlen(line), "an answer");
}

/* A call of this session is over: on to the next step. */
static void step_is_over(session *s, const qz_completion *over) {
    waiting--;
    if (s->step == WORKING) {
        need(over->status == QZ_ERR_TIMEOUT, "a timer");
        inside[s->account]--;
        balance[s->account]++;
        answered++;
        answer(s, "done\n");
        return;
    }
    if (over->status != QZ_OK) {
        need(over->status == QZ_ERR_CANCELLED || over->status == QZ_ERR_TIMEOUT, "a call was refused");
        refused++;
        answer(s, "closed\n");
        return;
    }
    if (s->step == FOR_ACCOUNT) {
        s->lock = over->hold;
        overlaps += inside[s->account]++ != 0;
        begin(s, WORKING);
    } else if (s->step == FOR_PERMIT) {
        s->permit = over->hold;
        begin(s, FOR_CONNECTION);
    } else {
        s->connection = over->hold;
        begin(s, FOR_ACCOUNT);
    }
}

/* The backend's descriptor is readable: collect what is over. One round; what is left makes it readable again. */
static void collect(void) {
    qz_completion over[BATCH];
    size_t len = 0;
    qz_status polled = qz_backend_poll(backend, over, BATCH, 0, &len);
    need(polled == QZ_OK || polled == QZ_ERR_TIMEOUT, "the poll");
    for (size_t i = 0; polled == QZ_OK && i < len; i++) step_is_over(over[i].user_data, &over[i]);
}

/* The server's end: a line is a transfer. */
static void request(session *s) {
    char line[32];
    need(read(s->server, line, sizeof line) > 0 && s->step == IDLE, "a request");
    asks++;
    begin(s, FOR_PERMIT);
}

/* The client's end: an answer, and the next request. */
static void ask(session *s) {
    s->asked++;
    need(write(s->client, "pay\n", 4) == 4, "a client's request");
}

static bool client_answered(session *s) {
    char line[32];
    need(read(s->client, line, sizeof line) > 0, "a client's answer");
    if (s->asked < ROUNDS && !is_closing) {
        ask(s);
        return false;
    }
    return true;
}

int main(void) {
    int set = epoll_create1(EPOLL_CLOEXEC), fd = -1, done = 0;
    need(set >= 0, "epoll_create1");
    qz_pool_ops ops = {sizeof ops, connect_to_ledger, NULL, NULL, NULL, &connections};
    qz_pool_config config = {.struct_size = sizeof config, .max_size = CONNECTIONS};
    NEED(qz_backend_new(NULL, NULL, &backend));
    NEED(qz_semaphore_new(PERMITS, PERMITS, &permits));
    NEED(qz_pool_new(&ops, &config, &pool));
    NEED(qz_notify_new(&working));
    NEED(qz_cancel_new(&closing));
    for (int i = 0; i < ACCOUNTS; i++) NEED(qz_mutex_new(&accounts[i]));
    /* The backend is one descriptor among the others; NULL marks it. */
    NEED(qz_backend_fd(backend, &fd));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    need(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    for (int i = 0; i < CLIENTS; i++) {
        int ends[2];
        need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
        sessions[i] = (session){.server = ends[0], .client = ends[1], .account = i % ACCOUNTS};
        for (int end = 0; end < 2; end++) { /* the lowest bit says which end */
            event.data.ptr = (char *)&sessions[i] + end;
            need(epoll_ctl(set, EPOLL_CTL_ADD, ends[end], &event) == 0, "epoll_ctl");
        }
        ask(&sessions[i]);
    }
    double begun = now_ms();
    int most_threads = 0, wakes = 0;
    while (done < CLIENTS) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(set, events, BATCH, 20000);
        if (count < 0 && errno == EINTR) continue; /* a signal, or a debugger */
        need(count > 0, "epoll_wait: everybody waits for ever");
        wakes++;
        for (int i = 0; i < count; i++) {
            char *what = events[i].data.ptr;
            size_t end = what == NULL ? 2 : (size_t)(what - (char *)sessions) % sizeof(session);
            if (end == 2)
                collect();
            else if (end == 0)
                request((session *)what);
            else
                done += client_answered((session *)(what - 1));
        }
        if (wakes % 64 == 1 && threads() > most_threads) most_threads = threads();
        if (!is_closing && answered >= CLIENTS * ROUNDS / 2) { /* half of the day's work is done */
            is_closing = true;
            printf("%6.0f ms  closing: %d calls wait\n", now_ms() - begun, waiting);
            NEED(qz_cancel_cancel(closing));
        }
    }
    printf("%6.0f ms  %d sessions, %d transfers asked: %d done, %d told that the bank closed\n", now_ms() - begun, CLIENTS, asks,
           answered, refused);
    printf("           at most %d calls waited at once, on %d thread; %d connections were made\n", most_waiting, most_threads,
           connections);
    uint32_t available = 0;
    size_t pending = 77;
    NEED(qz_semaphore_available(permits, &available));
    NEED(qz_backend_pending(backend, &pending));
    need(asks == answered + refused && refused > 0 && answered >= CLIENTS * ROUNDS / 2, "a transfer was lost");
    need(balance[0] + balance[1] + balance[2] == answered && overlaps == 0, "an account had two at once");
    need(most_waiting >= CLIENTS / 2 && most_threads == 1, "hundreds wait on one thread");
    need(available == PERMITS && pending == 0 && waiting == 0 && connections <= CONNECTIONS, "something was kept");
    /* Forgotten before it is freed: the descriptor is the backend's own. */
    need(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) == 0 && close(set) == 0, "the epoll set");
    NEED(qz_backend_free(backend, QZ_DEFAULT_TIMEOUT));
    NEED(qz_semaphore_free(permits, 0));
    NEED(qz_pool_free(pool, 0));
    NEED(qz_notify_free(working, 0));
    NEED(qz_cancel_free(closing, 0));
    for (int i = 0; i < ACCOUNTS; i++) NEED(qz_mutex_free(accounts[i], 0));
    for (int i = 0; i < CLIENTS; i++) need(close(sessions[i].server) == 0 && close(sessions[i].client) == 0, "close");
    puts("all claims hold");
    return 0;
}
