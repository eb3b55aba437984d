"""Signals, fork, spawn and the end of the interpreter: each in a process of its own."""

import os
import signal
import sys
import unittest

from support import run_program

BEGIN = """
import os, signal, sys, threading, time
import quiescent as q

def shortly(work, after=0.3):
    thread = threading.Timer(after, work)
    thread.daemon = True
    thread.start()

def waiting(handle):
    return any(occupant.is_waiting for occupant in handle.occupants())

def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)
"""


class Process(unittest.TestCase):
    def run_python(self, program, *options, prints="done", **variables):
        """Runs it after BEGIN; it must end with 0, print this and nothing to stderr."""
        import textwrap

        ended = run_program(BEGIN + textwrap.dedent(program), *options, **variables)
        self.assertEqual((ended.returncode, ended.stdout.strip(), ended.stderr), (0, prints, ""), ended.stderr)


@unittest.skipUnless(hasattr(signal, "pthread_sigmask"), "POSIX signals")
class Interrupts(Process):
    def test_ctrl_c_ends_each_wait_of_the_main_thread_and_leaves_nothing_behind(self):
        self.run_python(
            """
            semaphore, token, handle = q.Semaphore(0), q.CancelToken(), q.Handle([])
            held = handle.hold()
            held.pass_on()
            live, threads = q.statistics()["live"], threading.active_count()
            files = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
            for wait in (
                semaphore.hold,
                lambda: semaphore.hold(timeout=1000),
                lambda: semaphore.hold(cancel=token),
                token.wait,
                lambda: token.wait(1000),
                handle.wait_freed,
                lambda: handle.wait_freed(1000),
            ):
                shortly(interrupt)
                begin = time.monotonic()
                try:
                    wait()
                except KeyboardInterrupt:
                    pass
                else:
                    sys.exit("not interrupted")
                assert time.monotonic() - begin < 10
            assert signal.set_wakeup_fd(-1) == -1, "the wakeup fd was not put back"
            assert semaphore.info().in_flight == 0 and not token.is_cancelled
            assert q.statistics()["live"] == live
            time.sleep(0.1)
            assert threading.active_count() == threads, threading.enumerate()
            assert files == (len(os.listdir("/proc/self/fd")) if files else 0), "file descriptors are left"
            print("done")
            """
        )

    def test_a_handler_that_returns_lets_the_wait_go_on(self):
        self.run_python(
            """
            seen = []
            signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
            semaphore = q.Semaphore(0)
            for after in (0.1, 0.2, 0.3):
                shortly(lambda: interrupt(signal.SIGUSR1), after)
            shortly(lambda: semaphore.add(1), 0.6)
            with semaphore.hold(timeout=20):
                assert len(seen) == 3, seen
            begin = time.monotonic()
            shortly(lambda: interrupt(signal.SIGUSR1), 0.1)
            try:
                semaphore.hold(2, timeout=0.4)
            except q.TimedOut:
                assert 0.4 <= time.monotonic() - begin < 5 and len(seen) == 4
                print("done")
            """
        )

    def test_a_handler_may_wait_itself(self):
        self.run_python(
            """
            semaphore, other = q.Semaphore(0), q.Semaphore(0)
            shortly(lambda: other.add(1), 0.5)
            def handler(*_):
                with other.hold(timeout=20):
                    semaphore.add(1)
            signal.signal(signal.SIGUSR1, handler)
            shortly(lambda: interrupt(signal.SIGUSR1), 0.1)
            with semaphore.hold(timeout=20):
                print("done")
            assert signal.set_wakeup_fd(-1) == -1
            """
        )

    def test_who_listened_to_signals_before_hears_of_them(self):
        self.run_python(
            """
            reader, writer = os.pipe()
            os.set_blocking(writer, False)
            signal.set_wakeup_fd(writer)
            signal.signal(signal.SIGUSR1, lambda *_: None)
            semaphore = q.Semaphore(0)
            shortly(lambda: interrupt(signal.SIGUSR1), 0.1)
            shortly(lambda: semaphore.add(1), 0.3)
            semaphore.hold().release()
            assert os.read(reader, 9) == bytes([signal.SIGUSR1])
            assert signal.set_wakeup_fd(-1) == writer
            print("done")
            """
        )

    def test_ctrl_c_again_and_again_loses_no_permit(self):
        """Signals in every moment of a wait and of its end: whatever was taken is given back."""
        self.run_python(
            """
            import gc, random, warnings
            warnings.simplefilter("ignore")
            semaphore = q.Semaphore(1)
            over = threading.Event()
            main = threading.main_thread().ident
            def disturb():
                chance = random.Random(7)
                while not over.is_set():
                    time.sleep(chance.random() * 0.002)
                    signal.pthread_kill(main, signal.SIGUSR1)
            armed = False
            class Stop(BaseException): pass
            def handler(*_):
                global armed
                if armed:
                    armed = False      # one at a time, as from a keyboard
                    raise Stop
            signal.signal(signal.SIGUSR1, handler)
            def borrow():
                while not over.is_set():
                    try:
                        with semaphore.hold(timeout=5):
                            time.sleep(0.0005)
                    except q.TimedOut:
                        os._exit(3)
            threads = [threading.Thread(target=disturb), threading.Thread(target=borrow)]
            for thread in threads: thread.start()
            stopped = taken = 0
            end = time.monotonic() + 3
            while time.monotonic() < end:
                try:
                    armed = True
                    with semaphore.hold():
                        armed = False
                        taken += 1
                except Stop:
                    stopped += 1
                armed = False
            over.set()
            for thread in threads: thread.join()
            gc.collect()
            assert stopped > 50 and taken > 50, (stopped, taken)
            assert semaphore.available == 1, semaphore.available
            print("done")
            """
        )


