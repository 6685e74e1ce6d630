"""Numbers for researchers: counts by kind over many people, and nobody in particular."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog

from proctor.evidence.disk import said_plainly, write_whole
from ui.console import hub_words
from ui.console.hub_office import Office
from ui.console.hub_tables import Row, Rows, Table
from ui.texts import mark
from ui.widgets.flow import Flow
from ui.widgets.layout import Page, button
from ui.widgets.words import Note

OUTCOMES = (
    ("nothing_to_see", mark("Nothing to see")),
    ("cannot_tell", mark("It could not be told")),
    ("please_discuss", mark("Please talk about it")),
    ("confirmed", mark("What was noted can be seen")),
    ("expired", mark("Expired unseen")),
    ("erased", mark("Erased")),
    ("open", mark("Open")),
)
# What stands where a count is left out because too few people make it up.
NONE = "–"


class NumbersPage(Page):
    """The hub's statistics as a table, to read and to take along."""

    def __init__(self, office: Office) -> None:
        t = office.t
        super().__init__(
            t.say("Numbers without persons"),
            t.say("Counts are in steps, and groups of few people are left out."),
            wide=True,
        )
        self.t, self.office = t, office
        self.said = Note()
        self.column.addWidget(self.said)

        def count(name: str) -> Any:
            return lambda row: _shown(row["outcomes"].get(name))

        self.model = Rows(
            (
                (t.say("Kind"), lambda row: hub_words.kind(t, str(row["kind"]))),
                (t.say("People"), lambda row: _shown(row["persons"])),
                (t.say("Flags"), lambda row: _shown(row["flags"])),
                *((t.say(words), count(name)) for name, words in OUTCOMES),
            ),
            key=lambda row: str(row["kind"]),
            parent=self,
        )
        self.table = Table(self.model, self.title)
        self.column.addWidget(self.table, 1)
        self.anew = button(t.say("Count anew"))
        self.save = button(
            t.say("Save as a table …"), about=t.say("A CSV file, for any spreadsheet")
        )
        self.anew.clicked.connect(self.refresh)
        self.save.clicked.connect(self.choose)
        self.save.setEnabled(False)
        self.column.addLayout(Flow(self.anew, self.save))

    def refresh(self) -> None:
        """Ask the hub anew."""
        client, exam = self.office.client, self.office.exam or None
        self.office.run(lambda: client.statistics(exam), self._show)

    def _show(self, said: Mapping[str, Any]) -> None:
        self.model.show_rows(list(said["groups"]))
        self.save.setEnabled(bool(said["groups"]))
        if said["attempts"] is None:
            self.said.say(self.t.say("Too few people sat it for any number."), "info")
            return
        told = self.t.say("About {n} attempts.", n=int(said["attempts"]))
        left = self.t.say("Kinds with few people are left out.") if said["left_out"] else ""
        self.said.say(f"{told} {left}".strip(), "info")

    def choose(self) -> None:
        """Ask for a file, and write the table."""
        given, _ = QFileDialog.getSaveFileName(self, self.t.say("Save as a table"), "flags.csv")
        if given:
            self.write(Path(given))

    def write(self, path: Path) -> None:
        """Write the table to ``path``."""
        rows = list(self.model.rows)

        def work() -> None:
            with said_plainly(f"the table {path}"):
                write_whole(path, table_of(rows))

        self.office.run(work, lambda _: self.office.say(self.t.say("The table is saved."), "good"))


def table_of(rows: list[Row]) -> bytes:
    """The table as CSV (RFC 4180); a count that was left out is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["kind", "persons", "flags", *(name for name, _ in OUTCOMES)])
    for row in rows:
        counts = [row["outcomes"].get(name, "") for name, _ in OUTCOMES]
        # A spreadsheet would take a name that begins like this for a formula.
        name = str(row["kind"])
        safe = f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
        writer.writerow([safe, row["persons"], row["flags"], *counts])
    return out.getvalue().encode("utf-8")


def _shown(count: object) -> str:
    return NONE if count is None else str(count)
