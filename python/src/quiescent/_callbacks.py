"""Python functions that the library calls, kept alive as long as it may, and kept from running too late.

# What lives how long

The library knows two Python functions for the objects of all handles, and one for `on_freed`; these three live as long as
the process. What they call (the user's callbacks) and the objects lie in a dictionary under a number that the library hands
back, until on_destroy, or until the call, takes them out: exactly as long as the library may ask for them.

# Exceptions

ctypes hands what a callback raises to sys.unraisablehook, and the library goes on.

# The end of the interpreter

Daemon threads live on while the interpreter ends. Before 3.14 one that wants the GIL then is ended on the spot
(pthread_exit); inside a callback that would unwind the frames of the library, and the process would abort. So at exit no
thread but the main one begins a call that may call back, nor a callback, nor returns from one: it stops there for ever, as
daemon threads do. The exit waits until those that are on their way have come to such a place: a moment for calls (a free
wakes those inside every 64 ms at the latest), DEFAULT_TIMEOUT for a callback that is running.
"""

import atexit
import ctypes
import os
import threading
import time
from typing import Any, Callable, Dict, List, Optional

from . import _abi
from ._arguments import DEFAULT_TIMEOUT
from ._errors import check
from ._library import qz

_for_ever: List[object] = []


def keep_for_ever(thing: object) -> None:
    """The library may use it as long as the process lives: also while the interpreter takes its modules apart."""
    _for_ever.append(thing)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


class Entry:
    """An object behind a handle, and what is called about it. Its id() is what the library knows it by."""

    __slots__ = ("object", "on_close", "on_destroy")

    def __init__(
        self, object: Any, on_close: Optional[Callable[[Any], object]], on_destroy: Optional[Callable[[Any], object]]
    ) -> None:
        self.object, self.on_close, self.on_destroy = object, on_close, on_destroy

    def clear(self) -> None:
        self.object = None


entries: Dict[int, Entry] = {}
"""Every object that is behind a handle."""

_on_freed: Dict[int, Callable[[], object]] = {}

# Each thread changes its own number only: how deep it is in calls that may call back, and in callbacks.
_calls: Dict[int, int] = {}
_callbacks: Dict[int, int] = {}
_is_ending = False
_stop_here = threading.Lock()
_stop_here.acquire()


def _begin(depths: Dict[int, int]) -> None:
    me = threading.get_ident()
    depths[me] = depths.get(me, 0) + 1
    _stop_at_the_end()


def _end(depths: Dict[int, int]) -> None:
    me = threading.get_ident()
    depth = depths.pop(me, 1) - 1
    if depth > 0:
        depths[me] = depth


def _stop_at_the_end() -> None:
    if _is_ending and threading.get_ident() != threading.main_thread().ident:
        _calls.pop(threading.get_ident(), None)
        _callbacks.pop(threading.get_ident(), None)
        _stop_here.acquire()


def may_call_back(function: Callable[..., int], *arguments: Any) -> int:
    """Calls a function of the library that may run a callback. All such calls go through here."""
    _begin(_calls)
    try:
        return function(*arguments)
    finally:
        _end(_calls)


def _run(callback: Callable[..., object], *arguments: object) -> None:
    _begin(_callbacks)
    try:
        callback(*arguments)
    finally:
        _end(_callbacks)
        _stop_at_the_end()


@atexit.register
def _before_the_interpreter_ends() -> None:
    global _is_ending
    _is_ending = True
    me, begin = threading.get_ident(), time.monotonic()
    for depths, at_most in ((_calls, 0.2), (_callbacks, DEFAULT_TIMEOUT)):
        while any(thread != me for thread in list(depths)) and time.monotonic() - begin < at_most:
            time.sleep(0.001)


def _after_fork_in_child() -> None:
    _calls.clear()
    _callbacks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _close(number: int, _ctx: None) -> None:
    entry = entries.get(number)
    if entry is not None and entry.on_close is not None:
        _run(entry.on_close, entry.object)


def _destroy(number: int, _ctx: None) -> None:
    entry = entries.pop(number)
    if entry.on_destroy is not None:
        _run(entry.on_destroy, entry.object)
    _run(entry.clear)  # the object's own end, if this was the last reference, runs here


def _run_freed(number: int) -> None:
    _run(_on_freed.pop(number))


close, destroy, _freed = _abi.HOOK(_close), _abi.HOOK(_destroy), _abi.ON_FREED(_run_freed)
for thunk in (close, destroy, _freed):
    keep_for_ever(thunk)


def on_freed(token: int, callback: Callable[[], object]) -> None:
    """Has `callback` called once the handle is freed; at once if it is."""

    def call() -> None:  # one of its own: the same callback may be registered twice
        callback()

    number = id(call)
    _on_freed[number] = call
    try:
        check(may_call_back(qz.qz_handle_on_freed, token, _freed, number))
    except BaseException:
        _on_freed.pop(number, None)
        raise
