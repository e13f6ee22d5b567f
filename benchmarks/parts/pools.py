"""32 fits in our pool, in turns with other pools and with none.

In each turn every contender does all of the fits once, in an order drawn anew from a seed, so that nobody always runs
after the same one. Each other pool is held against ours by itself: its seconds over ours in the same turn, the median
over the turns. Ours is within 5 % of the best when none of these medians is below 0.95. To take the best of the others
in each turn instead would hold ours against the luckiest of three draws: of four equal pools in noisy turns, each is
slower than the best of the others in three turns of four.

All do the same work: one function on slices of one mapped file, under the same thread caps, and the hashes of the
models are compared in every turn. The others keep their processes; ours replaces each after ten fits, and watches
their time and memory, as in production.
"""

import random
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
SEED = 11


def make_matrix(folder: Path) -> Path:
    """A seeded matrix of 240 MB, as a file that can be mapped."""
    path = folder / "matrix.npy"
    np.save(path, np.random.default_rng(5).normal(size=(ROWS, FEATURES)))
    return path


def orders(path: Path, jobs: int = JOBS) -> list[dict[str, Any]]:
    """Arguments of the fits: each its own slice and seed."""
    return [{"path": str(path), "start": SLICE * job, "rows": SLICE, "seed": job} for job in range(jobs)]


def run(folder: Path, rounds: int) -> tuple[list[Row], dict[str, str]]:
    """The rows of speed-up, and of how much longer each of the others takes."""
    path, draw = make_matrix(folder), random.Random(SEED)
    with ExitStack() as stack:
        contenders = {"sequential": stack.enter_context(contender("sequential", "training_peers.py", "sequential"))}
        contenders["ours"] = stack.enter_context(contender("ours", "training_ours.py"))
        for name in PEERS:
            contenders[name] = stack.enter_context(contender(name, "training_peers.py", name))
        caps = {name: each.ask("caps").result for name, each in contenders.items()}
        assert set(caps["ours"].values()) == {"1"}, caps
        assert all(found == caps["ours"] for found in caps.values()), f"other thread caps: {caps}"
        cold, *turns = [_turn(contenders, path, draw) for _ in range(rounds + 1)]
    speed_ups = {
        name: paired(
            [(turn["sequential"], turn[name]) for turn in turns],
            f"{JOBS} fits, 2 workers over sequential: {name}",
            require=SPEED_UP,
        )
        for name in ("ours", *PEERS)
    }
    against = [
        paired([(turn[name], turn["ours"]) for turn in turns], f"{JOBS} fits, {name} over ours", require=AS_FAST)
        for name in PEERS
    ]
    return [speed_ups.pop("ours"), *against], _facts(cold, turns, speed_ups)


def _turn(contenders: Mapping[str, Contender], path: Path, draw: random.Random) -> dict[str, float]:
    """Seconds of each, in the order of `contenders`; all have fitted the same models."""
    order = draw.sample(list(contenders), len(contenders))
    drawn: dict[str, Answer] = {name: contenders[name].ask("fit", jobs=orders(path)) for name in order}
    for name, answer in drawn.items():
        assert answer.result == drawn["sequential"].result, f"{name} fitted other models"
    return {name: drawn[name].seconds for name in contenders}


def _facts(cold: Mapping[str, float], turns: list[dict[str, float]], speed_ups: Mapping[str, Row]) -> dict[str, str]:
    names = {"sequential": "no pool", "ours": "ours", "stdlib": "the standard library's"}
    names |= {name: f"{name} {version(name)}" for name in ("pebble", "joblib")}
    warm = {name: float(np.median([turn[name] for turn in turns])) for name in cold}
    facts = {f"pool: {names[name]}": f"{warm[name]:.2f} s warm, {cold[name]:.2f} s cold" for name in cold}
    for name, row in speed_ups.items():
        facts[f"pool: {names[name]}"] += f", {row.ratio:.2f} times ({row.low:.2f} to {row.high:.2f}) sequential"
    return facts
