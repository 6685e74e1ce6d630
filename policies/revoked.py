"""Keys for which nothing may be sealed any more: a list that the institution signs (decision 0021).

The list is TOML in a DSSE envelope, signed as the institution's root file asks, and numbered. An agent
takes no list with a lower number than the one it has.
"""

from __future__ import annotations

from datetime import UTC, datetime

import tomlkit
from pydantic import Field, ValidationError, model_validator

from policies import sign
from policies.errors import PolicyError, Refused
from policies.load import as_tuples, document_of, sentence_of
from policies.root import Root
from policies.schema import MAX_VERSION, YEARS, AgeRecipient, Part, Text

PAYLOAD_TYPE = "application/vnd.proctor.revoked+toml"
HEADING = "Keys for which nothing may be sealed any more, from the moment that each names."
MAX_REVOKED = 1000


class Revocation(Part):
    """One key, since when nothing may be sealed for it, and why."""

    recipient: AgeRecipient = Field(title="Key", description="The age public key.")
    since: datetime = Field(
        title="Since", description="Moment from which it is refused, with a time zone."
    )
    reason: Text = Field(
        min_length=3, max_length=300, title="Reason", description="Why, in a sentence."
    )

    @model_validator(mode="after")
    def _dated(self) -> Revocation:
        if self.since.tzinfo is None or not YEARS[0] <= self.since.year <= YEARS[1]:
            raise ValueError(
                f"since needs a time zone and a year between {YEARS[0]} and {YEARS[1]}"
            )
        return self


class RevokedKeys(Part):
    """The whole list of one institution."""

    institution: Text = Field(
        min_length=1, max_length=200, title="Institution", description="Whose list it is."
    )
    number: int = Field(
        ge=1, le=MAX_VERSION, title="Number", description="Raised with every change."
    )
    keys: tuple[Revocation, ...] = Field(
        (), max_length=MAX_REVOKED, title="Keys", description="The keys, each once."
    )

    @model_validator(mode="after")
    def _once(self) -> RevokedKeys:
        if len({one.recipient for one in self.keys}) != len(self.keys):
            raise ValueError("keys: one stands there twice")
        return self

    def at(self, recipient: str, now: datetime) -> Revocation | None:
        """Why nothing may be sealed for ``recipient`` at ``now`` (aware); ``None`` where it may."""
        return next(
            (one for one in self.keys if one.recipient == recipient and one.since <= now), None
        )

    def text(self) -> str:
        """The list as TOML."""
        document = tomlkit.document()
        document.add(tomlkit.comment(HEADING))
        document.add("institution", self.institution)
        document.add("number", self.number)
        tables = tomlkit.aot()
        for one in self.keys:
            table = tomlkit.table()
            table.add("recipient", one.recipient)
            table.add("since", one.since.astimezone(UTC))
            table.add("reason", one.reason)
            tables.append(table)
        document.add("keys", tables)
        return tomlkit.dumps(document)


def with_key(
    old: RevokedKeys | None, institution: str, recipient: str, since: datetime, reason: str
) -> RevokedKeys:
    """The next list: that of ``old`` with one key more; a key that is on it gets the earlier moment."""
    before = old.keys if old else ()
    if old is not None and old.institution != institution:
        raise PolicyError(f"The list is one of '{old.institution}', not of '{institution}'.")
    for one in before:
        if one.recipient == recipient and one.since <= since:
            raise PolicyError(
                f"The key {recipient} is on the list already, since "
                f"{one.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
            )
    kept = [one.model_dump() for one in before if one.recipient != recipient]
    new = {"recipient": recipient, "since": since, "reason": reason}
    document = {
        "institution": institution,
        "number": (old.number if old else 0) + 1,
        "keys": (*kept, new),
    }
    try:
        return RevokedKeys.model_validate(document)
    except ValidationError as error:
        raise PolicyError(sentence_of(error, "", "list of revoked keys")) from error


def parse(payload: bytes, where: str) -> RevokedKeys:
    """Check the bytes of a list; ``where`` names it in sentences. Raises :class:`PolicyError`."""
    text, document = document_of(payload, where, "list of revoked keys")
    try:
        return RevokedKeys.model_validate(as_tuples(document))
    except ValidationError as error:
        raise PolicyError(sentence_of(error, text, f"list of revoked keys {where}")) from error


def unchecked(envelope: bytes, where: str) -> RevokedKeys:
    """The list in ``envelope``, whose signatures are *not* checked."""
    payload, kind, _ = sign.inspect(envelope)
    if kind != PAYLOAD_TYPE:
        raise PolicyError(f"The envelope {where} holds '{kind[:100]}', no list of revoked keys.")
    return parse(payload, where)


def accept(
    envelope: bytes, where: str, root: Root, before: RevokedKeys | None = None
) -> RevokedKeys:
    """The list in ``envelope``, signed as ``root`` asks and not older than ``before``.

    Raises :class:`Refused` when a check says no, :class:`PolicyError` when it is no list.
    """
    try:
        payload = root.open(envelope, PAYLOAD_TYPE)
    except sign.SignatureError as error:
        raise Refused(
            f"The list of revoked keys {where} is not signed as the root file of "
            f"'{root.institution}' asks ({str(error).rstrip('.')}); get the present one from there."
        ) from error
    found = parse(payload, where)
    if found.institution != root.institution:
        raise Refused(
            f"The list of revoked keys {where} speaks for '{found.institution}' but is signed by "
            f"'{root.institution}', which may sign only for itself."
        )
    if before is not None and found.number < before.number:
        raise Refused(
            f"The list of revoked keys {where} has number {found.number}, but number {before.number} is "
            f"known here; get the present one."
        )
    if before is not None and found.number == before.number and found != before:
        raise Refused(
            f"The list of revoked keys {where} has number {found.number} like the one that is known "
            f"here, but says something else; whoever signs it must raise the number."
        )
    return found
