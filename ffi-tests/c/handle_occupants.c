/* get_info, set_label and occupants: what a handle says about itself, and who is inside it. */
#include "visitor.h"

static qz_kind *kind;

static qz_handle_info info_of(qz_handle *h) {
    qz_handle_info info;
    memset(&info, 0x5A, sizeof info);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_OK);
    return info;
}

static void info_counts_what_is_in_flight(void) {
    thing t;
    visitor v;
    qz_handle *h = new_handle(kind, &t);
    qz_handle_info info = info_of(h);
    CHECK(info.state == QZ_STATE_OPEN && info.in_flight == 0 && info.holds == 0);
    CHECK_SAY(strcmp(info.kind, "connection") == 0, "the kind is called '%s'", info.kind);
    CHECK(info.label[0] == '\0' && info.reserved == 0 && info.age_ms < 60000);

    enter(h, kind, "read", &t);
    enter(h, kind, "read", &t);
    qz_hold *taken = hold(h, kind, "hold", &t);
    visitor_enter(&v, h, kind, "write");
    info = info_of(h);
    CHECK_SAY(info.in_flight == 4 && info.holds == 1, "in flight %u, holds %u, expected 4 and 1", info.in_flight,
              info.holds);
    visitor_leave(&v);
    leave(h);
    leave(h);
    info = info_of(h);
    CHECK(info.in_flight == 1 && info.holds == 1);
    EXPECT(qz_hold_release(taken), QZ_OK);
    info = info_of(h);
    CHECK(info.in_flight == 0 && info.holds == 0);
    sleep_ms(30);
    CHECK(info_of(h).age_ms >= 30 && info_of(h).age_ms < 60000);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void info_names_the_state(void) {
    thing t;
    visitor v;
    caller c;
    qz_handle *h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "slow");
    caller_start(&c, call_free_infinite, h);
    while (!qz_handle_is_closing(h)) sleep_ms(1);
    qz_handle_info info = info_of(h);
    CHECK_SAY(info.state == QZ_STATE_CLOSING, "state %d while a free drains", (int)info.state);
    CHECK(info.in_flight >= 1);
    visitor_leave(&v);
    CHECK(caller_join(&c) == QZ_OK);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_ERR_FREED);

    h = new_handle(kind, &t);
    visitor_enter(&v, h, kind, "slower");
    EXPECT(qz_handle_free(h, 200), QZ_FREE_PENDING);
    info = info_of(h);
    CHECK_SAY(info.state == QZ_STATE_PENDING, "state %d after the free's deadline", (int)info.state);
    CHECK(info.in_flight == 1);
    visitor_leave(&v);
    EXPECT(qz_handle_get_info(h, &info, sizeof info), QZ_ERR_FREED);
}

static void a_kind_is_a_handle_with_an_info(void) {
    qz_handle_info info = info_of(QZ_HANDLE(kind));
    CHECK(info.state == QZ_STATE_OPEN && memchr(info.kind, '\0', sizeof info.kind) != NULL);
}

