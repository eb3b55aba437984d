// Run-down for what many threads use at once. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// An address on the heap, not a token: nobody may call it while, or after, it is destroyed. The destructor waits five
// seconds for the references; if some are still out then, it leaves the memory to them, for ever.
class cache_aware_rundown {
public:
    // `n` references, released together. May end on any thread.
    class QZ_HPP_NODISCARD reference {
    public:
        reference() noexcept : rundown_(nullptr), n_(0), stripe_(0) {}
        // Takes over `n` references that qz_cache_aware_rundown_try_acquire acquired.
        reference(qz_cache_aware_rundown *acquired, std::uint32_t n, std::uint32_t stripe) noexcept
            : rundown_(acquired), n_(n), stripe_(stripe) {}
        reference(reference &&other) noexcept
            : rundown_(std::exchange(other.rundown_, nullptr)), n_(other.n_), stripe_(other.stripe_) {}
        reference &operator=(reference &&other) noexcept {
            qz_cache_aware_rundown *next = std::exchange(other.rundown_, nullptr);
            reset();
            rundown_ = next;
            n_ = other.n_;
            stripe_ = other.stripe_;
            return *this;
        }
        ~reference() { reset(); }

        explicit operator bool() const noexcept { return rundown_ != nullptr; }
        void reset() noexcept {
            qz_cache_aware_rundown *acquired = std::exchange(rundown_, nullptr);
            if (acquired) static_cast<void>(qz_cache_aware_rundown_release(acquired, n_, stripe_));
        }

    private:
        qz_cache_aware_rundown *rundown_;
        std::uint32_t n_, stripe_;
    };

    // Takes over what qz_cache_aware_rundown_new made.
    explicit cache_aware_rundown(qz_cache_aware_rundown *made) noexcept : rundown_(made) {}
    cache_aware_rundown(cache_aware_rundown &&other) noexcept : rundown_(other.release()) {}
    cache_aware_rundown &operator=(cache_aware_rundown &&other) noexcept {
        reset(other.release());
        return *this;
    }
    ~cache_aware_rundown() { reset(); }

    qz_cache_aware_rundown *get() const noexcept { return rundown_; }
    explicit operator bool() const noexcept { return rundown_ != nullptr; }
    qz_cache_aware_rundown *release() noexcept { return std::exchange(rundown_, nullptr); }
    void reset(qz_cache_aware_rundown *next = nullptr) noexcept {
        qz_cache_aware_rundown *old = std::exchange(rundown_, next);
        if (old && qz_cache_aware_rundown_wait(old, 5000) == QZ_OK)
            static_cast<void>(qz_cache_aware_rundown_delete(old));
    }

    static result<cache_aware_rundown> make(std::nothrow_t) noexcept {
        qz_cache_aware_rundown *made = nullptr;
        const qz_status status = qz_cache_aware_rundown_new(&made);
        return detail::made<cache_aware_rundown>(status, made);
    }

    // QZ_ERR_BUSY: a run-down is in progress. QZ_ERR_FREED: it is complete.
    result<reference> acquire(std::nothrow_t, std::uint32_t n = 1) const noexcept {
        std::uint32_t stripe = 0;
        const qz_status status = qz_cache_aware_rundown_try_acquire(rundown_, n, &stripe);
        if (status < 0) return failure(status);
        return reference(rundown_, n, stripe);
    }
    result<void> wait(std::nothrow_t, timeout t = infinite) const noexcept {
        return detail::done(qz_cache_aware_rundown_wait(rundown_, t.count()));
    }
    result<void> re_init(std::nothrow_t) const noexcept {
        return detail::done(qz_cache_aware_rundown_re_init(rundown_));
    }

#if QZ_HPP_EXCEPTIONS
    cache_aware_rundown() : cache_aware_rundown(make(std::nothrow).value()) {}
    reference acquire(std::uint32_t n = 1) const { return acquire(std::nothrow, n).value(); }
    void wait(timeout t = infinite) const { wait(std::nothrow, t).value(); }
    void re_init() const { re_init(std::nothrow).value(); }
#endif

private:
    qz_cache_aware_rundown *rundown_;
};

QZ_HPP_END
