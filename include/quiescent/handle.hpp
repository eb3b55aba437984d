// An object of yours behind a handle. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

namespace detail {

template <class T> auto call_on_close(T &object, int) -> decltype(static_cast<void>(object.on_close())) {
    object.on_close();
}
template <class T> void call_on_close(T &, long) {}

} // namespace detail

// What there is to know of a class. Specialise it for one that you cannot change.
template <class T> struct object_traits {
    // For reports; NULL: the name of the class.
    static const char *kind_name() noexcept { return nullptr; }
    // Wakes what blocks inside the object, because it is being freed. May be called several times, beside the
    // operations. By default `object.on_close()`, if the class has that.
    static void on_close(T &object) { detail::call_on_close(object, 0); }
};

// What an operation is called in reports: a string literal, as it is never copied.
class operation_name {
public:
    constexpr operation_name() noexcept : name_(nullptr) {}
    template <std::size_t N> constexpr operation_name(const char (&literal)[N]) noexcept : name_(literal) {}
    template <std::size_t N> operation_name(char (&buffer)[N]) = delete;
    // For what you know to be never given back.
    static constexpr operation_name from_static(const char *name) noexcept { return operation_name(name, 0); }

    constexpr const char *get() const noexcept { return name_; }

private:
    constexpr operation_name(const char *name, int) noexcept : name_(name) {}
    const char *name_;
};

