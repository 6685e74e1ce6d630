"""A whole recording to look at: any picture by its time, how loud it is when, and the sound from a place on.

Second 0 is that of a replay (:mod:`proctor.capture.replay`), so that a label means the same moment to the
detectors. Nothing of a recording is written anywhere, and a few pictures of it are in memory at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from proctor.capture import media
from proctor.errors import InputError
from proctor.evidence.clip import Sound
from proctor.types import Image

# No larger than it is shown.
LONG_SIDE = 640
# Pictures kept for steps back; a second and more of most recordings, 30 MB at most.
KEPT = 40
# Farther ahead than this, jumping to the next key picture is faster than decoding all between.
JUMP_S = 4.0
# A picture is that of a time from its own begin on; clocks round.
SLACK_S = 1e-4
# One level of loudness for so many seconds; sound for playing.
LEVEL_S, RATE = 0.02, 16_000
FULL = 32768.0
Levels = npt.NDArray[np.float32]


class Film:
    """One recording. Its pictures are asked for from one thread, its sound from another.

    ``duration`` in seconds, ``fps`` as its header says. Raises :class:`InputError` with a sentence where it
    cannot be read. Close it in the end.
    """

    def __init__(self, path: Path, sound: Path | None = None) -> None:
        self.path = path
        self._sound_path = sound or path
        self._stack = ExitStack()
        self._container: InputContainer | None = None
        self._track: av.VideoStream | None = None
        self._frames: Generator[av.VideoFrame, None, None] | None = None
        self._scaler = VideoReformatter()
        self._upright: media.Upright | None = None
        self._kept: deque[tuple[float, Image]] = deque(maxlen=KEPT)
        self._damage = media.Damage()
        self._ended = self._closed = False
        self._zero, self.duration, self.fps, self.has_video = self._head(path)
        self._sound_zero, self.has_audio = self._zero, False
        with media.opened(self._sound_path) as container:
            self.has_audio = media.tracks(container)[1] is not None
        if sound is not None:
            self._sound_zero, longer, _, _ = self._head(sound)
            self.duration = max(self.duration, longer)
        if not (self.has_video or self.has_audio):
            raise InputError(f"{path} holds neither pictures nor sound that can be read here.")

    def _head(self, path: Path) -> tuple[float, float, float, bool]:
        with media.opened(path) as container:
            video, audio = media.tracks(container)
            chosen = [track for track in (video, audio) if track is not None]
            starts = [media.seconds(track.start_time, track.time_base) for track in chosen]
            lengths = [media.seconds(track.duration, track.time_base) for track in chosen]
            if container.duration:
                lengths.append(container.duration / av.time_base)
            rate = float((video.average_rate if video else None) or media.USUAL_RATE)
            if video is not None:
                media.check_size(path, video.codec_context.width, video.codec_context.height)
        zero = min((start for start in starts if start is not None), default=0.0)
        longest = max((length for length in lengths if length), default=0.0)
        if longest <= 0:
            raise InputError(
                f"{path} does not say how long it is; write it anew, such as with `ffmpeg -i IN -c copy OUT`."
            )
        return zero, longest, rate, video is not None

    def picture(self, t: float) -> Image | None:
        """What is seen at ``t`` seconds, H×W×3 BGR; ``None`` where there are no pictures."""
        if not self.has_video:
            return None
        wanted = t + SLACK_S
        kept = self._in_memory(wanted)
        if kept is not None:
            return kept
        last = self._kept[-1][0] if self._kept else None
        if self._ended and last is not None and wanted >= last:
            return self._kept[-1][1]
        if self._frames is None or last is None or wanted < last or wanted > last + JUMP_S:
            self._go(wanted)
            if self._kept and self._kept[0][0] > wanted:
                # The index named a picture that lies after this time: read from the beginning.
                self._go(None)
        frames = self._frames
        while frames is not None and (not self._kept or self._kept[-1][0] <= wanted):
            frame = next(frames, None)
            if frame is None:
                self._frames, self._ended = None, True
                break
            self._take(frame)
        found = [image for at, image in self._kept if at <= wanted]
        if not found and not self._kept:
            raise InputError(f"No picture of {self.path} can be decoded at {t:.1f} s.")
        return found[-1] if found else self._kept[0][1]

    def _in_memory(self, wanted: float) -> Image | None:
        """The picture at a time that lies between two that are kept."""
        for (at, image), (after, _) in pairwise(self._kept):
            if at <= wanted < after:
                return image
        return None

    def _go(self, wanted: float | None) -> None:
        """Read on from the last key picture before a time, or from the beginning."""
        self._stack.close()
        self._kept.clear()
        self._ended = False
        self._container = self._stack.enter_context(media.opened(self.path))
        self._track, _ = media.tracks(self._container)
        if self._track is None:
            raise AssertionError("a recording lost its pictures")
        if wanted is not None and self._track.time_base is not None:
            at = int((max(0.0, wanted) + self._zero) / self._track.time_base)
            try:
                self._container.seek(at, stream=self._track, backward=True)
            except av.error.FFmpegError:
                # No index: everything before it is decoded.
                self._container = self._stack.enter_context(media.opened(self.path))
                self._track, _ = media.tracks(self._container)
                if self._track is None:
                    raise AssertionError("a recording lost its pictures") from None
        self._frames = media.decoded(self._container, self._track, av.VideoFrame, self._damage)
        first = next(self._frames, None)
        if first is None:
            self._frames = None
        else:
            self._take(first)

    def _take(self, frame: av.VideoFrame) -> None:
        track = self._track
        if track is None:
            raise AssertionError("a picture came from nowhere")
        stamp = media.seconds(frame.dts if frame.pts is None else frame.pts, frame.time_base)
        before = self._kept[-1][0] if self._kept else 0.0
        at = before + 1 / self.fps if stamp is None else stamp - self._zero
        aspect = track.sample_aspect_ratio
        self._upright = self._upright or media.Upright.of(frame, aspect, LONG_SIDE)
        self._kept.append((at, self._upright.convert(frame, aspect, self._scaler)))

    def levels(self) -> Levels:
        """The highest level in each :data:`LEVEL_S`, 0…1; empty where there is no sound. Reads it all."""
        made: list[Levels] = []
        rest = np.zeros(0, np.int16)
        step = round(LEVEL_S * RATE)
        for samples in self._samples(0.0):
            rest = np.concatenate([rest, samples])
            whole = len(rest) // step * step
            if whole:
                loud = np.abs(rest[:whole].astype(np.float32)).reshape(-1, step).max(axis=1)
                made.append(np.asarray(loud / FULL, np.float32))
                rest = rest[whole:]
        return np.concatenate(made) if made else np.zeros(0, np.float32)

    def sound(self, begin: float, seconds: float) -> Sound:
        """One channel of the sound from ``begin`` on."""
        found: list[npt.NDArray[np.int16]] = []
        count = 0
        for samples in self._samples(begin):
            found.append(samples)
            count += len(samples)
            if count >= seconds * RATE:
                break
        whole = np.concatenate(found) if found else np.zeros(0, np.int16)
        return Sound(RATE if len(whole) else 0, whole[: round(seconds * RATE)].tobytes())

    def _samples(self, begin: float) -> Generator[npt.NDArray[np.int16], None, None]:
        """Pieces of one channel from ``begin`` on, silence where the sound begins later than the pictures."""
        if not self.has_audio:
            return
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        with media.opened(self._sound_path) as container:
            _, audio = media.tracks(container)
            if audio is None:
                return
            if begin > 0 and audio.time_base is not None:
                try:
                    container.seek(
                        int((begin + self._sound_zero) / audio.time_base),
                        stream=audio,
                        backward=True,
                    )
                except av.error.FFmpegError:
                    return
            skip: int | None = None
            for frame in media.decoded(container, audio, av.AudioFrame, media.Damage()):
                stamp = media.seconds(frame.pts, frame.time_base)
                at = 0.0 if stamp is None else stamp - self._sound_zero
                for piece in resampler.resample(frame):
                    if self._closed:
                        return
                    samples = np.asarray(piece.to_ndarray()[0], np.int16)
                    if skip is None:
                        skip = round((begin - at) * RATE)
                        if skip < 0:
                            yield np.zeros(-skip, np.int16)
                            skip = 0
                    left, skip = samples[skip:], max(0, skip - len(samples))
                    if len(left):
                        yield left

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        self._closed = True
        self._frames = None
        self._stack.close()
        self._kept.clear()
