// The second unit that includes the header: see hpp_odr.hpp.
#include "hpp_odr.hpp"

#include "quiescent.hpp"

using quiescent::handle_ref;

qz_status second_enters(qz_handle *h) { return handle_ref<shared_thing>(h).enter(std::nothrow, "second").status(); }

qz_status second_frees(qz_handle *h) {
    quiescent::result<qz_status> answer =
        handle_ref<shared_thing>(h).free(std::nothrow, std::chrono::milliseconds(0));
    return answer ? *answer : answer.status();
}

const void *second_counter() { return &quiescent::detail::swallowed(); }
