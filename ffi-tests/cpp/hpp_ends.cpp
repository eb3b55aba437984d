// quiescent.hpp: every class that owns a handle ends while another thread waits for what it owns: its destructor refuses
// that thread at once, and whoever is inside is waited for. Prints "ends: KIND" for each; cpp_header.rs compares the list.
#include "hpp_check.hpp"

#include <string>
#include <thread>
#include <unistd.h>

void ends();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

// `wait(ref)` is on another thread; it is refused when `owner` ends.
template <class Ref, class Owner, class Wait> void refuses(const char *kind, Owner owner, Wait wait) {
    const Ref r = owner;
    const std::uint32_t before = r.info(nothrow)->in_flight;
    std::thread waits([r, wait] { EXPECT(wait(r), QZ_ERR_FREED); });
    while (r.info(nothrow)->in_flight == before) sleep_ms(1);
    sleep_ms(2);
    const double begin = now_ms();
    { const Owner ended = std::move(owner); }
    waits.join();
    CHECK(now_ms() - begin < LATE_MS && r.is_closing());
    std::printf("ends: %s\n", kind);
}

// Whoever is inside leaves 20 ms after the destructor has begun: by then it has not returned.
template <class Ref, class Owner, class Held> void waits_for(Owner owner, Held held) {
    const Ref r = owner;
    std::atomic<bool> is_out{false};
    std::thread holds([&is_out, r, held = std::move(held)]() mutable {
        while (!r.is_closing()) sleep_ms(1);
        sleep_ms(20);
        is_out = true;
        held.reset();
    });
    { const Owner ended = std::move(owner); }
    CHECK(is_out && r.wait_freed(nothrow, 0ms));
    holds.join();
}

// Of another thread: the caller does not wait for holds of its own.
template <class Take> auto passed(Take take) -> decltype(take()) {
    auto taken = take();
    CHECK(taken && taken.pass_on(nothrow));
    return taken;
}

void locks_end() {
    mutex m = *mutex::make(nothrow);
    hold locked = *m.lock(nothrow);
    const mutex_ref r = m;
    std::thread waits([r] { EXPECT(r.lock(nothrow), QZ_ERR_FREED); });
    while (r.info(nothrow)->in_flight < 2) sleep_ms(1);
    CHECK(locked.pass_on(nothrow));
    waits_for<mutex_ref>(std::move(m), std::move(locked));
    waits.join();
    std::puts("ends: mutex");

    rwlock l = *rwlock::make(nothrow);
    hold reads = *l.read(nothrow);
    const rwlock_ref lr = l;
    std::thread writes([lr] { EXPECT(lr.write(nothrow), QZ_ERR_FREED); });
    while (lr.info(nothrow)->in_flight < 2) sleep_ms(1);
    CHECK(reads.pass_on(nothrow));
    waits_for<rwlock_ref>(std::move(l), std::move(reads));
    writes.join();
    std::puts("ends: rwlock");

    semaphore s = *semaphore::make(nothrow, 1, 2);
    refuses<semaphore_ref>("semaphore", std::move(s), [](semaphore_ref x) { return x.acquire(nothrow, 2); });

    const std::string path = "/tmp/quiescent-hpp-ends-" + std::to_string(getpid());
    filelock f = *filelock::make(nothrow, path), other = *filelock::make(nothrow, path);
    hold mine = *other.acquire(nothrow);
    refuses<filelock_ref>("filelock", std::move(f), [](filelock_ref x) { return x.acquire(nothrow); });
    waits_for<filelock_ref>(std::move(other), passed([&mine] { return std::move(mine); }));
    CHECK(std::remove(path.c_str()) == 0);
}

