/* Step 1: what is usually written. The handle is the address. */
#include "connection.h"
#include "wire.h"

int wire_open(int fd, const char *name, wire **out) {
    *out = (wire *)connection_open(fd, name);
    return *out == NULL ? -1 : 0;
}

int wire_send(wire *w, const char *line) { return connection_send((connection *)w, line); }

int wire_receive(wire *w, char *line, size_t size) { return connection_receive((connection *)w, line, size); }

int wire_close(wire *w) {
    connection_close((connection *)w);
    return 0;
}
