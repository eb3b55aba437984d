"""Fork, spawn and the end of the interpreter: each in a process of its own."""

import os
import tempfile
import unittest

from support import Process


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
                    try:
                        shortly(interrupt, 0.1)
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

    def test_a_fork_by_a_thread_while_the_main_thread_frees(self):
        """The child has the signal handlers that the free had put aside."""
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            handle, codes = q.Handle([]), []
            hold = handle.hold()
            hold.pass_on()
            def fork():
                child = os.fork()
                if child == 0:
                    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
                    with q.Semaphore(1) as semaphore, semaphore.hold(timeout=1):
                        os._exit(0 if own else 1)
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                hold.release()
            shortly(fork, 0.1)
            assert handle.free(20)
            assert codes == [0], codes
            print("done")
            """
        )

    def test_a_fork_in_a_callback(self):
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            def create(_):
                return os.fork()
            pool, once = q.Pool(create, max_size=1), q.Once()
            holds = []
            def borrow():
                holds.append(pool.hold())
                return holds[0].object
            for call in (borrow, lambda: once.get_or_init(lambda: create(0))):
                try:
                    child = call()
                except q.Forked:        # or the call goes on in the child as in its parent
                    child = 0
                if child == 0:
                    try:
                        pool.hold()
                    except q.Forked:
                        with q.Pool(lambda _: 7, max_size=1) as own, own.hold() as hold:
                            os._exit(hold.object)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            holds[0].release()
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
                    with outer.hold(), multiprocessing.get_context(%r).Pool(2) as pool:
                        assert pool.map(worker.work, range(20)) == [2 * n for n in range(20)]
                        assert sum(pool.map(worker.count, [sys.argv[1]] * 40, 1)) == 40 == len(open(sys.argv[1]).read())
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
                    argument=os.path.join(tempfile.mkdtemp(prefix="quiescent-"), "counted"),
                    QUIESCENT_TESTS=os.path.dirname(os.path.abspath(__file__)),
                )


class SubInterpreters(Process):
    def test_one_of_its_own(self):
        self.run_python(
            """
            import textwrap
            try:
                import _interpreters as interpreters
            except ImportError:
                import _xxsubinterpreters as interpreters
            program = textwrap.dedent('''
                import sys
                sys.path[:] = %r
                import quiescent as q
                destroyed = []
                with q.Handle([], on_destroy=destroyed.append) as handle:
                    with handle.enter("inside"):
                        assert not handle.free(0)
                assert destroyed == [[]]
                with q.Semaphore(0) as semaphore, q.Pool(lambda _: 7, max_size=1) as pool, pool.hold() as hold:
                    assert hold.object == 7
                    try:
                        semaphore.hold(timeout=0.01)
                    except q.TimedOut:
                        print("done", flush=True)
            ''' % (sys.path,))
            mine = q.Mutex()
            other = interpreters.create()
            try:
                failed = interpreters.run_string(other, program)
                assert failed is None, failed
            except Exception as error:
                assert "_ctypes does not support loading in subinterpreters" in str(error), error     # 3.12
                print("done")
            with mine, mine.hold():
                interpreters.destroy(other)
            """
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
                    out.write("deleted")
            out = sys.stdout
            q.set_misuse_level(q.MisuseLevel.COUNT)     # the destructor's free is the second one: nobody is told any more
            q.set_misuse_hook(lambda misuse, _: out.write(f"{misuse} "))
            at_exit = q.Handle([], on_destroy=lambda _: out.write("at exit "))
            atexit.register(at_exit.free)
            owner = Owner()
            owner.handle.on_freed(lambda: None)
            owner.handle.free()
            """,
            prints="destroyed at exit deleted",
        )

    def test_daemon_threads_in_every_moment(self):
        """Before 3.14 a daemon thread that comes back to an ending interpreter is ended where it is: not inside the library."""
        sleep = "lambda _: time.sleep(0.02)"
        for moment, on_close in (
            ("free", sleep),
            ("free", None),
            ("callback", sleep),
            ("leave", sleep),
            ("hold", sleep),
            ("wait_freed", sleep),
            ("borrow", sleep),
        ):
            with self.subTest(moment):
                self.run_python(
                    """
                    import builtins, itertools
                    class Slow:
                        def __del__(self, sleep=time.sleep):
                            sleep(0.4)      # gives the GIL up while the interpreter ends
                    builtins.slow = Slow()
                    handle = q.Handle([], on_close=%s)
                    semaphore = q.Semaphore(0)
                    pool, once = q.Pool(lambda _: time.sleep(0.3), max_size=2, recycle=lambda _: time.sleep(0.05)), q.Once()
                    def free():
                        handle.free(None)
                    def borrow():
                        while True:
                            pool.hold().release()
                    def make():
                        once.get_or_init(lambda: time.sleep(1000))
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
                    % (on_close, moment)
                )


if __name__ == "__main__":
    unittest.main()
