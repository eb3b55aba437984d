"""What README.md and examples/ say, run as it is."""

import os
import re
import unittest

from support import Process, run_program

PYTHON = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

# Around the examples of README.md: what is the reader's own.
BEFORE = """
import os, tempfile
os.chdir(tempfile.mkdtemp(prefix="quiescent-"))
class Connection:
    open = 0
    def __init__(self): Connection.open += 1
    def interrupt(self): pass
    def is_alive(self): return True
    def rollback(self): pass
    def query(self): self.was_used = True
    def close(self): Connection.open -= 1
connect = Connection
from quiescent import *
"""
AFTER = """
assert queue == ["job"] and is_leader and config.get() == {"answer": 42} and Connection.open == 0
assert session.free() is FreeResult.ALREADY_FREED and connection.was_used
config.free(), notify.free()
assert statistics()["live"] == 0, report()
print("done")
"""


class Examples(Process):
    def test_the_readme(self):
        with open(os.path.join(PYTHON, "README.md"), encoding="utf-8") as file:
            blocks = re.findall(r"^```python\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 4)
        self.run_python("import gc\n" + BEFORE + "\n".join(blocks) + "gc.collect()\n" + AFTER, "-W", "error")

    def test_the_stories(self):
        stories = sorted(name for name in os.listdir(os.path.join(PYTHON, "examples")) if name.endswith(".py"))
        self.assertTrue(stories)
        for story in stories:
            with self.subTest(story), open(os.path.join(PYTHON, "examples", story), encoding="utf-8") as file:
                ended = run_program(file.read(), "-W", "error")
                self.assertEqual((ended.returncode, ended.stderr), (0, ""), ended.stdout)
                self.assertIn("all claims hold", ended.stdout)


if __name__ == "__main__":
    unittest.main()
