/* Frees and waits for a free that complete: without a thread that waits, whoever is inside, whoever else frees. */
#include "async_form.h"

static qz_kind *kind;
static thing t[4];
static qz_hold *occupant;

static void *handle_make(void) {
    static int next;
    return new_handle(kind, &t[next++ % 4]);
}
static void occupy(void *h) {
    void *object = NULL;
    EXPECT(qz_handle_hold(h, kind, "holding", &object, &occupant), QZ_OK);
}
static void release_occupant(void *h) {
    (void)h;
    EXPECT(qz_hold_release(occupant), QZ_OK);
}
static void free_at_once(void *h) { EXPECT(qz_handle_free(h, 0), QZ_OK); }

static qz_status free_submit(void *h, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_handle_free_async(h, ms, cancel, backend, user_data);
}
static qz_status wait_submit(void *h, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_handle_wait_freed_async(h, ms, cancel, backend, user_data);
}

static const async_form forms[] = {
    {"qz_handle_free_async", handle_make, occupy, release_occupant, release_occupant, free_submit, NULL, false,
     QZ_FREE_PENDING, false},
    {"qz_handle_wait_freed_async", handle_make, NULL, free_at_once, NULL, wait_submit, NULL, false, QZ_ERR_TIMEOUT, false},
};

/* Of a handle: one that is freed is no refusal, but there are holds, which are to be released. */
static void refuse_targets(const bad_call *const *calls, size_t n, void *live, void *freed) {
    uint64_t garbage = 0;
    thing other;
    qz_handle *held = new_handle(kind, &other);
    occupy(held);
    for (size_t i = 0; i < n; i++) {
        expect_refusal(calls[i], NULL, QZ_ERR_NULL);
        expect_refusal(calls[i], &garbage, QZ_ERR_BAD_HANDLE);
        expect_refusal(calls[i], occupant, QZ_ERR_WRONG_KIND);
    }
    release_occupant(held);
    free_at_once(held);
    expect_forked(calls, n, live);
    expect_submitted(freed, 0, NULL, form_backend, 1);
    (void)EXPECT_COMPLETION(form_backend, form->function, 1, form->submit == free_submit ? QZ_ALREADY_FREED : QZ_OK);
}

