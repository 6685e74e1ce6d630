"""Consent as values: a sensor can only be built from a live grant, and a grant only from a record.

The questions are asked one purpose at a time (rule C1). A grant is live from the moment its consent
record is on disk until it is withdrawn (rules C3, C4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from policies import load
from policies.errors import GrantError, PolicyError
from policies.schema import Language, Policy, PurposeName
from policies.texts import mark, texts
from policies.texts.words import BASES, STATEMENTS

# Asked again at the moment itself: a general yes before is never enough (rule R2).
ASKED_AT_ITS_MOMENT: frozenset[PurposeName] = frozenset({"room_scan"})
# Never of somebody who may be under 18 (rule C6).
BIOMETRIC: frozenset[PurposeName] = frozenset({"identity", "identity_retention"})
ADULT = 18
GUARDIAN_QUESTION = mark("If you are under 18: does your parent or guardian say yes, too?")
# In English; `question` gives them in the language of the student.
QUESTIONS: Mapping[PurposeName, str] = {
    "camera": mark("May this exam use your camera? Pictures stay in this computer's memory."),
    "microphone": mark("May this exam use your microphone? Sound stays in this computer's memory."),
    "clips": mark("May short clips around flagged moments be kept, sealed for a human proctor?"),
    "identity": mark(
        "May this computer compare your face or voice with those at the start? They stay in memory."
    ),
    "room_scan": mark(
        "May a sweep of your room be filmed and sealed for the people named in the policy?"
    ),
    "identity_retention": mark("May the data of the identity check be kept until the date named?"),
    "research": mark(
        "May researchers use sealed copies of your flagged moments until the date named?"
    ),
}


def question(purpose: PurposeName, lang: str = "en") -> str:
    """The question about one purpose in one of the five languages."""
    return texts(lang).say(QUESTIONS[purpose])


@dataclass(frozen=True, slots=True)
class Answers:
    """What the student said to each purpose of a policy, before anything is recorded."""

    granted: Mapping[PurposeName, bool]
    how: str
    language: Language = "en"
    # What a guardian said; ``None`` where nobody under 18 may sit the exam.
    guardian: bool | None = None

    def text_sha256(self, policy: Policy | None = None) -> str:
        """Hash of the questions and notices as they were put, in the language in which they were."""
        put = [put_to_student(policy, name, self.language) for name in sorted(self.granted)]
        if self.guardian is not None:
            put.append(texts(self.language).say(GUARDIAN_QUESTION))
        return hashlib.sha256("\n".join(put).encode()).hexdigest()


def put_to_student(policy: Policy | None, purpose: PurposeName, lang: str = "en") -> str:
    """The question about ``purpose``, or the notice where its legal basis is not consent (rule C1)."""
    basis = policy.purposes[purpose].basis if policy and purpose in policy.purposes else "consent"
    if basis == "consent":
        return question(purpose, lang)
    t = texts(lang)
    return f"{t.say(STATEMENTS[purpose])} {t.say(BASES[basis])}"


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
    """Grants for what was accepted. ``record`` names the journal record that is already on disk.

    What is asked about at its own moment gets its grant there and then, never here (rule R2).
    """
    if not record:
        raise GrantError("Consent must be written to the journal before a grant can be issued.")
    return {
        name: Grant(name, record)
        for name, yes in answers.granted.items()
        if yes is True and name not in ASKED_AT_ITS_MOMENT
    }


def accept_all(policy: Policy) -> Answers:
    """Every purpose accepted in one go, for replays of recordings whose people already agreed."""
    guardian = True if policy.min_age < ADULT else None
    return Answers(dict.fromkeys(policy.purposes, True), "all", guardian=guardian)


def ask(policy: Policy, answer: Callable[[str], bool], lang: str = "en") -> Answers:
    """Put one question per purpose in ``lang``; ``answer`` gets the text and returns yes or no.

    Where the legal basis is not consent, the text is a notice, and no is an objection (rule C1).
    Where somebody under 18 may sit the exam, a guardian is asked as well (rule C6).
    """
    t = texts(lang)
    granted: dict[PurposeName, bool] = {}
    for name, purpose in policy.purposes.items():
        by_consent = purpose.basis == "consent"
        instead = t.say(
            "If you say no, you get this instead:"
            if by_consent
            else "If you object, you get this instead:"
        )
        granted[name] = answer(
            f"{put_to_student(policy, name, lang)}\n  {instead} {purpose.alternative}"
        )
    guardian = answer(t.say(GUARDIAN_QUESTION)) if policy.min_age < ADULT else None
    return Answers(granted, "asked", t.lang, guardian)


def from_file(policy: Policy, path: Path) -> Answers:
    """Answers from a TOML file with one table ``[consent]`` of ``purpose = true | false``.

    Where somebody under 18 may sit the exam, a second table holds ``[guardian] agrees = true | false``.
    """
    how = f"Write one line per purpose under [consent], for instance: {_example(policy)}"
    try:
        with path.open("rb") as file:
            raw = file.read(load.MAX_BYTES + 1)
    except OSError as error:
        raise PolicyError(
            f"The consent file {path} cannot be read ({error.strerror}). {how}"
        ) from error
    _, document = load.document_of(raw, str(path), "consent file")
    table = document.get("consent")
    guardian = document.pop("guardian", None) if policy.min_age < ADULT else None
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
    granted: dict[PurposeName, bool] = {name: table[name] for name in policy.purposes}
    if policy.min_age >= ADULT:
        return Answers(granted, "file")
    agrees = guardian.get("agrees") if isinstance(guardian, dict) and len(guardian) == 1 else None
    if not isinstance(agrees, bool):
        raise PolicyError(
            f"Students of this exam may be under 18, so the consent file {path} needs a second table "
            f"[guardian] with the line agrees = true or agrees = false."
        )
    return Answers(granted, "file", guardian=agrees)


def _example(policy: Policy) -> str:
    return "; ".join(f"{name} = true" for name in policy.purposes)
