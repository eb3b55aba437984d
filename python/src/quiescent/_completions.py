"""Calls that complete: what the `…_async` forms rest on. No thread waits for them, and nothing ticks.

Each running event loop has a backend (qz_backend) of its own, made by its first call. The loop watches the backend's descriptor
(`loop.add_reader`), which is readable exactly while a call is over or has to be looked at, and polls it then. A call is known to
the library by a number; the completion with that number ends the future that the caller awaits.

# Who keeps what alive

The loop keeps the backend, through the reader, and nobody else does: not this module, not the frames that await. So `loop.close()`
frees the backend, and with it the calls that nobody waits for any more: what they had taken is given back. What that end needs
(cancel tokens, functions that make values) lies in a dictionary that does not lead back to the loop.

# Cancelling a task

Each call has a cancel token: a child of the caller's. When the task is cancelled, the token is, and the backend is polled: the call
is over when CancelledError arrives. If it had been granted at that moment, in the completion or already in the future, what it took
is given back (`undo`). The same holds for whatever else ends the `await`: KeyboardInterrupt, a coroutine that is closed or dropped.
Where it is dropped on another thread, the loop does it, as soon as it runs.

# Exceptions and signals

A function of the user's (`create` of a pool, `init` of a cell) runs in the submission or in a poll. What it raises belongs to one of
the calls that are under way: it is noted there with the number of what it makes, and raised by the call that completes with
QZ_ERR_IO for that. Completions are handed out in the order in which calls ended, so the first noted is the first handed out. In the
main thread a poll and the ends of its futures are one step for signal handlers (`may_call_back`): no completion is lost between.

# Fork

In a child nothing of this is there: its own loop gets a backend of its own.
"""

import contextvars
import itertools
import os
import weakref
from ctypes import byref, c_int32, c_size_t, c_void_p
from typing import TYPE_CHECKING, Any, Callable, Dict, Generic, List, NamedTuple, Optional, Tuple, TypeVar

from . import _abi
from ._arguments import milliseconds
from ._callbacks import Init, inits
from ._calls import carry, may_call_back, unraisable
from ._errors import check, refusal
from ._library import qz
from ._waiting import new_token

if TYPE_CHECKING:  # whoever calls has it loaded
    import asyncio

T = TypeVar("T")

Submit = Callable[[int, c_void_p, int, int], int]
"""Submits a call: (timeout_ms, cancel, backend, user_data)."""

_AT_ONCE = 256  # completions that a poll hands out; the others come with the loop's next round


class Completion(NamedTuple):
    """How a call ended that was not refused: qz_completion."""

    status: int
    hold: Optional[int]
    value: int


class Call(Generic[T]):
    """What to submit, and what to make of its completion."""

    def __init__(
        self,
        name: str,
        submit: Submit,
        finish: Callable[[Completion], T],
        undo: Callable[[T], object] = lambda result: None,
        *,
        of: Optional[int] = None,
        makes: int = 0,
        init: Optional[Init] = None,
    ) -> None:
        """`undo` gives a result back that nobody is there for. `of`: as that of `may_call_back`, for the submission.

        `makes`: the number of the pool or `init` that makes something for it.
        """
        self.name, self.submit, self.finish, self.undo = name, submit, finish, undo
        self.of, self.makes, self.init = of, makes, init


_Owned = Dict[int, Tuple[c_void_p, Optional[Init]]]
"""What belongs to each call: its cancel token, and what makes its value."""


class _UnderWay(Generic[T]):
    """A call that was submitted. It keeps neither the backend nor the loop alive but through the future."""

    __slots__ = ("backend", "call", "future", "is_abandoned", "number", "result", "submitted")

    def __init__(self, backend: "_Backend", number: int, call: Call[T], future: "asyncio.Future[T]") -> None:
        self.backend, self.number, self.call, self.future = weakref.ref(backend), number, call, future
        self.is_abandoned = False
        self.result: List[T] = []
        """Taken out by whoever gives it back."""
        self.submitted: Optional[int] = None
        """The status of its submission; None: not known."""

    def abandon(self) -> None:
        """Nobody awaits it any more. On any thread; on that of the loop it is over then."""
        self.is_abandoned = True
        if not self.future.done() or self.future.cancelled():
            backend = self.backend()
            if backend is not None:
                backend.cancel(self.number)
        elif self.future.exception() is None:
            self.give_back_result()

    def give_back_result(self) -> None:
        try:
            result = self.result.pop()
        except IndexError:
            return
        self.give_back(result)

    def give_back(self, result: T) -> None:
        try:
            self.call.undo(result)
        except Exception as error:
            unraisable(error, self.call.name)
        except BaseException as error:
            if not carry(error):  # within a poll it comes when all that the poll found has reached its future
                raise

    def end(self, result: Optional[T], error: Optional[BaseException]) -> None:
        if self.future.done() or self.is_abandoned:
            if error is None:
                self.give_back(result)  # type: ignore[arg-type]  # None is a T, where there is no error
            elif not isinstance(error, Exception):
                carry(error)
        elif error is None:
            self.result.append(result)  # type: ignore[arg-type]
            self.future.set_result(result)  # type: ignore[arg-type]
            if self.is_abandoned:  # on another thread, which may have found no result yet
                self.give_back_result()
        elif isinstance(error, StopIteration):  # which would end the coroutine in silence
            self.future.set_exception(RuntimeError(f"{self.call.name}: a callback raised StopIteration"))
        else:
            self.future.set_exception(error)


