// As app.c, in C++.
#include <quiescent.hpp>

#include <cstdio>

struct session {
    int query() { return 7; }
};

int main() {
    quiescent::handle<session> handle(std::make_unique<session>());
    if (handle.enter("use")->query() != 7) return 1;
    quiescent::mutex mutex;
    { quiescent::hold locked = mutex.lock(std::chrono::milliseconds(100)); }
    handle.free(std::chrono::seconds(1));
    std::printf("%s\n", qz_version());
}
