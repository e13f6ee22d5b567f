"""A key that a JSON body gives twice is refused, by every route that takes JSON."""

import httpx
import pytest

from forecastle.api.repeats import repeated

BODY = b'{"name": "wine", "name": "beer"}'
PATHS = [
    "/train",
    "/train/batch",
    "/train/child",
    "/train/search",
    "/features/preview",
    "/feedback",
    "/auth/register",
    "/auth/login",
    "http://test/v2/models/wine/infer",
    "http://test/invocations",
    "http://test/train",
]


@pytest.mark.parametrize("database_settings", ["sqlite"], indirect=True)  # none is asked
@pytest.mark.parametrize("path", PATHS)
async def test_a_key_that_comes_twice_is_named(admin: httpx.AsyncClient, path: str) -> None:
    answer = await admin.post(path, content=BODY, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"] == [
        {"field": "name", "expected": "to be given once", "found": "given more than once"}
    ]


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        (b'{"a": 1, "b": {"a": 2}}', ()),
        (b'[{"a": 1}, {"a": 2}]', ()),
        (b'{"a": {"b": 1, "b": 2}, "a": 3}', ("b", "a")),
        (b'{"a": "a: b", "b": 1}', ()),
        (b'{"a": 1, "a": ', ()),
        (b'{"a":' * 100_000, ()),
        (b"\xff::", ()),
    ],
)
def test_what_comes_twice_is_found_in_each_object_alone(body: bytes, keys: tuple[str, ...]) -> None:
    assert repeated(body) == keys