@unittest.skipUnless(hasattr(os, "fork"), "fork")
class Forks(Process):
    def test_a_child_cannot_use_its_parents_handles_but_its_own(self):
        self.run_python(
            """
            destroyed = []
            handle = q.Handle([1], on_destroy=destroyed.append)
            mutex, token, hold = q.Mutex(), q.CancelToken(), q.Semaphore(1).hold()
            operation = handle.enter("parent")
            operation.__enter__()
            with q.Mutex() as outer, outer.hold():
                child = os.fork()
                if child == 0:
                    for use in (mutex.hold, mutex.free, token.cancel, token.wait, hold.release, handle.free, handle.info,
                                handle.enter().__enter__, lambda: handle.on_freed(print), outer.try_hold):
                        try:
                            use()
                        except q.Forked:
                            continue
                        os._exit(1)
            if child == 0:   # both withs were left in silence
                operation.__exit__(None, None, None)
                with q.Mutex() as own, own.hold(timeout=1), q.Handle([2], on_destroy=destroyed.append) as mine:
                    with mine.enter("child") as found:
                        assert found == [2]
                del mutex, token, hold, handle, use
                assert destroyed == [[2]], destroyed
                sys.stdout.flush()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            operation.__exit__(None, None, None)
            handle.free(); mutex.free(); token.free(); hold.release()
            assert destroyed == [[1]]
            print("done")
            """,
            "-W",
            "error::ResourceWarning",
        )

    def test_a_fork_while_others_wait_and_use(self):
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            semaphore, over = q.Semaphore(1), threading.Event()
            def use():
                while not over.is_set():
                    with semaphore.hold(), q.Handle([]) as handle, handle.enter("use"):
                        pass
            threads = [threading.Thread(target=use) for _ in range(4)]
            for thread in threads: thread.start()
            for _ in range(20):
                child = os.fork()
                if child == 0:
                    with q.Semaphore(1) as own, own.hold(timeout=1), q.Handle([]) as handle, handle.enter("child"):
                        pass
                    os._exit(0)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            over.set()
            for thread in threads: thread.join()
            print("done")
            """
        )

    def test_a_fork_by_a_thread_while_the_main_thread_waits(self):
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            semaphore, codes = q.Semaphore(0), []
            def fork():
                child = os.fork()
                if child == 0:
                    code = 0 if signal.set_wakeup_fd(-1) == -1 else 1
                    own = q.Semaphore(0)
                    shortly(interrupt, 0.1)
                    try:
                        own.hold(timeout=20)
                    except KeyboardInterrupt:
                        os._exit(code)
                    os._exit(2)
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                semaphore.add(1)
            shortly(fork)
            with semaphore.hold(timeout=20):
                assert codes == [0], codes
                print("done")
            """
        )

    def test_multiprocessing(self):
        for method in ("fork", "spawn", "forkserver"):
            with self.subTest(method):
                self.run_python(
                    """
                    import multiprocessing, warnings
                    warnings.simplefilter("ignore")
                    sys.path.insert(0, os.environ["QUIESCENT_TESTS"])
                    import worker
                    outer = q.Semaphore(1)
                    with outer.hold(), multiprocessing.get_context(sys.argv[1] if len(sys.argv) > 1 else %r).Pool(2) as pool:
                        assert pool.map(worker.work, range(20)) == [2 * n for n in range(20)]
                        for thing in (outer, outer.hold, q.Handle([]), q.CancelToken()):
                            try:
                                pool.apply(worker.work, (thing,))
                            except TypeError as error:
                                assert "belongs to its process" in str(error), error
                            else:
                                sys.exit("sent to another process")
                    print("done")
                    """
                    % method,
                    QUIESCENT_TESTS=os.path.dirname(os.path.abspath(__file__)),
                )


