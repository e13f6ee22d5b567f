"""The command `check leakage`."""

from dataclasses import replace
from pathlib import Path

import pytest
from commands import Cli

from forecastle.training.leakage import specimens
from forecastle.training.leakage.proof import prove
from forecastle.training.leakage.specimens import SPECIMENS
from forecastle.training.steps import TRAINING

FAULTY = {specimen.name: specimen.faulty for specimen in SPECIMENS}


@pytest.fixture
def recipe(cli: Cli, tmp_path: Path) -> Path:
    """A recipe on 200 days of numbers."""
    rows = (f"2020-{1 + day // 28:02}-{1 + day % 28:02},{(day * 37) % 101}" for day in range(200))
    (tmp_path / "numbers.csv").write_text("\n".join(["day,level", *rows]))
    assert cli("data", "add", "numbers.csv", "--name", "numbers").code == 0
    path = tmp_path / "level.toml"
    path.write_text(
        'name = "level"\ndataset = "numbers"\nfeatures = ["level", "week = sma(level, 7)"]\nalgorithm = "ridge"\n'
        'target = { column = "level", horizon = 1 }\nsplit = { kind = "walk_forward", train = 80, test = 40 }\n'
    )
    return path


def test_a_recipe_is_proven_with_what_was_compared(cli: Cli, recipe: Path) -> None:
    done = cli("check", "leakage", str(recipe), "--cuts", "3")
    assert done.code == 0, done.err
    assert done.out.startswith("PROVEN 3 cuts, 126 rows, 2 features, ")
    assert "forecastle train" in done.err


def test_the_proof_as_json(cli: Cli, recipe: Path) -> None:
    proof = cli("check", "leakage", str(recipe), "--json").json
    assert (proof["recipe"], proof["status"], proof["cuts"], proof["findings"]) == (str(recipe), "proven", 8, [])
    assert proof["values"] > proof["rows"] > 0


def test_a_leak_ends_with_its_own_exit_code(cli: Cli, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove.__kwdefaults__ is not None
    monkeypatch.setitem(prove.__kwdefaults__, "steps", FAULTY["centred window"])
    done = cli("check", "leakage", str(recipe))
    assert done.code == 11
    assert done.out.startswith("LEAKS features: level at 2020-")
    assert "week" in done.out
    as_json = cli("check", "leakage", str(recipe), "--json")
    assert as_json.code == 11
    assert '"status": "leaks"' in as_json.out
    assert '"name": "level"' in as_json.out


def test_the_self_test_shows_every_specimen_caught(cli: Cli) -> None:
    done = cli("check", "leakage", "--self-test")
    assert done.code == 0, done.err
    assert f"{len(SPECIMENS)} of {len(SPECIMENS)} caught and named" in done.err
    for name in FAULTY:
        assert name in done.out


def test_the_self_test_as_json(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specimens, "SPECIMENS", SPECIMENS[:1])
    (verdict,) = cli("check", "leakage", "--self-test", "--json").json
    assert (verdict["training"], verdict["caught"], verdict["without_the_fault"]) == ("centred window", True, "proven")
    assert verdict["finding"]["place"]["time"] == "2020-02-11T00:00:00+00:00"


def test_a_specimen_that_is_not_caught_fails_the_self_test(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specimens, "SPECIMENS", (replace(SPECIMENS[0], faulty=TRAINING),))
    done = cli("check", "leakage", "--self-test")
    assert done.code == 11
    assert "0 of 1 caught and named" in done.err
    assert "NO" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "expected a RECIPE, or --self-test alone"),
        (("level.toml", "--self-test"), 2, "expected a RECIPE, or --self-test alone"),
        (("level.toml", "--cuts", "0"), 2, "'--cuts': Input should be greater than or equal to 1"),
        (("absent.toml",), 5, "absent.toml: no such file"),
        (("unfit.toml",), 4, "unfit.toml: wind: at character 1: expected a column"),
        (("unknown.toml",), 5, "absent"),
        (("short.toml",), 4, "split.train: expected at least 900 distinct times"),
    ],
)
def test_what_cannot_be_checked_is_told(
    cli: Cli, recipe: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    text = recipe.read_text()
    (tmp_path / "unfit.toml").write_text(text.replace('"level", "week', '"wind", "week'))
    (tmp_path / "unknown.toml").write_text(text.replace('"numbers"', '"absent"'))
    (tmp_path / "short.toml").write_text(text.replace("train = 80", "train = 860"))
    done = cli("check", "leakage", *arguments)
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err
