/* Uses libquiescent.a and another static library made with Rust, each while the other is at work. */
#include <pthread.h>
#include <quiescent.h>
#include <stddef.h>

uint32_t other_sum(uint32_t n);

static void *use_other(void *mutex) {
    qz_hold *hold = NULL;
    if (qz_mutex_lock(mutex, 10000, NULL, &hold) != QZ_OK) return mutex;
    uint32_t sum = other_sum(5);
    return qz_hold_release(hold) == QZ_OK && sum == 1010 ? NULL : mutex;
}

int main(void) {
    pthread_t threads[4];
    qz_mutex *mutex = NULL;
    void *failed = NULL;
    int code = 0;
    if (qz_mutex_new(&mutex) != QZ_OK) return 1;
    for (int i = 0; i < 4; i++) {
        if (pthread_create(&threads[i], NULL, use_other, mutex) != 0) return 2;
    }
    for (int i = 0; i < 4; i++) {
        if (pthread_join(threads[i], &failed) != 0 || failed != NULL) code = 3;
    }
    return qz_handle_free(QZ_HANDLE(mutex), QZ_DEFAULT_TIMEOUT) == QZ_OK ? code : 4;
}
