/* qz_stats_get: every number is exact, for each call of a script. */
#include "visitor.h"

static qz_kind *kind;

static qz_stats stats_now(void) {
    qz_stats stats;
    memset(&stats, 0x5A, sizeof stats);
    EXPECT(qz_stats_get(&stats, sizeof stats), QZ_OK);
    return stats;
}

/* `call` adds `n` to the number `name`, and changes no other one that is counted. */
#define ADDS(name, n, call)                                                                                     \
    do {                                                                                                        \
        qz_stats before_ = stats_now();                                                                         \
        call;                                                                                                   \
        qz_stats after_ = stats_now();                                                                          \
        CHECK_SAY(after_.name - before_.name == (n), "%s adds %" PRId64 " to " #name ", expected %d", #call,    \
                  (int64_t)(after_.name - before_.name), (int)(n));                                             \
        before_.name = after_.name;                                                                             \
        before_.live = after_.live;                                                                             \
        before_.pending = after_.pending;                                                                       \
        CHECK_SAY(memcmp(&before_, &after_, sizeof after_) == 0, "%s also changes something else", #call);      \
    } while (0)

static void handles_are_counted(void) {
    thing t;
    visitor v;
    qz_handle *h = NULL;
    qz_stats stats = stats_now();
    CHECK(stats.live == 0 && stats.pending == 0 && stats.kinds == 1 && stats.retired == 0);
    ADDS(opened, 1, h = new_handle(kind, &t));
    visitor_enter(&v, h, kind, "in the way");
    CHECK(stats_now().live == 1 && stats_now().pending == 0);
    ADDS(refused_busy, 1, EXPECT(qz_handle_try_free(h), QZ_ERR_BUSY));
    ADDS(drains, 1, EXPECT(qz_handle_free(h, 20), QZ_FREE_PENDING));
    CHECK(stats_now().live == 1 && stats_now().pending == 1);
    ADDS(freed, 1, visitor_leave(&v));
    CHECK(stats_now().live == 0 && stats_now().pending == 0);
    qz_kind *other = new_kind("other");
    CHECK(stats_now().kinds == 2 && stats_now().live == 0);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
    CHECK(stats_now().kinds == 1);
}

static void refusals_are_counted_by_their_status(void) {
    thing t;
    void *object;
    qz_handle *h = new_handle(kind, &t);
    ADDS(refused_null, 1, EXPECT(qz_handle_leave(NULL), QZ_ERR_NULL));
    ADDS(refused_bad_handle, 1, EXPECT(qz_handle_leave((qz_handle *)&t), QZ_ERR_BAD_HANDLE));
    ADDS(refused_wrong_kind, 1, EXPECT(qz_hold_release((qz_hold *)h), QZ_ERR_WRONG_KIND));
    ADDS(refused_other, 1, EXPECT(qz_handle_leave(h), QZ_ERR_NOT_INSIDE));
    ADDS(refused_other, 1, EXPECT(qz_handle_wait_freed(h, 1), QZ_ERR_TIMEOUT));
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    ADDS(refused_freed, 1, EXPECT(qz_handle_enter(h, kind, "late", &object), QZ_ERR_FREED));
    ADDS(refused_freed, 0, EXPECT(qz_handle_free(h, 0), QZ_ALREADY_FREED)); /* no refusal */
    ADDS(refused_null, 0, EXPECT(qz_handle_free(NULL, 0), QZ_OK));
    ADDS(refused_null, 1, EXPECT(qz_stats_get(NULL, sizeof(qz_stats)), QZ_ERR_NULL));
}

/* Its children's numbers begin with its own; its handles are not theirs. */
static void a_child_counts_on(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    qz_stats parents = stats_now();
    if (in_child()) {
        qz_stats stats = stats_now();
        CHECK(stats.opened == parents.opened && stats.freed == parents.freed);
        CHECK(stats.live == 0 && stats.kinds == 0);
        ADDS(refused_forked, 1, EXPECT(qz_handle_free(h, 0), QZ_ERR_FORKED));
        _Exit(0);
    }
    CHECK(stats_now().refused_forked == parents.refused_forked);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

/* Callers compiled against an older or newer header pass their own size. */
static void stats_of_another_size(void) {
    union {
        qz_stats stats;
        unsigned char bytes[sizeof(qz_stats) + 64];
    } wide;
    memset(&wide, 0x5A, sizeof wide);
    EXPECT(qz_stats_get(&wide.stats, sizeof wide), QZ_OK); /* a newer caller: what we do not know reads zero */
    CHECK(wide.stats.live == 0 && wide.stats.opened > 0);
    for (size_t i = sizeof(qz_stats); i < sizeof wide; i++)
        CHECK_SAY(wide.bytes[i] == 0, "byte %zu of a larger struct is 0x%02x", i, wide.bytes[i]);
    memset(&wide, 0x5A, sizeof wide);
    EXPECT(qz_stats_get(&wide.stats, sizeof wide.stats), QZ_OK);
    CHECK(wide.bytes[sizeof wide.stats] == 0x5A);
    memset(&wide, 0x5A, sizeof wide);
    EXPECT(qz_stats_get(&wide.stats, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_stats_get(&wide.stats, sizeof wide.stats - 8), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_stats_get(&wide.stats, sizeof wide.stats + 4), QZ_ERR_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof wide; i++) CHECK(wide.bytes[i] == 0x5A);
}

int main(void) {
    kind = new_kind("connection");
    RUN(handles_are_counted);
    RUN(refusals_are_counted_by_their_status);
    RUN(a_child_counts_on);
    RUN(stats_of_another_size);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    return 0;
}
