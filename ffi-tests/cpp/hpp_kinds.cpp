// quiescent.hpp: rwlock, barrier, notify and filelock, in the form that does not throw.
#include "hpp_check.hpp"

#include <string>
#include <thread>
#include <unistd.h>

void kinds();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

static_assert(std::is_convertible<write_hold, hold>::value, "given back like any other");
static_assert(!std::is_convertible<hold, write_hold>::value, "only what writes is downgraded");
static_assert(!std::is_copy_constructible<write_hold>::value && sizeof(write_hold) == sizeof(qz_hold *), "");

void readers_share_and_writers_do_not() {
    rwlock l = *rwlock::make(nothrow);
    {
        hold first = *l.read(nothrow), second = *l.try_read(nothrow);
        EXPECT(l.try_write(nothrow), QZ_ERR_BUSY);
        EXPECT(l.write(nothrow), QZ_ERR_DEADLOCK);
        std::thread([&l] {
            hold third = *l.read(nothrow, 0ms);
            EXPECT_AFTER(l.write(nothrow, 10ms), QZ_ERR_DEADLOCK, 0); // it reads itself
        }).join();
        std::thread([&l] { EXPECT_AFTER(l.write(nothrow, 10ms), QZ_ERR_TIMEOUT, 10); }).join();
    }
    write_hold mine = *l.write(nothrow, 0ms);
    EXPECT(l.try_read(nothrow), QZ_ERR_BUSY);
    cancel stop = *cancel::make(nothrow);
    CHECK(stop.request(nothrow));
    EXPECT(l.read(nothrow, infinite, stop), QZ_ERR_CANCELLED);
    EXPECT(l.write(nothrow, infinite, stop), QZ_ERR_CANCELLED);
    mine.reset();
    { write_hold again = *l.try_write(nothrow); }
    { hold untyped = *l.write(nothrow); } // is given back as any hold
    CHECK(l.try_write(nothrow));
}

void what_writes_may_go_on_reading() {
    rwlock l = *rwlock::make(nothrow);
    write_hold writes = *l.write(nothrow);
    hold reads = *std::move(writes).downgrade(nothrow);
    CHECK(reads && !writes);
    CHECK(l.try_read(nothrow));
    EXPECT(l.try_write(nothrow), QZ_ERR_BUSY);
    // After a refusal it is what it was.
    write_hold twice(reads.get());
    EXPECT(std::move(twice).downgrade(nothrow), QZ_ERR_INVALID_ARGUMENT);
    CHECK(twice.release() == reads.get());
    EXPECT(write_hold().downgrade(nothrow), QZ_ERR_NULL);
    reads.reset();
    write_hold last = *l.write(nothrow);
    EXPECT(l.free(nothrow, 0ms), QZ_FREE_PENDING);
    EXPECT(std::move(last).downgrade(nothrow), QZ_ERR_FREED); // it writes until it is given back
    CHECK(last);
}

