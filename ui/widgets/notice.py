"""The student's notice in a window: headings, lists, quotes and the table of numbers, as one document."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QTextBrowser

from policies.texts.notice import Item, Notice, Table
from ui import theme
from ui.widgets.layout import name_it

# Room around the text, in pixels of the scaled desktop.
MARGIN = 24


class NoticeView(QTextBrowser):
    """Shows a notice; it scrolls, its text can be chosen, and it opens no link and no network."""

    def __init__(self, name: str, about: str = "") -> None:
        super().__init__()
        name_it(self, name, about)
        self.setOpenLinks(False)
        self.setToolTip("")
        self.document().setDocumentMargin(MARGIN)
        self._page: Notice | None = None

    def show_notice(self, page: Notice | None) -> None:
        """Show a notice, from its beginning; ``None`` shows nothing."""
        self._page = page
        self._draw()
        self.verticalScrollBar().setValue(0)

    def loadResource(self, kind: int, name: object) -> None:  # noqa: N802
        """A notice is text alone: nothing is ever fetched for it."""

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._draw()

    def sizeHint(self) -> QSize:  # noqa: N802
        metrics = self.fontMetrics()
        return QSize(metrics.averageCharWidth() * theme.READING_WIDTH, metrics.height() * 24)

    def _draw(self) -> None:
        if self._page is None:
            self.clear()
            return
        self.document().setDefaultStyleSheet(_sheet())
        self.setHtml(as_rich_text(self._page))
        self.document().setMetaInformation(
            QTextDocument.MetaInformation.DocumentTitle, self._page.title
        )


def as_rich_text(page: Notice) -> str:
    """The notice in the part of HTML that Qt's documents know."""
    blocks = [f"<h1>{escape(page.title)}</h1>", f'<p class="lead">{escape(page.lead)}</p>']
    for section in page.sections:
        blocks.append(f"<h2>{escape(section.heading)}</h2>")
        blocks.append(_items(section.items))
        if section.table is not None:
            blocks.append(_table(section.table))
    return "".join(blocks)


def _items(items: Iterable[Item]) -> str:
    lines = []
    for item in items:
        text = escape(item.text)
        line = f"<b>{text}</b>" if item.points else text
        if item.quote:
            line += f'<p class="quote">{escape(item.quote)}</p>'
        if item.points:
            line += _items(item.points)
        lines.append(f"<li>{line}</li>")
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table.rows
    )
    return f'<table border="1" cellspacing="0" cellpadding="5" width="100%"><tr>{head}</tr>{rows}</table>'


def _sheet() -> str:
    c = theme.colours()
    return (
        f"h1 {{ font-size: x-large; color: {c.text}; }} h2 {{ font-size: large; color: {c.text}; "
        f"margin-top: 22px; }} .lead {{ color: {c.soft}; }} li {{ margin-bottom: 5px; }} "
        f".quote {{ color: {c.soft}; margin-left: 14px; }} "
        f"table {{ border-color: {c.line}; border-collapse: collapse; margin-top: 10px; }} "
        f"th {{ color: {c.soft}; font-size: small; text-align: start; }} td {{ font-size: small; }}"
    )
