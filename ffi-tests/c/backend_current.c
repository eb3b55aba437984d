/* qz_backend_current: what a call runs is told for which call, by a submission and by a poll, and one inside of another. */
#include "completions.h"

static qz_backend *inner;
static uintptr_t made_for[3], created_for;
static int stuff;
static bool is_blocking;

static uintptr_t current_call(void) {
    void *user_data = number(77);
    EXPECT(qz_backend_current(&user_data), QZ_OK);
    return (uintptr_t)user_data;
}

static void expect_no_call(void) {
    void *user_data = number(77);
    EXPECT(qz_backend_current(&user_data), QZ_ERR_NOT_INSIDE);
    CHECK(user_data == number(77));
}

static int32_t note_and_refuse(void *ctx, void **out_value) {
    (void)out_value;
    made_for[1] = current_call();
    return *(int32_t *)ctx;
}

/* Submits another call, and collects it. */
static int32_t make_around_another(void *ctx, void **out_value) {
    int32_t refusal = QZ_ERR_IO;
    made_for[0] = current_call();
    EXPECT(qz_backend_current(NULL), QZ_ERR_NULL);
    EXPECT(qz_once_get_or_init_async(ctx, note_and_refuse, &refusal, 0, NULL, inner, number(2)), QZ_OK);
    (void)EXPECT_COMPLETION(inner, "qz_once_get_or_init_async", 2, QZ_ERR_IO);
    made_for[2] = current_call();
    *out_value = &stuff;
    return QZ_OK;
}

static int32_t create(int64_t timeout_ms, void *ctx, void **out_resource) {
    (void)timeout_ms;
    if (is_blocking) expect_no_call();
    else created_for = current_call();
    *out_resource = ctx;
    return QZ_OK;
}

static void the_innermost_call_and_then_the_outer_one_again(void) {
    qz_backend *backend = new_backend();
    qz_once *outside = NULL, *inside = NULL;
    EXPECT(qz_once_new(NULL, NULL, &outside), QZ_OK);
    EXPECT(qz_once_new(NULL, NULL, &inside), QZ_OK);
    inner = new_backend();
    expect_no_call();
    EXPECT(qz_once_get_or_init_async(outside, make_around_another, inside, 0, NULL, backend, number(1)), QZ_OK);
    CHECK(made_for[0] == 1 && made_for[1] == 2 && made_for[2] == 1);
    expect_no_call();
    (void)EXPECT_COMPLETION(backend, "qz_once_get_or_init_async", 1, QZ_OK);
    EXPECT(qz_once_free(outside, 0), QZ_OK);
    EXPECT(qz_once_free(inside, 0), QZ_OK);
    free_backend(inner);
    free_backend(backend);
}

static void of_those_that_wait_the_one_that_creates(void) {
    qz_backend *backend = new_backend();
    qz_pool_ops ops = {sizeof ops, create, NULL, NULL, NULL, &stuff};
    qz_pool_config config = {sizeof config, 0, 1, 0, 0, 0, 0, 0, 0};
    qz_pool *pool = NULL;
    void *resource = NULL;
    qz_hold *taken = NULL;
    EXPECT(qz_pool_new(&ops, &config, &pool), QZ_OK);
    is_blocking = true;
    EXPECT(qz_pool_acquire(pool, 1000, NULL, &resource, &taken), QZ_OK);
    is_blocking = false;
    for (uintptr_t n = 3; n < 5; n++) EXPECT(qz_pool_acquire_async(pool, QZ_INFINITE, NULL, backend, number(n)), QZ_OK);
    for (uintptr_t n = 3; n < 5; n++) {
        created_for = 0;
        EXPECT(qz_pool_discard(taken), QZ_OK);
        CHECK(created_for == 0);
        taken = EXPECT_COMPLETION(backend, "qz_pool_acquire_async", n, QZ_OK).hold;
        CHECK(created_for == n);
        expect_no_call();
    }
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_pool_free(pool, 0), QZ_OK);
    free_backend(backend);
}

int main(void) {
    RUN(the_innermost_call_and_then_the_outer_one_again);
    RUN(of_those_that_wait_the_one_that_creates);
    puts("backend_current: ok");
    return 0;
}
