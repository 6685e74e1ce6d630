"""The first page: which case, and with which key its clips are opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyrage import x25519
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit

from proctor.evidence.keys import KeyFile, LockedError, load_identity
from ui.bridge import Worker
from ui.texts import Texts
from ui.widgets.layout import Card, LeaveWheel, Page, button, labelled, name_it, row
from ui.widgets.words import SmallNote, Words


class StartPage(Page):
    """``opening`` gives the folder of a case."""

    opening = Signal(str)

    def __init__(self, t: Texts, who: str) -> None:
        super().__init__(
            t.say("Look at a case"),
            t.say("A note is a question to a person. You are the person."),
        )
        self.t = t
        card = Card(t.say("A case on this computer"))
        card.column.addWidget(
            Words(t.say("You look as “{who}”; every look is on record.", who=who))
        )
        self.choose = button(
            t.say("Choose a folder …"),
            "primary",
            t.say("The folder of a case: it has a journal.jsonl"),
        )
        self.choose.clicked.connect(self.ask)
        card.column.addLayout(row(self.choose))
        self.note = SmallNote()
        card.column.addWidget(self.note)
        self.column.addWidget(card)
        self.column.addStretch(1)

    def ask(self) -> None:
        """Ask for the folder of a case."""
        chosen = QFileDialog.getExistingDirectory(self, self.t.say("The folder of a case"))
        if chosen:
            self.opening.emit(chosen)


class KeyPage(Page):
    """Asks for the key that opens the clips. ``opened`` gives its identities; none: go on without."""

    opened = Signal(list)

    def __init__(self, t: Texts, worker: Worker) -> None:
        super().__init__(
            t.say("The key to the clips"),
            t.say("It stays on this computer; a passphrase is kept nowhere."),
        )
        self.t, self._worker = t, worker
        card = Card()
        self.names = QComboBox()
        self.names.installEventFilter(LeaveWheel(self.names))
        name_it(self.names, t.say("Key"))
        self.other = button(t.say("Another file …"), about=t.say("A key file in another folder"))
        self.line = QLineEdit()
        self.line.setEchoMode(QLineEdit.EchoMode.Password)
        name_it(self.line, t.say("Passphrase"))
        self.unlock = button(t.say("Use this key"), "primary")
        self.without = button(
            t.say("Go on without clips"), about=t.say("What was noted can be read, but not played")
        )
        self.note = SmallNote()
        card.column.addLayout(labelled(t.say("Key"), self.names, self.other))
        card.column.addLayout(
            labelled(
                t.say("Passphrase"), self.line, hint=t.say("Leave it empty where the key has none.")
            )
        )
        card.column.addWidget(self.note)
        card.column.addLayout(row(self.unlock, self.without))
        self.column.addWidget(card)
        self.column.addStretch(1)
        self.other.clicked.connect(self.ask)
        self.unlock.clicked.connect(self.open_key)
        self.line.returnPressed.connect(self.open_key)
        self.without.clicked.connect(lambda: self.opened.emit([]))

    def offer(self, found: Sequence[KeyFile], fitting: Sequence[str]) -> None:
        """Offer the keys of this computer, those first that the clips are sealed for."""
        self.names.clear()
        for key in sorted(found, key=lambda key: key.recipient not in fitting):
            self.names.addItem(key.name, str(key.path))
        self.unlock.setEnabled(self.names.count() > 0)
        none = self.t.say(
            "No key was found on this computer. Choose a key file, or go on without clips."
        )
        self.note.say("" if found else none, "warning")

    def ask(self) -> None:
        """Ask for a key file elsewhere."""
        chosen, _ = QFileDialog.getOpenFileName(self, self.t.say("A key file"))
        if chosen:
            self.names.addItem(Path(chosen).stem, chosen)
            self.names.setCurrentIndex(self.names.count() - 1)
            self.note.say("")
            self.unlock.setEnabled(True)

    def open_key(self) -> None:
        """Try the key with the passphrase that was typed."""
        typed, path = self.line.text(), self.names.currentData()
        if not path:
            return
        self.line.clear()
        self.note.say("")
        self.unlock.setEnabled(False)
        self._worker.run(
            lambda: load_identity(Path(path), lambda _: typed), self._opened, self._refused
        )

    def _opened(self, identities: list[x25519.Identity]) -> None:
        self.unlock.setEnabled(True)
        self.opened.emit(identities)

    def _refused(self, error: Exception) -> None:
        self.unlock.setEnabled(True)
        wrong = isinstance(error, LockedError)
        self.note.say(
            self.t.say("This passphrase does not open the key. You can try again.")
            if wrong
            else str(error)
        )
        self.line.setFocus()
