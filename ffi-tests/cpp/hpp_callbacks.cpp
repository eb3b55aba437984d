// quiescent.hpp: exceptions that leave the caller's functions never reach a C frame.
#include "hpp_check.hpp"

#include <cstdlib>
#include <thread>

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

// A C function that calls back on the same thread: what a kind whose callbacks have a caller looks like.
detail::carrier *carries;

int compare(const void *a, const void *b) {
    return carries->carry(
        [a, b] {
            const int left = *static_cast<const int *>(a), right = *static_cast<const int *>(b);
            if (left == 3 || right == 3) throw std::runtime_error("three");
            return left < right ? -1 : left > right;
        },
        0);
}

void where_there_is_a_caller_they_are_rethrown() {
    int numbers[] = {2, 1, 0}, with_three[] = {4, 3, 2, 1};
    const std::uint64_t before = swallowed_exceptions();
    {
        detail::carrier carrier;
        carries = &carrier;
        std::qsort(numbers, 3, sizeof(int), compare);
        carrier.rethrow(); // nothing
        CHECK(numbers[0] == 0 && numbers[2] == 2);
        std::qsort(with_three, 4, sizeof(int), compare);
        bool caught = false;
        try {
            carrier.rethrow();
        } catch (const std::runtime_error &e) {
            caught = std::strcmp(e.what(), "three") == 0;
        }
        CHECK(caught);
        carrier.rethrow(); // once only
    }
    CHECK(swallowed_exceptions() == before);
    {
        detail::carrier carrier;
        carries = &carrier;
        std::qsort(with_three, 4, sizeof(int), compare);
    }
    CHECK(swallowed_exceptions() == before + 1);
}

} // namespace

void callbacks() {
    RUN(they_are_swallowed_and_counted);
    RUN(where_there_is_a_caller_they_are_rethrown);
}
