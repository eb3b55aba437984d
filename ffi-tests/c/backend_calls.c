/* The asynchronous form of each wait: refused for every reason there is, else it completes once: with success, at its deadline,
 * cancelled, or freed; and nothing that it took or stood in line for is lost. */
#include "async_form.h"

#include <sys/file.h>

/* The holder that keeps calls waiting: a hold, or a thread inside of a once's `init`. */
static qz_hold *occupant;

static void release_occupant(void *target) {
    (void)target;
    EXPECT(qz_hold_release(occupant), QZ_OK);
    occupant = NULL;
}

/* ---- mutex, rwlock ---- */

static void *mutex_make(void) {
    qz_mutex *m = NULL;
    EXPECT(qz_mutex_new(&m), QZ_OK);
    return m;
}
static void mutex_occupy(void *m) { EXPECT(qz_mutex_lock(m, 0, NULL, &occupant), QZ_OK); }
static qz_status mutex_submit(void *m, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_mutex_lock_async(m, ms, cancel, backend, user_data);
}

static void *rwlock_make(void) {
    qz_rwlock *l = NULL;
    EXPECT(qz_rwlock_new(&l), QZ_OK);
    return l;
}
static void rwlock_occupy_by_reader(void *l) { EXPECT(qz_rwlock_read(l, 0, NULL, &occupant), QZ_OK); }
static void rwlock_occupy_by_writer(void *l) { EXPECT(qz_rwlock_write(l, 0, NULL, &occupant), QZ_OK); }
static qz_status read_submit(void *l, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_rwlock_read_async(l, ms, cancel, backend, user_data);
}
static qz_status write_submit(void *l, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_rwlock_write_async(l, ms, cancel, backend, user_data);
}

/* ---- semaphore, pool ---- */

static void *semaphore_make(void) {
    qz_semaphore *s = NULL;
    EXPECT(qz_semaphore_new(2, 2, &s), QZ_OK);
    return s;
}
static void semaphore_occupy(void *s) { EXPECT(qz_semaphore_acquire(s, 2, 0, NULL, &occupant), QZ_OK); }
static qz_status semaphore_submit(void *s, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_semaphore_acquire_async(s, 2, ms, cancel, backend, user_data);
}

static int resource;
static int32_t create_answers = QZ_OK;
static int32_t create(int64_t timeout_ms, void *ctx, void **out_resource) {
    (void)timeout_ms;
    *out_resource = ctx;
    return create_answers;
}
static void *pool_make(void) {
    qz_pool_ops ops = {sizeof ops, create, NULL, NULL, NULL, &resource};
    qz_pool_config config = {sizeof config, 0, 1, 0, 0, 0, 0, 0, 0};
    qz_pool *p = NULL;
    EXPECT(qz_pool_new(&ops, &config, &p), QZ_OK);
    return p;
}
static void pool_occupy(void *p) {
    void *lent = NULL;
    EXPECT(qz_pool_acquire(p, 1000, NULL, &lent, &occupant), QZ_OK);
}
static qz_status pool_submit(void *p, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_pool_acquire_async(p, ms, cancel, backend, user_data);
}
static void pool_check(void *p, const qz_completion *over) {
    (void)p;
    CHECK((void *)over->value == &resource);
}

/* ---- barrier, notify ---- */

static void *barrier_make(void) {
    qz_barrier *b = NULL;
    EXPECT(qz_barrier_new(2, &b), QZ_OK);
    return b;
}
static void barrier_grant(void *b) {
    bool leads = false;
    qz_status met = qz_barrier_wait(b, 0, NULL, &leads);
    CHECK(met == QZ_OK || met == QZ_ERR_TIMEOUT); /* two calls stood there, and met each other */
}
static qz_status barrier_submit(void *b, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_barrier_wait_async(b, ms, cancel, backend, user_data);
}

