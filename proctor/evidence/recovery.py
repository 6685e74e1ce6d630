"""After a crash: make the files and the journal agree again, losing no clip that was whole.

The journal says what was about to be written (``sealing``: name, hash, length) before it is written,
so a file can be judged by its hash alone, wherever the agent stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proctor.errors import CheckFailed
from proctor.evidence import checkpoint, layout
from proctor.evidence.disk import PART, read_bounded, sync_folder
from proctor.evidence.journal import Record
from proctor.evidence.tombstone import destroy
from proctor.evidence.tree import Tree

Write = Callable[[str, Mapping[str, Any]], int]
NOT_SEALED = "The program stopped before this clip was sealed."


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery did: flag ids whose clip was adopted, and files that were deleted."""

    adopted: tuple[str, ...]
    deleted: tuple[str, ...]


def check_extends(folder: Path, origin: str, public: bytes, tree: Tree) -> None:
    """Raise :class:`CheckFailed` unless the journal extends its newest checkpoint."""
    notes = sorted((folder / layout.CHECKPOINTS).glob(f"*{layout.NOTE_SUFFIX}"))
    if not notes:
        return
    try:
        last = checkpoint.read(read_bounded(notes[-1], checkpoint.MAX_BYTES), origin, public)
    except (OSError, ValueError, checkpoint.NoteError) as error:
        raise CheckFailed(
            f"The case {folder} is not continued: its checkpoint {notes[-1].name} is damaged ({error})."
        ) from error
    if last.size > tree.size or tree.root(last.size) != last.root:
        raise CheckFailed(
            f"The case {folder} is not continued: its journal was changed or cut after its last "
            f"checkpoint. `proctor case verify {folder}` tells more; begin a new case."
        )


def settle(folder: Path, records: Sequence[Record], write: Write) -> Recovered:
    """Adopt the clips that are whole, delete what is not, and give every flag an outcome.

    ``write`` appends a journal record that is on the disk when it returns.
    """
    announced = {
        flag: record.data
        for record in records
        if record.type == "sealing"
        and layout.FLAG_ID.fullmatch(flag := str(record.data.get("flag")))
    }
    sealed = {str(r.data.get("flag")) for r in records if r.type == "sealed"}
    erased = {str(r.data.get("flag")) for r in records if r.type == "erased"}
    skipped = {str(r.data.get("flag")) for r in records if r.type == "clip.skipped"}
    flags = [str(r.data.get("id")) for r in records if r.type == "flag"]
    adopted = []
    for flag, data in announced.items():
        if flag not in sealed and _whole(folder, data):
            write("sealed", {**data, "adopted": True})
            adopted.append(flag)
    sealed.update(adopted)
    deleted = _delete_others(
        folder, {Path(layout.clip_name(flag)).name for flag in sealed - erased}
    )
    for flag in flags:
        if flag not in sealed and flag not in skipped:
            write("clip.skipped", {"flag": flag, "why": NOT_SEALED})
    return Recovered(tuple(adopted), tuple(deleted))


def _whole(folder: Path, announced: Mapping[str, Any]) -> bool:
    """Whether the announced file is there, complete, if need be still under its temporary name."""
    path = folder / layout.clip_name(str(announced.get("flag")))
    for candidate in (path, path.with_name(path.name + PART)):
        if candidate.is_file() and _digest(candidate) == announced.get("sha256"):
            candidate.replace(path)
            sync_folder(path.parent)
            return True
    return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _delete_others(folder: Path, known: set[str]) -> list[str]:
    """Remove unfinished files of ours. A file that is not ours to judge is left for ``case verify``."""
    deleted = []
    for path in sorted((folder / layout.CLIPS).iterdir()):
        ours = path.name.endswith((layout.CLIP_SUFFIX, layout.CLIP_SUFFIX + PART))
        if ours and path.name not in known:
            destroy(path)
            deleted.append(path.name)
    for path in sorted((folder / layout.CHECKPOINTS).glob(f"*{PART}")):
        path.unlink()
        deleted.append(path.name)
    if deleted:
        sync_folder(folder / layout.CLIPS)
    return deleted
