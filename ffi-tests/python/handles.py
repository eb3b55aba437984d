"""The contract as a ctypes caller meets it: callbacks that are Python functions, threads that are Python threads, and
whatever a Python program can pass as a handle."""

import ctypes
import faulthandler
import gc
import os
import random
import threading
import time

import abi
from checking import Visitor, check, closed, destroyed, enter, expect, new_handle, new_kind, qz

faulthandler.enable()  # a crash says where


def free_table_in_short():
    kind = new_kind()
    handle, thing = new_handle(kind)
    visitor = Visitor(handle, kind, thing)
    expect("try_free", qz.qz_handle_try_free(handle), abi.QZ_ERR_BUSY)
    begin = time.monotonic()
    expect("free(60)", qz.qz_handle_free(handle, 60), abi.QZ_FREE_PENDING)
    check(time.monotonic() - begin >= 0.06, "a free returned before its deadline")
    check(b"visit" in qz.qz_last_error(), f"the last error does not name the operation: {qz.qz_last_error()}")
    check(closed(thing) >= 1 and destroyed(thing) == 0, "on_close did not run, or on_destroy ran too early")
    visitor.leave()
    check(destroyed(thing) == 1, "the last one out did not destroy")
    expect("free again", qz.qz_handle_free(handle, abi.QZ_DEFAULT_TIMEOUT), abi.QZ_ALREADY_FREED)
    expect("kind_close", qz.qz_kind_close(kind, abi.QZ_DEFAULT_TIMEOUT, None), abi.QZ_OK)


def a_free_that_waits_lets_other_threads_run():
    """ctypes drops the GIL: the thread that must leave can do so while this one waits."""
    kind = new_kind()
    handle, thing = new_handle(kind)
    visitor = Visitor(handle, kind, thing)
    threading.Timer(0.05, visitor.leave).start()
    expect("free", qz.qz_handle_free(handle, abi.QZ_INFINITE), abi.QZ_OK)
    check(destroyed(thing) == 1, "not destroyed")


def the_destructor_runs_on_the_last_thread_out():
    ran_on = []
    on_destroy = abi.HOOK(lambda _thing, _ctx: ran_on.append(threading.get_native_id()))
    ops = abi.qz_kind_ops(ctypes.sizeof(abi.qz_kind_ops), abi.HOOK(), on_destroy, None)
    kind, handle = ctypes.c_void_p(), ctypes.c_void_p()
    expect("kind_new", qz.qz_kind_new(b"late", ctypes.byref(ops), ctypes.byref(kind)), abi.QZ_OK)
    expect("handle_new", qz.qz_handle_new(kind, 77, ctypes.byref(handle)), abi.QZ_OK)
    visitor = Visitor(handle, kind, 77)
    expect("free(0)", qz.qz_handle_free(handle, 0), abi.QZ_FREE_PENDING)
    check(not ran_on, "destroyed under a visitor")
    visitor.leave()
    check(ran_on == [visitor.thread_id], "the destructor ran on another thread")
    expect("kind_close", qz.qz_kind_close(kind, 0, None), abi.QZ_OK)  # from here on the callbacks may be collected


def on_freed_early_and_late():
    calls = []
    hook = abi.ON_FREED(calls.append)
    kind = new_kind()
    handle, _ = new_handle(kind)
    expect("on_freed", qz.qz_handle_on_freed(handle, hook, 1), abi.QZ_OK)
    expect("free", qz.qz_handle_free(handle, 0), abi.QZ_OK)
    expect("late on_freed", qz.qz_handle_on_freed(handle, hook, 2), abi.QZ_ALREADY_FREED)
    check(calls == [1, 2], f"on_freed ran as {calls}")


def whatever_python_passes_as_a_handle():
    kind = new_kind()
    handle, thing = new_handle(kind)
    buffer = ctypes.create_string_buffer(64)
    values = [0, 1, -1, 2**64 - 1, 2**63, 2**31, id(buffer), ctypes.addressof(buffer), ctypes.addressof(buffer) + 1, id(None)]
    source = random.Random(42)
    values += [source.getrandbits(64) for _ in range(100_000)]
    found = ctypes.c_void_p()
    for value in values:
        if value in (handle.value, kind.value):
            continue
        check(qz.qz_handle_enter(value, kind, None, ctypes.byref(found)) < 0, f"entered {value:#x}")
        check(qz.qz_handle_leave(value) < 0, f"left {value:#x}")
        check(value == 0 or qz.qz_handle_free(value, abi.QZ_INFINITE) < 0, f"freed {value:#x}")
        check(value == 0 or qz.qz_hold_release(value) < 0, f"released {value:#x}")
    expect("free(None)", qz.qz_handle_free(None, 0), abi.QZ_OK)
    check(destroyed(thing) == 0, "garbage destroyed something")
    enter(handle, kind, thing)
    expect("leave", qz.qz_handle_leave(handle), abi.QZ_OK)


