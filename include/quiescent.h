/*
 * Quiescent: C handles that are safe to free from any thread, at any moment.
 *
 * Generated from src/ by build.rs; do not edit. Licence: MIT OR Apache-2.0.
 *
 * In short
 *
 *   static void wake(void *object, void *ctx) { (void)ctx; session_interrupt(object); }
 *   static void destroy(void *object, void *ctx) { (void)ctx; session_close(object); }
 *
 *   static qz_kind *kind;                       // once
 *   qz_kind_ops ops = { sizeof ops, wake, destroy, NULL };
 *   qz_kind_new("session", &ops, &kind);
 *
 *   qz_handle *h;                               // give this to whoever asks
 *   qz_handle_new(kind, session_open(), &h);
 *
 *   void *session;                              // any thread, any time
 *   if (qz_handle_enter(h, kind, "query", &session) == QZ_OK) {
 *     session_query(session);                   // cannot be destroyed here
 *     qz_handle_leave(h);
 *   }
 *
 *   qz_handle_free(h, QZ_DEFAULT_TIMEOUT);      // any thread, any time, however often
 *
 * Words
 *
 *   handle     an opaque, typed token. Never an address: do not dereference or compare it with one.
 *   enter      begin an operation on a handle; leave ends it. In between it is in flight.
 *   hold       something taken and not yet given back. It is in flight on its handle until released.
 *   close      from here on nobody may enter.
 *   drain      wait until those in flight have left.
 *   free       close, wake what blocks, drain, destroy.
 *   stale      a token whose handle was freed. It is refused for ever, whatever has been opened since.
 *
 * Conventions
 *
 *   Handles    Any value may be passed where a handle, kind or hold is expected: NULL, garbage, freed,
 *              stale, of another kind, of another copy of this library, of the parent process. It is
 *              refused with a status of its own; only to free or release NULL is QZ_OK, as with free().
 *              QZ_HANDLE(mutex) passes a typed handle where a qz_handle is expected. (A token is told from
 *              garbage and from another copy's by an 11-bit key, among others: one foreign odd value in
 *              2047 passes that test. It is then refused as well, unless it names a live handle.)
 *   Pointers   An out pointer is NULL (refused with QZ_ERR_NULL, unless it says it may be NULL) or
 *              writable. Pass the address of a real void * as out_object, not that of a typed pointer
 *              with a cast. Strings are NUL-terminated UTF-8. qz_guard and qz_rundown pointers, and
 *              those to a qz_cache_aware_rundown, point at one.
 *   Results    Outputs come last and are written on success only; a handle or hold, or what else is new,
 *              is set to NULL when there is none. Every refusal leaves its words in qz_last_error(), for
 *              this thread.
 *   Status     >= 0 is fine; < 0 is a refusal, and nothing changed unless the function says so.
 *   Times      int64_t milliseconds on the monotonic clock: >= 0, or QZ_INFINITE; where a function frees,
 *              and in qz_guard_wait_drained, also QZ_DEFAULT_TIMEOUT (5000). Any other negative number is
 *              QZ_ERR_INVALID_ARGUMENT. A wait is never cut short; signals do not end it. Timeouts bound
 *              the wait for others, not the callbacks: on_close and on_destroy come on top.
 *   Threads    Every function may be called from any thread, also while the thread ends. Enter, leave
 *              and free neither lock nor allocate after a thread's first call (with at most eight
 *              operations at once in that thread). A signal handler may enter and leave, if its thread
 *              has called something in here before, and if on_destroy may run in it: it does when that
 *              leave is the last one out of a handle that was freed meanwhile.
 *   Callbacks  They run on the thread named with them, without any lock of ours, and may call anything in
 *              here. on_destroy may run inside any leave, release or free: hold no lock there that it
 *              takes. A C++ exception, longjmp, pthread_exit or cancellation that leaves a callback is
 *              undefined behaviour.
 *   Fork       In a forked child every handle, kind and hold of the parent answers QZ_ERR_FORKED at once,
 *              and their callbacks never run; new kinds and handles work. qz_guard and the run-downs are
 *              copied as they are.
 *   Exit       A process may end with handles open (their on_destroy does not run). The library cannot be
 *              unloaded.
 *   Windows    There are no file locks, and no functions that take or give descriptors: they are not
 *              declared. qz_backend_new answers QZ_ERR_IO, so nothing asynchronous can be submitted.
 *              Built for windows-gnu, a thread's first call ends the process if there is no memory.
 *   Allocation QZ_ERR_NO_MEMORY instead of an abort, everywhere but where that is said under Windows.
 */

#ifndef QUIESCENT_H
#define QUIESCENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Any typed handle (a qz_kind, too) as a qz_handle.
#define QZ_HANDLE(p) ((qz_handle *)(p))

/// Wait without end.
#define QZ_INFINITE (-1)

/// For frees: 5000 ms.
#define QZ_DEFAULT_TIMEOUT (-2)

/// The version of this header; qz_version() and qz_abi_version() tell the library's.
#define QZ_VERSION "0.1.0"
/// The first number of QZ_VERSION.
#define QZ_VERSION_MAJOR 0
/// The second.
#define QZ_VERSION_MINOR 1
/// The third.
#define QZ_VERSION_PATCH 0
/// The binary interface that this header describes.
#define QZ_ABI_VERSION 1

/// How to hold a qz_filelock: alone.
#define QZ_FILELOCK_EXCLUSIVE 0

/// How to hold a qz_filelock: with others that share it.
#define QZ_FILELOCK_SHARED 1

/// For qz_filelock_open: the file is a lock and nothing else. So who holds it may be written into it also if it
/// was there before, and is empty.
#define QZ_FILELOCK_SIDECAR 1

/// Readable, or at its end.
#define QZ_READABLE 1

/// Writable.
#define QZ_WRITABLE 2

/// Broken, or hung up. Told, never asked for.
#define QZ_HANGUP 4

/// What a function answers. The numbers are part of the binary interface and never used again for
/// something else; be prepared for new ones.
typedef enum qz_status {
  /// Done. Of a free: this call freed it, the object is destroyed.
  QZ_OK = 0,
  /// Closed, but somebody is still inside, or it is being destroyed at this moment: the last one out
  /// destroys the object.
  QZ_FREE_PENDING = 1,
  /// Another call freed it, or began to: the object is destroyed.
  QZ_ALREADY_FREED = 2,
  /// A NULL was given where a value is needed.
  QZ_ERR_NULL = -1,
  /// Not a handle of this library: garbage, an address, or another copy's handle.
  QZ_ERR_BAD_HANDLE = -2,
  /// A live handle, but of another kind.
  QZ_ERR_WRONG_KIND = -3,
  /// The handle is being freed, or has been.
  QZ_ERR_FREED = -4,
  /// The deadline passed.
  QZ_ERR_TIMEOUT = -5,
  /// Somebody is inside, or in the way.
  QZ_ERR_BUSY = -6,
  /// The cancel token was cancelled.
  QZ_ERR_CANCELLED = -7,
  /// The caller waits for itself.
  QZ_ERR_DEADLOCK = -8,
  /// A number, size or text outside of what the function takes.
  QZ_ERR_INVALID_ARGUMENT = -9,
  /// A count is at its end.
  QZ_ERR_LIMIT = -10,
  /// An allocation failed.
  QZ_ERR_NO_MEMORY = -11,
  /// The operating system refused: see qz_last_os_error().
  QZ_ERR_IO = -12,
  /// A panic inside the library was contained. Please report it.
  QZ_ERR_PANIC = -13,
  /// A handle of the parent process, in a forked child.
  QZ_ERR_FORKED = -14,
  /// A panic left what a lock protects half-changed. Only libraries written in Rust answer it: locks of this header
  /// protect nothing that could be.
  QZ_ERR_POISONED = -15,
  /// A leave without an enter on this thread, or a release without an acquire.
  QZ_ERR_NOT_INSIDE = -16,
} qz_status;

/// How far a handle's life has come.
typedef enum qz_state {
  /// Operations may begin.
  QZ_STATE_OPEN = 0,
  /// A free waits for those inside.
  QZ_STATE_CLOSING = 1,
  /// A free gave up waiting: the last one out destroys the object.
  QZ_STATE_PENDING = 2,
  /// Nobody is inside: the object is being destroyed.
  QZ_STATE_DESTROYING = 3,
} qz_state;

/// What a correct program does not do. It is refused safely, as ever; by default nobody is told of it.
///
/// A call that merely came too late, while another call was freeing the handle, is none of these.
typedef enum qz_misuse {
  /// A free, close or release of a handle, kind or hold that was over before; qz_pool_discard and
  /// qz_pool_detach are releases. (Also a further free after QZ_FREE_PENDING that finds the handle
  /// destroyed: to learn of its end, qz_handle_wait_freed.)
  QZ_MISUSE_DOUBLE_FREE = 1,
  /// Another use of a handle, kind or hold that was over before: an enter, hold, leave or label, a new
  /// handle of the kind, qz_hold_pass_on, qz_rwlock_downgrade. Not a call that only asks:
  /// qz_handle_is_closing, qz_handle_wait_freed, qz_handle_on_freed, qz_handle_get_info,
  /// qz_handle_occupants.
  QZ_MISUSE_STALE = 2,
  /// What is answered QZ_ERR_WRONG_KIND.
  QZ_MISUSE_WRONG_KIND = 3,
  /// A leave, of a handle that is not over, by a thread that is not inside.
  QZ_MISUSE_NOT_INSIDE = 4,
} qz_misuse;

/// What is done about misuse of handles, kinds and holds.
typedef enum qz_misuse_level {
  /// Nothing: it is neither counted nor told.
  QZ_MISUSE_IGNORE = 0,
  /// It is counted in qz_stats, and the hook is told.
  QZ_MISUSE_COUNT = 1,
  /// It is counted, the hook is told, one line about it is written to stderr, and abort() is called.
  /// For test suites.
  QZ_MISUSE_ABORT = 2,
} qz_misuse_level;

/// Why a resource was destroyed.
typedef enum qz_pool_reason {
  /// It was idle for longer than the idle timeout.
  QZ_POOL_IDLE = 0,
  /// It lived for longer than the maximum.
  QZ_POOL_EXPIRED = 1,
  /// A check or a recycling said no, or it was discarded.
  QZ_POOL_UNHEALTHY = 2,
  /// The pool was freed.
  QZ_POOL_CLOSING = 3,
  /// It came back when enough others were idle.
  QZ_POOL_SURPLUS = 4,
} qz_pool_reason;

