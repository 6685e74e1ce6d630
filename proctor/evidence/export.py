"""Export a case: one zip that a stranger can read, check and, with their key, open.

The same case, flags and keys make the same zip, byte for byte, unless clips are encrypted anew (age is
random by design). No plaintext media is ever written: a clip goes over in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import x25519

from policies import load, sign
from policies.engine import ConsentState
from policies.errors import PolicyError
from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, deciding, explanation, hub_receipts, layout, proof
from proctor.evidence.access import Reader
from proctor.evidence.disk import PART, read_bounded, said_plainly, sync_file, sync_folder
from proctor.evidence.erasure import is_room_scan
from proctor.evidence.journal import MAX_JOURNAL
from proctor.evidence.seal import check_recipient, seal, unseal
from proctor.evidence.untrusted import number
from proctor.evidence.view import CaseView, read
from proctor.types import Clip

PAYLOAD_TYPE = "application/vnd.proctor.export+json"
LISTING = "export.dsse"
VERIFIER = "verify_case.py"
# Zip knows no time before this one; a fixed time makes the file depend on its content alone.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_FOLDERS = {
    layout.CHECKPOINTS: layout.NOTE_SUFFIX,
    layout.RECEIPTS: layout.CONSENT_SUFFIX,
    layout.HOLDS: layout.HOLD_SUFFIX,
}


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds: flags whose clip went along, and flags whose clip was left out."""

    clips: tuple[str, ...]
    left_out: tuple[str, ...]
    recipient: str


