"""What reading a recording costs beside the bare decoder: ratios of CPU time from one run.

Usage: python benchmarks/decode.py RECORDING…

For each file: the bare cost is PyAV decoding both tracks, scaling and converting the frames of the
same grid, and resampling the sound to 16 kHz mono, nothing else. Ours is ``Recording.samples`` with
everything it does besides: checks, ordering, gaps, turning upright, damage, counting. The second
table compares ways to convert and scale one frame.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from policies.consent import Grant
from proctor.capture.pictures import FRAMES_PER_SECOND, LONG_SIDE, FrameGrid, fit
from proctor.capture.replay import Recording
from proctor.capture.sound import RATE

ROUNDS = 5
FRAMES = 60


def cpu(work: Callable[[], None]) -> float:
    """Median CPU seconds (user and system) of one call."""
    spent = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def bare(path: Path) -> None:
    with av.open(str(path)) as container:
        if container.streams.video:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            grid, scaler = FrameGrid(FRAMES_PER_SECOND), VideoReformatter()
            width, height = fit(stream.width, stream.height, LONG_SIDE)
            for frame in container.decode(stream):
                if grid.wants(frame.time or 0.0):
                    scaler.reformat(
                        frame, width, height, "bgr24", interpolation=Interpolation.AREA, threads=1
                    ).to_ndarray()
    with av.open(str(path)) as container:
        if container.streams.audio:
            resampler = av.AudioResampler("s16", "mono", RATE)
            for frame in container.decode(container.streams.audio[0]):
                for block in resampler.resample(frame):
                    block.to_ndarray()


def ours(path: Path) -> None:
    grants = {"camera": Grant("camera", "bench"), "microphone": Grant("microphone", "bench")}
    for _ in Recording.open(path).samples(**grants):
        pass


def ways(path: Path) -> dict[str, float]:
    """CPU milliseconds a frame of each way to a BGR picture whose long side is LONG_SIDE."""
    with av.open(str(path)) as container:
        frames = []
        for frame in container.decode(video=0):
            frames.append(frame)
            if len(frames) == FRAMES:
                break
    width, height = fit(frames[0].width, frames[0].height, LONG_SIDE)

    def one_pass(filter_: Interpolation) -> Callable[[], None]:
        scaler = VideoReformatter()

        def work() -> None:
            for frame in frames:
                scaler.reformat(
                    frame, width, height, "bgr24", interpolation=filter_, threads=1
                ).to_ndarray()

        return work

    def convert_then_resize() -> None:
        for frame in frames:
            image = np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)

    def opencv_matrix() -> None:
        for frame in frames:
            planes = np.asarray(frame.to_ndarray(format="yuv420p"), dtype=np.uint8)
            image = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420)
            cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)

    table = {
        "swscale, one pass, area (ours)": one_pass(Interpolation.AREA),
        "swscale, one pass, bilinear": one_pass(Interpolation.BILINEAR),
        "swscale, one pass, bicubic": one_pass(Interpolation.BICUBIC),
        "to_ndarray, then cv2.resize area": convert_then_resize,
        "cv2 I420 (ignores BT.709), then resize": opencv_matrix,
    }
    return {name: cpu(work) / len(frames) * 1000 for name, work in table.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", nargs="+", type=Path)
    cv2.setNumThreads(1)
    for path in parser.parse_args().recordings:
        recording = Recording.open(path)
        length = recording.duration or 1.0
        theirs, mine = cpu(lambda path=path: bare(path)), cpu(lambda path=path: ours(path))
        print(
            f"{path.name}: samples / bare decoder = {mine / theirs:.2f}"
            f"   (CPU ms per second of recording: {mine / length * 1000:.1f} / "
            f"{theirs / length * 1000:.1f})"
        )
        if recording.has_video:
            for name, spent in ways(path).items():
                print(f"    {spent:6.2f} ms a frame   {name}")


if __name__ == "__main__":
    main()
