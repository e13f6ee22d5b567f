"""The example recipes, proven on the real tables they are made for."""

import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from commands import Cli

pytestmark = pytest.mark.real_data

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPES = sorted((EXAMPLES / "recipes").glob("*.toml"))
SLOW = ("adult", "random-forest")
"""What takes more than a few seconds; proven with --all-proofs."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All recipes, or those that are quickly proven."""
    if "recipe" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--all-proofs")
        chosen = [path for path in RECIPES if everything or not any(part in path.stem for part in SLOW)]
        metafunc.parametrize("recipe", chosen, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    """How `examples/run.py` imports each table, by its name."""
    spec = spec_from_file_location("examples_run", EXAMPLES / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return {table.name: table for table in module.TABLES}


def test_nothing_in_an_example_looks_ahead(cli: Cli, real_data: Path, tables: dict[str, Any], recipe: Path) -> None:
    table = tables[tomllib.loads(recipe.read_text(encoding="utf-8"))["dataset"]]
    added = cli("data", "add", str(real_data / table.file), "--name", table.name, *table.options, "--json")
    proof = cli("check", "leakage", str(recipe), "--json").json
    assert (proof["status"], proof["findings"]) == ("proven", [])
    assert proof["rows"] > 0.7 * added.json["rows"]
