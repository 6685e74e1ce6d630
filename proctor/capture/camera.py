"""The camera: OpenCV on a thread, only the frames of the grid, found again when it was lost."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from policies.consent import Grant
from proctor.capture import pictures
from proctor.capture.device import Attempt, LiveDevice, Patience
from proctor.capture.naming import DeviceFacts, camera_facts
from proctor.capture.source import Sink
from proctor.clock import SessionClock
from proctor.errors import DeviceError
from proctor.types import Frame, Image

# Numbers that are tried in turn when the camera in use is gone; Linux gives one camera two of them.
NUMBERS = 6
# Pause after a failed grab, so that an unplugged camera does not keep a core busy.
AFTER_FAILURE_S = 0.05


class VideoDevice(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's own name

    def set(self, prop: int, value: float, /) -> bool: ...

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, Any]: ...

    def release(self) -> None: ...


def open_camera(device: int | str) -> VideoDevice:
    """``cv2.VideoCapture`` through the interface that serves USB cameras best on this platform."""
    # A camera that is not there is our event; OpenCV's own line about it, every second, is noise.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    if sys.platform == "darwin":
        # Only the main thread could ask; without this OpenCV refuses on ours instead of letting
        # macOS show its own question.
        os.environ.setdefault("OPENCV_AVFOUNDATION_SKIP_AUTH", "1")
        return cv2.VideoCapture(device, cv2.CAP_AVFOUNDATION)
    if sys.platform == "win32":
        # DirectShow opens at once and honours MJPG; a few cameras only exist in Media Foundation.
        capture = cv2.VideoCapture(device, cv2.CAP_DSHOW)
        return capture if capture.isOpened() else cv2.VideoCapture(device, cv2.CAP_MSMF)
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


class Camera(LiveDevice):
    """Frames of at most ``width`` × ``height``'s longer side, ``fps`` a second, newest first.

    Times are the clock's at the moment of grabbing. All frames of one camera have one size: a
    camera that comes back with another shape is fitted in with black borders.
    """

    def __init__(
        self,
        grant: Grant,
        clock: SessionClock,
        device: int | str = 0,
        width: int = pictures.LONG_SIDE,
        height: int = 480,
        fps: float = pictures.FRAMES_PER_SECOND,
        open_device: Callable[[int | str], VideoDevice] = open_camera,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(grant, "camera", clock, patience or Patience())
        self._device = device
        self._asked = (width, height)
        self._fps = fps
        self._open_device = open_device
        self._size: tuple[int, int] | None = None
        self._format_told = False
        self._seq = 0
        self._searched = 0

    def facts(self) -> DeviceFacts:
        """What the system says of this camera, without opening it."""
        return camera_facts(self._device)

    def _read(self, attempt: Attempt, sink: Sink) -> None:
        device = self._next_device()
        try:
            capture = self._open_device(device)
        except (OSError, cv2.error) as error:
            raise DeviceError(f"{self._refused()} (OpenCV answered: {error})") from error
        try:
            if capture.isOpened():
                self._configure(capture)
                self._grab(capture, attempt, sink, device)
        finally:
            capture.release()

    def _next_device(self) -> int | str:
        """The camera in use; after it was lost, every second time another number.

        A camera that is plugged in instead of another may get another number. Before any camera gave
        pictures none but the chosen one is opened.
        """
        if self._state != "lost" or not isinstance(self._device, int):
            return self._device
        self._searched += 1
        others = [number for number in range(NUMBERS) if number != self._device]
        return self._device if self._searched % 2 else others[self._searched // 2 % len(others)]

    def _configure(self, capture: VideoDevice) -> None:
        # MJPG first: over USB 2 raw pictures of this size leave no room for the frame rate.
        # Wishes only; what really comes is looked at frame by frame.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._asked[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._asked[1])
        capture.set(cv2.CAP_PROP_FPS, self._fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def _grab(self, capture: VideoDevice, attempt: Attempt, sink: Sink, device: int | str) -> None:
        grid = pictures.FrameGrid(self._fps)
        good = False
        while attempt.wanted():
            grabbed = capture.grab()
            t = self._clock.now()
            if not grabbed:
                attempt.pause(AFTER_FAILURE_S)
                continue
            if not grid.wants(t):
                # A camera that grabs but gives no pictures shows no sign of life.
                if good:
                    attempt.sample()
                continue
            # Only wanted frames are decoded; the others are grabbed to keep the newest at hand.
            _, raw = capture.retrieve()
            image = self._picture(raw, sink)
            if not attempt.wanted():
                return
            good = image is not None
            if image is None:
                attempt.pause(AFTER_FAILURE_S)
                continue
            if device != self._device:
                self._device = device
                sentence = "Another camera is used now; look where it points."
                self._event(sink, "device.changed", sentence)
            attempt.sample()
            sink.frame(Frame(t, self._seq, image))
            self._seq += 1

    def _picture(self, raw: object, sink: Sink) -> Image | None:
        image = pictures.to_bgr(raw)
        if image is None:
            self._tell_format(
                sink, "The camera gives pictures that cannot be read; choose another."
            )
            return None
        height, width = image.shape[:2]
        if self._size is None:
            self._size = pictures.fit(width, height, max(self._asked))
        if image is not raw or (width, height) != self._asked:
            self._tell_format(
                sink,
                f"The camera gives {width}×{height} pictures of another format than the "
                f"{self._asked[0]}×{self._asked[1]} in colour asked for; they are converted.",
            )
        inner = pictures.fit_into(width, height, self._size)
        if inner != (width, height):
            scaled = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
            image = np.asarray(scaled, dtype=np.uint8)
        image = pictures.letterbox(image, *self._size)
        # A device may reuse its buffer for the next picture; ours must stay as it is.
        own = image is not raw and image.base is None
        return pictures.sealed(image if own else np.array(image, order="C"))

    def _tell_format(self, sink: Sink, sentence: str) -> None:
        if not self._format_told:
            self._format_told = True
            self._event(sink, "device.format", sentence)

    def _refused(self) -> str:
        if sys.platform == "darwin":
            return (
                "The camera cannot be used; allow it in System Settings › Privacy & Security › "
                "Camera for this program, then start it again."
            )
        if sys.platform == "win32":
            return (
                "The camera cannot be used; allow it in Settings › Privacy & security › Camera "
                "('Let desktop apps access your camera') and close other programs that use it."
            )
        return _refused_on_linux(self._device)


def _refused_on_linux(device: int | str) -> str:
    node = Path(f"/dev/video{device}" if isinstance(device, int) else device)
    if not node.exists():
        return f"There is no camera at {node}; plug one in, or choose another."
    if not os.access(node, os.R_OK | os.W_OK):
        return (
            f"The camera {node} may not be used by this account; run 'sudo usermod -aG video "
            f"$USER' and log in again."
        )
    return f"The camera {node} does not open; close other programs that use it, or plug it in anew."
