// quiescent.hpp: objects of one's own behind handles, in the form that does not throw.
#include "hpp_check.hpp"

#include <condition_variable>
#include <mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

void handles();
const void *handles_unit();
const void *handles_unit() { return &quiescent::detail::swallowed(); }

namespace app {

// Blocks until it is woken.
class session {
public:
    explicit session(int *ended) : ended_(ended) {}
    ~session() { ++*ended_; }
    session(const session &) = delete;
    session &operator=(const session &) = delete;

    int answer() const { return 42; }
    void query() {
        std::unique_lock<std::mutex> lock(mutex_);
        blocks_ = true;
        changed_.wait(lock, [this] { return woken_; });
    }
    bool blocks() {
        std::lock_guard<std::mutex> lock(mutex_);
        return blocks_;
    }
    void on_close() noexcept {
        std::lock_guard<std::mutex> lock(mutex_);
        woken_ = true;
        changed_.notify_all();
    }

private:
    int *ended_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false, blocks_ = false;
};

struct plain {
    int value = 7;
};

struct closed_kind {};

// Its 31st byte is half a character.
struct a_name_that_is_cut_in_an_\u00e4\u00e4\u00e4 {};

// Not to be changed.
struct foreign {
    bool stopped = false;
};

} // namespace app

template <> struct quiescent::object_traits<app::foreign> {
    static const char *kind_name() noexcept { return "a foreign thing"; }
    static void on_close(app::foreign &f) { f.stopped = true; }
};

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

static_assert(sizeof(handle<app::plain>) == sizeof(qz_handle *), "");
static_assert(std::is_nothrow_move_constructible<handle<app::plain>>::value, "");
static_assert(!std::is_copy_constructible<handle<app::plain>>::value, "");
static_assert(std::is_trivially_copyable<handle_ref<app::plain>>::value, "");
static_assert(!std::is_copy_constructible<entry<app::plain>>::value, "");
static_assert(!std::is_move_assignable<entry<app::plain>>::value, "it stays where it began");
static_assert(std::is_nothrow_move_assignable<typed_hold<app::plain>>::value, "");
static_assert(std::is_convertible<const char (&)[6], operation_name>::value, "a literal");
static_assert(!std::is_convertible<const char *, operation_name>::value, "may be given back");
static_assert(!std::is_convertible<char (&)[6], operation_name>::value, "may be given back");

handle<app::session> open(int *ended) {
    return *handle<app::session>::make(nothrow, std::make_unique<app::session>(ended));
}

void an_object_is_used_and_freed() {
    int ended = 0;
    handle<app::session> h = open(&ended);
    handle_ref<app::session> r = h;
    CHECK(std::strcmp(r.info(nothrow)->kind, "app::session") == 0);
    {
        result<entry<app::session>> e = r.enter(nothrow, "query");
        CHECK(e && (*e)->answer() == 42 && (**e).answer() == 42 && e->get() != nullptr);
        qz_occupant who{};
        CHECK(*r.occupants(nothrow, &who, 1) == 1 && std::strcmp(who.operation, "query") == 0 && who.is_hold == 0);
        EXPECT(r.try_free(nothrow), QZ_ERR_BUSY);
        entry<app::session> moved = *std::move(e);
        CHECK(moved && !*e);
        CHECK(r.info(nothrow)->in_flight == 1);
        moved.leave();
        moved.leave();
        CHECK(!moved && r.info(nothrow)->in_flight == 0);
    }
    CHECK((*r.enter(nothrow))->answer() == 42);
    CHECK(r.info(nothrow)->in_flight == 0 && ended == 0);
    EXPECT(h.free(nothrow), QZ_OK);
    CHECK(ended == 1);
    EXPECT(r.enter(nothrow), QZ_ERR_FREED);
    EXPECT(r.hold(nothrow), QZ_ERR_FREED);
    EXPECT(r.free(nothrow), QZ_ALREADY_FREED);
}

