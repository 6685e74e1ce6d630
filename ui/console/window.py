"""The console's window: the moments of a case at the side, the one that is looked at beside them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QByteArray, QRect, QSettings, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from policies.texts import LANGUAGES
from policies.texts.told import tell
from policies.texts.words import LANGUAGE_NAMES
from proctor.errors import ProctorError
from proctor.evidence import decision
from proctor.evidence.decision import Verdict
from ui import theme
from ui.app import centred_on
from ui.bridge import Worker
from ui.console import sheets, words
from ui.console.page import CasePage
from ui.console.session import Session
from ui.console.source import CaseFile, Source
from ui.texts import Texts
from ui.widgets.aloud import announce
from ui.widgets.layout import Page, button, name_it
from ui.widgets.sheet import Sheet
from ui.widgets.words import Severity, Sign, Words

WIDTH, HEIGHT = 1320, 860
SIDE = 30
# Space around the text of a line of the list, in pixels.
INSIDE = 8
ID = Qt.ItemDataRole.UserRole
# Keys that go on while they are held down.
HELD = frozenset(("down", "up", "back", "on", "slower", "faster"))
# Name, text, keys (with spaces between them), and what it does.
Entry = tuple[str, str, str, Callable[[], object]]


class ConsoleWindow(QMainWindow):
    """Shows one case at a time. ``speak`` asks for another language, ``choosing`` for another case;
    ``through`` says that the next moment was asked for and none of this case waits."""

    speak = Signal(str)
    choosing = Signal()
    through = Signal()

    def __init__(self, t: Texts) -> None:
        super().__init__()
        self.t = t
        self.worker = Worker(self)
        self.session = Session(time.monotonic())
        self.source: Source | None = None
        self.case: CaseFile | None = None
        self.current = ""
        self._open: list[str] = []
        self._last = ""
        self._since = 0.0
        self._actions()
        self._lay_out()
        self.resize(*centred_on(WIDTH, HEIGHT))

    # --- what there is ------------------------------------------------------------------------

    def _actions(self) -> None:
        t = self.t
        standard = QKeySequence.StandardKey
        self.action: dict[str, QAction] = {}
        self.page: CasePage | None = None
        judging: list[Entry] = [
            (verdict, t.say(text), str(key), partial(self._say, verdict))
            for key, (verdict, text) in enumerate(words.VERDICTS.items(), start=1)
        ]
        menus: tuple[tuple[str, list[Entry]], ...] = (
            (
                t.say("&File"),
                [
                    ("open", t.say("&Open a case …"), _keys(standard.Open), self.choosing.emit),
                    ("quit", t.say("&Quit"), _keys(standard.Quit) or "Ctrl+Q", self.close),
                ],
            ),
            (
                t.say("&Say"),
                [
                    *judging,
                    (
                        "send",
                        t.say("Sign with the reason"),
                        "Ctrl+Return Ctrl+Enter",
                        self._pending,
                    ),
                    ("undo", t.say("Take my last look back"), _keys(standard.Undo), self.undo),
                ],
            ),
            (
                t.say("&Moment"),
                [
                    ("next", t.say("Next that waits for you"), "N", self.next_waiting),
                    ("down", t.say("Next moment"), "Ctrl+PgDown", lambda: self._step(1)),
                    ("up", t.say("Moment before"), "Ctrl+PgUp", lambda: self._step(-1)),
                    ("list", t.say("To the list"), "F6", self._to_list),
                ],
            ),
            (
                t.say("&Clip"),
                [
                    ("play", t.say("Play or pause"), "P", lambda: self._player("toggle")),
                    ("back", t.say("One picture back"), ",", lambda: self._player("step", -1)),
                    ("on", t.say("One picture on"), ".", lambda: self._player("step", 1)),
                    ("slower", t.say("Slower"), "-", lambda: self._player("faster", -1)),
                    ("faster", t.say("Faster"), "+", lambda: self._player("faster", 1)),
                    ("noted", t.say("To the noted moment"), "M", self._noted),
                    ("boxes", t.say("Noted box"), "B", lambda: self._switch("boxes")),
                    ("points", t.say("Face points"), "F", lambda: self._switch("points")),
                    ("blur", t.say("Blur other people"), "L", lambda: self._switch("blur")),
                ],
            ),
            (
                t.say("&Help"),
                [
                    ("keys", t.say("&Keys …"), "F1", self.show_keys),
                    ("session", t.say("Your &session …"), "F2", self.show_session),
                ],
            ),
        )
        for title, entries in menus:
            menu = self.menuBar().addMenu(title)
            for name, text, keys, act in entries:
                made = QAction(text, self)
                made.setShortcuts([QKeySequence(one) for one in keys.split(" ")])
                # A key that is held down signs one look, not one after the other.
                made.setAutoRepeat(name in HELD)
                made.triggered.connect(lambda _=False, act=act: act())
                menu.addAction(made)
                self.action[name] = made
        menu.addSeparator()
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

    def _letters(self, wanted: bool) -> None:
        for action in self.action.values():
            if all(len(one.toString()) == 1 for one in action.shortcuts()):
                action.setProperty("letter", True)
            if action.property("letter"):
                action.setShortcutContext(
                    Qt.ShortcutContext.WindowShortcut
                    if wanted
                    else Qt.ShortcutContext.WidgetShortcut
                )

    def _lay_out(self) -> None:
        whole = QWidget()
        down = QVBoxLayout(whole)
        down.setContentsMargins(0, 0, 0, 0)
        down.setSpacing(0)
        down.addWidget(self._head())
        middle = QHBoxLayout()
        middle.setSpacing(0)
        self.side = QFrame()
        self.side.setObjectName("side")
        column = QVBoxLayout(self.side)
        column.setContentsMargins(theme.SMALL, theme.SMALL, theme.SMALL, theme.SMALL)
        self.moments = QListWidget()
        self.moments.setObjectName("notes")
        self.moments.setWordWrap(True)
        self.moments.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.moments.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        name_it(self.moments, self.t.say("Noted moments"))
        self.moments.currentItemChanged.connect(self._chosen)
        column.addWidget(self.moments)
        characters = self.fontMetrics().averageCharWidth() * SIDE
        self.side.setFixedWidth(characters + 2 * theme.HUGE)
        self.side.hide()
        middle.addWidget(self.side)
        self.stack = QStackedWidget()
        middle.addWidget(self.stack, 1)
        down.addLayout(middle, 1)
        down.addWidget(self._foot())
        self.setCentralWidget(whole)

    def _head(self) -> QFrame:
        t = self.t
        bar = QFrame()
        bar.setObjectName("bar")
        across = QHBoxLayout(bar)
        across.setContentsMargins(theme.LARGE, theme.SMALL, theme.LARGE, theme.SMALL)
        names = QVBoxLayout()
        names.setSpacing(0)
        self.name, self.progress = Words(t.say("Console"), "heading"), Words("", "hint")
        names.addWidget(self.name)
        names.addWidget(self.progress)
        across.addLayout(names, 1)
        self.undo_button = button(t.say("Take back"), about=t.say("Take my last look back"))
        self.next_button = button(t.say("Next"), "primary", t.say("Next that waits for you"))
        for made, act in ((self.undo_button, self.undo), (self.next_button, self.next_waiting)):
            made.clicked.connect(act)
            made.setEnabled(False)
            made.hide()
            across.addWidget(made)
        return bar

    def _foot(self) -> QFrame:
        foot = QFrame()
        foot.setObjectName("foot")
        across = QHBoxLayout(foot)
        across.setContentsMargins(theme.LARGE, theme.TIGHT, theme.LARGE, theme.TIGHT)
        self.sign, self.message = Sign("info", "soft"), Words("")
        self.sign.hide()
        across.addWidget(self.sign)
        across.addWidget(self.message, 1)
        return foot

    # --- a case -------------------------------------------------------------------------------

    def show_page(self, page: Page) -> None:
        """Show a page that is no case: where to begin, or which key."""
        for part in (self.side, self.undo_button, self.next_button):
            part.hide()
        if self.stack.indexOf(page) < 0:
            self.stack.addWidget(page)
        self.stack.setCurrentWidget(page)

    def open(self, source: Source, then: Callable[[], None] | None = None) -> None:
        """Read the case of ``source`` and show its first moment that waits."""

        def done(case: CaseFile) -> None:
            self.source = source
            self._begin(case)
            if then is not None:
                then()

        self.worker.run(source.load, done, self.fail)

    def _begin(self, case: CaseFile) -> None:
        page = self.page
        if page is None:
            self.page = page = CasePage(self.t)
            page.signing.connect(self._sign)
            page.chosen.connect(self.look_at)
            page.player.warm()
            self.stack.addWidget(page)
        else:
            # Another case on the same page: its player has a process that decodes, which takes a while to start.
            page.forget()
        self.stack.setCurrentWidget(page)
        self.current, self._last = "", ""
        self.moments.clear()
        for flag in case.story.flags:
            item = QListWidgetItem()
            item.setData(ID, flag.id)
            self.moments.addItem(item)
        self._show_case(case)
        self.side.show()
        self.undo_button.show()
        self.next_button.show()
        self._fit_list()
        if not case.story.flags:
            self.say(self.t.say("Nothing was noted in this exam."), "good")
            return
        first = self._waiting() or [case.story.flags[0].id]
        self.look_at(first[0])
        self._to_list()

    def show_again(self, case: CaseFile) -> None:
        """The same case with more in it; the moment that is looked at stays."""
        self._show_case(case)
        flag = case.flag(self.current)
        if self.page is not None and flag is not None:
            self.page.show_flag(flag)

    def _show_case(self, case: CaseFile) -> None:
        """The case as it is now."""
        t = self.t
        self.case = case
        if self.page is not None:
            self.page.show_case(case)
        self.name.setText(case.story.exam)
        self._open = [flag.id for flag in case.story.flags if not case.refusal(flag.id)]
        waiting, all_ = len(self._open), len(case.story.flags)
        done = sum(case.standing(flag.id).state == "done" for flag in case.story.flags)
        self.progress.setText(
            t.say(
                "{done} of {all} moments decided; {n} wait for you.", done=done, all=all_, n=waiting
            )
        )
        for place, flag in enumerate(case.story.flags):
            state = words.state(t, case, flag.id)
            text = f"{flag.number}. {words.title(t, flag)}\n{words.when(flag)}  {state}"
            item = self.moments.item(place)
            if item.text() != text:
                item.setText(text)
                self._fit(item)
        self.next_button.setEnabled(waiting > 0)
        self.undo_button.setEnabled(self._mine() is not None)

    def _fit_list(self) -> None:
        for place in range(self.moments.count()):
            self._fit(self.moments.item(place))

    def _fit(self, item: QListWidgetItem) -> None:
        """Make a line of the list as high as its text, which Qt forgets where a line wraps."""
        # Qt keeps three pixels more at either side of a text.
        room = self.moments.viewport().width() - 2 * (INSIDE + 3)
        text = self.moments.fontMetrics().boundingRect(
            QRect(0, 0, max(room, 1), 10_000), int(Qt.TextFlag.TextWordWrap), item.text()
        )
        item.setSizeHint(QSize(room, text.height() + 2 * INSIDE))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._fit_list()

    def _waiting(self) -> list[str]:
        """Flags at which this reviewer can look now, in the order of time."""
        return self._open

    # --- going about --------------------------------------------------------------------------

    def look_at(self, name: str) -> None:
        """Show a moment, and open its clip."""
        case, page, source = self.case, self.page, self.source
        flag = case.flag(name) if case is not None else None
        if case is None or flag is None or page is None or source is None or name == self.current:
            return
        self.current = name
        self._since = time.monotonic()
        self.moments.setCurrentRow(case.story.flags.index(flag))
        page.show_flag(flag)
        page.verticalScrollBar().setValue(0)
        if flag.clip is not None:
            page.player.setVisible(True)
            page.player.open(lambda: source.clip(name))
            self._fetch_next(name)
        else:
            page.player.forget()
            page.player.setVisible(False)
        page.moment.setEnabled(flag.clip is not None)

    def _fetch_next(self, name: str) -> None:
        """What is sealed of the next moment comes nearer; it is not opened before it is looked at."""
        waiting, source = self._waiting(), self.source
        after = waiting[waiting.index(name) + 1 :] if name in waiting else waiting
        if after and source is not None:
            self.worker.run(lambda: source.fetch(after[0]), lambda _: None, lambda _: None)

    def next_waiting(self) -> None:
        """The next moment that waits for the reviewer, from the beginning again after the last."""
        case = self.case
        if case is None:
            return
        names = [flag.id for flag in case.story.flags]
        waiting = self._waiting()
        here = names.index(self.current) if self.current in names else -1
        after = set(names[here + 1 :])
        later = [name for name in waiting if name in after]
        wanted = later or [name for name in waiting if name != self.current]
        if wanted:
            self.look_at(wanted[0])
        elif not waiting:
            self.say(self.t.say("No moment of this case waits for you."), "good")
            self.through.emit()

    def _step(self, by: int) -> None:
        place = self.moments.currentRow() + by
        if 0 <= place < self.moments.count():
            self.moments.setCurrentRow(place)

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.look_at(str(item.data(ID)))

    def _to_list(self) -> None:
        self.moments.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # --- what a person says -------------------------------------------------------------------

    def _say(self, verdict: Verdict) -> None:
        if self.page is not None and self.stack.currentWidget() is self.page:
            self.page.say(verdict)

    def _pending(self) -> None:
        if self.page is not None:
            self.page.say_pending()

    def _sign(self, flag: str, verdict: Verdict, reason: str) -> None:
        source, page, since = self.source, self.page, self._since
        if source is None or page is None:
            return
        what = page.heading.text()

        def done(case: CaseFile) -> None:
            now = time.monotonic()
            self._last = flag
            tired = self.session.looked(verdict, now - since, now)
            self._show_case(case)
            text = self.t.say("Signed: {what}.", what=self.t.say(words.VERDICTS[verdict]))
            self.say(text, "good")
            if tired:
                page.propose_pause(self.session.looks)
                self.session.rested(now)
            if flag == self.current:
                self.next_waiting()

        def refused(error: Exception) -> None:
            if not isinstance(error, ProctorError):
                raise error
            if page.flag is not None and page.flag.id == flag:
                page.refuse(str(error))
            else:
                self.say(f"{what}: {tell(self.t, str(error))}", "error")

        self.worker.run(lambda: source.decide(flag, verdict, reason), done, refused)

    def _mine(self) -> decision.Decision | None:
        """The reviewer's latest look in this session that is in force."""
        case = self.case
        if case is None or not self._last:
            return None
        own = [d for d in decision.in_force(case.of(self._last)) if d.key == case.key]
        return own[-1] if own else None

    def undo(self) -> None:
        """Take the last look back; both statements stay on record."""
        source, old = self.source, self._mine()
        if source is None or old is None:
            return

        def done(case: CaseFile) -> None:
            self.session.took_back()
            self._show_case(case)
            self.say(self.t.say("Taken back; both are on record."), "info")
            self.look_at(old.flag)

        self.worker.run(lambda: source.take_back(old), done, self.fail)

    # --- the clip -----------------------------------------------------------------------------

    def _player(self, what: str, *given: int) -> None:
        if self.page is not None and self.page.player.count:
            getattr(self.page.player, what)(*given)

    def _noted(self) -> None:
        if self.page is not None:
            self.page.player.to_the_moment()

    def _switch(self, name: str) -> None:
        if self.page is not None:
            getattr(self.page.player, name).toggle()

    # --- sentences ----------------------------------------------------------------------------

    def show_keys(self) -> None:
        """Every key."""
        self._show(sheets.keys(self.t, list(self.action.values()), self))

    def show_session(self) -> None:
        """What one did."""
        self._show(sheets.statistics(self.t, self.session, len(self._waiting()), self))

    def _show(self, sheet: Sheet) -> None:
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.open()

    def say(self, text: str, severity: Severity = "info") -> None:
        """A sentence at the foot of the window, also read aloud."""
        self.sign.show_sign(severity, "soft" if severity == "info" else severity)
        self.sign.setVisible(bool(text))
        self.message.setText(text)
        announce(self, text)

    def fail(self, error: Exception) -> None:
        """A user's mistake becomes a sentence; anything else is a bug and is raised."""
        if not isinstance(error, ProctorError):
            raise error
        self.say(tell(self.t, str(error)), "error")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        QSettings().setValue("console/window", self.saveGeometry())
        if self.page is not None:
            self.page.player.shut()
        self.worker.close()
        event.accept()

    def restore_place(self) -> None:
        """Stand where the window stood the last time."""
        place = QSettings().value("console/window")
        if isinstance(place, QByteArray):
            self.restoreGeometry(place)


def _keys(standard: QKeySequence.StandardKey) -> str:
    """The first key of the system for an action."""
    bound = QKeySequence.keyBindings(standard)
    return bound[0].toString() if bound else ""
