// The first of two units that include the header: see hpp_odr.hpp. Twice, too.
#include "quiescent.hpp"
#include "quiescent.hpp"

#include "hpp_odr.hpp"

#ifdef QZ_HPP_BEGIN
#error "a macro of the header leaks"
#endif

void shared_thing::on_close() {
#ifdef __cpp_exceptions
    throw value;
#endif
}

int main() {
    using quiescent::handle;
    bool same = &quiescent::detail::swallowed() == second_counter();
#ifdef MIXED
    if (same) return 1; // one without `catch` might be taken for one with it
#else
    if (!same) return 2;
#endif
    quiescent::result<handle<shared_thing>> made =
        handle<shared_thing>::make(std::nothrow, std::make_unique<shared_thing>());
    if (!made) return 3;
    qz_handle *h = made->get();
    if (second_enters(h) != (same ? QZ_OK : QZ_ERR_WRONG_KIND)) return 4;
    {
        quiescent::result<quiescent::entry<shared_thing>> inside = made->enter(std::nothrow, "first");
        if (!inside || (*inside)->value != 7) return 5;
        if (second_frees(h) != QZ_FREE_PENDING) return 6;
    }
#ifdef __cpp_exceptions
    if (quiescent::swallowed_exceptions() == 0) return 7;
#endif
    return made->wait_freed(std::nothrow, std::chrono::milliseconds(0)) ? 0 : 8;
}