// An operation in flight: the object cannot be destroyed before this is. It ends on the thread on which it began, which
// is why it is to be a local variable or a temporary; what goes to another thread is a typed_hold.
template <class T> class QZ_HPP_NODISCARD entry {
public:
    entry() noexcept : handle_(nullptr), object_(nullptr) {}
    entry(qz_handle *entered, T *object) noexcept : handle_(entered), object_(object) {}
    entry(entry &&other) noexcept
        : handle_(std::exchange(other.handle_, nullptr)), object_(std::exchange(other.object_, nullptr)) {}
    entry &operator=(entry &&) = delete;
    ~entry() { leave(); }
    static void *operator new(std::size_t) = delete;

    T *get() const noexcept { return object_; }
    T &operator*() const noexcept { return *object_; }
    T *operator->() const noexcept { return object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

    void leave() noexcept {
        object_ = nullptr;
        qz_handle *entered = std::exchange(handle_, nullptr);
        if (entered) static_cast<void>(qz_handle_leave(entered));
    }

private:
    qz_handle *handle_;
    T *object_;
};

namespace detail {

// What stands behind the token: the object, and how to wake and destroy it.
template <class T> struct box {
    explicit box(T *o) noexcept : object(o) {}
    box(const box &) = delete;
    box &operator=(const box &) = delete;
    virtual ~box() = default;
    virtual void close() = 0;
    virtual void destroy() = 0;

    T *const object;
};

template <class T, class D, class F> struct box_of final : box<T> {
    box_of(std::unique_ptr<T, D> &&o, F &&f) noexcept : box<T>(o.get()), owned(std::move(o)), on_close(std::move(f)) {}
    void close() override { on_close(*this->object); }
    // Not left to ~unique_ptr, which is noexcept: a deleter that throws would end the process.
    void destroy() override { owned.get_deleter()(owned.release()); }

    std::unique_ptr<T, D> owned;
    F on_close;
};

template <class T> struct close_by_traits {
    void operator()(T &object) const { object_traits<T>::on_close(object); }
};

// The kind of all handles of `T`, made at first use (and again in a forked child).
template <class T> class kind_of {
public:
    static result<qz_kind *> get() noexcept {
        qz_kind *kind = slot().load(std::memory_order_acquire);
        if (kind) return kind;
        return instead_of(nullptr);
    }

    static result<qz_kind *> instead_of(qz_kind *old) noexcept {
        const char *name = object_traits<T>::kind_name();
        char own_name[32];
        write_name(own_name);
        qz_kind_ops ops{};
        ops.struct_size = sizeof ops;
        ops.on_close = close;
        ops.on_destroy = destroy;
        qz_kind *made = nullptr;
        const qz_status status = qz_kind_new(name ? name : own_name, &ops, &made);
        if (status < 0) return failure(status);
        if (slot().compare_exchange_strong(old, made, std::memory_order_acq_rel)) return made;
        static_cast<void>(qz_kind_close(made, 0, nullptr));
        return old; // another thread's, which was faster
    }

private:
    static std::atomic<qz_kind *> &slot() noexcept {
        static std::atomic<qz_kind *> kind{nullptr};
        return kind;
    }

    static void close(void *object, void *) noexcept {
        contain([object] { static_cast<box<T> *>(object)->close(); });
    }
    static void destroy(void *object, void *) noexcept {
        box<T> *mine = static_cast<box<T> *>(object);
        contain([mine] { mine->destroy(); });
        delete mine;
    }

    // From what the compiler calls this function: "... [with T = session]", "... [T = session]".
    static void write_name(char (&out)[32]) noexcept {
        copy_cut(out, "object", 6);
#ifdef __GNUC__
        const char *begin = std::strstr(__PRETTY_FUNCTION__, "T = ");
        if (!begin) return;
        begin += 4;
        std::size_t length = std::strcspn(begin, ";");
        if (begin[length] == '\0' && length > 0) --length; // the bracket
        copy_cut(out, begin, length);
#endif
    }
};

} // namespace detail

// Names a handle of a `T`.
template <class T> class handle_ref : public detail::token<qz_handle, qz_handle_free> {
public:
    using detail::token<qz_handle, qz_handle_free>::token;

    // Begins an operation on this thread.
    result<entry<T>> enter(std::nothrow_t, operation_name operation = {}) const noexcept {
        result<qz_kind *> kind = detail::kind_of<T>::get();
        if (!kind) return kind.error();
        void *object = nullptr;
        const qz_status status = qz_handle_enter(this->get(), *kind, operation.get(), &object);
        if (status < 0) return failure(status);
        return entry<T>(this->get(), static_cast<detail::box<T> *>(object)->object);
    }

    // The same for what outlives the call, or ends on another thread.
    result<typed_hold<T>> hold(std::nothrow_t, operation_name operation = {}) const noexcept {
        result<qz_kind *> kind = detail::kind_of<T>::get();
        if (!kind) return kind.error();
        void *object = nullptr;
        qz_hold *taken = nullptr;
        const qz_status status = qz_handle_hold(this->get(), *kind, operation.get(), &object, &taken);
        if (status < 0) return failure(status);
        return typed_hold<T>(taken, static_cast<detail::box<T> *>(object)->object);
    }

#if QZ_HPP_EXCEPTIONS
    entry<T> enter(operation_name operation = {}) const { return enter(std::nothrow, operation).value(); }
    typed_hold<T> hold(operation_name operation = {}) const { return hold(std::nothrow, operation).value(); }
#endif
};

// Owns a `T` of yours, and lets others use it until it is freed. The object is destroyed by its own deleter, on the
// thread of whichever free, leave or release comes last.
template <class T> class handle : public detail::owner<handle_ref<T>> {
public:
    using detail::owner<handle_ref<T>>::owner;

    // `on_close(T &)` wakes what blocks: see object_traits. After a refusal `object` is still the caller's.
    template <class D, class F = detail::close_by_traits<T>>
    static result<handle> make(std::nothrow_t, std::unique_ptr<T, D> &&object, F on_close = F{}) noexcept {
        static_assert(!std::is_array<T>::value, "an array is no object: put it into a class");
        static_assert(std::is_same<typename std::unique_ptr<T, D>::pointer, T *>::value, "a plain pointer is needed");
        static_assert(std::is_nothrow_move_constructible<F>::value, "on_close is moved to the heap");
        if (!object) return failure(QZ_ERR_NULL, "there is no object");
        result<qz_kind *> kind = detail::kind_of<T>::get();
        if (!kind) return kind.error();
        using box_type = detail::box_of<T, D, F>;
        std::unique_ptr<box_type> box(new (std::nothrow) box_type(std::move(object), std::move(on_close)));
        if (!box) return failure(QZ_ERR_NO_MEMORY, "no memory for what stands behind the handle");
        detail::box<T> *behind = box.get();
        result<qz_handle *> made = open(*kind, behind);
        if (made.status() == QZ_ERR_FORKED) { // the kind is the parent's: make one of this process's own
            result<qz_kind *> ours = detail::kind_of<T>::instead_of(*kind);
            if (ours) return finish(open(*ours, behind), box, object);
        }
        return finish(std::move(made), box, object);
    }

    // The kind of all handles of a `T`: a plug-in closes it before it is unloaded, and is refused new ones then.
    static result<kind_ref> kind(std::nothrow_t) noexcept {
        result<qz_kind *> kind = detail::kind_of<T>::get();
        if (!kind) return kind.error();
        return kind_ref(*kind);
    }

#if QZ_HPP_EXCEPTIONS
    template <class D, class F = detail::close_by_traits<T>>
    explicit handle(std::unique_ptr<T, D> object, F on_close = F{})
        : handle(make(std::nothrow, std::move(object), std::move(on_close)).value()) {}
    static kind_ref kind() { return kind(std::nothrow).value(); }
#endif

private:
    static result<qz_handle *> open(qz_kind *kind, void *behind) noexcept {
        qz_handle *made = nullptr;
        const qz_status status = qz_handle_new(kind, behind, &made);
        return detail::made<qz_handle *>(status, made);
    }

    // The box belongs to the handle now; or the object to the caller again.
    template <class Box, class Object>
    static result<handle> finish(result<qz_handle *> made, std::unique_ptr<Box> &box, Object &object) noexcept {
        if (made) {
            static_cast<void>(box.release());
            return handle(*made);
        }
        // Not assigned: the deleter may be a lambda, which cannot be.
        object.~Object();
        ::new (static_cast<void *>(std::addressof(object))) Object(std::move(box->owned));
        return made.error();
    }
};

QZ_HPP_END
