/* A user of step 4, who keeps the name of a wire for longer than the wire. */
#include "wire_loan.h"

#include <stdio.h>
#include <sys/socket.h>

int main(void) {
    int ends[2];
    wire *w;
    const char *name;
    wire_loan *loan;
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    if (wire_open(ends[0], "the wire", &w) != 0 || wire_lend_name(w, &name, &loan) != 0) return 1;
    printf("wire_close answers %d\n", wire_close(w));
    printf("%s is still there\n", name);
    printf("wire_give_back answers %d\n", wire_give_back(loan)); /* the last one out closes the connection */
    printf("wire_close answers %d\n", wire_close(w));
    return 0;
}
