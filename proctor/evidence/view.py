"""A case as it can be read: what its journal says, put together by flag. Nothing is judged here."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.errors import PolicyError
from policies.sign import MAX_BYTES, inspect
from proctor.errors import InputError
from proctor.evidence import journal, layout, tombstone
from proctor.evidence.disk import read_bounded

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CaseView:
    """What a case folder holds.

    ``records`` are whole journal lines (CloudEvents-shaped mappings); the rest are their ``data``.
    ``flags`` are merged with what was known when they closed; ``sealed``, ``skipped`` and ``erased``
    go by flag id, and what was erased is no longer in ``sealed``, also where only a tombstone on this
    machine says so (a restored backup). ``session`` and ``summary`` are
    empty where the journal does not have them (yet).
    ``policy`` is the policy file inside the envelope, whose signature is *not* checked here.
    """

    folder: Path
    attempt: str
    records: tuple[Data, ...] = field(repr=False)
    consent: Data
    session: Data
    flags: tuple[Data, ...]
    sealed: Mapping[str, Data]
    skipped: Mapping[str, Data]
    erased: Mapping[str, Data]
    scores: tuple[Data, ...] = field(repr=False)
    markers: tuple[Data, ...]
    gaps: tuple[Data, ...]
    summary: Data
    policy: bytes = field(repr=False)
    policy_envelope: bytes = field(repr=False)


def read(folder: Path) -> CaseView:
    """Read the case in ``folder``. Raises :class:`InputError` when it is none or is damaged."""
    if not (folder / layout.JOURNAL).is_file():
        raise InputError(
            f"There is no case in {folder}: it has no {layout.JOURNAL}. Give the folder of a case."
        )
    try:
        records = journal.load(folder / layout.JOURNAL).records()
    except journal.JournalError as error:
        raise InputError(f"{error} `proctor case verify {folder}` tells more.") from error
    if not records or records[0].type != "consent.recorded":
        raise InputError(f"The journal in {folder} does not begin with a consent record.")
    by_type: dict[str, list[Data]] = {}
    for record in records:
        by_type.setdefault(record.type, []).append(record.data)
    envelope, policy = _policy(folder / layout.POLICY)
    sealed, erased = _by(by_type.get("sealed", ())), _by(by_type.get("erased", ()))
    attempt = records[0].source.removeprefix(journal.SOURCE)
    gone = tombstone.known(attempt, public_key(records[0].data))
    if tombstone.WHOLE in gone:
        gone |= set(sealed)
    erased = {**{flag: {"flag": flag} for flag in gone}, **erased}
    return CaseView(
        folder=folder,
        attempt=attempt,
        records=tuple(record.event for record in records),
        consent=records[0].data,
        session=by_type.get("session.started", [{}])[0],
        flags=tuple(_flags(by_type).values()),
        sealed={flag: data for flag, data in sealed.items() if flag not in erased},
        skipped=_by(by_type.get("clip.skipped", ())),
        erased=erased,
        scores=tuple(by_type.get("scores", ())),
        markers=tuple(by_type.get("marker", ())),
        gaps=tuple(by_type.get("agent.gap", ())),
        summary=_summary(by_type),
        policy=policy,
        policy_envelope=envelope,
    )


def public_key(consent: Data) -> bytes:
    """The attempt's key as the consent says it; empty, which signed nothing, where it says none."""
    try:
        return base64.b64decode(str(consent.get("public_key")), validate=True)
    except ValueError:  # no base64, or letters that are not even ASCII
        return b""


def _flags(by_type: Mapping[str, list[Data]]) -> dict[str, Data]:
    """Flags by id, in the order they opened; an open one has ``end`` ``None``."""
    flags: dict[str, Data] = {
        str(data["id"]): {"end": None, **data} for data in by_type.get("flag", ()) if "id" in data
    }
    for data in by_type.get("flag.closed", ()):
        name = str(data.get("id", ""))
        if name in flags:
            flags[name] = {**flags[name], **data, "t": flags[name].get("t")}
    return flags


def _by(records: Iterable[Data]) -> dict[str, Data]:
    return {str(data["flag"]): data for data in records if "flag" in data}


def _summary(by_type: Mapping[str, list[Data]]) -> Data:
    ended = by_type.get("session.ended", [{}])[-1].get("summary")
    return ended if isinstance(ended, Mapping) else {}


def _policy(path: Path) -> tuple[bytes, bytes]:
    """The envelope's bytes, and the policy inside."""
    try:
        envelope = read_bounded(path, MAX_BYTES)
        return envelope, inspect(envelope)[0]
    except OSError as error:
        raise InputError(f"The case's policy {path} cannot be read ({error.strerror}).") from error
    except (PolicyError, ValueError) as error:
        raise InputError(f"The case's policy {path} is damaged: {error}") from error
