// The second translation unit that includes the header.
#include "quiescent.h"

bool second_unit(qz_handle *handle);

bool second_unit(qz_handle *handle) { return qz_handle_wait_freed(handle, 0) == QZ_OK; }