static void nobody_inside_it_is_destroyed_by_the_submission(void) {
    qz_backend *backend = new_backend();
    qz_handle *h = new_handle(kind, &t[0]);
    EXPECT(qz_handle_free_async(h, QZ_DEFAULT_TIMEOUT, NULL, backend, number(1)), QZ_OK);
    CHECK(destroys(&t[0]) == 1 && atomic_load(&t[0].destroyed_by) == thread_id());
    (void)EXPECT_COMPLETION(backend, "qz_handle_free_async", 1, QZ_OK);
    EXPECT(qz_handle_free_async(h, QZ_INFINITE, NULL, backend, number(2)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_handle_free_async", 2, QZ_ALREADY_FREED);
    check_gone(h, &t[0]);
    free_backend(backend);
}

static void the_last_one_out_destroys_it_and_each_free_is_told(void) {
    qz_backend *backend = new_backend();
    qz_handle *h = new_handle(kind, &t[0]);
    visitor v;
    visitor_enter(&v, h, kind, "visiting");
    EXPECT(qz_handle_wait_freed_async(h, QZ_INFINITE, NULL, backend, number(9)), QZ_OK);
    EXPECT(qz_handle_free_async(h, QZ_INFINITE, NULL, backend, number(1)), QZ_OK);
    EXPECT(qz_handle_free_async(h, QZ_INFINITE, NULL, backend, number(2)), QZ_OK);
    expect_nothing(backend);
    CHECK(qz_handle_is_closing(h) && destroys(&t[0]) == 0);
    /* on_close comes again until they have left: by the poll, whose own timer it is. */
    int before = closes(&t[0]);
    qz_completion none;
    size_t len = 0;
    EXPECT(qz_backend_poll(backend, &none, 1, 40, &len), QZ_ERR_TIMEOUT);
    CHECK_SAY(closes(&t[0]) >= before + 2, "on_close came %d times", closes(&t[0]) - before);
    visitor_dismiss(&v);
    int told[3] = {0};
    for (int i = 0; i < 3; i++) {
        qz_completion over = next_completion(backend);
        int at = over.user_data == number(9) ? 2 : over.user_data == number(1) ? 0 : 1;
        told[at]++;
        const char *function = at == 2 ? "qz_handle_wait_freed_async" : "qz_handle_free_async";
        expect_status(__FILE__, __LINE__, function, (qz_status)over.status, at == 1 ? QZ_ALREADY_FREED : QZ_OK);
    }
    CHECK(told[0] == 1 && told[1] == 1 && told[2] == 1);
    CHECK(atomic_load(&t[0].destroyed_by) == v.thread_id);
    visitor_join(&v);
    check_gone(h, &t[0]);
    free_backend(backend);
}

static void at_the_deadline_it_stays_closed_and_is_destroyed_later(void) {
    qz_backend *backend = new_backend();
    qz_cancel *cancel = new_cancel();
    qz_handle *h = new_handle(kind, &t[0]), *other = new_handle(kind, &t[1]);
    visitor v, w;
    visitor_enter(&v, h, kind, "visiting");
    visitor_enter(&w, other, kind, "visiting");
    double begin = now_ms();
    EXPECT(qz_handle_free_async(h, 20, NULL, backend, number(1)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_handle_free_async", 1, QZ_FREE_PENDING);
    CHECK(now_ms() - begin >= 20 && now_ms() - begin < 20 + LATE_MS);
    /* A free that blocks takes over. */
    caller blocked;
    caller_start(&blocked, call_free_infinite, h);
    /* Cancelled before, it closes all the same. */
    EXPECT(qz_cancel_cancel(cancel), QZ_OK);
    EXPECT(qz_handle_free_async(other, QZ_INFINITE, cancel, backend, number(2)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_handle_free_async", 2, QZ_ERR_CANCELLED);
    CHECK(qz_handle_is_closing(other));
    visitor_leave(&v);
    visitor_leave(&w);
    qz_status freed = caller_join(&blocked);
    CHECK(freed == QZ_OK || freed == QZ_ALREADY_FREED);
    check_gone(h, &t[0]);
    check_gone(other, &t[1]);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    free_backend(backend);
}

static qz_status call_lock(void *m) {
    qz_hold *none = NULL;
    return qz_mutex_lock(m, QZ_INFINITE, NULL, &none);
}

/* Those that block at it, on threads or on the same backend, are told; the holder is waited for. */
static void who_waits_for_what_is_freed_is_told(void) {
    qz_backend *backend = new_backend();
    qz_mutex *m = NULL;
    qz_hold *mine = NULL;
    EXPECT(qz_mutex_new(&m), QZ_OK);
    EXPECT(qz_mutex_lock(m, 0, NULL, &mine), QZ_OK);
    caller blocked;
    caller_start(&blocked, call_lock, m);
    while (in_flight(m) < 2) sleep_ms(1);
    EXPECT(qz_mutex_lock_async(m, QZ_INFINITE, NULL, backend, number(1)), QZ_OK);
    EXPECT(qz_handle_free_async(QZ_HANDLE(m), 5000, NULL, backend, number(2)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_mutex_lock_async", 1, QZ_ERR_FREED);
    CHECK(caller_join(&blocked) == QZ_ERR_FREED);
    expect_nothing(backend);
    EXPECT(qz_hold_release(mine), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_handle_free_async", 2, QZ_OK);
    free_backend(backend);
}

/* A backend is freed on itself: it ends, and the call with it. And on another. */
static void of_backends(void) {
    qz_backend *backend = new_backend(), *other = new_backend();
    qz_mutex *m = NULL;
    qz_hold *mine = NULL;
    EXPECT(qz_mutex_new(&m), QZ_OK);
    EXPECT(qz_mutex_lock(m, 0, NULL, &mine), QZ_OK);
    EXPECT(qz_mutex_lock_async(m, QZ_INFINITE, NULL, backend, number(1)), QZ_OK);
    EXPECT(qz_handle_free_async(QZ_HANDLE(backend), QZ_INFINITE, NULL, backend, number(2)), QZ_OK);
    EXPECT(qz_handle_wait_freed(QZ_HANDLE(backend), 0), QZ_OK);
    CHECK(discards_of(1) == 1 && discards_of(2) == 1 && in_flight(m) == 1);
    backend = new_backend();
    EXPECT(qz_mutex_lock_async(m, QZ_INFINITE, NULL, backend, number(3)), QZ_OK);
    EXPECT(qz_handle_free_async(QZ_HANDLE(backend), QZ_INFINITE, NULL, other, number(4)), QZ_OK);
    (void)EXPECT_COMPLETION(other, "qz_handle_free_async", 4, QZ_OK);
    CHECK(discards_of(3) == 1 && in_flight(m) == 1);
    EXPECT(qz_hold_release(mine), QZ_OK);
    EXPECT(qz_mutex_free(m, 0), QZ_OK);
    free_backend(other);
}

enum { MANY = 40 }; /* more than a sentence has room for */
static qz_semaphore *crowded;
static qz_status call_submit_many(void *backend) {
    for (int i = 0; i < MANY; i++) EXPECT(qz_semaphore_acquire_async(crowded, 1, QZ_INFINITE, NULL, backend, number(1)), QZ_OK);
    return QZ_OK;
}

/* Those that wait stay until a poll tells them: they are named last. */
static void who_holds_is_named_before_who_waits(void) {
    qz_backend *backend = new_backend();
    qz_hold *mine = NULL;
    EXPECT(qz_semaphore_new(1, 1, &crowded), QZ_OK);
    EXPECT(qz_semaphore_acquire(crowded, 1, 0, NULL, &mine), QZ_OK);
    CHECK(call_elsewhere(call_submit_many, backend) == QZ_OK);
    EXPECT(qz_semaphore_free(crowded, 0), QZ_FREE_PENDING);
    const char *words = qz_last_error(), *held = strstr(words, "in hold 'qz_semaphore_acquire'");
    CHECK_SAY(held != NULL && strstr(words, "waiting in") > held, "%s", words);
    for (int i = 0; i < MANY; i++) (void)EXPECT_COMPLETION(backend, "qz_semaphore_acquire_async", 1, QZ_ERR_FREED);
    EXPECT(qz_hold_release(mine), QZ_OK);
    free_backend(backend);
}

int main(void) {
    kind = new_kind("thing");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        form = &forms[i];
        printf("%s\n", form->function);
        refuses_bad_arguments(refuse_targets);
        refuses_at_every_allocation();
        completes_once_by_success();
        completes_at_its_deadline();
        completes_when_cancelled();
        is_discarded_with_its_backend();
    }
    RUN(nobody_inside_it_is_destroyed_by_the_submission);
    RUN(the_last_one_out_destroys_it_and_each_free_is_told);
    RUN(at_the_deadline_it_stays_closed_and_is_destroyed_later);
    RUN(who_waits_for_what_is_freed_is_told);
    RUN(of_backends);
    RUN(who_holds_is_named_before_who_waits);
    puts("backend_free: ok");
    return 0;
}
