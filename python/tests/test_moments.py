"""Signals in every moment of a call and of its end, again and again: each in a process of its own."""

import signal
import unittest

from support import Process


@unittest.skipUnless(hasattr(signal, "pthread_sigmask"), "POSIX signals")
class Moments(Process):
    def test_signals_in_every_moment_leave_nothing_undestroyed(self):
        """A handler that raises at any moment while objects end on the main thread takes no callback's place.

        (It may end one of the user's, as it may end any function.)
        """
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            begun, destroyed, stopped = [], [], 0
            with Disturbed(0.0005) as disturbed:
                end = time.monotonic() + 1.5
                while time.monotonic() < end or stopped <= 5:
                    number = len(begun)
                    begun.append(q.Handle([number], on_destroy=lambda found: destroyed.append(found[0])))
                    hold = begun[-1].hold()
                    hold.pass_on()
                    shortly_released = threading.Thread(target=hold.release)
                    shortly_released.start()
                    try:
                        disturbed.armed = True
                        begun[-1].free(5)
                    except Stop:
                        stopped += 1
                    disturbed.armed = False
                    shortly_released.join()
                    begun[-1].free()
            from quiescent import _callbacks
            assert not _callbacks.entries, len(_callbacks.entries)
            assert len(set(destroyed)) == len(destroyed) >= len(begun) - stopped, (len(destroyed), len(begun))
            print("done")
            """
        )

    def test_ctrl_c_again_and_again_loses_no_wake_up(self):
        self.run_python(
            """
            def stop(*_):
                raise Stop
            signal.signal(signal.SIGUSR1, stop)
            notify, go, main = q.Notify(), threading.Semaphore(0), threading.main_thread().ident
            def disturb():
                while go.acquire() and not is_over:
                    while not waiting(notify):
                        time.sleep(0.0001)
                    notify.notify_one()
                    signal.pthread_kill(main, signal.SIGUSR1)
            is_over = False
            thread = threading.Thread(target=disturb, daemon=True)
            thread.start()
            for _ in range(300):
                woken = []
                try:
                    go.release()
                    woken.extend(map(notify.wait, (20,)))   # no signal between the answer and its note
                    time.sleep(20)
                except Stop:
                    pass
                if woken != [True]:
                    notify.wait(0)      # it is still there, for whoever comes next
            is_over = True
            go.release()
            thread.join()
            print("done")
            """
        )

    def test_ctrl_c_again_and_again_leaves_nobody_inside(self):
        self.run_python(
            """
            handle, stopped = q.Handle([]), 0
            with Disturbed(0.0005) as disturbed:
                while stopped < 200:
                    try:
                        disturbed.armed = True
                        with handle.enter("use"):
                            pass
                    except Stop:
                        stopped += 1
                    disturbed.armed = False
            assert handle.info().in_flight == 0, handle.info()
            assert handle.try_free()
            print("done")
            """
        )

    def test_ctrl_c_at_whatever_step_leaves_nobody_inside(self):
        """Not even where it comes in place of the first step of the end, and is kept in a cycle."""
        self.run_python(
            """
            handle = q.Handle([])
            def work():
                with handle.enter("use"), handle.enter("again"):
                    pass
            for at in at_every_step(work, "end_forgotten"):
                assert handle.info().in_flight == 0, at
            from quiescent import _objects
            assert not _objects._stays
            assert handle.try_free()
            print("done")
            """,
            QUIESCENT_MISUSE="abort",
        )

    def test_ctrl_c_at_whatever_step_leaves_nothing_of_what_is_taken_out_of_a_pool(self):
        self.run_python(
            """
            import warnings
            from quiescent import _callbacks
            warnings.simplefilter("ignore")
            pool = q.Pool(lambda _: [], max_size=3)
            pool.warm_up(1)     # the same steps each time
            def work():
                pool.try_hold().detach()
            for at in at_every_step(work, "_release_forgotten", "_without_signals"):
                assert len(_callbacks.entries) == pool.statistics().size <= 1, (at, _callbacks.entries)
                pool.warm_up(1)
            assert pool.try_free()
            assert not _callbacks.entries
            print("done")
            """
        )

    def test_ctrl_c_at_whatever_step_releases_a_hold_once(self):
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            semaphore = q.Semaphore(1)
            held = [semaphore.try_hold()]
            def work():
                held.pop().release()
            for at in at_every_step(work, "_release_forgotten"):
                assert semaphore.available == 1, at
                held.append(semaphore.try_hold())
            print("done")
            """,
            QUIESCENT_MISUSE="abort",
        )

    def test_ctrl_c_again_and_again_loses_no_reference(self):
        self.run_python(
            """
            import warnings
            warnings.simplefilter("ignore")
            rundown = q.Rundown()
            def work():
                with rundown.acquire(2):
                    pass
            for _ in at_every_step(work, "_release_forgotten"):
                rundown.wait(0)
                rundown.open_again()
            print("done")
            """
        )

    def test_ctrl_c_again_and_again_loses_no_permit(self):
        """Signals in every moment of a wait and of its end: whatever was taken is given back."""
        self.run_python(
            """
            import gc, warnings
            warnings.simplefilter("ignore")
            semaphore, over = q.Semaphore(1), threading.Event()
            def borrow():
                while not over.is_set():
                    try:
                        with semaphore.hold(timeout=5):
                            time.sleep(0.0005)
                    except q.TimedOut:
                        os._exit(3)
            thread = threading.Thread(target=borrow)
            thread.start()
            stopped = taken = 0
            with Disturbed(0.002) as disturbed:
                end = time.monotonic() + 2
                while time.monotonic() < end or min(stopped, taken) <= 50:
                    try:
                        disturbed.armed = True
                        with semaphore.hold():
                            disturbed.armed = False
                            taken += 1
                    except Stop:
                        stopped += 1
                    disturbed.armed = False
                over.set()
                thread.join()
            gc.collect()
            assert semaphore.available == 1, semaphore.available
            print("done")
            """
        )


if __name__ == "__main__":
    unittest.main()
