"""The windows of a model as a table: bounds, rows, what was left out and why, and the headline measure of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from forecastle.registry.manifest import Fold, Manifest
from forecastle.registry.measures import HEADLINES

MIDNIGHT = "T00:00:00+00:00"
LEFT_OUT: Mapping[str, str] = {
    "purged": "dropped_rows",
    "embargoed": "embargoed_rows",
    "outside": "outside_rows",
    "warm-up": "warm_up_rows",
}
"""Columns that are shown where some window has left out rows for that reason, with the field of a fold."""


@dataclass(frozen=True, slots=True)
class FoldTable:
    """Column names and a row for each window."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def fold_table(manifest: Manifest) -> FoldTable:
    """The windows of a model, in order, with the out-of-sample measure that it is judged by."""
    measure = HEADLINES[manifest.task]
    reasons = [name for name, field in LEFT_OUT.items() if any(getattr(fold, field) for fold in manifest.folds)]
    return FoldTable(
        columns=("window", "trained from", "to", "rows", "tested from", "to", "rows", *reasons, measure),
        rows=tuple(_row(number, fold, reasons, measure) for number, fold in enumerate(manifest.folds, start=1)),
    )


def _row(number: int, fold: Fold, reasons: Sequence[str], measure: str) -> tuple[str, ...]:
    value = fold.metrics.get(measure)
    return (
        f"{number}",
        _bound(fold.train_start),
        _bound(fold.train_end),
        f"{fold.train_rows:,}",
        _bound(fold.test_start),
        _bound(fold.test_end),
        f"{fold.test_rows:,}",
        *(f"{getattr(fold, LEFT_OUT[reason]):,}" for reason in reasons),
        "-" if value is None else f"{value:.5g}",
    )


def _bound(text: str) -> str:
    """A time without its midnight; the number of a row."""
    return text.removesuffix(MIDNIGHT).removesuffix("+00:00").replace("T", " ")
