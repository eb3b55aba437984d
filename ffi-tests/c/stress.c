/* Handles under stress, made for ThreadSanitizer and AddressSanitizer: threads enter, leave, hold, free in every way, wait
 * and look, on a few slots whose freed handles are replaced at once.
 *
 *     stress [ITERATIONS per thread] [THREADS] [SLOTS]
 *
 * The objects behind the handles are plain memory, written and given back by the destructor: whoever is let in too late, or
 * destroyed too early, is a data race or a use after free that the sanitizer reports. Without one, the claims at the end
 * still hold: each destructor exactly once, OK and ALREADY_FREED mean destroyed, every on_freed ran. Exits 1 if one fails,
 * or if no free ever met an operation in flight: then nothing was tested. */
#include "thing.h"
#include <pthread.h>

#define ALIVE UINT64_C(0xA11FE)
#define GONE UINT64_C(0xDEAD)
#define MAILBOXES 8
#define MAX_SLOTS 64
#define MAX_THREADS 64

/* What a handle stands for. Given back by the destructor. */
typedef struct object {
    uint64_t state[6]; /* plain */
    struct record *record;
    atomic_int inside; /* relaxed: counts, and orders nothing that a sanitizer could be misled by */
} object;

/* What the test knows of a handle. Never given back: late threads still read it. */
typedef struct record {
    qz_handle *handle;
    atomic_int destroyed;
    atomic_bool met; /* a close found somebody inside */
    struct record *next;
} record;

static qz_kind *kind;
static _Atomic(record *) slots[MAX_SLOTS];
static _Atomic(qz_hold *) mailboxes[MAILBOXES];
static _Atomic(record *) all_records;
static int slot_count = 4;
static long iterations = 20000;

static atomic_long opened, destroyed, met, admitted, refused, held, hooks_due, hooks_run;
static atomic_long freed_ok, freed_already, freed_pending, freed_busy;

static void add(atomic_long *counter, long n) { atomic_fetch_add_explicit(counter, n, memory_order_relaxed); }

static void on_close(void *argument, void *ctx) {
    object *o = argument;
    (void)ctx;
    CHECK(o->state[0] == ALIVE);
    if (atomic_load_explicit(&o->inside, memory_order_relaxed) > 0 && !atomic_exchange(&o->record->met, true))
        add(&met, 1);
}

static void on_destroy(void *argument, void *ctx) {
    object *o = argument;
    record *r = o->record;
    (void)ctx;
    for (int i = 0; i < 6; i++) {
        CHECK_SAY(o->state[i] == ALIVE, "destroyed twice");
        o->state[i] = GONE;
    }
    CHECK(atomic_load_explicit(&o->inside, memory_order_relaxed) == 0);
    free(o);
    CHECK_SAY(atomic_fetch_add(&r->destroyed, 1) == 0, "destroyed twice");
    add(&destroyed, 1);
}

static void on_freed(void *ctx) { add(ctx, 1); }

static record *open_one(void) {
    object *o = malloc(sizeof *o);
    record *r = calloc(1, sizeof *r);
    CHECK(o != NULL && r != NULL);
    for (int i = 0; i < 6; i++) o->state[i] = ALIVE;
    o->record = r;
    atomic_init(&o->inside, 0);
    qz_status got = qz_handle_new(kind, o, &r->handle);
    CHECK_SAY(got == QZ_OK, "handle_new answered %s", qz_status_name((int32_t)got));
    r->next = atomic_load(&all_records);
    while (!atomic_compare_exchange_weak(&all_records, &r->next, r)) {}
    keep_busy(r->handle, kind);
    add(&opened, 1);
    return r;
}

static void use(object *o, uint64_t *random) {
    atomic_fetch_add_explicit(&o->inside, 1, memory_order_relaxed);
    uint64_t work = next_random(random) % 64;
    for (uint64_t i = 0; i <= work; i++)
        CHECK_SAY(((volatile object *)o)->state[i % 6] == ALIVE, "inside an object that is gone");
    if (next_random(random) % 32 == 0) sched_yield();
    if (next_random(random) % 256 == 0) sleep_ms(1); /* asleep inside: the drains must sleep too */
    CHECK(o->state[5] == ALIVE);
    atomic_fetch_sub_explicit(&o->inside, 1, memory_order_relaxed);
}

static void destroyed_as_told(record *r, qz_status got) {
    if (got == QZ_OK || got == QZ_ALREADY_FREED)
        CHECK_SAY(atomic_load(&r->destroyed) == 1, "a free answered %s before the object was destroyed",
                  qz_status_name((int32_t)got));
}

