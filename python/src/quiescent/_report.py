"""What there is in this process, and what has happened."""

import enum
from ctypes import byref, c_size_t, create_string_buffer, sizeof
from typing import Callable, Dict, Optional

from . import _abi, _callbacks
from ._arguments import DEFAULT_TIMEOUT, milliseconds
from ._calls import may_call_back
from ._errors import check
from ._library import qz


class MisuseLevel(enum.Enum):
    """What is done about misuse, such as a double free: also the variable QUIESCENT_MISUSE."""

    IGNORE = _abi.QZ_MISUSE_IGNORE
    COUNT = _abi.QZ_MISUSE_COUNT
    ABORT = _abi.QZ_MISUSE_ABORT


class Misuse(enum.Enum):
    """What a correct program does not do. It is refused safely, as ever."""

    DOUBLE_FREE = _abi.QZ_MISUSE_DOUBLE_FREE
    """A free, close or release of what was over before."""
    STALE = _abi.QZ_MISUSE_STALE
    """Another use of what was over before."""
    WRONG_KIND = _abi.QZ_MISUSE_WRONG_KIND
    """A handle of another kind."""
    NOT_INSIDE = _abi.QZ_MISUSE_NOT_INSIDE
    """A leave by a thread that is not inside."""


def library_version() -> str:
    """The version of libquiescent, such as "0.1.0"."""
    return str(qz.qz_version().decode())


def report() -> str:
    """Every handle that is not destroyed, and who is inside, for people."""
    length = c_size_t()
    room = 4096
    while True:
        buffer = create_string_buffer(room)
        check(qz.qz_report(buffer, room, byref(length)))
        if length.value < room:
            return buffer.value.decode("utf-8", "replace")
        room = 2 * length.value


def statistics() -> Dict[str, int]:
    """The counts of qz_stats: handles that are live, were opened and freed, refusals by status, misuse."""
    raw = _abi.qz_stats()
    check(qz.qz_stats_get(byref(raw), sizeof(raw)))
    return {str(name): getattr(raw, name) for name, *_ in raw._fields_}


def quiesce_all(timeout: Optional[float] = DEFAULT_TIMEOUT) -> int:
    """Frees every handle of this process; answers how many are left. For tests and orderly exits."""
    left = c_size_t()
    check(may_call_back(qz.qz_quiesce_all, milliseconds(timeout), byref(left)))
    return left.value


def set_misuse_level(level: MisuseLevel) -> None:
    """Sets what is done about misuse, in all threads."""
    check(qz.qz_misuse_set_level(level.value))


def set_misuse_hook(hook: Optional[Callable[[Misuse, int], object]]) -> None:
    """Has `hook(misuse, token)` called for each misuse, unless the level is IGNORE, in place of the one before; None: no hook.

    It runs in the thread that makes the call, before that is answered, on several at once perhaps. What it raises goes to
    sys.unraisablehook.
    """
    _callbacks.set_misuse_hook(None if hook is None else (lambda misuse, token: hook(Misuse(misuse), token)))
