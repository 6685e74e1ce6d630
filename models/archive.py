"""Unpacks a verified zip archive into a folder, and tells whether that folder is still what was unpacked."""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from models.entries import ModelError
from models.fetch import disk_error, sha256_of

STAMP = ".unpacked.json"
# Guard against archives that swell: the largest pinned one holds 68 MB unpacked.
MOST_BYTES = 1 << 30


def unpack(archive: Path, folder_inside: str, target: Path, archive_sha256: str) -> None:
    """Makes ``target`` the folder ``folder_inside`` of ``archive``; all of it or nothing.

    The caller has verified the archive. Leaves a stamp with the archive's hash and each file's own.
    Raises :class:`ModelError` for a member that would land elsewhere, a link, or a full disk.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unpack-") as temporary:
            with zipfile.ZipFile(archive) as opened:
                _check_members(opened, archive)
                opened.extractall(temporary)
            inside = Path(temporary) / folder_inside
            if not inside.is_dir():
                raise ModelError(f"{archive.name} holds no folder {folder_inside}.")
            stamp = {"archive": archive_sha256, "files": _sums(inside)}
            (inside / STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
            if target.exists():
                shutil.rmtree(target)
            inside.rename(target)
    except zipfile.BadZipFile as error:
        raise ModelError(f"{archive.name} is no zip archive ({error}).") from error
    except OSError as error:
        raise disk_error(error, target) from error


def _check_members(opened: zipfile.ZipFile, archive: Path) -> None:
    total = 0
    for member in opened.infolist():
        path = PurePosixPath(member.filename)
        outside = path.is_absolute() or ".." in path.parts
        if outside or "\\" in member.filename or ":" in member.filename:
            raise ModelError(f"{archive.name} wants to write outside its folder: refused.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ModelError(f"{archive.name} holds a link: refused.")
        total += member.file_size
    if total > MOST_BYTES:
        raise ModelError(f"{archive.name} would unpack to {total} bytes: refused.")


def _sums(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != STAMP
    }


def is_whole(folder: Path, archive_sha256: str) -> bool:
    """Whether ``folder`` holds exactly what was unpacked from the archive of that hash."""
    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(stamp == {"archive": archive_sha256, "files": _sums(folder)})
