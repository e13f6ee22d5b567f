"""The table "Serving" of what is promised: `/predict` with accounts and history, against servers that have neither.

    ./run bench serving [--rounds 5] [--seconds 3] [--only mlserver bentoml …] [--json]

Every server is pinned to one core, with one worker; wrk with one thread and 32 connections to the other. Each contender
is measured in turns with us, after its answers were compared. No question is cached: there are twice as many as the
cache holds. A peer that can batch requests is tried with and without, and measured the faster way. PostgreSQL and what
it writes share both cores.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import lightgbm
import onnxruntime
import postgresql
from pairing import HERE, Row, paired, peer_python, show, within
from parts import served_model, wrk
from parts.peers import BentoML, MLServer
from parts.served_model import ServedModel
from parts.servers import Running, Served, running

QUESTIONS, COMPARED, BATCH, WARM_S = 20_000, 20, 100, 1
P99_MS, START_S, MEMORY_MB = 10.0, 3.0, 180.0
PEERS = ("mlserver", "bentoml", "litserve", "ray")


class Hello(Served):
    """A server that is asked nothing."""

    def body(self, row: Sequence[float]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    model: ServedModel
    rounds: int
    seconds: int

    def press(self, server: Running, seconds: int | None = None) -> wrk.Load:
        """One window of load."""
        bodies = [server.served.body(row) for row in self.model.rows.tolist()]
        return wrk.press(server.url, bodies, headers=server.served.headers, seconds=seconds or self.seconds)

    def turns(self, theirs: Running, ours: Running) -> list[tuple[wrk.Load, wrk.Load]]:
        """Windows of both in turns, after one of each to warm up."""
        for server in (theirs, ours):
            self.press(server, WARM_S)
        return [(self.press(theirs), self.press(ours)) for _ in range(self.rounds)]


def main() -> None:
    arguments = _arguments()
    wrk.find_wrk()
    rows: list[Row] = []
    facts: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        with _ours(Path(folder, "sqlite"), {}, "SQLite") as (model, ours):
            bench = Bench(model, arguments.rounds, arguments.seconds)
            _join(rows, facts, _alone(bench, ours))
            with running(ours, model.rows[0]) as server:
                _compare(server, _by_graph(model))
                _join(rows, facts, _against_hello(bench, server), _batches(bench, server))
                if "fastapi" in arguments.only:
                    _join(rows, facts, _against(bench, server, [_fastapi(model)], require=1.5, stretch=2.5))
                for name in PEERS:
                    if name in arguments.only:
                        _join(rows, facts, _against(bench, server, _peer(name, model), require=8.0, stretch=12.0))
        if "postgresql" in arguments.only:
            with postgresql.server(durable=True) as url:
                settings = {"FORECASTLE_DATABASE__URL": url.render_as_string(hide_password=False)}
                with (
                    _ours(Path(folder, "postgresql"), settings, "PostgreSQL") as (model, ours),
                    running(ours, model.rows[0]) as server,
                ):
                    _compare(server, _by_graph(model))
                    _join(rows, facts, _against_hello(replace(bench, model=model), server))
    show("serving", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each pair")
    parser.add_argument("--seconds", type=int, default=3, help="length of a window")
    everything = ("postgresql", "fastapi", *PEERS)
    parser.add_argument("--only", nargs="*", choices=everything, default=everything, help="beside us on SQLite")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


Part = tuple[list[Row], dict[str, str]]


def _join(rows: list[Row], facts: dict[str, str], *parts: Part) -> None:
    for more_rows, more_facts in parts:
        rows += more_rows
        facts |= more_facts
        for name, fact in more_facts.items():
            print(f"· {name}: {fact}", file=sys.stderr, flush=True)


# --- us ----------------------------------------------------------------------------------------------------------


@contextmanager
def _ours(home: Path, settings: Mapping[str, str], database: str) -> Iterator[tuple[ServedModel, Served]]:
    """Our server with a model and an account."""
    home.mkdir()
    log = {"FORECASTLE_LOG__LEVEL": "warning"}
    environment = {"FORECASTLE_HOME": str(home), "FORECASTLE_AUTH__TOKEN_MINUTES": "1440", **log, **settings}
    model = served_model.make(home, environment, rows=QUESTIONS)
    command = [sys.executable, "-m", "forecastle", "serve", "--port", "{port}"]
    token = served_model.token(environment)
    headers = {"Authorization": f"Bearer {token}"}
    yield model, Served(f"forecastle on {database}", command, environment=environment, headers=headers)


def _alone(bench: Bench, ours: Served) -> Part:
    """Time to the first answer of a start, and the memory after some load."""
    starts, memory, of_all = [], [], []
    for _ in range(3):
        with running(ours, bench.model.rows[0]) as server:
            starts.append(server.start_s)
            bench.press(server, WARM_S)
            memory.append(server.memory_mb())
            of_all.append(server.memory_of_all_mb())
    return [
        within(START_S, starts, f"start to the first answer, of {START_S:g} s"),
        within(MEMORY_MB, memory, f"memory of the API process, of {MEMORY_MB:g} MB"),
    ], {
        "start to the first answer": _spread(starts, "s", 2),
        "memory of the API process": _spread(memory, "MB", 0),
        "memory with the processes that train": _spread(of_all, "MB", 0),
    }


def _against_hello(bench: Bench, ours: Running) -> Part:
    hello = Hello("uvicorn hello", [sys.executable, HERE / "contenders" / "serving_hello.py", "{port}"], path="/")
    with running(hello, bench.model.rows[0]) as server:
        turns = bench.turns(server, ours)
    name = ours.served.name
    return [
        _over(turns, f"{name}: requests over bare uvicorn", require=0.30, stretch=0.40),
        within(P99_MS, [mine.p99_ms for _, mine in turns], f"{name}: p99 of {P99_MS:g} ms"),
    ], {
        f"{name}, p50 and p99": _spread([mine.p50_ms for _, mine in turns], "ms") + ", "
        + _spread([mine.p99_ms for _, mine in turns], "ms"),
        **_speeds(turns, "uvicorn hello", name),
    }  # fmt: skip


def _batches(bench: Bench, ours: Running) -> Part:
    """Rows a second of batches, over one by one, both with 32 connections."""
    rows = bench.model.rows.tolist()
    bodies = [{"samples": rows[first : first + BATCH]} for first in range(0, len(rows), BATCH)]
    url = ours.url.removesuffix("/predict") + "/batch-predict"
    turns = []
    for _ in range(bench.rounds):
        one = bench.press(ours)
        many = wrk.press(url, bodies, headers=ours.served.headers, seconds=bench.seconds)
        turns.append((1 / one.per_second, 1 / (many.per_second * BATCH)))
    speeds = [1 / many for _, many in turns]
    return [paired(turns, f"rows of a batch of {BATCH}, over one by one", require=10, stretch=30)], {
        f"rows in batches of {BATCH}": _spread(speeds, "a second", 0)
    }


# --- them --------------------------------------------------------------------------------------------------------


def _fastapi(model: ServedModel) -> Served:
    command = [sys.executable, HERE / "contenders" / "serving_fastapi.py", "{port}", model.graph]
    return Served("FastAPI + ONNX Runtime", command)


def _peer(name: str, model: ServedModel) -> list[Served]:
    """A peer, once for each way of batching that it is tried in."""
    if name == "mlserver":
        python = peer_python(name, "mlserver==1.7.*", "mlserver-lightgbm==1.7.*")
        return [MLServer.of(python, model, batch) for batch in (1, 32)]
    if name == "bentoml":
        python = peer_python(name, "bentoml==1.4.*", "lightgbm>=4.6")
        return [BentoML.of(python, model, batch) for batch in (1, 32)]
    title, package = {"litserve": ("LitServe", "litserve==0.2.*"), "ray": ("Ray Serve", "ray[serve]==2.*")}[name]
    python = peer_python(name, package, "lightgbm>=4.6")
    script = HERE / "contenders" / f"serving_{name}.py"
    return [
        Served(f"{title}, batches of {batch}", [python, script, "{port}", model.booster, str(batch)])
        for batch in (1, 32)
    ]


def _against(bench: Bench, ours: Running, ways: Sequence[Served], *, require: float, stretch: float) -> Part:
    """The faster way of a peer, in turns with us."""
    probed = {way: _probe(bench, way) for way in ways} if len(ways) > 1 else {ways[0]: 0.0}
    best = max(probed, key=probed.__getitem__)
    with running(best, bench.model.rows[0]) as server:
        _compare(server, _by_graph(bench.model) if best.name.startswith("FastAPI") else _by_booster(bench.model))
        turns = bench.turns(server, ours)
        memory = server.memory_of_all_mb()
    facts = _speeds(turns, best.name, ours.served.name)
    facts[f"{best.name}, start and memory"] = f"{server.start_s:.1f} s, {memory:.0f} MB"
    return [_over(turns, f"requests over {best.name}", require=require, stretch=stretch)], facts


def _probe(bench: Bench, served: Served) -> float:
    with running(served, bench.model.rows[0]) as server:
        bench.press(server, WARM_S)
        return bench.press(server).per_second


# --- what they answer, and how fast ------------------------------------------------------------------------------


def _compare(server: Running, expected: Callable[[Any], Any]) -> None:
    rows = np.random.default_rng(5).normal(size=(COMPARED, served_model.WIDTH)).round(6)
    np.testing.assert_allclose([server.ask(row) for row in rows.tolist()], expected(rows), rtol=1e-9)


def _by_graph(model: ServedModel) -> Callable[[Any], Any]:
    session = onnxruntime.InferenceSession(model.graph)
    return lambda rows: session.run(["prediction"], {"features": rows})[0]


def _by_booster(model: ServedModel) -> Callable[[Any], Any]:
    return lightgbm.Booster(model_file=model.booster).predict


def _over(turns: Sequence[tuple[wrk.Load, wrk.Load]], name: str, *, require: float, stretch: float) -> Row:
    seconds = [(1 / theirs.per_second, 1 / ours.per_second) for theirs, ours in turns]
    return paired(seconds, name, require=require, stretch=stretch)


def _speeds(turns: Sequence[tuple[wrk.Load, wrk.Load]], *names: str) -> dict[str, str]:
    return {
        name: _spread([pair[place].per_second for pair in turns], "requests a second", 0)
        for place, name in enumerate(names)
    }


def _spread(found: Sequence[float], unit: str, digits: int = 1) -> str:
    low, high = min(found), max(found)
    return f"{statistics.median(found):,.{digits}f} {unit} ({low:,.{digits}f} to {high:,.{digits}f})"


if __name__ == "__main__":
    main()
