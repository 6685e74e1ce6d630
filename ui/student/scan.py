"""The room scan, only where one is offered: asked at its moment, shown before it is handed over (R2, R3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from policies.consent import put_to_student
from policies.errors import GrantError
from policies.texts.told import tell
from proctor.capture.camera import Camera
from proctor.capture.replay import RealTimeReplay, Recording
from proctor.capture.source import Source
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
from ui.texts import Plural, mark
from ui.widgets.aloud import announce
from ui.widgets.camera import CameraView
from ui.widgets.consent import ConsentCard
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, alike, button, name_it, row
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
ENDS = Plural("It ends by itself after {n} second.", "It ends by itself after {n} seconds.")
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
        # Whether the film is on its way to the disk, which nothing may cut short; whether it goes unseen.
        self.sealing = self._unwanted = False
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
        self.if_not = Note(
            if_not
            or t.say(
                "If you decline, the exam begins at once, and nobody who reviews it sees that."
            )
        )
        self.column.addWidget(self.if_not)
        self._filming()
        self._looking()
        self._not_filmed()
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
        longest = self.attempt.policy.room_scan.max_s
        self.film_card.column.addWidget(Words(t.count(ENDS, longest), "hint"))
        self.stop_it = button(t.say("Throw it away"), about=t.say("Nothing of it is kept."))
        self.stop_it.clicked.connect(self._not_wanted)
        self.film_card.column.addLayout(Flow(self.enough, self.stop_it))
        self.film_card.hide()
        self.column.addWidget(self.film_card)

    def film(
        self, session: Session, then: Callable[[str], None], asked: Asked | None = None
    ) -> None:
        """Ask for the grant of this moment, film, and let the student look; ``then`` the exam goes on.

        ``asked``: who asks for it and why, where it is not the policy (rule R4); then the exam runs
        already, and pauses for it.
        """
        self._session, self._then, self._asked = session, then, asked or Asked()
        self._stop.clear()

        def work() -> None:
            if asked is not None:
                session.lend_camera(asked.by)
            # Whoever closed the window meanwhile is neither asked nor filmed.
            if self._stop.is_set():
                return
            grant = session.answer("room_scan", True, language=self.t.lang, asked=self._asked)
            if grant is None:
                raise InputError("The room scan was not agreed to.")
            self._scan = RoomScan(
                session.case, session.plan.policy, grant, self._asked, began=session.clock.now()
            )

        self._worker.run(work, lambda _: self.film_again(), self._failed)

    def film_again(self) -> None:
        """Film, forgetting what was filmed before."""
        scan, session = self._scan, self._session
        if scan is None or session is None:
            return
        self._stop.clear()
        self._stills = []
        # The question has its answer.
        for gone in (self.card, self.if_not, self.look_card, self.not_filmed):
            gone.hide()
        self.film_card.show()
        self.enough.setFocus()
        self._in_view(self.film_card)
        self._worker.run(
            lambda: scan.film(self._frames(scan, session), self._viewed.emit),
            self._filmed,
            self._no_film,
        )

    def _not_wanted(self) -> None:
        """Out of the middle of the film: it ends, and nothing of it is kept (rule C4)."""
        self._unwanted = True
        self._stop.set()

    def _frames(self, scan: RoomScan, session: Session) -> Iterator[Frame]:
        devices = self.attempt.devices
        if devices.recording is not None:
            source: Source = RealTimeReplay(
                Recording.open(devices.recording),
                session.clock,
                camera=scan.lens(),
                microphone=None,
                fps=FPS,
            )
        else:
            source = Camera(scan.lens(), session.clock, device=devices.camera, fps=FPS)
        for frame in live(source, self._stop.is_set):
            self._viewed.emit(frame)
            yield frame

    def _in_view(self, card: QWidget) -> None:
        """Scroll to the card once the page knows how high it is."""
        QTimer.singleShot(0, self, lambda: self.ensureWidgetVisible(card))

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
        alike(self.seal, self.drop)
        self.look_card.column.addLayout(Flow(self.seal, self.drop))
        self.look_card.column.addLayout(row(again))
        self.busy = Note()
        self.look_card.column.addWidget(self.busy)
        self.look_card.hide()
        self.column.addWidget(self.look_card)

    # When there is nothing to look through.

    def _not_filmed(self) -> None:
        t = self.t
        self.not_filmed = Card(t.say("There is no film"))
        self.why_not = Words()
        again = button(t.say("Film again"), "choice")
        without = button(t.say("Go on without a film"), "choice")
        again.clicked.connect(self.film_again)
        without.clicked.connect(lambda: self._go_on(""))
        self.not_filmed.column.addWidget(self.why_not)
        alike(again, without)
        self.not_filmed.column.addLayout(Flow(again, without))
        self.not_filmed.hide()
        self.column.addWidget(self.not_filmed)

    def _no_film(self, error: Exception) -> None:
        """The device gave nothing, or not one picture: the student says whether to try again."""
        if isinstance(error, GrantError):
            self._taken_back()
            return
        if not isinstance(error, ProctorError):
            raise error
        self.film_card.hide()
        if self._unwanted:
            self.throw_away()
            return
        self.why_not.setText(tell(self.t, str(error)))
        announce(self, self.why_not.text())
        self.not_filmed.show()
        self._in_view(self.not_filmed)

    def _filmed(self, measured: Measured) -> None:
        t = self.t
        self.film_card.hide()
        if self._unwanted:
            self.throw_away()
            return
        if measured.coverage is None:
            text = t.say("How much of the room was seen could not be told.")
        else:
            text = t.say(
                "{points} % of the circle was seen.", points=t.percent(round(measured.coverage, 2))
            )
        self.coverage.setText(text)
        announce(self, text)
        self._reload()
        self.look_card.show()
        self._in_view(self.look_card)

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
        self.sealing = True
        self._busy()
        self._worker.run(
            lambda: scan.seal(room_list.lookers(discover(), off=plan.arranged)),
            self._handed_over,
            self._failed,
        )

    def throw_away(self) -> None:
        """Keep nothing, and go on."""
        if self._scan is not None:
            self._busy()
            self.outcome = "declined"
            self._go_on("")

    def _busy(self) -> None:
        self.look_card.setEnabled(False)
        self.not_filmed.setEnabled(False)
        self.busy.say(self.t.say("One moment …"))
        announce(self, self.busy.text)

    def _handed_over(self, _: Any) -> None:
        self.sealing, self.outcome = False, "accepted"
        self._go_on(self.t.say("The film of your room is locked."))

    def taken_back(self) -> None:
        """The yes to this film was taken back elsewhere: filming ends by itself, and what is looked at goes."""
        if self.look_card.isVisible() and not self.sealing:
            self._taken_back()

    def _taken_back(self) -> None:
        self.outcome = "declined"
        self._go_on(self.t.say("You took your yes back; nothing of the film is kept."))

    def _failed(self, error: Exception) -> None:
        """A scan that cannot be made is no obstacle: the exam goes on without."""
        self.sealing = False
        if isinstance(error, GrantError):
            self._taken_back()
            return
        if not isinstance(error, ProctorError):
            raise error
        self._go_on(tell(self.t, str(error)))

    def _go_on(self, sentence: str) -> None:
        """Whatever became of it: what was not handed over is gone, and the exam has its camera."""
        session, scan = self._session, self.forget()
        if session is None:
            self._then(sentence)
            return

        def trouble(error: Exception) -> None:
            if not isinstance(error, ProctorError):
                raise error
            self._then(sentence or tell(self.t, str(error)))

        self._worker.run(
            lambda: session.take_camera_back(scan), lambda _: self._then(sentence), trouble
        )

    def forget(self) -> RoomScan | None:
        """Let go of the film; the scan, whose yes may still be to take back."""
        scan, self._scan, self._stills = self._scan, None, []
        self.still.forget()
        return scan

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
