"""A search, declared: a recipe with a part `search` that says what varies.

name = "tomorrow-up"
dataset = "nvda"
target = { column = "close", transform = "up" }

[search]
method = "grid"

[search.space]
features = [["ret(close, 1)"], ["ret(close, 1)", "rsi(close, 14)"]]
algorithm = ["logistic", "lightgbm"]
split = [{ kind = "walk_forward", train = 500, test = 100 }, "chronological"]
hyperparameters.lightgbm.num_leaves = [7, 15, 31]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from forecastle.training.documents import explain
from forecastle.training.errors import BadRecipe
from forecastle.training.fields import Part
from forecastle.training.search import dimensions
from forecastle.training.search.space import Choice, Space

PART = "search"
MAX_TRIALS = 5_000
ALPHA_GRID = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
L1_RATIO_GRID = (0.1, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
"""What a grid tries of the elastic net when neither of the two is given."""

Few = Annotated[int, Field(strict=True, ge=1, le=1_000)]
Numbers = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(max_length=MAX_TRIALS)]


class Prune(Part):
    """When a trial is stopped early: by its mean so far it is not among the best of its siblings at the same fold."""

    siblings: Few = 5
    """So many siblings must have come as far."""
    folds: Few = 1
    """So many folds a trial has at least."""
    keep: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.5
    """The share of siblings that may be better; 0.5 is the median rule."""


def _switched(value: object) -> object:
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class SearchPart(Part):
    """The part `search` of a document."""

    method: Literal["grid", "random", "bayes"] = "grid"
    trials: Annotated[int, Field(strict=True, ge=1, le=MAX_TRIALS)] | None = None
    """How many; of a grid, how many at most."""
    metric: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    """Of what is drawn; the recipe's own `seed` is that of the fit."""
    parallel: Annotated[int, Field(strict=True, ge=1, le=64)] = 4
    """Bayes: how many trials are under way at once. More are faster, and know less of each other."""
    prune: Annotated[Prune | None, BeforeValidator(_switched)] = None
    space: dict[str, Any] = {}  # noqa: RUF012 - a default is copied
    alpha_grid: Numbers = ()
    l1_ratio_grid: Numbers = ()


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A search as declared, with its space understood."""

    base: dict[str, Any]
    """The recipe's document without its part `search`."""
    part: SearchPart
    space: Space

    @property
    def trials(self) -> int:
        """How many there will be."""
        size = self.space.size
        return size if self.part.method == "grid" and size is not None else self.part.trials or 0


def is_search(document: Mapping[str, object]) -> bool:
    """Whether a document declares a search."""
    return PART in document


def parse_search(document: Mapping[str, Any]) -> SearchPlan:
    """The search in a parsed TOML or JSON document. Its recipes are not checked here.

    Raises:
        BadRecipe: a field of the part `search` is unknown, missing or unusable; each is named.
    """
    base = {name: value for name, value in document.items() if name != PART}
    try:
        part = SearchPart.model_validate(document.get(PART, {}))
    except ValidationError as error:
        raise BadRecipe(problems=explain(error, fields=_fields, under=PART)) from error
    plan = SearchPlan(base, part, _space(base, part))
    _check_size(plan)
    return plan


def _space(base: Mapping[str, Any], part: SearchPart) -> Space:
    found = dimensions.read(part.space, ranges=part.method != "grid")
    algorithm = base.get("algorithm")
    space = Space(found, algorithm if isinstance(algorithm, str) else None)
    for each in found:
        if each.algorithm not in (None, *space.algorithms):
            expected = f"{each.algorithm} to be the algorithm, or one of those that the space lists"
            raise BadRecipe.at(f"{PART}.space.{each.field}", expected=expected, found=space.algorithms)
    if "elastic_net" not in space.algorithms:
        if part.alpha_grid or part.l1_ratio_grid:
            name = "alpha_grid" if part.alpha_grid else "l1_ratio_grid"
            raise BadRecipe.at(f"{PART}.{name}", expected="nothing, since no trial is an elastic_net", found="numbers")
        return space
    return Space((*found, *_elastic_net(base, part, space)), space.algorithm)


def _elastic_net(base: Mapping[str, Any], part: SearchPart, space: Space) -> Sequence[Choice]:
    """The two grids of the elastic net: as given, or by default where nothing else is said of it."""
    fields = {"alpha": part.alpha_grid, "l1_ratio": part.l1_ratio_grid}
    names = {name: f"hyperparameters.elastic_net.{name}" for name in fields}
    taken = {each.field for each in space.dimensions}
    for name, values in fields.items():
        if values and names[name] in taken:
            raise BadRecipe.at(
                f"{PART}.{name}_grid", expected=f"nothing beside {PART}.space.{names[name]}", found="numbers"
            )
    fixed = base.get("hyperparameters") or any(field.startswith("hyperparameters") for field in taken)
    if part.method == "grid" and not any(fields.values()) and not fixed:
        fields = {"alpha": ALPHA_GRID, "l1_ratio": L1_RATIO_GRID}
    return [Choice(names[name], values, "elastic_net") for name, values in fields.items() if values]


def _check_size(plan: SearchPlan) -> None:
    method, size, trials = plan.part.method, plan.space.size, plan.part.trials
    field = f"{PART}.trials"
    if not plan.space.dimensions:
        raise BadRecipe.at(f"{PART}.space", expected="a field of the recipe with the values to try", found="nothing")
    if method == "grid":
        most = trials or MAX_TRIALS
        if size is not None and size > most:
            advice = "" if trials else "; with method = 'random' some of them are drawn"
            raise BadRecipe.at(f"{PART}.space", expected=f"at most {most:,} combinations{advice}", found=f"{size:,}")
    elif trials is None:
        raise BadRecipe.at(field, expected=f"a whole number from 1 to {MAX_TRIALS:,} for {method}", found="nothing")
    elif size is not None and trials > size:
        raise BadRecipe.at(field, expected=f"at most {size:,}, as there are no more combinations", found=trials)


def _fields(path: Sequence[int | str]) -> list[str]:
    return list((Prune if path else SearchPart).model_fields)
