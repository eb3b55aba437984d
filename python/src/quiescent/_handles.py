"""What all handles can do, and what is taken of them.

A kind of handle is a class below `AnyHandle` that names its functions, with the `qz_<kind>_new` of its kind in `__init__`:

    class Mutex(AnyHandle):
        def __init__(self) -> None:
            super().__init__(qz.qz_mutex_new)

        def hold(self, timeout=None, cancel=None) -> Hold:
            return take(Hold, self, qz.qz_mutex_lock, timeout=timeout, cancel=cancel)

Whoever forgets a handle or hold (it is collected without having been freed or released) has it freed or released then, with a
ResourceWarning. Nothing is freed at exit: a process may end with handles open.
"""

import enum
import warnings
import weakref
from ctypes import byref, c_size_t, c_void_p, sizeof
from types import TracebackType
from typing import Any, Callable, Iterable, List, NamedTuple, NoReturn, Optional, Type, TypeVar

from . import _abi
from ._arguments import DEFAULT_TIMEOUT, milliseconds, text
from ._callbacks import on_freed
from ._calls import in_one_step, may_call_back
from ._completions import Call, complete
from ._errors import Forked, Freed, check, last_error
from ._library import qz
from ._waiting import wait, wait_in_slices

Self = TypeVar("Self", bound="AnyHandle")


class FreeResult(enum.Enum):
    """What a free answers. True if the object is destroyed: `if not handle.free(1.0): …`."""

    FREED = _abi.QZ_OK
    """This call did."""
    PENDING = _abi.QZ_FREE_PENDING
    """Closed, but somebody is still inside: the last one out destroys the object. `last_error()` says who."""
    ALREADY_FREED = _abi.QZ_ALREADY_FREED
    """Another call did."""

    def __bool__(self) -> bool:
        return self is not FreeResult.PENDING


class State(enum.Enum):
    """How far a handle's life has come."""

    OPEN = _abi.QZ_STATE_OPEN
    CLOSING = _abi.QZ_STATE_CLOSING
    PENDING = _abi.QZ_STATE_PENDING
    DESTROYING = _abi.QZ_STATE_DESTROYING


class HandleInfo(NamedTuple):
    """What a handle is and does: qz_handle_info."""

    state: State
    in_flight: int
    holds: int
    age_ms: int
    kind: str
    label: str


class Occupant(NamedTuple):
    """One operation or hold in flight: qz_occupant. `since_ms` is None where it is not known."""

    thread_id: int
    since_ms: Optional[int]
    thread_name: str
    operation: str
    is_hold: bool
    has_ended: bool
    is_waiting: bool


def no_pickle(self: object, _protocol: object = None) -> NoReturn:
    raise TypeError(f"a {type(self).__name__} belongs to its process, and cannot be copied or sent to another")