def info_and_occupants():
    kind = new_kind(b"python kind")
    handle, thing = new_handle(kind)
    expect("set_label", qz.qz_handle_set_label(handle, "hübsch".encode()), abi.QZ_OK)
    visitor = Visitor(handle, kind, thing, b"look")
    info = abi.qz_handle_info()
    expect("get_info", qz.qz_handle_get_info(handle, ctypes.byref(info), ctypes.sizeof(info)), abi.QZ_OK)
    check((info.state, info.in_flight, info.holds) == (abi.QZ_STATE_OPEN, 1, 0), "state or counts are wrong")
    check((info.kind, info.label.decode()) == (b"python kind", "hübsch"), f"kind {info.kind}, label {info.label}")
    occupants, count = (abi.qz_occupant * 4)(), ctypes.c_size_t()
    listed = qz.qz_handle_occupants(handle, occupants, ctypes.sizeof(abi.qz_occupant), 4, ctypes.byref(count))
    expect("occupants", listed, abi.QZ_OK)
    check(count.value == 1 and occupants[0].thread_id == visitor.thread_id, "somebody else is inside")
    check(occupants[0].operation == b"look" and occupants[0].has_ended == 0, "the operation has another name")
    visitor.leave()


def guards_embedded_in_a_structure():
    class Session(ctypes.Structure):
        _fields_ = [("name", ctypes.c_char * 8), ("guard", abi.qz_guard), ("rundown", abi.qz_rundown)]

    session = Session()
    expect("try_enter", qz.qz_guard_try_enter(ctypes.byref(session.guard)), abi.QZ_OK)
    expect("begin_free", qz.qz_guard_begin_free(session.guard, 10), abi.QZ_ERR_TIMEOUT)
    expect("leave", qz.qz_guard_leave(session.guard), abi.QZ_OK)
    expect("wait_drained", qz.qz_guard_wait_drained(session.guard, 0), abi.QZ_OK)
    expect("acquire", qz.qz_rundown_try_acquire(session.rundown, 3), abi.QZ_OK)
    expect("release", qz.qz_rundown_release(session.rundown, 3), abi.QZ_OK)
    expect("wait", qz.qz_rundown_wait(session.rundown, abi.QZ_INFINITE), abi.QZ_OK)
    expect("re_init", qz.qz_rundown_re_init(session.rundown), abi.QZ_OK)


def a_forked_child():
    kind = new_kind()
    handle, thing = new_handle(kind)
    found = ctypes.c_void_p()
    child = os.fork()
    if child == 0:
        expect("enter", qz.qz_handle_enter(handle, kind, None, ctypes.byref(found)), abi.QZ_ERR_FORKED)
        expect("free", qz.qz_handle_free(handle, abi.QZ_INFINITE), abi.QZ_ERR_FORKED)
        own_kind = new_kind()
        own, own_thing = new_handle(own_kind)
        expect("free of its own", qz.qz_handle_free(own, 0), abi.QZ_OK)
        check(destroyed(own_thing) == 1 and destroyed(thing) == 0, "the child destroyed something else")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    check(os.waitstatus_to_exitcode(status) == 0, "the child failed")
    expect("free", qz.qz_handle_free(handle, 0), abi.QZ_OK)
    check(destroyed(thing) == 1, "not destroyed")


def collected_while_threads_use_it():
    """Wrappers that free in __del__, wherever the collector runs it, beside threads that use the same handles."""
    kind = new_kind()

    class Wrapper:
        def __init__(self):
            self.handle, self.thing = new_handle(kind)

        def __del__(self):
            qz.qz_handle_free(self.handle, 0)

    things, lock, freed_early = [], threading.Lock(), []

    def use():
        found = ctypes.c_void_p()
        for _ in range(300):
            wrapper = Wrapper()
            with lock:
                things.append(wrapper.thing)
            handle, thing = wrapper.handle, wrapper.thing
            enter(handle, kind, thing)
            del wrapper  # freed inside: the last leave destroys
            if destroyed(thing):
                freed_early.append(thing)
            expect("leave", qz.qz_handle_leave(handle), abi.QZ_OK)
            check(qz.qz_handle_enter(handle, kind, None, ctypes.byref(found)) == abi.QZ_ERR_FREED, "entered a collected handle")

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    check(not freed_early and all(destroyed(thing) == 1 for thing in things), "not destroyed exactly once")
    expect("kind_close", qz.qz_kind_close(kind, abi.QZ_DEFAULT_TIMEOUT, None), abi.QZ_OK)


for test in (
    free_table_in_short,
    a_free_that_waits_lets_other_threads_run,
    the_destructor_runs_on_the_last_thread_out,
    on_freed_early_and_late,
    whatever_python_passes_as_a_handle,
    info_and_occupants,
    guards_embedded_in_a_structure,
    a_forked_child,
    collected_while_threads_use_it,
):
    begin = time.monotonic()
    test()
    print(f"ok  {test.__name__:<50} {1000 * (time.monotonic() - begin):7.1f} ms", flush=True)
# It ends with handles still open, whose callbacks are Python functions: quietly.
