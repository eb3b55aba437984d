"""Signals, above all Ctrl-C, in every sort of call: each in a process of its own."""

import os
import signal
import tempfile
import unittest

from support import Process


@unittest.skipUnless(hasattr(signal, "pthread_sigmask"), "POSIX signals")
class Interrupts(Process):
    def test_ctrl_c_ends_each_wait_of_the_main_thread_and_leaves_nothing_behind(self):
        self.run_python(
            """
            semaphore, token, handle = q.Semaphore(0), q.CancelToken(), q.Handle([])
            held = handle.hold()
            held.pass_on()
            rwlock, barrier, notify, once = q.RwLock(), q.Barrier(2), q.Notify(), q.Once()
            pool, rundown, file = q.Pool(lambda _: 1, max_size=1), q.Rundown(), q.FileLock(sys.argv[1])
            taken = rwlock.read(), pool.hold(), rundown.acquire(), file.hold(shared=True)
            for hold in taken:
                hasattr(hold, "pass_on") and hold.pass_on()
            making = threading.Event()
            def make():
                making.set()
                time.sleep(1000)
            threading.Thread(target=once.get_or_init, args=(make,), daemon=True).start()
            making.wait()
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
                rwlock.write,
                lambda: barrier.wait(1000),
                notify.wait,
                pool.hold,
                lambda: once.get_or_init(int),
                rundown.wait,
                file.hold,
            ):
                begin = time.monotonic()
                try:
                    shortly(interrupt, 0.1)
                    wait()
                except KeyboardInterrupt:
                    pass
                else:
                    sys.exit("not interrupted")
                assert time.monotonic() - begin < 20
            assert signal.set_wakeup_fd(-1) == -1, "the wakeup fd was not put back"
            assert semaphore.info().in_flight == 0 and not token.is_cancelled
            assert [one.info().in_flight for one in (rwlock, barrier, notify, pool, file)] == [1, 0, 0, 1, 1]
            rundown.open_again() if taken[2].release() and not rundown.wait() else 0
            end = time.monotonic() + 20     # the threads that interrupted are on their way out
            while threading.active_count() != threads:
                assert time.monotonic() < end, threading.enumerate()
                time.sleep(0.001)
            assert q.statistics()["live"] == live
            assert files == (len(os.listdir("/proc/self/fd")) if files else 0), "file descriptors are left"
            for hold in taken:
                hold.release()
            print("done", flush=True)
            os._exit(0)
            """,
            argument=os.path.join(tempfile.mkdtemp(prefix="quiescent-"), "lock"),
        )

    def test_ctrl_c_comes_when_a_free_is_through_and_takes_no_callbacks_place(self):
        """ctypes swallows what a signal handler raises at the beginning of a callback."""
        self.run_python(
            """
            import warnings
            for on_close in (None, lambda _: closed.append(1)):
                closed, destroyed, go, entered = [], [], threading.Event(), threading.Event()
                handle = q.Handle([], on_close=on_close, on_destroy=destroyed.append)
                def inside():
                    with handle.enter("inside"):
                        entered.set()
                        go.wait()
                thread = threading.Thread(target=inside)
                thread.start()
                entered.wait()
                when(lambda: handle.is_closing and (len(closed) > 2 or not on_close),
                     lambda: (interrupt(), time.sleep(0.3), go.set()))
                try:
                    handle.free(None)
                except KeyboardInterrupt:
                    assert go.is_set(), "the free was cut short"
                else:
                    sys.exit("Ctrl-C was lost")
                assert destroyed == [[]], destroyed
                assert len(closed) > 2 or not on_close, closed
                assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
                thread.join()
            print("done")
            """
        )

    def test_ctrl_c_in_a_callback_ends_it_and_the_call(self):
        self.run_python(
            """
            def slow(*_):
                shortly(interrupt, 0.05)
                time.sleep(1000)
            pool, once = q.Pool(slow, max_size=1), q.Once()
            checked = q.Pool(lambda _: 1, max_size=1, check=slow, recycle=lambda _: True)
            checked.warm_up(1)
            recycled = q.Pool(lambda _: 1, max_size=1, recycle=slow)
            ended = q.Handle([], on_destroy=slow)
            for call in (pool.hold, lambda: pool.warm_up(1), lambda: once.get_or_init(slow), checked.try_hold,
                         recycled.hold().release, ended.free):
                try:
                    call()
                except KeyboardInterrupt:
                    continue
                sys.exit("not interrupted")
            for each in (pool, checked, recycled):
                assert each.statistics().size == 0, each.statistics()
                each.free()
            assert once.get_or_init(lambda: 7) == 7
            once.free()
            print("done")
            """
        )

    def test_handlers_that_callbacks_set_stay_and_each_signal_is_handled(self):
        self.run_python(
            """
            seen = []
            signal.signal(signal.SIGUSR1, lambda number, frame: seen.append((number, frame is None)))
            def close(_):
                interrupt(signal.SIGUSR1)   # within the callback: at once
                seen.append("closed")
                signal.signal(signal.SIGUSR2, other)
            def other(number, _):
                seen.append(number)
            handle = q.Handle([], on_close=close)
            hold = handle.hold()
            hold.pass_on()
            handle.free(0.02)
            assert signal.getsignal(signal.SIGUSR2) is other
            assert seen[:2] == [(signal.SIGUSR1, False), "closed"], seen
            signal.raise_signal(signal.SIGUSR2)
            assert seen[-1] == signal.SIGUSR2
            hold.release()
            print("done")
            """
        )

    def test_a_handler_that_raises_as_soon_as_it_may_keeps_no_other_from_its_place(self):
        self.run_python(
            """
            from quiescent import _calls
            signal.setitimer(signal.ITIMER_VIRTUAL, 5)  # whatever is not put back notes its own signal, again and again
            class Signals:
                def __getattr__(self, name):
                    return getattr(real, name)
                def signal(self, number, handler):
                    real.signal(number, handler)
                    if number == signal.SIGINT and handler is not interrupted:
                        signal.raise_signal(signal.SIGINT)      # held back
                    if number == signal.SIGTERM and handler is terminated:
                        signal.raise_signal(signal.SIGTERM)     # let through
            real, _calls._signal, seen = _calls._signal, Signals(), []
            def interrupted(*_):
                seen.append("interrupted")
            def terminated(*_):
                sys.exit("terminated")
            signal.signal(signal.SIGINT, interrupted)
            signal.signal(signal.SIGTERM, terminated)
            try:
                q.Mutex().free()
            except SystemExit:
                assert signal.getsignal(signal.SIGINT) is interrupted, signal.getsignal(signal.SIGINT)
                assert seen == ["interrupted"], seen
                print("done")
            """
        )

    def test_a_signal_wakes_who_waits_for_a_notify(self):
        self.run_python(
            """
            signal.signal(signal.SIGUSR1, lambda *_: notify.notify_all())
            notify, barrier = q.Notify(), q.Barrier(2)
            when(lambda: waiting(notify), lambda: interrupt(signal.SIGUSR1))
            assert notify.wait(20) is False
            shortly(lambda: interrupt(signal.SIGUSR1), 0.05)
            shortly(barrier.wait, 0.2)
            assert barrier.wait(20) in (True, False)
            print("done")
            """
        )

    def test_a_handler_that_returns_lets_the_wait_go_on(self):
        self.run_python(
            """
            seen = []
            signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
            semaphore = q.Semaphore(0)
            def disturb():
                if len(seen) < 3:
                    count = len(seen)
                    when(lambda: len(seen) > count and waiting(semaphore), disturb)
                    interrupt(signal.SIGUSR1)
                else:
                    semaphore.add(1)
            when(lambda: waiting(semaphore), disturb)
            with semaphore.hold(timeout=20):
                assert len(seen) == 3, seen
            begin = time.monotonic()
            when(lambda: waiting(semaphore), lambda: interrupt(signal.SIGUSR1))
            try:
                semaphore.hold(2, timeout=1)
            except q.TimedOut:
                assert 1 <= time.monotonic() - begin < 20 and len(seen) == 4
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


if __name__ == "__main__":
    unittest.main()
