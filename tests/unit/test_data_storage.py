"""Tables are in the store whole or not at all, even when an import is killed."""

import errno
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from forecastle.data.errors import StoreFull, TableDamaged, TableMissing
from forecastle.data.importing import ImportedTable, import_table
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore

IMPORT_AND_STALL = """
import sys, time
from pathlib import Path
from forecastle.data.importing import import_table
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore

def stall(share, message):
    if message == sys.argv[3]:
        print("stalled", flush=True)
        time.sleep(600)

with TableStore(Path(sys.argv[2])).workspace() as folder:
    import_table(Path(sys.argv[1]), ImportOptions(), folder, stall)
"""


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path / "store")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("date,v\n2020-01-02,1\n2020-01-01,2\n")
    return path


def contents(store: TableStore) -> list[str]:
    return sorted(path.name for path in store.root.rglob("*") if path.is_file())


def adopted(store: TableStore, path: Path) -> ImportedTable:
    with store.workspace() as folder:
        table = import_table(path, ImportOptions(), folder)
        store.adopt(table.path, table.sha256)
    store.settle(table.sha256)
    return table


@pytest.mark.parametrize("moment", ["converting", "storing"])
def test_a_killed_import_leaves_nothing_visible_and_a_sweep_clears_up(
    store: TableStore, table: Path, moment: str
) -> None:
    command = [sys.executable, "-c", IMPORT_AND_STALL, str(table), str(store.root), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stalled\n"
        workspaces = list(store.root.glob("incoming/*"))
        assert len(workspaces) == 1
        store.sweep()  # does not disturb the one that lives
        assert list(store.root.glob("incoming/*")) == workspaces
        process.send_signal(signal.SIGKILL)
    assert not list(store.root.glob("*.parquet"))
    store.sweep()
    assert list(store.root.glob("incoming/*")) == []


def test_the_same_content_is_one_file(store: TableStore, table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("date;v\r\n2020/01/01;2\r\n2020/01/02;1\r\n")
    first, second = adopted(store, table), adopted(store, other)
    assert first.sha256 == second.sha256
    assert contents(store) == [f"{first.sha256}.parquet"]


def test_a_new_table_is_doubtful_until_it_is_settled(store: TableStore, table: Path) -> None:
    assert store.doubtful() == []
    with store.workspace() as folder:
        new = import_table(table, ImportOptions(), folder)
        store.adopt(new.path, new.sha256)
    assert store.doubtful() == [new.sha256]
    store.settle(new.sha256)
    store.settle(new.sha256)
    assert store.doubtful() == []
    with store.workspace() as folder:
        again = import_table(table, ImportOptions(), folder)
        store.adopt(again.path, again.sha256)
    assert store.doubtful() == []


def read(store: TableStore, table: ImportedTable) -> pl.DataFrame:
    return store.read("t", table.sha256, time=table.time, keys=table.keys)


def test_reads_what_it_adopted(store: TableStore, table: Path) -> None:
    found = read(store, adopted(store, table))
    assert found.schema == {"date": pl.Datetime("us", "UTC"), "v": pl.Int64}
    assert found["v"].to_list() == [2, 1]


def test_a_removed_table_is_missing(store: TableStore, table: Path) -> None:
    imported = adopted(store, table)
    store.remove(imported.sha256)
    store.remove(imported.sha256)
    with pytest.raises(TableMissing, match=f"dataset 't' was removed, or its file store/{imported.sha256}.parquet"):
        read(store, imported)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A table with a column of every type, and gaps."""
    path = tmp_path / "mixed.csv"
    days = [date(2020, 1, 1) + timedelta(days=number) for number in range(99)]
    rows = [f"{day},{day.day},{1 / day.day},{'red' if day.day % 3 else ''},{day.day % 2 == 0}" for day in days]
    path.write_text("\n".join(["date,count,share,colour,even", *rows]))
    return path


def test_any_change_of_a_stored_byte_is_found_or_changes_nothing(store: TableStore, mixed: Path) -> None:
    imported = adopted(store, mixed)
    sound, file = read(store, imported), store.path(imported.sha256)
    stored = file.read_bytes()
    refused: list[TableDamaged] = []
    for place in range(0, len(stored), 7):
        file.write_bytes(stored[:place] + bytes([stored[place] ^ 0xFF]) + stored[place + 1 :])
        try:
            assert read(store, imported).equals(sound)
        except TableDamaged as error:
            refused.append(error)
    named = f"dataset 't' is damaged: its file store/{file.name} is not what was imported"
    assert all(error.message.startswith(named) and "\n" not in error.message for error in refused)
    assert {"another hash" in error.message for error in refused} == {True, False}  # some of it can still be read


@pytest.mark.parametrize("content", [b"", b"PAR1", b"colour\nred\n"])
def test_a_file_that_is_no_table_is_damaged(store: TableStore, mixed: Path, content: bytes) -> None:
    imported = adopted(store, mixed)
    store.path(imported.sha256).write_bytes(content)
    with pytest.raises(TableDamaged, match="add it again"):
        read(store, imported)


def test_a_damaged_table_is_whole_again_once_it_is_added_again(store: TableStore, mixed: Path) -> None:
    imported = adopted(store, mixed)
    sound = read(store, imported)
    store.path(imported.sha256).write_bytes(b"damaged")
    assert read(store, adopted(store, mixed)).equals(sound)


def test_a_full_disk_is_said_to_be_full(store: TableStore) -> None:
    with (
        pytest.raises(StoreFull, match=r"no space is left in .*store for the dataset: make room there"),
        store.workspace(),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert contents(store) == []


def test_other_trouble_of_the_disk_is_not_hidden(store: TableStore) -> None:
    with pytest.raises(PermissionError), store.workspace():
        raise PermissionError(errno.EACCES, "Permission denied")
