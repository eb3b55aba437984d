"""One exception for each refusal of the library, with its words."""

from typing import Dict, Tuple, Type

from . import _abi
from ._library import qz


class QuiescentError(Exception):
    """A refusal. `str()` of it is what qz_last_error says, such as who is inside; `status` is its number."""

    status: int = 0

    @property
    def status_name(self) -> str:
        """Such as "QZ_ERR_FREED"."""
        return str(qz.qz_status_name(self.status).decode())


class NullArgument(QuiescentError):
    """NULL where a value is needed."""

    status = _abi.QZ_ERR_NULL


class BadHandle(QuiescentError):
    """Not a handle of this library."""

    status = _abi.QZ_ERR_BAD_HANDLE


class WrongKind(QuiescentError):
    """A live handle, but of another kind."""

    status = _abi.QZ_ERR_WRONG_KIND


class Freed(QuiescentError):
    """The handle is being freed, or has been."""

    status = _abi.QZ_ERR_FREED


class TimedOut(QuiescentError, TimeoutError):
    """The deadline passed."""

    status = _abi.QZ_ERR_TIMEOUT


class Busy(QuiescentError):
    """Somebody is inside, or in the way."""

    status = _abi.QZ_ERR_BUSY


class Cancelled(QuiescentError):
    """The cancel token was cancelled."""

    status = _abi.QZ_ERR_CANCELLED


class Deadlock(QuiescentError):
    """The caller waits for itself."""

    status = _abi.QZ_ERR_DEADLOCK


class InvalidArgument(QuiescentError, ValueError):
    """A number, size or text outside of what the function takes."""

    status = _abi.QZ_ERR_INVALID_ARGUMENT


class LimitReached(QuiescentError):
    """A count is at its end."""

    status = _abi.QZ_ERR_LIMIT


class NoMemory(QuiescentError, MemoryError):
    """An allocation failed."""

    status = _abi.QZ_ERR_NO_MEMORY


class SystemRefused(QuiescentError, OSError):
    """The operating system refused: `errno` says why."""

    status = _abi.QZ_ERR_IO


class Panicked(QuiescentError):
    """A panic inside the library was contained. Please report it."""

    status = _abi.QZ_ERR_PANIC


class Forked(QuiescentError):
    """A handle of the parent process, in a forked child."""

    status = _abi.QZ_ERR_FORKED


class Poisoned(QuiescentError):
    """A panic left what a lock protects half-changed."""

    status = _abi.QZ_ERR_POISONED


class NotInside(QuiescentError):
    """A leave without an enter on this thread, or a release of what was not acquired."""

    status = _abi.QZ_ERR_NOT_INSIDE


REFUSALS: Tuple[Type[QuiescentError], ...] = (
    NullArgument,
    BadHandle,
    WrongKind,
    Freed,
    TimedOut,
    Busy,
    Cancelled,
    Deadlock,
    InvalidArgument,
    LimitReached,
    NoMemory,
    SystemRefused,
    Panicked,
    Forked,
    Poisoned,
    NotInside,
)
_BY_STATUS: Dict[int, Type[QuiescentError]] = {refusal.status: refusal for refusal in REFUSALS}


def last_error() -> str:
    """This thread's last refusal in words; after a free that is pending, who is still inside."""
    return str(qz.qz_last_error().decode("utf-8", "replace"))


def refusal(status: int, words: str, os_error: int) -> QuiescentError:
    """The exception for a negative status; `os_error` counts with QZ_ERR_IO."""
    if status == _abi.QZ_ERR_IO:
        return SystemRefused(os_error, words)
    error = _BY_STATUS.get(status, QuiescentError)(words)
    error.status = status
    return error


def check(status: int) -> int:
    """The status again, unless it is a refusal: that is raised. To be called right after the function that answered."""
    if status >= 0:
        return status
    raise refusal(status, last_error() or _abi.status_name(status), int(qz.qz_last_os_error()))
