// What the free table's functions end: how to make one, occupy it, and see how often it ended.
#ifndef FREE_TABLE_SUBJECTS_HPP
#define FREE_TABLE_SUBJECTS_HPP
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "quiescent.h"
#include "ready_made.hpp"

[[noreturn]] inline void fail(const std::string &words, int code = 1) {
    std::fflush(stdout);
    std::fprintf(stderr, "FAILED free_table.cpp: %s\n", words.c_str());
    std::_Exit(code);
}

inline void check(bool claim, const std::string &words) {
    if (!claim) fail(words);
}

inline void expect(const char *when, qz_status got, qz_status wanted) {
    if (got != wanted)
        fail(std::string(when) + ": answered " + qz_status_name(got) + ", expected " + qz_status_name(wanted) + " (" +
             qz_last_error() + ")");
}

struct Thing {
    int alive = 1; // plain on purpose: reading it while the destructor writes it is a data race
    std::atomic<int> destroyed{0};
};

// Guards and run-downs lie in memory that is never given back.
template <class T> T *eternal() {
    static std::deque<std::unique_ptr<T>> *all = new std::deque<std::unique_ptr<T>>;
    all->push_back(std::make_unique<T>()); // value-initialised: zero bytes
    return all->back().get();
}

struct Subject {
    Thing thing;
    qz_kind *kind = nullptr;
    qz_handle *handle = nullptr;
    qz_hold *hold = nullptr;
    qz_guard *guard = nullptr;
    qz_rundown *rundown = nullptr;
    qz_cache_aware_rundown *wide = nullptr;
    std::uint32_t stripe = 0;
    std::atomic<int> reported{0}; // OKs of a guard: its owner destroys, here by counting
    std::promise<void> may_leave;
    std::thread visitor;
};

struct Type {
    std::function<void(Subject &)> open;
    std::function<void(Subject &)> open_here = [](Subject &) {};
    std::function<void(Subject &)> occupy = [](Subject &) {};
    std::function<void(Subject &)> vacate = [](Subject &) {};
    std::function<int(Subject &)> ended = [](Subject &s) { return s.thing.destroyed.load(); };
};

inline qz_kind *new_kind() {
    qz_kind_ops ops{};
    ops.struct_size = sizeof ops;
    ops.on_destroy = [](void *object, void *) {
        auto *thing = static_cast<Thing *>(object);
        thing->alive = 0;
        ++thing->destroyed;
    };
    qz_kind *kind = nullptr;
    expect("kind_new", qz_kind_new("row", &ops, &kind), QZ_OK);
    return kind;
}

inline void handle_open(Subject &s) {
    static qz_kind *const shared = new_kind();
    s.kind = shared;
    s.thing.alive = 1;
    s.thing.destroyed = 0;
    expect("handle_new", qz_handle_new(s.kind, &s.thing, &s.handle), QZ_OK);
}

inline void kind_open(Subject &s) {
    s.kind = new_kind();
    s.thing.alive = 1;
    s.thing.destroyed = 0;
    expect("handle_new", qz_handle_new(s.kind, &s.thing, &s.handle), QZ_OK);
}

inline void enter(Subject &s) {
    void *object = nullptr;
    expect("enter", qz_handle_enter(s.handle, s.kind, "row", &object), QZ_OK);
    check(object == &s.thing && s.thing.alive == 1, "entered something else");
}

inline void occupy(Subject &s) {
    std::promise<void> inside;
    s.may_leave = {};
    s.visitor = std::thread([&s, &inside] {
        enter(s);
        inside.set_value();
        s.may_leave.get_future().wait();
        check(s.thing.alive == 1, "destroyed under a visitor");
        expect("the visitor's leave", qz_handle_leave(s.handle), QZ_OK);
    });
    inside.get_future().wait();
}

inline void vacate(Subject &s) {
    s.may_leave.set_value();
    s.visitor.join();
}

inline void guard_operation_open(Subject &s) {
    s.guard = eternal<qz_guard>();
    s.reported = 0;
    expect("try_enter", qz_guard_try_enter(s.guard), QZ_OK);
    expect("begin_free(0)", qz_guard_begin_free(s.guard, 0), QZ_ERR_TIMEOUT);
}

// Opened again where there is one: that is its re-use.
inline void rundown_open(Subject &s) {
    if (s.rundown == nullptr) s.rundown = eternal<qz_rundown>();
    (void)qz_rundown_re_init(s.rundown);
}

inline int rundown_ended(Subject &s) {
    expect("a stray release", qz_rundown_release(s.rundown, 1), QZ_ERR_NOT_INSIDE);
    return qz_rundown_try_acquire(s.rundown, 1) == QZ_ERR_FREED;
}

// The same with stripes. Never deleted.
inline void wide_open(Subject &s) {
    if (s.wide == nullptr) expect("new", qz_cache_aware_rundown_new(&s.wide), QZ_OK);
    (void)qz_cache_aware_rundown_re_init(s.wide);
}

inline void wide_acquire(Subject &s) {
    expect("try_acquire", qz_cache_aware_rundown_try_acquire(s.wide, 1, &s.stripe), QZ_OK);
}

inline void wide_release(Subject &s) {
    expect("release", qz_cache_aware_rundown_release(s.wide, 1, s.stripe), QZ_OK);
}

inline int wide_ended(Subject &s) {
    std::uint32_t stripe = 0;
    expect("a stray release", qz_cache_aware_rundown_release(s.wide, 1, 0), QZ_ERR_NOT_INSIDE);
    return qz_cache_aware_rundown_try_acquire(s.wide, 1, &stripe) == QZ_ERR_FREED;
}

