"""Recordings altered on purpose, with truth carried along: how far do the answers hold in another light?

Every copy is drawn from a seed, the session's name and the alteration, so the same command makes the
same dataset (as far as the encoder's version allows). Times stay to the millisecond. Pictures are
written at the size at which the agent looks at them, sound as 16 kHz mono: what an exam hears.
"""

from __future__ import annotations

import csv
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.fifo import AudioFifo

from policies.consent import Answers, Grant, issue
from proctor.capture import milestones, sound
from proctor.capture.pictures import FrameGrid
from proctor.capture.replay import Recording
from proctor.errors import InputError, ProctorError
from proctor.evaluate.dataset import (
    GROUPS,
    NAME,
    OWN_GROUP,
    SESSIONS,
    TRUTH,
    TRUTH_COLUMNS,
    Dataset,
    Entry,
)
from proctor.evaluate.score import Played
from proctor.pipeline.plugins import discover
from proctor.types import AudioChunk, Frame, Image, Marker, Samples

ALTERATIONS = ("light", "crop", "noise", "frame-rate", "codec")
# Pictures a second that are written at most: no camera of an exam gives more to the detectors.
FPS = 30.0
# x264's constant rate factor: 18 is near to what was there, 32 to 40 is a bad connection (x264 manual).
GOOD_CRF = 18
BAD_CRF = (32, 40)
BAD_OPUS = 12_000
# Letters of a session's name; what was altered is written after it, and a table takes 200.
LONGEST_NAME = 150
MILLISECOND = Fraction(1, 1000)
OnProgress = Callable[[float, float], None]


