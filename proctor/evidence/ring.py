"""The last seconds of picture and sound as encoded packets in memory, from which clips are cut.

Encoding once and cutting without re-encoding keeps a flag cheap, and holding packets instead of
pictures keeps the ring at a few megabytes (docs/decisions/0007). Nothing here touches a disk.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from proctor.errors import CheckFailed, InputError
from proctor.evidence.encoders import (
    KEYFRAME_S,
    VIDEO_CLOCK,
    AudioEncoder,
    Packet,
    Track,
    VideoEncoder,
    fit,
    mux,
)
from proctor.types import AudioChunk, Clip, Frame, Samples

MIME = "video/mp4"
AUDIO_MIME = "audio/mp4"

# Sound whose stamp is off by less than this is taken as continuous (seconds): far below the 45 ms
# at which people notice sound before picture (ITU-R BT.1359).
AUDIO_SLACK_S = 0.02
# Missing sound up to this long is filled with silence (seconds); over a longer hole the clock jumps.
# No clip is longer (policies.schema.MAX_CLIP_S), so a jump never lies inside one.
MAX_FILL_S = 60.0


class NothingThereError(CheckFailed, LookupError):
    """The ring holds neither picture nor sound of the time asked for."""


@dataclass(slots=True)
class _Gop:
    """A keyframe and what depends on it, all of one encoder."""

    encoder: VideoEncoder
    packets: list[Packet]

    @property
    def start(self) -> int:
        return self.packets[0].ticks


class Ring:
    """The newest ``seconds`` of picture and sound, encoded, in memory.

    ``frame`` and ``forget_pictures`` are called from one thread, ``audio`` and ``forget_sound`` from
    one thread; everything else from any.
    When the picture size changes a new encoder starts; a clip never spans two sizes.
    """

    def __init__(self, *, fps: float = 10.0, rate: int = 16000, seconds: float = 30.0) -> None:
        self.fps = fps
        self.rate = rate
        self.seconds = seconds
        self._lock = threading.Lock()
        self._gops: deque[_Gop] = deque()
        self._sound: deque[Packet] = deque()
        self._holds: dict[int, float] = {}
        self._next_hold = 1
        self._bytes = 0
        self._latest = 0.0
        self._video: VideoEncoder | None = None
        self._last_ticks = -1
        self._audio: AudioEncoder | None = None
        self._pending = np.empty(0, np.int16)
        self._position = 0  # sample number, counted from session second 0, after ``_pending``

    @property
    def latest(self) -> float:
        """The newest session second of which something is held or being encoded."""
        return self._latest

    @property
    def memory(self) -> int:
        """Bytes of encoded packets held."""
        return self._bytes

    def frame(self, frame: Frame) -> None:
        """Add one picture (H×W×3 BGR). One that is not newer than the last is left out."""
        ticks = round(frame.t * VIDEO_CLOCK)
        if ticks <= self._last_ticks:
            return
        picture = fit(frame.image)
        height, width = picture.shape[:2]
        if self._video is None or self._video.size != (width, height):
            self._video = VideoEncoder(width, height, self.fps)
        self._last_ticks = ticks
        packets = self._video.encode(ticks, picture)
        with self._lock:
            for packet in packets:
                if packet.key:
                    self._gops.append(_Gop(self._video, [packet]))
                else:
                    self._gops[-1].packets.append(packet)
                self._bytes += len(packet.data)
            self._latest = max(self._latest, frame.t)
            self._prune()

    def audio(self, chunk: AudioChunk) -> None:
        """Add mono samples at the ring's rate; lost time becomes silence, so that sound keeps its time.

        Raises :class:`InputError` for another rate.
        """
        if chunk.rate != self.rate:
            raise InputError(
                f"The clip ring takes sound at {self.rate} Hz and was given {chunk.rate} Hz; "
                f"convert it where it is captured."
            )
        if self._audio is None:
            self._audio = AudioEncoder(self.rate)
            self._position = round(chunk.t * self.rate)
        packets: list[Packet] = []
        block = self._audio.block
        for samples in self._in_time(chunk, block):
            self._pending = np.concatenate((self._pending, samples))
            self._position += len(samples)
            while len(self._pending) >= block:
                first = self._position - len(self._pending)
                packets += self._audio.encode(first, self._pending[:block])
                self._pending = self._pending[block:]
        with self._lock:
            self._sound.extend(packets)
            self._bytes += sum(len(p.data) for p in packets)
            self._latest = max(self._latest, chunk.end)
            self._prune()

    def _in_time(self, chunk: AudioChunk, block: int) -> Iterator[Samples]:
        """The chunk's samples, with silence before them or an overlap cut off, as their time asks."""
        ahead = round(chunk.t * self.rate) - self._position
        slack = round(AUDIO_SLACK_S * self.rate)
        if ahead > MAX_FILL_S * self.rate:
            # What was pending is rounded up to a whole block of silence, then the clock jumps.
            if len(self._pending):
                yield np.zeros(block - len(self._pending), np.int16)
            self._position = round(chunk.t * self.rate)
        elif ahead > slack:
            yield np.zeros(ahead, np.int16)
        elif ahead < -slack:
            yield chunk.samples[-ahead:]
            return
        yield chunk.samples

    def hold(self, start: float) -> int:
        """Keep everything from session second ``start`` until :meth:`release`; returns the handle."""
        with self._lock:
            handle = self._next_hold
            self._next_hold += 1
            self._holds[handle] = start
            return handle

    def release(self, handle: int) -> None:
        """Let go of what ``handle`` held. Releasing twice is harmless."""
        with self._lock:
            self._holds.pop(handle, None)
            self._prune()

    def forget_pictures(self) -> None:
        """Let go of every picture, also of what clips in the making would need."""
        self._video = None
        with self._lock:
            self._bytes -= sum(len(p.data) for gop in self._gops for p in gop.packets)
            self._gops.clear()

    def forget_sound(self) -> None:
        """Let go of all sound, also of what is not encoded yet."""
        self._audio = None
        self._pending = np.empty(0, np.int16)
        with self._lock:
            self._bytes -= sum(len(p.data) for p in self._sound)
            self._sound.clear()

    def _prune(self) -> None:
        keep = min([self._latest - self.seconds, *self._holds.values()])
        video_keep, audio_keep = keep * VIDEO_CLOCK, keep * self.rate
        while len(self._gops) > 1 and self._gops[1].start <= video_keep:
            self._bytes -= sum(len(p.data) for p in self._gops.popleft().packets)
        if len(self._gops) == 1 and self._gops[0].packets[-1].ticks < video_keep:
            # The camera has been silent for longer than the ring is.
            self._bytes -= sum(len(p.data) for p in self._gops.popleft().packets)
        if self._gops:
            # A cut starts at a keyframe, a little before the time asked for: keep its sound too.
            audio_keep = min(audio_keep, self._gops[0].start / VIDEO_CLOCK * self.rate)
        while self._sound and self._sound[0].ticks < audio_keep:
            self._bytes -= len(self._sound.popleft().data)

    def cut(self, flag_id: str, start: float, end: float) -> Clip:
        """What happened between session seconds ``start`` and ``end``, as a fragmented MP4 in memory.

        The clip begins at the keyframe at or before ``start`` (at most about a second early) and at
        time 0 of the file; nothing is encoded again. Where the picture size changed in between, it
        begins with the newer size. A track that has nothing in that time is left out.
        Raises :class:`NothingThereError` when neither track has anything.
        """
        with self._lock:
            pictures = _choose(self._gops, round(start * VIDEO_CLOCK), round(end * VIDEO_CLOCK))
            sound = list(self._sound)
        begin = start
        if pictures is not None and (pictures.begin < start or pictures.size_changed):
            begin = pictures.begin
        block = self._audio.block if self._audio is not None else 0
        blocks = [p for p in sound if begin * self.rate - block < p.ticks < end * self.rate]
        tracks: list[Track] = []
        if pictures is not None:
            nominal = round(VIDEO_CLOCK / self.fps)
            tracks.append(Track(pictures.encoder, pictures.packets, nominal))
        if blocks and self._audio is not None:
            tracks.append(Track(self._audio, blocks, block))
        if not tracks:
            raise NothingThereError(
                f"No picture or sound from {start:.1f} s to {end:.1f} s is in memory any more, "
                f"so flag '{flag_id}' has no clip."
            )
        zero = min(track.begin for track in tracks)
        data = mux(tracks, zero)
        return Clip(
            flag_id=flag_id,
            start=zero,
            end=max(track.end for track in tracks),
            mime=AUDIO_MIME if pictures is None else MIME,
            data=data,
            sha256=hashlib.sha256(data).hexdigest(),
            sensors=("camera",) * (pictures is not None) + ("microphone",) * bool(blocks),
        )


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The pictures of a clip: from a keyframe on, all of one size."""

    encoder: VideoEncoder
    packets: list[Packet]
    size_changed: bool

    @property
    def begin(self) -> float:
        return self.packets[0].ticks / VIDEO_CLOCK


def _choose(gops: Iterable[_Gop], start: int, end: int) -> _Pictures | None:
    """The pictures from the keyframe at or before ``start`` to ``end`` (ticks), of the newest size."""
    before_end = [gop for gop in gops if gop.start < end]
    if not before_end:
        return None
    encoder = before_end[-1].encoder
    same_size = [gop for gop in before_end if gop.encoder is encoder]
    wanted = [gop for gop in same_size if gop.start > start]
    earlier = same_size[: len(same_size) - len(wanted)]
    wanted = earlier[-1:] + wanted
    packets = [p for gop in wanted for p in gop.packets if p.ticks < end]
    if packets[-1].ticks < start - KEYFRAME_S * VIDEO_CLOCK:
        return None  # The camera had stopped before.
    return _Pictures(encoder, packets, len(same_size) < len(before_end) and not earlier)
