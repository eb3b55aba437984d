// Kinds, as C has them: for plug-ins, and for callbacks of your own. handle<T> makes its own. (A part of quiescent.hpp,
// which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN
namespace detail {

inline qz_status close_kind(qz_kind *kind, std::int64_t timeout_ms) { return qz_kind_close(kind, timeout_ms, nullptr); }

} // namespace detail

// Freeing it ends the kind together with its handles: qz_kind_close.
class kind_ref : public detail::token<qz_kind, detail::close_kind> {
public:
    using token::token;

    // As free(), and answers how many handles are left: 0, if the kind is destroyed.
    result<std::size_t> close(std::nothrow_t, timeout t = default_timeout) const noexcept {
        std::size_t left = 0;
        const qz_status status = qz_kind_close(get(), t.count(), &left);
        return detail::made<std::size_t>(status, left);
    }
#if QZ_HPP_EXCEPTIONS
    std::size_t close(timeout t = default_timeout) const { return close(std::nothrow, t).value(); }
#endif
};

class kind : public detail::owner<kind_ref> {
public:
    using owner::owner;

    // `ops` may be NULL. Its functions must not throw.
    static result<kind> make(std::nothrow_t, const char *name, const qz_kind_ops *ops = nullptr) noexcept {
        qz_kind *made = nullptr;
        const qz_status status = qz_kind_new(name, ops, &made);
        return detail::made<kind>(status, made);
    }
#if QZ_HPP_EXCEPTIONS
    explicit kind(const char *name, const qz_kind_ops *ops = nullptr) : kind(make(std::nothrow, name, ops).value()) {}
#endif
};

QZ_HPP_END
