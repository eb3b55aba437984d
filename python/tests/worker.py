"""What the processes of test_processes.py's pools run."""

import quiescent as q


def work(number: int) -> int:
    with q.Semaphore(1) as semaphore, semaphore.hold(timeout=5), q.Handle([number]) as handle, handle.enter("work") as found:
        return 2 * int(found[0])


def count(path: str) -> int:
    """Makes the file longer by one character, by reading and writing it: two at the same time would lose one."""
    with q.FileLock(path + ".lock").hold(timeout=20):
        try:
            with open(path) as file:
                before = file.read()
        except FileNotFoundError:
            before = ""
        with open(path, "w") as file:
            file.write(before + "x")
    return 1
