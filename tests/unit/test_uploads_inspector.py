"""The process that checks a file: its limits, and that nothing is left of it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import onnx_files as files
import psutil
import pytest
from onnx import helper
from onnx_files import HOSTILE, REGRESSION, linear

from forecastle.settings import UploadSettings
from forecastle.uploads.errors import CheckUnavailable, ModelRefused
from forecastle.uploads.inspector import MAX_WAITING, Inspector, _messages
from forecastle.uploads.messages import Doing

LOCKED = """
import os, socket, sys
from forecastle.uploads.lockdown import lock_down
lock_down(memory_bytes=2**28, cpu_s=60, file_bytes=10)
def tried(what):
    try:
        what()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "done"
print([tried(each) for each in (
    lambda: open("/etc/hostname"), lambda: socket.socket(), os.pipe, lambda: bytearray(2**29),
    lambda: open(int(sys.argv[1]), 'wb', 0, closefd=False).write(bytes(10)) and os.write(int(sys.argv[1]), b'x'),
)])
"""


async def inspected(tmp_path: Path, data: bytes, **limits: float) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(data)
    inspector = Inspector(UploadSettings(**limits), most_rows=100)  # type: ignore[arg-type]
    await inspector.inspect(file, tmp_path / "adapted.onnx", REGRESSION)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


async def started(before: set[int]) -> psutil.Process:
    while not (new := children() - before):  # noqa: ASYNC110 - nothing tells of a process
        await asyncio.sleep(0.01)
    return psutil.Process(new.pop())


def busy() -> bytes:
    """A model that multiplies for a minute or so."""
    size = files.initial("size", [3000, 3000], "int64")
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["ones"]),
        helper.make_node("MatMul", ["ones", "ones"], ["p0"]),
        *(helper.make_node("MatMul", [f"p{i}", "ones"], [f"p{i + 1}"]) for i in range(100)),
        helper.make_node("ReduceMax", ["p100"], ["most"], keepdims=0),
        helper.make_node("Add", ["m", "most"], ["y"]),
    ]
    data: bytes = files.ending_in(*nodes, constants=[size]).SerializeToString()
    return data


async def test_a_good_file_passes_and_nothing_is_left_but_its_graph(tmp_path: Path) -> None:
    before, open_files = children(), psutil.Process().num_fds()
    await inspected(tmp_path, linear().SerializeToString())
    assert {path.name for path in await asyncio.to_thread(lambda: list(tmp_path.iterdir()))} == {
        "model.onnx",
        "adapted.onnx",
    }
    assert children() <= before
    assert psutil.Process().num_fds() <= open_files + 1  # the loop's own


async def test_too_much_processor_time(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(ModelRefused, match="at most 2 s of processor time to check, found more, running it"):
        await inspected(tmp_path, busy(), cpu_s=2)
    assert children() <= before


async def test_too_much_time(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(ModelRefused, match=r"at most 1.5 s to check, found more, "):
        await inspected(tmp_path, busy(), timeout_s=1.5)
    assert children() <= before


async def test_too_much_memory(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(ModelRefused, match="allocate memory"):
        await inspected(tmp_path, HOSTILE["doubling"].data(), memory_mb=64)
    assert children() <= before


async def test_more_than_can_wait_are_turned_away(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    await asyncio.to_thread(file.write_bytes, linear().SerializeToString())
    inspector = Inspector(UploadSettings(at_once=1), most_rows=100)
    asked = [
        asyncio.create_task(inspector.inspect(file, tmp_path / f"{i}.onnx", REGRESSION)) for i in range(MAX_WAITING + 3)
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    turned_away = [each.exception() for each in asked if each.done()]
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in turned_away] == [CheckUnavailable] * 2
    await inspector.inspect(file, tmp_path / "adapted.onnx", REGRESSION)


async def test_who_does_not_wait_leaves_no_process(tmp_path: Path) -> None:
    before = children()
    work = asyncio.create_task(inspected(tmp_path, busy()))
    await started(before)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert children() <= before


@pytest.mark.parametrize("end", [b"", b'{"type":"pas', b'{"type":"other"}\n', b"\xff\n", b"Segmentation fault\n"])
def test_what_a_process_says_counts_up_to_where_it_was_cut_off(end: bytes) -> None:
    assert _messages(b'{"type":"doing","what":"running it"}\n' + end) == [Doing("running it")]


async def test_it_is_not_told_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_AUTH__SECRET", "x" * 40)
    before = children()
    work = asyncio.create_task(inspected(tmp_path, busy(), timeout_s=5.0))
    process = await started(before)
    while (told := process.environ()) == dict(os.environ):  # noqa: ASYNC110 - it is still a copy of this process
        await asyncio.sleep(0.01)
    assert not any(name.startswith("FORECASTLE_") for name in told)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


def test_what_is_locked_down_opens_nothing_and_takes_little(tmp_path: Path) -> None:
    with (tmp_path / "open").open("wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", LOCKED, str(file.fileno())],
            pass_fds=[file.fileno()],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        )
    assert done.stdout.strip() == "['OSError', 'OSError', 'OSError', 'MemoryError', 'OSError']", done.stderr
