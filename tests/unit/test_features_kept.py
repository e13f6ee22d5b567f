"""What was computed once is mapped afterwards, and losing it costs time only."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forecastle.data.storage import TableStore
from forecastle.features.kept import INCOMING, Kept
from forecastle.features.matrix import FeatureMatrix

TABLE = pl.DataFrame(
    {"city": ["Oslo", None, "Rome"], "heat": [1.0, None, 3.0], "rain": [True, None, False]}
).with_columns(time=pl.datetime(2026, 1, pl.int_range(1, 4), time_zone="UTC"))
MATRIX = FeatureMatrix.of(TABLE.select("city", "heat"))
ROOMY = 10**6


def never() -> pl.DataFrame:
    raise AssertionError("computed again")


def never_matrix() -> FeatureMatrix:
    raise AssertionError("computed again")


def damage_is_mended(kept: Kept) -> bool:
    matrix, there = kept.matrix("k", lambda: MATRIX)
    again, there_again = kept.matrix("k", never_matrix)
    same = all(each.frame(["city", "heat"]).equals(TABLE.select("city", "heat")) for each in (matrix, again))
    return same and there_again and not there


def test_a_table_is_computed_once_and_equal_ever_after(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "new", ROOMY)
    first, there = kept.table("k", lambda: TABLE)
    assert first.equals(TABLE)
    assert not there
    again, there = Kept(tmp_path / "new", ROOMY).table("k", never)
    assert again.equals(TABLE)
    assert again.schema == TABLE.schema
    assert there


def test_a_matrix_is_mapped_and_cannot_be_written_to(tmp_path: Path) -> None:
    kept = Kept(tmp_path, ROOMY)
    kept.matrix("k", lambda: MATRIX)
    matrix, there = kept.matrix("k", never_matrix)
    assert there
    assert matrix.frame(["city", "heat"]).equals(TABLE.select("city", "heat"))
    assert matrix.vocabularies == MATRIX.vocabularies
    assert not matrix.values.flags.owndata
    assert not matrix.values.flags.writeable
    assert matrix.values.flags.c_contiguous


@pytest.mark.parametrize("name", ["values.npy", "vocabularies.json"])
def test_features_that_were_damaged_are_computed_again(tmp_path: Path, name: str) -> None:
    kept = Kept(tmp_path, ROOMY)
    kept.matrix("k", lambda: MATRIX)
    path = tmp_path / "k" / name
    path.write_bytes(path.read_bytes()[:-2] + b"]]")
    assert damage_is_mended(kept)
    path.write_bytes(b"")
    assert damage_is_mended(kept)


def test_a_table_that_was_damaged_is_computed_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path, ROOMY)
    kept.table("k", lambda: TABLE)
    path = tmp_path / "k" / "table.arrow"
    path.write_bytes(path.read_bytes().replace(np.float64(3.0).tobytes(), np.float64(4.0).tobytes()))
    table, there = kept.table("k", lambda: TABLE)
    assert not there
    assert table.equals(TABLE)
    assert kept.table("k", never)[0].equals(TABLE)


def test_a_large_table_takes_no_memory_of_its_own(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np, polars as pl
from forecastle.features.kept import Kept
from forecastle.features.matrix import FeatureMatrix

def own():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

def never():
    raise AssertionError

kept = Kept(Path(sys.argv[1]), 10**9)
kept.table("small", never), kept.matrix("small-features", never)
before = own()
table, _ = kept.table("large", never)
matrix, _ = kept.matrix("large-features", never)
total = table["x"].to_numpy().sum() + matrix.take(np.arange(5, 1_999_990)).sum()
print(own() - before, total)
"""
    kept = Kept(tmp_path, 10**9)
    large = pl.DataFrame({"x": np.ones(2_000_000)})
    for key, frame in (("small", TABLE.select("heat")), ("large", large)):
        kept.table(key, partial(pl.DataFrame, frame))
        kept.matrix(f"{key}-features", partial(FeatureMatrix.of, frame))
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    grown_kb, total = told.stdout.split()
    assert float(total) == 2_000_000 + 1_999_985
    assert int(grown_kb) < 8_000  # each of the two is 16 MB


@pytest.mark.parametrize("spoil", ["cut", "empty", "gone"])
def test_what_is_spoilt_is_computed_again(tmp_path: Path, spoil: str) -> None:
    kept = Kept(tmp_path, ROOMY)
    kept.table("k", lambda: TABLE)
    kept.matrix("m", lambda: MATRIX)
    for file in [*(tmp_path / "k").iterdir(), *(tmp_path / "m").iterdir()]:
        match spoil:
            case "cut":
                os.truncate(file, file.stat().st_size // 2)
            case "empty":
                file.write_bytes(b"")
            case "gone":
                file.unlink()
    assert kept.table("k", lambda: TABLE)[1] is False
    assert kept.matrix("m", lambda: MATRIX)[1] is False
    assert kept.table("k", never)[0].equals(TABLE)
    assert kept.matrix("m", never_matrix)[1]


def test_an_error_while_computing_leaves_nothing_behind(tmp_path: Path) -> None:
    kept = Kept(tmp_path, ROOMY)
    with pytest.raises(AssertionError, match="computed again"):
        kept.table("k", never)
    assert list((tmp_path / INCOMING).iterdir()) == []
    assert kept.table("k", lambda: TABLE)[0].equals(TABLE)


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": np.zeros(10_000)})  # 80 kB
    kept = Kept(tmp_path, 250_000)
    for age, key in ((30, "old"), (20, "used"), (10, "young")):
        kept.table(key, lambda: table)
        os.utime(tmp_path / key, (time.time() - age,) * 2)
    kept.table("used", never)
    kept.table("new", lambda: table)
    assert {folder.name for folder in tmp_path.iterdir()} == {INCOMING, "used", "young", "new"}


@pytest.mark.parametrize("limit", [0, 1_000])
def test_what_does_not_fit_is_computed_and_not_kept(tmp_path: Path, limit: int) -> None:
    table = pl.DataFrame({"x": np.zeros(10_000)})
    kept = Kept(tmp_path / "kept", limit)
    for _ in range(2):
        found, there = kept.table("k", lambda: table)
        assert found.equals(table)
        assert not there
    assert not (tmp_path / "kept" / "k").exists()


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    found, there = Kept(tmp_path / "kept", ROOMY).table("k", lambda: TABLE)
    assert found.equals(TABLE)
    assert not there


def test_what_a_killed_process_left_half_written_is_swept(tmp_path: Path) -> None:
    left = tmp_path / INCOMING / "half"
    left.mkdir(parents=True)
    (left / "values.npy").write_bytes(b"half")
    Kept(tmp_path, ROOMY).table("k", lambda: TABLE)
    assert not left.exists()


def test_processes_that_need_the_same_at_once_compute_it_once(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
import polars as pl
from forecastle.features.kept import Kept

def compute():
    time.sleep(0.5)
    print("computed")
    return pl.DataFrame({"x": [1.0]})

assert Kept(Path(sys.argv[1]), 10**6).table("k", compute)[0]["x"].to_list() == [1.0]
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert "".join(told).split() == ["computed"]


def test_it_goes_with_the_table_that_it_was_computed_from(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    for key in ("aa-1", "aa-2", "ab-1"):
        Kept(store.derived, ROOMY).table(key, lambda: TABLE)
    store.remove("aa")
    assert {folder.name for folder in store.derived.iterdir()} == {INCOMING, "ab-1"}
