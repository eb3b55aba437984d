// The guard, embedded in a struct of yours. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// Eight bytes in place, which is why it does not move. The memory must never be given back: see qz_guard. So the struct
// around it has no owner, and whoever is told QZ_OK by begin_free or wait_drained destroys what the struct owns.
class guard {
public:
    // An operation in flight. May end on any thread.
    class QZ_HPP_NODISCARD entry {
    public:
        entry() noexcept : guard_(nullptr) {}
        // Takes over an operation that qz_guard_try_enter began.
        explicit entry(qz_guard *entered) noexcept : guard_(entered) {}
        entry(entry &&other) noexcept : guard_(std::exchange(other.guard_, nullptr)) {}
        entry &operator=(entry &&other) noexcept {
            qz_guard *next = std::exchange(other.guard_, nullptr);
            leave();
            guard_ = next;
            return *this;
        }
        ~entry() { leave(); }

        explicit operator bool() const noexcept { return guard_ != nullptr; }
        void leave() noexcept {
            qz_guard *entered = std::exchange(guard_, nullptr);
            if (entered) static_cast<void>(qz_guard_leave(entered));
        }

    private:
        qz_guard *guard_;
    };

    constexpr guard() noexcept : guard_{0} {}
    guard(const guard &) = delete;
    guard &operator=(const guard &) = delete;

    qz_guard *get() noexcept { return &guard_; }

    result<entry> enter(std::nothrow_t) noexcept {
        return detail::made<entry>(qz_guard_try_enter(&guard_), &guard_);
    }
    // QZ_OK, to one caller: destroy what the struct owns. QZ_ALREADY_FREED: another call closed it. QZ_ERR_TIMEOUT:
    // closed, with somebody inside; wait_drained hands out the end.
    result<qz_status> begin_free(std::nothrow_t, timeout t = default_timeout) noexcept {
        return detail::answered(qz_guard_begin_free(&guard_, t.count()));
    }
    result<qz_status> wait_drained(std::nothrow_t, timeout t = default_timeout) noexcept {
        return detail::answered(qz_guard_wait_drained(&guard_, t.count()));
    }

#if QZ_HPP_EXCEPTIONS
    entry enter() { return enter(std::nothrow).value(); }
    qz_status begin_free(timeout t = default_timeout) { return begin_free(std::nothrow, t).value(); }
    qz_status wait_drained(timeout t = default_timeout) { return wait_drained(std::nothrow, t).value(); }
#endif

private:
    qz_guard guard_;
};

QZ_HPP_END
