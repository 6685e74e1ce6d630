"""What a person on duty can ask an agent for, and what becomes of it.

There is no kind that ends an exam: the table below is the whole language, and an agent obeys nothing
else. A command is handed out until the agent says what became of it, and the agent acts on each number
once, so a lost answer repeats nothing. One whose time is over is handed out no more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from policies import sign as dsse
from policies.texts import plain
from proctor.errors import InputError
from proctor.evidence import statement

Kind = Literal["message", "extend", "pause", "resume", "room_scan", "approve_break", "answer_help"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What became of a command: read or done; said yes or no by the student; not possible, with no blame.
Outcome = Literal["shown", "accepted", "declined", "impossible", "late"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

PAYLOAD_TYPE = "application/vnd.open-proctor.command+json"
FORM = statement.Form(
    "command",
    PAYLOAD_TYPE,
    frozenset(("attempt", "kind", "text", "minutes", "nonce", "at")),
    no_text=frozenset(("minutes", "at")),
)
MAX_TEXT = 1_000
# A reason is a sentence, not a sign (as rule R4 asks of a room scan).
MIN_REASON = 10
MAX_MINUTES = 240.0


@dataclass(frozen=True, slots=True)
class Form:
    """What a kind of command needs, and for how long it makes sense (s)."""

    needs_text: int
    needs_minutes: bool
    lasts_s: float


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "message": Form(1, False, 900.0),
        # More time is owed, also to a student whose network comes back late.
        "extend": Form(0, True, 14_400.0),
        "pause": Form(MIN_REASON, False, 120.0),
        "resume": Form(0, False, 600.0),
        "room_scan": Form(MIN_REASON, False, 300.0),
        "approve_break": Form(0, True, 900.0),
        "answer_help": Form(1, False, 1_800.0),
    }
)


@dataclass(frozen=True, slots=True)
class Command:
    """One wish of a person: ``text`` are their own words; ``minutes`` 0 where the kind has none."""

    kind: Kind
    text: str = ""
    minutes: float = 0.0


def checked(kind: object, text: object, minutes: object) -> Command:
    """A command of these parts. Raises :class:`InputError` with what is wrong with them."""
    name = next((one for one in KINDS if one == kind), None)
    if name is None:
        raise InputError(f"There is no such command; there are: {', '.join(KINDS)}.")
    form = FORMS[name]
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise InputError(f"The text of a command has at most {MAX_TEXT} letters.")
    words = plain(text)
    if len(words) < form.needs_text:
        least = "words for the student" if form.needs_text == 1 else "a written reason"
        raise InputError(
            f"The command '{name}' needs {least} (at least {form.needs_text} letters in 'text')."
        )
    number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    length = float(minutes) if number else -1.0  # type: ignore[arg-type]
    if form.needs_minutes and not 1.0 <= length <= MAX_MINUTES:
        raise InputError(f"The command '{name}' needs 'minutes', from 1 to {MAX_MINUTES:g}.")
    if not form.needs_minutes and length != 0.0:
        raise InputError(f"The command '{name}' has no minutes; leave them out.")
    return Command(name, words, length)


def payload(attempt: str, command: Command, *, nonce: str, at: float) -> bytes:
    """What the person signs: everything that the agent obeys, and a number that is used once."""
    whole = {
        "attempt": attempt, "kind": command.kind, "text": command.text, "minutes": command.minutes,
        "nonce": nonce, "at": at,
    }  # fmt: skip
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_signed(
    envelope: str, keys: Collection[Ed25519PublicKey], attempt: str, command: Command
) -> str:
    """The SHA-256 (hex) of what one of ``keys`` signed, which is this very command for this attempt.

    It stays the same however the envelope around it is written. Raises :class:`InputError`.
    """
    try:
        signed = statement.signed_by(envelope.encode("utf-8"), FORM, list(keys))
    except (InputError, ValueError) as error:
        raise InputError(f"{error} Sign it on the machine whose key you registered.") from error
    wanted = {
        "attempt": attempt, "kind": command.kind, "text": command.text, "minutes": command.minutes,
    }  # fmt: skip
    if {key: signed.said.get(key) for key in wanted} != wanted:
        raise InputError("What was signed is another command than the one that was sent.")
    return signed.id


def signed_id(envelope: str) -> str:
    """What :func:`check_signed` gave for an envelope that was accepted; "" for a command without one."""
    return hashlib.sha256(dsse.inspect(envelope.encode("utf-8"))[0]).hexdigest() if envelope else ""


def as_told(row: Any, now: float) -> dict[str, Any]:
    """A stored command as its agent gets it. Time is told as what is left: clocks may differ."""
    return {
        "id": row.id,
        "kind": row.kind,
        "text": row.text,
        "minutes": row.minutes,
        "by": row.name,
        "signed": row.signed,
        "left_s": round(max(0.0, row.expires - now), 1),
    }
