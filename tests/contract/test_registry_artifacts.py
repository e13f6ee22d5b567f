"""Every artifact store keeps what it was given, whole, under the hash of its content."""

import errno
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from typing import Any

import fsspec
import pytest

from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.errors import ArtifactCorrupt, ArtifactMissing, ArtifactsFull


@pytest.fixture(params=["path", "file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    urls = {"path": str(tmp_path), "file": tmp_path.as_uri(), "memory": f"memory://{token_hex(8)}"}
    yield urls[request.param]
    files, root = fsspec.url_to_fs(urls["memory"])
    if files.exists(root):
        files.rm(root, recursive=True)


@pytest.fixture
def store(url: str) -> ArtifactStore:
    return ArtifactStore(url)


def stored_files(url: str) -> dict[str, bytes]:
    files, root = fsspec.url_to_fs(url)
    found: list[Any] = files.find(root) if files.exists(root) else []
    return {name.removeprefix(root).lstrip("/"): files.cat_file(name) for name in found}


@pytest.mark.parametrize("data", [b"", b"graph", bytes(range(256)) * 4096])
def test_what_was_put_comes_back(store: ArtifactStore, data: bytes) -> None:
    sha256 = store.put(data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert store.get(sha256) == data


def test_content_lies_under_its_hash_and_nothing_else_remains(store: ArtifactStore, url: str) -> None:
    sha256 = store.put(b"graph")
    assert stored_files(url) == {f"sha256/{sha256[:2]}/{sha256[2:]}": b"graph"}


def test_the_same_content_is_kept_once(store: ArtifactStore, url: str) -> None:
    assert store.put(b"graph") == store.put(b"graph")
    assert len(stored_files(url)) == 1


def test_another_store_at_the_same_place_finds_it(store: ArtifactStore, url: str) -> None:
    assert ArtifactStore(url).get(store.put(b"graph")) == b"graph"


def test_unknown_content_is_missing(store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissing, match=r"artifact f{64} is not in the store"):
        store.get("f" * 64)


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "F" * 64, "f" * 63])
def test_what_is_no_hash_is_missing(store: ArtifactStore, name: str) -> None:
    with pytest.raises(ArtifactMissing):
        store.get(name)


def test_damage_is_noticed_and_mended_by_putting_again(store: ArtifactStore, url: str) -> None:
    sha256 = store.put(b"graph")
    files, root = fsspec.url_to_fs(url)
    files.pipe_file(f"{root}/sha256/{sha256[:2]}/{sha256[2:]}", b"grave")
    with pytest.raises(ArtifactCorrupt, match=sha256):
        store.get(sha256)
    store.put(b"graph")
    assert store.get(sha256) == b"graph"


def test_removed_content_is_gone_and_removing_it_again_is_no_error(store: ArtifactStore) -> None:
    sha256 = store.put(b"graph")
    store.remove(sha256)
    store.remove(sha256)
    with pytest.raises(ArtifactMissing):
        store.get(sha256)


def test_on_a_full_disk_nothing_stays_and_the_place_is_named(
    store: ArtifactStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store.put(b"graph")
    files, root = fsspec.url_to_fs(url)

    def no_space(_source: str, _target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "mv", no_space)
    with pytest.raises(ArtifactsFull, match=f"no space is left in {root} for the model: make room there"):
        store.put(b"another graph")
    assert list(stored_files(url).values()) == [b"graph"]
    assert store.get(kept) == b"graph"


def test_many_at_once_keep_everything(store: ArtifactStore) -> None:
    blobs = [bytes([i % 5]) * 1000 for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        digests = list(pool.map(store.put, blobs))
        assert list(pool.map(store.get, digests)) == blobs
