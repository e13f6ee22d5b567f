"""What can be wrong with features.

BadInput
├── BadExpression          an expression cannot be read or does not fit the table
│   └── LooksAhead         it asks for what is not known yet when a prediction is made
├── BadTarget              the target cannot be computed
├── BadFrame               a table cannot be joined or resampled as asked
└── TooManyMissing         a step loses more rows than its limit allows
NotFound
└── NoSuchRow              no row answers to this key at this time
"""

from collections.abc import Mapping, Sequence

from forecastle.errors import BadInput, FieldProblem, NotFound, clip


class BadExpression(BadInput):
    """The expression cannot be used."""

    code = "INVALID_EXPRESSION"

    def __init__(self, text: str, *, at: int, expected: str, found: str = "", suggestions: Sequence[str] = ()) -> None:
        self.text = text
        self.position = at + 1
        self.expected = expected
        self.found = clip(found)
        self.suggestions = tuple(suggestions)
        hint = f"; did you mean {' or '.join(self.suggestions)}?" if self.suggestions else ""
        what = f", found {self.found}" if self.found else ""
        message = f"{clip(text, 120)}: at character {self.position}: expected {expected}{what}{hint}"
        super().__init__(message, problems=[FieldProblem(clip(text, 120), expected + hint, self.found)])


class LooksAhead(BadExpression):
    """The expression asks for what is not known yet when a prediction is made."""


class BadTarget(BadInput):
    """The target cannot be computed."""

    code = "INVALID_TARGET"


class BadFrame(BadInput):
    """The table cannot be prepared as asked."""

    code = "INVALID_FRAME"


class TooManyMissing(BadInput):
    """Too many rows are lost to missing values."""

    code = "TOO_MANY_MISSING"

    def __init__(self, stage: str, *, share: float, limit: float, columns: Mapping[str, float]) -> None:
        self.stage = stage
        self.share = share
        self.limit = limit
        self.columns = dict(columns)
        worst = ", ".join(f"{name} {part:.1%}" for name, part in list(self.columns.items())[:5])
        more = f" and {len(self.columns) - 5} more" if len(self.columns) > 5 else ""
        super().__init__(f"{share:.1%} of the rows are lost {stage}, the limit is {limit:.0%}: {worst}{more}")


class NoSuchRow(NotFound):
    """No row answers to this key at this time."""

    code = "ROW_NOT_FOUND"

    def __init__(self, message: str, *, problem: FieldProblem) -> None:
        self.problem = problem
        super().__init__(message)