static void *notify_make(void) {
    qz_notify *n = NULL;
    EXPECT(qz_notify_new(&n), QZ_OK);
    return n;
}
static void notify_grant(void *n) { EXPECT(qz_notify_one(n), QZ_OK); }
static qz_status notify_submit(void *n, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_notify_wait_async(n, ms, cancel, backend, user_data);
}

/* ---- once: kept waiting by a thread that makes the value ---- */

static int made;
static atomic_bool may_end, has_begun;
static caller maker;

static int32_t make_at_once(void *ctx, void **out_value) {
    *out_value = ctx;
    return QZ_OK;
}
static int32_t make_slowly(void *ctx, void **out_value) {
    atomic_store(&has_begun, true);
    while (!atomic_load(&may_end)) sleep_ms(1);
    return make_at_once(ctx, out_value);
}
static qz_status call_make(void *o) {
    void *value = NULL;
    return qz_once_get_or_init(o, make_slowly, &made, QZ_INFINITE, NULL, &value);
}
static void *once_make(void) {
    qz_once *o = NULL;
    EXPECT(qz_once_new(NULL, NULL, &o), QZ_OK);
    return o;
}
static void once_occupy(void *o) {
    atomic_store(&may_end, false);
    atomic_store(&has_begun, false);
    caller_start(&maker, call_make, o);
    while (!atomic_load(&has_begun)) sleep_ms(1);
}
static void once_vacate(void *o) {
    (void)o;
    atomic_store(&may_end, true);
    (void)caller_join(&maker);
}
static qz_status once_submit(void *o, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_once_get_or_init_async(o, make_at_once, &made, ms, cancel, backend, user_data);
}
static void once_check(void *o, const qz_completion *over) {
    (void)o;
    CHECK((void *)over->value == &made);
}

/* ---- filelock ---- */

static char path[64];
static void *filelock_make(void) {
    qz_filelock *l = NULL;
    EXPECT(qz_filelock_open(path, 0, &l), QZ_OK);
    return l;
}
static void filelock_occupy(void *l) { EXPECT(qz_filelock_try_acquire(l, QZ_FILELOCK_EXCLUSIVE, &occupant), QZ_OK); }
static qz_status filelock_submit(void *l, int64_t ms, qz_cancel *cancel, qz_backend *backend, void *user_data) {
    return qz_filelock_acquire_async(l, QZ_FILELOCK_EXCLUSIVE, ms, cancel, backend, user_data);
}

#define BY_HOLD(occupy) occupy, release_occupant, release_occupant
static const async_form forms[] = {
    {"qz_mutex_lock_async", mutex_make, BY_HOLD(mutex_occupy), mutex_submit, NULL, true, QZ_ERR_TIMEOUT, false},
    {"qz_rwlock_read_async", rwlock_make, BY_HOLD(rwlock_occupy_by_writer), read_submit, NULL, true, QZ_ERR_TIMEOUT, false},
    {"qz_rwlock_write_async", rwlock_make, BY_HOLD(rwlock_occupy_by_reader), write_submit, NULL, true, QZ_ERR_TIMEOUT, false},
    {"qz_semaphore_acquire_async", semaphore_make, BY_HOLD(semaphore_occupy), semaphore_submit, NULL, true, QZ_ERR_TIMEOUT, false},
    {"qz_pool_acquire_async", pool_make, BY_HOLD(pool_occupy), pool_submit, pool_check, true, QZ_ERR_TIMEOUT, false},
    {"qz_filelock_acquire_async", filelock_make, BY_HOLD(filelock_occupy), filelock_submit, NULL, true, QZ_ERR_TIMEOUT, false},
    {"qz_barrier_wait_async", barrier_make, NULL, barrier_grant, NULL, barrier_submit, NULL, false, QZ_ERR_TIMEOUT, true},
    {"qz_notify_wait_async", notify_make, NULL, notify_grant, NULL, notify_submit, NULL, false, QZ_ERR_TIMEOUT, false},
    {"qz_once_get_or_init_async", once_make, once_occupy, once_vacate, once_vacate, once_submit, once_check, false,
     QZ_ERR_TIMEOUT, false},
};

