"""From observations to evidence: rules, flags, clips, seals and the journal, on one thread.

What is kept is asked of the grants at every step: a sample of a sensor that was withdrawn, or that
comes from before or inside a break, goes no further than this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from policies.consent import Grant
from policies.schema import ClipSettings, PurposeName, RuleSettings
from proctor.evidence import layout
from proctor.evidence.case import Case
from proctor.evidence.disk import DiskBudget
from proctor.evidence.ring import Ring
from proctor.evidence.seal import seal
from proctor.evidence.words import BY_ARRANGEMENT, NO_CLIP
from proctor.pipeline.detector import Kind, Sample
from proctor.pipeline.rules import FlagEvent, RuleBook
from proctor.pipeline.runner import Station
from proctor.types import AudioChunk, Flag, Frame, Marker, Observation

# One number per kind and second is kept for the timeline; ten seconds make one journal record.
SCORE_STEP_S = 1.0
SCORES_PER_RECORD = 10
# Between two checkpoints records are unsigned and are not delivered; a flag does not wait that long.
CHECKPOINT_EVERY_S = 60.0
# The ring must still hold the pre-roll when a flag opens: a rule may take this long to open one.
OPENING_SLACK_S = 10.0


@dataclass(slots=True)
class _Pending:
    """A clip that is not cut yet."""

    flag: Flag
    start: float
    hold: int


class _Timeline:
    """The highest score of every kind in each second; ``None`` where nobody measured."""

    def __init__(self, kinds: Sequence[str], start: float) -> None:
        self._kinds = kinds
        self._t0 = start // SCORE_STEP_S * SCORE_STEP_S
        self._cells: dict[int, dict[str, float]] = {}

    def feed(self, observation: Observation) -> None:
        if observation.score is None:
            return
        second = int(observation.t // SCORE_STEP_S)
        cell = self._cells.setdefault(second, {})
        cell[observation.kind] = max(observation.score, cell.get(observation.kind, 0.0))

    def full(self, until: float, *, last: bool = False) -> list[dict[str, Any]]:
        """Journal records that are complete by ``until``; at the end, also the unfinished one."""
        records = []
        length = SCORE_STEP_S * SCORES_PER_RECORD
        while self._t0 + length <= until or (last and self._t0 < until):
            first = int(self._t0 // SCORE_STEP_S)
            count = SCORES_PER_RECORD
            if self._t0 + length > until:
                count = max(1, int(-(-(until - self._t0) // SCORE_STEP_S)))
            cells = [self._cells.pop(first + i, {}) for i in range(count)]
            records.append(
                {
                    "t0": self._t0,
                    "step": SCORE_STEP_S,
                    "kinds": {
                        kind: [_rounded(cell.get(kind)) for cell in cells] for kind in self._kinds
                    },
                }
            )
            self._t0 += length
        return records


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a resumed case holds already: when it goes on, whether it had started, its flags by kind, its clips, and the
    seconds of breaks and, by kind, those that were not measured.
    """

    t: float = 0.0
    started: bool = False
    break_s: float = 0.0
    flags: Mapping[str, int] = field(default_factory=dict)
    clips: int = 0
    unmeasured: Mapping[str, float] = field(default_factory=dict)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 3)


