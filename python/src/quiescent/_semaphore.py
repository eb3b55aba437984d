"""A number of permits, to be taken and given back."""

from ctypes import byref, c_uint32
from typing import Optional

from ._arguments import unsigned
from ._cancel import CancelToken
from ._errors import check
from ._handles import AnyHandle, Hold, take, try_take
from ._library import qz
from ._taking import Taking, take_async


class Semaphore(AnyHandle):
    """A number of permits. Fair: first in, first out, also for callers that want many."""

    def __init__(self, permits: int, maximum: int = 2**28) -> None:
        """One with so many permits, and never more than `maximum` (at most 2^28)."""
        super().__init__(qz.qz_semaphore_new, unsigned(permits, "permits"), unsigned(maximum, "maximum"))

    def hold(
        self, permits: int = 1, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> Hold:
        """Takes permits: `with semaphore.hold(): …`. Raises `TimedOut` (the words say who has them), `Cancelled`, `Freed`."""
        wanted = unsigned(permits, "permits")
        return take(Hold, self, qz.qz_semaphore_acquire, wanted, timeout=timeout, cancel=cancel)

    def hold_async(
        self, permits: int = 1, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> Taking[Hold]:
        """As `hold`, in an event loop: `async with semaphore.hold_async(): …`."""
        wanted = unsigned(permits, "permits")
        return take_async(
            lambda token, _: Hold(self, token), self, qz.qz_semaphore_acquire_async, wanted, timeout=timeout, cancel=cancel
        )

    def try_hold(self, permits: int = 1) -> Hold:
        """Takes permits if they are there and nobody waits; else raises `Busy`."""
        return try_take(Hold, self, qz.qz_semaphore_try_acquire, unsigned(permits, "permits"))

    def add(self, permits: int) -> None:
        """Adds permits."""
        check(qz.qz_semaphore_add(self._token, unsigned(permits, "permits")))

    def forget(self, permits: int) -> int:
        """Takes up to so many of the permits that are there away for good; answers how many."""
        forgotten = c_uint32()
        check(qz.qz_semaphore_forget(self._token, unsigned(permits, "permits"), byref(forgotten)))
        return forgotten.value

    @property
    def available(self) -> int:
        """How many permits are there, at some moment."""
        available = c_uint32()
        check(qz.qz_semaphore_available(self._token, byref(available)))
        return available.value
