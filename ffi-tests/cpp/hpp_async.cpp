// quiescent.hpp: every asynchronous call, in both forms.
#include "hpp_completions.hpp"

#include <string>
#include <thread>
#include <unistd.h>

void asynchronous();

namespace {

// Each asynchronous call answers what its blocking form does.
void every_call_completes() {
    backend b = *backend::make(nothrow);
    cancel stop = *cancel::make(nothrow);
    int calls = 0;
    rwlock l = *rwlock::make(nothrow);
    EXPECT(l.write_async(nothrow, b, [&](result<write_hold> writes) {
        result<hold> reads = (*std::move(writes)).downgrade(nothrow);
        CHECK(reads && l.try_read(nothrow) && !l.try_write(nothrow));
        calls++;
    }), QZ_OK);
    run(b);
    EXPECT(l.read_async(nothrow, b, [&](result<hold> reads) { calls += *reads && l.try_read(nothrow); }), QZ_OK);
    run(b);
    barrier two = *barrier::make(nothrow, 2);
    int leaders = 0;
    for (int i = 0; i < 2; i++)
        EXPECT(two.wait_async(nothrow, b, [&](result<bool> leads) { leaders += *leads, calls++; }), QZ_OK);
    run(b);
    CHECK(calls == 4 && leaders == 1);
    notify n = *notify::make(nothrow);
    EXPECT(n.wait_async(nothrow, b, [&](result<void> woken) { calls += woken.has_value(); }), QZ_OK);
    EXPECT(n.wait_async(nothrow, b, [&](result<void> woken) { EXPECT(woken, QZ_ERR_CANCELLED); }, infinite, stop), QZ_OK);
    CHECK(n.notify_one(nothrow) && stop.request(nothrow));
    run(b);
    CHECK(calls == 5);
    const std::string path = "/tmp/quiescent-hpp-backend-" + std::to_string(getpid());
    filelock f = *filelock::make(nothrow, path), other = *filelock::make(nothrow, path);
    EXPECT(f.acquire_async(nothrow, b, [&](result<hold> mine) {
        CHECK(*mine && !other.try_acquire_shared(nothrow));
        calls++;
    }), QZ_OK);
    run(b);
    EXPECT(f.acquire_shared_async(nothrow, b, [&](result<hold> mine) {
        CHECK(*mine && other.try_acquire_shared(nothrow));
        calls++;
    }), QZ_OK);
    run(b);
    CHECK(calls == 7 && std::remove(path.c_str()) == 0);
    pool<thing> p = *pool<thing>::make(nothrow, {1}, [] { return thing(); });
    EXPECT(p.acquire_async(nothrow, b, [&](result<pooled<thing>> lent) { calls += (*lent)->value; }), QZ_OK);
    run(b);
    CHECK(calls == 14 && p.try_acquire(nothrow));
    pool<thing> refuses = *pool<thing>::make(nothrow, {1}, []() -> result<std::unique_ptr<thing>> {
        return failure(QZ_ERR_LIMIT, "enough");
    });
    EXPECT(refuses.acquire_async(nothrow, b, [](result<pooled<thing>> lent) {
        EXPECT(lent, QZ_ERR_LIMIT);
        CHECK(std::strcmp(lent.error().words(), "enough") == 0);
    }), QZ_OK);
    run(b);
    int pipe_ends[2];
    CHECK(::pipe(pipe_ends) == 0);
    EXPECT(b.wait_fd_async(nothrow, pipe_ends[0], QZ_READABLE, [&](result<std::uint32_t> ready) {
        CHECK(*ready == QZ_READABLE);
        calls++;
    }), QZ_OK);
    EXPECT(b.wait_fd_async(nothrow, -1, QZ_READABLE, user_data(nullptr)), QZ_ERR_IO);
    CHECK(::write(pipe_ends[1], "x", 1) == 1);
    run(b);
    CHECK(calls == 15 && ::close(pipe_ends[0]) == 0 && ::close(pipe_ends[1]) == 0);
    // Frees.
    handle<thing> h = *handle<thing>::make(nothrow, std::make_unique<thing>());
    {
        entry<thing> inside = *h.enter(nothrow);
        EXPECT(h.wait_freed_async(nothrow, b, [&](result<void> ended) { calls += ended.has_value(); }), QZ_OK);
        EXPECT(h.free_async(nothrow, b, [&](result<qz_status> freed) { EXPECT(freed, QZ_FREE_PENDING); }, 1ms), QZ_OK);
        while (*b.pending(nothrow) == 2) {
            completions none;
            static_cast<void>(b.poll(nothrow, none, 100ms));
        }
        CHECK(calls == 15 && h.is_closing());
    }
    run(b);
    EXPECT(h.free_async(nothrow, b, [&](result<qz_status> freed) { calls += *freed == QZ_ALREADY_FREED; }), QZ_OK);
    run(b);
    CHECK(calls == 17);
}

void a_value_is_made_once_and_its_initialiser_kept() {
    backend b = *backend::make(nothrow);
    once<thing> c = *once<thing>::make(nothrow);
    int alive = 0, calls = 0;
    auto init = [&](int value) {
        return [value, one = counted(&alive)]() -> result<std::unique_ptr<thing>> {
            if (value == 0) return failure(QZ_ERR_LIMIT, "enough");
            return std::make_unique<thing>(thing{value});
        };
    };
    EXPECT(c.get_or_init_async(nothrow, b, init(0), [&](result<thing *> made) {
        EXPECT(made, QZ_ERR_LIMIT);
        CHECK(std::strcmp(made.error().words(), "enough") == 0 && calls++ == 0 && alive == 1);
    }), QZ_OK);
    run(b);
    for (int value : {5, 6}) {
        EXPECT(c.get_or_init_async(nothrow, b, init(value), [&](result<thing *> made) {
            CHECK((*made)->value == 5);
            calls++;
        }), QZ_OK);
        run(b);
    }
    EXPECT(c.free(nothrow), QZ_OK);
    EXPECT(c.get_or_init_async(nothrow, b, init(1), [&](result<thing *>) { calls++; }), QZ_ERR_FREED);
    CHECK(calls == 3 && alive == 0);
    // Behind another that makes it, and freed meanwhile.
    once<thing> slow = *once<thing>::make(nothrow);
    std::thread frees;
    EXPECT(slow.get_or_init(nothrow, [&] {
        EXPECT(slow.get_or_init_async(nothrow, b, init(1), [&](result<thing *> made) {
            CHECK(made ? (*made)->value == 9 : made.status() == QZ_ERR_DEADLOCK);
            calls++;
        }), QZ_OK);
        return thing{9};
    }), QZ_OK);
    run(b);
    CHECK(calls == 4 && alive == 0);
}

#ifdef __cpp_exceptions
void the_form_that_throws() {
    backend b, inner;
    completions over;
    mutex m;
    const auto none = [](const auto &) {};
    b.attach(inner);
    THROWS(b.attach(inner), QZ_ERR_BUSY);
    b.detach(inner);
    THROWS(b.detach(inner), QZ_ERR_INVALID_ARGUMENT);
    CHECK(b.fd() >= 0 && b.wake_fd().get() >= 0 && b.pending() == 0);
    THROWS(m.lock_async(b, none, -1ms), QZ_ERR_INVALID_ARGUMENT);
    THROWS(rwlock_ref().read_async(b, none), QZ_ERR_NULL);
    THROWS(rwlock_ref().write_async(b, none), QZ_ERR_NULL);
    THROWS(semaphore_ref().acquire_async(b, none), QZ_ERR_NULL);
    THROWS(barrier_ref().wait_async(b, none), QZ_ERR_NULL);
    THROWS(notify_ref().wait_async(b, none), QZ_ERR_NULL);
    THROWS(once_ref<thing>().get_or_init_async(b, [] { return thing(); }, none), QZ_ERR_NULL);
    THROWS(pool_ref<thing>().acquire_async(b, none), QZ_ERR_NULL);
    THROWS(filelock_ref().acquire_async(b, none), QZ_ERR_NULL);
    THROWS(filelock_ref().acquire_shared_async(b, none), QZ_ERR_NULL);
    THROWS(mutex_ref().free_async(b, none), QZ_ERR_NULL);
    THROWS(mutex_ref().wait_freed_async(b, none), QZ_ERR_NULL);
    THROWS(b.wait_fd_async(0, 0, none), QZ_ERR_INVALID_ARGUMENT);
    b.free();
    THROWS(b.poll(over), QZ_ERR_FREED);
    THROWS(b.wake(), QZ_ERR_FREED);
    THROWS(b.fd(), QZ_ERR_FREED);
    THROWS(b.wake_fd(), QZ_ERR_FREED);
    THROWS(b.pending(), QZ_ERR_FREED);
}
#endif

} // namespace

void asynchronous() {
    RUN(every_call_completes);
    RUN(a_value_is_made_once_and_its_initialiser_kept);
#ifdef __cpp_exceptions
    RUN(the_form_that_throws);
#endif
}
