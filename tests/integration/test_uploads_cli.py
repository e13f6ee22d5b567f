"""Uploading a model by command."""

import json
from pathlib import Path

import pytest
from commands import Cli
from onnx_files import HOSTILE, REGRESSION, linear


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with a good model and what is said of it."""
    (tmp_path / "model.onnx").write_bytes(linear().SerializeToString())
    for name in ("schema", "sample"):
        (tmp_path / f"{name}.json").write_text(json.dumps(REGRESSION[name]))
    (tmp_path / "expected.json").write_text("[5, 12]")
    return tmp_path


UPLOAD = ("models", "upload", "model.onnx", "--name", "sum", "--schema", "schema.json", "--sample", "sample.json")


def test_a_model_is_uploaded_served_and_shown(cli: Cli, written: Path) -> None:
    made = cli(*UPLOAD, "--expected", "expected.json", "--description", "a sum", "--json").json
    assert (made["name"], made["version"], made["created"], made["owner"]) == ("sum", 1, True, None)
    again = cli(*UPLOAD, "--json").json
    assert (again["id"], again["created"]) == (made["id"], False)
    assert "was there already" in cli(*UPLOAD).err
    assert cli("predict", "sum", "--features", "[1, 2]", "--json").json["prediction"] == 5
    assert "uploaded" in cli("models", "list").out
    shown = cli("models", "show", "sum")
    assert shown.code == 0, shown.err
    for words in ("a sum", "1 MatMul", "2 rows: answers as expected", "float32"):
        assert words in shown.out
    assert "out of sample" not in shown.out
    assert cli("models", "report", "sum").code == 0
    assert "is not known here" in (written / "sum-1.html").read_text()
    refused = cli("retrain", "sum")
    assert refused.code == 4
    assert "of an uploaded model none is known" in refused.err
    assert cli("models", "remove", made["id"]).code == 0


@pytest.mark.parametrize(
    ("file", "content", "code", "words"),
    [
        ("model.onnx", b"", 4, "file: expected an ONNX model"),
        ("model.onnx", None, 5, "model.onnx: no such file"),
        ("schema.json", b"{", 4, "schema.json: schema: expected JSON"),
        ("schema.json", b"\xff", 4, "expected JSON in UTF-8"),
        ("schema.json", None, 5, "schema.json: no such file"),
        ("sample.json", b"[[1]]", 4, "sample[0]: expected 2 values, found 1"),
        ("sample.json", b" " * 16_000_001, 4, "at most 16,000,000 bytes"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(
    cli: Cli, written: Path, file: str, content: bytes | None, code: int, words: str
) -> None:
    if content is None:
        (written / file).unlink()
    else:
        (written / file).write_bytes(content)
    done = cli(*UPLOAD)
    assert (done.code, words in done.err) == (code, True), done.err
    assert done.err.strip().rpartition("error: ")[2].count("\n") == 0


def test_a_hostile_file_and_a_folder(cli: Cli, written: Path) -> None:
    (written / "model.onnx").write_bytes(HOSTILE["path traversal"].data())
    done = cli(*UPLOAD)
    assert (done.code, "../../etc/passwd" in done.err) == (4, True)
    (written / "model.onnx").unlink()
    (written / "model.onnx").mkdir()
    done = cli(*UPLOAD)
    assert (done.code, "a file that can be read" in done.err) == (4, True)


@pytest.mark.usefixtures("written")
def test_a_file_over_the_limit(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTLE_UPLOADS__MAX_BYTES", "10")
    done = cli(*UPLOAD)
    assert (done.code, "the file exceeds 10 bytes" in done.err) == (4, True)
