"""The labeller's window: a recording, one's labels below it in time, and a key for everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QByteArray, QSettings, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QVBoxLayout,
    QWidget,
)

from policies.texts import LANGUAGES
from policies.texts.words import LANGUAGE_NAMES
from proctor.errors import ProctorError
from proctor.evaluate.dataset import Entry
from proctor.evaluate.labels import Compared
from proctor.evaluate.values import TruthEvent
from ui import theme
from ui.app import centred_on
from ui.bridge import Worker
from ui.researcher.compare import Compare
from ui.researcher.marks import Marks
from ui.researcher.player import FilmPlayer
from ui.researcher.timeline import Bar
from ui.researcher.work import KEYS, Work, moment, titles
from ui.texts import Plural, Texts
from ui.widgets.aloud import announce
from ui.widgets.layout import Page, name_it
from ui.widgets.sheet import Sheet
from ui.widgets.words import Note, Words

WIDTH, HEIGHT = 1320, 900
# Characters: of the list of recordings, and of a page from which labels stand beside the recording.
SIDE, BESIDE = 22, 120
JUMP_S = 5.0
SETTING = "labeller/window"
MINE = Plural("{n} label", "{n} labels")
Entries = list[tuple[str, str, str, Callable[[], object]]]


class LabelWindow(QMainWindow):
    """``speak``: another language was chosen; ``renaming``: another annotator wants to label."""

    speak = Signal(str)
    renaming = Signal()

    def __init__(self, t: Texts, work: Work) -> None:
        super().__init__()
        self.t, self.work = t, work
        self.labels = work.labels
        self.entries = work.labels.dataset.entries
        self.entry: Entry = self.entries[0]
        self.current = -1
        self._titles = titles(t, work.kinds)
        self._saver, self._judge = Worker(self), Worker(self)
        self._saving = self._warned = False
        self._asked = 0
        self._then: Callable[[], None] | None = None
        self._others: tuple[TruthEvent, ...] = ()
        self.setWindowTitle(t.say("Label recordings"))
        self._lay_out()
        self._actions()
        self.resize(*centred_on(WIDTH, HEIGHT))
        self._fill()

    # --- what there is ------------------------------------------------------------------------

    def _lay_out(self) -> None:
        t = self.t
        whole = QWidget()
        across = QHBoxLayout(whole)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(0)
        side = QFrame()
        side.setObjectName("side")
        column = QVBoxLayout(side)
        column.setContentsMargins(theme.SMALL, theme.SMALL, theme.SMALL, theme.SMALL)
        self.recordings = QListWidget()
        self.recordings.setObjectName("notes")
        self.recordings.setWordWrap(True)
        self.recordings.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.recordings.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        name_it(self.recordings, t.say("Recordings"))
        self.recordings.currentRowChanged.connect(self._picked_recording)
        column.addWidget(self.recordings)
        side.setFixedWidth(self.fontMetrics().averageCharWidth() * SIDE + 2 * theme.HUGE)
        across.addWidget(side)
        self.page = Page(
            t.say("Label recordings"), t.say("As {who}", who=self.labels.who), wide=True
        )
        self.note = Note("")
        self.state = Words("", "hint")
        self.player = FilmPlayer(t)
        self.marks = Marks(t, self.work.kinds)
        self.compare = Compare(t)
        self.page.column.addWidget(self.note)
        self.columns = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.columns.setSpacing(theme.LARGE)
        left, right = QVBoxLayout(), QVBoxLayout()
        left.addWidget(self.player)
        left.addWidget(self.state)
        left.addStretch(1)
        right.addWidget(self.marks)
        right.addWidget(self.compare)
        right.addStretch(1)
        self.columns.addLayout(left, 3)
        self.columns.addLayout(right, 2)
        self.page.column.addLayout(self.columns)
        self.page.column.addStretch(1)
        across.addWidget(self.page, 1)
        self.setCentralWidget(whole)
        self.player.moved.connect(self._moved)
        self.player.opened.connect(self._opened)
        self.player.failed.connect(lambda said: self.say(said, "error"))
        self.player.timeline.chosen.connect(self.choose)
        marks = self.marks
        marks.picked.connect(self.choose)
        marks.kind_chosen.connect(self.set_kind)
        marks.certain_chosen.connect(self.set_certain)
        for made, act in (
            (marks.begin, self.mark_begin), (marks.end, self.mark_end),
            (marks.delete, self.delete), (marks.undo, self.undo), (marks.redo, self.redo),
        ):  # fmt: skip
            made.clicked.connect(act)
        self.compare.wanted.connect(self._compare)
        self.compare.chosen.connect(self.player.go)

    def _actions(self) -> None:
        t, player = self.t, self.player
        standard = QKeySequence.StandardKey
        self.action: dict[str, QAction] = {}
        menus: tuple[tuple[str, Entries], ...] = (
            (t.say("&File"), [
                ("before", t.say("Recording before"), "Ctrl+PgUp", lambda: self._step(-1)),
                ("next", t.say("Next recording"), "Ctrl+PgDown", lambda: self._step(1)),
                ("name", t.say("Label under another name …"), "", self.renaming.emit),
                ("quit", t.say("&Quit"), _keys(standard.Quit) or "Ctrl+Q", self.close),
            ]),
            (t.say("&Label"), [
                ("begin", t.say("It begins here"), "I", self.mark_begin),
                ("end", t.say("It ends here"), "O", self.mark_end),
                ("certain", t.say("Certain or not"), "C",
                 lambda: self.set_certain(not self.marks.certain.isChecked())),
                ("kind", t.say("Choose a kind"), "K", self.marks.kind.setFocus),
                *((f"kind{n}", self._titles[self.work.kinds[n - 1]], str(n), self._kind_of(n))
                  for n in range(1, min(KEYS, len(self.work.kinds)) + 1)),
                ("later", t.say("Next label"), "N", lambda: self.choose(self.current + 1)),
                ("earlier", t.say("Label before"), "B",
                 lambda: self.choose(max(0, self.current - 1))),
                ("none", t.say("Choose no label"), "Esc", lambda: self.choose(-1)),
                ("begin_back", t.say("Begin one picture earlier"), "Alt+Left",
                 lambda: self.nudge(-1, 0)),
                ("begin_on", t.say("Begin one picture later"), "Alt+Right",
                 lambda: self.nudge(1, 0)),
                ("end_back", t.say("End one picture earlier"), "Alt+Shift+Left",
                 lambda: self.nudge(0, -1)),
                ("end_on", t.say("End one picture later"), "Alt+Shift+Right",
                 lambda: self.nudge(0, 1)),
                ("delete", t.say("Delete"), "Del", self.delete),
                ("undo", t.say("Undo"), _keys(standard.Undo) or "Ctrl+Z", self.undo),
                ("redo", t.say("Redo"), "Ctrl+Y", self.redo),
                ("compare", t.say("Compare with others"), "A", self.compare.show_button.toggle),
            ]),
            (t.say("&Recording"), [
                ("play", t.say("Play or pause"), "P", player.toggle),
                ("back", t.say("One picture back"), ",", lambda: player.step(-1)),
                ("on", t.say("One picture on"), ".", lambda: player.step(1)),
                ("far_back", t.say("Five seconds back"), "J", lambda: player.jump(-JUMP_S)),
                ("far_on", t.say("Five seconds on"), "L", lambda: player.jump(JUMP_S)),
                ("slower", t.say("Slower"), "-", lambda: player.faster(-1)),
                ("faster", t.say("Faster"), "+", lambda: player.faster(1)),
                ("larger", t.say("Show less time, larger"), "Ctrl++", lambda: player.zoom(1)),
                ("smaller", t.say("Show more time"), "Ctrl+-", lambda: player.zoom(-1)),
            ]),
            (t.say("&Help"), [("keys", t.say("&Keys …"), "F1", self.show_keys)]),
        )  # fmt: skip
        for title, entries in menus:
            menu = self.menuBar().addMenu(title)
            for name, text, keys, act in entries:
                made = QAction(text, self)
                made.setShortcuts([QKeySequence(keys)] if keys else [])
                made.triggered.connect(lambda _=False, act=act: act())
                menu.addAction(made)
                self.action[name] = made
        # Both keys that people know for it, on every system.
        both = [QKeySequence("Ctrl+Shift+Z"), QKeySequence("Ctrl+Y")]
        self.action["redo"].setShortcuts(both)
        # WCAG 2.2, 2.1.4: keys of one character can be switched off, for who speaks their input.
        self.letters = QAction(t.say("Keys of one character"), self, checkable=True)
        self.letters.setChecked(True)
        self.letters.toggled.connect(self._letters)
        menu.addAction(self.letters)
        languages = menu.addMenu(t.say("&Language"))
        group = QActionGroup(self)
        for lang in LANGUAGES:
            made = QAction(t.say(LANGUAGE_NAMES[lang]), self, checkable=True)
            made.setChecked(lang == t.lang)
            made.triggered.connect(lambda _=False, lang=lang: self.speak.emit(lang))
            group.addAction(made)
            languages.addAction(made)

    def _kind_of(self, key: int) -> Callable[[], None]:
        return lambda: self.set_kind(self.work.kinds[key - 1])

    def _letters(self, wanted: bool) -> None:
        context = Qt.ShortcutContext
        for action in self.action.values():
            if any(len(one.toString()) == 1 for one in action.shortcuts()):
                action.setShortcutContext(
                    context.WindowShortcut if wanted else context.WidgetShortcut
                )

    def show_keys(self) -> None:
        """Every key, as the menus have them."""
        native = QKeySequence.SequenceFormat.NativeText
        lines = [
            (action.shortcut().toString(native), action.text().replace("&", "").removesuffix(" …"))
            for action in self.action.values()
            if not action.shortcut().isEmpty()
        ]
        lines.append(("Tab", self.t.say("To the next control")))
        Sheet(self.t, self.t.say("Keys"), lines, self).show()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        beside = self.width() > self.fontMetrics().averageCharWidth() * BESIDE
        way = QBoxLayout.Direction
        self.columns.setDirection(way.LeftToRight if beside else way.TopToBottom)

    # --- recordings ---------------------------------------------------------------------------

    def _fill(self) -> None:
        self.recordings.blockSignals(True)
        for entry in self.entries:
            self.recordings.addItem(QListWidgetItem(self._name(entry)))
        self.recordings.blockSignals(False)

    def _name(self, entry: Entry) -> str:
        count = self.t.count(MINE, len(self.labels.mine(entry.id)))
        return f"{entry.id}\n{count}"

    def _step(self, by: int) -> None:
        place = self.recordings.currentRow() + by
        if 0 <= place < len(self.entries):
            self.recordings.setCurrentRow(place)

    def _picked_recording(self, row: int) -> None:
        if row >= 0:
            self.go_to(self.entries[row].id)

    def go_to(self, session: str, then: Callable[[], None] | None = None) -> None:
        """Show another recording, and ``then`` do something with it."""
        self.entry = next(entry for entry in self.entries if entry.id == session)
        self._then = then
        self.recordings.blockSignals(True)
        self.recordings.setCurrentRow(self.entries.index(self.entry))
        self.recordings.blockSignals(False)
        self.current, self._others = -1, ()
        self.compare.forget()
        self.say("")
        self.player.open(self.entry.media, self.entry.sound)
        self._show()

    def _opened(self) -> None:
        then, self._then = self._then, None
        self._show()
        if then is not None:
            then()

    # --- labels -------------------------------------------------------------------------------

    @property
    def mine(self) -> tuple[TruthEvent, ...]:
        """One's labels of this recording, in order of time."""
        return self.labels.mine(self.entry.id)

    @property
    def chosen(self) -> TruthEvent | None:
        """The label that is chosen."""
        mine = self.mine
        return mine[self.current] if 0 <= self.current < len(mine) else None

    def choose(self, place: int) -> None:
        """Choose a label and go to its begin; -1 chooses none."""
        mine = self.mine
        self.current = min(place, len(mine) - 1) if mine else -1
        if self.chosen is not None:
            self.player.go(self.chosen.start)
        self._show()

    def mark_begin(self) -> None:
        """A new label begins at this picture."""
        if self.player.film is None:
            return
        self.player.mark, self.current = self.player.at, -1
        self._show()

    def mark_end(self) -> None:
        """The label that was begun ends with this picture; the same key ends it before its begin, too."""
        player = self.player
        if player.film is None:
            return
        if player.mark is None:
            self.say(self.t.say("Say first where it begins (I)."), "info")
            return
        start, end = sorted((player.mark, player.at))
        end = min(player.duration, max(end, start + player.frame_s))
        kind = self.marks.kind.currentData()
        made = TruthEvent(
            self.entry.id, start, end, kind, self.labels.who, self.marks.certain.isChecked()
        )
        player.mark = None
        self.say("")
        self._put((*self.mine, made), made)

    def set_kind(self, kind: str) -> None:
        """The kind of the chosen label, or of the next one."""
        self.marks.kind.setCurrentIndex(self.marks.kind.findData(kind))
        if self.chosen is not None:
            self._replace(replace(self.chosen, kind=kind))

    def set_certain(self, certain: bool) -> None:
        """Whether one is certain of the chosen label, or of the next one."""
        self.marks.certain.setChecked(certain)
        if self.chosen is not None:
            self._replace(replace(self.chosen, certain=certain))

    def nudge(self, begin: int, end: int) -> None:
        """Move the edges of the chosen label by pictures, and look at the edge."""
        one, step = self.chosen, self.player.frame_s
        if one is None or self.player.film is None:
            return
        first = min(max(0.0, one.start + begin * step), one.end - step if begin else one.end)
        last = max(
            min(self.player.duration, one.end + end * step), first + step if end else one.end
        )
        if first < 0 or last > self.player.duration + step:
            return
        self.player.go(first if begin else last)
        self._replace(replace(one, start=first, end=last))

    def delete(self) -> None:
        """Take the chosen label away."""
        if self.chosen is not None:
            self._put(tuple(one for one in self.mine if one != self.chosen), None)

    def undo(self) -> None:
        """Take the last change back, wherever it was."""
        self._went(self.work.undo())

    def redo(self) -> None:
        """Make the change again that was taken back."""
        self._went(self.work.redo())

    def _went(self, session: str) -> None:
        if not session:
            return
        self.current = -1
        if session != self.entry.id:
            self.go_to(session)
        self._changed()

    def _replace(self, new: TruthEvent) -> None:
        self._put((*(one for one in self.mine if one != self.chosen), new), new)

    def _put(self, events: tuple[TruthEvent, ...], then: TruthEvent | None) -> None:
        self.work.put(self.entry.id, events)
        mine = self.mine
        near = [
            place
            for place, one in enumerate(mine)
            if then is not None
            and one.kind == then.kind
            and abs(one.start - then.start) + abs(one.end - then.end) < 1e-3
        ]
        self.current = near[0] if near else -1
        self._changed()

    def _changed(self) -> None:
        self._show()
        self._save()
        if self.compare.asked:
            self._compare(True)

    def _show(self) -> None:
        mine, player = self.mine, self.player
        self.marks.show_marks(mine, self.current, player.mark)
        self.marks.undo.setEnabled(self.work.can_undo)
        self.marks.redo.setEnabled(self.work.can_redo)
        for one in (self.marks.begin, self.marks.end):
            one.setEnabled(player.film is not None)
        bars = [
            Bar(e.start, e.end, self._title(e.kind), e.certain, "", place)
            for place, e in enumerate(mine)
        ]
        bars += [
            Bar(e.start, e.end, self._title(e.kind), e.certain, e.annotator) for e in self._others
        ]
        about = "; ".join(
            f"{moment(bar.start)}–{moment(bar.end)} {bar.lane} {bar.who}".strip() for bar in bars
        )
        player.timeline.show_bars(bars, self.current, about)
        player.draw()
        item = self.recordings.item(self.entries.index(self.entry))
        item.setText(self._name(self.entry))

    def _title(self, kind: str) -> str:
        return self._titles.get(kind, kind)

    def _moved(self) -> None:
        self.state.setText(self._state())

    # --- agreement ----------------------------------------------------------------------------

    def _compare(self, on: bool) -> None:
        self._asked += 1
        if not on:
            self._others = ()
            self._show()
            return
        asked, session, duration = self._asked, self.entry.id, self.player.duration
        self.compare.say(self.t.say("One moment …"))

        def done(found: Compared) -> None:
            if asked == self._asked:
                self._others = self.labels.others(session)
                self.compare.show_compared(found)
                self._show()

        def failed(error: Exception) -> None:
            self.compare.forget()
            self._fail(error)

        self._judge.run(lambda: self.labels.compare(session, duration), done, failed)

    # --- saving -------------------------------------------------------------------------------

    def _save(self) -> None:
        """Write what changed. One writing at a time; what changes meanwhile is written after it."""
        self.state.setText(self._state())
        if self._saving or not self.labels.unsaved:
            return
        self._saving = True

        def done(_: object) -> None:
            self._saving = self._warned = False
            self._save()

        def failed(error: Exception) -> None:
            self._saving = False
            self.state.setText(self._state())
            self._fail(error)

        self._saver.run(self.labels.save, done, failed)

    def _state(self) -> str:
        t = self.t
        if self._saving:
            return t.say("Saving …")
        if self.labels.unsaved:
            return t.say("Not saved yet. It is tried again with your next change, and at the end.")
        return t.say("Everything is saved.")

    @property
    def settled(self) -> bool:
        """Whether nothing is being written, compared or read."""
        return not (self._saver.busy or self._judge.busy) and self.player.idle

    def say(self, text: str, severity: str = "info") -> None:
        """A sentence at the top, or none."""
        self.note.say(text, "error" if severity == "error" else "info")
        if text:
            announce(self, text)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, ProctorError):
            raise error
        self.say(str(error), "error")

    def flush(self) -> bool:
        """Write what is not written yet, and wait for it; whether everything is saved."""
        self._saver.close()
        self._saving = False
        if not self.labels.unsaved:
            return True
        try:
            self.labels.save()
        except ProctorError as error:
            lost = self.t.say("Your last labels are not saved. Close again to leave them.")
            self.say(f"{error} {lost}", "error")
            return False
        return True

    def leave(self) -> None:
        """Close without asking: another window goes on with the same work."""
        self._warned = True
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        if not self.flush() and not self._warned:
            self._warned = True
            event.ignore()
            return
        QSettings().setValue(SETTING, self.saveGeometry())
        self._judge.close()
        self.player.shut()
        event.accept()

    def restore_place(self) -> None:
        """Stand where the window stood the last time."""
        place = QSettings().value(SETTING)
        if isinstance(place, QByteArray):
            self.restoreGeometry(place)


def _keys(standard: QKeySequence.StandardKey) -> str:
    found = QKeySequence.keyBindings(standard)
    return found[0].toString() if found else ""
