"""What can go wrong between a recipe and a model.

BadInput
└── BadRecipe              the recipe cannot be used; names field, value and what was expected
    ├── RecipeUnreadable   the file is not a recipe at all
    └── TooFewRows         the table has too few usable rows for the split
NotFound
└── SearchNotFound         no search of that id
Conflict
└── SearchEnded            it has ended and cannot be cancelled any more
ForecastleError
└── TrainingFailed         the fit came to nothing usable
    ├── ExportMismatch     the graph does not predict what the trainer predicts
    └── LeakageFound       something in the training looked ahead
"""

from forecastle.errors import BadInput, Conflict, FieldProblem, ForecastleError, NotFound, clip


class BadRecipe(BadInput):
    """The recipe cannot be used."""

    code = "BAD_RECIPE"


class RecipeUnreadable(BadRecipe):
    """The recipe cannot be read."""

    code = "RECIPE_UNREADABLE"


class TooFewRows(BadRecipe):
    """There are too few usable rows."""

    code = "TOO_FEW_ROWS"

    def __init__(self, field: str, *, found: int, needed: int, what: str) -> None:
        self.found, self.needed = found, needed
        super().__init__(problems=[FieldProblem(field, f"at least {needed:,} {what}", f"{found:,}")])


class SearchNotFound(NotFound):
    """There is no such search."""

    code = "SEARCH_NOT_FOUND"

    def __init__(self, search_id: str) -> None:
        self.search_id = search_id
        super().__init__(f"there is no search {clip(search_id)!r}")


class SearchEnded(Conflict):
    """The search has ended."""

    code = "SEARCH_ENDED"

    def __init__(self, search_id: str, status: str) -> None:
        self.search_id, self.status = search_id, status
        super().__init__(f"search {search_id} is {status} already")


class TrainingFailed(ForecastleError):
    """The training came to nothing usable."""

    code = "TRAINING_FAILED"


class ExportMismatch(TrainingFailed):
    """The exported graph does not predict what the trainer predicts."""

    code = "EXPORT_MISMATCH"

    def __init__(self, *, difference: float, atol: float, rtol: float, rows: int) -> None:
        self.difference, self.atol, self.rtol, self.rows = difference, atol, rtol, rows
        super().__init__(
            f"the exported graph differs from the trainer by {difference:.3g} on {rows:,} rows; "
            f"allowed is {atol:g} + {rtol:g} of the prediction"
        )


class LeakageFound(TrainingFailed):
    """Something in the training looked ahead."""

    code = "LEAKAGE"

    def __init__(self, finding: str) -> None:
        super().__init__(f"the training looks ahead: {finding}")
