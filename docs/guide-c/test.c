/* A test of the library of step 5: nothing is left, and nothing was misused. Run it with QUIESCENT_MISUSE=abort. */
#include "wire_error.h"
#include "wire.h"

#include <pthread.h>
#include <quiescent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static wire *mine;

static void *receive(void *unused) {
    char line[100];
    int status = wire_receive(mine, line, sizeof line);
    printf("receiver: %s\n", wire_error_name(status));
    return unused;
}

int main(void) {
    int ends[2];
    pthread_t receiver;
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    if (wire_open(ends[0], "the wire", &mine) != 0) return 1;
    pthread_create(&receiver, NULL, receive, NULL);
    usleep(50 * 1000);

    char report[1000];
    size_t length, left = 1;
    qz_report(report, sizeof report, &length); /* what is open, and who is inside */
    fputs(report, stdout);

    wire_close(mine);
    pthread_join(receiver, NULL);
    close(ends[1]);
    qz_status status = qz_quiesce_all(1000, &left); /* frees what was forgotten; left: what it cannot */
    printf("at the end: %s, %zu left\n", wire_error_name((int)status), left);

    qz_stats stats;
    qz_stats_get(&stats, sizeof stats);
    printf("%llu wires opened, %llu freed\n", (unsigned long long)stats.opened, (unsigned long long)stats.freed);
    return status == QZ_OK && left == 0 && stats.opened == stats.freed ? 0 : 1;
}
