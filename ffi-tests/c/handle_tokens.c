/* Tokens are never addresses: whatever bit pattern a caller passes as a handle, it is refused with a typed error,
 * without a crash and without a wild read. 10^6 random values from a fixed seed, small numbers, real pointers of every
 * sort, every single-bit change of a live token, and tokens of the past. */
#include "visitor.h"

#define SEED UINT64_C(0x9E3779B97F4A7C15)
#define RANDOM_VALUES 1000000

static qz_kind *kind;
static qz_handle *live;
static thing live_thing;

static void hook_never_called(void *ctx) {
    (void)ctx;
    give_up(__FILE__, __LINE__, "a callback ran for a handle that never was");
}

/* Puts `value` into every parameter that takes a token. `shallow` leaves out the calls that would end something if the
 * value were, by a one-bit change, the token of something else that lives. */
static void refused_everywhere(uint64_t value, bool shallow) {
    qz_handle *h = (qz_handle *)(uintptr_t)value;
    if (h == QZ_HANDLE(kind) || h == live) return; /* two bits away from the one may well be the other */
    void *untouched = &untouched, *object = untouched;
    qz_handle *new_one = NULL;
    qz_hold *taken = NULL;
    qz_handle_info info;
    qz_occupant occupant;
    size_t count = 77;
#define REFUSED(call) CHECK_SAY((call) < 0, "%s accepted 0x%016" PRIx64, #call, value)
    REFUSED(qz_handle_enter(h, kind, "garbage", &object));
    REFUSED(qz_handle_enter(live, (qz_kind *)h, "garbage", &object));
    REFUSED(qz_handle_hold(h, kind, "garbage", &object, &taken));
    REFUSED(qz_handle_leave(h));
    REFUSED(qz_handle_new((qz_kind *)h, &live_thing, &new_one));
    CHECK(object == untouched && taken == NULL && new_one == NULL);
    if (shallow) return;
    REFUSED(qz_handle_get_info(h, &info, sizeof info));
    REFUSED(qz_handle_occupants(h, &occupant, sizeof occupant, 1, &count));
    REFUSED(qz_handle_set_label(h, "garbage"));
    REFUSED(qz_handle_free(h, QZ_INFINITE));
    REFUSED(qz_handle_try_free(h));
    REFUSED(qz_handle_wait_freed(h, QZ_INFINITE));
    REFUSED(qz_handle_on_freed(h, hook_never_called, NULL));
    REFUSED(qz_hold_release((qz_hold *)h));
    REFUSED(qz_kind_close((qz_kind *)h, QZ_INFINITE, &count));
    qz_status each = QZ_OK;
    (void)qz_handle_free_many(&h, 1, QZ_INFINITE, &each);
    CHECK_SAY(each < 0, "qz_handle_free_many accepted 0x%016" PRIx64, value);
    CHECK_SAY(qz_handle_is_closing(h), "0x%016" PRIx64 " counts as open", value);
    CHECK(count == 77);
#undef REFUSED
}

static void bad_handle(uint64_t value) {
    void *object = NULL;
    qz_status got = qz_handle_enter((qz_handle *)(uintptr_t)value, kind, "garbage", &object);
    CHECK_SAY(got == QZ_ERR_BAD_HANDLE, "0x%016" PRIx64 " answered %s, not BAD_HANDLE", value, qz_status_name(got));
    refused_everywhere(value, false);
}

static void small_numbers(void) {
    for (uint64_t i = 1; i <= 4096; i++) bad_handle(i);
    for (uint64_t i = 1; i <= 4096; i++) bad_handle((uint64_t)0 - i); /* (void *)-1, MAP_FAILED, errno-like pointers */
}

static void powers_of_two_and_neighbours(void) {
    for (int bit = 13; bit < 64; bit++) {
        bad_handle(UINT64_C(1) << bit);
        bad_handle((UINT64_C(1) << bit) + 1);
        bad_handle((UINT64_C(1) << bit) - 1);
    }
    bad_handle(UINT64_C(0xDEADBEEFDEADBEEF));
    bad_handle(UINT64_C(0xCDCDCDCDCDCDCDCD));
    bad_handle(UINT64_C(0xA5A5A5A5A5A5A5A5));
}

