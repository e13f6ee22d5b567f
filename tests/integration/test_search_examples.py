"""The example searches fit the real tables, each recipe of them."""

from pathlib import Path

import pytest
from commands import Cli

pytestmark = pytest.mark.real_data

SEARCHES = Path(__file__).parents[2] / "examples" / "searches"
TABLES = {
    "nvda": ("market/NVDA-daily-1999-2014.csv",),
    "yhoo": ("market/YHOO-daily-1996-2015.csv",),
    "sp500": ("market/SP500-daily-2000-2020.csv",),
    "temperature": ("weather/two-cities-daily-2012-2015.csv", "--name", "two-cities", "--key", "location"),
}


@pytest.mark.parametrize("path", sorted(SEARCHES.glob("*.toml")), ids=lambda path: path.stem)
def test_an_example_search_is_accepted_whole(cli: Cli, real_data: Path, path: Path) -> None:
    table, method = path.stem.split("-")
    file, *options = TABLES[table]
    assert cli("data", "add", str(real_data / file), *(options or ("--name", table))).code == 0
    (search,) = cli("train", str(path), "--no-watch", "--json").json
    assert (search["planned"], search["known"]) == ((60, 0) if method == "grid" else (30, 0))
    assert search["distinct"] == search["trials"] == (60 if method == "grid" else 4)
