"""The pages of the form: general values, one table, and tables under names of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSizePolicy,
    QVBoxLayout,
)

from ui import theme
from ui.institution import fields, words
from ui.institution.desk import Desk
from ui.institution.fields import Field, Path, Table
from ui.institution.form import Form, Row
from ui.institution.problems import Problem, of_field
from ui.texts import mark
from ui.widgets.layout import Card, Page, button, name_it
from ui.widgets.words import Note, Words

# Values that stand in no table, in cards; what a later schema adds comes at the end.
CARDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        mark("Institution and exam"),
        ("institution", "institution_kind", "exam", "contact", "stakes"),
    ),
    (mark("Where, and for whom"), ("jurisdictions", "languages", "min_age", "dpia", "evaluation")),
    (mark("Name and validity"), ("id", "version", "not_before", "expires")),
    (mark("Clips and flags"), ("recipients", "student_copy", "show_flags")),
)
# What a new entry begins with, where its defaults alone would not do.
NEW: Mapping[str, Mapping[str, object]] = {"purposes": {"basis": "consent", "alternative": ""}}
NAMES_WIDTH = 26


class EditPage(Page):
    """A page of the form; it shows the draft, and finds the row of a key."""

    def __init__(self, desk: Desk, title: str, about: str, *, wide: bool = False) -> None:
        super().__init__(title, about, wide=wide)
        self.desk = desk

    def show_draft(self, *, refill: bool) -> None:
        """Show what is wrong, and the values as well where something else than this form changed them."""
        raise AssertionError(f"{type(self).__name__} shows nothing")

    def row_of(self, key: Path) -> Row | None:
        """The row of a key, made visible; ``None`` where this page has none for it."""
        raise AssertionError(f"{type(self).__name__} has no rows")

    @property
    def data(self) -> Mapping[str, Any]:
        checked = self.desk.draft.checked
        return checked.data if checked else {}

    @property
    def found(self) -> Sequence[Problem]:
        checked = self.desk.draft.checked
        return checked.problems if checked else ()

    def suggestions(self) -> Mapping[str, Any]:
        names = ("recipients", "holders")
        return dict.fromkeys(names, self.desk.recipients)


class GeneralPage(EditPage):
    """Everything that stands in no table."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("The exam"),
            t.say("Who asks, for which exam, where, and how long it holds."),
        )
        self.forms: list[Form] = []
        left = {field.name: field for field in fields.general()}
        cards = [(title, [left.pop(name) for name in names]) for title, names in CARDS]
        cards[-1][1].extend(left.values())
        for title, chosen in cards:
            card = Card(t.say(title))
            form = Form(t, chosen, (), self.suggestions())
            form.edited.connect(desk.draft.change)
            card.column.addWidget(form)
            self.forms.append(form)
            self.column.addWidget(card)
        self.column.addStretch(1)

    def show_draft(self, *, refill: bool) -> None:
        for form in self.forms:
            if refill:
                form.fill(self.data)
            form.show_problems(self.found)

    def row_of(self, key: Path) -> Row | None:
        return next((row for form in self.forms if (row := form.row_of(key))), None)


class TablePage(EditPage):
    """One table of fixed fields."""

    def __init__(self, desk: Desk, table: Table) -> None:
        t = desk.t
        super().__init__(desk, t.say(table.title), t.say(table.about))
        self.table = table
        self.form = Form(t, table.fields, (table.name,), self.suggestions())
        self.form.edited.connect(desk.draft.change)
        card = Card()
        card.column.addWidget(self.form)
        self.column.addWidget(card)
        self.column.addStretch(1)

    def show_draft(self, *, refill: bool) -> None:
        if refill:
            inside = self.data.get(self.table.name, {})
            self.form.fill(inside if isinstance(inside, dict) else {})
        self.form.show_problems(self.found)

    def row_of(self, key: Path) -> Row | None:
        return self.form.row_of(key)


