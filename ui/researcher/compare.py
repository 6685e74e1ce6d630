"""How the people who labelled one recording agree, and every place where they do not."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QPushButton

from proctor.evaluate.labels import Compared
from proctor.evaluate.statistics import Answer, Estimate
from ui.researcher.work import moment, titles
from ui.texts import Plural, Texts
from ui.widgets.layout import Card, button, name_it, row
from ui.widgets.words import Words

PLACES = Plural("{n} place where you differ", "{n} places where you differ")
# Kappa and alpha of one recording are rough numbers.
DECIMALS = 2


class Compare(Card):
    """``wanted``: others' labels are asked for, or no longer. ``chosen`` gives the second of a place."""

    wanted = Signal(bool)
    chosen = Signal(float)

    def __init__(self, t: Texts) -> None:
        super().__init__(
            t.say("Agreement"),
            t.say(
                "What others marked stays hidden until you ask for it, so that you label by yourself first."
            ),
        )
        self._t = t
        self.show_button: QPushButton = button(t.say("Compare with others"))
        self.show_button.setCheckable(True)
        self.show_button.toggled.connect(self._toggled)
        self.numbers = Words("")
        self.heading = Words("", "label")
        self.places = QListWidget()
        self.places.setWordWrap(True)
        self.places.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.places.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.places.setMinimumHeight(self.fontMetrics().height() * 6)
        name_it(self.places, t.say("Places where you differ"))
        self.places.itemActivated.connect(self._go)
        self.places.itemClicked.connect(self._go)
        self.column.addLayout(row(self.show_button))
        for part in (self.numbers, self.heading, self.places):
            self.column.addWidget(part)
        self.forget()

    @property
    def asked(self) -> bool:
        """Whether the annotator asked for what others marked."""
        return self.show_button.isChecked()

    def forget(self) -> None:
        """Hide what others marked."""
        self.show_button.setChecked(False)
        self.places.clear()
        for part in (self.numbers, self.heading, self.places):
            part.hide()

    def say(self, text: str) -> None:
        """A sentence instead of numbers."""
        self.numbers.setText(text)
        self.numbers.setVisible(bool(text))
        self.heading.hide()
        self.places.hide()

    def show_compared(self, found: Compared) -> None:
        """Numbers, and the places."""
        t = self._t
        if len(found.annotators) < 2:
            self.say(t.say("Fewer than two people have labelled this recording so far."))
            return
        lines = [t.say("Krippendorff's alpha: {number}", number=self._number(found.alpha))]
        lines += [
            t.say(
                "Cohen's kappa of {one} and {other}: {number}",
                one=one,
                other=other,
                number=self._number(answer),
            )
            for (one, other), answer in found.kappas.items()
        ]
        self.say("\n".join(lines))
        self.places.clear()
        names = titles(t, tuple({one.kind for one in found.disputes}))
        for one in found.disputes:
            when = t.say(
                "{start} to {end}: {kind}",
                start=moment(one.start),
                end=moment(one.end),
                kind=names[one.kind],
            )
            who = t.say(
                "Marked by {there}, not by {absent}",
                there=", ".join(one.there),
                absent=", ".join(one.absent),
            )
            item = QListWidgetItem(f"{when}\n{who}")
            item.setData(Qt.ItemDataRole.UserRole, one.start)
            self.places.addItem(item)
        self.heading.setText(t.count(PLACES, len(found.disputes)))
        self.heading.show()
        self.places.setVisible(bool(found.disputes))
        self.places.doItemsLayout()

    def _number(self, answer: Answer) -> str:
        t = self._t
        value = answer.value if isinstance(answer, Estimate) else answer.here
        if value is None:
            return t.say("cannot be said, because too little differs")
        number = t.number(round(value, DECIMALS))
        return t.say("{number} (over {n} seconds)", number=number, n=t.number(round(answer.n)))

    def _toggled(self, on: bool) -> None:
        if not on:
            self.say("")
        self.wanted.emit(on)

    def _go(self, item: QListWidgetItem) -> None:
        self.chosen.emit(float(item.data(Qt.ItemDataRole.UserRole)))
