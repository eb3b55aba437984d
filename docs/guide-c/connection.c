#include "connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    int fd;
    char name[32];
    size_t filled;
    char buffer[4000];
};

connection *connection_open(int fd, const char *name) {
    connection *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->fd = fd;
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

const char *connection_name(const connection *c) { return c->name; }

int connection_send(connection *c, const char *line) {
    ssize_t length = (ssize_t)strlen(line);
    if (send(c->fd, line, (size_t)length, MSG_NOSIGNAL) != length) return -1;
    return send(c->fd, "\n", 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

int connection_receive(connection *c, char *line, size_t size) {
    char *end;
    while ((end = memchr(c->buffer, '\n', c->filled)) == NULL) {
        ssize_t got = recv(c->fd, c->buffer + c->filled, sizeof c->buffer - c->filled, 0);
        if (got <= 0) return -1;
        c->filled += (size_t)got;
    }
    size_t length = (size_t)(end - c->buffer);
    if (length < size) memcpy(line, c->buffer, length), line[length] = '\0';
    c->filled -= length + 1;
    memmove(c->buffer, end + 1, c->filled);
    return length < size ? 0 : -1;
}

void connection_hang_up(connection *c) { shutdown(c->fd, SHUT_RDWR); }

void connection_close(connection *c) {
    close(c->fd);
    free(c);
}
