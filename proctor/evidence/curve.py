"""Scores of one kind laid over a whole session, in a fixed number of columns a picture can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# A strip is at most about 1000 pixels wide, and no eye tells finer columns apart.
COLUMNS = 720


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the session, in session seconds."""

    start: float
    end: float


@dataclass(slots=True)
class Coverage:
    """What was measured when, and the highest score in each column.

    A column counts as measured when at least half of its time was; a score is kept even where less
    was, so that no peak is ever lost to the drawing.
    """

    seconds: float
    _peak: list[float | None] = field(init=False)
    _measured: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._peak = [None] * COLUMNS
        self._measured = [0.0] * COLUMNS

    @property
    def width(self) -> float:
        """Seconds in one column."""
        return self.seconds / COLUMNS

    def add(self, t0: float, step: float, scores: Sequence[float | None]) -> None:
        """Scores from ``t0`` on, each standing for ``step`` seconds; ``None`` is *not measured*."""
        if self.seconds <= 0.0:
            return
        width = self.width
        for place, score in enumerate(scores):
            start = t0 + place * step
            if start >= self.seconds:
                return
            if score is None:
                continue
            end = min(start + step, self.seconds)
            first = int(start / width)
            last = min(int(end / width), COLUMNS - 1)
            for column in range(first, last + 1):
                within = min(end, (column + 1) * width) - max(start, column * width)
                # Rounding can touch a neighbouring column by nothing at all.
                if within <= width * 1e-6:
                    continue
                self._measured[column] += within
                before = self._peak[column]
                self._peak[column] = score if before is None else max(before, score)

    def columns(self) -> tuple[float | None, ...]:
        """The highest score of each column, ``None`` where nothing was measured."""
        return tuple(self._peak)

    def excuse(self, span: Span) -> None:
        """Count a break as neither measured nor not: its columns are no longer *not measured*."""
        for column in range(COLUMNS):
            within = min(span.end, (column + 1) * self.width) - max(span.start, column * self.width)
            if within > 0.0:
                self._measured[column] += within

    def unmeasured(self) -> tuple[Span, ...]:
        """Stretches of columns of which less than half was measured."""
        spans: list[Span] = []
        start: int | None = None
        for column in range(COLUMNS + 1):
            empty = column < COLUMNS and self._measured[column] < 0.5 * self.width
            if empty and start is None:
                start = column
            if not empty and start is not None:
                spans.append(Span(start * self.width, column * self.width))
                start = None
        return tuple(spans) if self.seconds > 0.0 else ()

    def unmeasured_s(self) -> float:
        """Seconds that nobody measured."""
        return max(0.0, self.seconds - sum(min(m, self.width) for m in self._measured))
