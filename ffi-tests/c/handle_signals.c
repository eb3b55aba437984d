/* Enter and leave in a signal handler, on top of whatever the interrupted thread is doing, enter and leave included. */
#include "visitor.h"
#include <signal.h>

static qz_kind *kind;
static qz_handle *handles[2];
static thing things[2];
static atomic_long in_handler, handler_failures;
static pthread_t victim;
static atomic_bool stop;

static void on_signal(int number) {
    (void)number;
    /* Only enter and leave: printf and malloc are not for signal handlers. */
    void *first = NULL, *second = NULL;
    bool fine = qz_handle_enter(handles[0], kind, "signal", &first) == QZ_OK && first == &things[0];
    fine = fine && qz_handle_enter(handles[1], kind, "signal", &second) == QZ_OK && second == &things[1];
    fine = fine && qz_handle_leave(handles[0]) == QZ_OK && qz_handle_leave(handles[1]) == QZ_OK;
    if (!fine) atomic_fetch_add(&handler_failures, 1);
    atomic_fetch_add(&in_handler, 1);
}

static void *send_signals(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        pthread_kill(victim, SIGUSR1);
        for (volatile int i = 0; i < 2000; i++) {}
    }
    return NULL;
}

static void a_balanced_handler_disturbs_nothing(void) {
    pthread_t sender;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);
    kind = new_kind("signals");
    for (int i = 0; i < 2; i++) handles[i] = new_handle(kind, &things[i]);
    enter(handles[0], kind, "first call of the thread", &things[0]);
    leave(handles[0]);
    victim = pthread_self();
    start_thread(&sender, send_signals, NULL);
    double end = now_ms() + 1000;
    long rounds = 0;
    void *object = NULL;
    /* On one processor there is one for each turn of the sender's: then for longer, and fewer will do. */
    for (; now_ms() < end || (atomic_load(&in_handler) < 1000 && now_ms() < end + 10000) || atomic_load(&in_handler) < 20; rounds++) {
        CHECK_SAY(now_ms() < end + 60000, "only %ld signals arrived", atomic_load(&in_handler));
        for (int i = 0; i < 100; i++) {
            qz_handle *h = handles[i % 2];
            CHECK(qz_handle_enter(h, kind, "thread", &object) == QZ_OK && object == &things[i % 2]);
            CHECK(qz_handle_enter(handles[0], kind, "thread", &object) == QZ_OK);
            CHECK(qz_handle_leave(h) == QZ_OK);
            CHECK(qz_handle_leave(handles[0]) == QZ_OK);
        }
    }
    atomic_store(&stop, true);
    pthread_join(sender, NULL);
    CHECK_SAY(atomic_load(&handler_failures) == 0, "%ld of %ld handlers failed", atomic_load(&handler_failures),
              atomic_load(&in_handler));
    for (int i = 0; i < 2; i++) {
        EXPECT(qz_handle_leave(handles[i]), QZ_ERR_NOT_INSIDE);
        EXPECT(qz_handle_try_free(handles[i]), QZ_OK); /* every count was taken back */
        check_gone(handles[i], &things[i]);
    }
    printf("    %ld signals in %ld00 rounds\n", atomic_load(&in_handler), rounds);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

int main(void) {
    RUN(a_balanced_handler_disturbs_nothing);
    return 0;
}
