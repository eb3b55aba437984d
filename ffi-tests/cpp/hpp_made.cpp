// quiescent.hpp: once and pool, whose values and resources functions of the caller's make, in the form that does not
// throw.
#include "hpp_check.hpp"

#include <thread>
#include <vector>

void made();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

std::atomic<int> alive{0};

struct thing {
    explicit thing(int v) : value(v) { alive++; }
    thing(thing &&other) noexcept : value(other.value) { alive++; }
    virtual ~thing() { alive--; }
    virtual int kind() const { return 0; }
    int value;
};
struct derived : thing {
    using thing::thing;
    int kind() const override { return 1; }
};

// A deleter of its own.
int ended = 0;
struct end {
    void operator()(const int *value) const {
        ended += *value;
        delete value;
    }
};

static_assert(!std::is_copy_constructible<pooled<thing>>::value, "");
static_assert(std::is_nothrow_move_assignable<pooled<thing>>::value, "");
static_assert(std::is_convertible<pooled<thing>, typed_hold<thing>>::value, "given back like any other");
static_assert(sizeof(once<thing>) == sizeof(qz_once *) && sizeof(pool<thing>) == sizeof(qz_pool *), "");
static_assert(std::is_trivially_copyable<pool_ref<thing>>::value && std::is_trivially_copyable<once_ref<thing>>::value, "");

void a_value_is_made_once() {
    once<thing> c = *once<thing>::make(nothrow);
    EXPECT(c.try_get(nothrow), QZ_ERR_BUSY);
    EXPECT(c.try_hold(nothrow), QZ_ERR_BUSY);
    // By whoever comes first, and all get that one.
    int calls = 0;
    std::vector<std::thread> threads;
    std::atomic<thing *> seen{nullptr};
    for (int i = 0; i < 4; i++)
        threads.emplace_back([r = once_ref<thing>(c), &calls, &seen] {
            thing *mine = *r.get_or_init(nothrow, [&calls] {
                calls++; // plain
                sleep_ms(5);
                return thing(7);
            });
            thing *before = seen.exchange(mine);
            CHECK(mine->value == 7 && (before == nullptr || before == mine));
        });
    for (std::thread &t : threads) t.join();
    CHECK(calls == 1 && alive == 1);
    typed_hold<thing> kept = *c.try_hold(nothrow);
    CHECK(*c.try_get(nothrow) == seen && kept.get() == seen);
    EXPECT(c.free(nothrow, 0ms), QZ_FREE_PENDING);
    EXPECT(c.try_get(nothrow), QZ_ERR_FREED);
    CHECK(alive == 1 && kept->value == 7);
    kept.reset();
    CHECK(alive == 0);
}

void a_value_is_given() {
    once<thing> c = *once<thing>::make(nothrow);
    std::unique_ptr<thing> none, first = std::make_unique<derived>(1), second = std::make_unique<thing>(2);
    EXPECT(c.set(nothrow, std::move(none)), QZ_ERR_NULL);
    CHECK(c.set(nothrow, std::move(first)) && !first);
    EXPECT(c.set(nothrow, std::move(second)), QZ_ERR_LIMIT);
    CHECK(second && second->value == 2 && (*c.try_get(nothrow))->kind() == 1);
    once<int, end> own = *once<int, end>::make(nothrow);
    ended = 0;
    CHECK(own.set(nothrow, std::unique_ptr<int, end>(new int(5))));
    own = *once<int, end>::make(nothrow);
    CHECK(ended == 5);
}

