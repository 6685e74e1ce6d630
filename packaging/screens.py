"""Pictures of every screen of the apps, for docs/pictures and for looking at.

    python packaging/screens.py                         the pictures of the documentation (English, light)
    python packaging/screens.py --out DIR --lang de --look dark --font 2 --all
                                                        every screen of that language, look and text size

Needs no display. QT_SCALE_FACTOR=2 in the environment draws at 200 %.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
# Last, so that nothing else is taken from there.
sys.path.append(str(ROOT / "packaging"))

import drawing  # noqa: E402
from PySide6.QtWidgets import QApplication, QWidget  # noqa: E402

from policies import edit, load  # noqa: E402
from proctor.evidence.keys import new_identity  # noqa: E402
from proctor.evidence.signing import new_signing_key  # noqa: E402
from ui.institution import fields  # noqa: E402
from ui.institution.app import open_window  # noqa: E402
from ui.institution.desk import Desk  # noqa: E402
from ui.institution.keys_page import NewKey, NewRoot  # noqa: E402
from ui.institution.window import CHANGES, GENERAL, HANDING, LOOKS, START, Window  # noqa: E402

WAIT_S = 10.0
WIDTH, HEIGHT = 1180, 800
COLOURS = 256
# Screens that stand in the documentation, and how they are named there.
IN_DOCS = {
    "start": "institution-start",
    "general": "institution-form",
    "rules": "institution-rules",
    "findings": "institution-findings",
    "preview": "institution-preview",
    "changes": "institution-changes",
    "keeping": "institution-keeping",
    "publish": "institution-publish",
    "keys": "institution-keys",
}


def settle(desk: Desk) -> None:
    """Let the worker and the window come to rest."""
    until = time.monotonic() + WAIT_S
    calm = 0
    while calm < 3 and time.monotonic() < until:
        QApplication.processEvents()
        calm = calm + 1 if desk.draft.settled and not desk.worker.busy else 0
        time.sleep(0.002)


def prepare(folder: Path) -> Path:
    """A policy with a few things to mend, and two keys; returns the policy's file."""
    text = load.read_bytes("gdpr-public-university").decode("utf-8")
    text = edit.set_values(
        text,
        {
            "id": "algebra",
            "institution": "Sample University",
            "exam": "Algebra I, final exam",
            "clips.max_s": 30.0,
        },
    )
    path = folder / "algebra.toml"
    path.write_text(text, encoding="utf-8")
    new_identity("first-reviewer", folder / "keys")
    new_signing_key("examinations-office", "four unrelated words here", folder / "keys")
    return path


def window_of(folder: Path, lang: str, path: Path) -> Window:
    """The institution's window with a policy open, one value of which is not allowed and one unwise."""
    window = open_window(lang, None, folder / "keys")
    window.resize(WIDTH, HEIGHT)
    window.open_file(path)
    settle(window.desk)
    window.desk.draft.change(("retention", "journal_days"), 90)
    window.desk.draft.change(("purposes", "camera", "alternative"), "Another exam on another day.")
    window.desk.draft.when_settled(lambda: None)
    settle(window.desk)
    return window


def screens(window: Window) -> Iterator[tuple[str, QWidget]]:
    """Every screen of the institution's app, shown one after the other."""
    desk = window.desk
    names = [START, GENERAL, *fields.tables(), *(name for name, _ in (*LOOKS, *HANDING))]
    for name in names:
        page = window.go(name)
        if name == CHANGES:
            page.compare_with("minimal")  # type: ignore[attr-defined]
        if name in fields.tables():
            found = next((p for p in window._found_in(name)), None)
            if found is not None:
                window.show_field(found.key)
                window.sections.setFocus()
        settle(desk)
        yield name, window
    dialogs: tuple[tuple[str, Callable[[], QWidget]], ...] = (
        ("new-key", lambda: NewKey(desk, window, signs=True)),
        ("new-root", lambda: NewRoot(desk, window, desk.keys.signing)),
    )
    for name, make in dialogs:
        dialog = make()
        dialog.show()
        settle(desk)
        yield name, dialog
        dialog.close()
        dialog.deleteLater()


def save(widget: QWidget, path: Path) -> None:
    """Write a picture of a widget, with few colours so that it stays small."""
    from PIL import Image
    from PySide6.QtGui import QImage

    picture = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    line = picture.bytesPerLine()
    raw = bytes(picture.constBits())
    plain = Image.frombuffer("RGB", (picture.width(), picture.height()), raw, "raw", "RGB", line, 1)
    few = plain.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main() -> int:
    parser = drawing.options(__doc__)
    parser.add_argument("--all", action="store_true", help="every screen, not only those in docs")
    arguments = parser.parse_args()
    _, said, out = drawing.dressed(arguments)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        window = window_of(Path(), said.lang, prepare(Path()))
        for name, widget in screens(window):
            if arguments.all or name in IN_DOCS:
                known = IN_DOCS.get(name, f"institution-{name}")
                save(widget, out / f"{known}.png")
        window.desk.draft.close()
        window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
