"""One row of the free table, through ctypes. Arguments, cases and exit codes are those of c/free_table.c:

    free_table.py FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER

Where the C and C++ programs use a shell 10^6 times again for their subject, this one does so 10^4 times, after 10^6 times for
handles without a destructor: a destructor here is a Python function.
"""

import ctypes
import os
import sys
import tempfile
import threading

import abi
from checking import Visitor, check, destroyed, enter, expect, fail, new_handle, new_kind, qz

UNKNOWN, AGE, REUSES, CALLERS, ROUNDS = 64, 1_000_000, 10_000, 64, 10
TIMEOUT = abi.QZ_DEFAULT_TIMEOUT


class Subject:
    """Something alive that a function of the table can end."""

    _shared = None

    def open(self):
        if Subject._shared is None:
            Subject._shared = new_kind()
        self.kind = Subject._shared
        self.handle, self.thing = new_handle(self.kind)

    def open_here(self):
        """The part of it that belongs to the calling thread."""

    def occupy(self):
        self.visitor = Visitor(self.handle, self.kind, self.thing)

    def vacate(self):
        self.visitor.leave()

    def ended(self):
        """How often its destructor ran."""
        return destroyed(self.thing)


class Kind(Subject):
    def open(self):
        self.kind = new_kind()
        self.handle, self.thing = new_handle(self.kind)


class BareKind(Subject):
    def open(self):
        self.kind = self.handle = new_kind()

    def ended(self):
        return int(qz.qz_handle_wait_freed(self.handle, 0) == abi.QZ_OK)


class Hold(Subject):
    """On a handle that is already closed: its release runs the destructor."""

    def open(self):
        super().open()
        self.hold, found = ctypes.c_void_p(), ctypes.c_void_p()
        taken = qz.qz_handle_hold(self.handle, self.kind, b"row", ctypes.byref(found), ctypes.byref(self.hold))
        expect("hold", taken, abi.QZ_OK)
        expect("free(0)", qz.qz_handle_free(self.handle, 0), abi.QZ_FREE_PENDING)


class Operation(Subject):
    """On a handle that is already closed: its leave runs the destructor."""

    def open_here(self):
        enter(self.handle, self.kind, self.thing)
        expect("free(0)", qz.qz_handle_free(self.handle, 0), abi.QZ_FREE_PENDING)


class Guard(Subject):
    _eternal = []  # guards lie in memory that is never given back

    def open(self):
        self.guard, self.reported = abi.qz_guard(), []
        Guard._eternal.append(self.guard)

    def occupy(self):
        expect("try_enter", qz.qz_guard_try_enter(self.guard), abi.QZ_OK)

    def vacate(self):
        expect("leave", qz.qz_guard_leave(self.guard), abi.QZ_OK)
        self.own(qz.qz_guard_wait_drained(self.guard, abi.QZ_INFINITE))

    def own(self, got):
        if got == abi.QZ_OK:  # its owner destroys; here by counting
            self.reported.append(got)
        return got

    def ended(self):
        return len(self.reported)


class GuardOperation(Guard):
    def open(self):
        super().open()
        expect("try_enter", qz.qz_guard_try_enter(self.guard), abi.QZ_OK)
        expect("begin_free(0)", qz.qz_guard_begin_free(self.guard, 0), abi.QZ_ERR_TIMEOUT)

    def ended(self):
        drained = qz.qz_guard_wait_drained(self.guard, 0) == abi.QZ_OK  # to one caller only: this one
        expect("entering a drained guard", qz.qz_guard_try_enter(self.guard), abi.QZ_ERR_FREED)
        return int(drained)


class GuardClosing(GuardOperation):
    ended = Guard.ended

    def occupy(self):
        """Somebody is inside already."""

    def vacate(self):
        expect("leave", qz.qz_guard_leave(self.guard), abi.QZ_OK)


class GuardDrained(GuardOperation):
    ended = Guard.ended

    def open(self):
        super().open()
        expect("leave", qz.qz_guard_leave(self.guard), abi.QZ_OK)


class Rundown(Subject):
    rundown = None

    def open(self):
        """Opened again where there is one: that is its re-use."""
        if self.rundown is None:
            self.rundown = abi.qz_rundown()
            Guard._eternal.append(self.rundown)
        qz.qz_rundown_re_init(self.rundown)

    def occupy(self):
        expect("try_acquire", qz.qz_rundown_try_acquire(self.rundown, 1), abi.QZ_OK)

    def vacate(self):
        expect("release", qz.qz_rundown_release(self.rundown, 1), abi.QZ_OK)

    def ended(self):
        expect("a stray release", qz.qz_rundown_release(self.rundown, 1), abi.QZ_ERR_NOT_INSIDE)
        return int(qz.qz_rundown_try_acquire(self.rundown, 1) == abi.QZ_ERR_FREED)


