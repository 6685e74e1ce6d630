"""Audit and copies: who did what with an attempt, proven by the hub's log; and what two persons agree to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit

from policies import sign
from policies.texts import plain
from proctor.errors import CheckFailed
from proctor.evidence import layout
from proctor.evidence.untrusted import text
from ui.console import hub_words
from ui.console.hub_copy import take_out
from ui.console.hub_office import Office
from ui.console.hub_tables import Row, Rows, Table
from ui.texts import Plural, mark
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, LeaveWheel, Page, button, labelled, name_it
from ui.widgets.words import Note, SmallNote

PROVEN = Plural(
    "{n} record. It stands in the hub's signed log, which extends what this computer saw before.",
    "{n} records. Each stands in the hub's signed log, which extends what this computer saw before.",
)
ASKED = {
    "export": mark("A copy of the case"),
    "hold": mark("To keep it longer"),
    "erasure": mark("To erase it"),
}


class PapersPage(Page):
    """One attempt: its log, and what was asked for it."""

    def __init__(self, office: Office) -> None:
        t = office.t
        super().__init__(
            t.say("Who did what"),
            t.say(
                "Every look and every decision stands in the hub's log; a record that is taken out is noticed."
            ),
            wide=True,
        )
        self.t, self.office = t, office
        self.attempt = QComboBox()
        self.attempt.setEditable(True)
        self.attempt.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.attempt.installEventFilter(LeaveWheel(self.attempt))
        name_it(self.attempt, t.say("Attempt"))
        line = self.attempt.lineEdit()
        if line is not None:
            name_it(line, t.say("Attempt"))
        self.show_button = button(t.say("Show"), "primary", t.say("Fetches what is known of it"))
        self.show_button.clicked.connect(self.refresh)
        which = Card()
        which.column.addLayout(
            labelled(
                t.say("Attempt"), self.attempt, hint=t.say("A seat, or the long name of an attempt")
            )
        )
        which.column.addLayout(Flow(self.show_button))
        self.column.addWidget(which)
        self._audit()
        self._copies()
        self.column.addStretch(1)

    def _audit(self) -> None:
        t = self.t
        card = Card(t.say("The log"))
        self.proven = Note()
        self.log = Rows(
            (
                (t.say("When"), lambda row: hub_words.local(t, row.get("at"))),
                (t.say("Who"), lambda row: text(row["data"].get("person"), 100)),
                (t.say("What"), lambda row: hub_words.named(t, hub_words.RECORDS, row["kind"])),
                (t.say("Flag"), lambda row: text(row.get("flag"), 100)),
                (t.say("Why"), why),
            ),
            key=lambda row: str(row["number"]),
            parent=self,
        )
        self.table = Table(self.log, t.say("The log"))
        card.column.addWidget(self.proven)
        card.column.addWidget(self.table)
        card.setVisible(self.office.may("admin", "auditor"))
        self.column.addWidget(card)

    def _copies(self) -> None:
        t = self.t
        card = Card(
            t.say("What two persons agree to"),
            t.say("A copy leaves the hub when a second person agrees; its clips stay sealed."),
        )
        self.asked = Rows(
            (
                (t.say("What"), lambda row: hub_words.named(t, ASKED, row["kind"])),
                (t.say("Asked by"), lambda row: text(row["proposed_by"], 100)),
                (t.say("When"), lambda row: hub_words.local(t, row["proposed"])),
                (t.say("Agreed"), lambda row: text(row["approved_by"], 100)),
                (t.say("Why"), lambda row: text(row["reason"], 300)),
            ),
            key=lambda row: str(row["id"]),
            parent=self,
        )
        self.papers = Table(self.asked, t.say("What two persons agree to"))
        self.papers.selectionModel().currentRowChanged.connect(self._tell)
        self.reason = QLineEdit()
        self.reason.setMaxLength(300)
        name_it(self.reason, t.say("Reason for a copy"))
        self.ask = button(t.say("Ask for a copy"))
        self.agree = button(t.say("Agree"), about=t.say("Signs it beside the person who asked"))
        self.save = button(t.say("Save the copy …"), about=t.say("Into a new folder; on record"))
        self.note = SmallNote()
        card.column.addWidget(self.papers)
        card.column.addLayout(labelled(self.reason.accessibleName(), self.reason))
        card.column.addWidget(self.note)
        card.column.addLayout(Flow(self.ask, self.agree, self.save))
        self.ask.clicked.connect(self.ask_for_copy)
        self.agree.clicked.connect(self.agree_to)
        self.save.clicked.connect(self.choose)
        card.setVisible(self.office.may("admin", "reviewer"))
        self.column.addWidget(card)
        self._tell()

    # --- which --------------------------------------------------------------------------------

    def offer(self, rows: Sequence[Row]) -> None:
        """Attempts that can be chosen by their seat."""
        here = self.attempt.currentText()
        self.attempt.clear()
        for row in rows:
            self.attempt.addItem(f"{row['exam']} · {row['seat']}", str(row["attempt"]))
        self.attempt.setEditText(here)

    def chosen(self) -> str:
        """The attempt that is meant; empty where the text names none."""
        typed = self.attempt.currentText().strip()
        place = self.attempt.findText(typed)
        name = str(self.attempt.itemData(place)) if place >= 0 else typed
        return name if layout.ATTEMPT.fullmatch(name) else ""

    def refresh(self) -> None:
        """Fetch log and proposals anew."""
        name, client = self.chosen(), self.office.client
        if not name:
            self.office.say(self.t.say("Choose a seat, or type the name of an attempt."), "warning")
            return
        if self.office.may("admin", "auditor"):
            self.office.run(lambda: client.audit(name), self._show_log, self._no_log)
        if self.office.may("admin", "reviewer"):
            self.office.run(lambda: client.proposals(name), self._show_papers)

    def _show_log(self, records: list[dict[str, Any]]) -> None:
        self.log.show_rows(records)
        self.proven.say(self.t.count(PROVEN, len(records)), "good")

    def _no_log(self, sentence: str) -> None:
        self.log.show_rows([])
        self.proven.say(sentence, "error")

    def _show_papers(self, rows: list[dict[str, Any]]) -> None:
        self.asked.show_rows(rows)
        self._tell()

    # --- copies -------------------------------------------------------------------------------

    def _tell(self, *_: object) -> None:
        row = self.papers.row()
        mine = row is not None and row["proposed_by"] == self.office.reader.name
        agreed = row is not None and row["approved"] is not None
        self.agree.setEnabled(row is not None and not mine and not agreed)
        self.save.setEnabled(row is not None and mine and agreed and row["kind"] == "export")

    def ask_for_copy(self) -> None:
        """Propose an export with the reason that is written there."""
        name, reason = self.chosen(), plain(self.reason.text())
        if not name or not reason:
            self.note.say(self.t.say("Choose an attempt and write the reason."), "warning")
            return

        def done(_: str) -> None:
            self.reason.clear()
            self.note.say(self.t.say("Asked. Another person agrees to it, or does not."), "good")
            self.refresh()

        self.office.run(lambda: self.office.ask_for_copy(name, reason), done, self.note.say)

    def agree_to(self) -> None:
        """Sign what is chosen beside whoever asked."""
        row = self.papers.row()
        if row is not None:
            self.office.run(lambda: self.office.agree(row), lambda _: self.refresh(), self.note.say)

    def choose(self) -> None:
        """Ask for a folder, and write the copy into a new one in it."""
        row = self.papers.row()
        given = QFileDialog.getExistingDirectory(self, self.t.say("Where the copy goes"))
        if row is not None and given:
            self.write(row, Path(given) / f"case-{str(row['attempt'])[:12]}")

    def write(self, proposal: Mapping[str, Any], folder: Path) -> None:
        """Write the copy of an approved proposal."""
        office = self.office

        def done(counts: tuple[int, int]) -> None:
            told = self.t.say(
                "The copy is in {folder}: {n} clips, sealed.", folder=str(folder), n=counts[0]
            )
            self.note.say(told, "good")

        office.run(
            lambda: take_out(office.client, office.reader, proposal, folder), done, self.note.say
        )


def why(row: Row) -> str:
    """The reason in what was signed, as long as it is kept; the log itself has only digests."""
    if "signed" not in row:
        return text(row["data"].get("reason"), 300)
    try:
        said = json.loads(sign.inspect(str(row["signed"]).encode("utf-8"))[0])
    except ValueError as error:
        raise CheckFailed("What the hub shows as signed cannot be read.") from error
    return text(said.get("reason"), 300)
