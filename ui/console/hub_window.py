"""The window over a hub: what is going on, what waits, who did what, and numbers; coverage is always in sight."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import QByteArray, QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from policies.texts import LANGUAGES
from policies.texts.told import tell
from policies.texts.words import LANGUAGE_NAMES
from proctor.errors import ProctorError
from ui import theme
from ui.app import centred_on
from ui.bridge import Worker
from ui.console import hub_words, sheets
from ui.console.hub_line import Line
from ui.console.hub_live import LivePage
from ui.console.hub_login import LoginPage
from ui.console.hub_numbers import NumbersPage
from ui.console.hub_office import Office
from ui.console.hub_papers import PapersPage
from ui.console.hub_queue import QueuePage
from ui.texts import Texts
from ui.widgets.aloud import announce
from ui.widgets.flow import Flow
from ui.widgets.layout import LeaveWheel, Page, button, name_it
from ui.widgets.words import Severity, Sign, Words

WIDTH, HEIGHT = 1320, 860
# Rows and coverage are asked for anew after so long (ms); what is new comes by the line meanwhile.
ANEW_MS = 15_000
# Several events in a row ask for the rows once (ms).
SOON_MS = 300


class HubWindow(QMainWindow):
    """Before the log-in one page, after it one for each thing that the person's roles allow.

    ``entered`` gives the office of whoever logged in, ``looking`` rows of the queue to open, ``newest`` a line of
    the wall whose newest flag is to be opened, ``left`` that nobody is logged in any more.
    """

    speak = Signal(str)
    entered = Signal(object)
    looking = Signal(list)
    newest = Signal(dict)
    left = Signal()

    def __init__(self, t: Texts, hub: str = "") -> None:
        super().__init__()
        self.t = t
        self.worker = Worker(self)
        self.office: Office | None = None
        self.line: Line | None = None
        self.live: LivePage | None = None
        self.queue: QueuePage | None = None
        self.papers: PapersPage | None = None
        self.numbers: NumbersPage | None = None
        self._shut = False
        self._lost_words = ""
        self.login = LoginPage(t, self.worker, hub)
        self.login.entered.connect(self._come_in)
        self._lay_out()
        self._actions()
        self._anew, self._soon = QTimer(self), QTimer(self)
        self._anew.setInterval(ANEW_MS)
        self._anew.timeout.connect(self._refresh_where_idle)
        self._soon.setInterval(SOON_MS)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.refresh)
        self.resize(*centred_on(WIDTH, HEIGHT))

    # --- what there is ------------------------------------------------------------------------

    def _lay_out(self) -> None:
        t = self.t
        whole = QWidget()
        down = QVBoxLayout(whole)
        down.setContentsMargins(0, 0, 0, 0)
        down.setSpacing(0)
        self.bar = QFrame()
        self.bar.setObjectName("bar")
        head = QVBoxLayout(self.bar)
        head.setContentsMargins(theme.LARGE, theme.SMALL, theme.LARGE, theme.SMALL)
        self.who, self.coverage = Words("", "heading"), Words("", "hint")
        self.coverage.setAccessibleName(t.say("How far the flags are looked at"))
        self.exams = QComboBox()
        self.exams.addItem(t.say("Every exam"), "")
        self.exams.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.exams.installEventFilter(LeaveWheel(self.exams))
        name_it(self.exams, t.say("Exam"))
        self.exams.activated.connect(self._other_exam)
        self.out = button(t.say("Log out"))
        self.out.clicked.connect(self.log_out)
        self.line_sign, self.line_words = Sign("good", "good"), Words("", wrap=False)
        head.addWidget(self.who)
        head.addWidget(self.coverage)
        standing = QWidget()
        across = QHBoxLayout(standing)
        across.setContentsMargins(0, 0, 0, 0)
        across.addWidget(self.line_sign)
        across.addWidget(self.line_words)
        self.standing = standing
        head.addLayout(Flow(self.exams, standing, self.out))
        down.addWidget(self.bar)
        self.stack = QStackedWidget()
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.currentChanged.connect(self._turned)
        self.stack.addWidget(self.login)
        self.stack.addWidget(self.tabs)
        down.addWidget(self.stack, 1)
        foot = QFrame()
        foot.setObjectName("foot")
        row = QHBoxLayout(foot)
        row.setContentsMargins(theme.LARGE, theme.TIGHT, theme.LARGE, theme.TIGHT)
        self.sign, self.message = Sign("info", "soft"), Words("")
        self.sign.hide()
        row.addWidget(self.sign)
        row.addWidget(self.message, 1)
        down.addWidget(foot)
        self.setCentralWidget(whole)
        self.bar.hide()

    def _actions(self) -> None:
        t = self.t
        self.action: dict[str, QAction] = {}
        file = self.menuBar().addMenu(t.say("&File"))
        self._add(file, "anew", t.say("Fetch anew"), "F5", self.refresh)
        self._add(file, "out", t.say("Log out"), "", self.log_out)
        self._add(file, "quit", t.say("&Quit"), "Ctrl+Q", self.close)
        pages = self.menuBar().addMenu(t.say("&View"))
        for place, text in enumerate(
            (t.say("What is going on"), t.say("Queue"), t.say("Who did what"), t.say("Numbers")), 1
        ):
            self._add(pages, f"page{place}", text, f"Ctrl+{place}", partial(self._go, place))
        help_ = self.menuBar().addMenu(t.say("&Help"))
        self._add(help_, "keys", t.say("&Keys …"), "F1", self.show_keys)
        help_.addSeparator()
        languages = help_.addMenu(t.say("&Language"))
        group = QActionGroup(self)
        for lang in LANGUAGES:
            made = QAction(t.say(LANGUAGE_NAMES[lang]), self, checkable=True)
            made.setChecked(lang == t.lang)
            made.triggered.connect(lambda _=False, lang=lang: self.speak.emit(lang))
            group.addAction(made)
            languages.addAction(made)
        self._enable()

    def _add(self, menu: Any, name: str, text: str, keys: str, act: Callable[[], object]) -> None:
        made = QAction(text, self)
        if keys:
            made.setShortcuts([QKeySequence(keys)])
        made.triggered.connect(lambda _=False: act())
        menu.addAction(made)
        self.action[name] = made

    def _enable(self) -> None:
        pages = (self.live, self.queue, self.papers, self.numbers)
        for place, page in enumerate(pages, 1):
            self.action[f"page{place}"].setEnabled(page is not None)
        for name in ("anew", "out"):
            self.action[name].setEnabled(self.office is not None)

    def _go(self, place: int) -> None:
        page = (self.live, self.queue, self.papers, self.numbers)[place - 1]
        if page is not None:
            self.tabs.setCurrentWidget(page)
            page.setFocus(Qt.FocusReason.ShortcutFocusReason)
            page.focusNextChild()

    def show_keys(self) -> None:
        """Every key."""
        sheet = sheets.keys(self.t, list(self.action.values()), self)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.open()

    # --- coming and going ---------------------------------------------------------------------

    def _come_in(self, client: Any, person: Mapping[str, Any], sentence: str) -> None:
        self.enter(Office(self.t, client, person, self.worker, self.say))
        if sentence:
            self.say(tell(self.t, sentence), "info")

    def enter(self, office: Office) -> None:
        """Show the pages of whoever logged in."""
        t, self.office = self.t, office
        self.who.setText(t.say("{name} at {hub}", name=office.reader.name, hub=office.client.hub))
        if office.may("proctor"):
            self.live = LivePage(office)
            self.live.looking.connect(self.newest.emit)
            self._page(self.live, t.say("What is going on"))
        if office.may("admin", "proctor", "reviewer"):
            self.queue = QueuePage(office)
            self.queue.looking.connect(self.looking.emit)
            self.queue.covered.connect(self._covered)
            self._page(self.queue, t.say("Queue"))
        if office.may("admin", "auditor", "reviewer"):
            self.papers = PapersPage(office)
            self._page(self.papers, t.say("Who did what"))
        if office.may("admin", "author", "reviewer", "auditor", "researcher"):
            self.numbers = NumbersPage(office)
            self._page(self.numbers, t.say("Numbers"))
        self.bar.show()
        self.standing.setVisible(self.live is not None)
        self.coverage.setVisible(self.queue is not None)
        self.stack.setCurrentWidget(self.tabs)
        self._enable()
        if office.may("admin", "author", "proctor", "reviewer", "auditor"):
            office.run(office.client.exams, self._show_exams)
        if self.live is not None:
            self._lost(t.say("The live line is being opened."))
            self.line = Line(office.client, self)
            self.line.heard.connect(self._hear)
            self.line.stands.connect(self._stands)
            self.line.lost.connect(self._lost)
            self.line.start()
        self.refresh()
        self._anew.start()
        self.entered.emit(office)

    def _page(self, page: Page, text: str) -> None:
        self.tabs.addTab(page, text)

    def log_out(self) -> None:
        """End the log-in; nothing of it stays on this computer but the hub's address.

        What was shown goes at once, also where the hub does not answer; what is on its way is shown no more.
        """
        office, self.office = self.office, None
        if office is None:
            return
        office.over = True
        self._anew.stop()
        self._soon.stop()
        if self.line is not None:
            for signal in (self.line.heard, self.line.stands, self.line.lost):
                signal.disconnect()
        for place in reversed(range(self.tabs.count())):
            page = self.tabs.widget(place)
            self.tabs.removeTab(place)
            if page is not None:
                page.deleteLater()
        self.live = self.queue = self.papers = self.numbers = None
        # The next person sees neither the names of these exams nor how far they are.
        while self.exams.count() > 1:
            self.exams.removeItem(1)
        self.coverage.setText("")
        self.who.setText("")
        self.bar.hide()
        self.stack.setCurrentWidget(self.login)
        self._enable()
        self.say("", "info")
        self.left.emit()

        def done(_: object) -> None:
            self._close_line(office)

        self.worker.run(office.client.log_out, done, done)

    def _close_line(self, office: Office | None) -> None:
        if self.line is not None:
            self.line.close()
            self.line.deleteLater()
            self.line = None
        elif office is not None:
            office.client.close()

    # --- what is new --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Ask for rows and counts anew."""
        office = self.office
        if office is None:
            return
        client, exam = office.client, office.exam
        if self.live is not None:
            office.run(lambda: (time.monotonic(), client.attempts(exam)), self._show_wall)
        elif self.papers is not None and office.may("admin", "reviewer"):
            office.run(lambda: client.attempts(exam), self._show_attempts)
        if self.queue is not None:
            self.queue.refresh()

    def _refresh_where_idle(self) -> None:
        """A hub that takes longer than the time between two questions is not asked ever more."""
        if not self.worker.busy:
            self.refresh()

    def _show_wall(self, said: tuple[float, list[dict[str, Any]]]) -> None:
        asked, rows = said
        if self.live is not None:
            self.live.show_rows(rows, asked)
        self._show_attempts(rows)

    def _show_attempts(self, rows: list[dict[str, Any]]) -> None:
        if self.papers is not None and not self.papers.attempt.hasFocus():
            self.papers.offer(rows)

    def _show_exams(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.exams.addItem(f"{row['title']} ({row['exam']})", row["exam"])

    def _other_exam(self) -> None:
        if self.office is not None:
            self.office.exam = str(self.exams.currentData())
            self.refresh()
            self._turned()

    def _turned(self, *_: object) -> None:
        if self.numbers is not None and self.tabs.currentWidget() is self.numbers:
            self.numbers.refresh()

    def _covered(self, said: Mapping[str, Any]) -> None:
        self.coverage.setText(hub_words.coverage(self.t, said))

    def _hear(self, kind: str, data: Mapping[str, Any]) -> None:
        if self.live is None:
            return
        known = kind in ("alert", "state", "help", "command") and self.live.hear(kind, data)
        if kind == "closed":
            self._lost(str(data.get("reason", "")))
        if not known or kind == "alert":
            self._soon.start()

    def _stands(self) -> None:
        self.line_sign.show_sign("good", "good")
        self.line_words.setText(self.t.say("Live"))
        if self._lost_words and self.message.text() == self._lost_words:
            self.say("")
        self._soon.start()

    def _lost(self, sentence: str) -> None:
        self.line_sign.show_sign("warning", "warning")
        self.line_words.setText(self.t.say("Not live: what you see may be old"))
        self._lost_words = tell(self.t, sentence)
        if sentence:
            self.say(self._lost_words, "warning")

    # --- sentences ----------------------------------------------------------------------------

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

    def shut(self) -> None:
        """End what runs beside the window; safe to call twice."""
        if self._shut:
            return
        self._shut = True
        self._anew.stop()
        self._soon.stop()
        office, self.office = self.office, None
        if office is not None:
            office.over = True
        self._close_line(office)
        self.worker.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        QSettings().setValue("console/hub-window", self.saveGeometry())
        self.shut()
        self.left.emit()
        event.accept()

    def restore_place(self) -> None:
        """Stand where the window stood the last time."""
        place = QSettings().value("console/hub-window")
        if isinstance(place, QByteArray):
            self.restoreGeometry(place)
