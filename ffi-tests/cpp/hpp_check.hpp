// What the programs that test quiescent.hpp share: claims about answers in either form.
#ifndef HPP_CHECK_HPP
#define HPP_CHECK_HPP
#include <cstdint>

#include "../claims.h"
#include "quiescent.hpp"

inline qz_status status_of(qz_status status) { return status; }
template <class T> qz_status status_of(const quiescent::result<T> &answer) { return answer.status(); }
inline qz_status status_of(const quiescent::result<qz_status> &answer) { return answer ? *answer : answer.status(); }

inline void expect_status(const char *file, int line, const char *call, qz_status got, qz_status wanted) {
    if (got == wanted) return;
    char words[768];
    std::snprintf(words, sizeof words, "%s\n  answered %s, expected %s\n  last error: %s", call,
                  qz_status_name(got), qz_status_name(wanted), qz_last_error());
    give_up(file, line, words);
}
#define EXPECT(call, wanted) expect_status(__FILE__, __LINE__, #call, status_of(call), (wanted))

#ifdef __cpp_exceptions
// The call must throw that status, with words.
#define THROWS(call, wanted)                                                                                   \
    do {                                                                                                       \
        qz_status thrown_ = QZ_OK;                                                                             \
        try {                                                                                                  \
            static_cast<void>(call);                                                                           \
        } catch (const quiescent::error &e) {                                                                  \
            thrown_ = e.status();                                                                              \
            CHECK(std::strstr(e.what(), qz_status_name(thrown_)) == e.what() && e.why().words()[0] != '\0');   \
        }                                                                                                      \
        expect_status(__FILE__, __LINE__, #call, thrown_, (wanted));                                           \
    } while (0)
#endif

// Whether what the header allocates with fails, on this thread (hpp_allocation.cpp).
bool &out_of_memory();

inline std::uint64_t misuses() {
    qz_stats stats{};
    expect_status(__FILE__, __LINE__, "qz_stats_get", qz_stats_get(&stats, sizeof stats), QZ_OK);
    return stats.double_free + stats.stale + stats.wrong_kind + stats.not_inside;
}

#endif
