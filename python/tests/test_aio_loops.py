"""The loops under the asyncio forms: callbacks and signals in them, many waits, many loops, their end."""

import asyncio
import contextvars
import gc
import os
import selectors
import signal
import unittest
import unittest.mock
import warnings
import weakref

from support import Process, Threads, backend, begun, in_a_loop

import quiescent as q
from quiescent import _callbacks, _completions


def telling(told):
    return unittest.mock.patch("sys.unraisablehook", lambda one: told.append(one.exc_value))


class Callbacks(unittest.TestCase):
    @in_a_loop
    async def test_each_call_gets_what_was_raised_for_it(self):
        errors, is_bad = [], True

        def create(timeout):
            if is_bad:
                errors.append(ValueError(len(errors)))
                raise errors[-1]
            return "good"

        pool, other = q.Pool(create, max_size=1), q.Pool(lambda timeout: 1 // 0, max_size=2)
        with pool, other, q.Once() as once:
            calls = [pool.hold_async(), other.hold_async(), once.get_or_init_async(lambda: [][0]), pool.hold_async()]
            raised = await asyncio.gather(*calls, return_exceptions=True)
            self.assertEqual([type(error) for error in raised], [ValueError, ZeroDivisionError, IndexError, ValueError])
            self.assertEqual([raised[0], raised[3]], errors)
            is_bad = False
            hold = await pool.hold_async()
            is_bad = True
            waiting = [await begun(pool.hold_async()) for _ in range(3)]
            hold.discard()  # in a poll, one after the other
            self.assertEqual(await asyncio.gather(*waiting, return_exceptions=True), errors[2:])
            self.assertEqual(len(errors), 5)
            self.assertEqual(backend()._refusals, [])

    @in_a_loop
    async def test_what_would_end_a_coroutine_in_silence(self):
        def stop():
            raise StopIteration

        with q.Once() as once:
            with self.assertRaisesRegex(RuntimeError, "StopIteration"):
                await once.get_or_init_async(stop)

    @in_a_loop
    async def test_what_is_lost_is_told(self):
        told = []
        with telling(told):
            pool = q.Pool(lambda timeout: 1, max_size=1, recycle=lambda one: 1 // 0)
            task = await begun(pool.hold_async())
            backend().poll()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual([type(error) for error in told], [ZeroDivisionError])
            pool.free()
            await q.Handle(1, on_destroy=lambda one: 1 // 0).free_async()
            self.assertEqual([type(error) for error in told], [ZeroDivisionError] * 2)

    def test_an_interrupt_in_a_callback_leaves_the_loop_and_loses_nothing(self):
        created = []

        def create(timeout):
            created.append(1)
            if len(created) > 1:
                raise KeyboardInterrupt

        async def main():
            hold = await pool.hold_async()
            tasks = [await begun(pool.hold_async())]
            tasks += [await begun(semaphore.hold_async()) for _ in range(3)]
            hold.discard()
            semaphore.add(3)  # in the same poll
            await asyncio.gather(*tasks)

        with q.Semaphore(0) as semaphore, q.Pool(create, max_size=1) as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # three holds that are forgotten with the tasks
            self.assertRaises(KeyboardInterrupt, asyncio.run, main())
            gc.collect()
            self.assertEqual((semaphore.available, pool.info().in_flight, created), (3, 0, [1, 1]))

    def test_an_interrupt_while_a_result_is_given_back_loses_no_other(self):
        def recycle(thing):
            raise KeyboardInterrupt

        async def main():
            hold = await pool.hold_async()
            given_back = await begun(pool.hold_async())
            tasks = [await begun(semaphore.hold_async()) for _ in range(3)]
            hold.detach()
            semaphore.add(3)
            given_back.cancel()  # in the poll that finds it granted, as it finds the others
            return await asyncio.gather(*tasks)

        loop = asyncio.new_event_loop()
        with q.Semaphore(0) as semaphore, q.Pool(lambda timeout: 1, max_size=1, recycle=recycle) as pool:
            task = loop.create_task(main())
            self.assertRaises(KeyboardInterrupt, loop.run_until_complete, task)
            for hold in loop.run_until_complete(asyncio.wait_for(task, 20)) or ():
                hold.release()
            self.assertEqual((semaphore.available, pool.info().in_flight), (3, 0))
            loop.close()

    @in_a_loop
    async def test_a_signal_in_the_midst_of_a_poll(self):
        """As Ctrl-C before Python 3.11: its handler raises, when the completions have reached their futures."""

        class Tick(Exception):
            pass

        def handler(number, frame):
            raise Tick

        def interrupted(*arguments):
            signal.raise_signal(signal.SIGUSR1)
            status = poll(*arguments)
            signal.raise_signal(signal.SIGUSR1)
            return status

        poll, before = _completions.qz.qz_backend_poll, signal.signal(signal.SIGUSR1, handler)
        try:
            with q.Semaphore(0) as semaphore, q.Pool(lambda timeout: "made", max_size=1) as pool:
                hold = await pool.hold_async()
                waiting, making = await begun(semaphore.hold_async()), await begun(pool.hold_async())
                semaphore.add(1)
                hold.discard()  # so that the poll makes another
                with unittest.mock.patch.object(_completions.qz, "qz_backend_poll", interrupted):
                    self.assertRaises(Tick, backend().poll)
                (await waiting).release()
                (await making).release()
                self.assertEqual(semaphore.available, 1)
        finally:
            signal.signal(signal.SIGUSR1, before)


class Loops(unittest.TestCase):
    @in_a_loop
    async def test_ten_thousand_waits_on_one_thread(self):
        count = 10_000
        with q.Semaphore(0) as semaphore:
            tasks = [asyncio.ensure_future(semaphore.hold_async(timeout=3600)) for _ in range(count)]
            await asyncio.sleep(0)
            self.assertEqual((semaphore.info().in_flight, len(backend()._under_way)), (count, count))
            semaphore.add(count)
            holds = await asyncio.gather(*tasks)
            self.assertEqual((len(set(hold._token for hold in holds)), semaphore.available), (count, 0))
            for hold in holds:
                hold.release()
            self.assertEqual(semaphore.available, count)

    def test_an_idle_loop_sleeps(self):
        class Counting(selectors.DefaultSelector):
            rounds = 0

            def select(self, timeout=None):
                self.rounds += 1
                return super().select(timeout)

        async def main():
            tasks = [asyncio.ensure_future(semaphore.hold_async(timeout=3600)) for _ in range(100)]
            await asyncio.sleep(0.02)
            before = selector.rounds
            await asyncio.sleep(0.3)
            rounds = selector.rounds - before
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return rounds

        selector = Counting()
        loop = asyncio.SelectorEventLoop(selector)
        with q.Semaphore(0) as semaphore:
            self.assertLessEqual(loop.run_until_complete(main()), 2)  # to sleep, and again if it woke a bit early
            loop.close()

    def test_two_loops_in_two_threads(self):
        backends, inside, turns = [], [], []

        async def main():
            async def work():
                for _ in range(50):
                    async with mutex.hold_async():
                        inside.append(1)
                        self.assertEqual(len(inside), 1)
                        turns.append(inside.pop())

            await asyncio.gather(work(), work())
            backends.append(backend()._token)

        with q.Mutex() as mutex:
            with Threads() as threads:
                threads.start(asyncio.run, main())
                threads.start(asyncio.run, main())
        self.assertEqual((len(turns), len(set(backends))), (200, 2))

    def test_a_loop_is_closed_with_waits_pending(self):
        gc.collect()
        before, loop = q.statistics()["live"], asyncio.new_event_loop()
        semaphore, once = q.Semaphore(0), q.Once()
        tasks = [loop.create_task(semaphore.hold_async()) for _ in range(3)]
        tasks.append(loop.create_task(q.Barrier(2).wait_async()))
        once.set([])
        tasks.append(loop.create_task(once.get_or_init_async(list)))
        loop.run_until_complete(asyncio.sleep(0))
        semaphore.add(2)  # taken by two, and not yet collected
        self.assertEqual((semaphore.info().in_flight, semaphore.available), (3, 0))
        loop.close()
        self.assertEqual((semaphore.info().in_flight, semaphore.available), (0, 2))
        self.assertEqual(_callbacks.inits, {})
        for task in tasks:
            task._log_destroy_pending = False
        del tasks, task
        self.assertTrue(semaphore.free() and once.free())
        with self.assertWarns(ResourceWarning):  # of the barrier, which only its task kept
            gc.collect()
        self.assertEqual(q.statistics()["live"], before, q.report())

    def test_a_loop_that_is_forgotten(self):
        def use():
            loop = asyncio.new_event_loop()
            loop.run_until_complete(use_it(loop))
            return weakref.ref(loop)

        async def use_it(loop):
            async with mutex.hold_async():
                pass

        with q.Mutex() as mutex:
            before = q.statistics()["live"]
            loop = use()
            with self.assertWarns(ResourceWarning):  # asyncio's
                gc.collect()
            self.assertIsNone(loop())
            self.assertEqual(q.statistics()["live"], before)

    @in_a_loop
    async def test_the_backend_has_a_context_of_its_own(self):
        variable, seen = contextvars.ContextVar("variable", default="nobody's"), []
        variable.set("the first caller's")
        with q.Pool(lambda timeout: seen.append(variable.get()), max_size=1) as pool:
            hold = await pool.hold_async()
            waiting = await begun(pool.hold_async())
            hold.discard()
            (await waiting).release()
        self.assertEqual(seen, ["the first caller's", "nobody's"])  # in the submission, and in a poll


class Processes(Process):
    def test_ctrl_c(self):
        self.run_python("""
            import asyncio
            semaphore = q.Semaphore(0)
            async def main():
                tasks = [asyncio.ensure_future(semaphore.hold_async()) for _ in range(10)]
                await asyncio.gather(*tasks)
            when(lambda: semaphore.info().in_flight == 10, interrupt)
            try:
                asyncio.run(main())
            except KeyboardInterrupt:
                assert semaphore.info().in_flight == 0, semaphore.occupants()
                assert q.statistics()["live"] == 1, q.report()
                print("done")
        """)

    def test_fork_in_a_loop(self):
        self.run_python("""
            import asyncio, gc
            semaphore = q.Semaphore(0)
            async def in_child():
                async with q.Semaphore(1).hold_async():
                    pass
                try:
                    await semaphore.hold_async()
                except q.Forked:
                    return 7
            async def main():
                waiting = asyncio.ensure_future(semaphore.hold_async())
                await asyncio.sleep(0)
                child = os.fork()
                if child == 0:
                    try:
                        code = asyncio.run(in_child())
                        gc.collect()
                        os._exit(code)
                    finally:
                        os._exit(1)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
                semaphore.add(1)
                (await waiting).release()
            asyncio.run(main())
            assert semaphore.available == 1
            print("done")
        """, "-W", "ignore")


if __name__ == "__main__":
    unittest.main()
