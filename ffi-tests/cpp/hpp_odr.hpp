// What hpp_odr_first.cpp and hpp_odr_second.cpp share: the header in two units of one program, built with exceptions, without, or one
// so and the other so.
#ifndef HPP_ODR_HPP
#define HPP_ODR_HPP
#include "quiescent.h"

#include <cstdint>

struct shared_thing {
    int value = 7;
    void on_close();
};

// What `h` answers in the second unit, to an enter there.
qz_status second_enters(qz_handle *h);
// Frees it there, as the second unit's own class does.
qz_status second_frees(qz_handle *h);
const void *second_counter();

#endif
