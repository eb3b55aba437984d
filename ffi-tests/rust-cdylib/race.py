"""The library of examples/rust-cdylib through ctypes: frees from many threads race the calls of others.

    race.py PATH-OF-THE-LIBRARY
"""

import ctypes
import itertools
import os
import random
import sys
import threading
import time
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int32, c_int64, c_size_t, c_void_p

OK, FREE_PENDING, ALREADY_FREED = 0, 1, 2
NULL, BAD_HANDLE, WRONG_KIND, FREED, TIMEOUT, BUSY, DEADLOCK = -1, -2, -3, -4, -5, -6, -8
INFINITE, DEFAULT = -1, -2

library = ctypes.CDLL(sys.argv[1])
DISCARD = CFUNCTYPE(None, c_void_p)
EACH = CFUNCTYPE(None, c_void_p, c_void_p)
SINK = CFUNCTYPE(None, c_char_p, c_void_p)
for name, *argtypes in (
    ("mq_new", c_size_t, DISCARD, POINTER(c_void_p)),
    ("mq_push", c_void_p, c_void_p, c_int64),
    ("mq_pop", c_void_p, c_int64, POINTER(c_void_p)),
    ("mq_drain", c_void_p, EACH, c_void_p),
    ("mq_hold_take", c_void_p, POINTER(c_void_p)),
    ("mq_hold_release", c_void_p),
    ("mq_free", c_void_p, c_int64),
    ("mq_try_free", c_void_p),
    ("mq_wait_freed", c_void_p, c_int64),
    ("journal_new", c_size_t, SINK, c_void_p, POINTER(c_void_p)),
    ("journal_append", c_void_p, c_char_p, c_int64),
    ("journal_flush", c_void_p),
    ("journal_free", c_void_p, c_int64),
):
    function = getattr(library, name)
    function.argtypes, function.restype = argtypes, c_int32
    globals()[name] = function
library.rc_last_error.restype = c_char_p


def check(claim, words):
    """Ends the process at once: other threads may be inside the library."""
    if not claim:
        sys.stdout.flush()
        print(f"FAILED {words}", file=sys.stderr, flush=True)
        os._exit(1)


def expect(what, got, wanted):
    check(got == wanted, f"{what} answered {got}, expected {wanted} ({library.rc_last_error().decode()})")


numbers = itertools.count(1)  # messages and lines: each a number of its own, in once and out once
counting = threading.Lock()
went_in, came_out, discarded = set(), {}, 0


def goes_in(number):
    with counting:
        went_in.add(number)


def comes_out(number, by_destructor=False):
    global discarded
    with counting:
        came_out[number] = came_out.get(number, 0) + 1
        discarded += by_destructor


@DISCARD
def discard(message):
    comes_out(message, by_destructor=True)


@SINK
def sink(line, _ctx):
    comes_out(int(line))


class Queue:
    def __init__(self, capacity=2):
        self.handle, self.won, self.pending = c_void_p(), 0, False
        expect("mq_new", mq_new(capacity, discard, byref(self.handle)), OK)

    def put(self, timeout):
        number = next(numbers)
        got = mq_push(self.handle, number, timeout)
        if got == OK:
            goes_in(number)
        return got

    def take(self, timeout):
        message = c_void_p()
        got = mq_pop(self.handle, timeout, byref(message))
        if got == OK:
            comes_out(message.value)
        return got

    def free(self, timeout):
        return mq_free(self.handle, timeout)

    def names_who_is_inside(self):
        """After a free that is pending."""
        return b"'mq_" in library.rc_last_error()


class Journal:
    def __init__(self, capacity=2):
        self.handle, self.won, self.pending = c_void_p(), 0, False
        expect("journal_new", journal_new(capacity, sink, None, byref(self.handle)), OK)

    def put(self, timeout):
        number = next(numbers)
        got = journal_append(self.handle, b"%d" % number, timeout)
        if got == OK:
            goes_in(number)
        return got

    def take(self, _timeout):
        return journal_flush(self.handle)

    def free(self, timeout):
        return journal_free(self.handle, timeout)

    def names_who_is_inside(self):
        """A guard knows only that somebody is (or, for an instant, that another free is at the end)."""
        return True


