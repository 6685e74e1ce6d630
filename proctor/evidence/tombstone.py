"""How something sealed goes, and what stays of it: a signed tombstone (rule T2).

The tombstone of a clip is its ``erased`` record, and a signed copy of that is kept on this machine
outside the case, so that a case restored from a backup does not bring the clip back.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies import sign
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.disk import read_bounded, said_plainly, sync_file, sync_folder, write_whole
from proctor.evidence.keys import data_dir
from proctor.types import Erasure

PAYLOAD_TYPE = "application/vnd.proctor.tombstone+json"
SUFFIX = ".dsse"
# The tombstone of a whole case; no flag's name begins so.
WHOLE = "_case"
MAX_BYTES = 20_000
# age (C2SP age.md, "header"): text up to a line that begins with the three dashes and holds the MAC.
_FOOTER = b"\n--- "
# A header for a hundred recipients takes 20 kB; where there is no end to it, as much goes as one takes.
MAX_HEADER = 100_000


def header_length(ciphertext: bytes) -> int:
    """How many bytes at the begin of an age file hold its wrapped keys; 0 where it is no age file."""
    at = ciphertext.find(_FOOTER)
    end = ciphertext.find(b"\n", at + len(_FOOTER)) if at >= 0 else -1
    return end + 1


def destroy(path: Path) -> None:
    """Make a sealed file unreadable, then remove it; nothing happens where there is none.

    The header, which alone holds the file key (wrapped for each recipient), is overwritten and on the
    disk before the bytes go. A flash disk or a file system with snapshots may keep the old block: what
    was in a backup opens again with a reviewer's key, which is what the tombstone guards against.
    """
    try:
        descriptor = os.open(
            path, os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
        )
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "r+b") as file:
        begin = file.read(MAX_HEADER)
        file.seek(0)
        file.write(bytes(header_length(begin) or len(begin)))
        file.flush()
        sync_file(descriptor)
    path.unlink()
    sync_folder(path.parent)


def destroy_whole(path: Path) -> None:
    """Overwrite every byte of a file that holds many keys, such as an export, and then remove it."""
    with path.open("r+b") as file:
        left = file.seek(0, os.SEEK_END)
        file.seek(0)
        while left > 0:
            left -= file.write(bytes(min(left, MAX_HEADER)))
        file.flush()
        sync_file(file.fileno())
    path.unlink()
    sync_folder(path.parent)


def keep(attempt: str, flag: str, erasure: Erasure, key: Ed25519PrivateKey) -> None:
    """Keep a signed copy of a tombstone on this machine; ``flag`` is :data:`WHOLE` for a whole case."""
    path = _folder(attempt) / f"{flag}{SUFFIX}"
    payload = json.dumps({"attempt": attempt, "flag": flag, **asdict(erasure)}, ensure_ascii=False)
    with said_plainly(f"the tombstone {path}"):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(path, sign.envelope(payload.encode("utf-8"), PAYLOAD_TYPE, [key]))
        sync_folder(path.parent.parent)


def known(attempt: str, public: bytes) -> frozenset[str]:
    """Flags of ``attempt`` with a tombstone on this machine that its key (``public``, raw) signed.

    Raises :class:`InputError` at one that it did not sign, since what it stood for is unknown.
    """
    if not layout.ATTEMPT.fullmatch(attempt) or not (folder := _folder(attempt)).is_dir():
        return frozenset()
    found = set()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            signer = Ed25519PublicKey.from_public_bytes(public)
            raw = sign.open_envelope(
                read_bounded(path, MAX_BYTES), [signer], payload_type=PAYLOAD_TYPE
            )
            document = json.loads(raw)
            if document["attempt"] != attempt or document["flag"] != path.name[: -len(SUFFIX)]:
                raise ValueError("it is of something else")
        except (OSError, ValueError, KeyError, TypeError, PolicyError) as error:
            raise InputError(
                f"The tombstone {path} is damaged ({error}), so what was erased of this case is not "
                f"known; restore that file, or remove it if you are sure that it is none of yours."
            ) from error
        found.add(document["flag"])
    return frozenset(found)


def _folder(attempt: str) -> Path:
    return data_dir() / "tombstones" / attempt
