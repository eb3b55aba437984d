// Waking one that waits, or all. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

class notify_ref : public detail::token<qz_notify, qz_notify_free> {
public:
    using token::token;

    result<void> wait(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        return detail::done(qz_notify_wait(get(), t.count(), c.get()));
    }
    // Completes, in place of blocking: see completion.hpp.
    template <class Then>
    auto wait_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                    cancel_ref c = {}) const noexcept {
        return detail::submit<void>(std::move(then), [h = get(), t, c, b](void *user_data) {
            return qz_notify_wait_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
    // The one that has waited longest, or else the next to come.
    result<void> notify_one(std::nothrow_t) const noexcept { return detail::done(qz_notify_one(get())); }
    // Those that wait at this moment.
    result<void> notify_all(std::nothrow_t) const noexcept { return detail::done(qz_notify_all(get())); }

#if QZ_HPP_EXCEPTIONS
    void wait(timeout t = infinite, cancel_ref c = {}) const { wait(std::nothrow, t, c).value(); }
    template <class Then>
    auto wait_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return wait_async(std::nothrow, b, std::move(then), t, c).value();
    }
    void notify_one() const { notify_one(std::nothrow).value(); }
    void notify_all() const { notify_all(std::nothrow).value(); }
#endif
};

class notify : public detail::owner<notify_ref> {
public:
    using owner::owner;

    static result<notify> make(std::nothrow_t) noexcept {
        qz_notify *made = nullptr;
        const qz_status status = qz_notify_new(&made);
        return detail::made<notify>(status, made);
    }
#if QZ_HPP_EXCEPTIONS
    notify() : notify(make(std::nothrow).value()) {}
#endif
};

QZ_HPP_END
