/* What every test program here shares: claims about what the library answers.
 *
 * EXPECT(call, status) also writes "function STATUS" to the file named by QZ_STATUS_LOG, if that is set: this is how
 * tests/contract.rs knows that every status the header promises was really provoked. Include this file first. */
#ifndef CHECK_H
#define CHECK_H
#include "../claims.h"

#include <fcntl.h>
#include <unistd.h>

#include "quiescent.h"

#ifdef O_CLOEXEC
#define NOT_INHERITED O_CLOEXEC
#else
#define NOT_INHERITED O_NOINHERIT /* Windows */
#endif

static inline void log_status(const char *call, qz_status got) {
    const char *path = getenv("QZ_STATUS_LOG");
    size_t name = strcspn(call, "(");
    char line[128];
    if (path == NULL || strncmp(call, "qz_", 3) != 0 || name > 64) return;
    int length = snprintf(line, sizeof line, "%.*s %s\n", (int)name, call, qz_status_name((int32_t)got));
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | NOT_INHERITED, 0644);
    /* One write each, so that lines of concurrent threads stay whole. */
    if (file < 0 || write(file, line, (size_t)length) != length)
        give_up(__FILE__, __LINE__, "cannot write QZ_STATUS_LOG");
    close(file);
}

static inline void expect_status(const char *file, int line, const char *call, qz_status got, qz_status wanted) {
    if (got != wanted) {
        char words[768];
        snprintf(words, sizeof words, "%s\n  answered %s (%d), expected %s\n  last error: %s", call,
                 qz_status_name((int32_t)got), (int)got, qz_status_name((int32_t)wanted), qz_last_error());
        give_up(file, line, words);
    }
    log_status(call, got);
}

#define EXPECT(call, wanted) expect_status(__FILE__, __LINE__, #call, (call), (wanted))

#endif