def wrong_values():
    queue, hold, message = Queue(), c_void_p(), c_void_p()
    for value in (2, 0xDEAD0, id(queue) & ~7, 2**64 - 2):
        expect("push into garbage", mq_push(value, 1, INFINITE), BAD_HANDLE)
        expect("free of garbage", mq_free(value, INFINITE), BAD_HANDLE)
        expect("release of garbage", mq_hold_release(value), BAD_HANDLE)
    expect("pop from NULL", mq_pop(None, 0, byref(message)), NULL)
    expect("free of NULL", mq_free(None, 0), OK)
    expect("hold_take", mq_hold_take(queue.handle, byref(hold)), OK)
    expect("free of a hold", mq_free(hold, 0), WRONG_KIND)
    expect("release of a queue", mq_hold_release(queue.handle), WRONG_KIND)
    expect("try_free beside a hold", mq_try_free(queue.handle), BUSY)
    expect("free by the holder", queue.free(INFINITE), FREE_PENDING)
    check(b"mq_hold_take" in library.rc_last_error(), "the free does not name the hold")
    expect("release", mq_hold_release(hold), OK)
    expect("second release", mq_hold_release(hold), ALREADY_FREED)
    for _ in range(3):
        expect("free again", queue.free(INFINITE), ALREADY_FREED)
        expect("push after the free", queue.put(INFINITE), FREED)
    journal = Journal()
    expect("append to NULL", journal_append(None, b"x", 0), NULL)
    expect("free", journal.free(DEFAULT), OK)
    for _ in range(3):
        expect("free again", journal.free(INFINITE), ALREADY_FREED)
        expect("append after the free", journal.put(INFINITE), FREED)


def free_from_inside():
    queue = Queue()

    @EACH
    def free_it(message, handle):
        comes_out(message)
        expect("free from inside", mq_free(handle, INFINITE), FREE_PENDING)
        expect("wait from inside", mq_wait_freed(handle, INFINITE), DEADLOCK)

    for _ in range(2):
        expect("push", queue.put(0), OK)
    before = discarded
    expect("drain", mq_drain(queue.handle, free_it, queue.handle), OK)
    expect("free after all have left", queue.free(0), ALREADY_FREED)
    check(discarded == before + 1, "the second message was not discarded once")


def blocked_calls_are_woken(subject, call):
    answers, begun = [], threading.Barrier(5)

    def block():
        begun.wait()
        answers.append(call(INFINITE))

    threads = [threading.Thread(target=block) for _ in range(4)]
    for thread in threads:
        thread.start()
    begun.wait()
    time.sleep(0.05)
    expect("free", subject.free(DEFAULT), OK)
    for thread in threads:
        thread.join()
    check(answers == [FREED] * 4, f"the blocked calls answered {answers}")


def race(make, seconds):
    """Three threads free the same object at once, while four others use it; then the next."""
    subjects, over = [make()], False
    gate = threading.Barrier(3)

    def work(seed):
        chance = random.Random(seed)
        while not over:
            subject, timeout = subjects[-1], chance.choice((0, 1, INFINITE, INFINITE))
            call = chance.choice((subject.put, subject.take))
            got = call(timeout)
            check(got in (OK, FREED) or (got == TIMEOUT and timeout != INFINITE), f"{call} answered {got}")

    def close(me):
        nonlocal over
        chance = random.Random(1000 + me)
        until = time.monotonic() + seconds
        while True:
            subject = subjects[-1]
            if me == 0:
                time.sleep(0.002 * chance.random())
                over = time.monotonic() > until
            gate.wait()
            if over:
                return
            got = subject.free(chance.choice((0, 1, DEFAULT)))
            check(got in (OK, FREE_PENDING, ALREADY_FREED), f"a free answered {got}")
            with counting:
                subject.won += got == OK
                subject.pending |= got == FREE_PENDING and subject.names_who_is_inside()
            gate.wait()
            if me == 0:
                subjects.append(make())
            gate.wait()

    closers = [threading.Thread(target=close, args=(me,)) for me in range(3)]
    workers = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in closers + workers:
        thread.start()
    for thread in closers:
        thread.join()
    subjects[-1].won += subjects[-1].free(DEFAULT) == OK  # wakes the last workers
    for thread in workers:
        thread.join()
    for subject in subjects:
        got = subject.free(0)
        check(got in (OK, ALREADY_FREED), f"with nobody inside any more, a free answered {got}")
        subject.won += got == OK
        # A journal always has one winner; a queue none if the last one out destroyed it.
        check(subject.won == 1 or (make is Queue and subject.won == 0), f"{subject.won} frees answered OK")
    met, n = sum(subject.pending for subject in subjects), len(subjects)
    print(f"    overlap: at least {met} of {n} objects freed with operations in flight ({100 * met / n:.1f} %)")
    check(met > 0, "the frees never met an operation: this run proves nothing")


def all_came_out_once():
    check(all(times == 1 for times in came_out.values()), "something came out twice")
    missing, invented = went_in - came_out.keys(), came_out.keys() - went_in
    check(not missing and not invented, f"{len(missing)} never came out, {len(invented)} never went in")
    check(discarded > 0, "no queue was destroyed with messages in it")
    print(f"    {len(went_in)} messages and lines, each in once and out once; {discarded} by a destructor")


def main():
    for test in (
        wrong_values,
        free_from_inside,
        lambda: blocked_calls_are_woken(q := Queue(), q.take),
        lambda: blocked_calls_are_woken(j := Journal(1), lambda t: (j.put(0), j.put(t))[1]),
        lambda: race(Queue, 1.0),
        lambda: race(Journal, 1.0),
        all_came_out_once,
    ):
        test()
    print("ok")


main()
