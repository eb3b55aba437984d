/* qz_rwlock_*: many read or one writes, in turn; downgrade; waits that end by deadline, cancel and free. */
#include "refusals.h"

static qz_rwlock *new_rwlock(void) {
    qz_rwlock *l = NULL;
    EXPECT(qz_rwlock_new(&l), QZ_OK);
    return l;
}

static qz_hold *out_hold;
CALL(call_read, qz_rwlock_read(h, 0, NULL, &out_hold))
CALL(call_write, qz_rwlock_write(h, 0, NULL, &out_hold))
CALL(call_try_read, qz_rwlock_try_read(h, &out_hold))
CALL(call_try_write, qz_rwlock_try_write(h, &out_hold))
CALL(call_downgrade, qz_rwlock_downgrade(h))
CALL(call_free, qz_rwlock_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_rwlock_free(h, -3))
static const bad_call *const calls[] = {&call_read, &call_write, &call_try_read, &call_try_write};
static const bad_call *const hold_calls[] = {&call_downgrade};

static qz_hold *read_lock(qz_rwlock *l) {
    qz_hold *hold = NULL;
    EXPECT(qz_rwlock_read(l, QZ_INFINITE, NULL, &hold), QZ_OK);
    CHECK(hold != NULL);
    return hold;
}

static qz_hold *write_lock(qz_rwlock *l) {
    qz_hold *hold = NULL;
    EXPECT(qz_rwlock_write(l, QZ_INFINITE, NULL, &hold), QZ_OK);
    CHECK(hold != NULL);
    return hold;
}

static void release(qz_hold *hold) { EXPECT(qz_hold_release(hold), QZ_OK); }

/* Nobody has it and nobody waits. */
static void expect_unlocked(qz_rwlock *l) {
    qz_hold *hold = NULL, *none = NULL;
    EXPECT(qz_rwlock_try_write(l, &hold), QZ_OK);
    EXPECT(qz_rwlock_try_read(l, &none), QZ_ERR_BUSY);
    release(hold);
    EXPECT(qz_rwlock_try_read(l, &hold), QZ_OK);
    release(hold);
}

