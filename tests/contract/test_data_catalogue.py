"""The catalogue of datasets, on every kind of database."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forecastle.clock import ManualClock
from forecastle.data import catalogue
from forecastle.data.dataset import Dataset
from forecastle.data.errors import BadDatasetName, BadTable, DatasetExists, DatasetNotFound
from forecastle.data.options import ImportOptions
from forecastle.data.rows import read_rows
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.settings import DatabaseSettings

ADOPT_AND_STALL = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from forecastle.data import catalogue
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.db import open_database
from forecastle.settings import DatabaseSettings

class Stalling(TableStore):
    def adopt(self, temporary, sha256):
        super().adopt(temporary, sha256)
        print("adopted", flush=True)
        sys.stdin.readline()

async def main(url, root, source):
    async with open_database(DatabaseSettings(url=url), home=Path(root)) as database:
        options, now = ImportOptions(), datetime.now(UTC)
        await catalogue.import_file(database, Stalling(Path(root)), Path(source), options, name="stalled", now=now)

asyncio.run(main(*sys.argv[1:]))
"""
PRICES = "date,stock,close\n2020-01-02,B,2.5\n2020-01-01,A,\n"
OTHER = "date,stock,close\n2020-01-02,B,3\n"


class Home:
    """A database and a store, and what tests do with them."""

    def __init__(self, database: Database, folder: Path, clock: ManualClock) -> None:
        self.database, self.folder, self.clock = database, folder, clock
        self.store = TableStore(folder / "store")

    def file(self, content: str) -> Path:
        path = self.folder / f"{abs(hash(content))}.csv"
        if not path.exists():
            path.write_text(content)
        return path

    async def add(self, name: str, content: str = PRICES, **options: Any) -> Dataset:
        self.clock.advance(1)
        return await catalogue.import_file(
            self.database,
            self.store,
            self.file(content),
            ImportOptions(**options),
            name=name,
            now=self.clock.now(),
        )

    async def get(self, name: str) -> Dataset:
        async with self.database.read() as session:
            return await catalogue.get(session, name)

    async def names(self) -> list[str]:
        async with self.database.read() as session:
            return [dataset.name for dataset in await catalogue.list_all(session)]

    async def remove(self, name: str) -> Dataset:
        async with self.database.write() as session:
            return await catalogue.remove(session, name, self.store)

    def tables(self) -> set[str]:
        return {path.stem for path in self.store.root.glob("*.parquet")}


@pytest.fixture
def home(database: Database, tmp_path: Path, clock: ManualClock) -> Home:
    return Home(database, tmp_path, clock)


async def test_what_was_added_is_found_by_its_name(home: Home) -> None:
    added = await home.add("prices", keys=("stock",))
    assert await home.get("prices") == added
    assert (added.rows, added.time, added.keys) == (2, "date", ("stock",))
    assert [(column.name, column.kind, column.missing) for column in added.columns] == [
        ("date", "time", 0),
        ("stock", "category", 0),
        ("close", "number", 1),
    ]
    assert added.created_at == home.clock.now()


async def test_rows_are_plain_values(home: Home) -> None:
    dataset = await home.add("prices")
    assert read_rows(home.store, dataset, limit=1, offset=0) == [
        {"date": "2020-01-01T00:00:00Z", "stock": "A", "close": None}
    ]
    assert read_rows(home.store, dataset, limit=9, offset=1) == [
        {"date": "2020-01-02T00:00:00Z", "stock": "B", "close": 2.5}
    ]
    assert read_rows(home.store, dataset, limit=9, offset=2) == []


async def test_the_same_content_under_the_same_name_is_the_same_dataset(home: Home) -> None:
    first = await home.add("prices")
    assert await home.add("prices") == first


async def test_a_name_keeps_its_content(home: Home) -> None:
    dataset = await home.add("prices")
    with pytest.raises(DatasetExists, match="dataset 'prices' exists with other content"):
        await home.add("prices", OTHER)
    with pytest.raises(DatasetExists):
        await home.add("prices", keys=("stock",))
    assert home.tables() == {dataset.sha256}


