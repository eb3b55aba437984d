"""What the tests share: programs that run in a process of their own, threads that are joined, and waiting for a moment."""

import asyncio
import functools
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import unittest
from typing import Any, Callable, List

# Whoever started the tests may have Ctrl-C ignored (a shell's background job), which every process would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The package in the source tree, unless the tests are to use the installed one.
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "src")
IS_INSTALLED = "QUIESCENT_TEST_INSTALLED" in os.environ
if not IS_INSTALLED:
    sys.path.insert(0, SOURCE)
# For processes that find the same package.
ENVIRONMENT = {**os.environ, **({} if IS_INSTALLED else {"PYTHONPATH": SOURCE})}


def run_program(
    program: str, *options: str, argument: str = "", timeout: float = 200, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Runs Python text in a new interpreter; a hang is a failure."""
    environment = {**ENVIRONMENT, **variables}
    command = [sys.executable, "-B", *options, "-c", textwrap.dedent(program), argument]
    return subprocess.run(command, env=environment, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def eventually(claim: Callable[[], Any], what: str, within: float = 60) -> None:
    end = time.monotonic() + within
    while not claim():
        assert time.monotonic() < end, f"still not: {what}"
        time.sleep(0.002)


def waits(handle: Any) -> bool:
    """How many wait in it."""
    return sum(occupant.is_waiting for occupant in handle.occupants())


class Threads:
    """Joins them at the end, and raises what one of them raised."""

    def __init__(self) -> None:
        self.threads: List[threading.Thread] = []
        self.errors: List[BaseException] = []

    def start(self, work: Callable[..., Any], *arguments: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            except BaseException as error:
                self.errors.append(error)

        thread = threading.Thread(target=run)
        self.threads.append(thread)
        thread.start()
        return thread

    def __enter__(self) -> "Threads":
        return self

    def __exit__(self, *_: Any) -> None:
        for thread in self.threads:
            thread.join(200)
            assert not thread.is_alive(), "a thread hangs"
        if self.errors:
            raise self.errors[0]


def in_a_loop(test: Any) -> Any:
    """Runs a coroutine method in a loop of its own, which leaves neither a handle, a token nor a thread behind."""
    import quiescent as q
    from quiescent import _callbacks

    @functools.wraps(test)
    def run(self: Any) -> None:
        gc.collect()
        before, threads = q.statistics()["live"], set(os.listdir("/proc/self/task"))
        asyncio.run(asyncio.wait_for(test(self), 200))
        gc.collect()
        self.assertEqual(q.statistics()["live"], before, q.report())
        # A thread that was joined may be on its way out.
        eventually(lambda: set(os.listdir("/proc/self/task")) <= threads, "no thread is left")
        self.assertEqual(_callbacks.inits, {})

    return run


def backend() -> Any:
    """That of the running loop, as the package has it."""
    from quiescent import _completions

    return _completions._backends[asyncio.get_running_loop()]()


async def begun(coroutine: Any) -> Any:
    """A task that waits by now."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


BEGIN = """
import os, signal, sys, threading, time
import quiescent as q

def shortly(work, after=0.3):
    thread = threading.Timer(after, work)
    thread.daemon = True
    thread.start()

def when(claim, work):
    def wait():
        while not claim():
            time.sleep(0.001)
        work()
    shortly(wait, 0)

def waiting(handle):
    return any(occupant.is_waiting for occupant in handle.occupants())

def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)

class Stop(BaseException): pass

class Disturbed:
    '''Signals at random moments, up to `pause` seconds apart. While it is armed the next one raises Stop: one at a time, as from a keyboard.'''

    def __init__(self, pause):
        self.pause, self.armed, self.over = pause, False, threading.Event()
        self.thread = threading.Thread(target=self.disturb)

    def disturb(self):
        import random
        chance = random.Random(7)
        while not self.over.is_set():
            time.sleep(chance.random() * self.pause)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    def handle(self, *_):
        if self.armed:
            self.armed = False
            raise Stop

    def __enter__(self):
        signal.signal(signal.SIGUSR1, self.handle)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

def at_every_step(work, *but):
    '''Runs it again and again, with Stop raised at one step of the package after the other, as a signal's handler may.

    But in functions of these names, and what they call: what is raised there is nobody's, or not raised by a signal.
    '''
    import gc
    def trace(frame, event, _):
        nonlocal steps
        caller = frame
        while caller:
            if caller.f_code.co_name in but:
                return None
            caller = caller.f_back
        if "quiescent" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = sys.version_info >= (3, 10)     # 3.9 breaks down; 3.12 has lines, but no opcodes here
        steps += event in ("call", "line", "opcode")
        if steps == at and event in ("call", "line", "opcode"):
            raise Stop
        return trace
    steps, at = 0, 0
    gc.collect()
    gc.freeze()
    while steps >= at:
        at, steps = at + 1, 0
        try:
            sys.settrace(trace)
            work()
        except Stop as error:
            error.cycle = [error]   # as many a program keeps one
        finally:
            sys.settrace(None)
        gc.collect()
        yield at
    assert at > 30, at
"""


class Process(unittest.TestCase):
    def run_python(self, program, *options, prints="done", argument="", **variables):
        """Runs it after BEGIN; it must end with 0, print this and nothing to stderr."""
        ended = run_program(BEGIN + textwrap.dedent(program), *options, argument=argument, **variables)
        self.assertEqual((ended.returncode, ended.stdout.strip(), ended.stderr), (0, prints, ""), ended.stderr)
