"""A thousand tasks and four threads share three connections; then everything is closed while they still want one.

The tasks wait in one event loop, without a thread for each, in the same line as the threads. Cancelled ones leave it.
"""

import asyncio
import threading
from typing import List, Optional

from quiescent import Freed, FreeResult, Pool


def say(words: str) -> None:
    print(words, flush=True)


class Connection:
    """What may not be used by two at a time."""

    open = 0

    def __init__(self) -> None:
        self.is_used = False
        Connection.open += 1

    def query(self) -> str:
        assert not self.is_used, "two use a connection at the same time"
        self.is_used = True
        self.is_used = False
        return "answer"

    def close(self) -> None:
        Connection.open -= 1


def make(timeout: Optional[float]) -> Connection:
    return Connection()


async def main() -> None:
    pool = Pool(make, max_size=3, destroy=lambda connection, reason: connection.close())
    answers: List[str] = []

    async def task() -> None:
        async with pool.hold_async(timeout=30) as hold:
            answers.append(hold.object.query())
            await asyncio.sleep(0)  # others run, and do not get this connection

    def thread() -> None:
        for _ in range(50):
            with pool.hold(timeout=30) as hold:
                answers.append(hold.object.query())

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for one in threads:
        one.start()
    tasks = [asyncio.create_task(task()) for _ in range(1000)]
    await asyncio.sleep(0)
    for unlucky in tasks[::2]:
        unlucky.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = sum(isinstance(one, asyncio.CancelledError) for one in ended)
    for one in threads:
        await asyncio.get_running_loop().run_in_executor(None, one.join)
    say(f"{len(answers)} answers, {cancelled} tasks cancelled, {Connection.open} connections")
    assert len(answers) >= 200 + 1000 - cancelled and ended.count(None) == 1000 - cancelled
    assert pool.statistics().in_use == 0, "a cancelled task has kept a connection"
    assert 1 <= Connection.open <= 3

    holds = [await pool.hold_async() for _ in range(3)]
    late = [asyncio.create_task(task()) for _ in range(100)]
    await asyncio.sleep(0)
    freeing = asyncio.create_task(pool.free_async())
    refused = await asyncio.gather(*late, return_exceptions=True)
    say(f"closed: {sum(isinstance(one, Freed) for one in refused)} who waited were refused, {len(holds)} are still inside")
    assert all(isinstance(one, Freed) for one in refused) and not freeing.done()
    for hold in holds:
        hold.release()
    assert await freeing is FreeResult.FREED and Connection.open == 0
    say("the last one out destroyed the rest, and no thread waited for it")


if __name__ == "__main__":
    asyncio.run(main())
    say("all claims hold")
