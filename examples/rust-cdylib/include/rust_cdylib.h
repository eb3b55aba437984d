/*
 * A message queue (mq) and a buffered log (journal), each safe to free from any thread while others use it.
 *
 * Conventions
 *
 *   Status    Every function answers an rc_status: >= 0 is fine, < 0 a refusal that changed nothing.
 *             rc_last_error() has the words of this thread's last refusal; after an mq_free that is pending, it
 *             says who is still inside.
 *   Pointers  Out pointers are NULL (refused) or writable; they are written on success only, or with NULL.
 *             Callbacks may call everything in here. They must not throw, nor longjmp out.
 *   Times     Milliseconds >= 0, or RC_INFINITE; for frees also RC_DEFAULT_TIMEOUT (5000).
 *   Threads   Every function may be called from any thread, at any time.
 */
#ifndef RUST_CDYLIB_H
#define RUST_CDYLIB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t rc_status;
enum {
    RC_OK = 0,
    RC_FREE_PENDING = 1,          /* closed, but somebody is still inside */
    RC_ALREADY_FREED = 2,         /* by another call */
    RC_ERR_NULL = -1,
    RC_ERR_BAD_HANDLE = -2,       /* garbage */
    RC_ERR_WRONG_KIND = -3,       /* a hold for a queue, or a queue for a hold */
    RC_ERR_FREED = -4,            /* is being freed, or has been */
    RC_ERR_TIMEOUT = -5,
    RC_ERR_BUSY = -6,             /* mq_try_free: somebody is inside */
    RC_ERR_DEADLOCK = -8,         /* mq_wait_freed: the caller waits for itself */
    RC_ERR_INVALID_ARGUMENT = -9, /* a capacity of 0, or a negative timeout that is none of the two below */
    RC_ERR_LIMIT = -10,           /* 2^24 queues and holds, or that many operations at once */
    RC_ERR_NO_MEMORY = -11,
    RC_ERR_PANIC = -13,           /* a bug in here, contained */
    RC_ERR_FORKED = -14           /* a queue of the parent process, in a forked child */
};

#define RC_INFINITE (-1)
#define RC_DEFAULT_TIMEOUT (-2)

/* Never NULL; valid until this thread's next call of anything in here. */
const char *rc_last_error(void);

/* ---- mq: a bounded queue of messages. Any value at all may be passed as an `mq *` or `mq_hold *`: NULL,
 * garbage, freed, of the other kind. It is refused. */

typedef struct mq mq;
typedef struct mq_hold mq_hold;

/* A queue for up to `capacity` messages. Those that are left when it is destroyed are passed to `discard`, once
 * each, on the thread that comes last; NULL: they are forgotten. Pairs with mq_free. */
rc_status mq_new(size_t capacity, void (*discard)(void *message), mq **out_queue);

/* Puts `message` in, waiting for room. On success it belongs to the queue, to be popped or discarded on any
 * thread. RC_ERR_TIMEOUT: still full. RC_ERR_FREED also wakes those who wait. */
rc_status mq_push(mq *queue, void *message, int64_t timeout_ms);

/* Takes the oldest message out, waiting for one. RC_ERR_TIMEOUT: still empty. RC_ERR_FREED also wakes those who
 * wait. */
rc_status mq_pop(mq *queue, int64_t timeout_ms, void **out_message);

/* Passes each message to `each`, until there is none, or the queue is freed (also by `each`). */
rc_status mq_drain(mq *queue, void (*each)(void *message, void *ctx), void *ctx);

/* The number of messages in it. */
rc_status mq_len(mq *queue, size_t *out_len);

/* Keeps the queue from being destroyed, though not from being closed: for as long as a popped message is worked on,
 * so that RC_OK from mq_free says that all work is done. Release it once, on any thread: a second time answers
 * RC_ALREADY_FREED. */
rc_status mq_hold_take(mq *queue, mq_hold **out_hold);
rc_status mq_hold_release(mq_hold *hold);

/* Frees the queue, from any thread, however often, also while others use it: refuses new calls, wakes those that
 * wait, waits up to `timeout_ms` until all have left.
 *
 * RC_OK: destroyed, by this call (or NULL). RC_ALREADY_FREED: destroyed, by another. RC_FREE_PENDING: somebody is
 * still inside, or has a hold (rc_last_error() says who); the last one out destroys it. At once if that is the caller
 * itself. */
rc_status mq_free(mq *queue, int64_t timeout_ms);

/* Frees the queue if nobody is inside; else RC_ERR_BUSY, and it stays as it was. */
rc_status mq_try_free(mq *queue);

/* Waits until the queue is destroyed; does not free it. */
rc_status mq_wait_freed(mq *queue, int64_t timeout_ms);

/* Has `run(ctx)` called once, right after the queue is destroyed, on the thread that did it. RC_ALREADY_FREED: it
 * was destroyed before, and `run` has been called. */
rc_status mq_on_freed(mq *queue, void (*run)(void *ctx), void *ctx);

/* ---- journal: a buffered log. A `journal *` is NULL or comes from journal_new; it may be used for ever, also
 * after its free. (About a hundred bytes of each are never given back.) */

typedef struct journal journal;

/* A journal that buffers up to `capacity` lines for `sink`, which is called by several threads at a time when
 * several flush. Pairs with journal_free. */
rc_status journal_new(size_t capacity, void (*sink)(const char *line, void *ctx), void *ctx, journal **out_journal);

/* Appends a copy of `line`, waiting for room. RC_ERR_TIMEOUT: still full. RC_ERR_FREED also wakes those who wait. */
rc_status journal_append(journal *j, const char *line, int64_t timeout_ms);

/* Passes all lines to the sink, in order. */
rc_status journal_flush(journal *j);

/* Frees the journal, from any thread, however often, also while others use it: refuses new calls, wakes those that
 * wait, waits up to `timeout_ms` until all have left, passes what is left to the sink.
 *
 * RC_OK: done, by this call (or NULL). RC_ALREADY_FREED: by another call, which may still be at it.
 * RC_FREE_PENDING: somebody is still inside; nothing happens until journal_free is called again. Do not wait for
 * yourself: called by the sink, it answers RC_FREE_PENDING only after `timeout_ms`. */
rc_status journal_free(journal *j, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
