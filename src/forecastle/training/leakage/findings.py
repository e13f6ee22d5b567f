"""What a proof says: what was compared, and each step and feature that changed though nothing it may know had."""

from typing import Literal

import msgspec
import polars as pl

from forecastle.errors import clip
from forecastle.registry.manifest import Leakage
from forecastle.training.study import Study

Step = Literal["prepare", "features", "samples", "windows", "fit", "predict"]


class Place(msgspec.Struct, frozen=True):
    """A row: its number in the prepared table, its time and the values of its key columns."""

    row: int
    time: str | None
    key: dict[str, str]

    def __str__(self) -> str:
        named = [self.time or f"row {self.row:,}", *(f"{name} {value}" for name, value in self.key.items())]
        return ", ".join(named)


class Finding(msgspec.Struct, frozen=True):
    """Something that changed with what it may not know."""

    step: Step
    name: str
    """The feature, the column, or what else of the step."""
    cut: str
    """What was changed, in words."""
    place: Place | None
    """The first row that it shows in; None where it shows in none, as in a scale."""
    before: str
    after: str

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.step}: {self.name}{where} was {self.before} and became {self.after} when {self.cut} changed"


class Proof(msgspec.Struct, frozen=True):
    """The outcome. Rows and features are those compared, values the numbers and texts of tables and features.

    What was fitted and predicted is compared as well, and not counted.
    """

    cuts: int
    rows: int
    features: int
    values: int
    seconds: float
    findings: tuple[Finding, ...] = ()

    @property
    def status(self) -> Literal["proven", "leaks"]:
        """`leaks` if there is a finding."""
        return "leaks" if self.findings else "proven"

    @property
    def badge(self) -> Leakage:
        """What the manifest of a model says of it."""
        return Leakage("proven", self.cuts, self.rows, self.features)


def place(study: Study, row: int) -> Place:
    """Where a row of the prepared table is."""
    table = study.plan.table
    time = None if table.time is None else study.frame[table.time][row].isoformat()
    return Place(row, time, {name: str(study.frame[name][row]) for name in table.keys})


def spell(value: object) -> str:
    """A value as a finding shows it, numbers with all their digits."""
    if value is None:
        return "missing"
    return repr(value) if isinstance(value, float) else clip(value)


def at(series: pl.Series, row: int) -> str:
    """One value of a column, as a finding shows it."""
    return spell(series[row])
