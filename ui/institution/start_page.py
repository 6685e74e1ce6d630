"""The first page: a new policy from a preset, or one that is there already."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem

from policies import load
from ui import theme
from ui.institution import words
from ui.institution.desk import Desk
from ui.widgets.layout import Card, Page, button, name_it, row

PRESET_LINES = 10


class StartPage(Page):
    """Emits ``new`` with a preset's name, or ``opening`` when a file is to be chosen."""

    new = Signal(str)
    opening = Signal()

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            t.say("A policy says what an exam measures"),
            t.say("Why, for whom, and for how long: in words that students can check."),
        )
        card = Card(
            t.say("Begin with a preset"),
            t.say("Each is a whole policy to fill in and to change; choose the nearest."),
        )
        self.presets = QListWidget()
        self.presets.setWordWrap(True)
        self.presets.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.presets.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.presets.setSpacing(1)
        name_it(self.presets, t.say("Presets"))
        for name in load.preset_names():
            about = t.say(words.PRESETS[name]) if name in words.PRESETS else ""
            item = QListWidgetItem(f"{name}\n{about}")
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.presets.addItem(item)
        self.presets.setCurrentRow(load.preset_names().index("standard"))
        lines = self.presets.fontMetrics().lineSpacing()
        self.presets.setMinimumHeight(lines * PRESET_LINES)
        self.presets.itemActivated.connect(lambda _: self._begin())
        card.column.addWidget(self.presets)
        self.begin = button(
            t.say("New policy"), "primary", t.say("Begin a new policy from the chosen preset.")
        )
        self.begin.clicked.connect(self._begin)
        card.column.addLayout(row(self.begin))
        other = Card(
            t.say("Or go on with one"),
            t.say("A policy file (TOML), or a signed policy (.dsse), whose text is opened."),
        )
        self.open = button(t.say("Open a policy …"), about=t.say("Choose a policy file to edit."))
        self.open.clicked.connect(self.opening.emit)
        other.column.addLayout(row(self.open))
        self.column.addWidget(card, 1)
        self.column.addWidget(other)
        self.column.setSpacing(theme.LARGE)

    def show_draft(self, *, refill: bool) -> None:
        """Nothing here depends on the policy."""

    def _begin(self) -> None:
        item = self.presets.currentItem()
        if item is not None:
            self.new.emit(str(item.data(Qt.ItemDataRole.UserRole)))
