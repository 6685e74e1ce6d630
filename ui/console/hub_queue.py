"""The queue: flags of many exams by deadline or age, and the own desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QSpinBox

from ui.console import hub_words
from ui.console.hub_office import Office
from ui.console.hub_tables import Row, Rows, Table, dressed
from ui.texts import Texts, mark
from ui.widgets.flow import Flow
from ui.widgets.layout import LeaveWheel, Page, button, name_it
from ui.widgets.words import Note

# As many lines at once as the hub gives.
SHOWN = 500
AT_ONCE, MOST_AT_ONCE = 10, 50
DESK = {"mine": mark("yours"), "taken": mark("somebody's")}


class QueuePage(Page):
    """``looking`` gives the rows that are to be opened, in their order; ``covered`` the hub's counts."""

    looking = Signal(list)
    covered = Signal(dict)

    def __init__(self, office: Office) -> None:
        t = office.t
        super().__init__(
            t.say("Flags that wait for people"),
            t.say("What expires first stands first. What you take, nobody else gets meanwhile."),
            wide=True,
        )
        self.t, self.office = t, office
        self.kind, self.state, self.order = QComboBox(), QComboBox(), QComboBox()
        self.kind.addItem(t.say("Every kind"), "")
        self.state.addItem(t.say("Every state"), "")
        for name in ("may_comment", "done", "expired", "erased"):
            self.state.addItem(t.say(hub_words.FLAGS[name]), name)
        self.order.addItem(t.say("By deadline"), "deadline")
        self.order.addItem(t.say("By age"), "age")
        for box, name in (
            (self.kind, t.say("Kind")),
            (self.state, t.say("State")),
            (self.order, t.say("Order")),
        ):
            name_it(box, name)
            box.installEventFilter(LeaveWheel(box))
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            box.activated.connect(lambda _: self.refresh())
        self.mine = QCheckBox(t.say("Only my desk"))
        name_it(self.mine, self.mine.text())
        self.mine.toggled.connect(lambda _: self.refresh())
        self.column.addLayout(Flow(self.kind, self.state, self.order, self.mine))
        self.more = Note()
        self.column.addWidget(self.more)
        self.model = Rows(columns(t), key=_name, sign=_sign, parent=self)
        self.table = dressed(
            Table(self.model, t.say("Flags"), t.say("Enter opens the one that is chosen")), self
        )
        self.table.opened.connect(lambda row: self.looking.emit([row]))
        self.column.addWidget(self.table, 1)
        self.count = QSpinBox()
        self.count.setRange(1, MOST_AT_ONCE)
        self.count.setValue(AT_ONCE)
        self.count.installEventFilter(LeaveWheel(self.count))
        name_it(self.count, t.say("How many at once"))
        self.take = button(
            t.say("Take and look"),
            "primary",
            t.say("Puts so many flags on your desk and opens the first"),
        )
        self.desk = button(t.say("Go on with my desk"), about=t.say("Opens what you have taken"))
        self.give_back = button(
            t.say("Give back"), about=t.say("The chosen flag goes to the queue")
        )
        self.take.clicked.connect(self.take_some)
        self.desk.clicked.connect(self.open_desk)
        self.give_back.clicked.connect(self.release)
        self.column.addLayout(Flow(self.count, self.take, self.desk, self.give_back))
        looks = office.may("proctor", "reviewer")
        for part in (self.count, self.take, self.desk, self.give_back, self.mine):
            part.setVisible(looks)

    def _wanted(self) -> dict[str, Any]:
        return {
            "exam": self.office.exam,
            "kind": self.kind.currentData(),
            "state": self.state.currentData(),
            "order": self.order.currentData(),
            "mine": self.mine.isChecked(),
        }

    def refresh(self) -> None:
        """Ask the hub anew."""
        wanted = self._wanted()
        client = self.office.client
        self.office.run(lambda: client.queue(limit=SHOWN, **wanted), self._show)

    def _show(self, said: Mapping[str, Any]) -> None:
        rows: Sequence[Row] = said["items"]
        known = {self.kind.itemData(place) for place in range(self.kind.count())}
        for name in sorted({str(row["kind"]) for row in rows} - known):
            self.kind.addItem(hub_words.kind(self.t, name), name)
        self.model.show_rows(rows)
        more = said["next"] is not None
        told = self.t.say("Only the first {n} are shown; choose an exam or a kind.", n=SHOWN)
        self.more.say(told if more else "")
        self.covered.emit(dict(said["coverage"]))

    def take_some(self) -> None:
        """Put flags on the desk and open the first."""
        exam, kind = self.office.exam or None, self.kind.currentData() or None
        count, client = self.count.value(), self.office.client
        self.take.setEnabled(False)

        def done(items: list[dict[str, Any]]) -> None:
            self.take.setEnabled(True)
            self._opened(items)
            self.refresh()

        def refused(sentence: str) -> None:
            self.take.setEnabled(True)
            self.office.say(sentence, "error")

        self.office.run(lambda: client.take(count, exam, kind), done, refused)

    def open_desk(self) -> None:
        """Open what is on the desk and waits."""
        client, exam = self.office.client, self.office.exam
        self.office.run(
            lambda: client.queue(limit=SHOWN, mine=True, exam=exam)["items"], self._opened
        )

    def _opened(self, items: Sequence[Row]) -> None:
        waits = [one for one in items if one["look"] is not None]
        if waits:
            self.looking.emit(waits)
        else:
            self.office.say(self.t.say("No flag waits for you there."), "good")

    def release(self) -> None:
        """Give the chosen flag back."""
        row, client = self.table.row(), self.office.client
        if row is not None:
            attempt, flag = str(row["attempt"]), str(row["flag"])
            self.office.run(lambda: client.release(attempt, flag), lambda _: self.refresh())


def columns(t: Texts) -> tuple[Any, ...]:
    """What the queue tells of a flag: nothing that a machine scored."""
    return (
        (t.say("State"), lambda row: hub_words.named(t, hub_words.FLAGS, row["state"])),
        (t.say("Kind"), lambda row: hub_words.kind(t, str(row["kind"]))),
        (t.say("Seat"), lambda row: str(row["seat"])),
        (t.say("At"), lambda row: hub_words.at(row["start"])),
        (t.say("Came"), lambda row: hub_words.local(t, row["at"])),
        (t.say("Until"), lambda row: hub_words.local(t, row["deadline"])),
        (t.say("Desk"), lambda row: t.say(DESK[row["assigned"]]) if row["assigned"] else ""),
        (t.say("Comment"), lambda row: t.say("yes") if row["commented"] else ""),
        (t.say("Exam"), lambda row: str(row["exam"])),
    )


def _name(row: Row) -> str:
    return f"{row['attempt']} {row['flag']}"


def _sign(row: Row) -> str:
    if row["state"] == "done":
        return "good"
    return "empty" if row["look"] is None else "review"