/// What it means when a warm-up cannot make every resource. Those that it made stay in any case.
typedef enum qz_pool_strategy {
  /// The first failure ends it, and is the answer.
  QZ_POOL_FAIL = 0,
  /// It goes on after a failure, which is no refusal.
  QZ_POOL_BEST_EFFORT = 1,
  /// It goes on after a failure; the last one is the answer if there are less than the minimal size.
  QZ_POOL_REQUIRE_MINIMUM = 2,
} qz_pool_strategy;

/// Completes calls: an asynchronous call (`qz_…_async`) does what the blocking one does, but returns at once and ends as
/// a completion, which qz_backend_poll hands out; or an event loop watches qz_backend_fd and polls when that is
/// readable. Any number of calls on one thread, without a thread for each, or any of the library's own. On Linux:
/// elsewhere none can be made.
///
/// Each call completes exactly once: with success, its refusal, QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED (its `cancel`), or
/// QZ_ERR_FREED (what it waits for was freed). What was waited for is then in flight no more, and what was taken is the
/// completion's hold: release it. Until then the call is in flight on what it waits for, by the thread that submitted
/// it, which a free by that thread does not wait for; the hold stays that thread's until qz_hold_pass_on.
///
/// The submission itself looks at the call once, which puts it in line; from then on qz_backend_poll does, on
/// whichever thread. So what a call runs (`init`, `create`, `on_close`) runs in either. `user_data` is the caller's
/// own, any value. `cancel` may be NULL, and may be freed after the submission. Not for signal handlers.
typedef struct qz_backend qz_backend;

/// A number of callers wait for each other, as often as they like. Fair: all that have arrived go on together. Not
/// re-entrant: a thread that waits here cannot arrive again. Nothing is held, so nothing can be poisoned.
typedef struct qz_barrier qz_barrier;

/// As a qz_rundown, for what many threads use at once: they acquire and release without disturbing each
/// other.
///
/// An address, not a token, and an object of the library's heap: 128 bytes, and as many for each
/// processor (at most 64). It is yours: make it with qz_cache_aware_rundown_new, and give it back with
/// qz_cache_aware_rundown_delete, once. No other function may be called on it after that, and any but
/// NULL and what qz_cache_aware_rundown_new made is undefined behaviour.
///
/// It knows no threads: do not wait while holding references, and after a fork the child's copy still
/// counts the parent's.
typedef struct qz_cache_aware_rundown qz_cache_aware_rundown;

/// Ends the waits it is given to, as soon as it is cancelled. A call that waits keeps a share of it: freeing
/// the handle neither cancels nor disturbs that call.
typedef struct qz_cancel qz_cancel;

/// A lock between processes, on a file (with flock: it meets flock(1)). Threads and processes that lock the same
/// file exclude each other, whatever they call the file and through whichever handle. Within a process fair: first
/// in, first out; between processes whoever comes first when it is free. Not re-entrant: a thread that would wait
/// for itself is told so. It may be unlocked on another thread. It ends with the process, however that ends; a
/// forked child does not release its parent's. (A child that another thread forks in the moment in which an acquire
/// opens the file keeps a copy of it: if the parent then ends without a release, the lock ends with that child, or
/// with its exec.)
///
/// Whoever removes or replaces the file takes the exclusion away from who holds it; but nobody begins to hold a
/// file that its name does not lead to any more. On file systems without locks acquiring is refused; on NFS the
/// server keeps the lock.
///
/// Not on Windows, where its functions are not declared. What waits is one thread for the whole process, while
/// anybody does.
typedef struct qz_filelock qz_filelock;

/// A handle of whatever kind: a token, never an address.
typedef struct qz_handle qz_handle;

/// Something taken and not yet given back: a token, to be released exactly once.
typedef struct qz_hold qz_hold;

/// A kind of handle: its callbacks and its name. A token, and itself a handle: QZ_HANDLE(kind).
typedef struct qz_kind qz_kind;

/// A lock. Fair: first in, first out. Not re-entrant: a thread that would wait for itself is told so. It may be
/// unlocked on another thread.
typedef struct qz_mutex qz_mutex;

/// Wakes those that wait for it. Fair: first in, first out. One that was chosen and gives up at the same moment passes
/// its wake-up on. Nothing is held, so nothing can be poisoned, and a thread may wake what it waits for next.
typedef struct qz_notify qz_notify;

/// A value that is made once, by whoever comes first, and belongs to the handle from then on. A value stays
/// valid until the handle is destroyed: who cannot know that nobody frees it meanwhile takes a hold
/// (qz_once_hold).
///
/// Fair: those that wait for the value are in line, first in, first out. If an initialiser refuses, the next in
/// line tries, with its own. Not re-entrant: an initialiser that asks for its own value is told so at once.
typedef struct qz_once qz_once;

/// A pool of resources, which the caller's callbacks make, check, clean and destroy. Each that is handed out is a
/// hold on the pool: reports name who has it. Fair: who waits is served first in, first out; of those that are idle
/// the one that came back last is taken. A thread may have several; one that has all and waits for one more waits
/// for itself.
typedef struct qz_pool qz_pool;

/// A lock that many may have to read, or one to write. Fair: first in, first out; a waiting writer is not
/// overtaken by later readers. Not re-entrant: a thread that would wait while it has the lock itself (in
/// whichever way, and has not passed that hold on) is told so at once. Holds may be given back on another
/// thread.
typedef struct qz_rwlock qz_rwlock;

/// A number of permits. Fair: first in, first out; a caller that wants many is not overtaken by those that want
/// few. Not re-entrant: a thread that waits for permits that it has itself waits on. Permits may be given back
/// on another thread.
typedef struct qz_semaphore qz_semaphore;

/// The callbacks of a kind. Set `struct_size` to `sizeof(qz_kind_ops)`, so that this may grow; zero what
/// you do not use.
typedef struct qz_kind_ops {
  /// sizeof(qz_kind_ops).
  size_t struct_size;
  /// Wakes what blocks inside operations on `object`, because it is being freed; may be NULL.
  ///
  /// Called on the thread that frees, if somebody is inside, at once and then again with growing
  /// pauses (1 to 64 ms) until they have left or that free's deadline passes; and again by a later
  /// free. (An operation may have entered just before and begin to block just after.) So it must be
  /// idempotent. It runs beside the operations, never twice at a time for one object, never during or
  /// after on_destroy.
  void (*on_close)(void *object, void *ctx);
  /// Destroys `object`; may be NULL. Called exactly once for each handle, after the last leave, on the
  /// thread of whichever free, leave or release comes last.
  void (*on_destroy)(void *object, void *ctx);
  /// Passed to both.
  void *ctx;
} qz_kind_ops;

/// What a handle is and does.
typedef struct qz_handle_info {
  /// How far its life has come.
  qz_state state;
  /// Operations and holds in flight. (A free that is running `on_close` counts itself, too.)
  uint32_t in_flight;
  /// Holds among them.
  uint32_t holds;
  /// Zero.
  uint32_t reserved;
  /// Milliseconds since it was opened.
  uint64_t age_ms;
  /// The kind's name.
  char kind[32];
  /// The handle's label, or "".
  char label[32];
} qz_handle_info;

/// One operation or hold in flight.
typedef struct qz_occupant {
  /// The thread that began it, as the operating system numbers it (on Linux: gettid).
  uint64_t thread_id;
  /// Milliseconds: a hold has been held or waited for, exactly; an operation has been in flight at
  /// least, from when a free began to wait for it (operations take no clock). -1: not known.
  int64_t since_ms;
  /// That thread's name, as of its first call in here.
  char thread_name[16];
  /// The operation's name, cut to 39 bytes, or "".
  char operation[40];
  /// 1: a hold, which any thread may release. 0: an operation, which its own thread leaves.
  uint32_t is_hold;
  /// 1: the thread has ended.
  uint32_t has_ended;
  /// 1: the thread waits for what it is to hold.
  uint32_t is_waiting;
  /// Zero.
  uint32_t reserved;
} qz_occupant;

/// What there is in this process, and how often things have happened. Kinds and holds are no handles here.
///
/// Counts never fall. A forked child goes on from its parent's counts, and has none of its parent's
/// handles and kinds. (A signal handler that interrupts the library may miss its own counts.)
typedef struct qz_stats {
  /// Handles that are not destroyed.
  uint64_t live;
  /// Handles among them that a free gave up on: the last one out destroys the object.
  uint64_t pending;
  /// Kinds that are not destroyed.
  uint64_t kinds;
  /// Shells that are never used again, after 268,435,455 lives: each takes one from the limit of 2^24.
  uint64_t retired;
  /// Handles that were opened, so far.
  uint64_t opened;
  /// Handles whose object was destroyed.
  uint64_t freed;
  /// Frees of handles that found somebody inside: they waited, or gave up at once.
  uint64_t drains;
  /// Barriers across all processors (on Linux: membarrier), which frees of handles in frequent use run.
  uint64_t barriers;
  /// Calls that were answered QZ_ERR_NULL.
  uint64_t refused_null;
  /// Calls that were answered QZ_ERR_BAD_HANDLE.
  uint64_t refused_bad_handle;
  /// Calls that were answered QZ_ERR_WRONG_KIND.
  uint64_t refused_wrong_kind;
  /// Calls that were answered QZ_ERR_FREED.
  uint64_t refused_freed;
  /// Calls that were answered QZ_ERR_FORKED.
  uint64_t refused_forked;
  /// Calls that were answered QZ_ERR_BUSY.
  uint64_t refused_busy;
  /// Calls that were answered any other status below 0.
  uint64_t refused_other;
  /// QZ_MISUSE_DOUBLE_FREE, here and below unless misuse is ignored.
  uint64_t double_free;
  /// QZ_MISUSE_STALE.
  uint64_t stale;
  /// QZ_MISUSE_WRONG_KIND.
  uint64_t wrong_kind;
  /// QZ_MISUSE_NOT_INSIDE.
  uint64_t not_inside;
} qz_stats;

/// Guards a struct of yours in place: eight bytes, embedded in it. Zero-initialised, it is open.
///
/// The memory that holds it must never be given back, not even after a drained free: a late caller may
/// still look at the guard. Leak the struct, and free what it owns:
///
/// ```c
/// struct session { qz_guard guard; struct inner *inner; };      // never free() a session
/// if (qz_guard_begin_free(&s->guard, QZ_DEFAULT_TIMEOUT) == QZ_OK) inner_free(s->inner);
/// ```
///
/// (If that memory matters, use a qz_handle: its shells are used again.) A guard knows no threads: do
/// not free from inside, and after a fork the child's copy still counts the parent's operations.
typedef struct qz_guard {
  /// The library's.
  uint64_t word;
} qz_guard;

