"""The commands `jobs` and `runner`."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commands import Cli

from forecastle.bootstrap import open_services, prepare
from forecastle.cli.jobs import PAGE_LINES, _logged
from forecastle.jobs import queue
from forecastle.settings import load_settings


@pytest.fixture
def job_id(home: Path) -> str:
    """A job of a kind that no runner knows, with a line in its log."""

    async def submit() -> str:
        async with open_services(load_settings(home=home)) as services:
            await prepare(services)
            now = services.clock.now()
            async with services.database.write() as session:
                submission = await queue.submit(
                    session, kind="from_the_future", payload={"name": "prices"}, dedupe=None, owner=None, now=now
                )
                await queue.append_lines(session, submission.job.id, [(now, "[bold]a line[/]")])
        return submission.job.id

    return asyncio.run(submit())


def test_jobs_are_listed_shown_and_cancelled(cli: Cli, job_id: str) -> None:
    assert [job["id"] for job in cli("jobs", "list", "--json").json["items"]] == [job_id]
    assert cli("jobs", "list", "--status", "completed", "--json").json["items"] == []
    assert cli("jobs", "show", job_id, "--json").json["status"] == "pending"
    assert cli("jobs", "cancel", job_id, "--json").json["status"] == "cancelled"
    watched = cli("jobs", "show", job_id, "--watch", "--json")
    assert watched.code == 10
    assert json.loads(watched.out)["status"] == "cancelled"


def test_a_kind_that_there_is_not_is_refused(cli: Cli) -> None:
    assert cli("jobs", "list", "--kind", "train", "--json").json["items"] == []
    refused = cli("jobs", "list", "--kind", "tune")
    assert (refused.code, refused.err) == (4, "error: kind: expected one of train, found tune\n")


def test_the_same_for_people(cli: Cli, job_id: str) -> None:
    listed = cli("jobs", "list")
    assert job_id in listed.out
    assert "pending" in listed.out
    shown = cli("jobs", "show", job_id)
    assert "from_the_future" in shown.out
    assert "--watch" in shown.err
    assert cli("jobs", "logs", job_id).out.endswith("[bold]a line[/]\n")
    assert cli("jobs", "logs", job_id, "--json").json[0]["text"] == "[bold]a line[/]"


def test_a_recipe_is_shown_line_by_line_and_no_line_ends_in_spaces(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{row},{row * row % 7}\n" for row in range(30)))
    (tmp_path / "t.toml").write_text(
        'name = "squares"\ndataset = "t"\nalgorithm = "ridge"\nfeatures = ["a", "twice = a * 2"]\ntarget = "b"\n'
    )
    assert cli("data", "add", "t.csv", "--name", "t", "--time", "none").code == 0
    assert cli("train", "t.toml", "--no-watch").code == 0
    (job,) = cli("jobs", "list", "--json").json["items"]
    shown = cli("jobs", "show", job["id"]).out
    rows = [line.split(maxsplit=1) for line in shown.splitlines()]
    assert ["recipe.features", "a"] in rows
    assert rows[rows.index(["recipe.features", "a"]) + 1] == ["twice", "= a * 2"]
    assert ["recipe.target.column", "b"] in rows
    assert "{" not in shown
    assert [line for line in shown.splitlines() if line != line.rstrip()] == []


def test_a_cancelled_job_is_retried(cli: Cli, job_id: str) -> None:
    refused = cli("jobs", "retry", job_id)
    assert (refused.code, refused.out) == (7, "")
    assert "only one that failed or was cancelled can be retried" in refused.err
    cli("jobs", "cancel", job_id)
    again = cli("jobs", "retry", job_id, "--priority", "5", "--timeout", "60", "--memory", "512", "--json").json
    assert (again["status"], again["retry_of"]) == ("pending", job_id)
    assert (again["priority"], again["timeout_s"], again["memory_mb"]) == (5, 60.0, 512)
    assert f"jobs retry {job_id}" in cli("jobs", "show", job_id).err


def test_a_log_is_followed_until_its_job_has_ended(cli: Cli, job_id: str) -> None:
    cli("jobs", "cancel", job_id)
    assert cli("jobs", "logs", job_id, "--follow").out.endswith("[bold]a line[/]\n")
    (line,) = cli("jobs", "logs", job_id, "-f", "--json").out.splitlines()
    assert json.loads(line)["text"] == "[bold]a line[/]"


async def test_what_comes_while_a_log_is_followed_is_told_in_order(home: Path) -> None:
    async with open_services(load_settings(home=home)) as services:
        await prepare(services)
        now = services.clock.now()
        async with services.database.write() as session:
            job = (
                await queue.submit(session, kind="from_the_future", payload={}, dedupe=None, owner=None, now=now)
            ).job
            await queue.append_lines(session, job.id, [(now, str(number)) for number in range(PAGE_LINES)])
        seen = []
        async for line in _logged(services, job.id, follow=True):
            seen.append(line.text)
            if len(seen) == PAGE_LINES:
                async with services.database.write() as session:
                    await queue.append_lines(session, job.id, [(now, "last")])
                    await queue.cancel(session, job.id, now=now)
        assert seen == [*map(str, range(PAGE_LINES)), "last"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("retry", "none"), 5, "none"),
        (("show", "none"), 5, "none"),
        (("logs", "none"), 5, "none"),
        (("cancel", "none"), 5, "none"),
        (("list", "--status", "resting"), 4, "resting"),
        (("list", "--cursor", "elsewhere"), 4, "cursor"),
        (("list", "--limit", "0"), 2, "limit"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(cli: Cli, arguments: tuple[str, ...], code: int, word: str) -> None:
    done = cli("jobs", *arguments)
    assert done.code == code
    assert word in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_runner_with_nothing_to_do_ends_when_asked_to(cli: Cli, job_id: str) -> None:
    done = cli("runner", "--until-idle")
    assert (done.code, done.out) == (0, "")
    assert cli("jobs", "show", job_id, "--json").json["status"] == "pending"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_runner_ends_cleanly_on_a_signal(home: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "forecastle", "runner"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "FORECASTLE_HOME": str(home)},
    ) as runner:
        assert runner.stderr is not None
        while "the runner works on" not in (line := runner.stderr.readline()):
            assert line, "it ended before it worked"
        children = psutil.Process(runner.pid).children(recursive=True)
        runner.send_signal(number)
        out, err = runner.communicate(timeout=60)
    assert (runner.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert list((home / "jobs").iterdir()) == []
