"""Jobs over HTTP, on every database."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from forecastle.api import problems
from forecastle.api.routes import job_events, jobs
from forecastle.auth import users
from forecastle.auth.passwords import Passwords
from forecastle.auth.users import Role
from forecastle.bootstrap import Services, open_services
from forecastle.clock import ManualClock
from forecastle.jobs import leases, queue
from forecastle.jobs.events import StatusChanged
from forecastle.jobs.listening import listen_to_all
from forecastle.settings import DatabaseSettings, Settings


class Client:
    """Requests as one user."""

    def __init__(self, http: httpx.AsyncClient, token: str, user_id: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}
        self.user_id = user_id

    async def get(self, path: str, *, last_id: str | None = None, **params: Any) -> httpx.Response:
        known = {} if last_id is None else {"Last-Event-ID": last_id}
        return await self._http.get(path, params=params, headers=self._headers | known)

    async def events(self, path: str, last_id: str | None = None) -> list[tuple[str, str, dict[str, Any]]]:
        """Id, name and data of every event, once the stream has ended."""
        answer = await self.get(path, last_id=last_id)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = [block.splitlines() for block in answer.text.split("\n\n") if block and not block.startswith(":")]
        fields = [dict(line.split(": ", 1) for line in block) for block in blocks]
        return [(event["id"], event["event"], json.loads(event["data"])) for event in fields]

    async def post(self, path: str, **params: Any) -> httpx.Response:
        return await self._http.post(path, params=params, headers=self._headers)


@pytest.fixture
async def services(database_settings: DatabaseSettings, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Services]:
    async with open_services(Settings(home=tmp_path / "home", database=database_settings), clock=clock) as opened:
        yield opened


@pytest.fixture
async def http(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(job_events.router)
    app.include_router(jobs.router)
    problems.install(app)
    app.state.services = services
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1") as client:
        yield client


class Site:
    """The service, its users and their jobs."""

    def __init__(self, services: Services, passwords: Passwords, http: httpx.AsyncClient) -> None:
        self.services = services
        self._passwords = passwords
        self._http = http

    async def sign_in(self, name: str, role: Role = "user") -> Client:
        user = await users.register(
            self.services.database,
            self._passwords,
            username=name,
            password="correct horse",
            role=role,
            now=self.services.clock.now(),
        )
        return Client(self._http, self.services.tokens.issue(user), user.id)

    async def someone_listens(self) -> None:
        async with asyncio.timeout(30):
            while not self.services.job_feed.is_reading:  # noqa: ASYNC110 - a request makes it true
                await asyncio.sleep(0.01)

    async def submit(self, owner: Client, kind: str = "train", dedupe: str | None = None) -> str:
        async with self.services.database.write() as session:
            submission = await queue.submit(
                session, kind=kind, payload={}, dedupe=dedupe, owner=owner.user_id, now=self.services.clock.now()
            )
        return submission.job.id


@pytest.fixture
def site(services: Services, passwords: Passwords, http: httpx.AsyncClient) -> Site:
    return Site(services, passwords, http)


def _ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["items"]]


async def test_everyone_sees_all_jobs_or_only_their_own(site: Site) -> None:
    ada, bob = await site.sign_in("ada"), await site.sign_in("bob")
    first, second = await site.submit(ada), await site.submit(bob)
    for asking, own in ((ada, first), (bob, second)):
        assert sorted(_ids(await asking.get("/jobs"))) == sorted([first, second])
        assert _ids(await asking.get("/jobs", mine=True)) == [own]
    assert (await bob.get(f"/jobs/{first}")).status_code == 200


async def test_a_job_shows_what_there_is_to_know(site: Site) -> None:
    ada = await site.sign_in("ada")
    job_id = await site.submit(ada)
    job = (await ada.get(f"/jobs/{job_id}")).json()
    assert {name: job[name] for name in ("id", "kind", "status", "progress", "attempts", "error", "result")} == {
        "id": job_id,
        "kind": "train",
        "status": "pending",
        "progress": 0.0,
        "attempts": 0,
        "error": None,
        "result": None,
    }


async def test_jobs_are_filtered_and_paged(site: Site, clock: ManualClock) -> None:
    ada = await site.sign_in("ada")
    ids = []
    for _ in range(3):
        clock.advance(1)
        ids.append(await site.submit(ada))
    await ada.post(f"/jobs/{ids[0]}/cancel")
    assert _ids(await ada.get("/jobs", kind="train")) == [*reversed(ids)]
    assert _ids(await ada.get("/jobs", status="cancelled")) == [ids[0]]
    page = await ada.get("/jobs", limit=2)
    assert _ids(page) == [ids[2], ids[1]]
    assert _ids(await ada.get("/jobs", limit=2, cursor=page.json()["next"])) == [ids[0]]


async def test_the_log_is_read_on_from_where_one_was(site: Site, clock: ManualClock) -> None:
    ada = await site.sign_in("ada")
    job_id = await site.submit(ada)
    async with site.services.database.write() as session:
        await queue.append_lines(session, job_id, [(clock.now(), text) for text in ("one", "two", "three")])
    lines = (await ada.get(f"/jobs/{job_id}/logs")).json()["items"]
    assert [line["text"] for line in lines] == ["one", "two", "three"]
    rest = (await ada.get(f"/jobs/{job_id}/logs", after=lines[0]["number"], limit=1)).json()["items"]
    assert [line["text"] for line in rest] == ["two"]


async def test_a_job_is_cancelled_once_and_what_has_ended_is_a_conflict(site: Site, clock: ManualClock) -> None:
    ada = await site.sign_in("ada")
    job_id, other = await site.submit(ada), await site.submit(ada)
    for _ in range(2):
        answer = await ada.post(f"/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    async with site.services.database.write() as session:
        (job,) = await leases.claim(session, "runner", kinds=["train"], limit=1, now=clock.now())
        await leases.complete(session, "runner", job, now=clock.now())
    answer = await ada.post(f"/jobs/{other}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_ENDED")


async def test_a_job_is_followed_to_its_end(site: Site, clock: ManualClock) -> None:
    ada, bob = await site.sign_in("ada"), await site.sign_in("bob")
    job_id = await site.submit(ada)
    async with site.services.database.write() as session:
        await queue.append_lines(session, job_id, [(clock.now(), "ü\nline")])
    following = asyncio.create_task(bob.events(f"/jobs/{job_id}/events"))
    await site.someone_listens()
    await ada.post(f"/jobs/{job_id}/cancel")
    told = await following
    assert [(name, data.get("status") or data["text"]) for _, name, data in told] == [
        ("status", "pending"),
        ("log", "ü\nline"),
        ("status", "cancelled"),
    ]
    last_id = told[1][0]
    assert [data["status"] for _, _, data in await ada.events(f"/jobs/{job_id}/events", last_id)] == ["cancelled"]
    answer = await ada.get(f"/jobs/{job_id}/events", last_id=told[-1][0])
    assert (answer.status_code, answer.content) == (204, b"")


async def test_all_jobs_are_followed_until_the_service_ends(site: Site) -> None:
    ada = await site.sign_in("ada")
    following = asyncio.create_task(ada.events("/jobs/events"))
    await site.someone_listens()
    job_id = await site.submit(ada)
    async with aclosing(listen_to_all(site.services.job_feed)) as heard:
        last = await site.submit(ada)
        async for _, event in heard:  # the other listener was told by then
            if isinstance(event, StatusChanged) and event.job_id == last:
                break
    site.services.job_feed.close()
    told = [(name, data["job_id"], data["status"]) for _, name, data in await following]
    assert told[0] == ("status", job_id, "pending")


@pytest.mark.parametrize("path", ["/jobs/events", "/jobs/{job}/events"])
@pytest.mark.parametrize("last_id", ["", "x", "1", "1-", "-1-1", "1-1-1", "9" * 30 + "-1"])
async def test_an_event_id_that_is_none_is_named(site: Site, path: str, last_id: str) -> None:
    ada = await site.sign_in("ada")
    job_id = await site.submit(ada)
    answer = await ada.get(path.format(job=job_id), last_id=last_id)
    assert answer.status_code == 422
    assert "Last-Event-ID: expected the id of an earlier event" in answer.json()["detail"]


async def test_only_the_owner_and_admins_cancel(site: Site) -> None:
    ada, bob, admin = await site.sign_in("ada"), await site.sign_in("bob"), await site.sign_in("root", "admin")
    job_id = await site.submit(ada)
    answer = await bob.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert (await ada.get(f"/jobs/{job_id}")).json()["status"] == "pending"
    assert (await admin.post(f"/jobs/{job_id}/cancel")).json()["status"] == "cancelled"


async def test_a_cancelled_job_is_retried_on_its_terms_or_on_others(site: Site) -> None:
    ada = await site.sign_in("ada")
    job_id = await site.submit(ada)
    refused = await ada.post(f"/jobs/{job_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "JOB_NOT_RETRIABLE")
    await ada.post(f"/jobs/{job_id}/cancel")
    same, other = await ada.post(f"/jobs/{job_id}/retry"), await ada.post(f"/jobs/{job_id}/retry", memory_mb=512)
    assert (same.status_code, other.status_code) == (202, 202)
    for answer, memory in ((same, None), (other, 512)):
        job = answer.json()
        assert (job["status"], job["retry_of"], job["memory_mb"], job["owner"]) == (
            "pending",
            job_id,
            memory,
            ada.user_id,
        )
    assert (await ada.get(f"/jobs/{job_id}")).json()["status"] == "cancelled"


async def test_a_retry_of_what_was_submitted_again_finds_it(site: Site) -> None:
    ada = await site.sign_in("ada")
    job_id = await site.submit(ada, dedupe="recipe")
    await ada.post(f"/jobs/{job_id}/cancel")
    again = await site.submit(ada, dedupe="recipe")
    answer = await ada.post(f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.json()["id"]) == (200, again)


async def test_only_the_owner_and_admins_retry(site: Site) -> None:
    ada, bob, admin = await site.sign_in("ada"), await site.sign_in("bob"), await site.sign_in("root", "admin")
    job_id = await site.submit(ada)
    await ada.post(f"/jobs/{job_id}/cancel")
    assert (await bob.post(f"/jobs/{job_id}/retry")).status_code == 403
    assert (await admin.post(f"/jobs/{job_id}/retry")).json()["owner"] == ada.user_id


@pytest.mark.parametrize(
    ("name", "value"),
    [("priority", 101), ("priority", 10**30), ("timeout_s", 0), ("timeout_s", "nan"), ("memory_mb", 1)],
)
async def test_terms_that_cannot_be_kept_are_named(site: Site, name: str, value: Any) -> None:
    ada = await site.sign_in("ada")
    job_id = await site.submit(ada)
    await ada.post(f"/jobs/{job_id}/cancel")
    answer = await ada.post(f"/jobs/{job_id}/retry", **{name: value})
    assert answer.status_code == 422
    assert f"{name}: expected" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/jobs/none", "/jobs/none/logs", "/jobs/none/events"])
async def test_a_job_that_is_not_there_is_not_found(site: Site, path: str) -> None:
    answer = await (await site.sign_in("ada")).get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "JOB_NOT_FOUND")


async def test_a_viewer_cancels_nothing(site: Site) -> None:
    viewer = await site.sign_in("eve", "viewer")
    job_id = await site.submit(viewer)
    assert (await viewer.post(f"/jobs/{job_id}/cancel")).status_code == 403


@pytest.mark.parametrize(
    "params",
    [
        {"status": "resting"},
        {"limit": 0},
        {"limit": 1001},
        {"limit": "many"},
        {"cursor": "elsewhere"},
        {"cursor": "ünïcode\0"},
    ],
)
async def test_a_bad_filter_is_named(site: Site, params: dict[str, Any]) -> None:
    ada = await site.sign_in("ada")
    answer = await ada.get("/jobs", **params)
    assert answer.status_code == 422
    assert next(iter(params)) in answer.json()["detail"]


async def test_an_id_with_nul_is_no_server_error(site: Site) -> None:
    ada = await site.sign_in("ada")
    for path in ("/jobs/%00", "/jobs/%00/logs"):
        assert (await ada.get(path)).status_code in {404, 422}
    assert (await ada.post("/jobs/%00/cancel")).status_code in {404, 422}
    assert (await ada.get("/jobs", kind="\0")).status_code == 422


async def test_a_kind_that_there_is_not_is_refused(site: Site) -> None:
    ada = await site.sign_in("ada")
    answer = await ada.get("/jobs", kind="tune")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "kind", "expected": "'train'", "found": "tune"}]