static void real_pointers(void) {
    static int in_data;
    int on_stack = 0;
    char *on_heap = malloc(4096);
    CHECK(on_heap != NULL);
    bad_handle((uintptr_t)&in_data);
    bad_handle((uintptr_t)&on_stack);
    bad_handle((uintptr_t)stdout);
    bad_handle((uintptr_t)real_pointers);
    bad_handle((uintptr_t)qz_handle_free);
    bad_handle((uintptr_t)"a string");
    /* Every alignment, odd ones too: a char * into a buffer may well be odd. */
    for (int i = 0; i < 4096; i++) bad_handle((uintptr_t)(on_heap + i));
    free(on_heap);
    bad_handle((uintptr_t)&live_thing); /* the very object that a live handle stands for */
}

static void a_million_random_values(void) {
    uint64_t state = SEED, aligned = 0, odd = 0;
    for (int i = 0; i < RANDOM_VALUES; i++) {
        uint64_t value = next_random(&state);
        /* Half of them odd like a token, half aligned like a pointer. */
        value = i % 2 == 0 ? value | 1 : value & ~UINT64_C(15);
        value % 2 == 0 ? aligned++ : odd++;
        if (value == 0) continue;
        refused_everywhere(value, false);
    }
    printf("    %d values, seed 0x%" PRIx64 ": %" PRIu64 " odd, %" PRIu64 " aligned, none accepted\n", RANDOM_VALUES,
           SEED, odd, aligned);
}

static void every_bit_of_a_live_token_counts(void) {
    for (int bit = 0; bit < 64; bit++) refused_everywhere((uint64_t)(uintptr_t)live ^ UINT64_C(1) << bit, true);
    for (int a = 0; a < 64; a++)
        for (int b = a + 1; b < 64; b++)
            refused_everywhere((uint64_t)(uintptr_t)live ^ UINT64_C(1) << a ^ UINT64_C(1) << b, true);
}

static void every_token_of_the_past_is_freed(void) {
    enum { PAST = 10000 };
    static qz_handle *past[PAST];
    static thing t;
    void *object = NULL;
    for (int i = 0; i < PAST; i++) {
        past[i] = new_handle(kind, &t);
        CHECK(qz_handle_free(past[i], 0) == QZ_OK);
    }
    for (int i = 0; i < PAST; i++) {
        CHECK(past[i] != live && ((uintptr_t)past[i] & 1) == 1); /* odd, so that no aligned pointer is one */
        CHECK(qz_handle_enter(past[i], kind, "stale", &object) == QZ_ERR_FREED);
        CHECK(qz_handle_free(past[i], QZ_INFINITE) == QZ_ALREADY_FREED);
        CHECK(qz_handle_try_free(past[i]) == QZ_ALREADY_FREED);
        CHECK(qz_handle_wait_freed(past[i], QZ_INFINITE) == QZ_OK);
        for (int j = i - 3 < 0 ? 0 : i - 3; j < i; j++) CHECK(past[i] != past[j]);
    }
}

/* The shell's next life has not begun: its token is garbage, not one of the past and not one to wait for. */
static void a_token_of_the_future_is_no_handle(void) {
    static thing short_lived;
    qz_handle *h = new_handle(kind, &short_lived);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    bad_handle((uint64_t)(uintptr_t)h + (UINT64_C(1) << 36));
    bad_handle((uint64_t)(uintptr_t)h + (UINT64_C(2) << 36));
}

static void the_live_handle_never_noticed(void) {
    CHECK(destroys(&live_thing) == 0 && closes(&live_thing) == 0 && !qz_handle_is_closing(live));
    enter(live, kind, "still usable", &live_thing);
    leave(live);
    EXPECT(qz_handle_free(live, 0), QZ_OK);
    check_gone(live, &live_thing);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
}

int main(void) {
    kind = new_kind("token");
    live = new_handle(kind, &live_thing);
    RUN(small_numbers);
    RUN(powers_of_two_and_neighbours);
    RUN(real_pointers);
    RUN(a_million_random_values);
    RUN(every_bit_of_a_live_token_counts);
    RUN(every_token_of_the_past_is_freed);
    RUN(a_token_of_the_future_is_no_handle);
    RUN(the_live_handle_never_noticed);
    return 0;
}
