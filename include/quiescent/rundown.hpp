// Run-down, embedded: what is shut and opened again. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// Eight bytes in place, which is why it does not move. It must stay where it is while anybody may still call it.
class rundown {
public:
    // `n` references, released together. May end on any thread.
    class QZ_HPP_NODISCARD reference {
    public:
        reference() noexcept : rundown_(nullptr), n_(0) {}
        // Takes over `n` references that qz_rundown_try_acquire acquired.
        reference(qz_rundown *acquired, std::uint32_t n) noexcept : rundown_(acquired), n_(n) {}
        reference(reference &&other) noexcept : rundown_(std::exchange(other.rundown_, nullptr)), n_(other.n_) {}
        reference &operator=(reference &&other) noexcept {
            qz_rundown *next = std::exchange(other.rundown_, nullptr);
            reset();
            rundown_ = next;
            n_ = other.n_;
            return *this;
        }
        ~reference() { reset(); }

        explicit operator bool() const noexcept { return rundown_ != nullptr; }
        void reset() noexcept {
            qz_rundown *acquired = std::exchange(rundown_, nullptr);
            if (acquired) static_cast<void>(qz_rundown_release(acquired, n_));
        }

    private:
        qz_rundown *rundown_;
        std::uint32_t n_;
    };

    constexpr rundown() noexcept : rundown_{0} {}
    rundown(const rundown &) = delete;
    rundown &operator=(const rundown &) = delete;

    qz_rundown *get() noexcept { return &rundown_; }

    // QZ_ERR_BUSY: a run-down is in progress. QZ_ERR_FREED: it is complete.
    result<reference> acquire(std::nothrow_t, std::uint32_t n = 1) noexcept {
        const qz_status status = qz_rundown_try_acquire(&rundown_, n);
        if (status < 0) return failure(status);
        return reference(&rundown_, n);
    }
    result<void> wait(std::nothrow_t, timeout t = infinite) noexcept {
        return detail::done(qz_rundown_wait(&rundown_, t.count()));
    }
    result<void> re_init(std::nothrow_t) noexcept { return detail::done(qz_rundown_re_init(&rundown_)); }

#if QZ_HPP_EXCEPTIONS
    reference acquire(std::uint32_t n = 1) { return acquire(std::nothrow, n).value(); }
    void wait(timeout t = infinite) { wait(std::nothrow, t).value(); }
    void re_init() { re_init(std::nothrow).value(); }
#endif

private:
    qz_rundown rundown_;
};

QZ_HPP_END
