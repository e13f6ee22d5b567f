"""32 fits in our pool, in turns with other pools and with none."""

from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pairing import Answer, Contender, Row, contender, paired

ROWS, FEATURES, SLICE, JOBS = 1_000_000, 30, 20_000, 32
PEERS = ("stdlib", "pebble", "joblib")
SPEED_UP, AS_FAST = 1.85, 0.95


def make_matrix(folder: Path) -> Path:
    """A seeded matrix of 240 MB, as a file that can be mapped."""
    path = folder / "matrix.npy"
    np.save(path, np.random.default_rng(5).normal(size=(ROWS, FEATURES)))
    return path


def orders(path: Path, jobs: int = JOBS) -> list[dict[str, Any]]:
    """Arguments of the fits: each its own slice and seed."""
    return [{"path": str(path), "start": SLICE * job, "rows": SLICE, "seed": job} for job in range(jobs)]


def run(folder: Path, rounds: int) -> tuple[list[Row], dict[str, str]]:
    """The rows of speed-up, and of how much faster the best of the others is."""
    path = make_matrix(folder)
    with ExitStack() as stack:
        contenders = {"sequential": stack.enter_context(contender("sequential", "training_peers.py", "sequential"))}
        contenders["ours"] = stack.enter_context(contender("ours", "training_ours.py"))
        for name in PEERS:
            contenders[name] = stack.enter_context(contender(name, "training_peers.py", name))
        cold, *turns = [_turn(contenders, path) for _ in range(rounds + 1)]
    best = [(min(turn[name] for name in PEERS), turn["ours"]) for turn in turns]
    speed_ups = {
        name: paired(
            [(turn["sequential"], turn[name]) for turn in turns],
            f"{JOBS} fits, 2 workers over sequential: {name}",
            require=SPEED_UP,
        )
        for name in ("ours", *PEERS)
    }
    rows = [speed_ups.pop("ours"), paired(best, f"{JOBS} fits, best pool of the others over ours", require=AS_FAST)]
    return rows, _facts(cold, turns, speed_ups)


def _turn(contenders: Mapping[str, Contender], path: Path) -> dict[str, float]:
    """Seconds of each; all have fitted the same models."""
    answers: dict[str, Answer] = {name: each.ask("fit", jobs=orders(path)) for name, each in contenders.items()}
    for name, answer in answers.items():
        assert answer.result == answers["sequential"].result, f"{name} fitted other models"
    return {name: answer.seconds for name, answer in answers.items()}


def _facts(cold: Mapping[str, float], turns: list[dict[str, float]], speed_ups: Mapping[str, Row]) -> dict[str, str]:
    names = {"sequential": "no pool", "ours": "ours", "stdlib": "the standard library's"}
    names |= {name: f"{name} {version(name)}" for name in ("pebble", "joblib")}
    warm = {name: float(np.median([turn[name] for turn in turns])) for name in cold}
    facts = {f"pool: {names[name]}": f"{warm[name]:.2f} s warm, {cold[name]:.2f} s cold" for name in cold}
    for name, row in speed_ups.items():
        facts[f"pool: {names[name]}"] += f", {row.ratio:.2f} times ({row.low:.2f} to {row.high:.2f}) sequential"
    return facts
