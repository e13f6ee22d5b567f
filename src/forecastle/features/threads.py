"""Runs what does not depend on each other on every core."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

Task = Callable[[], None]


def run(kinds: Sequence[Sequence[Task]], *, most: int) -> None:
    """Runs tasks of several kinds in up to `most` threads, which start with different kinds; this one with the first.

    So a thread that asks for the interpreter's lock often goes beside one that works in long steps without it, and
    not beside its like, as long as there are both.
    """
    queues = [deque(tasks) for tasks in kinds if tasks]
    others = min(most, sum(map(len, queues))) - 1
    if others < 1:
        _work(queues)
        return
    with ThreadPoolExecutor(others) as pool:
        turns = [place % len(queues) for place in range(1, others + 1)]
        working = [pool.submit(_work, [*queues[turn:], *queues[:turn]]) for turn in turns]
        _work(queues)
        for future in working:
            future.result()


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _work(queues: Sequence[deque[Task]]) -> None:
    for queue in queues:
        while queue:
            try:
                task = queue.popleft()
            except IndexError:  # another thread has taken the last
                break
            task()