/* ---- The free of what is waited for. ---- */

static void completes_when_its_target_is_freed(void) {
    qz_backend *backend = new_backend();
    void *target = make_occupied();
    expect_submitted(target, QZ_INFINITE, NULL, backend, 10);
    if (!form->pairs) expect_submitted(target, 20000, NULL, backend, 11);
    /* By the thread that polls: it is inside by its own calls, and is not kept waiting for them. */
    EXPECT_AT_ONCE(qz_handle_free(target, QZ_INFINITE), QZ_FREE_PENDING);
    (void)EXPECT_COMPLETION(backend, form->function, 10, QZ_ERR_FREED);
    if (!form->pairs) (void)EXPECT_COMPLETION(backend, form->function, 11, QZ_ERR_FREED);
    vacate(target);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    /* By another, while this one sleeps in its poll. */
    target = make_occupied();
    expect_submitted(target, QZ_INFINITE, NULL, backend, 12);
    caller other;
    caller_start(&other, call_free_infinite, target);
    (void)EXPECT_COMPLETION(backend, form->function, 12, QZ_ERR_FREED);
    vacate(target);
    CHECK(caller_join(&other) == QZ_OK);
    free_backend(backend);
}

/* What does not wait is over at once, and a poll that does not wait finds it. */
static void completes_without_waiting(void) {
    qz_backend *backend = new_backend();
    void *target = form->make();
    /* Unless it is cancelled before: then it takes nothing. */
    qz_cancel *cancel = new_cancel();
    EXPECT(qz_cancel_cancel(cancel), QZ_OK);
    expect_submitted(target, 0, cancel, backend, 12);
    (void)EXPECT_COMPLETION(backend, form->function, 12, QZ_ERR_CANCELLED);
    EXPECT(qz_cancel_free(cancel, 0), QZ_OK);
    expect_submitted(target, 0, NULL, backend, 13);
    qz_completion over;
    size_t len = 0;
    EXPECT(qz_backend_poll(backend, &over, 1, 0, &len), QZ_OK);
    CHECK(len == 1 && over.status == QZ_OK && over.user_data == number(13) && over.os_error == 0);
    if (over.hold != NULL) EXPECT(qz_hold_release(over.hold), QZ_OK);
    end_target(target);
    free_backend(backend);
}

/* Whoever submitted first is first, though nobody has polled since. */
static void stands_in_line_from_the_submission_on(void) {
    qz_backend *backend = new_backend(), *second = new_backend();
    void *target = make_occupied();
    expect_submitted(target, QZ_INFINITE, NULL, backend, 14);
    expect_submitted(target, QZ_INFINITE, NULL, second, 15);
    form->grant(target);
    expect_nothing(second);
    qz_completion over = EXPECT_COMPLETION(backend, form->function, 14, QZ_OK);
    if (over.hold != NULL) {
        expect_nothing(second);
        EXPECT(qz_hold_release(over.hold), QZ_OK);
    } else {
        form->grant(target);
    }
    expect_granted(target, second, 15);
    end_target(target);
    free_backend(backend);
    free_backend(second);
}

static qz_hold *collected;
static qz_status call_collect(void *backend) {
    collected = EXPECT_COMPLETION(backend, form->function, 16, QZ_OK).hold;
    return QZ_OK;
}
static qz_status call_release_soon(void *hold) {
    sleep_ms(15);
    return qz_hold_release(hold);
}