class Reference(Rundown):
    def open(self):
        super().open()
        expect("try_acquire", qz.qz_rundown_try_acquire(self.rundown, 1), abi.QZ_OK)
        expect("wait(0)", qz.qz_rundown_wait(self.rundown, 0), abi.QZ_ERR_TIMEOUT)


class RundownComplete(Rundown):
    def open(self):
        super().open()
        expect("wait(0)", qz.qz_rundown_wait(self.rundown, 0), abi.QZ_OK)

    def ended(self):
        is_open = qz.qz_rundown_try_acquire(self.rundown, 1) == abi.QZ_OK
        if is_open:
            expect("release", qz.qz_rundown_release(self.rundown, 1), abi.QZ_OK)
        return int(is_open)


class CacheAwareRundown(Subject):
    """Opened again where there is one, like a run-down; never deleted."""

    rundown = None

    def open(self):
        if self.rundown is None:
            self.rundown, self.stripe = ctypes.c_void_p(), ctypes.c_uint32()
            expect("new", qz.qz_cache_aware_rundown_new(ctypes.byref(self.rundown)), abi.QZ_OK)
        qz.qz_cache_aware_rundown_re_init(self.rundown)

    def acquire(self):
        return qz.qz_cache_aware_rundown_try_acquire(self.rundown, 1, ctypes.byref(self.stripe))

    def occupy(self):
        expect("try_acquire", self.acquire(), abi.QZ_OK)

    def vacate(self):
        expect("release", qz.qz_cache_aware_rundown_release(self.rundown, 1, self.stripe), abi.QZ_OK)

    def ended(self):
        expect("a stray release", qz.qz_cache_aware_rundown_release(self.rundown, 1, 0), abi.QZ_ERR_NOT_INSIDE)
        return int(self.acquire() == abi.QZ_ERR_FREED)


class CacheAwareReference(CacheAwareRundown):
    def open(self):
        super().open()
        self.occupy()
        expect("wait(0)", qz.qz_cache_aware_rundown_wait(self.rundown, 0), abi.QZ_ERR_TIMEOUT)


class CacheAwareRundownComplete(CacheAwareRundown):
    def open(self):
        super().open()
        expect("wait(0)", qz.qz_cache_aware_rundown_wait(self.rundown, 0), abi.QZ_OK)

    def ended(self):
        is_open = self.acquire() == abi.QZ_OK
        if is_open:
            self.vacate()
        return int(is_open)


class ReadyMade(Subject):
    """A handle of a ready-made kind has no destructor of ours: its own end is counted.

    What keeps its free waiting is a hold that this thread took and passed on, so that it counts as somebody else's.
    """

    ended = BareKind.ended

    def __init__(self, make, take=None):
        self.make, self.take = make, take

    def open(self):
        self.handle = ctypes.c_void_p()
        expect("new", self.make(ctypes.byref(self.handle)), abi.QZ_OK)

    def occupy(self):
        self.hold = ctypes.c_void_p()
        expect("take", self.take(self.handle, ctypes.byref(self.hold)), abi.QZ_OK)
        expect("pass_on", qz.qz_hold_pass_on(self.hold), abi.QZ_OK)

    def vacate(self):
        expect("release", qz.qz_hold_release(self.hold), abi.QZ_OK)


def once_make(out):
    """With a value, which can be held."""
    made = qz.qz_once_new(abi.DESTROY_VALUE(), None, out)
    return qz.qz_once_set(ctypes.cast(out, ctypes.POINTER(ctypes.c_void_p))[0], 1) if made == abi.QZ_OK else made


@abi.CREATE_RESOURCE
def create_resource(_timeout_ms, _ctx, out_resource):
    out_resource[0] = 1
    return abi.QZ_OK


def pool_make(out):
    ops = abi.qz_pool_ops(struct_size=ctypes.sizeof(abi.qz_pool_ops), create=create_resource)
    config = abi.qz_pool_config(struct_size=ctypes.sizeof(abi.qz_pool_config), max_size=1)
    return qz.qz_pool_new(ctypes.byref(ops), ctypes.byref(config), out)


LOCK_PATH = os.path.join(tempfile.gettempdir(), f"quiescent-free-table-{os.getpid()}.lock")


