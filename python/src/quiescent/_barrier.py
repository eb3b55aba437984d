"""A number of callers wait for each other."""

from ctypes import byref, c_bool, c_void_p
from typing import Optional

from ._arguments import unsigned
from ._cancel import CancelToken
from ._completions import Call, complete
from ._errors import check
from ._handles import AnyHandle, token_of
from ._library import qz
from ._waiting import wait


class Barrier(AnyHandle):
    """A number of callers wait for each other, as often as they like."""

    def __init__(self, parties: int) -> None:
        """One for so many callers: 1 to 2^20 - 1."""
        super().__init__(qz.qz_barrier_new, unsigned(parties, "parties"))

    def wait(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> bool:
        """Waits until all have arrived; True for exactly one of them.

        Raises `TimedOut`, `Cancelled` or `Freed`: the arrival is withdrawn, as if it had never been. (So it is, and made anew,
        where a signal's handler runs in the main thread.)
        """
        is_leader = c_bool()

        def call(timeout_ms: int, token: Optional[int]) -> int:
            return int(qz.qz_barrier_wait(self._token, timeout_ms, token, byref(is_leader)))

        check(wait(call, timeout, token_of(cancel)))
        return is_leader.value

    async def wait_async(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> bool:
        """As `wait`, in an event loop. A task that is cancelled withdraws its arrival, unless all had arrived."""

        def submit(timeout_ms: int, token: c_void_p, backend: int, number: int) -> int:
            return int(qz.qz_barrier_wait_async(self._token, timeout_ms, token, backend, number))

        call = Call(f"an asynchronous wait at {self!r}", submit, lambda over: bool(over.value), of=self._token)
        return await complete(call, timeout, token_of(cancel))
