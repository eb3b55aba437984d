// Quiescent in C++14 and later: header-only, over quiescent.h alone. Link with libquiescent.
//
//   struct session {
//       void query();                                     // may block
//       void on_close() noexcept;                         // wakes it; optional
//   };
//
//   quiescent::handle<session> h(std::make_unique<session>());
//   quiescent::handle_ref<session> r = h;                 // copy it to whomever you like; it never dangles
//
//   r.enter("query")->query();                            // cannot be destroyed here; refused once h is freed
//   h.free(std::chrono::seconds(2));                      // any thread, any time, however often; ~handle() does it too
//
//   quiescent::mutex m;
//   quiescent::cancel stop;
//   quiescent::hold locked = m.lock(std::chrono::milliseconds(50), stop);
//
//   quiescent::pool<connection> connections({4}, [] { return std::make_unique<connection>("db"); });
//   connections.acquire()->query();                       // goes back at the end of the statement
//
//   quiescent::backend loop;
//   quiescent::completions over;
//   m.lock_async(loop, [](quiescent::result<quiescent::hold> locked) { ... });
//   loop.poll(over);                                      // calls it, once it is locked; loop.fd() for an event loop
//
// What quiescent.h says holds here as well; it is not repeated.
//
// Two forms  Every operation has one name and two forms. Without std::nothrow it throws quiescent::error, which has
//            the status and the words of qz_last_error(). With std::nothrow as its first argument it is noexcept and
//            answers a quiescent::result<T>. A constructor's other form is the static function make(std::nothrow,
//            ...). Built with -fno-exceptions, the first form is not there. What begins with "try_" does not throw
//            for QZ_ERR_BUSY: it answers an empty hold, nullptr, or that status.
// Classes    qz_mutex is a mutex, in quiescent/mutex.hpp, and so on for each kind; those that keep something of yours
//            are typed: handle<T>, once<T>, pool<T>. free_many.hpp and library.hpp have what is of no one class.
//            What owns is move-only: mutex, hold, handle<T>. Its destructor frees with QZ_DEFAULT_TIMEOUT (a hold is
//            released) and never throws; an object that others are still inside by then is destroyed by the last one
//            out. mutex_ref, handle_ref<T> and so on name the same thing, own nothing and may be copied: a token. A
//            mutex is a mutex_ref. get() is the C token, release() gives it up, and the constructor from one takes it
//            over. Moved-from and default-made objects are empty: every call on them is refused (QZ_ERR_NULL).
// Threads    All member functions but those that move, assign, reset or destroy an object may be called by any number
//            of threads at once. Copy a ref for a thread that may outlive the owner.
// Times      Any std::chrono duration, rounded up to milliseconds: never early. `infinite`; where something is freed
//            also `default_timeout` (5 s). Negative ones are refused (QZ_ERR_INVALID_ARGUMENT).
// Callbacks  No exception crosses a C frame. What the function throws that makes a once's value or a pool's resource is
//            thrown by the call that wanted it, and by no other; in the form that does not throw, and in an asynchronous
//            call, its failure has it: value(), raise() and co_await throw it. What the function of an asynchronous call
//            throws is thrown by the poll that calls it. What leaves a pool's check or recycle says no. These last, what
//            an asynchronous call had to tell that nobody collects, and what leaves on_close, on_freed, on_discard, a
//            misuse hook or whatever destroys something, have no caller to go to: they are swallowed, and counted in
//            swallowed_exceptions(). What must not throw: the functions of a qz_kind_ops, iterators, kind_name(), and
//            the move of what you hand over or make (to where there is nobody to be told): that ends the process.
#ifndef QUIESCENT_HPP
#define QUIESCENT_HPP

#if defined(_MSVC_LANG) ? _MSVC_LANG < 201402L : __cplusplus < 201402L
#error "quiescent.hpp needs C++14 or later"
#endif

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#ifdef __has_include
#if __has_include(<version>)
#include <version>
#endif
#endif
#ifdef __cpp_lib_expected
#include <expected>
#endif
#ifdef __cpp_lib_coroutine
#include <coroutine>
#include <optional>
#endif

#include "quiescent.h"

// Macros of this header and its parts; undefined below.
#if __cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L)
#define QZ_HPP_NODISCARD [[nodiscard]]
#else
#define QZ_HPP_NODISCARD
#endif
// Code built with exceptions and code built without may be linked together: the names differ, so neither gets the
// other's inline functions.
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
#define QZ_HPP_EXCEPTIONS 1
#define QZ_HPP_BEGIN namespace quiescent { inline namespace with_exceptions {
#else
#define QZ_HPP_EXCEPTIONS 0
#define QZ_HPP_BEGIN namespace quiescent { inline namespace without_exceptions {
#endif
#define QZ_HPP_END }}

// In the order in which they build on each other.
#include "quiescent/result.hpp"
#include "quiescent/timeout.hpp"
#include "quiescent/callback.hpp"
#include "quiescent/token.hpp"
#include "quiescent/hold.hpp"
#include "quiescent/kind.hpp"
#include "quiescent/handle.hpp"
#include "quiescent/guard.hpp"
#include "quiescent/rundown.hpp"
#include "quiescent/cache_aware_rundown.hpp"
#include "quiescent/cancel.hpp"
#include "quiescent/completion.hpp"
#include "quiescent/backend.hpp"
#ifdef __cpp_lib_coroutine
#include "quiescent/coroutine.hpp"
#endif
#include "quiescent/mutex.hpp"
#include "quiescent/rwlock.hpp"
#include "quiescent/semaphore.hpp"
#include "quiescent/barrier.hpp"
#include "quiescent/notify.hpp"
#include "quiescent/once.hpp"
#include "quiescent/pool.hpp"
#ifndef _WIN32 // nor are its functions declared
#include "quiescent/filelock.hpp"
#endif
#include "quiescent/free_many.hpp"
#include "quiescent/library.hpp"

#undef QZ_HPP_NODISCARD
#undef QZ_HPP_EXCEPTIONS
#undef QZ_HPP_BEGIN
#undef QZ_HPP_END

#endif
