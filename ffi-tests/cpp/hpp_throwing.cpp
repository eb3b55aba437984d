// quiescent.hpp: the form that throws, of every operation.
#include "hpp_check.hpp"

#if __cplusplus >= 201703L
#include <filesystem>
#endif
#include <thread>
#include <unistd.h>

void throwing();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;

struct thing {
    int value = 7;
};

void an_error_says_why() {
    mutex m;
    hold mine = m.lock();
    std::thread([&m] {
        try {
            hold never = m.lock(1ms);
            give_up(__FILE__, __LINE__, "locked twice");
        } catch (const std::runtime_error &e) {
            static_cast<void>(qz_handle_leave(nullptr)); // has words of its own
            CHECK(std::strstr(e.what(), "QZ_ERR_TIMEOUT: ") == e.what());
            CHECK(std::strstr(e.what(), "held by: thread") != nullptr);
            CHECK(dynamic_cast<const error &>(e).status() == QZ_ERR_TIMEOUT);
            CHECK(dynamic_cast<const error &>(e).os_error() == 0);
        }
    }).join();
}

void locks() {
    mutex m, measured = mutex::measured();
    cancel stop, child = cancel::child(stop);
    {
        hold mine = m.lock(50ms, stop);
        CHECK(mine && !m.try_lock());
        THROWS(m.lock(), QZ_ERR_DEADLOCK);
        CHECK(m.try_free() == QZ_ERR_BUSY);
        mine.pass_on();
        THROWS(m.lock(-1ms), QZ_ERR_INVALID_ARGUMENT);
        THROWS(m.lock(5ms), QZ_ERR_TIMEOUT);
        stop.request_after(5ms);
        THROWS(m.lock(infinite, stop), QZ_ERR_CANCELLED);
        stop.request();
        child.wait();
        THROWS(cancel().wait(1ms), QZ_ERR_TIMEOUT);
        CHECK(mine.give_back() == QZ_OK);
        THROWS(mine.pass_on(), QZ_ERR_NULL);
    }
    CHECK(m.try_lock());
    { hold mine = measured.lock(); }
    CHECK(measured.stats().acquisitions == 1);
    THROWS(m.stats(), QZ_ERR_INVALID_ARGUMENT);
    m.set_label("lock");
    CHECK(std::strcmp(m.info().label, "lock") == 0);
    CHECK(m.occupants(nullptr, 0) == 0);
    int ended = 0;
    CHECK(m.on_freed([&ended] { ended++; }) == QZ_OK);
    THROWS(m.wait_freed(1ms), QZ_ERR_TIMEOUT);
    CHECK(m.free(2s) == QZ_OK && ended == 1 && m.free() == QZ_ALREADY_FREED);
    CHECK(m.try_free() == QZ_ALREADY_FREED);
    m.wait_freed();
    THROWS(m.lock(), QZ_ERR_FREED);
    THROWS(m.try_lock(), QZ_ERR_FREED);
    THROWS(m.info(), QZ_ERR_FREED);
    THROWS(m.occupants(nullptr, 0), QZ_ERR_FREED);
    THROWS(m.set_label("x"), QZ_ERR_FREED);
    THROWS(mutex(nullptr).on_freed([] {}), QZ_ERR_NULL);
    THROWS(mutex_ref().lock(), QZ_ERR_NULL);
    THROWS(cancel(nullptr).request(), QZ_ERR_NULL);
    THROWS(cancel(nullptr).request_after(1s), QZ_ERR_NULL);
    THROWS(cancel::child(cancel(nullptr)), QZ_ERR_BAD_HANDLE);
}

void permits() {
    THROWS(semaphore(2, 1), QZ_ERR_INVALID_ARGUMENT);
    semaphore s(2, 3);
    hold both = s.acquire(2);
    CHECK(both && !s.try_acquire() && s.available() == 0);
    s.add(1);
    THROWS(s.add(1), QZ_ERR_LIMIT);
    CHECK(s.try_acquire());
    CHECK(s.forget(5) == 1);
    THROWS(s.acquire(1, 5ms), QZ_ERR_TIMEOUT);
    THROWS(s.try_acquire(9), QZ_ERR_INVALID_ARGUMENT);
    s.free(0ms);
    THROWS(s.available(), QZ_ERR_FREED);
    THROWS(s.forget(1), QZ_ERR_FREED);
}

