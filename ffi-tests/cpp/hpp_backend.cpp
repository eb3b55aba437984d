// quiescent.hpp: backends, and every asynchronous call, in both forms.
#include "hpp_check.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

void backends();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

static_assert(std::is_nothrow_move_constructible<backend>::value && !std::is_copy_constructible<backend>::value, "");
static_assert(std::is_nothrow_move_constructible<completion>::value && !std::is_copy_constructible<completion>::value, "");
static_assert(!std::is_convertible<void *, user_data>::value, "not by mistake");

// Counts how many there are: what is moved is the same one.
class counted {
public:
    explicit counted(int *alive) : alive_(alive) { ++*alive_; }
    counted(counted &&other) noexcept : alive_(std::exchange(other.alive_, nullptr)) {}
    counted &operator=(counted &&) = delete;
    ~counted() {
        if (alive_) --*alive_;
    }

private:
    int *alive_;
};

// A function for `As`: notes what it is told, gives back what was taken. `alive` counts those that are not destroyed.
template <class As> auto noting(std::vector<qz_status> &told, int &alive) {
    return [&told, one = counted(&alive)](result<As> answer) { told.push_back(answer.status()); };
}

// Polls until nothing is under way.
void run(backend_ref b) {
    completions over;
    const double begin = now_ms();
    while (*b.pending(nothrow) > 0) {
        CHECK(now_ms() - begin < 10000);
        static_cast<void>(b.poll(nothrow, over, 100ms));
        CHECK(over.empty());
    }
}

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
    EXPECT(m.lock_async(nothrow, b, noting<hold>(told, alive), 5ms), QZ_OK);
    completions over;
    CHECK(alive == 2 && *b.pending(nothrow) == 2);
    EXPECT(b.poll(nothrow, over, 0ms), QZ_ERR_TIMEOUT);
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

struct thing {
    int value = 7;
};

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
    // Of an initialiser and of a pool's function; also where somebody on this thread wants a resource.
    once<thing> c;
    c.get_or_init_async(b, []() -> thing { throw std::runtime_error("no such table"); }, [](result<thing *> made) {
        EXPECT(made, QZ_ERR_IO);
        CHECK(std::strcmp(made.error().words(), "no such table") == 0);
    });
    run(b);
    CHECK(swallowed_exceptions() == before + 3);
    int makes = 0;
    pool<thing> p({1}, [&makes]() -> thing {
        if (makes++ > 0) throw error(failure(QZ_ERR_LIMIT, "enough"));
        return thing();
    });
    pool_config sizes{2};
    sizes.min_size = 2;
    int tries = 0;
    pool<thing> outer(sizes, [&]() -> thing {
        if (tries++ == 0) throw std::runtime_error("my own");
        const auto none = [](result<pooled<thing>> lent) { EXPECT(lent, QZ_ERR_IO); };
        pooled<thing> first = p.acquire();
        p.acquire_async(b, none);
        CHECK(std::move(first).discard() == QZ_OK && makes == 1);
        run(b); // makes it, for the one that waited
        CHECK(makes == 2);
        p.acquire_async(b, none); // the submission does
        CHECK(makes == 3);
        run(b);
        return thing();
    });
    std::string what;
    try {
        outer.warm_up(2, QZ_POOL_REQUIRE_MINIMUM);
    } catch (const std::runtime_error &e) {
        what = e.what();
    }
    CHECK_SAY(what == "my own" && tries == 2, "%s, %d", what.c_str(), tries);
    CHECK(swallowed_exceptions() == before + 5);
    { // what on_discard throws
        backend ends([](void *) { throw 1; });
        mutex m;
        m.lock_async(ends, user_data(&called));
    }
    CHECK(swallowed_exceptions() == before + 6);
}

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

void backends() {
    RUN(a_function_is_called_by_the_poll_and_destroyed_once);
    RUN(user_data_come_out_as_completions);
    RUN(every_call_completes);
    RUN(a_value_is_made_once_and_its_initialiser_kept);
    RUN(what_nobody_collects_is_discarded);
    RUN(a_backend_is_woken_watched_and_nested);
    RUN(many_threads_submit_while_one_polls);
#ifdef __cpp_exceptions
    RUN(what_a_function_throws_leaves_the_poll);
    RUN(the_form_that_throws);
#endif
}
