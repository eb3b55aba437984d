"""Resources that are costly to make, and used again."""

import enum
from ctypes import byref, c_int64, c_uint32, c_void_p, sizeof
from typing import Callable, Generic, NamedTuple, Optional, TypeVar

from . import _abi, _callbacks
from ._arguments import milliseconds, seconds, unsigned
from ._calls import may_call_back
from ._cancel import CancelToken
from ._errors import InvalidArgument, check
from ._handles import AnyHandle, end, obtain, token_of
from ._library import qz
from ._objects import ObjectHold, object_at
from ._taking import Taking, take_async
from ._waiting import wait

T = TypeVar("T")


class PoolReason(enum.Enum):
    """Why a resource was destroyed."""

    IDLE = _abi.QZ_POOL_IDLE
    """It was idle for longer than the idle timeout."""
    EXPIRED = _abi.QZ_POOL_EXPIRED
    """It lived for longer than the maximum."""
    UNHEALTHY = _abi.QZ_POOL_UNHEALTHY
    """A check or a recycling said no or raised, or it was discarded."""
    CLOSING = _abi.QZ_POOL_CLOSING
    """The pool was freed."""
    SURPLUS = _abi.QZ_POOL_SURPLUS
    """It came back when enough others were idle."""


class PoolStrategy(enum.Enum):
    """What it means when a warm-up cannot make every resource. Those that it made stay in any case."""

    FAIL = _abi.QZ_POOL_FAIL
    """The first failure ends it, and is raised."""
    BEST_EFFORT = _abi.QZ_POOL_BEST_EFFORT
    """It goes on after a failure, and raises none."""
    REQUIRE_MINIMUM = _abi.QZ_POOL_REQUIRE_MINIMUM
    """It goes on after a failure; the last one is raised if there are less than `min_size`."""


class PoolStatistics(NamedTuple):
    """What a pool has, and what has happened to it, all of one moment: qz_pool_stats. Times in nanoseconds."""

    size: int
    idle: int
    in_use: int
    creating: int
    leaving: int
    waiting: int
    acquired: int
    created: int
    not_created: int
    detached: int
    destroyed_idle: int
    destroyed_expired: int
    destroyed_unhealthy: int
    destroyed_closing: int
    destroyed_surplus: int
    waits: int
    wait_total_ns: int
    wait_max_ns: int


class PoolHold(ObjectHold[T]):
    """A resource (`.object`) that was taken out of a pool. `release` and the end of a `with` give it back."""

    _always_calls_back = True

    def discard(self) -> bool:
        """Gives it back as broken: it is destroyed. True: this call did; False: it was given back before."""
        return self._end(qz.qz_pool_discard)

    def detach(self) -> T:
        """Takes it out of the pool for good, and answers it: it is the caller's, and the pool may make another."""
        found = c_void_p()
        try:
            end(self._forgotten, qz.qz_pool_detach, self._token, byref(found), ends=self._ends)
            assert found.value is not None
            resource: T = _callbacks.entries.pop(found.value).thing
            self._object = None
            return resource
        except BaseException:
            if found.value:  # Ctrl-C came when it was taken out: it is still `object`
                _callbacks.entries.pop(found.value, None)
            raise


