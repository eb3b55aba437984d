// Resources that are costly to make, and used again. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// Sizes and times of a pool: what qz_pool_config says of them. A time of 0, and `infinite`: none.
struct pool_config {
    std::uint32_t max_size;
    std::uint32_t min_size = 0;
    std::uint32_t max_idle = 0;
    timeout wait_timeout = infinite;
    timeout create_timeout = infinite;
    timeout idle_timeout = infinite;
    timeout max_lifetime = infinite;
};

// Makes and ends a pool's resources: what qz_pool_ops says. Its functions may be called on several threads at once. It is
// destroyed after the pool.
template <class T, class D = std::default_delete<T>> class pool_factory {
public:
    using owned = std::unique_ptr<T, D>;

    pool_factory() = default;
    pool_factory(const pool_factory &) = delete;
    pool_factory &operator=(const pool_factory &) = delete;
    virtual ~pool_factory() = default;

    // Should take no longer than it is told. What it throws is thrown by the call that wanted a resource.
    virtual result<owned> create(timeout t) = 0;
    // Whether one that was idle may be handed out. What it throws says no.
    virtual bool check(T &) { return true; }
    // Cleans one that comes back; whether it may be used again. What it throws says no.
    virtual bool recycle(T &) { return true; }
    // What it throws is swallowed.
    virtual void destroy(owned resource, qz_pool_reason) { resource.get_deleter()(resource.release()); }
};

// A resource that was taken from a pool: goes back when it is destroyed, on whatever thread.
template <class T, class D = std::default_delete<T>> class QZ_HPP_NODISCARD pooled : public typed_hold<T> {
public:
    using typed_hold<T>::typed_hold;

    // Out of the pool for good, which may make another. After a refusal this is what it was.
    result<std::unique_ptr<T, D>> detach(std::nothrow_t) && noexcept {
        void *resource = nullptr;
        const qz_status status = qz_pool_detach(this->token(), &resource);
        if (status < 0) return failure(status);
        static_cast<void>(std::move(*this).untyped().release());
        return std::unique_ptr<T, D>(static_cast<T *>(resource));
    }
    // Back to the pool, as broken: it is destroyed.
    result<qz_status> discard(std::nothrow_t) && noexcept {
        return detail::answered(qz_pool_discard(std::move(*this).untyped().release()));
    }

#if QZ_HPP_EXCEPTIONS
    std::unique_ptr<T, D> detach() && { return std::move(*this).detach(std::nothrow).value(); }
    qz_status discard() && { return std::move(*this).discard(std::nothrow).value(); }
#endif
};

namespace detail {

template <class T, class D> struct outcome<pooled<T, D>> {
    static result<pooled<T, D>> of(completion &&over) noexcept {
        T *resource = over.object<T>();
        return pooled<T, D>(std::move(over).taken().release(), resource);
    }
};

// With a time or without.
template <class F> auto call_create(F &create, timeout t, int) -> decltype(create(t)) { return create(t); }
template <class F> auto call_create(F &create, timeout, long) -> decltype(create()) { return create(); }

template <class T, class D, class F> class function_factory final : public pool_factory<T, D> {
public:
    explicit function_factory(F &&create) noexcept : create_(std::move(create)) {}
    result<std::unique_ptr<T, D>> create(timeout t) override {
        return made_by_caller<T, D>::from(detail::call_create(create_, t, 0));
    }

private:
    F create_;
};

// What C calls.
template <class T, class D> struct pool_calls {
    using factory = pool_factory<T, D>;
    static_assert(std::is_empty<D>::value && std::is_default_constructible<D>::value, "the deleter is not kept");

    static std::int32_t create(std::int64_t timeout_ms, void *ctx, void **out) noexcept {
        carrier nobody;
        carrier *const mine = who_wants();
        const nested inside;
        return (mine ? *mine : nobody).make(out, [timeout_ms, ctx] {
            return made_by_caller<T, D>::from(static_cast<factory *>(ctx)->create(timeout_of(timeout_ms)));
        });
    }
    static bool check(void *resource, void *ctx) noexcept {
        const nested inside;
        return contain_answer([=] { return static_cast<factory *>(ctx)->check(*static_cast<T *>(resource)); });
    }
    static bool recycle(void *resource, void *ctx) noexcept {
        const nested inside;
        return contain_answer([=] { return static_cast<factory *>(ctx)->recycle(*static_cast<T *>(resource)); });
    }
    static void destroy(void *resource, std::int32_t reason, void *ctx) noexcept {
        const nested inside;
        contain([=] {
            std::unique_ptr<T, D> owned(static_cast<T *>(resource));
            static_cast<factory *>(ctx)->destroy(std::move(owned), static_cast<qz_pool_reason>(reason));
        });
    }
    static void end(void *ctx) noexcept { delete static_cast<factory *>(ctx); }

private:
    // What the factory calls in C wants nothing for the call that the factory works for.
    class nested {
    public:
        nested() noexcept : wants_(&nobody_) {}

    private:
        carrier nobody_;
        wants wants_;
    };
};

// It stays where it is once it is submitted, with what `create` leaves there.
class async_acquire {
public:
    async_acquire(qz_pool *pool, timeout t, cancel_ref c, backend_ref b) noexcept : pool_(pool), t_(t), c_(c), b_(b) {}
    async_acquire(async_acquire &&other) noexcept : async_acquire(other.pool_, other.t_, other.c_, other.b_) {}

