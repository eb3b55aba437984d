// Calls that are over, and what becomes of them. (A part of quiescent.hpp, which is what to include.)
//
// An asynchronous call is told, by a parameter, what is to become of it ("then"):
//
//     m.lock_async(b, [](result<hold> locked) { ... });   // called by the poll that finds it over
//     m.lock_async(b, user_data(&session));               // handed out by that poll, as a completion
//     hold locked = co_await m.lock_async(b, awaited);    // C++20: see coroutine.hpp
//
// A function of yours that the call runs (a once's initialiser, what makes a pool's resource) may throw: the answer has it.
//
//     p.acquire_async(b, [](result<pooled<session>> lent) { lent.value()->query(); });  // throws what was thrown
//     completion over; ... over.error().raise();                                        // as does this
//
// How poll tells them apart: the user data of a call with a function is the address of what keeps that function, plus 1.
// So user data of the caller's own is even: odd ones are refused (in C they would be accepted, and must not be used with
// a backend that C++ polls, or for a pool that C++ made).
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

    // Code that is built with exceptions may meet one of code that is not, so these take and answer what is the same there.
    virtual void complete(completion &&over) = 0; // what it calls may throw
    virtual void discard() noexcept = 0;          // nobody collects it, or any more
    // Whether it is to be handed out, with the caller's own user data.
    virtual bool is_handed_out(void *&) const noexcept { return false; }
    // The carrier of a call that wants something made; nullptr: it wants nothing, or is of code built otherwise.
    virtual void *wanted(bool with_exceptions) noexcept = 0;

    void *as_user_data() noexcept { return reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(this) | 1U); }
    // nullptr: they are the caller's own.
    static continuation *of(void *user_data) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(user_data);
        return address & 1U ? reinterpret_cast<continuation *>(address - 1U) : nullptr;
    }
    carrier *carries() noexcept { return static_cast<carrier *>(wanted(QZ_HPP_EXCEPTIONS != 0)); }

protected:
    ~continuation() = default;
};

struct discard_continuation {
    void operator()(continuation *kept) const noexcept { kept->discard(); }
};

// For a pool's create function: whom it is to tell why it made nothing.
inline carrier *who_wants() noexcept {
    if (carrier *blocking = wanting()) return blocking;
    void *user_data = nullptr;
    if (qz_backend_current(&user_data) < 0) return nullptr;
    continuation *const asynchronous = continuation::of(user_data);
    return asynchronous ? asynchronous->carries() : nullptr;
}

} // namespace detail

// A call that is over, and what it took: given back, unless it is taken out of it.
class QZ_HPP_NODISCARD completion {
public:
    completion() noexcept : completion(qz_completion{}) {}
    // Takes over what qz_backend_poll wrote.
    explicit completion(const qz_completion &over) noexcept : over_(over), taken_(over.hold) {}
    // The same of a call that `kept` stands for, and `user_data` for the caller.
    completion(const qz_completion &over, void *user_data, detail::continuation *kept) noexcept
        : over_(over), taken_(over.hold), kept_(kept) {
        over_.user_data = user_data;
        if (detail::carrier *carries = kept->carries()) carries->deliver(status());
    }

