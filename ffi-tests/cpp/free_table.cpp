// One row of the free table, in C++. Arguments, cases and exit codes are those of c/free_table.c:
//
//     free_table FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "free_table_subjects.hpp"

namespace {

constexpr int unknown = 64, reuses = 1000000, rounds = 20;
constexpr std::size_t callers = 64;

using End = std::function<qz_status(Subject &, std::int64_t)>;

std::map<std::string, End> functions() {
    auto own = [](Subject &s, qz_status got) {
        if (got == QZ_OK) ++s.reported;
        return got;
    };
    auto wait = [](std::int64_t ms) { return ms == QZ_DEFAULT_TIMEOUT ? std::int64_t{5000} : ms; };
    std::map<std::string, End> all = {
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
             check((left == 0) == (got == QZ_OK || got == QZ_ALREADY_FREED),
                   "kind_close left something, or does not say so");
             return got;
         }},
        {"qz_quiesce_all", [](Subject &, std::int64_t ms) { return qz_quiesce_all(ms, nullptr); }},
        {"qz_hold_release", [](Subject &s, std::int64_t) { return qz_hold_release(s.hold); }},
        {"qz_guard_begin_free",
         [own](Subject &s, std::int64_t ms) { return own(s, qz_guard_begin_free(s.guard, ms)); }},
        {"qz_guard_wait_drained",
         [own, wait](Subject &s, std::int64_t ms) { return own(s, qz_guard_wait_drained(s.guard, wait(ms))); }},
        {"qz_guard_leave", [](Subject &s, std::int64_t) { return qz_guard_leave(s.guard); }},
        {"qz_rundown_release", [](Subject &s, std::int64_t) { return qz_rundown_release(s.rundown, 1); }},
        {"qz_rundown_wait", [wait](Subject &s, std::int64_t ms) { return qz_rundown_wait(s.rundown, wait(ms)); }},
        {"qz_rundown_re_init", [](Subject &s, std::int64_t) { return qz_rundown_re_init(s.rundown); }},
        {"qz_cache_aware_rundown_release",
         [](Subject &s, std::int64_t) { return qz_cache_aware_rundown_release(s.wide, 1, s.stripe); }},
        {"qz_cache_aware_rundown_wait",
         [wait](Subject &s, std::int64_t ms) { return qz_cache_aware_rundown_wait(s.wide, wait(ms)); }},
        {"qz_cache_aware_rundown_re_init",
         [](Subject &s, std::int64_t) { return qz_cache_aware_rundown_re_init(s.wide); }},
    };
    for (const auto &[name, kind] : ready_mades())
        all["qz_" + name + "_free"] = [kind](Subject &s, std::int64_t ms) { return kind.end(s.handle, ms); };
    return all;
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
                    gate.wait(); // the subject is open
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
            check(winners == (again == QZ_OK ? callers : 1),
                  function + ": " + std::to_string(winners) + " concurrent calls answered OK");
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

} // namespace

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
    std::map<std::string, void (Row::*)() const> cases{{"sequential", &Row::sequential},
                                                       {"concurrent", &Row::concurrent},
                                                       {"timeout", &Row::timeout},
                                                       {"reuse", &Row::reuse},
                                                       {"stale", &Row::stale}};
    if (!cases.count(name)) fail("does not know the case " + name, unknown);
    (row.*cases[name])();
    std::printf("ok  %s of a %s, %s\n", argv[1], argv[2], argv[3]);
    return 0;
}
