"""What annotators agree on in one session, and which flags belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from proctor.evaluate.matching import Pair, joined, touches
from proctor.evaluate.values import Found, Run, Session, TruthEvent

# Nobody labels the beginning of a glance to the frame: a flag this near to an event belongs to it.
EDGE_S = 1.0


@dataclass(frozen=True, slots=True)
class Agreed:
    """Of one session and kind: events that stand, and time about which one may argue."""

    events: tuple[Pair, ...]
    doubtful: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The flags of one kind in one session, sorted by the truth.

    ``right`` belong to an event, ``false`` to nothing; ``open`` to doubtful time, or the truth does
    not speak of this kind. ``found`` says of each event whether a flag belongs to it.
    """

    session: Session
    kind: str
    agreed: Agreed
    right: tuple[Found, ...]
    false: tuple[Found, ...]
    open: tuple[Found, ...]
    found: tuple[bool, ...]


def annotators(session: Session) -> list[str]:
    """Everybody who labelled anything in a session, in order of name."""
    return sorted({event.annotator for event in session.truth})


def agreed(session: Session, kind: str) -> Agreed:
    """What more than half of the session's annotators are certain of.

    With one annotator that is every certain event as it was written; with several, the time that a
    majority marks, and what only a minority marks is doubtful.
    """
    mine = [event for event in session.truth if event.kind == kind]
    certain = [event for event in mine if event.certain]
    unsure = [(event.start, event.end) for event in mine if not event.certain]
    raters = len(annotators(session))
    if raters <= 1:
        return Agreed(tuple(sorted((e.start, e.end) for e in certain)), tuple(joined(unsure)))
    events = _majority(certain, raters)
    rest = [(e.start, e.end) for e in certain] + unsure
    doubtful = [one for one in joined(rest) if not any(touches(one, event) for event in events)]
    return Agreed(tuple(events), tuple(doubtful))


def _majority(events: Sequence[TruthEvent], raters: int) -> list[Pair]:
    steps: list[tuple[float, int]] = []
    for name in {event.annotator for event in events}:
        # One person's own overlaps count once.
        for start, end in joined([(e.start, e.end) for e in events if e.annotator == name]):
            steps += [(start, 1), (end, -1)]
    spans: list[Pair] = []
    votes, since = 0, 0.0
    for t, change in sorted(steps, key=lambda step: (step[0], -step[1])):
        was = votes * 2 > raters
        votes += change
        now = votes * 2 > raters
        if now and not was:
            since = t
        elif was and not now:
            spans.append((since, t))
    # Labels that only touch agree on no time, unless somebody marked that very moment.
    moments = {event.start for event in events if event.start == event.end}
    return [(start, end) for start, end in joined(spans) if start < end or start in moments]


def judge(session: Session, kind: str, flags: Sequence[Found] | None = None) -> Judged:
    """Sort a session's flags of one kind (or ``flags`` in their stead) by the truth."""
    mine = [f for f in session.found if f.kind == kind] if flags is None else list(flags)
    truth = agreed(session, kind)
    if not session.covers(kind):
        return Judged(session, kind, Agreed((), ()), (), (), tuple(mine), ())
    right, false, doubtful = [], [], []
    for flag in mine:
        span = (flag.start - EDGE_S, flag.end + EDGE_S)
        if any(touches(event, span) for event in truth.events):
            right.append(flag)
        elif any(touches(event, span) for event in truth.doubtful):
            doubtful.append(flag)
        else:
            false.append(flag)
    found = tuple(
        any(touches(event, (f.start - EDGE_S, f.end + EDGE_S)) for f in right)
        for event in truth.events
    )
    return Judged(session, kind, truth, tuple(right), tuple(false), tuple(doubtful), found)


def kinds(run: Run) -> list[str]:
    """Every kind that the policy has a rule for or the truth speaks of, in order of name."""
    labelled = {event.kind for session in run.sessions for event in session.truth}
    return sorted({*run.thresholds, *labelled})