class Ends(Process):
    def test_handles_left_open(self):
        self.run_python(
            """
            handle = q.Handle([], on_close=print, on_destroy=print)
            hold, operation = handle.hold(), handle.enter("for ever")
            operation.__enter__()
            kept = q.Semaphore(1).hold(), q.CancelToken(), q.Kind("open"), q.Mutex()
            print("done")
            """,
            "-W",
            "error",
        )

    def test_frees_in_destructors_and_at_exit(self):
        self.run_python(
            """
            import atexit
            class Owner:
                def __init__(self):
                    self.handle = q.Handle([], on_destroy=self.destroyed)
                def destroyed(self, _):
                    out.write("destroyed ")
                def __del__(self):
                    self.handle.free()
            out = sys.stdout
            at_exit = q.Handle([], on_destroy=lambda _: out.write("at exit "))
            atexit.register(at_exit.free)
            owner = Owner()
            owner.handle.on_freed(lambda: None)
            owner.handle.free()
            """,
            prints="destroyed at exit",
        )

    def test_daemon_threads_in_every_moment(self):
        """Before 3.14 a daemon thread that comes back to an ending interpreter is ended where it is: not inside the library."""
        for moment in ("free", "callback", "leave", "hold", "wait_freed"):
            with self.subTest(moment):
                self.run_python(
                    """
                    import builtins, itertools
                    class Slow:
                        def __del__(self, sleep=time.sleep):
                            sleep(0.4)      # gives the GIL up while the interpreter ends
                    builtins.slow = Slow()
                    handle = q.Handle([], on_close=lambda _: time.sleep(0.02))
                    semaphore = q.Semaphore(0)
                    def free():
                        handle.free(None)
                    def callback():
                        q.Handle([], on_destroy=lambda _: time.sleep(0.3)).free()
                    def leave():
                        for _ in itertools.count():
                            each = q.Handle([], on_destroy=lambda _: None)
                            with each.enter("leave"):
                                each.free(0)
                    def hold():
                        semaphore.hold()
                    def wait_freed():
                        handle.wait_freed()
                    is_inside = threading.Event()
                    def inside():
                        with handle.enter("inside"):
                            is_inside.set()
                            time.sleep(1000)
                    for work in [inside] + 3 * [%s]:
                        threading.Thread(target=work, daemon=True).start()
                        is_inside.wait()
                    time.sleep(0.15)
                    print("done", flush=True)
                    """
                    % moment
                )


if __name__ == "__main__":
    unittest.main()
