/* What the users of the library see. */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>

typedef struct wire wire;

/* Answers: 0 is fine, less than 0 is not. */
int wire_open(int fd, const char *name, wire **out);
int wire_send(wire *w, const char *line);
int wire_receive(wire *w, char *line, size_t size); /* waits for a line */
int wire_close(wire *w);

#endif