void all_that_arrive_go_on_together() {
    EXPECT(barrier::make(nothrow, 0), QZ_ERR_INVALID_ARGUMENT);
    barrier b = *barrier::make(nothrow, 3);
    EXPECT_AFTER(b.wait(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
    cancel stop = *cancel::make(nothrow);
    CHECK(stop.request_after(nothrow, 5ms));
    EXPECT(b.wait(nothrow, infinite, stop), QZ_ERR_CANCELLED);
    std::atomic<int> leaders{0};
    const barrier_ref r = b;
    auto arrive = [r, &leaders] {
        for (int i = 0; i < 10; i++) leaders += *r.wait(nothrow) ? 1 : 0;
    };
    std::thread first(arrive), second(arrive);
    arrive();
    first.join();
    second.join();
    CHECK(leaders == 10);
}

void those_that_wait_are_woken() {
    notify n = *notify::make(nothrow);
    CHECK(n.notify_all(nothrow)); // nobody: nothing is stored
    EXPECT_AFTER(n.wait(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
    CHECK(n.notify_one(nothrow)); // is stored
    EXPECT_AT_ONCE(n.wait(nothrow, 1s), QZ_OK);
    cancel stop = *cancel::make(nothrow);
    CHECK(stop.request(nothrow));
    EXPECT(n.wait(nothrow, infinite, stop), QZ_ERR_CANCELLED);
    const notify_ref r = n;
    auto wait = [r] { EXPECT(r.wait(nothrow), QZ_OK); };
    std::thread first(wait), second(wait);
    while (n.info(nothrow)->in_flight < 2) sleep_ms(1);
    sleep_ms(5); // until they are in line, and not only on their way
    CHECK(n.notify_one(nothrow));
    while (n.info(nothrow)->in_flight == 2) sleep_ms(1);
    // Once, unless the other one is still not in line.
    for (; n.info(nothrow)->in_flight > 0; sleep_ms(5)) CHECK(n.notify_all(nothrow));
    first.join();
    second.join();
}

std::string scratch(const char *name) { return "/tmp/quiescent-hpp-" + std::to_string(getpid()) + "-" + name; }

void a_file_is_locked() {
    const std::string path = scratch("filelock");
    filelock l = *filelock::make(nothrow, path), other = *filelock::make(nothrow, path.c_str());
    {
        hold mine = *l.acquire(nothrow);
        EXPECT(other.try_acquire(nothrow), QZ_ERR_BUSY);
        EXPECT(other.try_acquire_shared(nothrow), QZ_ERR_BUSY);
        EXPECT(other.acquire(nothrow), QZ_ERR_DEADLOCK);
        std::thread([r = filelock_ref(other)] {
            EXPECT_AFTER(r.acquire(nothrow, 10ms), QZ_ERR_TIMEOUT, 10);
            cancel stop = *cancel::make(nothrow);
            CHECK(stop.request(nothrow));
            EXPECT(r.acquire_shared(nothrow, infinite, stop), QZ_ERR_CANCELLED);
        }).join();
        result<qz_filelock_holder_info> holder = other.holder(nothrow);
        CHECK(holder->process == static_cast<std::uint64_t>(getpid()) && holder->mode == QZ_FILELOCK_EXCLUSIVE);
    }
    {
        hold first = *l.acquire_shared(nothrow, 0ms), second = *other.try_acquire_shared(nothrow);
        EXPECT(l.try_acquire(nothrow), QZ_ERR_BUSY);
        CHECK(l.holder(nothrow)->mode == QZ_FILELOCK_SHARED);
    }
    { hold again = *other.try_acquire(nothrow); }
    CHECK(std::remove(path.c_str()) == 0);
}

void a_path_that_cannot_be_locked_is_refused() {
    result<filelock> refused = filelock::make(nothrow, "/dev/null/x");
    EXPECT(refused, QZ_ERR_IO);
    CHECK(refused.error().os_error() == ENOTDIR && std::strstr(refused.error().words(), "/dev/null/x"));
    EXPECT(filelock::make(nothrow, scratch("flags"), 1U << 30U), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(filelock::make(nothrow, static_cast<const char *>(nullptr)), QZ_ERR_NULL);
    // In C it would be another file.
    EXPECT(filelock::make(nothrow, scratch("cut") + '\0' + "off"), QZ_ERR_INVALID_ARGUMENT);
    CHECK(access(scratch("cut").c_str(), F_OK) != 0);
    // What was there before, and is empty, is written into only if it is a lock and nothing else.
    const std::string path = scratch("empty");
    std::fclose(std::fopen(path.c_str(), "w"));
    filelock kept = *filelock::make(nothrow, path), sidecar = *filelock::make(nothrow, path, QZ_FILELOCK_SIDECAR);
    {
        hold mine = *kept.acquire(nothrow);
        CHECK(kept.holder(nothrow)->process == 0);
    }
    hold mine = *sidecar.acquire(nothrow);
    CHECK(kept.holder(nothrow)->process != 0);
    CHECK(std::remove(path.c_str()) == 0);
}

} // namespace

void kinds() {
    RUN(readers_share_and_writers_do_not);
    RUN(what_writes_may_go_on_reading);
    RUN(all_that_arrive_go_on_together);
    RUN(those_that_wait_are_woken);
    RUN(a_file_is_locked);
    RUN(a_path_that_cannot_be_locked_is_refused);
}
