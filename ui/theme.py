"""One calm look for every app: a small palette, spacing steps, and the style sheet made of them.

Fusion draws the controls, so they look and behave alike on every system. Colours follow the system:
light, dark, or high contrast. Ratios are those of WCAG 2.2: text at least 4.5 to 1 (1.4.3), outlines
of controls and the focus ring at least 3 to 1 (1.4.11); a test measures them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from string import Template
from typing import Literal

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

Name = Literal["light", "dark", "contrast-light", "contrast-dark"]
# Steps of space, in pixels that the system scales.
TIGHT, SMALL, MEDIUM, LARGE, HUGE = 4, 8, 12, 20, 32
# Longest line of text that is read with ease, in average characters.
READING_WIDTH = 100
ICON = 18


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours by what they are for; ``accent_text`` stands on ``accent``, all other text on a ground."""

    ground: str
    surface: str
    raised: str
    text: str
    soft: str
    line: str
    outline: str
    accent: str
    accent_text: str
    error: str
    warning: str
    good: str


COLOURS: Mapping[Name, Colours] = {
    "light": Colours(
        ground="#f4f5f7", surface="#ffffff", raised="#e9ecf1", text="#1b2330", soft="#535e6e",
        line="#d9dee6", outline="#7f8a9a", accent="#1d5fa8", accent_text="#ffffff",
        error="#b3261e", warning="#855600", good="#1d6b43",
    ),
    "dark": Colours(
        ground="#16191e", surface="#1e2228", raised="#2a3039", text="#e8ebf0", soft="#a9b2bf",
        line="#353c46", outline="#7c8797", accent="#8fbcf2", accent_text="#0d1b2c",
        error="#f4a59d", warning="#e9c47d", good="#8dd3ab",
    ),
    "contrast-light": Colours(
        ground="#ffffff", surface="#ffffff", raised="#ffffff", text="#000000", soft="#000000",
        line="#000000", outline="#000000", accent="#00008b", accent_text="#ffffff",
        error="#8b0000", warning="#5c3a00", good="#003f1f",
    ),
    "contrast-dark": Colours(
        ground="#000000", surface="#000000", raised="#000000", text="#ffffff", soft="#ffffff",
        line="#ffffff", outline="#ffffff", accent="#ffd84d", accent_text="#000000",
        error="#ffb3ab", warning="#ffe08a", good="#9dffc4",
    ),
}  # fmt: skip

_now: Name = "light"


def system_name() -> Name:
    """What the system asks for now."""
    hints = QGuiApplication.styleHints()
    dark = hints.colorScheme() == Qt.ColorScheme.Dark
    if hints.accessibility().contrastPreference() == Qt.ContrastPreference.HighContrast:
        return "contrast-dark" if dark else "contrast-light"
    return "dark" if dark else "light"


def apply(app: QApplication, name: Name) -> None:
    """Dress the whole application; windows that are open change with it."""
    global _now
    _now = name
    app.setPalette(_palette(COLOURS[name]))
    app.setStyleSheet(_sheet(name))


def now() -> Name:
    """The look that was applied last."""
    return _now


def colours() -> Colours:
    """The colours of the look that was applied last."""
    return COLOURS[_now]


def icon(name: str, colour: str | None = None, side: int = ICON) -> QIcon:
    """One of ``ui/icons`` as an icon, in ``colour`` (default: that of text), drawn sharp at any scale."""
    found = QIcon()
    chosen = colour or colours().text
    for scale in (1, 2, 3):
        found.addPixmap(pixmap(name, chosen, side, scale))
        # On a chosen line the ground is the accent.
        selected = pixmap(name, colours().accent_text, side, scale)
        found.addPixmap(selected, QIcon.Mode.Selected)
    return found


def pixmap(name: str, colour: str, side: int = ICON, scale: float = 1.0) -> QPixmap:
    """An icon as a square picture of ``side`` pixels of the scaled desktop; Qt's own cache keeps it."""
    key = f"{name} {colour} {side} {scale}"
    picture = QPixmap()
    if QPixmapCache.find(key, picture):
        return picture
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace("currentColor", colour).encode()))
    picture = QPixmap(QSize(side, side) * scale)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    renderer.render(painter)
    painter.end()
    picture.setDevicePixelRatio(scale)
    QPixmapCache.insert(key, picture)
    return picture


@cache
def _drawing(name: str) -> str:
    return resources.files("ui").joinpath("icons", f"{name}.svg").read_text("utf-8")


def _palette(c: Colours) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in (
        (role.Window, c.ground), (role.WindowText, c.text), (role.Base, c.surface),
        (role.AlternateBase, c.raised), (role.Text, c.text), (role.PlaceholderText, c.soft),
        (role.Button, c.surface), (role.ButtonText, c.text), (role.BrightText, c.error),
        (role.Highlight, c.accent), (role.HighlightedText, c.accent_text), (role.Accent, c.accent),
        (role.Link, c.accent), (role.LinkVisited, c.accent), (role.ToolTipBase, c.surface),
        (role.ToolTipText, c.text), (role.Light, c.raised), (role.Midlight, c.line),
        (role.Mid, c.line), (role.Dark, c.outline), (role.Shadow, c.outline),
    ):  # fmt: skip
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(c.outline))
    return palette


def _sheet(name: Name) -> str:
    template = resources.files("ui").joinpath("style.qss").read_text("utf-8")
    folder = str(resources.files("ui").joinpath("icons")).replace("\\", "/")
    dark = name in ("dark", "contrast-dark")
    values = asdict(COLOURS[name]) | {"icons": folder, "check": "dark" if dark else "light"}
    return Template(template).substitute(values)
