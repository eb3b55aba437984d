/* Includes the header first and alone, so that it must bring everything it needs; and twice, so that its guard works.
 * Compiled and linked with header_second.c as every C standard from C99 on: nothing in it may be defined twice. */
#include "quiescent.h"
#include "quiescent.h"

int second_unit(qz_handle *handle);
int first_unit(qz_kind_ops *ops, qz_handle_info *info, qz_occupant *occupant);

/* Every type and macro is used as a caller would. */
int first_unit(qz_kind_ops *ops, qz_handle_info *info, qz_occupant *occupant) {
    ops->struct_size = sizeof *ops;
    info->state = QZ_STATE_OPEN;
    occupant->thread_id = 0;
    return (int)ops->struct_size;
}

static void wake(void *object, void *ctx) {
    (void)object;
    (void)ctx;
}

int main(void) {
    static qz_guard guard; /* zero bytes: open */
    qz_rundown rundown = {0};
    qz_kind_ops ops = {sizeof ops, wake, NULL, NULL};
    qz_kind *kind = NULL;
    qz_handle *handle = NULL;
    void *object = NULL;
    if (qz_kind_new("header", &ops, &kind) != QZ_OK || qz_handle_new(kind, &ops, &handle) != QZ_OK) return 1;
    if (qz_handle_enter(handle, kind, "compile", &object) != QZ_OK || object != &ops) return 2;
    if (qz_handle_leave(handle) != QZ_OK || qz_handle_free(handle, QZ_DEFAULT_TIMEOUT) != QZ_OK) return 3;
    if (qz_handle_free(QZ_HANDLE(kind), QZ_INFINITE) != QZ_OK) return 4;
    if (qz_guard_begin_free(&guard, 0) != QZ_OK || qz_rundown_wait(&rundown, 0) != QZ_OK) return 5;
    if (qz_cache_aware_rundown_delete((qz_cache_aware_rundown *)0) != QZ_OK) return 7;
    if (qz_abi_version() != QZ_ABI_VERSION) return 6;
    return second_unit(handle);
}
