"""When a trial is hopeless against its siblings at the same fold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.jobs.journal import Measured
from forecastle.training.search.document import Prune
from forecastle.training.search.stopping import extend, verdict

SIBLINGS = [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5)]


def test_worse_than_the_median_is_hopeless() -> None:
    assert verdict([0.35], SIBLINGS, Prune(), "rmse") == "rmse 0.35 after fold 1, where 3 of 5 siblings were better"
    assert verdict([0.25], SIBLINGS, Prune(), "rmse") is None


def test_where_more_is_better_less_is_hopeless() -> None:
    assert verdict([0.25], SIBLINGS, Prune(), "r2") is not None
    assert verdict([0.35], SIBLINGS, Prune(), "r2") is None


def test_trials_are_compared_at_the_same_fold() -> None:
    """The siblings' later folds, where all got worse, are not looked at."""
    siblings = [(0.1, 9.0), (0.1, 9.0), (0.1, 9.0)]
    rule = Prune(siblings=3)
    assert verdict([0.2], siblings, rule, "rmse") is not None
    assert verdict([0.2, 5.0], siblings, rule, "rmse") is None


def test_nobody_is_stopped_before_there_are_enough_siblings_and_folds() -> None:
    assert verdict([9.0], SIBLINGS[:4], Prune(), "rmse") is None
    assert verdict([9.0], SIBLINGS, Prune(folds=2), "rmse") is None
    assert verdict([9.0, 9.0], SIBLINGS, Prune(folds=2), "rmse") is not None
    assert verdict([9.0, 9.0], [(0.1,)] * 9, Prune(), "rmse") is None


@pytest.mark.parametrize(("keep", "stopped"), [(0.1, True), (0.6, False), (0.9, False)])
def test_how_strict_it_is_can_be_said(keep: float, stopped: bool) -> None:  # noqa: FBT001
    assert (verdict([0.35], SIBLINGS, Prune(keep=keep), "rmse") is not None) == stopped


@given(values=st.lists(st.floats(-5, 5), min_size=6, max_size=30))
def test_the_best_half_is_never_stopped(values: list[float]) -> None:
    for place, mine in enumerate(values):
        others = [(other,) for number, other in enumerate(values) if number != place]
        better = sum(other < mine for (other,) in others)
        assert (verdict([mine], others, Prune(), "rmse") is None) == (better <= len(others) / 2)


def test_ties_are_not_hopeless() -> None:
    assert verdict([0.1], [(0.1,)] * 9, Prune(), "rmse") is None


def measured(step: int, value: float) -> Measured:
    return Measured(step, 5, {"rmse": value})


def test_folds_are_kept_in_order_and_begin_anew_with_a_new_start() -> None:
    assert extend((), [measured(0, 1.0), measured(1, 2.0)], "rmse") == (1.0, 2.0)
    assert extend((1.0, 2.0), [measured(2, 3.0)], "rmse") == (1.0, 2.0, 3.0)
    assert extend((1.0, 2.0, 3.0), [measured(0, 9.0)], "rmse") == (9.0,)


def test_a_fold_without_the_metric_ends_the_row() -> None:
    """What comes after it cannot be compared fold by fold."""
    gap = Measured(1, 5, {"mae": 1.0})
    assert extend((1.0,), [gap, measured(2, 3.0)], "rmse") == (1.0,)
