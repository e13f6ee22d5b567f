"""The node's end of a cluster's executor, in this process."""

from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from forecastle import __version__
from forecastle.jobs.executor import Task
from forecastle.jobs.journal import Failed, Line, Report, Succeeded, decode_several
from forecastle.jobs.outpost import Sight, look_at, perform, stop_slots, write_order


@pytest.fixture(autouse=True)
def _no_slot_stays() -> Any:
    yield
    stop_slots()


def _order(folder: Path, name: str, **payload: Any) -> bytes:
    task = Task("job", 1, f"sample_jobs:{name}", payload, folder, "memory://", 60.0)
    return write_order(task, folder, "mark", (10, ("sample_jobs",), ()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mark").touch()
    return tmp_path


def test_news_come_before_the_outcome_and_nothing_is_left(folder: Path) -> None:
    *news, outcome = [entry for sent in perform(_order(folder, "echo", n=1)) for entry in decode_several(sent)]
    assert news[0] == Report(0.5, "half-way", "training")
    assert [entry.text for entry in news if isinstance(entry, Line)] == ["echoing 1 fields"]
    assert isinstance(outcome, Succeeded)
    assert outcome.result["echo"] == {"n": 1}
    assert [path.name for path in folder.iterdir()] == ["mark"]


def test_an_interrupted_task_is_dead_before_the_interruption_goes_on(folder: Path) -> None:
    performing = perform(_order(folder, "wait", until=str(folder / "never")))
    (report,) = decode_several(next(performing))
    assert isinstance(report, Report)
    performing.close()  # type: ignore[attr-defined]
    assert not psutil.pid_exists(int(report.message))
    assert [path.name for path in folder.iterdir()] == ["mark"]


def test_storage_without_the_mark_is_another_one(tmp_path: Path, folder: Path) -> None:
    (folder / "mark").unlink()
    (sent,) = perform(_order(folder, "echo"))
    (outcome,) = decode_several(sent)
    assert isinstance(outcome, Failed)
    assert f"does not share the folder {tmp_path}" in outcome.error


def test_a_node_tells_what_it_sees(folder: Path) -> None:
    def sight(path: Path, mark: str) -> tuple[bool, bool]:
        seen = msgspec.json.decode(look_at(str(path), mark), type=Sight)
        assert seen.version == __version__
        return seen.is_same, seen.is_writable

    assert sight(folder, "mark") == (True, True)
    assert sight(folder, "another") == (False, True)
    assert sight(folder / "missing", "mark") == (False, False)
