/* The message queue of examples/rust-cdylib from C: wrong values, wrong moments, one at a time. */
#include "messages.h"
#include "quiescent.h"

/* The hand-written header says what the generated one says. */
#define SAME(name) _Static_assert((int)RC_##name == (int)QZ_##name, #name " differs from quiescent.h")
SAME(OK);
SAME(FREE_PENDING);
SAME(ALREADY_FREED);
SAME(ERR_NULL);
SAME(ERR_BAD_HANDLE);
SAME(ERR_WRONG_KIND);
SAME(ERR_FREED);
SAME(ERR_TIMEOUT);
SAME(ERR_BUSY);
SAME(ERR_DEADLOCK);
SAME(ERR_INVALID_ARGUMENT);
SAME(ERR_LIMIT);
SAME(ERR_NO_MEMORY);
SAME(ERR_PANIC);
SAME(ERR_FORKED);
SAME(INFINITE);
SAME(DEFAULT_TIMEOUT);

static void nothing_is_refused_as_null(void) {
    void *m = &m;
    size_t len = 77;
    mq_hold *hold = (mq_hold *)&m;
    EXPECT(mq_push(NULL, NULL, 0), RC_ERR_NULL);
    EXPECT(mq_pop(NULL, 0, &m), RC_ERR_NULL);
    EXPECT(mq_drain(NULL, NULL, NULL), RC_ERR_NULL);
    EXPECT(mq_len(NULL, &len), RC_ERR_NULL);
    EXPECT(mq_hold_take(NULL, &hold), RC_ERR_NULL);
    EXPECT(mq_wait_freed(NULL, 0), RC_ERR_NULL);
    EXPECT(mq_on_freed(NULL, count, NULL), RC_ERR_NULL);
    EXPECT(mq_free(NULL, 0), RC_OK);
    EXPECT(mq_try_free(NULL), RC_OK);
    EXPECT(mq_hold_release(NULL), RC_OK);
    CHECK(len == 77 && m == NULL && hold == NULL);
}

static void refuse_everywhere(mq *q, rc_status wanted, rc_status freed) {
    void *m = NULL;
    size_t len;
    mq_hold *hold;
    EXPECT(mq_push(q, NULL, RC_INFINITE), wanted);
    EXPECT(mq_pop(q, RC_INFINITE, &m), wanted);
    EXPECT(mq_len(q, &len), wanted);
    EXPECT(mq_drain(q, NULL, NULL), wanted);
    EXPECT(mq_hold_take(q, &hold), wanted);
    EXPECT(mq_free(q, RC_INFINITE), freed);
    EXPECT(mq_try_free(q), freed);
    CHECK(rc_last_error()[0] != '\0');
}

static void garbage_is_refused(void) {
    mq *queue = new_queue(1);
    int variable = 0;
    void *heap = malloc(64);
    uint64_t seed = 11;
    const uintptr_t values[] = {2, 8, 0xdead0, 0x7ffffffffff8, UINTPTR_MAX - 1, (uintptr_t)&variable, (uintptr_t)heap};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        refuse_everywhere((mq *)values[i], RC_ERR_BAD_HANDLE, RC_ERR_BAD_HANDLE);
        EXPECT(mq_wait_freed((mq *)values[i], 0), RC_ERR_BAD_HANDLE);
        EXPECT(mq_hold_release((mq_hold *)values[i]), RC_ERR_BAD_HANDLE);
    }
    /* Odd numbers look like tokens; the queue at hand is not among these, and must not come to harm. */
    for (int i = 0; i < 100000; i++) {
        uintptr_t odd = ((uintptr_t)choose(&seed, 1u << 31) << 33) | ((uintptr_t)choose(&seed, 1u << 31) << 2) | 1;
        if (odd != (uintptr_t)queue) CHECK(mq_push((mq *)odd, NULL, 0) < 0 && mq_hold_release((mq_hold *)odd) != RC_OK);
    }
    EXPECT(push(queue, 0), RC_OK);
    EXPECT(mq_free(queue, 0), RC_OK);
    free(heap);
}

static void another_kind_is_refused(void) {
    mq *queue = new_queue(1);
    mq_hold *hold = NULL;
    EXPECT(mq_hold_take(queue, &hold), RC_OK);
    refuse_everywhere((mq *)hold, RC_ERR_WRONG_KIND, RC_ERR_WRONG_KIND);
    EXPECT(mq_wait_freed((mq *)hold, 0), RC_ERR_WRONG_KIND);
    EXPECT(mq_hold_release((mq_hold *)queue), RC_ERR_WRONG_KIND);
    EXPECT(mq_hold_release(hold), RC_OK);
    EXPECT(mq_hold_release(hold), RC_ALREADY_FREED);
    EXPECT(mq_free(queue, 0), RC_OK);
}

