"""The room scan, only where one is offered: asked at its moment, shown before it is handed over (R2, R3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from policies.consent import put_to_student
from policies.texts.told import tell
from proctor.capture.camera import Camera
from proctor.capture.replay import Recording
from proctor.errors import InputError, ProctorError
from proctor.pipeline.plugins import discover
from proctor.session import room_list
from proctor.session.room_scan import FPS, Asked, Blur, RoomScan, live
from proctor.session.session import Session
from proctor.session.sweep import Measured, View
from proctor.types import Frame, Image
from ui.bridge import Worker
from ui.student.attempt import Attempt
from ui.student.step import Step
from ui.texts import mark
from ui.widgets.camera import CameraView
from ui.widgets.consent import ConsentCard
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, button, name_it, row
from ui.widgets.ring import Ring
from ui.widgets.still import Still
from ui.widgets.words import Note, Words

Became = Literal["accepted", "declined", "impossible"]

HINTS: Mapping[str, str] = {
    "dark": mark("It is too dark to see the room; switch on a light."),
    "nothing": mark(
        "There is nothing here to tell the direction by; turn on slowly, or step back."
    ),
    "back": mark("Turn back a little to where you were, and then go on more slowly."),
    "fast": mark("Turn more slowly."),
    "level": mark("Hold the camera level."),
    "right": mark("Go on to the right."),
    "left": mark("Go on to the left."),
    "done": mark("The whole circle was seen."),
}
# A rectangle is made unreadable this long before and after the picture it was drawn on (s).
BLUR_S = 1.5
# Pictures to look through before anything is handed over.
MOST_STILLS = 120


class ScanStep(Step):
    """``begin_wanted``: the student has answered, and the exam can begin, with the scan first or without."""

    begin_wanted = Signal()
    _viewed = Signal(object)

    def __init__(self, attempt: Attempt, *, why: str = "", if_not: str = "") -> None:
        """``why`` a person on duty asks for it, and what a no means then; else the policy asks."""
        t, policy = attempt.t, attempt.policy
        super().__init__(attempt, t.say("Room scan"), why or policy.room_scan.reason)
        self.wanted = False
        # What became of it: nothing could be filmed, until something else did.
        self.outcome: Became = "impossible"
        self._asked = Asked()
        self._worker = Worker(self)
        self._stop = threading.Event()
        self._scan: RoomScan | None = None
        self._session: Session | None = None
        self._then: Callable[[str], None] = lambda sentence: None
        self._stills: list[tuple[float, Image]] = []
        self.card = ConsentCard(
            t,
            put_to_student(policy, "room_scan", t.lang),
            t.say("If you say no, you get this instead:"),
            policy.room_scan.alternative,
        )
        self.card.answered.connect(self._answered)
        self.column.addWidget(self.card)
        self.column.addWidget(
            Note(
                if_not
                or t.say(
                    "If you decline, the exam begins at once, and nobody who reviews it sees that."
                )
            )
        )
        self._filming()
        self._looking()
        self.column.addStretch(1)
        self._viewed.connect(self._show_view, Qt.ConnectionType.QueuedConnection)

    @property
    def next_text(self) -> str:
        return ""

    def _answered(self, yes: bool) -> None:
        self.wanted = yes
        self.card.setEnabled(False)
        self.begin_wanted.emit()

    # Filming.

    def _filming(self) -> None:
        t = self.t
        self.film_card = Card(t.say("Turn the camera slowly once around"))
        beside = QWidget()
        line = QHBoxLayout(beside)
        line.setContentsMargins(0, 0, 0, 0)
        self.camera = CameraView(t.say("What your camera sees"), mirrored=False)
        self.ring = Ring(t)
        line.addWidget(self.camera, 1)
        line.addWidget(self.ring)
        self.film_card.column.addWidget(beside)
        self.hint = Words(t.say("Go on to the right."), "label")
        self.film_card.column.addWidget(self.hint)
        self.enough = button(t.say("That is all"), "primary")
        self.enough.clicked.connect(self._stop.set)
        self.film_card.column.addLayout(row(self.enough))
        self.film_card.hide()
        self.column.addWidget(self.film_card)

    def film(
        self, session: Session, then: Callable[[str], None], asked: Asked | None = None
    ) -> None:
        """Ask for the grant of this moment, film, and let the student look; ``then`` the exam goes on.

        ``asked``: who asks for it and why, where it is not the policy (rule R4).
        """
        self._session, self._then, self._asked = session, then, asked or Asked()

        def work() -> RoomScan:
            grant = session.answer("room_scan", True, language=self.t.lang, asked=self._asked)
            if grant is None:
                raise InputError("The room scan was not agreed to.")
            return RoomScan(
                session.case, session.plan.policy, grant, self._asked, began=session.clock.now()
            )

        self._worker.run(work, self._granted, self._failed)

    def _granted(self, scan: RoomScan) -> None:
        self._scan = scan
        self.film_again()

    def film_again(self) -> None:
        """Film, forgetting what was filmed before."""
        scan = self._scan
        if scan is None:
            return
        self._stop.clear()
        self._stills = []
        self.look_card.hide()
        self.film_card.show()
        self.ensureWidgetVisible(self.film_card)
        self._worker.run(
            lambda: scan.film(self._frames(scan), self._viewed.emit), self._filmed, self._failed
        )

    def _frames(self, scan: RoomScan) -> Iterator[Frame]:
        devices, session = self.attempt.devices, self._session
        if devices.recording is not None:
            recording = Recording.open(devices.recording)
            samples = recording.samples(camera=scan.lens(), microphone=None, fps=FPS)
            frames: Iterator[Frame] = (one for one in samples if isinstance(one, Frame))
        elif session is not None:
            source = Camera(scan.lens(), session.clock, device=devices.camera, fps=FPS)
            frames = live(source, self._stop.is_set)
        else:
            return
        for frame in frames:
            if self._stop.is_set():
                return
            self._viewed.emit(frame)
            yield frame

    def _show_view(self, what: object) -> None:
        if isinstance(what, Frame):
            self.camera.show_picture(what.image)
        elif isinstance(what, View):
            self.ring.show_seen(what.seen)
            text = self.t.say(HINTS[what.hint]) if what.hint in HINTS else ""
            if text and text != self.hint.text():
                self.hint.setText(text)

    # Looking through it, before it is handed over.

    def _looking(self) -> None:
        t = self.t
        self.look_card = Card(t.say("Look through it before you hand it over"))
        self.coverage = Words()
        self.still = Still(
            t.say("Picture of the room"),
            t.say(
                "Draw a rectangle around what nobody should see; it is made unreadable for good."
            ),
        )
        self.still.drawn.connect(self.blur)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        name_it(self.slider, t.say("Moment of the film"))
        self.slider.valueChanged.connect(self._show_still)
        self.whole = button(
            t.say("Make this moment unreadable"),
            about=t.say("The whole picture, three seconds long"),
        )
        self.whole.clicked.connect(lambda: self.blur(QRectF(0, 0, 1, 1)))
        for widget in (self.coverage, self.still, Words(self.still.about, "hint"), self.slider):
            self.look_card.column.addWidget(widget)
        self.look_card.column.addLayout(row(self.whole))
        self.seal = button(
            t.say("Hand it over"), "choice", t.say("It is locked for the people named above.")
        )
        self.drop = button(t.say("Throw it away"), "choice", t.say("Nothing of it is kept."))
        again = button(t.say("Film again"))
        self.seal.clicked.connect(self.hand_over)
        self.drop.clicked.connect(self.throw_away)
        again.clicked.connect(self.film_again)
        self.look_card.column.addLayout(Flow(self.seal, self.drop))
        self.look_card.column.addLayout(row(again))
        self.look_card.hide()
        self.column.addWidget(self.look_card)

    def _filmed(self, measured: Measured) -> None:
        t = self.t
        self.film_card.hide()
        if measured.coverage is None:
            text = t.say("How much of the room was seen could not be told.")
        else:
            text = t.say(
                "{points} % of the circle was seen.", points=t.percent(round(measured.coverage, 2))
            )
        self.coverage.setText(text)
        self._reload()
        self.look_card.show()
        self.ensureWidgetVisible(self.look_card)

    def _reload(self) -> None:
        scan = self._scan
        if scan is not None:
            self._worker.run(lambda: _stills(scan), self._loaded, self._failed)

    def _loaded(self, stills: Sequence[tuple[float, Image]]) -> None:
        self._stills = list(stills)
        self.slider.setRange(0, max(0, len(self._stills) - 1))
        self._show_still(self.slider.value())

    def _show_still(self, place: int) -> None:
        if place < len(self._stills):
            self.still.show_picture(self._stills[place][1])

    def blur(self, area: QRectF) -> None:
        """Make ``area`` (fractions of the picture) unreadable around the moment that is shown."""
        scan, place = self._scan, self.slider.value()
        if scan is None or place >= len(self._stills) or area.width() <= 0 or area.height() <= 0:
            return
        t = self._stills[place][0]
        region = Blur(
            area.x(), area.y(), area.width(), area.height(), max(0.0, t - BLUR_S), t + BLUR_S
        )
        self._worker.run(lambda: scan.blur(region), lambda _: self._reload(), self._failed)

    def hand_over(self) -> None:
        """Seal it for the people named in the policy, and go on."""
        scan, plan = self._scan, self.attempt.plan
        if scan is None:
            return
        self._busy()
        self._worker.run(
            lambda: scan.seal(room_list.lookers(discover(), off=plan.arranged)),
            self._handed_over,
            self._failed,
        )

    def throw_away(self) -> None:
        """Keep nothing, and go on."""
        scan = self._scan
        if scan is not None:
            self._busy()
            self.outcome = "declined"
            self._worker.run(scan.drop, lambda _: self._go_on(""), self._failed)

    def _busy(self) -> None:
        for one in (self.seal, self.drop, self.whole):
            one.setEnabled(False)
        self.attempt.say(self.t.say("One moment …"))

    def _handed_over(self, _: Any) -> None:
        self.outcome = "accepted"
        self._go_on(self.t.say("The film of your room is locked."))

    def _go_on(self, sentence: str) -> None:
        self._scan, self._stills = None, []
        self.still.forget()
        self._then(sentence)

    def _failed(self, error: Exception) -> None:
        """A scan that cannot be made is no obstacle: the exam goes on without."""
        if not isinstance(error, ProctorError):
            raise error
        self._then(tell(self.t, str(error)))

    def leave(self) -> None:
        self._stop.set()

    def close(self) -> bool:
        self._stop.set()
        self._worker.close()
        return super().close()


def _stills(scan: RoomScan) -> list[tuple[float, Image]]:
    """At most :data:`MOST_STILLS` pictures, spread over the film, as they would be sealed."""
    every = list(scan.preview())
    step = max(1, len(every) // MOST_STILLS)
    return every[::step]
