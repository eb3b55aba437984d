#include <quiescent.hpp>
// No other include: it brings what it needs, and works with what it brings.
struct session {
    void query() {}
    void on_close() noexcept {}
};

int main() {
    using namespace std::chrono_literals;
    quiescent::handle<session> h(std::make_unique<session>());
    quiescent::handle_ref<session> r = h;
    r.enter("query")->query();
    quiescent::typed_hold<session> kept = r.hold("keep");
    kept.reset();
    quiescent::cancel stop;
    quiescent::mutex m;
    quiescent::hold locked = m.lock(50ms, stop);
    quiescent::semaphore s(1, 1);
    quiescent::hold permit = s.acquire(1, 2s, stop);
    static quiescent::guard g;
    quiescent::guard::entry inside = g.enter();
    quiescent::rundown rundown;
    quiescent::rundown::reference one = rundown.acquire();
    quiescent::cache_aware_rundown wide;
    quiescent::cache_aware_rundown::reference other = wide.acquire();
    quiescent::kind k("raw");
    try {
        m.lock(50ms, stop).reset();
    } catch (const quiescent::error &e) {
        return h.free(2s) == QZ_OK && e.status() == QZ_ERR_DEADLOCK ? 0 : 1;
    }
    return 2;
}