/// Protects a struct of yours that is shut down and opened again: eight bytes, embedded in it, all zero
/// when it is open.
///
/// Its memory must stay in place while anybody may still call anything on it. It knows no threads: do
/// not wait while holding references, and after a fork the child's copy still counts the parent's.
typedef struct qz_rundown {
  /// The library's.
  uint64_t word;
} qz_rundown;

/// What a measured mutex has noted, as of some moment. Times in nanoseconds.
typedef struct qz_mutex_stats {
  /// How often it was locked.
  uint64_t acquisitions;
  /// How often of those it was not to be had at once.
  uint64_t contended;
  /// How long was waited by those that got it then, added up.
  uint64_t wait_total_ns;
  /// The longest of these waits.
  uint64_t wait_max_ns;
  /// How long it was held, added up, without the present holder.
  uint64_t hold_total_ns;
  /// The longest of these.
  uint64_t hold_max_ns;
  /// How long the present holder has it, or 0.
  uint64_t held_for_ns;
  /// The thread that took it, as the operating system numbers it (on Linux: gettid), or 0.
  uint64_t holder;
  /// How many wait.
  uint32_t waiters;
  /// 1: it is held.
  uint32_t is_held;
} qz_mutex_stats;

/// The callbacks of a pool. Set `struct_size` to `sizeof(qz_pool_ops)`, so that this may grow; zero what you do not
/// use.
///
/// They run on the thread that acquires, gives back, maintains or frees, on several at once perhaps, without any lock of
/// ours, and may call anything in here, also for the same pool. A free of the pool from inside one
/// does not wait. They and `ctx` must stay valid until the pool is destroyed.
typedef struct qz_pool_ops {
  /// sizeof(qz_pool_ops).
  size_t struct_size;
  /// Writes a new resource (any value) to `*out_resource` and answers QZ_OK; or leaves nothing behind and answers why not:
  /// QZ_ERR_TIMEOUT, QZ_ERR_BUSY, QZ_ERR_CANCELLED or QZ_ERR_NO_MEMORY (any other number is taken for QZ_ERR_IO).
  /// It should take no longer than `timeout_ms` (or QZ_INFINITE): nothing ends it. What it makes too late is
  /// used all the same. Not NULL.
  int32_t (*create)(int64_t timeout_ms, void *ctx, void **out_resource);
  /// Whether a resource that was idle may be handed out; may be NULL. If not, it is destroyed.
  bool (*check)(void *resource, void *ctx);
  /// Cleans a resource that comes back, on the thread that gives it back, and answers whether it may be used
  /// again; may be NULL. If not, it is destroyed.
  bool (*recycle)(void *resource, void *ctx);
  /// Destroys a resource, once for each that was made and not detached; may be NULL. `reason` is a
  /// qz_pool_reason.
  void (*destroy)(void *resource, int32_t reason, void *ctx);
  /// Passed to all.
  void *ctx;
} qz_pool_ops;

/// Sizes and times of a pool. Set `struct_size` to `sizeof(qz_pool_config)`, so that this may grow. Times are in
/// milliseconds; 0 and QZ_INFINITE: none.
typedef struct qz_pool_config {
  /// sizeof(qz_pool_config).
  size_t struct_size;
  /// So many stay, however long they have been idle or alive. At most `max_size`. A warm-up makes them.
  uint32_t min_size;
  /// Never more than this at a time, counting those that are being made and destroyed. 1 to 2^20.
  uint32_t max_size;
  /// One that comes back when so many are idle is surplus. At least `min_size`; 0: as many as there may be.
  uint32_t max_idle;
  /// Zero.
  uint32_t reserved;
  /// A call waits at most so long until somebody gives a resource back.
  int64_t wait_timeout_ms;
  /// A resource should be made within this time: `create` is told.
  int64_t create_timeout_ms;
  /// One that has been idle for so long goes.
  int64_t idle_timeout_ms;
  /// One that was made so long ago goes, as soon as it is not in use.
  int64_t max_lifetime_ms;
} qz_pool_config;

/// What a pool has, and what has happened to it, all of one moment. `size` is `idle` + `in_use` + `creating` +
/// `leaving`; `created` is `size` - `creating` + `detached` + all that were destroyed.
typedef struct qz_pool_stats {
  /// Resources there are, counting those that are being made or destroyed.
  uint64_t size;
  /// Those that wait to be taken.
  uint64_t idle;
  /// Those that somebody has, and those that are being checked or recycled.
  uint64_t in_use;
  /// Those that are being made.
  uint64_t creating;
  /// Those that are being destroyed.
  uint64_t leaving;
  /// Calls that wait for one to come back.
  uint64_t waiting;
  /// How often one was handed out, so far.
  uint64_t acquired;
  /// How many were made.
  uint64_t created;
  /// How often one was not made after all.
  uint64_t not_created;
  /// How many were detached.
  uint64_t detached;
  /// How many were destroyed as QZ_POOL_IDLE.
  uint64_t destroyed_idle;
  /// The same as QZ_POOL_EXPIRED.
  uint64_t destroyed_expired;
  /// The same as QZ_POOL_UNHEALTHY.
  uint64_t destroyed_unhealthy;
  /// The same as QZ_POOL_CLOSING.
  uint64_t destroyed_closing;
  /// The same as QZ_POOL_SURPLUS.
  uint64_t destroyed_surplus;
  /// How often a call had to wait for one to come back, whatever came of it.
  uint64_t waits;
  /// Nanoseconds that they waited, all together.
  uint64_t wait_total_ns;
  /// Nanoseconds of the longest wait.
  uint64_t wait_max_ns;
} qz_pool_stats;

/// Who holds a lock, as it says itself. Information: it may be over by now, or be anybody's words.
typedef struct qz_filelock_holder_info {
  /// Its process, as its machine (or container) numbers it; 0: nobody says so, and the rest is zeros.
  uint64_t process;
  /// When it took it: seconds since 1970 by its clock.
  uint64_t since;
  /// Its program, cut to 15 bytes.
  char program[16];
  /// Its machine.
  char host[72];
  /// How it holds it: QZ_FILELOCK_EXCLUSIVE, or QZ_FILELOCK_SHARED (one of several).
  uint32_t mode;
  /// 0.
  uint32_t reserved;
} qz_filelock_holder_info;

/// A call that is over.
typedef struct qz_completion {
  /// The one of the submission.
  void *user_data;
  /// What was taken, to be released; or NULL.
  qz_hold *hold;
  /// What else the call tells: see there; or 0.
  size_t value;
  /// A qz_status.
  int32_t status;
  /// With QZ_ERR_IO, the operating system's error number; or 0.
  int32_t os_error;
} qz_completion;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- Statuses: the answer of every function, and its words. ------------------------------------------*/

/// The name of `status`: "QZ_ERR_FREED". For a number that this library does not know: "QZ_ERR_UNKNOWN".
/// Never NULL; static.
const char *qz_status_name(int32_t status);

/// This thread's last refusal in words; after a free that answered QZ_FREE_PENDING: who is still inside (who waits last),
/// in which operation, and for holds how long. Success does not clear it.
///
/// Empty when there was none yet. Never NULL; valid until this thread's next call in here.
const char *qz_last_error(void);

/// The errno behind this thread's last refusal, or 0.
int32_t qz_last_os_error(void);

/* ---- Version: which library this is. -----------------------------------------------------------------*/

/// The library's version: "1.2.3". Compare it with QZ_VERSION, the header's. Never NULL; static.
const char *qz_version(void);

/// The number of the library's binary interface, which its soname ends in. A program works with the
/// library if this equals its QZ_ABI_VERSION.
uint32_t qz_abi_version(void);

/* ---- Kinds: what the handles of one sort have in common. ---------------------------------------------*/

/// Makes a kind of handle. Does not block. Pairs with qz_kind_close.
///
/// `name` appears in reports, cut to 31 bytes. `ops` is copied; NULL: no callbacks. The callbacks and
/// their `ctx` must stay valid until the kind is destroyed: until qz_kind_close, or a free of
/// QZ_HANDLE(kind), says so.
///
/// - QZ_OK: `*out_kind` is the kind.
/// - QZ_ERR_NULL (`name` or `out_kind`), QZ_ERR_INVALID_ARGUMENT (`name` is not UTF-8, or `struct_size`
///   is too small), QZ_ERR_LIMIT (2^24 handles, kinds and holds, counting retired ones),
///   QZ_ERR_NO_MEMORY: `*out_kind` is NULL.
qz_status qz_kind_new(const char *name, const qz_kind_ops *ops, qz_kind **out_kind);

/// Ends a kind together with its handles: no new ones (QZ_ERR_FREED), the existing ones are freed, all
/// within `timeout_ms`.
///
/// `*out_left`, unless `out_left` is NULL, becomes the number of handles that were left a moment ago: 0
/// if the kind is destroyed. A caller inside one of the handles does not wait for itself.
///
/// - QZ_OK: the kind and all of its handles are destroyed. No callback of it can start any more, so the
///   code behind them may be unloaded. (Names of operations must outlive that, too: keep them in the
///   host, or pass NULL.)
/// - QZ_ALREADY_FREED: the same, by another call.
/// - QZ_FREE_PENDING: some handles have somebody inside. They go when those leave, and the kind with the
///   last of them: wait with qz_handle_wait_freed(QZ_HANDLE(kind), ...), or close again.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, not a kind), QZ_ERR_FORKED,
///   QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NO_MEMORY: nothing was closed.
qz_status qz_kind_close(qz_kind *kind, int64_t timeout_ms, size_t *out_left);

/* ---- Handles: the caller's own object, to enter and to leave. ----------------------------------------*/

/// Puts `object` behind a new handle of `kind`. Does not block. Pairs with qz_handle_free.
///
/// - QZ_OK: `*out_handle` is the handle. `object` (which may be NULL) belongs to it until `on_destroy`,
///   and may be used from any thread that enters.
/// - QZ_ERR_NULL (`kind` or `out_handle`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (of
///   `kind`), QZ_ERR_FREED (the kind is closed), QZ_ERR_LIMIT (2^24 handles, kinds and holds, counting
///   retired ones), QZ_ERR_NO_MEMORY: `object` is still the caller's, `*out_handle` is NULL.
qz_status qz_handle_new(qz_kind *kind, void *object, qz_handle **out_handle);

