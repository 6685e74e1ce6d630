"""Invitations on this computer: opened once, kept with the exam they lead to, and gone on with.

Each invitation has a folder of its own below the program's data folder. It holds the invitation's
parts as files and the case; that the folder is there is how a second opening is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from policies import invitation as documents
from policies import root as roots
from policies.errors import PolicyError
from policies.invitation import Invitation
from policies.load import printable
from policies.root import Root
from policies.schema import Policy
from proctor.errors import CheckFailed, InputError
from proctor.evidence import layout
from proctor.evidence.disk import read_bounded, said_plainly, write_new
from proctor.evidence.keys import data_dir
from proctor.hub.client import fetch_policy
from proctor.session import trust

INVITATION = "invitation.proctor"
POLICY = "policy.dsse"
ADDENDUM = "addendum.dsse"
ROOT = "root.toml"
CASE = "case"

State = Literal["new", "begun", "ended"]


@dataclass(frozen=True, slots=True)
class Joined:
    """An invitation that is kept in ``folder``. ``policy`` is not trusted before ``make_plan`` read it.

    ``unknown`` is the institution's root file, where this computer does not know it yet: a person
    compares its keys before :func:`trust_root`.
    """

    invitation: Invitation
    folder: Path
    policy: Policy
    unknown: Root | None

    @property
    def case(self) -> Path:
        return self.folder / CASE

    @property
    def policy_file(self) -> Path:
        return self.folder / POLICY

    @property
    def addendum_file(self) -> Path | None:
        return self.folder / ADDENDUM if self.invitation.addendum else None

    @property
    def state(self) -> State:
        """Whether the exam of this invitation has begun or ended on this computer."""
        return state_of(self.case)


def exams_dir() -> Path:
    """Where invitations and their cases are kept."""
    return data_dir() / "exams"


def state_of(case: Path) -> State:
    """What a case folder says of its exam, without judging whether the case is whole."""
    try:
        lines = (case / layout.JOURNAL).read_bytes().splitlines()
    except OSError:
        return "new"
    for line in reversed(lines):
        try:
            if json.loads(line)["type"] == "session.ended":
                return "ended"
        except (ValueError, KeyError, TypeError):
            continue  # a line that a crash cut off
    return "begun"


def read(given: str) -> Invitation:
    """The invitation in a file or a link. Raises :class:`InputError` with one sentence."""
    try:
        if documents.is_link(given):
            return documents.parse_link(given)
        path = Path(given)
        try:
            raw = read_bounded(path, documents.MAX_BYTES)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(
                f"The invitation {printable(given)} cannot be read ({reason}); give the file you were "
                f"sent, or the link that begins with {documents.SCHEME}"
            ) from error
        return documents.parse(raw, printable(path.name))
    except PolicyError as error:
        raise InputError(str(error)) from error


def join(given: str, *, now: datetime | None = None) -> Joined:
    """Keep the invitation ``given`` (a file or a link) here; joining again finds the same folder.

    Raises :class:`InputError` when it is not usable, and :class:`CheckFailed` when it is not its time.
    An exam that has begun can be gone on with at any time: what was recorded must find its end.
    """
    found = read(given)
    if not found.policy:
        found = _with_policy(found)
    folder = exams_dir() / name_of(found)
    if state_of(folder / CASE) == "new":
        _check_time(found, now or datetime.now(UTC))
    parts = {
        INVITATION: documents.write(found),
        POLICY: found.policy.encode("utf-8"),
        ADDENDUM: found.addendum.encode("utf-8"),
        ROOT: found.root.encode("utf-8"),
    }
    with said_plainly(f"the invitation's folder {folder}"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name, data in parts.items():
            if data and not (folder / name).exists():
                write_new(folder / name, data)
    joined = _joined(found, folder)
    if joined.unknown is None and not _known(joined.policy):
        raise CheckFailed(
            f"This computer does not know '{joined.policy.institution}', and the invitation does not "
            f"bring its root file; ask {joined.policy.contact} for one that does, or install the root "
            f"file."
        )
    return joined


def _with_policy(found: Invitation) -> Invitation:
    """An invitation that holds only address and code, with the policy that its hub has for the code.

    One that was opened here before is found here, without a network. What the hub gives counts for nothing
    by itself: an institution that this computer knows must have signed it, and no older one is followed.
    """
    for joined in kept(lambda sentence: None):
        one = joined.invitation
        if (one.code, one.hub) == (found.code, found.hub):
            return one
    whole = found.model_copy(update={"policy": fetch_policy(found.hub, found.code)})
    try:
        whole.check()
    except PolicyError as error:
        raise CheckFailed(f"What the hub {found.hub} gives is not used: {error}") from error
    return whole


def kept(tell: Callable[[str], None]) -> list[Joined]:
    """Every invitation that is kept here, the one that was opened last first.

    One that cannot be read hides no other: ``tell`` gets a sentence about it.
    """
    found = []
    for path in sorted(exams_dir().glob(f"*/{INVITATION}")):
        try:
            found.append((path.stat().st_mtime, _joined(read(str(path)), path.parent)))
        except InputError as error:
            tell(f"{error} (It is kept in {path.parent}.)")
    return [joined for _, joined in sorted(found, key=lambda pair: pair[0], reverse=True)]


def name_of(invitation: Invitation) -> str:
    """The folder name of an invitation: the exam's short name, and a digest of policy and code."""
    policy = invitation.read_policy()
    whole = "\n".join((invitation.policy, invitation.addendum, invitation.code))
    return f"{policy.id}-{hashlib.sha256(whole.encode('utf-8')).hexdigest()[:16]}"


