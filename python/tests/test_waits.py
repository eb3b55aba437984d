"""Reader-writer locks, barriers, notifies and run-downs, and what frees many handles at once."""

import gc
import threading
import time
import unittest
import unittest.mock
import warnings

from support import Threads, eventually, waits

import quiescent as q
from quiescent import _abi, _handles


class RwLocks(unittest.TestCase):
    def test_many_read_and_one_writes(self):
        readers, writers, together = [], [], [0]
        with q.RwLock() as lock:

            all_read = threading.Barrier(5, timeout=20)

            def read():
                for turn in range(50):
                    with lock.read():
                        readers.append(1)
                        together[0] = max(together[0], len(readers))
                        self.assertEqual(writers, [])
                        if turn == 0:
                            all_read.wait()
                        time.sleep(0.0001)
                        readers.pop()

            def write():
                all_read.wait()
                for _ in range(50):
                    with lock.write(timeout=20):
                        writers.append(1)
                        self.assertEqual((len(writers), readers), (1, []))
                        writers.pop()

            with Threads() as threads:
                for work in (read, read, read, write, write):
                    threads.start(work)
        self.assertEqual(together[0], 3)

    def test_who_has_it_is_named_and_nothing_is_taken(self):
        with q.RwLock() as lock, Threads() as threads:
            done, is_writing = threading.Event(), threading.Event()

            def write():
                with lock.write():
                    is_writing.set()
                    done.wait()

            threads.start(write)
            is_writing.wait()
            self.assertRaisesRegex(q.TimedOut, "qz_rwlock_write", lock.read, timeout=0.05)
            self.assertRaises(q.TimedOut, lock.write, 0.05)
            self.assertRaises(q.Busy, lock.try_read)
            self.assertRaises(q.Busy, lock.try_write)
            with q.CancelToken() as token:
                token.cancel_after(0.05)
                self.assertRaises(q.Cancelled, lock.read, cancel=token)
            done.set()

    def test_downgraded_without_a_writer_in_between(self):
        written = []
        with q.RwLock() as lock, Threads() as threads:

            def write():
                with lock.write():
                    written.append(1)

            with lock.write() as hold:
                threads.start(write)
                eventually(lambda: waits(lock), "a writer waits")
                hold.downgrade()
                self.assertRaises(q.InvalidArgument, hold.downgrade)
                time.sleep(0.02)
                self.assertEqual(written, [])
            eventually(lambda: written, "it has written")
            with lock.try_write() as hold:
                hold.downgrade()
                with lock.try_read():
                    pass
            self.assertRaises(q.Freed, hold.downgrade)

    def test_waiting_for_oneself(self):
        with q.RwLock() as lock, lock.read():
            self.assertRaises(q.Deadlock, lock.write)
            with lock.read(timeout=0):
                pass


class Barriers(unittest.TestCase):
    def test_all_go_on_together_and_one_leads(self):
        leaders, arrived = [], []
        with q.Barrier(4) as barrier, Threads() as threads:

            def work():
                for turn in range(20):
                    arrived.append(turn)
                    leaders.append(barrier.wait())
                    self.assertGreaterEqual(arrived.count(turn), 4)

            for _ in range(3):
                threads.start(work)
            work()
        self.assertEqual((leaders.count(True), leaders.count(False)), (20, 60))

    def test_an_arrival_is_withdrawn(self):
        with q.Barrier(2) as barrier, q.CancelToken() as token:
            self.assertRaises(q.TimedOut, barrier.wait, 0)
            self.assertRaises(q.TimedOut, barrier.wait, 0.02)
            token.cancel()
            self.assertRaises(q.Cancelled, barrier.wait, cancel=token)
            self.assertEqual(barrier.info().in_flight, 0)
        self.assertRaises(q.Freed, barrier.wait)
        self.assertRaises(q.InvalidArgument, q.Barrier, 0)


class Notifies(unittest.TestCase):
    def test_one_is_stored_and_all_are_woken(self):
        with q.Notify() as notify:
            notify.notify_all()
            self.assertRaises(q.TimedOut, notify.wait, 0)
            notify.notify_one()
            notify.notify_one()
            self.assertIs(notify.wait(0), True)
            self.assertRaises(q.TimedOut, notify.wait, 0.01)
            woken = []
            with Threads() as threads:
                for _ in range(3):
                    threads.start(lambda: woken.append(notify.wait()))
                eventually(lambda: notify.info().in_flight == 3, "all wait")
                time.sleep(0.05)
                notify.notify_one()
                eventually(lambda: len(woken) == 1, "one is woken")
                eventually(lambda: notify.notify_all() or len(woken) == 3, "all are woken, also who is slow to wait")
            self.assertEqual(woken, [True] * 3)
        self.assertRaises(q.Freed, notify.notify_one)

    def test_the_main_thread_is_woken(self):
        with q.Notify() as notify, Threads() as threads:
            threads.start(lambda: (eventually(lambda: waits(notify), "the main thread waits"), notify.notify_one()))
            self.assertIs(notify.wait(20), True)


