// quiescent.hpp: the form that throws, of every operation.
#include "hpp_check.hpp"

#include <thread>

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
    RUN(objects);
    RUN(embedded_ones);
    RUN(results);
}
