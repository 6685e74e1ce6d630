"""Joining: by an invitation, a file or a link, or a practice exam with no institution at all."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QLineEdit

from policies.invitation import SUFFIX
from proctor.session import invitation
from proctor.session.invitation import Joined
from ui.student.attempt import Attempt, Ready
from ui.student.step import Step
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, alike, button, empty, labelled, name_it, row
from ui.widgets.words import Note, Words


class JoinStep(Step):
    """Where the exam comes from, and whether its institution is known here."""

    def __init__(self, attempt: Attempt) -> None:
        t = attempt.t
        super().__init__(
            attempt,
            t.say("Welcome"),
            t.say("This program accompanies an online exam. A person decides, never the program."),
        )
        self._by_invitation()
        self._practice()
        self._exam = Card()
        self._exam.hide()
        self.column.addWidget(self._exam)
        self.column.addStretch(1)

    @property
    def can_go_on(self) -> bool:
        return self.attempt.ready is not None

    def _by_invitation(self) -> None:
        t = self.t
        card = Card(t.say("I have an invitation"))
        self.line = QLineEdit()
        name_it(
            self.line,
            t.say("Invitation"),
            t.say("A link that begins with open-proctor:, or a file"),
        )
        self.line.setToolTip("")
        self.line.returnPressed.connect(self.join)
        self.choose = button(t.say("Choose a file …"))
        self.choose.clicked.connect(self.ask_for_file)
        card.column.addLayout(labelled(t.say("Link or file"), self.line, self.choose))
        self.open = button(t.say("Open the invitation"), "primary")
        self.open.clicked.connect(self.join)
        card.column.addLayout(row(self.open))
        self.column.addWidget(card)

    def _practice(self) -> None:
        t = self.t
        card = Card(
            t.say("I want to try it first"),
            t.say(
                "A practice exam on this computer. No clip is kept, and nothing is sent to anybody."
            ),
        )
        self.practice = button(t.say("Start a practice exam"))
        self.practice.clicked.connect(self.begin_practice)
        card.column.addLayout(row(self.practice))
        self.column.addWidget(card)

    def ask_for_file(self) -> None:
        """Let the student choose the invitation's file."""
        pattern = self.t.say("Invitations (*{suffix})", suffix=SUFFIX)
        chosen, _ = QFileDialog.getOpenFileName(
            self, self.t.say("Choose a file …"), str(Path.home()), pattern
        )
        if chosen:
            self.line.setText(chosen)
            self.join()

    def join(self, given: str = "") -> None:
        """Open what was typed or chosen."""
        text = (given or self.line.text()).strip()
        if not text:
            self.attempt.say(
                self.t.say("Paste the link of your invitation, or choose its file."), "error"
            )
            return
        self._forget()
        self.attempt.join(text, self._joined)

    def begin_practice(self) -> None:
        """A practice exam instead of an invitation."""
        self._forget()
        self.attempt.joined = None
        self.attempt.prepare(self._prepared)

    def _forget(self) -> None:
        self.attempt.ready = None
        self.attempt.answers = {}
        self._exam.hide()
        self.attempt.say("")
        self.changed.emit()

    def _joined(self, joined: Joined) -> None:
        if joined.unknown is None:
            self.attempt.prepare(self._prepared)
            return
        t = self.t
        self._show(joined.policy.exam, joined.policy.institution)
        self._exam.column.addWidget(
            Note(
                t.say(
                    "This is the first exam of “{institution}” on this computer. Compare these keys with "
                    "those on the institution's own page.",
                    institution=joined.policy.institution,
                ),
                "warning",
            )
        )
        for line in invitation.fingerprints(joined.unknown):
            self._exam.column.addWidget(Words(line, "label"))
        same = button(t.say("They are the same"), "choice")
        other = button(t.say("They are not the same"), "choice")
        same.clicked.connect(lambda: self.attempt.trust(lambda _: self._trusted()))
        other.clicked.connect(self._not_theirs)
        alike(same, other)
        self._exam.column.addLayout(Flow(same, other))
        self.ensureWidgetVisible(self._exam)

    def _trusted(self) -> None:
        self.attempt.prepare(self._prepared)

    def _not_theirs(self) -> None:
        joined = self.attempt.joined
        contact = joined.policy.contact if joined is not None else ""
        self._forget()
        self.attempt.say(
            self.t.say(
                "Nothing was started. Ask whether the invitation is theirs: {contact}",
                contact=contact,
            ),
            "warning",
        )

    def _prepared(self, ready: Ready) -> None:
        policy = ready.plan.policy
        self._show(policy.exam, policy.institution)
        if ready.begun:
            text = self.t.say("This exam has begun already. It goes on where it stopped.")
            self._exam.column.addWidget(Note(text, "info"))
        self.changed.emit()
        self.done.emit()

    def _show(self, exam: str, institution: str) -> None:
        empty(self._exam.column)
        self._exam.column.addWidget(Words(exam, "heading"))
        self._exam.column.addWidget(Words(institution))
        self._exam.show()
