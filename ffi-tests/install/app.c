/* A program of somebody who has Quiescent installed. tests/install.rs builds it out of the installed tree, by each of the ways
 * that the tree offers; nothing here may come from the repository. Prints the library's version. */
#include <quiescent.h>
#include <stdio.h>
#include <string.h>

static void destroy(void *object, void *ctx) {
    (void)ctx;
    *(int *)object = 0;
}

int main(void) {
    int session = 1;
    void *object = NULL;
    qz_kind_ops ops = {sizeof ops, NULL, destroy, NULL};
    qz_kind *kind = NULL;
    qz_handle *handle = NULL;
    qz_mutex *mutex = NULL;
    qz_hold *hold = NULL;
    if (strcmp(qz_version(), QZ_VERSION) != 0 || qz_abi_version() != QZ_ABI_VERSION) return 1;
    if (qz_kind_new("session", &ops, &kind) != QZ_OK || qz_handle_new(kind, &session, &handle) != QZ_OK) return 2;
    if (qz_handle_enter(handle, kind, "use", &object) != QZ_OK || object != &session) return 3;
    if (qz_handle_leave(handle) != QZ_OK || qz_handle_free(handle, QZ_DEFAULT_TIMEOUT) != QZ_OK || session != 0) return 4;
    if (qz_mutex_new(&mutex) != QZ_OK || qz_mutex_lock(mutex, 100, NULL, &hold) != QZ_OK) return 5;
    if (qz_hold_release(hold) != QZ_OK || qz_handle_free(QZ_HANDLE(mutex), QZ_DEFAULT_TIMEOUT) != QZ_OK) return 6;
    printf("%s\n", qz_version());
    return 0;
}
