"""Consent as values: a sensor can only be built from a live grant, and a grant only from a record.

The questions are asked one purpose at a time (rule C1). A grant is live from the moment its consent
record is on disk until it is withdrawn (rules C3, C4).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.errors import GrantError, PolicyError
from policies.schema import Policy, PurposeName

QUESTIONS: Mapping[PurposeName, str] = {
    "camera": "May this exam use your camera? Pictures stay in this computer's memory.",
    "microphone": "May this exam use your microphone? Sound stays in this computer's memory.",
    "clips": "May short clips around flagged moments be kept, sealed for a human proctor?",
    "identity": "May this computer compare your face with the one at the start? It stays in memory.",
    "room_scan": "May a sweep of your room be filmed and sealed for the people named in the policy?",
    "identity_retention": "May the data of the identity check be kept until the date named?",
    "research": "May researchers use sealed copies of your flagged moments until the date named?",
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What the student said to each purpose of a policy, before anything is recorded."""

    granted: Mapping[PurposeName, bool]
    how: str

    def text_sha256(self) -> str:
        """Hash of the questions as they were put."""
        text = "\n".join(QUESTIONS[name] for name in sorted(self.granted))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Grant:
    """Leave to do one thing. Live until withdrawn; checked wherever the thing is done."""

    purpose: PurposeName
    record: str
    _live: bool = field(default=True, repr=False)

    @property
    def live(self) -> bool:
        return self._live

    def withdraw(self) -> None:
        self._live = False


def require(grant: object, purpose: PurposeName) -> Grant:
    """The grant itself when it is a live grant for ``purpose``; raises :class:`GrantError` otherwise."""
    if not isinstance(grant, Grant) or grant.purpose != purpose or not grant.live:
        raise GrantError(
            f"There is no live consent for '{purpose}', so nothing of it can be started. "
            f"Ask the student first; without consent that part of the exam runs without it."
        )
    return grant


def issue(answers: Answers, record: str) -> dict[PurposeName, Grant]:
    """Grants for what was accepted. ``record`` names the journal record that is already on disk."""
    if not record:
        raise GrantError("Consent must be written to the journal before a grant can be issued.")
    return {name: Grant(name, record) for name, yes in answers.granted.items() if yes}


def accept_all(policy: Policy) -> Answers:
    """Every purpose accepted in one go, for replays of recordings whose people already agreed."""
    return Answers(dict.fromkeys(policy.purposes, True), "all")


def ask(policy: Policy, question: Callable[[str], bool]) -> Answers:
    """Put one question per purpose; ``question`` gets the text and returns yes or no."""
    granted = {
        name: question(f"{QUESTIONS[name]}\n  If you decline: {purpose.alternative}")
        for name, purpose in policy.purposes.items()
    }
    return Answers(granted, "asked")


def from_file(policy: Policy, path: Path) -> Answers:
    """Answers from a TOML file with one table ``[consent]`` of ``purpose = true | false``."""
    how = f"Write one line per purpose under [consent], for instance: {_example(policy)}"
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PolicyError(
            f"The consent file {path} cannot be read ({error.strerror}). {how}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"The consent file {path} is not TOML: {error}. {how}") from error
    table = document.get("consent")
    if not isinstance(table, dict) or set(document) != {"consent"}:
        raise PolicyError(f"The consent file {path} needs exactly one table [consent]. {how}")
    for name, value in table.items():
        if name not in policy.purposes:
            allowed = ", ".join(policy.purposes)
            raise PolicyError(
                f"The consent file {path} names '{name}', which this policy does not ask for "
                f"(it asks for: {allowed})."
            )
        if not isinstance(value, bool):
            raise PolicyError(f"In the consent file {path}, '{name}' must be true or false.")
    missing = [name for name in policy.purposes if name not in table]
    if missing:
        raise PolicyError(
            f"The consent file {path} says nothing about: {', '.join(missing)}. {how}"
        )
    return Answers({name: table[name] for name in policy.purposes}, "file")


def _example(policy: Policy) -> str:
    return "; ".join(f"{name} = true" for name in policy.purposes)
