"""Calls of the library that may run Python functions: what these raise, and where they may not run any more.

# Exceptions

No exception crosses the library. What a callback raises is kept (`carry`) until the call that runs it has returned, and raised
then, where that call depends on the callback: a resource that could not be made, a value. Everything else (an end of an object
may run in anybody's call) goes to sys.unraisablehook, but not KeyboardInterrupt, SystemExit and the like: those are always
raised by the call.

# Signals

In the main thread the interpreter runs signal handlers between any two steps of Python code: also as the first thing when C
calls a Python function. A handler that raises there (Ctrl-C) takes the place of the callback, ctypes swallows it, and the
object is never destroyed. So while a call that calls back runs in the main thread, handlers are replaced by one that notes the
signal, and run when the call is over; within a callback of the user's they are in their places. A `leave` or `release` that
calls nobody, because the handle is open, does without. What remains is the moment between that look and the call.

# The end of the interpreter

Daemon threads live on while the interpreter ends. Before 3.14 one that wants the GIL then is ended on the spot
(pthread_exit); inside a callback that would unwind the frames of the library, and the process would abort. So at exit no
thread but the main one begins a call that may call back, nor a callback, nor returns from one: it stops there for ever, as
daemon threads do. The exit waits until those that are on their way have come to such a place: a moment for calls (a free
calls back every 64 ms at the latest), DEFAULT_TIMEOUT for a callback that is running. Threads that wait in a pool stay there:
only a destructor of the user's that gives a resource back even later could wake one.
"""

import atexit
import contextlib
import ctypes
import importlib
import itertools
import os
import threading
import time
from threading import get_ident
from types import FrameType
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import _abi
from ._arguments import DEFAULT_TIMEOUT
from ._library import qz

_Handlers = List[Tuple[int, Any]]
Refusals = List[Tuple[int, BaseException]]
"""What functions raised that make something, each with the number of what it makes."""

# That of module signal, which makes enums of the numbers, takes ten times as long.
_signal: Any = importlib.import_module("_signal")


_main_thread = threading.main_thread().ident


def in_main_thread() -> bool:
    """The only one in which Python runs signal handlers."""
    return get_ident() == _main_thread


def in_one_step(results: "List[Any]", function: Callable[..., Any], *arguments: Any) -> None:
    """Appends `function(*arguments)`. As both are done by C code, no signal handler of Python's runs in between."""
    results.extend(itertools.starmap(function, (arguments,)))


def once_in_one_step(noted: List[int], function: Callable[..., int], *arguments: Any) -> Optional[int]:
    """What `function` answers, which ends what `noted` says has begun (a QZ_OK); None, if it does not. The note goes in the same step."""
    answers: List[int] = []
    notes = {_abi.QZ_OK: arguments}
    with contextlib.suppress(LookupError):  # nothing to pop, or a refusal
        answers.extend(itertools.islice(itertools.starmap(function, map(notes.__getitem__, iter(noted.pop, None))), 1))
    return answers[0] if answers else None


class _Call:
    """One call that may call back: what is raised when it has returned, and its signals.

    Most calls back nobody, and need none of these.
    """

    error: Optional[BaseException] = None
    refusal: Optional[BaseException] = None
    refusals: Optional[Refusals] = None
    handlers: _Handlers = []
    noted: List[Tuple[int, Optional[FrameType]]] = []

    def note(self, number: int, frame: Optional[FrameType]) -> None:
        """A signal's handler: it never raises."""
        self.noted.append((number, frame))

    def hold_signals_back(self) -> None:
        """From here to `let_signals_through` this thread runs no signal handler."""
        if self.handlers is _Call.handlers:
            self.handlers, self.noted = [], []
        for number in _SIGNALS:
            handler = _signal.getsignal(number)
            if callable(handler):
                self.handlers.append((number, handler))
                try:
                    _signal.signal(number, self.note)
                except ValueError:  # a sub-interpreter: it runs no handlers
                    self.handlers.clear()
                    return

    def let_signals_through(self) -> None:
        """The handlers are in their places again. (A callback may have set others: those stay.)"""
        try:
            while self.handlers:
                number, handler = self.handlers[-1]
                if _signal.getsignal(number) == self.note:
                    _signal.signal(number, handler)
                self.handlers.pop()
        finally:
            if self.handlers:  # one that is in its place has raised: the others come to theirs
                self.let_signals_through()

    def run_handlers(self) -> None:
        """Of the signals that were held back, all of them; what the last one raises is raised."""
        try:
            while self.noted:
                number, frame = self.noted.pop(0)
                handler = _signal.getsignal(number)
                if callable(handler):
                    handler(number, frame)
        finally:
            if self.noted:
                self.run_handlers()


_ALWAYS_DEFAULT = {getattr(_signal, name, None) for name in ("SIGKILL", "SIGSTOP")}
_SIGNALS: List[int] = sorted(number for number in _signal.valid_signals() if number not in _ALWAYS_DEFAULT)

# Each thread changes its own entries only: the calls that may call back, one inside of the other, and how deep it is in callbacks.
_calls: Dict[int, List[_Call]] = {}
_callbacks: Dict[int, List[None]] = {}
_is_ending = False
_stop_here = threading.Lock()
_stop_here.acquire()


