"""What the people on duty say during an exam: their words, added time, and a room scan that they ask for.

A person's words stay in view until they say something else; news of devices goes elsewhere.
"""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from policies.texts.live import TIME_ADDED, said
from proctor.session.live_link import Told
from proctor.session.session import Session
from ui import theme
from ui.student.attempt import Attempt
from ui.student.runner import Runner
from ui.student.scan import Became, ScanStep
from ui.widgets.aloud import announce
from ui.widgets.layout import name_it
from ui.widgets.words import Note, Words

# A paused exam has released its camera after this long; then the film can have it (ms).
RELEASED_MS = 1_200
WIDTH, HEIGHT = 640, 680


class People(QWidget):
    """Shows what is told on the live line of ``runner``. ``asked`` gives the window of a room scan."""

    asked = Signal(object)

    def __init__(self, attempt: Attempt, runner: Runner) -> None:
        super().__init__()
        self._attempt, self._runner = attempt, runner
        self._scan: AskedScan | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SMALL)
        self.note = Note()
        self.added = Words("", "label")
        self.added.hide()
        column.addWidget(self.note)
        column.addWidget(self.added)
        runner.live.connect(self.hear)

    def hear(self, told: Told) -> None:
        """Show one thing that was told, and have it read aloud politely."""
        t = self._attempt.t
        sentence = said(
            t,
            told.what,
            by=told.by,
            text=told.text,
            minutes=told.minutes,
            contact=self._attempt.policy.contact,
        )
        self.note.say(sentence, "warning" if told.what in ("away", "in_use") else "info")
        announce(self, sentence)
        link = self._runner.link
        if link is not None and link.extra_minutes:
            self.added.setText(t.count(TIME_ADDED, link.extra_minutes))
            name_it(self.added, self.added.text())
            self.added.setToolTip("")
            self.added.show()
        if told.what == "room_scan" and self._runner.session is not None:
            self._ask(told, sentence, self._runner.session)

    def _ask(self, told: Told, sentence: str, session: Session) -> None:
        if self._scan is not None and self._runner.link is not None:
            self._runner.link.scanned(self._scan.number, "impossible")
        self.forget()
        self._scan = AskedScan(self._attempt, self._runner, session, told, sentence)
        self._scan.show()
        self.asked.emit(self._scan)

    def forget(self) -> None:
        """The exam ends, or something newer is asked: a question that is still open goes."""
        if self._scan is not None:
            self._scan.settled = True
            self._scan.close()
            self._scan.deleteLater()
            self._scan = None


class AskedScan(QWidget):
    """The question for one more room scan, with who asks and why; a no closes it, and that is all."""

    def __init__(
        self, attempt: Attempt, runner: Runner, session: Session, told: Told, sentence: str
    ) -> None:
        super().__init__()
        self._runner, self._session, self.number = runner, session, told.id
        self._paused = self._gone = False
        # Whether the question has its answer, or needs none any more.
        self.settled = False
        link = runner.link
        self._asked = link.asked(told.id) if link is not None else None
        self._language = attempt.t.lang
        self.setWindowTitle(attempt.t.say("Room scan"))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.step = ScanStep(
            attempt,
            why=sentence,
            if_not=attempt.t.say("If you decline, the exam simply goes on."),
        )
        self.step.begin_wanted.connect(self._answered)
        column.addWidget(self.step)
        self.resize(WIDTH, HEIGHT)

    def _answered(self) -> None:
        asked = self._asked
        if asked is None:
            self.close()
            return
        if not self.step.wanted:
            self._runner.do(
                lambda s: s.answer("room_scan", False, language=self._language, asked=asked),
                lambda _: self._over("declined"),
            )
            return
        if self._session.desk.state.on_break:
            self._film()
            return
        # The camera is the exam's until the exam pauses; nothing but the film is captured then.
        self._runner.do(lambda s: s.pause(by=asked.by), lambda _: self._pause_begun())

    def _pause_begun(self) -> None:
        if self._gone:
            # Closed while the pause began: the exam goes on.
            self._runner.do(lambda s: s.resume(), lambda _: None)
            return
        self._paused = True
        QTimer.singleShot(RELEASED_MS, self._film)

    def _film(self) -> None:
        # Whoever closed the window meanwhile is not filmed.
        if self._asked is not None and not self._gone:
            self.step.film(self._session, self._filmed, self._asked)

    def _filmed(self, sentence: str) -> None:
        what = self.step.outcome
        if self._paused:
            self._paused = False
            self._runner.do(lambda s: s.resume(), lambda _: None)
        if sentence:
            self._runner.notice.emit(sentence)
        self._over(what)

    def _over(self, what: Became) -> None:
        self._settle(what)
        self.close()

    def _settle(self, what: Became) -> None:
        link = self._runner.link
        if link is not None and not self.settled:
            link.scanned(self.number, what)
        self.settled = True

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        # A window that is closed is a no.
        self._settle("declined")
        self._gone = True
        self.step.leave()
        self.step.close()
        if self._paused:
            self._paused = False
            self._runner.do(lambda s: s.resume(), lambda _: None)
        super().closeEvent(event)
