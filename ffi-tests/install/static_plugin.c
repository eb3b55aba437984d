/* A plugin with a library of its own inside; static_plugin_host.c loads it. It is no business of the program's. */
#include <quiescent.h>
#include <stddef.h>

qz_handle *plugin_open(void);
qz_status plugin_free(qz_handle *handle);

qz_handle *plugin_open(void) {
    qz_semaphore *semaphore = NULL;
    qz_hold *hold = NULL;
    if (qz_semaphore_new(1, 1, &semaphore) != QZ_OK || qz_semaphore_acquire(semaphore, 1, 0, NULL, &hold) != QZ_OK) return NULL;
    return qz_hold_release(hold) == QZ_OK ? QZ_HANDLE(semaphore) : NULL;
}

qz_status plugin_free(qz_handle *handle) { return qz_handle_free(handle, QZ_DEFAULT_TIMEOUT); }
