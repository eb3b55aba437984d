"""A database that is closed while six threads use it.

sqlite3 lets threads share a connection, one after the other: that is a lock. What the lock does not do is to let somebody close
the connection: a long query keeps `close` waiting for as long as it likes, and whoever comes later gets "Cannot operate on a
closed database". Here the connection is behind a `quiescent.Handle` as well:

  1. a `close` refuses whoever comes later, cuts the long queries short (sqlite3's own `interrupt`), waits until all are out, and
     only then closes the connection, once;
  2. a second database has a thread that takes no notice: its `close` returns at its deadline, and says who is still inside;
  3. when that thread is done after all, it closes the connection on its way out.

There is no flag to look at, and no thread to kill.
"""

import sqlite3
import threading
import time
from typing import Any, List

from quiescent import Freed, FreeResult, Handle

BEGIN = time.monotonic()
FOREVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


def say(words: str) -> None:
    print(f"{1000 * (time.monotonic() - BEGIN):5.0f} ms  {words}", flush=True)


class Database:
    """What you would write: a connection that any thread may use, and any thread may close, at any moment."""

    def __init__(self, name: str) -> None:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        connection.execute("CREATE TABLE words (word TEXT)")
        connection.execute("INSERT INTO words VALUES ('quiet'), ('quiescent')")
        self.one_after_the_other = threading.Lock()
        self.handle = Handle(
            connection,
            on_close=lambda connection: connection.interrupt(),  # wakes those inside; called again until they are out
            on_destroy=lambda connection: connection.close(),  # once, after the last one is out
            label=name,
        )

    def rows(self, sql: str, operation: str = "rows") -> List[Any]:
        with self.handle.enter(operation) as connection, self.one_after_the_other:
            return list(connection.execute(sql))

    def export(self) -> int:
        """Takes its time, and takes no notice of `interrupt`."""
        with self.handle.enter("export") as connection:
            time.sleep(0.4)
            return len(list(connection.execute("SELECT * FROM words")))

    def close(self, timeout: float = 5.0) -> FreeResult:
        return self.handle.free(timeout)


def closed_while_six_threads_use_it() -> None:
    database = Database("words")
    answers, interrupted, refused = [], [], []

    def use(sql: str, operation: str) -> None:
        try:
            while True:
                answers.append(database.rows(sql, operation))
        except sqlite3.OperationalError as error:
            interrupted.append(str(error))
        except Freed:
            refused.append(1)

    queries = 4 * [("SELECT count(*) FROM words", "count")] + 2 * [(FOREVER, "endless")]
    threads = [threading.Thread(target=use, args=query) for query in queries]
    for thread in threads[:4]:
        thread.start()
    while len(answers) < 100:
        time.sleep(0.001)
    for thread in threads[4:]:
        thread.start()
    while [one.operation for one in database.handle.occupants()].count("endless") < 2:
        time.sleep(0.001)
    say(f"{len(answers)} answers so far; two queries would never end")
    assert database.close() is FreeResult.FREED
    say("closed")
    for thread in threads:
        thread.join()
    say(f"{len(interrupted)} were interrupted, {len(refused)} were refused")
    assert all(answer == [(2,)] for answer in answers), "an answer from a closed connection"
    assert len(interrupted) + len(refused) == 6 and len(interrupted) >= 2
    assert set(interrupted) == {"interrupted"}, interrupted
    assert database.close() is FreeResult.ALREADY_FREED


def closed_while_somebody_takes_no_notice() -> None:
    database = Database("stubborn")
    exported: List[int] = []
    database.handle.on_freed(lambda: say(f"closed, by {threading.current_thread().name}"))
    thread = threading.Thread(target=lambda: exported.append(database.export()), name="exporter")
    thread.start()
    while database.handle.info().in_flight < 1:
        time.sleep(0.001)
    assert not database.close(timeout=0.1)
    inside = database.handle.occupants()
    say(f"still inside: {inside[0].operation!r}, in thread {inside[0].thread_id}")
    assert [one.operation for one in inside] == ["export"]
    thread.join()
    database.handle.wait_freed(5)
    assert exported == [2], "it could finish what it had begun"


if __name__ == "__main__":
    closed_while_six_threads_use_it()
    closed_while_somebody_takes_no_notice()
    say("all claims hold")
