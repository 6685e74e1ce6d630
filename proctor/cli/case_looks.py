"""Who looked at a case, and what holds it, as ``proctor case show`` says it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proctor.evidence.access import Entry
    from proctor.evidence.access_checks import Held
    from proctor.evidence.decision import Decision
    from proctor.evidence.show import Shown

# A terminal shows the latest; --json has all of them.
MOST_LOOKS = 20


def as_lines(shown: Shown, width: int) -> list[str]:
    """The sections for a terminal; none where nobody looked and nothing is held."""
    lines: list[str] = []
    if shown.looks:
        lines += ["", "Who looked (as their own machines say; `case verify` checks the signatures)"]
        left = len(shown.looks) - MOST_LOOKS
        lines += [f"  … {left} earlier; --json has all."] if left > 0 else []
        for look in shown.looks[-MOST_LOOKS:]:
            when = f"{look.when:%Y-%m-%d %H:%M} UTC" if look.when else "at an unknown time"
            why = f" Why: {look.reason}" if look.reason else ""
            lines += _wrapped(f"{when}  {look.who or 'unnamed'}: {look.what}{why}", width)
    if shown.decisions:
        lines += ["", "What people said after looking (each signed by the key that it names)"]
        for said in shown.decisions:
            what = said.verdict.replace("_", " ") if said.verdict else "taken back"
            why = f" Why: {said.reason}" if said.reason else ""
            when = f"{said.when:%Y-%m-%d %H:%M} UTC"
            lines += _wrapped(
                f"{when}  {said.who}: {said.flag}, {said.look} look: {what}{why}", width
            )
    if shown.holds:
        lines += ["", "Held (`case verify --root FILE` checks who signed)"]
        for one in shown.holds:
            what = (
                f"clips of {', '.join(sorted(one.hold.flags))}" if one.hold.flags else "everything"
            )
            lines += _wrapped(
                f"{one.name}: {one.hold.name} holds {what} until {one.hold.until:%Y-%m-%d}: "
                f"{one.hold.reason}",
                width,
            )
    return lines


def as_dicts(shown: Shown) -> dict[str, Any]:
    """The same for a machine."""
    return {
        "looks": [_look(look) for look in shown.looks],
        "holds": [_hold(one) for one in shown.holds],
        "decisions": [_decision(one) for one in shown.decisions],
    }


def _look(look: Entry) -> dict[str, Any]:
    return {
        "when": look.when.isoformat() if look.when else None,
        "who": look.who,
        "log": look.log,
        "kind": look.kind,
        "flags": list(look.flags),
        "what": look.what,
        "reason": look.reason,
    }


def _decision(one: Decision) -> dict[str, Any]:
    return {
        "id": one.id,
        "flag": one.flag,
        "look": one.look,
        "verdict": one.verdict,
        "withdraws": one.withdraws,
        "reason": one.reason,
        "who": one.who,
        "key": one.key,
        "when": one.when.isoformat(),
    }


def _hold(one: Held) -> dict[str, Any]:
    return {
        "file": one.name,
        "name": one.hold.name,
        "reason": one.hold.reason,
        "until": one.hold.until.isoformat(),
        "flags": sorted(one.hold.flags),
    }


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, initial_indent="  ", subsequent_indent="    ")
