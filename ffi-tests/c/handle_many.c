/* Many handles in one call: qz_handle_free_many under one deadline, and qz_quiesce_all. */
#include "visitor.h"

static void everything_at_once(void) {
    enum { VALID, NOTHING, STALE, DUPLICATE, GARBAGE, HOLD, OCCUPIED, SELF, OTHER_KIND, N };
    qz_kind *kind = new_kind("many"), *other = new_kind("other");
    thing valid, gone, occupied, self, elsewhere, held;
    visitor v;
    qz_status each[N + 1];
    qz_handle *h[N] = {0};
    h[VALID] = new_handle(kind, &valid);
    h[STALE] = new_handle(kind, &gone);
    EXPECT(qz_handle_free(h[STALE], 0), QZ_OK);
    h[DUPLICATE] = h[VALID];
    h[GARBAGE] = (qz_handle *)&valid;
    qz_handle *holding = new_handle(kind, &held);
    qz_hold *taken = hold(holding, kind, "held", &held);
    h[HOLD] = QZ_HANDLE(taken);
    h[OCCUPIED] = new_handle(kind, &occupied);
    visitor_enter(&v, h[OCCUPIED], kind, "inside");
    h[SELF] = new_handle(kind, &self);
    enter(h[SELF], kind, "self", &self);
    h[OTHER_KIND] = new_handle(other, &elsewhere);
    for (int i = 0; i <= N; i++) each[i] = QZ_ERR_PANIC;

    double begin = now_ms();
    (void)qz_handle_free_many(h, N, 50, each);
    double took = now_ms() - begin;
    CHECK_SAY(took >= 50 && took < 50 + LATE_MS, "took %.1f ms", took);
    static const qz_status wanted[N] = {QZ_OK,
                                        QZ_OK,
                                        QZ_ALREADY_FREED,
                                        QZ_ALREADY_FREED,
                                        QZ_ERR_BAD_HANDLE,
                                        QZ_ERR_WRONG_KIND,
                                        QZ_FREE_PENDING,
                                        QZ_FREE_PENDING,
                                        QZ_OK};
    for (int i = 0; i < N; i++)
        CHECK_SAY(each[i] == wanted[i], "entry %d answered %s, expected %s", i, qz_status_name((int32_t)each[i]),
                  qz_status_name((int32_t)wanted[i]));
    CHECK(each[N] == QZ_ERR_PANIC); /* n statuses, not one more */
    CHECK(destroys(&valid) == 1 && destroys(&elsewhere) == 1 && destroys(&occupied) == 0 && destroys(&self) == 0 &&
          destroys(&held) == 0);

    visitor_leave(&v);
    leave(h[SELF]);
    check_gone(h[OCCUPIED], &occupied);
    check_gone(h[SELF], &self);
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_handle_free(holding, 0), QZ_OK);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
}

