// quiescent.hpp: backends, in both forms; each asynchronous call is in hpp_async.cpp.
#include "hpp_completions.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <thread>
#include <unistd.h>

void backends();

namespace {

static_assert(std::is_nothrow_move_constructible<backend>::value && !std::is_copy_constructible<backend>::value, "");
static_assert(std::is_nothrow_move_constructible<completion>::value && !std::is_copy_constructible<completion>::value, "");
static_assert(!std::is_convertible<void *, user_data>::value, "not by mistake");

bool is_readable(int fd) {
    pollfd watched{fd, POLLIN, 0};
    return ::poll(&watched, 1, 0) == 1;
}

void a_function_is_called_by_the_poll_and_destroyed_once() {
    backend b = *backend::make(nothrow);
    mutex m = *mutex::make(nothrow);
    std::vector<qz_status> told;
    int alive = 0;
    hold mine = *m.lock(nothrow);
    EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive)), QZ_OK);
    completions over;
    EXPECT(b.poll(nothrow, over, 0ms), QZ_ERR_TIMEOUT);
    EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive), 5ms), QZ_OK);
    CHECK(alive == 2 && *b.pending(nothrow) == 2);
    CHECK(*b.poll(nothrow, over) == 1 && over.empty());
    CHECK(told.size() == 1 && told[0] == QZ_ERR_TIMEOUT && alive == 1);
    mine.reset();
    CHECK(*b.poll(nothrow, over) == 1 && told.size() == 2 && told[1] == QZ_OK && alive == 0);
    CHECK(m.try_lock(nothrow)); // given back with the answer
    // After a refusal it is destroyed without having been called.
    EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive), -1ms), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(mutex_ref().lock_async(nothrow, b, noting<hold>(told, alive)), QZ_ERR_NULL);
    EXPECT(m.lock_async(nothrow, backend_ref(), noting<hold>(told, alive)), QZ_ERR_NULL);
    cancel gone = *cancel::make(nothrow), moved = std::move(gone);
    EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive), infinite, gone), QZ_ERR_BAD_HANDLE);
    out_of_memory() = true;
    EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive)), QZ_ERR_NO_MEMORY);
    EXPECT(backend::make(nothrow, [](void *) {}), QZ_ERR_NO_MEMORY);
    out_of_memory() = false;
    CHECK(alive == 0 && told.size() == 2 && *b.pending(nothrow) == 0);
}

void user_data_come_out_as_completions() {
    backend b = *backend::make(nothrow);
    semaphore s = *semaphore::make(nothrow, 3, 3);
    int session = 0;
    completions over;
    EXPECT(s.acquire_async(nothrow, b, user_data(&session), 2), QZ_OK);
    CHECK(*b.poll(nothrow, over) == 1 && over.size() == 1);
    completion first = std::move(over[0]);
    CHECK(first && first.user_data() == &session && first.status() == QZ_OK && first.value() == 0);
    hold two = std::move(first).taken();
    first = completion();
    CHECK(two && *s.available(nothrow) == 1);
    EXPECT(s.acquire_async(nothrow, b, user_data(nullptr), 2, 0ms), QZ_OK);
    CHECK(*b.poll(nothrow, over) == 1 && over.size() == 1);
    for (const completion &each : over) {
        CHECK(!each && each.user_data() == nullptr && each.error().status() == QZ_ERR_TIMEOUT);
        CHECK(each.error().words()[0] != '\0' && each.error().os_error() == 0);
    }
    // What is left in them is given back by the next poll, or at the end.
    EXPECT(s.acquire_async(nothrow, b, user_data(&session)), QZ_OK);
    CHECK(*b.poll(nothrow, over) == 1 && *s.available(nothrow) == 0);
    EXPECT(b.poll(nothrow, over, 0ms), QZ_ERR_TIMEOUT);
    CHECK(over.empty() && *s.available(nothrow) == 1);
    EXPECT(s.acquire_async(nothrow, b, user_data(reinterpret_cast<char *>(&session) + 1)), QZ_ERR_INVALID_ARGUMENT);
    // More than there is room for.
    for (int i = 0; i < 20; i++) EXPECT(s.acquire_async(nothrow, b, user_data(&session), 1, 0ms), QZ_OK);
    std::size_t all = 0;
    while (*b.pending(nothrow) > 0) {
        if (b.poll(nothrow, over)) all += over.size();
        CHECK(over.size() <= completions::capacity());
    }
    CHECK(all == 20);
}

// Freed, it destroys the functions of what is under way, and tells of the user data.
void what_nobody_collects_is_discarded() {
    mutex m = *mutex::make(nothrow);
    semaphore s = *semaphore::make(nothrow, 1, 1);
    std::vector<qz_status> told;
    std::vector<void *> discarded;
    int alive = 0, hook = 0;
    {
        hold mine = *m.lock(nothrow);
        backend b = *backend::make(nothrow, [&discarded, one = counted(&hook)](void *mine_too) {
            discarded.push_back(mine_too);
        });
        CHECK(hook == 1);
        EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive)), QZ_OK);
        EXPECT(s.acquire_async(nothrow, b, noting<hold>(told, alive)), QZ_OK); // over, but not collected
        EXPECT(m.lock_async(nothrow, b, user_data(&alive)), QZ_OK);
        CHECK(alive == 2);
    }
    CHECK(alive == 0 && hook == 0 && told.empty() && discarded.size() == 1 && discarded[0] == &alive);
    CHECK(m.try_lock(nothrow) && *s.available(nothrow) == 1);
    { // without a function of that kind
        backend b = *backend::make(nothrow);
        hold mine = *m.lock(nothrow);
        EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive)), QZ_OK);
        EXPECT(m.lock_async(nothrow, b, user_data(&alive)), QZ_OK);
        EXPECT(b.free(nothrow), QZ_OK);
        CHECK(alive == 0 && told.empty());
        completions over;
        EXPECT(b.poll(nothrow, over), QZ_ERR_FREED);
        EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive)), QZ_ERR_FREED);
    }
    CHECK(alive == 0 && m.try_lock(nothrow));
}

