"""Handles that are safe to free from any thread, at any moment: libquiescent for Python.

Pure ctypes, without logic of its own: what a call does, include/quiescent.h says. Times are seconds; None is for ever. Each
refusal is an exception below `QuiescentError`. All of it may be used from any thread. In a forked child what was made before
raises `Forked`.
"""

from ._arguments import DEFAULT_TIMEOUT
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
from ._handles import AnyHandle, FreeResult, HandleInfo, Hold, Occupant, State
from ._mutex import Mutex, MutexStatistics
from ._objects import Handle, Kind, ObjectHold, Operation
from ._report import MisuseLevel, library_version, quiesce_all, report, set_misuse_level, statistics
from ._semaphore import Semaphore

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_TIMEOUT",
    "AnyHandle",
    "BadHandle",
    "Busy",
    "CancelToken",
    "Cancelled",
    "Deadlock",
    "Forked",
    "FreeResult",
    "Freed",
    "Handle",
    "HandleInfo",
    "Hold",
    "InvalidArgument",
    "Kind",
    "LimitReached",
    "MisuseLevel",
    "Mutex",
    "MutexStatistics",
    "NoMemory",
    "NotInside",
    "NullArgument",
    "ObjectHold",
    "Occupant",
    "Operation",
    "Panicked",
    "Poisoned",
    "QuiescentError",
    "Semaphore",
    "State",
    "SystemRefused",
    "TimedOut",
    "WrongKind",
    "last_error",
    "library_version",
    "quiesce_all",
    "report",
    "set_misuse_level",
    "statistics",
]
