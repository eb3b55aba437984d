"""What Python passes, as C takes it. ctypes cuts numbers and texts off in silence, so they are looked at here."""

import math
from typing import Optional

from . import _abi
from ._errors import InvalidArgument

DEFAULT_TIMEOUT = 5.0
"""Seconds that a free waits for those inside unless told otherwise: QZ_DEFAULT_TIMEOUT."""


def milliseconds(timeout: Optional[float]) -> int:
    """Seconds as whole milliseconds, rounded up, so that no wait is shorter than asked for; None is for ever.

    The one place where times are converted, with `seconds`.
    """
    if timeout is None:
        return _abi.QZ_INFINITE
    if not timeout >= 0:  # also a NaN
        raise InvalidArgument(f"a timeout is at least 0 seconds, or None: {timeout!r}")
    if timeout > 2**52:
        return _abi.QZ_INFINITE
    return math.ceil(timeout * 1000)


def seconds(milliseconds: int) -> Optional[float]:
    """The other way round: None is for ever."""
    return None if milliseconds == _abi.QZ_INFINITE else milliseconds / 1000


def unsigned(number: int, what: str) -> int:
    """A uint32_t."""
    if not 0 <= number < 2**32:
        raise InvalidArgument(f"{what} is not between 0 and 2^32 - 1: {number!r}")
    return number


def text(words: str, what: str) -> bytes:
    """A NUL-terminated string in UTF-8."""
    if "\0" in words:
        raise InvalidArgument(f"{what} contains a NUL: {words!r}")
    return words.encode()