static void bad_arguments(void) {
    qz_rwlock *live = new_rwlock(), *freed = new_rwlock();
    EXPECT(qz_rwlock_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out_hold == NULL);
    EXPECT(qz_rwlock_new(NULL), QZ_ERR_NULL);
    qz_rwlock *none = live;
    fail_after(0);
    qz_status got = qz_rwlock_new(&none);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_rwlock_new()", got, QZ_ERR_NO_MEMORY);
    CHECK(none == NULL);

    out_hold = (qz_hold *)0x1234;
    EXPECT(qz_rwlock_read(live, -2, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    CHECK(out_hold == NULL);
    EXPECT(qz_rwlock_write(live, -2, NULL, &out_hold), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_rwlock_read(live, 0, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_rwlock_write(live, 0, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_rwlock_try_read(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_rwlock_try_write(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_rwlock_read(live, 0, (qz_cancel *)live, &out_hold), QZ_ERR_WRONG_KIND);
    EXPECT(qz_rwlock_write(live, 0, (qz_cancel *)live, &out_hold), QZ_ERR_WRONG_KIND);
    expect_unlocked(live);

    qz_hold *released = write_lock(live);
    release(released);
    qz_hold *held = write_lock(live);
    REFUSE_BAD_HANDLES(hold_calls, held, released);
    qz_hold *none_taken = NULL;
    EXPECT(qz_rwlock_try_read(live, &none_taken), QZ_ERR_BUSY);
    release(held);
    expect_unlocked(live);
    EXPECT(qz_rwlock_free(live, 0), QZ_OK);
}

static void many_read_or_one_writes(void) {
    qz_rwlock *l = new_rwlock();
    qz_hold *one = read_lock(l), *two = NULL, *none = NULL;
    EXPECT(qz_rwlock_try_read(l, &two), QZ_OK);
    EXPECT(qz_rwlock_try_write(l, &none), QZ_ERR_BUSY);
    CHECK(none == NULL && strstr(qz_last_error(), "in hold 'qz_rwlock_") != NULL);
    release(one);
    release(two);
    EXPECT(qz_hold_release(two), QZ_ALREADY_FREED);
    qz_hold *writer = write_lock(l);
    EXPECT(qz_rwlock_try_read(l, &none), QZ_ERR_BUSY);
    EXPECT(qz_rwlock_try_write(l, &none), QZ_ERR_BUSY);
    EXPECT(qz_rwlock_read(l, 0, NULL, &none), QZ_ERR_TIMEOUT);
    CHECK(strstr(qz_last_error(), "in hold 'qz_rwlock_write'") != NULL);
    release(writer);
    expect_unlocked(l);
    EXPECT(qz_rwlock_free(l, 0), QZ_OK);
}

typedef struct wait_for {
    qz_rwlock *l;
    qz_status (*lock)(qz_rwlock *, int64_t, qz_cancel *, qz_hold **);
    qz_cancel *cancel;
    qz_hold *hold;
    int64_t timeout_ms;
} wait_for;

static qz_status call_lock(void *argument) {
    wait_for *w = argument;
    qz_status got = w->lock(w->l, w->timeout_ms, w->cancel, &w->hold);
    log_status(w->lock == qz_rwlock_read ? "qz_rwlock_read(" : "qz_rwlock_write(", got);
    CHECK((got == QZ_OK) == (w->hold != NULL));
    return got;
}

/* Once a writer is in line. */
static void await_a_waiting_writer(qz_rwlock *l) {
    qz_hold *reader = NULL;
    while (qz_rwlock_try_read(l, &reader) == QZ_OK) {
        release(reader);
        sleep_ms(1);
    }
}

static void waits_for_itself(void) {
    qz_rwlock *l = new_rwlock();
    qz_hold *held = write_lock(l), *none = NULL, *again = NULL;
    EXPECT(qz_rwlock_write(l, 5000, NULL, &none), QZ_ERR_DEADLOCK);
    EXPECT(qz_rwlock_read(l, QZ_INFINITE, NULL, &none), QZ_ERR_DEADLOCK);
    CHECK(none == NULL);
    EXPECT(qz_hold_pass_on(held), QZ_OK);
    EXPECT(qz_rwlock_read(l, 10, NULL, &none), QZ_ERR_TIMEOUT); /* another thread's: a wait may help */
    release(held);

    held = read_lock(l);
    EXPECT(qz_rwlock_read(l, QZ_INFINITE, NULL, &again), QZ_OK); /* no writer waits */
    release(again);
    EXPECT(qz_rwlock_write(l, QZ_INFINITE, NULL, &none), QZ_ERR_DEADLOCK);
    wait_for writing = {l, qz_rwlock_write, NULL, NULL, QZ_INFINITE};
    caller writer;
    caller_start(&writer, call_lock, &writing);
    await_a_waiting_writer(l);
    EXPECT(qz_rwlock_read(l, QZ_INFINITE, NULL, &none), QZ_ERR_DEADLOCK); /* behind one that waits for this thread */
    release(held);
    CHECK(caller_join(&writer) == QZ_OK);
    release(writing.hold);
    expect_unlocked(l);
    EXPECT(qz_rwlock_free(l, 0), QZ_OK);
}

static void waits_end_by_grant_deadline_and_cancel(void) {
    qz_rwlock *l = new_rwlock();
    qz_cancel *cancel = NULL;
    EXPECT(qz_cancel_new(&cancel), QZ_OK);
    qz_hold *held = write_lock(l), *none = NULL;
    qz_status (*const locks[])(qz_rwlock *, int64_t, qz_cancel *, qz_hold **) = {qz_rwlock_read, qz_rwlock_write};
    for (int i = 0; i < 2; i++) {
        wait_for late = {l, locks[i], NULL, NULL, 30};
        caller timed_out;
        caller_start(&timed_out, call_lock, &late);
        CHECK(caller_join(&timed_out) == QZ_ERR_TIMEOUT);
        CHECK_SAY(timed_out.ended - timed_out.began >= 30, "after %.1f ms of 30", timed_out.ended - timed_out.began);
    }
    wait_for ended[2] = {{l, qz_rwlock_read, cancel, NULL, QZ_INFINITE}, {l, qz_rwlock_write, cancel, NULL, QZ_INFINITE}};
    wait_for granted[2] = {{l, qz_rwlock_read, NULL, NULL, QZ_INFINITE}, {l, qz_rwlock_read, NULL, NULL, QZ_INFINITE}};
    caller ends[2], grants[2];
    for (int i = 0; i < 2; i++) caller_start(&ends[i], call_lock, &ended[i]);
    for (int i = 0; i < 2; i++) caller_start(&grants[i], call_lock, &granted[i]);
    sleep_ms(20);
    EXPECT(qz_cancel_cancel(cancel), QZ_OK);
    for (int i = 0; i < 2; i++) CHECK(caller_join(&ends[i]) == QZ_ERR_CANCELLED);
    release(held);
    for (int i = 0; i < 2; i++) CHECK(caller_join(&grants[i]) == QZ_OK); /* both at once */
    for (int i = 0; i < 2; i++) release(granted[i].hold);
    EXPECT(qz_rwlock_write(l, QZ_INFINITE, cancel, &none), QZ_ERR_CANCELLED); /* even what is free */
    expect_unlocked(l);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    EXPECT(qz_rwlock_free(l, 0), QZ_OK);
}

static void downgraded(void) {
    qz_rwlock *l = new_rwlock();
    qz_semaphore *s = NULL;
    qz_hold *held = read_lock(l), *permit = NULL, *none = NULL;
    EXPECT(qz_rwlock_downgrade(held), QZ_ERR_INVALID_ARGUMENT); /* it reads */
    release(held);
    EXPECT(qz_semaphore_new(1, 1, &s), QZ_OK);
    EXPECT(qz_semaphore_acquire(s, 1, 0, NULL, &permit), QZ_OK);
    EXPECT(qz_rwlock_downgrade(permit), QZ_ERR_WRONG_KIND);
    release(permit);
    EXPECT(qz_semaphore_free(s, 0), QZ_OK);

    held = write_lock(l);
    wait_for reading = {l, qz_rwlock_read, NULL, NULL, QZ_INFINITE}, writing = {l, qz_rwlock_write, NULL, NULL, QZ_INFINITE};
    caller reader, writer;
    caller_start(&reader, call_lock, &reading);
    sleep_ms(20);
    EXPECT(qz_rwlock_downgrade(held), QZ_OK);
    EXPECT(qz_rwlock_downgrade(held), QZ_ERR_INVALID_ARGUMENT); /* once */
    CHECK(caller_join(&reader) == QZ_OK);
    caller_start(&writer, call_lock, &writing);
    await_a_waiting_writer(l);
    EXPECT(qz_rwlock_try_read(l, &none), QZ_ERR_BUSY); /* the writer is next */
    release(reading.hold);
    qz_handle_info info;
    EXPECT(qz_handle_get_info(QZ_HANDLE(l), &info, sizeof info), QZ_OK);
    CHECK(info.holds == 1 && info.in_flight == 2); /* and waits for this thread, which reads */
    release(held);
    CHECK(caller_join(&writer) == QZ_OK);
    release(writing.hold);
    expect_unlocked(l);

    held = write_lock(l);
    EXPECT(qz_rwlock_free(l, 0), QZ_FREE_PENDING);
    EXPECT(qz_rwlock_downgrade(held), QZ_ERR_FREED);
    release(held);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(l), 0), QZ_OK);
}

/* Those that wait are answered at once; those that have it keep it alive. */
static void freed_while_others_wait_and_hold(void) {
    enum { N = 20 };
    qz_rwlock *l = new_rwlock();
    qz_hold *held = write_lock(l);
    wait_for w[N];
    caller waiting[N];
    for (int i = 0; i < N; i++) {
        w[i] = (wait_for){l, i % 2 == 0 ? qz_rwlock_read : qz_rwlock_write, NULL, NULL, QZ_INFINITE};
        caller_start(&waiting[i], call_lock, &w[i]);
    }
    qz_handle_info info;
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(l), &info, sizeof info), QZ_OK);
    } while (info.in_flight < N + 1);
    EXPECT(qz_hold_pass_on(held), QZ_OK); /* so that this free waits for it */
    EXPECT(qz_rwlock_free(l, 0), QZ_FREE_PENDING); /* its words have room for few: not for those on their way out */
    CHECK(strstr(qz_last_error(), "in hold 'qz_rwlock_write'") != NULL);
    for (int i = 0; i < N; i++) CHECK(caller_join(&waiting[i]) == QZ_ERR_FREED);
    release(held);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(l), 0), QZ_OK);
    EXPECT(qz_rwlock_free(l, 0), QZ_ALREADY_FREED);
}

int main(void) {
    bad_arguments();
    many_read_or_one_writes();
    waits_for_itself();
    waits_end_by_grant_deadline_and_cancel();
    downgraded();
    freed_while_others_wait_and_hold();
    puts("rwlock: ok");
    return 0;
}
