// quiescent.hpp: what a function throws that an asynchronous call runs arrives where that call's answer is taken, and
// nowhere else.
#include "hpp_completions.hpp"

#include <string>
#include <thread>

void carried();

namespace {

std::atomic<int> alive{0}; // exceptions

struct oops {
    explicit oops(int n) : number(n) { ++alive; }
    oops(const oops &other) : number(other.number) { ++alive; }
    oops &operator=(const oops &) = delete;
    ~oops() { --alive; }
    int number;
};

// The number of what `throws()` throws; -1: it does not.
template <class F> int number_of(F throws) {
    try {
        throws();
    } catch (const oops &e) {
        return e.number;
    }
    return -1;
}
template <class T> int number_of(result<T> &answer) {
    return number_of([&answer] { static_cast<void>(answer.value()); });
}

// A pool of one that throws 1, 2 and so on, but for those that `makes` names.
pool<thing> failing(int makes = 0) {
    int creations = 0;
    return pool<thing>({1}, [creations, makes]() mutable {
        if (++creations != makes) throw oops(creations);
        return thing();
    });
}

void of_an_initialiser() {
    const std::uint64_t before = swallowed_exceptions();
    backend b;
    once<thing> c;
    completions over;
    int told = 0;
    c.get_or_init_async(b, []() -> thing { throw oops(1); }, [&told](result<thing *> made) {
        EXPECT(made, QZ_ERR_IO);
        CHECK(made.error().thrown() && number_of([&made] { made.error().raise(); }) == 1);
        told = number_of(made);
    });
    run(b);
    CHECK(told == 1 && alive == 0);
    // What the function does not catch is thrown by the poll, as it was.
    c.get_or_init_async(b, []() -> thing { throw oops(2); }, [](result<thing *> made) { made.value(); });
    CHECK(number_of([&] { b.poll(over); }) == 2 && alive == 0);
    // An answer may be kept.
    std::unique_ptr<result<thing *>> kept;
    c.get_or_init_async(b, []() -> thing { throw std::runtime_error("no such table"); }, [&kept](result<thing *> made) {
        CHECK(std::strcmp(made.error().words(), "no such table") == 0);
        kept = std::make_unique<result<thing *>>(std::move(made));
    });
    run(b);
    try {
        static_cast<void>(kept->value());
        give_up(__FILE__, __LINE__, "made");
    } catch (const std::runtime_error &e) {
        CHECK(std::strcmp(e.what(), "no such table") == 0);
    }
    // A refusal of the library's is an error.
    cancel stop;
    stop.request();
    c.get_or_init_async(b, []() -> thing { throw oops(3); }, [](result<thing *> made) {
        CHECK(!made.error().thrown());
        THROWS(made.value(), QZ_ERR_CANCELLED);
    }, infinite, stop);
    run(b);
    CHECK(swallowed_exceptions() == before && alive == 0);
}

// Several wait for one that makes it: each initialiser that is called throws for its own call alone.
void of_the_one_whose_initialiser_it_was() {
    const std::uint64_t before = swallowed_exceptions();
    backend b;
    once<thing> c;
    int told[4] = {-2, -2, -2, -2};
    const auto note = [&told](int i) {
        return [&told, i](result<thing *> made) { told[i] = made ? (*made)->value : number_of(made); };
    };
    std::atomic<bool> begun{false}, waited{false};
    std::thread first([&] {
        told[0] = number_of([&] {
            c.get_or_init([&]() -> thing {
                begun = true;
                while (!waited) sleep_ms(1);
                throw oops(100);
            });
        });
    });
    while (!begun) sleep_ms(1);
    c.get_or_init_async(b, []() -> thing { throw oops(101); }, note(1));
    c.get_or_init_async(b, [] { return thing{102}; }, note(2));
    c.get_or_init_async(b, []() -> thing { throw oops(103); }, note(3));
    waited = true;
    run(b);
    first.join();
    CHECK_SAY(told[0] == 100 && told[1] == 101 && told[2] == 102 && told[3] == 102, "%d %d %d", told[0], told[1], told[2]);
    CHECK(swallowed_exceptions() == before && alive == 0);
}

// In the submission, and in a poll for one of those that wait.
void of_a_pool() {
    const std::uint64_t before = swallowed_exceptions();
    backend b;
    pool<thing> p = failing(2);
    int told[4] = {-2, -2, -2, -2};
    const auto note = [&told](int i) {
        return [&told, i](result<pooled<thing>> lent) { told[i] = lent.error().thrown() ? number_of(lent) : lent.status(); };
    };
    p.acquire_async(b, note(0));
    run(b);
    CHECK(told[0] == 1);
    pooled<thing> mine = p.acquire();
    for (int i = 1; i < 4; i++) p.acquire_async(b, note(i), i == 2 ? timeout(0ms) : timeout(infinite));
    CHECK(std::move(mine).discard() == QZ_OK);
    completions over;
    while (b.pending() > 0) std::thread([&] { b.poll(over, 100ms); }).join();
    CHECK_SAY(told[1] == 3 && told[2] == QZ_ERR_TIMEOUT && told[3] == 4, "%d %d %d", told[1], told[2], told[3]);
    CHECK(swallowed_exceptions() == before && alive == 0);
}

void of_a_completion_with_user_data() {
    const std::uint64_t before = swallowed_exceptions();
    int session = 0;
    std::vector<void *> discarded;
    pool<thing> p = failing(2);
    {
        backend b([&discarded](void *mine) { discarded.push_back(mine); });
        completions over;
        p.acquire_async(b, user_data(&session));
        CHECK(b.poll(over) == 1 && over.size() == 1 && over[0].user_data() == &session && !over[0]);
        CHECK(over[0].status() == QZ_ERR_IO && over[0].error().thrown());
        CHECK(number_of([&over] { over[0].error().raise(); }) == 1 && alive == 1);
        over.clear();
        CHECK(alive == 0);
        p.acquire_async(b, user_data(&session));
        CHECK(b.poll(over) == 1 && over[0] && over[0].object<thing>()->value == 7 && over[0].user_data() == &session);
        p.acquire_async(b, user_data(&session), 0ms);
        hold taken = std::move(over[0]).taken();
        CHECK(b.poll(over) == 1);
        THROWS(over[0].error().raise(), QZ_ERR_TIMEOUT);
        taken.reset();
        out_of_memory() = true;
        EXPECT(p.acquire_async(nothrow, b, user_data(&session)), QZ_ERR_NO_MEMORY);
        out_of_memory() = false;
        EXPECT(p.acquire_async(nothrow, b, user_data(&session), -1ms), QZ_ERR_INVALID_ARGUMENT);
        EXPECT(p.acquire_async(nothrow, b, user_data(reinterpret_cast<char *>(&session) + 1)), QZ_ERR_INVALID_ARGUMENT);
        CHECK(b.pending() == 0 && swallowed_exceptions() == before);
        // Under way, and over but not collected.
        pool<thing> always = failing();
        pooled<thing> mine = p.acquire();
        p.acquire_async(b, user_data(&session));
        always.acquire_async(b, user_data(nullptr));
        CHECK(alive == 1 && discarded.empty());
    }
    CHECK(discarded.size() == 2 && discarded[0] != discarded[1]);
    CHECK((discarded[0] == &session || discarded[1] == &session) && alive == 0);
    CHECK(swallowed_exceptions() == before + 1);
}

void what_nobody_collects_is_destroyed_and_counted() {
    const std::uint64_t before = swallowed_exceptions();
    once<thing> c;
    pool<thing> p = failing();
    {
        backend b;
        c.get_or_init_async(b, []() -> thing { throw oops(1); }, [](result<thing *>) { CHECK(false); });
        p.acquire_async(b, [](result<pooled<thing>>) { CHECK(false); });
        CHECK(alive == 2);
    }
    CHECK(alive == 0 && swallowed_exceptions() == before + 2);
    // Told, and nobody asked: that is the function's own affair.
    backend b;
    p.acquire_async(b, [](result<pooled<thing>> lent) { EXPECT(lent, QZ_ERR_IO); });
    run(b);
    // Of a call that was made in C.
    completions over;
    int session = 0;
    EXPECT(qz_pool_acquire_async(p.get(), 0, nullptr, b.get(), &session), QZ_OK);
    CHECK(swallowed_exceptions() == before + 3 && b.poll(over) == 1 && over[0].status() == QZ_ERR_IO);
    CHECK(alive == 0 && !over[0].error().thrown());
}

// Of a call inside of another's function: not the outer one's.
void of_the_call_that_is_nested() {
    const std::uint64_t before = swallowed_exceptions();
    backend b;
    pool<thing> inner = failing(1);
    int tries = 0;
    pool_config sizes{2};
    sizes.min_size = 2;
    pool<thing> outer(sizes, [&]() -> thing {
        if (tries++ == 0) throw oops(50);
        int told = 0;
        const auto note = [&told](result<pooled<thing>> lent) { told = number_of(lent); };
        pooled<thing> first = inner.acquire();
        inner.acquire_async(b, note);
        CHECK(std::move(first).discard() == QZ_OK && told == 0);
        run(b); // makes it, for the one that waited
        CHECK(told == 2);
        inner.acquire_async(b, note); // the submission does
        run(b);
        CHECK(told == 3);
        return thing();
    });
    CHECK(number_of([&outer] { outer.warm_up(2, QZ_POOL_REQUIRE_MINIMUM); }) == 50 && tries == 2);
    CHECK(swallowed_exceptions() == before);
    // And what a function does in C is nobody's: here the outer call is over by its own refusal.
    pool<thing> around({1}, [&inner]() -> result<std::unique_ptr<thing>> {
        void *resource = nullptr;
        qz_hold *taken = nullptr;
        EXPECT(qz_pool_acquire(inner.get(), 1000, nullptr, &resource, &taken), QZ_ERR_IO);
        return failure(QZ_ERR_IO, "not mine");
    });
    around.acquire_async(b, [](result<pooled<thing>> lent) {
        CHECK(!lent.error().thrown() && std::strcmp(lent.error().words(), "not mine") == 0);
    });
    run(b);
    CHECK(!around.acquire(nothrow).error().thrown());
    CHECK(swallowed_exceptions() == before + 2 && alive == 0);
    // Nor is it why the outer call is refused for a reason of its own.
    cancel stop;
    pool<thing> cancelled({1}, []() -> thing { throw error(failure(QZ_ERR_CANCELLED, "another's")); });
    pool<thing> warm({2}, [&cancelled, &stop] {
        void *resource = nullptr;
        qz_hold *taken = nullptr;
        EXPECT(qz_pool_acquire(cancelled.get(), 1000, nullptr, &resource, &taken), QZ_ERR_CANCELLED);
        stop.request();
        return thing();
    });
    result<std::uint32_t> warmed = warm.warm_up(nothrow, 2, QZ_POOL_FAIL, infinite, stop);
    EXPECT(warmed, QZ_ERR_CANCELLED);
    CHECK(!warmed.error().thrown() && swallowed_exceptions() == before + 3);
    // An initialiser that wants a resource in C: it wants it for no call of the pool's.
    once<thing> c;
    c.get_or_init_async(b, [&inner]() -> thing {
        void *resource = nullptr;
        qz_hold *taken = nullptr;
        EXPECT(qz_pool_acquire(inner.get(), 1000, nullptr, &resource, &taken), QZ_ERR_IO);
        throw oops(60);
    }, [](result<thing *> made) { CHECK(number_of(made) == 60); });
    run(b);
    CHECK(swallowed_exceptions() == before + 4 && alive == 0);
}

// Each of many gets its own, whichever thread submits, polls and creates.
void of_many_on_many_threads() {
    const std::uint64_t before = swallowed_exceptions();
    constexpr int each = 200, threads = 3;
    static thread_local int mine = 0; // what is thrown on this thread
    std::atomic<int> told{0}, submitting{threads};
    {
        pool<thing> p({each * threads}, []() -> thing { throw oops(mine); });
        backend b;
        std::vector<std::thread> submit;
        for (int t = 0; t < threads; t++)
            submit.emplace_back([&, t, r = backend_ref(b)] {
                for (int i = 0; i < each; i++) {
                    mine = t * each + i;
                    p.acquire_async(r, [&told, n = mine](result<pooled<thing>> lent) { told += number_of(lent) == n; });
                }
                --submitting;
            });
        completions over;
        while (submitting > 0 || b.pending() > 0) b.poll(over, 1ms);
        for (std::thread &thread : submit) thread.join();
    }
    CHECK_SAY(told == each * threads, "%d", told.load());
    CHECK(swallowed_exceptions() == before && alive == 0);
}

} // namespace

void carried() {
    RUN(of_an_initialiser);
    RUN(of_the_one_whose_initialiser_it_was);
    RUN(of_a_pool);
    RUN(of_a_completion_with_user_data);
    RUN(what_nobody_collects_is_destroyed_and_counted);
    RUN(of_the_call_that_is_nested);
    RUN(of_many_on_many_threads);
}
