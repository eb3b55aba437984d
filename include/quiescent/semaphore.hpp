// A number of permits. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

class semaphore_ref : public detail::token<qz_semaphore, qz_semaphore_free> {
public:
    using token::token;

    result<hold> acquire(std::nothrow_t, std::uint32_t permits = 1, timeout t = infinite,
                         cancel_ref c = {}) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_semaphore_acquire(get(), permits, t.count(), c.get(), &taken);
        return detail::made<hold>(status, taken);
    }
    // Completes, in place of blocking: see completion.hpp.
    template <class Then>
    auto acquire_async(std::nothrow_t, backend_ref b, Then then, std::uint32_t permits = 1, timeout t = infinite,
                       cancel_ref c = {}) const noexcept {
        return detail::submit<hold>(std::move(then), [h = get(), permits, t, c, b](void *user_data) {
            return qz_semaphore_acquire_async(h, permits, t.count(), c.get(), b.get(), user_data);
        });
    }
    result<hold> try_acquire(std::nothrow_t, std::uint32_t permits = 1) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_semaphore_try_acquire(get(), permits, &taken);
        return detail::made<hold>(status, taken);
    }
    result<void> add(std::nothrow_t, std::uint32_t permits) const noexcept {
        return detail::done(qz_semaphore_add(get(), permits));
    }
    // How many of them were there, and are gone for good.
    result<std::uint32_t> forget(std::nothrow_t, std::uint32_t permits) const noexcept {
        std::uint32_t forgotten = 0;
        const qz_status status = qz_semaphore_forget(get(), permits, &forgotten);
        return detail::made<std::uint32_t>(status, forgotten);
    }
    result<std::uint32_t> available(std::nothrow_t) const noexcept {
        std::uint32_t available = 0;
        const qz_status status = qz_semaphore_available(get(), &available);
        return detail::made<std::uint32_t>(status, available);
    }

#if QZ_HPP_EXCEPTIONS
    hold acquire(std::uint32_t permits = 1, timeout t = infinite, cancel_ref c = {}) const {
        return acquire(std::nothrow, permits, t, c).value();
    }
    template <class Then>
    auto acquire_async(backend_ref b, Then then, std::uint32_t permits = 1, timeout t = infinite, cancel_ref c = {}) const {
        return acquire_async(std::nothrow, b, std::move(then), permits, t, c).value();
    }
    hold try_acquire(std::uint32_t permits = 1) const {
        return detail::empty_if_busy(try_acquire(std::nothrow, permits));
    }
    void add(std::uint32_t permits) const { add(std::nothrow, permits).value(); }
    std::uint32_t forget(std::uint32_t permits) const { return forget(std::nothrow, permits).value(); }
    std::uint32_t available() const { return available(std::nothrow).value(); }
#endif
};

class semaphore : public detail::owner<semaphore_ref> {
public:
    using owner::owner;

    // `initial` permits, never more than `max`.
    static result<semaphore> make(std::nothrow_t, std::uint32_t initial, std::uint32_t max) noexcept {
        qz_semaphore *made = nullptr;
        const qz_status status = qz_semaphore_new(initial, max, &made);
        return detail::made<semaphore>(status, made);
    }
#if QZ_HPP_EXCEPTIONS
    semaphore(std::uint32_t initial, std::uint32_t max) : semaphore(make(std::nothrow, initial, max).value()) {}
#endif
};

QZ_HPP_END
