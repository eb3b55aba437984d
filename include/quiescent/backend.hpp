// Backends: calls that complete, in place of calls that block. (A part of quiescent.hpp, which is what to include.)
//
//     backend b;
//     completions over;
//     m.lock_async(b, [](result<hold> locked) { ... }, 50ms);
//     while (b.pending() > 0) b.poll(over);
//
// What is to become of a call is said in completion.hpp. The functions of a call (`then`, `init`) must live as long as it
// is under way: they are moved to the heap, and destroyed once, when they were called, or when nobody will.
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
#ifndef _WIN32
#include <cerrno>
#include <unistd.h>
#endif
QZ_HPP_BEGIN

#ifndef _WIN32
// A descriptor that wakes a backend, also from a signal handler, and also one that is over: then it does nothing.
class QZ_HPP_NODISCARD wake_descriptor {
public:
    // Takes over a descriptor.
    explicit wake_descriptor(int fd) noexcept : fd_(fd) {}
    wake_descriptor(wake_descriptor &&other) noexcept : fd_(other.release()) {}
    wake_descriptor &operator=(wake_descriptor &&other) noexcept {
        const int next = other.release();
        reset();
        fd_ = next;
        return *this;
    }
    ~wake_descriptor() { reset(); }

    // -1: there is none.
    int get() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept {
        const int old = release();
        if (old >= 0) static_cast<void>(::close(old));
    }
    // For signal handlers: calls write(2) only, and leaves errno alone.
    void wake() const noexcept {
        const int before = errno;
        const std::uint64_t one = 1;
        // It fails where enough wake-ups wait already.
        if (::write(fd_, &one, sizeof one) < 0) errno = before;
    }

private:
    int fd_;
};
#endif

class backend_ref : public detail::token<qz_backend, qz_backend_free> {
public:
    using token::token;

    // Waits until a call is over; calls the functions of those that are, and hands out the others in `out`. How many
    // there were: 0, it was woken. QZ_ERR_TIMEOUT: none.
    //
    // What the functions throw is swallowed here, and counted; the other form throws the first, after all were called.
    // That one answers 0 at the deadline, too.
    result<std::size_t> poll(std::nothrow_t, completions &out, timeout t = infinite) const noexcept {
        return poll_calling(out, t, [](completion &over) { detail::contain([&over] { complete(over); }); });
    }
    // Has the poll in progress, or the next, return. Any thread.
    result<void> wake(std::nothrow_t) const noexcept { return detail::done(qz_backend_wake(get())); }
#ifndef _WIN32
    // For an event loop: readable exactly while poll with a timeout of 0 would find something. The backend's own.
    result<int> fd(std::nothrow_t) const noexcept {
        int fd = -1;
        const qz_status status = qz_backend_fd(get(), &fd);
        return detail::made<int>(status, fd);
    }
    result<wake_descriptor> wake_fd(std::nothrow_t) const noexcept {
        int fd = -1;
        const qz_status status = qz_backend_wake_fd(get(), &fd);
        return detail::made<wake_descriptor>(status, fd);
    }
#endif
    // Polls `inner` as well from now on, which is not to be polled itself.
    result<void> attach(std::nothrow_t, backend_ref inner) const noexcept {
        return detail::done(qz_backend_attach(get(), inner.get()));
    }
    result<void> detach(std::nothrow_t, backend_ref inner) const noexcept {
        return detail::done(qz_backend_detach(get(), inner.get()));
    }
    // How many calls are under way, or wait to be handed out.
    result<std::size_t> pending(std::nothrow_t) const noexcept {
        std::size_t pending = 0;
        const qz_status status = qz_backend_pending(get(), &pending);
        return detail::made<std::size_t>(status, pending);
    }
#ifndef _WIN32
    // Completes when a descriptor of yours is ready for any of `interest`: QZ_READABLE, QZ_WRITABLE. Answers for what.
    template <class Then>
    auto wait_fd_async(std::nothrow_t, int fd, std::uint32_t interest, Then then, timeout t = infinite,
                       cancel_ref c = {}) const noexcept {
        return detail::submit<std::uint32_t>(std::move(then), [b = *this, fd, interest, t, c](void *user_data) {
            return qz_backend_wait_fd_async(b.get(), fd, interest, t.count(), c.get(), user_data);
        });
    }
#endif

#if QZ_HPP_EXCEPTIONS
    std::size_t poll(completions &out, timeout t = infinite) const {
        std::exception_ptr thrown;
        result<std::size_t> answer = poll_calling(out, t, [&thrown](completion &over) {
            try {
                complete(over);
            } catch (...) {
                if (thrown) detail::swallowed().fetch_add(1, std::memory_order_relaxed);
                else thrown = std::current_exception();
            }
        });
        if (thrown) std::rethrow_exception(std::move(thrown));
        return answer.status() == QZ_ERR_TIMEOUT ? 0 : answer.value();
    }
    void wake() const { wake(std::nothrow).value(); }
#ifndef _WIN32
    int fd() const { return fd(std::nothrow).value(); }
    wake_descriptor wake_fd() const { return wake_fd(std::nothrow).value(); }
#endif
    void attach(backend_ref inner) const { attach(std::nothrow, inner).value(); }
    void detach(backend_ref inner) const { detach(std::nothrow, inner).value(); }
    std::size_t pending() const { return pending(std::nothrow).value(); }
#ifndef _WIN32
    template <class Then>
    auto wait_fd_async(int fd, std::uint32_t interest, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return wait_fd_async(std::nothrow, fd, interest, std::move(then), t, c).value();
    }
#endif
#endif

private:
    static void complete(completion &over) {
        detail::continuation::of(over.user_data())->complete(std::move(over));
    }

