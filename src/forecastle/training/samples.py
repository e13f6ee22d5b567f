"""The rows a model can learn from: those with a label and usable features."""

from dataclasses import dataclass

import numpy as np

from forecastle.training.arrays import Floats, Integers


@dataclass(frozen=True, slots=True)
class Clockwork:
    """When each row happened and when its label was known, in microseconds since 1970; `times` ascend."""

    times: Integers
    known: Integers
    """The time of the row that the label comes from, so `known[i] >= times[i]`."""


@dataclass(frozen=True, slots=True)
class Samples:
    """N labelled rows in the order of the table."""

    rows: Integers
    """Position of each in the table."""
    target: Floats
    """The value to predict, or the class code."""
    classes: tuple[str, ...]
    """Class labels by code; empty for a regression."""
    groups: Integers
    """A number for each combination of keys; all 0 without keys."""
    clockwork: Clockwork | None
    """Their times; None for a table without time."""
    unchanged: Floats | None = None
    """The target, or class code, if the value known at the row stayed; NaN where missing; None if it means nothing."""

    @property
    def codes(self) -> Integers:
        """The class codes as integers."""
        return self.target.astype(np.int64)
