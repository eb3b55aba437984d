// Answers: a value, or why there is none. (A part of quiescent.hpp, which is what to include.)
#ifndef QUIESCENT_HPP
#error "include <quiescent.hpp>"
#endif
QZ_HPP_BEGIN
namespace detail {

class carrier;

// As much of a text as there is room for, and not half a character.
template <std::size_t N> void copy_cut(char (&out)[N], const char *text, std::size_t length) noexcept {
    if (length >= N) {
        length = N - 1;
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
    }
    std::memcpy(out, text, length);
    out[length] = '\0';
}

} // namespace detail

// A refusal: what the C function answered, and this thread's words for it at that time; or what a function of the caller's
// threw. Allocates nothing.
class QZ_HPP_NODISCARD failure {
public:
    // Of the refusal that a C function has just answered on this thread.
    explicit failure(qz_status status) noexcept : failure(status, qz_last_error()) { os_error_ = qz_last_os_error(); }

    failure(qz_status status, const char *words, int os_error = 0) noexcept : status_(status), os_error_(os_error) {
        detail::copy_cut(words_, words, std::strlen(words));
    }

    qz_status status() const noexcept { return status_; }
    // The errno behind it, or 0.
    int os_error() const noexcept { return os_error_; }
    // In words, cut to 503 bytes.
    const char *words() const noexcept { return words_; }

#if QZ_HPP_EXCEPTIONS
    // What a function of the caller's threw, whose failure this is. Empty: nothing.
    const std::exception_ptr &thrown() const noexcept { return thrown_; }
    // Throws that, or else an error.
    [[noreturn]] void raise() const;
#endif

private:
    qz_status status_;
    std::int32_t os_error_;
    char words_[504];
#if QZ_HPP_EXCEPTIONS
    friend class detail::carrier;
    // Of the exception that is being handled: an error's own, QZ_ERR_NO_MEMORY for want of memory, else QZ_ERR_IO.
    static failure of_current_exception() noexcept;

    std::exception_ptr thrown_;
#endif
};

// A refusal, thrown. what() is "QZ_ERR_TIMEOUT: the deadline passed; held by: ...".
class error : public std::runtime_error {
public:
    explicit error(const failure &why)
        : std::runtime_error(std::string(qz_status_name(why.status())) + ": " + why.words()), why_(why) {}

    qz_status status() const noexcept { return why_.status(); }
    int os_error() const noexcept { return why_.os_error(); }
    const failure &why() const noexcept { return why_; }

private:
    failure why_;
};

#if QZ_HPP_EXCEPTIONS
inline failure failure::of_current_exception() noexcept {
    failure why(QZ_ERR_IO, "an exception of no std type");
    try {
        throw;
    } catch (const error &e) {
        why = e.why();
    } catch (const std::bad_alloc &e) {
        why = failure(QZ_ERR_NO_MEMORY, e.what());
    } catch (const std::exception &e) {
        why = failure(QZ_ERR_IO, e.what());
    } catch (...) { // that is what `why` says
    }
    if (why.status_ >= 0) why.status_ = QZ_ERR_INVALID_ARGUMENT;
    why.thrown_ = std::current_exception();
    return why;
}

inline void failure::raise() const {
    if (thrown_) std::rethrow_exception(thrown_);
    throw error(*this);
}
#endif

// A value, or a failure. Asking for the one that is not there is std::terminate(), except that value() throws: what a
// function of the caller's threw, or an error.
template <class T> class QZ_HPP_NODISCARD result {
public:
    using value_type = T;

    result(T value) noexcept : has_value_(true), value_(std::move(value)) {
        static_assert(std::is_nothrow_move_constructible<T>::value, "it is moved into the answer, and out of it");
    }
    result(const failure &why) noexcept : has_value_(false), failure_(why) {}
    result(result &&other) noexcept : has_value_(other.has_value_) {
        if (has_value_) ::new (static_cast<void *>(std::addressof(value_))) T(std::move(other.value_));
        else ::new (static_cast<void *>(std::addressof(failure_))) failure(other.failure_);
    }
    result &operator=(result &&) = delete;
    ~result() {
        if (has_value_) value_.~T();
        else failure_.~failure();
    }

    explicit operator bool() const noexcept { return has_value_; }
    bool has_value() const noexcept { return has_value_; }
    // QZ_OK if there is a value.
    qz_status status() const noexcept { return has_value_ ? QZ_OK : failure_.status(); }

    T &operator*() & noexcept { return need(has_value_), value_; }
    T &&operator*() && noexcept { return need(has_value_), std::move(value_); }
    const T &operator*() const & noexcept { return need(has_value_), value_; }
    T *operator->() noexcept { return need(has_value_), std::addressof(value_); }
    const T *operator->() const noexcept { return need(has_value_), std::addressof(value_); }
    const failure &error() const noexcept { return need(!has_value_), failure_; }

#if QZ_HPP_EXCEPTIONS
    T &value() & { return expect(), value_; }
    T &&value() && { return expect(), std::move(value_); }
#endif

private:
    static void need(bool is_there) noexcept {
        if (!is_there) std::terminate();
    }
#if QZ_HPP_EXCEPTIONS
    void expect() const {
        if (!has_value_) failure_.raise();
    }
#endif

    bool has_value_;
    union {
        T value_;
        failure failure_;
    };
};

// Nothing, or a failure.
template <> class QZ_HPP_NODISCARD result<void> {
public:
    using value_type = void;

    result() noexcept : result(failure(QZ_OK, "")) {}
    result(const failure &why) noexcept : failure_(why) {}

    explicit operator bool() const noexcept { return has_value(); }
    bool has_value() const noexcept { return failure_.status() >= 0; }
    qz_status status() const noexcept { return failure_.status(); }
    const failure &error() const noexcept {
        if (has_value()) std::terminate();
        return failure_;
    }

#if QZ_HPP_EXCEPTIONS
    void value() const {
        if (!has_value()) failure_.raise();
    }
#endif

private:
    failure failure_;
};

#ifdef __cpp_lib_expected
template <class T> std::expected<T, failure> to_expected(result<T> answer) noexcept {
    if (!answer) return std::unexpected(answer.error());
    if constexpr (std::is_void_v<T>) return {};
    else return *std::move(answer);
}
#endif

namespace detail {

inline result<void> done(qz_status status) noexcept {
    if (status < 0) return failure(status);
    return {};
}

// Where a status >= 0 is itself what the caller wants to know.
inline result<qz_status> answered(qz_status status) noexcept {
    if (status < 0) return failure(status);
    return status;
}

// `T(value)`: of a number, of a structure, of the token that a C function has just made.
template <class T, class V> result<T> made(qz_status status, V value) noexcept {
    if (status < 0) return failure(status);
    return T(value);
}

#if QZ_HPP_EXCEPTIONS
// For the throwing form of what "tries".
template <class T> T empty_if_busy(result<T> answer) {
    if (answer.status() == QZ_ERR_BUSY) return T();
    return std::move(answer).value();
}
#endif

} // namespace detail
QZ_HPP_END
