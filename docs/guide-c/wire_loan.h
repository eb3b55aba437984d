/* Step 4: the name of a wire, lent. */
#ifndef WIRE_LOAN_H
#define WIRE_LOAN_H

#include "wire.h"

typedef struct wire_loan wire_loan;

int wire_lend_name(wire *w, const char **out_name, wire_loan **out_loan);
int wire_give_back(wire_loan *loan); /* once, on any thread; then the name is not to be used any more */

#endif
