"""Cancel tokens, the mutex and the semaphore: what waits, what is held, what is refused and how."""

import gc
import math
import pickle
import threading
import time
import unittest
import warnings

from support import Threads, eventually, waits

import quiescent as q
from quiescent import _abi, _arguments, _errors


class Semaphores(unittest.TestCase):
    def test_permits_are_taken_and_given_back(self):
        with q.Semaphore(3) as semaphore:
            with semaphore.hold() as permit, semaphore.hold(2, timeout=1):
                self.assertEqual(semaphore.available, 0)
                with self.assertRaises(q.Busy):
                    semaphore.try_hold()
                self.assertTrue(permit.release())
                self.assertFalse(permit.release())
                with semaphore.try_hold():
                    self.assertEqual(semaphore.available, 0)
            self.assertEqual(semaphore.available, 3)
            semaphore.add(2)
            self.assertEqual(semaphore.forget(9), 5)
        with self.assertRaises(q.Freed):
            semaphore.hold()
        self.assertIs(semaphore.free(), q.FreeResult.ALREADY_FREED)

    def test_a_timeout_says_who_has_them_and_is_not_too_short(self):
        with q.Semaphore(1) as semaphore, semaphore.hold():
            begin = time.monotonic()
            with self.assertRaisesRegex(q.TimedOut, "thread .*semaphore"):
                semaphore.hold(timeout=0.0501)
            self.assertGreaterEqual(time.monotonic() - begin, 0.0501)

    def test_numbers_that_c_would_cut_off_are_refused(self):
        for make in (lambda: q.Semaphore(2**32 + 1), lambda: q.Semaphore(-1), lambda: q.Semaphore(1, 2**28 + 1)):
            self.assertRaises(q.InvalidArgument, make)
        with q.Semaphore(1) as semaphore:
            for permits in (-1, 2**32, 2**40):
                self.assertRaises(ValueError, semaphore.hold, permits)
                self.assertRaises(ValueError, semaphore.add, permits)

    def test_first_in_first_out_also_from_the_main_thread(self):
        order = []
        with q.Semaphore(1) as semaphore, Threads() as threads:
            first = semaphore.hold()

            def late():
                # Once the main thread waits: behind it.
                eventually(lambda: waits(semaphore), "the main thread waits")
                time.sleep(0.2)
                threading.Timer(0.2, first.release).start()
                with semaphore.hold():
                    order.append("late")

            threads.start(late)
            with semaphore.hold():
                order.append("main")
        self.assertEqual(order, ["main", "late"])

    def test_a_free_wakes_whoever_waits(self):
        semaphore, refused = q.Semaphore(0), []

        def work():
            try:
                semaphore.hold()
            except q.Freed:
                refused.append(1)

        with Threads() as threads:
            for _ in range(50):
                threads.start(work)
            eventually(lambda: semaphore.info().in_flight == 50, "all wait")
            self.assertIs(semaphore.free(), q.FreeResult.FREED)
        self.assertEqual(len(refused), 50)