/// Begins an operation: the object of `h` cannot be destroyed before the matching leave. Never blocks.
///
/// `kind` must be the handle's. `operation` names the operation in reports: a string that is never given
/// back (a literal, not a temporary or a scripting language's buffer), or NULL.
///
/// - QZ_OK: `*out_object` is the object, to be used until this thread calls qz_handle_leave(h). Enters
///   may nest, also on the same handle, and leave in any order.
/// - QZ_ERR_FREED: the handle is being freed, or has been.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED: `h` is no handle of `kind`, or
///   `kind` no kind.
/// - QZ_ERR_LIMIT: 16,777,214 are in flight. QZ_ERR_NO_MEMORY: at a thread's first call, or with more
///   than eight operations at once.
///
/// After a refusal there is nothing to leave.
qz_status qz_handle_enter(qz_handle *h,
                          qz_kind *kind,
                          const char *operation,
                          void **out_object);

/// Ends this thread's latest operation on `h`. Does not block, but for `on_destroy`.
///
/// - QZ_OK: if the handle was freed meanwhile and this was the last one out, `on_destroy` has run, on
///   this thread.
/// - QZ_ERR_NOT_INSIDE: this thread has no operation in flight on `h`.
/// - QZ_ERR_FREED (freed, so nobody is inside), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_FORKED.
qz_status qz_handle_leave(qz_handle *h);

/// Whether an operation should come to an end: true unless `h` is a handle that is open. For loops
/// inside long operations. Never blocks.
bool qz_handle_is_closing(qz_handle *h);

/* ---- Frees: the end of a handle, whatever its kind. --------------------------------------------------*/

/// Frees `h`: closes it, wakes what blocks (`on_close`), waits up to `timeout_ms` for those inside,
/// destroys the object (`on_destroy`). From any thread, however often, at the same time.
///
/// - QZ_OK: this call did; or `h` is NULL.
/// - QZ_ALREADY_FREED: another call did, or began to. After this as after QZ_OK the object is destroyed.
/// - QZ_FREE_PENDING: closed, but somebody is still inside (qz_last_error() and qz_handle_occupants()
///   say who), or it is being destroyed at this moment. The last one out destroys the object;
///   qz_handle_wait_freed waits for that, and a further free wakes what blocks again. At the deadline;
///   at once with `timeout_ms` 0, and if the caller is inside itself or holds that this thread took are
///   all that is in flight. (Also at once where a sandbox has taken the system call membarrier away
///   since: nobody can tell who is inside then. qz_last_error() says so, and a further free tries again.)
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold: release it), QZ_ERR_FORKED, QZ_ERR_INVALID_ARGUMENT
///   (`timeout_ms`): nothing was closed.
///
/// Of a kind: refuses new handles and waits for the open ones, but does not free them; qz_kind_close
/// does.
qz_status qz_handle_free(qz_handle *h, int64_t timeout_ms);

/// Frees `h` if nobody is inside. Does not block, but for `on_destroy`.
///
/// - QZ_OK, QZ_ALREADY_FREED: as qz_handle_free.
/// - QZ_ERR_BUSY: somebody is inside, or another thread's qz_handle_try_free looks at this moment. The
///   handle stays open, and nobody is refused on account of this call.
/// - QZ_FREE_PENDING: another call has closed it, and it is not destroyed yet.
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED: nothing was closed.
qz_status qz_handle_try_free(qz_handle *h);

/// Frees `n` handles: closes all of them first, then waits for all up to one common deadline.
///
/// `out_status`, unless NULL, gets `n` statuses, each as of qz_handle_free. A NULL counts as QZ_OK; of a
/// handle listed twice, one gets QZ_OK and the other QZ_ALREADY_FREED.
///
/// - QZ_OK: all are destroyed.
/// - QZ_FREE_PENDING: some are pending.
/// - The refusal of one that was refused, if none is pending; the others are freed all the same.
/// - QZ_ERR_NULL (`handles`, with `n` > 0), QZ_ERR_INVALID_ARGUMENT (`timeout_ms`, or more than can
///   exist), QZ_ERR_NO_MEMORY: nothing was closed, and `out_status` is as it was.
qz_status qz_handle_free_many(qz_handle *const *handles,
                              size_t n,
                              int64_t timeout_ms,
                              qz_status *out_status);

/// Waits until the object of `h` is destroyed, by whomever; does not free it. Any number of threads may
/// wait, any number of times.
///
/// - QZ_OK: destroyed.
/// - QZ_ERR_TIMEOUT: not by then.
/// - QZ_ERR_DEADLOCK: the caller itself keeps it alive, being inside, or with holds that are all that is
///   in flight.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED, QZ_ERR_INVALID_ARGUMENT.
qz_status qz_handle_wait_freed(qz_handle *h, int64_t timeout_ms);

/// Frees `h` without blocking the thread: closes it at once, and completes on `backend` when the object is destroyed.
/// `on_close` is called by the thread that submits or polls, and again until those inside have left.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (each of `h` and `backend`, or of `cancel`, which may be NULL), QZ_ERR_FREED (`backend`,
///   or `cancel`), QZ_ERR_NO_MEMORY: nothing was freed.
/// - Completion: QZ_OK: this call freed it. QZ_ALREADY_FREED: another did. QZ_FREE_PENDING (at the deadline) and
///   QZ_ERR_CANCELLED: closed, but somebody is still inside; the last one out destroys the object.
qz_status qz_handle_free_async(qz_handle *h,
                               int64_t timeout_ms,
                               qz_cancel *cancel,
                               qz_backend *backend,
                               void *user_data);

/// Waits until `h` is freed, by whomever, without blocking the thread: completes on `backend` when the object is destroyed.
/// A wait that ends early leaves a hundred bytes with `h` until that is freed.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (each of `h` and `backend`, or of `cancel`, which may be NULL), QZ_ERR_FREED (`backend`,
///   or `cancel`), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: the object is destroyed. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED.
qz_status qz_handle_wait_freed_async(qz_handle *h,
                                     int64_t timeout_ms,
                                     qz_cancel *cancel,
                                     qz_backend *backend,
                                     void *user_data);

/// Has `fn(ctx)` called once, right after the object of `h` is destroyed, on the thread that destroyed
/// it. Does not block, but for `fn`.
///
/// Any number may be registered; they run in the order of registration, before the call that destroyed
/// the object returns. (A wait, or another thread's free, may return before they have run.)
///
/// - QZ_OK: it will be called.
/// - QZ_ALREADY_FREED: the object was destroyed before, and it has been called, on this thread (or, if
///   that was a moment ago, is being called on the thread that destroyed it).
/// - QZ_ERR_NULL (`h` or `fn`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY: it is never called.
qz_status qz_handle_on_freed(qz_handle *h, void (*fn)(void *ctx), void *ctx);

/// Frees every handle of this process, of every kind, within `timeout_ms`; kinds stay usable. For tests
/// and orderly exits.
///
/// `*out_left`, unless `out_left` is NULL, becomes the number of handles that are left.
///
/// - QZ_OK: none.
/// - QZ_FREE_PENDING: some; somebody is inside, or they were opened meanwhile.
/// - QZ_ERR_INVALID_ARGUMENT, QZ_ERR_NO_MEMORY: nothing was freed.
qz_status qz_quiesce_all(int64_t timeout_ms, size_t *out_left);

/* ---- Holds: in flight until released, on any thread. -------------------------------------------------*/

/// As qz_handle_enter, for what outlives a call or ends on another thread: the object cannot be
/// destroyed before qz_hold_release. Never blocks.
///
/// - QZ_OK: `*out_object` is the object, `*out_hold` the obligation.
/// - As qz_handle_enter, and QZ_ERR_LIMIT and QZ_ERR_NO_MEMORY also for the hold's own token: nothing
///   was taken, `*out_hold` is NULL.
qz_status qz_handle_hold(qz_handle *h,
                         qz_kind *kind,
                         const char *operation,
                         void **out_object,
                         qz_hold **out_hold);

/// Says that the hold belongs to another thread from now on: the one that took it may then wait for
/// what is held, where it would be told that it waits for itself, and a free by it waits for the hold as for
/// any other's. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_FREED: it is released.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, not a hold), QZ_ERR_FORKED.
qz_status qz_hold_pass_on(qz_hold *hold);

/// Gives a hold back, on any thread: what it had taken, and then itself. Does not block, but for
/// `on_destroy`.
///
/// - QZ_OK: this call did (or `hold` is NULL). If its handle was freed meanwhile and this was the last
///   one out, `on_destroy` has run, on this thread.
/// - QZ_ALREADY_FREED: another call did, or is about to.
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, not a hold), QZ_ERR_FORKED.
qz_status qz_hold_release(qz_hold *hold);

/* ---- Reports: what a handle is, and who is inside. ---------------------------------------------------*/

/// Gives the handle a name for people, cut to 31 bytes. Two calls at the same time may mix their texts.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NULL (`h` or `label`), QZ_ERR_INVALID_ARGUMENT (not UTF-8), QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FREED, QZ_ERR_FORKED.
qz_status qz_handle_set_label(qz_handle *h, const char *label);

/// Writes what `h` is and does, as of some moment during the call. `size` is sizeof(qz_handle_info).
/// Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_FREED: destroyed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8),
///   QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold), QZ_ERR_FORKED.
qz_status qz_handle_get_info(qz_handle *h, qz_handle_info *out_info, size_t size);

/// Lists who is inside `h`, as of some moment during the call. Never blocks.
///
/// `size` is sizeof(qz_occupant), `cap` how many of them fit in `out` (which may be NULL if `cap` is 0).
///
/// - QZ_OK: `*out_len` are inside; the first `cap` of them are written.
/// - QZ_ERR_FREED: destroyed, so nobody is inside.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`size`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a hold),
///   QZ_ERR_FORKED.
qz_status qz_handle_occupants(qz_handle *h,
                              qz_occupant *out,
                              size_t size,
                              size_t cap,
                              size_t *out_len);

/// Writes a report of every handle that is not destroyed, for people: one line for each, and below it
/// one line for everybody inside, indented by two spaces. Kinds and holds have no line of their own.
///
/// ```text
/// handle 0x1000000d35 of kind 'session', 'main': closing, 2143 ms old, 1 inside
///   thread 22508 'reader 4' in operation 'query' for at least 12 ms
/// ```
///
/// The second name is the handle's label, if it has one. Each line is as of some moment during the
/// call. As snprintf: at most `cap` bytes are written, a NUL among them, and `*out_len` becomes the
/// length of the whole text without it; `out` may be NULL if `cap` is 0. The next call may have more to
/// tell. Never blocks, and allocates nothing.
///
/// - QZ_OK.
/// - QZ_ERR_NULL (`out_len`, or `out` with `cap` > 0): nothing was written.
qz_status qz_report(char *out, size_t cap, size_t *out_len);

