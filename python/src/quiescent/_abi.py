"""What include/quiescent.h declares, for ctypes: numbers, structures, and one line for each function. Nothing else.

The one such table: the package uses it, and so do the programs in ffi-tests/python, which compare every number, structure
and signature in it with the header itself. It imports nothing of the package and loads nothing, so that it can be loaded by
its path alone.
"""

import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, Tuple

# qz_status
QZ_OK = 0
QZ_FREE_PENDING = 1
QZ_ALREADY_FREED = 2
QZ_ERR_NULL = -1
QZ_ERR_BAD_HANDLE = -2
QZ_ERR_WRONG_KIND = -3
QZ_ERR_FREED = -4
QZ_ERR_TIMEOUT = -5
QZ_ERR_BUSY = -6
QZ_ERR_CANCELLED = -7
QZ_ERR_DEADLOCK = -8
QZ_ERR_INVALID_ARGUMENT = -9
QZ_ERR_LIMIT = -10
QZ_ERR_NO_MEMORY = -11
QZ_ERR_IO = -12
QZ_ERR_PANIC = -13
QZ_ERR_FORKED = -14
QZ_ERR_POISONED = -15
QZ_ERR_NOT_INSIDE = -16
STATUS: Dict[str, int] = {name: value for name, value in globals().items() if name.startswith("QZ_")}

# qz_state
QZ_STATE_OPEN = 0
QZ_STATE_CLOSING = 1
QZ_STATE_PENDING = 2
QZ_STATE_DESTROYING = 3

# qz_misuse, qz_misuse_level
QZ_MISUSE_DOUBLE_FREE = 1
QZ_MISUSE_STALE = 2
QZ_MISUSE_WRONG_KIND = 3
QZ_MISUSE_NOT_INSIDE = 4
QZ_MISUSE_IGNORE = 0
QZ_MISUSE_COUNT = 1
QZ_MISUSE_ABORT = 2

# qz_pool_reason, qz_pool_strategy
QZ_POOL_IDLE = 0
QZ_POOL_EXPIRED = 1
QZ_POOL_UNHEALTHY = 2
QZ_POOL_CLOSING = 3
QZ_POOL_SURPLUS = 4
QZ_POOL_FAIL = 0
QZ_POOL_BEST_EFFORT = 1
QZ_POOL_REQUIRE_MINIMUM = 2

# Macros
QZ_READABLE = 1
QZ_WRITABLE = 2
QZ_HANGUP = 4
QZ_FILELOCK_EXCLUSIVE = 0
QZ_FILELOCK_SHARED = 1
QZ_FILELOCK_SIDECAR = 1
QZ_INFINITE = -1
QZ_DEFAULT_TIMEOUT = -2
QZ_ABI_VERSION = 1

CONSTANTS: Dict[str, int] = {name: value for name, value in globals().items() if name.startswith("QZ_")}

# A token is a number: a handle, kind or hold is passed and received as void *.
handle = kind = hold = cancel = mutex = semaphore = barrier = notify = rwlock = once = pool = filelock = backend = c_void_p
# An address, and opaque.
cache_aware_rundown = c_void_p
status = c_int32

HOOK = CFUNCTYPE(None, c_void_p, c_void_p)
ON_FREED = CFUNCTYPE(None, c_void_p)
DESTROY_VALUE = CFUNCTYPE(None, c_void_p, c_void_p)
INIT_VALUE = CFUNCTYPE(c_int32, c_void_p, POINTER(c_void_p))
CREATE_RESOURCE = CFUNCTYPE(c_int32, c_int64, c_void_p, POINTER(c_void_p))
CHECK_RESOURCE = CFUNCTYPE(c_bool, c_void_p, c_void_p)
DESTROY_RESOURCE = CFUNCTYPE(None, c_void_p, c_int32, c_void_p)
ON_DISCARD = CFUNCTYPE(None, c_void_p, c_void_p)
ON_MISUSE = CFUNCTYPE(None, c_int32, c_void_p, c_void_p)


class qz_guard(Structure):
    _fields_ = [("word", c_uint64)]


class qz_rundown(Structure):
    _fields_ = [("word", c_uint64)]


class qz_kind_ops(Structure):
    _fields_ = [("struct_size", c_size_t), ("on_close", HOOK), ("on_destroy", HOOK), ("ctx", c_void_p)]


