/* What every asynchronous call does alike, whatever it waits for. A form says how to make, occupy and grant that; the tests here are
 * run for each. */
#ifndef ASYNC_FORM_H
#define ASYNC_FORM_H
#include "completions.h"

typedef struct async_form {
    const char *function;
    void *(*make)(void);
    void (*occupy)(void *target); /* so that a call waits; NULL: it does so anyhow */
    void (*grant)(void *target);  /* so that the first call in line succeeds */
    void (*vacate)(void *target); /* ends what `occupy` began, in whatever state the target is; NULL: nothing */
    qz_status (*submit)(void *target, int64_t timeout_ms, qz_cancel *cancel, qz_backend *backend, void *user_data);
    void (*check)(void *target, const qz_completion *over); /* of what was granted; NULL: there is nothing to it */
    bool takes;                                             /* its completion has a hold */
    qz_status late;                                         /* at the deadline */
    bool pairs;                                             /* two calls grant each other */
} async_form;

static const async_form *form;

/* Each is a line of EXPECT's, with the form's own function in place of the call's text. */
static inline void expect_submitted(void *target, int64_t timeout_ms, qz_cancel *cancel, qz_backend *backend, uintptr_t n) {
    expect_status(__FILE__, __LINE__, form->function, form->submit(target, timeout_ms, cancel, backend, number(n)), QZ_OK);
}

static inline void *make_occupied(void) {
    void *target = form->make();
    if (form->occupy != NULL) form->occupy(target);
    return target;
}

static inline void vacate(void *target) {
    if (form->vacate != NULL) form->vacate(target);
}

/* The completion of call `n`, with success; what it took is released. */
static inline void expect_granted(void *target, qz_backend *backend, uintptr_t n) {
    qz_completion over = EXPECT_COMPLETION(backend, form->function, n, QZ_OK);
    CHECK((over.hold != NULL) == form->takes);
    if (form->check != NULL) form->check(target, &over);
    if (form->takes) EXPECT(qz_hold_release(over.hold), QZ_OK);
}

static inline void end_target(void *target) { EXPECT(qz_handle_free(target, 0), QZ_OK); }

/* ---- Refusals of a submission: nothing completes, and nothing is in flight. ---- */

static void *form_target;
static qz_backend *form_backend;

static qz_status submit_on_target(void *h) { return form->submit(h, 0, NULL, form_backend, NULL); }
static qz_status submit_on_backend(void *h) { return form->submit(form_target, 0, NULL, h, NULL); }
static qz_status submit_with_cancel(void *h) { return form->submit(form_target, 0, h, form_backend, NULL); }

static inline void refuses_bad_arguments(void (*refuse_targets)(const bad_call *const *, size_t, void *, void *)) {
    bad_call target = {form->function, submit_on_target}, backend = {form->function, submit_on_backend};
    bad_call cancel = {form->function, submit_with_cancel};
    const bad_call *targets[] = {&target}, *backends[] = {&backend}, *cancels[] = {&cancel};
    form_target = form->make();
    form_backend = new_backend();
    if (refuse_targets != NULL) {
        void *freed = form->make();
        EXPECT(qz_handle_free(freed, 0), QZ_OK);
        refuse_targets(targets, 1, form_target, freed);
    }
    qz_backend *gone = new_backend();
    free_backend(gone);
    refuse_bad_handles(backends, 1, form_backend, gone);
    qz_cancel *token = new_cancel(), *ended = new_cancel();
    EXPECT(qz_cancel_free(ended, 0), QZ_OK);
    refuse_wrong_handles(cancels, 1, token, ended);
    expect_status(__FILE__, __LINE__, form->function, form->submit(form_target, -3, NULL, form_backend, NULL),
                  QZ_ERR_INVALID_ARGUMENT);
    CHECK(pending(form_backend) == 0);
    expect_nothing(form_backend);
    EXPECT(qz_cancel_free(token, 0), QZ_OK);
    end_target(form_target);
    free_backend(form_backend);
}

static inline void refuses_at_every_allocation(void) {
    qz_backend *backend = new_backend();
    void *target = make_occupied();
    qz_cancel *cancel = new_cancel();
    uint32_t before = in_flight(target);
    qz_status got;
    long n = 0;
    for (;; n++) {
        fail_after(n);
        got = form->submit(target, QZ_INFINITE, cancel, backend, number(1));
        succeed_again();
        if (got == QZ_OK) break;
        expect_status(__FILE__, __LINE__, form->function, got, QZ_ERR_NO_MEMORY);
        CHECK(n < 100 && pending(backend) == 0);
        CHECK_SAY(in_flight(target) == before, "%s: in flight after a refusal", form->function);
    }
    CHECK(n >= 2 && pending(backend) == 1);
    expect_nothing(backend); /* and the first poll has what it needs */
    form->grant(target);
    long asked = allocations;
    qz_completion over;
    size_t len = 0;
    qz_status polled = qz_backend_poll(backend, &over, 1, 5000, &len);
    CHECK_SAY(allocations == asked, "%s: the poll took memory", form->function);
    CHECK(polled == QZ_OK && len == 1 && over.status == QZ_OK && over.user_data == number(1));
    if (form->takes) EXPECT(qz_hold_release(over.hold), QZ_OK);
    expect_nothing(backend); /* none of those that were refused */
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    (void)qz_handle_free(target, 0);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    free_backend(backend);
}

