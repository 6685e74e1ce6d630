"""The one window of the app: sections at the side, the chosen page beside them, what is wrong below."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath

from PySide6.QtCore import QByteArray, QEvent, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QAction,
    QActionGroup,
    QCloseEvent,
    QKeySequence,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QMessageBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from policies import edit, load
from policies.texts import LANGUAGES
from policies.texts.words import LANGUAGE_NAMES
from ui import theme
from ui.app import centred_on
from ui.institution import fields
from ui.institution.desk import Desk
from ui.institution.draft import look
from ui.institution.edit_pages import EditPage, GeneralPage, page_for
from ui.institution.fields import Path
from ui.institution.keys_page import KeysPage
from ui.institution.look_pages import ChangesPage, FindingsPage, KeepingPage, PreviewPage, counts
from ui.institution.problems import Problem
from ui.institution.publish_page import PublishPage
from ui.institution.start_page import StartPage
from ui.texts import mark
from ui.widgets.layout import Page, button, name_it
from ui.widgets.words import Severity, Sign, Words

WIDTH, HEIGHT = 1180, 780
SIDE = 24
GENERAL, START, FINDINGS, PREVIEW = "general", "start", "findings", "preview"
CHANGES, KEEPING, PUBLISH, KEYS = "changes", "keeping", "publish", "keys"
LOOKS: tuple[tuple[str, str], ...] = (
    (FINDINGS, mark("To mend")),
    (PREVIEW, mark("As a student sees it")),
    (CHANGES, mark("What changes")),
    (KEEPING, mark("What is kept")),
)
HANDING: tuple[tuple[str, str], ...] = ((PUBLISH, mark("Sign and publish")), (KEYS, mark("Keys")))
# Tables in the order in which one thinks of them; what a later schema adds comes at the end.
ORDER = (
    "purposes", "detectors", "rules", "clips", "escrow", "room_scan", "breaks", "review", "retention",
)  # fmt: skip
# Pages that need no policy to be open.
ALWAYS = (START, KEYS)
FILE_KINDS = "TOML, DSSE (*.toml *.dsse)"


class Window(QMainWindow):
    """Makes its pages when they are first seen. ``speak`` asks for the window in another language."""

    speak = Signal(str)

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.pages: dict[str, Page] = {}
        self._stale: set[str] = set()
        self._next = -1
        self._actions()
        self._lay_out()
        draft = desk.draft
        draft.changed.connect(self._changed)
        draft.refused.connect(lambda text: self.say(text, "error"))
        draft.focus_wanted.connect(self.show_field)
        desk.said.connect(self.say)
        desk.wanted.connect(self.show_field)
        self.resize(*centred_on(WIDTH, HEIGHT))
        self._list_sections()
        self.go(START)
        self._changed(foreign=True)

    # --- what there is -----------------------------------------------------------------------

    def _actions(self) -> None:
        t = self.desk.t
        standard = QKeySequence.StandardKey
        self.action: dict[str, QAction] = {}
        menus: tuple[tuple[str, tuple[tuple[str, str, object, Callable[[], object]], ...]], ...] = (
            (
                t.say("&File"),
                (
                    ("new", t.say("&New policy …"), standard.New, lambda: self.go(START)),
                    ("open", t.say("&Open …"), standard.Open, self.ask_to_open),
                    ("save", t.say("&Save"), standard.Save, self.save),
                    ("save_as", t.say("Save &as …"), standard.SaveAs, self.save_as),
                    ("quit", t.say("&Quit"), standard.Quit, self.close_window),
                ),
            ),
            (
                t.say("&Edit"),
                (
                    ("undo", t.say("&Undo"), standard.Undo, self.desk.draft.undo),
                    ("redo", t.say("&Redo"), standard.Redo, self.desk.draft.redo),
                    ("next", t.say("&Next to mend"), "F8", self.next_problem),
                ),
            ),
            (
                t.say("&View"),
                (
                    ("sections", t.say("&Sections"), "F6", self.focus_sections),
                    ("forward", t.say("Ne&xt section"), "Ctrl+PgDown", lambda: self._step(+1)),
                    ("back", t.say("&Previous section"), "Ctrl+PgUp", lambda: self._step(-1)),
                ),
            ),
        )
        for title, entries in menus:
            menu = self.menuBar().addMenu(title)
            for name, text, keys, act in entries:
                made = QAction(text, self)
                made.setShortcuts(_shortcuts(keys))
                made.triggered.connect(lambda _=False, act=act: act())
                menu.addAction(made)
                self.action[name] = made
        languages = menu.addMenu(t.say("&Language"))
        group = QActionGroup(self)
        for lang in LANGUAGES:
            made = QAction(t.say(LANGUAGE_NAMES[lang]), self, checkable=True)
            made.setChecked(lang == t.lang)
            made.triggered.connect(lambda _=False, lang=lang: self.speak.emit(lang))
            group.addAction(made)
            languages.addAction(made)

    def _lay_out(self) -> None:
        t = self.desk.t
        whole = QWidget()
        down = QVBoxLayout(whole)
        down.setContentsMargins(0, 0, 0, 0)
        down.setSpacing(0)
        down.addWidget(self._head())
        middle = QHBoxLayout()
        middle.setSpacing(0)
        side = QFrame()
        side.setObjectName("side")
        column = QVBoxLayout(side)
        column.setContentsMargins(theme.SMALL, theme.SMALL, theme.SMALL, theme.SMALL)
        self.sections = QListWidget()
        self.sections.setObjectName("sections")
        self.sections.setWordWrap(True)
        self.sections.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.sections.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        name_it(self.sections, t.say("Sections"))
        self.sections.currentItemChanged.connect(self._section_chosen)
        column.addWidget(self.sections)
        side.setFixedWidth(self.fontMetrics().averageCharWidth() * SIDE + 3 * theme.HUGE)
        middle.addWidget(side)
        self.stack = QStackedWidget()
        middle.addWidget(self.stack, 1)
        down.addLayout(middle, 1)
        down.addWidget(self._foot())
        self.setCentralWidget(whole)

    def _head(self) -> QFrame:
        t = self.desk.t
        bar = QFrame()
        bar.setObjectName("bar")
        across = QHBoxLayout(bar)
        across.setContentsMargins(theme.LARGE, theme.SMALL, theme.LARGE, theme.SMALL)
        names = QVBoxLayout()
        names.setSpacing(0)
        self.name = Words("", "heading")
        self.state = Words("", "hint")
        names.addWidget(self.name)
        names.addWidget(self.state)
        across.addLayout(names, 1)
        self.buttons = {
            "undo": button(t.say("Undo"), about=t.say("Take the last change back.")),
            "redo": button(t.say("Redo"), about=t.say("Make the change again.")),
            "save": button(t.say("Save"), "primary", t.say("Write the policy to its file.")),
        }
        for name, made in self.buttons.items():
            made.clicked.connect(self.action[name].trigger)
            across.addWidget(made)
        return bar

    def _foot(self) -> QFrame:
        t = self.desk.t
        foot = QFrame()
        foot.setObjectName("foot")
        across = QHBoxLayout(foot)
        across.setContentsMargins(theme.LARGE, theme.TIGHT, theme.LARGE, theme.TIGHT)
        self.sign = Sign("good", "good")
        self.mend = button("", "link", t.say("Show everything there is to mend."))
        self.mend.clicked.connect(lambda: self.go(FINDINGS))
        across.addWidget(self.sign)
        across.addWidget(self.mend)
        across.addStretch(1)
        self.message = Words("")
        self.message.setAlignment(Qt.AlignmentFlag.AlignTrailing | Qt.AlignmentFlag.AlignVCenter)
        self.message_sign = Sign("info", "soft")
        self.message_sign.hide()
        across.addWidget(self.message_sign)
        across.addWidget(self.message, 3)
        return foot

    def _list_sections(self) -> None:
        t = self.desk.t
        self._heading(t.say("Policy"))
        self._section(START, t.say("Start"), "start")
        self._section(GENERAL, t.say("The exam"), "exam")
        for name in tables_in_order():
            self._section(name, t.say(fields.tables()[name].title), name)
        self._heading(t.say("Look at it"))
        for name, title in LOOKS:
            self._section(name, t.say(title), name)
        self._heading(t.say("Hand it out"))
        for name, title in HANDING:
            self._section(name, t.say(title), name)

    def _heading(self, text: str) -> None:
        item = QListWidgetItem(text)
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        font = self.sections.font()
        font.setPointSizeF(font.pointSizeF() * 0.9)
        font.setBold(True)
        item.setFont(font)
        self.sections.addItem(item)

    def _section(self, name: str, title: str, picture: str) -> None:
        item = QListWidgetItem(title)
        item.setData(Qt.ItemDataRole.UserRole, name)
        item.setData(Qt.ItemDataRole.UserRole + 1, title)
        item.setData(Qt.ItemDataRole.UserRole + 2, picture if picture in PICTURES else "exam")
        item.setIcon(theme.icon(item.data(Qt.ItemDataRole.UserRole + 2)))
        self.sections.addItem(item)

    def _make(self, name: str) -> Page:
        desk = self.desk
        makers: dict[str, Callable[[Desk], Page]] = {
            START: self._start,
            GENERAL: GeneralPage,
            FINDINGS: FindingsPage,
            PREVIEW: PreviewPage,
            CHANGES: ChangesPage,
            KEEPING: KeepingPage,
            PUBLISH: PublishPage,
            KEYS: KeysPage,
        }
        if name in makers:
            return makers[name](desk)
        return page_for(desk, fields.tables()[name])

    def _start(self, desk: Desk) -> Page:
        page = StartPage(desk)
        page.new.connect(self.new_policy)
        page.opening.connect(self.ask_to_open)
        return page

    # --- going about -------------------------------------------------------------------------

    def go(self, name: str) -> Page:
        """Show a page, made now if it was not seen before."""
        if name not in self.pages:
            self.pages[name] = self._make(name)
            self.stack.addWidget(self.pages[name])
            self._stale.add(name)
        page = self.pages[name]
        self.stack.setCurrentWidget(page)
        if name in self._stale or not isinstance(page, EditPage):
            self._stale.discard(name)
            page.show_draft(refill=True)
        for place in range(self.sections.count()):
            item = self.sections.item(place)
            if item.data(Qt.ItemDataRole.UserRole) == name and self.sections.currentRow() != place:
                self.sections.setCurrentRow(place)
        return page

    @property
    def section(self) -> str:
        """The name of the page that is seen."""
        current = self.stack.currentWidget()
        return next((name for name, page in self.pages.items() if page is current), START)

    def show_field(self, key: Path) -> None:
        """Show the field of a key, and put the focus in it."""
        if not key or not self.desk.draft.is_open:
            return
        name = key[0] if key[0] in fields.tables() else GENERAL
        page = self.go(name)
        row = page.row_of(key) if isinstance(page, EditPage) else None
        if row is None:
            page.setFocus()
            return
        row.take_focus()
        page.ensureWidgetVisible(row, theme.LARGE, theme.HUGE)

    def next_problem(self) -> None:
        """Go from one thing to mend to the next."""
        checked = self.desk.draft.checked
        found = checked.problems if checked else ()
        if not found:
            self.say(self.desk.t.say("Nothing to mend."), "good")
            return
        self._next = (self._next + 1) % len(found)
        problem = found[self._next]
        self.show_field(problem.key)
        self.say(problem.text, problem.severity)

    def focus_sections(self) -> None:
        self.sections.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _step(self, by: int) -> None:
        row = self.sections.currentRow() + by
        while 0 <= row < self.sections.count():
            if self.sections.item(row).flags() & Qt.ItemFlag.ItemIsEnabled:
                self.sections.setCurrentRow(row)
                return
            row += by

    def _section_chosen(self, item: QListWidgetItem | None) -> None:
        name = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        if name and name != self.section:
            self.go(str(name))

    # --- what changed ------------------------------------------------------------------------

    def _changed(self, foreign: bool) -> None:
        draft, t = self.desk.draft, self.desk.t
        for name, page in self.pages.items():
            if page is self.stack.currentWidget():
                page.show_draft(refill=foreign)
            elif foreign or not isinstance(page, EditPage):
                self._stale.add(name)
            else:
                page.show_draft(refill=False)
        for place in range(self.sections.count()):
            item = self.sections.item(place)
            name = item.data(Qt.ItemDataRole.UserRole)
            if name:
                self._count(item, str(name))
        self._name_it()
        checked = draft.checked
        self.mend.setVisible(draft.is_open)
        self.sign.setVisible(draft.is_open)
        self.mend.setText(counts(self.desk))
        name_it(self.mend, counts(self.desk), t.say("Show everything there is to mend."))
        severity = "good"
        if checked and checked.problems:
            severity = "error" if checked.errors else "warning"
        self.sign.show_sign(severity, severity)
        self.action["undo"].setEnabled(draft.can_undo)
        self.action["redo"].setEnabled(draft.can_redo)
        for name in ("save", "save_as", "next"):
            self.action[name].setEnabled(draft.is_open)
        for name, made in self.buttons.items():
            made.setEnabled(self.action[name].isEnabled())

    def _count(self, item: QListWidgetItem, name: str) -> None:
        """Say behind a section how much there is to mend in it; open it only where there is a policy."""
        draft = self.desk.draft
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        usable = draft.is_open or name in ALWAYS
        item.setFlags(flags if usable else Qt.ItemFlag.NoItemFlags)
        title = str(item.data(Qt.ItemDataRole.UserRole + 1))
        found = self._found_in(name)
        item.setText(f"{title} ({len(found)})" if found else title)

    def _found_in(self, name: str) -> list[Problem]:
        checked = self.desk.draft.checked
        found = list(checked.problems) if checked else []
        if name == FINDINGS:
            return found
        if name == GENERAL:
            return [one for one in found if not one.key or one.key[0] not in fields.tables()]
        return [one for one in found if one.key and one.key[0] == name]

    def _name_it(self) -> None:
        draft, t = self.desk.draft, self.desk.t
        data = draft.checked.data if draft.checked else {}
        if not draft.is_open:
            self.name.setText(t.say("No policy is open"))
            self.state.setText(t.say("Begin with a preset, or open a file."))
        else:
            self.name.setText(load.printable(str(data.get("exam") or data.get("id") or "")))
            file = draft.path.name if draft.path else t.say("not saved yet")
            version = str(data.get("version", ""))
            said = mark("{file}, version {version}, with unsaved changes")
            plain = mark("{file}, version {version}")
            self.state.setText(t.say(said if draft.unsaved else plain, file=file, version=version))
        self.setWindowModified(draft.unsaved)
        self.setWindowTitle(f"{self.name.text()}[*]")

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        """Draw the signs anew where the colours of the system changed."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "sections"):
            for place in range(self.sections.count()):
                item = self.sections.item(place)
                picture = item.data(Qt.ItemDataRole.UserRole + 2)
                if picture:
                    item.setIcon(theme.icon(picture))
            for page in self.pages.values():
                page.draw_anew()

    def say(self, text: str, severity: str = "good") -> None:
        """Show a message in the foot line, and have it read out when nothing else is being read."""
        kind: Severity = "error" if severity == "error" else "good"
        if severity in ("warning", "info"):
            kind = "warning" if severity == "warning" else "info"
        self.message.setText(text)
        self.message.setToolTip(text)
        self.message_sign.setVisible(bool(text))
        self.message_sign.show_sign(kind, "soft" if kind == "info" else kind)
        if text and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    # --- files -------------------------------------------------------------------------------

    def new_policy(self, preset: str) -> None:
        """Begin a policy from a preset, as ``proctor policy new`` does."""

        def work() -> str:
            heading = f"A policy made from the preset {preset}."
            text = edit.dump_commented(load.read(preset)[0], heading)
            return edit.set_values(text, {"id": "exam", "version": 1}, "new policy")

        self._when_saved(lambda: self.desk.run(work, lambda text: self._begin(text, None)))

    def ask_to_open(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, self.desk.t.say("Open a policy …"), self._folder(), FILE_KINDS
        )
        if path:
            self.open_file(FilePath(path))

    def open_file(self, path: FilePath) -> None:
        """Open a policy; what cannot be read is said in one sentence, and what was open stays."""
        signed = path.suffix == ".dsse"
        self._when_saved(
            lambda: self.desk.run(
                lambda: look(str(path)), lambda text: self._begin(text, None if signed else path)
            )
        )

    def save(self) -> None:
        """Write the policy to its file, or ask for one."""
        self.save_then(lambda: None)

    def save_as(self) -> None:
        self._ask_to_save(lambda: None)

    def save_then(self, then: Callable[[], None]) -> None:
        """Save, and go on only when that was done."""
        path = self.desk.draft.path
        if path is None:
            self._ask_to_save(then)
        else:
            self._write(path, then)

    def _ask_to_save(self, then: Callable[[], None]) -> None:
        draft = self.desk.draft
        name = str((draft.checked.data if draft.checked else {}).get("id") or "exam")
        start = str(draft.path or FilePath(self._folder()) / f"{load.printable(name)}.toml")
        path, _ = QFileDialog.getSaveFileName(
            self, self.desk.t.say("Save the policy"), start, "TOML (*.toml)"
        )
        if path:
            self._write(FilePath(path), then)

    def _write(self, path: FilePath, then: Callable[[], None]) -> None:
        def done() -> None:
            self.say(self.desk.t.say("Saved: {path}.", path=str(path)), "good")
            then()

        self.desk.draft.save(path, done)

    def _begin(self, text: str, path: FilePath | None) -> None:
        self.desk.draft.begin(text, path, saved=path is not None)
        self.say("")
        self.go(GENERAL)
        self.sections.setFocus()

    def _folder(self) -> str:
        path = self.desk.draft.path
        return str(path.parent) if path else str(FilePath.home())

    def _when_saved(self, then: Callable[[], None]) -> None:
        """Ask what becomes of unsaved changes, then go on unless the person would rather not."""
        if not self.desk.draft.unsaved:
            then()
            return
        answer = self.ask_about_changes()
        if answer == QMessageBox.StandardButton.Save:
            self.save_then(then)
        elif answer == QMessageBox.StandardButton.Discard:
            then()

    def ask_about_changes(self) -> QMessageBox.StandardButton:
        t = self.desk.t
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle(t.say("Unsaved changes"))
        box.setText(t.say("This policy has changes that were not saved."))
        box.setInformativeText(t.say("If you go on without saving, they are lost."))
        choice = QMessageBox.StandardButton
        box.setStandardButtons(choice.Save | choice.Discard | choice.Cancel)
        box.setDefaultButton(choice.Save)
        return choice(box.exec())

    def close_window(self) -> None:
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        """Never lose what was not saved."""
        if self.desk.draft.unsaved:
            event.ignore()
            self._when_saved(self._leave)
            return
        self._end()
        event.accept()

    def _leave(self) -> None:
        self.desk.draft.close()
        # Not from inside the event that asked to close: Qt would take no notice.
        QTimer.singleShot(0, self.close)

    def _end(self) -> None:
        QSettings().setValue("institution/window", self.saveGeometry())
        self.desk.worker.close()

    def restore_place(self) -> None:
        """Stand where the window stood the last time."""
        place = QSettings().value("institution/window")
        if isinstance(place, QByteArray):
            self.restoreGeometry(place)


PICTURES = {
    "start", "exam", "purposes", "detectors", "rules", "clips", "room_scan", "breaks", "review",
    "retention", "escrow", "findings", "preview", "changes", "keeping", "publish", "keys",
}  # fmt: skip


def tables_in_order() -> list[str]:
    """The tables of a policy as the sections list them."""
    known = fields.tables()
    return [
        *(name for name in ORDER if name in known),
        *(name for name in known if name not in ORDER),
    ]


def _shortcuts(keys: object) -> list[QKeySequence]:
    """Every key of the system for an action, or the one that is written."""
    if isinstance(keys, QKeySequence.StandardKey):
        # Some systems have none for leaving a program.
        return QKeySequence.keyBindings(keys) or [QKeySequence("Ctrl+Q")]
    return [QKeySequence(str(keys))]
