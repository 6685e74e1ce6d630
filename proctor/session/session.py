"""Wires one exam: consent, capture, detectors, rules, evidence. The only file that knows all parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from policies.consent import Answers, Grant, issue
from policies.engine import ConsentState, lawful
from policies.schema import PurposeName
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.capture.milestones import checked
from proctor.capture.replay import Recording
from proctor.capture.source import FPS as FPS
from proctor.clock import SessionClock, steady
from proctor.errors import InputError
from proctor.evidence.case import Case
from proctor.evidence.journal import SOURCE
from proctor.evidence.keys import local_signing_key
from proctor.evidence.words import BY_ARRANGEMENT
from proctor.pipeline.detector import CALIBRATED, Sample
from proctor.pipeline.flatout import FlatOut
from proctor.pipeline.live import Live
from proctor.pipeline.rules import FlagEvent
from proctor.pipeline.runner import close_all, lanes
from proctor.session.arrangement import SENSOR, purposes_of
from proctor.session.attesting import Attesting
from proctor.session.calibrate import forgotten, forgotten_sentence
from proctor.session.capturing import Capture, Sources
from proctor.session.desk import ConsentDesk
from proctor.session.interventions import BY_POLICY, Interventions, OnNotice
from proctor.session.plan import Plan
from proctor.session.recipients import choose_recipients as choose_recipients
from proctor.session.record import check_goes_on, consent_record, earlier_of
from proctor.session.recorder import Earlier, Recorder
from proctor.session.room_scan import Asked, RoomScan
from proctor.session.summary import Summary
from proctor.session.watching import Watching
from proctor.types import Flag, Frame, Marker, Observation

# A live session looks at its inbox this often when nothing arrives (s).
PUMP_S = 0.25

# Before any session: no time has passed since what was recorded last.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

T = TypeVar("T")
OnFlag = Callable[[FlagEvent], None]
OnProgress = Callable[[float], None]


class Session:
    """One exam on one case folder.

    Making a session loads the detectors of what was agreed to, and writes the consent record as the
    journal's first line; only then do grants exist. Use it as a context manager. ``withdraw``,
    ``pause``, ``resume`` and ``answer`` may be called from any thread at any time.
    """

    def __init__(
        self,
        plan: Plan,
        answers: Answers,
        folder: Path,
        *,
        recipients: Sequence[str],
        on_flag: OnFlag | None = None,
        on_notice: OnNotice | None = None,
    ) -> None:
        answers = lawful(plan.policy, answers)
        granted = {purpose for purpose, yes in answers.granted.items() if yes}
        self._load(plan, granted, SessionClock())
        consent = consent_record(plan, answers, recipients)
        try:
            case = Case.create(
                folder,
                policy_envelope=plan.policy_envelope
                or envelope(plan.policy_bytes, PAYLOAD_TYPE, [local_signing_key()]),
                consent=consent,
                wall=self._wall,
            )
        except BaseException:
            close_all(self.stations, lambda sentence: None)
            raise
        grants = issue(answers, case.consent_record)
        state = ConsentState.from_records(case.records())
        self._wire(case, state, grants, recipients, Earlier(), on_flag, on_notice)
        case.put_receipts(plan.policy)

    @classmethod
    def reopen(
        cls,
        plan: Plan,
        folder: Path,
        *,
        recorded: bool = False,
        on_flag: OnFlag | None = None,
        on_notice: OnNotice | None = None,
    ) -> Session:
        """Go on with the exam of a case after a crash, with the consent that its journal has.

        What was withdrawn stays withdrawn, and a break goes on. ``recorded``: it is the replay of a
        recording, which waited meanwhile, so the gap has no length. Raises :class:`InputError` when
        the exam has ended or ``plan`` is not what was agreed to.
        """
        case = Case.resume(folder, now=LONG_AGO if recorded else None)
        try:
            records = case.records()
            check_goes_on(plan, records, folder)
            state = ConsentState.from_records(records)
            earlier = earlier_of(records, state)
            session = cls.__new__(cls)
            origin = steady() - earlier.t
            granted = {purpose for purpose in state.purposes if state.live(purpose)}
            session._load(plan, granted, SessionClock(case.anchor, origin))
        except BaseException:
            case.close()
            raise
        agreed = records[0]["data"].get("recipients", ())
        grants = state.grants(SOURCE + case.attempt)
        session._wire(case, state, grants, agreed, earlier, on_flag, on_notice)
        # A crash may have come between a withdrawal and what follows from it.
        session.interventions.erase_what_is_due(earlier.t)
        case.put_receipts(plan.policy)
        return session

    def _load(self, plan: Plan, granted: Collection[PurposeName], clock: SessionClock) -> None:
        """Make the detectors of which every purpose was agreed to, and no others."""
        self.plan = plan.agreed(granted, BY_ARRANGEMENT)
        self._bound = frozenset(p for c in plan.choices for p in purposes_of(c.plugin))
        self.clock = clock
        self._wall_start = time.perf_counter()
        self._cpu_start = time.process_time()
        self._cpu: dict[str, float] = {"decode": 0.0, "clips": 0.0, "evidence": 0.0}
        self.stations = self.plan.stations()
        self._lanes = lanes(self.stations)

    def _wire(
        self,
        case: Case,
        state: ConsentState,
        grants: dict[PurposeName, Grant],
        recipients: Sequence[str],
        earlier: Earlier,
        on_flag: OnFlag | None,
        on_notice: OnNotice | None,
    ) -> None:
        self.case = case
        self.grants = grants
        self.desk = ConsentDesk(
            case,
            self.plan.policy,
            state,
            grants,
            self.clock.now,
            breaks_unlimited=self.plan.breaks_unlimited,
        )
        for lane in self._lanes:
            lane.allowed = partial(self.desk.capturing, SENSOR[lane.takes])
        for station in self.stations:
            station.allowed = partial(self.desk.covers, purposes_of(station.plugin))
        self.recorder = Recorder(
            case,
            kinds=self.plan.kinds,
            purposes={
                k.name: purposes_of(c.plugin) for c in self.plan.choices for k in c.plugin.kinds
            },
            rules=self.plan.rules,
            clips=self.plan.policy.clips,
            grants=grants,
            recipients=recipients,
            provenance={
                "policy_sha256": self.plan.policy_sha256,
                "models": self.plan.model_digests(),
            },
            fps=FPS,
            on_flag=on_flag or (lambda event: None),
            on_notice=on_notice or (lambda sentence: None),
            earlier=earlier,
        )
        self.interventions = Interventions(
            case,
            self.desk,
            self.recorder,
            self.stations,
            self._bound,
            self.clock,
            on_notice or (lambda sentence: None),
        )
        self.attesting = Attesting(case, self.clock)
        self._earlier = earlier
        self._ended = False
        self._running: Live | None = None
        self._on_notice = on_notice or (lambda sentence: None)
        # How each calibration went, by what was calibrated: numbers and sentences only.
        self.calibrated: dict[str, Mapping[str, Any]] = {}
        # A window that shows what is seen as it happens.
        self.watching = Watching()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close detectors and the case; safe to call twice."""
        if self._ended:
            return
        self._ended = self.interventions.closed = True
        now = self.clock.now()
        close_all(
            self.stations,
            lambda sentence: self.recorder.marker(
                Marker(now, "detector.lost", {"sentence": sentence})
            ),
        )
        self.case.close()

    @property
    def flags(self) -> Mapping[str, Flag]:
        return self.recorder.flags

    def sensor(self, purpose: PurposeName) -> Grant | None:
        """The live grant of a sensor that this session uses; ``None`` where it stays closed."""
        return None if purpose in self.plan.idle else self.desk.grant_of(purpose)

    # What the student may do at any time, from any thread.

    def withdraw(self, purpose: PurposeName) -> str:
        """Take back what was agreed to; see :meth:`Interventions.withdraw`."""
        return self.interventions.withdraw(purpose)

    def answer(
        self,
        purpose: PurposeName,
        yes: bool,
        *,
        how: str = "asked",
        language: str = "en",
        asked: Asked = BY_POLICY,
    ) -> Grant | None:
        """The answer to a question put during the exam; see :meth:`Interventions.answer`."""
        return self.interventions.answer(purpose, yes, how=how, language=language, asked=asked)

    def pause(self, by: str = "") -> None:
        """Begin a break; see :meth:`Interventions.pause`."""
        self.interventions.pause(by)

    def resume(self) -> None:
        """End the break; see :meth:`Interventions.resume`."""
        self.interventions.resume()

    def lend_camera(self, by: str) -> None:
        """Pause for a film of the room; see :meth:`Interventions.lend_camera`."""
        self.interventions.lend_camera(by)

    def take_camera_back(self, scan: RoomScan | None) -> None:
        """The film of the room is over; see :meth:`Interventions.take_camera_back`."""
        self.interventions.take_camera_back(scan)

    @property
    def filming(self) -> bool:
        """Whether a film of the room has the camera now."""
        return self.interventions.filming

    def ask_for_help(self) -> None:
        """Note that the student asks for a person; see :meth:`Interventions.ask_for_help`."""
        self.interventions.ask_for_help()

    @property
    def is_live(self) -> bool:
        """Whether a live exam is running at this moment, so that milestones can come."""
        return self._running is not None

    def mark(self, kind: str, data: Mapping[str, Any]) -> None:
        """A milestone of the exam page or of a calibration, at this moment; from any thread.

        It is journalled, and told to the detectors in order of time. Raises :class:`InputError` when
        it is none that may come from outside, or no live exam is running.
        """
        told = checked(kind, data)
        live = self._running
        if live is None:
            raise InputError("No live exam is running, so there is nothing to mark.")
        live.event(Marker(self.clock.now(), kind, told))

    # Runs.

    def replay(self, recording: Recording, on_progress: OnProgress | None = None) -> Summary:
        """A recording through the whole path, as fast as this machine can.

        A reopened case goes on at the second where it stopped; what lies before it is not kept again.
        """
        missing = []
        if not recording.has_video:
            missing.append(("frame", "the recording has no picture"))
        if not recording.has_audio:
            missing.append(("audio", "the recording has no sound"))
        self._begin("replay", missing)
        self.attesting.begin(self._earlier.t, self.plan, "replay", recording=recording.path)
        samples = recording.samples(
            camera=self.sensor("camera"), microphone=self.sensor("microphone"), fps=FPS
        )
        driver = FlatOut(
            [lane for lane in self._lanes if lane.takes not in {takes for takes, _ in missing}],
            on_media=self._timed("clips", self.recorder.media),
            on_observations=self._observe(on_progress),
            on_marker=self._marked,
            on_lost=self.recorder.lost,
        )
        end = driver.run(self._timed_samples(samples))
        # A recording may be over before the gap of a reopened case is.
        return self._finish(max(end, self._earlier.t), recording.frames_seen, 0)

    def live(
        self,
        sources: Sources,
        *,
        until: Callable[[float], bool],
        on_progress: OnProgress | None = None,
        kind: str = "live",
    ) -> Summary:
        """Live capture until ``until(session seconds)`` is true or every source has ended.

        Breaks need ``sources`` as a function that makes new ones: a source is started once in its life.
        """
        live = Live(self._lanes, self.clock)
        capture = Capture(sources, live, self.desk.capturing)
        self._begin(kind, [], capture)
        live.start()
        self._running = live
        try:
            if not self.desk.state.on_break:
                capture.open()
            self.attesting.begin(self.clock.now(), self.plan, kind, capture.facts)
            while not until(self.clock.now()) and not capture.over:
                self.interventions.attend()
                self.interventions.watch_sleep(self.clock.now())
                self.attesting.attend(self.clock.now(), capture.facts)
                self.interventions.watch_breaks(self.clock.now())
                self._pump(live, self._marked, on_progress, PUMP_S)
        finally:
            self._running = None
            self.interventions.filming = False
            capture.close()
            self.interventions.attend()
            self.interventions.capture = None
            end = self.clock.now()
            while self._pump(live, self._marked, on_progress, PUMP_S):
                pass
            live.stop()
        if self.desk.state.on_break:
            self.resume()
            end = self.clock.now()
        return self._finish(end, self.recorder.frames, live.frames_dropped + live.stale_frames)

    def _pump(
        self,
        live: Live,
        on_marker: Callable[[Marker], None],
        on_progress: OnProgress | None,
        timeout: float,
    ) -> bool:
        return live.pump(
            on_media=self._timed("clips", self._media),
            on_observations=self._observe(on_progress),
            on_marker=on_marker,
            timeout=timeout,
        )

    # Inside.

    def _media(self, sample: Sample) -> None:
        if isinstance(sample, Frame):
            self.attesting.frame(sample.t)
        self.recorder.media(sample)

    def _marked(self, marker: Marker) -> None:
        """A milestone goes into the journal; how a calibration went is told to the student too."""
        self.recorder.marker(marker)
        self.watching.on_marker(marker)
        if marker.kind == CALIBRATED:
            self.calibrated[str(marker.data.get("what", ""))] = marker.data
            self._on_notice(str(marker.data.get("sentence", "")))

    def _wall(self, t: float) -> datetime:
        return self.clock.wall(t)

    def _begin(
        self, source: str, missing: Sequence[tuple[str, str]], capture: Capture | None = None
    ) -> None:
        self.interventions.begin(capture)
        for takes, why in missing:
            self.plan = self.plan.without([takes], why)
        start = self._earlier.t
        if self._earlier.started:
            self.case.record("session.resumed", {"t": round(start, 3), "source": {"kind": source}})
            for what in forgotten(self.case.records()):
                sentence = forgotten_sentence(what)
                data = {"what": what, "done": False, "sentence": sentence}
                self._marked(Marker(start, CALIBRATED, data))
        else:
            self._record_start(source)
        self.recorder.begin(start)
        if self.desk.state.on_break:
            self.recorder.pause(start)

    def _record_start(self, source: str) -> None:
        digests = self.plan.model_digests()
        self.case.record(
            "session.started",
            {
                "t": 0.0,
                "anchor": self.clock.anchor.isoformat(),
                "source": {"kind": source},
                "detectors": [
                    {
                        "name": c.plugin.name,
                        "period": c.plugin.period,
                        "kinds": [
                            {"name": k.name, "title": k.title} for k in self.plan.kinds_of(c)
                        ],
                        "models": {m: digests[m] for m in c.models},
                    }
                    for c in self.plan.choices
                ],
                "not_measured": [
                    {"detector": n.detector, "kinds": list(n.kinds), "why": n.why, "mend": n.mend}
                    for n in self.plan.not_measured
                ],
                # As they hold for this student; always here, so that nobody can tell from it
                # whether something was arranged.
                "rules": {
                    k.name: self.plan.rules[k.name].model_dump()
                    for k in self.plan.kinds
                    if k.name in self.plan.rules
                },
            },
        )

    def _observe(
        self, on_progress: OnProgress | None
    ) -> Callable[[float, Sequence[Observation]], None]:
        record = self._timed("evidence", self.recorder.observations)

        def observe(until: float, observations: Sequence[Observation]) -> None:
            record(until, observations)
            self.attesting.observations(observations)
            self.watching.on_seen(observations)
            if on_progress is not None:
                on_progress(until)

        return observe

    def _timed(self, stage: str, step: Callable[..., T]) -> Callable[..., T]:
        """``step``, with the CPU seconds of the calling thread added up under ``stage``."""

        def timed(*arguments: Any) -> T:
            began = time.thread_time()
            try:
                return step(*arguments)
            finally:
                self._cpu[stage] += time.thread_time() - began

        return timed

    def _timed_samples(self, samples: Iterable[Sample | Marker]) -> Iterator[Sample | Marker]:
        iterator = iter(samples)
        advance = self._timed("decode", lambda: next(iterator, None))
        while (sample := advance()) is not None:
            self.interventions.attend()
            yield sample

    def _finish(self, end: float, frames_seen: int, frames_dropped: int) -> Summary:
        self.interventions.attend()
        self.recorder.finish(end)
        earlier, state = self._earlier, self.desk.state
        break_s = state.break_seconds(end)
        lasted = end - earlier.t - (break_s - earlier.break_s)
        why = self.recorder.not_measured()
        for absent in self.plan.not_measured:
            for kind in absent.kinds:
                before = earlier.unmeasured.get(kind, earlier.t - earlier.break_s)
                why[kind] = {absent.why: round(before + lasted, 2)}
        summary = Summary(
            seconds=end,
            frames_seen=frames_seen,
            frames_dropped=frames_dropped,
            not_measured_s={kind: round(sum(w.values()), 2) for kind, w in sorted(why.items())},
            not_measured_why=dict(sorted(why.items())),
            real_time_factor=end / max(1e-9, time.perf_counter() - self._wall_start),
            cpu_s=self._cpu_by_stage(),
            break_s=break_s,
            flags=self.recorder.flag_count,
            clips=self.recorder.sealed,
        )
        self.case.record("session.ended", {"t": round(end, 3), "summary": summary.as_dict()}, end)
        self.case.checkpoint()
        self.interventions.end()
        return summary

    def _cpu_by_stage(self) -> dict[str, float]:
        stages = dict(self._cpu)
        stages |= {station.plugin.name: station.cpu_s for station in self.stations}
        total = time.process_time() - self._cpu_start
        # MediaPipe works on threads of its own, which no stage's clock sees.
        stages["native threads and start"] = max(0.0, total - sum(stages.values()))
        stages["total"] = total
        return stages


def require_some_sensor(answers: Answers, plan: Plan | None = None) -> None:
    """Raise :class:`InputError` when the student agreed to no sensor that would be used."""
    idle = plan.idle if plan else frozenset()
    if not any(answers.granted.get(s) is True and s not in idle for s in SENSOR.values()):
        raise InputError(
            "Neither the camera nor the microphone was agreed to, so there is nothing to run. "
            "The policy's alternatives apply; nothing was recorded."
        )