async def test_what_is_refused_leaves_nothing(home: Home) -> None:
    with pytest.raises(BadTable):
        await home.add("prices", "a,b\n1\n")
    assert await home.names() == []
    assert home.tables() == set()


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "a/b", "../x", "x" * 101, "naïve", "a\n"])
async def test_refuses_a_name(home: Home, name: str) -> None:
    with pytest.raises(BadDatasetName, match="name: expected 1 to 100 letters"):
        await home.add(name)


async def test_datasets_are_listed_by_name(home: Home) -> None:
    for name in ("b", "c", "a"):
        await home.add(name)
    assert await home.names() == ["a", "b", "c"]


async def test_a_table_lives_as_long_as_a_name_for_it(home: Home) -> None:
    one, two = await home.add("one"), await home.add("two")
    assert one.sha256 == two.sha256
    await home.remove("one")
    assert home.tables() == {two.sha256}
    await home.remove("two")
    assert home.tables() == set()
    assert await home.names() == []


async def test_what_is_not_there_is_not_found(home: Home) -> None:
    with pytest.raises(DatasetNotFound, match="no dataset is named 'prices'"):
        await home.get("prices")
    with pytest.raises(DatasetNotFound):
        await home.remove("prices")


async def test_two_at_once_make_one_dataset(home: Home) -> None:
    home.file(PRICES)
    added = await asyncio.gather(*(home.add("prices") for _ in range(8)))
    assert len({dataset.id for dataset in added}) == 1


async def test_a_lost_table_comes_back_with_its_import(home: Home) -> None:
    dataset = await home.add("prices")
    home.store.remove(dataset.sha256)
    assert await home.add("prices") == dataset
    assert read_rows(home.store, dataset, limit=9, offset=0)


async def test_adding_and_removing_at_once_never_loses_a_named_table(home: Home) -> None:
    async def come_and_go(name: str) -> None:
        for _ in range(4):
            await home.add(name)
            assert read_rows(home.store, await home.get(name), limit=9, offset=0)
            await home.remove(name)

    await asyncio.gather(*(come_and_go(name) for name in "abc"))
    assert home.tables() == set()


@pytest.fixture
def stalled(home: Home, database_settings: DatabaseSettings) -> Iterator[subprocess.Popen[str]]:
    """Another process, whose import has put its table into the store and waits for a line before it names it."""
    arguments = (str(database_settings.url), str(home.store.root), str(home.file(PRICES)))
    with subprocess.Popen(
        [sys.executable, "-c", ADOPT_AND_STALL, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "adopted\n"
        yield process
        process.kill()


async def test_the_table_of_an_import_that_is_killed_before_it_has_a_name_is_collected(
    home: Home, stalled: subprocess.Popen[str]
) -> None:
    assert len(home.tables()) == 1
    stalled.kill()
    stalled.wait()
    other = await home.add("other", OTHER)
    assert home.tables() == {other.sha256}
    assert home.store.doubtful() == []


async def test_the_table_of_an_import_that_lives_is_not_collected(home: Home, stalled: subprocess.Popen[str]) -> None:
    assert stalled.stdin is not None
    adding = asyncio.create_task(home.add("other", OTHER))
    await asyncio.sleep(0.5)
    stalled.stdin.write("go on\n")
    stalled.stdin.flush()
    other = await adding
    assert await asyncio.to_thread(stalled.wait) == 0
    named = await home.get("stalled")
    assert home.tables() == {other.sha256, named.sha256}
    assert home.store.doubtful() == []


async def test_a_table_with_a_name_is_not_collected_though_its_import_was_killed_right_after(home: Home) -> None:
    dataset = await home.add("prices")
    (home.store.root / "doubtful" / dataset.sha256).touch()
    other = await home.add("other", OTHER)
    assert home.tables() == {dataset.sha256, other.sha256}
    assert home.store.doubtful() == []


async def test_an_abandoned_import_stops(home: Home) -> None:
    adding: asyncio.Task[Dataset] | None = None

    def abandon(_share: float, _message: str) -> None:
        if adding is not None:
            loop.call_soon_threadsafe(adding.cancel)

    loop = asyncio.get_running_loop()
    source, store = home.file(PRICES), home.store
    work = catalogue.import_file(
        home.database, store, source, ImportOptions(), name="prices", now=home.clock.now(), progress=abandon
    )
    adding = asyncio.create_task(work)
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert await home.names() == []
    assert [path for path in home.store.root.rglob("*") if path.is_file()] == []
