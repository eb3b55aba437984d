// The library itself: its version, what it knows of this process, and what it does about misuse. (A part of
// quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

namespace detail {

template <class F> void call_misuse_hook(std::int32_t misuse, const void *handle, void *hook) noexcept {
    contain([=] { (*static_cast<F *>(hook))(static_cast<qz_misuse>(misuse), handle); });
}

} // namespace detail

// "1.2.3": the library's, which may differ from the header's, QZ_VERSION.
inline const char *version() noexcept { return qz_version(); }
// Whether this program works with the library that it has met.
inline bool is_compatible() noexcept { return qz_abi_version() == QZ_ABI_VERSION; }

inline result<qz_stats> stats(std::nothrow_t) noexcept {
    qz_stats stats{};
    const qz_status status = qz_stats_get(&stats, sizeof stats);
    return detail::made<qz_stats>(status, stats);
}
// Of every handle that is not destroyed, for people: as snprintf does, and answers the length of the whole text.
inline result<std::size_t> report(std::nothrow_t, char *out, std::size_t capacity) noexcept {
    std::size_t length = 0;
    const qz_status status = qz_report(out, capacity, &length);
    return detail::made<std::size_t>(status, length);
}
// Frees every handle of this process, and answers how many are left.
inline result<std::size_t> quiesce_all(std::nothrow_t, timeout t = default_timeout) noexcept {
    std::size_t left = 0;
    const qz_status status = qz_quiesce_all(t.count(), &left);
    return detail::made<std::size_t>(status, left);
}

inline result<void> set_misuse_level(std::nothrow_t, qz_misuse_level level) noexcept {
    return detail::done(qz_misuse_set_level(level));
}
// Has `hook(qz_misuse, const void *handle)` called for each misuse, on several threads at once perhaps. It is not copied:
// keep it until the process ends.
template <class F> result<void> set_misuse_hook(std::nothrow_t, F &hook) noexcept {
    static_assert(std::is_class<F>::value && !std::is_const<F>::value, "an object that can be called, not const");
    return detail::done(qz_misuse_set_hook(detail::call_misuse_hook<F>, std::addressof(hook)));
}
inline result<void> set_misuse_hook(std::nothrow_t, std::nullptr_t) noexcept {
    return detail::done(qz_misuse_set_hook(nullptr, nullptr));
}

#if QZ_HPP_EXCEPTIONS
inline qz_stats stats() { return stats(std::nothrow).value(); }
inline std::string report() {
    std::string text;
    for (;;) {
        const std::size_t length = report(std::nothrow, &text[0], text.size()).value();
        // Less than the room there is, which is for a NUL, too.
        const bool is_whole = length < text.size();
        text.resize(is_whole ? length : length + length / 4 + 1);
        if (is_whole) return text;
    }
}
inline std::size_t quiesce_all(timeout t = default_timeout) { return quiesce_all(std::nothrow, t).value(); }
inline void set_misuse_level(qz_misuse_level level) { set_misuse_level(std::nothrow, level).value(); }
template <class F> void set_misuse_hook(F &hook) { set_misuse_hook(std::nothrow, hook).value(); }
inline void set_misuse_hook(std::nullptr_t) { set_misuse_hook(std::nothrow, nullptr).value(); }
#endif

QZ_HPP_END
