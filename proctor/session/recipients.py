"""For whom a session seals: the policy's recipients, less those whose keys the institution revoked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policies import revoked, sign
from policies.errors import PolicyError, Refused
from policies.revoked import Revocation, RevokedKeys
from policies.root import Root
from policies.schema import Policy
from proctor.errors import CheckFailed, InputError
from proctor.evidence.disk import read_bounded, said_plainly, write_whole
from proctor.evidence.keys import data_dir, demo_recipient
from proctor.evidence.seal import check_recipient
from proctor.session.trust import installed_roots

if TYPE_CHECKING:
    from proctor.session.plan import Plan

SUFFIX = ".dsse"
# Where a list lies beside the policies that an institution hands out.
BESIDE = "revoked.dsse"
Tell = Callable[[str], None]


def choose_recipients(
    plan: Plan, given: Sequence[str], tell: Tell | None = None, *, now: datetime | None = None
) -> tuple[str, ...]:
    """Who can open the clips: the policy's recipients and those given, and the policy's escrow.

    Without any, this machine's demo key. Revoked keys are left out, and ``tell`` gets a sentence about
    each; the consent record names those that are left. Raises :class:`CheckFailed` when no recipient
    is left but the escrow, and :class:`InputError` when one is no key.
    """
    policy = plan.policy
    wanted = tuple(dict.fromkeys((*policy.recipients, *given)))
    spare: tuple[str, ...] = (policy.escrow.recipient,) if policy.escrow.recipient else ()
    for recipient in (*wanted, *spare):
        check_recipient(recipient)
    listed = installed(policy.institution)
    now = now or datetime.now(UTC)
    left, refused = _split(wanted, listed, now)
    spare, refused_spare = _split(spare, listed, now)
    if wanted and not left:
        raise CheckFailed(_nobody(policy, refused, "clips"))
    for one in (*refused, *refused_spare):
        if tell is not None:
            tell(f"{_said(one)} Clips are sealed for the others.")
    return (*(left or (demo_recipient(),)), *spare)


def scan_recipients(policy: Policy, *, now: datetime | None = None) -> tuple[str, ...]:
    """Who can open a room scan: its own recipients whose keys are not revoked; never the escrow.

    Raises :class:`CheckFailed` when none is left.
    """
    wanted = policy.room_scan.recipients
    left, refused = _split(wanted, installed(policy.institution), now or datetime.now(UTC))
    if wanted and not left:
        raise CheckFailed(_nobody(policy, refused, "room scans"))
    return left


def check_not_revoked(institution: str, recipient: str, *, now: datetime | None = None) -> None:
    """Raise :class:`CheckFailed` when ``institution`` revoked the key ``recipient``."""
    _, refused = _split([recipient], installed(institution), now or datetime.now(UTC))
    if refused:
        raise CheckFailed(f"{_said(refused[0])} Ask whoever it is for their present key.")


def _split(
    wanted: Iterable[str], listed: RevokedKeys | None, now: datetime
) -> tuple[tuple[str, ...], tuple[Revocation, ...]]:
    left, refused = [], []
    for recipient in wanted:
        why = listed.at(recipient, now) if listed else None
        if why is None:
            left.append(recipient)
        else:
            refused.append(why)
    return tuple(left), tuple(refused)


def _said(one: Revocation) -> str:
    since = one.since.astimezone(UTC)
    return (
        f"Nothing is sealed for the key {one.recipient} since {since:%Y-%m-%d %H:%M} UTC "
        f"({one.reason.rstrip('.')})."
    )


def _nobody(policy: Policy, refused: Sequence[Revocation], what: str) -> str:
    return (
        f"{' '.join(_said(one) for one in refused[:3])} Nobody is left who could open {what}, so nothing "
        f"begins; ask {policy.institution} for the present policy."
    )


def installed(institution: str) -> RevokedKeys | None:
    """The list of revoked keys of ``institution`` that is installed here, checked anew, or ``None``.

    A list that can no longer be checked is an :class:`InputError`: damaging it must not make it forgotten.
    """
    path = _path(institution)
    if not path.exists():
        return None
    try:
        envelope = read_bounded(path, sign.MAX_BYTES)
        return revoked.accept(envelope, str(path), _root(institution))
    except (OSError, ValueError, PolicyError) as error:
        raise InputError(
            f"{str(error).rstrip('.')}. Install the present list: `proctor keys revoked install FILE`."
        ) from error


def take_beside(policy_file: Path, institution: str) -> None:
    """Install the list that lies beside a policy of ``institution``, if it is newer than the one here.

    Raises as :func:`install` does.
    """
    path = policy_file.with_name(BESIDE)
    if not path.is_file():
        return
    try:
        found = revoked.unchecked(read_bounded(path, sign.MAX_BYTES), str(path))
    except (OSError, ValueError, PolicyError) as error:
        raise InputError(f"The list of revoked keys {path} cannot be read: {error}") from error
    before = _there(_path(institution))
    if found.institution == institution and not (before and found.number < before.number):
        install(path)


def _there(path: Path) -> RevokedKeys | None:
    """The list at ``path``, unchecked; ``None`` where there is none that can be read."""
    try:
        return revoked.unchecked(read_bounded(path, sign.MAX_BYTES), str(path))
    except (OSError, ValueError, PolicyError):
        # A damaged one stops every exam until a list that is signed takes its place, which this allows.
        return None


def install(path: Path) -> RevokedKeys:
    """Keep a signed list, so that nothing is sealed for the keys on it any more.

    Raises :class:`CheckFailed` when it is not signed as the installed root file asks or is older than
    the one that is here, :class:`InputError` when it is no list or no such root is installed.
    """
    try:
        envelope = read_bounded(path, sign.MAX_BYTES)
        institution = revoked.unchecked(envelope, str(path)).institution
        root = _root(institution)
        target = _path(institution)
        new = revoked.accept(envelope, str(path), root, _there(target))
    except Refused as error:
        raise CheckFailed(str(error)) from error
    except PolicyError as error:
        raise InputError(str(error)) from error
    except (OSError, ValueError) as error:
        raise InputError(f"The list of revoked keys {path} cannot be read: {error}.") from error
    with said_plainly(f"the list of revoked keys {target}"):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(target, envelope)
    return new


def _root(institution: str) -> Root:
    for _, root in installed_roots():
        if root.institution == institution:
            return root
    raise InputError(
        f"The root file of '{institution}' is not installed here, so its list of revoked keys cannot be "
        f"checked; `proctor policy root install FILE` installs it."
    )


def _path(institution: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", institution.lower()).strip("-")[:40] or "institution"
    digest = hashlib.sha256(institution.encode()).hexdigest()[:8]
    return data_dir() / "revoked" / f"{slug}-{digest}{SUFFIX}"
