#include <quiescent.hpp>
// No other include: it brings what it needs, and works with what it brings.
struct session {
    void query() {}
    void on_close() noexcept {}
};

// Every member, for every standard.
template class quiescent::handle<session>;
template class quiescent::handle_ref<session>;
template class quiescent::entry<session>;
template class quiescent::typed_hold<session>;
template class quiescent::once<session>;
template class quiescent::once_ref<session>;
template class quiescent::pool<session>;
template class quiescent::pool_ref<session>;
template class quiescent::pooled<session>;
template class quiescent::result<session>;
#ifdef __cpp_lib_expected
template std::expected<session, quiescent::failure> quiescent::to_expected(quiescent::result<session>) noexcept;
template std::expected<void, quiescent::failure> quiescent::to_expected(quiescent::result<void>) noexcept;
#endif

#ifdef __cpp_lib_coroutine
struct task {
    struct promise_type {
        task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

task lock_twice(quiescent::mutex_ref m, quiescent::backend_ref b, bool &refused) {
    quiescent::hold locked = co_await m.lock_async(b, quiescent::awaited);
    try {
        quiescent::hold never = co_await m.lock_async(b, quiescent::awaited, std::chrono::milliseconds(1));
    } catch (const quiescent::error &e) {
        refused = e.status() == QZ_ERR_TIMEOUT;
    }
}
#endif

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
    quiescent::rwlock l;
    quiescent::hold reads = l.write().downgrade();
    quiescent::barrier b(1);
    quiescent::notify n;
    n.notify_one();
    n.wait(2s, stop);
    quiescent::once<session> c;
    c.get_or_init([] { return session(); }).query();
    quiescent::pool<session> p({1}, [] { return std::make_unique<session>(); });
    quiescent::pooled<session> lent = p.acquire(2s, stop);
#ifndef _WIN32
    quiescent::backend loop;
    quiescent::completions over;
    bool refused = false;
    n.wait_async(loop, [&refused](quiescent::result<void> woken) { refused = !woken; }, 1ms, stop);
    while (loop.pending() > 0) loop.poll(over);
    if (!refused) return 5;
#ifdef __cpp_lib_coroutine
    refused = false;
    quiescent::mutex other_lock;
    lock_twice(other_lock, loop, refused);
    while (loop.pending() > 0) loop.poll(over);
    if (!refused) return 6;
#endif
#else
    if (quiescent::backend::make(std::nothrow).status() != QZ_ERR_IO) return 7;
#endif
    if (!b.wait() || quiescent::free_many(&b, &b + 1) != QZ_OK || quiescent::report().empty()) return 3;
#ifndef _WIN32
    try {
        quiescent::filelock f("/dev/null/x");
    } catch (const quiescent::error &e) {
        if (e.os_error() == 0) return 4;
    }
#endif
    try {
        m.lock(50ms, stop).reset();
    } catch (const quiescent::error &e) {
        return h.free(2s) == QZ_OK && e.status() == QZ_ERR_DEADLOCK ? 0 : 1;
    }
    return 2;
}