/* Callers compiled against an older or newer header pass their own size. */
static void info_of_another_size(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    union {
        qz_handle_info info;
        unsigned char bytes[sizeof(qz_handle_info) + 64];
    } wide;
    memset(&wide, 0x5A, sizeof wide);
    EXPECT(qz_handle_get_info(h, &wide.info, sizeof wide), QZ_OK); /* a newer caller: what we do not know reads zero */
    CHECK(wide.info.state == QZ_STATE_OPEN && wide.info.in_flight == 0);
    for (size_t i = sizeof(qz_handle_info); i < sizeof wide; i++)
        CHECK_SAY(wide.bytes[i] == 0, "byte %zu of a larger struct is 0x%02x", i, wide.bytes[i]);

    memset(&wide, 0x5A, sizeof wide);
    EXPECT(qz_handle_get_info(h, &wide.info, 88),
           QZ_OK); /* a caller with the first version: not one byte past its struct */
    CHECK(wide.info.state == QZ_STATE_OPEN && wide.info.in_flight == 0 && wide.info.holds == 0);
    for (size_t i = 88; i < sizeof wide; i++)
        CHECK_SAY(wide.bytes[i] == 0x5A, "byte %zu is past the caller's struct of 88", i);

    memset(&wide, 0x5A, sizeof wide);
    EXPECT(qz_handle_get_info(h, &wide.info, 0), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_handle_get_info(h, &wide.info, 80), QZ_ERR_INVALID_ARGUMENT); /* there never was a smaller one */
    EXPECT(qz_handle_get_info(h, NULL, sizeof wide.info), QZ_ERR_NULL);
    for (size_t i = 0; i < sizeof wide; i++) CHECK(wide.bytes[i] == 0x5A);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void label_is_kept_and_cut(void) {
    thing t;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_set_label(h, "main db"), QZ_OK);
    CHECK(strcmp(info_of(h).label, "main db") == 0);
    EXPECT(qz_handle_set_label(h, "x"), QZ_OK);
    CHECK(strcmp(info_of(h).label, "x") == 0);
    const char *thirty_one = "1234567890123456789012345678901";
    EXPECT(qz_handle_set_label(h, thirty_one), QZ_OK);
    CHECK(strcmp(info_of(h).label, thirty_one) == 0);
    char huge[5000];
    memset(huge, 'y', sizeof huge);
    huge[sizeof huge - 1] = '\0';
    EXPECT(qz_handle_set_label(h, huge), QZ_OK);
    CHECK(strlen(info_of(h).label) == 31 && strspn(info_of(h).label, "y") == 31);
    EXPECT(qz_handle_set_label(h, "\xFF\xFE not UTF-8"), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_handle_set_label(h, NULL), QZ_ERR_NULL);
    CHECK(strspn(info_of(h).label, "y") == 31); /* as it was */
    EXPECT(qz_handle_set_label(h, "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3"
                                  "\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4"),
           QZ_OK);
    CHECK_SAY(strlen(info_of(h).label) == 30, "a label of two-byte letters was cut inside a letter");
    EXPECT(qz_handle_set_label(h, ""), QZ_OK);
    CHECK(info_of(h).label[0] == '\0');
    EXPECT(qz_handle_set_label(h, "gone with the handle"), QZ_OK);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    h = new_handle(kind, &t); /* very likely the same shell */
    CHECK(info_of(h).label[0] == '\0');
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void long_kind_names_are_cut(void) {
    qz_kind *long_kind = new_kind("a kind whose name is much longer than thirty-one characters");
    thing t;
    qz_handle *h = new_handle(long_kind, &t);
    CHECK(strcmp(info_of(h).kind, "a kind whose name is much longe") == 0);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    EXPECT(qz_kind_close(long_kind, 0, NULL), QZ_OK);
}

static void occupants_are_named(void) {
    enum { VISITORS = 3, ALL = VISITORS + 2 };
    static const char *const operations[VISITORS] = {"read", "write", NULL};
    thing t;
    visitor v[VISITORS];
    qz_occupant found[ALL + 3];
    size_t count = 77;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_occupants(h, found, sizeof *found, ALL, &count), QZ_OK);
    CHECK(count == 0);

    for (int i = 0; i < VISITORS; i++) visitor_enter(&v[i], h, kind, operations[i]);
    enter(h, kind, "vacuum", &t);
    qz_hold *taken = hold(h, kind, "transaction", &t);
    sleep_ms(40);
    memset(found, 0x5A, sizeof found);
    EXPECT(qz_handle_occupants(h, found, sizeof *found, ALL + 3, &count), QZ_OK);
    CHECK_SAY(count == ALL, "%zu occupants, expected %d", count, ALL);
    int seen[VISITORS] = {0}, self = 0, held = 0;
    for (size_t i = 0; i < count; i++) {
        qz_occupant *o = &found[i];
        CHECK(memchr(o->operation, '\0', sizeof o->operation) != NULL &&
              memchr(o->thread_name, '\0', sizeof o->thread_name) != NULL);
        CHECK(o->has_ended == 0);
        if (o->is_hold) {
            held++;
            CHECK_SAY(strcmp(o->operation, "transaction") == 0, "the hold's operation is '%s'", o->operation);
            /* A hold's age is exact. */
            CHECK_SAY(o->since_ms >= 40 && o->since_ms < 40 + (int64_t)LATE_MS, "the hold is %" PRId64 " ms old",
                      o->since_ms);
            CHECK(o->thread_id == thread_id());
            continue;
        }
        CHECK(o->since_ms >= -1 && o->since_ms < 40 + (int64_t)LATE_MS); /* -1: not known */
        if (o->thread_id == thread_id()) {
            self++;
            CHECK(strcmp(o->operation, "vacuum") == 0);
        }
        for (int j = 0; j < VISITORS; j++) {
            if (o->thread_id != v[j].thread_id) continue;
            seen[j]++;
            CHECK_SAY(strcmp(o->thread_name, "visitor") == 0, "the thread is called '%s'", o->thread_name);
            CHECK_SAY(strcmp(o->operation, operations[j] ? operations[j] : "") == 0, "visitor %d's operation is '%s'",
                      j, o->operation);
        }
    }
    CHECK(self == 1 && held == 1 && seen[0] == 1 && seen[1] == 1 && seen[2] == 1);
    CHECK(((unsigned char *)found)[sizeof *found * ALL] == 0x5A); /* nothing is written past those found */

    EXPECT(qz_hold_release(taken), QZ_OK);
    leave(h);
    for (int i = 0; i < VISITORS; i++) visitor_leave(&v[i]);
    EXPECT(qz_handle_occupants(h, found, sizeof *found, ALL, &count), QZ_OK);
    CHECK(count == 0);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void occupants_with_little_room(void) {
    thing t;
    visitor v[3];
    qz_occupant found[3];
    size_t count = 77;
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < 3; i++) visitor_enter(&v[i], h, kind, "crowd");
    memset(found, 0x5A, sizeof found);
    EXPECT(qz_handle_occupants(h, found, sizeof *found, 1, &count), QZ_OK);
    CHECK_SAY(count == 3, "*out_len is %zu; it says how many there are, also when they do not all fit", count);
    CHECK(found[0].operation[0] == 'c' && ((unsigned char *)&found[1])[0] == 0x5A);
    EXPECT(qz_handle_occupants(h, NULL, sizeof *found, 0, &count), QZ_OK); /* only asks how many */
    CHECK(count == 3);
    count = 77;
    EXPECT(qz_handle_occupants(h, NULL, sizeof *found, 3, &count), QZ_ERR_NULL);
    EXPECT(qz_handle_occupants(h, found, sizeof *found, 3, NULL), QZ_ERR_NULL);
    EXPECT(qz_handle_occupants(h, found, 0, 3, &count), QZ_ERR_INVALID_ARGUMENT);
    CHECK(count == 77);
    for (int i = 0; i < 3; i++) visitor_leave(&v[i]);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

/* The elements of the array lie `size` bytes apart, whatever the caller's header says a qz_occupant is. */
static void occupants_of_another_size(void) {
    enum { STRIDE = sizeof(qz_occupant) + 48 };
    thing t;
    visitor v[2];
    size_t count = 0;
    union {
        uint64_t align;
        unsigned char bytes[STRIDE * 3];
    } room;
    qz_handle *h = new_handle(kind, &t);
    for (int i = 0; i < 2; i++) visitor_enter(&v[i], h, kind, "sized");
    memset(&room, 0x5A, sizeof room);
    EXPECT(qz_handle_occupants(h, (qz_occupant *)room.bytes, STRIDE, 3, &count), QZ_OK);
    CHECK(count == 2);
    uint64_t ids[2];
    for (int i = 0; i < 2; i++) memcpy(&ids[i], room.bytes + (size_t)i * STRIDE, sizeof ids[i]);
    CHECK((ids[0] == v[0].thread_id && ids[1] == v[1].thread_id) ||
          (ids[0] == v[1].thread_id && ids[1] == v[0].thread_id));
    CHECK(room.bytes[2 * STRIDE] == 0x5A);

    memset(&room, 0x5A, sizeof room);
    EXPECT(qz_handle_occupants(h, (qz_occupant *)room.bytes, sizeof(qz_occupant) - 1, 2, &count),
           QZ_ERR_INVALID_ARGUMENT);
    CHECK(room.bytes[0] == 0x5A);
    for (int i = 0; i < 2; i++) visitor_leave(&v[i]);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static void a_timed_out_free_says_who_is_inside(void) {
    thing t;
    visitor v;
    qz_occupant found;
    size_t count = 0;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_set_label(h, "main db"), QZ_OK);
    visitor_enter(&v, h, kind, "long query");
    qz_hold *taken = hold(h, kind, "open transaction", &t);
    char id[32];
    snprintf(id, sizeof id, "%u", v.thread_id);
    EXPECT(qz_handle_free(h, 10), QZ_FREE_PENDING);
    const char *words = qz_last_error();
    printf("    %s\n", words);
    CHECK_SAY(strstr(words, "long query") != NULL && strstr(words, id) != NULL,
              "the words do not name who is inside: %s", words);
    CHECK_SAY(strstr(words, "open transaction") != NULL, "the words do not name the hold: %s", words);
    EXPECT(qz_handle_occupants(h, &found, sizeof found, 1, &count), QZ_OK);
    CHECK(count == 2);
    EXPECT(qz_hold_release(taken), QZ_OK);
    EXPECT(qz_handle_occupants(h, &found, sizeof found, 1, &count), QZ_OK);
    CHECK(count == 1 && found.thread_id == v.thread_id && strcmp(found.operation, "long query") == 0);
    visitor_leave(&v);
}

int main(void) {
    kind = new_kind("connection");
    RUN(info_counts_what_is_in_flight);
    RUN(info_names_the_state);
    RUN(a_kind_is_a_handle_with_an_info);
    RUN(info_of_another_size);
    RUN(label_is_kept_and_cut);
    RUN(long_kind_names_are_cut);
    RUN(occupants_are_named);
    RUN(occupants_with_little_room);
    RUN(occupants_of_another_size);
    RUN(a_timed_out_free_says_who_is_inside);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    return 0;
}
