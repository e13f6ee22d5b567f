"""A study from what earlier trainings have prepared: tables and features are computed once for all recipes.

Only tables of the store are looked up here, by the hash of their content; what the proof against leakage makes up is
computed afresh.
"""

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec

from forecastle.features import FEATURE_VERSION
from forecastle.features.kept import Kept
from forecastle.features.plan import FeaturePlan
from forecastle.training.order import Order
from forecastle.training.settle import plans
from forecastle.training.steps import TRAINING
from forecastle.training.study import Study, Tables

COMPUTED_BY = ("numpy", "polars", "TA-Lib")


def study(order: Order, kept: Kept, load: Callable[[], Tables], log: Callable[[str], None]) -> Study:
    """The study of an order's recipe.

    Args:
        order: what is trained, on which tables.
        kept: where prepared tables and features are, and stay.
        load: reads the tables; not called when the prepared table is there.
        log: told what was computed and what was there.

    Raises:
        BadInput: as `Steps.study`.
        TableMissing: a table is not in the store.
        TableDamaged: a table is not what was imported.
    """
    recipe, facts = order.recipe, order.table
    frame, there = kept.table(_table_key(order), lambda: TRAINING.prepare(recipe, load()))
    log(f"{'found' if there else 'prepared'} the table: {frame.height:,} rows, {frame.width} columns")
    _, plan = plans(recipe, schema=frame.schema, time=facts.time, keys=facts.keys)
    matrix, there = kept.matrix(_matrix_key(order, plan), lambda: TRAINING.features(plan, frame))
    log(f"{'found' if there else 'computed'} {matrix.width} features")
    return TRAINING.samples(recipe, frame, matrix, facts=facts)


def _table_key(order: Order) -> str:
    """Everything that `prepare` reads."""
    recipe = order.recipe
    return _key(order, recipe.timeframe, sorted({key.upper() for key in recipe.keys}))


def _matrix_key(order: Order, plan: FeaturePlan) -> str:
    """Besides that, the expressions and what they mean in this table."""
    expressions = [column.expression for column in plan.columns]
    return _key(order, _table_key(order), expressions, sorted(plan.table.hidden))


def _key(order: Order, *parts: Any) -> str:
    code = [FEATURE_VERSION, *map(version, COMPUTED_BY)]
    text = msgspec.json.encode([order.table, order.context, code, parts], order="deterministic")
    return f"{order.table.sha256}-{hashlib.sha256(text).hexdigest()}"
