"""Keys on this computer: those that open clips, those that sign, and the root file that names the latter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from policies.texts.words import short_key
from proctor.evidence.keys import new_identity
from proctor.evidence.signing import new_signing_key
from ui import theme
from ui.institution import signing
from ui.institution.desk import Desk, KeyFound, as_found
from ui.institution.look_pages import LookPage
from ui.widgets.inputs import NumberInput
from ui.widgets.layout import Card, button, labelled, name_it, row
from ui.widgets.words import Note, Words

LIST_LINES = 3


class KeyList(QWidget):
    """Key files as a list, each with its public half, or why it cannot be used."""

    def __init__(self, desk: Desk, name: str) -> None:
        super().__init__()
        self.desk = desk
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SMALL)
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFixedHeight(self.list.fontMetrics().lineSpacing() * 3 * LIST_LINES)
        name_it(self.list, name)
        self.empty = Words(desk.t.say("There are no keys yet."), "hint")
        column.addWidget(self.empty)
        column.addWidget(self.list)

    def show_keys(self, keys: Sequence[KeyFound]) -> None:
        t = self.desk.t
        self.list.clear()
        self.list.setVisible(bool(keys))
        self.empty.setVisible(not keys)
        for key in keys:
            told = key.wrong or t.say(
                "Only you can read it. Public half: {key}", key=short_key(key.public)
            )
            item = QListWidgetItem(f"{key.name}\n{told}")
            sign = "error" if key.wrong else "good"
            item.setIcon(theme.icon(sign, getattr(theme.colours(), sign)))
            item.setToolTip(str(key.path))
            item.setData(Qt.ItemDataRole.UserRole, key)
            self.list.addItem(item)
        if keys:
            self.list.setCurrentRow(0)

    @property
    def chosen(self) -> KeyFound | None:
        item = self.list.currentItem()
        found = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        return found if isinstance(found, KeyFound) and not found.wrong else None


class KeysPage(LookPage):
    """Make keys, look whether they are safe, and hand out their public halves."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("Keys"),
            t.say(
                "In the folder {path}. Give others the public half; keep the file.",
                path=str(desk.folder),
            ),
        )
        self.note = Note()
        self.column.addWidget(self.note)
        self.opening = KeyList(desk, t.say("Keys that open clips"))
        card = Card(
            t.say("Keys that open clips"),
            t.say("One for each reviewer; whoever has the file can open clips."),
        )
        self.new_opening = button(t.say("New key …"), about=t.say("Make a key that opens clips."))
        self.new_opening.setAccessibleName(t.say("New key that opens clips"))
        self.new_opening.clicked.connect(lambda: self._new(signs=False))
        copy = button(t.say("Copy"), about=t.say("Copy the public half of the chosen key."))
        copy.clicked.connect(lambda: self._copy(self.opening.chosen))
        self.use = button(
            t.say("May open clips"), about=t.say("Let the chosen key open clips of this policy.")
        )
        self.use.clicked.connect(self._use)
        card.column.addWidget(self.opening)
        card.column.addLayout(row(self.new_opening, copy, self.use))
        self.column.addWidget(card)

        self.signing = KeyList(desk, t.say("Keys that sign policies"))
        card = Card(
            t.say("Keys that sign policies"),
            t.say("Each is protected by a passphrase that nobody can reset."),
        )
        self.new_signing = button(
            t.say("New key …"), about=t.say("Make a key that signs policies.")
        )
        self.new_signing.setAccessibleName(t.say("New key that signs policies"))
        self.new_signing.clicked.connect(lambda: self._new(signs=True))
        copy = button(t.say("Copy"), about=t.say("Copy the public half of the chosen key."))
        copy.clicked.connect(lambda: self._copy(self.signing.chosen))
        self.root = button(
            t.say("Root file …"), about=t.say("Write down which keys may sign, and how many must.")
        )
        self.root.clicked.connect(self._root)
        card.column.addWidget(self.signing)
        card.column.addLayout(row(self.new_signing, copy, self.root))
        self.column.addWidget(card)
        self.column.addStretch(1)
        desk.keys_changed.connect(self._list)
        self._list()

    def show_draft(self, *, refill: bool) -> None:
        self.use.setEnabled(self.desk.draft.is_open)

    def draw_anew(self) -> None:
        self._list()

    def _list(self) -> None:
        self.opening.show_keys(self.desk.keys.opening)
        self.signing.show_keys(self.desk.keys.signing)
        self.root.setEnabled(any(not key.wrong for key in self.desk.keys.signing))

    def _copy(self, key: KeyFound | None) -> None:
        if key is not None:
            QApplication.clipboard().setText(key.public)
            self.desk.say(self.desk.t.say("Copied: the public half of {name}.", name=key.name))

    def _use(self) -> None:
        key, draft = self.opening.chosen, self.desk.draft
        if key is None or draft.checked is None:
            return
        there = draft.checked.data.get("recipients", [])
        if key.public not in there:
            draft.change(("recipients",), [*there, key.public])
        self.desk.say(self.desk.t.say("{name} may open clips of this policy.", name=key.name))
        self.desk.wanted.emit(("recipients",))

    def _new(self, *, signs: bool) -> None:
        dialog = NewKey(self.desk, self, signs=signs)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _root(self) -> None:
        usable = [key for key in self.desk.keys.signing if not key.wrong]
        dialog = NewRoot(self.desk, self, usable)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()


