"""What the scripts that draw the apps' screens share: their options, and the app dressed as asked."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ui import app, theme  # noqa: E402
from ui.texts import Texts  # noqa: E402


def options(doc: str) -> argparse.ArgumentParser:
    """The options of every such script."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--look", default="light", choices=list(theme.COLOURS))
    parser.add_argument("--font", type=float, default=1.0, help="size of text, 1 is the usual")
    parser.add_argument("--rtl", action="store_true", help="lay out from right to left")
    return parser


def dressed(arguments: argparse.Namespace) -> tuple[QApplication, Texts, Path]:
    """The application as its options ask, its texts, and the folder for the pictures, made."""
    running, said = app.start("Open Proctor", arguments.lang)
    theme.apply(running, arguments.look)
    font = running.font()
    font.setPointSizeF(font.pointSizeF() * arguments.font)
    running.setFont(font)
    if arguments.rtl:
        running.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    return running, said, out
