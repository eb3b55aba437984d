"""What callbacks of the user's make: values that are made once, and pools of resources."""

import gc
import sys
import threading
import time
import unittest
import weakref

from support import Threads, eventually, waits

import quiescent as q
from quiescent import _callbacks, _calls


def remembered():
    """How much the package keeps alive for callbacks."""
    return len(_callbacks.entries), len(_callbacks.pools), len(_callbacks.inits), len(_callbacks._on_freed), len(_calls._calls)


class Thing:
    def __init__(self, number=0):
        self.number = number


class Kept(unittest.TestCase):
    """After each test nothing is kept of it."""

    def setUp(self):
        gc.collect()
        self.before = remembered()
        self.told, self.hook = [], sys.unraisablehook
        sys.unraisablehook = lambda unraisable: self.told.append(str(unraisable.exc_value))

    def tearDown(self):
        sys.unraisablehook = self.hook
        gc.collect()
        self.assertEqual(remembered(), self.before)


class Onces(Kept):
    def test_made_by_whoever_comes_first(self):
        made, destroyed, got = [], [], []
        with q.Once(on_destroy=destroyed.append) as once, Threads() as threads:
            self.assertRaises(q.Busy, once.get)

            def init():
                made.append(1)
                time.sleep(0.02)
                return Thing(len(made))

            for _ in range(6):
                threads.start(lambda: got.append(once.get_or_init(init)))
            got.append(once.get_or_init(init))
            eventually(lambda: len(got) == 7, "all have it")
            self.assertEqual({id(thing) for thing in got}, {id(once.get())})
            self.assertRaises(q.LimitReached, once.set, 2)
            self.assertEqual((made, destroyed), ([1], []))
        self.assertEqual(destroyed, got[:1])
        self.assertRaises(q.Freed, once.get)
        self.assertRaises(q.Freed, once.get_or_init, Thing)

    def test_what_init_raises_the_caller_gets_and_the_next_one_tries(self):
        class Mine(Exception):
            pass

        error = Mine("on purpose")

        def fail():
            raise error

        with q.Once() as once:
            with self.assertRaises(Mine) as caught:
                once.get_or_init(fail)
            self.assertIs(caught.exception, error)
            self.assertRaises(KeyboardInterrupt, once.get_or_init, lambda: (_ for _ in ()).throw(KeyboardInterrupt()))
            self.assertRaises(q.Deadlock, once.get_or_init, lambda: once.get_or_init(Thing))
            self.assertIsNone(once.get_or_init(lambda: None))
            self.assertIsNone(once.get_or_init(fail))
        self.assertEqual(self.told, [])
        alive = weakref.ref(error)
        del error, caught, fail
        gc.collect()
        self.assertIsNone(alive())

    def test_what_init_raised_is_in_no_cycle(self):
        class Mine(Exception):
            pass

        def fail():
            raise Mine

        gc.disable()
        self.addCleanup(gc.enable)
        with q.Once() as once:
            try:
                once.get_or_init(fail)
            except Mine as error:
                alive = weakref.ref(error)
        self.assertIsNone(alive())

    def test_waiting_for_who_makes_it(self):
        go, is_making = threading.Event(), threading.Event()
        once = q.Once()

        def init():
            is_making.set()
            go.wait()
            return 7

        with Threads() as threads:
            threads.start(once.get_or_init, init)
            is_making.wait()
            self.assertRaises(q.TimedOut, once.get_or_init, Thing, 0.02)
            self.assertRaises(q.Busy, once.set, 8)
            with q.CancelToken() as token:
                token.cancel_after(0.02)
                self.assertRaises(q.Cancelled, once.get_or_init, Thing, cancel=token)
            threading.Timer(0.05, go.set).start()
            self.assertEqual(once.get_or_init(Thing, timeout=20), 7)
        once.free()

    def test_value_and_callbacks_live_as_long_as_needed(self):
        thing = Thing()

        def on_destroy(_):
            pass

        def init():
            return thing

        alive = [weakref.ref(one) for one in (thing, on_destroy, init)]
        once = q.Once(on_destroy=on_destroy)
        once.get_or_init(init)
        del thing, init, on_destroy
        gc.collect()
        self.assertEqual([one() is not None for one in alive], [True, True, False])
        with once.hold() as hold:
            self.assertIs(hold.object, alive[0]())
            self.assertIs(once.free(0), q.FreeResult.PENDING)
            self.assertIsNotNone(alive[0]())
        del once, hold
        gc.collect()
        self.assertEqual([one() for one in alive], [None] * 3)

    def test_freed_by_what_it_calls(self):
        once = q.Once(on_destroy=lambda _: once.free())
        self.assertRaises(q.Freed, once.get_or_init, lambda: once.free(0) and None)
        once.wait_freed(0)
        self.assertEqual(self.told, [])


