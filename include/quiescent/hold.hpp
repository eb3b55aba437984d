// Holds: something taken and not yet given back. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN

// Gives back what was taken, once, on whatever thread destroys it.
class QZ_HPP_NODISCARD hold {
public:
    hold() noexcept : token_(nullptr) {}
    // Takes over a token.
    explicit hold(qz_hold *token) noexcept : token_(token) {}
    hold(hold &&other) noexcept : token_(other.release()) {}
    hold &operator=(hold &&other) noexcept {
        reset(other.release());
        return *this;
    }
    ~hold() { reset(); }

    qz_hold *get() const noexcept { return token_; }
    explicit operator bool() const noexcept { return token_ != nullptr; }
    // Gives the token up, not what is held: whoever gets the token gives that back.
    qz_hold *release() noexcept { return std::exchange(token_, nullptr); }
    // Gives back what is held, and takes over `token`.
    void reset(qz_hold *token = nullptr) noexcept {
        qz_hold *old = std::exchange(token_, token);
        if (old) static_cast<void>(qz_hold_release(old));
    }

    // As reset(), with the answer: QZ_ALREADY_FREED, if a copy of the token was released before.
    result<qz_status> give_back(std::nothrow_t) noexcept { return detail::answered(qz_hold_release(release())); }
    // It belongs to another thread from now on: see qz_hold_pass_on.
    result<void> pass_on(std::nothrow_t) const noexcept { return detail::done(qz_hold_pass_on(token_)); }

#if QZ_HPP_EXCEPTIONS
    qz_status give_back() { return give_back(std::nothrow).value(); }
    void pass_on() const { pass_on(std::nothrow).value(); }
#endif

private:
    qz_hold *token_;
};

// A hold of something that has an address: an object, a value, a resource. It may be used as long as this lasts.
template <class T> class QZ_HPP_NODISCARD typed_hold {
public:
    typed_hold() noexcept : object_(nullptr) {}
    typed_hold(qz_hold *taken, T *object) noexcept : hold_(taken), object_(object) {}
    typed_hold(typed_hold &&other) noexcept
        : hold_(std::move(other.hold_)), object_(std::exchange(other.object_, nullptr)) {}
    typed_hold &operator=(typed_hold &&other) noexcept {
        T *object = std::exchange(other.object_, nullptr);
        hold_ = std::move(other.hold_);
        object_ = object;
        return *this;
    }

    T *get() const noexcept { return object_; }
    T &operator*() const noexcept { return *object_; }
    T *operator->() const noexcept { return object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

    // The hold alone: the object may be used as long as it lasts.
    hold untyped() && noexcept {
        object_ = nullptr;
        return std::move(hold_);
    }
    void reset() noexcept {
        object_ = nullptr;
        hold_.reset();
    }

    // It belongs to another thread from now on: see qz_hold_pass_on.
    result<void> pass_on(std::nothrow_t) const noexcept { return hold_.pass_on(std::nothrow); }
#if QZ_HPP_EXCEPTIONS
    void pass_on() const { hold_.pass_on(); }
#endif

protected:
    qz_hold *token() const noexcept { return hold_.get(); }

private:
    quiescent::hold hold_;
    T *object_;
};

QZ_HPP_END
