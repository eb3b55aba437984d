// quiescent.hpp: asynchronous calls in coroutines. Only from C++20 on.
#include "hpp_completions.hpp"

#ifdef __cpp_lib_coroutine
#include <string>
#include <thread>

void coroutines();

namespace {

std::atomic<int> frames{0}; // that are not destroyed

// Runs until it first waits; then whoever ends the wait runs it. It destroys itself at its end.
struct task {
    struct promise_type {
        promise_type() { ++frames; }
        ~promise_type() { --frames; }
        task get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() {
#ifdef __cpp_exceptions
            throw;
#endif
        }
    };
    std::coroutine_handle<promise_type> frame;
};

task use_each(backend_ref b, mutex_ref m, barrier_ref alone, notify_ref n, once_ref<thing> c, pool_ref<thing> p,
              rwlock_ref l, int &steps) {
    hold mine = *co_await m.lock_async(nothrow, b, awaited);
    steps += !m.try_lock(nothrow);
    steps += *co_await alone.wait_async(nothrow, b, awaited);
    EXPECT(co_await n.wait_async(nothrow, b, awaited, 2ms), QZ_ERR_TIMEOUT);
    result<thing *> made = co_await c.get_or_init_async(nothrow, b, [] { return thing(); }, awaited);
    steps += (*made)->value;
    pooled<thing> lent = *co_await p.acquire_async(nothrow, b, awaited);
    steps += lent->value;
    hold reads = *(*co_await l.write_async(nothrow, b, awaited)).downgrade(nothrow);
    EXPECT(co_await m.free_async(nothrow, b, awaited, 0ms), QZ_FREE_PENDING);
    // Refused: it goes on at once.
    EXPECT(co_await n.wait_async(nothrow, b, awaited, -1ms), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(co_await m.lock_async(nothrow, b, awaited), QZ_ERR_FREED);
    out_of_memory() = true;
    result<void> none = co_await n.wait_async(nothrow, b, awaited);
    out_of_memory() = false;
    EXPECT(none, QZ_ERR_NO_MEMORY);
    steps++;
}

void each_call_is_awaited() {
    backend b = *backend::make(nothrow);
    mutex m = *mutex::make(nothrow);
    barrier alone = *barrier::make(nothrow, 1);
    notify n = *notify::make(nothrow);
    once<thing> c = *once<thing>::make(nothrow);
    pool<thing> p = *pool<thing>::make(nothrow, {1}, [] { return thing(); });
    rwlock l = *rwlock::make(nothrow);
    int steps = 0;
    use_each(b, m, alone, n, c, p, l, steps);
    CHECK(steps == 0 && frames == 1);
    run(b);
    CHECK(steps == 17 && frames == 0 && m.wait_freed(nothrow, 0ms));
    // What is not awaited is not submitted.
    static_cast<void>(n.wait_async(nothrow, b, awaited));
    CHECK(*b.pending(nothrow) == 0);
}

task take(backend_ref b, semaphore_ref s, qz_status &told) {
    result<hold> taken = co_await s.acquire_async(nothrow, b, awaited);
    told = taken.status();
}

void its_backend_ends_while_it_waits() {
    semaphore s = *semaphore::make(nothrow, 0, 1);
    qz_status told = QZ_OK;
    {
        backend b = *backend::make(nothrow);
        take(b, s, told);
        CHECK(frames == 1);
    }
    CHECK(told == QZ_ERR_FREED && frames == 0 && s.info(nothrow)->in_flight == 0);
}

void it_is_destroyed_while_it_waits() {
    backend b = *backend::make(nothrow);
    semaphore s = *semaphore::make(nothrow, 0, 1);
    qz_status told = QZ_ERR_IO;
    const task waits = take(b, s, told);
    waits.frame.destroy();
    CHECK(frames == 0 && *b.pending(nothrow) == 1 && s.add(nothrow, 1));
    run(b);
    CHECK(told == QZ_ERR_IO && *s.available(nothrow) == 1);
}

// Over before the submission returns: it goes on on the thread that polls.
void it_goes_on_on_another_thread() {
    backend b = *backend::make(nothrow);
    semaphore s = *semaphore::make(nothrow, 3, 3);
    constexpr int all = 2000;
    std::atomic<int> done{0};
    std::thread polls([r = backend_ref(b), &done] {
        completions over;
        while (done < all) static_cast<void>(r.poll(nothrow, over, 1ms));
    });
    const auto one = [](backend_ref r, semaphore_ref permits, std::atomic<int> &count) -> task {
        hold taken = *co_await permits.acquire_async(nothrow, r, awaited);
        CHECK(taken);
        ++count;
    };
    for (int i = 0; i < all; i++) one(b, s, done);
    polls.join();
    run(b);
    CHECK(frames == 0 && *s.available(nothrow) == 3);
}

#ifdef __cpp_exceptions
void what_leaves_it_leaves_the_poll() {
    const std::uint64_t before = swallowed_exceptions();
    backend b;
    semaphore s(1, 1);
    completions over;
    int steps = 0;
    const auto body = [](backend_ref r, semaphore_ref permits, int &at) -> task {
        hold taken = co_await permits.acquire_async(r, awaited);
        at++;
        try {
            static_cast<void>(co_await permits.acquire_async(r, awaited, 1, 1ms));
        } catch (const error &e) {
            at += e.status() == QZ_ERR_TIMEOUT;
        }
        static_cast<void>(co_await permits.acquire_async(r, awaited, 9));
        at++;
    };
    task over_soon = body(b, s, steps);
    THROWS([&] { while (b.pending() > 0) b.poll(over); }(), QZ_ERR_INVALID_ARGUMENT);
    CHECK(steps == 2 && frames == 1 && s.available() == 1 && swallowed_exceptions() == before);
    over_soon.frame.destroy(); // what threw is at its end, and not destroyed
    hold mine = s.acquire();
    over_soon = body(b, s, steps);
    b.free();
    CHECK(steps == 2 && frames == 1 && swallowed_exceptions() == before + 1);
    over_soon.frame.destroy();
}

// Of a function that makes something: in the coroutine that wanted it.
void what_a_function_throws_is_thrown_by_co_await() {
    const std::uint64_t before = swallowed_exceptions();
    backend b;
    once<thing> c;
    pool<thing> p({1}, []() -> thing { throw std::string("create"); });
    std::string caught;
    const auto body = [](backend_ref r, once_ref<thing> cell, pool_ref<thing> things, std::string &what) -> task {
        const auto init = []() -> thing { throw std::string("init "); };
        try {
            static_cast<void>(co_await cell.get_or_init_async(r, init, awaited));
        } catch (const std::string &thrown) {
            what += thrown;
        }
        result<thing *> none = co_await cell.get_or_init_async(nothrow, r, init, awaited);
        try {
            none.error().raise();
        } catch (const std::string &thrown) {
            what += thrown;
        }
        static_cast<void>(co_await things.acquire_async(r, awaited));
    };
    const task stopped = body(b, c, p, caught);
    try {
        run(b);
    } catch (const std::string &) {
        give_up(__FILE__, __LINE__, "it was polled without throwing");
    }
    CHECK(caught == "init init " && frames == 1 && swallowed_exceptions() == before + 1);
    stopped.frame.destroy();
    // Destroyed before it is told: nobody is.
    const auto waits = [](backend_ref r, pool_ref<thing> things) -> task {
        static_cast<void>(co_await things.acquire_async(r, awaited));
    };
    waits(b, p).frame.destroy();
    run(b);
    CHECK(frames == 0 && swallowed_exceptions() == before + 2);
}
#endif

} // namespace

void coroutines() {
    RUN(each_call_is_awaited);
    RUN(its_backend_ends_while_it_waits);
    RUN(it_is_destroyed_while_it_waits);
    RUN(it_goes_on_on_another_thread);
#ifdef __cpp_exceptions
    RUN(what_leaves_it_leaves_the_poll);
    RUN(what_a_function_throws_is_thrown_by_co_await);
#endif
}
#endif