inline void cache_aware_types(std::map<std::string, Type> &types) {
    types["cache_aware_rundown"] = {wide_open, [](Subject &) {}, wide_acquire, wide_release, wide_ended};
    Type reference;
    reference.open = [](Subject &s) {
        wide_open(s);
        wide_acquire(s);
        expect("wait(0)", qz_cache_aware_rundown_wait(s.wide, 0), QZ_ERR_TIMEOUT);
    };
    reference.ended = wide_ended;
    types["cache_aware_reference"] = reference;
    Type complete;
    complete.open = [](Subject &s) {
        wide_open(s);
        expect("wait(0)", qz_cache_aware_rundown_wait(s.wide, 0), QZ_OK);
    };
    complete.ended = [](Subject &s) {
        bool open = qz_cache_aware_rundown_try_acquire(s.wide, 1, &s.stripe) == QZ_OK;
        if (open) wide_release(s);
        return int(open);
    };
    types["cache_aware_rundown_complete"] = complete;
}

inline std::map<std::string, Type> subject_types() {
    std::map<std::string, Type> types;
    types["handle"] = {handle_open, [](Subject &) {}, occupy, vacate};
    types["kind"] = {kind_open, [](Subject &) {}, occupy, vacate};
    Type bare_kind;
    bare_kind.open = [](Subject &s) {
        s.kind = new_kind();
        s.handle = QZ_HANDLE(s.kind);
    };
    bare_kind.ended = [](Subject &s) { return int(qz_handle_wait_freed(s.handle, 0) == QZ_OK); };
    types["bare_kind"] = bare_kind;
    // A hold, and an operation, on a handle that is already closed: ending them runs the destructor.
    Type hold;
    hold.open = [](Subject &s) {
        void *object = nullptr;
        handle_open(s);
        expect("hold", qz_handle_hold(s.handle, s.kind, "row", &object, &s.hold), QZ_OK);
        expect("free(0)", qz_handle_free(s.handle, 0), QZ_FREE_PENDING);
    };
    types["hold"] = hold;
    Type operation;
    operation.open = handle_open;
    operation.open_here = [](Subject &s) {
        enter(s);
        expect("free(0)", qz_handle_free(s.handle, 0), QZ_FREE_PENDING);
    };
    types["operation"] = operation;
    Type guard;
    guard.open = [](Subject &s) {
        s.guard = eternal<qz_guard>();
        s.reported = 0;
    };
    guard.occupy = [](Subject &s) { expect("try_enter", qz_guard_try_enter(s.guard), QZ_OK); };
    guard.vacate = [](Subject &s) {
        expect("leave", qz_guard_leave(s.guard), QZ_OK);
        if (qz_guard_wait_drained(s.guard, QZ_INFINITE) == QZ_OK) ++s.reported;
    };
    guard.ended = [](Subject &s) { return s.reported.load(); };
    types["guard"] = guard;
    Type guard_operation;
    guard_operation.open = guard_operation_open;
    guard_operation.ended = [](Subject &s) {
        bool drained = qz_guard_wait_drained(s.guard, 0) == QZ_OK; // to one caller only: this one
        expect("entering a drained guard", qz_guard_try_enter(s.guard), QZ_ERR_FREED);
        return int(drained);
    };
    types["guard_operation"] = guard_operation;
    Type guard_closing;
    guard_closing.open = guard_operation_open;
    guard_closing.vacate = [](Subject &s) { expect("leave", qz_guard_leave(s.guard), QZ_OK); };
    guard_closing.ended = guard.ended;
    types["guard_closing"] = guard_closing;
    Type guard_drained;
    guard_drained.open = [](Subject &s) {
        guard_operation_open(s);
        expect("leave", qz_guard_leave(s.guard), QZ_OK);
    };
    guard_drained.ended = guard.ended;
    types["guard_drained"] = guard_drained;
    Type rundown;
    rundown.open = rundown_open;
    rundown.occupy = [](Subject &s) { expect("try_acquire", qz_rundown_try_acquire(s.rundown, 1), QZ_OK); };
    rundown.vacate = [](Subject &s) { expect("release", qz_rundown_release(s.rundown, 1), QZ_OK); };
    rundown.ended = rundown_ended;
    types["rundown"] = rundown;
    Type reference;
    reference.open = [](Subject &s) {
        rundown_open(s);
        expect("try_acquire", qz_rundown_try_acquire(s.rundown, 1), QZ_OK);
        expect("wait(0)", qz_rundown_wait(s.rundown, 0), QZ_ERR_TIMEOUT);
    };
    reference.ended = rundown_ended;
    types["reference"] = reference;
    Type rundown_complete;
    rundown_complete.open = [](Subject &s) {
        rundown_open(s);
        expect("wait(0)", qz_rundown_wait(s.rundown, 0), QZ_OK);
    };
    rundown_complete.ended = [](Subject &s) {
        bool open = qz_rundown_try_acquire(s.rundown, 1) == QZ_OK;
        if (open) expect("release", qz_rundown_release(s.rundown, 1), QZ_OK);
        return int(open);
    };
    types["rundown_complete"] = rundown_complete;
    // A handle of a ready-made kind has no destructor of ours: its own end is counted. What keeps its free waiting is a hold
    // that this thread took and passed on, so that it counts as somebody else's.
    for (const auto &[name, kind] : ready_mades()) {
        Type type;
        type.open = [kind](Subject &s) { expect("new", kind.make(&s.handle), QZ_OK); };
        type.occupy = [kind](Subject &s) {
            expect("take", kind.take(s.handle, &s.hold), QZ_OK);
            expect("pass_on", qz_hold_pass_on(s.hold), QZ_OK);
        };
        type.vacate = [](Subject &s) { expect("release", qz_hold_release(s.hold), QZ_OK); };
        type.ended = bare_kind.ended;
        types[name] = type;
    }
    cache_aware_types(types);
    return types;
}

#endif
