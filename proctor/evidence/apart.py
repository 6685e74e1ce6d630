"""Opens clips in a process of its own, which may fail, hang or be taken over without harm to the caller.

A clip comes from a stranger's machine, and decoders of video are large programs in C. The process
that runs them has limits of memory, time and files, holds no key, and answers in plain bytes that are
checked like any other untrusted file: never in pickles, which could run code here.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Sequence
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np

from proctor.evidence import clip, limits
from proctor.evidence.clip import ClipError, ClipInfo, Sound
from proctor.types import Image

# What one clip may take. The longest that a policy can ask for, 60 s of 1280x720, takes 0.8 s of computing and
# 50 MB (docs/evidence.md). How much is computed is bounded in `clip`; this is by the clock, for a decoder
# that hangs, and long enough for a slow laptop that has other things to do.
SECONDS = 30.0
MEMORY = 250_000_000
# Starting the process and loading its libraries takes half a second; a busy machine needs more.
START_S = 30.0
_FILES = 4
_MAX_HEAD = 100_000
_MAX_TIMES = 1_000
_MAX_SOUND = round(2 * clip.MAX_RATE * clip.MAX_SECONDS)


class Apart:
    """A process that opens clips. It starts with the first clip, and anew after a failure.

    Use it as a context manager. Any thread may call; one clip is opened at a time.
    """

    def __init__(self, *, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._late = False

    def __enter__(self) -> Apart:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process, so that the first clip need not wait for it."""
        with self._lock:
            self._started()

    def info(self, data: bytes) -> ClipInfo:
        """As :func:`clip.info`; :class:`ClipError` also when it took too long, too much, or crashed."""
        with self._lock:
            head, _, _ = self._ask({"what": "info"}, data)
        try:
            return _info(head["info"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClipError(
                "The clip could not be opened: its decoder answered nonsense."
            ) from error

    def frames(self, data: bytes, times: Sequence[float]) -> list[Image]:
        """As :func:`clip.frames`; :class:`ClipError` also when it took too long, too much, or crashed."""
        if len(times) > _MAX_TIMES:
            raise ValueError(f"{len(times)} pictures were asked for at once")
        with self._lock:
            _, images, _ = self._ask({"what": "frames", "times": list(times)}, data)
        return images

    def sound(self, data: bytes) -> Sound:
        """As :func:`clip.sound`; :class:`ClipError` also when it took too long, too much, or crashed."""
        with self._lock:
            head, _, samples = self._ask({"what": "sound"}, data)
        rate = head.get("rate")
        if type(rate) is not int or not 0 <= rate <= clip.MAX_RATE or (samples and not rate):
            raise ClipError("The clip could not be opened: its decoder answered nonsense.")
        return Sound(rate, samples)

    def close(self) -> None:
        """End the process; safe to call twice."""
        with self._lock:
            self._end()

    def _ask(self, head: dict[str, Any], data: bytes) -> tuple[dict[str, Any], list[Image], bytes]:
        """What the process answers, the pictures that come with it, and the sound."""
        if len(data) > clip.MAX_BYTES:
            raise ClipError(f"The clip is larger than {clip.MAX_BYTES // 1_000_000} MB.")
        pipe = self._started()
        timer = threading.Timer(self._seconds, self._kill_late)
        self._late = False
        timer.start()
        try:
            pipe.send_bytes(json.dumps(head).encode("ascii"))
            pipe.send_bytes(data)
            answer = json.loads(pipe.recv_bytes(_MAX_HEAD))
            problem, sizes = answer.get("problem"), answer.get("sizes", [])
            if problem is not None:
                raise ClipError(str(problem)[:500])
            samples = pipe.recv_bytes(_MAX_SOUND) if answer.get("sound") is True else b""
            return answer, _images(pipe, sizes, len(head.get("times", ()))), samples
        except ClipError:
            raise
        except (EOFError, OSError, ValueError, AttributeError, TypeError) as error:
            self._end()
            if self._late:
                raise ClipError(
                    f"The clip takes longer than {self._seconds:g} s to open."
                ) from error
            raise ClipError("The clip makes the decoder fail; it was not opened.") from error
        except BaseException:
            self._end()
            raise
        finally:
            timer.cancel()
            timer.join()

    def _started(self) -> Connection:
        if self._pipe is not None and self._process is not None and self._process.is_alive():
            return self._pipe
        self._end()
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._memory), name="clip-decoder", daemon=True
        )
        process.start()
        theirs.close()
        self._pipe, self._process = ours, process
        if not ours.poll(START_S) or ours.recv_bytes(_MAX_HEAD) != b"ready":
            self._end()
            raise ClipError("The process that opens clips does not start; none can be opened here.")
        return ours

    def _kill_late(self) -> None:
        self._late = True
        if self._process is not None:
            self._process.kill()

    def _end(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()  # it has nothing to put in order
            self._process.join()
            self._process.close()
        self._pipe = self._process = None


def _info(told: dict[str, Any]) -> ClipInfo:
    """What the process told, every value of its type and within bounds."""
    duration = float(told["duration"])
    if not 0.0 <= duration <= 10 * clip.MAX_SECONDS:
        raise ValueError("no duration of a clip")
    counts = [told[name] for name in ("width", "height", "pictures", "rate", "length")]
    if not all(type(count) is int and 0 <= count <= 2**31 for count in counts):
        raise ValueError("no counts of a clip")
    return ClipInfo(duration, told["has_video"] is True, told["has_audio"] is True, *counts)


def _images(pipe: Connection, sizes: Sequence[Sequence[int]], most: int) -> list[Image]:
    if len(sizes) > most:
        raise ValueError("more pictures than were asked for")
    images = []
    for height, width in sizes:
        if not (height > 0 and width > 0 and height * width <= clip.MAX_PIXELS):
            raise ValueError("no size of a picture")
        raw = pipe.recv_bytes(3 * height * width)
        images.append(np.frombuffer(raw, np.uint8).reshape(height, width, 3))
    return images


def _serve(pipe: Connection, memory: int) -> None:
    """The other process: answers until the caller goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to answer
    limits.confine(memory=memory, seconds=3600, files=_FILES)
    pipe.send_bytes(b"ready")
    while True:
        try:
            head, data = json.loads(pipe.recv_bytes()), pipe.recv_bytes()
        except EOFError:
            return
        images: list[Image] = []
        samples = b""
        answer: dict[str, Any]
        try:
            if head["what"] == "info":
                answer = {"info": asdict(clip.info(data))}
            elif head["what"] == "sound":
                heard = clip.sound(data)
                samples, answer = heard.samples, {"sound": True, "rate": heard.rate}
            else:
                images = clip.frames(data, head["times"])
                answer = {"sizes": [image.shape[:2] for image in images]}
        except ClipError as error:
            answer = {"problem": str(error)}
        except MemoryError:
            answer = {"problem": "The clip takes more memory than any of ours."}
        pipe.send_bytes(json.dumps(answer).encode("utf-8"))
        if answer.get("sound"):
            pipe.send_bytes(samples)
        for image in images:
            pipe.send_bytes(np.ascontiguousarray(image).tobytes())
