"""From a policy to what an institution hands out: ready to sign, signed, published beside its root file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import load, revoked, root, sign, trust
from policies.errors import PolicyError, Refused
from policies.lint import lint
from policies.schema import Policy
from proctor.errors import CheckFailed, InputError
from proctor.evidence.disk import read_bounded, said_plainly, write_new, write_whole
from proctor.session.recipients import BESIDE

ENVELOPE = ".dsse"
ROOT_NAME = "root.toml"


@dataclass(frozen=True, slots=True)
class Ready:
    """A policy that may be signed: what was read, the policy in it, and whether it has signatures."""

    raw: bytes
    payload: bytes
    policy: Policy
    signed_before: bool


@dataclass(frozen=True, slots=True)
class Published:
    """What was written for students, and whether it takes the place of another version."""

    policy: Policy
    envelope: Path
    root: Path
    before: int | None


def ready(raw: bytes, where: str, now: datetime, *, despite_errors: bool = False) -> Ready:
    """Check a policy, or an envelope, before a key is asked for.

    Raises :class:`InputError` when it is no policy or expired, :class:`CheckFailed` when the linter finds
    errors in it and nobody answers for that.
    """
    try:
        signed_before = load.is_envelope(raw)
        payload = load.payload_of(raw, where) if signed_before else raw
        policy = load.parse(payload, where)
    except PolicyError as error:
        raise InputError(str(error)) from error
    if policy.expires is not None and policy.expires <= now:
        raise InputError(f"The policy {where} has expired already; no agent would follow it.")
    errors = [one for one in lint(policy, payload, now=now) if one.severity == "error"]
    if errors and not despite_errors:
        raise CheckFailed(
            f"The policy {where} was not signed: `proctor policy check` finds "
            f"{len(errors)} error{'s' if len(errors) > 1 else ''} in it, such as {errors[0].rule} "
            f"({errors[0].what.rstrip('.')}); mend it first."
        )
    return Ready(raw, payload, policy, signed_before)


def signed(what: Ready, keys: Sequence[Ed25519PrivateKey]) -> bytes:
    """The envelope with a signature by each of ``keys`` beside those that it has.

    Raises :class:`InputError` when one of them signed it already.
    """
    try:
        if what.signed_before:
            return sign.add_signatures(what.raw, keys)
        first = sign.envelope(what.payload, sign.PAYLOAD_TYPE, keys[:1])
        return sign.add_signatures(first, keys[1:])
    except PolicyError as error:
        raise InputError(str(error)) from error


def publish(
    envelope: bytes,
    where: str,
    root_path: Path,
    folder: Path,
    now: datetime,
    revoked_path: Path | None = None,
) -> Published:
    """Write a signed policy and its root file into ``folder``, in the place of an older version.

    ``revoked_path`` is the institution's list of revoked keys, which agents follow from beside a policy.

    Every check of the agent runs first, as of the moment from which the policy holds, and the version
    must be higher than the one that lies there: the same bytes with another signature may follow them.
    Raises :class:`CheckFailed` when a check says no, :class:`InputError` when something given is not usable.
    """
    try:
        known = root.read(root_path)
        accepted = _accepted(envelope, where, known, now)
        policy = accepted.policy
        if not folder.is_dir():
            raise InputError(f"The folder {folder} does not exist; make it first.")
        target, root_target = folder / f"{policy.id}{ENVELOPE}", folder / ROOT_NAME
        before = _version_there(target, accepted)
        listed = _listed(revoked_path, known, folder / BESIDE) if revoked_path else None
        fresh = not root_target.exists()
        if not fresh and root.read(root_target) != known:
            raise InputError(
                f"Another root file lies at {root_target}; students who trust it would refuse this "
                f"policy. If the keys truly changed, remove it and try again."
            )
    except Refused as error:
        raise CheckFailed(str(error)) from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    text = root.make(known.institution, known.keys, known.threshold, known.version).encode("utf-8")
    with said_plainly(f"what is published in {folder}"):
        if fresh:
            write_new(root_target, text)
        if listed:
            write_whole(folder / BESIDE, listed)
        write_whole(target, envelope)
    return Published(policy, target, root_target, before)


def _listed(path: Path, known: root.Root, target: Path) -> bytes:
    """The bytes of a list of revoked keys that agents would follow in the place of the one at ``target``."""
    try:
        before = None
        if target.exists():
            before = revoked.unchecked(read_bounded(target, sign.MAX_BYTES), str(target))
        envelope = read_bounded(path, sign.MAX_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"A list of revoked keys cannot be read: {error}.") from error
    revoked.accept(envelope, str(path), known, before)
    return envelope


def _accepted(envelope: bytes, where: str, known: root.Root, now: datetime) -> trust.Accepted:
    """What an agent that has seen nothing yet says, at once or when the policy begins to hold."""
    seen = trust.Seen()
    try:
        payload = known.open(envelope)
    except sign.SignatureError:
        # The list of checks says it in its own words.
        return trust.accept(envelope, where, [known], now, seen)
    begins = load.parse(payload, where).not_before
    return trust.accept(envelope, where, [known], max(now, begins or now), seen)


def _version_there(target: Path, accepted: trust.Accepted) -> int | None:
    """The version that is published at ``target`` now; raises :class:`Refused` when it is no older one."""
    if not target.exists():
        return None
    there = load.payload_of(load.read_bytes(str(target)), str(target))
    old, new = load.parse(there, str(target)), accepted.policy
    if (old.institution, old.id) != (new.institution, new.id):
        raise Refused(
            f"At {target} lies a policy of '{old.institution}'; publish this one into another folder."
        )
    same = hashlib.sha256(there).digest() == hashlib.sha256(accepted.payload).digest()
    if not same and old.version >= new.version:
        raise Refused(
            f"Version {old.version} of '{old.id}' is published already, and this is version "
            f"{new.version}; raise `version` to {old.version + 1} and sign again, or agents refuse it."
        )
    return old.version
