// What the programs that test asynchronous calls share.
#ifndef HPP_COMPLETIONS_HPP
#define HPP_COMPLETIONS_HPP
#include "hpp_check.hpp"

#include <vector>

namespace {

using namespace quiescent;
using namespace std::chrono_literals;
using std::nothrow;

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
inline void run(backend_ref b) {
    completions over;
    const double begin = now_ms();
    while (*b.pending(nothrow) > 0) {
        CHECK(now_ms() - begin < 10000);
        static_cast<void>(b.poll(nothrow, over, 100ms));
        CHECK(over.empty());
    }
}

struct thing {
    int value = 7;
};

} // namespace

#endif
