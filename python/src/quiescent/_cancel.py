"""Cancel tokens: ending waits from outside."""

from typing import Optional

from . import _abi
from ._arguments import milliseconds
from ._errors import check
from ._handles import AnyHandle
from ._library import qz
from ._waiting import wait


class CancelToken(AnyHandle):
    """Ends the waits it is given to, as soon as it is cancelled: they raise `Cancelled`."""

    def __init__(self, parent: "Optional[CancelToken]" = None) -> None:
        """One that is not cancelled; with a parent, as `parent.child()`."""
        if parent is None:
            super().__init__(qz.qz_cancel_new)
        else:
            super().__init__(qz.qz_cancel_child, parent.token)

    def child(self) -> "CancelToken":
        """One that is cancelled with this one, and can be by itself."""
        return CancelToken(self)

    def cancel(self) -> None:
        """Cancels it and its children, for ever. As often as you like."""
        check(qz.qz_cancel_cancel(self._token))

    def cancel_after(self, timeout: float) -> None:
        """Has it cancelled so many seconds from now, unless it is earlier. Takes no thread and no timer."""
        check(qz.qz_cancel_after(self._token, milliseconds(timeout)))

    @property
    def is_cancelled(self) -> bool:
        """Whether a wait with it would end at once."""
        return bool(qz.qz_cancel_is_cancelled(self._token))

    def wait(self, timeout: Optional[float] = None) -> None:
        """Waits until it is cancelled. Raises `TimedOut`."""

        def call(timeout_ms: int, token: Optional[int]) -> int:
            status = int(qz.qz_cancel_wait(token, timeout_ms))
            return _abi.QZ_ERR_CANCELLED if status == _abi.QZ_OK else status

        status = wait(call, timeout, self._token)
        if status != _abi.QZ_ERR_CANCELLED:
            check(status)
