// quiescent.hpp: exceptions that leave the caller's functions never reach a C frame.
#include "hpp_check.hpp"

#include <typeinfo>

void callbacks();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;

struct stubborn {
    void on_close() { throw 1; }
    ~stubborn() noexcept(false) { throw 2; }
};

struct thing {};

void they_are_swallowed_and_counted() {
    std::uint64_t before = swallowed_exceptions();
    handle<stubborn> h(std::make_unique<stubborn>());
    {
        entry<stubborn> inside = h.enter();
        CHECK(h.free(0ms) == QZ_FREE_PENDING);
        CHECK(swallowed_exceptions() == before + 1); // on_close
    }
    CHECK(swallowed_exceptions() == before + 2); // the destructor
    h.wait_freed(0ms);

    before = swallowed_exceptions();
    auto end = [](thing *t) {
        delete t;
        throw 3;
    };
    { handle<thing> ends(std::unique_ptr<thing, decltype(end)>(new thing, end)); }
    CHECK(swallowed_exceptions() == before + 1);

    mutex m;
    int later = 0;
    m.on_freed([] { throw 4; });
    m.on_freed([&later] { later++; });
    CHECK(m.free() == QZ_OK && later == 1);
    CHECK(m.on_freed([] { throw 5; }) == QZ_ALREADY_FREED); // called at once
    CHECK(swallowed_exceptions() == before + 3);
}

void an_initialiser_may_throw() {
    const std::uint64_t before = swallowed_exceptions();
    once<int> c;
    bool caught = false;
    try {
        c.get_or_init([]() -> int { throw std::string("mine"); });
    } catch (const std::string &what) {
        caught = what == "mine";
    }
    CHECK(caught && c.try_get() == nullptr && swallowed_exceptions() == before);
    // Also through two calls.
    once<int> outer;
    THROWS(outer.get_or_init([&c]() -> int {
        return c.get_or_init([]() -> int { throw error(failure(QZ_ERR_LIMIT, "enough")); });
    }),
           QZ_ERR_LIMIT);
    CHECK(swallowed_exceptions() == before);
    // In the form that does not throw its words are the failure's.
    auto refuse = [&c](const std::exception &e, qz_status status) {
        result<int *> refused = c.get_or_init(std::nothrow, [&e]() -> int {
            if (auto *own = dynamic_cast<const error *>(&e)) throw *own;
            if (dynamic_cast<const std::bad_alloc *>(&e)) throw std::bad_alloc();
            throw std::runtime_error(e.what());
        });
        EXPECT(refused, status);
        CHECK(std::strcmp(refused.error().words(), e.what()) == 0 || std::strstr(e.what(), refused.error().words()));
        CHECK(refused.error().thrown());
        try {
            static_cast<void>(refused.value());
        } catch (const std::exception &original) {
            CHECK(typeid(original) == typeid(e) && std::strcmp(original.what(), e.what()) == 0);
            return;
        }
        give_up(__FILE__, __LINE__, "it has a value");
    };
    refuse(std::runtime_error("no such table"), QZ_ERR_IO);
    refuse(std::bad_alloc(), QZ_ERR_NO_MEMORY);
    refuse(error(failure(QZ_ERR_BUSY, "later")), QZ_ERR_BUSY);
    EXPECT(c.get_or_init(std::nothrow, []() -> int { throw 1; }), QZ_ERR_IO);
    EXPECT(c.get_or_init(std::nothrow, []() -> int { throw error(failure(QZ_OK, "?")); }), QZ_ERR_INVALID_ARGUMENT);
    CHECK(swallowed_exceptions() == before);
    // What C refuses by itself is no exception of anybody's.
    CHECK(!c.get_or_init(std::nothrow, [] { return 7; }, -1ms).error().thrown());
    // The next one comes to it.
    CHECK(c.get_or_init([] { return 7; }) == 7);
    // What a value's destructor throws has no caller.
    { once<stubborn>().set(std::make_unique<stubborn>()); }
    CHECK(swallowed_exceptions() == before + 1);
}

struct throwing_factory final : pool_factory<thing> {
    result<owned> create(timeout) override {
        if (++creations % 2 == 0) throw std::runtime_error("no such host");
        return std::make_unique<thing>();
    }
    bool check(thing &) override { throw 1; }
    bool recycle(thing &) override {
        if (recycles_well) return true;
        throw 2;
    }
    void destroy(owned, qz_pool_reason) override { throw 3; }
    int creations = 0;
    bool recycles_well = false;
};

void a_factory_may_throw() {
    const std::uint64_t before = swallowed_exceptions();
    auto made_by = std::make_unique<throwing_factory>();
    throwing_factory *factory = made_by.get();
    pool<thing> p({3}, std::move(made_by));
    {
        pooled<thing> mine = p.acquire();
        bool caught = false;
        try {
            pooled<thing> never = p.acquire();
        } catch (const std::runtime_error &e) {
            caught = std::strcmp(e.what(), "no such host") == 0;
        }
        CHECK(caught && p.stats().not_created == 1 && swallowed_exceptions() == before);
    }
    CHECK(swallowed_exceptions() == before + 2 && p.stats().destroyed_unhealthy == 1); // recycle, destroy
    factory->recycles_well = true;
    { pooled<thing> third = p.acquire(); }
    CHECK(p.stats().idle == 1);
    result<pooled<thing>> refused = p.acquire(std::nothrow); // check, destroy, create
    EXPECT(refused, QZ_ERR_IO);
    CHECK(std::strcmp(refused.error().words(), "no such host") == 0 && refused.error().thrown());
    CHECK(swallowed_exceptions() == before + 4);
    // A warm-up that goes on swallows what it goes on after; what ends it is thrown.
    CHECK(p.warm_up(3, QZ_POOL_BEST_EFFORT) == 2 && swallowed_exceptions() == before + 5);
    bool caught = false;
    try {
        p.warm_up(3);
    } catch (const std::runtime_error &) {
        caught = true;
    }
    CHECK(caught && factory->creations == 8 && swallowed_exceptions() == before + 5);
    // From C nobody hears of it.
    pool<thing> alone({1}, []() -> thing { throw 4; });
    void *resource = nullptr;
    qz_hold *taken = nullptr;
    const std::uint64_t by_then = swallowed_exceptions();
    EXPECT(qz_pool_acquire(alone.get(), 1000, nullptr, &resource, &taken), QZ_ERR_IO);
    CHECK(swallowed_exceptions() == by_then + 1);
    // A refusal of another kind is not the exception's.
    cancel stop;
    pool<thing> cancelled({2}, [&stop]() -> thing {
        stop.request();
        throw 5;
    });
    THROWS(cancelled.warm_up(2, QZ_POOL_BEST_EFFORT, infinite, stop), QZ_ERR_CANCELLED);
    CHECK(swallowed_exceptions() == by_then + 2);
}

} // namespace

void callbacks() {
    RUN(they_are_swallowed_and_counted);
    RUN(an_initialiser_may_throw);
    RUN(a_factory_may_throw);
}
