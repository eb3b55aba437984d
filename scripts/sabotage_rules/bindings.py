"""The C++ header."""

from .rule import Rule

CPP_HANDLE = "include/quiescent/handle.hpp"
CPP_POOL = "include/quiescent/pool.hpp"

RULES = [
    # The C++ header.
    Rule("cpp-over", "an owner frees again what is over, which counts as a double free", "include/quiescent/token.hpp",
         "        if (!is_over) static_cast", "        static_cast<void>(is_over);\n        static_cast", "cpp_header", "every_class_is_used"),
    Rule("cpp-boundary", "an exception crosses a C frame", "include/quiescent/callback.hpp",
         "catch (...) {\n        swallowed()", "catch (const std::exception &) {\n        swallowed()", "cpp_header", "every_class_is_used"),
    Rule("cpp-deleter", "a deleter that throws ends the process", CPP_HANDLE,
         "owned.get_deleter()(owned.release());", "owned.reset();", "cpp_header", "every_class_is_used"),
    Rule("cpp-moved-entry", "an entry that was moved from leaves, too", CPP_HANDLE,
         "        : handle_(std::exchange(other.handle_, nullptr)), object_", "        : handle_(other.handle_), object_",
         "cpp_header", "every_class_is_used"),
    Rule("cpp-object-lost", "after a refusal the caller's object is gone", CPP_HANDLE,
         "Object(std::move(box->owned));", "Object(nullptr, box->owned.get_deleter());", "cpp_header", "every_class_is_used"),
    Rule("cpp-fork", "a forked child cannot make handles of a class that its parent used", CPP_HANDLE,
         "made.status() == QZ_ERR_FORKED", "made.status() == QZ_ERR_PANIC", "cpp_header", "every_class_is_used"),
    Rule("cpp-cancel-lost", "a wait with a cancel token that was moved from cannot be cancelled", "include/quiescent/cancel.hpp",
         "reinterpret_cast<qz_cancel *>(std::uintptr_t{2})", "nullptr", "cpp_header", "every_class_is_used"),
    Rule("cpp-early", "a timeout is rounded down", "include/quiescent/timeout.hpp",
         "down.count() + (down < duration ? 1 : 0)", "down.count()", "cpp_header", "every_class_is_used"),
    Rule("cpp-downgrade", "a writer that reads on is given back as a writer, too", "include/quiescent/rwlock.hpp",
         "return hold(release());", "return hold(get());", "cpp_header", "every_class_is_used"),
    Rule("cpp-path", "a NUL in a path names another file", "include/quiescent/filelock.hpp",
         "path.find('\\0') != std::string::npos", "path.empty()", "cpp_header", "every_class_is_used"),
    Rule("cpp-mode", "a file lock that is to be shared is taken alone", "include/quiescent/filelock.hpp",
         "return acquire_as(QZ_FILELOCK_SHARED,", "return acquire_as(QZ_FILELOCK_EXCLUSIVE,", "cpp_header", "every_class_is_used"),
    Rule("cpp-rethrow", "what a function throws that was to make something is lost", "include/quiescent/callback.hpp",
         "if (thrown_ && is_why(answer.status()))", "if (thrown_ && answer)", "cpp_header", "every_class_is_used"),
    Rule("cpp-blame", "a refusal is blamed on an exception that has nothing to do with it", "include/quiescent/callback.hpp",
         "return !why_ && (status == why_.status() || status == QZ_ERR_IO);", "return !why_ && status < 0;", "cpp_header", "every_class_is_used"),
    Rule("cpp-factory", "a pool's factory is gone before the pool", CPP_POOL,
         "static_cast<void>(made_by.release());", "", "cpp_header", "every_class_is_used"),
    Rule("cpp-detach", "a resource that left the pool goes back, too", CPP_POOL,
         "        static_cast<void>(std::move(*this).untyped().release());\n", "", "cpp_header", "every_class_is_used"),
    Rule("cpp-set", "what a once refuses is gone", "include/quiescent/once.hpp",
         "get(), value.get());", "get(), value.release());", "cpp_header", "every_class_is_used"),
    Rule("cpp-form", "a function of quiescent.h has no C++ form", "include/quiescent/notify.hpp",
         "qz_notify_all(get())", "qz_notify_one(get())", "cpp_header", "every_function_has_a_cpp_form"),
    Rule("cpp-modes", "code with exceptions is given functions without catch", "include/quiescent.hpp",
         "inline namespace without_exceptions", "inline namespace with_exceptions", "cpp_header", "in_two_units"),
]
