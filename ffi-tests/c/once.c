/* qz_once_*: a value made once, by whoever comes first; waits that end by deadline, cancel and free; destroyed with the handle. */
#include "refusals.h"

#include <stdatomic.h>

static int values[4];
static atomic_int destroyed;

static void destroy_value(void *value, void *ctx) {
    CHECK(value == &values[0] || value == &values[1]);
    CHECK(ctx == &destroyed);
    atomic_fetch_add(&destroyed, 1);
}

static qz_once *new_once(void) {
    qz_once *o = NULL;
    EXPECT(qz_once_new(destroy_value, &destroyed, &o), QZ_OK);
    return o;
}

/* How often a value was destroyed since the last time. */
static int since(void) { return atomic_exchange(&destroyed, 0); }

static int32_t make_first(void *ctx, void **out_value) {
    CHECK(ctx == values);
    *out_value = &values[0];
    return QZ_OK;
}

static int32_t make_nothing(void *ctx, void **out_value) {
    (void)ctx, (void)out_value;
    return 7;
}

static int32_t refuse_with(void *ctx, void **out_value) {
    *out_value = &values[3];
    return *(int32_t *)ctx;
}

static int32_t unexpected(void *ctx, void **out_value) {
    (void)ctx, (void)out_value;
    give_up(__FILE__, __LINE__, "the value is there: nobody makes it again");
    return QZ_OK;
}

static void *out_value;
static qz_hold *out_hold;
CALL(call_get, qz_once_get(h, &out_value))
CALL(call_hold, qz_once_hold(h, &out_value, &out_hold))
CALL(call_set, qz_once_set(h, &values[0]))
CALL(call_init, qz_once_get_or_init(h, make_first, values, 0, NULL, &out_value))
CALL(call_free, qz_once_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_once_free(h, -3))
static const bad_call *const calls[] = {&call_get, &call_hold, &call_set, &call_init};

static void bad_arguments(void) {
    qz_once *live = new_once(), *freed = new_once();
    EXPECT(qz_once_free(freed, 0), QZ_OK);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out_value == NULL && out_hold == NULL);
    EXPECT(qz_once_new(destroy_value, NULL, NULL), QZ_ERR_NULL);
    qz_once *none = live;
    fail_after(0);
    qz_status got = qz_once_new(NULL, NULL, &none);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_once_new()", got, QZ_ERR_NO_MEMORY);
    CHECK(none == NULL);
    EXPECT(qz_once_get(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_once_hold(live, NULL, &out_hold), QZ_ERR_NULL);
    EXPECT(qz_once_hold(live, &out_value, NULL), QZ_ERR_NULL);
    EXPECT(qz_once_get_or_init(live, unexpected, NULL, 0, NULL, NULL), QZ_ERR_NULL);
    EXPECT(qz_once_get_or_init(live, NULL, NULL, 0, NULL, &out_value), QZ_ERR_NULL);
    EXPECT(qz_once_get_or_init(live, unexpected, NULL, -2, NULL, &out_value), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_once_get_or_init(live, unexpected, NULL, 0, (qz_cancel *)live, &out_value), QZ_ERR_WRONG_KIND);
    EXPECT(qz_once_get(live, &out_value), QZ_ERR_BUSY);
    EXPECT(qz_once_hold(live, &out_value, &out_hold), QZ_ERR_BUSY);
    CHECK(out_value == NULL && out_hold == NULL);
    EXPECT(qz_once_free(live, 0), QZ_OK);
    CHECK(since() == 0); /* there were no values */
}