# By the name of the subject; qz_<name>_free ends it.
READY_MADE = {
    "filelock": lambda: ReadyMade(
        lambda out: qz.qz_filelock_open(LOCK_PATH.encode(), 0, out),
        lambda h, hold: qz.qz_filelock_try_acquire(h, abi.QZ_FILELOCK_EXCLUSIVE, hold),
    ),
    "rwlock": lambda: ReadyMade(qz.qz_rwlock_new, lambda h, hold: qz.qz_rwlock_read(h, 0, None, hold)),
    "barrier": lambda: ReadyMade(lambda out: qz.qz_barrier_new(2, out)),
    "notify": lambda: ReadyMade(qz.qz_notify_new),
    "backend": lambda: ReadyMade(lambda out: qz.qz_backend_new(abi.ON_DISCARD(), None, out)),
    "once": lambda: ReadyMade(once_make, lambda h, hold: qz.qz_once_hold(h, ctypes.byref(ctypes.c_void_p()), hold)),
    "pool": lambda: ReadyMade(
        pool_make, lambda h, hold: qz.qz_pool_acquire(h, 1000, None, ctypes.byref(ctypes.c_void_p()), hold)
    ),
    "cancel": lambda: ReadyMade(qz.qz_cancel_new),
    "mutex": lambda: ReadyMade(qz.qz_mutex_new, lambda h, hold: qz.qz_mutex_lock(h, 0, None, hold)),
    "semaphore": lambda: ReadyMade(
        lambda out: qz.qz_semaphore_new(1, 1, out), lambda h, hold: qz.qz_semaphore_acquire(h, 1, 0, None, hold)
    ),
}

SUBJECTS = READY_MADE | {
    "handle": Subject,
    "kind": Kind,
    "bare_kind": BareKind,
    "hold": Hold,
    "operation": Operation,
    "guard": Guard,
    "guard_operation": GuardOperation,
    "guard_closing": GuardClosing,
    "guard_drained": GuardDrained,
    "rundown": Rundown,
    "reference": Reference,
    "rundown_complete": RundownComplete,
    "cache_aware_rundown": CacheAwareRundown,
    "cache_aware_reference": CacheAwareReference,
    "cache_aware_rundown_complete": CacheAwareRundownComplete,
}


def free_many_of_one(s, ms):
    each = ctypes.c_int32(abi.QZ_ERR_PANIC)
    qz.qz_handle_free_many(ctypes.byref(s.handle), 1, ms, ctypes.byref(each))
    return each.value


def kind_close(s, ms):
    left = ctypes.c_size_t(77)
    got = qz.qz_kind_close(s.kind, ms, ctypes.byref(left))
    check((left.value == 0) == (got in (abi.QZ_OK, abi.QZ_ALREADY_FREED)), "kind_close left something, or does not say so")
    return got


def waiting(ms):
    return 5000 if ms == abi.QZ_DEFAULT_TIMEOUT else ms


def free_of(kind):
    free = getattr(qz, f"qz_{kind}_free")
    return lambda s, ms: free(s.handle, ms)


FUNCTIONS = {f"qz_{kind}_free": free_of(kind) for kind in READY_MADE} | {
    "qz_handle_free": lambda s, ms: qz.qz_handle_free(s.handle, ms),
    "qz_handle_try_free": lambda s, _ms: qz.qz_handle_try_free(s.handle),
    "qz_handle_free_many": free_many_of_one,
    "qz_handle_leave": lambda s, _ms: qz.qz_handle_leave(s.handle),
    "qz_kind_close": kind_close,
    "qz_quiesce_all": lambda _s, ms: qz.qz_quiesce_all(ms, None),
    "qz_hold_release": lambda s, _ms: qz.qz_hold_release(s.hold),
    "qz_guard_begin_free": lambda s, ms: s.own(qz.qz_guard_begin_free(s.guard, ms)),
    "qz_guard_wait_drained": lambda s, ms: s.own(qz.qz_guard_wait_drained(s.guard, waiting(ms))),
    "qz_guard_leave": lambda s, _ms: qz.qz_guard_leave(s.guard),
    "qz_rundown_release": lambda s, _ms: qz.qz_rundown_release(s.rundown, 1),
    "qz_rundown_wait": lambda s, ms: qz.qz_rundown_wait(s.rundown, waiting(ms)),
    "qz_rundown_re_init": lambda s, _ms: qz.qz_rundown_re_init(s.rundown),
    "qz_cache_aware_rundown_release": lambda s, _ms: qz.qz_cache_aware_rundown_release(s.rundown, 1, s.stripe),
    "qz_cache_aware_rundown_wait": lambda s, ms: qz.qz_cache_aware_rundown_wait(s.rundown, waiting(ms)),
    "qz_cache_aware_rundown_re_init": lambda s, _ms: qz.qz_cache_aware_rundown_re_init(s.rundown),
}


