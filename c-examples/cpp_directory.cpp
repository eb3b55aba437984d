// A class of your own that any thread may close while others use it.
//
// `directory` looks people up over two connections, which its clients share: an ordinary C++ class. It becomes safe to
// close in three steps, all of them marked below:
//
//   (1) what it waits for takes a cancel token, and its on_close() cancels it;
//   (2) its connections are a pool, which makes them when they are needed and replaces those that break;
//   (3) it stands behind a quiescent::handle. Whoever uses it has a handle_ref, which may be kept for ever.
//
// Then somebody closes it for everybody, while one lookup takes no notice, others wait for a connection, and nobody has
// told the clients. No flag, no condition variable, no shared_ptr that keeps it alive by accident.
#include <quiescent.hpp>

#include <cstdio>
#include <thread>
#include <vector>

#include <pthread.h>

using namespace std::chrono_literals;

namespace {

const auto opened_at = std::chrono::steady_clock::now();
template <class... Words> void say(const char *format, Words... words) {
    char line[512];
    std::snprintf(line, sizeof line, format, words...);
    const std::chrono::duration<double, std::milli> now = std::chrono::steady_clock::now() - opened_at;
    std::printf("%5.0f ms  %s\n", now.count(), line);
}

std::atomic<int> connected{0}, disconnected{0}, directories{0}, at_once{0}, answered{0}, broken{0};
std::atomic<bool> slow_one_began{false}, slow_one_may_end{false};
thread_local char who[16] = "main";

// ---- The clients' end of a wire. Nothing of Quiescent. ----

class connection {
public:
    connection() {
        // The second one only succeeds at the second try.
        if (++tries_ == 2) throw std::runtime_error("no route to the directory's host");
        connected++;
    }
    ~connection() { disconnected++; }

    std::string ask(const std::string &name, quiescent::cancel_ref stop) {
        if (users_++ != 0) at_once++; // a bad day: two threads on one wire
        bool is_stopped = false;
        if (name == "slow") { // takes no notice of anybody
            slow_one_began = true;
            while (!slow_one_may_end) std::this_thread::sleep_for(1ms);
        } else {
            is_stopped = stop.wait(std::nothrow, 3ms).has_value();
        }
        users_--;
        if (is_stopped) throw quiescent::error(quiescent::failure(QZ_ERR_CANCELLED, "the directory closes"));
        if (name != "slow" && ++asked_ % 8 == 0) throw std::runtime_error("connection reset");
        return name + "@example.org";
    }

private:
    static std::atomic<int> tries_;
    std::atomic<int> users_{0};
    int asked_ = 0;
};
std::atomic<int> connection::tries_{0};

// ---- The class that is to be closed safely. ----

class directory {
public:
    directory() : connections_({2}, [] { return std::make_unique<connection>(); }) { // (2)
        connections_.set_label("connections");
        directories++;
    }
    ~directory() {
        directories--;
        say("the directory is destroyed, on the thread of %s", who);
    }
    directory(const directory &) = delete;
    directory &operator=(const directory &) = delete;

    std::string look_up(const std::string &name) {
        for (;;) {
            quiescent::pooled<connection> wire = connections_.acquire(quiescent::infinite, closing_); // (1)
            try {
                return wire->ask(name, closing_); // (1)
            } catch (const quiescent::error &) {
                throw;
            } catch (const std::runtime_error &) {
                broken++;
                std::move(wire).discard(); // not back to the others: the next round gets a new one
            }
        }
    }

    void on_close() noexcept { static_cast<void>(closing_.request(std::nothrow)); } // (1)

private:
    quiescent::cancel closing_;
    quiescent::pool<connection> connections_;
};

// ---- Those who use it. ----

struct client {
    int done = 0, failed = 0;
    qz_status ended = QZ_OK;
};

void work(int number, quiescent::handle_ref<directory> people, client &mine) {
    std::snprintf(who, sizeof who, "client %d", number);
    pthread_setname_np(pthread_self(), who);
    for (;;) {
        try {
            const bool is_slow = number == 0 && mine.done == 5;
            people.enter("look_up")->look_up(is_slow ? "slow" : who);
            answered++;
            mine.done++;
        } catch (const quiescent::error &e) {
            mine.ended = e.status();
            return;
        } catch (const std::runtime_error &e) { // what the connection's constructor throws arrives as it is
            say("%s: %s", who, e.what());
            mine.failed++;
        }
    }
}

} // namespace

int main() {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    quiescent::handle<directory> people(std::make_unique<directory>()); // (3)
    const quiescent::handle_ref<directory> anybodys = people;

    constexpr int n = 6;
    say("the directory opens: %d clients, 2 connections", n);
    std::vector<client> clients(n);
    std::vector<std::thread> threads;
    for (int i = 0; i < n; i++) threads.emplace_back(work, i, anybodys, std::ref(clients[static_cast<std::size_t>(i)]));
    // Until there is something to see: one takes no notice, and one connection broke and was replaced.
    while (!slow_one_began || connected <= 2) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(20ms);

    qz_status freed = QZ_OK;
    std::thread([&freed, anybodys] {
        say("somebody closes it for everybody; %u are inside", anybodys.info().in_flight);
        freed = anybodys.free(50ms);
        say("free(50 ms): %s", qz_status_name(freed));
        if (freed == QZ_FREE_PENDING) say("  %s", qz_last_error());
    }).join();
    const int directories_before = directories;

    for (int i = 1; i < n; i++) {
        threads[static_cast<std::size_t>(i)].join();
        const client &c = clients[static_cast<std::size_t>(i)];
        say("client %d goes after %d lookups: %s", i, c.done, qz_status_name(c.ended));
    }
    const int wires_before = connected - disconnected; // one is in use
    std::this_thread::sleep_for(300ms);
    slow_one_may_end = true;
    threads[0].join(); // its leave was the last, and destroyed the directory
    say("client 0 goes after %d lookups: %s", clients[0].done, qz_status_name(clients[0].ended));
    anybodys.wait_freed(0ms);
    const qz_status again = people.free(), late = anybodys.enter(std::nothrow, "too late").status();
    say("%d lookups, %d connections made, %d broke, %d closed; freed once more: %s; used once more: %s", answered.load(),
        connected.load(), broken.load(), disconnected.load(), qz_status_name(again), qz_status_name(late));

    bool all_well = freed == QZ_FREE_PENDING && directories_before == 1 && directories == 0 && wires_before > 0 &&
                    connected == disconnected && connected > 2 && at_once == 0 && broken > 0 &&
                    again == QZ_ALREADY_FREED && late == QZ_ERR_FREED && quiescent::swallowed_exceptions() == 0;
    int failed = 0;
    for (const client &c : clients) failed += c.failed;
    all_well = all_well && failed == 1 && clients[0].done == 6 && clients[0].ended == QZ_ERR_FREED;
    for (int i = 1; i < n; i++) {
        const qz_status ended = clients[static_cast<std::size_t>(i)].ended;
        all_well = all_well && (ended == QZ_ERR_CANCELLED || ended == QZ_ERR_FREED);
    }
    std::puts(all_well ? "all claims hold: every wait ended, nobody saw a destroyed object, nothing is left"
                       : "A CLAIM DOES NOT HOLD");
    return all_well ? 0 : 1;
} // ~handle() finds that it is over
