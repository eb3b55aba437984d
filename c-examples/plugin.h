/* What a plug-in gives its host. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <quiescent.h>
#include <stddef.h>

typedef struct plugin {
    qz_handle *(*open)(void);                    /* a new counter, or NULL */
    qz_status (*count)(qz_handle *counter);      /* counts, which takes a millisecond */
    qz_status (*close_all)(size_t *out_left);    /* ends the plug-in; with nothing left it may be unloaded */
} plugin;

/* The one name that the host looks up: `PLUGIN`. */

#endif
