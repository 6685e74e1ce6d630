"""Calibration for one student, in less than half a minute: where the screen is, the room's light and sound.

The same steps serve the terminal and a window: :meth:`Calibration.steps` gives one thing to do at a
time, and tells the detectors by milestones. It may be skipped at any moment, and left out: wider
limits hold then. What is learned stays in the detectors' memory; the journal gets a few numbers.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proctor.capture.milestones import CALIBRATION_BEGIN, CALIBRATION_END, CALIBRATION_POINT
from proctor.errors import InputError
from proctor.pipeline.detector import CALIBRATED

if TYPE_CHECKING:
    from proctor.session.session import Session

# Which plug-in learns what.
LEARNERS: Mapping[str, str] = {
    "gaze": "gaze",
    "lighting": "light",
    "speech": "voice",
    "speaker": "own_voice",
}
QUIET_S = 5.0
POINT_S = 1.6
# Eight seconds of clear speech are needed, and who reads aloud pauses for breath.
READ_S = 12.0
READ = (
    "Read this aloud, or say anything else for {seconds:g} seconds: This is my own voice. I am sitting in "
    "my room, and I may take a break when I need one. The tea is warm, the window is closed, and the "
    "clock on the wall is five minutes slow."
)
# Detectors answer with the next sample; a slow machine takes a second for it.
ANSWER_S = 3.0
# The first picture comes this long after a camera was opened, at most (Windows takes ten seconds).
FIRST_PICTURE_S = 15.0
# Five points and the middles of the four edges, in fractions of the screen, from the top left.
MIDDLE = (0.5, 0.5)
AROUND: Mapping[tuple[float, float], str] = {
    (0.0, 0.0): "the top left corner",
    (1.0, 0.0): "the top right corner",
    (1.0, 1.0): "the bottom right corner",
    (0.0, 1.0): "the bottom left corner",
    (0.0, 0.5): "the middle of the left edge",
    (1.0, 0.5): "the middle of the right edge",
    (0.5, 0.0): "the middle of the top edge",
    (0.5, 1.0): "the middle of the bottom edge",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do for ``seconds``; show ``point`` (fractions of the screen) where there is one.

    ``say`` is empty while the step before goes on. ``number`` of ``count`` points are done.
    """

    say: str
    seconds: float
    point: tuple[float, float] | None
    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one calibration went, in a sentence."""

    what: str
    done: bool
    sentence: str


class Calibration:
    """The steps for one running session.

    ``lead_s``: time to read where to look, before looking there counts (a terminal needs it).
    """

    def __init__(
        self,
        session: Session,
        *,
        lead_s: float = 0.0,
        quiet_s: float = QUIET_S,
        point_s: float = POINT_S,
    ) -> None:
        self._session = session
        self._lead_s, self._quiet_s, self._point_s = lead_s, quiet_s, point_s
        running = [choice.plugin.name for choice in session.plan.choices]
        self.senses = tuple(sense for name, sense in LEARNERS.items() if name in running)
        self._open: list[str] = []

    @property
    def seconds(self) -> float:
        """How long all steps take."""
        points = len(AROUND) * (self._lead_s + self._point_s) if "gaze" in self.senses else 0.0
        reading = READ_S if "own_voice" in self.senses else 0.0
        return self._quiet_s + points + reading if self.senses else 0.0

    def steps(self) -> Generator[Step, None, None]:
        """Do each step for its seconds, then ask for the next. Closing it early skips the rest.

        Raises :class:`proctor.errors.InputError` when no live exam is running (any more).
        """
        if not self.senses:
            return
        eyes = "gaze" in self.senses
        count = 1 + len(AROUND) if eyes else 1
        for sense in self.senses:
            self._session.calibrated.pop(sense, None)
            self._mark(CALIBRATION_BEGIN, what=sense)
            self._open.append(sense)
        try:
            if eyes:
                self._point(*MIDDLE, self._quiet_s)
            where = "Look at the middle of the screen, sit" if eyes else "Sit"
            yield Step(
                f"{where} as you will in the exam, and be quiet for {self._quiet_s:g} seconds.",
                self._quiet_s, MIDDLE if eyes else None, 1, count,
            )  # fmt: skip
            for sense in [s for s in self._open if s not in ("gaze", "own_voice")]:
                self._end(sense)
            if eyes:
                yield from self._around(count)
            if "own_voice" in self.senses:
                yield Step(READ.format(seconds=READ_S), READ_S, None, count, count)
        finally:
            # Skipped: what was begun ends, unless the exam has ended and nobody is left to be told.
            with suppress(InputError):
                for sense in list(self._open):
                    self._end(sense)

    def _around(self, count: int) -> Iterator[Step]:
        for number, (point, name) in enumerate(AROUND.items(), 2):
            say = f"Now look at {name} of the screen."
            if self._lead_s:
                yield Step(say, self._lead_s, point, number, count)
                say = ""
            self._point(*point, self._point_s)
            yield Step(say, self._point_s, point, number, count)

    def outcomes(self, patience_s: float = ANSWER_S) -> tuple[Outcome, ...]:
        """How each calibration went; waits for the detectors' answers, at most ``patience_s``."""
        deadline = time.monotonic() + patience_s
        answered = self._session.calibrated
        while time.monotonic() < deadline and not set(self.senses) <= set(answered):
            time.sleep(0.05)
        return tuple(self._outcome(sense, answered.get(sense)) for sense in self.senses)

    def _outcome(self, sense: str, answer: Mapping[str, Any] | None) -> Outcome:
        if answer is None:
            return Outcome(
                sense, False, f"Nothing was learned of your {NAMES[sense]}: its device is off."
            )
        return Outcome(sense, answer.get("done") is True, str(answer.get("sentence", "")))

    def _point(self, x: float, y: float, seconds: float) -> None:
        self._mark(CALIBRATION_POINT, x=x, y=y, seconds=seconds)

    def _end(self, sense: str) -> None:
        self._open.remove(sense)
        self._mark(CALIBRATION_END, what=sense)

    def _mark(self, kind: str, **data: object) -> None:
        self._session.mark(kind, data)


NAMES: Mapping[str, str] = {
    "gaze": "screen",
    "light": "light",
    "voice": "room's sound",
    "own_voice": "own voice",
}


def forgotten(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a case's journal says was learned before a crash, and nobody knows any more."""
    learned: dict[str, bool] = {}
    for record in records:
        data = record.get("data")
        if record.get("type") != "marker" or not isinstance(data, Mapping):
            continue
        told = data.get("data")
        if data.get("kind") == CALIBRATED and isinstance(told, Mapping):
            learned[str(told.get("what"))] = told.get("done") is True
    return [what for what, done in learned.items() if done and what in NAMES]


def forgotten_sentence(what: str) -> str:
    """The sentence for one of :func:`forgotten`."""
    return (
        f"What was learned of your {NAMES[what]} went with the program's restart: wider limits hold. "
        f"You can calibrate again."
    )