static void made_once_and_destroyed_with_the_handle(void) {
    qz_once *o = new_once();
    void *value = NULL;
    EXPECT(qz_once_get_or_init(o, make_first, values, 0, NULL, &value), QZ_OK);
    CHECK(value == &values[0]);
    EXPECT(qz_once_get_or_init(o, unexpected, NULL, QZ_INFINITE, NULL, &value), QZ_OK);
    CHECK(value == &values[0]);
    EXPECT(qz_once_set(o, &values[1]), QZ_ERR_LIMIT);
    value = NULL;
    EXPECT(qz_once_get(o, &value), QZ_OK);
    CHECK(value == &values[0] && since() == 0);
    EXPECT(qz_once_free(o, 0), QZ_OK);
    CHECK(since() == 1);

    o = new_once();
    EXPECT(qz_once_set(o, &values[1]), QZ_OK);
    qz_hold *hold = NULL;
    EXPECT(qz_once_hold(o, &value, &hold), QZ_OK);
    CHECK(value == &values[1] && hold != NULL);
    EXPECT(qz_once_free(o, QZ_INFINITE), QZ_FREE_PENDING); /* its own hold is all that is in flight */
    EXPECT(qz_once_get(o, &value), QZ_ERR_FREED);
    CHECK(since() == 0);
    EXPECT(qz_hold_release(hold), QZ_OK);
    CHECK(since() == 1);

    EXPECT(qz_once_new(NULL, NULL, &o), QZ_OK); /* without destroy */
    value = &values[2];
    EXPECT(qz_once_get_or_init(o, make_nothing, NULL, 0, NULL, &value), QZ_OK);
    CHECK(value == NULL);
    EXPECT(qz_once_set(o, &values[2]), QZ_ERR_LIMIT);
    EXPECT(qz_once_free(o, 0), QZ_OK);
}

static void refusals_are_passed_on(void) {
    qz_once *o = new_once();
    int32_t io = QZ_ERR_IO, own = -1000, positive = 3;
    void *value = &values[2];
    EXPECT(qz_once_get_or_init(o, refuse_with, &io, 0, NULL, &value), QZ_ERR_IO);
    EXPECT(qz_once_get_or_init(o, refuse_with, &own, 0, NULL, &value), QZ_ERR_INVALID_ARGUMENT);
    CHECK(value == &values[2]);
    EXPECT(qz_once_get(o, &value), QZ_ERR_BUSY); /* as if nobody had begun */
    EXPECT(qz_once_free(o, 0), QZ_OK);
    CHECK(since() == 0);
    EXPECT(qz_once_new(NULL, NULL, &o), QZ_OK);
    EXPECT(qz_once_get_or_init(o, refuse_with, &positive, 0, NULL, &value), QZ_OK);
    CHECK(value == &values[3]);
    EXPECT(qz_once_free(o, 0), QZ_OK);
}

/* An initialiser that others watch: it says that it runs, and ends when it is told to. */
typedef struct slow {
    qz_once *o;
    atomic_int runs;
    atomic_int may_end;
    int32_t status;
    void *value;
} slow;

static int32_t make_slowly(void *ctx, void **out) {
    slow *s = ctx;
    atomic_store(&s->runs, 1);
    while (!atomic_load(&s->may_end)) sleep_ms(1);
    *out = &values[0];
    return s->status;
}

static qz_status call_make_slowly(void *argument) {
    slow *s = argument;
    return qz_once_get_or_init(s->o, make_slowly, s, QZ_INFINITE, NULL, &s->value);
}

static void begin(slow *s, caller *maker, qz_once *o, int32_t status) {
    *s = (slow){.o = o, .status = status};
    caller_start(maker, call_make_slowly, s);
    while (!atomic_load(&s->runs)) sleep_ms(1);
}

typedef struct wait_for {
    qz_once *o;
    qz_cancel *cancel;
    int64_t timeout_ms;
    void *value;
} wait_for;

static int32_t make_second(void *ctx, void **out) {
    (void)ctx;
    *out = &values[1];
    return QZ_OK;
}

static qz_status call_wait(void *argument) {
    wait_for *w = argument;
    qz_status got = qz_once_get_or_init(w->o, make_second, NULL, w->timeout_ms, w->cancel, &w->value);
    log_status("qz_once_get_or_init(", got);
    return got;
}