def trust_root(joined: Joined) -> None:
    """A person compared the keys and said yes: this computer knows the institution from now on."""
    if joined.unknown is not None:
        trust.install_root(joined.folder / ROOT)


def fingerprints(root: Root) -> list[str]:
    """The keys of a root file as two people compare them: eight groups of four letters for each key."""
    digests = [
        hashlib.sha256(key.public_bytes_raw()).hexdigest()[:32] for key in root.public_keys()
    ]
    return [" ".join(digest[i : i + 4] for i in range(0, 32, 4)) for digest in digests]


def check_unused(joined: Joined) -> None:
    """Raise :class:`CheckFailed` when the exam of this invitation has ended on this computer."""
    if joined.state == "ended":
        raise CheckFailed(
            f"This invitation was used on this computer already, and its exam has ended; the record is "
            f"in {joined.case}. `proctor my-data` shows it; for another attempt ask "
            f"{joined.policy.contact}."
        )


def _joined(found: Invitation, folder: Path) -> Joined:
    policy = found.read_policy()
    return Joined(found, folder, policy, None if _known(policy) else found.read_root())


def _known(policy: Policy) -> bool:
    return any(one.institution == policy.institution for _, one in trust.installed_roots())


def _check_time(invitation: Invitation, now: datetime) -> None:
    clock = f"This computer's clock says {now:%Y-%m-%d %H:%M} UTC; if that is wrong, set it right."
    contact = invitation.read_policy().contact
    if invitation.begins is not None and now < invitation.begins:
        raise CheckFailed(
            f"This invitation can be used from {_said(invitation.begins)} on. {clock} Questions: {contact}"
        )
    if invitation.ends is not None and now > invitation.ends:
        raise CheckFailed(
            f"This invitation could be used until {_said(invitation.ends)}. {clock} Questions: {contact}"
        )


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def make(
    policy: Path,
    *,
    root: Path | None,
    addendum: Path | None,
    code: str,
    begins: datetime | None,
    ends: datetime | None,
) -> Invitation:
    """The invitation to a signed policy. Raises :class:`InputError` where its parts do not fit."""
    texts: dict[str, str] = {}
    for name, path in (("policy", policy), ("root", root), ("addendum", addendum)):
        try:
            texts[name] = "" if path is None else read_bounded(path, documents.MAX_BYTES).decode()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(f"The {name} file {path} cannot be read ({reason}).") from error
    try:
        made = Invitation(
            policy=texts["policy"],
            root=texts["root"],
            addendum=texts["addendum"],
            code=code,
            begins=begins,
            ends=ends,
        )
        if made.root:
            roots.parse(made.root.encode("utf-8"), str(root))
        made.check()
    except PolicyError as error:
        raise InputError(str(error)) from error
    except ValueError as error:
        raise InputError(f"No invitation can be made of this: {error}") from error
    return made
