"""Python objects behind handles: kept alive exactly as long as needed, whoever frees them, in whatever moment."""

import gc
import random
import sys
import threading
import time
import unittest
import warnings
import weakref

from support import Threads, eventually

import quiescent as q
from quiescent import _callbacks


class Thing:
    pass


class Lives(unittest.TestCase):
    def test_the_object_lives_until_it_is_destroyed_and_not_longer(self):
        thing = Thing()
        alive = weakref.ref(thing)
        handle = q.Handle(thing)
        del thing
        gc.collect()
        with handle.enter("look") as found:
            self.assertIs(found, alive())
            del found
            self.assertIs(handle.free(0), q.FreeResult.PENDING)
            self.assertIsNotNone(alive())
        self.assertIsNone(alive())
        self.assertRaises(q.Freed, handle.enter("look").__enter__)

    def test_callbacks_live_as_long_as_the_object(self):
        def on_close(_):
            pass

        def on_destroy(_):
            pass

        def freed():
            pass

        alive = [weakref.ref(callback) for callback in (on_close, on_destroy, freed)]
        handle = q.Handle(Thing(), on_close=on_close, on_destroy=on_destroy)
        handle.on_freed(freed)
        del on_close, on_destroy, freed
        gc.collect()
        self.assertTrue(all(one() for one in alive))
        handle.free()
        self.assertFalse(any(one() for one in alive))

    def test_nothing_is_left_of_what_was_refused(self):
        before = len(_callbacks.entries), len(_callbacks._on_freed)
        with q.Kind("closed") as kind:
            pass
        thing = Thing()
        alive = weakref.ref(thing)
        with self.assertRaises(q.Freed):
            q.Handle(thing, kind=kind)
        with self.assertRaises(q.BadHandle):
            _callbacks.on_freed(12345, lambda: None)
        del thing
        gc.collect()
        self.assertIsNone(alive())
        self.assertEqual((len(_callbacks.entries), len(_callbacks._on_freed)), before)

    def test_on_freed_early_late_and_twice(self):
        calls = []
        handle = q.Handle(Thing())

        def freed():
            calls.append(1)

        handle.on_freed(freed)
        handle.on_freed(freed)
        handle.free()
        self.assertEqual(len(calls), 2)
        handle.on_freed(freed)
        self.assertEqual(len(calls), 3)

    def test_a_hold_ends_on_another_thread(self):
        destroyed = []
        handle = q.Handle(Thing(), on_destroy=lambda _: destroyed.append(threading.get_ident()), label="held")
        hold = handle.hold("keep")
        self.assertIsInstance(hold.object, Thing)
        self.assertEqual([occupant.operation for occupant in handle.occupants()], ["keep"])
        self.assertFalse(handle.free(0))
        with Threads() as threads:
            other = threads.start(hold.release)
        self.assertEqual(destroyed, [other.ident])
        self.assertIsNone(hold.object)

    def test_on_close_wakes_what_blocks(self):
        event, entered = threading.Event(), threading.Event()
        handle = q.Handle(event, on_close=lambda event: event.set())

        def work():
            with handle.enter("block") as event:
                entered.set()
                event.wait()

        with Threads() as threads:
            threads.start(work)
            entered.wait()
            self.assertRaises(q.Busy, handle.try_free)
            self.assertIs(handle.free(20), q.FreeResult.FREED)

    def test_exceptions_in_callbacks_are_unraisable(self):
        told, before = [], sys.unraisablehook

        def fail(_=None):
            raise RuntimeError("on purpose")

        sys.unraisablehook = lambda unraisable: told.append(str(unraisable.exc_value))
        try:
            handle = q.Handle(Thing(), on_close=fail, on_destroy=fail)
            handle.on_freed(fail)
            with handle.enter():
                handle.free(0)
        finally:
            sys.unraisablehook = before
        self.assertEqual(told, ["on purpose"] * 3)
        self.assertRaises(q.Freed, handle.info)

    def test_what_is_forgotten_within_a_call_takes_nothing_of_it(self):
        """The garbage collector frees it in whatever moment; what the callbacks of the call itself raise is still raised."""

        class Cycle:
            pass

        def interrupt(_):
            raise KeyboardInterrupt

        threshold, before = gc.get_threshold(), sys.unraisablehook
        sys.unraisablehook = lambda unraisable: self.fail(unraisable.exc_value)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                for moment in range(-10, 30):
                    handle, cycle = q.Handle(Thing(), on_destroy=interrupt), Cycle()
                    cycle.itself, cycle.handle = cycle, q.Handle(Thing())
                    del cycle
                    try:
                        gc.set_threshold(max(1, gc.get_count()[0] + moment))
                        handle.free()
                    except KeyboardInterrupt:
                        continue
                    finally:
                        gc.set_threshold(*threshold)
                    self.fail(f"the callback's KeyboardInterrupt is lost: {moment}")
        finally:
            gc.set_threshold(*threshold)
            sys.unraisablehook = before

    def test_kinds_end_with_their_handles(self):
        destroyed = []
        kind = q.Kind("session")
        handles = [q.Handle(Thing(), kind=kind, on_destroy=destroyed.append) for _ in range(3)]
        self.assertEqual(handles[0].info().kind, "session")
        with handles[0].enter():
            self.assertEqual(kind.close(0.01), 1)
        self.assertEqual(len(destroyed), 3)
        kind.wait_freed(0)
        for handle in handles:
            self.assertIs(handle.free(), q.FreeResult.ALREADY_FREED)

    def test_waiting_from_inside_is_a_deadlock(self):
        handle = q.Handle(Thing())
        with handle.enter():
            self.assertFalse(handle.free())
            self.assertRaises(q.Deadlock, handle.wait_freed)
        handle.wait_freed()

    def test_texts_and_reports(self):
        with q.Handle(Thing(), label="hübsch") as handle, handle.enter("schauen"):
            self.assertEqual(handle.info().label, "hübsch")
            self.assertIn("'schauen'", q.report())
            self.assertRaises(q.InvalidArgument, handle.set_label, "a\0b")
            handle.free(0)
            self.assertTrue(handle.is_closing)

    def test_many_occupants(self):
        with q.Semaphore(100) as semaphore:
            holds = [semaphore.hold() for _ in range(50)]
            self.assertEqual(len(semaphore.occupants()), 50)
            for hold in holds:
                hold.release()


