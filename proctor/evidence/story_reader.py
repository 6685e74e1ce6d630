"""From journal records to a :class:`Story`. A record that cannot be understood is counted, never guessed at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from policies.schema import Policy, RuleSettings
from proctor.evidence.curve import Coverage, Span
from proctor.evidence.story import (
    Absent,
    ClipStory,
    Event,
    FlagStory,
    Group,
    Row,
    ScanStory,
    SeenThing,
    Story,
)
from proctor.evidence.untrusted import LONGEST_S, box, moment, number, plain_title, strings, text
from proctor.evidence.words import NO_CLIP

# More cards than this help nobody and would make a page too heavy to open.
MOST_FLAGS = 500
MOST_ROWS = 100
# A terabyte: above it, a clip's length is a mistake.
MOST_BYTES = 1 << 40
# A comment of the student is no longer (proctor/session/my_data.py).
MOST_WORDS = 2000


def read_story(
    records: Iterable[Mapping[str, Any]],
    policy: Policy | None,
    titles: Mapping[str, str] | None = None,
) -> Story:
    """Turn journal records (CloudEvents-shaped) into a :class:`Story`.

    ``titles`` names kinds for people; a title in the journal itself goes first, and a kind without
    any gets one made from its name.
    """
    reader = _Reader(policy, dict(titles or {}))
    for record in records:
        reader.take(record)
    return reader.finish()


@dataclass(slots=True)
class _Reader:
    """Collects what the records say; ``finish`` puts it in order."""

    policy: Policy | None
    titles: dict[str, str]
    records: int = 0
    unreadable: int = 0
    last_t: float = 0.0
    started: Mapping[str, Any] = field(default_factory=dict)
    consent: Mapping[str, Any] = field(default_factory=dict)
    ended: Mapping[str, Any] | None = None
    detectors: list[tuple[str, float | None, tuple[str, ...]]] = field(default_factory=list)
    absent: list[tuple[str, tuple[str, ...], str, str]] = field(default_factory=list)
    flags: dict[str, FlagStory] = field(default_factory=dict)
    flags_left_out: set[str] = field(default_factory=set)
    clips: dict[str, ClipStory] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    curves: dict[str, list[tuple[float, float, Sequence[Any]]]] = field(default_factory=dict)
    gaps: list[Event] = field(default_factory=list)
    breaks: list[Span] = field(default_factory=list)
    break_since: float | None = None
    rules: dict[str, RuleSettings] = field(default_factory=dict)
    markers: list[Event] = field(default_factory=list)
    losses: list[Event] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    scans: dict[str, ScanStory] = field(default_factory=dict)

    def take(self, record: Mapping[str, Any]) -> None:
        """One record. What cannot be understood is counted."""
        self.records += 1
        data = record.get("data")
        kind = record.get("type")
        if not isinstance(data, Mapping) or not isinstance(kind, str):
            self.unreadable += 1
            return
        readers = {
            "consent.recorded": self._consent,
            "session.started": self._started,
            "flag": self._flag,
            "flag.closed": self._closed,
            "sealed": self._sealed,
            "clip.skipped": self._skipped,
            "erased": self._erased,
            "flag.comment": self._commented,
            "scores": self._scores,
            "marker": self._marker,
            "agent.gap": self._gap,
            "break.started": self._break_started,
            "break.ended": self._break_ended,
            "roomscan.sealed": self._scan_sealed,
            "roomscan.seen": self._scan_seen,
            "session.ended": self._ended,
        }
        # Types of later versions are no error: this page just has nothing to say about them.
        reader = readers.get(kind)
        if reader is not None and not reader(data):
            self.unreadable += 1

    def _seen(self, *times: float | None) -> None:
        for t in times:
            if t is not None:
                self.last_t = max(self.last_t, t)

    def _consent(self, data: Mapping[str, Any]) -> bool:
        self.consent = self.consent or data
        return True

    def _started(self, data: Mapping[str, Any]) -> bool:
        self.started = self.started or data
        listed = data.get("detectors")
        for item in listed if isinstance(listed, Sequence) else ():
            if isinstance(item, Mapping) and len(self.detectors) < MOST_ROWS:
                self.detectors.append(
                    (text(item.get("name"), 60), number(item.get("period")), self._kinds(item))
                )
        held = data.get("rules")
        for kind, said in held.items() if isinstance(held, Mapping) else ():
            try:
                self.rules[text(kind, 60)] = RuleSettings.model_validate(said)
            except ValidationError:
                return False
        missing = data.get("not_measured")
        for item in missing if isinstance(missing, Sequence) else ():
            if isinstance(item, Mapping) and len(self.absent) < MOST_ROWS:
                self.absent.append(
                    (
                        text(item.get("detector"), 60),
                        self._kinds(item),
                        text(item.get("why")),
                        text(item.get("mend")),
                    )
                )
        return True

    def _kinds(self, item: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the kinds listed in ``item``, as plain names or as ``{"name", "title"}``."""
        names = []
        listed = item.get("kinds")
        for kind in listed[:MOST_ROWS] if isinstance(listed, Sequence) else ():
            if isinstance(kind, Mapping):
                name, title = text(kind.get("name"), 60), text(kind.get("title"), 60)
                if title:
                    self.titles[name] = title
            else:
                name = text(kind, 60)
            if name:
                names.append(name)
        return tuple(names)

    def _rule(self, kind: str) -> RuleSettings | None:
        """The rule as it held in this session; else the policy's."""
        return self.rules.get(kind) or (self.policy.rules.get(kind) if self.policy else None)

    def _title(self, kind: str) -> str:
        return self.titles.get(kind) or plain_title(kind)

    def _flag(self, data: Mapping[str, Any]) -> bool:
        start, kind, name = number(data.get("start")), text(data.get("kind"), 60), _id(data)
        if start is None or not kind or not name:
            return False
        if len(self.flags) >= MOST_FLAGS and name not in self.flags:
            self.flags_left_out.add(name)
            return True
        self._seen(start, number(data.get("t")))
        self.flags[name] = FlagStory(
            number=0,
            id=name,
            kind=kind,
            title=self._title(kind),
            start=start,
            end=None,
            peak=number(data.get("peak"), 0.0, 1.0),
            peak_t=number(data.get("peak_t")),
            why=text(data.get("why")),
            observations=None,
            box=box(data.get("box")),
            rule=self._rule(text(data.get("rule"), 60)) or self._rule(kind),
        )
        return True

    def _closed(self, data: Mapping[str, Any]) -> bool:
        name = _id(data)
        if name in self.flags_left_out:
            return True
        opened = self.flags.get(name)
        end = number(data.get("end"))
        if opened is None or end is None:
            return False
        self._seen(end)
        start = number(data.get("start"))
        start = opened.start if start is None else start
        seen = number(data.get("observations"), 0, 1e9)
        peak = number(data.get("peak"), 0.0, 1.0)
        self.flags[name] = replace(
            opened,
            start=start,
            end=max(start, end),
            peak=opened.peak if peak is None else peak,
            peak_t=number(data.get("peak_t")),
            why=text(data.get("why")) or opened.why,
            observations=None if seen is None else int(seen),
            box=box(data.get("box")),
        )
        return True

    def _sealed(self, data: Mapping[str, Any]) -> bool:
        start, end = number(data.get("start")), number(data.get("end"))
        length = number(data.get("length"), 0, MOST_BYTES)
        flag = text(data.get("flag"), 100)
        if start is None or end is None or length is None or not flag:
            return False
        self.clips[flag] = ClipStory(
            file=text(data.get("file"), 200),
            start=start,
            end=max(start, end),
            length=int(length),
            sha256=text(data.get("sha256"), 64),
            mime=text(data.get("mime"), 60),
            recipients=strings(data.get("recipients")),
        )
        return True

    def _skipped(self, data: Mapping[str, Any]) -> bool:
        self.skipped[text(data.get("flag"), 100)] = text(data.get("why"))
        return True

    def _erased(self, data: Mapping[str, Any]) -> bool:
        """The clip is gone; why is for the journal, not for whoever looks at the flag (rule C2)."""
        flag = text(data.get("flag"), 100)
        self.clips.pop(flag, None)
        self.scans.pop(flag, None)
        self.skipped[flag] = NO_CLIP
        return bool(flag)

    def _commented(self, data: Mapping[str, Any]) -> bool:
        flag, words = text(data.get("flag"), 100), text(data.get("words"), MOST_WORDS)
        if flag not in self.flags and flag not in self.flags_left_out:
            return False
        self.comments[flag] = words
        return True

    def _scores(self, data: Mapping[str, Any]) -> bool:
        t0, step = number(data.get("t0")), number(data.get("step"), 0.01, 3600.0)
        kinds = data.get("kinds")
        if t0 is None or step is None or not isinstance(kinds, Mapping):
            return False
        for name, values in kinds.items():
            kind = text(name, 60)
            if not isinstance(values, Sequence) or isinstance(values, str):
                return False
            if kind in self.curves or len(self.curves) < MOST_ROWS:
                self.curves.setdefault(kind, []).append((t0, step, values))
                self._seen(min(t0 + step * len(values), LONGEST_S))
        return True

    def _marker(self, data: Mapping[str, Any]) -> bool:
        t, kind = number(data.get("t")), text(data.get("kind"), 60)
        if t is None or not kind:
            return False
        self._seen(t)
        if len(self.markers) + len(self.losses) < MOST_FLAGS:
            more = data.get("data")
            said = text(more.get("sentence")) if isinstance(more, Mapping) else ""
            # What breaks off a measurement belongs to what was not measured, not to the milestones.
            broken = kind.endswith((".lost", ".damaged"))
            (self.losses if broken else self.markers).append(
                Event(t, None, plain_title(kind), said)
            )
        return True

    def _gap(self, data: Mapping[str, Any]) -> bool:
        start, end = number(data.get("start")), number(data.get("end"))
        if start is None or end is None:
            return False
        self._seen(start, end)
        if len(self.gaps) < MOST_FLAGS:
            self.gaps.append(Event(start, max(start, end), "", text(data.get("why"))))
        return True

    def _break_started(self, data: Mapping[str, Any]) -> bool:
        t = number(data.get("t"))
        if t is None:
            return False
        self._seen(t)
        self.break_since = t if self.break_since is None else self.break_since
        return True

    def _break_ended(self, data: Mapping[str, Any]) -> bool:
        t = number(data.get("t"))
        if t is None:
            return False
        self._seen(t)
        if self.break_since is not None and len(self.breaks) < MOST_FLAGS:
            self.breaks.append(Span(self.break_since, max(self.break_since, t)))
        self.break_since = None
        return True

    def _scan_sealed(self, data: Mapping[str, Any]) -> bool:
        name = text(data.get("scan"), 100)
        if not name or (name not in self.scans and len(self.scans) >= MOST_ROWS):
            return False
        self.scans[name] = ScanStory(
            name=name,
            reason=text(data.get("reason")),
            asked_by=text(data.get("asked_by"), 100),
            coverage=number(data.get("coverage"), 0.0, 1.0),
            why_not=text(data.get("why_not")),
            clip=self.clips.get(name),
            things=(),
            not_listed=(),
        )
        return True

    def _scan_seen(self, data: Mapping[str, Any]) -> bool:
        scan, listed = self.scans.get(text(data.get("scan"), 100)), data.get("things")
        if scan is None or not isinstance(listed, Sequence) or isinstance(listed, str):
            return False
        things = []
        for item in listed[:MOST_FLAGS]:
            kind = text(item.get("kind"), 60) if isinstance(item, Mapping) else ""
            t = number(item.get("t")) if kind else None
            if t is None:
                return False
            looks = number(item.get("looks"), 0, 1e6) or 0
            yaw = number(item.get("yaw"), 0.0, 360.0)
            things.append(SeenThing(self._title(kind), t, yaw, int(looks)))
        self.scans[scan.name] = replace(
            scan, things=tuple(things), not_listed=strings(data.get("not_listed"))
        )
        return True

    def _ended(self, data: Mapping[str, Any]) -> bool:
        self.ended = data
        return True

    def finish(self) -> Story:
        """Everything in order of time, with the curves laid over the whole session."""
        summary = self.ended.get("summary") if self.ended else None
        summary = summary if isinstance(summary, Mapping) else {}
        seconds = number(summary.get("seconds"))
        seconds = self.last_t if seconds is None or seconds == 0.0 else seconds
        if self.break_since is not None:
            self.breaks.append(Span(self.break_since, max(self.break_since, seconds)))
        flags = self._in_order()
        said = self.consent.get("policy")
        said = said if isinstance(said, Mapping) else {}
        return Story(
            policy=self.policy,
            policy_id=text(said.get("id"), 64) or (self.policy.id if self.policy else ""),
            policy_version=text(said.get("version"), 20),
            policy_sha256=text(said.get("sha256"), 64),
            attempt=text(self.consent.get("attempt"), 80),
            began=moment(self.started.get("anchor")),
            source=_source(self.started.get("source")),
            seconds=seconds,
            ended=self.ended is not None,
            recipients=strings(self.consent.get("recipients")),
            groups=self._groups(seconds, flags, summary.get("not_measured_s")),
            flags=flags,
            flags_left_out=len(self.flags_left_out),
            absent=tuple(
                Absent(detector, tuple(self._title(k) for k in kinds), why, mend)
                for detector, kinds, why, mend in self.absent
            ),
            gaps=_by_time(self.gaps),
            losses=_by_time(self.losses),
            markers=_by_time(self.markers),
            breaks=tuple(self.breaks),
            scans=tuple(self.scans.values()),
            totals=_totals(summary),
            records=self.records,
            unreadable=self.unreadable,
        )

    def _in_order(self) -> tuple[FlagStory, ...]:
        ordered = sorted(self.flags.values(), key=lambda flag: (flag.start, flag.kind))
        return tuple(
            replace(
                flag,
                number=place,
                clip=self.clips.get(flag.id),
                no_clip=self.skipped.get(flag.id, ""),
                comment=self.comments.get(flag.id, ""),
            )
            for place, flag in enumerate(ordered, start=1)
        )

    def _groups(
        self, seconds: float, flags: tuple[FlagStory, ...], told: object
    ) -> tuple[Group, ...]:
        """One group a detector; kinds that no detector claims stand in a group of their own."""
        told = told if isinstance(told, Mapping) else {}
        why_not = {k: why or "did not run" for _, kinds, why, _ in self.absent for k in kinds}
        listed = self.detectors + [(name, None, kinds) for name, kinds, _, _ in self.absent]
        claimed = {kind for _, _, kinds in listed for kind in kinds}
        others = [k for k in self.curves if k not in claimed]
        others += [f.kind for f in flags if f.kind not in claimed and f.kind not in others]
        if others:
            listed.append(("other", None, tuple(dict.fromkeys(others))))
        groups: dict[str, Group] = {}
        shown: set[str] = set()
        for name, period, kinds in listed:
            fresh = [kind for kind in dict.fromkeys(kinds) if kind not in shown]
            shown.update(fresh)
            rows = tuple(
                self._row(kind, seconds, flags, number(told.get(kind)), why_not.get(kind, ""))
                for kind in fresh
            )
            before = groups.get(name)
            if before is not None:
                groups[name] = replace(before, rows=before.rows + rows)
            elif rows:
                groups[name] = Group(name, period, rows)
        return tuple(groups.values())

    def _row(
        self,
        kind: str,
        seconds: float,
        flags: tuple[FlagStory, ...],
        told: float | None,
        why_not: str,
    ) -> Row:
        coverage = Coverage(seconds)
        for t0, step, values in self.curves.get(kind, ()):
            coverage.add(t0, step, [number(value, 0.0, 1.0) for value in values])
        for span in self.breaks:
            coverage.excuse(span)
        return Row(
            kind=kind,
            title=self._title(kind),
            rule=self._rule(kind),
            columns=coverage.columns(),
            unmeasured=coverage.unmeasured(),
            unmeasured_s=coverage.unmeasured_s() if told is None else told,
            flags=tuple(flag for flag in flags if flag.kind == kind),
            why_not=why_not,
        )


def _id(data: Mapping[str, Any]) -> str:
    """A flag's id; a closing record may call it ``flag``."""
    return text(data.get("id"), 100) or text(data.get("flag"), 100)


def _by_time(events: list[Event]) -> tuple[Event, ...]:
    return tuple(sorted(events, key=lambda event: event.start))


def _source(value: object) -> str:
    """Where samples came from: a plain text, or a mapping whose ``kind`` says it."""
    return text(value.get("kind") if isinstance(value, Mapping) else value, 120)


def _totals(summary: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    """The plain numbers of the summary, by name, in the order they were written."""
    found = ((text(name, 40), number(value, 0.0, 1e12)) for name, value in summary.items())
    return tuple((name, value) for name, value in found if name and value is not None)[:40]