static void waits_end_by_value_deadline_and_cancel(void) {
    qz_once *o = new_once();
    qz_cancel *cancel = NULL;
    EXPECT(qz_cancel_new(&cancel), QZ_OK);
    slow s;
    caller maker, waiting, ended;
    begin(&s, &maker, o, QZ_OK);
    EXPECT(qz_once_set(o, &values[1]), QZ_ERR_BUSY);
    EXPECT(qz_once_get(o, &out_value), QZ_ERR_BUSY);
    wait_for late = {o, NULL, 30, NULL}, stopped = {o, cancel, QZ_INFINITE, NULL}, served = {o, NULL, QZ_INFINITE, NULL};
    double started = now_ms();
    CHECK(call_wait(&late) == QZ_ERR_TIMEOUT);
    CHECK_SAY(now_ms() - started >= 30, "after %.1f ms of 30", now_ms() - started);
    caller_start(&ended, call_wait, &stopped);
    caller_start(&waiting, call_wait, &served);
    sleep_ms(10);
    EXPECT(qz_cancel_cancel(cancel), QZ_OK);
    CHECK(caller_join(&ended) == QZ_ERR_CANCELLED);
    atomic_store(&s.may_end, 1);
    CHECK(caller_join(&maker) == QZ_OK && caller_join(&waiting) == QZ_OK);
    CHECK(s.value == &values[0] && served.value == &values[0] && late.value == NULL && stopped.value == NULL);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    EXPECT(qz_once_free(o, 0), QZ_OK);
    CHECK(since() == 1);

    o = new_once();
    begin(&s, &maker, o, QZ_ERR_IO);
    served = (wait_for){o, NULL, QZ_INFINITE, NULL};
    caller_start(&waiting, call_wait, &served);
    sleep_ms(10);
    atomic_store(&s.may_end, 1);
    CHECK(caller_join(&maker) == QZ_ERR_IO && caller_join(&waiting) == QZ_OK);
    CHECK(served.value == &values[1]); /* the next in line made its own */
    EXPECT(qz_once_free(o, 0), QZ_OK);
    CHECK(since() == 1);
}

static qz_once *entered_again;

static int32_t ask_for_its_own_value(void *ctx, void **out) {
    void *value = NULL;
    EXPECT(qz_once_get_or_init(entered_again, unexpected, NULL, QZ_INFINITE, NULL, &value), QZ_ERR_DEADLOCK);
    EXPECT(qz_once_set(entered_again, &values[1]), QZ_ERR_BUSY);
    EXPECT(qz_once_get(entered_again, &value), QZ_ERR_BUSY);
    EXPECT(qz_once_free(entered_again, QZ_INFINITE), QZ_FREE_PENDING); /* from inside: the last one out destroys */
    return make_first(ctx, out);
}

static void initialisers_that_wait_for_themselves(void) {
    entered_again = new_once();
    double started = now_ms();
    EXPECT(qz_once_get_or_init(entered_again, ask_for_its_own_value, values, QZ_INFINITE, NULL, &out_value), QZ_OK);
    CHECK(now_ms() - started < LATE_MS);
    CHECK(since() == 1);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(entered_again), 0), QZ_OK);
}

/* Those that wait are answered at once; the initialiser is waited for, and what it made is destroyed. */
static void freed_while_it_is_made(void) {
    enum { N = 20 };
    qz_once *o = new_once();
    slow s;
    caller maker, waiting[N];
    wait_for w[N];
    begin(&s, &maker, o, QZ_OK);
    for (int i = 0; i < N; i++) {
        w[i] = (wait_for){o, NULL, QZ_INFINITE, NULL};
        caller_start(&waiting[i], call_wait, &w[i]);
    }
    qz_handle_info info;
    do {
        sleep_ms(1);
        EXPECT(qz_handle_get_info(QZ_HANDLE(o), &info, sizeof info), QZ_OK);
    } while (info.in_flight < N + 1);
    EXPECT(qz_once_free(o, 50), QZ_FREE_PENDING);
    for (int i = 0; i < N; i++) CHECK(caller_join(&waiting[i]) == QZ_ERR_FREED);
    CHECK(since() == 0);
    atomic_store(&s.may_end, 1);
    CHECK(caller_join(&maker) == QZ_OK && s.value == &values[0]);
    CHECK(since() == 1);
    EXPECT(qz_once_free(o, 0), QZ_ALREADY_FREED);
}

int main(void) {
    bad_arguments();
    made_once_and_destroyed_with_the_handle();
    refusals_are_passed_on();
    waits_end_by_value_deadline_and_cancel();
    initialisers_that_wait_for_themselves();
    freed_while_it_is_made();
    puts("once: ok");
    return 0;
}
