"""Many observations of one kind at once: what a rule makes of them, and when nobody measured.

A rule that is idle is not changed by an observation below its threshold, but for the time that it counts.
So a recorded series need not be fed whole: :func:`flags_of` passes over idle stretches and feeds the
rest to the very :class:`~proctor.pipeline.rules.Rule` of an exam. The flags are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from proctor.pipeline.rules import FlagEvent, Rule
from proctor.types import Observation

Floats = npt.NDArray[np.float64]


def flags_of(
    rule: Rule,
    times: Floats,
    scores: Floats,
    observation: Callable[[int], Observation],
    end: float,
) -> list[FlagEvent]:
    """What ``rule`` opens and closes over a session from second 0 to ``end``.

    ``times`` and ``scores`` (NaN: unknown) have shape [n], in the order in which they were observed;
    ``observation(i)`` gives the whole of one, and is asked only for those that matter.
    """
    rule.begin(0.0)
    events: list[FlagEvent] = []
    # Time that runs backwards is counted from its latest point, so everything before it matters.
    skips = bool(np.all(np.diff(times) >= 0.0)) and (len(times) == 0 or times[0] >= 0.0)
    seen = np.flatnonzero(scores >= rule.settings.on)
    feed, n, i = rule.feed, len(times), 0
    while i < n:
        if skips and rule.idle:
            at = int(np.searchsorted(seen, i))
            if at == len(seen):
                break
            # The one before is fed, too: from it the time runs that passes until the next.
            i = max(i, int(seen[at]) - 1)
        events += feed(observation(i))
        i += 1
    return events + rule.finish(end)


def unmeasured(
    times: Floats, scores: Floats, stale_after_s: float, end: float
) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """The stretches that a rule counts as not measured, from second 0 to ``end``.

    Returns their starts, their ends and the observations that they follow (-1: none), each of shape
    [m]. As in :class:`~proctor.pipeline.rules.Rule`: a known score stands for ``stale_after_s``, an
    unknown one for no time at all, and time never runs backwards.
    """
    now = np.maximum.accumulate(np.concatenate([[0.0], times]))
    after = np.concatenate([now[1:], [max(end, float(now[-1]))]])
    passed = after - now
    known = np.concatenate([[False], ~np.isnan(scores)])
    held = np.where(known, np.minimum(passed, stale_after_s), 0.0)
    gaps = np.flatnonzero(passed > held)
    return now[gaps] + held[gaps], after[gaps], gaps - 1
