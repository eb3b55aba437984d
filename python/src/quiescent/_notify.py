"""Waking one that waits, or all."""

from ctypes import c_void_p
from typing import List, Optional

from . import _abi
from ._calls import in_one_step
from ._cancel import CancelToken
from ._completions import Call, complete
from ._errors import check
from ._handles import AnyHandle, token_of
from ._library import qz
from ._waiting import wait_until_signal


class Notify(AnyHandle):
    """Wakes those that wait for it. Fair: first in, first out.

    As with a condition variable, what is waited for is looked at before each wait and after it:

        while not queue:
            notify.wait()
    """

    def __init__(self) -> None:
        """One with nothing stored."""
        super().__init__(qz.qz_notify_new)

    def wait(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> bool:
        """Waits to be woken, or takes the wake-up that is stored. Raises `TimedOut`, `Cancelled`, `Freed`.

        True: woken. False, in the main thread only: a signal's handler has run instead, and a `notify_all` at that moment would
        have been missed, so look again.
        """

        answers: List[int] = []

        def call(timeout_ms: int, token: Optional[int]) -> int:
            in_one_step(answers, qz.qz_notify_wait, self._token, timeout_ms, token)
            return answers[-1]

        try:
            status = wait_until_signal(call, timeout, token_of(cancel))
            return status is not None and check(status) >= 0
        except BaseException:
            if answers and answers[-1] == _abi.QZ_OK:  # Ctrl-C in the moment of waking: it is the next one's
                qz.qz_notify_one(self._token)
            raise

    async def wait_async(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> None:
        """As `wait`, in an event loop, but no signal ends it. A wake-up that reaches a cancelled task goes to the next in line."""

        def submit(timeout_ms: int, token: c_void_p, backend: int, number: int) -> int:
            return int(qz.qz_notify_wait_async(self._token, timeout_ms, token, backend, number))

        def undo(_: None) -> None:
            qz.qz_notify_one(self._token)  # refused once it is freed, and then nobody waits

        call = Call(f"an asynchronous wait for {self!r}", submit, lambda over: None, undo, of=self._token)
        await complete(call, timeout, token_of(cancel))

    def notify_one(self) -> None:
        """Wakes the one that has waited longest. If nobody waits, the wake-up is stored for the next to come; one at most."""
        check(qz.qz_notify_one(self._token))

    def notify_all(self) -> None:
        """Wakes all that wait at this moment; nothing is stored for those that come later."""
        check(qz.qz_notify_all(self._token))
