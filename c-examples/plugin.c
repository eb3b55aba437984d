/* A plug-in: counters behind handles. plugin_host.c loads it, and unloads it while threads call. */
#include "plugin.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

typedef struct counter {
    atomic_int count;
} counter;

static qz_kind *COUNTER;

/* Code of this plug-in, which must not run when it is gone. */
static void destroy(void *c, void *ctx) {
    (void)ctx;
    free(c);
}

static qz_handle *open_counter(void) {
    qz_kind_ops ops = {.struct_size = sizeof ops, .on_destroy = destroy};
    qz_handle *h;
    if (COUNTER == NULL && qz_kind_new("counter", &ops, &COUNTER) != QZ_OK) return NULL;
    counter *c = calloc(1, sizeof *c);
    if (qz_handle_new(COUNTER, c, &h) != QZ_OK) free(c);
    return h;
}

static qz_status count(qz_handle *h) {
    void *c;
    /* No name: it would have to outlive the plug-in. */
    qz_status status = qz_handle_enter(h, COUNTER, NULL, &c);
    if (status != QZ_OK) return status;
    atomic_fetch_add(&((counter *)c)->count, 1);
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, NULL);
    return qz_handle_leave(h);
}

static qz_status close_all(size_t *out_left) { return qz_kind_close(COUNTER, QZ_DEFAULT_TIMEOUT, out_left); }

extern const plugin PLUGIN;
const plugin PLUGIN = {open_counter, count, close_all};
