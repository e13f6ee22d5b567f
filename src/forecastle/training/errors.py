"""What can go wrong between a recipe and a model.

BadInput
└── BadRecipe              the recipe cannot be used; names field, value and what was expected
    ├── RecipeUnreadable   the file is not a recipe at all
    └── TooFewRows         the table has too few usable rows for the split
ForecastleError
└── TrainingFailed         the fit came to nothing usable
    └── ExportMismatch     the graph does not predict what the trainer predicts
"""

from forecastle.errors import BadInput, ForecastleError


class BadRecipe(BadInput):
    """The recipe cannot be used."""

    code = "BAD_RECIPE"


class RecipeUnreadable(BadRecipe):
    """The recipe cannot be read."""

    code = "RECIPE_UNREADABLE"


class TooFewRows(BadRecipe):
    """There are too few usable rows."""

    code = "TOO_FEW_ROWS"

    def __init__(self, *, found: int, needed: int, what: str) -> None:
        self.found, self.needed = found, needed
        super().__init__(f"{what}: expected at least {needed:,}, found {found:,}")


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
