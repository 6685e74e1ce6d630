"""Runs detectors on samples: which one, when, on what thread, and what happens when one misbehaves.

Detectors that share a network run in one *lane* (a thread), so that one inference serves them all
and a slow network never delays another lane. A detector that raises, answers nonsense or hangs is
contained: its kinds become *unknown*, the others go on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from proctor.pipeline.detector import CALIBRATED, Detector, HearsMarkers, Plugin, Said, Sample
from proctor.types import Frame, Marker, Observation

# A detector that fails this often in a row is left out for the rest of the session.
MAX_FAILURES = 5
# More observations than this from one look is a flood, not an answer.
MAX_OBSERVATIONS = 256
# A marker that a detector answers with holds this many values of this length at most.
MAX_VALUES = 24
MAX_TEXT = 300
# An audio detector may date what it heard back to where it began, but no further than this.
MAX_BACKDATE_S = 15.0
# Half a camera interval at 10 frames a second: a frame this close to its due time is on time.
DUE_TOLERANCE_S = 0.05


def _always() -> bool:
    return True


class _Closed:
    """Stands where a detector was, so that nothing keeps what it knew in memory."""

    def update(self, sample: Sample) -> Sequence[Observation]:
        return ()

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Station:
    """One running detector: its schedule, its failures, its cost.

    ``allowed`` is asked before every look, besides its lane's: whether the student's word covers
    what this plug-in needs besides the sensor.
    """

    plugin: Plugin
    detector: Detector
    period: float = 0.0
    next_due: float = float("-inf")
    failures: int = 0
    lost: str = ""
    looks: int = 0
    busy_s: float = 0.0
    cpu_s: float = 0.0
    looking_since: float | None = None
    # Set from any thread: the next look comes after a gap, and history must be forgotten first.
    after_gap: bool = False
    allowed: Callable[[], bool] = _always
    # What the detector said when it could not be closed.
    close_problem: str = ""
    _closing: bool = False
    _in_use: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.period = self.plugin.period

    def due(self, t: float) -> bool:
        return not self.lost and t >= self.next_due - DUE_TOLERANCE_S

    def look(self, sample: Sample) -> list[Observation]:
        """One contained look; never raises and never returns a score that is not a score."""
        answers = self._alone(lambda: self._look(sample))
        return [answer for answer in answers if isinstance(answer, Observation)]

    def mark(self, marker: Marker) -> list[Said]:
        """Tell the detector of a milestone, if it wants to hear of them; contained as a look is."""
        if self.lost or not isinstance(self.detector, HearsMarkers):
            return []
        hear = self.detector.mark
        return self._alone(lambda: self._contained(marker.t, hear, marker, self._problem_of_mark))

    def _alone(self, call: Callable[[], list[Said]]) -> list[Said]:
        """What ``call`` answers, with the detector in use by nobody else."""
        with self._in_use:
            answers = call()
        if self._closing:
            # Withdrawn while it looked: nobody learns what it saw.
            self._close_unless_in_use()
            return []
        return answers

    @property
    def closed(self) -> bool:
        """Whether the detector is closed, or will be when its look under way ends."""
        return self._closing

    def retire(self, why: str) -> None:
        """Close the detector for good and let go of it; from any thread.

        At once, or at the end of the look that is under way.
        """
        self.lost = self.lost or why
        self.close()

    def close(self) -> None:
        """Free what the detector holds; one that is stuck in native code, once it comes back."""
        self._closing = True
        self._close_unless_in_use()

    def _close_unless_in_use(self) -> None:
        if not self._in_use.acquire(blocking=False):
            return  # the look under way does it when it ends: `_closing` is set already
        try:
            gone, self.detector = self.detector, _Closed()
            gone.close()
        except Exception as error:
            self.close_problem = f"{error}"
        finally:
            self._in_use.release()

    def _look(self, sample: Sample) -> list[Said]:
        # The grid is kept (no drift) unless time jumped by more than one period.
        expected = self.next_due + self.period
        self.next_due = expected if expected > sample.t else sample.t + self.period
        self.looks += 1
        unfit = _unfit(sample)
        if unfit:
            return [*self.unknown(sample.t, unfit)]
        return self._contained(sample.t, self.detector.update, sample, self._problem)

    def _contained(
        self,
        t: float,
        call: Callable[[Any], Sequence[Said]],
        given: Sample | Marker,
        judge: Callable[[float, Sequence[Any]], str],
    ) -> list[Said]:
        """What ``call`` answers, or *unknown* for every kind when it fails."""
        if self.after_gap:
            self.after_gap = False
            self._reset()
            if self.lost:
                return [*self.unknown(t, self.lost)]
        wall, cpu = time.perf_counter(), time.thread_time()
        self.looking_since = time.monotonic()
        try:
            answers = list(call(given))
            problem = judge(t, answers)
        except Exception as error:  # a plug-in may raise anything; its kinds become unknown
            answers, problem = [], f"{type(error).__name__}: {error}"
        self.looking_since = None
        self.busy_s += time.perf_counter() - wall
        self.cpu_s += time.thread_time() - cpu
        if not problem:
            self.failures = 0
            return answers
        self.failures += 1
        if self.failures >= MAX_FAILURES:
            self.lost = f"switched off after {MAX_FAILURES} failures in a row ({problem})"
        else:
            self._reset()
        return [*self.unknown(t, f"the detector failed ({problem})")]

    def unknown(self, t: float, reason: str) -> list[Observation]:
        """*Could not tell*, for every kind of this detector."""
        return [
            Observation(t, kind.name, None, self.plugin.name, quality=0.0, reason=reason)
            for kind in self.plugin.kinds
        ]

    def _reset(self) -> None:
        try:
            self.detector.reset()
        except Exception as error:
            self.lost = f"switched off: it failed and could not be reset ({error})"

    def _problem_of_mark(self, t: float, answers: Sequence[Any]) -> str:
        for answer in answers:
            if isinstance(answer, Marker) and not _is_result(answer):
                return f"answered a marker with the marker {answer.kind!r:.60}"
        return self._problem(t, [a for a in answers if not isinstance(a, Marker)])

    def _problem(self, t: float, answers: Sequence[Any]) -> str:
        if len(answers) > MAX_OBSERVATIONS:
            return f"{len(answers)} observations from one look"
        declared = {kind.name for kind in self.plugin.kinds}
        for answer in answers:
            if not isinstance(answer, Observation):
                return f"answered with a {type(answer).__name__}"
            if answer.kind not in declared:
                return f"answered with the undeclared kind {answer.kind}"
            if answer.score is not None and not 0.0 <= answer.score <= 1.0:
                return f"answered with the score {answer.score}"
            if not math.isfinite(answer.t) or abs(answer.t - t) > MAX_BACKDATE_S:
                return f"answered with the time {answer.t}"
        return ""


def _unfit(sample: Sample) -> str:
    """Why no detector can be shown ``sample``: a picture in another format than they are promised.

    A picture of floating-point numbers could hold NaN, which is brighter than nothing and darker
    than nothing: a detector that compares would say that it looked and saw nothing.
    """
    if not isinstance(sample, Frame):
        return ""
    image = sample.image
    if image.dtype != np.uint8:
        return f"the picture is of {image.dtype} numbers, not of bytes"
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        return f"the picture is {'×'.join(map(str, image.shape))}, not height × width × 3 colours"
    return ""


def _is_result(marker: Marker) -> bool:
    """Whether a detector's marker is one that it may answer with: few, short and plain values."""
    return (
        marker.kind == CALIBRATED
        and math.isfinite(marker.t)
        and len(marker.data) <= MAX_VALUES
        and all(isinstance(name, str) and _is_plain(value) for name, value in marker.data.items())
    )


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return len(value) <= MAX_TEXT
    return isinstance(value, bool | int)


