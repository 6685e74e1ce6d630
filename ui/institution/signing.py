"""What the pages of signing and of keys do, on the worker: the same functions as the commands. No Qt in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from policies import load, root, sign
from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence.disk import said_plainly, write_new, write_whole
from proctor.evidence.signing import load_signing_key
from proctor.session import publish
from proctor.session.publish import ENVELOPE, Published


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed policy on the disk: whose signatures it has, and whether it says what the draft says."""

    path: Path
    signers: tuple[str, ...]
    version: int
    same: bool


def envelope_of(path: Path) -> Path:
    """Where the envelope of a policy file lies: beside it."""
    return path.with_suffix(ENVELOPE)


def look(path: Path, text: str) -> Envelope | None:
    """The envelope beside a policy file; ``None`` when there is none."""
    envelope = envelope_of(path)
    if not envelope.exists():
        return None
    where = str(envelope)
    raw = load.read_bytes(where)
    payload = load.payload_of(raw, where)
    version = load.parse(payload, where).version
    same = payload == text.encode("utf-8")
    return Envelope(envelope, sign.inspect(raw)[2], version, same)


def sign_file(
    path: Path, text: str, key: Path, passphrase: str, *, despite_errors: bool
) -> Envelope:
    """Sign the saved policy ``text``, or add a signature to its envelope; returns what lies there now.

    An envelope of an older version is replaced; one of the same version that says something else is not:
    nobody could say afterwards which of the two was meant.
    """
    before = look(path, text)
    target = envelope_of(path)
    raw = target.read_bytes() if before is not None and before.same else text.encode("utf-8")
    what = publish.ready(raw, path.name, datetime.now(UTC), despite_errors=despite_errors)
    if before is not None and not before.same and before.version >= what.policy.version:
        raise InputError(
            f"Version {before.version} is signed already ({target.name}) and says something else; raise "
            f"the version to {before.version + 1}, save, and sign that."
        )
    opened = load_signing_key(key, lambda _: passphrase)
    envelope = publish.signed(what, [opened])
    with said_plainly(f"the envelope {target}"):
        write_whole(target, envelope)
    found = look(path, text)
    if found is None:
        raise InputError(f"The envelope {target} was taken away while it was written; sign again.")
    return found


def publish_file(
    path: Path, root_path: Path, folder: Path, revoked: Path | None = None
) -> Published:
    """Publish the envelope of a policy file; see :func:`proctor.session.publish.publish`."""
    target = envelope_of(path)
    try:
        raw = load.read_bytes(str(target))
    except PolicyError as error:
        raise InputError(f"There is no signed policy at {target}; sign it first.") from error
    return publish.publish(raw, target.name, root_path, folder, datetime.now(UTC), revoked)


def make_root(path: Path, institution: str, keys: Sequence[str], threshold: int) -> None:
    """Write a root file where there is none yet."""
    try:
        text = root.make(institution, keys, threshold)
    except PolicyError as error:
        raise InputError(str(error)) from error
    with said_plainly(f"the root file {path}"):
        try:
            write_new(path, text.encode("utf-8"))
        except FileExistsError as error:
            raise InputError(f"There is a file {path} already; choose another name.") from error
