"""What is shut and opened again."""

import warnings
import weakref
from ctypes import byref
from types import TracebackType
from typing import List, Optional, Type

from . import _abi
from ._arguments import unsigned
from ._calls import in_one_step, once_in_one_step
from ._errors import check
from ._handles import no_pickle
from ._library import qz
from ._waiting import wait_in_slices


class Rundown:
    """Something that is shut, and opened again: a service that pauses, a file that is replaced. Not a handle: nothing ends it.

    The word of memory that the library works on is a part of this object. A forked child has a copy: what other threads of the
    parent had acquired is never released there.
    """

    def __init__(self) -> None:
        """One that is open."""
        self._word = _abi.qz_rundown()

    def acquire(self, references: int = 1) -> "References":
        """Keeps it from being shut, never waiting: `with rundown.acquire(): …`. Raises `Busy` while it is being shut, then `Freed`."""
        wanted = unsigned(references, "references")
        acquired = References(self._word, wanted)
        in_one_step(acquired._held, qz.qz_rundown_try_acquire, byref(self._word), wanted)
        check(acquired._held[0])
        return acquired

    def wait(self, timeout: Optional[float] = None) -> None:
        """Shuts it, so that nobody acquires any more, and waits until all is released. Raises `TimedOut`: it goes on being shut."""
        check(wait_in_slices(lambda timeout_ms: int(qz.qz_rundown_wait(byref(self._word), timeout_ms)), timeout))

    def open_again(self) -> None:
        """Opens it, once it is shut. Raises `Busy` if it is not."""
        check(qz.qz_rundown_re_init(byref(self._word)))

    __reduce_ex__ = no_pickle


class References:
    """What keeps a run-down from being complete. Given back once, by whichever thread: `with`, or `release`."""

    def __init__(self, word: _abi.qz_rundown, number: int) -> None:
        self._word, self._number = word, number
        self._held: List[int] = []
        """How the acquisition ended, until they are given back."""
        self._forgotten = weakref.finalize(self, _release_forgotten, word, number, self._held)
        self._forgotten.atexit = False

    def release(self) -> bool:
        """Gives them back. True: this call did; False: it was before."""
        return _give_back(self._word, self._number, self._held)

    def __enter__(self) -> "References":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.release()

    __reduce_ex__ = no_pickle


def _give_back(word: _abi.qz_rundown, number: int, held: List[int]) -> bool:
    """Whether they were held."""
    answer = once_in_one_step(held, qz.qz_rundown_release, byref(word), number)
    return answer is not None and check(answer) == _abi.QZ_OK


def _release_forgotten(word: _abi.qz_rundown, number: int, held: List[int]) -> None:
    if _give_back(word, number, held):
        warnings.warn(f"{number} references were forgotten, and are released now", ResourceWarning, stacklevel=2)
