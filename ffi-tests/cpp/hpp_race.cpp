// quiescent.hpp under stress, made for ThreadSanitizer and AddressSanitizer: owners end while others use and free what
// they own. First objects behind handles, then pools, whose factories must outlive the last resource.
//
//     hpp_race [ROUNDS per owner; a tenth as many pools] [OWNERS] [USERS]
//
// The objects are plain memory, written by their destructors: whoever is let in too late, or destroyed too early, is a
// data race or a use after free. Without a sanitizer the claims at the end still hold. Exits 1 if one fails, or if no
// free ever met anybody inside: then nothing was tested.
#include "hpp_check.hpp"

#include <chrono>
#include <thread>
#include <vector>

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

constexpr int alive = 0xA11FE;

std::atomic<long> opened{0}, destroyed{0}, admitted{0}, refused{0}, held{0}, met{0}, hooks_due{0}, hooks_run{0};
std::atomic<bool> over{false};

void add(std::atomic<long> &count) { count.fetch_add(1, std::memory_order_relaxed); }

struct object {
    int state = alive; // plain
    ~object() {
        CHECK(state == alive);
        state = 0;
        add(destroyed);
    }
    void on_close() { CHECK(state == alive); }
};

struct slot {
    std::atomic<qz_handle *> token{nullptr};
    std::atomic<qz_hold *> passed{nullptr}; // on its way to another thread
};

void count_a_free(qz_status got) {
    CHECK(got >= 0 || got == QZ_ERR_BUSY);
    if (got == QZ_FREE_PENDING) add(met);
}

void own(slot &mine, long rounds, std::uint64_t random) {
    for (long i = 0; i < rounds; i++) {
        // Every second one with a function of its own.
        result<handle<object>> made =
            next_random(&random) % 2 ? handle<object>::make(nothrow, std::make_unique<object>())
                                     : handle<object>::make(nothrow, std::make_unique<object>(),
                                                            [i](object &o) { CHECK(o.state == alive && i >= 0); });
        CHECK(made);
        add(opened);
        handle<object> h = *std::move(made);
        mine.token.store(h.get(), std::memory_order_relaxed);
        if (next_random(&random) % 4 == 0) {
            add(hooks_due);
            EXPECT(h.on_freed(nothrow, [] { add(hooks_run); }) ? QZ_OK : QZ_ERR_FREED, QZ_OK);
        }
        // Few: each yield may let all users run for milliseconds.
        for (std::uint64_t n = next_random(&random) % 3; n > 0; n--) std::this_thread::yield();
        switch (next_random(&random) % 5) {
        case 0: count_a_free(status_of(h.free(nothrow, 0ms))); break;
        case 1: count_a_free(status_of(h.free(nothrow, 1ms))); break;
        case 2: count_a_free(status_of(h.try_free(nothrow))); break;
        case 3: { // from inside
            result<entry<object>> inside = h.enter(nothrow, "own");
            if (inside) count_a_free(status_of(h.free(nothrow, 1s)));
            break;
        }
        default: break;
        }
    } // and by the destructor
}

void use(std::vector<slot> &slots, std::uint64_t random) {
    while (!over.load(std::memory_order_relaxed)) {
        slot &s = slots[next_random(&random) % slots.size()];
        const handle_ref<object> h(s.token.load(std::memory_order_relaxed));
        switch (next_random(&random) % 16) {
        case 0: count_a_free(status_of(h.free(nothrow, 0ms))); break;
        case 1: count_a_free(status_of(h.try_free(nothrow))); break;
        case 2:
        case 3: {
            result<typed_hold<object>> taken = h.hold(nothrow, "hold");
            if (!taken) break;
            CHECK((*taken)->state == alive);
            add(held);
            quiescent::hold mine = (*std::move(taken)).untyped();
            CHECK(mine.pass_on(nothrow));
            // Whoever comes next releases it.
            quiescent::hold other(s.passed.exchange(mine.release(), std::memory_order_acq_rel));
            break;
        }
        default: {
            result<entry<object>> inside = h.enter(nothrow, "use");
            if (!inside) {
                EXPECT(inside, h ? QZ_ERR_FREED : QZ_ERR_NULL);
                add(refused);
                std::this_thread::yield(); // until there is a next one
                break;
            }
            for (int n = 0; n < 20; n++) CHECK(static_cast<volatile object *>(inside->get())->state == alive);
            if (next_random(&random) % 8 == 0) std::this_thread::yield();
            add(admitted);
        }
        }
        // A hold that nobody takes over would keep its object for ever.
        if (next_random(&random) % 4 == 0)
            quiescent::hold ends(s.passed.exchange(nullptr, std::memory_order_acq_rel));
    }
}

std::atomic<long> factories{0}, resources{0}, lent{0}, turned_away{0};

struct resource {
    int state = alive; // plain
    resource() { resources.fetch_add(1, std::memory_order_relaxed); }
    ~resource() {
        CHECK(state == alive);
        state = 0;
        resources.fetch_sub(1, std::memory_order_relaxed);
    }
};

