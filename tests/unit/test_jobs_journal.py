from datetime import UTC, datetime
from pathlib import Path

import pytest

from forecastle.jobs.context import MAX_LINES, JobContext
from forecastle.jobs.errors import BadReport
from forecastle.jobs.journal import MAX_TEXT, Entry, Failed, Journal, JournalReader, Line, Report, Started, Succeeded

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job.jsonl"


@pytest.fixture
def context(path: Path) -> JobContext:
    return JobContext("job", path.parent, "memory://", Journal(path))


def test_every_entry_is_read_as_it_was_written(path: Path) -> None:
    entries: list[Entry] = [
        Started(7),
        Report(0.5, "half", "training"),
        Line(NOW, 'text with\nline break and "quotes" ü'),
        Succeeded({"a": [1, None]}),
        Failed("no", "trace"),
    ]
    journal = Journal(path)
    for entry in entries:
        journal.write(entry)
    journal.close()

    assert JournalReader(path).read() == entries


def test_each_entry_is_read_once_and_only_when_it_is_whole(path: Path) -> None:
    reader = JournalReader(path)
    assert reader.read() == []
    Journal(path).write(Started(1))
    with path.open("ab") as file:
        file.write(b'{"type":"sta')
    assert reader.read() == [Started(1)]
    assert reader.read() == []
    with path.open("ab") as file:
        file.write(b'rted","pid":2}\n')
    assert reader.read() == [Started(2)]


def test_what_json_cannot_say_leaves_the_journal_as_it_was(path: Path) -> None:
    journal = Journal(path)
    with pytest.raises(TypeError):
        journal.write(Succeeded({"function": len}))
    assert path.read_bytes() == b""


def test_a_flood_of_reports_is_thinned_but_a_new_phase_and_the_end_are_not(context: JobContext, path: Path) -> None:
    for number in range(1000):
        context.report(number / 1000, "preparing")
    context.report(0.5, "fitting", "training")
    context.report(1, "done")

    reports = JournalReader(path).read()
    assert len(reports) < 1000
    assert reports[-2:] == [Report(0.5, "fitting", "training"), Report(1.0, "done", "training")]


@pytest.mark.parametrize(("given", "stored"), [(-1, 0.0), (0.25, 0.25), (7, 1.0)])
def test_a_share_stays_between_0_and_1(context: JobContext, path: Path, given: float, stored: float) -> None:
    context.report(given, "")
    assert JournalReader(path).read() == [Report(stored, "")]


def test_a_share_that_is_no_number_is_refused(context: JobContext) -> None:
    with pytest.raises(BadReport, match="nan"):
        context.report(float("nan"), "")


@pytest.mark.parametrize("status", ["pending", "completed", "failed", "cancelled", "resting"])
def test_a_job_cannot_give_itself_another_status(context: JobContext, status: str) -> None:
    with pytest.raises(BadReport, match=status):
        context.report(0.1, "", status)


def test_a_job_cannot_go_back_to_preprocessing(context: JobContext) -> None:
    context.report(0.1, "", "preprocessing")
    context.report(0.2, "", "training")
    with pytest.raises(BadReport, match="'preprocessing' after 'training'"):
        context.report(0.3, "", "preprocessing")


def test_a_line_is_kept_in_a_form_that_every_database_takes(context: JobContext, path: Path) -> None:
    context.log("nul \0, surrogate \udc80")
    context.log("x" * (MAX_TEXT + 1))
    first, second = JournalReader(path).read()
    assert isinstance(first, Line)
    assert isinstance(second, Line)
    assert first.text == "nul \N{REPLACEMENT CHARACTER}, surrogate ?"
    assert len(second.text) == MAX_TEXT


def test_a_job_that_never_stops_talking_is_cut_short(context: JobContext, path: Path) -> None:
    for number in range(MAX_LINES + 100):
        context.log(str(number))
    lines = JournalReader(path).read()
    assert len(lines) == MAX_LINES
    assert isinstance(lines[-1], Line)
    assert "further lines are not kept" in lines[-1].text
