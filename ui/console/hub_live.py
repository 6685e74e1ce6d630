"""The wall: every attempt as one neutral line, whoever calls for help first, then the newest flags."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from policies.texts import plain
from proctor.hub.commands import FORMS, MAX_MINUTES, MAX_TEXT, MIN_REASON
from ui import theme
from ui.console import hub_words
from ui.console.hub_office import Office
from ui.console.hub_tables import Row, Rows, Table, dressed
from ui.texts import mark
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, LeaveWheel, Page, button, empty, labelled, name_it
from ui.widgets.words import SmallNote, Words

# Narrower than so many characters, the wall stands above what is said about one of its lines.
SIDE_BY_SIDE = 130
MOST_COMMANDS = 6
# An alert whose row has not come by then belongs to an exam this wall does not show.
EARLY_S = 15.0
# In the order in which they stand there: kind, text, what it does.
ASKING = (
    ("message", mark("Send the message"), mark("The student reads your words at once.")),
    (
        "answer_help",
        mark("Answer the call"),
        mark("The student reads your words, and the call ends."),
    ),
    ("extend", mark("Give more time"), mark("So many minutes more for this student.")),
    (
        "approve_break",
        mark("Allow a break"),
        mark("A break of so many minutes, beside those planned."),
    ),
    ("pause", mark("Pause"), mark("Nothing is measured until you say “Go on”; needs a reason.")),
    ("resume", mark("Go on"), mark("Ends the pause.")),
    (
        "room_scan",
        mark("Ask for a room scan"),
        mark("The student can say no; needs a reason, which they read."),
    ),
)


class LivePage(Page):
    """``looking`` asks to open the newest flag of a line."""

    looking = Signal(dict)

    def __init__(self, office: Office) -> None:
        t = office.t
        super().__init__(
            t.say("What is going on"),
            t.say("No face is shown here. A flag is a question to a person."),
            wide=True,
        )
        self.t, self.office = t, office
        self._rows: dict[str, dict[str, Any]] = {}
        self._early: dict[str, tuple[float, str, Mapping[str, Any]]] = {}
        # What came on the line since the wall was asked for last: an answer can be older than it.
        self._heard: list[tuple[float, str, Mapping[str, Any]]] = []
        self._sending = False
        self.model = Rows(
            (
                (t.say("Seat"), lambda row: str(row["seat"])),
                (t.say("State"), self._state),
                (t.say("Newest flag"), self._newest),
                (t.say("At"), lambda row: hub_words.at((row["newest"] or {}).get("at"))),
                (t.say("Flags"), lambda row: t.number(int(row["flags"]))),
                (t.say("Clips"), self._clips),
                (t.say("Exam"), lambda row: str(row["exam"])),
            ),
            key=lambda row: str(row["attempt"]),
            sign=lambda row: hub_words.STATES.get(_state_of(row), ("", "empty"))[1],
            parent=self,
        )
        self.table = dressed(
            Table(
                self.model,
                t.say("Attempts"),
                t.say("Who calls for help stands first, then the newest flags"),
            ),
            self,
        )
        self.table.selectionModel().currentRowChanged.connect(self._chosen)
        self.table.opened.connect(self.looking.emit)
        self.both = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.both.setSpacing(theme.LARGE)
        self.both.addWidget(self.table, 3)
        self.both.addWidget(self._panel(), 2)
        self.column.addLayout(self.both, 1)
        self._chosen()

    def _panel(self) -> QWidget:
        t = self.t
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.LARGE)
        card = Card(t.say("One attempt"))
        self.seat, self.about = Words("", "label"), Words("", "hint")
        self.look = button(
            t.say("Look at the newest flag"), "primary", t.say("Opens the clip, which is on record")
        )
        self.look.clicked.connect(lambda: self._with_row(self.looking.emit))
        self.words = QLineEdit()
        self.words.setMaxLength(MAX_TEXT)
        name_it(self.words, t.say("Your words, or your reason"))
        self.minutes = QSpinBox()
        self.minutes.setRange(1, int(MAX_MINUTES))
        self.minutes.setValue(10)
        self.minutes.installEventFilter(LeaveWheel(self.minutes))
        name_it(self.minutes, t.say("Minutes"))
        self.note = SmallNote()
        self.asking: dict[str, QPushButton] = {}
        for kind, text, about in ASKING:
            made = button(t.say(text), about=t.say(about))
            made.clicked.connect(lambda _=False, kind=kind: self.ask(kind))
            self.asking[kind] = made
        for part in (self.seat, self.about):
            card.column.addWidget(part)
        card.column.addLayout(Flow(self.look))
        card.column.addLayout(
            labelled(self.words.accessibleName(), self.words, hint=t.say("The student reads them."))
        )
        card.column.addLayout(labelled(self.minutes.accessibleName(), self.minutes))
        card.column.addWidget(self.note)
        card.column.addLayout(Flow(*self.asking.values()))
        self.became = Card(t.say("What became of it"))
        self.sent = QVBoxLayout()
        self.became.column.addLayout(self.sent)
        column.addWidget(card)
        column.addWidget(self.became)
        column.addStretch(1)
        return whole

    # --- the wall -----------------------------------------------------------------------------

    def show_rows(self, rows: Sequence[Row], asked: float | None = None) -> None:
        """The wall as the hub tells it; when a flag came stays known from the line.

        ``asked``: when it was asked (monotonic seconds; default: now). What the line said after that stands: the
        answer may have been made before it.
        """
        asked = time.monotonic() if asked is None else asked
        before = self._rows
        self._rows = {
            str(row["attempt"]): {
                **row,
                "heard": before.get(str(row["attempt"]), {}).get("heard", 0.0),
            }
            for row in rows
        }
        self._heard = [one for one in self._heard if one[0] > asked]
        for _, kind, data in self._heard:
            name = str(data.get("attempt"))
            if name in self._rows:
                newer = self._rows[name]
                _take(newer, kind, data)
                if kind == "alert":
                    newer["flags"] = max(newer["flags"], before.get(name, newer)["flags"])
        for attempt, (when, kind, data) in list(self._early.items()):
            if (row := self._rows.get(attempt)) is not None:
                row["heard"] = max(row["heard"], when if kind == "alert" else 0.0)
                self._tell_of(row, kind, data)
            if row is not None or time.monotonic() - when > EARLY_S:
                del self._early[attempt]
        self._sort()

    def hear(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Something came on the line; whether it is about a line of the wall that is known."""
        now = time.monotonic()
        self._heard.append((now, kind, data))
        row = self._rows.get(str(data.get("attempt")))
        if row is None:
            # The first alert of an attempt can overtake the wall's answer; it is told with the row.
            if kind == "alert" or (kind == "help" and data.get("asked")):
                self._early[str(data.get("attempt"))] = (now, kind, data)
            return False
        _take(row, kind, data)
        if kind == "alert":
            row["flags"] = int(row["flags"]) + 1
            row["heard"] = now
            self._tell_of(row, kind, data)
        elif kind == "help" and row["help"]:
            self._tell_of(row, kind, data)
        elif kind == "command" and self._here() == row["attempt"]:
            self._fetch_commands()
        self._sort()
        return True

    def _tell_of(self, row: Row, kind: str, data: Mapping[str, Any]) -> None:
        """Say an alert or a call for help at the foot of the window, also aloud."""
        if kind == "help":
            told = self.t.say("{seat} asks for help.", seat=str(row["seat"]))
            self.office.say(told, "warning")
            return
        told = self.t.say(
            "{seat}: {what}, at {at} of the exam",
            seat=str(row["seat"]),
            what=hub_words.kind(self.t, str(data.get("kind"))),
            at=hub_words.at(data.get("at")),
        )
        self.office.say(told, "info")

    def _sort(self) -> None:
        self.model.show_rows(sorted((dict(one) for one in self._rows.values()), key=_order))
        self._tell()

    def _state(self, row: Row) -> str:
        known = hub_words.STATES.get(_state_of(row))
        return self.t.say(known[0]) if known else str(_state_of(row))

    def _newest(self, row: Row) -> str:
        newest = row["newest"]
        return hub_words.kind(self.t, str(newest["kind"])) if newest else ""

    def _clips(self, row: Row) -> str:
        few = row["delivery"] == "events_only"
        return self.t.say("come later") if few else ""

    # --- one line -----------------------------------------------------------------------------

    def _here(self) -> str:
        row = self.table.row()
        return str(row["attempt"]) if row else ""

    def _with_row(self, act: Any) -> None:
        row = self.table.row()
        if row is not None:
            act(row)

    def _chosen(self, *_: object) -> None:
        empty(self.sent)
        self.became.hide()
        self.note.say("")
        self._tell()
        if self._here():
            self._fetch_commands()

    def _tell(self) -> None:
        t, row = self.t, self.table.row()
        live = row is not None and _state_of(row) not in ("ended", "erased")
        for field in (self.words, self.minutes):
            field.setEnabled(live)
        for made in self.asking.values():
            # One press is one command, whatever comes on the line meanwhile.
            made.setEnabled(live and not self._sending)
        self.look.setEnabled(row is not None and bool(row["newest"]))
        if row is None:
            self.seat.setText(t.say("No line is chosen."))
            self.about.setText("")
            return
        self.seat.setText(str(row["seat"]))
        since = hub_words.local(t, row["since"])
        self.about.setText(t.say("{state}, since {when}", state=self._state(row), when=since))

    # --- asking -------------------------------------------------------------------------------

    def ask(self, kind: str) -> None:
        """Send a command with what is written there."""
        t, form, here = self.t, FORMS[kind], self._here()
        words = plain(self.words.text())
        if not here:
            return
        if len(words) < form.needs_text:
            self.note.say(
                t.say("Write a reason of {n} letters or more: the student reads it.", n=MIN_REASON)
                if form.needs_text > 1
                else t.say("Write what the student is to read."),
                "warning",
            )
            self.words.setFocus()
            return
        minutes = float(self.minutes.value()) if form.needs_minutes else 0.0
        written = self.words.text()
        self.note.say("")
        self._sending = True
        self._tell()

        def done(_: object) -> None:
            self._sending = False
            # Who writes to the next one already keeps what they wrote.
            if self.words.text() == written:
                self.words.clear()
            self._tell()
            self.office.say(t.say("Sent: {what}.", what=t.say(hub_words.COMMANDS[kind])), "good")
            self._fetch_commands()

        def refused(sentence: str) -> None:
            self._sending = False
            self._tell()
            if here == self._here():
                self.note.say(sentence)
            else:
                self.office.say(sentence, "error")

        self.office.run(lambda: self.office.command(here, kind, words, minutes), done, refused)

    def _fetch_commands(self) -> None:
        here = self._here()

        def done(found: list[dict[str, Any]]) -> None:
            if here == self._here():
                self._show_commands(found)

        self.office.run(lambda: self.office.client.commands(here), done)

    def _show_commands(self, found: Sequence[Mapping[str, Any]]) -> None:
        t = self.t
        empty(self.sent)
        for one in reversed(found[-MOST_COMMANDS:]):
            told = t.say(
                "{when}, {who}: {what}; {became}.",
                when=hub_words.local(t, one["at"]),
                who=str(one["by"]),
                what=hub_words.named(t, hub_words.COMMANDS, one["kind"]),
                became=hub_words.named(t, hub_words.BECAME, one["what"]),
            )
            self.sent.addWidget(Words(told))
        self.became.setVisible(bool(found))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        wide = self.viewport().width() > self.fontMetrics().averageCharWidth() * SIDE_BY_SIDE
        way = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self.both.setDirection(way)


def _take(row: dict[str, Any], kind: str, data: Mapping[str, Any]) -> None:
    """What came on the line, in a row of the wall."""
    if kind == "alert":
        row["newest"] = {name: data.get(name) for name in ("flag", "kind", "at")}
    elif kind == "state":
        row["state"], row["delivery"] = data.get("state"), data.get("delivery")
    elif kind == "help":
        row["help"] = bool(data.get("asked"))


def _state_of(row: Row) -> str:
    ended = row["state"] in ("ended", "erased")
    return "help" if row.get("help") and not ended else str(row["state"])


def _order(row: Row) -> tuple[Any, ...]:
    """Calls for help, then the flags that came on this line, then those from before, then seats."""
    newest = row["newest"] or {}
    return (
        _state_of(row) != "help",
        -float(row["heard"]),
        -float(newest.get("at") or -1.0),
        str(row["exam"]),
        str(row["seat"]),
    )