class Mutexes(unittest.TestCase):
    def test_excludes(self):
        inside, most = [], []
        with q.Mutex(measured=True) as mutex:

            def work():
                for _ in range(200):
                    with mutex.hold():
                        inside.append(1)
                        most.append(len(inside))
                        inside.pop()

            with Threads() as threads:
                for _ in range(4):
                    threads.start(work)
            self.assertEqual((max(most), mutex.statistics().acquisitions), (1, 800))
            self.assertIs(mutex.statistics().is_held, False)
        with q.Mutex() as plain:
            self.assertRaises(q.InvalidArgument, plain.statistics)

    def test_waiting_for_oneself_is_a_deadlock_until_it_is_passed_on(self):
        with q.Mutex() as mutex, mutex.hold() as hold:
            self.assertRaises(q.Deadlock, mutex.hold)
            hold.pass_on()
            with Threads() as threads:
                threads.start(lambda: (time.sleep(0.05), hold.release()))
                with mutex.hold(timeout=20):
                    pass

    def test_who_is_still_inside_at_the_end_of_a_with_is_warned_of(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with q.Mutex() as mutex:
                hold = mutex.hold()
        self.assertEqual([warning.category for warning in caught], [ResourceWarning])
        self.assertIn("still inside", str(caught[0].message))
        hold.release()
        mutex.wait_freed(0)


class CancelTokens(unittest.TestCase):
    def test_cancels_a_wait_and_its_childrens(self):
        with q.CancelToken() as token, token.child() as child, q.Mutex() as mutex, mutex.hold(), Threads() as threads:

            def work(mine):
                with self.assertRaises(q.Cancelled):
                    mutex.hold(cancel=mine)

            threads.start(work, token)
            threads.start(work, child)
            eventually(lambda: mutex.info().in_flight == 3, "both wait")
            token.cancel()
            self.assertTrue(child.is_cancelled)
            self.assertRaises(q.Cancelled, mutex.hold, cancel=child)

    def test_cancels_a_wait_of_the_main_thread(self):
        with q.CancelToken() as token, q.Mutex() as mutex, Threads() as threads:
            taken = threading.Event()

            def work():
                with mutex.hold():
                    taken.set()
                    eventually(lambda: mutex.info().in_flight == 2, "the main thread waits")
                    time.sleep(0.05)
                    token.cancel()
                    eventually(lambda: mutex.info().in_flight == 1, "the main thread was cancelled")

            threads.start(work)
            taken.wait()
            self.assertRaises(q.Cancelled, mutex.hold, cancel=token)

    def test_a_freed_token_does_not_disturb_who_waits_with_it(self):
        token = q.CancelToken()
        with q.Semaphore(0) as semaphore, Threads() as threads:

            def work():
                eventually(lambda: waits(semaphore), "the main thread waits")
                token.free()
                time.sleep(0.2)
                semaphore.add(1)

            threads.start(work)
            semaphore.hold(timeout=20, cancel=token).release()
        self.assertRaises(q.Freed, token.wait, 0)

    def test_waiting_for_one(self):
        with q.CancelToken() as token:
            self.assertRaises(q.TimedOut, token.wait, 0.01)
            self.assertRaises(q.TimedOut, token.wait, 0)
            token.cancel_after(0.05)
            token.wait(20)
            token.wait()


class Refusals(unittest.TestCase):
    def test_each_status_below_zero_has_an_exception(self):
        statuses = {number for number in _abi.STATUS.values() if number < 0}
        self.assertEqual({refusal.status for refusal in _errors.REFUSALS}, statuses)
        for refusal in _errors.REFUSALS:
            self.assertIs(getattr(q, refusal.__name__), refusal)
            with self.assertRaises(refusal) as caught:
                _errors.check(refusal.status)
            self.assertEqual(_abi.STATUS[caught.exception.status_name], refusal.status)
            copy = pickle.loads(pickle.dumps(caught.exception))
            self.assertEqual((type(copy), str(copy), copy.status), (refusal, str(caught.exception), refusal.status))

    def test_a_status_of_a_later_library(self):
        with self.assertRaises(q.QuiescentError) as caught:
            _errors.check(-4711)
        self.assertEqual((type(caught.exception), caught.exception.status), (q.QuiescentError, -4711))
        self.assertEqual(caught.exception.status_name, "QZ_ERR_UNKNOWN")

    def test_timeouts_become_milliseconds_rounded_up(self):
        for seconds, expected in ((None, -1), (0, 0), (1, 1000), (0.5, 500), (1e-9, 1), (0.0011, 2), (math.inf, -1), (1e300, -1)):
            self.assertEqual(_arguments.milliseconds(seconds), expected, seconds)
        for bad in (-1, -1e-9, -math.inf, math.nan):
            self.assertRaises(q.InvalidArgument, _arguments.milliseconds, bad)
        with q.Mutex() as mutex:
            self.assertRaises(ValueError, mutex.hold, timeout=-2)
            self.assertRaises(ValueError, mutex.free, -1)

    def test_another_kind_is_refused(self):
        with q.Mutex() as mutex:
            with q.Semaphore(1) as semaphore:
                self.assertRaises(q.WrongKind, mutex.hold, cancel=semaphore)


class Forgotten(unittest.TestCase):
    def warned(self, forget):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            forget()
            gc.collect()
        self.assertTrue(all(warning.category is ResourceWarning for warning in caught))
        return [str(warning.message) for warning in caught]

    def test_handles_are_freed(self):
        live = q.statistics()["live"]
        words = self.warned(lambda: (q.Mutex(), q.Semaphore(1), q.CancelToken(), q.Handle([])))
        self.assertEqual(sorted(word.split()[1] for word in words), ["CancelToken", "Handle", "Mutex", "Semaphore"])
        self.assertEqual(q.statistics()["live"], live)

    def test_holds_are_released(self):
        with q.Semaphore(1) as semaphore:
            self.assertEqual(len(self.warned(semaphore.hold)), 1)
            self.assertEqual(semaphore.available, 1)

    def test_a_handle_that_is_held_is_not_forgotten(self):
        holds = []
        self.assertEqual(self.warned(lambda: holds.append(q.Semaphore(1).hold())), [])
        self.assertTrue(holds[0].release())

    def test_nothing_is_said_of_what_was_freed(self):
        def properly():
            mutex = q.Mutex()
            mutex.hold().release()
            mutex.free()
            q.Mutex().try_free()

        self.assertEqual(self.warned(properly), [])


if __name__ == "__main__":
    unittest.main()
