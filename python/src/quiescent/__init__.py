"""Handles that are safe to free from any thread, at any moment: libquiescent for Python.

Pure ctypes, without logic of its own: what a call does, include/quiescent.h says. Times are seconds; None is for ever. Each
refusal is an exception below `QuiescentError`. All of it may be used from any thread. In a forked child what was made before
raises `Forked`.
"""

from ._arguments import DEFAULT_TIMEOUT
from ._barrier import Barrier
from ._cancel import CancelToken
from ._errors import (
    BadHandle,
    Busy,
    Cancelled,
    Deadlock,
    Forked,
    Freed,
    InvalidArgument,
    LimitReached,
    NoMemory,
    NotInside,
    NullArgument,
    Panicked,
    Poisoned,
    QuiescentError,
    SystemRefused,
    TimedOut,
    WrongKind,
    last_error,
)
from ._filelock import FileLock, FileLockHolder
from ._handles import AnyHandle, FreeResult, HandleInfo, Hold, Occupant, State, free_many
from ._mutex import Mutex, MutexStatistics
from ._notify import Notify
from ._objects import Handle, Kind, ObjectHold, Operation
from ._once import Once
from ._pool import Pool, PoolHold, PoolReason, PoolStatistics, PoolStrategy
from ._report import (
    Misuse,
    MisuseLevel,
    library_version,
    quiesce_all,
    report,
    set_misuse_hook,
    set_misuse_level,
    statistics,
)
from ._rundown import References, Rundown
from ._rwlock import RwLock, WriteHold
from ._semaphore import Semaphore
from ._taking import Taking

__version__ = "0.1.0"

__all__ = [
    "AnyHandle",
    "BadHandle",
    "Barrier",
    "Busy",
    "CancelToken",
    "Cancelled",
    "DEFAULT_TIMEOUT",
    "Deadlock",
    "FileLock",
    "FileLockHolder",
    "Forked",
    "FreeResult",
    "Freed",
    "Handle",
    "HandleInfo",
    "Hold",
    "InvalidArgument",
    "Kind",
    "LimitReached",
    "Misuse",
    "MisuseLevel",
    "Mutex",
    "MutexStatistics",
    "NoMemory",
    "NotInside",
    "Notify",
    "NullArgument",
    "ObjectHold",
    "Occupant",
    "Once",
    "Operation",
    "Panicked",
    "Poisoned",
    "Pool",
    "PoolHold",
    "PoolReason",
    "PoolStatistics",
    "PoolStrategy",
    "QuiescentError",
    "References",
    "Rundown",
    "RwLock",
    "Semaphore",
    "State",
    "SystemRefused",
    "Taking",
    "TimedOut",
    "WriteHold",
    "WrongKind",
    "free_many",
    "last_error",
    "library_version",
    "quiesce_all",
    "report",
    "set_misuse_hook",
    "set_misuse_level",
    "statistics",
]
