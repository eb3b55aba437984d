/* The functions of quiescent.h that the race uses, written the way a program without a guard has them: the handle is
 * the pointer, entering checks nothing, and a free destroys at once, whoever else is inside or has freed before.
 * Linked in place of libquiescent, it makes the same race die. Nobody should use this for anything else. */
#include <quiescent.h>

#include <string.h>

static qz_kind_ops the_kind;

qz_status qz_kind_new(const char *name, const qz_kind_ops *ops, qz_kind **out_kind)
{
    (void)name;
    the_kind = *ops;
    *out_kind = (qz_kind *)&the_kind;
    return QZ_OK;
}

qz_status qz_handle_new(qz_kind *kind, void *object, qz_handle **out_handle)
{
    (void)kind;
    *out_handle = (qz_handle *)object;
    return QZ_OK;
}

qz_status qz_handle_enter(qz_handle *h, qz_kind *kind, const char *operation, void **out_object)
{
    (void)kind;
    (void)operation;
    *out_object = h;
    return QZ_OK;
}

qz_status qz_handle_leave(qz_handle *h)
{
    (void)h;
    return QZ_OK;
}

qz_status qz_handle_free(qz_handle *h, int64_t timeout_ms)
{
    (void)timeout_ms;
    the_kind.on_close(h, the_kind.ctx);
    the_kind.on_destroy(h, the_kind.ctx);
    return QZ_OK;
}

qz_status qz_handle_try_free(qz_handle *h)
{
    return qz_handle_free(h, 0);
}

qz_status qz_handle_wait_freed(qz_handle *h, int64_t timeout_ms)
{
    (void)h;
    (void)timeout_ms;
    return QZ_OK;
}

bool qz_handle_is_closing(qz_handle *h)
{
    (void)h;
    return true; /* nobody knows */
}

qz_status qz_handle_occupants(qz_handle *h, qz_occupant *out, size_t size, size_t cap, size_t *out_len)
{
    (void)h;
    (void)cap;
    memset(out, 0, size);
    *out_len = 0; /* nobody knows */
    return QZ_OK;
}

qz_status qz_kind_close(qz_kind *kind, int64_t timeout_ms, size_t *out_left)
{
    (void)kind;
    (void)timeout_ms;
    *out_left = 0;
    return QZ_OK;
}

qz_status qz_quiesce_all(int64_t timeout_ms, size_t *out_left)
{
    (void)timeout_ms;
    *out_left = 0;
    return QZ_OK;
}

const char *qz_status_name(int32_t status)
{
    return status == QZ_OK ? "QZ_OK" : "another status";
}

const char *qz_last_error(void)
{
    return "";
}

const char *qz_version(void)
{
    return "left out";
}
