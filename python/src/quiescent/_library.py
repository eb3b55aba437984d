"""Finds libquiescent, loads it and declares its functions: `qz`."""

import ctypes
import os
import sys

from . import _abi

_NAME = {"win32": "quiescent.dll", "darwin": "libquiescent.dylib"}.get(sys.platform, "libquiescent.so")


def _path() -> str:
    """The library that the variable QUIESCENT_LIBRARY names, else the one in this package."""
    named = os.environ.get("QUIESCENT_LIBRARY")
    bundled = os.path.join(os.path.dirname(os.path.abspath(__file__)), _NAME)
    if named or os.path.exists(bundled):
        return named or bundled
    raise ImportError(f"there is no {_NAME} in {os.path.dirname(bundled)}: install a wheel, or name it in QUIESCENT_LIBRARY")


def _load() -> ctypes.CDLL:
    path = _path()
    try:
        # A CDLL drops the GIL during each call, so that the thread that is waited for can run.
        library = ctypes.CDLL(path)
        found = int(library.qz_abi_version())
    except (OSError, AttributeError) as error:
        raise ImportError(f"cannot load libquiescent: {error}") from error
    if found != _abi.QZ_ABI_VERSION:
        raise ImportError(f"{path} has binary interface {found}; this package is for {_abi.QZ_ABI_VERSION}")
    try:
        _abi.declare(library)
    except AttributeError as error:
        raise ImportError(f"{path} is older than this package: {error}") from error
    return library


qz = _load()