    template <class Call>
    result<std::size_t> poll_calling(completions &out, timeout t, Call call) const noexcept {
        qz_completion over[completions::capacity()];
        std::size_t n = 0;
        out.clear();
        {
            // What makes a pool's resources may run in here; it is not for a blocking call of this thread's.
            const detail::wants none(nullptr);
            const qz_status status = qz_backend_poll(get(), over, completions::capacity(), t.count(), &n);
            if (status < 0) return failure(status);
        }
        // All are owned before any function is called.
        completion called[completions::capacity()];
        std::size_t calls = 0;
        for (std::size_t i = 0; i < n; ++i) {
            void *own = nullptr;
            detail::continuation *const then = detail::continuation::of(over[i].user_data);
            if (!then) out.push_back(completion(over[i]));
            else if (then->is_handed_out(own)) out.push_back(completion(over[i], own, then));
            else called[calls++] = completion(over[i]);
        }
        for (std::size_t i = 0; i < calls; ++i) call(called[i]);
        return n;
    }
};

// Owns a backend. What is under way on it when it ends is cancelled: functions are destroyed without having been called,
// on the thread that ends it, and what user data stand for is told to `on_discard(void *)`, if there is one.
class backend : public detail::owner<backend_ref> {
public:
    using owner::owner;

    static result<backend> make(std::nothrow_t) noexcept {
        qz_backend *made = nullptr;
        const qz_status status = qz_backend_new(discard, nullptr, &made);
        return detail::made<backend>(status, made);
    }
    template <class F, class = decltype(std::declval<F &>()(std::declval<void *>()))>
    static result<backend> make(std::nothrow_t, F on_discard) noexcept {
        static_assert(std::is_nothrow_move_constructible<F>::value, "it is moved to the heap");
        std::unique_ptr<F> kept(new (std::nothrow) F(std::move(on_discard)));
        if (!kept) return failure(QZ_ERR_NO_MEMORY, "no memory for the function");
        qz_backend *made = nullptr;
        const qz_status status = qz_backend_new(discard_by<F>, kept.get(), &made);
        if (status < 0) return failure(status);
        backend mine(made);
        const qz_status ends = qz_handle_on_freed(QZ_HANDLE(made), end<F>, kept.get());
        if (ends < 0) return failure(ends);
        static_cast<void>(kept.release());
        return result<backend>(std::move(mine));
    }

#if QZ_HPP_EXCEPTIONS
    backend() : backend(make(std::nothrow).value()) {}
    template <class F, class = decltype(std::declval<F &>()(std::declval<void *>()))>
    explicit backend(F on_discard) : backend(make(std::nothrow, std::move(on_discard)).value()) {}
#endif

private:
    // Whether `user_data`, or what is written there, is the caller's own.
    static bool discard_ours(void *&user_data) noexcept {
        detail::continuation *const then = detail::continuation::of(user_data);
        if (!then) return true;
        const bool is_own = then->is_handed_out(user_data);
        then->discard();
        return is_own;
    }
    static void discard(void *user_data, void *) noexcept { static_cast<void>(discard_ours(user_data)); }
    template <class F> static void discard_by(void *user_data, void *kept) noexcept {
        if (discard_ours(user_data)) detail::contain([=] { (*static_cast<F *>(kept))(user_data); });
    }
    template <class F> static void end(void *kept) noexcept { delete static_cast<F *>(kept); }
};

QZ_HPP_END
