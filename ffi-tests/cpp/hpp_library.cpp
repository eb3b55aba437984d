// quiescent.hpp: what concerns the library itself, and many handles at once.
#include "hpp_check.hpp"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

void library();

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

struct thing {};

void it_is_the_one_of_this_header() {
    CHECK(is_compatible());
    CHECK(std::strcmp(version(), QZ_VERSION) == 0);
}

#ifdef __cpp_exceptions
// A report says how old each handle is: what a millisecond may change.
std::string without_digits(std::string text) {
    text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }), text.end());
    return text;
}
#endif

void it_tells_what_there_is() {
    const std::uint64_t before = stats(nothrow)->live;
    mutex m = *mutex::make(nothrow);
    CHECK(m.set_label(nothrow, "in the report") && stats(nothrow)->live == before + 1);
    char text[4096];
    const std::size_t length = *report(nothrow, text, sizeof text);
    CHECK(std::strstr(text, "in the report") != nullptr && length < sizeof text && text[length] == '\0');
    // It has grown older meanwhile, perhaps by a digit.
    CHECK(*report(nothrow, nullptr, 0) >= length);
    EXPECT(report(nothrow, nullptr, 1), QZ_ERR_NULL);
#ifdef __cpp_exceptions
    CHECK(without_digits(report()) == without_digits(text) && stats().live == before + 1);
    // However much it is.
    std::vector<mutex> many(300);
    CHECK(report().size() > sizeof text);
#endif
}

void misuse_is_told() {
    struct {
        std::atomic<int> told;
        qz_misuse last;
        const void *handle;
        void operator()(qz_misuse misuse, const void *h) {
            told++;
            last = misuse;
            handle = h;
        }
    } static hook;
    mutex m = *mutex::make(nothrow);
    EXPECT(m.free(nothrow), QZ_OK);
    CHECK(set_misuse_hook(nothrow, hook));
    EXPECT(m.free(nothrow), QZ_ALREADY_FREED);
    CHECK(hook.told == 1 && hook.last == QZ_MISUSE_DOUBLE_FREE && hook.handle == m.get());
    CHECK(set_misuse_level(nothrow, QZ_MISUSE_IGNORE));
    EXPECT(m.lock(nothrow), QZ_ERR_FREED);
    CHECK(hook.told == 1 && set_misuse_level(nothrow, QZ_MISUSE_COUNT));
    EXPECT(set_misuse_level(nothrow, static_cast<qz_misuse_level>(3)), QZ_ERR_INVALID_ARGUMENT);
    CHECK(set_misuse_hook(nothrow, nullptr));
    EXPECT(m.lock(nothrow), QZ_ERR_FREED);
    CHECK(hook.told == 1);
#ifdef __cpp_exceptions
    static auto throws = [](qz_misuse, const void *) { throw 1; };
    const std::uint64_t before = swallowed_exceptions();
    set_misuse_hook(throws);
    EXPECT(m.lock(nothrow), QZ_ERR_FREED);
    set_misuse_hook(nullptr);
    CHECK(swallowed_exceptions() == before + 1);
    THROWS(set_misuse_level(static_cast<qz_misuse_level>(3)), QZ_ERR_INVALID_ARGUMENT);
    set_misuse_level(QZ_MISUSE_COUNT);
#endif
}

void many_are_freed_within_one_deadline() {
    std::vector<handle<thing>> things;
    for (int i = 0; i < 5; i++) things.push_back(*handle<thing>::make(nothrow, std::make_unique<thing>()));
    typed_hold<thing> kept = *things[2].hold(nothrow);
    CHECK(kept.pass_on(nothrow));
    qz_status each[5] = {};
    EXPECT_AFTER(free_many(nothrow, things.begin(), things.end(), 20ms, each), QZ_FREE_PENDING, 20);
    for (int i = 0; i < 5; i++) CHECK(each[i] == (i == 2 ? QZ_FREE_PENDING : QZ_OK));
    kept.reset();
    CHECK(things[2].wait_freed(nothrow, 0ms));
    // Of several kinds.
    mutex m = *mutex::make(nothrow);
    cancel c = *cancel::make(nothrow);
    qz_handle *all[] = {QZ_HANDLE(m.get()), QZ_HANDLE(c.get())};
    out_of_memory() = true;
    const result<qz_status> refused = free_many(nothrow, std::begin(all), std::end(all));
    out_of_memory() = false;
    EXPECT(refused, QZ_ERR_NO_MEMORY);
    CHECK(!m.is_closing());
    EXPECT(free_many(nothrow, std::begin(all), std::end(all)), QZ_OK);
    CHECK(m.is_closing() && c.is_closing());
    EXPECT(free_many(nothrow, all, all), QZ_OK); // none
    const mutex_ref refs[] = {m, mutex_ref(reinterpret_cast<qz_mutex *>(all))};
    EXPECT(free_many(nothrow, std::begin(refs), std::end(refs), 0ms, each), QZ_ERR_BAD_HANDLE);
    CHECK(each[0] == QZ_ALREADY_FREED && each[1] == QZ_ERR_BAD_HANDLE);
#ifdef __cpp_exceptions
    THROWS(free_many(refs + 1, refs + 2), QZ_ERR_BAD_HANDLE);
    mutex last;
    CHECK(free_many(&last, &last + 1, 0ms) == QZ_OK);
#endif
}

void all_are_freed() {
    mutex m = *mutex::make(nothrow), other = *mutex::make(nothrow);
    hold mine = *m.lock(nothrow);
    CHECK(*quiesce_all(nothrow, 0ms) == 1);
    CHECK(m.is_closing() && other.is_closing());
    mine.reset();
    CHECK(*quiesce_all(nothrow) == 0 && stats(nothrow)->live == 0);
    EXPECT(quiesce_all(nothrow, -1ms), QZ_ERR_INVALID_ARGUMENT);
#ifdef __cpp_exceptions
    CHECK(quiesce_all() == 0);
#endif
}

} // namespace

void library() {
    RUN(it_is_the_one_of_this_header);
    RUN(it_tells_what_there_is);
    RUN(misuse_is_told);
    RUN(many_are_freed_within_one_deadline);
    RUN(all_are_freed); // of the whole program: the last test
}
