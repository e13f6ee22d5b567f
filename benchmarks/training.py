"""The table "Training" of what is promised: pools, known recipes, data to a worker, bad jobs, many jobs.

    ./run bench training [--rounds 5] [--product-rounds 1] [--only pools …] [--json]

`pools`: 32 LightGBM fits in our pool, in turns with no pool, the standard library's, Pebble's and joblib's, all of them
the same function on slices of one mapped matrix; then 32 recipes through queue, runner and registry. `known`: a
thousand recipes whose models exist. `data`: 240 MB for a worker, and the memory of one. `bad`: of eight jobs four go
wrong, here and on a Ray cluster. `many`: the memory of a runner.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import jobs
import postgresql
import submissions
from pairing import Row, show, within
from parts import bad_jobs, data_to_worker, pools, recipes

from forecastle.jobs.threads import cap_threads
from forecastle.settings import LogSettings
from forecastle.telemetry.logs import configure_logs

KNOWN_S, KNOWN_RECIPES, KNOWN_ROUNDS = 1.0, 1000, 5
JOBS, WARM_UP = 100, 300
Part = tuple[list[Row], dict[str, str]]


def main() -> None:
    arguments = _arguments()
    configure_logs(LogSettings(level="error"))
    cap_threads()  # of every contender
    parts: dict[str, Callable[[Path], Part]] = {
        "pools": lambda folder: _joined(
            [pools.run(folder, arguments.rounds), recipes.run(folder, arguments.product_rounds)]
        ),
        "known": _known,
        "data": data_to_worker.run,
        "bad": bad_jobs.run,
        "many": _many,
    }
    done = []
    for name in arguments.only or parts:
        with tempfile.TemporaryDirectory() as folder:
            done.append(parts[name](Path(folder)))
    rows, facts = _joined(done)
    show("training", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of the pools, after a cold one")
    parser.add_argument("--product-rounds", type=int, default=1, help="turns of recipes through the whole product")
    parser.add_argument("--only", nargs="+", choices=("pools", "known", "data", "bad", "many"))
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _joined(parts: Iterable[Part]) -> Part:
    rows: list[Row] = []
    facts: dict[str, str] = {}
    for more_rows, more_facts in parts:
        rows += more_rows
        facts |= more_facts
    return rows, facts


def _known(folder: Path) -> Part:
    rows, facts = [], {}
    with postgresql.server() as server:
        urls = {
            "SQLite": f"sqlite:///{folder}/forecastle.db",
            "PostgreSQL": server.render_as_string(hide_password=False),
        }
        for kind, url in urls.items():
            home = folder / kind
            home.mkdir()
            for way, times in asyncio.run(submissions.measure(url, home, KNOWN_RECIPES, KNOWN_ROUNDS)).items():
                name = f"{KNOWN_RECIPES:,} known fingerprints, {way}, {kind}"
                rows.append(within(KNOWN_S, [times["high_s"], times["median_s"], times["low_s"]], f"1 s over {name}"))
                facts[name] = (
                    f"{times['median_s']:.3f} s ({times['low_s']:.3f} to {times['high_s']:.3f}), nothing fitted"
                )
    return rows, facts


def _many(folder: Path) -> Part:
    found = asyncio.run(jobs.measure_memory(folder, JOBS, WARM_UP))
    low, high = found["interval_kb"]
    row = Row("memory slope of the runner, kB a job (interval)", found["slope_kb"], low, high, met=found["met"])
    workers = f"{found['workers']} of {JOBS + WARM_UP} jobs, {found['most_jobs']} at most in one"
    return [row], {"runner": f"{found['rss_mb']:.0f} MB after {JOBS + WARM_UP} jobs", "worker processes": workers}


if __name__ == "__main__":
    main()
