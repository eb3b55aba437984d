"""Every function of the C header can be reached through the package, but for those in a short list."""

import ast
import inspect
import os
import unittest

import support  # noqa: F401 (finds the package)

import quiescent as q
from quiescent import _abi, _handles

SAME_AS_FREE = "as qz_handle_free, with a type that Python does not need"
IN_A_STRUCT = "for structs of C and C++: Handle is for objects of Python's"
ONE_LOOP = "a loop has one backend, which only it polls: loop.call_soon_threadsafe wakes it"
CACHE_AWARE = "saves 30 ns between cores, of the 1000 that a call from Python takes: Rundown"
NOT_REACHED = {
    **{f"qz_{kind}_free": SAME_AS_FREE for kind in
       ("cancel", "mutex", "semaphore", "barrier", "notify", "rwlock", "once", "pool", "filelock")},
    **{f"qz_guard_{verb}": IN_A_STRUCT for verb in ("try_enter", "leave", "begin_free", "wait_drained")},
    **{f"qz_cache_aware_rundown_{verb}": CACHE_AWARE for verb in
       ("new", "try_acquire", "release", "wait", "re_init", "delete")},
    **{f"qz_backend_{verb}": ONE_LOOP for verb in ("wake", "wake_fd", "attach", "detach")},
    "qz_backend_pending": "a number that asyncio.all_tasks tells as well",
    "qz_backend_current": "a closure knows for whom it runs",
    "qz_once_get": "the value could be destroyed before Python has looked it up: qz_once_hold",
}  # fmt: skip
# Those that the package itself needs, whatever else it does.
USED_INSIDE = {"qz_cancel_free"}


def used():
    """The functions that the modules call: `qz.qz_…`."""
    package = os.path.dirname(q.__file__)
    for name in sorted(os.listdir(package)):
        if name.endswith(".py"):
            with open(os.path.join(package, name), encoding="utf-8") as file:
                for node in ast.walk(ast.parse(file.read())):
                    if isinstance(node, ast.Attribute) and node.attr.startswith("qz_"):
                        if isinstance(node.value, ast.Name) and node.value.id in ("qz", "library"):
                            yield node.attr


class Reach(unittest.TestCase):
    def test_every_function_is_reached_or_in_the_list(self):
        reached = set(used())
        missing = set(_abi.FUNCTIONS) - reached - set(NOT_REACHED)
        self.assertEqual(missing, set(), "reach them through the package, or say in NOT_REACHED why not")
        self.assertEqual(reached - set(_abi.FUNCTIONS), set(), "no such function")
        self.assertEqual(set(NOT_REACHED) & reached, USED_INSIDE, "in NOT_REACHED, but reached")
        self.assertEqual(set(NOT_REACHED) - set(_abi.FUNCTIONS), set(), "in NOT_REACHED, but gone")

    def test_every_class_is_exported_and_documented(self):
        for name in q.__all__:
            thing = getattr(q, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                self.assertTrue(thing.__doc__, f"{name} has no docstring")
                for attribute, member in vars(thing).items():
                    if inspect.isfunction(member) and not attribute.startswith("_"):
                        self.assertTrue(member.__doc__, f"{name}.{attribute} has no docstring")
        below = set(_handles.AnyHandle.__subclasses__()) | set(_handles.Hold.__subclasses__())
        for one in below:
            self.assertIn(one.__name__, q.__all__)


if __name__ == "__main__":
    unittest.main()
