"""The limits of features: the documentation names those that are enforced, and beyond each there is a clear error."""

from pathlib import Path

import polars as pl
import pytest

from forecastle.errors import BadInput
from forecastle.features.expressions import MAX_DEPTH, MAX_NAME, MAX_NODES, MAX_ROLES
from forecastle.features.functions.declare import LARGEST_WINDOW
from forecastle.features.plan import MAX_FEATURES, FeaturePlan
from forecastle.features.targets import MAX_HORIZON
from forecastle.features.tokens import MAX_LENGTH

DOCUMENT = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
LIMITS = DOCUMENT.partition("## Limits")[2].partition("\n## ")[0]
SCHEMA = {"time": pl.Datetime("us", "UTC"), "a": pl.Float64(), "b": pl.Float64()}


def plan(*entries: str) -> FeaturePlan:
    return FeaturePlan.of(entries, schema=SCHEMA, time="time", keys=())


def chain(terms: int) -> str:
    return "+".join(["a"] * terms)


def nested(levels: int) -> str:
    return "lag(" * (levels - 1) + "a" + ")" * (levels - 1)


@pytest.mark.parametrize(
    ("what", "most"),
    [
        ("features of a recipe", MAX_FEATURES),
        ("characters of an entry", MAX_LENGTH),
        ("characters of a name", MAX_NAME),
        ("parts of an expression", MAX_NODES),
        ("levels of nesting", MAX_DEPTH),
        ("rows of a window or lag", LARGEST_WINDOW),
        ("columns of `over either(...)`", MAX_ROLES),
        ("rows ahead of a target", MAX_HORIZON),
    ],
)
def test_the_documentation_names_the_limit(what: str, most: int) -> None:
    [line] = [line for line in LIMITS.splitlines() if line.startswith(f"| {what}")]
    assert line.split(" | ")[2].removesuffix(" |") == f"{most:,}"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [f"f{number} = a" for number in range(MAX_FEATURES + 1)],
            "features: expected 1 to 1,000 expressions, found 1001",
        ),
        ([], "features: expected 1 to 1,000 expressions, found 0"),
        (["x = a", "x = b"], "features: expected each name once, found x"),
        (["a" * (MAX_LENGTH + 1)], "at most 2,000 characters, found 2,001 characters"),
        (["x" * (MAX_NAME + 1) + " = a"], "a printable name of 1 to 300 characters before ="),
        ([chain(129)], "at character 257: expected at most 256 parts"),
        ([nested(MAX_DEPTH + 1)], "at character 121: expected at most 30 levels of nesting"),
        (["lag(a, 10001)"], "at character 8: expected a whole number from 1 to 10,000 for rows of lag, found 10001"),
        (["mean(a, 0)"], "expected a whole number from 1 to 10,000 for window of mean, found 0"),
        (["kurtosis(a, 3)"], "expected a whole number from 4 to 10,000 for window of kurtosis, found 3"),
        (["mean(a, b)"], "expected a whole number from 1 to 10,000 for window of mean, found b"),
        (["either(a) over either(a, b)"], "expected either(...) of 2 to 8 values, found 1"),
        (
            [f"mean(a, 5) over either({', '.join('abcdefghi')})"],
            "expected 2 to 8 different columns in over either(...)",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_goes_beyond_a_limit_is_refused_in_one_line(entries: list[str], message: str) -> None:
    with pytest.raises(BadInput) as refused:
        plan(*entries)
    assert message in refused.value.message
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 600


@pytest.mark.parametrize("entry", [chain(128), nested(MAX_DEPTH), "-" * 255 + "a", "lag(a, 10000)"])
def test_what_reaches_a_limit_is_accepted_at_once(entry: str) -> None:
    """The tree of `a+a+…` is as deep as it is long: anything done twice at each level would take for ever."""
    assert len(plan(entry).columns) == 1