    qz_status operator()(void *user_data) noexcept {
        const wants none(nullptr);
        return qz_pool_acquire_async(pool_, t_.count(), c_.get(), b_.get(), user_data);
    }
    detail::carrier &carrier() noexcept { return carrier_; }
    detail::carrier &wanted() noexcept { return carrier_; }

private:
    qz_pool *pool_;
    timeout t_;
    cancel_ref c_;
    backend_ref b_;
    detail::carrier carrier_;
};

} // namespace detail

// Names a pool of `T`s.
template <class T, class D = std::default_delete<T>> class pool_ref : public detail::token<qz_pool, qz_pool_free> {
public:
    using detail::token<qz_pool, qz_pool_free>::token;

    result<pooled<T, D>> acquire(std::nothrow_t, timeout t = infinite, cancel_ref c = {}) const noexcept {
        detail::carrier carrier;
        const detail::wants mine(&carrier);
        void *resource = nullptr;
        qz_hold *taken = nullptr;
        const qz_status status = qz_pool_acquire(get(), t.count(), c.get(), &resource, &taken);
        if (status < 0) return carrier.answer(failure(status));
        return pooled<T, D>(taken, static_cast<T *>(resource));
    }
    // Completes, in place of blocking: see completion.hpp. What makes a resource runs within the submission or a poll;
    // what it throws is the answer of the call for which it ran.
    template <class Then>
    auto acquire_async(std::nothrow_t, backend_ref b, Then then, timeout t = infinite,
                       cancel_ref c = {}) const noexcept {
        return detail::submit<pooled<T, D>>(std::move(then), detail::async_acquire(get(), t, c, b));
    }
    result<pooled<T, D>> try_acquire(std::nothrow_t) const noexcept {
        void *resource = nullptr;
        qz_hold *taken = nullptr;
        const qz_status status = qz_pool_try_acquire(get(), &resource, &taken);
        if (status < 0) return failure(status);
        return pooled<T, D>(taken, static_cast<T *>(resource));
    }
    // Makes resources until there are `target`, and answers how many there are.
    result<std::uint32_t> warm_up(std::nothrow_t, std::uint32_t target, qz_pool_strategy strategy = QZ_POOL_FAIL,
                                  timeout t = infinite, cancel_ref c = {}) const noexcept {
        detail::carrier carrier;
        const detail::wants mine(&carrier);
        std::uint32_t size = 0;
        const qz_status status = qz_pool_warm_up(get(), target, strategy, t.count(), c.get(), &size);
        if (status < 0) return carrier.answer(failure(status));
        return size;
    }
    // Destroys what has been idle or alive for too long, and answers after what time that is worth doing again.
    result<timeout> maintain(std::nothrow_t) const noexcept {
        std::int64_t next_ms = 0;
        const qz_status status = qz_pool_maintain(get(), &next_ms);
        return detail::made<timeout>(status, detail::timeout_of(next_ms));
    }
    result<qz_pool_stats> stats(std::nothrow_t) const noexcept {
        qz_pool_stats stats{};
        const qz_status status = qz_pool_stats_get(get(), &stats, sizeof stats);
        return detail::made<qz_pool_stats>(status, stats);
    }

#if QZ_HPP_EXCEPTIONS
    pooled<T, D> acquire(timeout t = infinite, cancel_ref c = {}) const {
        return acquire(std::nothrow, t, c).value();
    }
    template <class Then>
    auto acquire_async(backend_ref b, Then then, timeout t = infinite, cancel_ref c = {}) const {
        return acquire_async(std::nothrow, b, std::move(then), t, c).value();
    }
    pooled<T, D> try_acquire() const { return detail::empty_if_busy(try_acquire(std::nothrow)); }
    std::uint32_t warm_up(std::uint32_t target, qz_pool_strategy strategy = QZ_POOL_FAIL, timeout t = infinite,
                          cancel_ref c = {}) const {
        return warm_up(std::nothrow, target, strategy, t, c).value();
    }
    timeout maintain() const { return maintain(std::nothrow).value(); }
    qz_pool_stats stats() const { return stats(std::nothrow).value(); }
#endif
};