class qz_handle_info(Structure):
    _fields_ = [
        ("state", c_int32),
        ("in_flight", c_uint32),
        ("holds", c_uint32),
        ("reserved", c_uint32),
        ("age_ms", c_uint64),
        ("kind", c_char * 32),
        ("label", c_char * 32),
    ]


class qz_occupant(Structure):
    _fields_ = [
        ("thread_id", c_uint64),
        ("since_ms", c_int64),
        ("thread_name", c_char * 16),
        ("operation", c_char * 40),
        ("is_hold", c_uint32),
        ("has_ended", c_uint32),
        ("is_waiting", c_uint32),
        ("reserved", c_uint32),
    ]


class qz_stats(Structure):
    _fields_ = [
        (name, c_uint64)
        for name in (
            "live",
            "pending",
            "kinds",
            "retired",
            "opened",
            "freed",
            "drains",
            "barriers",
            "refused_null",
            "refused_bad_handle",
            "refused_wrong_kind",
            "refused_freed",
            "refused_forked",
            "refused_busy",
            "refused_other",
            "double_free",
            "stale",
            "wrong_kind",
            "not_inside",
        )
    ]


class qz_mutex_stats(Structure):
    _fields_ = [
        ("acquisitions", c_uint64),
        ("contended", c_uint64),
        ("wait_total_ns", c_uint64),
        ("wait_max_ns", c_uint64),
        ("hold_total_ns", c_uint64),
        ("hold_max_ns", c_uint64),
        ("held_for_ns", c_uint64),
        ("holder", c_uint64),
        ("waiters", c_uint32),
        ("is_held", c_uint32),
    ]


class qz_pool_ops(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("create", CREATE_RESOURCE),
        ("check", CHECK_RESOURCE),
        ("recycle", CHECK_RESOURCE),
        ("destroy", DESTROY_RESOURCE),
        ("ctx", c_void_p),
    ]


class qz_pool_config(Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("min_size", c_uint32),
        ("max_size", c_uint32),
        ("max_idle", c_uint32),
        ("reserved", c_uint32),
        ("wait_timeout_ms", c_int64),
        ("create_timeout_ms", c_int64),
        ("idle_timeout_ms", c_int64),
        ("max_lifetime_ms", c_int64),
    ]


class qz_pool_stats(Structure):
    _fields_ = [
        (name, c_uint64)
        for name in (
            "size",
            "idle",
            "in_use",
            "creating",
            "leaving",
            "waiting",
            "acquired",
            "created",
            "not_created",
            "detached",
            "destroyed_idle",
            "destroyed_expired",
            "destroyed_unhealthy",
            "destroyed_closing",
            "destroyed_surplus",
            "waits",
            "wait_total_ns",
            "wait_max_ns",
        )
    ]


class qz_filelock_holder_info(Structure):
    _fields_ = [
        ("process", c_uint64),
        ("since", c_uint64),
        ("program", c_char * 16),
        ("host", c_char * 72),
        ("mode", c_uint32),
        ("reserved", c_uint32),
    ]


class qz_completion(Structure):
    _fields_ = [
        ("user_data", c_void_p),
        ("hold", c_void_p),
        ("value", c_size_t),
        ("status", c_int32),
        ("os_error", c_int32),
    ]


STRUCTURES = (
    qz_guard,
    qz_rundown,
    qz_kind_ops,
    qz_handle_info,
    qz_occupant,
    qz_stats,
    qz_mutex_stats,
    qz_pool_ops,
    qz_pool_config,
    qz_pool_stats,
    qz_filelock_holder_info,
    qz_completion,
)

