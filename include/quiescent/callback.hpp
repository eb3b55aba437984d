// Functions of the caller's that C calls, and their exceptions. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

namespace detail {

inline std::atomic<std::uint64_t> &swallowed() noexcept {
    static std::atomic<std::uint64_t> count{0};
    return count;
}

// Calls `f` from a C frame that has no caller of ours above it: what it throws ends here.
template <class F> void contain(F &&f) noexcept {
#if QZ_HPP_EXCEPTIONS
    try {
        f();
    } catch (...) {
        swallowed().fetch_add(1, std::memory_order_relaxed);
    }
#else
    f();
#endif
}

// The same for one that is asked something: what throws says no.
template <class F> bool contain_answer(F &&f) noexcept {
    bool answer = false;
    contain([&] { answer = f(); });
    return answer;
}

// Destroys what was released from a std::unique_ptr<T, D>. Not left to ~unique_ptr, which is noexcept: a deleter that
// throws would end the process.
template <class T, class D> void destroy_by(void *object, void *) noexcept {
    static_assert(std::is_empty<D>::value && std::is_default_constructible<D>::value, "the deleter is not kept");
    contain([object] { D()(static_cast<T *>(object)); });
}

// What a function of the caller's that makes a `T` may answer: a T, a std::unique_ptr of one, or a result of that.
template <class T, class D> struct made_by_caller {
    using owned = std::unique_ptr<T, D>;

    static result<owned> from(result<owned> &&made) noexcept {
        if (made && !*made) return failure(QZ_ERR_NULL, "it made nothing");
        return std::move(made);
    }
    static result<owned> from(owned &&made) noexcept { return from(result<owned>(std::move(made))); }
    static result<owned> from(T &&made) {
        static_assert(std::is_same<D, std::default_delete<T>>::value, "what has a deleter comes in a std::unique_ptr");
        owned kept(new (std::nothrow) T(std::move(made)));
        if (!kept) return failure(QZ_ERR_NO_MEMORY, "no memory for what was made");
        return result<owned>(std::move(kept));
    }
};

// For a function of the caller's that makes something, called by a C function: keeps why it made nothing until whoever
// wanted it is told.
class carrier {
public:
    carrier() = default;
    carrier(const carrier &) = delete;
    carrier &operator=(const carrier &) = delete;
    ~carrier() { forget(); }

    // In the callback: has `make()` answer a result of a std::unique_ptr, and answers what C is to be told.
    template <class Make> std::int32_t make(void **out, Make &&make) noexcept {
#if QZ_HPP_EXCEPTIONS
        try {
            return hand_over(make(), out);
        } catch (...) {
            return refuse(failure::of_current_exception());
        }
#else
        return hand_over(make(), out);
#endif
    }

    // After C has refused: what it told, or why what was called made nothing.
    failure why(const failure &told) const noexcept { return is_why(told.status()) ? why_.error() : told; }
    // Whoever wanted it hears of this refusal.
    void deliver(qz_status told) noexcept { is_told_ = is_told_ || is_why(told); }
    // Both.
    failure answer(const failure &told) noexcept {
        deliver(told.status());
        return why(told);
    }

private:
    // C takes what it has no number for as QZ_ERR_IO.
    bool is_why(qz_status status) const noexcept {
        return !why_ && (status == why_.status() || status == QZ_ERR_IO);
    }

    template <class T, class D> std::int32_t hand_over(result<std::unique_ptr<T, D>> made, void **out) noexcept {
        if (!made) return refuse(made.error());
        *out = (*made).release();
        return QZ_OK;
    }
    std::int32_t refuse(const failure &why) noexcept {
        forget();
        why_ = why;
        return why.status() < 0 ? why.status() : QZ_ERR_INVALID_ARGUMENT;
    }
    // An exception that nobody was told of.
    void forget() noexcept {
#if QZ_HPP_EXCEPTIONS
        if (!why_ && why_.error().thrown() && !is_told_) swallowed().fetch_add(1, std::memory_order_relaxed);
#endif
    }

    result<void> why_;
    bool is_told_ = false;
};

// Where the pools' create functions leave why they made nothing: with the blocking call on this thread that wants something
// made. nullptr: there is none, so it is for the asynchronous call that this thread looks at, if any.
inline carrier *&wanting() noexcept {
    static thread_local carrier *wants = nullptr;
    return wants;
}

class wants {
public:
    explicit wants(carrier *mine) noexcept : outer_(std::exchange(wanting(), mine)) {}
    wants(const wants &) = delete;
    wants &operator=(const wants &) = delete;
    ~wants() { wanting() = outer_; }

private:
    carrier *outer_;
};

// A function object on the heap, called once, at whatever time, on whatever thread.
template <class F> void call_once_and_delete(void *kept) noexcept {
    std::unique_ptr<F> f(static_cast<F *>(kept));
    contain([&f] { (*f)(); });
}

} // namespace detail

// How many exceptions left a callback and reached nobody, in this process.
inline std::uint64_t swallowed_exceptions() noexcept {
    return detail::swallowed().load(std::memory_order_relaxed);
}

QZ_HPP_END
