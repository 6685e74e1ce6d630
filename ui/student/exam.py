"""The exam itself: a small window that stays out of the way and hides nothing.

Lights say what is on, in words; every flag is shown as it happens, unless the policy shows them at the
end. Break, help, withdrawal and the end are one click each; closing the window by mistake ends nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDesktopServices
from PySide6.QtWidgets import (
    QApplication,
    QListWidget,
    QMenu,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSystemTrayIcon,
    QVBoxLayout,
    QWidget,
)

from policies.schema import PurposeName
from policies.texts.numbers import kind_title
from policies.texts.told import tell
from policies.texts.words import PURPOSES
from proctor.evidence.words import clock
from proctor.pipeline.rules import FlagEvent
from proctor.session.calibrate import Calibration
from proctor.session.summary import Summary
from proctor.types import Marker, Observation
from ui import theme
from ui.app import centred_on
from ui.student.attempt import Attempt
from ui.student.calibrate import CalibrationScreen
from ui.student.people import People
from ui.student.runner import Runner, not_measured
from ui.student.sayings import noted
from ui.widgets.aloud import announce
from ui.widgets.flow import Flow
from ui.widgets.layout import button, name_it, row
from ui.widgets.words import Note, Sign, Words

WIDTH, HEIGHT = 420, 620
# The height of a line at the usual text size, for which these are (pixels).
USUAL_LINE = 17
# So many lines of what was noted are in view at least.
NOTES_LINES = 4
TICK_MS = 500
# Lights change when capture does; a kind is told as not measured after this long without a score (s).
SILENT_S = 5.0
# How long what came of a click stays in view whatever else happens (s).
ANSWER_S = 15.0
SENSORS: tuple[PurposeName, ...] = ("camera", "microphone")


class ExamWindow(QWidget):
    """Runs the exam of an attempt. ``over`` comes once everything is sealed, with the summary or None."""

    over = Signal(object)

    def __init__(self, attempt: Attempt, runner: Runner) -> None:
        super().__init__(None, Qt.WindowType.Window)
        self.attempt, self.runner = attempt, runner
        self._ending = self._told_hidden = self._was_calibrated = False
        self._unknown_since: dict[str, float] = {}
        self._calibration: CalibrationScreen | None = None
        self._answer, self._answer_until = "", 0.0
        t = attempt.t
        policy = attempt.policy
        self.setWindowTitle(policy.exam)
        # As wide as the same number of letters in every text size, as far as the screen goes.
        large = self.fontMetrics().height() / USUAL_LINE
        self.resize(*centred_on(round(WIDTH * max(1.0, large)), round(HEIGHT * max(1.0, large))))
        whole = QVBoxLayout(self)
        whole.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        whole.setSpacing(theme.MEDIUM)
        # What is read may scroll; the buttons never do.
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setAccessibleName(policy.exam)
        inside = QWidget()
        inside.setObjectName("page")
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, theme.TIGHT, 0)
        column.setSpacing(theme.MEDIUM)
        area.setWidget(inside)
        whole.addWidget(area, 1)
        column.addWidget(Words(policy.exam, "heading"))
        self.clock = Words("", "title")
        name_it(self.clock, t.say("Time since the begin"))
        column.addWidget(self.clock)
        self.lights = {name: _Light(self._sensor_title(name)) for name in SENSORS}
        for light in self.lights.values():
            column.addWidget(light)
        self.note = Note()
        column.addWidget(self.note)
        self.people = People(attempt, runner)
        column.addWidget(self.people)
        self.page_link = ""
        self.open_page = button(
            t.say("Open the exam page"),
            about=t.say("So that the page can tell when a question is shown and answered"),
        )
        self.open_page.clicked.connect(
            lambda: QDesktopServices.openUrl(QUrl(self.page_link, QUrl.ParsingMode.TolerantMode))
        )
        self.open_page.hide()
        self.calibrate = button(
            t.say("Calibrate (half a minute)"),
            about=t.say(
                "The program learns your screen and your light; without it, limits are wider."
            ),
        )
        self.calibrate.clicked.connect(self.begin_calibration)
        self.calibrate.hide()
        column.addLayout(Flow(self.open_page, self.calibrate))
        column.addWidget(Words(t.say("What was noted"), "label"))
        self.flags = QListWidget()
        self.flags.setObjectName("notes")
        self.flags.setWordWrap(True)
        self.flags.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.flags.setResizeMode(QListWidget.ResizeMode.Adjust)
        name_it(
            self.flags,
            t.say("What was noted"),
            t.say("A note is a question to a person. It does not say that you did wrong."),
        )
        self.flags.setMinimumHeight(NOTES_LINES * self.flags.fontMetrics().lineSpacing())
        self.nothing = Words(t.say("Nothing so far."), "hint")
        self.flags.model().rowsInserted.connect(self.nothing.hide)
        column.addWidget(self.nothing)
        column.addWidget(self.flags, 1)
        self.unmeasured = Words("", "hint")
        column.addWidget(self.unmeasured)
        self._buttons(whole)
        self._tray()
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.refresh)
        runner.flag.connect(self._flag)
        runner.notice.connect(self._notice)
        runner.page.connect(self._page)
        runner.ended.connect(self._ended)
        runner.failed.connect(self._failed)
        runner.relay.marker.connect(self._marker)
        runner.relay.seen.connect(self._seen)
        running = QApplication.instance()
        if isinstance(running, QApplication):
            running.screenAdded.connect(self._other_screens)
            running.screenRemoved.connect(self._other_screens)
        self.refresh()

    def _other_screens(self, _: object = None) -> None:
        """A screen came or went: the exam goes on, and what was learned of the screen may not fit now."""
        if not self.runner.running:
            return
        t = self.attempt.t
        if self._was_calibrated and self.runner.session is not None:
            self.calibrate.show()
            self.say(t.say("Your screens have changed. You can calibrate again."))
        else:
            self.say(t.say("Your screens have changed. The exam goes on."))

    def begin(self) -> None:
        """Show the window and let the devices open."""
        self.show()
        self._timer.start()
        self.runner.run()
        session = self.runner.session
        if session is not None:
            self.calibrate.setVisible(bool(Calibration(session).senses))
        if self.attempt.policy.show_flags == "at_end":
            self.flags.addItem(self.attempt.t.say("You see all notes when the exam ends."))

    def _page(self, link: str) -> None:
        self.page_link = link
        self.open_page.show()

    def begin_calibration(self) -> None:
        """Cover the screen for half a minute; any key skips it."""
        session = self.runner.session
        if session is None or not self.runner.running:
            return
        self.calibrate.hide()
        screen = self._calibration = CalibrationScreen(self.attempt, session)
        screen.over.connect(self._calibrated)
        screen.begin()

    def _calibrated(self, sentences: list[str]) -> None:
        self._calibration, self._was_calibrated = None, True
        self.say(" ".join(tell(self.attempt.t, sentence) for sentence in sentences))

    # What is shown.

    def refresh(self) -> None:
        """Bring the clock, the lights and the buttons up to date."""
        t, runner = self.attempt.t, self.runner
        seconds = int(runner.seconds)
        self.clock.setText(f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}")
        for name, light in self.lights.items():
            if runner.on(name):
                light.show_state(True, t.say("on"))
            else:
                light.show_state(False, t.say("paused") if runner.on_break else t.say("off"))
        if runner.filming:
            self.lights["camera"].show_state(True, t.say("on, it films your room"))
        self.pause.setEnabled(not (runner.filming or self._ending))
        self.pause.setText(t.say("Back from the break") if runner.on_break else t.say("Break"))
        self.unmeasured.setText(self._unmeasured_text())

    def _unmeasured_text(self) -> str:
        """What is not measured now, and what is not measured at all."""
        t, now = self.attempt.t, self.runner.seconds
        ready = self.attempt.ready
        parts = ready.parts if ready is not None else {}
        silent = [
            kind_title(t, kind, parts)
            for kind, since in sorted(self._unknown_since.items())
            if now - since >= SILENT_S and kind in self.attempt.policy.rules
        ]
        lines = []
        if silent and not self.runner.on_break:
            lines.append(t.say("Not measured now: {titles}.", titles=t.listed(silent)))
        session = self.runner.session
        if session is not None:
            lines += not_measured(t, session.plan, parts)
        return " ".join(lines)

    def say(self, sentence: str) -> None:
        """Show a sentence, and have it read aloud politely.

        What came of the student's own doing stays for a while: news of a device goes below it.
        """
        answer = self._answer if time.monotonic() < self._answer_until else ""
        self.note.say(f"{answer}\n{sentence}" if answer else sentence, "info")
        announce(self, sentence)

    def _notice(self, english: str) -> None:
        """News of the runtime, which knows no languages."""
        self.say(tell(self.attempt.t, english))

    def _flag(self, event: FlagEvent) -> None:
        if event.what != "closed" or self.attempt.policy.show_flags != "live":
            return
        flag, ready = event.flag, self.attempt.ready
        lasted = (flag.end or flag.start) - flag.start
        parts = ready.parts if ready is not None else {}
        said = noted(self.attempt.t, flag.kind, flag.why, lasted, parts)
        text = f"{clock(flag.start)}  {said}"
        self.flags.addItem(text)
        self.flags.scrollToBottom()
        announce(self, text)

    def _marker(self, marker: Marker) -> None:
        sentence = str(marker.data.get("sentence", ""))
        if sentence:
            self._notice(sentence)

    def _seen(self, observations: Sequence[Observation]) -> None:
        now = self.runner.seconds
        for one in observations:
            if one.score is None:
                self._unknown_since.setdefault(one.kind, now)
            else:
                self._unknown_since.pop(one.kind, None)

    def _sensor_title(self, name: str) -> str:
        t = self.attempt.t
        return t.say("Camera") if name == "camera" else t.say("Microphone")

    # What the student can do.

    def _buttons(self, column: QVBoxLayout) -> None:
        t = self.attempt.t
        self.pause = button(
            t.say("Break"), about=t.say("Capture stops, and the devices are released.")
        )
        self.pause.clicked.connect(self.toggle_break)
        self.help = button(t.say("Ask for help"), about=t.say("Whom to write to or call"))
        self.help.clicked.connect(self.ask_for_help)
        self.withdraw = button(
            t.say("Take back a yes …"),
            about=t.say("Take back what you agreed to; it counts at once."),
        )
        self.withdraw.clicked.connect(self.show_withdrawals)
        self.finish = button(t.say("End the exam …"))
        self.finish.clicked.connect(self.ask_to_end)
        column.addLayout(Flow(self.pause, self.help))
        column.addLayout(Flow(self.withdraw, self.finish))

    def toggle_break(self) -> None:
        """Begin a break, or end it."""
        t = self.attempt.t
        if self.runner.on_break:
            self.runner.do(lambda s: s.resume(), lambda _: self._did(t.say("The exam goes on.")))
        else:
            text = t.say("Break: nothing is captured, and the devices are released.")
            self.runner.do(lambda s: s.pause(), lambda _: self._did(text))

    def ask_for_help(self) -> None:
        """Say whom to ask, and note the moment neutrally."""
        t, contact = self.attempt.t, self.attempt.policy.contact
        text = t.say("Whom to ask: {contact}", contact=contact)
        self.runner.do(lambda s: s.ask_for_help(), lambda _: self._did(text))

    def withdrawals(self) -> list[PurposeName]:
        """What can be taken back now."""
        session = self.runner.session
        if session is None:
            return []
        state = session.desk.state
        return [name for name in self.attempt.policy.purposes if state.live(name)]

    def show_withdrawals(self) -> None:
        """Open the menu of what can be taken back."""
        menu = self.withdrawal_menu()
        menu.exec(self.withdraw.mapToGlobal(self.withdraw.rect().bottomLeft()))
        menu.deleteLater()

    def withdrawal_menu(self) -> QMenu:
        """What can be taken back now, an entry each."""
        t, menu = self.attempt.t, QMenu(self)
        for name in self.withdrawals():
            words = t.say("Take back: {purpose}", purpose=t.say(PURPOSES[name]))
            entry = menu.addAction(words)
            entry.triggered.connect(lambda _=False, name=name: self.take_back(name))
        return menu

    def take_back(self, purpose: PurposeName) -> None:
        """Take a yes back at once; what comes instead is said."""
        t = self.attempt.t

        def done(alternative: str) -> None:
            self._did(t.say("Taken back. What you get instead: {words}", words=alternative))
            if purpose == "room_scan":
                self.people.taken_back()

        self.runner.do(lambda session: session.withdraw(purpose), done)

    def ask_to_end(self) -> None:
        """Ask once whether the exam is really over."""
        box, yes = self.end_question()
        box.exec()
        if box.clickedButton() is yes:
            self.end()
        box.deleteLater()

    def end_question(self) -> tuple[QMessageBox, QPushButton]:
        """The question, and the button that means yes."""
        t = self.attempt.t
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(t.say("End the exam"))
        box.setText(t.say("Is your exam over? Camera and microphone are released then."))
        yes = box.addButton(t.say("End the exam"), QMessageBox.ButtonRole.AcceptRole)
        no = box.addButton(t.say("Go on"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(no)
        return box, yes

    def end(self) -> None:
        """End the exam; the window closes once everything is sealed."""
        self._ending = True
        for one in (self.pause, self.help, self.withdraw, self.finish):
            one.setEnabled(False)
        self.say(self.attempt.t.say("The exam ends. One moment, everything is locked and stored."))
        self.people.leave(self.runner.end)

    def _did(self, sentence: str) -> None:
        self.refresh()
        self._answer = ""
        self.say(sentence)
        self._answer, self._answer_until = sentence, time.monotonic() + ANSWER_S

    # How it ends, and how it does not.

    def _ended(self, summary: Summary) -> None:
        self._close_for_good()
        self.over.emit(summary)

    def _failed(self, sentence: str) -> None:
        self._close_for_good()
        self.attempt.say(tell(self.attempt.t, sentence), "error")
        self.over.emit(None)

    def _close_for_good(self) -> None:
        self._ending = True
        self._timer.stop()
        self.people.forget()
        if self._calibration is not None:
            self._calibration.finish()
            self._calibration = None
        if self.tray is not None:
            self.tray.hide()
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if self._ending or not self.runner.running:
            event.accept()
            return
        # The cross in the corner is no wish to end an exam.
        event.ignore()
        if self.tray is not None:
            self.hide()
            if not self._told_hidden:
                self._told_hidden = True
                t = self.attempt.t
                self.tray.showMessage(
                    self.attempt.policy.exam,
                    t.say("The exam goes on. This sign brings the window back."),
                )
        else:
            self.showMinimized()

    def _tray(self) -> None:
        self.tray: QSystemTrayIcon | None = None
        if not QSystemTrayIcon.isSystemTrayAvailable():
            return
        t = self.attempt.t
        self.tray = QSystemTrayIcon(theme.icon("exam"), self)
        self.tray.setToolTip(self.attempt.policy.exam)
        menu = QMenu(self)
        menu.addAction(t.say("Show the window")).triggered.connect(self.come_back)
        menu.addAction(t.say("End the exam …")).triggered.connect(self.ask_to_end)
        self.tray.setContextMenu(menu)
        self.tray.activated.connect(lambda _: self.come_back())
        self.tray.show()

    def come_back(self) -> None:
        """Bring the window to the front."""
        self.showNormal()
        self.raise_()
        self.activateWindow()


class _Light(QWidget):
    """Whether a sensor is on: a sign and a word."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._sign, self._words = Sign("off", "soft"), Words(wrap=False)
        layout = row(self._sign, self._words)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setLayout(layout)
        self.on: bool | None = None

    def show_state(self, on: bool, word: str) -> None:
        text = f"{self._title}: {word}"
        if text == self._words.text():
            return
        self.on = on
        self._sign.show_sign("on" if on else "off", "good" if on else "soft")
        self._words.setText(text)
        name_it(self, text)
        self.setToolTip("")
