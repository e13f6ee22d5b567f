"""Settling a recipe: what it leaves open is decided by the table, and what does not fit the table is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import polars as pl

from forecastle.data.dataset import ColumnKind, Dataset
from forecastle.features.errors import BadExpression
from forecastle.features.expressions import parse
from forecastle.features.frames import prepared_schema
from forecastle.features.nodes import spell
from forecastle.features.plan import FeaturePlan, PlannedFeature
from forecastle.features.table import Table, fit_to_table
from forecastle.features.targets import TargetPlan, plan_target
from forecastle.registry.manifest import Task
from forecastle.training.algorithms import catalogue
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe, Target
from forecastle.training.schemes import Chronological, Random, Split, StratifiedKFold
from forecastle.training.splits import check_kind

PLANS = 256
DTYPES: Mapping[ColumnKind, pl.DataType] = {
    "number": pl.Float64(),
    "category": pl.String(),
    "boolean": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Settled:
    """A recipe that fits its table, with nothing left open."""

    recipe: Recipe
    plan: FeaturePlan
    target: TargetPlan
    where: FeaturePlan | None

    @property
    def spelled(self) -> Recipe:
        """The same recipe with expressions in canonical text and the table's own column names."""
        hidden = tuple(sorted(self.plan.table.hidden))
        target = self.recipe.target.model_copy(update={"column": self.target.expression, "hidden": hidden})
        entries = tuple(column.entry for column in self.plan.columns)
        where = self.where and self.where.columns[0].expression
        return self.recipe.model_copy(update={"features": entries, "target": target, "where": where})


