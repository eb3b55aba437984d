// Mistakes that must not compile: one for each CASE from 1 on. CASE 0 does the same rightly, and does.
#include <quiescent.hpp>

#include <mutex>

using namespace quiescent;

struct thing {};

void mistake(mutex &m, handle_ref<thing> h, const char *name, char (&buffer)[8], qz_mutex *raw);
void mistake(mutex &m, handle_ref<thing> h, const char *name, char (&buffer)[8], qz_mutex *raw) {
#if CASE == 0
    mutex moved = std::move(m);
    result<hold> taken = moved.lock(std::nothrow, std::chrono::milliseconds(1));
    result<entry<thing>> inside = h.enter(std::nothrow, "literal");
    result<entry<thing>> other = h.enter(std::nothrow, operation_name::from_static(name));
    mutex adopted(raw);
    static_cast<void>(buffer);
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
#else
#error "no such case"
#endif
}
