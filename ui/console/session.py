"""What a reviewer did since they began: how many looks, how long they took, how they ended.

For their own eyes only: nothing of it is kept or sent, and nobody is compared with anybody.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from proctor.evidence.decision import Verdict

# After so many looks, or so long, a pause is proposed. Chosen by us, to be easy on people; no study is
# behind the numbers.
LOOKS, MINUTES = 40, 45
# Who did nothing for so long has had their pause.
REST_S = 300.0


@dataclass
class Session:
    """Looks since the console was opened; moments are in seconds of a clock that only goes on."""

    began: float
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    taken: list[float] = field(default_factory=list)
    back: int = 0
    _run: int = 0
    _since: float = 0.0
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._since = self._last = self.began

    @property
    def looks(self) -> int:
        return sum(self.verdicts.values())

    @property
    def typical(self) -> float | None:
        """Seconds that half of the looks took at most; ``None`` before the first."""
        return median(self.taken) if self.taken else None

    def looked(self, verdict: Verdict, took: float, now: float) -> bool:
        """Count a look that took ``took`` seconds; whether it is time to propose a pause."""
        if now - self._last >= REST_S:
            self.rested(now)
        self.verdicts[verdict] += 1
        self.taken.append(took)
        self._run += 1
        self._last = now
        return self._run >= LOOKS or now - self._since >= MINUTES * 60

    def took_back(self) -> None:
        """Count a look that was taken back."""
        self.back += 1

    def rested(self, now: float) -> None:
        """A new run begins."""
        self._run, self._since, self._last = 0, now, now
