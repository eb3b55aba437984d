// What all handles have in common. (A part of quiescent.hpp, which is what to include.)
//
// A kind of handle is two classes: `x_ref` with its operations, and `x`, which owns.
//
//     class x_ref : public detail::token<qz_x, qz_x_free> {
//     public:
//         using token::token;
//         result<hold> take(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
//             qz_hold *taken = nullptr;
//             const qz_status status = qz_x_take(get(), t.count(), c.get(), &taken);
//             return detail::made<hold>(status, taken);
//         }
//     #if QZ_HPP_EXCEPTIONS
//         hold take(timeout t = infinite, cancel_ref c = {}) const { return take(std::nothrow, t, c).value(); }
//     #endif
//     };
//
//     class x : public detail::owner<x_ref> {
//     public:
//         using owner::owner;
//         static result<x> make(std::nothrow_t) noexcept {
//             qz_x *made = nullptr;
//             const qz_status status = qz_x_new(&made);
//             return detail::made<x>(status, made);
//         }
//     #if QZ_HPP_EXCEPTIONS
//         x() : x(make(std::nothrow).value()) {}
//     #endif
//     };
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

class backend_ref;
class cancel_ref;

namespace detail {

template <class As, class Then, class Call> auto submit(Then &&then, Call &&call) noexcept;

// A class that is defined by the time that `Then` is known.
template <class T, class Then> struct defined_later {
    using type = T;
};
template <class T, class Then> using later = typename defined_later<T, Then>::type;

// Names a handle; owns nothing.
template <class C, qz_status (*Free)(C *, std::int64_t)> class token {
public:
    using c_type = C;

    constexpr token() noexcept : token_(nullptr) {}
    explicit constexpr token(C *c) noexcept : token_(c) {}

    C *get() const noexcept { return token_; }
    explicit operator bool() const noexcept { return token_ != nullptr; }

    // QZ_OK or QZ_ALREADY_FREED: destroyed. QZ_FREE_PENDING: the last one out destroys it.
    result<qz_status> free(std::nothrow_t, timeout t = default_timeout) const noexcept {
        return detail::answered(Free(token_, t.count()));
    }
    result<qz_status> try_free(std::nothrow_t) const noexcept { return detail::answered(qz_handle_try_free(as_handle())); }
    result<void> wait_freed(std::nothrow_t, timeout t = infinite) const noexcept {
        return detail::done(qz_handle_wait_freed(as_handle(), t.count()));
    }
    // Closed at once, without blocking the thread; completes when it is destroyed, as free answers. For `then` see
    // completion.hpp.
    template <class Then>
    auto free_async(std::nothrow_t, later<backend_ref, Then> b, Then then, timeout t = default_timeout,
                    later<cancel_ref, Then> c = {}) const noexcept {
        return detail::submit<qz_status>(std::move(then), [h = as_handle(), t, c, b](void *user_data) {
            return qz_handle_free_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
    template <class Then>
    auto wait_freed_async(std::nothrow_t, later<backend_ref, Then> b, Then then, timeout t = infinite,
                          later<cancel_ref, Then> c = {}) const noexcept {
        return detail::submit<void>(std::move(then), [h = as_handle(), t, c, b](void *user_data) {
            return qz_handle_wait_freed_async(h, t.count(), c.get(), b.get(), user_data);
        });
    }
    bool is_closing() const noexcept { return qz_handle_is_closing(as_handle()); }

    // Has `f()` called once, right after the object is destroyed, on the thread that destroys it. QZ_ALREADY_FREED:
    // it was destroyed before, and `f()` has been called. After a refusal it never is.
    template <class F> result<qz_status> on_freed(std::nothrow_t, F f) const noexcept {
        static_assert(std::is_nothrow_move_constructible<F>::value, "it is moved to the heap");
        std::unique_ptr<F> kept(new (std::nothrow) F(std::move(f)));
        if (!kept) return failure(QZ_ERR_NO_MEMORY, "no memory for the function");
        result<qz_status> answer = detail::answered(qz_handle_on_freed(as_handle(), call_once_and_delete<F>, kept.get()));
        if (answer) static_cast<void>(kept.release());
        return answer;
    }

    result<void> set_label(std::nothrow_t, const char *label) const noexcept {
        return detail::done(qz_handle_set_label(as_handle(), label));
    }
    result<qz_handle_info> info(std::nothrow_t) const noexcept {
        qz_handle_info info{};
        const qz_status status = qz_handle_get_info(as_handle(), &info, sizeof info);
        return detail::made<qz_handle_info>(status, info);
    }
    // How many are inside; the first `capacity` of them are written.
    result<std::size_t> occupants(std::nothrow_t, qz_occupant *out, std::size_t capacity) const noexcept {
        std::size_t inside = 0;
        const qz_status status = qz_handle_occupants(as_handle(), out, sizeof *out, capacity, &inside);
        return detail::made<std::size_t>(status, inside);
    }

#if QZ_HPP_EXCEPTIONS
    qz_status free(timeout t = default_timeout) const { return free(std::nothrow, t).value(); }
    qz_status try_free() const {
        result<qz_status> answer = try_free(std::nothrow);
        return answer.status() == QZ_ERR_BUSY ? QZ_ERR_BUSY : answer.value();
    }
    void wait_freed(timeout t = infinite) const { wait_freed(std::nothrow, t).value(); }
    template <class Then>
    auto free_async(later<backend_ref, Then> b, Then then, timeout t = default_timeout,
                    later<cancel_ref, Then> c = {}) const {
        return free_async(std::nothrow, b, std::move(then), t, c).value();
    }
    template <class Then>
    auto wait_freed_async(later<backend_ref, Then> b, Then then, timeout t = infinite,
                          later<cancel_ref, Then> c = {}) const {
        return wait_freed_async(std::nothrow, b, std::move(then), t, c).value();
    }
    template <class F> qz_status on_freed(F f) const { return on_freed(std::nothrow, std::move(f)).value(); }
    void set_label(const char *label) const { set_label(std::nothrow, label).value(); }
    qz_handle_info info() const { return info(std::nothrow).value(); }
    std::size_t occupants(qz_occupant *out, std::size_t capacity) const {
        return occupants(std::nothrow, out, capacity).value();
    }
#endif

protected:
    qz_handle *as_handle() const noexcept { return QZ_HANDLE(token_); }
    void name(C *c) noexcept { token_ = c; }

private:
    C *token_;
};

// Owns what a `Ref` names: frees it at the end.
template <class Ref> class owner : public Ref {
public:
    using c_type = typename Ref::c_type;

    // Takes over a token; NULL: owns nothing.
    explicit owner(c_type *c) noexcept : Ref(c) {}
    owner(owner &&other) noexcept : Ref(other.release()) {}
    owner &operator=(owner &&other) noexcept {
        reset(other.release());
        return *this;
    }
    ~owner() { reset(); }

    // Gives the token up: whoever gets it frees it.
    c_type *release() noexcept {
        c_type *mine = this->get();
        this->name(nullptr);
        return mine;
    }

    // Frees what it owns, unless that is over already (which would count as a double free), and takes over `c`.
    void reset(c_type *c = nullptr) noexcept {
        const Ref old(this->release());
        this->name(c);
        if (!old) return;
        const bool is_over = old.is_closing() && old.info(std::nothrow).status() == QZ_ERR_FREED;
        if (!is_over) static_cast<void>(old.free(std::nothrow));
    }
};

} // namespace detail
QZ_HPP_END
