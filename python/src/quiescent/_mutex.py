"""A lock."""

from ctypes import byref, sizeof
from typing import NamedTuple, Optional

from . import _abi
from ._cancel import CancelToken
from ._errors import check
from ._handles import AnyHandle, Hold, take, try_take
from ._library import qz
from ._taking import Taking, take_async


class MutexStatistics(NamedTuple):
    """What a measured mutex has noted: qz_mutex_stats. Times in nanoseconds."""

    acquisitions: int
    contended: int
    wait_total_ns: int
    wait_max_ns: int
    hold_total_ns: int
    hold_max_ns: int
    held_for_ns: int
    holder: int
    waiters: int
    is_held: bool


class Mutex(AnyHandle):
    """A lock. Fair: first in, first out. Not re-entrant: a thread that would wait for itself gets `Deadlock`."""

    def __init__(self, measured: bool = False) -> None:
        """One that is not held. A measured one notes what `statistics` tells."""
        super().__init__(qz.qz_mutex_new_measured if measured else qz.qz_mutex_new)

    def hold(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> Hold:
        """Locks it: `with mutex.hold(): …`. Raises `TimedOut` (the words say who has it), `Cancelled`, `Freed`, `Deadlock`."""
        return take(Hold, self, qz.qz_mutex_lock, timeout=timeout, cancel=cancel)

    def hold_async(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> Taking[Hold]:
        """As `hold`, in an event loop: `async with mutex.hold_async(): …`. Never `Deadlock`: another task may have it."""
        return take_async(
            lambda token, _: Hold(self, token), self, qz.qz_mutex_lock_async, timeout=timeout, cancel=cancel
        )

    def try_hold(self) -> Hold:
        """Locks it if nobody holds it or waits for it; else raises `Busy`."""
        return try_take(Hold, self, qz.qz_mutex_try_lock)

    def statistics(self) -> MutexStatistics:
        """Of a measured mutex."""
        raw = _abi.qz_mutex_stats()
        check(qz.qz_mutex_stats_get(self._token, byref(raw), sizeof(raw)))
        noted = {name: getattr(raw, name) for name in MutexStatistics._fields}
        return MutexStatistics(**{**noted, "is_held": bool(raw.is_held)})
