"""Fixtures for every test: databases of both kinds, a clock that stands still, the folder of real tables."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import postgresql
import pytest
from argon2 import PasswordHasher
from onnx import TensorProto, helper, numpy_helper
from ray_cluster import RayCluster, open_cluster
from sqlalchemy.engine import URL, make_url

from forecastle.auth.passwords import Passwords, open_passwords
from forecastle.clock import ManualClock
from forecastle.db import Database, migrate, open_database
from forecastle.registry import runtime  # noqa: F401 - before a test loads ONNX Runtime by itself, so that it is silent
from forecastle.registry.manifest import FeatureColumn, Manifest, Parity, TargetFacts
from forecastle.settings import DatabaseSettings
from forecastle.types import new_id


def _folder(given: str) -> Path:
    return Path(given).absolute()  # some tests work in a folder of their own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real-data", type=_folder, metavar="DIR", help="also run the tests on the real tables in DIR")
    parser.addoption("--all-proofs", action="store_true", help="prove the slow example recipes too; with --real-data")
    parser.addoption("--kill-rounds", type=int, default=2, metavar="N", help="how often servers are killed under load")
    parser.addoption("--bad-inputs-report", type=Path, metavar="FILE", help="write what each bad input was answered")
    parser.addoption("--update-snapshots", action="store_true", help="write tests/snapshots instead of comparing")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if _needs_cluster(item):
            item.add_marker(pytest.mark.xdist_group("ray"))  # of test processes side by side only one starts a cluster
    if config.getoption("--real-data") is not None:
        return
    left_out = [item for item in items if item.get_closest_marker("real_data")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("real_data")]


def _needs_cluster(item: pytest.Item) -> bool:
    if "ray_cluster" in getattr(item, "fixturenames", ()):
        return True
    chosen = getattr(item, "callspec", None)
    return chosen is not None and any(isinstance(each, str) and each == "ray" for each in chosen.params.values())


@pytest.fixture
def real_data(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.config.getoption("--real-data")
    assert folder.is_dir(), f"--real-data {folder}: no such folder"
    return folder.absolute()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_manifest() -> Callable[..., Manifest]:
    """Makes the manifest of a small regression on `a` and `b`; keywords replace its fields."""
    return _manifest


@pytest.fixture
def make_graph() -> Callable[..., bytes]:
    """Makes a graph for a manifest: `bias` plus 1 x the first feature, 2 x the second, …; for classes their softmax."""
    return _graph


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    """A hasher that takes the least work argon2 allows."""
    async with open_passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)) as passwords:
        yield passwords


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseSettings]:
    """A database without any table; once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        yield DatabaseSettings(url=f"sqlite:///{tmp_path / 'empty.db'}")
    else:
        with postgresql.database(request.getfixturevalue("postgresql_server")) as url:
            yield _settings(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseSettings]:
    """A database with the schema and no rows; once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "forecastle.db")
        yield DatabaseSettings(url=f"sqlite:///{path}")
    else:
        with request.getfixturevalue("postgresql_databases").lend() as url:
            yield _settings(url)


@pytest.fixture
async def database(database_settings: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Database]:
    """The same database, open."""
    async with open_database(database_settings, home=tmp_path) as database:
        yield database


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "forecastle.db"
    asyncio.run(_migrate(DatabaseSettings(url=f"sqlite:///{path}")))
    return path


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: URL) -> Iterator[postgresql.Databases]:
    with postgresql.database(postgresql_server) as template:
        asyncio.run(_migrate(_settings(template)))
        yield postgresql.Databases(postgresql_server, template)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """The server's own `postgres` database; a server per test process unless the environment names one."""
    given = os.environ.get("FORECASTLE_TEST_DATABASE_URL")
    if given:
        yield make_url(given)
        return
    with postgresql.server() as url:
        yield url


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """Two nodes on this machine, to which this process is connected."""
    with open_cluster() as cluster:
        yield cluster


def _manifest(**changes: Any) -> Manifest:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    fields: dict[str, Any] = {
        "id": new_id(now),
        "name": "prices",
        "fingerprint": token_hex(32),
        "task": "regression",
        "algorithm": "ridge",
        "recipe": {},
        "dataset": "prices",
        "dataset_sha256": "0" * 64,
        "features": (FeatureColumn("a", "a"), FeatureColumn("b", "b")),
        "feature_version": 1,
        "feature_states": {},
        "target": TargetFacts("c", "none", 0),
        "metrics": {"rmse": 1.0},
        "baselines": {"mean": {"rmse": 2.0}},
        "folds": (),
        "importances": {},
        "parity": Parity(10, 0.0, 1e-9, 1e-9),
        "trained_rows": 100,
        "fit_seconds": 0.1,
        "created_at": now,
        "software": {},
    }
    return Manifest(**fields | changes)


def _graph(manifest: Manifest, *, bias: float = 0.0) -> bytes:
    width, classes = len(manifest.features), len(manifest.classes)
    ascending = np.arange(1.0, width + 1)
    weights = np.outer(ascending, np.arange(classes)) if classes else ascending
    values = "clean" if manifest.missing == "median" else "features"
    nodes = [
        helper.make_node("IsNaN", ["features"], ["gaps"]),
        helper.make_node("Where", ["gaps", "fill", "features"], ["clean"]),
        helper.make_node("MatMul", [values, "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["scores" if classes else "prediction"]),
    ]
    if classes:
        nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
    shape: list[str | int | None] = ["N", classes] if classes else ["N"]
    name = "probabilities" if classes else "prediction"
    graph = helper.make_graph(
        nodes if manifest.missing == "median" else nodes[2:],
        "small",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, ["N", width])],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array(bias), "bias"),
            numpy_helper.from_array(np.zeros(1), "fill"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    serialized: bytes = model.SerializeToString()
    return serialized


async def _migrate(settings: DatabaseSettings) -> None:
    async with open_database(settings, home=Path()) as database:
        await migrate.upgrade(database)


def _settings(url: URL) -> DatabaseSettings:
    return DatabaseSettings(url=url.render_as_string(hide_password=False))
