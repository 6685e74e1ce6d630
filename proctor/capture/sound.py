"""Sound of any rate, channels and sample format becomes blocks of mono int16, gaps marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av
import av.error
import numpy as np

from proctor.types import AudioChunk, Samples

RATE = 16000
BLOCK_S = 0.1
# Timestamps this far from the count of samples are rounding (Matroska counts milliseconds, a
# container may round to a packet); lips and voice stay in step for the eye up to about 45 ms.
JITTER_S = 0.04
# Below that, the count of samples follows the timestamps by this part a frame, so that a sound
# card whose clock runs 0.01 % fast stays in step over hours without gaps that are none.
FOLLOW = 0.01
# Not for less than this: it is rounding, and blocks shall join exactly.
ROUNDING_S = 0.002


class MonoBlocks:
    """Audio frames in, :class:`AudioChunk` of ``block_s`` seconds out; one object a stream.

    Time comes from the frames' timestamps wherever they disagree with the count of samples by
    more than ``jitter_s``: a jump ahead is a gap, marked in the next chunk; what overlaps with
    sound already given is left out. ``refused`` counts frames in no format that can be converted.
    """

    def __init__(
        self, rate: int = RATE, block_s: float = BLOCK_S, jitter_s: float = JITTER_S
    ) -> None:
        self._rate = rate
        self._block = max(1, round(rate * block_s))
        self._jitter = jitter_s
        self._resampler: av.AudioResampler | None = None
        self._format: tuple[int, str, str] | None = None
        self._anchor = 0.0
        self._given = 0
        self._expected: float | None = None
        self._overlap = 0.0
        self._skip = 0
        self._gap = 0.0
        self._pending: list[Samples] = []
        self._waiting = 0
        self._seq = 0
        self._hole = False
        self.refused = 0

    def feed(
        self, frame: av.AudioFrame, t: float | None, broken: bool = False
    ) -> Iterator[AudioChunk]:
        """The chunks filled by ``frame``, which starts at ``t`` (``None``: right after the last).

        ``broken`` says that samples are known to be missing just before it, however few. Sound
        before second 0 is left out.
        """
        if self._expected is None:
            self._expected = self._anchor = max(0.0, t or 0.0)
            broken = False
        start = self._expected if t is None else t
        broken, self._hole = broken or self._hole, False
        if broken:
            start = max(start, self._expected + self._overlap + 1 / self._rate)
        jump = start - self._expected
        if abs(jump) <= self._jitter and not broken:
            follow = FOLLOW * jump if abs(jump) > ROUNDING_S else 0.0
            self._anchor += follow
            start = self._expected + follow
        elif jump - self._overlap > self._jitter or broken:
            yield from self._drain()
            self._gap += jump - self._overlap
            self._anchor, self._given, self._skip, self._overlap = start, 0, 0, 0.0
        else:
            self._overlap = max(0.0, self._overlap - jump)
            self._skip = round(self._overlap * self._rate)
        self._expected = start + frame.samples / frame.sample_rate
        source = (frame.sample_rate, frame.format.name, frame.layout.name)
        if source != self._format:
            self._flush_resampler()
            self._format = source
        if self._resampler is None:
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate)
        # Time is counted here; timestamps of other clocks would only confuse the resampler.
        frame.pts = None
        try:
            self._collect(self._resampler.resample(frame))
        except av.error.FFmpegError:
            # A damaged header can claim a format that does not exist.
            self.refused += 1
            self._resampler = None
            self._expected, self._hole = start, True
        yield from self._blocks(self._block)

    def finish(self) -> Iterator[AudioChunk]:
        """What is left; the last chunk may be shorter than a block."""
        yield from self._drain()

    def _drain(self) -> Iterator[AudioChunk]:
        self._flush_resampler()
        yield from self._blocks(self._block)
        yield from self._blocks(1)

    def _flush_resampler(self) -> None:
        if self._resampler is not None:
            self._collect(self._resampler.resample(None))
            self._resampler = None

    def _collect(self, frames: Sequence[av.AudioFrame | None]) -> None:
        for frame in frames:
            # A resampler with nothing to convert answers a flush with [None].
            if frame is None:
                continue
            samples: Samples = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            if self._skip:
                left_out = min(self._skip, len(samples))
                self._skip -= left_out
                self._overlap = self._skip / self._rate
                samples = samples[left_out:]
            if len(samples):
                self._pending.append(samples)
                self._waiting += len(samples)

    def _blocks(self, least: int) -> Iterator[AudioChunk]:
        while self._waiting >= least:
            joined = np.concatenate(self._pending)
            block, rest = joined[: self._block], joined[self._block :]
            self._pending, self._waiting = ([rest] if len(rest) else []), len(rest)
            block = np.ascontiguousarray(block)
            block.flags.writeable = False
            start = self._anchor + self._given / self._rate
            self._given += len(block)
            yield AudioChunk(start, self._seq, block, self._rate, self._gap)
            self._seq += 1
            self._gap = 0.0
