"""Which algorithms there are and what can be set on them. Imports no learning library."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from forecastle.errors import FieldProblem, clip
from forecastle.registry.manifest import Task
from forecastle.training.errors import BadRecipe
from forecastle.wording import spelled, suggest

Setting: TypeAlias = "int | float | bool | None"
#: Digits after the point that count; finer differences are rounded away before the fit.
DIGITS = 8


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """A number or switch of an algorithm, with the range that makes sense. A default of None means no limit."""

    name: str
    kind: Literal["integer", "number", "switch"]
    default: Setting
    doc: str
    minimum: float = 0
    maximum: float = 0

    @property
    def expected(self) -> str:
        """The values it takes, in words."""
        if self.kind == "switch":
            return "true or false"
        noun = "a whole number" if self.kind == "integer" else "a number"
        return f"{noun} from {self.minimum:g} to {self.maximum:g}"

    def read(self, value: object) -> Setting:
        """`value` in its own type.

        Raises:
            ValueError: it has the wrong type or lies out of range.
        """
        if self.kind == "switch":
            return _switch(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.minimum <= value <= self.maximum:
            raise ValueError(self.expected)
        if self.kind == "number":
            return round(float(value), DIGITS) + 0.0
        if value != int(value):
            raise ValueError(self.expected)
        return int(value)


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004  one error type for whatever cannot be read
    return value


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm: `module` fits and exports it, and is imported only where a model is trained."""

    name: str
    tasks: tuple[Task, ...]
    doc: str
    hyperparameters: tuple[Hyperparameter, ...]
    standardises: bool
    """Whether numbers are brought to mean 0 and deviation 1 before the fit."""
    permuted_rows: int = 2_000_000
    """Most rows that are predicted to measure permutation importances."""

    @property
    def module(self) -> str:
        """Import path of the implementation."""
        return f"forecastle.training.algorithms.{self.name}"


def _integer(name: str, default: int | None, minimum: int, maximum: int, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "integer", default, doc, minimum, maximum)


def _number(name: str, default: float | None, minimum: float, maximum: float, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "number", default, doc, minimum, maximum)