@dataclass(frozen=True, slots=True)
class Look:
    """One draw of what is altered; fields that are neutral alter nothing."""

    light: tuple[float, float, float] = (1.0, 1.0, 1.0)  # factor of linear light by colour
    crop: tuple[float, float, float] = (1.0, 0.0, 0.0)  # size kept, and where from the left and top
    grain: float = 0.0  # standard deviation of sensor noise, in levels of 255
    hiss: float = 0.0  # standard deviation of noise in the sound, of 32768
    fps: float = FPS
    crf: int = GOOD_CRF
    bad_sound: bool = False

    @classmethod
    def draw(cls, names: Iterable[str], rng: np.random.Generator) -> Look:
        """A draw for the alterations in ``names``."""
        look = cls()
        for name in sorted(names):
            match name:
                case "light":
                    # 0.4 to 2 times the light of a lamp that is a little warmer or colder.
                    level = 2 ** rng.uniform(-1.3, 1.0)
                    red, green, blue = (float(level * rng.uniform(0.92, 1.08)) for _ in range(3))
                    look = replace(look, light=(blue, green, red))
                case "crop":
                    size, left, top = float(rng.uniform(0.85, 0.97)), rng.random(), rng.random()
                    look = replace(look, crop=(size, float(left), float(top)))
                case "noise":
                    hiss = float(10 ** (rng.uniform(-60, -40) / 20) * 32768)
                    look = replace(look, grain=float(rng.uniform(3.0, 10.0)), hiss=hiss)
                case "frame-rate":
                    look = replace(look, fps=float(rng.choice([5.0, 7.0, 12.0])))
                case "codec":
                    look = replace(look, crf=int(rng.integers(*BAD_CRF)), bad_sound=True)
        return look

    def picture(self, image: Image, rng: np.random.Generator) -> Image:
        """An altered copy of a BGR picture, of the same size but for an odd last row or column."""
        height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
        shown: Any = image[:height, :width]
        size, left, top = self.crop
        if size < 1.0:
            y, x = int(top * (1 - size) * height), int(left * (1 - size) * width)
            piece = shown[y : y + int(size * height), x : x + int(size * width)]
            shown = cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA)
        if self.light != (1.0, 1.0, 1.0):
            levels = (np.arange(256) / 255.0) ** 2.2
            curves = [np.clip(255 * (levels * f) ** (1 / 2.2), 0, 255) for f in self.light]
            shown = cv2.LUT(shown, np.stack(curves, axis=1).astype(np.uint8)[None])
        if self.grain:
            grain = rng.normal(0.0, self.grain, (height, width, 1)).astype(np.float32)
            shown = np.clip(shown + grain, 0, 255)
        altered: Image = np.ascontiguousarray(shown, dtype=np.uint8)
        return altered

    def sound(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """Altered samples, as many as before."""
        if not self.hiss:
            return samples
        heard = samples + rng.normal(0.0, self.hiss, len(samples))
        altered: Samples = np.clip(heard, -32768, 32767).astype(np.int16)
        return altered


def augment(
    dataset: Dataset,
    out: Path,
    chosen: Sequence[Sequence[str]],
    *,
    copies: int = 1,
    seed: int = 1,
    keep_going: bool = False,
    on_progress: OnProgress | None = None,
) -> list[str]:
    """Write a dataset of altered copies into the new folder ``out``.

    For each session, each set of alterations in ``chosen`` and each of ``copies`` there is one new
    session of the same person, arm and split. Returns a sentence for every recording that was left
    out; without ``keep_going`` the first of them raises :class:`InputError`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already and not empty; name a new folder with --out.")
    (out / "media").mkdir(parents=True)
    known = frozenset(kind.name for plugin in discover().values() for kind in plugin.kinds)
    made: list[Entry] = []
    left_out: list[str] = []
    jobs = [(e, names, copy) for e in dataset.entries for names in chosen for copy in range(copies)]
    for number, (entry, names, copy) in enumerate(jobs):
        if on_progress is not None:
            on_progress(number, len(jobs))
        altered = _entry(entry, names, copy, out, known)
        draw = [seed, zlib.crc32(entry.id.encode()), zlib.crc32(repr(names).encode()), copy]
        rng = np.random.default_rng(draw)
        try:
            _write(entry, altered.media, Look.draw(names, rng), rng)
        except (ProctorError, OSError, av.error.FFmpegError) as error:
            why = f"{entry.id}: {error}"
            if not keep_going:
                raise InputError(f"The session {why} Give --keep-going to leave it out.") from error
            left_out.append(why)
            altered.media.unlink(missing_ok=True)
            continue
        made.append(altered)
    _tables(out, made)
    if on_progress is not None:
        on_progress(len(jobs), len(jobs))
    return left_out


def _entry(
    entry: Entry, names: Sequence[str], copy: int, out: Path, known: frozenset[str]
) -> Entry:
    name = f"{_named(entry.id)}+{'+'.join(names)}-{copy + 1}"
    file = f"{re.sub(r'[^A-Za-z0-9.-]', '_', name)}-{zlib.crc32(entry.id.encode()):08x}.mkv"
    labelled = entry.labelled
    if "light" in names:
        # Whether an altered light is dim nobody labelled: that is not known any more.
        every = known | {event.kind for event in entry.truth} if labelled is None else labelled
        labelled = frozenset(kind for kind in every if not kind.startswith("light."))
    truth = tuple(replace(event, session=name) for event in entry.truth)
    return replace(
        entry,
        id=name,
        person=_named(entry.person),
        media=out / "media" / file,
        sound=None,
        labelled=labelled,
        truth=truth,
        groups={**entry.groups, "altered": " ".join(names)},
    )


def _named(text: str) -> str:
    """A name that a table may hold: bare recordings are called as their files are."""
    fits = NAME.fullmatch(text) and len(text) <= LONGEST_NAME
    return text if fits else f"recording {zlib.crc32(text.encode()):08x}"


def _write(entry: Entry, path: Path, look: Look, rng: np.random.Generator) -> None:
    """Play a recording and write it altered."""
    grants = issue(Answers({"camera": True, "microphone": True}, "all"), "alteration of recordings")
    played = Played(entry.media, entry.sound)
    # Without the flag every file gets random numbers, and no two runs are the same.
    options = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format="matroska", options=options) as file:
        film = _Film(file, look, rng) if played.has_video else None
        track = _Track(file, look, rng) if played.has_audio else None
        for item in _items(entry, grants["camera"], grants["microphone"]):
            if isinstance(item, Frame) and film is not None:
                film.add(item)
            elif isinstance(item, AudioChunk) and track is not None:
                track.add(item)
        for stream in (film, track):
            if stream is not None:
                stream.close()
    beside = milestones.sidecar(entry.media)
    if beside.is_file():
        shutil.copyfile(beside, milestones.sidecar(path))


def _items(entry: Entry, camera: Grant, microphone: Grant) -> Iterator[Frame | AudioChunk | Marker]:
    # Muxing wants no exact order between tracks, so one file after the other will do.
    pictures = Recording.open(entry.media)
    if entry.sound is None:
        yield from pictures.samples(camera=camera, microphone=microphone, fps=FPS)
        return
    yield from pictures.samples(camera=camera, microphone=None, fps=FPS)
    yield from Recording.open(entry.sound).samples(camera=None, microphone=microphone, fps=FPS)


class _Film:
    """The pictures of a new recording."""

    def __init__(self, file: Any, look: Look, rng: np.random.Generator) -> None:
        self._file, self._look, self._rng = file, look, rng
        self._grid = FrameGrid(look.fps)
        # Faster presets of x264 do without its macroblock tree, with which two runs differed here.
        options = {"crf": str(look.crf), "preset": "superfast", "threads": "1"}
        self._stream = file.add_stream("libx264", rate=round(FPS), options=options)
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = MILLISECOND
        self._last = -1
        self._sized = False

    def add(self, frame: Frame) -> None:
        pts = round(frame.t * 1000)
        if pts <= self._last or not self._grid.wants(frame.t):
            return
        image = self._look.picture(frame.image, self._rng)
        if not self._sized:
            self._stream.height, self._stream.width = image.shape[:2]
            self._sized = True
        picture = av.VideoFrame.from_ndarray(
            np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8), format="yuv420p"
        )
        picture.pts, picture.time_base = pts, MILLISECOND
        self._last = pts
        self._file.mux(self._stream.encode(picture))

    def close(self) -> None:
        if self._sized:
            self._file.mux(self._stream.encode(None))


class _Track:
    """The sound of a new recording."""

    def __init__(self, file: Any, look: Look, rng: np.random.Generator) -> None:
        self._file, self._look, self._rng = file, look, rng
        name = "libopus" if look.bad_sound else "pcm_s16le"
        self._stream = file.add_stream(name, rate=sound.RATE, layout="mono")
        if look.bad_sound:
            self._stream.bit_rate = BAD_OPUS
        self._fifo = AudioFifo()
        self._next = 0

    def add(self, chunk: AudioChunk) -> None:
        pts = round(chunk.t * chunk.rate)
        if chunk.gap or pts > self._next + chunk.rate // 100:
            self._drain(partial=True)
            self._fifo = AudioFifo()
            self._next = pts
        samples = self._look.sound(chunk.samples, self._rng)
        piece = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        piece.sample_rate, piece.pts = chunk.rate, self._next
        piece.time_base = Fraction(1, chunk.rate)
        self._next += len(samples)
        self._fifo.write(piece)
        self._drain(partial=False)

    def _drain(self, *, partial: bool) -> None:
        wanted = self._stream.codec_context.frame_size or sound.RATE // 10
        while (piece := self._fifo.read(wanted, partial)) is not None:
            self._file.mux(self._stream.encode(piece))

    def close(self) -> None:
        self._drain(partial=True)
        self._file.mux(self._stream.encode(None))


def _tables(out: Path, entries: Sequence[Entry]) -> None:
    groups = sorted({name for entry in entries for name in entry.groups})
    columns = [name if name in GROUPS else OWN_GROUP + name for name in groups]
    with (out / SESSIONS).open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(
            ["session", "person", "arm", "media", "split", "labelled", "policy", *columns]
        )
        for e in entries:
            labelled = "all" if e.labelled is None else " ".join(sorted(e.labelled)) or "none"
            media = e.media.relative_to(out).as_posix()
            row = [e.id, e.person, e.arm, media, e.split, labelled, " ".join(e.overrides)]
            writer.writerow([*row, *(e.groups.get(name, "") for name in groups)])
    with (out / TRUTH).open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(TRUTH_COLUMNS)
        for entry in entries:
            for v in entry.truth:
                certain = "yes" if v.certain else "no"
                writer.writerow([v.session, v.start, v.end, v.kind, v.annotator, certain])
