// Cancel tokens: ending waits from outside. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

class cancel;

// As a parameter of a wait: what ends it; empty: nothing does.
class cancel_ref : public detail::token<qz_cancel, qz_cancel_free> {
public:
    using token::token;
    constexpr cancel_ref() noexcept = default;
    // One that was moved from is refused (QZ_ERR_BAD_HANDLE): nobody asked for a wait that cannot be cancelled.
    cancel_ref(const cancel &owned) noexcept;

    // Ends the waits, for ever.
    result<void> request(std::nothrow_t) const noexcept { return detail::done(qz_cancel_cancel(get())); }
    // The same in `t` from now.
    result<void> request_after(std::nothrow_t, timeout t) const noexcept {
        return detail::done(qz_cancel_after(get(), t.count()));
    }
    bool is_cancelled() const noexcept { return qz_cancel_is_cancelled(get()); }
    result<void> wait(std::nothrow_t, timeout t = infinite) const noexcept {
        return detail::done(qz_cancel_wait(get(), t.count()));
    }

#if QZ_HPP_EXCEPTIONS
    void request() const { request(std::nothrow).value(); }
    void request_after(timeout t) const { request_after(std::nothrow, t).value(); }
    void wait(timeout t = infinite) const { wait(std::nothrow, t).value(); }
#endif
};

class cancel : public detail::owner<cancel_ref> {
public:
    using owner::owner;

    static result<cancel> make(std::nothrow_t) noexcept {
        qz_cancel *made = nullptr;
        const qz_status status = qz_cancel_new(&made);
        return detail::made<cancel>(status, made);
    }
    // One that is cancelled with `parent`, and can be by itself.
    static result<cancel> child(std::nothrow_t, cancel_ref parent) noexcept {
        qz_cancel *made = nullptr;
        const qz_status status = qz_cancel_child(parent.get(), &made);
        return detail::made<cancel>(status, made);
    }

#if QZ_HPP_EXCEPTIONS
    cancel() : cancel(make(std::nothrow).value()) {}
    static cancel child(cancel_ref parent) { return child(std::nothrow, parent).value(); }
#endif
};

inline cancel_ref::cancel_ref(const cancel &owned) noexcept
    : token(owned.get() ? owned.get() : reinterpret_cast<qz_cancel *>(std::uintptr_t{2})) {}

QZ_HPP_END
