"""Claims that fail with words, and an object behind a handle that counts its destructions."""

import ctypes
import os
import sys
import threading

import abi

qz = abi.load()


def fail(words, code=1):
    """Ends the process at once: other threads may be inside the library."""
    sys.stdout.flush()
    print(f"FAILED {words}", file=sys.stderr, flush=True)
    os._exit(code)


def check(claim, words):
    if not claim:
        fail(words)


def expect(what, got, wanted):
    if got != wanted:
        fail(f"{what}: answered {abi.status_name(got)}, expected {abi.status_name(wanted)} ({qz.qz_last_error().decode()})")


# Objects are small numbers here: a handle stands for whatever pointer-sized value its owner likes.
_counting = threading.Lock()
_destroyed = {}
_closed = {}
_next_object = iter(range(1, 1 << 62))


def _count(counts, thing):
    with _counting:
        counts[thing] = counts.get(thing, 0) + 1


on_close = abi.HOOK(lambda thing, _ctx: _count(_closed, thing))
on_destroy = abi.HOOK(lambda thing, _ctx: _count(_destroyed, thing))


def destroyed(thing):
    with _counting:
        return _destroyed.get(thing, 0)


def closed(thing):
    with _counting:
        return _closed.get(thing, 0)


def new_kind(name=b"python"):
    ops = abi.qz_kind_ops(ctypes.sizeof(abi.qz_kind_ops), on_close, on_destroy, None)
    kind = ctypes.c_void_p()
    expect("kind_new", qz.qz_kind_new(name, ctypes.byref(ops), ctypes.byref(kind)), abi.QZ_OK)
    return kind


def new_handle(kind):
    """A handle, and the number of the object behind it."""
    thing, handle = next(_next_object), ctypes.c_void_p()
    expect("handle_new", qz.qz_handle_new(kind, thing, ctypes.byref(handle)), abi.QZ_OK)
    return handle, thing


def enter(handle, kind, thing, operation=b"python"):
    found = ctypes.c_void_p()
    expect("enter", qz.qz_handle_enter(handle, kind, operation, ctypes.byref(found)), abi.QZ_OK)
    check(found.value == thing, "entered something else")


class Visitor:
    """A thread that is inside a handle until told to leave."""

    def __init__(self, handle, kind, thing, operation=b"visit"):
        self._may_leave, inside = threading.Event(), threading.Event()

        def visit():
            enter(handle, kind, thing, operation)
            self.thread_id = threading.get_native_id()
            inside.set()
            self._may_leave.wait()
            check(destroyed(thing) == 0, "destroyed under a visitor")
            expect("the visitor's leave", qz.qz_handle_leave(handle), abi.QZ_OK)

        self._thread = threading.Thread(target=visit)
        self._thread.start()
        inside.wait()

    def leave(self):
        self._may_leave.set()
        self._thread.join()
