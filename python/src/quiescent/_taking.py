"""What is awaited or entered to take something without blocking the thread."""

from ctypes import c_void_p
from types import TracebackType
from typing import Any, Callable, Coroutine, Generator, Optional, Type

from ._completions import Call, Completion, complete
from ._handles import AnyHandle, Hold, SomeHold, obtain, token_of


class Taking(Coroutine[Any, Any, SomeHold]):
    """A hold that is not yet taken: `hold = await lock.hold_async()`, or `async with lock.hold_async(): …`. Once.

    A coroutine: `asyncio.create_task`, `gather` and `wait_for` take it.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, SomeHold]) -> None:
        self._coroutine = coroutine
        self._hold: Optional[SomeHold] = None

    def __await__(self) -> Generator[Any, Any, SomeHold]:
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        """As every coroutine's."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """As every coroutine's."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """As every coroutine's: it is taken no more."""
        self._coroutine.close()

    async def __aenter__(self) -> SomeHold:
        self._hold = await self._coroutine
        return self._hold

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.__exit__(kind, error, trace)


def take_async(
    make: Callable[[int, int], SomeHold],
    of: AnyHandle,
    function: Callable[..., int],
    *arguments: Any,
    timeout: Optional[float],
    cancel: Optional[AnyHandle],
    makes: int = 0,
) -> Taking[SomeHold]:
    """What `function(of, *arguments, timeout_ms, cancel, backend, user_data)` takes, as `make(hold, value)`.

    `makes`: the number of what runs callbacks for it (`Call`), if anything does.
    """

    def submit(timeout_ms: int, token: c_void_p, backend: int, number: int) -> int:
        return function(of.token, *arguments, timeout_ms, token, backend, number)

    def finish(over: Completion) -> SomeHold:
        return obtain(lambda: over.status, c_void_p(over.hold), lambda hold: make(hold, over.value))

    call = Call(f"an asynchronous wait for {of!r}", submit, finish, Hold.release, of=None if makes else of.token, makes=makes)
    return Taking(complete(call, timeout, token_of(cancel)))
