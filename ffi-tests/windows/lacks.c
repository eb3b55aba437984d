/* What there is of backends: a typed refusal, with words. */
#include "../c/check.h"

int main(void) {
    qz_backend *backend = (qz_backend *)0x1234;
    qz_mutex *mutex = NULL;
    EXPECT(qz_backend_new(NULL, NULL, &backend), QZ_ERR_IO);
    CHECK(backend == NULL && qz_last_os_error() == 0);
    CHECK_SAY(strstr(qz_last_error(), "for Linux") != NULL, "the words are '%s'", qz_last_error());
    EXPECT(qz_mutex_new(&mutex), QZ_OK);
    EXPECT(qz_mutex_lock_async(mutex, QZ_INFINITE, NULL, backend, NULL), QZ_ERR_NULL);
    EXPECT(qz_mutex_free(mutex, 0), QZ_OK);
    return 0;
}
