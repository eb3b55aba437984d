/* A user of the library: one thread receives, another closes, twice.
 *
 *   user busy     the peer talks all the time
 *   user quiet    the peer says nothing
 */
#include "wire.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static wire *mine;
static int theirs, received;

static void *talk(void *unused) {
    while (send(theirs, "tick\n", 5, MSG_NOSIGNAL) == 5) {}
    return unused;
}

static void *receive(void *unused) {
    char line[100];
    while ((received = wire_receive(mine, line, sizeof line)) == 0) {}
    return unused;
}

int main(int argc, char **argv) {
    int is_busy = argc > 1 && strcmp(argv[1], "busy") == 0, ends[2];
    pthread_t talker, receiver;
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    theirs = ends[1];
    if (wire_open(ends[0], "the wire", &mine) != 0 || wire_send(mine, "hello") != 0) return 1;
    pthread_create(&receiver, NULL, receive, NULL);
    if (is_busy) pthread_create(&talker, NULL, talk, NULL);
    usleep(50 * 1000);

    printf("wire_close answers %d\n", wire_close(mine)); /* while the other thread is inside */
    if (!is_busy) close(theirs);                         /* the peer hangs up, too */
    pthread_join(receiver, NULL);
    printf("wire_receive answers %d\n", received);
    printf("wire_close answers %d\n", wire_close(mine)); /* again */
    printf("wire_send answers %d\n", wire_send(mine, "too late"));
    if (is_busy) pthread_join(talker, NULL);
    return 0;
}