@dataclass(slots=True)
class Lane:
    """Detectors that run on one thread, most overdue first.

    ``allowed`` is asked before every look: without leave of the student nothing is looked at, not
    even a sample that is on its way already.
    """

    name: str
    takes: str
    stations: list[Station]
    allowed: Callable[[], bool] = _always

    def process(
        self, sample: Sample, fresh: Callable[[Sample], bool] | None = None
    ) -> list[Observation]:
        """Every due detector looks at ``sample``; the rest wait once it is no longer ``fresh``."""
        answers: list[Observation] = []
        for station in sorted(self.stations, key=lambda s: s.next_due):
            if not station.due(sample.t):
                continue
            if not self.allowed() or (fresh is not None and not fresh(sample)):
                break
            if not station.allowed():
                continue
            answers += station.look(sample)
        return answers

    def mark(self, marker: Marker) -> list[Said]:
        """Tell every detector of a milestone, unless the student's leave has ended."""
        return [
            answer
            for station in self.stations
            if self.allowed() and station.allowed()
            for answer in station.mark(marker)
        ]

    def abandon_stuck(self, after_s: float) -> Station | None:
        """Give up the station that has been looking for longer than ``after_s``, if there is one."""
        now = time.monotonic()
        for station in self.stations:
            since = station.looking_since
            if since is not None and now - since > after_s and not station.lost:
                station.lost = f"switched off: one look took longer than {after_s:g} s"
                return station
        return None

    def due(self, t: float) -> bool:
        return any(station.due(t) for station in self.stations)


def lanes(stations: Sequence[Station]) -> list[Lane]:
    """Group stations into lanes: those with a network in common together, those without any together.

    All audio detectors share one lane, because each must see every sample in order.
    """
    audio = [s for s in stations if s.plugin.takes == "audio"]
    groups: list[tuple[set[str], list[Station]]] = []
    for station in (s for s in stations if s.plugin.takes == "frame"):
        # "" joins the detectors that need no network.
        wanted = {*station.plugin.models, *station.plugin.optional_models} or {""}
        joined = [g for g in groups if g[0] & wanted]
        merged = (wanted.union(*(g[0] for g in joined)), [s for g in joined for s in g[1]])
        merged[1].append(station)
        groups = [g for g in groups if not any(g is j for j in joined)] + [merged]
    result = [Lane("+".join(s.plugin.name for s in group), "frame", group) for _, group in groups]
    if audio:
        result.append(Lane("+".join(s.plugin.name for s in audio), "audio", audio))
    return result


def close_all(stations: Sequence[Station], problem: Callable[[str], None]) -> None:
    """Close every detector; what one says while closing is passed to ``problem``."""
    for station in stations:
        station.close()
        if station.close_problem:
            problem(
                f"The detector '{station.plugin.name}' did not close cleanly: "
                f"{station.close_problem}."
            )
