// A lock. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// It is not std::Lockable, on purpose: there is no unlock(). What lock() answers is the lock, as std::unique_lock would
// be: it may move to another thread and is given back once, however many copies of the token there are. An unlock()
// without it would release whatever hold happened to be the last.
class mutex_ref : public detail::token<qz_mutex, qz_mutex_free> {
public:
    using token::token;

    result<hold> lock(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_mutex_lock(get(), t.count(), c.get(), &taken);
        return detail::made<hold>(status, taken);
    }
    // Completes, in place of blocking: see completion.hpp.
    template <class Then>
    auto lock_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                    cancel_ref c = {}) const noexcept {
        return detail::submit<hold>(std::move(then), [h = get(), t, c, b](void *user_data) {
            return qz_mutex_lock_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
    result<hold> try_lock(std::nothrow_t) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_mutex_try_lock(get(), &taken);
        return detail::made<hold>(status, taken);
    }
    // Of a measured mutex.
    result<qz_mutex_stats> stats(std::nothrow_t) const noexcept {
        qz_mutex_stats stats{};
        const qz_status status = qz_mutex_stats_get(get(), &stats, sizeof stats);
        return detail::made<qz_mutex_stats>(status, stats);
    }

#if QZ_HPP_EXCEPTIONS
    hold lock(timeout t = infinite, cancel_ref c = {}) const { return lock(std::nothrow, t, c).value(); }
    template <class Then>
    auto lock_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return lock_async(std::nothrow, b, std::move(then), t, c).value();
    }
    hold try_lock() const { return detail::empty_if_busy(try_lock(std::nothrow)); }
    qz_mutex_stats stats() const { return stats(std::nothrow).value(); }
#endif
};

class mutex : public detail::owner<mutex_ref> {
public:
    using owner::owner;

    static result<mutex> make(std::nothrow_t) noexcept {
        qz_mutex *made = nullptr;
        const qz_status status = qz_mutex_new(&made);
        return detail::made<mutex>(status, made);
    }
    // One that notes what stats() tells.
    static result<mutex> measured(std::nothrow_t) noexcept {
        qz_mutex *made = nullptr;
        const qz_status status = qz_mutex_new_measured(&made);
        return detail::made<mutex>(status, made);
    }

#if QZ_HPP_EXCEPTIONS
    mutex() : mutex(make(std::nothrow).value()) {}
    static mutex measured() { return measured(std::nothrow).value(); }
#endif
};

QZ_HPP_END
