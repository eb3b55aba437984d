"""A lock that many may have to read, or one to write."""

from typing import Optional

from ._cancel import CancelToken
from ._errors import check
from ._handles import AnyHandle, Hold, take, try_take
from ._library import qz
from ._taking import Taking, take_async


class WriteHold(Hold):
    """A lock to write."""

    def downgrade(self) -> None:
        """Makes it a lock to read, without letting a writer in between. It is given back as before."""
        check(qz.qz_rwlock_downgrade(self._token))


class RwLock(AnyHandle):
    """A lock that many may have to read, or one to write.

    Fair: first in, first out; a waiting writer is not overtaken by later readers. Not re-entrant: a thread that would wait for
    itself gets `Deadlock`.
    """

    def __init__(self) -> None:
        """One that nobody has."""
        super().__init__(qz.qz_rwlock_new)

    def read(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> Hold:
        """Locks to read: `with lock.read(): …`. Raises `TimedOut` (the words say who has it), `Cancelled`, `Freed`, `Deadlock`."""
        return take(Hold, self, qz.qz_rwlock_read, timeout=timeout, cancel=cancel)

    def write(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> WriteHold:
        """Locks to write: `with lock.write(): …`. Raises as `read`."""
        return take(WriteHold, self, qz.qz_rwlock_write, timeout=timeout, cancel=cancel)

    def read_async(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> Taking[Hold]:
        """As `read`, in an event loop: `async with lock.read_async(): …`. Never `Deadlock`: another task may have it."""
        return take_async(
            lambda token, _: Hold(self, token), self, qz.qz_rwlock_read_async, timeout=timeout, cancel=cancel
        )

    def write_async(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> Taking[WriteHold]:
        """As `write`, in an event loop: `async with lock.write_async(): …`. Never `Deadlock`: another task may have it."""
        return take_async(
            lambda token, _: WriteHold(self, token), self, qz.qz_rwlock_write_async, timeout=timeout, cancel=cancel
        )

    def try_read(self) -> Hold:
        """Locks to read if no writer has it or waits; else raises `Busy`."""
        return try_take(Hold, self, qz.qz_rwlock_try_read)

    def try_write(self) -> WriteHold:
        """Locks to write if nobody has it or waits; else raises `Busy`."""
        return try_take(WriteHold, self, qz.qz_rwlock_try_write)