class _Dialog(QDialog):
    """A few fields, a line for what is wrong with them, and two buttons."""

    def __init__(self, desk: Desk, parent: QWidget, title: str, about: str, action: str) -> None:
        super().__init__(parent)
        self.desk = desk
        self.setWindowTitle(title)
        self.setModal(True)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        self.column.setSpacing(theme.MEDIUM)
        self.column.addWidget(Words(title, "heading"))
        self.column.addWidget(Words(about, "hint"))
        self.note = Note()
        self.go = button(action, "primary")
        self.go.setDefault(True)
        self.go.clicked.connect(self.act)
        self.buttons = QDialogButtonBox()
        self.buttons.addButton(self.go, QDialogButtonBox.ButtonRole.ApplyRole)
        cancel = button(desk.t.say("Cancel"))
        self.buttons.addButton(cancel, QDialogButtonBox.ButtonRole.RejectRole)
        self.buttons.rejected.connect(self.reject)
        self.setMinimumWidth(self.fontMetrics().averageCharWidth() * 72)

    def line(self, title: str, about: str, *, secret: bool = False, hint: str = "") -> QLineEdit:
        made = QLineEdit()
        if secret:
            made.setEchoMode(QLineEdit.EchoMode.Password)
        self.labelled(title, about, made, hint)
        return made

    def labelled(self, title: str, about: str, control: QWidget, hint: str = "") -> None:
        name_it(control, title, about)
        self.column.addLayout(labelled(title, control, hint=hint))

    def finish(self) -> None:
        self.column.addWidget(self.note)
        self.column.addWidget(self.buttons)

    def act(self) -> None:
        raise AssertionError(f"{type(self).__name__} does nothing")

    def failed(self, error: Exception) -> None:
        self.go.setEnabled(True)
        self.desk.failed(error)
        self.note.say(str(error), "error")


class NewKey(_Dialog):
    """A name, and for a key that signs a passphrase, twice."""

    def __init__(self, desk: Desk, parent: QWidget, *, signs: bool) -> None:
        t = desk.t
        title = t.say("New key that signs policies") if signs else t.say("New key that opens clips")
        super().__init__(
            desk,
            parent,
            title,
            t.say(
                "A key is never overwritten; without it nothing of it can be opened or signed again."
            ),
            t.say("Make the key"),
        )
        self.name = self.line(
            t.say("Name"), t.say("Letters, digits, dots, dashes and underscores.")
        )
        self.signs = signs
        if signs:
            about = t.say("At least 15 characters; a few unrelated words make a good one.")
            self.secret = self.line(t.say("Passphrase"), about, secret=True, hint=about)
            self.again = self.line(t.say("Passphrase, once more"), about, secret=True)
        self.finish()

    def act(self) -> None:
        name, folder = self.name.text().strip(), self.desk.folder
        if self.signs:
            secret = self.secret.text()
            if secret != self.again.text():
                self.note.say(self.desk.t.say("The two passphrases are not the same."), "error")
                return
            work = lambda: as_found(new_signing_key(name, secret, folder))  # noqa: E731
        else:
            work = lambda: as_found(new_identity(name, folder))  # noqa: E731
        self.go.setEnabled(False)
        self.desk.worker.run(work, self._made, self.failed)

    def _made(self, key: KeyFound) -> None:
        self.desk.look_for_keys()
        self.desk.say(
            self.desk.t.say("Made the key {name}: {path}.", name=key.name, path=str(key.path))
        )
        self.accept()


class NewRoot(_Dialog):
    """Which keys may sign, how many must, and where the file goes."""

    def __init__(self, desk: Desk, parent: QWidget, keys: Sequence[KeyFound]) -> None:
        t = desk.t
        super().__init__(
            desk,
            parent,
            t.say("Root file"),
            t.say("Students get it once, by a way they trust; it says whose signatures count."),
            t.say("Write the file"),
        )
        checked = desk.draft.checked
        self.institution = self.line(
            t.say("Institution"), t.say("Its name, exactly as its policies say it.")
        )
        self.institution.setText(str(checked.data.get("institution", "")) if checked else "")
        self.keys = QListWidget()
        self.keys.setWordWrap(True)
        self.keys.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.keys.setFixedHeight(self.keys.fontMetrics().lineSpacing() * 2 * LIST_LINES)
        for key in keys:
            item = QListWidgetItem(f"{key.name}  {short_key(key.public)}")
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked)
            item.setData(Qt.ItemDataRole.UserRole, key.public)
            self.keys.addItem(item)
        self.labelled(t.say("Keys"), t.say("The keys that may sign; space ticks one."), self.keys)
        self.others = self.line(
            t.say("Keys of others"), t.say("Public halves in base64, with a space between them.")
        )
        self.needed = NumberInput("", 1, whole=True)
        self.needed.show_value(1)
        self.column.addLayout(labelled(t.say("Signatures needed"), self.needed))
        name_it(self.needed.main, t.say("Signatures needed"), t.say("How many keys must sign."))
        self.finish()

    def act(self) -> None:
        t = self.desk.t
        chosen = [
            str(item.data(Qt.ItemDataRole.UserRole))
            for item in (self.keys.item(place) for place in range(self.keys.count()))
            if item.checkState() == Qt.CheckState.Checked
        ]
        chosen += self.others.text().split()
        name, _ = QFileDialog.getSaveFileName(
            self, t.say("Root file"), "root.toml", "TOML (*.toml)"
        )
        if name:
            self.write(Path(name), chosen)

    def write(self, path: Path, chosen: Sequence[str]) -> None:
        """Write the file on the worker, and close."""
        institution, threshold = self.institution.text().strip(), int(self.needed.spin.value())

        def done(_: object) -> None:
            self.desk.say(self.desk.t.say("Written to {path}.", path=str(path)))
            self.accept()

        self.go.setEnabled(False)
        self.desk.worker.run(
            lambda: signing.make_root(path, institution, chosen, threshold), done, self.failed
        )