struct factory final : pool_factory<resource> {
    int state = alive; // plain
    factory() { factories.fetch_add(1, std::memory_order_relaxed); }
    ~factory() override {
        CHECK(state == alive);
        state = 0;
        factories.fetch_sub(1, std::memory_order_relaxed);
    }
    bool fits(resource &r) const { return state == alive && r.state == alive; }
    result<owned> create(timeout) override {
        CHECK(state == alive);
        return std::make_unique<resource>();
    }
    bool check(resource &r) override { return fits(r); }
    bool recycle(resource &r) override { return fits(r); }
    void destroy(owned r, qz_pool_reason reason) override { CHECK(fits(*r) && reason != QZ_POOL_IDLE); }
};

void own_pools(std::atomic<qz_pool *> &token, long rounds, std::uint64_t random) {
    for (long i = 0; i < rounds; i++) {
        pool<resource> p = *pool<resource>::make(nothrow, {2}, std::make_unique<factory>());
        token.store(p.get(), std::memory_order_relaxed);
        for (std::uint64_t n = next_random(&random) % 3; n > 0; n--) std::this_thread::yield();
        if (next_random(&random) % 2) count_a_free(status_of(p.free(nothrow, 0ms)));
    } // and by the destructor
}

void use_pools(std::vector<std::atomic<qz_pool *>> &tokens, std::uint64_t random) {
    while (!over.load(std::memory_order_relaxed)) {
        const pool_ref<resource> p(tokens[next_random(&random) % tokens.size()].load(std::memory_order_relaxed));
        result<pooled<resource>> taken = p.acquire(nothrow, 1ms);
        if (!taken) {
            CHECK(taken.status() == QZ_ERR_TIMEOUT || taken.status() == (p ? QZ_ERR_FREED : QZ_ERR_NULL));
            add(turned_away);
            std::this_thread::yield();
            continue;
        }
        CHECK((*taken)->state == alive);
        add(lent);
        pooled<resource> mine = *std::move(taken);
        switch (next_random(&random) % 8) {
        case 0: EXPECT(std::move(mine).discard(nothrow), QZ_OK); break;
        case 1: CHECK((*std::move(mine).detach(nothrow))->state == alive); break;
        case 2: std::this_thread::yield(); break;
        default: break;
        }
    }
}

// Runs `owner(i)` on `owners` threads beside `user(i)` on `users` others, until the owners are done.
template <class Owner, class User> void race(std::size_t owners, std::size_t users, Owner owner, User user) {
    std::vector<std::thread> owning, using_them;
    over.store(false, std::memory_order_relaxed);
    for (std::size_t i = 0; i < owners; i++) owning.emplace_back(owner, i);
    for (std::size_t i = 0; i < users; i++) using_them.emplace_back(user, i);
    for (std::thread &t : owning) t.join();
    over.store(true, std::memory_order_relaxed);
    for (std::thread &t : using_them) t.join();
}

} // namespace

int main(int argc, char **argv) {
    const long rounds = argc > 1 ? std::atol(argv[1]) : 20000;
    const auto owners = static_cast<std::size_t>(argc > 2 ? std::atol(argv[2]) : 2);
    const auto users = static_cast<std::size_t>(argc > 3 ? std::atol(argv[3]) : 4);
    const auto latest = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    const auto again = [&] { return std::chrono::steady_clock::now() < latest; };

    // Until they have met: on a machine with much else to do the users may not run while the owners do.
    const auto met_handles = [] { return admitted.load() > 0 && refused.load() > 0 && held.load() > 0 && met.load() > 0; };
    long races = 0;
    do {
        std::vector<slot> slots(owners);
        race(owners, users, [&](std::size_t i) { own(slots[i], rounds, 0x9E3779B97F4A7C15U + i); },
             [&](std::size_t i) { use(slots, 0xD1B54A32D192ED03U + i); });
        for (slot &s : slots) quiescent::hold ends(s.passed.load());
        races++;
    } while (!met_handles() && again());
    std::printf("%ld opened, %ld destroyed, %ld admitted, %ld refused, %ld held, overlap: %ld frees met somebody\n",
                opened.load(), destroyed.load(), admitted.load(), refused.load(), held.load(), met.load());
    CHECK(opened.load() == destroyed.load() && opened.load() == races * rounds * static_cast<long>(owners));
    CHECK(hooks_due.load() == hooks_run.load());
    CHECK_SAY(met_handles(), "nothing was tested");

    const long met_before = met.load();
    const auto met_pools = [=] { return lent.load() > 0 && turned_away.load() > 0 && met.load() > met_before; };
    do {
        std::vector<std::atomic<qz_pool *>> tokens(owners);
        race(owners, users, [&](std::size_t i) { own_pools(tokens[i], rounds / 10, 0x9E3779B97F4A7C15U + i); },
             [&](std::size_t i) { use_pools(tokens, 0xD1B54A32D192ED03U + i); });
    } while (!met_pools() && again());
    std::printf("pools: %ld resources lent, %ld callers turned away, overlap: %ld frees met somebody\n", lent.load(),
                turned_away.load(), met.load() - met_before);
    CHECK(factories.load() == 0 && resources.load() == 0);
    CHECK_SAY(met_pools(), "nothing was tested");
    return 0;
}
