"""How many rows a step may lose to missing values before it is an error."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from forecastle.features.engine import Engine
from forecastle.features.errors import TooManyMissing

Stage: TypeAlias = Literal["after joining", "after computing features", "when saving", "when loading"]

LIMITS: Mapping[Stage, float] = {
    "after joining": 0.05,
    "after computing features": 0.02,
    "when saving": 0.05,
    "when loading": 0.15,
}


def check(
    stage: Stage, *, lost: int, of: int, blame: Mapping[str, float] | Sequence[str], limit: float | None = None
) -> None:
    """Refuses a step that loses too many of `of` rows; `blame` are the columns, with their own shares if known.

    Raises:
        TooManyMissing: the share is above the limit of the stage, or above `limit` if one is given.
    """
    share = lost / of if of else 0.0
    allowed = LIMITS[stage] if limit is None else limit
    if share > allowed:
        columns = blame if isinstance(blame, Mapping) else dict.fromkeys(blame, share)
        raise TooManyMissing(stage, share=share, limit=allowed, columns=columns)


def check_columns(stage: Stage, frame: pl.DataFrame, *, limit: float | None = None) -> None:
    """Refuses a table too many of whose rows have a missing value somewhere.

    Raises:
        TooManyMissing: the share is above the limit; names the columns, worst first, each with its share.
    """
    missing = {name: frame.get_column(name).is_null().to_numpy() for name in frame.columns}
    _check(stage, missing, np.ones(frame.height, dtype=np.bool_), limit)


class Complete(NamedTuple):
    """Of each row, whether it has every feature, and whether it comes with or after the first value of each in its key.

    The rows of a key before that are warm-up.
    """

    usable: NDArray[np.bool_]
    warm: NDArray[np.bool_]


def check_features(
    missing: Mapping[str, NDArray[np.bool_]],
    frame: pl.DataFrame,
    *,
    time: str | None,
    keys: tuple[str, ...],
    limit: float | None = None,
) -> Complete:
    """Which rows have every feature; refuses when too many have not, warm-up rows aside.

    Args:
        missing: of each feature, where it is.
        frame: the prepared table.
        time: its time column.
        keys: its key columns.
        limit: share of rows that may lack a feature, in place of the usual one.

    Raises:
        TooManyMissing: the share of other rows without some feature is above the limit.
    """
    missing = {name: absent for name, absent in missing.items() if absent.any()}
    warm = _warm(missing, frame, time, keys)
    _check("after computing features", missing, warm, limit)
    return Complete(~np.logical_or.reduce([*missing.values(), np.zeros(frame.height, dtype=np.bool_)]), warm)


def _warm(
    missing: Mapping[str, NDArray[np.bool_]], frame: pl.DataFrame, time: str | None, keys: tuple[str, ...]
) -> NDArray[np.bool_]:
    groups = Engine(frame, time, keys).arranged(keys, roles=False)
    warm = np.ones(frame.height, dtype=np.bool_)
    for absent in missing.values():
        known = groups.spread((~absent).astype(np.float64))
        so_far = np.cumsum(known)
        before = np.where(groups.starts > 0, so_far[groups.starts - 1], 0.0) if len(so_far) else so_far
        warm &= groups.gather(so_far - before) > 0
    return warm


def _check(
    stage: Stage, missing: Mapping[str, NDArray[np.bool_]], counted: NDArray[np.bool_], limit: float | None
) -> None:
    of = int(counted.sum())
    lost = int(np.logical_or.reduce([*missing.values(), ~counted])[counted].sum()) if missing else 0
    shares = {name: int((absent & counted).sum()) / max(of, 1) for name, absent in missing.items()}
    worst = sorted((item for item in shares.items() if item[1] > 0), key=lambda item: -item[1])
    check(stage, lost=lost, of=of, blame=dict(worst), limit=limit)