/* OK when all are destroyed, by whomever; else FREE_PENDING when some are pending; else a refusal. */
static void one_answer_for_all(void) {
    qz_kind *kind = new_kind("one answer");
    thing t[4];
    visitor v;
    qz_handle *h[4];
    for (int i = 0; i < 3; i++) h[i] = new_handle(kind, &t[i]);
    EXPECT(qz_handle_free_many(h, 3, QZ_INFINITE, NULL), QZ_OK);
    for (int i = 0; i < 3; i++) CHECK(destroys(&t[i]) == 1);
    EXPECT(qz_handle_free_many(h, 0, QZ_INFINITE, NULL), QZ_OK);
    EXPECT(qz_handle_free_many(NULL, 0, QZ_INFINITE, NULL), QZ_OK);
    EXPECT(qz_handle_free_many(NULL, 1, QZ_INFINITE, NULL), QZ_ERR_NULL);
    EXPECT(qz_handle_free_many(h, 3, QZ_INFINITE, NULL), QZ_OK);
    h[3] = new_handle(kind, &t[3]);
    visitor_enter(&v, h[3], kind, "inside");
    h[1] = (qz_handle *)t;
    EXPECT(qz_handle_free_many(h, 4, 0, NULL), QZ_FREE_PENDING);
    visitor_leave(&v);
    EXPECT(qz_handle_free_many(h, 4, 0, NULL), QZ_ERR_BAD_HANDLE);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void one_deadline_for_all(void) {
    enum { N = 20 };
    qz_kind *kind = new_kind("one deadline");
    thing t[N];
    visitor v[N];
    qz_handle *h[N];
    qz_status each[N];
    for (int i = 0; i < N; i++) {
        h[i] = new_handle(kind, &t[i]);
        visitor_enter(&v[i], h[i], kind, "stays");
    }
    double begin = now_ms();
    (void)qz_handle_free_many(h, N, 300, each);
    double took = now_ms() - begin;
    CHECK_SAY(took >= 300, "took %.1f ms: early", took);
    CHECK_SAY(took < 300 + LATE_MS, "took %.0f ms: the deadline is for all of them together", took);
    for (int i = 0; i < N; i++) {
        CHECK(each[i] == QZ_FREE_PENDING && closes(&t[i]) >= 1);
        visitor_leave(&v[i]);
        check_gone(h[i], &t[i]);
    }
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

/* All are closed before any is waited for: handles that wait for one another come out together. */
typedef struct chain {
    qz_handle *handle;
    atomic_bool closed;
    atomic_bool *next_closed;
} chain;

static void chain_on_close(void *object, void *ctx) {
    (void)ctx;
    atomic_store(&((chain *)object)->closed, true);
}

static qz_kind *chain_kind;

static void *chain_visitor(void *argument) {
    chain *c = argument;
    void *object = NULL;
    EXPECT(qz_handle_enter(c->handle, chain_kind, "waits for the other", &object), QZ_OK);
    while (!atomic_load(c->next_closed)) sleep_ms(1);
    EXPECT(qz_handle_leave(c->handle), QZ_OK);
    return NULL;
}

static void all_are_closed_before_any_is_waited_for(void) {
    chain c[2];
    pthread_t threads[2];
    qz_handle *h[2];
    qz_status each[2];
    qz_kind_ops ops = {sizeof ops, chain_on_close, NULL, NULL};
    EXPECT(qz_kind_new("chain", &ops, &chain_kind), QZ_OK);
    for (int i = 0; i < 2; i++) {
        atomic_init(&c[i].closed, false);
        c[i].next_closed = &c[1 - i].closed;
        EXPECT(qz_handle_new(chain_kind, &c[i], &c[i].handle), QZ_OK);
        h[i] = c[i].handle;
    }
    for (int i = 0; i < 2; i++) start_thread(&threads[i], chain_visitor, &c[i]);
    qz_handle_info info;
    for (int i = 0; i < 2; i++) {
        do {
            sleep_ms(1);
            EXPECT(qz_handle_get_info(h[i], &info, sizeof info), QZ_OK);
        } while (info.in_flight == 0);
    }
    EXPECT_AT_ONCE(qz_handle_free_many(h, 2, 20000, each), QZ_OK);
    CHECK(each[0] == QZ_OK && each[1] == QZ_OK);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    EXPECT(qz_kind_close(chain_kind, 0, NULL), QZ_OK);
}

static void a_thousand_handles(void) {
    enum { N = 1000 };
    static thing t[N];
    static qz_handle *h[N];
    static qz_status each[N];
    qz_kind *kind = new_kind("thousand");
    for (int i = 0; i < N; i++) h[i] = new_handle(kind, &t[i]);
    EXPECT(qz_handle_free_many(h, N, QZ_DEFAULT_TIMEOUT, each), QZ_OK);
    for (int i = 0; i < N; i++) CHECK(each[i] == QZ_OK && destroys(&t[i]) == 1);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

static void quiesce_all_frees_what_lives(void) {
    qz_kind *kind = new_kind("quiesced"), *other = new_kind("quiesced too");
    thing t[3];
    visitor v;
    size_t left = 77;
    qz_handle *h[3] = {new_handle(kind, &t[0]), new_handle(other, &t[1]), new_handle(kind, &t[2])};
    visitor_enter(&v, h[2], kind, "stays");
    qz_status got = qz_quiesce_all(50, &left);
    CHECK_SAY(got == QZ_FREE_PENDING && left >= 1, "quiesce_all answered %s with %zu left",
              qz_status_name((int32_t)got), left);
    log_status("qz_quiesce_all(", got);
    CHECK(destroys(&t[0]) == 1 && destroys(&t[1]) == 1 && destroys(&t[2]) == 0);
    visitor_leave(&v);
    CHECK(destroys(&t[2]) == 1);
    EXPECT(qz_quiesce_all(QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    CHECK_SAY(left == 0, "%zu left", left);
    EXPECT(qz_quiesce_all(0, NULL), QZ_OK); /* the count is optional, and nothing to do is fine */
    for (int i = 0; i < 3; i++) check_gone(h[i], &t[i]);
}

static void life_goes_on_after_quiesce_all(void) {
    qz_kind *kind = new_kind("afterwards");
    thing t;
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "read", &t);
    leave(h);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

int main(void) {
    RUN(everything_at_once);
    RUN(one_answer_for_all);
    RUN(one_deadline_for_all);
    RUN(all_are_closed_before_any_is_waited_for);
    RUN(a_thousand_handles);
    RUN(quiesce_all_frees_what_lives);
    RUN(life_goes_on_after_quiesce_all);
    return 0;
}
