// Asynchronous calls in coroutines, C++20. (A part of quiescent.hpp, which is what to include.)
//
//     hold locked = co_await m.lock_async(b, awaited, 50ms);
//     result<hold> other = co_await m.lock_async(std::nothrow, b, awaited);
//
// The call is submitted by co_await, and the coroutine goes on inside the poll that finds it over; at once, if it was
// refused. If the backend ends before, it goes on inside that, with QZ_ERR_FREED. What leaves the coroutine there is
// thrown by poll; by the end of a backend it is swallowed, and counted. A coroutine may be destroyed while it waits, if
// nobody polls or frees the backend at that moment: what the call takes then is given back.
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// In place of a function or of user data: what it answers is to be awaited.
struct awaited_t {
    explicit awaited_t() = default;
};
inline constexpr awaited_t awaited{};

namespace detail {

// A coroutine that waits for its call: a local of it.
template <class As, class Call> class waiting {
public:
    explicit waiting(Call &&call) noexcept : call_(std::move(call)) {}
    waiting(const waiting &) = delete;
    waiting &operator=(const waiting &) = delete;
    ~waiting() {
        if (submitted_) submitted_->waits.store(nullptr, std::memory_order_release);
    }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> coroutine) noexcept {
        std::unique_ptr<submitted> kept(new (std::nothrow) submitted(this, std::move(call_)));
        if (!kept) return refused(failure(QZ_ERR_NO_MEMORY, "no memory for the call"));
        coroutine_ = coroutine;
        submitted_ = kept.get();
        const qz_status status = kept->submit();
        if (status < 0) return refused(failure(status));
        // By now it may go on on another thread: nothing of this is touched any more.
        static_cast<void>(kept.release());
        return true;
    }
    result<As> await_resume() noexcept { return *std::move(answer_); }

private:
    // Outlives the coroutine, if that is destroyed.
    struct submitted final : pending_call<Call> {
        submitted(waiting *w, Call &&call) noexcept : pending_call<Call>(std::move(call)), waits(w) {}
        void complete(completion &&over) override {
            std::unique_ptr<submitted> ends(this);
            waiting *const mine = waits.load(std::memory_order_acquire);
            if (!mine) return;
            mine->answer_.emplace(this->template answer<As>(std::move(over)));
            mine->submitted_ = nullptr;
            ends.reset();
            mine->coroutine_.resume();
        }
        void discard() noexcept override {
            contain([this] {
                qz_completion over{};
                over.status = QZ_ERR_FREED;
                complete(completion(over));
            });
        }

        std::atomic<waiting *> waits;
    };

    bool refused(const failure &why) noexcept {
        submitted_ = nullptr;
        answer_.emplace(why);
        return false;
    }

    Call call_;
    submitted *submitted_ = nullptr;
    std::coroutine_handle<> coroutine_;
    std::optional<result<As>> answer_;
};

#if QZ_HPP_EXCEPTIONS
template <class As, class Call> class waiting_or_throwing : public waiting<As, Call> {
public:
    using waiting<As, Call>::waiting;
    As await_resume() { return waiting<As, Call>::await_resume().value(); }
};
#endif

// A call that is submitted when it is awaited.
template <class As, class Call> class QZ_HPP_NODISCARD awaitable {
public:
    explicit awaitable(Call &&call) noexcept : call_(std::move(call)) {}
    waiting<As, Call> operator co_await() && noexcept { return waiting<As, Call>(std::move(call_)); }

#if QZ_HPP_EXCEPTIONS
    class QZ_HPP_NODISCARD throwing {
    public:
        explicit throwing(Call &&call) noexcept : call_(std::move(call)) {}
        waiting_or_throwing<As, Call> operator co_await() && noexcept {
            return waiting_or_throwing<As, Call>(std::move(call_));
        }

    private:
        Call call_;
    };
    throwing value() && noexcept { return throwing(std::move(call_)); }
#endif

private:
    Call call_;
};

template <class As> struct submission<As, awaited_t> {
    template <class Call> static awaitable<As, Call> submit(awaited_t &&, Call &&call) noexcept {
        return awaitable<As, Call>(std::move(call));
    }
};

} // namespace detail
QZ_HPP_END
