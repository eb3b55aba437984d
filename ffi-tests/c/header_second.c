/* The second translation unit that includes the header. */
#include "quiescent.h"

int second_unit(qz_handle *handle);

int second_unit(qz_handle *handle) { return qz_handle_free(handle, 0) == QZ_ALREADY_FREED ? 0 : 7; }
