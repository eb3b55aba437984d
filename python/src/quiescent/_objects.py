"""The user's own Python objects behind handles."""

import os
import sys
import weakref
from ctypes import byref, c_size_t, c_void_p, sizeof
from threading import get_ident
from types import TracebackType
from typing import Any, Callable, Dict, Generic, List, Optional, Set, Type, TypeVar, cast

from . import _abi, _callbacks
from ._arguments import DEFAULT_TIMEOUT, milliseconds, text
from ._callbacks import entries
from ._calls import may_call_back
from ._errors import Forked, NotInside, check
from ._handles import AnyHandle, Hold, end, is_over, no_pickle, obtain
from ._library import qz

T = TypeVar("T")

_operation_names: Dict[str, bytes] = {}


def _operation_name(name: Optional[str]) -> Optional[bytes]:
    """The library keeps the address: each name is kept for ever, once."""
    if name is None:
        return None
    kept = _operation_names.get(name)
    if kept is None:
        new = text(name, "operation")
        _callbacks.keep_for_ever(new)
        kept = _operation_names.setdefault(name, new)
    return kept


class Kind(AnyHandle):
    """What the handles of one sort have in common: a name in reports, and an end. `with` closes it."""

    def __init__(self, name: str) -> None:
        ops = _abi.qz_kind_ops(sizeof(_abi.qz_kind_ops), _callbacks.close, _callbacks.destroy, None)
        super().__init__(qz.qz_kind_new, text(name, "name"), byref(ops))

    def close(self, timeout: Optional[float] = DEFAULT_TIMEOUT) -> int:
        """Ends it together with its handles; answers how many are left, because somebody is inside."""
        left = c_size_t()
        end(self._forgotten, qz.qz_kind_close, self._token, milliseconds(timeout), byref(left))
        return left.value

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Closes it, unless that has been done, and with it all of its handles."""
        if self._forgotten.alive and not is_over(self._token):
            try:
                self.close()
            except Forked:
                pass


# Of handles without a kind of their own; none before the first one, and in a forked child.
_default: Dict[str, Kind] = {}


def _default_kind() -> Kind:
    found = _default.get("python")
    if found is None:
        new = Kind("python")
        found = _default.setdefault("python", new)
        if found is not new:
            new.close(0)
    return found


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_default.clear)


class Handle(AnyHandle, Generic[T]):
    """A Python object that may be freed from any thread, while others use it.

    The object is kept alive until those inside have left after a free, and not longer.
    """

    def __init__(
        self,
        object: T,
        *,
        on_close: Optional[Callable[[T], object]] = None,
        on_destroy: Optional[Callable[[T], object]] = None,
        kind: Optional[Kind] = None,
        label: Optional[str] = None,
    ) -> None:
        """Puts `object` behind a new handle.

        `on_close` wakes what blocks in operations: called by a free while somebody is inside, again and again, on that
        thread. `on_destroy` is called once, after the last leave, on the thread of whichever call comes last; hold no lock
        there that it takes. What they raise goes to sys.unraisablehook.
        """
        entry = _callbacks.Entry(object, on_close, on_destroy)
        entries[id(entry)] = entry
        self._kind = _default_kind() if kind is None else kind
        self._spare: List[_Stay] = []
        try:
            super().__init__(qz.qz_handle_new, self._kind.token, id(entry))
        except BaseException:
            entries.pop(id(entry), None)
            raise
        if label is not None:
            self.set_label(label)

    def enter(self, operation: Optional[str] = None) -> "Operation[T]":
        """`with handle.enter("query") as object: …`: it cannot be destroyed in there. Raises `Freed`.

        `operation` names the operation in reports. Each name is kept for ever: a few literals, not one for each call.
        """
        return Operation(self, _operation_name(operation))

    def hold(self, operation: Optional[str] = None) -> "ObjectHold[T]":
        """As `enter`, for what outlives a `with` or ends on another thread: begun at once, ended by `release`."""
        found, out, name = c_void_p(), c_void_p(), _operation_name(operation)
        return obtain(
            lambda: int(qz.qz_handle_hold(self._token, self._kind.token, name, byref(found), byref(out))),
            out,
            lambda token: ObjectHold(self, token, object_at(found)),
        )


def object_at(found: c_void_p) -> Any:
    """What lies behind a number of the library's. Whoever asks keeps it from being destroyed."""
    assert found.value is not None
    return entries[found.value].thing


class _Stay:
    """Being inside once: knows whether it has begun, and is over, at whatever moment Ctrl-C comes. A handle uses its own again."""

    __slots__ = ("found", "out", "due", "leave", "thread", "forgotten")

    def __init__(self, token: int) -> None:
        self.found = c_void_p()
        """The object: written by the library in the step in which it begins."""
        self.out = byref(self.found)
        self.due = [token]
        """The handle: taken out in the step in which it ends."""
        self.leave = map(qz.qz_handle_leave, iter(self.due.pop, None))
        self.thread = 0
        self.forgotten: Optional[weakref.ref[Any]] = None

    def end(self) -> int:
        """Of one that is not over."""
        return may_call_back(next, self.leave, of=self.due[0])

    def end_forgotten(self, _: object, is_ending: Callable[[], bool] = sys.is_finalizing) -> None:
        """Where Ctrl-C came in place of the first step of `__exit__`. Not on another thread: that is not inside."""
        if is_ending():
            return
        self.forgotten = None
        _stays.discard(self)
        if self.found.value and self.due and self.thread == get_ident():
            self.end()


# Where the garbage collector finds them: what it collects together with an operation is not called about its end.
_stays: Set[_Stay] = set()


class Operation(Generic[T]):
    """An operation on a handle's object: begun and ended by `with`, in one thread."""

    __slots__ = ("_handle", "_name", "_stays", "__weakref__")

    def __init__(self, handle: Handle[T], name: Optional[bytes]) -> None:
        self._handle, self._name = handle, name
        self._stays: List[_Stay] = []

    def __enter__(self) -> T:
        handle = self._handle
        try:
            stay = handle._spare.pop()
        except IndexError:
            stay = _Stay(handle._token)
        stay.thread = get_ident()
        # Not `__del__`, which would run each time, and swallow what a signal's handler raises in there.
        stay.forgotten = weakref.ref(self, stay.end_forgotten)
        _stays.add(stay)
        self._stays.append(stay)
        try:
            check(qz.qz_handle_enter(handle._token, handle._kind._token, self._name, stay.out))
            found: T = object_at(stay.found)
            return found
        except BaseException:
            self._interrupted(stay)
            raise

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        handle = self._handle
        if not self._stays:
            raise NotInside(f"{self!r} has not begun")
        stay = self._stays[-1]
        try:
            check(may_call_back(next, stay.leave, of=handle._token))
        except Forked:
            pass
        except BaseException:
            self._interrupted(stay)
            raise
        self._stays.pop()
        _stays.discard(stay)
        stay.forgotten = stay.found.value = None
        stay.due.append(handle._token)
        handle._spare.append(stay)

    def _interrupted(self, stay: _Stay) -> None:
        if stay.found.value and stay.due:
            stay.end()
        self._stays.remove(stay)
        _stays.discard(stay)
        stay.forgotten = None

    __reduce_ex__ = no_pickle


class ObjectHold(Hold, Generic[T]):
    """An operation that any thread may end."""

    def __init__(self, of: AnyHandle, token: int, object: T) -> None:
        self._object: Optional[T] = object
        super().__init__(of, token)

    @property
    def object(self) -> T:
        """The object, until it is released."""
        return cast(T, self._object)

    def _end(self, function: Callable[..., int]) -> bool:
        self._object = None
        return super()._end(function)
