"""Where sealed bytes lie: a folder, or a bucket of an S3-compatible store. Both know four verbs.

What :meth:`Blobs.put` returned from is on the disk. A name is used for one content only, so that
putting twice, by two workers or after a crash, changes nothing.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from proctor.errors import InputError, MissingError
from proctor.evidence import tombstone
from proctor.evidence.disk import PART, sync_file, sync_folder

if TYPE_CHECKING:
    from proctor.hub.settings import HubSettings

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")
# A store that says nothing for so long (s) is not there.
CONNECT_S, READ_S = 5, 30
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class BlobError(Exception):
    """The store does not answer, or (``full``) has no room."""

    def __init__(self, why: str, *, full: bool = False) -> None:
        super().__init__(why)
        self.full = full


class Missing(BlobError):
    """There is nothing under this name."""


class Blobs(Protocol):
    """A store of bytes by name. Each call may raise :class:`BlobError`."""

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data`` under ``name``, whole or not at all."""
        ...

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """Bytes from ``start`` on; raises :class:`Missing` where there is nothing."""
        ...

    def delete(self, name: str) -> None:
        """Remove it; nothing happens where there is nothing."""
        ...

    def names(self, below: str) -> Iterator[str]:
        """Every name that begins with ``below`` and a slash."""
        ...

    def free(self) -> int | None:
        """Bytes that are free, where that can be known."""
        ...


def open_blobs(where: str, settings: HubSettings) -> Blobs:
    """The store at ``where``, a folder or ``s3://bucket/prefix``."""
    if where.startswith("s3://"):
        bucket, _, prefix = where.removeprefix("s3://").partition("/")
        if not bucket:
            raise InputError(f"'{where}' names no bucket; it looks like s3://bucket/prefix.")
        return Bucket(bucket, prefix.strip("/"), settings.s3_endpoint)
    return Folder(Path(where))


class Folder:
    """A folder on a disk of this machine, or one that several machines share."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise MissingError(f"The folder {root} cannot be made ({error.strerror}).") from error

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        part = path.with_name(f"{path.name}.{secrets.token_hex(8)}{PART}")
        with _said():
            self._make(path.parent)
            try:
                with part.open("xb") as file:
                    file.write(data)
                    file.flush()
                    sync_file(file.fileno())
                part.replace(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with _said(), self._path(name).open("rb") as file:
            file.seek(start)
            return file.read(-1 if length is None else length)

    def delete(self, name: str) -> None:
        # Its begin is overwritten first: a part of an upload may hold an age header.
        with _said():
            tombstone.destroy(self._path(name))

    def names(self, below: str) -> Iterator[str]:
        def unread(error: OSError) -> None:
            # What another worker removed meanwhile is not there; a disk that does not answer is no
            # empty folder: a ledger that cannot be read would let a backup bring everything back.
            if not isinstance(error, FileNotFoundError):
                raise BlobError(f"The disk of clips: {error.strerror}.") from error

        for folder, _, files in os.walk(self._path(below), onerror=unread):
            for file in sorted(files):
                if not file.endswith(PART):
                    yield (Path(folder) / file).relative_to(self._root).as_posix()

    def free(self) -> int | None:
        import shutil

        with _said():
            return shutil.disk_usage(self._root).free

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True, mode=0o700)
        sync_folder(folder.parent)

    def _path(self, name: str) -> Path:
        return self._root / _checked(name)


class Bucket:
    """A bucket of an S3-compatible store; its keys come from the environment, as boto3 finds them."""

    def __init__(self, bucket: str, prefix: str, endpoint: str = "") -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        self._errors = (BotoCoreError, ClientError)
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""
        quick = Config(
            connect_timeout=CONNECT_S,
            read_timeout=READ_S,
            max_pool_connections=50,
            retries={"mode": "standard", "max_attempts": 3},
        )
        self._client: Any = boto3.client("s3", endpoint_url=endpoint or None, config=quick)

    def put(self, name: str, data: bytes) -> None:
        with self._said(name):
            self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data)

    def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if length == 0:
            return b""
        last = "" if length is None else str(start + length - 1)
        wanted = {"Range": f"bytes={start}-{last}"} if start or length is not None else {}
        with self._said(name):
            said = self._client.get_object(Bucket=self._bucket, Key=self._key(name), **wanted)
            return bytes(said["Body"].read())

    def delete(self, name: str) -> None:
        with self._said(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def names(self, below: str) -> Iterator[str]:
        with self._said(below):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._key(below)}/"
            )
            for page in pages:
                for one in page.get("Contents", ()):
                    yield str(one["Key"]).removeprefix(self._prefix)

    def free(self) -> int | None:
        return None

    def _key(self, name: str) -> str:
        return self._prefix + _checked(name)

    @contextmanager
    def _said(self, name: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            answer = getattr(error, "response", {})
            code = str(answer.get("Error", {}).get("Code", type(error).__name__))
            if code in ("NoSuchKey", "404"):
                raise Missing(f"There is no {name}.") from error
            raise BlobError(f"The store of clips does not answer ({code}).") from error


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a blob")
    return name


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise Missing("There is nothing under this name.") from error
    except OSError as error:
        full = error.errno in _NO_ROOM
        raise BlobError(f"The disk of clips: {error.strerror}.", full=full) from error