// Owns a pool. What is idle is destroyed with it, what is out when it comes back.
template <class T, class D = std::default_delete<T>> class pool : public detail::owner<pool_ref<T, D>> {
public:
    using detail::owner<pool_ref<T, D>>::owner;
    using factory = pool_factory<T, D>;

    static result<pool> make(std::nothrow_t, const pool_config &config, std::unique_ptr<factory> made_by) noexcept {
        using calls = detail::pool_calls<T, D>;
        if (!made_by) return failure(QZ_ERR_NULL, "there is no factory");
        const qz_pool_ops ops{sizeof ops,    calls::create,  calls::check,
                              calls::recycle, calls::destroy, made_by.get()};
        qz_pool_config sizes{};
        sizes.struct_size = sizeof sizes;
        sizes.min_size = config.min_size;
        sizes.max_size = config.max_size;
        sizes.max_idle = config.max_idle;
        sizes.wait_timeout_ms = config.wait_timeout.count();
        sizes.create_timeout_ms = config.create_timeout.count();
        sizes.idle_timeout_ms = config.idle_timeout.count();
        sizes.max_lifetime_ms = config.max_lifetime.count();
        qz_pool *made = nullptr;
        const qz_status status = qz_pool_new(&ops, &sizes, &made);
        if (status < 0) return failure(status);
        pool mine(made);
        const qz_status kept = qz_handle_on_freed(QZ_HANDLE(made), calls::end, made_by.get());
        if (kept < 0) return failure(kept);
        static_cast<void>(made_by.release());
        return result<pool>(std::move(mine));
    }
    // `create(timeout)`, or `create()`, answers a T, a std::unique_ptr of one, or a result of that.
    template <class F, class = decltype(detail::call_create(std::declval<F &>(), std::declval<timeout>(), 0))>
    static result<pool> make(std::nothrow_t, const pool_config &config, F create) noexcept {
        static_assert(std::is_nothrow_move_constructible<F>::value, "it is moved to the heap");
        using function = detail::function_factory<T, D, F>;
        std::unique_ptr<factory> made_by(new (std::nothrow) function(std::move(create)));
        if (!made_by) return failure(QZ_ERR_NO_MEMORY, "no memory for the function");
        return make(std::nothrow, config, std::move(made_by));
    }

#if QZ_HPP_EXCEPTIONS
    pool(const pool_config &config, std::unique_ptr<factory> made_by)
        : pool(make(std::nothrow, config, std::move(made_by)).value()) {}
    template <class F, class = decltype(detail::call_create(std::declval<F &>(), std::declval<timeout>(), 0))>
    pool(const pool_config &config, F create) : pool(make(std::nothrow, config, std::move(create)).value()) {}
#endif
};

QZ_HPP_END
