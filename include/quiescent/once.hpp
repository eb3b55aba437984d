// A value that is made once. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// Names a cell for a `T`.
template <class T, class D = std::default_delete<T>> class once_ref : public detail::token<qz_once, qz_once_free> {
public:
    using detail::token<qz_once, qz_once_free>::token;
    using owned = std::unique_ptr<T, D>;

    // The value, valid until the handle is destroyed: where somebody may free it meanwhile, take a hold. QZ_ERR_BUSY: it
    // is not there.
    result<T *> try_get(std::nothrow_t) const noexcept {
        void *value = nullptr;
        const qz_status status = qz_once_get(get(), &value);
        return detail::made<T *>(status, static_cast<T *>(value));
    }
    // The same, with a hold: it is not destroyed before that ends.
    result<typed_hold<T>> try_hold(std::nothrow_t) const noexcept {
        void *value = nullptr;
        qz_hold *taken = nullptr;
        const qz_status status = qz_once_hold(get(), &value, &taken);
        if (status < 0) return failure(status);
        return typed_hold<T>(taken, static_cast<T *>(value));
    }
    // After a refusal `value` is still the caller's.
    result<void> set(std::nothrow_t, owned &&value) const noexcept {
        if (!value) return failure(QZ_ERR_NULL, "there is no value");
        const qz_status status = qz_once_set(get(), value.get());
        if (status < 0) return failure(status);
        static_cast<void>(value.release());
        return {};
    }
    // The value: if it is not there, the one that `init()` makes, or whoever else does meanwhile. `init` answers a T, a
    // std::unique_ptr of one, or a result of that. If it refuses, or throws, the cell has not changed.
    template <class F>
    result<T *> get_or_init(std::nothrow_t, F &&init, timeout t = infinite, cancel_ref c = {}) const noexcept {
        detail::carrier carrier;
        call<F> mine{init, carrier};
        void *value = nullptr;
        const qz_status status = qz_once_get_or_init(get(), make<F>, &mine, t.count(), c.get(), &value);
        if (status < 0) return carrier.answer(failure(status));
        return static_cast<T *>(value);
    }

    // Completes, in place of blocking: see completion.hpp. `init` is called by the thread that submits or polls, and kept
    // until it is over, which takes more than user data. What it throws is this call's answer, not that of others which
    // wait for the value.
    template <class Init, class Then>
    auto get_or_init_async(std::nothrow_t, backend_ref b, Init init, Then then, timeout t = infinite,
                           cancel_ref c = {}) const noexcept {
        static_assert(!std::is_same<Then, user_data>::value, "nobody would keep the initialiser");
        return detail::submit<T *>(std::move(then), async_init<Init>(get(), std::move(init), t, c, b));
    }

#if QZ_HPP_EXCEPTIONS
    // nullptr: it is not there.
    T *try_get() const {
        result<T *> answer = try_get(std::nothrow);
        return answer.status() == QZ_ERR_BUSY ? nullptr : answer.value();
    }
    typed_hold<T> try_hold() const { return detail::empty_if_busy(try_hold(std::nothrow)); }
    void set(owned &&value) const { set(std::nothrow, std::move(value)).value(); }
    template <class F> T &get_or_init(F &&init, timeout t = infinite, cancel_ref c = {}) const {
        return *get_or_init(std::nothrow, init, t, c).value();
    }
    template <class Init, class Then>
    auto get_or_init_async(backend_ref b, Init init, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return get_or_init_async(std::nothrow, b, std::move(init), std::move(then), t, c).value();
    }
#endif

private:
    template <class F> struct call {
        F &init;
        detail::carrier &carrier;
    };
    template <class F> static std::int32_t make(void *ctx, void **out) noexcept {
        const auto &mine = *static_cast<call<F> *>(ctx);
        return mine.carrier.make(out, [&mine] { return detail::made_by_caller<T, D>::from(mine.init()); });
    }
    // It is called where it lies when it is submitted, and stays there.
    template <class Init> class async_init {
    public:
        async_init(qz_once *cell, Init &&init, timeout t, cancel_ref c, backend_ref b) noexcept
            : cell_(cell), init_(std::move(init)), t_(t), c_(c), b_(b) {}
        async_init(async_init &&other) noexcept
            : cell_(other.cell_), init_(std::move(other.init_)), t_(other.t_), c_(other.c_), b_(other.b_) {}

        qz_status operator()(void *user_data) noexcept {
            static_assert(std::is_nothrow_move_constructible<Init>::value, "it is moved to the heap");
            return qz_once_get_or_init_async(cell_, make, this, t_.count(), c_.get(), b_.get(), user_data);
        }
        detail::carrier &carrier() noexcept { return carrier_; }

    private:
        static std::int32_t make(void *ctx, void **out) noexcept {
            auto &mine = *static_cast<async_init *>(ctx);
            return mine.carrier_.make(out, [&mine] { return detail::made_by_caller<T, D>::from(mine.init_()); });
        }

        qz_once *cell_;
        Init init_;
        timeout t_;
        cancel_ref c_;
        backend_ref b_;
        detail::carrier carrier_;
    };
};

// Owns a cell and its value, which `D` destroys, on the thread of whichever free, leave or release comes last.
template <class T, class D = std::default_delete<T>> class once : public detail::owner<once_ref<T, D>> {
public:
    using detail::owner<once_ref<T, D>>::owner;

    static result<once> make(std::nothrow_t) noexcept {
        qz_once *made = nullptr;
        const qz_status status = qz_once_new(detail::destroy_by<T, D>, nullptr, &made);
        return detail::made<once>(status, made);
    }
#if QZ_HPP_EXCEPTIONS
    once() : once(make(std::nothrow).value()) {}
#endif
};

QZ_HPP_END