void a_backend_is_woken_watched_and_nested() {
    backend b = *backend::make(nothrow), inner = *backend::make(nothrow);
    completions over;
    CHECK(b.wake(nothrow) && *b.poll(nothrow, over) == 0);
    wake_descriptor w = *b.wake_fd(nothrow), moved = std::move(w);
    CHECK(w.get() == -1 && moved.get() >= 0);
    std::thread wakes([&moved] {
        sleep_ms(5);
        moved.wake();
    });
    CHECK(*b.poll(nothrow, over, 10s) == 0);
    wakes.join();
    const int descriptor = moved.get();
    moved.reset();
    CHECK(::fcntl(descriptor, F_GETFD) == -1 && errno == EBADF); // closed
    errno = 17;
    wake_descriptor(-1).wake();
    CHECK(errno == 17);
    const int fd = *b.fd(nothrow);
    mutex m = *mutex::make(nothrow);
    CHECK(!is_readable(fd) && b.attach(nothrow, inner));
    EXPECT(b.attach(nothrow, inner), QZ_ERR_BUSY);
    EXPECT(inner.poll(nothrow, over), QZ_ERR_BUSY);
    int calls = 0;
    EXPECT(m.lock_async(nothrow, inner, [&](result<hold> locked) { calls += locked.has_value(); }), QZ_OK);
    CHECK(is_readable(fd) && *b.poll(nothrow, over, 0ms) == 1 && calls == 1 && !is_readable(fd));
    CHECK(b.detach(nothrow, inner));
    EXPECT(b.detach(nothrow, inner), QZ_ERR_INVALID_ARGUMENT);
    EXPECT(backend_ref().fd(nothrow), QZ_ERR_NULL);
    EXPECT(backend_ref().wake_fd(nothrow), QZ_ERR_NULL);
    EXPECT(backend_ref().pending(nothrow), QZ_ERR_NULL);
    EXPECT(backend_ref().wake(nothrow), QZ_ERR_NULL);
}

// Calls are submitted, completed and cancelled on several threads; each function is told once, or destroyed at the end.
void many_threads_submit_while_one_polls() {
    semaphore s = *semaphore::make(nothrow, 2, 2);
    std::atomic<int> made{0}, told{0}, ended{0};
    struct one {
        std::atomic<int> *ended;
        explicit one(std::atomic<int> *e) : ended(e) {}
        one(one &&other) noexcept : ended(std::exchange(other.ended, nullptr)) {}
        ~one() {
            if (ended) ++*ended;
        }
    };
    {
        backend b = *backend::make(nothrow);
        std::vector<std::thread> submit;
        std::atomic<int> left{3};
        for (int i = 0; i < 3; i++) {
            submit.emplace_back([&, r = backend_ref(b)] {
                for (int n = 0; n < 500; n++) {
                    auto then = [&told, counts = one(&ended)](result<hold>) { ++told; };
                    made += s.acquire_async(nothrow, r, std::move(then), 1, n % 4 ? timeout(infinite) : 0ms) ? 1 : 0;
                }
                --left;
            });
        }
        completions over;
        while (left > 0) static_cast<void>(b.poll(nothrow, over, 1ms));
        for (std::thread &each : submit) each.join();
        static_cast<void>(b.poll(nothrow, over, 0ms));
    }
    CHECK(made == 1500 && ended == 1500 && told > 0 && told <= 1500 && *s.available(nothrow) == 2);
}

#ifdef __cpp_exceptions
void what_a_function_throws_leaves_the_poll() {
    backend b;
    semaphore s(9, 9);
    completions over;
    int alive = 0, called = 0;
    CHECK(b.poll(over, 1ms) == 0); // a timeout is no error here
    b.wake();
    CHECK(b.poll(over) == 0);
    const std::uint64_t before = swallowed_exceptions();
    for (int i = 0; i < 4; i++) {
        s.acquire_async(b, [&called, i, one = counted(&alive)](result<hold> taken) {
            CHECK(taken.value());
            called++;
            if (i % 2 == 0) throw i;
        });
        s.acquire_async(b, user_data(&called));
    }
    bool caught = false;
    try {
        b.poll(over);
    } catch (int i) {
        caught = i == 0;
    }
    // The others were called and handed out all the same.
    CHECK(caught && called == 4 && alive == 0 && over.size() == 4 && s.available() == 5 && b.pending() == 0);
    CHECK(swallowed_exceptions() == before + 1);
    over.clear();
    CHECK(s.available() == 9);
    s.acquire_async(b, [](result<hold>) { throw 1; });
    CHECK(*b.poll(nothrow, over) == 1 && swallowed_exceptions() == before + 2);
    { // what on_discard throws
        backend ends([](void *) { throw 1; });
        mutex m;
        m.lock_async(ends, user_data(&called));
    }
    CHECK(swallowed_exceptions() == before + 3);
}
#endif

} // namespace

void backends() {
    RUN(a_function_is_called_by_the_poll_and_destroyed_once);
    RUN(user_data_come_out_as_completions);
    RUN(what_nobody_collects_is_discarded);
    RUN(a_backend_is_woken_watched_and_nested);
    RUN(many_threads_submit_while_one_polls);
#ifdef __cpp_exceptions
    RUN(what_a_function_throws_leaves_the_poll);
#endif
}