void meetings_end() {
    refuses<barrier_ref>("barrier", *barrier::make(nothrow, 2), [](barrier_ref x) { return x.wait(nothrow); });
    refuses<notify_ref>("notify", *notify::make(nothrow), [](notify_ref x) { return x.wait(nothrow); });
    refuses<backend_ref>("backend", *backend::make(nothrow), [](backend_ref x) {
        completions over;
        return x.poll(nothrow, over);
    });
    // A wait keeps a share of a cancel token: its handle ends at once, and the wait goes on.
    cancel parent = *cancel::make(nothrow), child = *cancel::child(nothrow, parent);
    std::atomic<bool> waits{false};
    std::thread waiting([r = cancel_ref(child), &waits] {
        waits = true;
        const qz_status got = r.wait(nothrow).status();
        CHECK(got == QZ_OK || got == QZ_ERR_FREED); // freed before it began
    });
    while (!waits) sleep_ms(1);
    sleep_ms(2);
    const double begin = now_ms();
    child.reset();
    CHECK(now_ms() - begin < LATE_MS && parent.request(nothrow));
    waiting.join();
    std::puts("ends: cancel");
}

void what_is_made_ends() {
    // An initialiser that runs is waited for, and what it makes is destroyed; who waits for it is refused at once.
    struct value {
        explicit value(std::atomic<int> *e) : ended(e) {}
        ~value() { ++*ended; }
        std::atomic<int> *ended;
    };
    std::atomic<int> ended{0};
    std::atomic<bool> began{false};
    once<value> c = *once<value>::make(nothrow);
    std::thread makes([r = once_ref<value>(c), &began, &ended] {
        auto init = [&] {
            began = true;
            while (!r.is_closing()) sleep_ms(1);
            sleep_ms(30);
            return std::make_unique<value>(&ended);
        };
        static_cast<void>(r.get_or_init(nothrow, init)); // made, or freed meanwhile
    });
    while (!began) sleep_ms(1);
    refuses<once_ref<value>>("once", std::move(c), [&ended](once_ref<value> x) {
        return x.get_or_init(nothrow, [&ended] { return std::make_unique<value>(&ended); });
    });
    makes.join();
    CHECK(ended == 1);

    ended = 0;
    pool<value> p = *pool<value>::make(nothrow, {1}, [&ended] { return std::make_unique<value>(&ended); });
    pooled<value> out = *p.acquire(nothrow);
    const pool_ref<value> r = p;
    std::thread waits([r] { EXPECT(r.acquire(nothrow), QZ_ERR_FREED); });
    while (r.info(nothrow)->in_flight < 2) sleep_ms(1);
    CHECK(out.pass_on(nothrow));
    waits_for<pool_ref<value>>(std::move(p), std::move(out));
    waits.join();
    CHECK(ended == 1);
    std::puts("ends: pool");
}

struct sleeper {
    std::atomic<bool> woken{false};
    qz_status sleep() {
        while (!woken) sleep_ms(1);
        return QZ_ERR_FREED;
    }
    void on_close() { woken = true; }
};

void objects_end() {
    refuses<handle_ref<sleeper>>("handle", *handle<sleeper>::make(nothrow, std::make_unique<sleeper>()),
                                 [](handle_ref<sleeper> x) { return (*x.enter(nothrow))->sleep(); });
    handle<sleeper> h = *handle<sleeper>::make(nothrow, std::make_unique<sleeper>());
    typed_hold<sleeper> held = passed([&h] { return *h.hold(nothrow); });
    waits_for<handle_ref<sleeper>>(std::move(h), std::move(held));
    // A kind with its handles.
    kind k = *kind::make(nothrow, "raw");
    qz_handle *raw = nullptr;
    qz_hold *taken = nullptr;
    void *object = nullptr;
    EXPECT(qz_handle_new(k.get(), nullptr, &raw), QZ_OK);
    EXPECT(qz_handle_hold(raw, k.get(), nullptr, &object, &taken), QZ_OK);
    waits_for<kind_ref>(std::move(k), passed([taken] { return hold(taken); }));
    CHECK(qz_handle_is_closing(raw));
    std::puts("ends: kind");
}

} // namespace

void ends() {
    RUN(locks_end);
    RUN(meetings_end);
    RUN(what_is_made_ends);
    RUN(objects_end);
}
