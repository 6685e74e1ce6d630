"""Plays a clip that is opened in memory: pictures, sound, a slider, steps and speeds. Nothing is written.

A clip is opened by whoever calls, its pictures and its sound are decoded by a process of its own
(``proctor.evidence.apart``), some at a time, and wait as JPEG pictures for the moment they are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from PySide6.QtCore import Signal

from policies.texts.told import tell
from proctor.errors import ProctorError
from proctor.evidence.apart import Apart
from proctor.evidence.clip import ClipInfo, Sound
from proctor.types import Box, Image
from ui.texts import Texts
from ui.widgets.camera import CameraView
from ui.widgets.playing import SPEEDS as SPEEDS
from ui.widgets.playing import Playing
from ui.widgets.wave import Peaks, Wave, peaks_of

# The agent's pictures are this far apart (s); asked a little later, it is that picture, not the one before.
STEP_S, SLACK_S = 0.1, 0.02
# Pictures that are decoded at once take no more bytes than this; and none is kept wider than it is shown.
CHUNK_BYTES, MOST_AT_ONCE = 60_000_000, 30
# The first pictures come by themselves, so that something is seen at once.
FIRST = 4
WIDEST, QUALITY = 960, 92


@dataclass
class _Clip:
    """A clip in memory. ``pictures`` are JPEGs, as far as they are decoded; ``count`` steps in all."""

    data: bytes
    info: ClipInfo
    sound: Sound
    peaks: Peaks
    pictures: list[bytes] = field(default_factory=list)
    seen: bool = False

    @property
    def count(self) -> int:
        return max(1, round(self.info.duration / STEP_S))

    @property
    def ready(self) -> int:
        """How many steps can be shown."""
        return len(self.pictures) if self.info.has_video else self.count


# A picture, boxes, and points in fractions of it.
Dressed = tuple[Image, Sequence[Box], Sequence[tuple[float, float]]]


class Player(Playing):
    """One clip at a time. ``failed`` gives the sentence of a clip that cannot be opened; ``seen`` comes once for
    each clip: its first picture is in view, or, where it has sound only, its sound can be heard."""

    opened = Signal()
    seen = Signal()
    failed = Signal(str)

    def __init__(self, t: Texts, *, wave: bool = False) -> None:
        super().__init__(
            t,
            CameraView(t.say("The clip"), mirrored=False),
            Wave(t.say("The sound of the clip")),
            t.say("Place in the clip"),
            tick=self._tick,
            went=self._moved,
            sound=self._sound,
        )
        self._clip: _Clip | None = None
        self._apart = Apart()
        self.step_s = STEP_S
        self.wave.setVisible(wave)
        self.slider.setPageStep(round(1.0 / STEP_S))
        self.lay(self.view, self.wave, self.slider)

    @property
    def count(self) -> int:
        """Steps of a tenth of a second in the clip; 0 without one."""
        return self._clip.count if self._clip is not None else 0

    def open(self, get: Callable[[], bytes]) -> None:
        """Show the clip that ``get`` gives (an MP4 in memory), from its beginning, and play it.

        ``get`` runs off the window's thread; a :class:`ProctorError` of it becomes ``failed``.
        """
        self.forget(self._t.say("One moment, the clip is opened …"))
        asked = self._asked

        def work() -> _Clip:
            data = get()
            sound = self._apart.sound(data)
            return _Clip(data, self._apart.info(data), sound, peaks_of(sound))

        def done(clip: _Clip) -> None:
            if asked == self._asked:
                self._start(clip)

        def refused(error: Exception) -> None:
            self._refused(error, asked)

        self._worker.run(work, done, refused)

    def forget(self, instead: str = "") -> None:
        """Stop, and keep nothing of the clip."""
        self._asked += 1
        self.pause()
        self._clip, self.there = None, False
        self.view.forget(instead)
        self.wave.show_peaks(peaks_of(Sound(0, b"")), "")
        self.note.setText("")
        self.enable()

    def shut(self) -> None:
        """Stop, and end the process that decodes."""
        self.forget()
        self._worker.close()
        self._speaker.close()
        self._apart.close()

    # What a person does.

    def warm(self) -> None:
        """Start the process that decodes before the first clip needs it."""
        self._worker.run(self._apart.start, lambda _: None, lambda e: self._refused(e, self._asked))

    def show_again(self) -> None:
        """Show the picture at this place anew, for instance because something is drawn on it now."""
        self._show()

    # What an app may add.

    def dress(self, step: int, image: Image) -> Dressed:
        """The picture of ``step`` as it is shown, and the boxes and points that are drawn on it."""
        return image, (), ()

    def arrived(self, begin: int, pictures: Sequence[bytes]) -> None:
        """The ``pictures`` (JPEG) from step ``begin`` on are decoded."""

    # Inside.

    def _start(self, clip: _Clip) -> None:
        self._clip, self.there = clip, True
        heard = "" if clip.sound.samples else self._t.say("This clip has no sound.")
        self.wave.show_peaks(clip.peaks, heard)
        self.slider.setRange(0, clip.count - 1)
        self.slider.setValue(0)
        self.enable()
        if clip.info.has_video:
            self._decode(clip)
        else:
            self.view.forget(self._t.say("This clip has sound only."))
        self._show()
        self.run()
        self.opened.emit()

    def _decode(self, clip: _Clip) -> None:
        """The next pictures, until all are there."""
        begin, info, asked = len(clip.pictures), clip.info, self._asked
        at_once = MOST_AT_ONCE if begin else FIRST
        most = min(at_once, CHUNK_BYTES // max(1, 3 * info.width * info.height))
        end = min(clip.count, begin + max(1, most))
        times = [step * STEP_S + SLACK_S for step in range(begin, end)]

        def work() -> list[bytes]:
            if clip is not self._clip:
                return []  # another clip is waiting
            return [_packed(image) for image in self._apart.frames(clip.data, times)]

        def done(found: list[bytes]) -> None:
            if clip is not self._clip:
                return
            clip.pictures += found
            self.arrived(begin, found)
            if begin <= self.slider.value() < len(clip.pictures):
                self._show()
            if found and len(clip.pictures) < clip.count:
                self._decode(clip)

        self._worker.run(work, done, lambda error: self._refused(error, asked))

    def _refused(self, error: Exception, asked: int) -> None:
        if not isinstance(error, ProctorError):
            raise error
        if asked != self._asked:
            return  # of a clip that nobody waits for any more: the one that came after it goes on
        sentence = tell(self._t, str(error))
        self.forget(sentence)
        self.failed.emit(sentence)

    def _sound(self) -> None:
        """Sound runs beside the pictures at normal speed; where it does not, that is said."""
        t, clip = self._t, self._clip
        if clip is None:
            return
        if not clip.sound.samples:
            self.note.setText(t.say("This clip has no sound."))
        elif self.speed.currentData() != 1.0:
            self.note.setText(t.say("Sound is played at normal speed only."))
        else:
            self.note.setText("")
            self._speaker.play(clip.sound, self._from, self._heard)

    def _heard(self, there: bool) -> None:
        if not there:
            self.note.setText(
                self._t.say("No loudspeaker was found, so the clip is played without its sound.")
            )

    def _tick(self) -> None:
        clip = self._clip
        if clip is None:
            self.pause()
            return
        if self.slider.isSliderDown():
            return
        step = int(self.reached() / STEP_S + 1e-6)
        if step >= clip.count:
            self._set(clip.count - 1)
            self.pause()
        elif step < clip.ready:
            self._set(step)
        else:
            # The decoder is behind: wait for it, and go on from this very picture.
            self.hold()

    def _set(self, step: int) -> None:
        """Move the slider as playing does."""
        if self.put(step):
            self._show()

    def _moved(self) -> None:
        """A person moved the slider: play on from there, or stand still there."""
        self._show()
        if not self.slider.isSliderDown():
            self._again()

    def _show(self) -> None:
        clip, step = self._clip, self.slider.value()
        if clip is None:
            return
        self.say_place(round(step * STEP_S, 1), round(clip.count * STEP_S, 1))
        self.wave.go(step / max(1, clip.count - 1))
        there = step < len(clip.pictures)
        if there:
            self.view.show_picture(*self.dress(step, unpacked(clip.pictures[step])))
        if not clip.seen and (there or not clip.info.has_video):
            clip.seen = True
            self.seen.emit()
        if not there and clip.info.has_video:
            # A picture of another place would be a lie; this one comes when it is decoded.
            self.view.forget(self._t.say("One moment, the clip is opened …"))


def _packed(image: Image) -> bytes:
    height, width = image.shape[:2]
    if width > WIDEST:
        size = (WIDEST, max(1, round(height * WIDEST / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    done, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise AssertionError("a picture was not encoded")
    return bytes(jpeg.tobytes())


def unpacked(jpeg: bytes) -> Image:
    """A picture that was packed here."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise AssertionError("a picture that was encoded here is not decoded")
    return np.asarray(image, dtype=np.uint8)
