// All tests of quiescent.hpp in one program: the header in several translation units, which must agree.
#include "hpp_check.hpp"

void waits();
void handles();
void embedded();
void kinds();
void made();
void ends();
void backends();
void asynchronous();
void library();
#ifdef __cpp_exceptions
void throwing();
void callbacks();
void carried();
#endif
#ifdef __cpp_lib_coroutine
void coroutines();
#endif
const void *waits_unit();
const void *handles_unit();

namespace {

void the_units_share_their_variables() {
    const void *mine = &quiescent::detail::swallowed();
    CHECK(waits_unit() == mine && handles_unit() == mine);
}

} // namespace

int main() {
    EXPECT(qz_misuse_set_level(QZ_MISUSE_COUNT), QZ_OK);
    RUN(the_units_share_their_variables);
    waits();
    handles();
    embedded();
    kinds();
    made();
    ends();
    backends();
    asynchronous();
#ifdef __cpp_lib_coroutine
    coroutines();
#endif
#ifdef __cpp_exceptions
    throwing();
    callbacks();
    carried();
#endif
    library();
    return 0;
}
