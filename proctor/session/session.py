"""Wires one exam: consent, capture, detectors, rules, evidence. The only file that knows all parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from policies.consent import Answers, Grant, issue
from policies.schema import PurposeName
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.capture.replay import Recording
from proctor.capture.source import Source
from proctor.clock import SessionClock
from proctor.errors import InputError
from proctor.evidence.case import Case
from proctor.evidence.keys import demo_recipient, local_signing_key
from proctor.evidence.seal import check_recipient
from proctor.pipeline.detector import Sample
from proctor.pipeline.flatout import FlatOut
from proctor.pipeline.live import Live
from proctor.pipeline.rules import FlagEvent
from proctor.pipeline.runner import close_all, lanes
from proctor.session.plan import Plan
from proctor.session.recorder import Recorder
from proctor.types import Flag, Marker, Observation

# One grid of camera frames for detectors and clips alike (docs/decisions/0005).
FPS = 10.0
# A live session looks at its inbox this often when nothing arrives (s).
PUMP_S = 0.25

T = TypeVar("T")
OnFlag = Callable[[FlagEvent], None]
OnProgress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in a session, in numbers."""

    seconds: float
    frames_seen: int
    frames_dropped: int
    not_measured_s: Mapping[str, float]
    not_measured_why: Mapping[str, Mapping[str, float]]
    real_time_factor: float
    cpu_s: Mapping[str, float]
    flags: int
    clips: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "seconds": round(self.seconds, 3),
            "frames_seen": self.frames_seen,
            "frames_dropped": self.frames_dropped,
            "flags": self.flags,
            "clips": self.clips,
            "not_measured_s": dict(self.not_measured_s),
            "not_measured_why": {k: dict(v) for k, v in self.not_measured_why.items()},
            "real_time_factor": round(self.real_time_factor, 2),
            "cpu_s": {k: round(v, 3) for k, v in self.cpu_s.items()},
        }


def choose_recipients(plan: Plan, given: Sequence[str]) -> tuple[str, ...]:
    """Who can open the clips: the policy's recipients and those given; else this machine's demo key."""
    recipients = tuple(dict.fromkeys((*plan.policy.recipients, *given)))
    for recipient in recipients:
        check_recipient(recipient)
    return recipients or (demo_recipient(),)