void an_initialiser_may_refuse() {
    once<thing> c = *once<thing>::make(nothrow);
    using made = result<std::unique_ptr<thing>>;
    result<thing *> refused = c.get_or_init(nothrow, [] { return made(failure(QZ_ERR_IO, "the disk is full")); });
    EXPECT(refused, QZ_ERR_IO);
    CHECK(std::strcmp(refused.error().words(), "the disk is full") == 0);
    EXPECT(c.get_or_init(nothrow, [] { return made(failure(QZ_ERR_LIMIT, "enough")); }), QZ_ERR_LIMIT);
    EXPECT(c.get_or_init(nothrow, [] { return std::unique_ptr<thing>(); }), QZ_ERR_NULL);
    EXPECT(c.get_or_init(nothrow, [] { return failure(QZ_OK, "no refusal"); }), QZ_ERR_INVALID_ARGUMENT);
    // It asks for its own value.
    auto of_itself = [&c] { return made(c.get_or_init(nothrow, [] { return thing(1); }).error()); };
    EXPECT(c.get_or_init(nothrow, of_itself), QZ_ERR_DEADLOCK);
    out_of_memory() = true;
    result<thing *> none = c.get_or_init(nothrow, [] { return thing(1); });
    out_of_memory() = false;
    EXPECT(none, QZ_ERR_NO_MEMORY);
    EXPECT(c.get_or_init(nothrow, [] { return thing(1); }, -1ms), QZ_ERR_INVALID_ARGUMENT);
    // The next one comes to it. One that is not const, and may be called once.
    auto init = [taken = std::make_unique<derived>(3)]() mutable { return std::move(taken); };
    CHECK((*c.get_or_init(nothrow, init))->value == 3 && alive == 1);
    CHECK((*c.get_or_init(nothrow, [] { return thing(1); }))->value == 3);
    once<thing> other = std::move(c);
    EXPECT(c.get_or_init(nothrow, [] { return thing(1); }), QZ_ERR_NULL);
    // A wait for somebody else's.
    once<thing> slow = *once<thing>::make(nothrow);
    std::atomic<bool> began{false}, may_end{false};
    std::thread makes([r = once_ref<thing>(slow), &began, &may_end] {
        CHECK(r.get_or_init(nothrow, [&began, &may_end] {
            began = true;
            while (!may_end) sleep_ms(1);
            sleep_ms(20);
            return thing(4);
        }));
    });
    while (!began) sleep_ms(1);
    EXPECT(slow.set(nothrow, std::make_unique<thing>(1)), QZ_ERR_BUSY);
    EXPECT_AFTER(slow.get_or_init(nothrow, [] { return thing(1); }, 10ms), QZ_ERR_TIMEOUT, 10);
    may_end = true;
    CHECK((*slow.get_or_init(nothrow, [] { return thing(1); }))->value == 4);
    makes.join();
}

// All of a factory.
struct counts {
    int created = 0, checked = 0, recycled = 0, destroyed = 0, factories = 0;
    qz_pool_reason reason = QZ_POOL_IDLE;
    timeout told = infinite;
    bool is_fit = true, is_clean = true;
};
struct factory final : pool_factory<thing> {
    explicit factory(counts &c) : seen(c) { seen.factories++; }
    ~factory() override { seen.factories--; }
    result<owned> create(timeout t) override {
        seen.told = t;
        return std::make_unique<thing>(++seen.created);
    }
    bool check(thing &t) override { return seen.checked++, t.value > 0 && seen.is_fit; }
    bool recycle(thing &t) override { return seen.recycled++, t.value > 0 && seen.is_clean; }
    void destroy(owned resource, qz_pool_reason reason) override {
        CHECK(resource->value > 0);
        seen.destroyed++;
        seen.reason = reason;
    }
    counts &seen;
};

pool_config sizes(std::uint32_t max_size) {
    pool_config c{max_size};
    c.create_timeout = 3s;
    return c;
}

