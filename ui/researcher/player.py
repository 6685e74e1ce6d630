"""Plays a whole recording: picture by picture, at six speeds, with its sound as a wave and its labels below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal

from proctor.errors import ProctorError
from proctor.evidence.clip import Sound
from proctor.types import Image
from ui.bridge import Worker
from ui.researcher.film import LEVEL_S, Film, Levels
from ui.researcher.timeline import Timeline
from ui.texts import Texts
from ui.widgets.camera import CameraView
from ui.widgets.playing import SPEEDS, Playing
from ui.widgets.wave import PEAKS, Peaks, Wave

VIEW_HEIGHT = 380
# Sound that is decoded at once (s).
HEARD_S = 60.0
ZOOMS = (1, 2, 4, 8, 16, 32, 64)


class FilmPlayer(Playing):
    """One recording at a time. ``opened``: it can be seen; ``failed``: a sentence why not; ``moved``: elsewhere now."""

    opened = Signal()
    failed = Signal(str)
    moved = Signal()

    def __init__(self, t: Texts) -> None:
        super().__init__(
            t,
            CameraView(t.say("The recording"), mirrored=False),
            Wave(t.say("The sound of the recording")),
            t.say("Place in the recording"),
            tick=self._tick,
            went=self._slid,
            sound=self._sound,
        )
        self.film: Film | None = None
        self._shown = -1
        self._reading = False
        self._levels: Levels = np.zeros(0, np.float32)
        self._zoom = 0
        self.mark: float | None = None
        self._hearing = Worker(self)
        self._heard_until = 0.0
        # Larger than the student's own picture: small things are looked for.
        self.view.setFixedHeight(VIEW_HEIGHT)
        self.timeline = Timeline(t.say("The labels in time"))
        self.timeline.asked.connect(self.go)
        self.lay(self.view, self.wave, self.timeline, self.slider)
        self.draw()

    # What is shown.

    @property
    def frame_s(self) -> float:
        """How long one picture is seen (s)."""
        return 1.0 / self.film.fps if self.film else 0.04

    @property
    def duration(self) -> float:
        """Seconds of the recording; 0 without one."""
        return self.film.duration if self.film else 0.0

    @property
    def at(self) -> float:
        """The second that is shown."""
        return min(self.slider.value() * self.frame_s, self.duration)

    @property
    def idle(self) -> bool:
        """Whether everything that was asked for is there."""
        return not (self._worker.busy or self._hearing.busy)

    def open(self, path: Path, sound: Path | None = None) -> None:
        """Show another recording, at its beginning, and stand still there."""
        self.forget(self._t.say("One moment, the recording is opened …"))
        asked = self._asked

        def done(film: Film) -> None:
            if asked == self._asked:
                self._start(film)
            else:
                film.close()

        self._worker.run(lambda: Film(path, sound), done, self._refused)

    def forget(self, instead: str = "") -> None:
        """Stop, and keep nothing of the recording."""
        self._asked += 1
        self.pause()
        film, self.film = self.film, None
        self.there = False
        if film is not None:
            # On the thread that may be reading it now.
            self._worker.run(film.close, lambda _: None)
        self._levels, self._shown, self._reading = np.zeros(0, np.float32), -1, False
        self._zoom, self.mark = 0, None
        self.view.forget(instead)
        self.note.setText("")
        self.enable()
        self.draw()

    def shut(self) -> None:
        """Stop for good."""
        film = self.film
        self.forget()
        for part in (self._worker, self._hearing, self._speaker):
            part.close()
        if film is not None:
            film.close()

    # What a person does.

    def jump(self, seconds: float) -> None:
        """Go on or back by seconds; plays on where it plays."""
        self.slider.setValue(self.slider.value() + round(seconds / self.frame_s))

    def go(self, at: float) -> None:
        """Stand still at a second."""
        self.pause()
        self.slider.setValue(round(at / self.frame_s))

    def faster(self, by: int) -> None:
        """The next speed, or the one before."""
        place = self.speed.currentIndex() + by
        self.speed.setCurrentIndex(min(max(place, 0), len(SPEEDS) - 1))

    def zoom(self, by: int) -> None:
        """See less of the time, but larger; or more of it."""
        self._zoom = min(max(self._zoom + by, 0), len(ZOOMS) - 1)
        self.draw()

    def draw(self) -> None:
        """Draw what lies in time anew."""
        begin, end = self._seen()
        self.timeline.go(self.at, begin, end, self.mark)
        self.wave.go((self.at - begin) / max(end - begin, 1e-9))
        shown = self._levels[int(begin / LEVEL_S) : max(1, round(end / LEVEL_S))]
        heard = "" if len(shown) else self._t.say("This recording has no sound.")
        self.wave.show_peaks(_fewer(shown), heard)

    # Inside.

    def _seen(self) -> tuple[float, float]:
        """The seconds that are drawn: all, or a part around the place."""
        span = self.duration / ZOOMS[self._zoom]
        begin = min(max(0.0, self.at - span / 2), self.duration - span)
        return begin, begin + span

    def _start(self, film: Film) -> None:
        self.film, self.there, self.step_s = film, True, 1.0 / film.fps
        asked = self._asked
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, int(film.duration * film.fps + 1e-6) - 1))
        self.slider.setPageStep(max(1, round(film.fps)))
        self.slider.setValue(0)
        self.slider.blockSignals(False)
        self.enable()
        if not film.has_video:
            self.view.forget(self._t.say("This recording has sound only."))

        def heard(levels: Levels) -> None:
            if asked == self._asked:
                self._levels = levels
                self.draw()

        self._hearing.run(film.levels, heard, self._refused)
        self._moved()
        self.opened.emit()

    def _refused(self, error: Exception) -> None:
        if not isinstance(error, ProctorError):
            raise error
        self.forget(str(error))
        self.failed.emit(str(error))

    def _slid(self) -> None:
        self._moved()
        if not self.slider.isSliderDown():
            self._again()

    def _moved(self) -> None:
        self.say_place(round(self.at, 2), round(self.duration, 1))
        self.draw()
        self._read()
        self.moved.emit()

    def _read(self) -> None:
        """Fetch the picture of this place, the newest wish first: what is passed by meanwhile is left out."""
        film = self.film
        if film is None or not film.has_video or self._reading:
            return
        step, asked = self.slider.value(), self._asked
        if step == self._shown:
            return
        self._reading = True

        def done(image: Image | None) -> None:
            if asked != self._asked:
                return
            self._reading, self._shown = False, step
            if image is not None:
                self.view.show_picture(image)
            self._read()

        self._worker.run(lambda: film.picture((step + 0.5) / film.fps), done, self._refused)

    def _tick(self) -> None:
        if self.film is None or self.slider.isSliderDown():
            return
        at = self.reached()
        step = int(at / self.frame_s + 1e-6)
        if step >= self.slider.maximum():
            self.pause()
        elif at >= self._heard_until:
            self._sound()
        if self.put(step):
            self._moved()

    def _sound(self) -> None:
        """Sound runs beside the pictures at normal speed; where it does not, that is said."""
        t, film, begin = self._t, self.film, self.at
        self._heard_until = begin + HEARD_S
        if film is None:
            return
        if not film.has_audio:
            self.note.setText(t.say("This recording has no sound."))
            return
        if self.speed.currentData() != 1.0:
            self.note.setText(t.say("Sound is played at normal speed only."))
            return
        self.note.setText("")
        asked = self._asked

        def play(sound: Sound) -> None:
            if self.playing and asked == self._asked and sound.samples:
                self._speaker.play(sound, max(0.0, self.at - begin), self._heard)

        self._hearing.run(lambda: film.sound(begin, HEARD_S), play, self._refused)

    def _heard(self, there: bool) -> None:
        if not there:
            self.note.setText(
                self._t.say(
                    "No loudspeaker was found, so the recording is played without its sound."
                )
            )


def _fewer(levels: Levels) -> Peaks:
    """The highest of every part, as many as can be drawn."""
    if len(levels) <= PEAKS:
        return levels
    edges = np.linspace(0, len(levels), PEAKS, endpoint=False).astype(np.int64)
    return np.asarray(np.maximum.reduceat(levels, edges), np.float32)
