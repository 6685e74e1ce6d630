"""The student's window: one step after the other, what was said at the foot, and the way back."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget
from shiboken6 import isValid

from policies.texts.told import tell
from proctor.session import my_data
from proctor.session.delivery import Delivered
from proctor.session.my_data import Mine
from ui import theme
from ui.app import centred_on
from ui.student.attempt import Attempt
from ui.student.check import CheckStep
from ui.student.choices import ChoicesStep
from ui.student.exam import ExamWindow
from ui.student.join import JoinStep
from ui.student.looking import Looking
from ui.student.notice import NoticeStep
from ui.student.post import Post
from ui.student.receipt import ReceiptPage
from ui.student.runner import Runner
from ui.student.scan import ScanStep
from ui.student.step import Step
from ui.student.try_out import TryOut
from ui.widgets.aloud import announce
from ui.widgets.layout import Page, button, name_it
from ui.widgets.words import Severity, Sign, Words

WIDTH, HEIGHT = 860, 760
JOIN, NOTICE, CHOICES, CHECK, SCAN = "join", "notice", "choices", "check", "scan"


class StudentWindow(QMainWindow):
    """Makes each step when it is first reached. ``spoke`` tells that the language changed."""

    spoke = Signal(str)
    gone = Signal()

    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        self.attempt = attempt
        self.runner: Runner | None = None
        self.exam: ExamWindow | None = None
        self.receipt: ReceiptPage | None = None
        self.steps: dict[str, Step] = {}
        self._here = JOIN
        self._closing = False
        self._post: Post | None = None
        self._build()
        self.resize(*centred_on(WIDTH, HEIGHT))
        attempt.said.connect(self.say)
        QShortcut(QKeySequence(QKeySequence.StandardKey.Back), self).activated.connect(self.back)
        self.go(JOIN)

    # The frame.

    def _build(self) -> None:
        t = self.attempt.t
        self.setWindowTitle(t.say("Your exam"))
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self.stack = QStackedWidget()
        column.addWidget(self.stack, 1)
        foot = self.foot = QFrame()
        foot.setObjectName("foot")
        line = QHBoxLayout(foot)
        line.setContentsMargins(theme.LARGE, theme.MEDIUM, theme.LARGE, theme.MEDIUM)
        line.setSpacing(theme.SMALL)
        self.back_button = button(t.say("Back"))
        self.back_button.clicked.connect(self.back)
        self.next_button = button(t.say("Continue"), "primary")
        self.next_button.clicked.connect(self.forward)
        self.sign, self.message = Sign("info"), Words()
        self.sign.hide()
        line.addWidget(self.back_button)
        line.addWidget(self.sign)
        line.addWidget(self.message, 1)
        line.addWidget(self.next_button)
        column.addWidget(foot)
        self.setCentralWidget(whole)

    def say(self, text: str, severity: Severity = "info") -> None:
        """Show a message at the foot, and have it read aloud."""
        # Below a receipt, which has buttons of its own, there is nothing but a message.
        self.foot.setVisible(self.receipt is None or bool(text))
        self.message.setText(text)
        self.message.setProperty("severity", severity if severity != "info" else "")
        self.sign.setVisible(bool(text))
        self.sign.show_sign(severity, "soft" if severity == "info" else severity)
        name_it(self.message, text)
        self.message.setToolTip("")
        announce(self, text)

    # The way.

    @property
    def way(self) -> list[str]:
        """The steps of this attempt, in order; a room scan only where one is offered."""
        steps = [JOIN, NOTICE, CHOICES, CHECK]
        ready = self.attempt.ready
        if ready is not None and ready.begun:
            return [JOIN, CHECK] if self.attempt.answers else [JOIN]
        if ready is not None and self.attempt.offers_scan:
            steps.append(SCAN)
        return steps

    @property
    def here(self) -> str:
        """The step that is shown."""
        return self._here

    def go(self, name: str) -> None:
        """Show a step."""
        if self._here in self.steps and self._here != name:
            self.steps[self._here].leave()
        step = self.steps.get(name) or self._make(name)
        self._here = name
        self.stack.setCurrentWidget(step)
        step.enter()
        self._refresh()
        first = step.first()
        if first is not None:
            first.setFocus()
        announce(self, step.title)

    def forward(self) -> None:
        """On to the next step, or into the exam after the last."""
        step = self.steps[self._here]
        if not step.can_go_on:
            return
        self.say("")
        way = self.way
        place = way.index(self._here) + 1
        if place < len(way):
            self.go(way[place])
        else:
            self.begin()

    def back(self) -> None:
        """One step back; what was answered stays."""
        way = self.way
        place = way.index(self._here) if self._here in way else 0
        if place > 0 and self.runner is None:
            self.say("")
            self.go(way[place - 1])

    def _make(self, name: str) -> Step:
        made: Callable[[Attempt], Step] = {
            JOIN: JoinStep, NOTICE: NoticeStep, CHOICES: ChoicesStep, CHECK: CheckStep, SCAN: ScanStep,
        }[name]  # fmt: skip
        step = made(self.attempt)
        if isinstance(step, NoticeStep):
            step.speak.connect(self.speak)
            step.try_out.connect(self.show_try_out)
        if isinstance(step, ScanStep):
            step.begin_wanted.connect(self.begin)
        step.changed.connect(self._refresh)
        step.done.connect(self._joined if name == JOIN else self.forward)
        self.steps[name] = step
        self.stack.addWidget(step)
        return step

    def _joined(self) -> None:
        """Another exam than before: what was made for the old one is forgotten."""
        for name in list(self.steps):
            if name != JOIN:
                self._forget(name)
        self.forward()

    def _forget(self, name: str) -> None:
        step = self.steps.pop(name)
        step.leave()
        step.close()
        self.stack.removeWidget(step)
        step.deleteLater()

    def _refresh(self) -> None:
        step = self.steps[self._here]
        way = self.way
        # Once the exam is made there is no way back to the answers: they are on record.
        more = self._here in way and way.index(self._here) > 0
        self.back_button.setVisible(more and self.runner is None)
        self.next_button.setVisible(bool(step.next_text))
        self.next_button.setText(step.next_text)
        self.next_button.setEnabled(step.can_go_on)
        name_it(self.next_button, step.next_text)

    def speak(self, lang: str) -> None:
        """The whole window in another language; answers stay."""
        self.attempt.speak(lang)
        here = self._here
        for name in list(self.steps):
            self._forget(name)
        self._build()
        self._here = JOIN
        self.spoke.emit(lang)
        self.go(here)

    def join(self, invitation: str) -> None:
        """Open an invitation that was given with the command."""
        step = self.steps[JOIN]
        if isinstance(step, JoinStep):
            step.line.setText(invitation)
            step.join()

    def show_try_out(self) -> None:
        """What the program sees, on the student's own devices, once they said yes to that."""
        shown = TryOut(self.attempt, self)
        shown.exec()
        shown.deleteLater()

    # The exam.

    def begin(self) -> None:
        """Write the consent record and begin; from here on the small window leads."""
        if self.runner is not None:
            return
        if self._here in self.steps:
            self.steps[self._here].leave()
        self.next_button.setEnabled(False)
        self.say(self.attempt.t.say("One moment, the exam is prepared …"))
        runner = self.runner = Runner(self.attempt, self)
        self.back_button.hide()
        runner.begun.connect(self._begun)
        runner.failed.connect(self._not_begun)
        runner.begin()

    def _begun(self) -> None:
        runner = self.runner
        if runner is None:
            return
        step = self.steps.get(SCAN)
        if isinstance(step, ScanStep) and step.wanted and runner.session is not None:
            self.say("")
            step.film(runner.session, self._open_exam)
            return
        self._open_exam()

    def _open_exam(self, sentence: str = "") -> None:
        runner = self.runner
        if runner is None or self._closing:
            return
        self.say("")
        self.exam = ExamWindow(self.attempt, runner)
        self.exam.over.connect(self._over)
        self.hide()
        self.exam.begin()
        if sentence:
            self.exam.say(sentence)

    def _not_begun(self, sentence: str) -> None:
        if self.exam is not None:
            return
        if self.runner is not None:
            self.runner.close()
        self.runner = None
        self._refresh()
        self.say(tell(self.attempt.t, sentence), "error")

    def _over(self, summary: object) -> None:
        """The receipt, also after an exam that broke off: what was sealed is there."""
        if self.exam is not None:
            # It has no parent, which would hide it; so it must go before the application does.
            self.exam.deleteLater()
        if self._closing:
            return
        folder = self.attempt.case
        self.attempt.run(lambda: my_data.gather(folder), self._show_receipt)
        if summary is not None:
            self.say("")

    def _show_receipt(self, mine: Mine) -> None:
        self.receipt = ReceiptPage(self.attempt, mine)
        self._send_rest(self.receipt)
        self.receipt.closed.connect(self.close)
        self._show_page(self.receipt)
        self.show()

    def _send_rest(self, receipt: ReceiptPage) -> None:
        """Deliver what is left while the student reads; what remains waits on this computer."""
        attempt, t = self.attempt, self.attempt.t
        joined = attempt.joined
        if joined is None or not attempt.policy.hub:
            return
        hub, folder, code = attempt.policy.hub, attempt.case, joined.invitation.code
        receipt.delivery.say(
            t.say("What is locked is being sent. You can close the window at any time.")
        )

        def done(came: Delivered | None) -> None:
            if came is not None and came.whole:
                receipt.delivery.say(t.say("Everything has arrived."), "good")
            else:
                text = t.say(
                    "Not everything could be sent. It waits here: {folder}", folder=str(folder)
                )
                receipt.delivery.say(text, "warning")

        self._post = Post(hub, folder, code)
        self._post.done.connect(done)

    def _show_page(self, page: Page) -> None:
        self.stack.addWidget(page)
        self.stack.setCurrentWidget(page)
        self.back_button.hide()
        self.next_button.hide()
        self.foot.setVisible(bool(self.message.text()))

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self._closing = True
        for step in self.steps.values():
            step.leave()
            step.close()
        if self.runner is not None and self.receipt is None:
            self.runner.close()
        if self.receipt is not None:
            self.receipt.shut()
        Looking.finish_all()
        if self._post is not None:
            self._post.blockSignals(True)
        if self.exam is not None and isValid(self.exam):
            self.exam.people.forget()
            self.exam.deleteLater()
        self.attempt.worker.close()
        self.attempt.far.close()
        super().closeEvent(event)
        self.gone.emit()
