"""Looking at models and removing them by command."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Cli

from forecastle.bootstrap import open_services, prepare
from forecastle.registry import manifest as manifests
from forecastle.registry import models
from forecastle.registry.manifest import FeatureColumn, Interval, Manifest
from forecastle.settings import Settings


@pytest.fixture
def stocked(cli: Cli, home: Path, make_manifest: Callable[..., Manifest]) -> tuple[Cli, dict[str, str]]:
    """Commands in a home with a few models, and their ids by name: `old`, its child `new`, and `other`."""
    old = make_manifest(name="old", recipe={"seed": 1}, metrics={"rmse": 1.5, "r2": 0.2})
    new = make_manifest(
        name="new",
        parent=old.id,
        recipe={"seed": 2},
        metrics={"rmse": 1.0, "r2": 0.6},
        features=(FeatureColumn("a", "a"), FeatureColumn("slow", "sma(a, 9)")),
        importances={"permutation": {"a": 1.0, "slow": 3.0}},
    )
    other = make_manifest(name="other", task="classification", classes=("x", "y"), metrics={"log_loss": 0.5})
    asyncio.run(_publish(home, old, new, other))
    return cli, {manifest.name: manifest.id for manifest in (old, new, other)}


async def _publish(home: Path, *made: Manifest) -> None:
    async with open_services(Settings(home=home)) as services:
        await prepare(services)
        for manifest in made:
            blobs = services.artifacts.put(manifest.id.encode()), services.artifacts.put(manifests.encode(manifest))
            async with services.database.write() as session:
                await models.publish(
                    session,
                    manifest=manifest,
                    graph_sha256=blobs[0],
                    manifest_sha256=blobs[1],
                    tags=[f"tag-{manifest.name}"],
                    cohort="search-1" if manifest.name != "other" else None,
                )


def names(listed: Any) -> list[str]:
    return [each["name"] for each in listed["items"]]


def test_the_leaderboard_by_command(stocked: tuple[Cli, dict[str, str]]) -> None:
    cli, ids = stocked
    assert names(cli("models", "list", "--sort", "rmse", "--json").json) == ["new", "old"]
    assert names(cli("models", "list", "--sort", "rmse", "--order", "desc", "--json").json) == ["old", "new"]
    assert names(cli("models", "list", "--tag", "tag-other", "--task", "classification", "--json").json) == ["other"]
    assert names(cli("models", "list", "--parent", ids["old"], "--cohort", "search-1", "--json").json) == ["new"]
    assert names(cli("models", "list", "--since", "2030-01-01", "--json").json) == []
    assert names(cli("models", "list", "--owner", "admin", "--json").json) == []
    shown = cli("models", "list", "--sort", "r2")
    assert "r2" in shown.out
    assert "+50.0%" in shown.out
    first = cli("models", "list", "--limit", "1")
    cursor = first.err.split("--cursor ")[1].split()[0]
    assert len(names(cli("models", "list", "--cursor", cursor, "--json").json)) == 2


def test_models_side_by_side(stocked: tuple[Cli, dict[str, str]]) -> None:
    cli, _ids = stocked
    found = cli("models", "compare", "old", "new", "--json").json
    assert found["recipe"] == [{"field": "seed", "values": [1, 2]}]
    assert {each["feature"] for each in found["features"]} == {"b", "slow = sma(a, 9)"}
    shown = cli("models", "compare", "old", "new").out
    for part in ("1 ★", "slow = sma(a, 9)", "features (1 are shared)", "75.0%", "seed"):
        assert part in shown
    apart = cli("models", "compare", "old", "other")
    assert "some are regressions and some classifications" in apart.err
    assert apart.code == 0


def test_choices_made_inside_a_training_are_shown(cli: Cli, home: Path, make_manifest: Callable[..., Manifest]) -> None:
    stopped = make_manifest(name="stopped", rounds=1040, interval=Interval(0.95, -0.5, 0.25, 300))
    sure = make_manifest(
        name="sure",
        task="classification",
        classes=("x", "y"),
        recipe={"calibration": "sigmoid"},
        metrics={"log_loss": 0.5, "log_loss_uncalibrated": 0.75},
        calibration={"slope": 0.9, "intercept": 0.1},
    )
    asyncio.run(_publish(home, stopped, sure))
    shown = [" ".join(cli("models", "show", name).out.split()) for name in ("stopped", "sure")]
    assert "rounds 1,040, found by stopping early" in shown[0]
    assert "interval 95 %: prediction -0.5 to +0.25, from 300 rows" in shown[0]
    assert "calibration sigmoid (slope 0.9, intercept 0.1): log_loss 0.75 before, 0.5 after" in shown[1]
    assert ("rounds -" in shown[1], "calibration -" in shown[0], "interval -" in shown[1]) == (True, True, True)


def test_relatives_as_a_tree(stocked: tuple[Cli, dict[str, str]]) -> None:
    cli, ids = stocked
    lines = cli("models", "lineage", "new").out.splitlines()
    assert lines[0] == f"{ids['old']} old 1: ridge, dev, skill +25.0%"
    assert lines[1] == f"└─ {ids['new']} new 1: ridge, dev, skill +50.0% ← this one"
    assert "search search-1: 2 models" in "\n".join(lines)
    above = cli("models", "lineage", ids["old"]).out
    assert f"└─ {ids['new']} new 1" in above
    assert cli("models", "lineage", "new", "--json").json["ancestors"][0]["id"] == ids["old"]


def test_a_report_is_written_where_one_says(stocked: tuple[Cli, dict[str, str]], tmp_path: Path) -> None:
    cli, ids = stocked
    made = cli("models", "report", "new", "--json").json
    page = (tmp_path / "new-1.html").read_text()
    assert made == {"model_id": ids["new"], "path": "new-1.html", "bytes": len(page.encode())}
    assert page.startswith("<!doctype html>")
    assert "new-1.html" in cli("models", "report", "new").out
    assert cli("models", "report", ids["new"], "--output", "-").out == page
    assert cli("models", "report", "new", "--output", "mine.html").code == 0
    assert (tmp_path / "mine.html").read_text() == page


def test_removal_by_command(stocked: tuple[Cli, dict[str, str]]) -> None:
    cli, ids = stocked
    refused = cli("models", "remove", ids["old"])
    assert (refused.code, refused.out) == (7, "")
    assert ids["new"] in refused.err
    unsure = cli("models", "remove-all", "--stage", "dev")
    assert unsure.code == 4
    assert "yes, to remove 3 models for good" in unsure.err
    assert cli("models", "remove-all", "--name", "other", "--confirm", "yes", "--json").json == {"removed": 1}
    removed = cli("models", "remove", ids["old"], "--cascade", "--json").json
    assert (removed["id"], removed["descendants"]) == (ids["old"], [ids["new"]])
    assert cli("models", "list", "--json").json == {"items": [], "next": None}


def test_a_removal_tells_how_many_went_with_it(stocked: tuple[Cli, dict[str, str]]) -> None:
    cli, ids = stocked
    assert "1 model made from it went too" in cli("models", "remove", ids["old"], "--cascade").err


def test_children_may_be_kept(stocked: tuple[Cli, dict[str, str]]) -> None:
    cli, ids = stocked
    assert ids["old"] in cli("models", "remove", ids["old"], "--keep-children").out
    assert f"{ids['old']} (removed)" in cli("models", "lineage", "new").out
    assert "removed" in cli("models", "remove-all", "--confirm", "yes").out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("list", "--sort", "rsme"), 4, "did you mean rmse"),
        (("list", "--task", "ranking"), 4, "task: expected regression or classification"),
        (("list", "--since", "soon"), 4, "--since: expected an ISO 8601 date or time, found soon"),
        (("list", "--owner", "nobody"), 5, "nobody"),
        (("compare", "old"), 4, "ids: expected 2 to 20 models, found 1"),
        (("compare", "old", "old"), 4, "each model once"),
        (("compare", "old", "gone"), 5, "there is no model 'gone'"),
        (("lineage", "gone"), 5, "there is no model 'gone'"),
        (("report", "gone"), 5, "there is no model 'gone'"),
        (("report", "new", "--output", "no/such/folder.html"), 4, "--output: expected a file that can be written"),
        (("remove", "gone"), 5, "there is no model 'gone'"),
        (("remove", "old", "--cascade", "--keep-children"), 4, "nothing beside --cascade"),
        (("remove-all", "--stage", "live", "--confirm", "yes"), 4, "stage: expected one of dev"),
        (("remove-all", "--confirm", "maybe"), 4, "confirm: expected yes, to remove 3 models for good, found maybe"),
    ],
)
def test_a_bad_command_ends_with_one_line(
    stocked: tuple[Cli, dict[str, str]], arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = stocked[0]("models", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert json.dumps(done.err).count("\\n") == 1
