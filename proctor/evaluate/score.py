"""One recording through the agent's own path, up to what the detectors said.

Capture, plug-ins, lanes, cadence and networks are those of :meth:`proctor.session.session.Session.replay`;
only what comes after the detectors is left out: rules run later, on what is kept here.
"""

from __future__ import annotations

import ctypes
import gc
import heapq
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from policies.consent import Grant, accept_all, issue
from proctor.capture.replay import Item, Recording
from proctor.errors import ProctorError
from proctor.evaluate.cache import Facts, Writer
from proctor.evaluate.recipe import Part, Recipe, plan_of
from proctor.pipeline.detector import Sample
from proctor.pipeline.flatout import FlatOut
from proctor.pipeline.runner import Station, close_all, lanes
from proctor.session.plan import Plan
from proctor.session.session import FPS
from proctor.types import AudioChunk, Frame, Marker, Observation

# Second of the recording that is reached; called about twice a second of it.
OnReached = Callable[[float], None]
NO_PICTURE = "the recording has no picture"
NO_SOUND = "the recording has no sound"


@dataclass(frozen=True, slots=True)
class Task:
    """One recording, and the detectors whose scores are wanted of it (whole lanes of them)."""

    session: str
    media: str
    sound: str
    recipe: Recipe
    wanted: tuple[str, ...]
    facts: bool


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of a task: files for the cache by name, or in ``failed`` a sentence why there are none."""

    session: str
    files: Mapping[str, bytes]
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_memory: int = 0
    machine: str = ""
    failed: str = ""
    lost: tuple[str, ...] = ()


class Played:
    """A recording, or pictures and sound in two files that began together, posing as one."""

    def __init__(self, media: Path, sound: Path | None = None) -> None:
        self._media = Recording.open(media)
        self._sound = Recording.open(sound) if sound else None
        self.has_video = self._media.has_video
        # The sound that was recorded apart counts; a camera's own beside it is not heard as well.
        self.has_audio = (self._sound or self._media).has_audio
        lengths = [r.duration for r in (self._media, self._sound) if r and r.duration]
        self.duration = max(lengths, default=None)

    def samples(
        self, camera: Grant | None, microphone: Grant | None
    ) -> Generator[Item, None, None]:
        """As :meth:`Recording.samples` at an exam's rate."""
        if self._sound is None:
            yield from self._media.samples(camera=camera, microphone=microphone, fps=FPS)
            return
        tracks = [
            self._media.samples(camera=camera, microphone=None, fps=FPS),
            self._sound.samples(camera=None, microphone=microphone, fps=FPS),
        ]
        yield from heapq.merge(*tracks, key=lambda item: item.t)


def facts_name(recipe: Recipe) -> str:
    """The file of a recording's facts: they depend on which sensors are played."""
    return f"{recipe.media_key}-{'-'.join(recipe.sensors)}.json"


def file_name(part: Part) -> str:
    """The file of one detector's scores."""
    return f"{part.plugin}-{part.key}.parquet"


def score(task: Task, on_reached: OnReached | None = None) -> Scored:
    """Play the task's recording through its detectors. Never raises for what a file or machine may cause."""
    began = time.process_time()
    try:
        scored = _score(task, on_reached or (lambda t: None))
    except ProctorError as error:
        return Scored(task.session, {}, failed=str(error), machine=machine())
    except (OSError, MemoryError) as error:
        why = f"{Path(task.media).name} could not be scored: {type(error).__name__}: {error}."
        return Scored(task.session, {}, failed=why, machine=machine())
    finally:
        give_back()
    files, seconds, lost = scored
    return Scored(
        task.session,
        files,
        seconds,
        time.process_time() - began,
        peak_memory(),
        machine(),
        lost=lost,
    )