def export(
    folder: Path,
    target: Path,
    *,
    reader: Reader,
    reason: str = "",
    flags: Sequence[str] | None = None,
    recipient: str = "",
    identities: Sequence[x25519.Identity] = (),
    research: bool = False,
    now: datetime | None = None,
) -> Exported:
    """Write the case in ``folder`` to the new zip ``target``.

    ``flags`` chooses the clips that go along (``None``: all that are kept). With ``recipient`` (an age
    public key) they are opened in memory with ``identities`` and encrypted for that key alone; else
    they go as they were sealed. ``signer`` signs the list of what is in it. Raises
    :class:`InputError`, and :class:`CheckFailed` where a clip is not the one that was sealed.
    """
    view = read(folder)
    if target.exists():
        raise InputError(f"There is a file {target} already; name another with --to.")
    if recipient:
        check_recipient(recipient)
    chosen = _chosen(view, flags)
    facts: dict[str, Any] = {"recipient": recipient}
    if research:
        chosen = _for_research(view, chosen, recipient)
        facts |= {"copy": secrets.token_hex(8), "file": target.name}
    facts["flags"] = list(chosen)
    left_out = sorted(_sealed(view) - (set() if recipient else set(chosen)))
    part = target.with_name(target.name + PART)
    with said_plainly(f"the export {target}"):
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                    writer = _Writer(archive)
                    anew = _fill(writer, view, chosen, recipient, identities)
                    access.note(view, reader, access.EXPORTED, facts, reason=reason, now=now)
                    _finish(writer, view, anew, left_out, reader.key, facts.get("copy"))
                file.flush()
                sync_file(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(target.resolve().parent)
    return Exported(chosen, tuple(f for f in sorted(view.sealed) if f not in chosen), recipient)


_BINARY = getattr(os, "O_BINARY", 0)


class _Writer:
    """Adds files to a zip and remembers their hashes."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files: dict[str, str] = {}

    def add(self, name: str, data: bytes) -> None:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system = _UNIX
        info.external_attr = 0o600 << 16
        self._archive.writestr(info, data)
        self.files[name] = hashlib.sha256(data).hexdigest()


def _fill(
    writer: _Writer,
    view: CaseView,
    chosen: Sequence[str],
    recipient: str,
    identities: Sequence[x25519.Identity],
) -> list[dict[str, str]]:
    """All but the access logs and the list; returns the clips that were encrypted anew."""
    for name in (
        layout.POLICY,
        layout.JOURNAL,
        *_others(view.folder),
        *(f"{layout.HUB}/{path.name}" for path in hub_receipts.files(view.folder)),
        *deciding.files(view.folder),
    ):
        writer.add(f"case/{name}", _read(view.folder / name, MAX_JOURNAL))
    for name, made in _proofs(view, chosen):
        writer.add(f"proofs/{name}", made)
    anew = []
    for flag in chosen:
        sealed = _read(view.folder / layout.clip_name(flag), layout.MAX_SEALED)
        digest = str(view.sealed[flag].get("sha256"))
        if not recipient:
            if hashlib.sha256(sealed).hexdigest() != digest:
                raise CheckFailed(
                    f"The clip of '{flag}' is not the one that was sealed; it was not exported. "
                    f"`proctor case verify {view.folder}` tells more."
                )
            writer.add(f"case/{layout.clip_name(flag)}", sealed)
            continue
        name = f"encrypted-anew/{flag}{layout.CLIP_SUFFIX}"
        writer.add(name, _anew(view, flag, sealed, recipient, identities))
        anew.append({"flag": flag, "file": name, "sealed_sha256": digest, "recipient": recipient})
    try:
        policy = load.parse(view.policy, "of this case")
    except PolicyError as error:
        raise InputError(str(error)) from error
    told = explanation.text_of(view, policy, chosen, recipient)
    writer.add("explanation.txt", told.encode("utf-8"))
    writer.add("explanation.html", explanation.page_of(told).encode("utf-8"))
    script = resources.files("proctor.evidence").joinpath(VERIFIER).read_bytes()
    writer.add(VERIFIER, script)
    return anew


def _finish(
    writer: _Writer,
    view: CaseView,
    anew: Sequence[dict[str, str]],
    left_out: Sequence[str],
    signer: Ed25519PrivateKey,
    copy: str | None,
) -> None:
    """The access logs, and the signed list of everything."""
    for log in access.logs(view.folder):
        for path in (log, log.with_suffix(layout.NOTE_SUFFIX)):
            if not path.is_file():
                continue  # `case verify` says so, there as here
            writer.add(f"case/{layout.ACCESS}/{path.name}", _read(path, access.MAX_LOG))
    listing: dict[str, Any] = {
        "attempt": view.attempt,
        "signer": base64.b64encode(signer.public_key().public_bytes_raw()).decode("ascii"),
        "files": dict(sorted(writer.files.items())),
        "clips": list(anew),
        "left_out": list(left_out),
    }
    if copy:
        listing["copy"] = copy
    payload = json.dumps(listing, ensure_ascii=False, sort_keys=True).encode("utf-8")
    writer.add(LISTING, sign.envelope(payload, PAYLOAD_TYPE, [signer]))


def _for_research(view: CaseView, chosen: Sequence[str], recipient: str) -> tuple[str, ...]:
    """The clips that may go into a copy for research; a room scan was agreed to for nothing else."""
    if not ConsentState.from_records(view.records).live("research"):
        raise CheckFailed(
            "The student did not agree to research with this exam, or took it back; no copy was made."
        )
    if not recipient:
        raise InputError("A copy for research is encrypted for its reader: give --recipient.")
    return tuple(flag for flag in chosen if not is_room_scan(view.sealed[flag]))


def copy_of(path: Path, attempt: str) -> str:
    """The id of the copy for research in the zip ``path``; :class:`InputError` where it is none of ``attempt``."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(LISTING).file_size > MAX_JOURNAL:
                raise ValueError("its list is too large")
            listing = json.loads(sign.inspect(archive.read(LISTING))[0])
        if listing["attempt"] != attempt:
            raise ValueError("it is of another exam")
        found = listing["copy"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, PolicyError) as error:
        raise InputError(f"{path} is no copy for research of this case ({error}).") from error
    return str(found)


def _sealed(view: CaseView) -> set[str]:
    """Flags with a sealed clip that the journal does not call erased."""
    found: dict[str, set[str]] = {"sealed": set(), "erased": set()}
    for record in view.records:
        if record["type"] in found:
            found[record["type"]].add(str(record["data"].get("flag")))
    return found["sealed"] - found["erased"]


def _chosen(view: CaseView, flags: Sequence[str] | None) -> tuple[str, ...]:
    named = [flag for flag in view.sealed if layout.FLAG_ID.fullmatch(flag)]
    if flags is None:
        return tuple(sorted(named))
    for flag in flags:
        if flag not in named:
            raise InputError(
                f"This case keeps no clip of a flag '{flag[:100]}'; it has clips of: "
                f"{', '.join(named[:10]) or 'no flag'}."
            )
    return tuple(sorted(set(flags)))


def _others(folder: Path) -> Iterator[str]:
    """Paths of checkpoints, receipts and holds; a name that a case does not give is not taken along."""
    for below, suffix in sorted(_FOLDERS.items()):
        if (folder / below).is_symlink() or not (folder / below).is_dir():
            continue
        for path in sorted((folder / below).iterdir()):
            if path.name.endswith(suffix) and path.name.removesuffix(suffix).isdigit():
                yield f"{below}/{path.name}"


def _proofs(view: CaseView, chosen: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """For each clip, that its ``sealed`` record is in the signed journal, where that is so yet; for each
    checkpoint, that the newest extends it.
    """
    provable = proof.load(view.folder)
    signed = provable.signed[-1].checkpoint.size
    wanted = set(chosen)
    for place, record in enumerate(view.records, start=1):
        if record["type"] == "sealed" and record["data"].get("flag") in wanted and place <= signed:
            yield f"{place:08d}{proof.SUFFIX}", provable.inclusion(place)
    for size in sorted({one.checkpoint.size for one in provable.signed} - {signed}):
        yield f"{size:08d}{proof.CONSISTENCY_SUFFIX}", provable.consistency(size)


def _anew(
    view: CaseView,
    flag: str,
    sealed: bytes,
    recipient: str,
    identities: Sequence[x25519.Identity],
) -> bytes:
    record = view.sealed[flag]
    data = unseal(sealed, identities, sha256=str(record.get("sha256")))
    start, end = number(record.get("start")) or 0.0, number(record.get("end")) or 0.0
    digest = hashlib.sha256(data).hexdigest()
    return seal(Clip(flag, start, end, "video/mp4", data, digest), [recipient]).ciphertext


def _read(path: Path, limit: int) -> bytes:
    try:
        return read_bounded(path, limit)
    except (OSError, ValueError) as error:
        raise CheckFailed(f"{path} cannot be read, so nothing was exported: {error}.") from error
