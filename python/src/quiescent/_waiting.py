"""Waits that Ctrl-C ends.

A call into the library returns when its wait is over; a signal does not end it, and Python runs no signal handler before it
returns. So a call that waits in the main thread (the only one in which Python runs signal handlers) gets a cancel token: a
child of the caller's. Another thread, for as long as the wait lasts, reads what the interpreter's own C handler writes into
`signal.set_wakeup_fd` when a signal arrives, and cancels the token. The wait ends at once, leaving nothing behind, and Python
runs its handler. If that raises (Ctrl-C: KeyboardInterrupt), so does the wait. If it returns, the wait is begun anew, behind
those that wait already: this is the only case in which a wait loses its place.

Waiting in short slices instead would need no thread, but would lose the place in the queue with each slice: in a fair queue
that is to wait for ever. What can be had at once costs none of this, nor does a wait in any other thread.

An end of a handle (`free`) takes no cancel token and cannot be taken back: it is not cut short. It ends at its deadline, and
KeyboardInterrupt follows. `wait_freed` has no place to lose, and is cut into slices.
"""

import _thread
import contextlib
import ctypes
import os
import signal
import time
from ctypes import byref, c_void_p
from typing import Any, Callable, List, Optional, Tuple

from . import _abi
from ._arguments import milliseconds
from ._calls import in_main_thread, in_one_step
from ._library import qz

Waiting = Callable[[int, Optional[int]], int]
"""A function that waits for so many milliseconds with this cancel token, and answers a status."""

_SLICE = 50  # milliseconds: unnoticed by whoever presses Ctrl-C


def _deadline(timeout_ms: int) -> float:
    return float("inf") if timeout_ms == _abi.QZ_INFINITE else time.monotonic() + timeout_ms / 1000


def _left(deadline: float) -> int:
    return milliseconds(None if deadline == float("inf") else max(0.0, deadline - time.monotonic()))


def new_token(cancel: Optional[int], out: c_void_p) -> int:
    """A token of a call's own: a child of the caller's, if there is one."""
    return int(qz.qz_cancel_new(byref(out)) if cancel is None else qz.qz_cancel_child(cancel, byref(out)))


def wait(call: Waiting, timeout: Optional[float], cancel: Optional[int], *, tries_first: bool = True) -> int:
    """Waits with `call` for up to `timeout` seconds (None: for ever), or until `cancel`, a token of the library's, is cancelled.

    `tries_first`: whether `call` with a timeout of 0 answers QZ_ERR_TIMEOUT where it would have to wait.
    """
    status = _wait(call, timeout, cancel, tries_first, begins_anew=True)
    assert status is not None
    return status


def wait_until_signal(call: Waiting, timeout: Optional[float], cancel: Optional[int]) -> Optional[int]:
    """As `wait`, for what may be missed while nobody waits: ends (None) where that would begin anew."""
    return _wait(call, timeout, cancel, tries_first=True, begins_anew=False)


def _wait(
    call: Waiting, timeout: Optional[float], cancel: Optional[int], tries_first: bool, begins_anew: bool
) -> Optional[int]:
    timeout_ms = milliseconds(timeout)
    if timeout_ms == 0 or not in_main_thread():
        return call(timeout_ms, cancel)
    deadline, whole = _deadline(timeout_ms), c_void_p()
    if tries_first:
        status = call(0, cancel)
        if status != _abi.QZ_ERR_TIMEOUT:
            return status
    try:
        # Of the whole wait, because the caller's may be freed meanwhile.
        status = new_token(cancel, whole)
        if status != _abi.QZ_OK:
            return status
        while True:
            status = _until_signal(call, _left(deadline), whole)
            if status != _abi.QZ_ERR_CANCELLED or qz.qz_cancel_is_cancelled(whole):
                return status
            _run_signal_handlers()
            if not begins_anew:
                return None
    finally:
        if whole.value:
            qz.qz_cancel_free(whole, 0)


def wait_in_slices(call: Callable[[int], int], timeout: Optional[float]) -> int:
    """As `wait`, for what takes no cancel token."""
    timeout_ms = milliseconds(timeout)
    if not in_main_thread():
        return call(timeout_ms)
    deadline = _deadline(timeout_ms)
    while True:
        left = _left(deadline)
        is_last = left != _abi.QZ_INFINITE and left <= _SLICE
        status = call(left if is_last else _SLICE)
        if is_last or status != _abi.QZ_ERR_TIMEOUT:
            return status
        _run_signal_handlers()


def _run_signal_handlers() -> None:
    """Those that are due, in the main thread. CPython 3.12 and 3.13 forget to after a fork by another thread."""
    ctypes.pythonapi.PyErr_CheckSignals()


# What set_wakeup_fd was before each wait of the main thread that lasts: waits in signal handlers nest.
_previous: List[int] = []


def _until_signal(call: Waiting, timeout_ms: int, parent: c_void_p) -> int:
    """Waits, in the main thread, with a child of `parent` that is cancelled when a signal arrives.

    KeyboardInterrupt may be raised between any two steps: what each of them did is known at the end, and undone. A second
    one, while the first is dealt with, may leave file descriptors open, but never a closed one with the interpreter.
    """
    token, heard, depth, process = c_void_p(), bytearray(), len(_previous), os.getpid()
    pipes: List[Tuple[int, int]] = []
    listeners: List[int] = []
    is_over = _thread.allocate_lock()
    is_over.acquire()
    try:
        status = qz.qz_cancel_child(parent, byref(token))
        if status != _abi.QZ_OK:
            return int(status)
        # Where no thread is to be had (while the interpreter ends) or no signals (in a sub-interpreter), it just waits.
        with contextlib.suppress(RuntimeError, ValueError, OSError):
            in_one_step(pipes, os.pipe)
            reader, writer = pipes[0]
            if hasattr(os, "set_blocking"):
                os.set_blocking(writer, False)
            in_one_step(listeners, _thread.start_new_thread, _listen, (reader, token, heard, is_over))
            in_one_step(_previous, signal.set_wakeup_fd, writer)
        return call(timeout_ms, token.value)
    finally:
        previous = -1
        if len(_previous) > depth:
            previous = _previous[depth]
            signal.set_wakeup_fd(previous)
            del _previous[depth:]
        if listeners and os.getpid() == process:  # in a child (of a callback that forked) nobody listens
            os.write(pipes[0][1], b"\0")
            is_over.acquire()
        for pipe in pipes:
            os.close(pipe[1])
            os.close(pipe[0])
        if token.value:
            qz.qz_cancel_free(token, 0)
        if heard and previous >= 0:
            with contextlib.suppress(OSError):
                os.write(previous, heard)


def _listen(reader: int, token: c_void_p, heard: bytearray, is_over: _thread.LockType) -> None:
    """Collects the numbers of signals until a zero, and cancels the token as soon as there is one."""
    try:
        some = b""
        while b"\0" not in some:
            some = os.read(reader, 512)
            heard += some.replace(b"\0", b"")
            if heard:
                qz.qz_cancel_cancel(token)
    finally:
        is_over.release()


def _after_fork_in_child() -> None:
    """Another thread forked while the main thread waited: the pipe is the parent's."""
    if _previous:
        with contextlib.suppress(ValueError, OSError):
            signal.set_wakeup_fd(_previous[0])
        _previous.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
