"""Errors of the data room.

A message reads `FILE: line N, column C: expected …, found …; what to do`.

    BadInput
    ├── BadTable                   a file cannot be read as a table: file, line, column, expected, found
    └── BadDatasetName             a name that cannot be used
    NotFound
    ├── DatasetNotFound            no dataset of that name
    └── SymbolNotFound             no dataset holds that series
    Conflict
    └── DatasetExists              the name is taken by other content
    Unavailable
    ├── TableMissing               its file is not in the store (any more)
    └── TableDamaged               its file is not what was imported
    DiskFull
    └── StoreFull                  no space left where tables are kept
    ForecastleError
    └── ImportAbandoned            whoever wanted the table went away
"""

from collections.abc import Sequence

from forecastle.errors import BadInput, Conflict, DiskFull, FieldProblem, ForecastleError, NotFound, Unavailable, clip


class BadTable(BadInput):
    """The file cannot be read as a table."""

    code = "BAD_TABLE"

    def __init__(
        self,
        file: str,
        *,
        expected: str,
        found: object = "",
        line: int | None = None,
        column: str | None = None,
        hint: str = "",
        unit: str = "line",
    ) -> None:
        self.file, self.line, self.column, self.hint = file, line, column, hint
        place = [f"{unit} {line}"] if line is not None else []
        place += [f"column {column!r}"] if column is not None else []
        field = f"{file}: {', '.join(place)}" if place else file
        problem = FieldProblem(field, expected, clip(found))
        super().__init__(f"{problem}; {hint}" if hint else str(problem), problems=[problem])


class BadDatasetName(BadInput):
    """The name cannot be a dataset's."""

    code = "BAD_DATASET_NAME"


class DatasetNotFound(NotFound):
    """No dataset has this name."""

    code = "DATASET_NOT_FOUND"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no dataset is named {clip(name)!r}")


class SymbolNotFound(NotFound):
    """No dataset holds this series."""

    code = "SYMBOL_NOT_FOUND"

    def __init__(self, symbol: str, *, near: Sequence[str] = ()) -> None:
        self.symbol = symbol
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        super().__init__(f"no dataset holds {clip(symbol)!r}{hint}")


class DatasetExists(Conflict):
    """The name belongs to a dataset with other content."""

    code = "DATASET_EXISTS"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"dataset {name!r} exists with other content; choose another name or remove it first")


class TableMissing(Unavailable):
    """The file of this dataset is not in the store."""

    code = "TABLE_MISSING"

    def __init__(self, name: str, file: str) -> None:
        self.name, self.file = name, file
        super().__init__(f"dataset {name!r} was removed, or its file {file} is lost; add it again")


class TableDamaged(Unavailable):
    """The file of this dataset is not what was imported."""

    code = "TABLE_DAMAGED"

    def __init__(self, name: str, file: str, reason: str) -> None:
        self.name, self.file = name, file
        found = clip(reason, 120)
        super().__init__(
            f"dataset {name!r} is damaged: its file {file} is not what was imported ({found}); add it again"
        )


class StoreFull(DiskFull):
    """No space is left where tables are kept: make room there, then try again."""

    code = "STORE_FULL"


class ImportAbandoned(ForecastleError):
    """The import was given up before its end; nothing of it is left."""

    code = "IMPORT_ABANDONED"
