// How long to wait. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// Types of their own, so that there is no variable that two translation units would each have.
enum infinite_timeout { infinite };
enum default_free_timeout { default_timeout };

// Milliseconds as C takes them, from any duration.
class timeout {
public:
    constexpr timeout(infinite_timeout) noexcept : ms_(QZ_INFINITE) {}
    constexpr timeout(default_free_timeout) noexcept : ms_(QZ_DEFAULT_TIMEOUT) {}
    template <class Rep, class Period>
    constexpr timeout(std::chrono::duration<Rep, Period> duration) noexcept : ms_(round_up(duration)) {}

    // For the C functions.
    constexpr std::int64_t count() const noexcept { return ms_; }

private:
    template <class Duration> static constexpr std::int64_t round_up(Duration duration) noexcept {
        // 31 thousand years. What is longer would overflow somewhere below.
        constexpr long double longest = 1e15L;
        const long double exact = std::chrono::duration<long double, std::milli>(duration).count();
        // Also not-a-number. C refuses every negative number but its own two.
        if (!(exact >= 0)) return INT64_MIN;
        if (exact >= longest) return INT64_MAX;
        const auto down = std::chrono::duration_cast<std::chrono::duration<std::int64_t, std::milli>>(duration);
        return down.count() + (down < duration ? 1 : 0);
    }

    std::int64_t ms_;
};

namespace detail {

// Of what a C function says: milliseconds, or QZ_INFINITE.
constexpr timeout timeout_of(std::int64_t ms) noexcept {
    return ms < 0 ? timeout(infinite) : timeout(std::chrono::duration<std::int64_t, std::milli>(ms));
}

} // namespace detail
QZ_HPP_END
