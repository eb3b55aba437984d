/* Loads a plugin that uses libquiescent, lets threads use it, unloads it, and only then lets those threads end: the
 * library's thread teardown runs after the dlclose, and must still be mapped.
 *
 *     plugin_host PLUGIN.so PINNED
 *
 * PINNED is the object that must stay loaded: the plugin itself if the library is linked into it, else libquiescent.so.N. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 8
#define ROUNDS 3

typedef int (*plugin_use)(void);

static pthread_barrier_t used, unloaded;
static plugin_use use;

#define CHECK(claim)                                                            \
    do {                                                                        \
        if (!(claim)) {                                                         \
            fprintf(stderr, "FAILED plugin_host.c:%d: %s\n", __LINE__, #claim); \
            _Exit(1);                                                           \
        }                                                                       \
    } while (0)

static void *use_then_outlive(void *unused) {
    (void)unused;
    CHECK(use() == 0);
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&unloaded);
    return NULL; /* the thread ends here: teardown of what the library keeps for it */
}

static plugin_use load(const char *path, void **plugin) {
    plugin_use found = NULL;
    *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        _Exit(1);
    }
    void *symbol = dlsym(*plugin, "plugin_use");
    CHECK(symbol != NULL);
    memcpy(&found, &symbol, sizeof found); /* ISO C has no cast from void * to a function */
    return found;
}

int main(int argc, char **argv) {
    CHECK(argc == 3);
    pthread_barrier_init(&used, NULL, THREADS + 1);
    pthread_barrier_init(&unloaded, NULL, THREADS + 1);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        void *plugin = NULL;
        use = load(argv[1], &plugin);
        for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, use_then_outlive, NULL) == 0);
        pthread_barrier_wait(&used);
        CHECK(use() == 0); /* the main thread too: it ends last of all, in exit */
        CHECK(dlclose(plugin) == 0);
        pthread_barrier_wait(&unloaded);
        for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);

        void *pinned = dlopen(argv[2], RTLD_NOW | RTLD_NOLOAD);
        if (pinned == NULL) {
            fprintf(stderr, "FAILED: %s was unloaded\n", argv[2]);
            return 1;
        }
        dlclose(pinned);
    }
    printf("ok  loaded, used by %d threads and unloaded %d times; %s stayed\n", THREADS, ROUNDS, argv[2]);
    return 0;
}
