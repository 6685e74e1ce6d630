"""Erase from a case what is due: keys, bytes, signed tombstone, in this order (rule T2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from proctor.errors import InputError
from proctor.evidence import keys, layout, outbox, tombstone
from proctor.evidence.case import Case
from proctor.evidence.disk import said_plainly
from proctor.evidence.retention import SEALED, Due
from proctor.evidence.view import CaseView
from proctor.types import Erasure


def files_of(folder: Path) -> frozenset[str]:
    """The clips that are there, as :func:`layout.clip_name` says them."""
    clips = folder / layout.CLIPS
    found = clips.iterdir() if clips.is_dir() else ()
    return frozenset(f"{layout.CLIPS}/{path.name}" for path in found)


def clear(folder: Path, due: Sequence[Due], now: datetime) -> None:
    """Erase everything in ``due`` (clips and, where it is among them, the journal: the whole case).

    Safe to do again after a crash, and then signs what was erased before it. Raises
    :class:`InputError` on a machine that the case did not begin on, whose tombstones nobody could tell
    from anybody's.
    """
    view = Case.read(folder)
    if not due and not _unfinished(view):
        return
    if tombstone.WHOLE in view.erased:
        # A restored copy of a whole case: its tombstone is signed already, and its key is gone.
        _remove(folder)
        return
    whole = [one for one in due if one.item.kind == "journal"]
    with said_plainly(f"the case {folder}"):
        case = Case.maintain(folder, now=now)
        try:
            second = (now - case.anchor).total_seconds()
            for one in due:
                if one.item.kind in SEALED:
                    what = f"the clip of {one.item.name}"
                    case.erase(one.item.name, _tombstone(what, one, now), second)
            case.checkpoint()
            if whole:
                key = keys.attempt_key(case.attempt)
                final = _tombstone("the whole case", whole[0], now)
                tombstone.keep(case.attempt, tombstone.WHOLE, final, key)
        finally:
            case.close()
        if whole:
            keys.attempt_key_path(case.attempt).unlink(missing_ok=True)
            outbox.forget(case.attempt)
            _remove(folder)


def _unfinished(view: CaseView) -> bool:
    """Whether a program stopped after the last erasure and before its checkpoint was whole."""
    ended = any(record["type"] == "session.ended" for record in view.records)
    return ended and not (view.folder / layout.note_name(len(view.records))).is_file()


def _tombstone(what: str, one: Due, now: datetime) -> Erasure:
    when = now.astimezone(UTC).isoformat(timespec="seconds")
    return Erasure(what=what, when=when, why=one.why, rule=one.rule)


def _remove(folder: Path) -> None:
    """Remove every file that a case holds, the journal last, and then the folder."""
    with said_plainly(f"the case {folder}"):
        for name in layout.FOLDERS:
            below = folder / name
            if below.is_symlink() or not below.is_dir():
                continue
            for path in sorted(below.iterdir()):
                if name == layout.CLIPS and not path.is_symlink():
                    tombstone.destroy(path)
                else:
                    path.unlink()
            below.rmdir()
        for name in (layout.RECEIPT, layout.LOCK, layout.POLICY, layout.JOURNAL):
            (folder / name).unlink(missing_ok=True)
        others = sorted(path.name for path in folder.iterdir())
        if others:
            raise InputError(
                f"Everything of the case in {folder} was erased, but there are files that are none of "
                f"its own: {', '.join(others[:3])}. Look at them and remove the folder yourself."
            )
        folder.rmdir()
