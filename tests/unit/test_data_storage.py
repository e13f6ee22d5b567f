"""Tables are in the store whole or not at all, even when an import is killed."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from forecastle.data.errors import StoreFull, TableMissing
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


def test_scans_what_it_adopted(store: TableStore, table: Path) -> None:
    imported = adopted(store, table)
    found = store.scan(imported.sha256).collect()
    assert found.schema == {"date": pl.Datetime("us", "UTC"), "v": pl.Int64}
    assert found["v"].to_list() == [2, 1]


def test_a_removed_table_is_missing(store: TableStore, table: Path) -> None:
    imported = adopted(store, table)
    store.remove(imported.sha256)
    store.remove(imported.sha256)
    with pytest.raises(TableMissing, match=imported.sha256[:12]):
        store.scan(imported.sha256)


def test_a_full_disk_is_said_to_be_full(store: TableStore) -> None:
    with pytest.raises(StoreFull, match="no space left"), store.workspace():
        raise OSError(errno.ENOSPC, "No space left on device")
    assert contents(store) == []


def test_other_trouble_of_the_disk_is_not_hidden(store: TableStore) -> None:
    with pytest.raises(PermissionError), store.workspace():
        raise PermissionError(errno.EACCES, "Permission denied")
