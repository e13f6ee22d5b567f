"""Import the real tables, train every example recipe on all cores, and say what beats its baseline.

    python examples/run.py DATA_DIR [--home DIR] [--json] [--only NAME ...]

It uses the command line alone, in a home of its own that is thrown away unless `--home` names one to keep.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).parent / "recipes"
TITLES = {"measure": "judged by"}


@dataclass(frozen=True, slots=True)
class Table:
    """A file and how it is imported."""

    name: str
    file: str
    options: tuple[str, ...] = ()


WINE = (
    "fixed_acidity,volatile_acidity,citric_acid,residual_sugar,chlorides,free_sulfur_dioxide,total_sulfur_dioxide,"
    "density,ph,sulphates,alcohol,quality"
)
ABALONE = "sex,length,diameter,height,whole_weight,shucked_weight,viscera_weight,shell_weight,rings"
ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,"
    "capital_loss,hours_per_week,native_country,income"
)
TABLES = (
    Table("nvda", "market/NVDA-daily-1999-2014.csv"),
    Table("two-cities", "weather/two-cities-daily-2012-2015.csv", ("--key", "location")),
    Table("premier-league", "football/epl-matches-2010-2023.csv", ("--time", "date", "--key", "home", "--key", "away")),
    Table("adult", "tabular/adult-no-header.csv", ("--columns", ADULT)),
    Table("wine", "tabular/winequality-red.csv", ("--columns", WINE)),
    Table("abalone", "tabular/abalone-no-header.csv", ("--columns", ABALONE)),
)


@dataclass(frozen=True, slots=True)
class Result:
    """One recipe, measured out of sample and judged by `measure`, of which less is better.

    `accuracy` is None where numbers are predicted.
    """

    example: str
    algorithm: str
    rows: int
    measure: str
    value: float
    baseline: float
    baseline_name: str
    beats_it: bool
    accuracy: float | None
    seconds: float
    model_id: str


def main() -> int:
    """Run the examples; 0 when every recipe gave a model."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="forecastle-examples-") as temporary:
        home = arguments.home or Path(temporary)
        results = run(arguments.data, home, recipes(arguments.only))
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    else:
        show(results)
    return 0


def recipes(names: Sequence[str]) -> list[Path]:
    """The recipe files, or those that belong to the examples called `names`."""
    return sorted(path for path in RECIPES.glob("*.toml") if not names or example_of(path) in names)


def example_of(recipe: Path) -> str:
    """`temperature` of temperature-ridge.toml."""
    return recipe.stem.partition("-")[0]


def run(data: Path, home: Path, chosen: Sequence[Path]) -> list[Result]:
    """Import every table, train the chosen recipes by one command, read what was measured."""
    rows = {table.name: import_table(data, home, table) for table in TABLES}
    say(f"training {len(chosen)} recipes")
    trained = forecastle(home, "train", *map(str, chosen), "--json")
    jobs = {job["id"]: job for job in forecastle(home, "jobs", "list", "--limit", "1000", "--json")["items"]}
    return [read(training, jobs[training["job_id"]], rows) for training in trained]


def import_table(data: Path, home: Path, table: Table) -> int:
    """Import one table; gives its number of rows."""
    say(f"importing {table.name}")
    added = forecastle(home, "data", "add", str(data / table.file), "--name", table.name, *table.options, "--json")
    return int(added["rows"])


def read(training: Mapping[str, Any], job: Mapping[str, Any], rows: Mapping[str, int]) -> Result:
    """The figures of one recipe."""
    recipe = Path(training["recipe"])
    verdict = training["verdict"]
    started, finished = (datetime.fromisoformat(job[name]) for name in ("started_at", "finished_at"))
    return Result(
        example=example_of(recipe),
        algorithm=training["algorithm"],
        rows=rows[tomllib.loads(recipe.read_text(encoding="utf-8"))["dataset"]],
        **{name: verdict[name] for name in ("measure", "value", "baseline", "baseline_name", "beats_it")},
        accuracy=training["metrics"].get("accuracy"),
        seconds=(finished - started).total_seconds(),
        model_id=training["model_id"],
    )


def forecastle(home: Path, *arguments: str) -> Any:
    """What one command prints as JSON.

    Raises:
        SystemExit: the command failed; it has said why.
    """
    done = subprocess.run(
        [sys.executable, "-m", "forecastle", *arguments],
        env={**os.environ, "FORECASTLE_HOME": str(home), "FORECASTLE_LOG__LEVEL": "warning"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def say(what: str) -> None:
    """Progress, on standard error."""
    print(f"· {what}", file=sys.stderr)


def show(results: Sequence[Result]) -> None:
    """One table on standard output."""
    header = [TITLES.get(field.name, field.name.replace("_", " ")) for field in fields(Result)][:-1]
    lines = [header, *(cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    beaten = sum(result.beats_it for result in results)
    measures = " or ".join(sorted({result.measure for result in results}))
    print(f"\n{beaten} of {len(results)} beat the best naive forecast on rows that they were not trained on,", end=" ")
    print(f"judged by {measures}.")


def cells(result: Result) -> list[str]:
    """One line of the table."""
    return [
        result.example,
        result.algorithm,
        f"{result.rows:,}",
        result.measure,
        f"{result.value:.4f}",
        f"{result.baseline:.4f}",
        result.baseline_name,
        "yes" if result.beats_it else "NO",
        "" if result.accuracy is None else f"{result.accuracy:.4f}",
        f"{result.seconds:.1f}",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the example recipes on the real tables.")
    parser.add_argument("data", type=Path, metavar="DATA_DIR", help="the folder with market/, weather/, football/, …")
    parser.add_argument("--home", type=Path, help="where to keep what is made; by default a folder that is removed")
    parser.add_argument("--only", nargs="+", default=[], metavar="EXAMPLE", help="temperature, football, …")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