/* ---- Its ends. ---- */

static inline void completes_once_by_success(void) {
    qz_backend *backend = new_backend();
    void *target = make_occupied();
    uint32_t before = in_flight(target);
    expect_submitted(target, QZ_INFINITE, NULL, backend, 1);
    CHECK(pending(backend) == 1);
    expect_nothing(backend);
    form->grant(target);
    expect_granted(target, backend, 1);
    expect_nothing(backend);
    CHECK(pending(backend) == 0);
    qz_handle_info info;
    if (qz_handle_get_info(target, &info, sizeof info) == QZ_OK) CHECK(info.in_flight <= before);
    (void)qz_handle_free(target, 0);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    free_backend(backend);
}

static inline void completes_at_its_deadline(void) {
    qz_backend *backend = new_backend();
    void *target = make_occupied();
    uint32_t before = in_flight(target);
    double begin = now_ms();
    expect_submitted(target, 30, NULL, backend, 2);
    (void)EXPECT_COMPLETION(backend, form->function, 2, form->late);
    CHECK_SAY(now_ms() - begin >= 30 && now_ms() - begin < 30 + LATE_MS, "%s: after %.1f ms", form->function, now_ms() - begin);
    expect_submitted(target, 0, NULL, backend, 3);
    (void)EXPECT_COMPLETION(backend, form->function, 3, form->late);
    qz_handle_info info;
    if (form->late == QZ_ERR_TIMEOUT) {
        EXPECT(qz_handle_get_info(target, &info, sizeof info), QZ_OK);
        CHECK_SAY(info.in_flight == before, "%s: in flight after it is over", form->function);
    }
    expect_nothing(backend);
    vacate(target);
    (void)qz_handle_free(target, 0);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    free_backend(backend);
}

static inline void completes_when_cancelled(void) {
    qz_backend *backend = new_backend();
    void *target = make_occupied();
    qz_cancel *cancel = new_cancel(), *already = new_cancel();
    expect_submitted(target, QZ_INFINITE, cancel, backend, 4);
    caller other;
    caller_start(&other, call_cancel, cancel);
    (void)EXPECT_COMPLETION(backend, form->function, 4, QZ_ERR_CANCELLED);
    CHECK(caller_join(&other) == QZ_OK);
    EXPECT(qz_cancel_cancel(already), QZ_OK);
    expect_submitted(target, QZ_INFINITE, already, backend, 5);
    (void)EXPECT_COMPLETION(backend, form->function, 5, QZ_ERR_CANCELLED);
    /* A token's own deadline wakes the poll, too; and a token may go before its call. */
    qz_cancel *later = new_cancel();
    double begin = now_ms();
    expect_submitted(target, QZ_INFINITE, later, backend, 6);
    EXPECT(qz_cancel_after(later, 20), QZ_OK);
    (void)EXPECT_COMPLETION(backend, form->function, 6, QZ_ERR_CANCELLED);
    CHECK(now_ms() - begin >= 20 && now_ms() - begin < 20 + LATE_MS);
    EXPECT(qz_cancel_free(later, 0), QZ_OK);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    EXPECT(qz_cancel_free(already, 0), QZ_OK);
    vacate(target);
    (void)qz_handle_free(target, 0);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    free_backend(backend);
}

/* ---- The end of the backend. ---- */

/* The first is granted (what can be taken, by its submission), and nobody collects it; the second waits, or is to be looked at. */
static inline void is_discarded_with_its_backend(void) {
    qz_backend *backend = new_backend(), *other = new_backend();
    void *target = form->takes ? form->make() : make_occupied();
    uint32_t before = in_flight(target);
    expect_submitted(target, QZ_INFINITE, NULL, backend, 7);
    expect_submitted(target, QZ_INFINITE, NULL, backend, 8);
    if (!form->takes) form->grant(target);
    CHECK(pending(backend) == 2);
    EXPECT(qz_backend_free(backend, QZ_DEFAULT_TIMEOUT), QZ_OK);
    int first = discards_of(7), second = discards_of(8);
    CHECK_SAY(first == 1 && second == 1, "%s: discarded %d and %d times", form->function, first, second);
    qz_handle_info info;
    if (qz_handle_get_info(target, &info, sizeof info) == QZ_OK)
        CHECK_SAY(info.in_flight <= before, "%s: %u in flight, %u before", form->function, info.in_flight, before);
    if (form->takes) { /* what was taken is there again */
        expect_submitted(target, 0, NULL, other, 9);
        expect_granted(target, other, 9);
    }
    (void)qz_handle_free(target, 0);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    free_backend(other);
}

#endif
