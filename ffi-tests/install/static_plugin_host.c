/* A program that uses libquiescent.so, and a plugin with a copy of its own: static_plugin_host PLUGIN.so. Each copy refuses the
 * other's handles, and works. */
#include <dlfcn.h>
#include <quiescent.h>
#include <stdio.h>
#include <string.h>

#define CHECK(claim)                                                                   \
    do {                                                                               \
        if (!(claim)) {                                                                \
            fprintf(stderr, "FAILED static_plugin_host.c:%d: %s\n", __LINE__, #claim); \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

int main(int argc, char **argv) {
    qz_handle *(*plugin_open)(void) = NULL;
    qz_status (*plugin_free)(qz_handle *) = NULL;
    qz_mutex *mutex = NULL;
    qz_stats stats;
    CHECK(argc == 2 && qz_mutex_new(&mutex) == QZ_OK);

    /* For all to see: what the plugin hides stays hidden. */
    void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
    if (plugin == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(plugin != NULL && dlsym(plugin, "plugin_free") != NULL);
    void *symbol = dlsym(plugin, "plugin_open");
    memcpy(&plugin_open, &symbol, sizeof plugin_open); /* ISO C has no cast from void * to a function */
    symbol = dlsym(plugin, "plugin_free");
    memcpy(&plugin_free, &symbol, sizeof plugin_free);

    qz_handle *theirs = plugin_open();
    CHECK(theirs != NULL);
    CHECK(qz_stats_get(&stats, sizeof stats) == QZ_OK && stats.live == 1); /* not the plugin's */
    CHECK(qz_handle_free(theirs, QZ_DEFAULT_TIMEOUT) == QZ_ERR_BAD_HANDLE);
    CHECK(plugin_free(QZ_HANDLE(mutex)) == QZ_ERR_BAD_HANDLE);
    CHECK(plugin_free(theirs) == QZ_OK && plugin_free(theirs) == QZ_ALREADY_FREED);
    CHECK(qz_handle_free(QZ_HANDLE(mutex), QZ_DEFAULT_TIMEOUT) == QZ_OK);
    return 0;
}
