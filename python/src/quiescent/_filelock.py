"""A lock between processes."""

import os
from ctypes import byref, sizeof
from types import TracebackType
from typing import NamedTuple, Optional, Type, Union

from . import _abi
from ._cancel import CancelToken
from ._errors import Forked, InvalidArgument, check
from ._handles import AnyHandle, Hold, take, try_take
from ._library import qz
from ._taking import Taking, take_async

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class FileLockHolder(NamedTuple):
    """Who holds a lock, as it says itself: qz_filelock_holder_info. It may be over by now, or be anybody's words."""

    process: int
    since: int
    """Seconds since 1970, by its clock."""
    program: str
    host: str
    is_shared: bool


class FileLock(AnyHandle):
    """The lock of a file, between processes, threads, and all handles of the same file.

        with FileLock("app.lock").hold(timeout=5): …     # one lock
        lock = FileLock("app.lock")                      # many; `with lock:` is the last of them, because it frees the handle

    Fair within a process. Not re-entrant: a thread that would wait for itself gets `Deadlock`. The file stays. A lock that nobody
    holds keeps nothing open, and may be forgotten.
    """

    _may_be_forgotten = True

    def __init__(self, path: Path, *, sidecar: bool = False) -> None:
        """That of the file at `path`, which is made if it is missing, as are the directories above it. Locks nothing yet.

        Raises `SystemRefused`, an OSError. A sidecar is a file that is there for the lock alone: who holds it is written into it
        even if somebody else made it (QZ_FILELOCK_SIDECAR).
        """
        name = os.fsencode(path)
        if b"\0" in name:
            raise InvalidArgument(f"path contains a NUL: {path!r}")
        self._held: Optional[Hold] = None
        super().__init__(qz.qz_filelock_open, name, _abi.QZ_FILELOCK_SIDECAR if sidecar else 0)

    def hold(
        self, shared: bool = False, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> Hold:
        """Locks it, alone or shared: `with lock.hold(timeout=5): …`.

        Raises `TimedOut` (the words say who has it), `Cancelled`, `Freed`, `Deadlock`, `SystemRefused`.
        """
        return take(Hold, self, qz.qz_filelock_acquire, _mode(shared), timeout=timeout, cancel=cancel)

    def hold_async(
        self, shared: bool = False, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> Taking[Hold]:
        """As `hold`, in an event loop: `async with lock.hold_async(timeout=5): …`. Never `Deadlock`: another task may have it."""
        return take_async(
            lambda token, _: Hold(self, token), self, qz.qz_filelock_acquire_async, _mode(shared), timeout=timeout, cancel=cancel
        )

    def try_hold(self, shared: bool = False) -> Hold:
        """Locks it if nobody holds it or, in this process, waits for it; else raises `Busy` (the words say who has it)."""
        return try_take(Hold, self, qz.qz_filelock_try_acquire, _mode(shared))

    def holder(self) -> Optional[FileLockHolder]:
        """Who holds it, as far as the file says so."""
        raw = _abi.qz_filelock_holder_info()
        check(qz.qz_filelock_holder(self._token, byref(raw), sizeof(raw)))
        if not raw.process:
            return None
        program, host = raw.program.decode("utf-8", "replace"), raw.host.decode("utf-8", "replace")
        return FileLockHolder(raw.process, raw.since, program, host, raw.mode == _abi.QZ_FILELOCK_SHARED)

    def __enter__(self) -> "FileLock":
        """Locks it, alone, however long that takes, until the end of the `with`."""
        super().__enter__()
        self._held = self.hold()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Unlocks and frees it."""
        held, self._held = self._held, None
        try:
            if held is not None:
                held.release()
        except Forked:
            pass
        super().__exit__(kind, error, trace)


def _mode(shared: bool) -> int:
    return _abi.QZ_FILELOCK_SHARED if shared else _abi.QZ_FILELOCK_EXCLUSIVE
