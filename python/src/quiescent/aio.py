"""What asyncio programs find besides the `…_async` methods: readiness of a descriptor of one's own, in the same place.

    async with lock.hold_async(timeout=1):
        ready = await aio.wait_fd(connection, readable=True, timeout=30)

Each `…_async` method does what the one without does, and does not block the thread: the calls of a running event loop complete on
that loop. It takes loops that have `add_reader`, such as those of asyncio on Linux, and uvloop's.
"""

import enum
from ctypes import c_void_p
from typing import Optional, Protocol, Union

from . import _abi
from ._cancel import CancelToken
from ._completions import Call, Completion, complete
from ._errors import InvalidArgument
from ._handles import token_of
from ._library import qz
from ._taking import Taking

__all__ = ["Ready", "Taking", "wait_fd"]


class HasFileno(Protocol):
    """Such as a socket."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


class Ready(enum.Flag):
    """What a descriptor is ready for."""

    READABLE = _abi.QZ_READABLE
    """There is something to read, or its end."""
    WRITABLE = _abi.QZ_WRITABLE
    HANGUP = _abi.QZ_HANGUP
    """It is broken or hung up: read or write to learn why."""


async def wait_fd(
    fd: Union[int, HasFileno],
    readable: bool = False,
    writable: bool = False,
    *,
    timeout: Optional[float] = None,
    cancel: Optional[CancelToken] = None,
) -> Ready:
    """Waits until the descriptor is readable, writable, or either; answers for what it is ready. It may be closed meanwhile.

    Raises `TimedOut`, `Cancelled`, `SystemRefused` (an OSError: it is not open), `InvalidArgument` (neither is asked for).
    """
    number = fd if isinstance(fd, int) else fd.fileno()
    if not -(2**31) <= number < 2**31:
        raise InvalidArgument(f"a descriptor is an int of C's: {number!r}")
    interest = (_abi.QZ_READABLE if readable else 0) | (_abi.QZ_WRITABLE if writable else 0)

    def submit(timeout_ms: int, token: c_void_p, backend: int, user_data: int) -> int:
        return int(qz.qz_backend_wait_fd_async(backend, number, interest, timeout_ms, token, user_data))

    def finish(over: Completion) -> Ready:
        return Ready(over.value)

    return await complete(Call(f"wait_fd of {number}", submit, finish), timeout, token_of(cancel))
