"""A mistake inside the program, told in a window: the whole report to read, to copy or to keep; nothing is sent."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QLocale, QObject, QTimer, Signal
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from proctor.session import crash
from ui import theme
from ui.texts import LANGUAGES, Texts, texts
from ui.widgets.layout import button, name_it
from ui.widgets.words import Words

WIDTH, HEIGHT = 640, 480


class MishapDialog(QDialog):
    """Shows one report. What happens to it is its reader's to say."""

    def __init__(self, report: Path, t: Texts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.report = report
        self._t = t
        self.setWindowTitle(t.say("Something went wrong in this program"))
        column = QVBoxLayout(self)
        column.setSpacing(theme.MEDIUM)
        column.addWidget(
            Words(
                t.say(
                    "The mistake is ours, not yours. This report says where in the program it happened. It was "
                    "sent to nobody. Read it; if you like, give it to whoever helps you."
                )
            )
        )
        self.text = QPlainTextEdit(report.read_text(encoding="utf-8"))
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        name_it(self.text, t.say("The report"))
        column.addWidget(self.text, 1)
        buttons = QDialogButtonBox()
        self.copy = button(t.say("Copy the report"))
        self.save = button(t.say("Save the report …"))
        self.erase = button(t.say("Erase the report"))
        self.done_with = button(t.say("Close"), "primary")
        for made, role, does in (
            (self.copy, QDialogButtonBox.ButtonRole.ActionRole, self._copy),
            (self.save, QDialogButtonBox.ButtonRole.ActionRole, self._save),
            (self.erase, QDialogButtonBox.ButtonRole.DestructiveRole, self._erase),
            (self.done_with, QDialogButtonBox.ButtonRole.RejectRole, self.reject),
        ):
            buttons.addButton(made, role)
            made.clicked.connect(does)
        column.addWidget(buttons)
        self.resize(WIDTH, HEIGHT)
        self.done_with.setFocus()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())

    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, self._t.say("Save the report …"), self.report.name
        )
        if name:
            Path(name).write_text(self.text.toPlainText(), encoding="utf-8")

    def _erase(self) -> None:
        self.report.unlink(missing_ok=True)
        self.accept()


class Watch(QObject):
    """Shows a report as soon as the window is free to; one at a time, for a mistake may repeat itself.

    It speaks the language that the application speaks at that moment.
    """

    happened = Signal(object)

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self.dialog: MishapDialog | None = None
        self.happened.connect(lambda report: QTimer.singleShot(0, lambda: self.show(report)))
        crash.in_windows(self.happened.emit)

    def show(self, report: Path) -> None:
        """Open the dialog, unless one is open."""
        if self.dialog is not None:
            return
        lang = QLocale().name().partition("_")[0]
        said = texts(lang if lang in LANGUAGES else "en")
        self.dialog = MishapDialog(report, said, QApplication.activeWindow())
        self.dialog.finished.connect(self._closed)
        self.dialog.open()

    def _closed(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = None
