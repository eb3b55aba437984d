// A lock that many may have to read, or one to write. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// A hold that writes. As a plain hold it may be kept and given back like any other.
class QZ_HPP_NODISCARD write_hold : public hold {
public:
    using hold::hold;

    // One that reads, in its place: no writer comes in between. After a refusal this is what it was.
    result<hold> downgrade(std::nothrow_t) && noexcept {
        const qz_status status = qz_rwlock_downgrade(get());
        if (status < 0) return failure(status);
        return hold(release());
    }
#if QZ_HPP_EXCEPTIONS
    hold downgrade() && { return std::move(*this).downgrade(std::nothrow).value(); }
#endif
};

class rwlock_ref : public detail::token<qz_rwlock, qz_rwlock_free> {
public:
    using token::token;

    result<hold> read(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_rwlock_read(get(), t.count(), c.get(), &taken);
        return detail::made<hold>(status, taken);
    }
    // Completes, in place of blocking: see completion.hpp.
    template <class Then>
    auto read_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                    cancel_ref c = {}) const noexcept {
        return detail::submit<hold>(std::move(then), [h = get(), t, c, b](void *user_data) {
            return qz_rwlock_read_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
    result<hold> try_read(std::nothrow_t) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_rwlock_try_read(get(), &taken);
        return detail::made<hold>(status, taken);
    }
    result<write_hold> write(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_rwlock_write(get(), t.count(), c.get(), &taken);
        return detail::made<write_hold>(status, taken);
    }
    template <class Then>
    auto write_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                     cancel_ref c = {}) const noexcept {
        return detail::submit<write_hold>(std::move(then), [h = get(), t, c, b](void *user_data) {
            return qz_rwlock_write_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
    result<write_hold> try_write(std::nothrow_t) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_rwlock_try_write(get(), &taken);
        return detail::made<write_hold>(status, taken);
    }

#if QZ_HPP_EXCEPTIONS
    hold read(timeout t = infinite, cancel_ref c = {}) const { return read(std::nothrow, t, c).value(); }
    template <class Then>
    auto read_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return read_async(std::nothrow, b, std::move(then), t, c).value();
    }
    hold try_read() const { return detail::empty_if_busy(try_read(std::nothrow)); }
    write_hold write(timeout t = infinite, cancel_ref c = {}) const { return write(std::nothrow, t, c).value(); }
    template <class Then>
    auto write_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return write_async(std::nothrow, b, std::move(then), t, c).value();
    }
    write_hold try_write() const { return detail::empty_if_busy(try_write(std::nothrow)); }
#endif
};

class rwlock : public detail::owner<rwlock_ref> {
public:
    using owner::owner;

    static result<rwlock> make(std::nothrow_t) noexcept {
        qz_rwlock *made = nullptr;
        const qz_status status = qz_rwlock_new(&made);
        return detail::made<rwlock>(status, made);
    }
#if QZ_HPP_EXCEPTIONS
    rwlock() : rwlock(make(std::nothrow).value()) {}
#endif
};

QZ_HPP_END
