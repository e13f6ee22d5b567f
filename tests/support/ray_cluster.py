"""A Ray cluster of two nodes on this machine, and the connection of this process to it."""

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forecastle.jobs.ray import QUIET

CPUS_A_NODE = 2
OBJECT_STORE_BYTES = 80 * 1024 * 1024
SETTINGS = QUIET | {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # Ray's name for: take 127.0.0.1 for this machine's address
    "RAY_health_check_period_ms": "1000",  # a dead node is known to be dead soon
}
SUPPORT = Path(__file__).parent


class RayCluster:
    """Two nodes; more come and go."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    @contextmanager
    def another_node(self, **resources: float) -> Iterator[Any]:
        """A node with one CPU; `kill` it, or it leaves at the end."""
        node = _add_node(self._cluster, num_cpus=1, resources=resources)
        try:
            yield node
        finally:
            if node in self._cluster.worker_nodes:
                self._cluster.remove_node(node)

    def kill(self, node: Any) -> None:
        """Without a word to the others; they find out."""
        self._cluster.remove_node(node, allow_graceful=False)

    def knows_of(self, nodes: int) -> bool:
        """Whether so many are thought to be alive."""
        alive = [node for node in importlib.import_module("ray").nodes() if node["Alive"]]
        return len(alive) == nodes


@contextmanager
def open_cluster() -> Iterator[RayCluster]:
    """A cluster with nothing that is not needed: no dashboard, no telemetry, little memory."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        Path(folder, "ray").mkdir()  # Ray notes there which cluster is the machine's, and does not make it
        # nodes find the jobs of tests by name
        with _environment(**SETTINGS, RAY_TMPDIR=folder, PYTHONPATH=str(SUPPORT)):
            utils = importlib.import_module("ray.cluster_utils")
            ray = importlib.import_module("ray")
            made = utils.Cluster()
            try:
                _add_node(made, num_cpus=CPUS_A_NODE, include_dashboard=False, temp_dir=folder)
                _add_node(made, num_cpus=CPUS_A_NODE)
                ray.init(address=made.address, log_to_driver=False, configure_logging=False)
                yield RayCluster(made)
            finally:
                ray.shutdown()
                made.shutdown()


@contextmanager
def _environment(**changes: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ |= changes
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {} if value is None else {name: value}


def _add_node(made: Any, **options: Any) -> Any:
    return made.add_node(object_store_memory=OBJECT_STORE_BYTES, **options)
