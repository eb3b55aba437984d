/* What every function of a ready-made kind answers to every bad handle, so that a kind's own program is about what it does.
 *
 *     static const bad_call calls[] = {CALL(qz_semaphore_add(h, 1)), …};
 *
 * does not work in C, as a call is not a value. So each call is a small function, named once:
 *
 *     CALL(add, qz_semaphore_add(h, 1))
 *     static const bad_call *const calls[] = {&add, …};
 */
#ifndef REFUSALS_H
#define REFUSALS_H
#include "visitor.h"

#include "allocation.h"

typedef struct bad_call {
    const char *text;
    qz_status (*run)(void *h);
} bad_call;

#define CALL(name, call)                                    \
    static qz_status run_##name(void *h) { return (call); } \
    static const bad_call name = {#call, run_##name};

static inline void expect_refusal(const bad_call *c, void *h, qz_status wanted) {
    expect_status("refusals.h", __LINE__, c->text, c->run(h), wanted);
}

typedef struct first_call {
    const bad_call *call;
    void *h;
} first_call;

static inline void *refuse_for_want_of_memory(void *argument) {
    first_call *first = argument;
    fail_after(0);
    qz_status got = first->call->run(first->h);
    succeed_again();
    expect_status("refusals.h", __LINE__, first->call->text, got, QZ_ERR_NO_MEMORY);
    return NULL;
}

/* In a child, where `live` is the parent's. */
static inline void expect_forked(const bad_call *const *calls, size_t n, void *live) {
    if (!in_child()) return;
    for (size_t i = 0; i < n; i++) expect_refusal(calls[i], live, QZ_ERR_FORKED);
    _Exit(0);
}

/* A handle of no ready-made kind. */
static inline void *other_kind(void) {
    static qz_kind *kind;
    if (kind == NULL) EXPECT(qz_kind_new("other", NULL, &kind), QZ_OK);
    return kind;
}

/* `live` and `freed` are handles of the calls' own kind; NULL is none at all, and not tried. */
static inline void refuse_wrong_handles(const bad_call *const *calls, size_t n, void *live, void *freed) {
    uint64_t garbage = 0;
    for (size_t i = 0; i < n; i++) {
        expect_refusal(calls[i], &garbage, QZ_ERR_BAD_HANDLE);
        expect_refusal(calls[i], other_kind(), QZ_ERR_WRONG_KIND);
        expect_refusal(calls[i], freed, QZ_ERR_FREED);
        /* Built for windows-gnu, Rust's standard library makes a thread's own variables on the heap, or ends the process. */
        if (!FIRST_CALL_MAY_LACK_MEMORY) continue;
        first_call first = {calls[i], live};
        pthread_t thread;
        start_thread(&thread, refuse_for_want_of_memory, &first);
        pthread_join(thread, NULL);
    }
    expect_forked(calls, n, live);
}

/* The same, and NULL. */
static inline void refuse_bad_handles(const bad_call *const *calls, size_t n, void *live, void *freed) {
    for (size_t i = 0; i < n; i++) expect_refusal(calls[i], NULL, QZ_ERR_NULL);
    refuse_wrong_handles(calls, n, live, freed);
}

/* The kind's free, with QZ_DEFAULT_TIMEOUT; and with a timeout that is none. */
static inline void free_answers(const bad_call *end, const bad_call *wrong_timeout, void *live, void *freed) {
    uint64_t garbage = 0;
    expect_refusal(end, NULL, QZ_OK);
    expect_refusal(end, &garbage, QZ_ERR_BAD_HANDLE);
    expect_refusal(end, other_kind(), QZ_ERR_WRONG_KIND);
    expect_refusal(end, freed, QZ_ALREADY_FREED);
    expect_refusal(wrong_timeout, live, QZ_ERR_INVALID_ARGUMENT);
    expect_forked(&end, 1, live);
}

#define REFUSE_BAD_HANDLES(calls, live, freed) refuse_bad_handles(calls, sizeof(calls) / sizeof *(calls), live, freed)

#endif
