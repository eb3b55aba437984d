// Mistakes that must not compile: one for each CASE from 1 on. CASE 0 does the same rightly, and does.
#include <quiescent.hpp>

#include <mutex>

using namespace quiescent;

struct thing {};
struct factory : pool_factory<thing> {
    result<owned> create(timeout) override { return std::make_unique<thing>(); }
#if CASE == 12
    bool chek(thing &) override { return true; }
#else
    bool check(thing &) override { return true; }
#endif
};

void mistake(mutex &m, handle_ref<thing> h, const char *name, char (&buffer)[8], qz_mutex *raw);
void mistake(mutex &m, handle_ref<thing> h, const char *name, char (&buffer)[8], qz_mutex *raw) {
#if CASE == 0
    mutex moved = std::move(m);
    result<hold> taken = moved.lock(std::nothrow, std::chrono::milliseconds(1));
    result<entry<thing>> inside = h.enter(std::nothrow, "literal");
    result<entry<thing>> other = h.enter(std::nothrow, operation_name::from_static(name));
    mutex adopted(raw);
    static_cast<void>(buffer);
    result<hold> reads = write_hold().downgrade(std::nothrow);
    result<once<thing>> cell = once<thing>::make(std::nothrow);
    result<pool<thing>> pooled_things = pool<thing>::make(std::nothrow, {1}, std::make_unique<factory>());
    static auto hook = [](qz_misuse, const void *) {};
    static_cast<void>(set_misuse_hook(std::nothrow, hook));
    result<void> kept = m.lock_async(std::nothrow, backend_ref(), user_data(raw));
    auto then = [](result<thing *>) {};
    result<void> made = once_ref<thing>().get_or_init_async(std::nothrow, backend_ref(), [] { return thing(); }, then);
#elif CASE == 1
    mutex copied = m;
#elif CASE == 2
    result<hold> taken = m.lock(std::nothrow, 100); // of what?
#elif CASE == 3
    result<entry<thing>> inside = h.enter(std::nothrow, name);
#elif CASE == 4
    result<entry<thing>> inside = h.enter(std::nothrow, buffer);
#elif CASE == 5
    entry<thing> *kept = new entry<thing>();
#elif CASE == 6
    std::lock_guard<mutex> locked(m);
#elif CASE == 7
    m.lock(std::nothrow); // unlocked at once (from C++17 on)
#elif CASE == 8
    mutex adopted = raw;
#elif CASE == 9
    entry<thing> inside = *h.enter(std::nothrow);
    inside = entry<thing>();
#elif CASE == 10
    hold taken = m.lock(); // without exceptions
#elif CASE == 11
    static guard g;
    guard moved = std::move(g);
#elif CASE == 12
    result<pool<thing>> pooled_things = pool<thing>::make(std::nothrow, {1}, std::make_unique<factory>());
#elif CASE == 13
    write_hold writes;
    result<hold> reads = writes.downgrade(std::nothrow); // and what would `writes` be then?
#elif CASE == 14
    result<hold> reads = hold().downgrade(std::nothrow);
#elif CASE == 15
    // A deleter that is a value: where would it be kept?
    result<once<thing, void (*)(thing *)>> cell = once<thing, void (*)(thing *)>::make(std::nothrow);
#elif CASE == 16
    static_cast<void>(set_misuse_hook(std::nothrow, [](qz_misuse, const void *) {})); // gone by the first misuse
#elif CASE == 17
    static const auto numbers = [](int) { return thing(); };
    result<pool<thing>> pooled_things = pool<thing>::make(std::nothrow, {1}, numbers); // a timeout has a unit
#elif CASE == 18
    result<void> kept = m.lock_async(std::nothrow, backend_ref(), raw); // a pointer to what?
#elif CASE == 19
    // Who would keep the initialiser?
    user_data then(raw);
    result<void> made = once_ref<thing>().get_or_init_async(std::nothrow, backend_ref(), [] { return thing(); }, then);
#else
#error "no such case"
#endif
}