/* ---- Statistics: what there is, and what has happened. -----------------------------------------------*/

/// Writes this process's statistics; each number as of some moment during the call. `size` is
/// sizeof(qz_stats). Looks at every handle and thread there is. Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8).
qz_status qz_stats_get(qz_stats *out_stats, size_t size);

/* ---- Misuse: what a correct program does not do, and who is told of it. ------------------------------*/

/// Sets what is done about misuse, in all threads: a qz_misuse_level. Never blocks.
///
/// Until this is called, the environment variable QUIESCENT_MISUSE says it ("ignore", "count" or
/// "abort", read once, at the process's first kind), and where it says nothing, misuse is ignored.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT (no level): it is as it was.
qz_status qz_misuse_set_level(int32_t level);

/// Has `fn(misuse, handle, ctx)` called for each misuse, unless the level is QZ_MISUSE_IGNORE, in place
/// of what was set before; NULL: nobody is called. Never blocks.
///
/// `misuse` is a qz_misuse, `handle` what the caller passed as a handle, kind or hold. It runs on the
/// thread that makes the call, before that is answered, on several threads at once perhaps, and always
/// with the `ctx` it was set with. What it misuses itself is counted, not told. A call that began
/// before it was replaced may still run it: keep `fn` and `ctx` valid.
///
/// - QZ_OK.
/// - QZ_ERR_NO_MEMORY: it is as it was.
qz_status qz_misuse_set_hook(void (*fn)(int32_t misuse, const void *handle, void *ctx), void *ctx);

/* ---- Guards: embedded in the caller's own leaked memory. ---------------------------------------------*/

/// Begins an operation on the struct that `g` guards. Never blocks.
///
/// - QZ_OK: leave with qz_guard_leave, on any thread.
/// - QZ_ERR_FREED: a free has begun.
/// - QZ_ERR_LIMIT: 16,777,214 are inside. QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
qz_status qz_guard_try_enter(qz_guard *g);

/// Ends an operation. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NOT_INSIDE: nobody is inside, so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
qz_status qz_guard_leave(qz_guard *g);

/// Closes the guard; the first caller waits up to `timeout_ms` for those inside.
///
/// - QZ_OK, to one caller in the guard's life: all have left. Free what the struct owns.
/// - QZ_ALREADY_FREED: another call closed it before. Unlike qz_handle_free's this does not say that
///   anything is destroyed yet.
/// - QZ_ERR_TIMEOUT: this call closed it, for ever, but somebody is still inside; qz_guard_wait_drained
///   hands out the end.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT: nothing was closed.
qz_status qz_guard_begin_free(qz_guard *g, int64_t timeout_ms);

/// After a qz_guard_begin_free that timed out: waits up to `timeout_ms` until all have left. Any number
/// of threads may wait.
///
/// - QZ_OK, to one caller in the guard's life: all have left. Free what the struct owns.
/// - QZ_ALREADY_FREED: another call was told so.
/// - QZ_ERR_TIMEOUT: not yet. QZ_ERR_BUSY: no free has begun.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT.
qz_status qz_guard_wait_drained(qz_guard *g, int64_t timeout_ms);

/* ---- Run-down: what is shut and opened again, embedded in the caller's own memory. -------------------*/

/// Acquires `n` references at once, all or none. Never blocks.
///
/// - QZ_OK: release them with qz_rundown_release, on any thread.
/// - QZ_ERR_BUSY: a run-down is in progress. QZ_ERR_FREED: it is complete.
/// - QZ_ERR_LIMIT: more than 16,777,214 would be out. QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, or
///   `r` misaligned).
qz_status qz_rundown_try_acquire(qz_rundown *r, uint32_t n);

/// Releases `n` references. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NOT_INSIDE: fewer are out, so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, or `r` misaligned).
qz_status qz_rundown_release(qz_rundown *r, uint32_t n);

/// Begins the run-down, so that nothing can be acquired any more, and waits up to `timeout_ms` until all
/// is released. Any number of threads may wait.
///
/// - QZ_OK: complete.
/// - QZ_ERR_TIMEOUT: still in progress; one may wait again.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT: nothing was begun.
qz_status qz_rundown_wait(qz_rundown *r, int64_t timeout_ms);

/// Opens a completed run-down again. Prepare the struct first: others may acquire before this returns.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_BUSY: not complete (in progress, or never begun), so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
qz_status qz_rundown_re_init(qz_rundown *r);

/* ---- Cache-aware run-down: what is shut and opened again, and used by many threads all the time. -----*/

/// Makes a run-down that is open, with nothing acquired. Does not block. Pairs with
/// qz_cache_aware_rundown_delete.
///
/// - QZ_OK: `*out` is the run-down.
/// - QZ_ERR_NULL; QZ_ERR_NO_MEMORY: `*out` is NULL.
qz_status qz_cache_aware_rundown_new(qz_cache_aware_rundown **out);

/// Acquires `n` references at once, all or none. Never blocks.
///
/// While a run-down is about to begin, some threads are refused before others; once any
/// qz_cache_aware_rundown_wait has returned, all are.
///
/// - QZ_OK: release them with qz_cache_aware_rundown_release, on any thread, with the number that is in
///   `*out_stripe` now.
/// - QZ_ERR_BUSY: a run-down is in progress. QZ_ERR_FREED: it is complete.
/// - QZ_ERR_LIMIT: more than 16,777,214 would be out, of this thread and those that share its stripe.
///   QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, or `r` misaligned).
qz_status qz_cache_aware_rundown_try_acquire(qz_cache_aware_rundown *r,
                                             uint32_t n,
                                             uint32_t *out_stripe);

/// Releases `n` references that were acquired with this `stripe`. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NOT_INSIDE: fewer are out there, so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (`n` is 0, there is no such stripe, or `r` is misaligned).
qz_status qz_cache_aware_rundown_release(qz_cache_aware_rundown *r, uint32_t n, uint32_t stripe);

/// Begins the run-down, so that nothing can be acquired any more, and waits up to `timeout_ms` until all
/// is released. Any number of threads may wait.
///
/// - QZ_OK: complete.
/// - QZ_ERR_TIMEOUT: still in progress; one may wait again.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT: nothing was begun.
qz_status qz_cache_aware_rundown_wait(qz_cache_aware_rundown *r, int64_t timeout_ms);

/// Opens a completed run-down again. Prepare what it protects first: others may acquire before this
/// returns. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_BUSY: not complete (in progress, or never begun), so nothing was changed.
/// - QZ_ERR_NULL, QZ_ERR_INVALID_ARGUMENT (misaligned).
qz_status qz_cache_aware_rundown_re_init(qz_cache_aware_rundown *r);

/// Gives its memory back, if the run-down is complete. Never blocks.
///
/// The caller owns it, calls this once, and sees to it that no other call on it is running or follows,
/// as with free(). (A qz_cache_aware_rundown_release that a qz_cache_aware_rundown_wait has waited for
/// may still be returning.)
///
/// - QZ_OK: it does not exist any more; or `r` is NULL, and nothing was done.
/// - QZ_ERR_BUSY: not complete (in progress, or never begun), so nothing was changed.
/// - QZ_ERR_INVALID_ARGUMENT: misaligned.
qz_status qz_cache_aware_rundown_delete(qz_cache_aware_rundown *r);

/* ---- Cancel tokens: ending waits from outside. -------------------------------------------------------*/

/// A token that is not cancelled. Does not block. Pairs with qz_cancel_free.
///
/// - QZ_OK: `*out_cancel` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_cancel` is NULL.
qz_status qz_cancel_new(qz_cancel **out_cancel);

/// A token that is cancelled with `parent`, and can be by itself. Does not block. It outlives the handle of
/// its parent. Pairs with qz_cancel_free.
///
/// - QZ_OK: `*out_cancel` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (of `parent`),
///   QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_cancel` is NULL.
qz_status qz_cancel_child(qz_cancel *parent, qz_cancel **out_cancel);

/// Cancels it and its children, for ever: every call that waits with one of them ends
/// as cancelled, and so does every later one. Never blocks. As often as you like.
///
/// - QZ_OK.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
qz_status qz_cancel_cancel(qz_cancel *cancel);

/// Has it cancelled `timeout_ms` from now, unless it is earlier; the earliest of several calls counts. Takes no
/// thread and no timer: the calls that wait with it or its children keep the deadline. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_cancel_after(qz_cancel *cancel,
                          int64_t timeout_ms);

/// Whether a wait with it would end at once: true unless `cancel` is an open token that is not cancelled. Never blocks.
bool qz_cancel_is_cancelled(qz_cancel *cancel);

/// Waits until it is cancelled.
///
/// - QZ_OK: it is.
/// - QZ_ERR_TIMEOUT.
/// - QZ_ERR_FREED: it was freed before. (Freed meanwhile, it is still waited for: a parent may cancel it.)
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_cancel_wait(qz_cancel *cancel,
                         int64_t timeout_ms);

/// As qz_handle_free. Whoever waits with it goes on waiting, and is not counted as inside.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_cancel_free(qz_cancel *cancel, int64_t timeout_ms);

/* ---- Mutexes: one at a time. -------------------------------------------------------------------------*/

/// A lock, open. Does not block. Pairs with qz_mutex_free.
///
/// - QZ_OK: `*out_mutex` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_mutex` is NULL.
qz_status qz_mutex_new(qz_mutex **out_mutex);

/// As qz_mutex_new, and it notes what qz_mutex_stats_get tells, for two looks at the clock each time it is
/// locked.
qz_status qz_mutex_new_measured(qz_mutex **out_mutex);

/// Locks, waiting for those that hold it or came before. It is unlocked by qz_hold_release, on any thread.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_DEADLOCK: it would wait for this thread's own hold (see qz_hold_pass_on).
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it), QZ_ERR_CANCELLED, QZ_ERR_FREED (the mutex, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is
///   NULL.
qz_status qz_mutex_lock(qz_mutex *mutex,
                        int64_t timeout_ms,
                        qz_cancel *cancel,
                        qz_hold **out_hold);

/// Locks if nobody holds it or waits for it. Never blocks.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_mutex_try_lock(qz_mutex *mutex,
                            qz_hold **out_hold);

/// Writes what a measured mutex has noted. `size` is sizeof(qz_mutex_stats). Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8; or the mutex is not
///   measured), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_mutex_stats_get(qz_mutex *mutex, qz_mutex_stats *out_stats, size_t size);