    void *user_data() const noexcept { return over_.user_data; }
    qz_status status() const noexcept { return static_cast<qz_status>(over_.status); }
    explicit operator bool() const noexcept { return over_.status >= 0; }
    // Why it was refused; what a pool's function threw is thrown by its raise().
    failure error() const noexcept {
        const failure told(status(), "what an asynchronous call completed with", over_.os_error);
        const detail::carrier *const carries = kept_ ? kept_->carries() : nullptr;
        return carries ? carries->why(told) : told;
    }
    // What else the call tells: a number, or the address of an object.
    std::size_t value() const noexcept { return over_.value; }
    template <class T> T *object() const noexcept { return reinterpret_cast<T *>(over_.value); }
    // What was taken. It is the completion's no more.
    hold taken() && noexcept { return std::move(taken_); }

private:
    qz_completion over_;
    hold taken_;
    std::unique_ptr<detail::continuation, detail::discard_continuation> kept_;
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

// A call that runs a function of the caller's has a carrier(), which knows better why it was refused; and one that wants
// something made, which that function is not told, has it as wanted(), too.
template <class Call> auto carrier_of(Call &call, int) noexcept -> decltype(&call.carrier()) { return &call.carrier(); }
template <class Call> carrier *carrier_of(Call &, long) noexcept { return nullptr; }
template <class Call> auto wanted_by(Call &call, int) noexcept -> decltype(&call.wanted()) { return &call.wanted(); }
template <class Call> std::nullptr_t wanted_by(Call &, long) noexcept { return nullptr; }
template <class Call>
using wants_something = std::is_same<decltype(detail::wanted_by(std::declval<Call &>(), 0)), carrier *>;

// The call, which stays where it is until it is over.
template <class Call> class pending_call : public continuation {
public:
    explicit pending_call(Call &&call) noexcept : call_(std::move(call)) {}
    // Once it is submitted, another thread may have ended this.
    qz_status submit() noexcept { return call_(as_user_data()); }
    void *wanted(bool with_exceptions) noexcept final {
        carrier *const mine = detail::wanted_by(call_, 0);
        return with_exceptions == (QZ_HPP_EXCEPTIONS != 0) ? mine : nullptr;
    }

protected:
    ~pending_call() = default;

    template <class As> result<As> answer(completion &&over) noexcept {
        if (over) return outcome<As>::of(std::move(over));
        carrier *const mine = detail::carrier_of(call_, 0);
        return mine ? mine->answer(over.error()) : over.error();
    }

private:
    Call call_;
};

// What is called when it is over.
template <class As, class Then, class Call> class callback final : public pending_call<Call> {
public:
    callback(Then &&then, Call &&call) noexcept : pending_call<Call>(std::move(call)), then_(std::move(then)) {}
    void complete(completion &&over) override {
        const std::unique_ptr<callback> ends(this);
        then_(this->template answer<As>(std::move(over)));
    }
    void discard() noexcept override { delete this; }

private:
    Then then_;
};

// The caller's user data, with what the call may have to tell.
template <class Call> class handed_out final : public pending_call<Call> {
public:
    handed_out(user_data mine, Call &&call) noexcept : pending_call<Call>(std::move(call)), mine_(mine) {}
    void complete(completion &&) override { discard(); } // never: it is handed out
    void discard() noexcept override { delete this; }
    bool is_handed_out(void *&mine) const noexcept override {
        mine = mine_.get();
        return true;
    }

private:
    user_data mine_;
};

template <class Kept> result<void> submit_kept(Kept *made) noexcept {
    std::unique_ptr<Kept> kept(made);
    if (!kept) return failure(QZ_ERR_NO_MEMORY, "no memory for the call");
    const qz_status status = kept->submit();
    if (status < 0) return failure(status);
    static_cast<void>(kept.release());
    return {};
}

// Submits `call(user_data)`, which answers an `As`.
template <class As, class Then> struct submission {
    template <class Call> static result<void> submit(Then &&then, Call &&call) noexcept {
        static_assert(std::is_nothrow_move_constructible<Then>::value, "it is moved to the heap");
        static_assert(std::is_nothrow_move_constructible<Call>::value, "it is moved to the heap");
        return detail::submit_kept(new (std::nothrow) callback<As, Then, Call>(std::move(then), std::move(call)));
    }
};
template <class As> struct submission<As, user_data> {
    template <class Call> static result<void> submit(user_data &&mine, Call &&call) noexcept {
        if (continuation::of(mine.get())) return failure(QZ_ERR_INVALID_ARGUMENT, "odd user data");
        return submit_or_keep(mine, std::move(call), wants_something<Call>());
    }

private:
    template <class Call> static result<void> submit_or_keep(user_data mine, Call &&call, std::false_type) noexcept {
        return detail::done(call(mine.get()));
    }
    template <class Call> static result<void> submit_or_keep(user_data mine, Call &&call, std::true_type) noexcept {
        return detail::submit_kept(new (std::nothrow) handed_out<Call>(mine, std::move(call)));
    }
};

template <class As, class Then, class Call> auto submit(Then &&then, Call &&call) noexcept {
    static_assert(!std::is_reference<Then>::value && !std::is_reference<Call>::value, "they are moved");
    return submission<As, Then>::submit(std::move(then), std::move(call));
}

} // namespace detail
QZ_HPP_END