class Recorder:
    """Everything that happens between what a detector says and what a case holds.

    Not thread-safe: one thread (the evidence writer) calls it. ``grants`` is read at every step and
    may change; ``purposes`` says on which of them each kind lives, its sensor first. ``on_flag``
    hears of flags as they open and close.
    """

    def __init__(
        self,
        case: Case,
        *,
        kinds: Sequence[Kind],
        purposes: Mapping[str, Sequence[PurposeName]],
        rules: Mapping[str, RuleSettings],
        clips: ClipSettings,
        grants: Mapping[PurposeName, Grant],
        recipients: Sequence[str],
        provenance: Mapping[str, Any],
        fps: float,
        on_flag: Callable[[FlagEvent], None],
        on_notice: Callable[[str], None] = lambda sentence: None,
        disk: DiskBudget | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        earlier = earlier or Earlier()
        self._case = case
        self._clips = clips
        self._grants = grants
        self._purposes = purposes
        self._recipients = recipients
        self._provenance = provenance
        self._on_flag = on_flag
        self._on_notice = on_notice
        # A resumed case counts what it holds already.
        held = sum(path.stat().st_size for path in (case.folder / layout.CLIPS).iterdir())
        self._disk = disk or DiskBudget(case.folder, used=held)
        self._measured = {kind.name for kind in kinds}
        self._before = earlier.unmeasured
        self.book = RuleBook(kinds, rules, earlier.flags)
        self._timeline = _Timeline([kind.name for kind in kinds], earlier.t)
        slowest = max((r.min_s for r in rules.values()), default=0.0)
        self._ring = Ring(fps=fps, seconds=clips.pre_roll_s + slowest + OPENING_SLACK_S)
        self._pending: dict[str, _Pending] = {}
        self._checkpoint_due = False
        self._checkpoint_at = earlier.t
        self._paused = False
        # What was taken before these seconds does not count: before the last break ended, and for a
        # purpose before it was given.
        self._since = earlier.t
        self._given: dict[PurposeName, float] = {}
        self._flags_before = sum(earlier.flags.values())
        self.flags: dict[str, Flag] = {}
        self.sealed = earlier.clips
        self.frames = 0

    @property
    def flag_count(self) -> int:
        """Flags in the case, also from before it was resumed."""
        return self._flags_before + len(self.flags)

    @property
    def memory(self) -> int:
        """Bytes of pictures and sound held for clips."""
        return self._ring.memory

    def begin(self, t: float) -> None:
        """Measuring starts: from here on silence counts as not measured."""
        self.book.begin(t)

    def media(self, sample: Sample) -> None:
        """Keep a sample in the ring, as long as the student agrees to its sensor and to clips."""
        sensor: PurposeName = "camera" if isinstance(sample, Frame) else "microphone"
        if not self._covers(sensor, sample.t):
            return
        if isinstance(sample, Frame):
            self.frames += 1
        if not self._covers("clips", sample.t):
            return
        if isinstance(sample, Frame):
            self._ring.frame(sample)
        elif isinstance(sample, AudioChunk):
            self._ring.audio(sample)

    def observations(self, until: float, observations: Sequence[Observation]) -> None:
        """What detectors said up to session second ``until``."""
        if self._paused:
            return
        for observation in observations:
            kind, t = observation.kind, observation.t
            if kind not in self._measured:
                continue
            if not all(self._covers(purpose, t) for purpose in self._purposes[kind]):
                continue
            self._timeline.feed(observation)
            for event in self.book.feed(observation):
                self._flagged(event)
        self._advance(until)

    def marker(self, marker: Marker) -> None:
        """A neutral milestone goes into the journal as it is."""
        self._case.record("marker", {"t": marker.t, "kind": marker.kind, "data": dict(marker.data)})

    def lost(self, t: float, station: Station) -> None:
        """A detector was given up; its kinds are not measured from here on."""
        data = {"detector": station.plugin.name, "sentence": station.lost}
        self.marker(Marker(t, "detector.lost", data))

    # Breaks and withdrawals.

    def pause(self, t: float) -> None:
        """A break begins: what is open closes, what is pending is cut, and memory is emptied."""
        for event in self.book.finish(t):
            self._flagged(event)
        for pending in list(self._pending.values()):
            self._cut(pending, t)
        self._ring.forget_pictures()
        self._ring.forget_sound()
        self._paused = True

    def resume(self, t: float) -> None:
        """The break is over: measuring starts again, and nothing from before ``t`` counts."""
        self._paused = False
        self._since = t
        self.book.begin(t)
        for name in self.book.rules.keys() - self._measured:
            self.book.rules[name].begin(t, BY_ARRANGEMENT)

    def withdraw(self, purpose: PurposeName, t: float) -> None:
        """Nothing of ``purpose`` is measured or kept from here on; what memory held of it is gone."""
        if purpose in ("camera", "clips"):
            self._ring.forget_pictures()
        if purpose in ("microphone", "clips"):
            self._ring.forget_sound()
        gone = [kind for kind in self._measured if purpose in self._purposes[kind]]
        self._measured.difference_update(gone)
        for rule in [self.book.rules[kind] for kind in gone if kind in self.book.rules]:
            if self._paused:
                continue
            for event in rule.finish(t):
                self._flagged(event)
            rule.begin(t, BY_ARRANGEMENT)
        for pending in list(self._pending.values()):
            if purpose == "clips" or purpose in self._purposes[pending.flag.kind]:
                self._drop(pending)

    def restore(self, purpose: PurposeName, t: float) -> None:
        """The student agreed to ``purpose`` again: what is taken from second ``t`` on counts."""
        self._given[purpose] = t
        back = [
            kind
            for kind, purposes in self._purposes.items()
            if purpose in purposes and all(map(self._may, purposes))
        ]
        self._measured.update(back)
        for rule in [self.book.rules[kind] for kind in back if kind in self.book.rules]:
            if not self._paused:
                rule.finish(t)
                rule.begin(t)

    def finish(self, t: float) -> None:
        """The session ends: close what is open, cut what is pending, write the last scores."""
        for event in self.book.finish(t):
            self._flagged(event)
        for pending in list(self._pending.values()):
            self._cut(pending, t)
        for record in self._timeline.full(t, last=True):
            self._case.record("scores", record, sync=False)

    def not_measured(self) -> dict[str, dict[str, float]]:
        """Seconds not measured, by kind and reason; a break is neither measured nor that."""
        found: dict[str, dict[str, float]] = {}
        for name, rule in self.book.rules.items():
            found[name] = {why: round(seconds, 2) for why, seconds in rule.unknown_s.items()}
            if self._before.get(name):
                found[name]["before the program was started again"] = round(self._before[name], 2)
        return found

    def _covers(self, purpose: PurposeName, t: float) -> bool:
        """Whether the student's word covers a sample of ``purpose`` taken at second ``t``."""
        taken_in_time = t >= max(self._since, self._given.get(purpose, 0.0))
        return not self._paused and taken_in_time and self._may(purpose)

    def _may(self, purpose: PurposeName) -> bool:
        grant = self._grants.get(purpose)
        return grant is not None and grant.live

    # Flags and clips.

    def _flagged(self, event: FlagEvent) -> None:
        flag = event.flag
        self.flags[flag.id] = flag
        data: dict[str, Any] = {
            "id": flag.id,
            "kind": flag.kind,
            "rule": flag.rule,
            "start": round(flag.start, 3),
            "peak": round(flag.peak, 3),
            "why": flag.why,
        }
        if flag.box is not None:
            data["box"] = [flag.box.x, flag.box.y, flag.box.width, flag.box.height]
        if flag.peak_t is not None:
            data["peak_t"] = round(flag.peak_t, 3)
        if event.what == "opened":
            self._case.record("flag", data | {"t": round(event.t, 3)}, event.t)
            self._open_clip(flag)
        else:
            end = flag.start if flag.end is None else flag.end
            data |= {"end": round(end, 3), "observations": flag.observations}
            self._case.record("flag.closed", data, event.t)
            if flag.id in self._pending:
                self._pending[flag.id].flag = flag
        self._checkpoint_due = True
        self._on_flag(event)

    def _open_clip(self, flag: Flag) -> None:
        if not self._may("clips"):
            self._case.record("clip.skipped", {"flag": flag.id, "why": NO_CLIP})
            return
        start = max(0.0, flag.start - self._clips.pre_roll_s)
        self._pending[flag.id] = _Pending(flag, start, self._ring.hold(start))

    def _drop(self, pending: _Pending) -> None:
        del self._pending[pending.flag.id]
        self._ring.release(pending.hold)
        self._case.record("clip.skipped", {"flag": pending.flag.id, "why": NO_CLIP})

    def _cut_at(self, pending: _Pending) -> float:
        """The session second at which the clip ends."""
        longest = pending.start + self._clips.max_s
        if pending.flag.end is None:
            return longest
        return min(pending.flag.end + self._clips.post_roll_s, longest)

    def _advance(self, until: float) -> None:
        for pending in list(self._pending.values()):
            end = self._cut_at(pending)
            if end <= until:
                self._cut(pending, end)
        for record in self._timeline.full(until):
            self._case.record("scores", record, sync=False)
        if self._checkpoint_due or until - self._checkpoint_at >= CHECKPOINT_EVERY_S:
            self._case.checkpoint()
            self._checkpoint_due = False
            self._checkpoint_at = until

    def _cut(self, pending: _Pending, until: float) -> None:
        flag = pending.flag
        del self._pending[flag.id]
        end = min(self._cut_at(pending), until)
        try:
            if not all(map(self._may, ("clips", *self._purposes[flag.kind]))):
                self._case.record("clip.skipped", {"flag": flag.id, "why": NO_CLIP})
                return
            clip = self._ring.cut(flag.id, pending.start, end)
            # A clip that is there because of a biometric comparison goes when that is taken back.
            beyond = [p for p in self._purposes[flag.kind][1:] if p not in clip.sensors]
            clip = replace(clip, sensors=(*clip.sensors, *beyond))
            sealed = seal(clip, self._recipients)
            if why := self._disk.refuses(sealed.length):
                self._case.record("clip.skipped", {"flag": flag.id, "why": why})
                return
            self._case.store(sealed, self._provenance)
            self.sealed += 1
            if warning := self._disk.took(sealed.length):
                self.marker(Marker(until, "disk.low", {"sentence": warning}))
                self._on_notice(warning)
            self._checkpoint_due = True
        except LookupError as error:
            self._case.record("clip.skipped", {"flag": flag.id, "why": str(error)})
        finally:
            self._ring.release(pending.hold)