def _score(task: Task, on_reached: OnReached) -> tuple[dict[str, bytes], float, tuple[str, ...]]:
    played = Played(Path(task.media), Path(task.sound) if task.sound else None)
    has = {"frame": played.has_video, "audio": played.has_audio}
    plan = plan_of(task.recipe)
    parts = {p.plugin: p for p in task.recipe.parts if p.plugin in task.wanted and has[p.takes]}
    stations = _stations(plan, parts)
    sensors = {p.takes for p in parts.values()} | set(task.recipe.sensors if task.facts else ())
    run = _Run(stations, sensors, played, plan)
    with tempfile.TemporaryDirectory(prefix="proctor-scores-") as folder:
        paths = {name: Path(folder) / f"{name}.parquet" for name in parts}
        writers = {name: Writer(path, parts[name].kinds) for name, path in paths.items()}
        end = run.play(writers, on_reached)
        for station in stations:
            writers[station.plugin.name].close(station.lost)
        # What hung once may not hang again: that is no score to keep.
        hung = {station.plugin.name for station in run.hung}
        lanes_hung = {parts[name].lane for name in hung}
        files = {
            file_name(part): paths[name].read_bytes()
            for name, part in parts.items()
            if part.lane not in lanes_hung
        }
    if task.facts:
        facts = Facts(
            played.has_video, played.has_audio, end, run.frames, run.audio_s, tuple(run.problems)
        )
        files[facts_name(task.recipe)] = facts.to_json()
    lost = tuple(f"The detector '{s.plugin.name}' was {s.lost}." for s in run.hung)
    return files, end, lost


def _stations(plan: Plan, parts: Mapping[str, Part]) -> list[Station]:
    kept = tuple(choice for choice in plan.choices if choice.plugin.name in parts)
    return replace(plan, choices=kept).stations()


class _Run:
    """One pass over a recording."""

    def __init__(
        self, stations: Sequence[Station], sensors: set[str], played: Played, plan: Plan
    ) -> None:
        self._stations, self._played = stations, played
        answers = accept_all(plan.policy)
        # The people of a dataset agreed to be recorded for it; this names no person.
        grants = issue(answers, "evaluation of labelled recordings")
        self._camera = grants.get("camera") if "frame" in sensors else None
        self._microphone = grants.get("microphone") if "audio" in sensors else None
        self.frames = 0
        self.audio_s = 0.0
        self.problems: list[str] = []
        self.hung: list[Station] = []

    def play(self, writers: Mapping[str, Writer], on_reached: OnReached) -> float:
        """Returns the second at which the recording was over."""
        of_kind = {k.name: writers[s.plugin.name] for s in self._stations for k in s.plugin.kinds}

        def observed(until: float, observations: Sequence[Observation]) -> None:
            for observation in observations:
                of_kind[observation.kind].add(observation)
            on_reached(until)

        driver = FlatOut(
            lanes(self._stations),
            on_media=self._media,
            on_observations=observed,
            on_marker=self._marker,
            on_lost=lambda t, station: self.hung.append(station),
        )
        # Programs and networks stay as long as the recording: the collector need not walk through them
        # again and again (1.4 % of all that scoring cost).
        gc.freeze()
        try:
            with closing(self._played.samples(self._camera, self._microphone)) as samples:
                return driver.run(samples)
        finally:
            gc.unfreeze()
            close_all(self._stations, self.problems.append)

    def _media(self, sample: Sample) -> None:
        if isinstance(sample, Frame):
            self.frames += 1
        elif isinstance(sample, AudioChunk):
            self.audio_s += len(sample.samples) / sample.rate

    def _marker(self, marker: Marker) -> None:
        if marker.kind == "source.damaged":
            self.problems.append(str(marker.data.get("sentence", "")))


def machine() -> str:
    """What kind of computer this is, without its name."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"


def give_back() -> None:
    """Return memory that was freed to the system; nothing to do but on Linux.

    Detectors work on threads of their own, and glibc keeps what those threads freed: about 4 MB of every
    recording, although nothing in it is used any more (the same objects, threads and files are there).
    """
    if sys.platform == "linux":
        trim = getattr(
            ctypes.CDLL(None), "malloc_trim", None
        )  # other C libraries than glibc lack it
        if trim is not None:
            trim(0)


def peak_memory() -> int:
    """Bytes of memory that this process held at most; 0 where this system does not tell (Windows)."""
    if sys.platform == "win32":
        return 0
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
