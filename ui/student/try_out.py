"""A look at what the program sees, before any consent to an exam: asked by itself, stored nowhere."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QCloseEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from policies.consent import Answers
from policies.schema import PurposeName
from policies.texts.numbers import kind_title
from policies.texts.told import tell
from proctor.types import Frame, Marker, Observation
from ui import theme
from ui.app import centred_on
from ui.student.attempt import Attempt
from ui.student.looking import Looking
from ui.widgets.camera import CameraView
from ui.widgets.consent import ConsentCard
from ui.widgets.layout import button, name_it, row
from ui.widgets.meter import LevelMeter
from ui.widgets.words import Note

# Average characters across; the height follows from what is shown.
WIDTH, HEIGHT = 85, 760
# Room around a text in the table, a little more than the style sheet's.
PADDING = 9


class TryOut(QDialog):
    """Asks, opens the devices, and shows what each detector says, in words."""

    def __init__(self, attempt: Attempt, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.attempt = attempt
        t = attempt.t
        self.setWindowTitle(t.say("What the program sees"))
        self._looking: Looking | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        column.setSpacing(theme.MEDIUM)
        self.card = ConsentCard(
            t,
            t.say("Switch your camera and microphone on, only to try it? Nothing is stored."),
            t.say("If you say no, you get this instead:"),
            t.say("The window closes, and nothing was switched on."),
        )
        self.card.answered.connect(self._answered)
        column.addWidget(self.card)
        self.camera = CameraView(t.say("What your camera sees"))
        self.meter = LevelMeter(t)
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels([t.say("Looked for"), t.say("Now")])
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.verticalHeader().hide()
        # A longer name, or a scroll bar, makes the other column narrower, for every line.
        self.table.horizontalHeader().sectionResized.connect(lambda *_: self._fit_rows())
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        name_it(self.table, t.say("What the program sees"))
        self.table.setToolTip("")
        self.note = Note()
        for widget in (self.camera, self.meter, self.note, self.table):
            column.addWidget(widget)
            widget.hide()
        self.table.hide()
        close = button(t.say("Close"))
        close.clicked.connect(self.close)
        column.addLayout(row(close))
        self._rows: dict[str, QTableWidgetItem] = {}

    def fit(self) -> None:
        """As wide as text is read with ease, and as high as what is shown needs; lines still come."""
        width, high = centred_on(self.fontMetrics().averageCharWidth() * WIDTH, HEIGHT)
        layout = self.layout()
        needed = layout.totalHeightForWidth(width) if layout is not None else high
        self.resize(width, max(high, needed) if self.table.isVisibleTo(self) else needed)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        super().showEvent(event)
        self.fit()

    def _answered(self, yes: bool) -> None:
        if not yes:
            self.close()
            return
        self.card.hide()
        names: tuple[PurposeName, ...] = ("camera", "microphone")
        wanted = [name for name in names if name in self.attempt.policy.purposes]
        self.camera.setVisible("camera" in wanted)
        self.camera.forget(self.attempt.t.say("The camera starts …"))
        self.meter.setVisible("microphone" in wanted)
        self.table.show()
        self._open(Answers(dict.fromkeys(wanted, True), "asked", self.attempt.t.lang))
        self.fit()

    def _open(self, answers: Answers) -> None:
        looking = self._looking = Looking(self.attempt, answers)
        looking.failed.connect(
            lambda sentence: self.note.say(tell(self.attempt.t, sentence), "error")
        )
        looking.relay.frame.connect(self._frame)
        looking.relay.level.connect(self.meter.show_level)
        looking.relay.seen.connect(self._seen)
        looking.relay.marker.connect(self._marker)

    def _frame(self, frame: Frame) -> None:
        self.camera.show_picture(frame.image)

    def _marker(self, marker: Marker) -> None:
        sentence = str(marker.data.get("sentence", ""))
        if sentence:
            self.note.say(tell(self.attempt.t, sentence))

    def _seen(self, observations: Sequence[Observation]) -> None:
        t, ready = self.attempt.t, self.attempt.ready
        parts = ready.parts if ready is not None else {}
        for one in observations:
            rule = self.attempt.policy.rules.get(one.kind)
            if one.score is None:
                text = t.say("Could not tell: {reason}", reason=tell(t, one.reason))
            elif rule is not None and one.score >= rule.on:
                text = t.say("seen now; noted after {seconds} seconds", seconds=rule.min_s)
            else:
                text = t.say("not seen")
            item = self._rows.get(one.kind)
            if item is None:
                place = self.table.rowCount()
                self.table.insertRow(place)
                self.table.setItem(place, 0, QTableWidgetItem(kind_title(t, one.kind, parts)))
                item = self._rows[one.kind] = QTableWidgetItem()
                self.table.setItem(place, 1, item)
                self._share_width()
            if item.text() != text:
                item.setText(text)
                self._fit_row(item.row())

    def _share_width(self) -> None:
        """The names as wide as they are, but no more than half: what is seen now needs room too."""
        needed = max(
            self.table.sizeHintForColumn(0), self.table.horizontalHeader().sectionSizeHint(0)
        )
        self.table.setColumnWidth(0, min(needed, self.table.viewport().width() // 2))

    def _fit_rows(self) -> None:
        for line in range(self.table.rowCount()):
            self._fit_row(line)

    def _fit_row(self, line: int) -> None:
        """Make a line as high as its texts need; Qt's own measure forgets the style sheet's padding."""
        needed = 0
        for column in range(self.table.columnCount()):
            item = self.table.item(line, column)
            width = self.table.columnWidth(column) - 4 * PADDING
            room = QRect(0, 0, max(1, width), 10_000)
            text = item.text() if item is not None else ""
            wrap = int(Qt.TextFlag.TextWordWrap)
            needed = max(needed, self.table.fontMetrics().boundingRect(room, wrap, text).height())
        self.table.setRowHeight(line, needed + 2 * PADDING)

    def stop(self) -> None:
        """Release the devices and forget what they gave."""
        if self._looking is not None:
            self._looking.stop()
        self._looking = None
        self.camera.forget()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802
        self.stop()
        super().closeEvent(event)

    def reject(self) -> None:
        self.stop()
        super().reject()
