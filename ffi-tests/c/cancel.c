/* qz_cancel_*: ends the waits it is given to; a parent cancels its children; freeing one disturbs nobody. */
#include "refusals.h"

static qz_cancel *new_cancel(void) {
    qz_cancel *c = NULL;
    EXPECT(qz_cancel_new(&c), QZ_OK);
    return c;
}

static qz_cancel *child_of(qz_cancel *parent) {
    qz_cancel *c = NULL;
    EXPECT(qz_cancel_child(parent, &c), QZ_OK);
    return c;
}

static void free_cancel(qz_cancel *c) { EXPECT(qz_cancel_free(c, QZ_DEFAULT_TIMEOUT), QZ_OK); }

static qz_cancel *out;
CALL(call_cancel, qz_cancel_cancel(h))
CALL(call_after, qz_cancel_after(h, 1000000))
CALL(call_wait, qz_cancel_wait(h, 0))
CALL(call_child, qz_cancel_child(h, &out))
CALL(call_free, qz_cancel_free(h, QZ_DEFAULT_TIMEOUT))
CALL(call_free_wrong, qz_cancel_free(h, -3))
static const bad_call *const calls[] = {&call_cancel, &call_after, &call_wait, &call_child};

static void bad_arguments(void) {
    qz_cancel *live = new_cancel(), *freed = new_cancel();
    free_cancel(freed);
    REFUSE_BAD_HANDLES(calls, live, freed);
    free_answers(&call_free, &call_free_wrong, live, freed);
    CHECK(out == NULL);
    EXPECT(qz_cancel_new(NULL), QZ_ERR_NULL);
    EXPECT(qz_cancel_child(live, NULL), QZ_ERR_NULL);
    EXPECT(qz_cancel_after(live, -3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_cancel_wait(live, -3), QZ_ERR_INVALID_ARGUMENT);
    fail_after(0);
    qz_status got = qz_cancel_new(&out);
    succeed_again();
    expect_status(__FILE__, __LINE__, "qz_cancel_new(&out)", got, QZ_ERR_NO_MEMORY);
    CHECK(out == NULL);
    CHECK(!qz_cancel_is_cancelled(live));
    CHECK(qz_cancel_is_cancelled(NULL) && qz_cancel_is_cancelled(freed) && qz_cancel_is_cancelled((qz_cancel *)&got));
    free_cancel(live);
}

static void a_parent_cancels_its_children(void) {
    qz_cancel *parent = new_cancel(), *left = child_of(parent), *right = child_of(parent);
    EXPECT(qz_cancel_wait(left, 0), QZ_ERR_TIMEOUT);
    EXPECT(qz_cancel_cancel(left), QZ_OK);
    CHECK(qz_cancel_is_cancelled(left) && !qz_cancel_is_cancelled(right) && !qz_cancel_is_cancelled(parent));
    EXPECT(qz_cancel_cancel(left), QZ_OK);
    free_cancel(left);
    EXPECT(qz_cancel_cancel(parent), QZ_OK);
    free_cancel(parent);
    CHECK(qz_cancel_is_cancelled(right)); /* whose parent's handle is gone */
    EXPECT(qz_cancel_wait(right, QZ_INFINITE), QZ_OK);
    free_cancel(right);
}

static void cancelled_by_a_deadline(void) {
    qz_cancel *parent = new_cancel(), *child = child_of(parent);
    double begin = now_ms();
    EXPECT(qz_cancel_after(parent, 30), QZ_OK);
    EXPECT(qz_cancel_after(parent, 1000000), QZ_OK);
    /* Unless this thread was kept from running for so long. */
    CHECK(!qz_cancel_is_cancelled(child) || now_ms() - begin >= 30);
    EXPECT(qz_cancel_wait(child, QZ_INFINITE), QZ_OK);
    CHECK_SAY(now_ms() - begin >= 30, "after %.1f ms of 30", now_ms() - begin);
    CHECK(qz_cancel_is_cancelled(parent));
    free_cancel(child);
    free_cancel(parent);
}

static qz_status wait_for_ever(void *c) { return qz_cancel_wait(c, QZ_INFINITE); }
static qz_status wait_a_while(void *c) { return qz_cancel_wait(c, 50); }

/* A wait shares the token: it is not inside the handle, whose free has nobody to wait for. */
static void freeing_disturbs_nobody(void) {
    /* Nothing tells who waits: whoever was not in its call when the handle went finds it freed, and is given longer. */
    qz_status meant_got = QZ_ERR_FREED, lonely_got = QZ_ERR_FREED;
    for (int pause = 20; pause < 10000 && meant_got == QZ_ERR_FREED; pause *= 2) {
        qz_cancel *parent = new_cancel(), *child = child_of(parent);
        caller meant;
        caller_start(&meant, wait_for_ever, child);
        sleep_ms(pause);
        free_cancel(child);
        EXPECT(qz_cancel_wait(child, 0), QZ_ERR_FREED);
        sleep_ms(20);
        EXPECT(qz_cancel_cancel(parent), QZ_OK);
        meant_got = caller_join(&meant);
        free_cancel(parent);
    }
    CHECK(meant_got == QZ_OK);

    for (int pause = 10; pause < 10000 && lonely_got == QZ_ERR_FREED; pause *= 2) {
        qz_cancel *alone = new_cancel();
        caller lonely;
        caller_start(&lonely, wait_a_while, alone);
        sleep_ms(pause);
        free_cancel(alone);
        lonely_got = caller_join(&lonely);
    }
    CHECK(lonely_got == QZ_ERR_TIMEOUT); /* nobody can cancel it any more; freeing did not */
}

int main(void) {
    bad_arguments();
    a_parent_cancels_its_children();
    cancelled_by_a_deadline();
    freeing_disturbs_nobody();
    puts("cancel: ok");
    return 0;
}