class _Backend:
    """That of one event loop, used by the loop's thread."""

    def __init__(self, loop: "asyncio.AbstractEventLoop") -> None:
        out, descriptor = c_void_p(), c_int32()
        self._loop = weakref.ref(loop)
        self._numbers = itertools.count(1)
        self._under_way: Dict[int, _UnderWay[Any]] = {}
        self._owned: _Owned = {}
        self._refusals: List[Tuple[int, BaseException]] = []
        self._completions = (_abi.qz_completion * _AT_ONCE)()
        self._is_polling = False
        check(qz.qz_backend_new(_abi.ON_DISCARD(), None, byref(out)))
        assert out.value is not None
        self._token: int = out.value
        weakref.finalize(self, _free, self._token, self._owned).atexit = False
        check(qz.qz_backend_fd(self._token, byref(descriptor)))
        # In a context of its own: it is not the first caller's.
        contextvars.Context().run(loop.add_reader, descriptor.value, self.poll)

    def submit(
        self, call: Call[T], future: "asyncio.Future[T]", timeout_ms: int, cancel: Optional[int]
    ) -> _UnderWay[T]:
        """Begins a call, which will end `future`."""
        token, number = c_void_p(), next(self._numbers)
        # First of all: wherever KeyboardInterrupt comes from here on, the end of the loop, at the latest, frees the token.
        self._owned[number] = token, call.init
        under_way = self._under_way[number] = _UnderWay(self, number, call, future)

        def submit() -> int:
            under_way.submitted = call.submit(timeout_ms, token, self._token, number)
            return under_way.submitted

        try:
            under_way.submitted = new_token(cancel, token)
            check(under_way.submitted)
            if call.init is not None:
                inits[id(call.init)] = call.init
            under_way.submitted = None
            check(may_call_back(submit, of=call.of, refusals=self._refusals))
        except BaseException:
            if under_way.submitted is not None and under_way.submitted < 0:
                self._forget(number)  # nothing was submitted
            else:
                under_way.abandon()
            raise
        return under_way

    def poll(self) -> None:
        """Ends the futures of the calls that are over. The loop calls it when the descriptor is readable."""
        may_call_back(self._poll, refusals=self._refusals)

    def _poll(self) -> int:
        if self._is_polling:  # a callback, or the garbage collector, in the midst of a poll: that goes on
            return _abi.QZ_OK
        self._is_polling = True
        try:
            length = c_size_t()
            status = int(qz.qz_backend_poll(self._token, self._completions, _AT_ONCE, 0, byref(length)))
            for raw in self._completions[: length.value]:
                self._complete(raw)
        finally:
            self._is_polling = False
        return status

    def _complete(self, raw: _abi.qz_completion) -> None:
        under_way = self._forget(raw.user_data)
        result, error = None, None
        try:
            if raw.status < 0:
                error = self._refusal(raw, under_way.call)
            else:
                result = under_way.call.finish(Completion(raw.status, raw.hold, raw.value))
        except BaseException as raised:
            error = raised
        try:
            under_way.end(result, error)
        finally:
            del error

    def _refusal(self, raw: _abi.qz_completion, call: Call[Any]) -> BaseException:
        """What a callback raised for it, or else the library's own."""
        if raw.status == _abi.QZ_ERR_IO:
            for index, (makes, error) in enumerate(self._refusals):
                if makes == call.makes:
                    del self._refusals[index]
                    return error
        return refusal(raw.status, f"{call.name}: {_abi.status_name(raw.status)}", raw.os_error)

    def _forget(self, number: int) -> _UnderWay[Any]:
        _give_up(*self._owned.pop(number))
        return self._under_way.pop(number)

    def cancel(self, number: int) -> None:
        """Has a call end, if it has not. On any thread; on that of the loop it has then."""
        owned = self._owned.get(number)
        if owned is not None:
            qz.qz_cancel_cancel(owned[0])
            if _running_loop() is self._loop():
                self.poll()


def _give_up(token: c_void_p, init: Optional[Init]) -> None:
    """What belongs to a call that is over."""
    if token.value:
        qz.qz_cancel_free(token, 0)
    if init is not None:
        inits.pop(id(init), None)


def _free(backend: int, owned: _Owned) -> None:
    """The loop is closed or forgotten. What its calls had taken is given back. (A forked child is refused, which is right.)"""
    try:
        may_call_back(qz.qz_backend_free, backend, 0)
    finally:
        while owned:
            _give_up(*owned.popitem()[1])


def _running_loop() -> "Optional[asyncio.AbstractEventLoop]":
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# Only the thread that runs a loop makes its backend. An entry goes with its loop.
_backends: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_Backend]]" = weakref.WeakKeyDictionary()


def _submit(call: Call[T], timeout: Optional[float], cancel: Optional[int]) -> _UnderWay[T]:
    import asyncio

    timeout_ms, loop = milliseconds(timeout), asyncio.get_running_loop()
    known = _backends.get(loop)
    backend = None if known is None else known()
    if backend is None:
        backend = _Backend(loop)
        _backends[loop] = weakref.ref(backend)
    return backend.submit(call, loop.create_future(), timeout_ms, cancel)


async def complete(call: Call[T], timeout: Optional[float], cancel: Optional[int] = None) -> T:
    """Submits the call to the running loop's backend, and answers what `finish` makes of its completion.

    Raises its refusal. Whatever else ends the wait cancels the call, and leaves nothing behind.
    """
    under_way = _submit(call, timeout, cancel)
    try:
        return await under_way.future
    except BaseException:
        under_way.abandon()
        raise


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_backends.clear)