/// Locks without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that block.
/// A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `mutex` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken,
///   and nobody stands in line any more.
qz_status qz_mutex_lock_async(qz_mutex *mutex,
                              int64_t timeout_ms,
                              qz_cancel *cancel,
                              qz_backend *backend,
                              void *user_data);

/// As qz_handle_free. Whoever waits for the lock is refused at once, as freed; who holds it is waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_mutex_free(qz_mutex *mutex, int64_t timeout_ms);

/* ---- Semaphores: a number of permits, to be taken and given back. ------------------------------------*/

/// A semaphore with `initial` permits, never more than `max` (at most 2^28). Does not block. Pairs with
/// qz_semaphore_free.
///
/// - QZ_OK: `*out_semaphore` is the handle.
/// - QZ_ERR_INVALID_ARGUMENT (`max` is 0 or too large, or `initial` is more), QZ_ERR_NULL, QZ_ERR_LIMIT,
///   QZ_ERR_NO_MEMORY: `*out_semaphore` is NULL.
qz_status qz_semaphore_new(uint32_t initial, uint32_t max, qz_semaphore **out_semaphore);

/// Takes `permits` permits, waiting until they are there. They are given back by qz_hold_release.
///
/// - QZ_OK: `*out_hold` owns them.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has them), QZ_ERR_CANCELLED, QZ_ERR_FREED (the semaphore, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT: `permits` is 0 or more than the maximum, so that no wait would help; or `timeout_ms`.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (also of `cancel`, which may be NULL),
///   QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_semaphore_acquire(qz_semaphore *semaphore,
                               uint32_t permits,
                               int64_t timeout_ms,
                               qz_cancel *cancel,
                               qz_hold **out_hold);

/// Takes `permits` permits if they are there and nobody waits. Never blocks.
///
/// - QZ_OK: `*out_hold` owns them.
/// - QZ_ERR_BUSY (qz_last_error() says who has them), QZ_ERR_FREED, QZ_ERR_INVALID_ARGUMENT (`permits` is 0 or more
///   than the maximum), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT,
///   QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_semaphore_try_acquire(qz_semaphore *semaphore,
                                   uint32_t permits,
                                   qz_hold **out_hold);

/// Adds permits. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_LIMIT: there would be more than the maximum, counting those that are taken; none was added.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
qz_status qz_semaphore_add(qz_semaphore *semaphore,
                           uint32_t permits);

/// Takes up to `permits` of the permits that are there away for good. Never blocks.
///
/// - QZ_OK: `*out_forgotten` (unless NULL) is how many.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
qz_status qz_semaphore_forget(qz_semaphore *semaphore,
                              uint32_t permits,
                              uint32_t *out_forgotten);

/// How many permits are there, at some moment during the call. Never blocks.
///
/// - QZ_OK: `*out_available` is the number.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
qz_status qz_semaphore_available(qz_semaphore *semaphore,
                                 uint32_t *out_available);

/// Takes `permits` without blocking the thread: completes on `backend` when they are taken. In the same line as those that block.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `semaphore` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` has the permits. QZ_ERR_INVALID_ARGUMENT (`permits` is 0, or more than there can be),
///   QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken, and nobody stands in line any more.
qz_status qz_semaphore_acquire_async(qz_semaphore *semaphore,
                                     uint32_t permits,
                                     int64_t timeout_ms,
                                     qz_cancel *cancel,
                                     qz_backend *backend,
                                     void *user_data);

/// As qz_handle_free. Whoever waits for permits is refused at once, as freed; permits that are out are waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_semaphore_free(qz_semaphore *semaphore,
                            int64_t timeout_ms);

/* ---- Barriers: a number of callers wait for each other. ----------------------------------------------*/

/// A barrier for `n` callers (1 to 2^20 - 1). Does not block. Pairs with qz_barrier_free.
///
/// - QZ_OK: `*out_barrier` is the handle.
/// - QZ_ERR_INVALID_ARGUMENT (`n` is 0 or too large), QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_barrier`
///   is NULL.
qz_status qz_barrier_new(uint32_t n,
                         qz_barrier **out_barrier);

/// Arrives, and waits until all have; then the barrier is ready for the next time. What each caller did before it
/// arrived, all see when they go on. The last to arrive does not wait.
///
/// - QZ_OK: all have arrived. `*out_is_leader` (unless NULL) is true for exactly one of them. This is the answer,
///   too, if the last one arrives at the very moment at which the wait would end otherwise.
/// - QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED (the barrier, before or meanwhile; or `cancel`, before): the
///   arrival is withdrawn, as if it had never been; the others wait on for as many as before.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_NO_MEMORY (a thread's first call): it did not arrive.
qz_status qz_barrier_wait(qz_barrier *barrier,
                          int64_t timeout_ms,
                          qz_cancel *cancel,
                          bool *out_is_leader);

/// Arrives without blocking the thread: completes on `backend` when all have arrived.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `barrier` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `value` is 1 for the leader, 0 for the others. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED: it is withdrawn.
///   QZ_ERR_FREED.
qz_status qz_barrier_wait_async(qz_barrier *barrier,
                                int64_t timeout_ms,
                                qz_cancel *cancel,
                                qz_backend *backend,
                                void *user_data);

/// As qz_handle_free. Whoever waits at it is refused at once, as freed.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_barrier_free(qz_barrier *barrier, int64_t timeout_ms);

/* ---- Notifies: waking one that waits, or all. --------------------------------------------------------*/

/// A notify with nothing stored. Does not block. Pairs with qz_notify_free.
///
/// - QZ_OK: `*out_notify` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_notify` is NULL.
qz_status qz_notify_new(qz_notify **out_notify);

/// Waits to be woken, or takes the wake-up that is stored.
///
/// - QZ_OK: woken. What the caller that woke did before is seen.
/// - QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED (the notify, before or meanwhile; or `cancel`, before): not woken,
///   and not in line any more.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_NO_MEMORY (a thread's first call): it did not wait.
qz_status qz_notify_wait(qz_notify *notify,
                         int64_t timeout_ms,
                         qz_cancel *cancel);

/// Wakes the one that has waited longest. If nobody waits, the wake-up is stored for the next to come; one at most.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
qz_status qz_notify_one(qz_notify *notify);

/// Wakes all that wait at this moment; nothing is stored for those that come later. Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
qz_status qz_notify_all(qz_notify *notify);

/// Waits to be woken without blocking the thread: completes on `backend` then. In line from the submission on.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `notify` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: woken. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: a wake-up for one that came meanwhile goes to
///   the next.
qz_status qz_notify_wait_async(qz_notify *notify,
                               int64_t timeout_ms,
                               qz_cancel *cancel,
                               qz_backend *backend,
                               void *user_data);

/// As qz_handle_free. Whoever waits is refused at once, as freed; who was woken before is not.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_notify_free(qz_notify *notify, int64_t timeout_ms);

/* ---- Read-write locks: many that read, or one that writes. -------------------------------------------*/

/// An unlocked lock. Does not block. Pairs with qz_rwlock_free.
///
/// - QZ_OK: `*out_rwlock` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_rwlock` is NULL.
qz_status qz_rwlock_new(qz_rwlock **out_rwlock);

/// Locks to read, waiting for writers that have the lock or came before. Given back by qz_hold_release.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it), QZ_ERR_CANCELLED, QZ_ERR_FREED (the lock, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_DEADLOCK: the calling thread has the lock itself, and would have to wait: for itself, if it
///   writes; if it reads, for a writer that waits for it. (Reading twice is fine while no writer waits.)
///   `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
qz_status qz_rwlock_read(qz_rwlock *rwlock,
                         int64_t timeout_ms,
                         qz_cancel *cancel,
                         qz_hold **out_hold);

/// Locks to write, waiting for all that have the lock or came before. Given back by qz_hold_release.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it), QZ_ERR_CANCELLED, QZ_ERR_FREED (the lock, before or
///   meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_DEADLOCK: the calling thread has the lock itself, to read or to write, and would have to wait: for
///   itself. `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED
///   (also of `cancel`, which may be NULL), QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
qz_status qz_rwlock_write(qz_rwlock *rwlock,
                          int64_t timeout_ms,
                          qz_cancel *cancel,
                          qz_hold **out_hold);

/// Locks to read if no writer has the lock or waits for it. Never blocks.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
qz_status qz_rwlock_try_read(qz_rwlock *rwlock, qz_hold **out_hold);

/// Locks to write if nobody has the lock or waits for it. Never blocks.
///
/// - QZ_OK: `*out_hold` has the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT (2^24 holds), QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
qz_status qz_rwlock_try_write(qz_rwlock *rwlock, qz_hold **out_hold);

/// Makes a hold that writes one that reads; no writer comes in between. Readers that wait before the first
/// writer in line go in. Any thread; never blocks. The hold is given back by qz_hold_release as before. Against
/// a release of the same hold at the same moment, one of the two comes first.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT: it reads, or was downgraded before.
/// - QZ_ERR_FREED: it is released, or its lock is being freed: it writes until it is released.
/// - QZ_ERR_WRONG_KIND: a handle, or a hold of something else.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_rwlock_downgrade(qz_hold *hold);

/// Locks to read without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that
/// block. A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `rwlock` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken,
///   and nobody stands in line any more.
qz_status qz_rwlock_read_async(qz_rwlock *rwlock,
                               int64_t timeout_ms,
                               qz_cancel *cancel,
                               qz_backend *backend,
                               void *user_data);

/// Locks to write without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that
/// block. A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `rwlock` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED: nothing was taken,
///   and nobody stands in line any more.
qz_status qz_rwlock_write_async(qz_rwlock *rwlock,
                                int64_t timeout_ms,
                                qz_cancel *cancel,
                                qz_backend *backend,
                                void *user_data);

/// As qz_handle_free. Whoever waits for the lock is refused at once, as freed; whoever has it is waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_rwlock_free(qz_rwlock *rwlock, int64_t timeout_ms);

/* ---- Once: a value that is made once. ----------------------------------------------------------------*/

/// An empty cell. Does not block. Pairs with qz_once_free.
///
/// `destroy` (may be NULL) is called with the value and `ctx`, once, after the last operation and hold, on the
/// thread of whichever free, leave or release comes last; not if there is no value.
///
/// - QZ_OK: `*out_once` is the handle.
/// - QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_once` is NULL.
qz_status qz_once_new(void (*destroy)(void *value, void *ctx),
                      void *ctx,
                      qz_once **out_once);

