/* A host that unloads a plug-in while threads call it.
 *
 *     plugin_host PLUGIN.so
 *
 * Two things must not happen: that code of the plug-in runs when it is gone, and that a call goes to where it was. The
 * first is the library's: qz_kind_close frees every handle of the plug-in, waits for those inside, and says when no
 * callback can start any more. The second is the host's own, as only it knows who is about to call: its table of the
 * plug-in's functions is behind a handle, too. Each call enters the table, and then the counter; freeing the table lets
 * all calls out. No thread is told of anything, or asked to stop. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "plugin.h"

enum { THREADS = 4, ROUNDS = 3 };

static qz_kind *PLUGINS;
static qz_handle *loaded; /* the table; from round to round another one */
static qz_handle *counter;
static atomic_int calls;

static void need(int is_well, const char *what) {
    if (is_well) return;
    fprintf(stderr, "%s: %s %s\n", what, qz_last_error(), dlerror());
    exit(1);
}

/* Calls until the plug-in is gone, and a hundred times more. */
static void *call(void *out_refused) {
    qz_status *refused = out_refused;
    for (int late = 0; late < 100;) {
        void *table;
        *refused = qz_handle_enter(loaded, PLUGINS, "call", &table);
        if (*refused != QZ_OK) {
            late++;
            continue;
        }
        if (((const plugin *)table)->count(counter) == QZ_OK) atomic_fetch_add(&calls, 1);
        qz_handle_leave(loaded);
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    int all_well = 1;
    unsigned inside = 0;
    need(qz_kind_new("plug-in", NULL, &PLUGINS) == QZ_OK, "qz_kind_new");
    for (int round = 1; round <= ROUNDS; round++) {
        void *code = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        need(code != NULL, "dlopen");
        plugin *table = dlsym(code, "PLUGIN");
        need(table != NULL, "dlsym");
        need(qz_handle_new(PLUGINS, table, &loaded) == QZ_OK, "qz_handle_new");
        need((counter = table->open()) != NULL, "open");

        pthread_t threads[THREADS];
        qz_status refused[THREADS];
        atomic_store(&calls, 0);
        for (int i = 0; i < THREADS; i++) need(pthread_create(&threads[i], NULL, call, &refused[i]) == 0, "a thread");
        struct timespec while_they_call = {0, 50 * 1000000};
        qz_handle_info info;
        do { /* until some do */
            nanosleep(&while_they_call, NULL);
            need(qz_handle_get_info(loaded, &info, sizeof info) == QZ_OK, "qz_handle_get_info");
        } while (info.in_flight == 0 || atomic_load(&calls) < THREADS);
        size_t left = 1;
        qz_status out = qz_handle_free(loaded, QZ_DEFAULT_TIMEOUT); /* nobody calls any more */
        qz_status closed = table->close_all(&left);                 /* and nothing calls back */
        int unloaded = dlclose(code) == 0 && dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) == NULL;
        printf("round %d, %u inside when it was closed; %s, %s with %zu left; %s\n", round, info.in_flight,
               qz_status_name((int32_t)out), qz_status_name((int32_t)closed), left, unloaded ? "unloaded" : "STILL LOADED");

        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            all_well = all_well && refused[i] == QZ_ERR_FREED;
        }
        printf("         %d calls before, and after it %d were answered %s\n", atomic_load(&calls), THREADS * 100,
               qz_status_name((int32_t)refused[0]));
        all_well = all_well && out == QZ_OK && closed == QZ_OK && left == 0 && unloaded &&
                   atomic_load(&calls) >= THREADS;
        inside += info.in_flight;
    }
    all_well = all_well && inside > 0; /* else nothing was tried */
    puts(all_well ? "all claims hold: nobody was inside when the code went, and nobody called it afterwards"
                  : "A CLAIM DOES NOT HOLD");
    return all_well ? 0 : 1;
}