void kinds_that_wait() {
    rwlock l;
    {
        hold reads = l.read(0ms);
        CHECK(reads && l.try_read() && !l.try_write());
        THROWS(l.write(1s), QZ_ERR_DEADLOCK);
    }
    {
        write_hold writes = l.try_write();
        CHECK(writes && !l.try_read());
        THROWS(l.read(), QZ_ERR_DEADLOCK);
        hold reads = std::move(writes).downgrade();
        CHECK(reads && !writes && l.try_read());
        THROWS(std::move(writes).downgrade(), QZ_ERR_NULL);
    }
    CHECK(l.write());
    THROWS(barrier(1U << 30U), QZ_ERR_INVALID_ARGUMENT);
    barrier alone(1), both(2);
    CHECK(alone.wait());
    THROWS(both.wait(5ms), QZ_ERR_TIMEOUT);
    notify n;
    n.notify_all();
    THROWS(n.wait(5ms), QZ_ERR_TIMEOUT);
    n.notify_one();
    n.wait();
    n.free();
    THROWS(n.notify_one(), QZ_ERR_FREED);
    THROWS(n.notify_all(), QZ_ERR_FREED);
}

void files() {
    const std::string path = "/tmp/quiescent-hpp-throwing-" + std::to_string(getpid());
#if __cplusplus >= 201703L
    const filelock f{std::filesystem::path(path)};
#else
    const filelock f(path);
#endif
    const filelock other(path.c_str(), QZ_FILELOCK_SIDECAR);
    {
        hold mine = f.acquire();
        CHECK(!other.try_acquire() && !other.try_acquire_shared());
        THROWS(other.acquire(5ms), QZ_ERR_DEADLOCK);
        CHECK(other.holder().process == static_cast<std::uint64_t>(getpid()));
    }
    {
        hold mine = f.acquire_shared();
        CHECK(other.try_acquire_shared() && !other.try_acquire());
    }
    CHECK(std::remove(path.c_str()) == 0);
    try {
        filelock never("/dev/null/x");
        give_up(__FILE__, __LINE__, "opened");
    } catch (const error &e) {
        CHECK(e.status() == QZ_ERR_IO && e.os_error() == ENOTDIR);
    }
    f.free();
    THROWS(f.holder(), QZ_ERR_FREED);
}

void what_is_made() {
    once<thing> c;
    CHECK(c.try_get() == nullptr && !c.try_hold());
    CHECK(c.get_or_init([] { return thing(); }, 1s).value == 7);
    CHECK(c.try_get() == c.try_hold().get() && c.try_get()->value == 7);
    THROWS(c.set(std::make_unique<thing>()), QZ_ERR_LIMIT);
    c = once<thing>();
    c.set(std::make_unique<thing>());
    c.free();
    THROWS(c.try_get(), QZ_ERR_FREED);
    THROWS(c.try_hold(), QZ_ERR_FREED);
    THROWS(c.get_or_init([] { return thing(); }), QZ_ERR_FREED);
    THROWS(pool<thing>({0}, [] { return thing(); }), QZ_ERR_INVALID_ARGUMENT);
    THROWS(pool<thing>({1}, std::unique_ptr<pool_factory<thing>>()), QZ_ERR_NULL);
#if __cplusplus >= 202002L
    pool<thing> p({.max_size = 2, .wait_timeout = 5ms}, [] { return thing(); });
#else
    pool_config sizes{2};
    sizes.wait_timeout = 5ms;
    pool<thing> p(sizes, [] { return thing(); });
#endif
    CHECK(!p.try_acquire() && p.warm_up(1) == 1 && p.try_acquire()->value == 7);
    {
        pooled<thing> first = p.acquire(), second = p.acquire();
        THROWS(p.acquire(), QZ_ERR_TIMEOUT);
        const std::unique_ptr<thing> out = std::move(first).detach();
        CHECK(out->value == 7 && std::move(second).discard() == QZ_OK);
        THROWS(std::move(first).detach(), QZ_ERR_NULL);
        THROWS(pooled<thing>(reinterpret_cast<qz_hold *>(out.get()), out.get()).discard(), QZ_ERR_BAD_HANDLE);
    }
    CHECK(p.stats().detached == 1 && p.stats().size == 0);
    CHECK(p.maintain().count() == QZ_INFINITE);
    p.free();
    THROWS(p.acquire(), QZ_ERR_FREED);
    THROWS(p.try_acquire(), QZ_ERR_FREED);
    THROWS(p.warm_up(1), QZ_ERR_FREED);
    THROWS(p.maintain(), QZ_ERR_FREED);
    THROWS(p.stats(), QZ_ERR_FREED);
}

