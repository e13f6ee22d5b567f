"""The artifact store: blobs named by the SHA-256 of their content, in a folder, in memory or in object storage."""

import hashlib
import os
import re
import secrets
from contextlib import suppress

import fsspec
from fsspec.implementations.local import LocalFileSystem

from forecastle.errors import DiskFull
from forecastle.registry.errors import ArtifactCorrupt, ArtifactMissing, ArtifactsFull

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ArtifactStore:
    """Blobs at any fsspec URL: a path, `file://…`, `memory://…`, `s3://…`. Its calls block; run them in a thread."""

    def __init__(self, url: str) -> None:
        self._files, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")

    def put(self, data: bytes) -> str:
        """Store `data` and return its SHA-256. A reader sees all of it or nothing, whatever happens in between.

        Raises:
            ArtifactsFull: there is no space left for it; nothing of it stays.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path, temporary = self._path(sha256), f"{self._root}/incoming/{secrets.token_hex(16)}"
        try:
            self._write(data, temporary, path)
        except OSError as error:
            with suppress(OSError):
                self._files.rm_file(temporary)
            if DiskFull.is_told_by(error):
                raise ArtifactsFull.at(self._root, writing="the model") from error
            raise
        return sha256

    def _write(self, data: bytes, temporary: str, path: str) -> None:
        for name in (path, temporary):
            self._files.makedirs(name.rpartition("/")[0], exist_ok=True)
        with self._files.open(temporary, "wb") as file:
            file.write(data)
            if isinstance(self._files, LocalFileSystem):
                file.flush()
                os.fsync(file.fileno())
        self._files.mv(temporary, path)

    def get(self, sha256: str) -> bytes:
        """The content of that hash.

        Raises:
            ArtifactMissing: nothing of that hash is stored.
            ArtifactCorrupt: what is stored has another hash.
        """
        try:
            data: bytes = self._files.cat_file(self._path(sha256))
        except FileNotFoundError as error:
            raise ArtifactMissing(f"artifact {sha256} is not in the store") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise ArtifactCorrupt(f"artifact {sha256} was damaged: its content now has the hash {found}")
        return data

    def remove(self, sha256: str) -> None:
        """Forget that content; no error when there is none."""
        path = self._path(sha256)
        if self._files.exists(path):
            self._files.rm_file(path)

    def _path(self, sha256: str) -> str:
        if not _DIGEST.fullmatch(sha256):
            raise ArtifactMissing(f"{sha256!r} is not a SHA-256")
        return f"{self._root}/sha256/{sha256[:2]}/{sha256[2:]}"
