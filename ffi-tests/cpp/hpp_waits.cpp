// quiescent.hpp: timeouts, mutex, semaphore, cancel and their holds, in the form that does not throw.
#include "hpp_check.hpp"

#include <limits>
#include <thread>

void waits();
const void *waits_unit();
const void *waits_unit() { return &quiescent::detail::swallowed(); }

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

constexpr std::int64_t ms(timeout t) { return t.count(); }

static_assert(ms(infinite) == QZ_INFINITE && ms(default_timeout) == QZ_DEFAULT_TIMEOUT, "");
static_assert(ms(0ns) == 0 && ms(7ms) == 7 && ms(2s) == 2000 && ms(std::chrono::hours(1)) == 3600000, "");
static_assert(ms(1ns) == 1 && ms(1500us) == 2 && ms(2000us) == 2 && ms(2001us) == 3, "rounded up");
static_assert(ms(std::chrono::duration<double>(0.0011)) == 2 && ms(0.25ms) == 1, "rounded up");
static_assert(ms(std::chrono::duration<std::int64_t, std::ratio<1, 3>>(1)) == 334, "rounded up");
static_assert(ms(std::chrono::duration<unsigned char, std::milli>(255)) == 255, "any number");
static_assert(ms(-1ms) == INT64_MIN && ms(-2ms) == INT64_MIN && ms(-1ns) == INT64_MIN, "neither infinite nor default");
static_assert(ms(std::chrono::hours::max()) == INT64_MAX && ms(std::chrono::nanoseconds::max()) > 0, "no overflow");
static_assert(ms(std::chrono::nanoseconds::max()) == 9223372036855, "no overflow");

// An owner is moved, a ref copied; a C token is taken over by name only.
static_assert(std::is_nothrow_move_constructible<mutex>::value && !std::is_copy_constructible<mutex>::value, "");
static_assert(std::is_nothrow_move_assignable<cancel>::value && !std::is_copy_assignable<cancel>::value, "");
static_assert(std::is_nothrow_move_constructible<hold>::value && !std::is_copy_constructible<hold>::value, "");
static_assert(std::is_trivially_copyable<mutex_ref>::value && sizeof(mutex_ref) == sizeof(qz_mutex *), "");
static_assert(sizeof(mutex) == sizeof(qz_mutex *) && sizeof(hold) == sizeof(qz_hold *), "");
static_assert(!std::is_convertible<qz_mutex *, mutex>::value && !std::is_convertible<qz_cancel *, cancel_ref>::value, "");
static_assert(!std::is_convertible<int, timeout>::value, "a number has no unit");
static_assert(std::is_nothrow_destructible<mutex>::value && std::is_nothrow_destructible<hold>::value, "");