/// The value, if it is there. Never blocks.
///
/// - QZ_OK: `*out_value` is the value, valid until the handle is destroyed.
/// - QZ_ERR_BUSY: it is not there: nobody has made it yet, or somebody is about to.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
qz_status qz_once_get(qz_once *once, void **out_value);

/// As qz_once_get, with a hold: the value is not destroyed before qz_hold_release. Never blocks.
///
/// - QZ_OK: `*out_value` is the value, `*out_hold` keeps it.
/// - QZ_ERR_BUSY, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_LIMIT,
///   QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_once_hold(qz_once *once,
                       void **out_value,
                       qz_hold **out_hold);

/// Gives the cell a value. Never blocks.
///
/// - QZ_OK: `value` (which may be NULL) belongs to the cell.
/// - QZ_ERR_LIMIT: it has a value already, for ever.
/// - QZ_ERR_BUSY: somebody is making one.
/// - QZ_ERR_NULL (`once`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
///
/// After a refusal `value` is the caller's.
qz_status qz_once_set(qz_once *once, void *value);

/// The value; if it is not there, the one that `init` makes on this thread, or whoever else does meanwhile.
///
/// `init` writes the value (NULL if it writes nothing) and returns 0 or more; or it returns a negative
/// qz_status, and the cell has not changed. It runs without any lock of ours; the others wait for it. The
/// timeout does not end it.
///
/// - QZ_OK: `*out_value` is the value, valid until the handle is destroyed.
/// - Whatever refusal `init` returned: QZ_ERR_IO, for one.
/// - QZ_ERR_INVALID_ARGUMENT: `timeout_ms`; or `init` returned a negative number that is no qz_status.
/// - QZ_ERR_DEADLOCK: called from within the `init` that makes the value.
/// - QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED (the cell, before or meanwhile; or `cancel`, before):
///   nobody waits any more.
/// - QZ_ERR_NULL (also `init`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (also of `cancel`, which
///   may be NULL), QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_once_get_or_init(qz_once *once,
                              int32_t (*init)(void *ctx, void **out_value),
                              void *ctx,
                              int64_t timeout_ms,
                              qz_cancel *cancel,
                              void **out_value);

/// Gets the value, or makes it, without blocking the thread behind another that makes it: completes on `backend`. `init` is
/// called by the thread that submits or polls, unless there is a value, or somebody else makes one.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL (also `init`), QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `once` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `value` is the value, to be cast to a pointer; it is destroyed with the cell. QZ_ERR_DEADLOCK (from
///   inside of `init`), QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, QZ_ERR_FREED, or what `init` answered (QZ_ERR_IO, …).
qz_status qz_once_get_or_init_async(qz_once *once,
                                    int32_t (*init)(void *ctx, void **out_value),
                                    void *ctx,
                                    int64_t timeout_ms,
                                    qz_cancel *cancel,
                                    qz_backend *backend,
                                    void *user_data);

/// As qz_handle_free. Whoever waits for the value is refused at once, as freed; an initialiser that runs is
/// waited for.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_once_free(qz_once *once, int64_t timeout_ms);

/* ---- Pools: resources that are costly to make, and used again. ---------------------------------------*/

/// A pool in which there is nothing yet. Does not block, and calls nobody. `ops` and `config` are copied. Pairs with
/// qz_pool_free.
///
/// - QZ_OK: `*out_pool` is the handle.
/// - QZ_ERR_INVALID_ARGUMENT (a `struct_size` is too small, or a size or time is not as qz_pool_config says),
///   QZ_ERR_NULL (also for `create`), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_pool` is NULL.
qz_status qz_pool_new(const qz_pool_ops *ops,
                      const qz_pool_config *config,
                      qz_pool **out_pool);

/// Takes a resource: one that is idle and passes its `check`, or a new one, or the first one that comes back. It is given
/// back by qz_hold_release, which runs `recycle`, or ended by qz_pool_detach or qz_pool_discard.
///
/// `timeout_ms` bounds the whole call, but no callback; with 0 none is made. The pool's own timeouts bound each part.
///
/// - QZ_OK: `*out_resource` is the resource, `*out_hold` owns it.
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has them), QZ_ERR_CANCELLED, QZ_ERR_FREED (the pool, before or meanwhile;
///   or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_IO, QZ_ERR_BUSY: `create` could not make one; see qz_pool_ops for what it may answer.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FORKED (also of
///   `cancel`, which may be NULL), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_pool_acquire(qz_pool *pool,
                          int64_t timeout_ms,
                          qz_cancel *cancel,
                          void **out_resource,
                          qz_hold **out_hold);

/// Takes a resource that is idle and passes its `check`. Makes none, and waits for nobody.
///
/// - QZ_OK: `*out_resource` is the resource, `*out_hold` owns it.
/// - QZ_ERR_BUSY (none is idle; qz_last_error() says who has them), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_pool_try_acquire(qz_pool *pool,
                              void **out_resource,
                              qz_hold **out_hold);

/// Ends a hold of a pool's resource, and leaves the resource to the caller: the pool has one less, may make
/// another, and does not destroy this one. Any thread. Does not block, but for the end of a pool that was
/// freed meanwhile.
///
/// - QZ_OK: `*out_resource` is the resource. There is no hold any more.
/// - QZ_ERR_FREED: the hold was released, detached or discarded by another call, or is about to be.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, or a hold that is no pool's), QZ_ERR_FORKED: the
///   hold is as it was.
qz_status qz_pool_detach(qz_hold *hold,
                         void **out_resource);

/// Gives a pool's resource back as broken: as qz_hold_release, but it is destroyed (QZ_POOL_UNHEALTHY), on this
/// thread, without being recycled.
///
/// - QZ_OK: this call did (or `hold` is NULL).
/// - QZ_ALREADY_FREED: the hold was released, detached or discarded by another call, or is about to be.
/// - QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND (a handle, or a hold that is no pool's), QZ_ERR_FORKED.
qz_status qz_pool_discard(qz_hold *hold);

/// Makes resources, one after the other, until there are `target` (at most the maximal size, and as many idle as may
/// be). `strategy` is a qz_pool_strategy; the end of the time is a failure like others, and none is made after it.
///
/// - QZ_OK: `*out_size` (unless NULL) is how many there are, counting those that are in use.
/// - QZ_ERR_TIMEOUT, QZ_ERR_IO, QZ_ERR_BUSY, QZ_ERR_NO_MEMORY (`create` could not make one; see qz_pool_ops for what it
///   may answer): as `strategy` says. What was made stays.
/// - QZ_ERR_CANCELLED, QZ_ERR_FREED (the pool, before or meanwhile; or `cancel`, before): in any case.
/// - QZ_ERR_INVALID_ARGUMENT (`strategy`, `timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FORKED (also of `cancel`, which may be NULL), QZ_ERR_NO_MEMORY (a thread's first call): none was made.
qz_status qz_pool_warm_up(qz_pool *pool,
                          uint32_t target,
                          int32_t strategy,
                          int64_t timeout_ms,
                          qz_cancel *cancel,
                          uint32_t *out_size);

/// Destroys, on this thread, what has been idle or alive for too long, but keeps the minimal size. Call it when you
/// like, or not at all: timeouts are looked at as well when something is taken or given back. Waits for nobody.
///
/// - QZ_OK: `*out_next_ms` (unless NULL) is after how many milliseconds that is worth doing again, or QZ_INFINITE: nothing
///   in this pool goes by the time.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's
///   first call).
qz_status qz_pool_maintain(qz_pool *pool,
                           int64_t *out_next_ms);

/// Writes a pool's statistics. `size` is sizeof(qz_pool_stats). Never blocks.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no multiple of 8), QZ_ERR_NULL,
///   QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_pool_stats_get(qz_pool *pool,
                            qz_pool_stats *out_stats,
                            size_t size);

/// Takes a resource without blocking the thread: completes on `backend` when there is one. In the same line as those that block.
/// The callbacks run on the thread that submits or polls, so a `create` that blocks blocks that.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `pool` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `value` is the resource, to be cast to a pointer, `hold` gives it back. QZ_ERR_TIMEOUT,
///   QZ_ERR_CANCELLED, QZ_ERR_FREED, or what `create` answered (QZ_ERR_IO, …): nothing was taken, and nobody stands in
///   line any more.
qz_status qz_pool_acquire_async(qz_pool *pool,
                                int64_t timeout_ms,
                                qz_cancel *cancel,
                                qz_backend *backend,
                                void *user_data);

/// As qz_handle_free. Whoever waits for a resource is refused at once, as freed; what is idle is destroyed at once;
/// resources that are out are waited for, and destroyed when they come back, on the thread that brings them.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_pool_free(qz_pool *pool,
                       int64_t timeout_ms);

#if !defined(_WIN32)
/* ---- File locks: one at a time among processes. ------------------------------------------------------*/

/// The lock of the file at `path`, whatever bytes that is; made if it is missing, and so are the directories above
/// it. What the file holds is kept; only a file that this library made gets written into who holds it (see
/// QZ_FILELOCK_SIDECAR). Off Linux, on NFS, without /proc, or under a umask that forbids nothing, what somebody else
/// writes into the file in the moment of its making may be lost. `flags` is 0 or QZ_FILELOCK_SIDECAR. Locks nothing,
/// and keeps nothing open. Pairs with qz_filelock_free, which does not remove the file.
///
/// - QZ_OK: `*out_lock` is the handle.
/// - QZ_ERR_IO: qz_last_os_error() is the errno (EISDIR, EACCES, EROFS, ELOOP, ENOSPC, EMFILE, …; EINVAL: no regular
///   file), qz_last_error() names the file. Nothing is left behind; `*out_lock` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`flags`), QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: `*out_lock` is NULL.
qz_status qz_filelock_open(const char *path,
                           uint32_t flags,
                           qz_filelock **out_lock);

/// Locks, waiting for those that hold it or came before. `mode` is QZ_FILELOCK_EXCLUSIVE or QZ_FILELOCK_SHARED. It is
/// unlocked by qz_hold_release, on any thread. A wait that is over leaves nothing behind: no thread, no descriptor,
/// no lock for a moment later.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_DEADLOCK: it would wait for this thread's own hold of the same file, whatever it calls it (see
///   qz_hold_pass_on).
/// - QZ_ERR_TIMEOUT (qz_last_error() says who has it, if that is known), QZ_ERR_CANCELLED, QZ_ERR_FREED (the lock,
///   before or meanwhile; or `cancel`, before): nothing was taken, nobody waits any more, `*out_hold` is NULL.
/// - QZ_ERR_IO: as for qz_filelock_open, and ENOLCK or EOPNOTSUPP: a file system without locks. `*out_hold` is NULL.
/// - QZ_ERR_INVALID_ARGUMENT (`mode`, `timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FORKED (also of `cancel`, which may be NULL), QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken,
///   `*out_hold` is NULL.
qz_status qz_filelock_acquire(qz_filelock *lock,
                              uint32_t mode,
                              int64_t timeout_ms,
                              qz_cancel *cancel,
                              qz_hold **out_hold);

