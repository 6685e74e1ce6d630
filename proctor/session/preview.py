"""A look at what the detectors see, before an exam: on the student's own devices, stored nowhere.

There is no ring, no clip, no flag and no case. What the student agreed to for the preview stands in a
small journal of its own before any device is opened (rule C3), and goes with the preview.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from policies.consent import Answers, Grant, issue
from policies.errors import GrantError
from policies.schema import PurposeName
from proctor.capture.source import Source
from proctor.clock import SessionClock
from proctor.errors import places
from proctor.evidence.journal import SOURCE, Journal
from proctor.pipeline.detector import Sample
from proctor.pipeline.live import Live
from proctor.pipeline.runner import Station, close_all, lanes
from proctor.session.arrangement import SENSOR
from proctor.session.capturing import Capture
from proctor.session.plan import Plan
from proctor.session.watching import Watching, nothing
from proctor.types import AudioChunk, Frame, Marker

_LOG = logging.getLogger("proctor.preview")

PREFIX = "open-proctor-preview-"
# The pump looks for the end this often when nothing arrives (s).
WAIT_S = 0.1
# Full scale of 16-bit samples; silence is shown as no less than this many decibels.
FULL_SCALE = 32768.0
QUIETEST_DBFS = -90.0


class Preview:
    """One preview. Make it once the student said yes to ``answers``; use it as a context manager.

    ``sources`` makes the devices from the preview itself, whose ``sensor`` gives their grants.
    """

    def __init__(
        self,
        plan: Plan,
        answers: Answers,
        sources: Callable[[Preview], Sequence[Source]],
        watching: Watching,
    ) -> None:
        granted = [purpose for purpose, yes in answers.granted.items() if yes]
        self.clock = SessionClock()
        self.plan = plan.agreed(granted, "not part of this preview")
        self._watching = watching
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._journal: Journal | None = None
        self.stations: list[Station] = []
        try:
            attempt = uuid.uuid4().hex
            journal = self._journal = Journal.create(
                self._folder / "journal.jsonl", attempt=attempt, wall=self.clock.wall
            )
            number = journal.append(
                "consent.recorded",
                {
                    "granted": dict(answers.granted),
                    "how": "preview",
                    "language": answers.language,
                    "text_sha256": answers.text_sha256(plan.policy),
                },
            )
            self.grants: dict[PurposeName, Grant] = issue(answers, f"{SOURCE}{attempt}#{number}")
            self.stations = self.plan.stations()
        except BaseException:
            self._forget()
            raise
        running = lanes(self.stations)
        for lane in running:
            lane.allowed = partial(self._may, SENSOR[lane.takes])
        self._live = Live(running, self.clock)
        self._capture = Capture(lambda: sources(self), self._live, self._may)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="preview", daemon=True)
        self.problem = ""

    def __enter__(self) -> Preview:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def sensor(self, purpose: PurposeName) -> Grant | None:
        """The live grant of a sensor, if it was agreed to for this preview."""
        grant = self.grants.get(purpose)
        return grant if grant is not None and grant.live else None

    def start(self) -> None:
        """Open the devices and begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Take every grant back, release the devices and forget everything; safe to call twice."""
        self._stop.set()
        for grant in self.grants.values():
            grant.withdraw()
        if self._thread.is_alive():
            self._thread.join()
        close_all(self.stations, nothing)
        self.stations = []
        self._forget()

    def _may(self, sensor: PurposeName) -> bool:
        return not self._stop.is_set() and self.sensor(sensor) is not None

    def _run(self) -> None:
        self._live.start()
        try:
            self._capture.open()
            # What still waits when every source has ended is shown as well.
            while not self._stop.is_set() and (self._pump() or not self._capture.over):
                pass
        except Exception as error:  # the window must hear of it; a thread has nobody else to tell
            if self._stop.is_set() and isinstance(error, GrantError):
                # Closed while the devices were being opened: that is what was wanted.
                return
            self.problem = str(error)
            _LOG.error("a preview ended: %s", places(error))
            self._watching.on_marker(
                Marker(self.clock.now(), "preview.ended", {"sentence": self.problem})
            )
        finally:
            self._capture.close()
            self._live.stop()

    def _pump(self) -> bool:
        return self._live.pump(
            on_media=self._media,
            on_observations=lambda until, seen: self._watching.on_seen(seen),
            on_marker=self._watching.on_marker,
            timeout=WAIT_S,
        )

    def _media(self, sample: Sample) -> None:
        if isinstance(sample, Frame):
            self._watching.on_frame(sample)
        elif isinstance(sample, AudioChunk):
            self._watching.on_level(level_dbfs(sample))

    def _forget(self) -> None:
        if self._journal is not None:
            self._journal.close()
        # Nothing but words are in it; on Windows an open handle may keep it a moment longer.
        shutil.rmtree(self._folder, ignore_errors=True)


def level_dbfs(chunk: AudioChunk) -> float:
    """Root mean square of a block in decibels below full scale (0 … -90)."""
    if not len(chunk.samples):
        return QUIETEST_DBFS
    power = float(np.mean(np.square(chunk.samples.astype(np.float64)))) / FULL_SCALE**2
    return max(QUIETEST_DBFS, 10.0 * math.log10(power)) if power > 0.0 else QUIETEST_DBFS


def forget_left_overs() -> int:
    """Remove what crashed previews left in the temporary folder; returns how many there were."""
    found = [path for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if path.is_dir()]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)