/* Frees in one of seven ways, and puts a new handle in its place if that closed it. */
static void free_one(int slot, record *r, uint64_t *random) {
    void *out = NULL;
    qz_status got;
    switch (next_random(random) % 7) {
    case 0: got = qz_handle_free(r->handle, 0); break;
    case 1: got = qz_handle_free(r->handle, 1); break;
    case 2: got = qz_handle_free(r->handle, QZ_DEFAULT_TIMEOUT); break;
    case 3: got = qz_handle_free(r->handle, QZ_INFINITE); break;
    case 4: got = qz_handle_try_free(r->handle); break;
    case 5: {
        qz_handle *twice[2] = {r->handle, r->handle};
        qz_status each[2];
        (void)qz_handle_free_many(twice, 2, 1, each);
        got = each[0];
        break;
    }
    default: /* from inside an operation of its own */
        if (qz_handle_enter(r->handle, kind, "free inside", &out) != QZ_OK) return;
        got = qz_handle_free(r->handle, QZ_INFINITE);
        CHECK_SAY(got == QZ_FREE_PENDING, "a free from inside answered %s", qz_status_name((int32_t)got));
        CHECK(qz_handle_wait_freed(r->handle, QZ_INFINITE) == QZ_ERR_DEADLOCK);
        use(out, random);
        CHECK(qz_handle_leave(r->handle) == QZ_OK);
    }
    destroyed_as_told(r, got);
    switch (got) {
    case QZ_OK: add(&freed_ok, 1); break;
    case QZ_ALREADY_FREED: add(&freed_already, 1); break;
    case QZ_FREE_PENDING: add(&freed_pending, 1); break;
    case QZ_ERR_BUSY: add(&freed_busy, 1); return; /* it stays usable */
    default: CHECK_SAY(false, "a free answered %s", qz_status_name((int32_t)got));
    }
    record *newer = open_one();
    if (!atomic_compare_exchange_strong(&slots[slot], &r, newer)) { /* somebody else was faster */
        got = qz_handle_free(newer->handle, 0);
        CHECK(got == QZ_OK);
        destroyed_as_told(newer, got);
        add(&freed_ok, 1);
    }
}

static void look(record *r, uint64_t *random) {
    qz_handle_info info;
    qz_occupant found[4];
    size_t count = 0;
    qz_status got;
    switch (next_random(random) % 6) {
    case 0:
        got = qz_handle_wait_freed(r->handle, (int64_t)(next_random(random) % 2));
        if (got == QZ_OK) CHECK(atomic_load(&r->destroyed) == 1);
        else
            CHECK(got == QZ_ERR_TIMEOUT ||
                  got == QZ_ERR_DEADLOCK); /* a hold of this thread's may be all that keeps it */
        break;
    case 1:
        got = qz_handle_occupants(r->handle, found, sizeof *found, 4, &count);
        CHECK(got == QZ_OK || got == QZ_ERR_FREED);
        break;
    case 2:
        got = qz_handle_get_info(r->handle, &info, sizeof info);
        CHECK(got == QZ_OK || got == QZ_ERR_FREED);
        if (got == QZ_OK) CHECK(strcmp(info.kind, "stress") == 0);
        break;
    case 3:
        got = qz_handle_on_freed(r->handle, on_freed, &hooks_run);
        CHECK(got == QZ_OK || got == QZ_ALREADY_FREED);
        add(&hooks_due, 1);
        break;
    case 4:
        got = qz_handle_set_label(r->handle, "a label that somebody else may be reading");
        CHECK(got == QZ_OK || got == QZ_ERR_FREED);
        break;
    default:
        if (!qz_handle_is_closing(r->handle)) (void)qz_handle_leave(r->handle); /* a stray one */
    }
}

/* Holds are handed over: the postman, or whoever finds a mailbox full, releases what somebody else took. */
static void hold_one(record *r, uint64_t *random) {
    void *out = NULL;
    qz_hold *taken = NULL;
    if (qz_handle_hold(r->handle, kind, "hold", &out, &taken) != QZ_OK) {
        add(&refused, 1);
        return;
    }
    add(&held, 1);
    use(out, random);
    taken = atomic_exchange(&mailboxes[next_random(random) % MAILBOXES], taken);
    if (taken == NULL) return;
    CHECK(qz_hold_release(taken) == QZ_OK);
    CHECK(qz_hold_release(taken) == QZ_ALREADY_FREED);
}

static atomic_bool stop;

/* Without a postman, everybody might wait for ever for a hold that lies in a mailbox. */
static void *postman(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < MAILBOXES; i++) CHECK(qz_hold_release(atomic_exchange(&mailboxes[i], NULL)) == QZ_OK);
        sched_yield();
    }
    return NULL;
}

