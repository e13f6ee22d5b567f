"""Which series there are, found in the tables themselves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from forecastle.data import symbols
from forecastle.data.dataset import Dataset
from forecastle.data.errors import SymbolNotFound
from forecastle.data.importing import import_table
from forecastle.data.options import ImportOptions
from forecastle.data.storage import TableStore
from forecastle.data.symbols import MAX_SYMBOLS, Series

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path / "datasets")


def add(store: TableStore, name: str, text: str, **options: object) -> Dataset:
    path = store.root.parent / f"{name}.csv"
    path.write_text(text)
    with store.workspace() as folder:
        table = import_table(path, ImportOptions(**options), folder)  # type: ignore[arg-type]
        store.adopt(table.path, table.sha256)
    facts = {field: getattr(table, field) for field in ("sha256", "rows", "columns", "time", "keys")}
    extent = {field: getattr(table, field) for field in ("first_time", "last_time")}
    return Dataset(id=name, name=name, created_at=NOW, **facts, **extent)


def bars(store: TableStore) -> Dataset:
    rows = [f"2020-01-0{day},{ticker},{day}.5" for day in range(1, 4) for ticker in ("nvda", "YHOO")]
    return add(store, "bars", "\n".join(["date,ticker,close", *rows, "2020-01-09,YHOO,2"]), keys=("ticker",))


def plain(store: TableStore) -> Dataset:
    return add(store, "wine", "ph,kind\n3.1,red\n3.2,white\n", time="none")


def test_a_keyed_table_offers_its_symbols_targets_and_longer_bars(store: TableStore) -> None:
    (found,) = symbols.options(store, [bars(store)])
    assert (found.symbols, found.symbols_total, found.keys) == (("YHOO", "nvda"), 2, ("ticker",))
    assert (found.columns, found.targets) == (("date", "ticker", "close"), ("close",))
    assert (found.spacing_s, found.timeframes) == (86_400.0, ("1w",))
    assert (found.first_time, found.last_time) == (DAY, DAY + timedelta(days=8))


def test_a_table_without_keys_is_one_series_of_its_own_name(store: TableStore) -> None:
    wine = plain(store)
    (found,) = symbols.options(store, [wine])
    assert (found.symbols, found.time, found.spacing_s, found.timeframes) == (("wine",), None, None, ())
    assert symbols.find(store, [wine], "WINE") == (Series("wine", "wine", None, 2, None, None),)


def test_a_symbol_is_found_whatever_its_case_with_its_own_extent(store: TableStore) -> None:
    both = [bars(store), plain(store)]
    assert symbols.find(store, both, "NVDA") == (Series("nvda", "bars", "ticker", 3, DAY, DAY + timedelta(days=2)),)
    (yhoo,) = symbols.find(store, both, "yhoo")
    assert (yhoo.rows, yhoo.last_time) == (4, DAY + timedelta(days=8))


def test_the_same_symbol_in_several_datasets_and_columns(store: TableStore) -> None:
    games = add(store, "games", "date,home,away,goals\n2020-01-01,A,B,1\n2020-01-02,B,A,2\n", keys=("home", "away"))
    more = add(store, "more", "date,home,goals\n2020-01-01,a,1\n2020-01-02,a,3\n", keys=("home",))
    found = symbols.find(store, [games, more], "a")
    assert [(each.dataset, each.key, each.rows) for each in found] == [
        ("games", "home", 1),
        ("games", "away", 1),
        ("more", "home", 2),
    ]
    known = symbols.by_symbol(store, [games, more])
    assert list(known) == ["A", "B"]
    assert known["A"] == found


def test_minutes_can_be_gathered_in_every_longer_bar(store: TableStore) -> None:
    rows = [f"2020-01-01 10:{minute:02},{minute}" for minute in range(0, 50, 5)]
    (found,) = symbols.options(store, [add(store, "minutes", "\n".join(["time,close", *rows]))])
    assert (found.spacing_s, found.timeframes) == (300.0, ("15m", "30m", "1h", "4h", "1d", "1w"))


def test_many_symbols_are_cut_and_counted(store: TableStore) -> None:
    rows = [f"2020-01-01,K{number:05},1" for number in range(MAX_SYMBOLS + 5)]
    dataset = add(store, "many", "\n".join(["date,key,value", *rows]), keys=("key",))
    (found,) = symbols.options(store, [dataset])
    assert (len(found.symbols), found.symbols_total) == (MAX_SYMBOLS, MAX_SYMBOLS + 5)
    assert len(symbols.by_symbol(store, [dataset])) == MAX_SYMBOLS
    assert symbols.find(store, [dataset], f"k{MAX_SYMBOLS + 4:05}")


def test_an_unknown_symbol_suggests_near_ones(store: TableStore) -> None:
    with pytest.raises(SymbolNotFound, match="no dataset holds 'nvd'; did you mean NVDA"):
        symbols.find(store, [bars(store)], "nvd")
    with pytest.raises(SymbolNotFound, match=r"no dataset holds 'x'$"):
        symbols.find(store, [], "x")


def test_a_table_that_is_gone_is_left_out(store: TableStore) -> None:
    wine, gone = plain(store), bars(store)
    store.remove(gone.sha256)
    assert [each.dataset for each in symbols.options(store, [wine, gone])] == ["wine"]


def test_a_table_that_is_damaged_is_left_out(store: TableStore) -> None:
    wine, damaged = plain(store), bars(store)
    store.path(damaged.sha256).write_bytes(b"damaged")
    assert [each.dataset for each in symbols.options(store, [wine, damaged])] == ["wine"]
