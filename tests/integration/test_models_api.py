"""Looking at models over HTTP and removing them, on every database."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from forecastle.bootstrap import Services
from forecastle.data import catalogue
from forecastle.data.options import ImportOptions
from forecastle.jobs import queue
from forecastle.registry.models import Model
from forecastle.registry.report import CONTENT_SECURITY_POLICY

Publish = Callable[..., Awaitable[Model]]
SignIn = Callable[..., Awaitable[httpx.AsyncClient]]
EXACT = ("name", "algorithm", "dataset", "tag", "parent", "cohort", "group", "owner")
FILTERS = (*EXACT, "stage", "task", "text", "since", "until", "sort", "order", "cursor", "limit")


async def ids(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get("/models", params=params)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["items"]]


# --- the leaderboard ---------------------------------------------------------------------------------------------


async def test_the_leaderboard_ranks_filters_and_pages(user: httpx.AsyncClient, publish: Publish) -> None:
    best, worst, middle = [await publish(metrics={"rmse": value}, tags=[f"t{value}"]) for value in (1.0, 3.0, 2.0)]
    other = await publish(name="wine", metrics={"mae": 1.0}, cohort="search", group="batch", parent=best.id)
    assert await ids(user, sort="rmse") == [best.id, middle.id, worst.id]
    assert await ids(user, sort="rmse", order="desc") == [worst.id, middle.id, best.id]
    assert await ids(user) == [other.id, middle.id, worst.id, best.id]
    assert await ids(user, tag="t2.0") == [middle.id]
    assert await ids(user, cohort="search", group="batch", parent=best.id, text="WIN", task="regression") == [other.id]
    assert await ids(user, since="2026-01-01T00:00:02", until="2026-01-01T00:00:03Z") == [middle.id]
    page = (await user.get("/models", params={"sort": "rmse", "limit": 2})).json()
    assert await ids(user, sort="rmse", limit=2, cursor=page["next"]) == [worst.id]
    assert page["items"][0]["skill"] == 0.5


async def test_ones_own_models(user: httpx.AsyncClient, publish: Publish) -> None:
    me = (await user.get("/users/me")).json()["id"]
    mine, _theirs = await publish(owner=me), await publish(owner="someone")
    assert await ids(user, mine=True) == await ids(user, owner=me) == [mine.id]
    assert (await user.get("/models", params={"mine": True, "owner": "someone"})).status_code == 422


@pytest.mark.parametrize(
    ("params", "status", "field"),
    [
        ({"sort": "rsme"}, 422, "sort"),
        ({"order": "best"}, 422, "order"),
        ({"task": "ranking"}, 422, "task"),
        ({"stage": "live"}, 422, "stage"),
        ({"since": "soon"}, 422, "since"),
        ({"until": "later"}, 422, "until"),
        ({"cursor": "x"}, 422, "cursor"),
        ({"limit": 0}, 422, "limit"),
    ],
)
async def test_a_bad_question_to_the_leaderboard_names_the_field(
    user: httpx.AsyncClient, publish: Publish, params: dict[str, Any], status: int, field: str
) -> None:
    await publish()
    answer = await user.get("/models", params=params)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (status, [field])


@pytest.mark.parametrize(
    "value", ["", "%00", "%F0%9F%92%A9", "%ED%A0%80", "'; DROP TABLE models; --", "%25", "9" * 150]
)
async def test_no_value_of_a_filter_breaks_the_leaderboard(
    user: httpx.AsyncClient, publish: Publish, value: str
) -> None:
    await publish()
    paths = [f"/models?{name}={value}" for name in FILTERS]
    paths += [f"/models/compare?ids={value}", f"/models/{value}/lineage", f"/models/{value}/report"]
    for path in (*paths, f"/data/options/{value}", f"/logs?kind={value}"):
        assert (await user.get(path)).status_code < 500, path
    assert len(await ids(user)) == 1


# --- comparison, lineage, report ---------------------------------------------------------------------------------


async def test_models_are_compared_by_id_or_name(user: httpx.AsyncClient, publish: Publish) -> None:
    first = await publish(metrics={"rmse": 1.0}, recipe={"seed": 1})
    await publish(name="wine", metrics={"rmse": 2.0}, recipe={"seed": 2})
    answer = await user.get("/models/compare", params={"ids": f"{first.id}, wine"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert [each["name"] for each in found["models"]] == ["prices", "wine"]
    assert found["recipe"] == [{"field": "seed", "values": [1, 2]}]
    rmse = next(each for each in found["measures"] if each["measure"] == "rmse")
    assert (rmse["values"], rmse["best"], rmse["better"]) == ([1.0, 2.0], [0], "asc")


@pytest.mark.parametrize(
    ("wanted", "status"), [("", 422), ("prices", 422), ("prices,prices", 422), ("prices,gone", 404), ("a," * 21, 422)]
)
async def test_what_cannot_be_compared(user: httpx.AsyncClient, publish: Publish, wanted: str, status: int) -> None:
    await publish()
    answer = await user.get("/models/compare", params={"ids": wanted})
    assert answer.status_code == status
    assert (await user.get("/models/compare")).status_code == 422


async def test_relatives_over_http(user: httpx.AsyncClient, publish: Publish) -> None:
    parent = await publish(cohort="search")
    child = await publish(name="child", parent=parent.id)
    found = (await user.get("/models/child/lineage")).json()
    assert found["model"]["id"] == child.id
    assert [(each["id"], each["generation"]) for each in found["ancestors"]] == [(parent.id, -1)]
    above = (await user.get(f"/models/{parent.id}/lineage")).json()
    assert [each["id"] for each in above["descendants"]] == [child.id]
    assert above["cohort"]["total"] == 1
    assert (await user.get("/models/gone/lineage")).status_code == 404


async def test_the_report_is_a_page_under_a_policy(user: httpx.AsyncClient, publish: Publish) -> None:
    model = await publish(name="prices")
    answer = await user.get(f"/models/{model.id}/report")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "<h1>prices version 1" in answer.text
    assert "50 % less error than the best naive forecast" in answer.text
    assert "removed since" in answer.text
    alias = await user.get(f"http://test/models/{model.id}/report")
    assert (alias.text, alias.headers["content-type"]) == (answer.text, answer.headers["content-type"])
    missing = await user.get("/models/gone/report")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


# --- removal -----------------------------------------------------------------------------------------------------


async def test_a_parent_is_refused_kept_apart_or_cascaded(admin: httpx.AsyncClient, publish: Publish) -> None:
    parent = await publish()
    child = await publish(parent=parent.id)
    refused = await admin.delete(f"/models/{parent.id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "MODEL_HAS_CHILDREN")
    assert child.id in refused.json()["detail"]
    both = await admin.delete(f"/models/{parent.id}", params={"cascade": True, "keep_children": True})
    assert (both.status_code, both.json()["errors"][0]["field"]) == (422, "keep_children")
    assert (await admin.delete(f"/models/{parent.id}", params={"keep_children": True})).status_code == 204
    assert (await admin.get(f"/models/{child.id}")).json()["parent"] == parent.id
    grandchild = await publish(parent=child.id)
    assert (await admin.delete(f"/models/{child.id}", params={"cascade": True})).status_code == 204
    assert (await admin.get(f"/models/{grandchild.id}")).status_code == 404


async def test_removing_all_needs_an_admin_and_a_yes(
    admin: httpx.AsyncClient, user: httpx.AsyncClient, publish: Publish
) -> None:
    kept, gone = await publish(), await publish(name="wine")
    assert (await user.delete("/models/all", params={"confirm": "yes"})).status_code == 403
    unconfirmed = await admin.delete("/models/all")
    assert (unconfirmed.status_code, unconfirmed.json()["code"]) == (422, "NOT_CONFIRMED")
    assert "yes, to remove 2 models for good" in unconfirmed.json()["detail"]
    removed = await admin.delete("/models/all", params={"confirm": "yes", "name": "wine"})
    assert (removed.status_code, removed.json()) == (200, {"removed": 1})
    assert await ids(user) == [kept.id]
    assert (await user.post("/predict", json={"model": gone.id, "features": [1, 2]})).status_code == 404
    assert (await admin.delete("/models/all", params={"confirm": "yes"})).json() == {"removed": 1}


# --- what there is to train on, and what was logged --------------------------------------------------------------


async def test_what_there_is_to_train_on(user: httpx.AsyncClient, services: Services, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("date,ticker,close\n2020-01-01,nvda,1\n2020-01-02,nvda,2\n2020-01-01,YHOO,3\n")
    options = ImportOptions(keys=("ticker",))
    await catalogue.import_file(
        services.database, services.tables, path, options, name="bars", now=services.clock.now()
    )
    (offered,) = (await user.get("/data/options")).json()["items"]
    assert (offered["dataset"], offered["symbols"], offered["targets"]) == ("bars", ["YHOO", "nvda"], ["close"])
    (series,) = (await user.get("/data/options/NVDA")).json()["items"]
    assert (series["rows"], series["first_time"], series["last_time"]) == (
        2,
        "2020-01-01T00:00:00Z",
        "2020-01-02T00:00:00Z",
    )
    assert list((await user.get("/data/map")).json()) == ["NVDA", "YHOO"]
    unknown = await user.get("/data/options/GOOG")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "SYMBOL_NOT_FOUND")


async def test_the_newest_lines_of_all_jobs_come_first(user: httpx.AsyncClient, services: Services) -> None:
    now = services.clock.now()
    async with services.database.write() as session:
        for kind in ("train", "other"):
            job = (await queue.submit(session, kind=kind, payload={}, dedupe=None, owner=None, now=now)).job
            await queue.append_lines(session, job.id, [(now, f"{kind} 1"), (now, f"{kind} 2")])
    first = (await user.get("/logs", params={"limit": 3})).json()
    assert [line["text"] for line in first["items"]] == ["other 2", "other 1", "train 2"]
    rest = (await user.get("/logs", params={"cursor": first["next"]})).json()
    assert ([line["text"] for line in rest["items"]], rest["next"]) == (["train 1"], None)
    of_a_kind = (await user.get("/logs", params={"kind": "train"})).json()["items"]
    assert {line["kind"] for line in of_a_kind} == {"train"}
    for params in ({"cursor": "x"}, {"limit": 0}, {"cursor": (await user.get("/models")).json()["next"] or "e30"}):
        assert (await user.get("/logs", params=params)).status_code == 422
