"""The asyncio forms of each kind, and what ends a wait: nothing is lost whatever ends it."""

import asyncio
import functools
import gc
import os
import random
import socket
import tempfile
import threading
import time
import unittest
import unittest.mock

from support import Threads, backend, begun, in_a_loop, waits

import quiescent as q
from quiescent import aio


class Kinds(unittest.TestCase):
    @in_a_loop
    async def test_what_is_held_is_given_back(self):
        with q.Mutex() as mutex, q.Semaphore(3) as semaphore, q.RwLock() as lock:
            for taken in (
                lambda: mutex.hold_async(timeout=5),
                lambda: semaphore.hold_async(3),
                lambda: lock.read_async(),
                lambda: lock.write_async(),
            ):
                async with taken() as hold:
                    self.assertIsInstance(hold, q.Hold)
                    self.assertEqual(mutex.info().holds + semaphore.info().holds + lock.info().holds, 1)
                with await taken():
                    pass
                task = asyncio.create_task(taken())
                self.assertTrue((await task).release())
                (await asyncio.wait_for(taken(), 5)).release()
            async with lock.write_async() as hold:
                self.assertRaises(q.Deadlock, lock.read)  # it would block the loop for ever
                hold.downgrade()
                async with lock.read_async():
                    pass
            self.assertEqual(semaphore.available, 3)

    @in_a_loop
    async def test_first_in_first_out_with_threads(self):
        order = []
        with q.Mutex() as mutex, Threads() as threads:

            async def task(name):
                async with mutex.hold_async():
                    order.append(name)

            def thread(name):
                with mutex.hold():
                    order.append(name)

            hold = await mutex.hold_async()
            self.assertRaises(q.Deadlock, mutex.hold)  # it would block the loop for ever
            first = await begun(task("first"))
            threads.start(thread, "second")
            while waits(mutex) < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            third = await begun(task("third"))
            hold.release()
            await asyncio.gather(first, third)
            self.assertEqual(order, ["first", "second", "third"])

    @in_a_loop
    async def test_pool(self):
        made = []
        pool = q.Pool(lambda timeout: made.append(1) or len(made), max_size=1, destroy=lambda *_: made.append("end"))
        async with pool.hold_async() as hold:
            self.assertEqual(hold.object, 1)
            waiting = await begun(pool.hold_async())
            self.assertFalse(waiting.done())
        hold = await waiting
        self.assertEqual(hold.object, 1)
        hold.discard()
        hold = await pool.hold_async()
        self.assertEqual((hold.detach(), made), (3, [1, "end", 1]))
        self.assertIs(await pool.free_async(), q.FreeResult.FREED)

    @in_a_loop
    async def test_barrier_and_notify(self):
        with q.Barrier(3) as barrier, q.Notify() as notify:
            for _ in range(3):
                self.assertEqual(sorted(await asyncio.gather(*(barrier.wait_async() for _ in range(3)))), [False, False, True])
            waiting = [await begun(notify.wait_async()) for _ in range(3)]
            notify.notify_one()
            await waiting[0]
            self.assertFalse(waiting[1].done())
            notify.notify_all()
            await asyncio.gather(*waiting)
            notify.notify_one()
            self.assertIsNone(await notify.wait_async())

    @in_a_loop
    async def test_once(self):
        with q.Once() as once, Threads() as threads:
            go, running = threading.Event(), threading.Event()
            threads.start(once.get_or_init, lambda: running.set() or go.wait(10) and "made by a thread")
            running.wait()
            waiting = await begun(once.get_or_init_async(lambda: self.fail("another makes it")))
            self.assertFalse(waiting.done())
            go.set()
            self.assertEqual(await waiting, "made by a thread")
        ended = []
        with q.Once(on_destroy=ended.append) as once:
            self.assertEqual(await asyncio.gather(*(once.get_or_init_async(list) for _ in range(3))), [[], [], []])
            self.assertEqual(ended, [])
        self.assertEqual(ended, [[]])

    @in_a_loop
    async def test_file_lock(self):
        with tempfile.TemporaryDirectory() as directory:
            lock = q.FileLock(os.path.join(directory, "lock"))
            async with lock.hold_async(shared=True), lock.hold_async(shared=True):
                with self.assertRaises(q.TimedOut):
                    await lock.hold_async(timeout=0.01)
            async with lock.hold_async():
                self.assertRaises(q.Busy, lock.try_hold)
                self.assertRaises(q.Deadlock, lock.hold)  # it would block the loop for ever
            await lock.free_async()

    @in_a_loop
    async def test_free_and_its_end(self):
        closed, destroyed = [], []
        handle = q.Handle("object", on_close=closed.append, on_destroy=destroyed.append)
        hold = handle.hold()
        waiting = await begun(handle.wait_freed_async())
        with self.assertRaises(q.TimedOut):
            await handle.wait_freed_async(timeout=0.01)
        self.assertIs(await handle.free_async(0.01), q.FreeResult.PENDING)
        freeing = await begun(handle.free_async())
        self.assertRaises(q.Freed, handle.hold)
        await asyncio.sleep(0.01)
        self.assertEqual((waiting.done(), freeing.done(), destroyed), (False, False, []))
        hold.release()
        await waiting
        self.assertTrue(await freeing)
        self.assertEqual((set(closed), destroyed), ({"object"}, ["object"]))
        self.assertIs(await handle.free_async(), q.FreeResult.ALREADY_FREED)
        self.assertRaises(q.Freed, handle.__enter__)

    @in_a_loop
    async def test_descriptors(self):
        Ready = aio.Ready
        with q.CancelToken() as token:
            ours, theirs = socket.socketpair()
            self.assertEqual(await aio.wait_fd(ours, writable=True), Ready.WRITABLE)
            waiting = await begun(aio.wait_fd(ours.fileno(), readable=True, timeout=10))
            theirs.send(b"x")
            self.assertEqual(await waiting, Ready.READABLE)
            self.assertEqual(await aio.wait_fd(ours, True, True), Ready.READABLE | Ready.WRITABLE)
            ours.recv(1)
            with self.assertRaises(q.TimedOut):
                await aio.wait_fd(ours, readable=True, timeout=0.01)
            waiting = await begun(aio.wait_fd(ours, readable=True, cancel=token))
            token.cancel()
            with self.assertRaises(q.Cancelled):
                await waiting
            theirs.close()
            self.assertIn(Ready.HANGUP, await aio.wait_fd(ours, readable=True))
            number = ours.fileno()
            ours.close()
            with self.assertRaises(q.SystemRefused) as caught:
                await aio.wait_fd(number, readable=True)
            self.assertEqual(caught.exception.errno, 9)
            for wrong in ((0,), (2**31, True)):
                with self.assertRaises(q.InvalidArgument):
                    await aio.wait_fd(*wrong)


