// Calls that are over, and what becomes of them. (A part of quiescent.hpp, which is what to include.)
//
// An asynchronous call is told, by a parameter, what is to become of it ("then"):
//
//     m.lock_async(b, [](result<hold> locked) { ... });   // called by the poll that finds it over
//     m.lock_async(b, user_data(&session));               // handed out by that poll, as a completion
//     hold locked = co_await m.lock_async(b, awaited);    // C++20: see coroutine.hpp
//
// How poll tells them apart: the user data of a call with a function is the address of what keeps that function, plus 1.
// So user data of the caller's own is even: odd ones are refused (in C they would be accepted, and must not be used with
// a backend that C++ polls).
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// What poll is to hand out again, to know the call by: NULL, or the address of anything but bytes.
class user_data {
public:
    explicit constexpr user_data(void *value) noexcept : value_(value) {}
    constexpr void *get() const noexcept { return value_; }

private:
    void *value_;
};

class completion;

namespace detail {

// What becomes of a call. Does away with itself when it is told.
class continuation {
public:
    continuation() = default;
    continuation(const continuation &) = delete;
    continuation &operator=(const continuation &) = delete;

    virtual void complete(completion &&over) = 0; // what it calls may throw
    virtual void discard() noexcept = 0;          // nobody collects it

    void *as_user_data() noexcept { return reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(this) | 1U); }
    // nullptr: they are the caller's own.
    static continuation *of(void *user_data) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(user_data);
        return address & 1U ? reinterpret_cast<continuation *>(address - 1U) : nullptr;
    }

protected:
    ~continuation() = default;
};

} // namespace detail

// A call that is over, and what it took: given back, unless it is taken out of it.
class QZ_HPP_NODISCARD completion {
public:
    completion() noexcept : completion(qz_completion{}) {}
    // Takes over what qz_backend_poll wrote.
    explicit completion(const qz_completion &over) noexcept : over_(over), taken_(over.hold) {}

    void *user_data() const noexcept { return over_.user_data; }
    qz_status status() const noexcept { return static_cast<qz_status>(over_.status); }
    explicit operator bool() const noexcept { return over_.status >= 0; }
    failure error() const noexcept {
        return failure(status(), "what an asynchronous call completed with", over_.os_error);
    }
    // What else the call tells: a number, or the address of an object.
    std::size_t value() const noexcept { return over_.value; }
    template <class T> T *object() const noexcept { return reinterpret_cast<T *>(over_.value); }
    // What was taken. It is the completion's no more.
    hold taken() && noexcept { return std::move(taken_); }

private:
    qz_completion over_;
    hold taken_;
};

// What one poll hands out. Those that are left in it are given back when it ends, or is polled into again.
class completions {
public:
    static constexpr std::size_t capacity() noexcept { return 16; }

    completions() noexcept : size_(0) {}
    completions(const completions &) = delete;
    completions &operator=(const completions &) = delete;

    completion *begin() noexcept { return over_; }
    completion *end() noexcept { return over_ + size_; }
    completion &operator[](std::size_t i) noexcept { return over_[i]; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    void clear() noexcept {
        while (size_ > 0) over_[--size_] = completion();
    }
    // Room for it there must be.
    void push_back(completion &&over) noexcept { over_[size_++] = std::move(over); }

private:
    completion over_[16];
    std::size_t size_;
};

namespace detail {

// What a call that succeeded answers, as its blocking form does: by default what was taken.
template <class As> struct outcome {
    static result<As> of(completion &&over) noexcept { return As(std::move(over).taken().release()); }
};
template <> struct outcome<void> {
    static result<void> of(completion &&) noexcept { return {}; }
};
template <> struct outcome<bool> {
    static result<bool> of(completion &&over) noexcept { return over.value() != 0; }
};
template <> struct outcome<std::uint32_t> {
    static result<std::uint32_t> of(completion &&over) noexcept { return static_cast<std::uint32_t>(over.value()); }
};
template <> struct outcome<qz_status> {
    static result<qz_status> of(completion &&over) noexcept { return over.status(); }
};
template <class T> struct outcome<T *> {
    static result<T *> of(completion &&over) noexcept { return over.object<T>(); }
};

// A call that runs a function of the caller's knows better why it was refused.
template <class Call> auto why(const Call &call, const failure &told, int) noexcept -> decltype(call.why(told)) {
    return call.why(told);
}
template <class Call> failure why(const Call &, const failure &told, long) noexcept { return told; }

template <class As, class Call> result<As> answer_of(const Call &call, completion &&over) noexcept {
    if (!over) return why(call, over.error(), 0);
    return outcome<As>::of(std::move(over));
}

// What is called when it is over; and the call, which stays where it is until then.
template <class As, class Then, class Call> class callback final : public continuation {
public:
    callback(Then &&then, Call &&call) noexcept : then_(std::move(then)), call_(std::move(call)) {}
    // Once it is submitted, another thread may have ended this.
    qz_status submit() noexcept { return call_(as_user_data()); }
    void complete(completion &&over) override {
        const std::unique_ptr<callback> ends(this);
        then_(answer_of<As>(call_, std::move(over)));
    }
    void discard() noexcept override { delete this; }

private:
    Then then_;
    Call call_;
};

// Submits `call(user_data)`, which answers an `As`.
template <class As, class Then> struct submission {
    template <class Call> static result<void> submit(Then &&then, Call &&call) noexcept {
        static_assert(std::is_nothrow_move_constructible<Then>::value, "it is moved to the heap");
        static_assert(std::is_nothrow_move_constructible<Call>::value, "it is moved to the heap");
        using kept_type = callback<As, Then, Call>;
        std::unique_ptr<kept_type> kept(new (std::nothrow) kept_type(std::move(then), std::move(call)));
        if (!kept) return failure(QZ_ERR_NO_MEMORY, "no memory for the function");
        const qz_status status = kept->submit();
        if (status < 0) return failure(status);
        static_cast<void>(kept.release());
        return {};
    }
};
template <class As> struct submission<As, user_data> {
    template <class Call> static result<void> submit(user_data &&mine, Call &&call) noexcept {
        if (continuation::of(mine.get())) return failure(QZ_ERR_INVALID_ARGUMENT, "odd user data");
        return done(call(mine.get()));
    }
};

template <class As, class Then, class Call> auto submit(Then &&then, Call &&call) noexcept {
    static_assert(!std::is_reference<Then>::value && !std::is_reference<Call>::value, "they are moved");
    return submission<As, Then>::submit(std::move(then), std::move(call));
}

} // namespace detail
QZ_HPP_END
