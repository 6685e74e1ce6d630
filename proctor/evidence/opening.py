"""Open a sealed clip, once it is on record who did and why (docs/decisions/0021)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyrage import x25519

from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, layout
from proctor.evidence.access import Reader
from proctor.evidence.disk import read_bounded
from proctor.evidence.seal import NoKeyError, unseal
from proctor.evidence.view import CaseView


def opened(
    view: CaseView,
    flag: str,
    identities: Sequence[x25519.Identity],
    reader: Reader,
    *,
    reason: str = "",
    written: bool = False,
    escrow: bool = False,
    now: datetime | None = None,
) -> bytes:
    """The clip of ``flag``, in memory; the access log of ``reader`` says so before this returns.

    ``written``: it will be put on a disk unsealed; ``escrow``: ``identities`` are the spare key's.
    Both need a ``reason``. Raises :class:`InputError` where there is no such clip or no reason,
    :class:`NoKeyError` when no key fits, :class:`CheckFailed` when the clip or the log was changed.
    """
    record = view.sealed.get(flag)
    if record is None or not layout.FLAG_ID.fullmatch(flag):
        raise InputError(_no_such_clip(flag, view))
    if (written or escrow) and not reason.strip():
        raise InputError(
            "What is written unsealed, or opened with the spare key, says why: give --reason, a sentence "
            "that stays with the case."
        )
    path = view.folder / layout.clip_name(flag)
    try:
        ciphertext = read_bounded(path, layout.MAX_SEALED)
    except (OSError, ValueError) as error:
        raise CheckFailed(f"The clip {path} cannot be read: {error}.") from error
    data, key = _unsealed(ciphertext, identities, flag, str(record.get("sha256")), record)
    facts = {"flags": [flag], "sha256": record.get("sha256"), "key": key, "written": written}
    if escrow:
        facts["escrow"] = True
    access.note(view, reader, access.OPENED, facts, reason=reason, now=now)
    return data


def _unsealed(
    ciphertext: bytes,
    identities: Sequence[x25519.Identity],
    flag: str,
    sha256: str,
    record: object,
) -> tuple[bytes, str]:
    """The clip, and the public half of the key that opened it."""
    for identity in identities:
        try:
            return unseal(ciphertext, [identity], sha256=sha256), str(identity.to_public())
        except NoKeyError:
            continue
    recipients = record.get("recipients") if isinstance(record, dict) else None
    names = ", ".join(map(str, recipients)) if isinstance(recipients, list) else "unknown keys"
    raise NoKeyError(
        f"The key given does not open the clip of '{flag}'; it is sealed for {names}. "
        f"Give the file of one of these keys with --identity."
    )


def _no_such_clip(flag: str, view: CaseView) -> str:
    from proctor.evidence.words import NO_CLIP

    if flag in view.erased:
        return f"The flag '{flag}' has no clip: {NO_CLIP}."
    if flag in view.skipped:
        return f"The flag '{flag}' has no clip: {view.skipped[flag].get('why')}"
    names = ", ".join(list(view.sealed)[:10])
    return (
        f"There is no clip of a flag '{flag}' in this case; it has clips of: {names or 'no flag'}."
    )