class Session:
    """One exam on one case folder.

    Making a session loads the detectors of what was agreed to, and writes the consent record as the
    journal's first line; only then do grants exist. Use it as a context manager.
    """

    def __init__(
        self,
        plan: Plan,
        answers: Answers,
        folder: Path,
        *,
        recipients: Sequence[str],
        on_flag: OnFlag | None = None,
    ) -> None:
        refused = [
            takes
            for takes, purpose in (("frame", "camera"), ("audio", "microphone"))
            if not dict(answers.granted).get(purpose, False)  # type: ignore[call-overload]
        ]
        self.plan = plan.without(refused, "not measured by arrangement")
        self.clock = SessionClock()
        self._wall_start = time.perf_counter()
        self._cpu_start = time.process_time()
        self._cpu: dict[str, float] = {"decode": 0.0, "clips": 0.0, "evidence": 0.0}
        self.stations = self.plan.stations()
        self._lanes = lanes(self.stations)
        self._ended = False
        try:
            self.case = Case.create(
                folder,
                policy_envelope=plan.policy_envelope
                or envelope(plan.policy_bytes, PAYLOAD_TYPE, [local_signing_key()]),
                consent=self._consent(answers, recipients),
                wall=self._wall,
            )
        except BaseException:
            close_all(self.stations, lambda sentence: None)
            raise
        self.grants: dict[PurposeName, Grant] = issue(answers, self.case.consent_record)
        self.recorder = Recorder(
            self.case,
            kinds=self.plan.kinds,
            rules=plan.policy.rules,
            clips=plan.policy.clips,
            clip_grant=self.grants.get("clips"),
            recipients=recipients,
            provenance={
                "policy_sha256": plan.policy_sha256,
                "models": self.plan.model_digests(),
            },
            fps=FPS,
            on_flag=on_flag or (lambda event: None),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close detectors and the case; safe to call twice."""
        if self._ended:
            return
        self._ended = True
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

    def replay(self, recording: Recording, on_progress: OnProgress | None = None) -> Summary:
        """A recording through the whole path, as fast as this machine can."""
        missing = []
        if not recording.has_video:
            missing.append(("frame", "the recording has no picture"))
        if not recording.has_audio:
            missing.append(("audio", "the recording has no sound"))
        self._begin("replay", missing)
        samples = recording.samples(
            camera=self.grants.get("camera"), microphone=self.grants.get("microphone"), fps=FPS
        )
        driver = FlatOut(
            [lane for lane in self._lanes if lane.takes not in {takes for takes, _ in missing}],
            on_media=self._timed("clips", self.recorder.media),
            on_observations=self._observe(on_progress),
            on_marker=self.recorder.marker,
            on_lost=self.recorder.lost,
        )
        end = driver.run(self._timed_samples(samples))
        return self._finish(end, recording.frames_seen, 0)

    def live(
        self,
        sources: Sequence[Source],
        *,
        until: Callable[[float], bool],
        on_progress: OnProgress | None = None,
        kind: str = "live",
    ) -> Summary:
        """Live capture until ``until(session seconds)`` is true or every source has ended."""
        self._begin(kind, [])
        live = Live(self._lanes, self.clock)
        open_sources = len(sources)

        def marker(event: Marker) -> None:
            nonlocal open_sources
            if event.kind == "source.ended":
                open_sources -= 1
            self.recorder.marker(event)

        live.start()
        try:
            for source in sources:
                source.start(live)
            while not until(self.clock.now()) and open_sources > 0:
                self._pump(live, marker, on_progress, PUMP_S)
        finally:
            for source in sources:
                source.stop()
            end = self.clock.now()
            while self._pump(live, marker, on_progress, PUMP_S):
                pass
            live.stop()
        return self._finish(end, self.recorder.frames, live.frames_dropped + live.stale_frames)

    def _pump(
        self,
        live: Live,
        on_marker: Callable[[Marker], None],
        on_progress: OnProgress | None,
        timeout: float,
    ) -> bool:
        return live.pump(
            on_media=self._timed("clips", self.recorder.media),
            on_observations=self._observe(on_progress),
            on_marker=on_marker,
            timeout=timeout,
        )

    # Inside.

    def _wall(self, t: float) -> datetime:
        return self.clock.wall(t)

    def _consent(self, answers: Answers, recipients: Sequence[str]) -> dict[str, Any]:
        policy = self.plan.policy
        return {
            "policy": {
                "id": policy.id,
                "version": policy.version,
                "sha256": self.plan.policy_sha256,
            },
            "granted": dict(answers.granted),
            "how": answers.how,
            "text_sha256": answers.text_sha256(),
            "recipients": list(recipients),
            "agent": {"name": "open-proctor", "version": version("open-proctor")},
        }

    def _begin(self, source: str, missing: Sequence[tuple[str, str]]) -> None:
        for takes, why in missing:
            self.plan = self.plan.without([takes], why)
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
                        "kinds": [{"name": k.name, "title": k.title} for k in c.plugin.kinds],
                        "models": {m: digests[m] for m in c.models},
                    }
                    for c in self.plan.choices
                ],
                "not_measured": [
                    {"detector": n.detector, "kinds": list(n.kinds), "why": n.why, "mend": n.mend}
                    for n in self.plan.not_measured
                ],
            },
        )
        self.recorder.begin(0.0)

    def _observe(
        self, on_progress: OnProgress | None
    ) -> Callable[[float, Sequence[Observation]], None]:
        record = self._timed("evidence", self.recorder.observations)

        def observe(until: float, observations: Sequence[Observation]) -> None:
            record(until, observations)
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
            yield sample

    def _finish(self, end: float, frames_seen: int, frames_dropped: int) -> Summary:
        self.recorder.finish(end)
        why = self.recorder.not_measured()
        for absent in self.plan.not_measured:
            why |= {kind: {absent.why: round(end, 2)} for kind in absent.kinds}
        summary = Summary(
            seconds=end,
            frames_seen=frames_seen,
            frames_dropped=frames_dropped,
            not_measured_s={kind: round(sum(w.values()), 2) for kind, w in sorted(why.items())},
            not_measured_why=dict(sorted(why.items())),
            real_time_factor=end / max(1e-9, time.perf_counter() - self._wall_start),
            cpu_s=self._cpu_by_stage(),
            flags=len(self.recorder.flags),
            clips=self.recorder.sealed,
        )
        self.case.record("session.ended", {"t": round(end, 3), "summary": summary.as_dict()}, end)
        self.case.checkpoint()
        return summary

    def _cpu_by_stage(self) -> dict[str, float]:
        stages = dict(self._cpu)
        stages |= {station.plugin.name: station.cpu_s for station in self.stations}
        total = time.process_time() - self._cpu_start
        # MediaPipe works on threads of its own, which no stage's clock sees.
        stages["native threads and start"] = max(0.0, total - sum(stages.values()))
        stages["total"] = total
        return stages


def require_some_sensor(answers: Answers) -> None:
    """Raise :class:`InputError` when the student agreed to no sensor at all."""
    if not (answers.granted.get("camera") or answers.granted.get("microphone")):
        raise InputError(
            "Neither the camera nor the microphone was agreed to, so there is nothing to run. "
            "The policy's alternatives apply; nothing was recorded."
        )