# name: (result, *arguments)
FUNCTIONS: Dict[str, Tuple[Any, ...]] = {
    "qz_status_name": (c_char_p, c_int32),
    "qz_last_error": (c_char_p,),
    "qz_last_os_error": (c_int32,),
    "qz_version": (c_char_p,),
    "qz_abi_version": (c_uint32,),
    "qz_kind_new": (status, c_char_p, POINTER(qz_kind_ops), POINTER(kind)),
    "qz_kind_close": (status, kind, c_int64, POINTER(c_size_t)),
    "qz_handle_new": (status, kind, c_void_p, POINTER(handle)),
    "qz_handle_enter": (status, handle, kind, c_char_p, POINTER(c_void_p)),
    "qz_handle_leave": (status, handle),
    "qz_handle_hold": (status, handle, kind, c_char_p, POINTER(c_void_p), POINTER(hold)),
    "qz_hold_pass_on": (status, hold),
    "qz_hold_release": (status, hold),
    "qz_handle_is_closing": (c_bool, handle),
    "qz_handle_free": (status, handle, c_int64),
    "qz_handle_try_free": (status, handle),
    "qz_handle_free_many": (status, POINTER(handle), c_size_t, c_int64, POINTER(status)),
    "qz_handle_wait_freed": (status, handle, c_int64),
    "qz_handle_free_async": (status, handle, c_int64, cancel, backend, c_void_p),
    "qz_handle_wait_freed_async": (status, handle, c_int64, cancel, backend, c_void_p),
    "qz_handle_on_freed": (status, handle, ON_FREED, c_void_p),
    "qz_handle_set_label": (status, handle, c_char_p),
    "qz_handle_get_info": (status, handle, POINTER(qz_handle_info), c_size_t),
    "qz_handle_occupants": (status, handle, POINTER(qz_occupant), c_size_t, c_size_t, POINTER(c_size_t)),
    "qz_report": (status, c_char_p, c_size_t, POINTER(c_size_t)),
    "qz_stats_get": (status, POINTER(qz_stats), c_size_t),
    "qz_misuse_set_level": (status, c_int32),
    "qz_misuse_set_hook": (status, ON_MISUSE, c_void_p),
    "qz_quiesce_all": (status, c_int64, POINTER(c_size_t)),
    "qz_guard_try_enter": (status, POINTER(qz_guard)),
    "qz_guard_leave": (status, POINTER(qz_guard)),
    "qz_guard_begin_free": (status, POINTER(qz_guard), c_int64),
    "qz_guard_wait_drained": (status, POINTER(qz_guard), c_int64),
    "qz_rundown_try_acquire": (status, POINTER(qz_rundown), c_uint32),
    "qz_rundown_release": (status, POINTER(qz_rundown), c_uint32),
    "qz_rundown_wait": (status, POINTER(qz_rundown), c_int64),
    "qz_rundown_re_init": (status, POINTER(qz_rundown)),
    "qz_cache_aware_rundown_new": (status, POINTER(cache_aware_rundown)),
    "qz_cache_aware_rundown_try_acquire": (status, cache_aware_rundown, c_uint32, POINTER(c_uint32)),
    "qz_cache_aware_rundown_release": (status, cache_aware_rundown, c_uint32, c_uint32),
    "qz_cache_aware_rundown_wait": (status, cache_aware_rundown, c_int64),
    "qz_cache_aware_rundown_re_init": (status, cache_aware_rundown),
    "qz_cache_aware_rundown_delete": (status, cache_aware_rundown),
    "qz_cancel_new": (status, POINTER(cancel)),
    "qz_cancel_child": (status, cancel, POINTER(cancel)),
    "qz_cancel_cancel": (status, cancel),
    "qz_cancel_after": (status, cancel, c_int64),
    "qz_cancel_is_cancelled": (c_bool, cancel),
    "qz_cancel_wait": (status, cancel, c_int64),
    "qz_cancel_free": (status, cancel, c_int64),
    "qz_mutex_new": (status, POINTER(mutex)),
    "qz_mutex_new_measured": (status, POINTER(mutex)),
    "qz_mutex_lock": (status, mutex, c_int64, cancel, POINTER(hold)),
    "qz_mutex_try_lock": (status, mutex, POINTER(hold)),
    "qz_mutex_lock_async": (status, mutex, c_int64, cancel, backend, c_void_p),
    "qz_mutex_stats_get": (status, mutex, POINTER(qz_mutex_stats), c_size_t),
    "qz_mutex_free": (status, mutex, c_int64),
    "qz_semaphore_new": (status, c_uint32, c_uint32, POINTER(semaphore)),
    "qz_semaphore_acquire": (status, semaphore, c_uint32, c_int64, cancel, POINTER(hold)),
    "qz_semaphore_try_acquire": (status, semaphore, c_uint32, POINTER(hold)),
    "qz_semaphore_acquire_async": (status, semaphore, c_uint32, c_int64, cancel, backend, c_void_p),
    "qz_semaphore_add": (status, semaphore, c_uint32),
    "qz_semaphore_forget": (status, semaphore, c_uint32, POINTER(c_uint32)),
    "qz_semaphore_available": (status, semaphore, POINTER(c_uint32)),
    "qz_semaphore_free": (status, semaphore, c_int64),
    "qz_barrier_new": (status, c_uint32, POINTER(barrier)),
    "qz_barrier_wait": (status, barrier, c_int64, cancel, POINTER(c_bool)),
    "qz_barrier_wait_async": (status, barrier, c_int64, cancel, backend, c_void_p),
    "qz_barrier_free": (status, barrier, c_int64),
    "qz_notify_new": (status, POINTER(notify)),
    "qz_notify_wait": (status, notify, c_int64, cancel),
    "qz_notify_wait_async": (status, notify, c_int64, cancel, backend, c_void_p),
    "qz_notify_one": (status, notify),
    "qz_notify_all": (status, notify),
    "qz_notify_free": (status, notify, c_int64),
    "qz_rwlock_new": (status, POINTER(rwlock)),
    "qz_rwlock_read": (status, rwlock, c_int64, cancel, POINTER(hold)),
    "qz_rwlock_write": (status, rwlock, c_int64, cancel, POINTER(hold)),
    "qz_rwlock_try_read": (status, rwlock, POINTER(hold)),
    "qz_rwlock_try_write": (status, rwlock, POINTER(hold)),
    "qz_rwlock_read_async": (status, rwlock, c_int64, cancel, backend, c_void_p),
    "qz_rwlock_write_async": (status, rwlock, c_int64, cancel, backend, c_void_p),
    "qz_rwlock_downgrade": (status, hold),
    "qz_rwlock_free": (status, rwlock, c_int64),
    "qz_once_new": (status, DESTROY_VALUE, c_void_p, POINTER(once)),
    "qz_once_get": (status, once, POINTER(c_void_p)),
    "qz_once_hold": (status, once, POINTER(c_void_p), POINTER(hold)),
    "qz_once_set": (status, once, c_void_p),
    "qz_once_get_or_init": (status, once, INIT_VALUE, c_void_p, c_int64, cancel, POINTER(c_void_p)),
    "qz_once_get_or_init_async": (status, once, INIT_VALUE, c_void_p, c_int64, cancel, backend, c_void_p),
    "qz_once_free": (status, once, c_int64),
    "qz_pool_new": (status, POINTER(qz_pool_ops), POINTER(qz_pool_config), POINTER(pool)),
    "qz_pool_acquire": (status, pool, c_int64, cancel, POINTER(c_void_p), POINTER(hold)),
    "qz_pool_try_acquire": (status, pool, POINTER(c_void_p), POINTER(hold)),
    "qz_pool_acquire_async": (status, pool, c_int64, cancel, backend, c_void_p),
    "qz_pool_detach": (status, hold, POINTER(c_void_p)),
    "qz_pool_discard": (status, hold),
    "qz_pool_warm_up": (status, pool, c_uint32, c_int32, c_int64, cancel, POINTER(c_uint32)),
    "qz_pool_maintain": (status, pool, POINTER(c_int64)),
    "qz_pool_stats_get": (status, pool, POINTER(qz_pool_stats), c_size_t),
    "qz_pool_free": (status, pool, c_int64),
    "qz_filelock_open": (status, c_char_p, c_uint32, POINTER(filelock)),
    "qz_filelock_acquire": (status, filelock, c_uint32, c_int64, cancel, POINTER(hold)),
    "qz_filelock_try_acquire": (status, filelock, c_uint32, POINTER(hold)),
    "qz_filelock_acquire_async": (status, filelock, c_uint32, c_int64, cancel, backend, c_void_p),
    "qz_filelock_holder": (status, filelock, POINTER(qz_filelock_holder_info), c_size_t),
    "qz_filelock_free": (status, filelock, c_int64),
    "qz_backend_new": (status, ON_DISCARD, c_void_p, POINTER(backend)),
    "qz_backend_poll": (status, backend, POINTER(qz_completion), c_size_t, c_int64, POINTER(c_size_t)),
    "qz_backend_wake": (status, backend),
    "qz_backend_fd": (status, backend, POINTER(c_int32)),
    "qz_backend_wake_fd": (status, backend, POINTER(c_int32)),
    "qz_backend_attach": (status, backend, backend),
    "qz_backend_detach": (status, backend, backend),
    "qz_backend_pending": (status, backend, POINTER(c_size_t)),
    "qz_backend_current": (status, POINTER(c_void_p)),
    "qz_backend_wait_fd_async": (status, backend, c_int32, c_uint32, c_int64, cancel, c_void_p),
    "qz_backend_free": (status, backend, c_int64),
}


def declare(library: ctypes.CDLL) -> None:
    """Tells ctypes the signature of every function."""
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def status_name(number: int) -> str:
    """The name of a status, for messages."""
    return next((name for name, value in STATUS.items() if value == number), f"unknown status {number}")
