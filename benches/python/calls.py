"""Calls a shared library through ctypes, with and without a guard, in turn.

Usage: calls.py LIBRARY ROUNDS. Prints a line for each batch: what was called, and the nanoseconds of one call,
or "disturbed" if the thread was descheduled meanwhile.
"""

import ctypes
import os
import resource
import sys
import time

CALLS = 500


def switches():
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_nvcsw, usage.ru_nivcsw


def batch(function, argument):
    repeat = range(CALLS)
    before = switches()
    start = time.perf_counter_ns()
    for _ in repeat:
        function(argument)
    took = time.perf_counter_ns() - start
    return took / CALLS if switches() == before else None


def main(path, rounds):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    library = ctypes.CDLL(path)
    library.bench_plain_new.restype = ctypes.c_void_p
    for name in ("bench_plain", "bench_op"):
        getattr(library, name).argtypes = [ctypes.c_void_p]
    token = ctypes.c_void_p()
    if library.bench_new(ctypes.byref(token)) != 0:
        sys.exit("bench_new refused")
    subjects = {
        "plain": (library.bench_plain, ctypes.c_void_p(library.bench_plain_new())),
        "op": (library.bench_op, token),
    }
    if any(function(argument) != 0 for function, argument in subjects.values()):
        sys.exit("an operation refused")
    for round_number in range(-4, rounds):
        for name, (function, argument) in subjects.items():
            nanoseconds = batch(function, argument)
            if round_number >= 0:
                print(name, "disturbed" if nanoseconds is None else nanoseconds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
