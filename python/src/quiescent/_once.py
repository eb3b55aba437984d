"""A value that is made once."""

from ctypes import byref, c_void_p
from typing import Callable, Generic, Optional, TypeVar, cast

from . import _callbacks
from ._calls import may_call_back
from ._cancel import CancelToken
from ._completions import Call, complete
from ._errors import Busy, check
from ._handles import AnyHandle, obtain, token_of
from ._library import qz
from ._objects import ObjectHold, object_at
from ._waiting import wait

T = TypeVar("T")


class Once(AnyHandle, Generic[T]):
    """A value that is made once, by whoever comes first, and belongs to the handle from then on.

    Fair: those that wait for the value are in line; if one cannot make it, the next in line tries.
    """

    def __init__(self, *, on_destroy: Optional[Callable[[T], object]] = None) -> None:
        """One without a value. `on_destroy(value)` is called as that of a `Handle`; not if there is no value."""
        self._on_destroy = on_destroy
        super().__init__(qz.qz_once_new, _callbacks.destroy, None)

    def hold(self) -> ObjectHold[T]:
        """The value (`.object`), if it is there, which is not destroyed before `release`. Raises `Busy` if not, `Freed`."""
        found, out = c_void_p(), c_void_p()
        return obtain(
            lambda: int(qz.qz_once_hold(self._token, byref(found), byref(out))),
            out,
            lambda token: ObjectHold(self, token, object_at(found)),
        )

    def get(self) -> T:
        """The value, if it is there; else raises `Busy`. A free may call its `on_destroy` at any time: to keep it, `hold`."""
        with self.hold() as hold:
            return hold.object

    def set(self, value: T) -> None:
        """Gives it a value. Raises `LimitReached` if it has one, for ever, and `Busy` while somebody makes one."""
        entry = _callbacks.Entry(value, None, self._on_destroy)
        _callbacks.entries[id(entry)] = entry
        try:
            check(qz.qz_once_set(self._token, id(entry)))
        except Exception:  # a refusal: not KeyboardInterrupt, after it was set
            _callbacks.entries.pop(id(entry), None)
            raise

    def get_or_init(
        self, init: Callable[[], T], timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> T:
        """The value; if it is not there, the one that `init` makes in this thread, or whoever else does meanwhile.

        Raises what `init` raises, and then there is no value; `Deadlock` in an `init` that asks for its own value; `TimedOut`,
        `Cancelled`, `Freed`. Neither ends an `init` that runs.
        """
        try:
            return self.get()
        except Busy:
            pass
        found, record = c_void_p(), _callbacks.Init(init, self._on_destroy)

        def call(timeout_ms: int, token: Optional[int]) -> int:
            return may_call_back(
                qz.qz_once_get_or_init, self._token, _callbacks.once_init, id(record), timeout_ms, token, byref(found)
            )

        _callbacks.inits[id(record)] = record
        try:
            check(wait(call, timeout, token_of(cancel)))
        finally:
            del _callbacks.inits[id(record)]
        # The number that was found may be that of a destroyed value by now.
        return self.get()

    async def get_or_init_async(
        self, init: Callable[[], T], timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> T:
        """As `get_or_init`, in an event loop, whose thread `init` runs in: it is for waiting until another thread has made it."""
        record = _callbacks.Init(init, self._on_destroy)

        def submit(timeout_ms: int, token: c_void_p, backend: int, number: int) -> int:
            return int(
                qz.qz_once_get_or_init_async(
                    self._token, _callbacks.once_init, id(record), timeout_ms, token, backend, number
                )
            )

        # As above: the number that was found may be that of a destroyed value by now.
        name = f"an asynchronous wait for {self!r}"
        return await complete(Call(name, submit, lambda over: self.get(), makes=id(record), init=record), timeout, token_of(cancel))