class AnyHandle:
    """A handle of whatever kind. `with` frees it at the end, within DEFAULT_TIMEOUT: it takes nothing (`hold` does)."""

    _may_be_forgotten = False
    """Whether nothing is lost with one that is forgotten, so that there is nothing to warn of."""

    def __init__(self, new: Callable[..., int], *arguments: Any) -> None:
        """A handle made by `new(*arguments, out)`."""
        out = c_void_p()
        try:
            check(new(*arguments, byref(out)))
            assert out.value is not None
            self._token: int = out.value
            name = None if self._may_be_forgotten else type(self).__name__
            self._forgotten = weakref.finalize(self, _free_forgotten, name, self._token)
        except BaseException:
            if out.value and not hasattr(self, "_forgotten"):
                qz.qz_handle_free(out, 0)
            raise
        self._forgotten.atexit = False

    @property
    def token(self) -> int:
        """What C knows it by, to be passed to other libraries through ctypes."""
        return self._token

    @property
    def _as_parameter_(self) -> c_void_p:
        return c_void_p(self._token)

    def free(self, timeout: Optional[float] = DEFAULT_TIMEOUT) -> FreeResult:
        """Closes it, wakes what blocks, waits up to `timeout` seconds (None: for ever) for those inside, destroys the object.

        From any thread, however often, at the same time. Ctrl-C does not cut it short: KeyboardInterrupt comes when it is
        through.
        """
        return FreeResult(end(self._forgotten, qz.qz_handle_free, self._token, milliseconds(timeout)))

    def try_free(self) -> FreeResult:
        """Frees it if nobody is inside; else raises `Busy`, and it stays open."""
        return FreeResult(end(self._forgotten, qz.qz_handle_try_free, self._token))

    def wait_freed(self, timeout: Optional[float] = None) -> None:
        """Waits until the object is destroyed, by whomever. Raises `TimedOut`; `Deadlock` if the caller keeps it alive."""
        check(wait_in_slices(lambda timeout_ms: int(qz.qz_handle_wait_freed(self._token, timeout_ms)), timeout))

    async def free_async(self, timeout: Optional[float] = DEFAULT_TIMEOUT) -> FreeResult:
        """As `free`, in an event loop: closes it at once, and answers when the object is destroyed, or after `timeout` seconds.

        It waits for the holds of other tasks, too. It stays closed if the task is cancelled: the last one out destroys the object.
        """

        def submit(timeout_ms: int, token: c_void_p, backend: int, number: int) -> int:
            status = int(qz.qz_handle_free_async(self._token, timeout_ms, token, backend, number))
            if status == _abi.QZ_OK:
                self._forgotten.detach()
            return status

        call = Call(f"an asynchronous free of {self!r}", submit, lambda over: FreeResult(over.status))
        return await complete(call, timeout)

    async def wait_freed_async(self, timeout: Optional[float] = None) -> None:
        """As `wait_freed`, in an event loop. Raises `TimedOut`."""

        def submit(timeout_ms: int, token: c_void_p, backend: int, number: int) -> int:
            return int(qz.qz_handle_wait_freed_async(self._token, timeout_ms, token, backend, number))

        await complete(Call(f"an asynchronous wait for the end of {self!r}", submit, lambda over: None), timeout)

    def on_freed(self, callback: Callable[[], object]) -> None:
        """Has `callback` called once, right after the object is destroyed, on that thread; at once if it was before."""
        on_freed(self._token, callback)

    @property
    def is_closing(self) -> bool:
        """Whether an operation should come to an end: true unless the handle is open."""
        return bool(qz.qz_handle_is_closing(self._token))

    def set_label(self, label: str) -> None:
        """Gives it a name for people, cut to 31 bytes."""
        check(qz.qz_handle_set_label(self._token, text(label, "label")))

    def info(self) -> HandleInfo:
        """What it is and does, as of some moment during the call. Raises `Freed` once it is destroyed."""
        raw = _abi.qz_handle_info()
        check(qz.qz_handle_get_info(self._token, byref(raw), sizeof(raw)))
        kind, label = raw.kind.decode("utf-8", "replace"), raw.label.decode("utf-8", "replace")
        return HandleInfo(State(raw.state), raw.in_flight, raw.holds, raw.age_ms, kind, label)

    def occupants(self) -> List[Occupant]:
        """Who is inside, as of some moment during the call. Raises `Freed` once it is destroyed."""
        room, count = 16, c_size_t()
        while True:
            raw = (_abi.qz_occupant * room)()
            check(qz.qz_handle_occupants(self._token, raw, sizeof(_abi.qz_occupant), room, byref(count)))
            if count.value <= room:
                return [_occupant(one) for one in raw[: count.value]]
            room = 2 * count.value

    def __enter__(self: Self) -> Self:
        if not self._forgotten.alive:
            raise Freed(f"{self!r} has been freed")
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Frees it, unless that has been done, by whomever. If somebody stays inside, a ResourceWarning says who."""
        if not self._forgotten.alive or is_over(self._token):
            return
        try:
            if not self.free():
                warnings.warn(f"{self!r}: {last_error()}", ResourceWarning, stacklevel=2)
        except Forked:
            pass  # `with` in the parent, left in the child: nothing of it is the child's

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._token:#x}>"

    __reduce_ex__ = no_pickle


class Hold:
    """Something taken and not yet given back. `with` releases it at the end; any thread may."""

    _always_calls_back = False
    """Whether giving it back may call a function of the user's while the handle is open."""

    def __init__(self, of: AnyHandle, token: int) -> None:
        self._of = of  # a handle that is in use is not forgotten
        self._token = token
        self._open = None if self._always_calls_back else of.token
        self._ends: List[List[int]] = []
        """What each call that was to end it has answered."""
        self._forgotten = weakref.finalize(self, _release_forgotten, token, self._open, self._ends)
        self._forgotten.atexit = False

    def release(self) -> bool:
        """Gives it back. True: this call did; False: it was before."""
        return self._end(qz.qz_hold_release)

    def _end(self, function: Callable[..., int]) -> bool:
        if not self._forgotten.alive:
            return False
        return end(self._forgotten, function, self._token, of=self._open, ends=self._ends) == _abi.QZ_OK

    def pass_on(self) -> None:
        """Says that it belongs to another thread from now on: this one may then wait for what is held."""
        check(qz.qz_hold_pass_on(self._token))

    def __enter__(self: "SomeHold") -> "SomeHold":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        try:
            self.release()
        except Forked:
            pass

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._token:#x} of {self._of!r}>"

    __reduce_ex__ = no_pickle


