/* A connection that carries lines of text: the library's own code, which knows nothing of handles, and stays as it is. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <stddef.h>

typedef struct connection connection;

connection *connection_open(int fd, const char *name);             /* takes over `fd`; NULL: no memory */
const char *connection_name(const connection *c);                  /* as long as the connection lives */
int connection_send(connection *c, const char *line);              /* 0, or -1 */
int connection_receive(connection *c, char *line, size_t size);    /* waits; 0, or -1: there will be none */
void connection_hang_up(connection *c);                            /* ends what waits; may come often */
void connection_close(connection *c);                              /* gives everything back */

#endif
