/* qz_barrier_*: callers that wait for each other; an arrival that ends early is withdrawn; freeing ends the waits. */
#include "refusals.h"

static qz_barrier *new_barrier(uint32_t n) {
    qz_barrier *b = NULL;
    EXPECT(qz_barrier_new(n, &b), QZ_OK);
    return b;
}

CALL(call_wait, qz_barrier_wait(h, 0, NULL, NULL))
CALL(call_free, qz_barrier_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_barrier_free(h, -3))
static const bad_call *const calls[] = {&call_wait};

static void bad_arguments(void) {
    qz_barrier *live = new_barrier(1), *freed = new_barrier(1);
    EXPECT(qz_barrier_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);

    qz_barrier *none = live;
    EXPECT(qz_barrier_new(0, &none), QZ_ERR_INVALID_ARGUMENT);
    CHECK(none == NULL);
    EXPECT(qz_barrier_new(1u << 20, &none), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_barrier_new(1, NULL), QZ_ERR_NULL);
    fail_after(0);
    qz_status got = qz_barrier_new(1, &none);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_barrier_new()", got, QZ_ERR_NO_MEMORY);

    bool is_leader = false;
    EXPECT(qz_barrier_wait(live, -2, NULL, &is_leader), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_barrier_wait(live, 0, (qz_cancel *)live, &is_leader), QZ_ERR_WRONG_KIND);
    CHECK(!is_leader); /* written on success only */
    qz_barrier *largest = new_barrier((1u << 20) - 1);
    EXPECT(qz_barrier_free(largest, 0), QZ_OK);
    EXPECT(qz_barrier_free(live, 0), QZ_OK);
}

typedef struct arrival {
    qz_barrier *b;
    qz_cancel *cancel;
    int64_t timeout_ms;
    int rounds, led;
} arrival;

static qz_status arrive(void *argument) {
    arrival *a = argument;
    for (int i = 0; i < a->rounds; i++) {
        bool is_leader = false;
        qz_status got = qz_barrier_wait(a->b, a->timeout_ms, a->cancel, &is_leader);
        if (got != QZ_OK) return got;
        a->led += is_leader;
    }
    return QZ_OK;
}

static void await_waiters(qz_barrier *b, uint32_t in_flight) {
    qz_handle_info info;
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(b), &info, sizeof info), QZ_OK);
    } while (info.in_flight < in_flight);
}

static void one_alone(void) {
    qz_barrier *b = new_barrier(1);
    for (int i = 0; i < 3; i++) {
        bool is_leader = false;
        EXPECT(qz_barrier_wait(b, 0, NULL, &is_leader), QZ_OK);
        CHECK(is_leader);
    }
    EXPECT(qz_barrier_free(b, 0), QZ_OK);
}

static void each_generation_has_one_leader(void) {
    enum { N = 4, ROUNDS = 500 };
    qz_barrier *b = new_barrier(N);
    arrival a[N];
    caller callers[N];
    int led = 0;
    for (int i = 0; i < N; i++) {
        a[i] = (arrival){b, NULL, QZ_INFINITE, ROUNDS, 0};
        caller_start(&callers[i], arrive, &a[i]);
    }
    for (int i = 0; i < N; i++) {
        CHECK(caller_join(&callers[i]) == QZ_OK);
        led += a[i].led;
    }
    CHECK_SAY(led == ROUNDS, "%d led", led);
    EXPECT(qz_barrier_free(b, QZ_DEFAULT_TIMEOUT), QZ_OK);
}

/* Neither counts for those that come later: it still takes two. */
static void a_wait_that_ends_early_is_withdrawn(void) {
    qz_barrier *b = new_barrier(2);
    double begin = now_ms();
    EXPECT(qz_barrier_wait(b, 30, NULL, NULL), QZ_ERR_TIMEOUT);
    CHECK_SAY(now_ms() - begin >= 30, "after %.1f ms of 30", now_ms() - begin);
    EXPECT(qz_barrier_wait(b, 0, NULL, NULL), QZ_ERR_TIMEOUT);

    arrival cancelled = {b, NULL, QZ_INFINITE, 1, 0}, other = {b, NULL, QZ_INFINITE, 1, 0};
    EXPECT(qz_cancel_new(&cancelled.cancel), QZ_OK);
    caller ended, waits;
    caller_start(&ended, arrive, &cancelled);
    await_waiters(b, 1);
    qz_occupant who;
    size_t n = 0;
    EXPECT(qz_handle_occupants(QZ_HANDLE(b), &who, sizeof who, 1, &n), QZ_OK);
    CHECK(n == 1 && who.is_waiting && !who.is_hold);
    EXPECT(qz_cancel_cancel(cancelled.cancel), QZ_OK);
    CHECK(caller_join(&ended) == QZ_ERR_CANCELLED);
    EXPECT(qz_barrier_wait(b, QZ_INFINITE, cancelled.cancel, NULL), QZ_ERR_CANCELLED);
    EXPECT(qz_barrier_wait(b, 0, NULL, NULL), QZ_ERR_TIMEOUT);

    caller_start(&waits, arrive, &other);
    bool is_leader = false;
    EXPECT(qz_barrier_wait(b, QZ_INFINITE, NULL, &is_leader), QZ_OK);
    CHECK(caller_join(&waits) == QZ_OK);
    CHECK(is_leader + other.led == 1);
    EXPECT(qz_cancel_free(cancelled.cancel, 0), QZ_OK);
    EXPECT(qz_barrier_wait(b, 0, cancelled.cancel, NULL), QZ_ERR_FREED);
    EXPECT(qz_barrier_free(b, 0), QZ_OK);
}

static void freed_while_others_wait(void) {
    enum { N = 20 };
    qz_status freed = QZ_OK;
    /* A free that does not wait is pending, unless all of them are out by then. */
    for (int attempt = 0; attempt < 100 && freed != QZ_FREE_PENDING; attempt++) {
        qz_barrier *b = new_barrier(N + 1);
        arrival a[N];
        caller waiting[N];
        for (int i = 0; i < N; i++) {
            a[i] = (arrival){b, NULL, QZ_INFINITE, 1, 0};
            caller_start(&waiting[i], arrive, &a[i]);
        }
        await_waiters(b, N);
        freed = qz_barrier_free(b, 0);
        for (int i = 0; i < N; i++) CHECK(caller_join(&waiting[i]) == QZ_ERR_FREED);
        EXPECT(qz_handle_wait_freed(QZ_HANDLE(b), 0), QZ_OK);
        EXPECT(qz_barrier_wait(b, 0, NULL, NULL), QZ_ERR_FREED);
        EXPECT(qz_barrier_free(b, 0), QZ_ALREADY_FREED);
    }
    expect_status(__FILE__, __LINE__, "qz_barrier_free(b, 0)", freed, QZ_FREE_PENDING);
}

int main(void) {
    bad_arguments();
    one_alone();
    each_generation_has_one_leader();
    a_wait_that_ends_early_is_withdrawn();
    freed_while_others_wait();
    puts("barrier: ok");
    return 0;
}
