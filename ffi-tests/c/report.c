/* qz_report: one line for each handle, and one for everybody inside; as snprintf cuts it; while everything is in motion. */
#include "visitor.h"
#include <stdatomic.h>

static qz_kind *kind;

/* The whole report, in fresh memory of exactly its size. */
static char *report(void) {
    size_t length = 0, again = 0;
    EXPECT(qz_report(NULL, 0, &length), QZ_OK);
    char *text = malloc(length + 1);
    CHECK(text != NULL);
    memset(text, 0x5A, length + 1);
    EXPECT(qz_report(text, length + 1, &again), QZ_OK);
    return text;
}

static void nothing_to_report(void) {
    char text[8];
    size_t length = 77;
    memset(text, 0x5A, sizeof text);
    EXPECT(qz_report(text, sizeof text, &length), QZ_OK);
    CHECK(length == 0 && text[0] == '\0' && text[1] == 0x5A);
}

static void handles_and_who_is_inside(void) {
    thing t, u;
    visitor v;
    char expected[256];
    qz_handle *h = new_handle(kind, &t);
    qz_handle *other = new_handle(kind, &u);
    EXPECT(qz_handle_set_label(h, "main db"), QZ_OK);
    visitor_enter(&v, h, kind, "long query");
    qz_hold *taken = hold(h, kind, "open transaction", &t);
    EXPECT(qz_handle_free(h, 20), QZ_FREE_PENDING);
    char *text = report();
    printf("%s", text);

    snprintf(expected, sizeof expected, "handle 0x%" PRIxPTR " of kind 'connection', 'main db': pending, ",
             (uintptr_t)h);
    char *line = strstr(text, expected);
    CHECK_SAY(line != NULL, "no \"%s\" in\n%s", expected, text);
    uint64_t age = 77777;
    unsigned inside = 77;
    CHECK(sscanf(line + strlen(expected), "%" SCNu64 " ms old, %u inside", &age, &inside) == 2);
    CHECK_SAY(age < 60000 && inside == 2, "%" PRIu64 " ms old, %u inside", age, inside);

    snprintf(expected, sizeof expected, "\n  thread %u 'visitor' in operation 'long query' for at least ", v.thread_id);
    CHECK_SAY(strstr(line, expected) != NULL, "no \"%s\" in\n%s", expected, text);
    snprintf(expected, sizeof expected, "\n  thread %u '", thread_id());
    CHECK_SAY(strstr(line, expected) != NULL, "no \"%s\" in\n%s", expected, text);
    CHECK_SAY(strstr(line, "' in hold 'open transaction' for ") != NULL, "no hold in\n%s", text);
    snprintf(expected, sizeof expected, "handle 0x%" PRIxPTR " of kind 'connection': open, ", (uintptr_t)other);
    CHECK_SAY(strstr(text, expected) != NULL, "no \"%s\" in\n%s", expected, text);
    int lines = 0;
    for (char *at = text; *at != '\0'; at++) lines += *at == '\n';
    CHECK_SAY(lines == 4, "%d lines in\n%s", lines, text);
    free(text);

    EXPECT(qz_hold_release(taken), QZ_OK);
    visitor_leave(&v);
    EXPECT(qz_handle_free(other, 0), QZ_OK);
    nothing_to_report();
}

/* Nothing is written past `cap`, and what is written is a beginning of the whole, with a NUL. */
static void cut_as_snprintf_does(void) {
    thing t;
    char whole[256], cut[256], after[256];
    size_t length = 0, again = 0, later = 0;
    qz_handle *h = new_handle(kind, &t);
    EXPECT(qz_handle_set_label(h, "caf\xC3\xA9"), QZ_OK);
    EXPECT(qz_report(whole, sizeof whole, &length), QZ_OK);
    for (size_t cap = 0; cap <= length + 2; cap++) {
        /* The age may pass to the next millisecond meanwhile: then once more. */
        int attempt = 0;
        do {
            CHECK(attempt++ < 1000);
            CHECK(qz_report(whole, sizeof whole, &length) == QZ_OK);
            memset(cut, 0x5A, sizeof cut);
            CHECK(qz_report(cut, cap, &again) == QZ_OK);
            CHECK(qz_report(after, sizeof after, &later) == QZ_OK);
        } while (strcmp(whole, after) != 0);
        CHECK(length == strlen(whole) && length > 30 && whole[length - 1] == '\n' && again == length);
        for (size_t i = cap; i < sizeof cut; i++) CHECK_SAY(cut[i] == 0x5A, "byte %zu of %zu is written", i, cap);
        if (cap == 0) continue;
        size_t fits = strlen(cut);
        CHECK(fits < cap && strncmp(cut, whole, fits) == 0);
        size_t expected = cap - 1 < length ? cap - 1 : length;
        if (expected < length && ((unsigned char)whole[expected] & 0xC0) == 0x80) expected--; /* inside a letter */
        CHECK_SAY(fits == expected, "%zu bytes of text in %zu, expected %zu", fits, cap, expected);
    }
    EXPECT(qz_report(NULL, 1, &again), QZ_ERR_NULL);
    EXPECT(qz_report(cut, sizeof cut, NULL), QZ_ERR_NULL);
    EXPECT(qz_report(NULL, 0, NULL), QZ_ERR_NULL);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
}

static atomic_bool stop;

static void *in_motion(void *unused) {
    (void)unused;
    thing own;
    while (!atomic_load(&stop)) {
        qz_handle *mine = NULL;
        qz_hold *taken = NULL;
        void *object = NULL;
        thing_init(&own);
        CHECK(qz_handle_new(kind, &own, &mine) == QZ_OK);
        CHECK(qz_handle_set_label(mine, "in motion") == QZ_OK);
        CHECK(qz_handle_hold(mine, kind, "moving", &object, &taken) == QZ_OK);
        CHECK(qz_handle_enter(mine, kind, "moving", &object) == QZ_OK);
        CHECK(qz_handle_leave(mine) == QZ_OK && qz_hold_release(taken) == QZ_OK);
        CHECK(qz_handle_free(mine, QZ_INFINITE) == QZ_OK);
    }
    return NULL;
}

static void while_everything_is_in_motion(void) {
    pthread_t threads[3];
    char text[4096];
    size_t length = 0, longest = 0;
    atomic_store(&stop, false);
    for (int i = 0; i < 3; i++) start_thread(&threads[i], in_motion, NULL);
    /* For longer where the threads are kept from running. */
    for (double end = now_ms() + 300; now_ms() < end || (longest == 0 && now_ms() < end + 20000);) {
        CHECK(qz_report(text, sizeof text, &length) == QZ_OK && length < sizeof text && strlen(text) == length);
        if (length > longest) longest = length;
        for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
            CHECK_SAY(strncmp(line, "handle 0x", 9) == 0 || strncmp(line, "  thread ", 9) == 0, "a line of\n%.600s", text);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    CHECK_SAY(longest > 0, "no handle was ever seen: nothing was tested");
    nothing_to_report();
}

int main(void) {
    kind = new_kind("connection");
    RUN(nothing_to_report);
    RUN(handles_and_who_is_inside);
    RUN(cut_as_snprintf_does);
    RUN(while_everything_is_in_motion);
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    return 0;
}