class Ends(unittest.TestCase):
    @in_a_loop
    async def test_timeouts_tokens_and_frees(self):
        with q.Semaphore(0) as semaphore, q.CancelToken() as token:
            begin = time.monotonic()
            with self.assertRaisesRegex(q.TimedOut, "Semaphore.*QZ_ERR_TIMEOUT"):
                await semaphore.hold_async(timeout=0.05)
            self.assertGreaterEqual(time.monotonic() - begin, 0.05)
            waiting = await begun(semaphore.hold_async(cancel=token))
            token.cancel()
            with self.assertRaises(q.Cancelled):
                await waiting
            with self.assertRaises(q.Cancelled):
                await semaphore.hold_async(cancel=token)
            waiting = await begun(semaphore.hold_async())
            semaphore.free()
            with self.assertRaises(q.Freed):
                await waiting
            with self.assertRaises(q.Freed):
                await semaphore.hold_async()
        for timeout in (-1, float("nan")):
            with self.assertRaises(q.InvalidArgument):
                await semaphore.hold_async(timeout=timeout)
        self.assertEqual((backend()._owned, backend()._under_way), ({}, {}))

    def test_outside_of_a_loop(self):
        with q.Mutex() as mutex:
            self.assertRaises(RuntimeError, mutex.hold_async().send, None)
            with self.assertWarnsRegex(RuntimeWarning, "never awaited"):
                mutex.hold_async()
                gc.collect()

    @in_a_loop
    async def test_a_cancelled_task_leaves_the_line(self):
        with q.Semaphore(0) as semaphore, q.Barrier(2) as barrier, q.Notify() as notify, q.Once() as once:
            with Threads() as threads:
                go, running = threading.Event(), threading.Event()
                threads.start(once.get_or_init, lambda: running.set() or go.wait(10))
                running.wait()
                for wait, of in (
                    (semaphore.hold_async, semaphore),
                    (barrier.wait_async, barrier),
                    (notify.wait_async, notify),
                    (functools.partial(once.get_or_init_async, list), once),
                ):
                    in_flight = of.info().in_flight
                    task = await begun(wait())
                    self.assertEqual(of.info().in_flight, in_flight + 1)
                    task.cancel()
                    with self.assertRaises(asyncio.CancelledError):
                        await task
                    self.assertEqual(of.info().in_flight, in_flight)  # at once, not with the next round
                go.set()

    @in_a_loop
    async def test_granted_in_the_moment_of_cancellation(self):
        """In the library, and in the future already; the one that takes the permit, and the one that takes a wake-up."""
        for has_arrived in (False, True):
            with q.Semaphore(0) as semaphore, q.Notify() as notify:
                task, next_one = await begun(semaphore.hold_async()), await begun(semaphore.hold_async())
                semaphore.add(1)
                if has_arrived:
                    backend().poll()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                self.assertTrue(task.cancelled())
                with await next_one:
                    self.assertEqual(semaphore.available, 0)
                self.assertEqual(semaphore.available, 1)

                task, next_one = await begun(notify.wait_async()), await begun(notify.wait_async())
                notify.notify_one()
                if has_arrived:
                    backend().poll()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await asyncio.wait_for(next_one, 5)

    @in_a_loop
    async def test_dropped_on_another_thread_in_the_moment_of_waking(self):
        class Between:
            """The future, for whoever ends the call: just before it has its result the coroutine is dropped elsewhere."""

            def set_result(self, result):
                with Threads() as threads:
                    threads.start(waiting.close)
                future.set_result(result)

            def __getattr__(self, name):
                return getattr(future, name)

        with q.Notify() as notify:
            waiting = notify.wait_async()
            future = waiting.send(None)
            (under_way,) = backend()._under_way.values()
            under_way.future = Between()
            notify.notify_one()
            while not under_way.is_abandoned:
                await asyncio.sleep(0)
            notify.wait(0)  # it is still there, for whoever comes next

    @in_a_loop
    async def test_cancelled_while_a_thread_gives_and_takes(self):
        is_over, held, cancelled = threading.Event(), [], []
        with q.Semaphore(2) as semaphore, Threads() as threads:

            def others():
                while not is_over.is_set():
                    with semaphore.hold():
                        pass

            async def hold():
                async with semaphore.hold_async():
                    held.append(1)
                    await asyncio.sleep(0)

            threads.start(others)
            threads.start(others)
            try:
                for turn in range(60):
                    tasks = [asyncio.create_task(hold()) for _ in range(10)]
                    for _ in range(turn % 4):
                        await asyncio.sleep(0)
                    for task in random.sample(tasks, 5):
                        cancelled.append(task.cancel())
                    await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                is_over.set()
            for thread in threads.threads:
                while thread.is_alive():
                    await asyncio.sleep(0.001)
            self.assertEqual((semaphore.available, semaphore.info().in_flight), (2, 0))
            self.assertGreater(len(held), 100)

    @in_a_loop
    async def test_a_coroutine_that_is_dropped(self):
        with q.Semaphore(0) as semaphore:
            waiting = semaphore.hold_async()
            waiting.send(None)
            self.assertEqual(semaphore.info().in_flight, 1)
            waiting.close()
            self.assertEqual(semaphore.info().in_flight, 0)
            waiting = semaphore.hold_async()
            waiting.send(None)
            with unittest.mock.patch.object(type(backend()), "poll") as poll, Threads() as threads:
                threads.start(waiting.close)  # as the garbage collector does
            poll.assert_not_called()  # futures are ended on the loop's thread
            while semaphore.info().in_flight:
                await asyncio.sleep(0.001)


if __name__ == "__main__":
    unittest.main()