class Rundowns(unittest.TestCase):
    def test_shut_and_opened_again(self):
        rundown = q.Rundown()
        for _ in range(2):
            first, second = rundown.acquire(), rundown.acquire(3)
            self.assertRaises(q.TimedOut, rundown.wait, 0.02)
            self.assertRaises(q.Busy, rundown.acquire)
            self.assertRaises(q.Busy, rundown.open_again)
            with Threads() as threads:
                with first:
                    threads.start(rundown.wait)
                self.assertTrue(second.release())
            self.assertFalse(second.release())
            self.assertFalse(first.release())
            self.assertRaises(q.Freed, rundown.acquire)
            rundown.open_again()
        for references in (0, -1, 2**32):
            self.assertRaises(q.InvalidArgument, rundown.acquire, references)

    def test_references_outlive_the_object_and_are_not_forgotten(self):
        references = q.Rundown().acquire()
        gc.collect()
        self.assertTrue(references.release())
        rundown = q.Rundown()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rundown.acquire()
            gc.collect()
        self.assertEqual([warning.category for warning in caught], [ResourceWarning])
        rundown.wait(0)


class Many(unittest.TestCase):
    def test_freed_together(self):
        handles = [q.Mutex(), q.Semaphore(1), q.Handle([])]
        handles[0].free()
        with handles[2].enter("inside"):
            answers = q.free_many(iter(handles), timeout=0.02)
        freed = q.FreeResult
        self.assertEqual(answers, [freed.ALREADY_FREED, freed.FREED, freed.PENDING])
        self.assertEqual(q.free_many([]), [])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del handles
            gc.collect()
        self.assertEqual(caught, [])

    def test_a_refusal_is_raised_when_the_others_are_freed(self):
        mutex, semaphore = q.Mutex(), q.Semaphore(1)
        hold = semaphore.hold()
        real, mutex._token = mutex._token, hold._token
        self.assertRaises(q.WrongKind, q.free_many, [mutex, semaphore], 0)
        self.assertTrue(semaphore.is_closing)
        mutex._token = real
        self.assertRaises(q.InvalidArgument, q.free_many, [mutex], -1)
        self.assertFalse(mutex.is_closing)
        with unittest.mock.patch.object(_handles, "may_call_back", lambda *_: _abi.QZ_ERR_NO_MEMORY):
            self.assertRaises(q.NoMemory, q.free_many, [mutex])
        with mutex:  # nothing was freed, nor is it taken for that
            hold.release()

    def test_a_with_of_what_is_freed_is_refused(self):
        with q.Mutex() as mutex:
            pass
        with self.assertRaises(q.Freed):
            with mutex:
                pass

    def test_everything_at_once(self):
        mutex, semaphore = q.Mutex(), q.Semaphore(1)
        with semaphore.hold():
            self.assertGreaterEqual(q.quiesce_all(0), 1)
        self.assertRaises(q.Freed, mutex.hold)
        semaphore.wait_freed(0)
        self.assertEqual(q.quiesce_all(), 0)


class Misuses(unittest.TestCase):
    def test_what_the_package_ends_by_itself_is_none(self):
        """Nor is it freed again what a kind, `quiesce_all`, or a call that raises has ended."""

        def interrupt(*_):
            raise KeyboardInterrupt

        told = []
        q.set_misuse_hook(lambda misuse, token: told.append(misuse))
        q.set_misuse_level(q.MisuseLevel.COUNT)
        try:
            with q.Kind("closed") as kind:
                handles = [q.Handle([], kind=kind) for _ in range(3)]
            with q.Kind("closed within") as kind, q.Handle([], kind=kind) as handle:
                kind.close()
            mutex = q.Mutex()
            q.quiesce_all()
            pool, once = q.Pool(lambda _: [], max_size=1, recycle=interrupt), q.Once(on_destroy=interrupt)
            once.set([])
            with q.Kind("interrupted") as kind:
                more = [q.Handle([], on_destroy=interrupt) for _ in range(3)] + [once, q.Handle([], kind=kind, on_destroy=interrupt)]
                hold = pool.hold()
                for end in (hold.release, more[0].free, more[1].try_free, lambda: q.free_many(more[2:3]), once.free, kind.close):
                    self.assertRaises(KeyboardInterrupt, end)
                self.assertFalse(hold.release())
            pool.free()
            del handles, handle, mutex, pool, once, kind, more, hold, end
            gc.collect()
            self.assertEqual(told, [])
        finally:
            q.set_misuse_hook(None)
            q.set_misuse_level(q.MisuseLevel.IGNORE)

    def test_the_hook_is_told(self):
        told = []
        before = q.statistics()["double_free"]
        q.set_misuse_hook(lambda misuse, token: told.append((misuse, token)))
        q.set_misuse_level(q.MisuseLevel.COUNT)
        try:
            with q.Mutex() as mutex, q.Semaphore(1) as semaphore:
                self.assertRaises(q.WrongKind, mutex.hold, cancel=semaphore)
            mutex.free()
            self.assertRaises(q.Freed, mutex.hold)
            q.set_misuse_hook(None)
            mutex.free()
        finally:
            q.set_misuse_hook(None)
            q.set_misuse_level(q.MisuseLevel.IGNORE)
        kinds = [q.Misuse.WRONG_KIND, q.Misuse.DOUBLE_FREE, q.Misuse.STALE]
        self.assertEqual(told, list(zip(kinds, (semaphore.token, mutex.token, mutex.token))))
        self.assertEqual(q.statistics()["double_free"], before + 2)


if __name__ == "__main__":
    unittest.main()
