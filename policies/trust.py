"""Whether the agent may follow a signed policy: signature, validity, clock, version. Pure: no disk, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from policies import sign
from policies.errors import PolicyError, Refused
from policies.load import parse, payload_of
from policies.root import Root
from policies.schema import Policy

# Clocks drift, and people travel with a clock that says local time is UTC: no more than a day.
CLOCK_TOLERANCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """What this machine remembers of signed policies: the latest moment, and the highest versions.

    ``versions``: institution and id of a policy to its highest version and the SHA-256 of that.
    """

    latest: datetime | None = None
    versions: Mapping[tuple[str, str], tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A policy that may be followed, its exact bytes, and what is to be remembered now."""

    policy: Policy
    payload: bytes
    seen: Seen


def accept(
    envelope: bytes, where: str, roots: Sequence[Root], now: datetime, seen: Seen
) -> Accepted:
    """Check a signed policy, as a numbered list that an auditor can read.

    ``where`` names the policy in sentences; ``now`` has a time zone. Raises :class:`Refused` when a
    check says no, :class:`PolicyError` when the envelope or the policy in it is not usable.
    """
    # 1. It is an envelope with a policy inside.
    payload_of(envelope, where)
    # 2. Enough keys of a known institution signed it. Nothing of it was parsed until here.
    payload, signers = _signed(envelope, where, roots)
    # 3. It is a valid policy: known keys, right units, under every ceiling.
    policy = parse(payload, where)
    # 4. Those who signed it answer for the institution that it names.
    if policy.institution not in {root.institution for root in signers}:
        names = " or ".join(f"'{root.institution}'" for root in signers)
        raise Refused(
            f"The policy {where} speaks for '{policy.institution}' but is signed by {names}, which may "
            f"sign only for itself."
        )
    # 5. The clock was not set back.
    _check_clock(where, now, seen)
    # 6. It holds now.
    _check_validity(policy, where, now)
    # 7. It is not older than one that was followed before.
    key, digest = (policy.institution, policy.id), hashlib.sha256(payload).hexdigest()
    _check_version(policy, digest, where, seen.versions.get(key))
    latest = now if seen.latest is None else max(now, seen.latest)
    versions = {**seen.versions, key: (policy.version, digest)}
    return Accepted(policy, payload, Seen(latest.astimezone(UTC), versions))


def _signed(envelope: bytes, where: str, roots: Sequence[Root]) -> tuple[bytes, list[Root]]:
    """The payload and the roots under which it is signed."""
    if not roots:
        raise Refused(
            f"The policy {where} is signed, but no institution is known here whose signature could be "
            f"checked; give its root file with --root FILE, or `proctor policy root install FILE`."
        )
    payload, signers, reasons = b"", [], []
    for root in roots:
        try:
            payload = root.open(envelope)
            signers.append(root)
        except sign.SignatureError as error:
            reasons.append(f"{root.institution}: {str(error)[0].lower()}{str(error)[1:-1]}")
    if not signers:
        raise Refused(
            f"The policy {where} is not signed by an institution that is known here "
            f"({'; '.join(reasons[:3])})."
        )
    return payload, signers


def _check_clock(where: str, now: datetime, seen: Seen) -> None:
    if seen.latest is not None and now < seen.latest - CLOCK_TOLERANCE:
        raise Refused(
            f"The policy {where} cannot be checked: this computer's clock says {_said(now)}, but it was "
            f"{_said(seen.latest)} here before; set the clock."
        )


def _check_validity(policy: Policy, where: str, now: datetime) -> None:
    if policy.not_before is not None and now < policy.not_before:
        raise Refused(f"The policy {where} holds only from {_said(policy.not_before)} on.")
    if policy.expires is not None and now >= policy.expires:
        raise Refused(
            f"The policy {where} expired on {_said(policy.expires)}; ask "
            f"{policy.institution} for the present one."
        )


def _check_version(policy: Policy, digest: str, where: str, before: tuple[int, str] | None) -> None:
    if before is None or policy.version > before[0]:
        return
    if policy.version < before[0]:
        raise Refused(
            f"The policy {where} is version {policy.version}, but version {before[0]} of '{policy.id}' was "
            f"followed here before; ask {policy.institution} for the present one."
        )
    if digest != before[1]:
        raise Refused(
            f"The policy {where} is version {policy.version} of '{policy.id}' like one that was followed here "
            f"before, but says something else; whoever signs it must raise the version."
        )


def check_unsigned(policy: Policy, where: str) -> None:
    """A policy file that nobody signed may run for practice only; raises :class:`PolicyError`."""
    if policy.stakes != "practice":
        raise PolicyError(
            f"The policy {where} is not signed and its stakes are '{policy.stakes}': only practice runs "
            f"unsigned; `proctor policy sign` makes the envelope to give instead."
        )


def _said(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
