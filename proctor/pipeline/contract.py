"""The contract every detector plug-in must keep, ours or a third party's, as a list of problems."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from proctor.pipeline.detector import Context, Detector, HearsMarkers, Plugin, Sample
from proctor.pipeline.runner import Station
from proctor.types import AudioChunk, Frame, Image, Marker, Observation

RATE = 16_000
# One look may take this long on a slow machine before a live exam would suffer (s).
SLOW_LOOK_S = 5.0


def check(plugin: Plugin, models: Mapping[str, Path]) -> list[str]:
    """Problems found when ``plugin`` is run on odd and ordinary samples; empty when there are none."""
    try:
        detector = plugin.create(plugin.Settings(), Context(models))
    except Exception as error:
        return [f"it cannot be made with its default settings: {type(error).__name__}: {error}"]
    problems: list[str] = []
    for name, samples in _series(plugin):
        problems += [f"{name}: {problem}" for problem in _run(plugin, detector, samples)]
        if isinstance(detector, HearsMarkers):
            problems += [f"markers after {name}: {problem}" for problem in _hear(plugin, detector)]
        try:
            detector.reset()
        except Exception as error:
            problems.append(f"{name}: reset() raised {type(error).__name__}: {error}")
    try:
        detector.close()
    except Exception as error:
        problems.append(f"close() raised {type(error).__name__}: {error}")
    return list(dict.fromkeys(problems))


def _run(plugin: Plugin, detector: Detector, samples: Iterator[Sample]) -> list[str]:
    problems: list[str] = []
    station = Station(plugin, detector)
    heard: set[str] = set()
    for sample in samples:
        before = sample.image.copy() if isinstance(sample, Frame) else np.empty(0)
        began = time.monotonic()
        answers = station.look(sample)
        if time.monotonic() - began > SLOW_LOOK_S:
            problems.append(f"one look took longer than {SLOW_LOOK_S:g} s")
        problems += _judge(plugin, station, answers)
        heard |= {answer.kind for answer in answers}
        if isinstance(sample, Frame) and not np.array_equal(before, sample.image):
            problems.append("it changed the picture it was given")
        station.failures = 0  # each sample is judged for itself
    missing = {kind.name for kind in plugin.kinds} - heard
    if missing:
        problems.append(f"it never said anything about {', '.join(sorted(missing))}")
    return problems


def _hear(plugin: Plugin, detector: Detector) -> list[str]:
    """Problems with what it answers to milestones, known and unknown, sound and odd, at any time."""
    problems: list[str] = []
    station = Station(plugin, detector)
    for marker in _markers():
        told = dict(marker.data)
        answers = station.mark(marker)
        problems += _judge(plugin, station, [a for a in answers if isinstance(a, Observation)])
        if dict(marker.data) != told:
            problems.append("it changed the marker it was given")
        station.failures = 0
    return problems


def _markers() -> Iterator[Marker]:
    begun = {"x": 0.5, "y": 0.5, "seconds": 2.0}
    for data in ({"id": "q1"}, {}, {"id": None}, {"id": "q" * 5000, "more": [1, {"x": 2}]}):
        for kind in ("question.shown", "answer.submitted", "answer.submitted"):
            yield Marker(61.0, kind, data)
    # An end before a beginning, points outside a calibration, senses that are not there.
    for what in ("gaze", "light", "voice", "own_voice", "smell", None):
        yield Marker(62.0, "calibration.end", {"what": what})
        yield Marker(62.0, "calibration.point", begun)
        yield Marker(62.0, "calibration.begin", {"what": what})
        yield Marker(62.0, "calibration.point", {"x": "left", "y": None})
        yield Marker(62.5, "calibration.end", {"what": what})
        yield Marker(62.5, "calibration.begin", {})
        yield Marker(62.5, "calibration.end", {})
    for kind in ("break.start", "device.lost", "of.a_later_version", ""):
        yield Marker(-1.0, kind, {"device": "camera"})


def _judge(plugin: Plugin, station: Station, answers: list[Observation]) -> list[str]:
    problems = []
    if station.failures:
        problems.append(answers[0].reason)
    for answer in answers:
        if answer.source != plugin.name:
            problems.append(f"its observations name the source '{answer.source}'")
        if answer.score is None and not answer.reason:
            problems.append(f"{answer.kind} is unknown without a reason")
        box = answer.box
        if box is not None and not (
            0 <= box.x <= 1
            and 0 <= box.y <= 1
            and 0 <= box.width <= 1.001 - box.x
            and 0 <= box.height <= 1.001 - box.y
        ):
            problems.append(f"{answer.kind} has the box {box}, which is not inside the picture")
    return problems


def _series(plugin: Plugin) -> Iterator[tuple[str, Iterator[Sample]]]:
    if plugin.takes == "frame":
        for name, image in _pictures():
            yield name, _frames(plugin, image)
    else:
        for name, samples in _sounds():
            yield name, _chunks(samples)


def _frames(plugin: Plugin, image: Image) -> Iterator[Sample]:
    image.flags.writeable = False
    step = max(plugin.period, 0.1)
    for seq in range(6):
        yield Frame(seq * step, seq, image)
    # Time jumps: a lost device came back after a minute.
    yield Frame(60.0, 6, image)


def _pictures() -> Iterator[tuple[str, Image]]:
    rng = np.random.default_rng(7)
    yield "a grey picture", np.full((480, 640, 3), 128, np.uint8)
    yield "a black picture", np.zeros((480, 640, 3), np.uint8)
    yield "a white picture", np.full((480, 640, 3), 255, np.uint8)
    yield "noise", rng.integers(0, 256, (480, 640, 3)).astype(np.uint8)
    yield "one pixel", np.full((1, 1, 3), 90, np.uint8)
    yield "an upright picture", rng.integers(0, 256, (640, 360, 3)).astype(np.uint8)
    yield "a very wide picture", rng.integers(0, 256, (20, 640, 3)).astype(np.uint8)


def _chunks(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> Iterator[Sample]:
    block = RATE // 10
    for seq in range(0, len(samples), block):
        yield AudioChunk(seq / RATE, seq // block, samples[seq : seq + block], RATE)
    t = len(samples) / RATE
    yield AudioChunk(t + 5.0, 10_000, samples[:block], RATE, gap=5.0)
    yield AudioChunk(t + 5.1, 10_001, samples[:1], RATE)


def _sounds() -> Iterator[tuple[str, np.ndarray[tuple[int], np.dtype[np.int16]]]]:
    rng = np.random.default_rng(7)
    t = np.arange(3 * RATE) / RATE
    yield "silence", np.zeros(3 * RATE, np.int16)
    yield "hiss", rng.normal(0, 400, 3 * RATE).astype(np.int16)
    yield "a tone", (8000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
    clipped = np.clip(90_000 * np.sin(2 * np.pi * 200 * t), -32768, 32767)
    yield "a clipped tone", clipped.astype(np.int16)
    yield "a constant", np.full(3 * RATE, 9000, np.int16)
