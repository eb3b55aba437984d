// A lock between processes. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

class filelock_ref : public detail::token<qz_filelock, qz_filelock_free> {
public:
    using token::token;

    // Alone.
    result<hold> acquire(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        return acquire_as(QZ_FILELOCK_EXCLUSIVE, t, c);
    }
    // With others that share it.
    result<hold> acquire_shared(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        return acquire_as(QZ_FILELOCK_SHARED, t, c);
    }
    // Completes, in place of blocking: see completion.hpp.
    template <class Then>
    auto acquire_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                       cancel_ref c = {}) const noexcept {
        return acquire_async_as(QZ_FILELOCK_EXCLUSIVE, b, std::move(then), t, c);
    }
    template <class Then>
    auto acquire_shared_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                              cancel_ref c = {}) const noexcept {
        return acquire_async_as(QZ_FILELOCK_SHARED, b, std::move(then), t, c);
    }
    result<hold> try_acquire(std::nothrow_t) const noexcept { return try_acquire_as(QZ_FILELOCK_EXCLUSIVE); }
    result<hold> try_acquire_shared(std::nothrow_t) const noexcept { return try_acquire_as(QZ_FILELOCK_SHARED); }
    // Who holds it, as far as the file says so.
    result<qz_filelock_holder_info> holder(std::nothrow_t) const noexcept {
        qz_filelock_holder_info info{};
        const qz_status status = qz_filelock_holder(get(), &info, sizeof info);
        return detail::made<qz_filelock_holder_info>(status, info);
    }

#if QZ_HPP_EXCEPTIONS
    hold acquire(timeout t = infinite, cancel_ref c = {}) const { return acquire(std::nothrow, t, c).value(); }
    hold acquire_shared(timeout t = infinite, cancel_ref c = {}) const {
        return acquire_shared(std::nothrow, t, c).value();
    }
    template <class Then>
    auto acquire_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return acquire_async(std::nothrow, b, std::move(then), t, c).value();
    }
    template <class Then>
    auto acquire_shared_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return acquire_shared_async(std::nothrow, b, std::move(then), t, c).value();
    }
    hold try_acquire() const { return detail::empty_if_busy(try_acquire(std::nothrow)); }
    hold try_acquire_shared() const { return detail::empty_if_busy(try_acquire_shared(std::nothrow)); }
    qz_filelock_holder_info holder() const { return holder(std::nothrow).value(); }
#endif

private:
    result<hold> acquire_as(std::uint32_t mode, timeout t, cancel_ref c) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_filelock_acquire(get(), mode, t.count(), c.get(), &taken);
        return detail::made<hold>(status, taken);
    }
    template <class Then>
    auto acquire_async_as(std::uint32_t mode, backend_ref b, Then then, timeout t, cancel_ref c) const noexcept {
        return detail::submit<hold>(std::move(then), [h = get(), mode, t, c, b](void *user_data) {
            return qz_filelock_acquire_async(h, mode, t.count(), c.get(), b.get(), user_data);
        });
    }
    result<hold> try_acquire_as(std::uint32_t mode) const noexcept {
        qz_hold *taken = nullptr;
        const qz_status status = qz_filelock_try_acquire(get(), mode, &taken);
        return detail::made<hold>(status, taken);
    }
};

class filelock : public detail::owner<filelock_ref> {
public:
    using owner::owner;

    // Of the file at `path`; `flags` is 0 or QZ_FILELOCK_SIDECAR.
    static result<filelock> make(std::nothrow_t, const char *path, std::uint32_t flags = 0) noexcept {
        qz_filelock *made = nullptr;
        const qz_status status = qz_filelock_open(path, flags, &made);
        return detail::made<filelock>(status, made);
    }
    // Also of a std::filesystem::path.
    static result<filelock> make(std::nothrow_t, const std::string &path, std::uint32_t flags = 0) noexcept {
        // In C it would end there, and name another file.
        if (path.find('\0') != std::string::npos) return failure(QZ_ERR_INVALID_ARGUMENT, "a NUL in the path");
        return make(std::nothrow, path.c_str(), flags);
    }

#if QZ_HPP_EXCEPTIONS
    explicit filelock(const char *path, std::uint32_t flags = 0) : filelock(make(std::nothrow, path, flags).value()) {}
    explicit filelock(const std::string &path, std::uint32_t flags = 0)
        : filelock(make(std::nothrow, path, flags).value()) {}
#endif
};

QZ_HPP_END