class Pools(Kept):
    def shop(self, **options):
        """A pool of things with numbers, and those that were destroyed."""
        numbers, destroyed = iter(range(1, 1 << 40)), []
        options = {"max_size": 2, "destroy": lambda thing, reason: destroyed.append((thing.number, reason)), **options}
        return q.Pool(lambda timeout: Thing(next(numbers)), **options), destroyed

    def test_resources_are_used_again(self):
        pool, destroyed = self.shop()
        with pool:
            self.assertRaises(q.Busy, pool.try_hold)
            with pool.hold() as first, pool.hold(timeout=1) as second:
                self.assertEqual((first.object.number, second.object.number), (1, 2))
                self.assertRaisesRegex(q.TimedOut, "qz_pool_acquire", pool.hold, timeout=0.02)
            self.assertIsNone(first.object)
            with pool.try_hold() as again:
                self.assertEqual(again.object.number, 1)
                self.assertTrue(again.discard())
                self.assertFalse(again.release())
            kept = pool.hold()
            self.assertEqual(kept.detach().number, 2)
            self.assertRaises(q.Freed, kept.detach)
            self.assertFalse(kept.discard())
            self.assertEqual(pool.warm_up(2), 2)
            counts = pool.statistics()
            self.assertEqual((counts.size, counts.idle, counts.detached, counts.destroyed_unhealthy), (2, 2, 1, 1))
        reasons = [(1, q.PoolReason.UNHEALTHY), (4, q.PoolReason.CLOSING), (3, q.PoolReason.CLOSING)]
        self.assertEqual(sorted(destroyed, key=str), sorted(reasons, key=str))
        self.assertRaises(q.Freed, pool.hold)

    def test_times_and_sizes(self):
        told = []
        pool = q.Pool(lambda timeout: told.append(timeout), max_size=3, idle_timeout=0.01, create_timeout=5, max_idle=2)
        with pool:
            self.assertEqual(pool.warm_up(2), 2)
            self.assertTrue(all(0 < timeout <= 5 for timeout in told), told)
            with pool.hold(timeout=0.5) as hold:
                self.assertIsNone(hold.object)
            self.assertTrue(0 <= pool.maintain() <= 0.01)
            eventually(lambda: (pool.maintain(), pool.statistics().idle)[1] == 0, "idle ones go")
            self.assertGreaterEqual(pool.statistics().destroyed_idle, 2)
        with q.Pool(told.append, max_size=1) as pool:
            pool.hold().release()
            self.assertIsNone(told[-1])
            self.assertIsNone(pool.maintain())
        for bad in ({"max_size": 0}, {"max_size": 2**21}, {"max_size": 1, "min_size": 2}, {"max_size": 1, "max_idle": 0},
                    {"max_size": -1}, {"max_size": 1, "idle_timeout": -1}):  # fmt: skip
            with self.assertRaises(ValueError):
                q.Pool(Thing, **bad)

    def test_what_create_raises_the_caller_gets(self):
        class Mine(Exception):
            pass

        def fail(_):
            raise Mine("on purpose")

        with q.Pool(fail, max_size=3, min_size=1) as pool:
            self.assertRaises(Mine, pool.hold)
            self.assertRaises(Mine, pool.warm_up, 2)
            self.assertRaises(Mine, pool.warm_up, 2, q.PoolStrategy.REQUIRE_MINIMUM)
            self.assertEqual(pool.warm_up(2, q.PoolStrategy.BEST_EFFORT), 0)
            self.assertEqual(pool.statistics().size, 0)
            with Threads() as threads:

                def work():
                    with self.assertRaises(Mine):
                        pool.hold()

                threads.start(work)
        self.assertEqual(self.told, [])

        def interrupt(_):
            asked.append(1)
            raise KeyboardInterrupt

        asked = []
        with q.Pool(interrupt, max_size=9) as pool:
            self.assertRaises(KeyboardInterrupt, pool.hold)
            self.assertRaises(KeyboardInterrupt, pool.warm_up, 9, q.PoolStrategy.BEST_EFFORT)
            self.assertEqual(len(asked), 2)

    def test_a_check_that_raises_says_broken_and_another_is_made(self):
        answers = []

        def check(thing):
            answer = answers.pop()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        pool, destroyed = self.shop(check=check)
        with pool:
            pool.hold().release()
            for answer, number in ((True, 1), (None, 1), (False, 2), (OSError("gone"), 3)):
                answers.append(answer)
                with pool.hold() as hold:
                    self.assertEqual(hold.object.number, number)
            self.assertEqual(self.told, ["gone"])
            answers.append(KeyboardInterrupt())
            self.assertRaises(KeyboardInterrupt, pool.hold)
            self.assertEqual(pool.statistics().in_use, 0)
        self.assertEqual([number for number, _ in destroyed], [1, 2, 3] + [4] * (len(destroyed) - 3))

    def test_what_recycle_raises_release_raises(self):
        answers = []

        def recycle(thing):
            answer = answers.pop()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        pool, destroyed = self.shop(recycle=recycle)
        with pool:
            for answer, number in ((True, 1), (None, 1), (False, 1)):
                answers.append(answer)
                with pool.hold() as hold:
                    self.assertEqual(hold.object.number, number)
            answers.append(OSError("gone"))
            with self.assertRaisesRegex(OSError, "gone"):
                with pool.hold():
                    pass
            hold = pool.hold()
            answers.append(KeyboardInterrupt())
            self.assertRaises(KeyboardInterrupt, hold.release)
            self.assertFalse(hold.release())
        self.assertEqual([number for number, _ in destroyed], [1, 2, 3])
        self.assertEqual(self.told, [])

    def test_what_destroy_raises_is_unraisable(self):
        def fail(*_):
            raise RuntimeError("on purpose")

        with q.Pool(lambda _: Thing(), max_size=1, destroy=fail) as pool:
            self.assertTrue(pool.hold().discard())
        self.assertEqual(self.told, ["on purpose"])

    def test_resources_and_callbacks_live_as_long_as_needed(self):
        class Callbacks:
            def create(self, _):
                return Thing()

            def destroy(self, thing, _):
                pass

        callbacks = Callbacks()
        pool = q.Pool(callbacks.create, max_size=1, destroy=callbacks.destroy, check=lambda _, keep=callbacks: True)
        alive = weakref.ref(callbacks)
        del callbacks
        hold = pool.hold()
        thing = weakref.ref(hold.object)
        self.assertFalse(pool.free(0))
        del pool
        gc.collect()
        self.assertIsNotNone(alive())
        self.assertIsNotNone(thing())
        hold.release()
        self.assertEqual((alive(), thing()), (None, None))

    def test_freed_and_used_by_what_it_calls(self):
        pool, destroyed = self.shop(max_size=3, recycle=lambda thing: thing.number == 2 or pool.free(0), check=lambda _: inner())

        def inner():
            with pool.hold() as hold:
                return hold.object.number == 2

        pool.warm_up(1)
        with pool.hold() as hold:
            self.assertEqual(hold.object.number, 1)
        pool.wait_freed(0)
        self.assertEqual(sorted(number for number, _ in destroyed), [1, 2])

    def test_used_by_many_threads_while_it_is_freed(self):
        refused, used = [], []
        pool, destroyed = self.shop(max_size=3, check=lambda thing: thing.number % 3)
        inside = {}

        def work():
            try:
                while True:
                    with pool.hold() as hold:
                        self.assertIsNone(inside.setdefault(hold.object.number, None))
                        inside[hold.object.number] = 1
                        used.append(hold.object.number)
                        del inside[hold.object.number]
            except q.Freed:
                refused.append(1)

        with Threads() as threads:
            for _ in range(6):
                threads.start(work)
            eventually(lambda: len(used) > 300 and waits(pool), "it is used")
            self.assertIs(pool.free(20), q.FreeResult.FREED)
        self.assertEqual(len(refused), 6)
        numbers = [number for number, _ in destroyed]
        self.assertEqual(sorted(numbers), sorted(set(numbers)))
        self.assertEqual(set(used) - set(numbers), set())


if __name__ == "__main__":
    unittest.main()
