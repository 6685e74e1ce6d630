"""What every player has: a picture, its sound as a wave, a slider, play, single steps, speeds, and a note."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QComboBox, QSlider, QVBoxLayout, QWidget

from ui import theme
from ui.bridge import Worker
from ui.texts import Texts
from ui.widgets.camera import CameraView
from ui.widgets.flow import Flow
from ui.widgets.layout import LeaveWheel, button, name_it
from ui.widgets.speaker import Speaker
from ui.widgets.wave import Wave
from ui.widgets.words import Words

SPEEDS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
TICK_MS = 25


class Playing(QWidget):
    """The controls. Whoever derives keeps ``there`` (whether there is anything to play) and ``step_s`` (seconds of
    a step of the slider)."""

    def __init__(
        self,
        t: Texts,
        view: CameraView,
        wave: Wave,
        place: str,
        *,
        tick: Callable[[], None],
        went: Callable[[], None],
        sound: Callable[[], None],
    ) -> None:
        """``place`` is the slider's name. Called: ``tick`` while it plays, ``went`` when a person moved the slider,
        ``sound`` when playing goes on from here, to let it be heard or to say why not."""
        super().__init__()
        self._t, self._sound_on = t, sound
        self.there, self.step_s = False, 1.0
        # Grows with everything that is opened or forgotten: an answer to an older wish is left alone.
        self._asked = 0
        self._worker, self._speaker = Worker(self), Speaker(self)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(tick)
        # Where playing began: a place (s), and the moment.
        self._from, self._since = 0.0, 0.0
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(theme.SMALL)
        self.view, self.wave = view, wave
        self.slider = QSlider(Qt.Orientation.Horizontal)
        name_it(self.slider, place)
        self.slider.valueChanged.connect(went)
        self.slider.sliderReleased.connect(self._again)
        self.place = Words(wrap=False)
        self.play_button = button(t.say("Play"))
        self.back = button(t.say("One picture back"))
        self.on = button(t.say("One picture on"))
        self.speed = QComboBox()
        for one in SPEEDS:
            self.speed.addItem(t.say("{n} times", n=t.number(one)), one)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.installEventFilter(LeaveWheel(self.speed))
        name_it(self.speed, t.say("Speed"))
        self.note = Words("", "hint")
        self.play_button.clicked.connect(self.toggle)
        self.back.clicked.connect(lambda: self.step(-1))
        self.on.clicked.connect(lambda: self.step(1))
        self.speed.currentIndexChanged.connect(self._again)

    def lay(self, *parts: QWidget) -> None:
        """Put ``parts`` one below the other, and the controls under them."""
        for part in parts:
            self.column.addWidget(part)
        label = Words(self._t.say("Speed"), "label", wrap=False)
        label.setBuddy(self.speed)
        for text in (label, self.place):
            # In the middle of the line that the buttons make.
            text.setMinimumHeight(self.play_button.sizeHint().height())
        line = Flow(self.play_button, self.back, self.on, label, self.speed, self.place)
        self.column.addLayout(line)
        self.column.addWidget(self.note)
        self.enable()

    # What a person does.

    @property
    def playing(self) -> bool:
        """Whether it runs."""
        return self._timer.isActive()

    def toggle(self) -> None:
        """Play, or pause; from the beginning once the end was reached."""
        if self.playing:
            self.pause()
        elif self.there:
            if self.slider.value() >= self.slider.maximum():
                self.slider.setValue(0)
            self.run()

    def pause(self) -> None:
        """Stand still at this picture."""
        self._timer.stop()
        self._speaker.stop()
        self._say_play()

    def step(self, by: int) -> None:
        """Go on or back by pictures, and stand still there."""
        self.pause()
        self.slider.setValue(self.slider.value() + by)

    # For whoever derives.

    def run(self) -> None:
        """Play from here."""
        self.hold()
        self._timer.start()
        self._sound_on()
        self._say_play()

    def hold(self) -> None:
        """Count the time from here and now."""
        self._from, self._since = self.slider.value() * self.step_s, time.monotonic()

    def reached(self) -> float:
        """The second that playing has come to by now."""
        speed: float = self.speed.currentData()
        return self._from + (time.monotonic() - self._since) * speed

    def put(self, step: int) -> bool:
        """Move the slider as playing does; whether it was elsewhere."""
        self.slider.blockSignals(True)
        changed = step != self.slider.value()
        self.slider.setValue(step)
        self.slider.blockSignals(False)
        return changed

    def say_place(self, at: float, whole: float) -> None:
        """Where it stands (s), in words and for who cannot see the slider."""
        words = self._t.say(
            "{at} of {all} seconds", at=self._t.number(at), all=self._t.number(whole)
        )
        self.place.setText(words)
        self.slider.setAccessibleDescription(words)

    def enable(self) -> None:
        """Controls are for what is there."""
        for one in (self.slider, self.play_button, self.back, self.on, self.speed):
            one.setEnabled(self.there)
        if not self.there:
            self.place.setText("")

    def _again(self) -> None:
        """Another speed or place: go on from here."""
        if self.playing:
            self._speaker.stop()
            self.run()

    def _say_play(self) -> None:
        words = self._t.say("Pause") if self.playing else self._t.say("Play")
        self.play_button.setText(words)
        name_it(self.play_button, words)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802
        self.pause()
        super().hideEvent(event)
