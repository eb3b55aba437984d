/* The hand-written header, twice and alone: as C and, by another compiler, as C++. */
#include "rust_cdylib.h"
#include "rust_cdylib.h"

int main(void) {
    mq *queue = NULL;
    if (mq_new(1, NULL, &queue) != RC_OK) return 1;
    if (mq_free(queue, RC_DEFAULT_TIMEOUT) != RC_OK) return 1;
    return mq_free(queue, RC_DEFAULT_TIMEOUT) == RC_ALREADY_FREED ? 0 : 1;
}