/// Locks if nobody holds it, or waits for it in this process. Does not wait.
///
/// - QZ_OK: `*out_hold` is the lock.
/// - QZ_ERR_BUSY (qz_last_error() says who has it, if that is known), QZ_ERR_IO (as for qz_filelock_acquire),
///   QZ_ERR_INVALID_ARGUMENT (`mode`), QZ_ERR_FREED, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FORKED, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY: nothing was taken, `*out_hold` is NULL.
qz_status qz_filelock_try_acquire(qz_filelock *lock, uint32_t mode, qz_hold **out_hold);

/// Writes who holds the lock, as far as the file says so. `size` is sizeof(qz_filelock_holder_info). Does not wait.
///
/// - QZ_OK: all `size` bytes are written, with zeros where this library knows less than your header.
/// - QZ_ERR_IO (as for qz_filelock_open), QZ_ERR_INVALID_ARGUMENT (`size` is smaller than in this header, or no
///   multiple of 8), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_filelock_holder(qz_filelock *lock,
                             qz_filelock_holder_info *out_holder,
                             size_t size);

/// Locks without blocking the thread: completes on `backend` when the lock is taken. In the same line as those that block.
/// `mode` is QZ_FILELOCK_EXCLUSIVE or QZ_FILELOCK_SHARED. A thread is not told that it would wait for itself.
///
/// - Submission: QZ_OK: it will complete. QZ_ERR_INVALID_ARGUMENT (`mode`, `timeout_ms`), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED (each of `lock` and `backend`, or of `cancel`, which may be
///   NULL), QZ_ERR_NO_MEMORY: nothing was submitted.
/// - Completion: QZ_OK: `hold` is the lock. QZ_ERR_IO (`os_error`), QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED,
///   QZ_ERR_FREED: nothing was taken, and nobody stands in line any more.
qz_status qz_filelock_acquire_async(qz_filelock *lock,
                                    uint32_t mode,
                                    int64_t timeout_ms,
                                    qz_cancel *cancel,
                                    qz_backend *backend,
                                    void *user_data);

/// As qz_handle_free. Whoever waits for the lock with this handle is refused at once, as freed; who holds it with
/// this handle is waited for. The file stays.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_filelock_free(qz_filelock *lock,
                           int64_t timeout_ms);
#endif

/* ---- Backends: calls that complete, in place of calls that block. ------------------------------------*/

/// A backend on which nothing is under way. It takes four descriptors, closed by exec. Does not block. Pairs with
/// qz_backend_free.
///
/// `on_discard` may be NULL; it is called for each call that nobody collects, see qz_backend_free.
///
/// - QZ_OK: `*out_backend` is the handle.
/// - QZ_ERR_IO (no more descriptors: qz_last_os_error(); or 0: not on Linux), QZ_ERR_NULL, QZ_ERR_LIMIT, QZ_ERR_NO_MEMORY:
///   `*out_backend` is NULL.
qz_status qz_backend_new(void (*on_discard)(void *user_data, void *ctx),
                         void *ctx,
                         qz_backend **out_backend);

/// Drives the backend until a call is over, and writes the completions, `cap` at most, the earliest first. One poll at a
/// time, on whichever thread.
///
/// Blocks up to `timeout_ms`; 0 looks once at everything that was woken. After the backend's first poll, takes no memory of its own.
/// Not for signal handlers.
///
/// - QZ_OK: `*out_len` were written; none: it was woken (qz_backend_wake).
/// - QZ_ERR_TIMEOUT: no call is over.
/// - QZ_ERR_BUSY: another thread polls it, or it is attached to another backend, which drives it (or was just now).
/// - QZ_ERR_FREED: it is freed, before or meanwhile.
/// - QZ_ERR_INVALID_ARGUMENT (`timeout_ms`, or a `cap` of 0), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call). Nothing was handed out.
qz_status qz_backend_poll(qz_backend *backend,
                          qz_completion *out,
                          size_t cap,
                          int64_t timeout_ms,
                          size_t *out_len);

/// Has the poll in progress return, or the next one; of an attached backend, the poll of the one that drives it.
/// Several before a poll are one. Any thread, never blocks; for a signal handler see qz_backend_wake_fd.
///
/// - QZ_OK, QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED,
///   QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_backend_wake(qz_backend *backend);

#if !defined(_WIN32)
/// The descriptor for an event loop (epoll, poll, io_uring, libuv, GLib, asyncio): readable exactly while a poll with
/// timeout 0 would find something, a completion or a call to be looked at. The backend's own: not to be read, written or
/// closed, and to be forgotten before the backend is freed.
///
/// When it is readable, poll with timeout 0: until nothing is over, or once, if the event loop reports it again for
/// as long as it is readable (not edge-triggered). Deadlines make it readable, too. From the first call on, a call
/// that is over while nobody polls costs a system call.
///
/// - QZ_OK: `*out_fd` is the descriptor, always the same.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
qz_status qz_backend_fd(qz_backend *backend,
                        int *out_fd);

/// A descriptor that does what qz_backend_wake does when eight bytes, a uint64_t of 1, are written to it: from a signal
/// handler, or anything else that can only write. The caller's own: close it. Writing to it is harmless for as long as it
/// is open, even after the backend is freed. From the first call on, each poll costs a system call more.
///
/// - QZ_OK: `*out_fd` is the descriptor, closed by exec.
/// - QZ_ERR_IO (no more descriptors: qz_last_os_error()), QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND,
///   QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a thread's first call).
qz_status qz_backend_wake_fd(qz_backend *backend,
                             int *out_fd);
#endif

/// Has `outer` drive `inner` as well: completions of `inner` come out of the poll of `outer`, after its own, and the
/// descriptor of `outer` is readable when that of `inner` is. `inner` is not to be polled itself then. It ends with
/// qz_backend_detach, or when either is freed; a free of `inner` waits for a poll of `outer` that looks at its calls.
/// Never blocks.
///
/// - QZ_OK.
/// - QZ_ERR_BUSY: `inner` is attached already, or somebody polls it; or the poll of what it was attached to still looks at it.
/// - QZ_ERR_DEADLOCK: it would be a circle, or more than five levels.
/// - QZ_ERR_IO: qz_last_os_error(); EINVAL if too many calls on `inner` wait for one file (qz_backend_wait_fd_async).
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY.
///
/// After a refusal both are as they were.
qz_status qz_backend_attach(qz_backend *outer,
                            qz_backend *inner);

/// Ends what qz_backend_attach began: `inner` is to be polled by itself, and hands out what is not handed out yet. Never
/// blocks. If a poll of `outer` looks at calls of `inner` just now, a poll of `inner` is refused as busy until that look ends.
///
/// - QZ_OK.
/// - QZ_ERR_INVALID_ARGUMENT: `inner` is not attached to `outer`.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
qz_status qz_backend_detach(qz_backend *outer,
                            qz_backend *inner);

/// How many calls are under way, or wait to be handed out. As of some moment.
///
/// - QZ_OK: `*out_pending` is written.
/// - QZ_ERR_NULL, QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED, QZ_ERR_FORKED, QZ_ERR_NO_MEMORY (a
///   thread's first call).
qz_status qz_backend_pending(qz_backend *backend, size_t *out_pending);

/// For what a call runs (`init`, `create`, `check`, `on_close`): for which call. Of several, one inside of another, the
/// innermost. A blocking call that is made in there is not asked for. Any thread, never blocks.
///
/// - QZ_OK: `*out_user_data` is the `user_data` of the asynchronous call that this thread submits, or looks at in a poll.
/// - QZ_ERR_NOT_INSIDE: there is none; it was called from elsewhere.
/// - QZ_ERR_NULL.
qz_status qz_backend_current(void **out_user_data);

#if !defined(_WIN32)
/// Waits until a descriptor of the caller's own is ready for any of `interest` (QZ_READABLE, QZ_WRITABLE, or both). The
/// completion's `value` says what it is ready for, with QZ_HANGUP if it is broken or hung up; read or write to
/// learn why. A regular file is always ready. Readiness is told once: submit again for the next.
///
/// The descriptor is copied (one descriptor more while the call is under way), so that it may be closed meanwhile.
///
/// - QZ_OK: submitted, and will complete: with QZ_OK, QZ_ERR_TIMEOUT, QZ_ERR_CANCELLED, or QZ_ERR_IO (`os_error` says
///   why the kernel does not watch it: EINVAL if the backend is attached to another, and more than 500 calls wait for the
///   same file; 100, 50 and 10 with three, four and five levels).
/// - QZ_ERR_IO (`fd` is no descriptor, or there are too many: qz_last_os_error()), QZ_ERR_INVALID_ARGUMENT
///   (`timeout_ms`, `interest`), QZ_ERR_NULL (`backend`), QZ_ERR_BAD_HANDLE, QZ_ERR_WRONG_KIND, QZ_ERR_FREED,
///   QZ_ERR_FORKED (each of `backend` or `cancel`), QZ_ERR_NO_MEMORY: nothing was submitted.
qz_status qz_backend_wait_fd_async(qz_backend *backend,
                                   int fd,
                                   uint32_t interest,
                                   int64_t timeout_ms,
                                   qz_cancel *cancel,
                                   void *user_data);
#endif

/// As qz_handle_free. A poll in progress returns what it has. Calls under way are cancelled, and completions that nobody
/// collected are discarded, their holds released: `on_discard` is called once for each, with the call's `user_data`
/// and the `ctx` of qz_backend_new, on the thread that ends the backend: this one, or the last one out. No lock and no
/// permit is lost, and a free that was submitted goes on without being told. Backends that are attached are their own
/// again.
///
/// - QZ_OK, QZ_ALREADY_FREED, QZ_FREE_PENDING, QZ_ERR_INVALID_ARGUMENT, QZ_ERR_BAD_HANDLE,
///   QZ_ERR_WRONG_KIND, QZ_ERR_FORKED.
qz_status qz_backend_free(qz_backend *backend,
                          int64_t timeout_ms);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* QUIESCENT_H */
