"""The student's own key to their clips: asked for before the exam, used on the receipt (decision 0025)."""

from __future__ import annotations

from pathlib import Path

from pyrage import x25519
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from policies.texts.told import tell
from proctor.evidence import view
from proctor.evidence.access import local_reader
from proctor.evidence.keys import MIN_PASSPHRASE, KeyFile, LockedError, load_identity
from proctor.evidence.opening import opened
from ui import theme
from ui.student.attempt import Attempt
from ui.texts import Texts
from ui.widgets.aloud import announce
from ui.widgets.consent import ConsentCard
from ui.widgets.layout import button, labelled, name_it
from ui.widgets.player import Player
from ui.widgets.words import SmallNote, Words


class OwnKeyCard(ConsentCard):
    """Whether a key is made, and under which passphrase; a no is as good as a yes."""

    changed = Signal()

    def __init__(self, attempt: Attempt) -> None:
        t = attempt.t
        super().__init__(
            t,
            t.say("Do you want a key of your own to the clips of your exam?"),
            t.say("If you say no, you get this instead:"),
            t.say(
                "No key is made. You can ask to see your clips: {contact}",
                contact=attempt.policy.contact,
            ),
        )
        self.attempt = attempt
        about = t.say(
            "With it you can play your clips when the exam is over. You choose a passphrase: without it "
            "nobody can use the key, and nobody can replace it."
        )
        self.column.insertWidget(1, Words(about))
        self.fields = QWidget()
        column = QVBoxLayout(self.fields)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SMALL)
        self.first = secret(t.say("Passphrase"))
        self.again = secret(t.say("Passphrase, once more"))
        self.note = SmallNote()
        hint = t.say(
            "At least {n} characters. A few unrelated words make a good one.", n=MIN_PASSPHRASE
        )
        column.addLayout(labelled(t.say("Passphrase"), self.first, hint=hint))
        column.addLayout(labelled(t.say("Passphrase, once more"), self.again))
        column.addWidget(self.note)
        self.column.addWidget(self.fields)
        for line in (self.first, self.again):
            line.setText(attempt.passphrase)
            line.textChanged.connect(self._typed)
        self.show_answer(attempt.own_key)
        self.fields.setVisible(attempt.own_key is True)
        self.answered.connect(self._decided)

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to say: no key is wanted, or its passphrase is chosen."""
        return self.attempt.own_key is not True or bool(self.attempt.passphrase)

    def _decided(self, yes: bool) -> None:
        self.attempt.own_key = yes
        self.fields.setVisible(yes)
        if not yes:
            self.first.clear()
            self.again.clear()
        self.changed.emit()

    def _typed(self) -> None:
        t, first, again = self.attempt.t, self.first.text(), self.again.text()
        problem = ""
        if first and len(first) < MIN_PASSPHRASE:
            problem = t.say("{n} of {all} characters", n=len(first), all=MIN_PASSPHRASE)
        elif again and first != again:
            problem = t.say("The two passphrases are not the same.")
        self.note.say(problem, "warning")
        whole = len(first) >= MIN_PASSPHRASE and first == again
        self.attempt.passphrase = first if whole else ""
        self.changed.emit()


class OwnClips(QWidget):
    """Asks for the passphrase once, then plays clips of ``case`` with ``key``; each look is logged."""

    def __init__(self, attempt: Attempt, case: Path, key: KeyFile) -> None:
        super().__init__()
        t = attempt.t
        self.attempt, self.case, self.key = attempt, case, key
        self.flag = ""
        self._identities: list[x25519.Identity] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SMALL)
        self.lock = QWidget()
        inside = QVBoxLayout(self.lock)
        inside.setContentsMargins(0, 0, 0, 0)
        self.line = secret(t.say("Your passphrase"))
        self.line.returnPressed.connect(self.unlock)
        self.unlock_button = button(t.say("Unlock"), about=t.say("Unlock your clips"))
        self.unlock_button.setToolTip("")
        self.unlock_button.clicked.connect(self.unlock)
        inside.addLayout(
            labelled(
                t.say("Your passphrase"),
                self.line,
                self.unlock_button,
                hint=t.say("You chose it before the exam. It is asked once."),
            )
        )
        self.note = SmallNote()
        self.player = Player(t)
        self.player.failed.connect(self._refuse)
        self.player.opened.connect(self.player.play_button.setFocus)
        for part in (self.lock, self.note, self.player):
            column.addWidget(part)
        self.player.hide()

    def watch(self, flag: str, place: QVBoxLayout) -> None:
        """Play the clip of ``flag`` at ``place``, once the passphrase is known."""
        self.player.forget()
        self.note.say("")
        self.flag = flag
        place.addWidget(self)
        self.show()
        if self._identities:
            self._play()
        else:
            self.line.setFocus()

    def unlock(self) -> None:
        """Try the passphrase that was typed; it is kept nowhere, the key it opens in memory only."""
        typed, path = self.line.text(), self.key.path
        self.line.clear()
        self.note.say("")
        self.unlock_button.setEnabled(False)
        self.attempt.worker.run(
            lambda: load_identity(path, lambda _: typed), self._unlocked, self._locked
        )

    def shut(self) -> None:
        """Forget key and clip."""
        self._identities = []
        self.player.shut()

    def _unlocked(self, identities: list[x25519.Identity]) -> None:
        self._identities = identities
        self.note.say("")
        self.lock.hide()
        self._play()

    def _locked(self, error: Exception) -> None:
        self.unlock_button.setEnabled(True)
        if isinstance(error, LockedError):
            self._refuse(
                self.attempt.t.say("This passphrase does not open your key. You can try again.")
            )
            self.line.setFocus()
        else:
            self.attempt.failed(error)

    def _refuse(self, sentence: str) -> None:
        said = tell(self.attempt.t, sentence)
        self.note.say(said)
        announce(self, said)

    def _play(self) -> None:
        case, flag, identities = self.case, self.flag, self._identities

        def get() -> bytes:
            reason = "the student's own look"
            return opened(view.read(case), flag, identities, local_reader(), reason=reason)

        self.player.show()
        self.player.open(get)


def secret(name: str) -> QLineEdit:
    """A field whose text is not shown."""
    line = QLineEdit()
    line.setEchoMode(QLineEdit.EchoMode.Password)
    name_it(line, name)
    return line


def why_not(t: Texts, wanted: bool, contact: str) -> str:
    """Why a student cannot play their clips, and whom they can ask."""
    if wanted:
        return t.say(
            "You have no key of your own to these clips. You can ask to see them: {contact}",
            contact=contact,
        )
    return t.say(
        "The rules of this exam give you no key of your own. You can ask to see your clips: {contact}",
        contact=contact,
    )
