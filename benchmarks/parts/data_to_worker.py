"""A matrix of 240 MB for a worker: mapped by ours, pickled by the standard library, memmapped by joblib."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from pairing import Answer, Row, contender, paired, within
from parts.pools import SLICE, make_matrix, orders

ROUNDS = 5
WORKER_MB = 210.0
FASTER = 1.0


def run(folder: Path) -> tuple[list[Row], dict[str, str]]:
    """The rows of how much sooner ours has looked at a slice, and of a worker's memory after a fit."""
    path = str(make_matrix(folder))
    asked = {"path": path, "start": 300_000, "rows": SLICE}
    with ExitStack() as stack:
        ours = stack.enter_context(contender("ours", "training_ours.py", "forecastle.training.worker"))
        peers = {name: stack.enter_context(contender(name, "training_peers.py", name)) for name in ("stdlib", "joblib")}
        for peer in peers.values():
            peer.ask("load", path=path)
        turns: list[dict[str, Answer]] = []
        for _ in range(ROUNDS + 1):
            turns.append({name: each.ask("look", **asked) for name, each in {"ours": ours, **peers}.items()})
            assert len({answer.result for answer in turns[-1].values()}) == 1, "they saw different rows"
        fitted = ours.ask("measure", jobs=orders(Path(path), jobs=8)).result
    rows = [
        paired(
            [(turn[name].seconds, turn["ours"].seconds) for turn in turns[1:]],
            f"240 MB to a worker, {way} over mapped by ours",
            require=FASTER,
        )
        for name, way in (("stdlib", "pickled by the standard library"), ("joblib", "memmapped by joblib"))
    ]
    resident, private = ([each[field] for each in fitted] for field in ("VmRSS", "RssAnon"))
    rows.append(within(WORKER_MB, resident, f"{WORKER_MB:.0f} MB over a worker's memory after a fit"))
    facts = {
        f"240 MB to a worker: {name}": f"{1000 * float(np.median([turn[name].seconds for turn in turns[1:]])):.1f} ms"
        for name in turns[0]
    }
    facts["worker after a fit"] = f"{max(resident):.0f} MB resident, {max(private):.0f} MB of it anonymous"
    return rows, facts
