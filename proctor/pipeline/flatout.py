"""Recorded samples through the lanes as fast as the machine allows, with the same answer every time.

Samples are taken in ticks of half a second. Every lane works through its samples of a tick on its
own thread; the caller's thread meanwhile encodes. The observations of a tick are handed on in order
of time once every lane is through with it, so the result does not depend on which was faster.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError

from proctor.pipeline.detector import Said, Sample
from proctor.pipeline.runner import Lane, Station
from proctor.types import AudioChunk, Frame, Marker, Observation

TICK_S = 0.5
# Ticks in the air at once: enough to keep every lane busy, few enough to keep memory flat.
DEPTH = 3
HANG_S = 30.0

Job = tuple[Sequence[Sample | Marker], "Future[list[Said]]"]


class _Worker:
    """One lane's thread. A daemon, so that a stuck plug-in cannot keep the program from ending."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread
        self._start()

    def _start(self) -> None:
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(
            target=_work, args=(self.lane, self._jobs), name=f"lane-{self.lane.name}", daemon=True
        )
        self._thread.start()

    def submit(self, samples: Sequence[Sample | Marker]) -> Future[list[Said]]:
        future: Future[list[Said]] = Future()
        self._jobs.put((samples, future))
        return future

    def replace(self) -> None:
        """Leave the stuck thread behind; jobs it had not begun are lost with it."""
        self._start()

    def stop(self) -> None:
        self._jobs.put(None)
        self._thread.join(HANG_S)


def _work(lane: Lane, jobs: queue.SimpleQueue[Job | None]) -> None:
    while (job := jobs.get()) is not None:
        samples, future = job
        answers: list[Said] = []
        for sample in samples:
            answers += lane.mark(sample) if isinstance(sample, Marker) else lane.process(sample)
        try:
            future.set_result(answers)
        except InvalidStateError:
            return  # this thread was stuck and has been replaced


class FlatOut:
    """Drives lanes from an iterator of samples.

    ``on_media`` gets every sample in order (to be kept in the ring), ``on_observations`` the
    sorted observations up to a time that every lane has reached, ``on_marker`` neutral events (also
    what detectors answer to them), and ``on_lost`` a detector that was given up.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        *,
        on_media: Callable[[Sample], None],
        on_observations: Callable[[float, Sequence[Observation]], None],
        on_marker: Callable[[Marker], None],
        on_lost: Callable[[float, Station], None],
        hang_s: float = HANG_S,
    ) -> None:
        self._workers = [_Worker(lane) for lane in lanes]
        self._on_media = on_media
        self._on_observations = on_observations
        self._on_marker = on_marker
        self._on_lost = on_lost
        self._hang_s = hang_s
        self._air: deque[tuple[float, list[tuple[_Worker, Future[list[Said]]]]]] = deque()

    def run(self, samples: Iterable[Frame | AudioChunk | Marker]) -> float:
        """Work through ``samples``; returns the time at which they ended (s)."""
        end = 0.0
        tick: list[Sample | Marker] = []
        tick_end = TICK_S
        try:
            for sample in samples:
                if isinstance(sample, Marker):
                    self._on_marker(sample)
                if sample.t >= tick_end:
                    self._submit(tick_end, tick)
                    tick = []
                    tick_end = (sample.t // TICK_S + 1) * TICK_S
                tick.append(sample)
                if not isinstance(sample, Marker):
                    end = max(end, sample.end if isinstance(sample, AudioChunk) else sample.t)
            self._submit(max(end, tick_end - TICK_S), tick)
            while self._air:
                self._land()
        finally:
            for worker in self._workers:
                worker.stop()
        return end

    def _submit(self, until: float, tick: Sequence[Sample | Marker]) -> None:
        flights = []
        for worker in self._workers:
            wanted = Frame if worker.lane.takes == "frame" else AudioChunk
            mine = [s for s in tick if isinstance(s, (wanted, Marker))]
            if mine:
                flights.append((worker, worker.submit(mine)))
        self._air.append((until, flights))
        for sample in tick:
            if not isinstance(sample, Marker):
                self._on_media(sample)
        while len(self._air) >= DEPTH:
            self._land()

    def _land(self) -> None:
        until, flights = self._air.popleft()
        said: list[Said] = []
        for worker, future in flights:
            said += self._wait(worker, future, until)
        for marker in (s for s in said if isinstance(s, Marker)):
            self._on_marker(marker)
        answers = [s for s in said if isinstance(s, Observation)]
        answers.sort(key=lambda o: (o.t, o.kind))
        self._on_observations(until, answers)

    def _wait(self, worker: _Worker, future: Future[list[Said]], until: float) -> list[Said]:
        while True:
            try:
                return future.result(timeout=self._hang_s)
            except FutureTimeoutError:
                stuck = worker.lane.abandon_stuck(self._hang_s)
                if stuck is None:
                    continue  # slow, but moving
                worker.replace()
                self._on_lost(until, stuck)
                for waiting in [future, *self._waiting(worker)]:
                    if not waiting.done():
                        waiting.set_result([])
                return [*stuck.unknown(until, stuck.lost)]

    def _waiting(self, worker: _Worker) -> list[Future[list[Said]]]:
        """Jobs in the air that a replaced thread will never do."""
        return [f for _, flights in self._air for w, f in flights if w is worker]