static void freed_twice_and_used_afterwards(void) {
    mq *queue = new_queue(2);
    atomic_int ended = 0;
    long before = atomic_load(&discarded);
    EXPECT(mq_on_freed(queue, count, &ended), RC_OK);
    EXPECT(push(queue, 0), RC_OK);
    EXPECT(mq_free(queue, RC_DEFAULT_TIMEOUT), RC_OK);
    CHECK(atomic_load(&ended) == 1 && atomic_load(&discarded) == before + 1);
    for (int i = 0; i < 3; i++) refuse_everywhere(queue, RC_ERR_FREED, RC_ALREADY_FREED);
    /* Its memory is used again, under tokens of their own. */
    for (int i = 0; i < 1000; i++) {
        mq *next = new_queue(1);
        CHECK(next != queue);
        refuse_everywhere(queue, RC_ERR_FREED, RC_ALREADY_FREED);
        EXPECT(mq_free(next, 0), RC_OK);
    }
    EXPECT(mq_wait_freed(queue, 0), RC_OK);
    CHECK(atomic_load(&ended) == 1);
    EXPECT(mq_on_freed(queue, count, &ended), RC_ALREADY_FREED);
    CHECK(atomic_load(&ended) == 2);
}

static void numbers_are_refused(void) {
    mq *queue = NULL;
    void *m = NULL;
    EXPECT(mq_new(0, NULL, &queue), RC_ERR_INVALID_ARGUMENT);
    EXPECT(mq_new(SIZE_MAX, NULL, &queue), RC_ERR_NO_MEMORY);
    EXPECT(mq_new(1, NULL, NULL), RC_ERR_NULL);
    CHECK(queue == NULL);
    queue = new_queue(1);
    EXPECT(mq_pop(queue, RC_DEFAULT_TIMEOUT, &m), RC_ERR_INVALID_ARGUMENT);
    EXPECT(mq_pop(queue, INT64_MIN, &m), RC_ERR_INVALID_ARGUMENT);
    EXPECT(mq_free(queue, -3), RC_ERR_INVALID_ARGUMENT);
    EXPECT_AFTER(mq_pop(queue, 30, &m), RC_ERR_TIMEOUT, 30);
    EXPECT(push(queue, INT64_MAX), RC_OK);
    EXPECT_AFTER(push(queue, 30), RC_ERR_TIMEOUT, 30);
    /* Nothing is lost to a caller who cannot be given it. */
    size_t len = 0;
    EXPECT(mq_pop(queue, 0, NULL), RC_ERR_NULL);
    EXPECT(mq_len(queue, &len), RC_OK);
    CHECK(len == 1);
    EXPECT(mq_free(queue, INT64_MAX), RC_OK);
}

enum { MANY = 8 };

typedef struct call {
    mq *queue;
    rc_status (*make)(mq *queue, int64_t timeout_ms);
    pthread_barrier_t *together; /* or NULL */
    atomic_bool begun;
    rc_status answered;
    bool slept;
} call;

static void *make_call(void *argument) {
    call *c = argument;
    if (c->together != NULL) pthread_barrier_wait(c->together);
    long before = sleeps();
    atomic_store(&c->begun, true);
    c->answered = c->make(c->queue, RC_INFINITE);
    c->slept = sleeps() > before;
    return NULL;
}

static void start_call(pthread_t *thread, call *c, mq *queue, rc_status (*make)(mq *, int64_t)) {
    *c = (call){.queue = queue, .make = make};
    start(thread, make_call, c);
    while (!atomic_load(&c->begun)) sched_yield();
}

static void blocked_calls_are_woken(mq *queue, rc_status (*make)(mq *, int64_t)) {
    pthread_t threads[MANY];
    call calls[MANY];
    int blocked = 0;
    for (int i = 0; i < MANY; i++) start_call(&threads[i], &calls[i], queue, make);
    sleep_ms(50);
    EXPECT_AT_ONCE(mq_free(queue, RC_DEFAULT_TIMEOUT), RC_OK);
    for (int i = 0; i < MANY; i++) {
        pthread_join(threads[i], NULL);
        CHECK_SAY(calls[i].answered == RC_ERR_FREED, "a blocked call answered %d", (int)calls[i].answered);
        blocked += calls[i].slept;
    }
    CHECK_SAY(blocked > 0, "nobody was blocked: this proves nothing");
}

static void blocked_poppers_are_woken_by_free(void) {
    pthread_t thread;
    call c;
    mq *queue = new_queue(1);
    start_call(&thread, &c, queue, pop);
    sleep_ms(20);
    EXPECT(push(queue, 0), RC_OK); /* a message wakes, too */
    pthread_join(thread, NULL);
    CHECK(c.answered == RC_OK);
    blocked_calls_are_woken(queue, pop);
}

