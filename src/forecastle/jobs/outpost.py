"""The end of a cluster's executor that stands on the node: it runs a task in a slot there and tells how it goes.

It knows nothing of the cluster's software: an order comes as bytes, and what happens goes back as bytes.
"""

import os
import socket
from collections.abc import Generator, Iterator
from concurrent.futures import wait
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, Outcome, encode_several
from forecastle.jobs.single import NeverStarted
from forecastle.jobs.slot import FOLLOW_S, STARTS, Slot, files, tidy_up

SlotFacts: TypeAlias = tuple[int, tuple[str, ...], tuple[str, ...]]


class Order(msgspec.Struct, frozen=True):
    """A task for a node, and what its slot is made with."""

    task: dict[str, Any]
    """The fields of a `Task`."""
    folder: str
    """Where journals are written, on the storage that all nodes share."""
    mark: str
    """The name of a file in that folder, by which the storage is known."""
    recycle_after: int
    modules: tuple[str, ...]
    shared: tuple[str, ...]

    def read_task(self) -> Task:
        """The task."""
        return Task(**self.task | {"home": Path(self.task["home"])})


class Sight(msgspec.Struct, frozen=True):
    """What a node sees of the storage."""

    node: str
    version: str
    is_same: bool
    is_writable: bool


def write_order(task: Task, folder: Path, mark: str, slot: SlotFacts) -> bytes:
    """An `Order`, as a node takes it; `slot` are the arguments of its `Slot`."""
    return msgspec.json.encode(Order(asdict(task) | {"home": str(task.home)}, str(folder), mark, *slot))


_slots: dict[SlotFacts, Slot] = {}


def look_at(folder: str, mark: str) -> bytes:
    """A `Sight` of the folder in which somebody has put a file named `mark`."""
    path = Path(folder)
    return msgspec.json.encode(
        Sight(socket.gethostname(), version("forecastle"), (path / mark).is_file(), os.access(path, os.W_OK))
    )


def perform(encoded: bytes) -> Iterator[bytes]:
    """Run the task of an `Order`; yields its news as they come and its outcome last, some at a time.

    When it is interrupted, the task's process is dead before the interruption goes on.
    """
    order = msgspec.json.decode(encoded, type=Order)
    task, folder = order.read_task(), Path(order.folder)
    if not (folder / order.mark).is_file():
        yield encode_several([Failed(f"node {socket.gethostname()} does not share the folder {folder}")])
        return
    facts = (order.recycle_after, order.modules, order.shared)
    slot = _slots.setdefault(facts, Slot(*facts))
    tidy_up(folder, task)
    try:
        yield from _run(slot, task, files(folder, task))
    finally:
        tidy_up(folder, task)


def stop_slots() -> None:
    """End every worker process of this one."""
    while _slots:
        _slots.popitem()[1].close()


def _run(slot: Slot, task: Task, place: Path) -> Iterator[bytes]:
    outcome: Outcome = Failed(f"no worker process could be started for it ({STARTS} tries)")
    for _ in range(STARTS):
        try:
            outcome = yield from _try(slot, task, place)
        except NeverStarted:
            slot.stop()
        else:
            break
    yield encode_several([outcome])


def _try(slot: Slot, task: Task, place: Path) -> Generator[bytes, None, Outcome]:
    if slot.is_unfit(task):
        slot.stop()
    if not slot.is_ready:
        slot.get_ready()
    attempt = slot.start(task, place)
    try:
        slot.prepare_successor()
        while not attempt.over:
            wait([attempt.future], timeout=FOLLOW_S)
            if news := attempt.look():
                yield encode_several(news)
    finally:
        if not attempt.future.done():
            attempt.kill()
            slot.stop()
    return attempt.outcome()
