/* Status numbers and names, last errors, versions. */
#include "visitor.h"

static const struct {
    qz_status status;
    int32_t number;
    const char *name;
} table[] = {
#define ROW(name, number) {name, number, #name}
    ROW(QZ_OK, 0),
    ROW(QZ_FREE_PENDING, 1),
    ROW(QZ_ALREADY_FREED, 2),
    ROW(QZ_ERR_NULL, -1),
    ROW(QZ_ERR_BAD_HANDLE, -2),
    ROW(QZ_ERR_WRONG_KIND, -3),
    ROW(QZ_ERR_FREED, -4),
    ROW(QZ_ERR_TIMEOUT, -5),
    ROW(QZ_ERR_BUSY, -6),
    ROW(QZ_ERR_CANCELLED, -7),
    ROW(QZ_ERR_DEADLOCK, -8),
    ROW(QZ_ERR_INVALID_ARGUMENT, -9),
    ROW(QZ_ERR_LIMIT, -10),
    ROW(QZ_ERR_NO_MEMORY, -11),
    ROW(QZ_ERR_IO, -12),
    ROW(QZ_ERR_PANIC, -13),
    ROW(QZ_ERR_FORKED, -14),
    ROW(QZ_ERR_POISONED, -15),
    ROW(QZ_ERR_NOT_INSIDE, -16),
#undef ROW
};

static void numbers_and_names(void) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK_SAY((int32_t)table[i].status == table[i].number, "%s is %d, not %d", table[i].name, (int)table[i].status,
                  (int)table[i].number);
        CHECK_SAY(strcmp(qz_status_name(table[i].number), table[i].name) == 0, "%d is called %s", (int)table[i].number,
                  qz_status_name(table[i].number));
    }
}

static void every_other_number_is_unknown(void) {
    static const int32_t others[] = {3, 4, 100, -17, -18, -100, INT32_MAX, INT32_MIN, INT32_MIN + 1};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(strcmp(qz_status_name(others[i]), "QZ_ERR_UNKNOWN") == 0);
    for (int32_t i = -100000; i < 100000; i++)
        if (i < -16 || i > 2) CHECK(strcmp(qz_status_name(i), "QZ_ERR_UNKNOWN") == 0);
    uint64_t state = 42;
    for (int i = 0; i < 1000000; i++) CHECK(qz_status_name((int32_t)next_random(&state)) != NULL);
}

static qz_status nothing_refused_yet(void *unused) {
    (void)unused;
    const char *words = qz_last_error();
    CHECK(words != NULL);
    CHECK_SAY(words[0] == '\0', "a thread without a refusal has the last error '%s'", words);
    CHECK(qz_last_os_error() == 0);
    return QZ_OK;
}

static void last_error_is_never_null(void) {
    CHECK(call_elsewhere(nothing_refused_yet, NULL) == QZ_OK);
    EXPECT(qz_handle_leave(NULL), QZ_ERR_NULL);
    CHECK(qz_last_error() != NULL && qz_last_error()[0] != '\0');
    CHECK(qz_last_os_error() == 0); /* the operating system had no part in it */
}

/* Every refusal says something of its own, in one line. */
static void every_refusal_has_words(void) {
    qz_kind *kind = new_kind("words"), *other = new_kind("other");
    thing t;
    void *object = NULL;
    qz_handle *h = new_handle(kind, &t);
    char seen[8][512];
    int n = 0;
#define REFUSED(call, status)                                                                               \
    do {                                                                                                    \
        EXPECT(call, status);                                                                               \
        snprintf(seen[n], sizeof seen[n], "%s", qz_last_error());                                           \
        CHECK_SAY(strlen(seen[n]) > 5, "%s: '%s'", #call, seen[n]);                                         \
        CHECK_SAY(strchr(seen[n], '\n') == NULL, "%s: more than one line", #call);                          \
        for (int i = 0; i < n; i++)                                                                         \
            CHECK_SAY(strcmp(seen[i], seen[n]) != 0, "%s: '%s' was said of another error", #call, seen[n]); \
        printf("    %-24s %s\n", #status, seen[n]);                                                         \
        n++;                                                                                                \
    } while (0)
    REFUSED(qz_handle_leave(NULL), QZ_ERR_NULL);
    REFUSED(qz_handle_leave((qz_handle *)&t), QZ_ERR_BAD_HANDLE);
    REFUSED(qz_handle_enter(h, other, "read", &object), QZ_ERR_WRONG_KIND);
    REFUSED(qz_handle_leave(h), QZ_ERR_NOT_INSIDE);
    REFUSED(qz_handle_wait_freed(h, 0), QZ_ERR_TIMEOUT);
    REFUSED(qz_handle_free(h, -3), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(qz_handle_free(h, 0), QZ_OK);
    REFUSED(qz_handle_enter(h, kind, "read", &object), QZ_ERR_FREED);
#undef REFUSED
    EXPECT(qz_kind_close(kind, 0, NULL), QZ_OK);
    EXPECT(qz_kind_close(other, 0, NULL), QZ_OK);
}

/* The words stay good until this thread's next call; other threads do not touch them. */
static qz_status refuse_a_lot(void *unused) {
    (void)unused;
    for (int i = 0; i < 1000; i++) (void)qz_handle_leave((qz_handle *)&i);
    return QZ_OK;
}

static void the_words_stay_readable(void) {
    EXPECT(qz_handle_leave(NULL), QZ_ERR_NULL);
    const char *words = qz_last_error();
    char copy[512];
    snprintf(copy, sizeof copy, "%s", words);
    CHECK(call_elsewhere(refuse_a_lot, NULL) == QZ_OK);
    CHECK(strcmp(words, copy) == 0 && strcmp(qz_last_error(), copy) == 0);
}

static void versions_agree(void) {
    char spelt[64];
    snprintf(spelt, sizeof spelt, "%d.%d.%d", QZ_VERSION_MAJOR, QZ_VERSION_MINOR, QZ_VERSION_PATCH);
    CHECK_SAY(strcmp(qz_version(), QZ_VERSION) == 0, "library %s, header %s", qz_version(), QZ_VERSION);
    CHECK_SAY(strcmp(QZ_VERSION, spelt) == 0, "QZ_VERSION is %s, its parts say %s", QZ_VERSION, spelt);
    CHECK(qz_abi_version() == QZ_ABI_VERSION);
    printf("version %s abi %u\n", qz_version(), qz_abi_version()); /* tests/status.rs compares it with Cargo.toml */
}

int main(void) {
    RUN(numbers_and_names);
    RUN(every_other_number_is_unknown);
    RUN(last_error_is_never_null);
    RUN(every_refusal_has_words);
    RUN(the_words_stay_readable);
    RUN(versions_agree);
    return 0;
}