def settle(recipe: Recipe, dataset: Dataset, context: Mapping[str, Dataset]) -> Settled:
    """Decide task and split, and check everything the recipe says against the tables' columns.

    Args:
        recipe: as declared.
        dataset: its table.
        context: the tables of its context series, by name.

    Raises:
        BadRecipe: a field does not fit the table or another field.
        BadExpression: a feature, the target or `where` cannot be computed from the columns.
        BadTarget: transform, horizon and target do not fit each other.
    """
    _check_table(recipe, dataset)
    target, plan, where = _planned(_Shape.of(recipe, dataset, context))
    task = _task(recipe, target)
    _check_algorithm(recipe, task)
    split = recipe.split or default_split(timed=dataset.time is not None)
    if isinstance(split, StratifiedKFold) and task == "regression":
        raise BadRecipe.at("split.kind", expected="kfold or random for a regression", found=split.kind)
    chosen = recipe.target.model_copy(update={"task": task, "horizon": recipe.target.rows_ahead})
    return Settled(recipe.model_copy(update={"target": chosen, "split": split}), plan, target, where)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A recipe over its tables, equal to every other whose plans are the same."""

    features: tuple[str, ...]
    target: Target
    where: str | None
    dataset: Dataset
    context: tuple[tuple[str, Dataset], ...]
    recipe: Recipe = field(compare=False)

    @classmethod
    def of(cls, recipe: Recipe, dataset: Dataset, context: Mapping[str, Dataset]) -> "_Shape":
        return cls(recipe.features, recipe.target, recipe.where, dataset, tuple(context.items()), recipe)


@lru_cache(maxsize=PLANS)
def _planned(shape: _Shape) -> tuple[TargetPlan, FeaturePlan, FeaturePlan | None]:
    """Planning is what takes long; the recipes of a search share a few plans."""
    dataset = shape.dataset
    schema = schema_of(dataset, dict(shape.context))
    _check_hidden(shape.target, Table.of(schema, time=dataset.time))
    target, plan = plans(shape.recipe, schema=schema, time=dataset.time, keys=dataset.keys)
    return target, plan, where_plan(shape.recipe, plan.table)


def plans(
    recipe: Recipe, *, schema: Mapping[str, pl.DataType], time: str | None, keys: tuple[str, ...]
) -> tuple[TargetPlan, FeaturePlan]:
    """The recipe's target and features over tables of a schema.

    The columns of a target of the row itself are hidden from the features.
    """
    target = plan_target(
        recipe.target.column,
        transform=recipe.target.transform,
        horizon=recipe.target.rows_ahead,
        schema=schema,
        time=time,
        keys=keys,
    )
    hidden = [*recipe.target.hidden, *(target.columns if not target.horizon else ())]
    plan = FeaturePlan.of(
        recipe.features, schema=schema, time=time, keys=keys, context=recipe.context, hidden=_once(hidden)
    )
    return target, plan


def where_plan(recipe: Recipe, table: Table) -> FeaturePlan | None:
    """The recipe's `where` over the table of its features, None when it has none.

    Raises:
        BadExpression: it cannot be read, does not fit the table, or reads what is not known when a prediction is made.
        BadRecipe: it gives categories.
    """
    if recipe.where is None:
        return None
    tree, kind = fit_to_table(recipe.where, parse(recipe.where), table)
    if kind != "number":
        raise BadRecipe.at("where", expected="a condition, such as regime(close) == 2", found=recipe.where)
    return FeaturePlan((PlannedFeature("where", spell(tree), kind, tree),), table)


def schema_of(dataset: Dataset, context: Mapping[str, Dataset]) -> Mapping[str, pl.DataType]:
    """Column types of the dataset joined with its context series, whose columns end in `_NAME`."""
    return prepared_schema(
        _columns(dataset), time=dataset.time, context={name: _columns(series) for name, series in context.items()}
    )


def _columns(dataset: Dataset) -> dict[str, pl.DataType]:
    return {column.name: DTYPES[column.kind] for column in dataset.columns}


def default_split(*, timed: bool) -> Split:
    """The last fifth of a series; a random fifth of a table without time."""
    return Chronological(kind="chronological") if timed else Random(kind="random")


def _once(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _check_table(recipe: Recipe, dataset: Dataset) -> None:
    if dataset.time is None:
        for field, found in (("timeframe", recipe.timeframe), ("context", ", ".join(recipe.context))):
            if found:
                raise BadRecipe.at(field, expected=f"nothing, since {dataset.name} has no time column", found=found)
    if recipe.split is not None:
        check_kind(recipe.split, timed=dataset.time is not None)
    if recipe.keys and not dataset.keys:
        expected = f"nothing, since {dataset.name} has no key column"
        raise BadRecipe.at("keys", expected=expected, found=", ".join(recipe.keys))


def _check_hidden(target: Target, table: Table) -> None:
    for place, name in enumerate(target.hidden):
        try:
            table.find(name, text=name, at=0)
        except BadExpression as error:
            (problem,) = error.problems
            raise BadRecipe(problems=[replace(problem, field=f"target.hidden.{place}")]) from error


def _task(recipe: Recipe, target: TargetPlan) -> Task:
    has_classes = target.kind == "category" or target.transform == "up"
    if recipe.target.task == "regression" and has_classes:
        raise BadRecipe.at("target.task", expected=f"classification for {target.expression}", found="regression")
    if recipe.target.task == "classification" and target.transform not in {"none", "up"}:
        raise BadRecipe.at(
            "target.transform", expected="none or up for a classification", found=recipe.target.transform
        )
    return "classification" if has_classes else recipe.target.task or "regression"


def _check_algorithm(recipe: Recipe, task: Task) -> None:
    if task not in catalogue.find(recipe.algorithm).tasks:
        fitting = ", ".join(name for name, entry in catalogue.ALGORITHMS.items() if task in entry.tasks)
        raise BadRecipe.at("algorithm", expected=f"one of {fitting} for a {task}", found=recipe.algorithm)
    if task == "regression" and recipe.calibration is not None:
        raise BadRecipe.at("calibration", expected="nothing for a regression", found=recipe.calibration)
    if task == "classification" and recipe.interval is not None:
        raise BadRecipe.at("interval", expected="nothing for a classification", found=f"{recipe.interval:g}")
    if task == "regression" and recipe.hyperparameters.get("balanced"):
        raise BadRecipe.at("hyperparameters.balanced", expected="false for a regression", found="true")
