// A number of callers that wait for each other. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

class barrier_ref : public detail::token<qz_barrier, qz_barrier_free> {
public:
    using token::token;

    // Arrives, and waits for the others: true for exactly one of those that go on together.
    result<bool> wait(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        bool is_leader = false;
        const qz_status status = qz_barrier_wait(get(), t.count(), c.get(), &is_leader);
        return detail::made<bool>(status, is_leader);
    }
    // Completes, in place of blocking: see completion.hpp.
    template <class Then>
    auto wait_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                    cancel_ref c = {}) const noexcept {
        return detail::submit<bool>(std::move(then), [h = get(), t, c, b](void *user_data) {
            return qz_barrier_wait_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
#if QZ_HPP_EXCEPTIONS
    bool wait(timeout t = infinite, cancel_ref c = {}) const { return wait(std::nothrow, t, c).value(); }
    template <class Then>
    auto wait_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return wait_async(std::nothrow, b, std::move(then), t, c).value();
    }
#endif
};

class barrier : public detail::owner<barrier_ref> {
public:
    using owner::owner;

    // For `n` callers.
    static result<barrier> make(std::nothrow_t, std::uint32_t n) noexcept {
        qz_barrier *made = nullptr;
        const qz_status status = qz_barrier_new(n, &made);
        return detail::made<barrier>(status, made);
    }
#if QZ_HPP_EXCEPTIONS
    explicit barrier(std::uint32_t n) : barrier(make(std::nothrow, n).value()) {}
#endif
};

QZ_HPP_END