class FreeRace(unittest.TestCase):
    def test_eight_threads_use_and_free_at_random(self):
        """Nothing crashes, each object is destroyed exactly once, and never while it is used."""
        # No lock: on_destroy may run inside the garbage collector, on a thread that has it.
        alive, destroyed, early = [], [], []
        overlap = [0]
        names = ("read", "write", "look")

        class Session:
            def __init__(self, number):
                self.number, self.is_open = number, True

        def on_destroy(session):
            session.is_open = False
            destroyed.append(session.number)

        numbers = iter(range(1 << 40))

        def open_one():
            session = Session(next(numbers))
            alive.append(weakref.ref(session))
            return q.Handle(session, on_destroy=on_destroy)

        shared = [open_one() for _ in range(8)]
        end = time.monotonic() + 2

        def work(seed):
            chance = random.Random(seed)
            # On a slow machine until enough has happened; the threads are joined within a while.
            while time.monotonic() < end or len(alive) <= 200 or overlap[0] <= 20:
                slot = chance.randrange(len(shared))
                handle = shared[slot]
                try:
                    choice = chance.random()
                    if choice < 0.6:
                        with handle.enter(chance.choice(names)) as session:
                            if chance.random() < 0.1:
                                time.sleep(0)
                            if not session.is_open:
                                early.append(session.number)
                    elif choice < 0.75:
                        with handle.hold("hold") as hold:
                            if not hold.object.is_open:
                                early.append(1)
                    elif choice < 0.8:
                        with handle.enter():
                            handle.free(0)
                            overlap[0] += 1
                    else:
                        shared[slot] = open_one()
                        if choice < 0.9:
                            handle.free(chance.choice((0, 0.001, 5)))
                        elif choice < 0.95:
                            handle.try_free()
                        # else it is forgotten, and freed by whoever lets go of it last
                except (q.Freed, q.Busy):
                    pass

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            with Threads() as threads:
                for seed in range(8):
                    threads.start(work, seed)
            opened = len(alive)
            for handle in shared:
                handle.free()
            del handle, shared
            gc.collect()
        self.assertEqual(early, [])
        self.assertEqual(sorted(destroyed), list(range(opened)))
        eventually(lambda: not any(one() for one in alive), "every object is gone")
        self.assertGreater(opened, 100)
        self.assertGreater(overlap[0], 20)
        self.assertEqual(q.statistics()["pending"], 0)


if __name__ == "__main__":
    unittest.main()
