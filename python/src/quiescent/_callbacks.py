"""The Python functions that the library knows, and what they call: kept alive as long as the library may call it, not longer.

The library knows one function for each sort of callback; these live as long as the process. What they call (functions of the
user's) and the objects lie in dictionaries under a number that the library hands back, until the library says, for the last
time, that it does not need them: on_destroy of an object or resource, on_freed of a pool, or the return of the call.

Each function here answers in every case; `_calls` says where its exceptions go. One that is called with signals held back
cannot be interrupted.
"""

import atexit
import ctypes
from typing import Any, Callable, Dict, List, Optional

from . import _abi
from ._arguments import seconds
from ._calls import carry, is_interrupted, may_call_back, run, run_last, stop_at_the_end, unraisable
from ._errors import QuiescentError, check
from ._library import qz

_for_ever: List[object] = []


def keep_for_ever(thing: object) -> None:
    """The library may use it as long as the process lives: also while the interpreter takes its modules apart."""
    _for_ever.append(thing)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


class Entry:
    """An object behind a handle, and what is called about it. Its id() is what the library knows it by."""

    __slots__ = ("thing", "on_close", "on_destroy")

    def __init__(
        self,
        thing: Any,
        on_close: Optional[Callable[[Any], object]] = None,
        on_destroy: Optional[Callable[[Any], object]] = None,
    ) -> None:
        self.thing, self.on_close, self.on_destroy = thing, on_close, on_destroy

    def clear(self) -> None:
        self.thing = None


entries: Dict[int, Entry] = {}
"""Every object that is behind a handle: the user's own, the values of cells, the resources of pools."""


class PoolCallbacks:
    """What is called about a pool's resources. Its id() is what the library knows it by."""

    __slots__ = ("create", "check", "recycle", "destroy")

    def __init__(
        self,
        create: Callable[[Optional[float]], Any],
        check: Optional[Callable[[Any], Optional[bool]]],
        recycle: Optional[Callable[[Any], Optional[bool]]],
        destroy: Optional[Callable[[Any, int], object]],
    ) -> None:
        self.create, self.check, self.recycle, self.destroy = create, check, recycle, destroy


pools: Dict[int, PoolCallbacks] = {}
"""Of every pool that is not destroyed."""



class Init:
    """What makes the value of a cell, and what is called about its end, during one call. Its id() is what the library knows."""

    __slots__ = ("make", "on_destroy")

    def __init__(self, make: Callable[[], Any], on_destroy: Optional[Callable[[Any], object]]) -> None:
        self.make, self.on_destroy = make, on_destroy


inits: Dict[int, Init] = {}
"""Of every call that may make a value."""


class _OnFreed:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Optional[Callable[[], object]] = callback


_on_freed: Dict[int, _OnFreed] = {}
_misuse_hook: List[Callable[[int, int], object]] = []


def _close(number: int, _ctx: None) -> None:
    stop_at_the_end()
    entry = entries.get(number)
    if entry is not None and entry.on_close is not None:
        run_last(entry.on_close, entry.thing)


def _destroy(number: int, _ctx: None) -> None:
    entry = entries.pop(number)
    try:
        if entry.on_destroy is not None:
            run_last(entry.on_destroy, entry.thing)
    finally:
        run_last(entry.clear)  # the object's own end, if this was the last reference, runs here


def _run_freed(number: int) -> None:
    callback = _on_freed.pop(number).callback
    if callback is not None:
        run_last(callback)


def _made(number: int, make: Callable[..., Any], *arguments: object) -> "Optional[Entry]":
    """What `make` answers, for the pool or call of this number; None, if it raises, and then the call that needs it does."""
    entry, is_made = Entry(None), []

    def call() -> None:
        entry.thing = make(*arguments)
        is_made.append(True)

    try:
        run(call)
    except BaseException as error:
        if not carry(error, refused=0 if is_made else number):
            unraisable(error, "create")
    return entry if is_made else None


def _init(number: int, out: Any) -> int:
    if is_interrupted():
        return _abi.QZ_ERR_CANCELLED
    init = inits[number]
    entry = _made(number, init.make)
    if entry is None:
        return _abi.QZ_ERR_IO
    entry.on_destroy = init.on_destroy
    entries[id(entry)] = entry
    out[0] = id(entry)
    return _abi.QZ_OK


def _create(timeout_ms: int, number: int, out: Any) -> int:
    if is_interrupted():
        return _abi.QZ_ERR_CANCELLED
    entry = _made(number, pools[number].create, seconds(timeout_ms))
    if entry is None:
        return _abi.QZ_ERR_IO
    entries[id(entry)] = entry
    out[0] = id(entry)
    return _abi.QZ_OK


def _check(resource: int, number: int) -> bool:
    """An Exception says that the resource is broken, so that the call goes on with another."""
    callback = pools[number].check
    if callback is None:
        return True
    try:
        return _is_yes(run(callback, entries[resource].thing))
    except Exception as error:
        unraisable(error, "check")
    except BaseException as error:
        if not carry(error):
            unraisable(error, "check")
    return False


def _recycle(resource: int, number: int) -> bool:
    """An Exception says that the resource is broken; whoever gave it back is told."""
    callback = pools[number].recycle
    if callback is None:
        return True
    try:
        return _is_yes(run(callback, entries[resource].thing))
    except BaseException as error:
        if not carry(error):
            unraisable(error, "recycle")
    return False


def _is_yes(answer: object) -> bool:
    """A function that says nothing has nothing against it."""
    return answer is None or bool(answer)


def _destroy_resource(resource: int, reason: int, number: int) -> None:
    callback, entry = pools[number].destroy, entries.pop(resource)
    try:
        if callback is not None:
            run_last(callback, entry.thing, reason)
    finally:
        run_last(entry.clear)


def _misuse(misuse: int, handle: Optional[int], _ctx: None) -> None:
    for hook in list(_misuse_hook):
        run_last(hook, misuse, handle or 0)


close, destroy, _freed = _abi.HOOK(_close), _abi.HOOK(_destroy), _abi.ON_FREED(_run_freed)
once_init, misuse = _abi.INIT_VALUE(_init), _abi.ON_MISUSE(_misuse)
create_resource, check_resource = _abi.CREATE_RESOURCE(_create), _abi.CHECK_RESOURCE(_check)
recycle_resource, destroy_resource = _abi.CHECK_RESOURCE(_recycle), _abi.DESTROY_RESOURCE(_destroy_resource)
for thunk in (close, destroy, _freed, once_init, misuse, create_resource, check_resource, recycle_resource, destroy_resource):
    keep_for_ever(thunk)


def on_freed(token: int, callback: Callable[[], object]) -> None:
    """Has `callback` called once the handle is freed; at once if it is."""
    record = _OnFreed(callback)  # one of its own: the same callback may be registered twice
    _on_freed[id(record)] = record
    try:
        check(may_call_back(qz.qz_handle_on_freed, token, _freed, id(record)))
    except QuiescentError:
        _on_freed.pop(id(record), None)
        raise
    except BaseException:
        record.callback = None  # it may be registered: the number stays taken
        raise


def set_misuse_hook(hook: Optional[Callable[[int, int], object]]) -> None:
    """Has `hook` called for each misuse, in place of the one before; None: nobody is called."""
    if hook is not None and not _misuse_hook:
        atexit.register(set_misuse_hook, None)
    _misuse_hook[:] = [] if hook is None else [hook]
    check(qz.qz_misuse_set_hook(_abi.ON_MISUSE() if hook is None else misuse, None))