SomeHold = TypeVar("SomeHold", bound=Hold)


def end(
    forgotten: "weakref.finalize[..., Any]",
    function: Callable[..., int],
    *arguments: Any,
    of: Optional[int] = None,
    ends: Optional[List[List[int]]] = None,
) -> int:
    """What `function` answers, which ends something. That is not `forgotten` then, also if a callback or a signal's handler raises.

    What is added to `ends` has the answer as soon as there is one.
    """
    answers: List[int] = []
    if ends is not None:
        ends.append(answers)

    def call() -> int:
        in_one_step(answers, function, *arguments)
        return answers[0]

    try:
        return check(may_call_back(call, of=of))
    finally:
        if answers and answers[0] >= 0:
            forgotten.detach()


def is_over(token: int) -> bool:
    """Whether a handle is destroyed: by its kind's end, say. A further free would count as a double one."""
    return bool(qz.qz_handle_is_closing(token)) and int(qz.qz_handle_wait_freed(token, 0)) == _abi.QZ_OK


def token_of(cancel: Optional[AnyHandle]) -> Optional[int]:
    """A cancel token as C takes it."""
    return None if cancel is None else cancel.token


def take(
    hold: Type[SomeHold],
    of: AnyHandle,
    function: Callable[..., int],
    *arguments: Any,
    timeout: Optional[float],
    cancel: Optional[AnyHandle],
) -> SomeHold:
    """What `function(of, *arguments, timeout_ms, cancel, out_hold)` takes, as a `hold`."""
    out = c_void_p()

    def call(timeout_ms: int, token: Optional[int]) -> int:
        return function(of.token, *arguments, timeout_ms, token, byref(out))

    return obtain(lambda: wait(call, timeout, token_of(cancel)), out, lambda token: hold(of, token))


def try_take(hold: Type[SomeHold], of: AnyHandle, function: Callable[..., int], *arguments: Any) -> SomeHold:
    """What `function(of, *arguments, out_hold)` takes, without waiting, as a `hold`."""
    out = c_void_p()
    return obtain(lambda: function(of.token, *arguments, byref(out)), out, lambda token: hold(of, token))


def obtain(call: Callable[[], int], out: c_void_p, make: Callable[[int], SomeHold]) -> SomeHold:
    """`make(token)`, of the hold that `call` writes to `out`. It is given back if KeyboardInterrupt comes in between."""
    try:
        check(call())
        assert out.value is not None
        return make(out.value)
    except BaseException:
        if out.value:
            may_call_back(qz.qz_hold_release, out.value)
        raise


def free_many(handles: Iterable[AnyHandle], timeout: Optional[float] = DEFAULT_TIMEOUT) -> List[FreeResult]:
    """Frees them all: closes all of them first, then waits up to `timeout` seconds for all together.

    Answers what `free` would for each. Raises the first refusal, when all others are freed.
    """
    all_of_them = list(handles)
    tokens = (c_void_p * len(all_of_them))(*(handle.token for handle in all_of_them))
    statuses = (_abi.status * len(all_of_them))(*(_abi.QZ_ERR_BUSY for _ in all_of_them))  # as long as nothing is closed
    try:
        check(may_call_back(qz.qz_handle_free_many, tokens, len(all_of_them), milliseconds(timeout), statuses))
    finally:
        for handle, each in zip(all_of_them, statuses):
            if each >= 0:
                handle._forgotten.detach()
    return [FreeResult(check(each)) for each in statuses]


def _occupant(raw: _abi.qz_occupant) -> Occupant:
    return Occupant(
        raw.thread_id,
        None if raw.since_ms < 0 else raw.since_ms,
        raw.thread_name.decode("utf-8", "replace"),
        raw.operation.decode("utf-8", "replace"),
        bool(raw.is_hold),
        bool(raw.has_ended),
        bool(raw.is_waiting),
    )


def _free_forgotten(name: Optional[str], token: int) -> None:
    """Not in a forked child, whose copies of the parent's handles are refused, and not if it is freed by now."""
    if is_over(token):
        return
    if may_call_back(qz.qz_handle_free, token, 0) in (_abi.QZ_OK, _abi.QZ_FREE_PENDING) and name is not None:
        warnings.warn(f"a {name} ({token:#x}) was forgotten, and is freed now", ResourceWarning, stacklevel=2)


def _release_forgotten(token: int, of: Optional[int], ends: List[List[int]]) -> None:
    if any(answers and answers[0] >= 0 for answers in ends):
        return  # Ctrl-C came before that was noted
    if may_call_back(qz.qz_hold_release, token, of=of) == _abi.QZ_OK:
        warnings.warn(f"a hold ({token:#x}) was forgotten, and is released now", ResourceWarning, stacklevel=2)
