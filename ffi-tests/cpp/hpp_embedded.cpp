// quiescent.hpp: guard, the run-downs, and kinds as C has them, in the form that does not throw.
#include "hpp_check.hpp"

#include <thread>

void embedded();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

static_assert(sizeof(guard) == 8 && sizeof(rundown) == 8, "embedded");
static_assert(!std::is_move_constructible<guard>::value && !std::is_move_constructible<rundown>::value, "in place");
static_assert(std::is_trivially_destructible<guard>::value, "never given back");

void a_guard_closes_once() {
    static guard open; // in memory that is never given back, as it must be
    guard::entry inside = *open.enter(nothrow);
    EXPECT(open.wait_drained(nothrow, 0ms), QZ_ERR_BUSY);
    EXPECT_AFTER(open.begin_free(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
    EXPECT(open.enter(nothrow), QZ_ERR_FREED);
    EXPECT(open.begin_free(nothrow), QZ_ALREADY_FREED);
    std::thread([moved = std::move(inside)] { CHECK(moved); }).join();
    CHECK(!inside);
    EXPECT(open.wait_drained(nothrow), QZ_OK);
    EXPECT(open.wait_drained(nothrow), QZ_ALREADY_FREED);
    static guard other;
    guard::entry first = *other.enter(nothrow), second = *other.enter(nothrow);
    first = std::move(second);
    CHECK(first && !second);
    first.leave();
    EXPECT(qz_guard_leave(other.get()), QZ_ERR_NOT_INSIDE);
    EXPECT(other.begin_free(nothrow, 0ms), QZ_OK);
}

void a_run_down_opens_again() {
    rundown r;
    for (int i = 0; i < 3; i++) {
        EXPECT(r.re_init(nothrow), QZ_ERR_BUSY);
        EXPECT(r.acquire(nothrow, 0), QZ_ERR_INVALID_ARGUMENT);
        rundown::reference two = *r.acquire(nothrow, 2), one = *r.acquire(nothrow);
        EXPECT_AFTER(r.wait(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
        EXPECT(r.acquire(nothrow), QZ_ERR_BUSY);
        two = std::move(one); // gives the two back
        CHECK(two && !one);
        EXPECT(r.wait(nothrow, 0ms), QZ_ERR_TIMEOUT);
        std::thread([moved = std::move(two)] { CHECK(moved); }).join();
        EXPECT(r.wait(nothrow), QZ_OK);
        EXPECT(r.acquire(nothrow), QZ_ERR_FREED);
        EXPECT(qz_rundown_release(r.get(), 1), QZ_ERR_NOT_INSIDE);
        EXPECT(r.re_init(nothrow), QZ_OK);
    }
}

void a_cache_aware_run_down_opens_again_and_ends() {
    cache_aware_rundown r = *cache_aware_rundown::make(nothrow);
    for (int i = 0; i < 3; i++) {
        EXPECT(r.re_init(nothrow), QZ_ERR_BUSY);
        cache_aware_rundown::reference two = *r.acquire(nothrow, 2), one = *r.acquire(nothrow);
        EXPECT_AFTER(r.wait(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
        EXPECT(r.acquire(nothrow), QZ_ERR_BUSY);
        two = std::move(one);
        CHECK(two && !one);
        EXPECT(r.wait(nothrow, 0ms), QZ_ERR_TIMEOUT);
        std::thread([moved = std::move(two)] { CHECK(moved); }).join();
        EXPECT(r.wait(nothrow), QZ_OK);
        EXPECT(r.acquire(nothrow), QZ_ERR_FREED);
        EXPECT(r.re_init(nothrow), QZ_OK);
    }
    cache_aware_rundown other = std::move(r);
    CHECK(!r && other);
    EXPECT(r.acquire(nothrow), QZ_ERR_NULL);
    EXPECT(r.wait(nothrow), QZ_ERR_NULL);
    // Its destructor waits.
    cache_aware_rundown::reference last = *other.acquire(nothrow);
    const double begin = now_ms();
    std::thread leaves([moved = std::move(last)]() mutable {
        sleep_ms(30);
        moved.reset();
    });
    other = *cache_aware_rundown::make(nothrow);
    CHECK(now_ms() - begin > 20);
    leaves.join();
    cache_aware_rundown kept(other.release());
    CHECK(!other && kept.get() != nullptr);
}

int destroyed = 0;

void a_kind_ends_with_its_handles() {
    qz_kind_ops ops{};
    ops.struct_size = sizeof ops;
    ops.on_destroy = [](void *, void *) { destroyed++; };
    EXPECT(kind::make(nothrow, "\xff"), QZ_ERR_INVALID_ARGUMENT);
    kind k = *kind::make(nothrow, "raw", &ops);
    const kind_ref r = k;
    qz_handle *h = nullptr;
    void *object = nullptr;
    EXPECT(qz_handle_new(r.get(), nullptr, &h), QZ_OK);
    EXPECT(qz_handle_enter(h, r.get(), nullptr, &object), QZ_OK);
    CHECK(*r.close(nothrow, 0ms) == 1 && destroyed == 0);
    EXPECT(r.free(nothrow, 0ms), QZ_FREE_PENDING);
    EXPECT(qz_handle_leave(h), QZ_OK);
    CHECK(destroyed == 1);
    EXPECT(r.wait_freed(nothrow), QZ_OK);
    EXPECT(qz_handle_new(r.get(), nullptr, &h), QZ_ERR_FREED);
    kind other = *kind::make(nothrow, "other", &ops);
    EXPECT(qz_handle_new(other.get(), nullptr, &h), QZ_OK);
    other = std::move(k); // a destructor closes it, and its handles
    CHECK(destroyed == 2 && !k);
    EXPECT(k.close(nothrow), QZ_ERR_NULL);
}

} // namespace

void embedded() {
    RUN(a_guard_closes_once);
    RUN(a_run_down_opens_again);
    RUN(a_cache_aware_run_down_opens_again_and_ends);
    RUN(a_kind_ends_with_its_handles);
}
