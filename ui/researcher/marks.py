"""One's own labels of a recording as a list, and what the next one will be."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QListWidget, QListWidgetItem

from ui.researcher.work import KEYS, Events, moment, titles
from ui.texts import Plural, Texts
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, LeaveWheel, button, labelled, name_it
from ui.widgets.words import Words

LABELS = Plural("{n} label", "{n} labels")


class Marks(Card):
    """Shows and asks; the window does. ``picked`` gives the place of a label in the list, -1 for none."""

    picked = Signal(int)
    kind_chosen = Signal(str)
    certain_chosen = Signal(bool)

    def __init__(self, t: Texts, kinds: tuple[str, ...]) -> None:
        super().__init__(t.say("Your labels"))
        self._t, self._titles = t, titles(t, kinds)
        self.kind = QComboBox()
        for place, name in enumerate(kinds):
            title = self._titles[name]
            self.kind.addItem(f"{place + 1}  {title}" if place < KEYS else title, name)
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.kind.installEventFilter(LeaveWheel(self.kind))
        name_it(self.kind, t.say("Kind"))
        self.kind.activated.connect(lambda place: self.kind_chosen.emit(self.kind.itemData(place)))
        self.certain = QCheckBox(t.say("I am &certain"))
        name_it(
            self.certain,
            t.say("I am &certain").replace("&", ""),
            t.say("Leave it open where one may argue about it."),
        )
        self.certain.setChecked(True)
        self.certain.clicked.connect(self.certain_chosen.emit)
        self.begin = button(t.say("Begin"), about=t.say("It begins at this picture."))
        self.end = button(t.say("End"), "primary", t.say("It ends at this picture."))
        self.delete = button(t.say("Delete"), about=t.say("Take the chosen label away."))
        self.undo = button(t.say("Undo"))
        self.redo = button(t.say("Redo"))
        self.about = Words("", "hint")
        self.list = QListWidget()
        self.list.setWordWrap(True)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMinimumHeight(self.fontMetrics().height() * 8)
        name_it(self.list, t.say("Your labels"))
        self.list.currentRowChanged.connect(self._picked)
        self.column.addLayout(labelled(t.say("Kind"), self.kind))
        self.column.addWidget(self.certain)
        self.column.addLayout(Flow(self.begin, self.end, self.delete, self.undo, self.redo))
        self.column.addWidget(self.about)
        self.column.addWidget(self.list, 1)
        self._quiet = False

    def show_marks(self, events: Events, current: int, opened: float | None) -> None:
        """Show these labels with ``current`` chosen, and since when one is open."""
        t = self._t
        self._quiet = True
        lines = [self._line(place, events) for place in range(len(events))]
        if lines != [self.list.item(i).text() for i in range(self.list.count())]:
            self.list.clear()
            for line in lines:
                self.list.addItem(QListWidgetItem(line))
        self.list.setCurrentRow(current)
        self._quiet = False
        if 0 <= current < len(events):
            self.kind.setCurrentIndex(self.kind.findData(events[current].kind))
            self.certain.setChecked(events[current].certain)
        self.delete.setEnabled(0 <= current < len(events))
        count = t.count(LABELS, len(events))
        since = (
            t.say("A label is open since {at}.", at=moment(opened)) if opened is not None else ""
        )
        self.about.setText(f"{count}. {since}".strip())

    def _line(self, place: int, events: Events) -> str:
        one = events[place]
        line = self._t.say(
            "{start} to {end}: {kind}",
            start=moment(one.start),
            end=moment(one.end),
            kind=self._titles.get(one.kind, one.kind),
        )
        return line if one.certain else self._t.say("{line} (not certain)", line=line)

    def _picked(self, place: int) -> None:
        if not self._quiet:
            self.picked.emit(place)