static void blocked_pushers_are_woken_by_free(void) {
    mq *queue = new_queue(1);
    EXPECT(push(queue, 0), RC_OK);
    blocked_calls_are_woken(queue, push);
}

static rc_status free_by_default(mq *queue, int64_t timeout_ms) {
    (void)timeout_ms;
    return mq_free(queue, RC_DEFAULT_TIMEOUT);
}

static void one_of_64_frees_wins(void) {
    for (int round = 0; round < 20; round++) {
        pthread_t threads[64];
        call calls[64];
        pthread_barrier_t together;
        int won = 0;
        mq *queue = new_queue(1);
        atomic_int ended = 0;
        EXPECT(mq_on_freed(queue, count, &ended), RC_OK);
        pthread_barrier_init(&together, NULL, 64);
        for (int i = 0; i < 64; i++) {
            calls[i] = (call){.queue = queue, .make = free_by_default, .together = &together};
            start(&threads[i], make_call, &calls[i]);
        }
        for (int i = 0; i < 64; i++) {
            pthread_join(threads[i], NULL);
            won += calls[i].answered == RC_OK;
            CHECK(calls[i].answered == RC_OK || calls[i].answered == RC_ALREADY_FREED);
        }
        CHECK_SAY(won == 1 && atomic_load(&ended) == 1, "%d won, destroyed %d times", won, atomic_load(&ended));
    }
}

static void free_inside(void *m, void *queue) {
    end_message(m, &popped);
    EXPECT_AT_ONCE(mq_free(queue, RC_INFINITE), RC_FREE_PENDING);
    CHECK_SAY(strstr(rc_last_error(), "mq_drain") != NULL, "does not name who is inside: %s", rc_last_error());
    EXPECT(mq_wait_freed(queue, RC_INFINITE), RC_ERR_DEADLOCK);
    EXPECT(push(queue, 0), RC_ERR_FREED);
}

static void a_free_from_inside_is_done_by_the_leave(void) {
    mq *queue = new_queue(3);
    atomic_int ended = 0;
    long before = atomic_load(&discarded);
    EXPECT(mq_on_freed(queue, count, &ended), RC_OK);
    for (int i = 0; i < 3; i++) EXPECT(push(queue, 0), RC_OK);
    EXPECT(mq_drain(queue, free_inside, queue), RC_OK);
    CHECK(atomic_load(&ended) == 1);
    CHECK(atomic_load(&discarded) == before + 2); /* each got the first, and went no further */
    EXPECT(mq_free(queue, 0), RC_ALREADY_FREED);
}

static void *release(void *hold) {
    EXPECT(mq_hold_release(hold), RC_OK);
    return NULL;
}

static void a_hold_delays_the_end_and_is_named(void) {
    mq *queue = new_queue(1);
    mq_hold *hold = NULL;
    pthread_t freer, releaser;
    call c;
    atomic_int ended = 0;
    EXPECT(mq_on_freed(queue, count, &ended), RC_OK);
    EXPECT(mq_hold_take(queue, &hold), RC_OK);
    EXPECT(mq_try_free(queue), RC_ERR_BUSY);
    EXPECT(push(queue, 0), RC_OK); /* and is as usable as before */
    EXPECT(pop(queue, 0), RC_OK);
    start_call(&freer, &c, queue, mq_free); /* somebody else's free waits */
    while (push(queue, 0) == RC_OK || pop(queue, 0) == RC_OK) sleep_ms(1);
    EXPECT_AT_ONCE(mq_free(queue, RC_INFINITE), RC_FREE_PENDING); /* ours would wait for ourselves */
    CHECK_SAY(strstr(rc_last_error(), "hold 'mq_hold_take'") != NULL, "does not name the hold: %s", rc_last_error());
    CHECK(atomic_load(&ended) == 0);
    start(&releaser, release, hold);
    pthread_join(releaser, NULL);
    pthread_join(freer, NULL);
    CHECK(c.answered == RC_OK && atomic_load(&ended) == 1);
    EXPECT(mq_wait_freed(queue, 0), RC_OK);
}

int main(void) {
    RUN(nothing_is_refused_as_null);
    RUN(garbage_is_refused);
    RUN(another_kind_is_refused);
    RUN(freed_twice_and_used_afterwards);
    RUN(numbers_are_refused);
    RUN(blocked_poppers_are_woken_by_free);
    RUN(blocked_pushers_are_woken_by_free);
    RUN(one_of_64_frees_wins);
    RUN(a_free_from_inside_is_done_by_the_leave);
    RUN(a_hold_delays_the_end_and_is_named);
    RUN(every_message_came_out_once);
    return 0;
}
