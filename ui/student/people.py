"""What the people on duty say during an exam: their words, added time, and a room scan that they ask for.

A person's words stay in view until they say something else; news of devices goes elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from policies.texts.live import TIME_ADDED, said
from proctor.session.live_link import Told
from ui import theme
from ui.app import centred_on
from ui.student.attempt import Attempt
from ui.student.runner import Runner
from ui.student.scan import Became, ScanStep
from ui.widgets.aloud import announce
from ui.widgets.layout import name_it
from ui.widgets.words import Note, Words

WIDTH, HEIGHT = 640, 680
# The height of a line at the usual text size, for which these are (pixels).
USUAL_LINE = 17


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
            self._ask(told, sentence)

    def _ask(self, told: Told, sentence: str) -> None:
        link, open_one = self._runner.link, self._scan
        if open_one is not None and not open_one.settled:
            # Whoever films already is not asked over their film; an older question gives way.
            late = told.id if open_one.step.wanted else open_one.number
            if link is not None:
                link.scanned(late, "impossible")
            if open_one.step.wanted:
                return
        self.forget()
        self._scan = AskedScan(self._attempt, self._runner, told, sentence)
        self._scan.show()
        self.asked.emit(self._scan)

    def taken_back(self) -> None:
        """The student took the yes to room scans back: a film that is looked through goes."""
        if self._scan is not None:
            self._scan.step.taken_back()

    def leave(self, then: Callable[[], None]) -> None:
        """The student ends the exam: a film that is on its way to the disk gets there first."""
        if self._scan is None:
            then()
        else:
            self._scan.leave(then)

    def forget(self) -> None:
        """The exam is over, or something newer is asked: a question that is still open goes."""
        if self._scan is not None:
            self._scan.settled = True
            self._scan.step.sealing = False
            self._scan.close()
            self._scan.deleteLater()
            self._scan = None


class AskedScan(QWidget):
    """The question for one more room scan, with who asks and why; a no closes it, and that is all."""

    def __init__(self, attempt: Attempt, runner: Runner, told: Told, sentence: str) -> None:
        super().__init__()
        self._runner, self.number = runner, told.id
        self._then: Callable[[], None] | None = None
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
        # As wide as the same number of letters in every text size, as far as the screen goes.
        large = max(1.0, self.fontMetrics().height() / USUAL_LINE)
        self.resize(*centred_on(round(WIDTH * large), round(HEIGHT * large)))

    def _answered(self) -> None:
        asked, session = self._asked, self._runner.session
        if asked is None or session is None:
            self.close()
            return
        if not self.step.wanted:
            self._runner.do(
                lambda s: s.answer("room_scan", False, language=self._language, asked=asked),
                lambda _: self._over("declined"),
            )
            return
        self.step.film(session, self._filmed, asked)

    def leave(self, then: Callable[[], None]) -> None:
        """Close, and ``then``; after the film that is being locked, if one is."""
        self._then = then
        if not self.step.sealing:
            self.close()

    def _filmed(self, sentence: str) -> None:
        if sentence:
            self._runner.notice.emit(sentence)
        self._over(self.step.outcome)

    def _over(self, what: Became) -> None:
        self._settle(what)
        self.close()

    def _settle(self, what: Became) -> None:
        link = self._runner.link
        if link is not None and not self.settled:
            link.scanned(self.number, what)
        self.settled = True

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if self.step.sealing:
            # What the student handed over is not lost to a click in the corner.
            event.ignore()
            return
        # A window that is closed is a no.
        self._settle("declined")
        self.step.leave()
        self.step.close()
        scan, then, self._then = self.step.forget(), self._then, None
        if self._runner.running:
            # Also after a film that was handed over, which is over then: nothing is left to do.
            self._runner.do(lambda s: s.take_camera_back(scan), lambda _: None)
        if then is not None:
            # By itself, so that it comes whatever became of that.
            self._runner.do(lambda s: None, lambda _: then())
        super().closeEvent(event)