def stop_at_the_end() -> None:
    """For ever, if the interpreter ends and this is not its main thread."""
    if _is_ending and not in_main_thread():
        _calls.pop(get_ident(), None)
        _callbacks.pop(get_ident(), None)
        _stop_here.acquire()


def may_call_back(
    function: Callable[..., int], *arguments: Any, of: Optional[int] = None, refusals: Optional[Refusals] = None
) -> int:
    """Calls a function of the library that may run a callback. All such calls go through here.

    `of`: the handle, if nothing is called back as long as it is open. `refusals`: where refusals go, of a call that drives others.
    """
    me = get_ident()
    calls = _calls.get(me, [])
    call, depth = _Call(), len(calls)
    if refusals is not None:
        call.refusals = refusals
    try:
        calls.append(call)
        # Not before: the garbage collector, or a signal's handler, may have made such a call, which took the empty list away.
        _calls[me] = calls
        if _is_ending:
            stop_at_the_end()
        if me == _main_thread and (of is None or qz.qz_handle_is_closing(of)):
            status = _without_signals(call, function, arguments)
        else:
            status = function(*arguments)
    finally:
        del calls[depth:]
        if not calls:
            _calls.pop(me, None)
    if call.error is None and call.refusal is None:
        return status
    error = call.error or (call.refusal if status == _abi.QZ_ERR_IO else None)
    call.error = call.refusal = None  # a traceback keeps this call alive, and it would keep the traceback's exception
    if error is not None:
        try:
            raise error
        finally:
            del error
    return status


def _without_signals(call: _Call, function: Callable[..., int], arguments: Tuple[Any, ...]) -> int:
    try:
        call.hold_signals_back()
        return function(*arguments)
    finally:
        try:
            call.let_signals_through()
        finally:
            if call.noted:
                call.run_handlers()


def carry(error: BaseException, *, refused: int = 0) -> bool:
    """Has the call that runs this callback raise it, when it has returned; a refusal only in place of QZ_ERR_IO.

    `refused`: the number of what could not make something, if it is a refusal.

    False: nobody called (C code did, on a thread that never asked).
    """
    calls = _calls.get(get_ident())
    if not calls:
        return False
    call = calls[-1]
    if refused and call.refusals is not None:
        call.refusals.append((refused, error))
    elif refused and isinstance(error, Exception):
        call.refusal = error
    elif call.error is None or isinstance(call.error, Exception):
        call.error = error
    return True


def is_interrupted() -> bool:
    """Whether the call that runs this callback will raise KeyboardInterrupt or the like: it should come to its end."""
    calls = _calls.get(get_ident())
    if not calls or calls[-1].refusals is not None:  # one that drives others: they have nothing to do with it
        return False
    call = calls[-1]
    return bool(call.noted) or not isinstance(call.error, (Exception, type(None)))


def run(callback: Callable[..., Any], *arguments: object) -> Any:
    """Runs a function of the user's in a callback. All of them run here."""
    me = get_ident()
    calls, callbacks = _calls.get(me), _callbacks.get(me, [])
    call, depth = calls[-1] if calls else None, len(callbacks)
    was_held_back = call is not None and bool(call.handlers)
    try:
        callbacks.append(None)
        _callbacks[me] = callbacks
        stop_at_the_end()
        if call is not None and was_held_back:
            call.let_signals_through()
        return callback(*arguments)
    finally:
        try:
            if call is not None and was_held_back:
                call.hold_signals_back()
        finally:
            del callbacks[depth:]
            if not callbacks:
                _callbacks.pop(me, None)
            stop_at_the_end()


def run_last(callback: Callable[..., object], *arguments: object) -> None:
    """As `run`, for what ends something: an Exception goes to sys.unraisablehook."""
    try:
        run(callback, *arguments)
    except Exception:
        raise  # ctypes does that
    except BaseException as error:
        if not carry(error):
            raise


def unraisable(error: BaseException, where: str) -> None:
    """Hands it to sys.unraisablehook, which ctypes does with whatever a callback raises that answers nothing."""

    def callback() -> None:
        raise error

    callback.__qualname__ = where
    _NOTHING(callback)()


_NOTHING = ctypes.CFUNCTYPE(None)


@atexit.register
def _before_the_interpreter_ends() -> None:
    global _is_ending
    _is_ending = True
    me, begin = get_ident(), time.monotonic()
    waited_for: Tuple[Tuple[Dict[int, Any], float], ...] = ((_calls, 0.2), (_callbacks, DEFAULT_TIMEOUT))
    for depths, at_most in waited_for:
        while any(thread != me for thread in list(depths)) and time.monotonic() - begin < at_most:
            time.sleep(0.001)


def _after_fork_in_child() -> None:
    """The other threads are not here. One of them may have been the main thread, with signals held back."""
    global _main_thread
    me = _main_thread = get_ident()
    for thread in [thread for thread in _calls if thread != me]:
        for call in reversed(_calls.pop(thread)):
            call.let_signals_through()
    for thread in [thread for thread in _callbacks if thread != me]:
        del _callbacks[thread]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
