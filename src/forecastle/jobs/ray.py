"""The executor of a Ray cluster: a Ray task for each of ours, which runs it in a slot on its node (`outpost`).

Ray only carries bytes there and back. It retries nothing, and it watches neither time nor memory nor outcome.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog

from forecastle import __version__
from forecastle.errors import SettingsError
from forecastle.jobs import outpost
from forecastle.jobs.executor import Lost, Task
from forecastle.jobs.journal import Failed, News, Outcome, Succeeded, decode_several
from forecastle.jobs.outpost import Sight
from forecastle.jobs.slot import tidy_up

NAMESPACE = "forecastle"
COUNT_EVERY_S = 2.0
CANCEL_S = 10.0
SIGHT_S = 60.0
REACH_S = 5.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # or each worker warns of a change to come
}

log = structlog.get_logger("forecastle.jobs")


class RayExecutor:
    """An executor with as many workers as the cluster has CPUs, or as are asked for.

    A program that is connected to a cluster already stays so, and uses that one.
    """

    def __init__(
        self,
        *,
        address: str | None,
        workers: int,
        recycle_after: int,
        folder: Path,
        modules: tuple[str, ...] = (),
        shared: tuple[str, ...] = (),
    ) -> None:
        self._address = address
        self._asked = workers
        self._slot = (recycle_after, modules, shared)
        self._folder = folder
        self._mark = f"storage-{token_hex(16)}"
        self._cpus = 0
        self._counting: asyncio.Task[None] | None = None
        self._is_connection_ours = False

    @property
    def workers(self) -> int:
        """How many tasks run at once; it changes with the cluster."""
        return min(self._asked or self._cpus, self._cpus)

    async def __aenter__(self) -> Self:
        """Connect, and see that every node shares the home folder and runs this version."""
        self._ray = _import_ray()
        await asyncio.to_thread(self._connect)
        try:
            (self._folder / self._mark).touch()
            await self._check_nodes()
            await self._check_cpus()
        except BaseException:
            await self._disconnect()
            raise
        self._counting = asyncio.create_task(self._keep_counting(), name="ray-cpus")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, which ends what this program still has there."""
        if self._counting is not None:
            self._counting.cancel()
            with suppress(asyncio.CancelledError):
                await self._counting
        await self._disconnect()

    async def run(self, task: Task, follow: Callable[[News], None]) -> Outcome | Lost:
        """Run one task somewhere in the cluster."""
        order = outpost.write_order(task, self._folder, self._mark, self._slot)
        performing = self._remote(outpost.perform).remote(order)
        try:
            return await self._follow(performing, follow)
        except asyncio.CancelledError:
            await self._cancel(performing)
            raise
        finally:
            tidy_up(self._folder, task)

    async def _follow(self, performing: Any, follow: Callable[[News], None]) -> Outcome | Lost:
        errors = self._ray.exceptions
        try:
            async for sent in performing:
                for entry in decode_several(await sent):
                    if isinstance(entry, Succeeded | Failed):
                        return entry
                    follow(entry)
        except errors.OutOfMemoryError:
            return Failed("its node ran out of memory, and the cluster ended it")
        except errors.RayTaskError as error:
            log.exception("a node could not run a job")
            return Failed(f"its node could not run it: {_last_line(error)}")
        except errors.RayError as error:  # the node, or Ray's own process there, is gone
            return Lost(f"its node was lost ({type(error).__name__})")
        return Lost("its node sent no outcome")

    async def _cancel(self, performing: Any) -> None:
        """End a task; it is dead when its end shows, for its node kills it before."""
        with suppress(self._ray.exceptions.RayError):
            self._ray.cancel(performing)
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_S):
                    await performing.completed()
                return
            self._ray.cancel(performing, force=True)

    def _connect(self) -> None:
        """Runs outside the main thread, where Ray leaves signal handlers as they are."""
        if self._address is not None:
            _reach(self._address)
        if self._ray.is_initialized():
            return
        logging.getLogger("ray").setLevel(logging.ERROR)  # it warns of what is meant to be so
        address = self._address or "auto"
        try:
            self._ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = self._address or "a cluster that this machine belongs to"
            reason = str(error).strip().partition("\n")[0]
            raise SettingsError(f"FORECASTLE_JOBS__RAY_ADDRESS: cannot connect to {where}: {reason}") from error
        self._is_connection_ours = True

    async def _disconnect(self) -> None:
        (self._folder / self._mark).unlink(missing_ok=True)
        if self._is_connection_ours:
            await asyncio.to_thread(self._ray.shutdown)
            self._is_connection_ours = False

    async def _check_nodes(self) -> None:
        """See that every node that answers shares the home folder and runs this version.

        Raises:
            SettingsError: one does not, or none answers.
        """
        nodes = [node for node in await asyncio.to_thread(self._ray.nodes) if node["Alive"]]
        sights = [sight for sight in await asyncio.gather(*map(self._ask, nodes)) if sight is not None]
        if not sights:
            raise SettingsError("FORECASTLE_JOBS__EXECUTOR: no node of the Ray cluster answers")
        for sight in sights:
            if not (sight.is_same and sight.is_writable):
                found = "cannot write to it" if sight.is_same else "sees another folder there, or none"
                raise SettingsError(
                    "FORECASTLE_HOME: expected a folder that every node of the Ray cluster shares,"
                    f" but node {sight.node} {found}: {self._folder}"
                )
            if sight.version != __version__:
                raise SettingsError(
                    f"FORECASTLE_JOBS__EXECUTOR: node {sight.node} has forecastle {sight.version},"
                    f" expected {__version__} as here"
                )

    async def _ask(self, node: Mapping[str, Any]) -> Sight | None:
        """What a node sees; None if it is gone, which it may be for a while before the cluster knows."""
        affinity = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        there = {"num_cpus": 0, "scheduling_strategy": affinity(node["NodeID"], soft=False)}
        looking = self._remote(outpost.look_at).options(**there).remote(str(self._folder), self._mark)
        name = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        try:
            return msgspec.json.decode(await asyncio.wait_for(looking, SIGHT_S), type=Sight)
        except self._ray.exceptions.RayTaskError as error:
            raise SettingsError(f"FORECASTLE_JOBS__EXECUTOR: {name} cannot be used: {_last_line(error)}") from error
        except (TimeoutError, self._ray.exceptions.RayError) as error:
            log.warning(
                "a node of the cluster does not answer and was not checked", node=name, reason=_last_line(error)
            )
            return None

    def _remote(self, function: Callable[..., Any]) -> Any:
        return self._ray.remote(num_cpus=1, max_retries=0)(function)

    async def _keep_counting(self) -> None:
        while True:
            await asyncio.sleep(COUNT_EVERY_S)
            with suppress(self._ray.exceptions.RayError):
                await self._count()

    async def _check_cpus(self) -> None:
        await self._count()
        if not self._cpus:
            raise SettingsError("FORECASTLE_JOBS__EXECUTOR: the Ray cluster has no CPUs for jobs")

    async def _count(self) -> None:
        resources = await asyncio.to_thread(self._ray.cluster_resources)
        self._cpus = int(resources.get("CPU", 0))


def _reach(address: str) -> None:
    """See that somebody listens there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 2**16):
        raise SettingsError(
            f"FORECASTLE_JOBS__RAY_ADDRESS: expected host:port of the cluster's head, found {address!r}"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(f"FORECASTLE_JOBS__RAY_ADDRESS: cannot reach {address}: {reason}") from error


def _last_line(error: BaseException) -> str:
    """Ray's messages end with what matters, after a traceback."""
    return "".join(str(error).strip().splitlines()[-1:])


def _import_ray() -> Any:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return import_module("ray")
    except ModuleNotFoundError as error:
        raise SettingsError(
            "FORECASTLE_JOBS__EXECUTOR: Ray is not installed here: pip install 'forecastle[ray]'"
        ) from error
