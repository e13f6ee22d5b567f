"""What happens to jobs, heard from a real server whose runner is another process."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

Launch = Callable[..., AbstractContextManager[Any]]


def _events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_a_training_is_heard_from_its_submission_to_its_end(
    stocked: httpx.Client, homes_recipe: Mapping[str, Any]
) -> None:
    submitted = stocked.post("/api/v1/train", json={**homes_recipe, "name": "heard", "seed": 77}).json()
    with stocked.stream("GET", f"/api/v1/jobs/{submitted['job_id']}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        heard = list(_events(answer))
    assert [data["status"] for name, data in heard if name == "status"] == [
        "pending",
        "preprocessing",
        "training",
        "completed",
    ]
    assert heard[-1][1]["status"] == "completed"
    logged = [data["text"] for name, data in heard if name == "log"]
    assert logged == [line["text"] for line in stocked.get(f"/api/v1/jobs/{submitted['job_id']}/logs").json()["items"]]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_server_that_is_told_to_end_ends_its_streams(launch: Launch, tmp_path: Path, processes: str) -> None:
    settings = {"FORECASTLE_SERVER__SHUTDOWN_GRACE_S": "300"}
    with launch(tmp_path, "--processes", processes, "--no-runner", **settings) as (process, url):
        with httpx.Client(base_url=url, timeout=60) as client:
            password = next(iter(tmp_path.glob("*.log"))).read_text().split("password")[1].split()[0]
            signed_in = client.post("/api/v1/auth/login", json={"username": "admin", "password": password})
            token = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
            with client.stream("GET", "/api/v1/jobs/events", headers=token) as answer:
                process.send_signal(signal.SIGTERM)
                assert list(_events(answer)) == []
        assert process.wait(60) is not None