void timeouts_that_are_no_number_are_refused() {
    using seconds = std::chrono::duration<double>;
    CHECK(ms(seconds(std::numeric_limits<double>::quiet_NaN())) == INT64_MIN);
    CHECK(ms(seconds(std::numeric_limits<double>::infinity())) == INT64_MAX);
    CHECK(ms(seconds(1e300)) == INT64_MAX && ms(seconds(-1e300)) == INT64_MIN);
    mutex m = *mutex::make(nothrow);
    EXPECT(m.lock(nothrow, -1ms), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(m.lock(nothrow, -2ms), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(m.lock(nothrow, default_timeout), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(m.free(nothrow, -1ms), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(m.free(nothrow, 0ms), QZ_OK);
}

void a_mutex_is_locked_by_one() {
    mutex m = *mutex::make(nothrow);
    hold mine = *m.lock(nothrow);
    CHECK(mine);
    EXPECT(m.lock(nothrow, 5s), QZ_ERR_DEADLOCK);
    EXPECT(m.try_lock(nothrow), QZ_ERR_BUSY);
    result<hold> refused = m.try_lock(nothrow);
    CHECK(!refused && std::strstr(refused.error().words(), "held by: thread") != nullptr);
    EXPECT_AFTER(m.free(nothrow, 30ms), QZ_FREE_PENDING, 0); // its own
    mine.reset();
    EXPECT(m.wait_freed(nothrow, 0ms), QZ_OK);
}

void a_timeout_is_never_early_and_says_who_has_it() {
    mutex m = *mutex::make(nothrow);
    hold mine = *m.lock(nothrow);
    std::thread([&] {
        EXPECT_AFTER(m.lock(nothrow, 20500us), QZ_ERR_TIMEOUT, 20.5);
        result<hold> refused = m.lock(nothrow, 0ms);
        static_cast<void>(qz_handle_leave(nullptr)); // has words of its own
        CHECK(std::strstr(refused.error().words(), "held by: thread") != nullptr);
    }).join();
    mine.reset();
    CHECK(m.lock(nothrow, 0ms));
}

void a_wait_is_cancelled() {
    mutex m = *mutex::make(nothrow);
    cancel stop = *cancel::make(nothrow);
    hold mine = *m.lock(nothrow);
    std::thread waits([&] { EXPECT(m.lock(nothrow, infinite, stop), QZ_ERR_CANCELLED); });
    sleep_ms(20);
    CHECK(stop.request(nothrow));
    waits.join();
    CHECK(stop.is_cancelled());
    // Nobody asked for a wait without end.
    cancel other = std::move(stop);
    CHECK(!stop && other);
    EXPECT(m.lock(nothrow, infinite, stop), QZ_ERR_BAD_HANDLE);
    EXPECT(cancel::child(nothrow, stop), QZ_ERR_BAD_HANDLE);
    EXPECT(stop.request(nothrow), QZ_ERR_NULL);
}

void a_free_ends_the_waits() {
    mutex m = *mutex::make(nothrow);
    const mutex_ref r = m;
    hold mine = *m.lock(nothrow);
    std::thread waits([r] { EXPECT(r.lock(nothrow), QZ_ERR_FREED); });
    sleep_ms(20);
    std::thread frees([r] { EXPECT(r.free(nothrow, 10s), QZ_OK); });
    waits.join();
    CHECK(r.is_closing());
    mine.reset();
    frees.join();
    EXPECT(r.lock(nothrow), QZ_ERR_FREED);
    EXPECT(r.try_lock(nothrow), QZ_ERR_FREED);
    EXPECT(r.info(nothrow), QZ_ERR_FREED);
}

void copies_of_a_token_free_it_once() {
    mutex m = *mutex::make(nothrow);
    mutex twin(m.get());
    const mutex_ref r = twin;
    EXPECT(r.free(nothrow), QZ_OK);
    EXPECT(m.free(nothrow), QZ_ALREADY_FREED);
    EXPECT(qz_mutex_free(twin.get(), 0), QZ_ALREADY_FREED);
    // Destructors see that it is over, and are not counted as double frees.
    const std::uint64_t before = misuses();
    m.reset();
    twin.reset();
    CHECK(misuses() == before);
    // What was given up is not freed.
    mutex kept = *mutex::make(nothrow);
    qz_mutex *raw = kept.release();
    CHECK(!kept && kept.get() == nullptr);
    kept.reset();
    CHECK(!qz_handle_is_closing(QZ_HANDLE(raw)));
    kept.reset(raw);
    CHECK(kept.get() == raw);
    { mutex ends = std::move(kept); }
    CHECK(qz_handle_is_closing(QZ_HANDLE(raw)));
}

void what_was_moved_from_is_refused() {
    mutex m = *mutex::make(nothrow), other = std::move(m);
    EXPECT(m.lock(nothrow), QZ_ERR_NULL);
    EXPECT(m.try_lock(nothrow), QZ_ERR_NULL);
    EXPECT(m.info(nothrow), QZ_ERR_NULL);
    EXPECT(m.set_label(nothrow, "x"), QZ_ERR_NULL);
    EXPECT(m.occupants(nothrow, nullptr, 0), QZ_ERR_NULL);
    EXPECT(m.wait_freed(nothrow), QZ_ERR_NULL);
    EXPECT(m.on_freed(nothrow, [] {}), QZ_ERR_NULL);
    EXPECT(m.free(nothrow), QZ_OK); // as free(NULL)
    EXPECT(mutex_ref().lock(nothrow), QZ_ERR_NULL);
    const qz_mutex *before = other.get();
    mutex &same = other;
    other = std::move(same);
    CHECK(other.get() == before);
    // Assignment frees what was owned.
    mutex next = *mutex::make(nothrow);
    const mutex_ref old = other;
    other = std::move(next);
    CHECK(other && !next);
    EXPECT(old.lock(nothrow), QZ_ERR_FREED);
    EXPECT(other.lock(nothrow), QZ_OK);
}

void a_hold_goes_anywhere_and_ends_once() {
    mutex m = *mutex::make(nothrow);
    hold mine = *m.lock(nothrow);
    std::thread([moved = std::move(mine)] { CHECK(moved); }).join();
    CHECK(!mine);
    mine = *m.try_lock(nothrow);
    hold copy(mine.get());
    EXPECT(copy.give_back(nothrow), QZ_OK);
    CHECK(!copy);
    EXPECT(mine.pass_on(nothrow), QZ_ERR_FREED);
    EXPECT(mine.give_back(nothrow), QZ_ALREADY_FREED);
    EXPECT(mine.give_back(nothrow), QZ_OK); // nothing is left
    mine = *m.lock(nothrow);
    EXPECT(mine.pass_on(nothrow), QZ_OK);
    EXPECT(m.lock(nothrow, 10ms), QZ_ERR_TIMEOUT); // not DEADLOCK: it is another's now
    qz_hold *raw = mine.release();
    EXPECT(m.try_lock(nothrow), QZ_ERR_BUSY);
    EXPECT(qz_hold_release(raw), QZ_OK);
    // A second hold in the same variable gives the first one back.
    semaphore s = *semaphore::make(nothrow, 2, 2);
    mine = *s.acquire(nothrow);
    mine = *s.acquire(nothrow);
    CHECK(*s.available(nothrow) == 1);
}

void a_measured_mutex_tells() {
    mutex plain = *mutex::make(nothrow), m = *mutex::measured(nothrow);
    EXPECT(plain.stats(nothrow), QZ_ERR_INVALID_ARGUMENT);
    { hold mine = *m.lock(nothrow); }
    CHECK(m.stats(nothrow)->acquisitions == 1 && m.stats(nothrow)->is_held == 0);
}

void a_semaphore_counts() {
    EXPECT(semaphore::make(nothrow, 2, 1), QZ_ERR_INVALID_ARGUMENT);
    semaphore s = *semaphore::make(nothrow, 3, 5);
    hold two = *s.acquire(nothrow, 2);
    CHECK(*s.available(nothrow) == 1);
    EXPECT(s.acquire(nothrow, 6), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(s.try_acquire(nothrow, 2), QZ_ERR_BUSY);
    cancel stop = *cancel::make(nothrow);
    CHECK(stop.request_after(nothrow, 10ms));
    EXPECT(s.acquire(nothrow, 2, infinite, stop), QZ_ERR_CANCELLED);
    EXPECT_AFTER(s.acquire(nothrow, 2, 10ms), QZ_ERR_TIMEOUT, 10);
    CHECK(s.add(nothrow, 2));
    EXPECT(s.add(nothrow, 1), QZ_ERR_LIMIT);
    CHECK(*s.forget(nothrow, 9) == 3);
    two.reset();
    CHECK(*s.available(nothrow) == 2 && s.try_acquire(nothrow, 2));
}

void a_cancel_token_has_children() {
    cancel parent = *cancel::make(nothrow);
    cancel child = *cancel::child(nothrow, parent), other = *cancel::child(nothrow, parent);
    EXPECT_AFTER(child.wait(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
    CHECK(child.request(nothrow) && child.is_cancelled() && !parent.is_cancelled());
    EXPECT(parent.request_after(nothrow, -1ms), QZ_ERR_INVALID_ARGUMENT);
    CHECK(parent.request(nothrow) && other.wait(nothrow));
    EXPECT(parent.free(nothrow), QZ_OK);
    EXPECT(parent.request(nothrow), QZ_ERR_FREED);
}

void every_handle_tells_about_itself() {
    mutex m = *mutex::make(nothrow);
    CHECK(m.set_label(nothrow, "the lock"));
    EXPECT(m.set_label(nothrow, "\xff"), QZ_ERR_INVALID_ARGUMENT);
    hold mine = *m.lock(nothrow);
    qz_occupant who{};
    CHECK(*m.occupants(nothrow, &who, 1) == 1 && who.is_hold == 1);
    result<qz_handle_info> info = m.info(nothrow);
    CHECK(info->holds == 1 && std::strcmp(info->label, "the lock") == 0);
    EXPECT(m.try_free(nothrow), QZ_ERR_BUSY);
    int ended = 0;
    EXPECT(m.on_freed(nothrow, [&ended] { ended++; }), QZ_OK);
    mine.reset();
    EXPECT(m.try_free(nothrow), QZ_OK);
    CHECK(ended == 1);
    EXPECT(m.on_freed(nothrow, [&ended] { ended++; }), QZ_ALREADY_FREED);
    CHECK(ended == 2);
    EXPECT(m.try_free(nothrow), QZ_ALREADY_FREED);
}

void a_failure_keeps_its_words() {
    const failure plain(QZ_ERR_IO, "no such thing");
    CHECK(plain.status() == QZ_ERR_IO && plain.os_error() == 0 && std::strcmp(plain.words(), "no such thing") == 0);
    char text[1024];
    std::memset(text, 'x', sizeof text);
    std::memcpy(text + 502, "\xc3\xa4", 2); // would be cut in two
    text[1023] = '\0';
    CHECK(std::strlen(failure(QZ_ERR_IO, text).words()) == 502);
    std::memset(text, 'x', 1023);
    CHECK(std::strlen(failure(QZ_ERR_IO, text).words()) == 503);
#ifdef __cpp_lib_expected
    semaphore s = *semaphore::make(nothrow, 1, 1);
    std::expected<hold, failure> taken = to_expected(s.acquire(nothrow));
    CHECK(taken.has_value() && *taken);
    CHECK(to_expected(s.try_acquire(nothrow)).error().status() == QZ_ERR_BUSY);
    CHECK(to_expected(s.add(nothrow, 1)).error().status() == QZ_ERR_LIMIT);
    taken->reset();
    CHECK(to_expected(s.wait_freed(nothrow, 0ms)).error().status() == QZ_ERR_TIMEOUT);
#endif
}

} // namespace

void waits() {
    RUN(timeouts_that_are_no_number_are_refused);
    RUN(a_mutex_is_locked_by_one);
    RUN(a_timeout_is_never_early_and_says_who_has_it);
    RUN(a_wait_is_cancelled);
    RUN(a_free_ends_the_waits);
    RUN(copies_of_a_token_free_it_once);
    RUN(what_was_moved_from_is_refused);
    RUN(a_hold_goes_anywhere_and_ends_once);
    RUN(a_measured_mutex_tells);
    RUN(a_semaphore_counts);
    RUN(a_cancel_token_has_children);
    RUN(every_handle_tells_about_itself);
    RUN(a_failure_keeps_its_words);
}