class Pool(AnyHandle, Generic[T]):
    """Resources that are costly to make, and used again. Fair: who waits is served first in, first out."""

    def __init__(
        self,
        create: Callable[[Optional[float]], T],
        *,
        max_size: int,
        check: Optional[Callable[[T], Optional[bool]]] = None,
        recycle: Optional[Callable[[T], Optional[bool]]] = None,
        destroy: Optional[Callable[[T, PoolReason], object]] = None,
        min_size: int = 0,
        max_idle: Optional[int] = None,
        wait_timeout: Optional[float] = None,
        create_timeout: Optional[float] = None,
        idle_timeout: Optional[float] = None,
        max_lifetime: Optional[float] = None,
    ) -> None:
        """A pool in which there is nothing yet. Sizes and times as qz_pool_config; times in seconds, None or 0: no limit.

        The functions run in the thread whose call needs them, several at once perhaps, and may use the pool.

        - `create(timeout)` makes a resource, in so many seconds (None: as long as it takes); nothing ends it. What it raises, the
          call raises that needed the resource.
        - `check(resource)`, before an idle one is handed out: False, or an Exception, which goes to sys.unraisablehook, if it is
          broken. It is destroyed, and the call goes on with another.
        - `recycle(resource)`, when one comes back: False if it may not be used again, or an Exception. It is destroyed; what was
          raised, `release` raises.
        - `destroy(resource, reason)`, once for each that was made and not detached. What it raises goes to sys.unraisablehook.
        """
        if max_idle == 0:
            raise InvalidArgument("max_idle is at least 1; None: as many as there may be")
        ended = None if destroy is None else (lambda resource, reason: destroy(resource, PoolReason(reason)))
        callbacks = _callbacks.PoolCallbacks(create, check, recycle, ended)
        number = self._number = id(callbacks)
        ops = _abi.qz_pool_ops(
            sizeof(_abi.qz_pool_ops),
            _callbacks.create_resource,
            _callbacks.check_resource,
            _callbacks.recycle_resource,
            _callbacks.destroy_resource,
            number,
        )
        config = _abi.qz_pool_config(
            sizeof(_abi.qz_pool_config),
            unsigned(min_size, "min_size"),
            unsigned(max_size, "max_size"),
            0 if max_idle is None else unsigned(max_idle, "max_idle"),
            0,
            *(milliseconds(time or None) for time in (wait_timeout, create_timeout, idle_timeout, max_lifetime)),
        )
        _callbacks.pools[number] = callbacks
        try:
            super().__init__(qz.qz_pool_new, byref(ops), byref(config))
            self.on_freed(lambda: _callbacks.pools.pop(number, None))
        except BaseException:
            if hasattr(self, "_forgotten"):
                self.free(0)  # nothing is in it
            _callbacks.pools.pop(number, None)
            raise

    def hold(self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> PoolHold[T]:
        """Takes a resource: one that is idle, or a new one, or the first that comes back: `with pool.hold() as hold: hold.object`.

        Raises what `create` raises; `TimedOut` (the words say who has them), `Cancelled`, `Freed`. With a timeout of 0 none is made.
        """
        found, out = c_void_p(), c_void_p()

        def call(timeout_ms: int, token: Optional[int]) -> int:
            return may_call_back(qz.qz_pool_acquire, self._token, timeout_ms, token, byref(found), byref(out))

        return obtain(
            lambda: wait(call, timeout, token_of(cancel)), out, lambda token: PoolHold(self, token, object_at(found))
        )

    def hold_async(
        self, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> Taking[PoolHold[T]]:
        """As `hold`, in an event loop: `async with pool.hold_async() as hold: hold.object`.

        `create` and `check` run in the loop's thread, and so does `recycle`: one that blocks blocks the loop. Raises what `create`
        raises.
        """
        return take_async(
            lambda token, resource: PoolHold(self, token, object_at(c_void_p(resource))),
            self,
            qz.qz_pool_acquire_async,
            timeout=timeout,
            cancel=cancel,
            makes=self._number,
        )

    def try_hold(self) -> PoolHold[T]:
        """Takes one that is idle; else raises `Busy`. Makes none."""
        found, out = c_void_p(), c_void_p()
        return obtain(
            lambda: may_call_back(qz.qz_pool_try_acquire, self._token, byref(found), byref(out)),
            out,
            lambda token: PoolHold(self, token, object_at(found)),
        )

    def warm_up(
        self,
        target: int,
        strategy: PoolStrategy = PoolStrategy.FAIL,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> int:
        """Makes resources, one after the other, until there are `target`; answers how many there are.

        Raises what `create` raises, as `strategy` says; `TimedOut`, `Cancelled`, `Freed`.
        """
        size, wanted = c_uint32(), unsigned(target, "target")

        def call(timeout_ms: int, token: Optional[int]) -> int:
            return may_call_back(
                qz.qz_pool_warm_up, self._token, wanted, strategy.value, timeout_ms, token, byref(size)
            )

        check(wait(call, timeout, token_of(cancel), tries_first=False))
        return size.value

    def maintain(self) -> Optional[float]:
        """Destroys what has been idle or alive for too long; answers after how many seconds that is worth doing again.

        None: nothing in this pool goes by the time. To be called by whoever likes, or not at all: times are looked at as well
        when something is taken or given back.
        """
        next_ms = c_int64()
        check(may_call_back(qz.qz_pool_maintain, self._token, byref(next_ms)))
        return seconds(next_ms.value)

    def statistics(self) -> PoolStatistics:
        """What it has, and what has happened to it."""
        raw = _abi.qz_pool_stats()
        check(qz.qz_pool_stats_get(self._token, byref(raw), sizeof(raw)))
        return PoolStatistics(*(getattr(raw, name) for name in PoolStatistics._fields))
