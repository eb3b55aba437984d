"""File locks: between threads, handles and processes."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings
from pathlib import Path

from support import ENVIRONMENT, Threads, eventually, waits

import quiescent as q

HOLD = """
import sys
import quiescent as q
with q.FileLock(sys.argv[1]) as lock:
    print("held", flush=True)
    sys.stdin.read()
"""


class FileLocks(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="quiescent-"))
        self.path = self.dir / "new" / "app.lock"
        self.addCleanup(shutil.rmtree, self.dir)

    def test_another_process_holds_it_and_is_named(self):
        command = [sys.executable, "-B", "-c", HOLD, str(self.path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ENVIRONMENT) as other:
            self.assertEqual(other.stdout.readline(), b"held\n")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                lock = q.FileLock(self.path)
                self.assertRaisesRegex(q.TimedOut, str(other.pid), lock.hold, timeout=0.02)
                self.assertRaisesRegex(q.Busy, str(other.pid), lock.try_hold)
                self.assertRaisesRegex(q.Busy, str(other.pid), lock.try_hold, shared=True)
                holder = lock.holder()
                self.assertEqual((holder.process, holder.is_shared), (other.pid, False))
                self.assertLess(abs(holder.since - time.time()), 3600)
                with q.CancelToken() as token:
                    token.cancel_after(0.02)
                    self.assertRaises(q.Cancelled, lock.hold, cancel=token)
                with Threads() as threads:
                    threads.start(lambda: lock.hold(timeout=20).release())
                    eventually(lambda: waits(lock), "a thread waits")
                    other.stdin.close()
                self.assertIsNone(lock.holder())
                del lock  # nothing is lost with it
                gc.collect()
            self.assertEqual(caught, [])
        self.assertEqual(other.returncode, 0)

    def test_with_locks(self):
        """`with FileLock(path):` is what people write."""
        other = q.FileLock(os.fsencode(self.path))
        with q.FileLock(str(self.path)) as lock, Threads() as threads:
            busy = []

            def attempt():
                try:
                    other.try_hold()
                except q.Busy:
                    busy.append(1)

            threads.start(attempt)
            eventually(lambda: busy, "it is refused")
            self.assertRaises(q.Deadlock, lock.hold)
            self.assertRaises(q.Deadlock, lock.__enter__)
            self.assertRaises(q.Deadlock, other.hold)
        with other.try_hold():
            self.assertRaises(q.Freed, lock.hold)
        with self.assertRaises(q.Freed):
            with lock:
                pass
        self.assertIs(other.free(), q.FreeResult.FREED)

    def test_shared(self):
        lock, together = q.FileLock(self.path), []
        with lock.hold(shared=True, timeout=1), Threads() as threads:
            self.assertIs(lock.holder().is_shared, True)
            gate = threading.Barrier(3, timeout=20)

            def read():
                with q.FileLock(self.path).hold(shared=True):
                    gate.wait()
                    together.append(1)

            threads.start(read)
            threads.start(read)
            gate.wait()
            self.assertRaises(q.Busy, lock.try_hold)
        self.assertEqual(together, [1, 1])
        lock.free()

    def test_what_the_system_refuses(self):
        with self.assertRaises(OSError) as caught:
            q.FileLock(self.dir)
        self.assertIsInstance(caught.exception, q.SystemRefused)
        self.assertIn(caught.exception.errno, (21, 22))
        self.assertIn(str(self.dir), str(caught.exception))
        self.assertRaises(q.InvalidArgument, q.FileLock, "a\0b")
        self.assertRaises(TypeError, q.FileLock, 7)

    def test_a_sidecar_says_who_holds_it(self):
        for sidecar in (False, True):
            path = self.dir / str(sidecar)
            path.touch()
            with q.FileLock(path, sidecar=sidecar) as lock:
                self.assertEqual(lock.holder() is not None, sidecar)


if __name__ == "__main__":
    unittest.main()
