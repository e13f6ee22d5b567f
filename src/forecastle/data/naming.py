"""What the columns of a file may be called."""

from collections import Counter
from collections.abc import Sequence

from forecastle.data.errors import BadTable
from forecastle.errors import clip

MAX_NAME = 200


def check_names(label: str, names: Sequence[str], *, line: int | None = None, hint: str = "") -> None:
    """Refuse names that no dataset can have.

    Raises:
        BadTable: one is empty, too long, holds a NUL, is a pattern to those who ask for columns, or occurs twice.
    """
    for name in names:
        problem = _problem(name)
        if problem is not None:
            expected, found = problem
            raise BadTable(label, line=line, column=clip(name) or None, expected=expected, found=found, hint=hint)
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        found = f"{name!r} {count} times"
        raise BadTable(label, line=line, column=name, expected="different column names", found=found, hint=hint)


def _problem(name: str) -> tuple[str, str] | None:
    """What is expected of the name and what is found instead."""
    if not name:
        return "a name for every column", "an empty one"
    if len(name) > MAX_NAME:
        return f"a column name of at most {MAX_NAME} characters", f"{len(name):,}"
    if "\0" in name:
        return "a column name without NUL characters", "one"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "a column name other than * and not between ^ and $", repr(name)
    return None