void the_last_one_out_destroys() {
    int ended = 0;
    handle_ref<app::session> r;
    {
        handle<app::session> h = open(&ended);
        r = h;
        entry<app::session> inside = *r.enter(nothrow);
        EXPECT_AT_ONCE(h.free(nothrow, 5s), QZ_FREE_PENDING); // from inside
        CHECK(ended == 0 && inside->answer() == 42);
        EXPECT(r.wait_freed(nothrow), QZ_ERR_DEADLOCK);
    } // the entry leaves before the handle is destroyed
    CHECK(ended == 1);
    {
        handle<app::session> h = open(&ended);
        entry<app::session> inside = *h.enter(nothrow);
        const double begin = now_ms();
        { handle<app::session> ends = std::move(h); } // freed by a destructor, from inside: at once
        CHECK(now_ms() - begin < LATE_MS && ended == 1 && inside->answer() == 42);
    }
    CHECK(ended == 2);
}

void what_blocks_is_woken() {
    int ended = 0;
    {
        handle<app::session> h = open(&ended);
        std::thread blocks([r = handle_ref<app::session>(h)] { (*r.enter(nothrow, "query"))->query(); });
        while (!(*h.enter(nothrow))->blocks()) sleep_ms(1);
        EXPECT(h.free(nothrow), QZ_OK);
        blocks.join();
        CHECK(ended == 1);
    }
    // A class's traits, and a function given with the object.
    auto thing = std::make_unique<app::foreign>();
    app::foreign *seen = thing.get();
    handle<app::foreign> f = *handle<app::foreign>::make(nothrow, std::move(thing));
    CHECK(std::strcmp(f.info(nothrow)->kind, "a foreign thing") == 0);
    {
        entry<app::foreign> e = *f.enter(nothrow);
        EXPECT(f.free(nothrow, 0ms), QZ_FREE_PENDING);
        CHECK(seen->stopped);
    }
    int closes = 0;
    handle<app::plain> p = *handle<app::plain>::make(nothrow, std::make_unique<app::plain>(),
                                                     [&closes](app::plain &o) { closes += o.value; });
    entry<app::plain> e = *p.enter(nothrow);
    EXPECT(p.free(nothrow, 0ms), QZ_FREE_PENDING);
    CHECK(closes == 7);
}

void end_plain(app::plain *p) {
    p->value = 0;
    delete p;
}

void the_deleter_is_the_callers() {
    std::unique_ptr<app::plain, void (*)(app::plain *)> by_function(new app::plain, end_plain);
    { handle<app::plain> h = *handle<app::plain>::make(nothrow, std::move(by_function)); }
    CHECK(by_function == nullptr);
    int ended = 0;
    auto end = [&ended](app::plain *p) {
        ended++;
        delete p;
    };
    std::unique_ptr<app::plain, decltype(end)> by_lambda(new app::plain, end);
    { handle<app::plain> h = *handle<app::plain>::make(nothrow, std::move(by_lambda)); }
    CHECK(ended == 1);
}

void a_hold_ends_on_another_thread() {
    int ended = 0;
    handle<app::session> h = open(&ended);
    typed_hold<app::session> taken = *h.hold(nothrow, "page");
    CHECK(taken && taken->answer() == 42 && h.info(nothrow)->holds == 1);
    EXPECT(taken.pass_on(nothrow), QZ_OK);
    EXPECT(h.free(nothrow, 10ms), QZ_FREE_PENDING);
    std::thread([&ended, moved = std::move(taken)] { CHECK(moved->answer() == 42 && ended == 0); }).join();
    CHECK(!taken && taken.get() == nullptr && ended == 1);
    handle<app::session> other = open(&ended);
    taken = *other.hold(nothrow);
    taken = *other.hold(nothrow);
    CHECK(taken && other.info(nothrow)->holds == 1);
    hold untyped = std::move(taken).untyped();
    CHECK(untyped && !taken && other.info(nothrow)->holds == 1);
    untyped.reset();
    taken = *other.hold(nothrow);
    taken.reset();
    EXPECT(other.free(nothrow), QZ_OK);
    CHECK(ended == 2);
}