def age_the_shell():
    """Uses the shell that this thread's next handle gets 10^6 times: by handles without a destructor, which cost two calls."""
    kind, handle = ctypes.c_void_p(), ctypes.c_void_p()
    expect("kind_new", qz.qz_kind_new(b"ageing", None, ctypes.byref(kind)), abi.QZ_OK)
    new, free, out = qz.qz_handle_new, qz.qz_handle_free, ctypes.byref(handle)
    answers = sum(new(kind, None, out) + free(handle, 0) for _ in range(AGE))
    check(answers == 0, "a handle of the ageing shell was refused")


class Row:
    def __init__(self, function, subject, again, meanwhile, pending, pending_again, after):
        self.function, self.end, self.subject = function, FUNCTIONS[function], SUBJECTS[subject]
        self.again, self.meanwhile = again, meanwhile
        self.pending, self.pending_again, self.after = pending, pending_again, after

    def opened(self):
        s = self.subject()
        s.open()
        return s

    def ended_once(self, s):
        times = s.ended()
        check(times == 1, f"{self.function}: it ended {times} times")

    def three_in_a_row(self, s):
        expect("first", self.end(s, TIMEOUT), abi.QZ_OK)
        for _ in range(2):
            expect("again", self.end(s, TIMEOUT), self.again)
        self.ended_once(s)

    def sequential(self):
        s = self.opened()
        s.open_here()
        self.three_in_a_row(s)

    def concurrent(self):
        gate = threading.Barrier(CALLERS + 1)
        subjects = [self.subject() for _ in range(ROUNDS)]
        answers = [None] * CALLERS

        def call(me):
            for s in subjects:
                gate.wait()  # the subject is open
                if me == 0:
                    s.open_here()
                gate.wait()
                answers[me] = self.end(s, TIMEOUT)
                gate.wait()

        threads = [threading.Thread(target=call, args=(me,)) for me in range(CALLERS)]
        for thread in threads:
            thread.start()
        for s in subjects:
            s.open()
            for _ in range(3):
                gate.wait()
            winners = answers.count(abi.QZ_OK)
            for got in answers:
                if got not in (abi.QZ_OK, self.meanwhile):
                    expect("concurrent", got, self.again)
            check(winners == (CALLERS if self.again == abi.QZ_OK else 1), f"{self.function}: {winners} concurrent calls answered OK")
            expect("after all", self.end(s, TIMEOUT), self.again)
            self.ended_once(s)
        for thread in threads:
            thread.join()

    def timeout(self):
        s = self.opened()
        s.occupy()
        expect("somebody inside", self.end(s, 30), self.pending)
        expect("somebody inside, again", self.end(s, 30), self.pending_again)
        s.vacate()
        expect("they have left", self.end(s, TIMEOUT), self.after)
        for _ in range(2):
            expect("again after the timeout", self.end(s, TIMEOUT), self.again)
        self.ended_once(s)

    def reuse(self):
        age_the_shell()
        s = self.subject()
        for _ in range(REUSES):
            s.open()
            s.open_here()
            expect("in a re-used shell", self.end(s, TIMEOUT), abi.QZ_OK)
            self.ended_once(s)
        s = self.opened()
        s.open_here()
        self.three_in_a_row(s)

    def stale(self):
        old = self.opened()
        old.open_here()
        self.three_in_a_row(old)
        newer = [self.opened() for _ in range(64)]
        for _ in range(3):
            expect("stale", self.end(old, TIMEOUT), self.again)
        for s in newer:
            check(s.ended() == 0, f"{self.function}: a stale token ended somebody else")
        self.ended_once(old)
        for s in newer:
            s.open_here()
            self.three_in_a_row(s)


def main():
    if len(sys.argv) != 9:
        fail("usage: free_table.py FUNCTION SUBJECT CASE AGAIN MEANWHILE PENDING PENDING_AGAIN AFTER")
    function, subject, case = sys.argv[1:4]
    if function not in FUNCTIONS or subject not in SUBJECTS or case not in ("sequential", "concurrent", "timeout", "reuse", "stale"):
        fail(f"free_table.py does not know {function}, the subject {subject} or the case {case}", UNKNOWN)
    getattr(Row(function, subject, *(abi.STATUS[name] for name in sys.argv[4:9])), case)()
    print(f"ok  {function} of a {subject}, {case}", flush=True)
    if os.path.exists(LOCK_PATH):
        os.remove(LOCK_PATH)
    os._exit(0)  # handles of other subjects may live on; a quiet exit with them is tested in C


main()
