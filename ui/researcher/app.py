"""``proctor dataset label``: the window in which people say what recordings show."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QApplication, QLineEdit, QMainWindow

from proctor.errors import InputError
from proctor.evaluate.dataset import Dataset, read
from proctor.evaluate.labels import Labels
from ui import app
from ui.researcher.window import LabelWindow
from ui.researcher.work import Work
from ui.texts import Texts, texts
from ui.widgets.layout import Card, Page, button, labelled, name_it, row
from ui.widgets.words import Note

NAME = "labeller/name"


def main(dataset: Dataset, lang: str | None = None, who: str = "") -> int:
    """Run until the window is closed; returns the exit code.

    ``dataset`` is one of the project's own layout, ``who`` the one who labels (default: asked once, then
    remembered). Raises :class:`proctor.errors.MissingError` where there is no display, and
    :class:`InputError` for a name that is none.
    """
    running, said = app.begin(lang)
    desk = Desk(dataset, said, who)
    desk.show()
    return running.exec()


class AskName(QMainWindow):
    """Asks once who labels. ``given`` gives the labels of that person."""

    given = Signal(object)

    def __init__(self, t: Texts, dataset: Dataset) -> None:
        super().__init__()
        self._t, self._dataset = t, dataset
        self.setWindowTitle(t.say("Label recordings"))
        page = Page(t.say("Who labels?"))
        card = Card(
            "",
            t.say(
                "Your labels stand under this name in the table truth.csv. A short word is enough; it need "
                "not be your own name, but it must always be the same."
            ),
        )
        self.line = QLineEdit(str(QSettings().value(NAME, "")))
        name_it(self.line, t.say("Your name here"))
        self.line.returnPressed.connect(self.answer)
        self.go = button(t.say("Start"), "primary")
        self.go.clicked.connect(self.answer)
        self.note = Note("")
        card.column.addLayout(labelled(t.say("Your name here"), self.line))
        card.column.addLayout(row(self.go))
        card.column.addWidget(self.note)
        page.column.addWidget(card)
        page.column.addStretch(1)
        self.setCentralWidget(page)
        self.resize(*app.centred_on(760, 460))

    def answer(self) -> None:
        """Take the name that was typed."""
        try:
            made = Labels(self._dataset, self.line.text().strip())
        except InputError:
            self.note.say(
                self._t.say("Please use letters and digits, beginning with one of them."), "error"
            )
            return
        QSettings().setValue(NAME, made.who)
        self.given.emit(made)


class Desk(QObject):
    """The question for the name, and the window after it; one of them at a time."""

    def __init__(self, dataset: Dataset, t: Texts, name: str = "") -> None:
        super().__init__()
        self.t, self._dataset = t, dataset
        known = name or str(QSettings().value(NAME, ""))
        self._first = Labels(dataset, known) if known else None
        self.asking: AskName | None = None
        self.window: LabelWindow | None = None

    def show(self) -> None:
        """Show the window, or first the question."""
        if self._first is None:
            self.ask()
        else:
            self.begin(self._first)

    def ask(self) -> None:
        """Ask for a name; who labels now stops labelling, with everything saved."""
        old, self.window = self.window, None
        if old is not None:
            if not old.flush():
                self.window = old
                return
            self._dataset = read(self._dataset.folder)
        self.asking = AskName(self.t, self._dataset)
        self.asking.given.connect(self.begin)
        self.asking.show()
        # The new window first: an app without a window ends.
        if old is not None:
            old.close()
            old.deleteLater()

    def begin(self, labels: Labels) -> None:
        """Label as this person."""
        if self.window is None:
            self._open(Work(labels), labels.dataset.entries[0].id)
        if self.asking is not None:
            self.asking.close()
            self.asking.deleteLater()
            self.asking = None

    def _open(self, work: Work, session: str, at: float = 0.0) -> LabelWindow:
        self.window = made = LabelWindow(self.t, work)
        made.restore_place()
        made.speak.connect(self.in_language)
        made.renaming.connect(self.ask)
        made.show()
        made.go_to(session, lambda: made.player.go(at))
        return made

    def in_language(self, lang: str) -> None:
        """The same work, at the same place, in another language."""
        old = self.window
        if old is None:
            return
        at, session = old.player.at, old.entry.id
        running = QApplication.instance()
        if isinstance(running, QApplication):
            app.speak(running, lang)
        self.t = texts(lang)
        self._open(old.work, session, at)
        # Its labels live on in the new one, which saves them.
        old.leave()
        old.deleteLater()