/* Whoever collects it: the hold counts as the submitter's, until it is passed on. */
static void a_hold_is_the_submitters(void) {
    qz_backend *backend = new_backend();
    void *target = form->make();
    expect_submitted(target, 0, NULL, backend, 16);
    CHECK(call_elsewhere(call_collect, backend) == QZ_OK && collected != NULL);
    EXPECT_AT_ONCE(qz_handle_free(target, QZ_INFINITE), QZ_FREE_PENDING);
    EXPECT(qz_hold_pass_on(collected), QZ_OK);
    caller other;
    caller_start(&other, call_release_soon, collected);
    qz_status freed = qz_handle_free(target, QZ_INFINITE); /* waits now */
    CHECK(freed == QZ_OK || freed == QZ_ALREADY_FREED);
    EXPECT(qz_handle_wait_freed(target, 0), QZ_OK);
    CHECK(caller_join(&other) == QZ_OK);
    free_backend(backend);
}

/* ---- What one of them says alone. ---- */

static qz_backend *inside_backend;
static int32_t make_from_inside(void *ctx, void **out_value) {
    (void)ctx;
    *out_value = &made;
    qz_once *o = *(qz_once **)ctx;
    EXPECT(qz_once_get_or_init_async(o, make_at_once, &made, QZ_INFINITE, NULL, inside_backend, number(21)), QZ_OK);
    return QZ_OK;
}
static int32_t refuse_to_make(void *ctx, void **out_value) {
    (void)out_value;
    return *(int32_t *)ctx;
}
static void what_init_answers_is_told(void) {
    int32_t io = QZ_ERR_IO;
    qz_backend *backend = new_backend();
    qz_once *o = once_make();
    EXPECT(qz_once_get_or_init_async(o, NULL, NULL, 0, NULL, backend, NULL), QZ_ERR_NULL);
    EXPECT(qz_once_get_or_init_async(o, refuse_to_make, &io, 0, NULL, backend, number(20)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_once_get_or_init_async", 20, QZ_ERR_IO);
    inside_backend = backend;
    EXPECT(qz_once_get_or_init_async(o, make_from_inside, &o, 0, NULL, backend, number(22)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_once_get_or_init_async", 21, QZ_ERR_DEADLOCK);
    (void)EXPECT_COMPLETION(backend, "qz_once_get_or_init_async", 22, QZ_OK);
    EXPECT(qz_once_free(o, 0), QZ_OK);
    free_backend(backend);
}

static void what_create_answers_is_told(void) {
    qz_backend *backend = new_backend();
    qz_pool *p = pool_make();
    create_answers = QZ_ERR_IO;
    EXPECT(qz_pool_acquire_async(p, 0, NULL, backend, number(23)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_pool_acquire_async", 23, QZ_ERR_IO);
    create_answers = QZ_OK;
    EXPECT(qz_pool_acquire_async(p, 0, NULL, backend, number(24)), QZ_OK);
    EXPECT(qz_hold_release(EXPECT_COMPLETION(backend, "qz_pool_acquire_async", 24, QZ_OK).hold), QZ_OK);
    EXPECT(qz_pool_free(p, 0), QZ_OK);
    free_backend(backend);
}

static void permits_that_cannot_be(void) {
    qz_backend *backend = new_backend();
    qz_semaphore *s = semaphore_make();
    EXPECT(qz_semaphore_acquire_async(s, 0, QZ_INFINITE, NULL, backend, number(25)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_semaphore_acquire_async", 25, QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_semaphore_acquire_async(s, 3, QZ_INFINITE, NULL, backend, number(26)), QZ_OK);
    (void)EXPECT_COMPLETION(backend, "qz_semaphore_acquire_async", 26, QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_semaphore_free(s, 0), QZ_OK);
    free_backend(backend);
}

static void one_of_those_that_meet_leads(void) {
    qz_backend *backend = new_backend();
    qz_barrier *b = barrier_make();
    EXPECT(qz_barrier_wait_async(b, QZ_INFINITE, NULL, backend, number(27)), QZ_OK);
    EXPECT(qz_barrier_wait_async(b, QZ_INFINITE, NULL, backend, number(28)), QZ_OK);
    qz_completion over[3];
    size_t len = 0, leaders = 0;
    for (size_t got = 0; got < 2; got += len) {
        EXPECT(qz_backend_poll(backend, over, 3, 5000, &len), QZ_OK);
        for (size_t i = 0; i < len; i++) CHECK(over[i].status == QZ_OK && over[i].hold == NULL && over[i].value <= 1);
        for (size_t i = 0; i < len; i++) leaders += over[i].value;
    }
    CHECK(leaders == 1);
    EXPECT(qz_barrier_free(b, 0), QZ_OK);
    free_backend(backend);
}

/* In the place of the C library's, to refuse locks for a while. */
static int flock_fails;
int flock(int fd, int operation) {
    if (flock_fails != 0 && operation != LOCK_UN) {
        errno = flock_fails;
        return -1;
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static void what_the_system_answers_is_told(void) {
    qz_backend *backend = new_backend();
    qz_filelock *l = filelock_make();
    EXPECT(qz_filelock_acquire_async(l, 2, 0, NULL, backend, NULL), QZ_ERR_INVALID_ARGUMENT);
    flock_fails = ENOLCK;
    EXPECT(qz_filelock_acquire_async(l, QZ_FILELOCK_SHARED, 1000, NULL, backend, number(29)), QZ_OK);
    CHECK(EXPECT_COMPLETION(backend, "qz_filelock_acquire_async", 29, QZ_ERR_IO).os_error == ENOLCK);
    flock_fails = 0;
    /* Another handle's, which stands for another process: noticed without anybody who rings. */
    qz_filelock *other = filelock_make();
    qz_hold *theirs = NULL;
    EXPECT(qz_filelock_acquire(other, QZ_FILELOCK_EXCLUSIVE, 0, NULL, &theirs), QZ_OK);
    EXPECT(qz_filelock_acquire_async(l, QZ_FILELOCK_SHARED, QZ_INFINITE, NULL, backend, number(30)), QZ_OK);
    expect_nothing(backend);
    EXPECT(qz_hold_release(theirs), QZ_OK);
    qz_hold *ours = EXPECT_COMPLETION(backend, "qz_filelock_acquire_async", 30, QZ_OK).hold, *again = NULL;
    /* This thread has it, by whichever call. */
    EXPECT(qz_filelock_acquire(l, QZ_FILELOCK_EXCLUSIVE, 5000, NULL, &again), QZ_ERR_DEADLOCK);
    EXPECT(qz_hold_pass_on(ours), QZ_OK);
    EXPECT(qz_filelock_acquire(l, QZ_FILELOCK_EXCLUSIVE, 1, NULL, &again), QZ_ERR_TIMEOUT);
    EXPECT(qz_hold_release(ours), QZ_OK);
    EXPECT(qz_filelock_free(l, 0), QZ_OK);
    EXPECT(qz_filelock_free(other, 0), QZ_OK);
    free_backend(backend);
}

int main(void) {
    snprintf(path, sizeof path, "/tmp/quiescent-backend-calls-%ld.lock", (long)getpid());
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        form = &forms[i];
        printf("%s\n", form->function);
        refuses_bad_arguments(refuse_bad_handles);
        refuses_at_every_allocation();
        completes_once_by_success();
        completes_at_its_deadline();
        completes_when_cancelled();
        completes_when_its_target_is_freed();
        is_discarded_with_its_backend();
        if (form->occupy != NULL) completes_without_waiting();
        if (form->takes) a_hold_is_the_submitters();
        if ((form->takes && form->submit != read_submit) || form->submit == notify_submit) stands_in_line_from_the_submission_on();
    }
    RUN(what_init_answers_is_told);
    RUN(what_create_answers_is_told);
    RUN(permits_that_cannot_be);
    RUN(one_of_those_that_meet_leads);
    RUN(what_the_system_answers_is_told);
    CHECK(remove(path) == 0);
    puts("backend_calls: ok");
    return 0;
}
