"""Any common video or audio file, posing as camera and microphone: flat out, or in real time."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import av
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from policies.consent import Grant, require
from proctor.capture import media, milestones, pictures, sound
from proctor.capture.naming import DeviceFacts
from proctor.capture.source import Sink
from proctor.clock import SessionClock
from proctor.errors import InputError, ProctorError
from proctor.types import AudioChunk, Frame, Marker

Sample = Frame | AudioChunk
Item = Frame | AudioChunk | Marker
Track = Generator[Sample, None, None]

# A recording that ends this much before its header says was cut off.
CUT_OFF_S = 1.0
# The headers of these give no length; FFmpeg guesses it from the bit rate.
GUESSED_LENGTHS = frozenset(
    {"mp3", "aac", "ac3", "amr", "mpeg", "mpegvideo", "h264", "hevc", "m4v"}
)
# How long stop() waits for the thread; decoding one frame takes a small part of it.
STOP_S = 0.9


class Recording:
    """One media file. Opening reads its headers only; pictures and sound need a grant each.

    ``duration`` is seconds by the header, or ``None``. ``frames_seen``, ``frames_skipped`` (decoded
    but not wanted by the grid) and ``damage`` tell about the latest :meth:`samples`. ``markers`` are
    the milestones of its sidecar file (:mod:`proctor.capture.milestones`).
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        video, audio = media.tracks(container)
        chosen = [track for track in (video, audio) if track is not None]
        starts = [media.seconds(track.start_time, track.time_base) for track in chosen]
        lengths = [media.seconds(track.duration, track.time_base) for track in chosen]
        self.path = path
        self.has_video = video is not None
        self.has_audio = audio is not None
        self.video_codec = video.codec_context.name if video else None
        self.audio_codec = audio.codec_context.name if audio else None
        self.duration = container.duration / av.time_base if container.duration else None
        self.frames_seen = 0
        self.frames_skipped = 0
        self.damage = media.Damage()
        self._zero = min((start for start in starts if start is not None), default=0.0)
        self._declared = max((length for length in lengths if length), default=self.duration)
        self.markers: tuple[Marker, ...] = ()
        self._guessed = not GUESSED_LENGTHS.isdisjoint(container.format.name.split(","))

    @classmethod
    def open(cls, path: Path | str) -> Recording:
        """The recording at ``path``; :class:`InputError` says in a sentence why it is not usable."""
        path = Path(path)
        with media.opened(path) as container:
            recording = cls(path, container)
            video, _ = media.tracks(container)
            if video is not None:
                media.check_size(path, video.codec_context.width, video.codec_context.height)
        if not (recording.has_video or recording.has_audio):
            raise InputError(
                f"{path} holds neither pictures nor sound that can be read here; {media.EXAMPLES}."
            )
        declared = None if recording._guessed else recording._declared
        recording.markers = milestones.read(path, declared)
        return recording

    @property
    def width(self) -> int:
        """Width in pixels of the frames that :meth:`samples` gives by default."""
        return self._upright.width

    @property
    def height(self) -> int:
        """Height in pixels of the frames that :meth:`samples` gives by default."""
        return self._upright.height

    @property
    def rotation(self) -> int:
        """Degrees (0, 90, 180, 270) that stored pictures are turned clockwise to be upright."""
        return self._upright.quarters * 90

    @cached_property
    def _upright(self) -> media.Upright:
        """Read from the first frame's header; FFmpeg tells a rotation nowhere else."""
        with media.opened(self.path) as container:
            video, _ = media.tracks(container)
            if video is None:
                raise InputError(f"The recording {self.path} holds no pictures.")
            frames = media.decoded(container, video, av.VideoFrame, media.Damage())
            with closing(frames):
                for frame in frames:
                    return media.Upright.of(frame, video.sample_aspect_ratio, pictures.LONG_SIDE)
        raise InputError(f"No picture in {self.path} can be decoded; record or export it anew.")

    def samples(
        self,
        *,
        camera: Grant | None,
        microphone: Grant | None,
        fps: float = pictures.FRAMES_PER_SECOND,
        rate: int = sound.RATE,
        block_s: float = sound.BLOCK_S,
        long_side: int = pictures.LONG_SIDE,
    ) -> Iterator[Frame | AudioChunk | Marker]:
        """Frames, chunks and ``markers`` in order of their start, as fast as they can be decoded.

        Second 0 is the start of the earlier track. A track without a grant is not decoded; a track
        whose grant is withdrawn ends there. A damaged file gives what can be decoded and then a
        marker ``source.damaged``; :class:`InputError` when that is nothing at all, ``GrantError``
        at once for a grant that is not live or not for this purpose.
        """
        return self._merged(camera, microphone, fps, rate, block_s, long_side, key=_start)

    def as_live(
        self, *, camera: Grant | None, microphone: Grant | None, fps: float
    ) -> Iterator[Frame | AudioChunk | Marker]:
        """As :meth:`samples`, in the order a device would hand them over: sound when it is whole."""
        size = pictures.LONG_SIDE
        return self._merged(camera, microphone, fps, sound.RATE, sound.BLOCK_S, size, key=ready)

    def _merged(
        self,
        camera: Grant | None,
        microphone: Grant | None,
        fps: float,
        rate: int,
        block_s: float,
        long_side: int,
        key: Callable[[Item], float],
    ) -> Iterator[Item]:
        self.frames_seen = self.frames_skipped = 0
        self.damage = media.Damage()
        playing: list[tuple[Grant, Track]] = []
        if camera is not None:
            require(camera, "camera")
            if self.has_video:
                playing.append((camera, self._frames(camera, fps, long_side)))
        if microphone is not None:
            require(microphone, "microphone")
            if self.has_audio:
                playing.append((microphone, self._chunks(microphone, rate, block_s)))
        return self._play(playing, key)

    def _play(
        self, playing: list[tuple[Grant, Track]], key: Callable[[Item], float]
    ) -> Iterator[Item]:
        # Each track reads the file by itself: however badly a file interleaves its tracks, order
        # is exact and memory stays flat, at the price of reading the file twice.
        grants = {grant.purpose: grant for grant, _ in playing}
        end = 0.0
        given = 0
        with ExitStack() as stack:
            for _, track in playing:
                stack.enter_context(closing(track))
            # First of equals: a milestone at the time of a frame is told before the frame.
            for item in heapq.merge(self.markers, *(track for _, track in playing), key=key):
                if isinstance(item, Marker):
                    yield item
                    continue
                # The merge holds an item a track: one may have been decoded before a withdrawal.
                if grants["camera" if isinstance(item, Frame) else "microphone"].live:
                    given += 1
                    end = ready(item)
                    yield item
        all_played = all(grant.live for grant in grants.values())
        if playing and not given and all_played:
            raise InputError(f"Nothing in {self.path} can be decoded; record or export it anew.")
        complete = all_played and len(playing) == self.has_video + self.has_audio
        if complete and self._declared and not self._guessed and end < self._declared - CUT_OFF_S:
            self.damage.stops_at, self.damage.declared = end, self._declared
        sentence = self.damage.sentence(self.path.name)
        if sentence:
            yield Marker(end, "source.damaged", {"device": "recording", "sentence": sentence})

    def _frames(self, grant: Grant, fps: float, long_side: int) -> Generator[Frame, None, None]:
        grid = pictures.FrameGrid(fps)
        line = media.Timeline(self._zero, self.damage)
        scaler = VideoReformatter()
        upright: media.Upright | None = None
        last, seq = -1.0, 0
        with media.opened(self.path) as container:
            video, _ = media.tracks(container)
            if video is None:
                return
            usual = float(1 / (video.average_rate or media.USUAL_RATE))
            for frame in media.decoded(container, video, av.VideoFrame, self.damage):
                if not grant.live:
                    return
                self.frames_seen += 1
                stamp = frame.dts if frame.pts is None else frame.pts
                lasts = media.seconds(frame.duration, frame.time_base) or usual
                t = max(0.0, line.place(media.seconds(stamp, frame.time_base), lasts))
                if t <= last or not grid.wants(t):
                    self.frames_skipped += 1
                    continue
                aspect = video.sample_aspect_ratio
                upright = upright or media.Upright.of(frame, aspect, long_side)
                yield Frame(t, seq, upright.convert(frame, aspect, scaler))
                last, seq = t, seq + 1

    def _chunks(self, grant: Grant, rate: int, block_s: float) -> Generator[AudioChunk, None, None]:
        blocks = sound.MonoBlocks(rate, block_s)
        line = media.Timeline(self._zero, self.damage)
        with media.opened(self.path) as container:
            _, audio = media.tracks(container)
            if audio is None:
                return
            for frame in media.decoded(container, audio, av.AudioFrame, self.damage):
                if not grant.live:
                    return
                lasts = frame.samples / frame.sample_rate
                t = line.place(media.seconds(frame.pts, frame.time_base), lasts)
                yield from blocks.feed(frame, t)
            yield from blocks.finish()
            self.damage.pieces += blocks.refused


