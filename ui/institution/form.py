"""Forms made from the schema: a label, a control, what it is for, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from ui import theme
from ui.institution import words
from ui.institution.fields import Field, Path
from ui.institution.problems import Problem, of_field
from ui.texts import Texts
from ui.widgets.inputs import (
    ChoiceInput,
    ChoicesInput,
    Input,
    ListInput,
    MomentInput,
    NumberInput,
    ProseInput,
    SwitchInput,
    TextInput,
)
from ui.widgets.layout import name_it
from ui.widgets.words import SmallNote, Words, restyle

Suggest = Callable[[], Sequence[tuple[str, str]]]
# How far one press of an arrow changes a number, by its unit.
STEPS = {"score": 0.05, "s": 0.5}
# Problems shown below one field; the rest stands on the page of findings.
MOST_SHOWN = 3


class Row(QWidget):
    """One field of a form."""

    def __init__(self, t: Texts, field: Field, suggest: Suggest | None = None) -> None:
        super().__init__()
        self.field, self._t = field, t
        self._about = t.say(field.about) if field.about else ""
        title = t.say(field.title)
        self.input = _input(t, field, title, suggest)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.TIGHT)
        if not isinstance(self.input, SwitchInput):
            label = Words(title, "label")
            label.setBuddy(self.input.main)
            column.addWidget(label)
        column.addWidget(self.input)
        if self._about:
            column.addWidget(Words(self._about, "hint"))
        self._notes = [SmallNote() for _ in range(MOST_SHOWN)]
        for note in self._notes:
            column.addWidget(note)
        for control in self.input.controls:
            own = control.accessibleName() or (
                "" if not isinstance(control, QPushButton) else control.text()
            )
            control.setAccessibleName(f"{title}: {own}" if own else title)
        name_it(self.input.main, self.input.main.accessibleName(), self._about)

    @property
    def notes(self) -> list[str]:
        """The sentences that stand below the field now."""
        return [note.text for note in self._notes if note.text]

    def show_problems(self, found: Sequence[Problem]) -> None:
        """Say below the field what is wrong with it."""
        told = [(_told(self._t, one), one.severity) for one in found[:MOST_SHOWN]]
        for place, note in enumerate(self._notes):
            note.say(*(told[place] if place < len(told) else ("", "error")))
        control = self.input.main
        control.setAccessibleDescription(" ".join([self._about, *(text for text, _ in told)]))
        state = "error" if any(one.severity == "error" for one in found) else ""
        if control.property("problem") != state:
            control.setProperty("problem", state)
            restyle(control)

    def take_focus(self) -> None:
        self.input.main.setFocus(Qt.FocusReason.OtherFocusReason)


class Form(QWidget):
    """The fields of one table; :attr:`edited` gives the key of a field and its new value."""

    edited = Signal(tuple, object)

    def __init__(
        self,
        t: Texts,
        fields: Sequence[Field],
        prefix: Path = (),
        suggest: Mapping[str, Suggest] | None = None,
    ) -> None:
        super().__init__()
        self.prefix = prefix
        self.rows: dict[str, Row] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.LARGE)
        for field in fields:
            row = Row(t, field, (suggest or {}).get(field.name))
            row.input.edited.connect(
                lambda value, name=field.name: self.edited.emit((*self.prefix, name), value)
            )
            self.rows[field.name] = row
            column.addWidget(row)

    def fill(self, data: Mapping[str, Any]) -> None:
        """Show the values of a table; what is not written there is shown as its default."""
        for name, row in self.rows.items():
            row.input.show_value(data.get(name, row.field.default))

    def show_problems(self, found: Sequence[Problem]) -> None:
        """Spread the problems over the fields."""
        for name, row in self.rows.items():
            row.show_problems(of_field(found, (*self.prefix, name)))

    def row_of(self, key: Path) -> Row | None:
        """The field that ``key`` names, or that it is inside of."""
        depth = len(self.prefix)
        if key[:depth] != self.prefix or len(key) <= depth:
            return None
        return self.rows.get(key[depth])


def _told(t: Texts, problem: Problem) -> str:
    """A problem in one line: a rule's with how to mend it, where its English is the window's language."""
    if not problem.rule:
        return problem.text
    if t.lang == "en":
        return f"{problem.text} {problem.mend} ({problem.rule})"
    return f"{problem.title} ({problem.rule})"


def _input(t: Texts, field: Field, title: str, suggest: Suggest | None) -> Input:
    choices = [(value, words.choice(t, field.name, value)) for value in field.choices]
    match field.kind:
        case "text":
            return TextInput()
        case "prose":
            return ProseInput()
        case "whole" | "number":
            return NumberInput(
                words.unit(t, field.unit),
                field.low,
                whole=field.kind == "whole",
                step=STEPS.get(field.unit, 1.0),
            )
        case "switch":
            return SwitchInput(title)
        case "choice":
            return ChoiceInput(choices)
        case "choices":
            return ChoicesInput(choices)
        case "moment":
            return MomentInput(t)
        case "lines":
            return ListInput(t, suggest=suggest)
        case "numbers":
            return ListInput(t, numbers=True)
