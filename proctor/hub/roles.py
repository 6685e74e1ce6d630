"""Who may do what at the hub: one table of actions and roles, and a reason for every "no" (record 0027).

A person can have several roles; what one of them allows is allowed. Rules that look at more than the role
(another person, an own first look, an approval) stand where the act is done, in :mod:`proctor.hub.reviewing`
and :mod:`proctor.hub.proposals`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

ADMIN: Final = "admin"
AUTHOR: Final = "author"
PROCTOR: Final = "proctor"
REVIEWER: Final = "reviewer"
AUDITOR: Final = "auditor"
RESEARCHER: Final = "researcher"

# What each role is for, as it is said to somebody who asked for more.
ROLES: Mapping[str, str] = MappingProxyType(
    {
        ADMIN: "looks after accounts, holds, erasures and exports, and opens no clip",
        AUTHOR: "writes policies and sees the exams, not the people who sit them",
        PROCTOR: "is there while an exam runs, helps, and takes first looks",
        REVIEWER: "looks at flags and decides",
        AUDITOR: "sees who did what and when, and opens no clip",
        RESEARCHER: "sees numbers over many people, and nobody in particular",
    }
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that staff can ask the hub for: ``what`` completes "may not …"."""

    name: str
    what: str
    roles: frozenset[str]


def _table(*rows: tuple[str, str, tuple[str, ...]]) -> Mapping[str, Action]:
    return MappingProxyType({name: Action(name, what, frozenset(who)) for name, what, who in rows})


ACTIONS: Mapping[str, Action] = _table(
    ("exams.list", "list exams", (ADMIN, AUTHOR, PROCTOR, REVIEWER, AUDITOR)),
    ("attempts.list", "list the attempts of an exam", (ADMIN, PROCTOR, REVIEWER)),
    ("policy.read", "read the policy of an attempt", (ADMIN, AUTHOR, PROCTOR, REVIEWER, AUDITOR)),
    ("case.read", "read what was recorded of an attempt", (PROCTOR, REVIEWER)),
    ("clip.payload", "fetch a sealed clip", (ADMIN, PROCTOR, REVIEWER)),
    # An admin gets a header only inside an export that another person approved.
    ("clip.header", "get what opens a clip", (ADMIN, PROCTOR, REVIEWER)),
    ("clip.look", "look at a clip", (PROCTOR, REVIEWER)),
    ("queue.read", "see the queue", (ADMIN, PROCTOR, REVIEWER)),
    ("queue.take", "take flags from the queue", (PROCTOR, REVIEWER)),
    ("decision.first", "give a first look", (PROCTOR, REVIEWER)),
    ("decision.second", "look as a second person or settle a disagreement", (REVIEWER,)),
    ("decision.adverse", "decide against a student", (REVIEWER,)),
    ("decision.read", "read decisions", (ADMIN, PROCTOR, REVIEWER, AUDITOR)),
    ("live.watch", "watch what is going on", (PROCTOR,)),
    ("live.command", "speak to a student or change their time", (PROCTOR,)),
    ("hold.propose", "ask for a hold", (ADMIN, REVIEWER)),
    ("hold.approve", "agree to a hold", (ADMIN, REVIEWER)),
    ("erasure.propose", "ask for an erasure", (ADMIN,)),
    ("erasure.approve", "agree to an erasure", (ADMIN, REVIEWER)),
    ("export.propose", "ask for an export", (ADMIN, REVIEWER)),
    ("export.approve", "agree to an export", (ADMIN, REVIEWER)),
    ("audit.read", "read the hub's log", (ADMIN, AUDITOR)),
    ("statistics.read", "see statistics", (ADMIN, AUTHOR, REVIEWER, AUDITOR, RESEARCHER)),
)  # fmt: skip


def refusal(roles: Collection[str], action: str) -> str:
    """Why somebody with ``roles`` may not do ``action``; empty where they may.

    Raises :class:`KeyError` at an action that is in no table: nothing is allowed by forgetting it.
    """
    wanted = ACTIONS[action]
    if wanted.roles.intersection(roles):
        return ""
    allowed = " or ".join(sorted(wanted.roles))
    known = sorted(ROLES.keys() & set(roles))
    if not known:
        return f"You have no role here, so you may not {wanted.what}; it takes the role {allowed}."
    mine = "; ".join(f"{_article(role)} {role} {ROLES[role]}" for role in known)
    return f"You may not {wanted.what}: {mine}. It takes the role {allowed}."


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
