/* Step 3: what blocks is woken. */
#include "connection.h"
#include "wire.h"

#include <pthread.h>
#include <quiescent.h>

static qz_kind *WIRE;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_close(void *c, void *ctx) {
    (void)ctx;
    connection_hang_up(c);
}

static void on_destroy(void *c, void *ctx) {
    (void)ctx;
    connection_close(c);
}

static void make_kind(void) {
    qz_kind_ops ops = {.struct_size = sizeof ops, .on_close = on_close, .on_destroy = on_destroy};
    qz_kind_new("wire", &ops, &WIRE);
}

int wire_open(int fd, const char *name, wire **out) {
    pthread_once(&once, make_kind);
    connection *c = connection_open(fd, name);
    if (c == NULL) return QZ_ERR_NO_MEMORY;
    qz_handle *h;
    qz_status status = qz_handle_new(WIRE, c, &h);
    if (status != QZ_OK) connection_close(c); /* it is still ours */
    *out = (wire *)h;
    return status;
}

int wire_send(wire *w, const char *line) {
    void *c;
    qz_status status = qz_handle_enter(QZ_HANDLE(w), WIRE, "wire_send", &c);
    if (status != QZ_OK) return status;
    int sent = connection_send(c, line);
    qz_handle_leave(QZ_HANDLE(w));
    return sent;
}

int wire_receive(wire *w, char *line, size_t size) {
    void *c;
    qz_status status = qz_handle_enter(QZ_HANDLE(w), WIRE, "wire_receive", &c);
    if (status != QZ_OK) return status;
    int received = connection_receive(c, line, size);
    qz_handle_leave(QZ_HANDLE(w));
    return received;
}

int wire_close(wire *w) { return qz_handle_free(QZ_HANDLE(w), 1000); }