void each_class_is_a_kind() {
    int ended = 0;
    handle<app::session> h = open(&ended);
    handle<app::plain> p = *handle<app::plain>::make(nothrow, std::make_unique<app::plain>());
    EXPECT(handle_ref<app::plain>(h.get()).enter(nothrow), QZ_ERR_WRONG_KIND);
    EXPECT(handle_ref<app::session>(p.get()).hold(nothrow), QZ_ERR_WRONG_KIND);
    EXPECT(handle_ref<app::plain>(reinterpret_cast<qz_handle *>(&ended)).enter(nothrow), QZ_ERR_BAD_HANDLE);
    EXPECT(handle_ref<app::plain>().enter(nothrow), QZ_ERR_NULL);
    // Named as the class is, in UTF-8, however long that is.
    auto named = handle<app::a_name_that_is_cut_in_an_\u00e4\u00e4\u00e4>::make(
        nothrow, std::make_unique<app::a_name_that_is_cut_in_an_\u00e4\u00e4\u00e4>());
    EXPECT(named, QZ_OK);
    CHECK(std::strncmp(named->info(nothrow)->kind, "app::a_name_that_is_cut_in_an_", 30) == 0);
    handle<app::plain> moved = std::move(p);
    EXPECT(p.enter(nothrow), QZ_ERR_NULL);
    EXPECT(p.hold(nothrow), QZ_ERR_NULL);
    handle<app::plain> adopted(moved.release());
    CHECK((*adopted.enter(nothrow))->value == 7);
}

void after_a_refusal_the_object_is_the_callers() {
    std::unique_ptr<app::closed_kind> none, thing = std::make_unique<app::closed_kind>();
    EXPECT(handle<app::closed_kind>::make(nothrow, std::move(none)), QZ_ERR_NULL);
    out_of_memory() = true;
    EXPECT(handle<app::closed_kind>::make(nothrow, std::move(thing)), QZ_ERR_NO_MEMORY);
    result<handle<app::plain>> h = handle<app::plain>::make(nothrow, std::make_unique<app::plain>());
    out_of_memory() = false;
    CHECK(!h && thing != nullptr);
    mutex m = *mutex::make(nothrow);
    out_of_memory() = true;
    EXPECT(m.on_freed(nothrow, [] { std::abort(); }), QZ_ERR_NO_MEMORY);
    out_of_memory() = false;
    CHECK(*handle<app::closed_kind>::kind(nothrow)->close(nothrow) == 0);
    EXPECT(handle<app::closed_kind>::make(nothrow, std::move(thing)), QZ_ERR_FREED);
    CHECK(thing != nullptr);
}

void a_forked_child_has_a_kind_of_its_own() {
    int ended = 0;
    handle<app::session> h = open(&ended);
    std::fflush(stdout);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        EXPECT(h.enter(nothrow), QZ_ERR_FORKED);
        h.reset(); // does nothing
        handle<app::session> ours = open(&ended), another = open(&ended);
        CHECK((*ours.enter(nothrow))->answer() == 42 && (*another.enter(nothrow))->answer() == 42);
        EXPECT(ours.free(nothrow), QZ_OK);
        CHECK(ended == 1);
        _Exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK((*h.enter(nothrow))->answer() == 42);
}

void destructors_are_no_misuse() {
    const std::uint64_t before = misuses();
    int ended = 0;
    {
        handle<app::session> h = open(&ended);
        EXPECT(handle_ref<app::session>(h).free(nothrow), QZ_OK);
    }
    {
        handle<app::session> h = open(&ended), moved = std::move(h);
        entry<app::session> e = *moved.enter(nothrow);
        EXPECT(moved.free(nothrow, 0ms), QZ_FREE_PENDING);
    }
    CHECK(ended == 2 && misuses() == before);
}

} // namespace

void handles() {
    RUN(an_object_is_used_and_freed);
    RUN(the_last_one_out_destroys);
    RUN(what_blocks_is_woken);
    RUN(the_deleter_is_the_callers);
    RUN(a_hold_ends_on_another_thread);
    RUN(each_class_is_a_kind);
    RUN(after_a_refusal_the_object_is_the_callers);
    RUN(a_forked_child_has_a_kind_of_its_own);
    RUN(destructors_are_no_misuse);
}
