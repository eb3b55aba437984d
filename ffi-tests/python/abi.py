"""The declarations of quiescent.h for ctypes: those of the Python package, python/src/quiescent/_abi.py.

signatures.py (started by tests/python.rs) compares every number, structure and signature in there with the header itself.
"""

import ctypes
import os
import runpy

_PACKAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python", "src", "quiescent")
globals().update(
    (name, value) for name, value in runpy.run_path(os.path.join(_PACKAGE, "_abi.py")).items() if not name.startswith("__")
)


def load():
    """The library that QUIESCENT_LIBRARY names, with every function declared. ctypes drops the GIL during each call."""
    library = ctypes.CDLL(os.environ["QUIESCENT_LIBRARY"])
    declare(library)  # noqa: F821 (of the table)
    return library