void a_resource_is_used_again() {
    counts seen;
    pool<thing> p = *pool<thing>::make(nothrow, sizes(2), std::make_unique<factory>(seen));
    thing *first = nullptr;
    {
        pooled<thing> mine = *p.acquire(nothrow);
        first = mine.get();
        CHECK(mine->value == 1 && (*mine).kind() == 0 && seen.told.count() > 2000 && seen.told.count() <= 3000);
        EXPECT(p.try_acquire(nothrow), QZ_ERR_BUSY); // makes none
        qz_occupant who{};
        CHECK(*p.occupants(nothrow, &who, 1) == 1 && who.is_hold == 1);
    }
    CHECK(seen.recycled == 1);
    pooled<thing> mine = *p.try_acquire(nothrow), other = *p.acquire(nothrow, 0ms + 1s);
    CHECK(mine.get() == first && seen.checked == 1 && seen.created == 2);
    EXPECT_AFTER(p.acquire(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
    cancel stop = *cancel::make(nothrow);
    CHECK(stop.request(nothrow));
    EXPECT(p.acquire(nothrow, infinite, stop), QZ_ERR_CANCELLED);
    // On another thread.
    CHECK(mine.pass_on(nothrow));
    std::thread([moved = std::move(mine)] { CHECK(moved->value == 1); }).join();
    CHECK(!mine && p.stats(nothrow)->idle == 1);
    // Not fit any more.
    seen.is_fit = false;
    EXPECT(p.try_acquire(nothrow), QZ_ERR_BUSY);
    CHECK(seen.destroyed == 1 && seen.reason == QZ_POOL_UNHEALTHY);
    seen.is_clean = false;
    other.reset();
    CHECK(seen.destroyed == 2 && alive == 0);
    CHECK(p.stats(nothrow)->destroyed_unhealthy == 2 && p.stats(nothrow)->size == 0);
    // The factory goes after the pool.
    mine = *p.acquire(nothrow);
    EXPECT(p.free(nothrow, 0ms), QZ_FREE_PENDING);
    CHECK(seen.factories == 1);
    mine.reset();
    CHECK(seen.factories == 0 && seen.destroyed == 3 && seen.reason == QZ_POOL_CLOSING && alive == 0);
    EXPECT(p.acquire(nothrow), QZ_ERR_FREED);
}

void a_resource_leaves_the_pool() {
    counts seen;
    pool<thing> p = *pool<thing>::make(nothrow, sizes(1), std::make_unique<factory>(seen));
    const std::uint64_t before = misuses();
    std::unique_ptr<thing> out = *(*p.acquire(nothrow)).detach(nothrow);
    CHECK(misuses() == before); // what was a hold of it is not released, too
    CHECK(out->value == 1 && p.stats(nothrow)->detached == 1 && seen.destroyed == 0);
    pooled<thing> broken = *p.acquire(nothrow);
    CHECK(broken->value == 2);
    EXPECT(std::move(broken).discard(nothrow), QZ_OK);
    CHECK(!broken && seen.destroyed == 1 && seen.reason == QZ_POOL_UNHEALTHY && seen.recycled == 0);
    EXPECT(std::move(broken).discard(nothrow), QZ_OK); // nothing is left
    EXPECT(std::move(broken).detach(nothrow), QZ_ERR_NULL);
    // After a refusal it is what it was.
    mutex m = *mutex::make(nothrow);
    hold locked = *m.lock(nothrow);
    pooled<thing> none(locked.release(), out.get());
    EXPECT(std::move(none).detach(nothrow), QZ_ERR_WRONG_KIND);
    CHECK(none.get() == out.get());
    none.reset();
    CHECK(m.try_lock(nothrow));
    // A pooled resource is a hold.
    typed_hold<thing> kept = *p.acquire(nothrow);
    CHECK(kept->value == 3);
}

void a_pool_is_prepared_and_tended() {
    counts seen;
    pool_config c = sizes(3);
    c.min_size = 1;
    c.idle_timeout = 1ms;
    pool<thing> p = *pool<thing>::make(nothrow, c, std::make_unique<factory>(seen));
    CHECK(*p.warm_up(nothrow, 3) == 3 && seen.created == 3);
    sleep_ms(5);
    const result<timeout> next = p.maintain(nothrow);
    CHECK(next && seen.destroyed == 2 && seen.reason == QZ_POOL_IDLE && p.stats(nothrow)->size == 1);
    CHECK(next->count() >= 0);
    cancel stop = *cancel::make(nothrow);
    CHECK(stop.request(nothrow));
    EXPECT(p.warm_up(nothrow, 3, QZ_POOL_BEST_EFFORT, infinite, stop), QZ_ERR_CANCELLED);
    c = sizes(1);
    c.max_lifetime = 1h;
    pool<thing> old = *pool<thing>::make(nothrow, c, [] { return thing(1); });
    CHECK(old.warm_up(nothrow, 1) && old.maintain(nothrow)->count() > 3500000);
    old = *pool<thing>::make(nothrow, {1}, [] { return thing(1); });
    CHECK(old.maintain(nothrow)->count() == QZ_INFINITE); // nothing goes by the time
    old.reset();
    EXPECT(old.maintain(nothrow), QZ_ERR_NULL);
    EXPECT(old.stats(nothrow), QZ_ERR_NULL);
}

void a_pool_says_why_it_has_none() {
    using made = result<std::unique_ptr<thing>>;
    int tries = 0;
    auto never = [&tries] { return tries++, made(failure(QZ_ERR_LIMIT, "no more licences")); };
    pool<thing> p = *pool<thing>::make(nothrow, sizes(2), never);
    result<pooled<thing>> refused = p.acquire(nothrow);
    EXPECT(refused, QZ_ERR_LIMIT); // in C it would be QZ_ERR_IO
    CHECK(std::strcmp(refused.error().words(), "no more licences") == 0);
    EXPECT(p.warm_up(nothrow, 2), QZ_ERR_LIMIT);
    CHECK(*p.warm_up(nothrow, 2, QZ_POOL_BEST_EFFORT) == 0 && tries == 4);
    // A refusal that is not create's has its own words.
    EXPECT(p.acquire(nothrow, -1ms), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(pool<thing>::make(nothrow, pool_config{0}, never), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(pool<thing>::make(nothrow, sizes(1), std::unique_ptr<pool_factory<thing>>()), QZ_ERR_NULL);
    out_of_memory() = true;
    result<pool<thing>> none = pool<thing>::make(nothrow, sizes(1), never);
    out_of_memory() = false;
    EXPECT(none, QZ_ERR_NO_MEMORY);
    pool<thing> small = *pool<thing>::make(nothrow, sizes(1), [] { return thing(1); });
    out_of_memory() = true;
    result<pooled<thing>> too_small = small.acquire(nothrow);
    out_of_memory() = false;
    EXPECT(too_small, QZ_ERR_NO_MEMORY);
    EXPECT(pool_ref<thing>().acquire(nothrow), QZ_ERR_NULL);
    EXPECT(pool_ref<thing>().try_acquire(nothrow), QZ_ERR_NULL);
    // Inside another pool's create: each keeps its own words.
    pool<thing> outer = *pool<thing>::make(nothrow, sizes(1), [r = pool_ref<thing>(p)](timeout t) {
        CHECK(t.count() > 0);
        return made(failure(QZ_ERR_BUSY, r.acquire(nothrow).error().words() + 3));
    });
    result<pooled<thing>> inner = outer.acquire(nothrow);
    CHECK(inner.status() == QZ_ERR_BUSY && std::strcmp(inner.error().words(), "more licences") == 0);
    // From C nobody hears why.
    void *resource = nullptr;
    qz_hold *taken = nullptr;
    EXPECT(qz_pool_acquire(p.get(), 0, nullptr, &resource, &taken), QZ_ERR_TIMEOUT);
    EXPECT(qz_pool_acquire(p.get(), 1000, nullptr, &resource, &taken), QZ_ERR_IO);
}

void the_deleter_is_the_callers() {
    ended = 0;
    using owned = std::unique_ptr<int, end>;
    pool<int, end> p = *pool<int, end>::make(nothrow, sizes(2), [] { return owned(new int(10)); });
    { owned out = *(*p.acquire(nothrow)).detach(nothrow); }
    CHECK(ended == 10);
    { pooled<int, end> mine = *p.acquire(nothrow); }
    p.reset();
    CHECK(ended == 20);
}

} // namespace

void made() {
    RUN(a_value_is_made_once);
    RUN(a_value_is_given);
    RUN(an_initialiser_may_refuse);
    RUN(a_resource_is_used_again);
    RUN(a_resource_leaves_the_pool);
    RUN(a_pool_is_prepared_and_tended);
    RUN(a_pool_says_why_it_has_none);
    RUN(the_deleter_is_the_callers);
}