static void enter_one(record *r, uint64_t *random) {
    void *out = NULL, *nested = NULL;
    if (qz_handle_enter(r->handle, kind, "use", &out) != QZ_OK) {
        add(&refused, 1);
        return;
    }
    add(&admitted, 1);
    CHECK(((object *)out)->record == r); /* not somebody else's object */
    use(out, random);
    record *other = atomic_load(&slots[next_random(random) % (uint64_t)slot_count]);
    if (next_random(random) % 4 == 0 && qz_handle_enter(other->handle, kind, "use, nested", &nested) == QZ_OK) {
        add(&admitted, 1);
        CHECK(((object *)nested)->record == other);
        use(nested, random);
        if (next_random(random) % 2 == 0) { /* the outer one first */
            CHECK(qz_handle_leave(r->handle) == QZ_OK);
            use(nested, random);
            CHECK(qz_handle_leave(other->handle) == QZ_OK);
            return;
        }
        CHECK(qz_handle_leave(other->handle) == QZ_OK);
    }
    use(out, random);
    CHECK(qz_handle_leave(r->handle) == QZ_OK);
#ifdef USE_AFTER_LEAVE /* the control of scripts/sanitize: a caller's mistake that every sanitizer must report */
    CHECK(((volatile object *)out)->state[0] != 0);
#endif
}

static void *work(void *argument) {
    uint64_t random = (uint64_t)(uintptr_t)argument * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (long i = 0; i < iterations; i++) {
        int slot = (int)(next_random(&random) % (uint64_t)slot_count);
        record *r = atomic_load(&slots[slot]);
        uint64_t dice = next_random(&random) % 100;
        if (dice < 65) enter_one(r, &random);
        else if (dice < 75) hold_one(r, &random);
        else if (dice < 90) look(r, &random);
        else free_one(slot, r, &random);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc > 1) iterations = atol(argv[1]);
    int threads = argc > 2 ? atoi(argv[2]) : 8;
    if (argc > 3) slot_count = atoi(argv[3]);
    CHECK(iterations > 0 && threads > 0 && threads <= MAX_THREADS && slot_count > 0 && slot_count <= MAX_SLOTS);
    qz_kind_ops ops = {sizeof ops, on_close, on_destroy, NULL};
    CHECK(qz_kind_new("stress", &ops, &kind) == QZ_OK);
    for (int i = 0; i < slot_count; i++) atomic_store(&slots[i], open_one());

    pthread_t all[MAX_THREADS], post;
    CHECK(pthread_create(&post, NULL, postman, NULL) == 0);
    double begin = now_ms();
    for (int i = 0; i < threads; i++) CHECK(pthread_create(&all[i], NULL, work, (void *)(uintptr_t)(i + 1)) == 0);
    for (int i = 0; i < threads; i++) pthread_join(all[i], NULL);
    double took = now_ms() - begin;
    atomic_store(&stop, true);
    pthread_join(post, NULL);

    for (int i = 0; i < MAILBOXES; i++) CHECK(qz_hold_release(atomic_load(&mailboxes[i])) == QZ_OK);
    for (int i = 0; i < slot_count; i++) {
        record *r = atomic_load(&slots[i]);
        qz_status got = qz_handle_free(r->handle, QZ_DEFAULT_TIMEOUT);
        CHECK(got == QZ_OK || got == QZ_ALREADY_FREED);
        destroyed_as_told(r, got);
    }
    for (record *r = atomic_load(&all_records); r != NULL; r = r->next) {
        CHECK_SAY(qz_handle_wait_freed(r->handle, 5000) == QZ_OK, "a handle lives on");
        CHECK_SAY(atomic_load(&r->destroyed) == 1, "destroyed %d times", atomic_load(&r->destroyed));
        CHECK(qz_handle_free(r->handle, 0) == QZ_ALREADY_FREED);
    }
    size_t left = 77;
    CHECK(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, &left) == QZ_OK && left == 0);

    long o = atomic_load(&opened), d = atomic_load(&destroyed), m = atomic_load(&met);
    printf("stress: %d threads, %d slots, %.1f s\n", threads, slot_count, took / 1e3);
    printf("  operations  admitted %ld, held %ld, refused %ld\n", atomic_load(&admitted), atomic_load(&held),
           atomic_load(&refused));
    printf("  frees       OK %ld, already freed %ld, pending %ld, busy %ld\n", atomic_load(&freed_ok),
           atomic_load(&freed_already), atomic_load(&freed_pending), atomic_load(&freed_busy));
    printf("  handles     opened %ld, destroyed %ld; on_freed due %ld, run %ld\n", o, d, atomic_load(&hooks_due),
           atomic_load(&hooks_run));
    printf("  overlap     %ld of %ld handles were closed while somebody was inside (%.1f %%)\n", m, o,
           100.0 * (double)m / (double)o);
    CHECK(o == d);
    CHECK(atomic_load(&hooks_due) == atomic_load(&hooks_run));
    CHECK_SAY(m > 0 && atomic_load(&refused) > 0 && atomic_load(&freed_already) > 0, "no overlap: nothing was tested");
    return 0;
}
