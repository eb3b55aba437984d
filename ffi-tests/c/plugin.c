/* A plugin that uses handles inside. plugin_host.c loads it, lets threads use it, and unloads it. */
#include "visitor.h"

/* One life of a kind and a handle on the calling thread; 0 if all went well. The kind is closed before it returns, so that
 * nothing calls back into this plugin when it is gone. */
int plugin_use(void);
int plugin_use(void) {
    thing t;
    size_t left = 77;
    qz_kind *kind = new_kind("of a plugin");
    qz_handle *h = new_handle(kind, &t);
    enter(h, kind, "in a plugin", &t);
    leave(h);
    EXPECT(qz_hold_release(hold(h, kind, "in a plugin", &t)), QZ_OK);
    EXPECT(qz_handle_leave(h), QZ_ERR_NOT_INSIDE); /* words of this thread's own */
    EXPECT(qz_handle_free(h, QZ_DEFAULT_TIMEOUT), QZ_OK);
    check_gone(h, &t);
    EXPECT(qz_kind_close(kind, QZ_DEFAULT_TIMEOUT, &left), QZ_OK);
    return left == 0 ? 0 : 1;
}
