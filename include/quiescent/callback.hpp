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

// For a callback that runs inside the C function that takes it, on the same thread: keeps what it throws until the C
// function has returned. `carry` belongs into the callback, `rethrow` behind the call.
class carrier {
public:
    carrier() = default;
    carrier(const carrier &) = delete;
    carrier &operator=(const carrier &) = delete;
    // In a form that is noexcept nobody rethrows.
    ~carrier() {
#if QZ_HPP_EXCEPTIONS
        if (thrown_) swallowed().fetch_add(1, std::memory_order_relaxed);
#endif
    }

    // What `f` returns; `otherwise`, if it throws.
    template <class F, class R> R carry(F &&f, R otherwise) noexcept {
#if QZ_HPP_EXCEPTIONS
        try {
            return f();
        } catch (...) {
            thrown_ = std::current_exception();
            return otherwise;
        }
#else
        static_cast<void>(otherwise);
        return f();
#endif
    }

#if QZ_HPP_EXCEPTIONS
    void rethrow() {
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    }

private:
    std::exception_ptr thrown_;
#endif
};

// A function object on the heap, called once, at whatever time, on whatever thread.
template <class F> void call_once_and_delete(void *kept) noexcept {
    std::unique_ptr<F> f(static_cast<F *>(kept));
    contain([&f] { (*f)(); });
}

} // namespace detail

// How many exceptions left a callback that had no caller to go to, in this process.
inline std::uint64_t swallowed_exceptions() noexcept {
    return detail::swallowed().load(std::memory_order_relaxed);
}

QZ_HPP_END
