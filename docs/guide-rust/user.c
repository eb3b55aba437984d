/* A user of the library: one thread waits for words, another closes, twice. */
#include "words.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static words *mine;
static int waited;

static void *wait_for_two(void *unused) {
    waited = words_wait(mine, 2, 3000);
    return unused;
}

int main(void) {
    pthread_t waiter;
    if (words_open(&mine) != 0 || words_add(mine, "quiescent") != 0) return 1;
    pthread_create(&waiter, NULL, wait_for_two, NULL);
    usleep(50 * 1000);

    printf("words_close answers %d\n", words_close(mine)); /* while the other thread is inside */
    printf("words_close answers %d\n", words_close(mine)); /* again */
    printf("words_add answers %d\n", words_add(mine, "late"));
    pthread_join(waiter, NULL);
    printf("words_wait answers %d\n", waited);
    return 0;
}
