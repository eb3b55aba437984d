// One row of the free table, in C++. Arguments, cases and exit codes are those of c/free_table.c:
//
//     free_table FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "quiescent.h"

namespace {

constexpr int unknown = 64, reuses = 1000000, rounds = 20;
constexpr std::size_t callers = 64;

[[noreturn]] void fail(const std::string &words, int code = 1) {
    std::fflush(stdout);
    std::fprintf(stderr, "FAILED free_table.cpp: %s\n", words.c_str());
    std::_Exit(code);
}

void check(bool claim, const std::string &words) {
    if (!claim) fail(words);
}

void expect(const char *when, qz_status got, qz_status wanted) {
    if (got != wanted)
        fail(std::string(when) + ": answered " + qz_status_name(got) + ", expected " + qz_status_name(wanted) + " (" + qz_last_error() + ")");
}

struct Thing {
    int alive = 1;  // plain on purpose: reading it while the destructor writes it is a data race
    std::atomic<int> destroyed{0};
};

// Guards and run-downs lie in memory that is never given back.
template <class T> T *eternal() {
    static std::deque<std::unique_ptr<T>> *all = new std::deque<std::unique_ptr<T>>;
    all->push_back(std::make_unique<T>());  // value-initialised: zero bytes
    return all->back().get();
}

struct Subject {
    Thing thing;
    qz_kind *kind = nullptr;
    qz_handle *handle = nullptr;
    qz_hold *hold = nullptr;
    qz_guard *guard = nullptr;
    qz_rundown *rundown = nullptr;
    std::atomic<int> reported{0};  // OKs of a guard: its owner destroys, here by counting
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

qz_kind *new_kind() {
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

void handle_open(Subject &s) {
    static qz_kind *const shared = new_kind();
    s.kind = shared;
    s.thing.alive = 1;
    s.thing.destroyed = 0;
    expect("handle_new", qz_handle_new(s.kind, &s.thing, &s.handle), QZ_OK);
}

void kind_open(Subject &s) {
    s.kind = new_kind();
    s.thing.alive = 1;
    s.thing.destroyed = 0;
    expect("handle_new", qz_handle_new(s.kind, &s.thing, &s.handle), QZ_OK);
}

void enter(Subject &s) {
    void *object = nullptr;
    expect("enter", qz_handle_enter(s.handle, s.kind, "row", &object), QZ_OK);
    check(object == &s.thing && s.thing.alive == 1, "entered something else");
}

void occupy(Subject &s) {
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

void vacate(Subject &s) {
    s.may_leave.set_value();
    s.visitor.join();
}

void guard_operation_open(Subject &s) {
    s.guard = eternal<qz_guard>();
    s.reported = 0;
    expect("try_enter", qz_guard_try_enter(s.guard), QZ_OK);
    expect("begin_free(0)", qz_guard_begin_free(s.guard, 0), QZ_ERR_TIMEOUT);
}

// Opened again where there is one: that is its re-use.
void rundown_open(Subject &s) {
    if (s.rundown == nullptr) s.rundown = eternal<qz_rundown>();
    (void)qz_rundown_re_init(s.rundown);
}

int rundown_ended(Subject &s) {
    expect("a stray release", qz_rundown_release(s.rundown, 1), QZ_ERR_NOT_INSIDE);
    return qz_rundown_try_acquire(s.rundown, 1) == QZ_ERR_FREED;
}

std::map<std::string, Type> subject_types() {
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
        bool drained = qz_guard_wait_drained(s.guard, 0) == QZ_OK;  // to one caller only: this one
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
    return types;
}

using End = std::function<qz_status(Subject &, std::int64_t)>;

std::map<std::string, End> functions() {
    auto own = [](Subject &s, qz_status got) {
        if (got == QZ_OK) ++s.reported;
        return got;
    };
    auto wait = [](std::int64_t ms) { return ms == QZ_DEFAULT_TIMEOUT ? std::int64_t{5000} : ms; };
    return {
        {"qz_handle_free", [](Subject &s, std::int64_t ms) { return qz_handle_free(s.handle, ms); }},
        {"qz_handle_try_free", [](Subject &s, std::int64_t) { return qz_handle_try_free(s.handle); }},
        {"qz_handle_free_many",
         [](Subject &s, std::int64_t ms) {
             qz_status each = QZ_ERR_PANIC;
             (void)qz_handle_free_many(&s.handle, 1, ms, &each);
             return each;
         }},
        {"qz_handle_leave", [](Subject &s, std::int64_t) { return qz_handle_leave(s.handle); }},
        {"qz_kind_close",
         [](Subject &s, std::int64_t ms) {
             std::size_t left = 77;
             qz_status got = qz_kind_close(s.kind, ms, &left);
             check((left == 0) == (got == QZ_OK || got == QZ_ALREADY_FREED), "kind_close left something, or does not say so");
             return got;
         }},
        {"qz_quiesce_all", [](Subject &, std::int64_t ms) { return qz_quiesce_all(ms, nullptr); }},
        {"qz_hold_release", [](Subject &s, std::int64_t) { return qz_hold_release(s.hold); }},
        {"qz_guard_begin_free", [own](Subject &s, std::int64_t ms) { return own(s, qz_guard_begin_free(s.guard, ms)); }},
        {"qz_guard_wait_drained", [own, wait](Subject &s, std::int64_t ms) { return own(s, qz_guard_wait_drained(s.guard, wait(ms))); }},
        {"qz_guard_leave", [](Subject &s, std::int64_t) { return qz_guard_leave(s.guard); }},
        {"qz_rundown_release", [](Subject &s, std::int64_t) { return qz_rundown_release(s.rundown, 1); }},
        {"qz_rundown_wait", [wait](Subject &s, std::int64_t ms) { return qz_rundown_wait(s.rundown, wait(ms)); }},
        {"qz_rundown_re_init", [](Subject &s, std::int64_t) { return qz_rundown_re_init(s.rundown); }},
    };
}

// Lets all callers go at once. (std::barrier is C++20.)
class Gate {
public:
    explicit Gate(std::size_t parties) : parties_(parties) {}
    void wait() {
        std::unique_lock lock(mutex_);
        std::size_t mine = generation_;
        if (++arrived_ == parties_) {
            arrived_ = 0;
            ++generation_;
            changed_.notify_all();
        } else {
            changed_.wait(lock, [&] { return generation_ != mine; });
        }
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t parties_, arrived_ = 0, generation_ = 0;
};

struct Row {
    std::string function, subject;
    qz_status again, meanwhile, pending, pending_again, after;
    Type type;
    End end;

    void ended_once(Subject &s) const {
        int times = type.ended(s);
        check(times == 1, function + " of a " + subject + ": it ended " + std::to_string(times) + " times");
    }

    void three_in_a_row(Subject &s) const {
        expect("first", end(s, QZ_DEFAULT_TIMEOUT), QZ_OK);
        for (int i = 0; i < 2; i++) expect("again", end(s, QZ_DEFAULT_TIMEOUT), again);
        ended_once(s);
    }

    void sequential() const {
        Subject s;
        type.open(s);
        type.open_here(s);
        three_in_a_row(s);
    }

    void concurrent() const {
        Gate gate(callers + 1);
        std::vector<Subject> subjects(rounds);
        std::vector<qz_status> answers(callers);
        std::vector<std::thread> threads;
        Subject *target = nullptr;
        for (std::size_t me = 0; me < callers; me++)
            threads.emplace_back([&, me] {
                for (int round = 0; round < rounds; round++) {
                    gate.wait();  // the subject is open
                    if (me == 0) type.open_here(*target);
                    gate.wait();
                    answers[me] = end(*target, QZ_DEFAULT_TIMEOUT);
                    gate.wait();
                }
            });
        for (auto &subject_of_round : subjects) {
            target = &subject_of_round;
            type.open(*target);
            for (int i = 0; i < 3; i++) gate.wait();
            std::size_t winners = 0;
            for (qz_status got : answers) {
                if (got == QZ_OK) ++winners;
                else if (got != meanwhile) expect("concurrent", got, again);
            }
            check(winners == (again == QZ_OK ? callers : 1), function + ": " + std::to_string(winners) + " concurrent calls answered OK");
            expect("after all", end(*target, QZ_DEFAULT_TIMEOUT), again);
            ended_once(*target);
        }
        for (auto &thread : threads) thread.join();
    }

    void timeout() const {
        Subject s;
        type.open(s);
        type.occupy(s);
        expect("somebody inside", end(s, 30), pending);
        expect("somebody inside, again", end(s, 30), pending_again);
        type.vacate(s);
        expect("they have left", end(s, QZ_DEFAULT_TIMEOUT), after);
        for (int i = 0; i < 2; i++) expect("again after the timeout", end(s, QZ_DEFAULT_TIMEOUT), again);
        ended_once(s);
    }

    static long resident_kb() {
        long size = 0, resident = 0;
        std::ifstream("/proc/self/statm") >> size >> resident;
        return resident * (sysconf(_SC_PAGESIZE) / 1024);
    }

    void reuse() const {
        Subject s;
        long before = 0;
        for (int i = 0; i < reuses; i++) {
            if (i == 1000) before = resident_kb();
            type.open(s);
            type.open_here(s);
            expect("in a re-used shell", end(s, QZ_DEFAULT_TIMEOUT), QZ_OK);
            ended_once(s);
        }
        long grown = resident_kb() - before;
        check(grown < 8 * 1024, function + ": the process grew by " + std::to_string(grown) + " kB");
        type.open(s);
        type.open_here(s);
        three_in_a_row(s);
    }

    void stale() const {
        Subject old;
        std::vector<Subject> newer(64);
        type.open(old);
        type.open_here(old);
        three_in_a_row(old);
        for (auto &s : newer) type.open(s);
        for (int i = 0; i < 3; i++) expect("stale", end(old, QZ_DEFAULT_TIMEOUT), again);
        for (auto &s : newer) check(type.ended(s) == 0, function + ": a stale token ended somebody else");
        ended_once(old);
        for (auto &s : newer) {
            type.open_here(s);
            three_in_a_row(s);
        }
    }
};

qz_status status_named(const std::string &name) {
    for (int i = -64; i < 64; i++)
        if (name == qz_status_name(i)) return static_cast<qz_status>(i);
    fail("no status is called " + name, unknown);
}

}  // namespace

int main(int argc, char **argv) {
    if (argc != 9) fail("usage: free_table FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER");
    auto all_types = subject_types();
    auto all_functions = functions();
    std::string function = argv[1], subject = argv[2], name = argv[3];
    if (!all_functions.count(function)) fail("does not know " + function, unknown);
    if (!all_types.count(subject)) fail("does not know the subject " + subject, unknown);
    Row row{function,
            subject,
            status_named(argv[4]),
            status_named(argv[5]),
            status_named(argv[6]),
            status_named(argv[7]),
            status_named(argv[8]),
            all_types[subject],
            all_functions[function]};
    std::map<std::string, void (Row::*)() const> cases{{"sequential", &Row::sequential}, {"concurrent", &Row::concurrent}, {"timeout", &Row::timeout}, {"reuse", &Row::reuse}, {"stale", &Row::stale}};
    if (!cases.count(name)) fail("does not know the case " + name, unknown);
    (row.*cases[name])();
    std::printf("ok  %s of a %s, %s\n", argv[1], argv[2], argv[3]);
    return 0;
}
