"""How the rows are divided: what a recipe's `split` may say."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from forecastle.training.fields import Count, Part, RowsOrSpan, Share, SpanText, Switch

Folds = Annotated[int, Field(strict=True, ge=2, le=100)]


class Chronological(Part):
    """The last `test` share of the rows is held out."""

    kind: Literal["chronological"]
    test: Share = 0.2


class WalkForward(Part):
    """Train on `train` rows, test on the next `test`, move on by `step`; where rows share times, distinct times."""

    kind: Literal["walk_forward"]
    train: Count
    test: Count
    step: Count | None = None
    expanding: Switch = False
    """The training stretch keeps its beginning and grows, where it would slide."""

    @property
    def stride(self) -> int:
        """How far the windows move on; by default the length of the test stretch."""
        return self.step or self.test


class Calendar(Part):
    """Walk-forward by the calendar: spans such as `3y`, `18mo`, `2w`, `90d`, `12h`, from the start of a unit in UTC.

    Given `train = "expanding"`, the first training stretch is as long as a test, and all begin where the rows do.
    """

    kind: Literal["calendar"]
    train: SpanText
    test: SpanText
    step: SpanText | None = None
    expanding: Switch = False

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and fields.get("train") == "expanding":
            if fields.get("expanding") is False:
                raise PydanticCustomError("contradiction", 'train = "expanding" or expanding = false, not both')
            return {**fields, "train": fields.get("test"), "expanding": True}
        return fields

    @property
    def stride(self) -> str:
        """How far the windows move on; by default the length of the test stretch."""
        return self.step or self.test


class PurgedKFold(Part):
    """Each of `folds` stretches of time is tested by a model of the others, less what overlaps or follows it.

    Left out on both sides are the rows whose label overlaps those of the test, and after it `embargo` rows or a span.
    """

    kind: Literal["purged_kfold"]
    folds: Folds = 5
    embargo: RowsOrSpan = 0


class KFold(Part):
    """Each row is tested by a model of the other folds, which are drawn by the seed; for tables without time."""

    kind: Literal["kfold"]
    folds: Folds = 5


class StratifiedKFold(Part):
    """As `kfold`, with every class spread evenly over the folds."""

    kind: Literal["stratified_kfold"]
    folds: Folds = 5


class Random(Part):
    """A seeded draw of `test` of the rows is held out, class by class; for tables without time."""

    kind: Literal["random"]
    test: Share = 0.2


Split: TypeAlias = Annotated[
    Chronological | WalkForward | Calendar | PurgedKFold | KFold | StratifiedKFold | Random, Field(discriminator="kind")
]
SPLITS: Mapping[str, type[Part]] = {
    "chronological": Chronological,
    "walk_forward": WalkForward,
    "calendar": Calendar,
    "purged_kfold": PurgedKFold,
    "kfold": KFold,
    "stratified_kfold": StratifiedKFold,
    "random": Random,
}