void objects() {
    THROWS(handle<thing>(std::unique_ptr<thing>()), QZ_ERR_NULL);
    int closes = 0;
    handle<thing> h(std::make_unique<thing>(), [&closes](thing &t) { closes += t.value; });
    const handle_ref<thing> r = h;
    CHECK(r.enter("use")->value == 7 && r.hold()->value == 7);
    {
        entry<thing> inside = r.enter();
        typed_hold<thing> taken = r.hold("keep");
        taken.pass_on();
        CHECK(h.free(0ms) == QZ_FREE_PENDING && closes == 7 && inside->value + taken->value == 14);
    }
    THROWS(r.enter("use"), QZ_ERR_FREED);
    THROWS(r.hold(), QZ_ERR_FREED);
    THROWS(typed_hold<thing>().pass_on(), QZ_ERR_NULL);
#if __cplusplus >= 201703L
    handle deduced(std::make_unique<thing>());
    static_assert(std::is_same_v<decltype(deduced), handle<thing>>);
#endif
    CHECK(handle<thing>::kind().close() == 0);
    THROWS(handle<thing>(std::make_unique<thing>()), QZ_ERR_FREED);
    // What the caller's own code throws leaves the operation.
    struct other {};
    handle<other> o(std::make_unique<other>());
    try {
        entry<other> inside = o.enter();
        throw 5;
    } catch (int) {
        CHECK(o.info().in_flight == 0);
    }
}

void embedded_ones() {
    static guard g;
    {
        guard::entry inside = g.enter();
        THROWS(g.begin_free(5ms), QZ_ERR_TIMEOUT);
        THROWS(g.enter(), QZ_ERR_FREED);
    }
    CHECK(g.wait_drained() == QZ_OK && g.begin_free() == QZ_ALREADY_FREED);
    rundown r;
    cache_aware_rundown c;
    { auto references = std::make_pair(r.acquire(2), c.acquire(2)); }
    THROWS(r.re_init(), QZ_ERR_BUSY);
    THROWS(c.re_init(), QZ_ERR_BUSY);
    r.wait();
    c.wait();
    THROWS(r.acquire(), QZ_ERR_FREED);
    THROWS(c.acquire(), QZ_ERR_FREED);
    r.re_init();
    c.re_init();
    rundown::reference one = r.acquire();
    cache_aware_rundown::reference other = c.acquire();
    THROWS(r.wait(5ms), QZ_ERR_TIMEOUT);
    THROWS(c.wait(5ms), QZ_ERR_TIMEOUT);
    kind k("raw");
    CHECK(k.close() == 0);
    THROWS(kind(nullptr, nullptr), QZ_ERR_NULL);
    THROWS(kind(static_cast<qz_kind *>(nullptr)).close(), QZ_ERR_NULL);
}

void results() {
    semaphore s(1, 1);
    result<hold> taken = s.acquire(std::nothrow), refused = s.try_acquire(std::nothrow);
    CHECK(taken.value() && taken.status() == QZ_OK);
    THROWS(refused.value(), QZ_ERR_BUSY);
    THROWS(s.add(std::nothrow, 1).value(), QZ_ERR_LIMIT);
    hold mine = std::move(taken).value();
    CHECK(mine && !*taken);
}

} // namespace

void throwing() {
    RUN(an_error_says_why);
    RUN(locks);
    RUN(permits);
    RUN(kinds_that_wait);
    RUN(files);
    RUN(what_is_made);
    RUN(objects);
    RUN(embedded_ones);
    RUN(results);
}