_BALANCED = Hyperparameter("balanced", "switch", False, "Weigh classes inversely to their frequency.")
_EARLY_STOPPING = _integer(
    "early_stopping",
    None,
    1,
    1000,
    "Rounds without improvement after which boosting ends, found on the last fifth of the training rows; then all of "
    "them are fitted with the best number of rounds. By default none.",
)
BOTH: tuple[Task, ...] = ("regression", "classification")

ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm(
            "linear",
            ("regression",),
            "Linear regression by least squares, without a penalty.",
            (),
            standardises=True,
        ),
        Algorithm(
            "ridge",
            ("regression",),
            "Linear regression with an L2 penalty.",
            (_number("alpha", 1.0, 1e-8, 1e8, "Strength of the penalty, on standardised columns."),),
            standardises=True,
        ),
        Algorithm(
            "elastic_net",
            ("regression",),
            "Linear regression with L1 and L2 penalties, which leaves out columns that matter little.",
            (
                _number("alpha", 0.01, 1e-8, 1e4, "Strength of the penalty, on standardised columns and target."),
                _number(
                    "l1_ratio", 0.5, 0.01, 1.0, "Share of the L1 penalty; 1 is the lasso, and for none take ridge."
                ),
            ),
            standardises=True,
        ),
        Algorithm(
            "logistic",
            ("classification",),
            "Logistic regression with an L2 penalty, multinomial for more than two classes.",
            (
                _number("c", 1.0, 1e-8, 1e8, "Inverse strength of the penalty, on standardised columns."),
                _integer("max_iter", 1000, 10, 100_000, "Most iterations of the solver."),
                _BALANCED,
            ),
            standardises=True,
        ),
        Algorithm(
            "random_forest",
            BOTH,
            "Average of decision trees, each grown on a bootstrap sample.",
            (
                _integer("n_estimators", 100, 1, 2000, "Trees."),
                _integer("max_depth", None, 1, 64, "Deepest level of a tree; by default no limit."),
                _integer("min_samples_leaf", 5, 1, 1_000_000, "Fewest rows in a leaf."),
                _number(
                    "max_features",
                    None,
                    1e-4,
                    1.0,
                    "Share of columns tried at a split; by default all for regression, the square root for classes.",
                ),
                _BALANCED,
            ),
            standardises=True,
        ),
        Algorithm(
            "lightgbm",
            BOTH,
            "Gradient-boosted decision trees, grown leaf by leaf.",
            (
                _integer("n_estimators", 200, 1, 10_000, "Boosting rounds."),
                _number("learning_rate", 0.05, 1e-5, 1.0, "Shrinkage of each round."),
                _integer("num_leaves", 31, 2, 4096, "Most leaves of a tree."),
                _integer("max_depth", None, 1, 64, "Deepest level of a tree; by default no limit."),
                _integer("min_child_samples", 20, 1, 1_000_000, "Fewest rows in a leaf."),
                _number("subsample", 1.0, 1e-3, 1.0, "Share of rows drawn for each round."),
                _number("colsample_bytree", 1.0, 1e-3, 1.0, "Share of columns drawn for each tree."),
                _number("reg_alpha", 0.0, 0.0, 1e8, "L1 penalty on leaf values."),
                _number("reg_lambda", 0.0, 0.0, 1e8, "L2 penalty on leaf values."),
                _number("min_split_gain", 0.0, 0.0, 1e8, "Least gain of a split."),
                _EARLY_STOPPING,
                _BALANCED,
            ),
            standardises=False,
        ),
        Algorithm(
            "xgboost",
            BOTH,
            "Gradient-boosted decision trees, grown level by level.",
            (
                _integer("n_estimators", 200, 1, 10_000, "Boosting rounds."),
                _number("learning_rate", 0.05, 1e-5, 1.0, "Shrinkage of each round."),
                _integer("max_depth", 6, 1, 16, "Deepest level of a tree."),
                _number("min_child_weight", 1.0, 0.0, 1e8, "Least weight (curvature of the loss) in a leaf."),
                _number("subsample", 1.0, 1e-3, 1.0, "Share of rows drawn for each round."),
                _number("colsample_bytree", 1.0, 1e-3, 1.0, "Share of columns drawn for each tree."),
                _number("reg_alpha", 0.0, 0.0, 1e8, "L1 penalty on leaf values."),
                _number("reg_lambda", 1.0, 0.0, 1e8, "L2 penalty on leaf values."),
                _number("gamma", 0.0, 0.0, 1e8, "Least gain of a split."),
                _EARLY_STOPPING,
                _BALANCED,
            ),
            standardises=True,
        ),
        Algorithm(
            "nearest_neighbours",
            BOTH,
            "The average over the training rows nearest to a row, in standard deviations of each column.",
            (
                _integer("n_neighbours", 10, 1, 1000, "Nearest training rows that have a say."),
                Hyperparameter("by_distance", "switch", False, "Weigh them inversely to their distance."),
                _BALANCED,
            ),
            standardises=True,
            permuted_rows=20_000,
        ),
    )
}


def find(name: str) -> Algorithm:
    """The algorithm of that name.

    Raises:
        BadRecipe: there is none; the message suggests the nearest.
    """
    if name not in ALGORITHMS:
        expected = f"one of {', '.join(ALGORITHMS)}{suggest(name, ALGORITHMS)}"
        raise BadRecipe(problems=[FieldProblem("algorithm", expected, spelled(name))])
    return ALGORITHMS[name]


def complete(algorithm: Algorithm, given: Mapping[str, object]) -> dict[str, Setting]:
    """Every hyperparameter of the algorithm, from `given` or its default; a given None is left out.

    Raises:
        BadRecipe: one is unknown, of the wrong type or out of range; all such problems are named.
    """
    known = {entry.name: entry for entry in algorithm.hyperparameters}
    settings = {name: entry.default for name, entry in known.items()}
    problems = []
    for name, value in given.items():
        field = f"hyperparameters.{clip(name)}"
        if name not in known:
            expected = f"{_one_of(known)} for {algorithm.name}{suggest(name, known)}"
            problems.append(FieldProblem(field, expected, "an unknown name"))
        elif value is not None:
            try:
                settings[name] = known[name].read(value)
            except ValueError as error:
                problems.append(FieldProblem(field, str(error), spelled(value)))
    if problems:
        raise BadRecipe(problems=problems)
    return settings


def _one_of(names: Collection[str]) -> str:
    return f"one of {', '.join(names)}" if names else "nothing"