def _start(item: Item) -> float:
    return item.t


def ready(item: Item) -> float:
    """The second at which a live device would hand over ``item``."""
    return item.end if isinstance(item, AudioChunk) else item.t


class RealTimeReplay:
    """A source that plays a recording at the pace of the clock, as if its devices were here.

    Times are those of the clock, from the moment of :meth:`start`. One ``source.ended`` follows the
    last sample; its sentence says why when the recording could not be played.
    """

    def __init__(
        self,
        recording: Recording,
        clock: SessionClock,
        *,
        camera: Grant | None,
        microphone: Grant | None,
        fps: float = pictures.FRAMES_PER_SECOND,
    ) -> None:
        self._recording = recording
        self._clock = clock
        self._grants = {"camera": camera, "microphone": microphone}
        self._items = recording.as_live(camera=camera, microphone=microphone, fps=fps)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def facts(self) -> DeviceFacts:
        """That it is a recording, and no more: its name may be somebody's."""
        return DeviceFacts("recording")

    def start(self, sink: Sink) -> None:
        """Begin to play into ``sink``, on a thread of its own."""
        self._thread = threading.Thread(target=self._run, args=(sink,), name="replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; may be called twice, and before :meth:`start`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self, sink: Sink) -> None:
        began = self._clock.now()
        why = f"The recording {self._recording.path.name} has ended."
        try:
            for item in self._items:
                due = began + ready(item)
                if self._stop.wait(max(0.0, due - self._clock.now())):
                    return
                self._hand_over(replace(item, t=began + item.t), sink)
        except ProctorError as error:
            why = str(error)
        sink.event(
            Marker(self._clock.now(), "source.ended", {"device": "recording", "sentence": why})
        )

    def _hand_over(self, item: Frame | AudioChunk | Marker, sink: Sink) -> None:
        if isinstance(item, Marker):
            sink.event(item)
        elif isinstance(item, Frame) and _live(self._grants["camera"]):
            sink.frame(item)
        elif isinstance(item, AudioChunk) and _live(self._grants["microphone"]):
            sink.audio(item)


def _live(grant: Grant | None) -> bool:
    return grant is not None and grant.live