class NamedPage(EditPage):
    """Tables under names: a list of them, and the form of the chosen one beside it."""

    def __init__(self, desk: Desk, table: Table) -> None:
        t = desk.t
        super().__init__(desk, t.say(table.title), t.say(table.about), wide=True)
        self.table = table
        self.add = button(t.say("Add"), about=t.say("Add another entry to this list."))
        menu = QMenu(self.add)
        menu.aboutToShow.connect(lambda: self._fill(menu))
        self.add.setMenu(menu)
        self.remove = button(
            t.say("Remove"), about=t.say("Take the chosen entry out of the policy.")
        )
        self.remove.clicked.connect(self._remove)
        self.names = QListWidget()
        self.names.setWordWrap(True)
        name_it(self.names, t.say(table.title), t.say(table.about))
        width = self.names.fontMetrics().averageCharWidth() * NAMES_WIDTH + theme.HUGE
        self.names.setMinimumWidth(width)
        self.names.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self.names.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.names.setMinimumHeight(self.names.fontMetrics().lineSpacing() * 12)
        self.names.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.names.currentItemChanged.connect(self._chosen)
        self.card = Card()
        self.heading = Words("", "heading")
        self.note = Note()
        self.card.column.addWidget(self.heading)
        self.card.column.addWidget(self.note)
        self.forms: dict[str, list[Form]] = {}
        self._name = ""
        self._wanted = ""
        left = QVBoxLayout()
        left.setSpacing(theme.SMALL)
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addWidget(self.remove)
        left.addLayout(buttons)
        left.addWidget(self.names, 1)
        across = QHBoxLayout()
        across.setSpacing(theme.LARGE)
        across.addLayout(left)
        right = QVBoxLayout()
        right.addWidget(self.card)
        right.addStretch(1)
        across.addLayout(right, 1)
        self.column.addLayout(across, 1)
        desk.known_changed.connect(self._plugins_known)

    def show_draft(self, *, refill: bool) -> None:
        if refill:
            self._list()
        for place in range(self.names.count()):
            self._count(self.names.item(place))
        self._show(refill=refill)

    def draw_anew(self) -> None:
        for place in range(self.names.count()):
            self._count(self.names.item(place))

    def row_of(self, key: Path) -> Row | None:
        if len(key) < 2 or key[0] != self.table.name or not self._choose(key[1]):
            return None
        return next((row for form in self.forms[key[1]] if (row := form.row_of(key))), None)

    def _entries(self) -> Mapping[str, Any]:
        inside = self.data.get(self.table.name, {})
        return inside if isinstance(inside, dict) else {}

    def _list(self) -> None:
        wanted = self._wanted or self._name
        self.names.blockSignals(True)
        self.names.clear()
        for name in self._entries():
            item = QListWidgetItem(words.entry(self.desk.t, self.table.name, name))
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.names.addItem(item)
        self.names.blockSignals(False)
        self._wanted = ""
        if not self._choose(wanted) and self.names.count():
            self.names.setCurrentRow(0)
        self._chosen()

    def _count(self, item: QListWidgetItem) -> None:
        """Say behind a name how much there is to mend in it."""
        name = item.data(Qt.ItemDataRole.UserRole)
        found = of_field(self.found, (self.table.name, name))
        title = words.entry(self.desk.t, self.table.name, name)
        item.setText(f"{title} ({len(found)})" if found else title)
        worst = "error" if any(one.severity == "error" for one in found) else "warning"
        item.setIcon(theme.icon(worst, getattr(theme.colours(), worst)) if found else QIcon())

    def _choose(self, name: str) -> bool:
        for place in range(self.names.count()):
            if self.names.item(place).data(Qt.ItemDataRole.UserRole) == name:
                self.names.setCurrentRow(place)
                return True
        return False

    def _chosen(self) -> None:
        item = self.names.currentItem()
        name = str(item.data(Qt.ItemDataRole.UserRole)) if item is not None else ""
        if name != self._name:
            for form in self.forms.get(self._name, ()):
                form.hide()
            self._name = name
        self.remove.setEnabled(bool(name))
        self.card.setVisible(bool(name))
        if name:
            self.heading.setText(words.entry(self.desk.t, self.table.name, name))
            self.card.setAccessibleName(self.heading.text())
            for form in self._forms_of(name):
                form.show()
            self._show(refill=True)

    def _forms_of(self, name: str) -> list[Form]:
        if name not in self.forms:
            made = [
                Form(self.desk.t, self.table.fields, (self.table.name, name), self.suggestions())
            ]
            if self.table.name == "detectors":
                own = self.desk.known.settings.get(name, ())
                made.append(Form(self.desk.t, _spelled(own), (self.table.name, name, "settings")))
            for form in made:
                form.edited.connect(self.desk.draft.change)
                self.card.column.addWidget(form)
            self.forms[name] = made
        return self.forms[name]

    def _show(self, *, refill: bool) -> None:
        if not self._name:
            return
        inside = self._entries().get(self._name, {})
        for form in self.forms.get(self._name, ()):
            part = inside if isinstance(inside, dict) else {}
            if refill:
                form.fill(part if len(form.prefix) == 2 else part.get("settings", {}))
            form.show_problems(self.found)
        key = (self.table.name, self._name)
        whole = [one for one in self.found if one.key == key]
        told = " ".join(f"{one.text} {one.mend}".strip() for one in whole)
        self.note.say(told, whole[0].severity if whole else "info")

    def _fill(self, menu: QMenu) -> None:
        menu.clear()
        known: Sequence[str] = self.table.names
        if self.table.name == "detectors":
            known = tuple(self.desk.known.settings)
        elif self.table.name == "rules":
            known = self.desk.known.kinds
        left = [name for name in known if name not in self._entries()]
        for name in left:
            title = words.entry(self.desk.t, self.table.name, name)
            menu.addAction(title).triggered.connect(lambda _=False, name=name: self._add(name))
        if not left:
            menu.addAction(self.desk.t.say("Everything is in the list.")).setEnabled(False)

    def _add(self, name: str) -> None:
        self._wanted = name
        self.desk.draft.change((self.table.name, name), dict(NEW.get(self.table.name, {})))

    def _remove(self) -> None:
        if self._name:
            self.desk.draft.change((self.table.name, self._name), None)

    def _plugins_known(self) -> None:
        """Forms of detectors have fields only once the plug-ins said which."""
        if self.table.name != "detectors":
            return
        for form in [form for made in self.forms.values() for form in made]:
            form.hide()
            form.setParent(None)
            form.deleteLater()
        self.forms.clear()
        self._name = ""
        self._chosen()


def _spelled(own: Sequence[Field]) -> list[Field]:
    """A plug-in's settings under their names as they stand in the file, which no catalogue translates."""
    return [
        Field(
            f.name,
            f.name.replace("_", " ").capitalize(),
            f.about,
            f.kind,
            f.unit,
            f.choices,
            f.low,
            f.high,
            f.default,
        )
        for f in own
    ]


def page_for(desk: Desk, table: Table) -> EditPage:
    """The page of one table of the schema."""
    return NamedPage(desk, table) if table.named else TablePage(desk, table)
