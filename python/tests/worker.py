"""What the processes of test_processes.py's pools run."""

import quiescent as q


def work(number: int) -> int:
    with q.Semaphore(1) as semaphore, semaphore.hold(timeout=5), q.Handle([number]) as handle, handle.enter("work") as found:
        return 2 * int(found[0])
