"""Live samples through the lanes: the newest frame wins, nothing queues, nobody waits for anybody.

Each lane has a thread that takes the newest camera frame; audio goes to its lane in order. What
detectors say, every sample for the ring, and every event arrive in one inbox, which a single thread
(the evidence writer) drains with :meth:`Live.pump`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from proctor.capture.slot import Slot
from proctor.clock import SessionClock
from proctor.pipeline.detector import Said, Sample
from proctor.pipeline.runner import Lane, Station
from proctor.types import AudioChunk, Frame, Marker, Observation

# A frame older than this is not worth judging; the next one is on its way.
MAX_AGE_S = 0.150
HANG_S = 5.0
WATCH_S = 0.5
# Samples that may wait for the evidence writer (a frame is about 1 MB): five seconds of frames.
MAX_WAITING_FRAMES = 50
# A minute of audio may wait for its lane before the oldest is given up and marked as a gap.
MAX_WAITING_CHUNKS = 600
# Milestones that may wait for a lane; a page that posts more a quarter of a second is not heard.
MAX_WAITING_MARKERS = 100
# The detectors together may keep this share of all cores busy before the costliest is slowed down.
MAX_LOAD = 0.7
SLOWDOWN = 1.5
MAX_SLOWDOWN = 4.0
LOAD_WINDOW_S = 10.0

Item = Frame | AudioChunk | Marker | tuple[float, Sequence[Observation]]


class Live:
    """A sink for capture sources, and the threads that judge what they deliver."""

    def __init__(self, lanes: Sequence[Lane], clock: SessionClock, hang_s: float = HANG_S) -> None:
        self._lanes = lanes
        self._clock = clock
        self._hang_s = hang_s
        self._slot: Slot[Frame] = Slot()
        self._audio: queue.Queue[AudioChunk] = queue.Queue(MAX_WAITING_CHUNKS)
        self._inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._milestones: dict[str, deque[Marker]] = {
            lane.name: deque(maxlen=MAX_WAITING_MARKERS) for lane in lanes
        }
        self._waiting = 0
        self._waiting_lock = threading.Lock()
        self._lost_audio_s = 0.0
        self._stop = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        self.stale_frames = 0
        self.ring_dropped = 0

    # What capture sources call.

    def frame(self, frame: Frame) -> None:
        """The newest camera frame; never blocks."""
        self._slot.put(frame)
        with self._waiting_lock:
            if self._waiting >= MAX_WAITING_FRAMES:
                self.ring_dropped += 1
                return
            self._waiting += 1
        self._inbox.put(frame)

    def audio(self, chunk: AudioChunk) -> None:
        """The next audio; never blocks. What cannot be kept is marked as a gap, never hidden."""
        if self._lost_audio_s:
            chunk = AudioChunk(
                chunk.t, chunk.seq, chunk.samples, chunk.rate, chunk.gap + self._lost_audio_s
            )
        try:
            self._audio.put_nowait(chunk)
            self._lost_audio_s = 0.0
        except queue.Full:
            self._lost_audio_s += len(chunk.samples) / chunk.rate
        self._inbox.put(chunk)

    def event(self, marker: Marker) -> None:
        """A milestone: for the journal, and for every lane's detectors in order of time."""
        for waiting in self._milestones.values():
            waiting.append(marker)
        self._inbox.put(marker)

    # What the session calls.

    def forget_frames(self) -> None:
        """Let go of the frame that waits for the detectors."""
        self._slot.empty()

    def forget_audio(self) -> None:
        """Let go of the sound that waits for the detectors; it is no gap, nobody was to hear it."""
        self._lost_audio_s = 0.0
        while True:
            try:
                self._audio.get_nowait()
            except queue.Empty:
                return

    def start(self) -> None:
        for lane in self._lanes:
            self._launch(lane)
        self._threads["watchdog"] = threading.Thread(
            target=self._watch, name="watchdog", daemon=True
        )
        self._threads["watchdog"].start()

    def stop(self) -> None:
        """End every thread; one that is stuck in a plug-in is left behind (they are daemons)."""
        self._stop.set()
        self._slot.close()
        for thread in list(self._threads.values()):
            thread.join(1.0)

    def pump(
        self,
        *,
        on_media: Callable[[Sample], None],
        on_observations: Callable[[float, Sequence[Observation]], None],
        on_marker: Callable[[Marker], None],
        timeout: float,
    ) -> bool:
        """Hand on one thing from the inbox; ``False`` when nothing came within ``timeout`` seconds."""
        try:
            item = self._inbox.get(timeout=timeout)
        except queue.Empty:
            return False
        if isinstance(item, Frame):
            with self._waiting_lock:
                self._waiting -= 1
            on_media(item)
        elif isinstance(item, AudioChunk):
            on_media(item)
        elif isinstance(item, Marker):
            on_marker(item)
        else:
            on_observations(*item)
        return True

    @property
    def frames_dropped(self) -> int:
        """Frames that no detector ever took because a newer one came first."""
        return self._slot.dropped

    # Threads.

    def _launch(self, lane: Lane) -> None:
        loop = self._watch_frames if lane.takes == "frame" else self._listen
        thread = threading.Thread(target=loop, args=(lane,), name=f"lane-{lane.name}", daemon=True)
        self._threads[lane.name] = thread
        thread.start()

    def _mine(self, lane: Lane) -> bool:
        """Whether the calling thread still is the lane's thread (it is replaced when it hung)."""
        return (
            not self._stop.is_set() and self._threads.get(lane.name) is threading.current_thread()
        )

    def _fresh(self, sample: Sample) -> bool:
        return self._clock.now() - sample.t <= MAX_AGE_S

    def _watch_frames(self, lane: Lane) -> None:
        serial = 0
        while self._mine(lane):
            newest = self._slot.newest(serial, timeout=0.25)
            self._tell(lane, None if newest is None else newest[1].t)
            if newest is None:
                continue
            serial, frame = newest
            if not lane.due(frame.t):
                continue
            if not self._fresh(frame):
                self.stale_frames += 1
                continue
            self._say(lane, frame.t, lane.process(frame, self._fresh))

    def _listen(self, lane: Lane) -> None:
        while self._mine(lane):
            try:
                chunk = self._audio.get(timeout=0.25)
            except queue.Empty:
                self._tell(lane, None)
                continue
            self._tell(lane, chunk.t)
            self._say(lane, chunk.end, lane.process(chunk))

    def _tell(self, lane: Lane, upto: float | None) -> None:
        """Tell the lane's detectors of the milestones up to a sample's time, or of all that wait."""
        waiting = self._milestones[lane.name]
        while waiting and (upto is None or waiting[0].t <= upto):
            marker = waiting.popleft()
            self._say(lane, marker.t, lane.mark(marker))

    def _say(self, lane: Lane, t: float, said: Sequence[Said]) -> None:
        if not self._mine(lane):
            return
        for marker in (s for s in said if isinstance(s, Marker)):
            self._inbox.put(marker)
        answers = [s for s in said if isinstance(s, Observation)]
        if answers:
            self._inbox.put((t, answers))

    def _watch(self) -> None:
        """Replace lanes that hang or died, and slow the costliest detector when the machine is full."""
        began = time.monotonic()
        busy_before: dict[str, float] = {}
        while not self._stop.wait(WATCH_S):
            for lane in self._lanes:
                stuck = lane.abandon_stuck(self._hang_s)
                thread = self._threads[lane.name]
                if stuck is None and thread.is_alive():
                    continue
                now = self._clock.now()
                sentence = stuck.lost if stuck else "its thread had ended and was started again"
                self._inbox.put(
                    Marker(now, "detector.restarted", {"lane": lane.name, "sentence": sentence})
                )
                if stuck is not None:
                    self._inbox.put((now, stuck.unknown(now, stuck.lost)))
                self._launch(lane)
            elapsed = time.monotonic() - began
            if elapsed >= LOAD_WINDOW_S:
                self._slow_down(elapsed, busy_before)
                began = time.monotonic()

    def _slow_down(self, elapsed: float, before: dict[str, float]) -> None:
        stations = [s for lane in self._lanes for s in lane.stations if not s.lost]
        spent = {s.plugin.name: s.busy_s - before.get(s.plugin.name, 0.0) for s in stations}
        before.update({s.plugin.name: s.busy_s for s in stations})
        if sum(spent.values()) / elapsed <= MAX_LOAD * (os.cpu_count() or 1):
            return
        slower = self._slowest(stations)
        if slower is None:
            return
        slower.period *= SLOWDOWN
        self._inbox.put(
            Marker(
                self._clock.now(),
                "rate.lowered",
                {
                    "detector": slower.plugin.name,
                    "sentence": f"This computer is busy: {slower.plugin.name} now looks every "
                    f"{slower.period:.2f} s instead of every {slower.plugin.period:g} s.",
                },
            )
        )

    @staticmethod
    def _slowest(stations: Sequence[Station]) -> Station | None:
        """The detector with the costliest single look that may still be slowed down."""
        able = [
            s
            for s in stations
            if s.plugin.takes == "frame"
            and s.looks
            and s.period < s.plugin.period * MAX_SLOWDOWN / SLOWDOWN
        ]
        return max(able, key=lambda s: s.busy_s / s.looks, default=None)
