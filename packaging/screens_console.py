"""Pictures of every screen of the console, for docs/pictures and for looking at.

    python packaging/screens_console.py CASE            English, light, into docs/pictures
    python packaging/screens_console.py CASE --out DIR --lang de --look dark --font 2 --rtl --all

CASE is the folder of a case that this machine can open, such as the one that `proctor demo` writes. It is
copied first, so that the looks at it stay where they belong. Needs no display.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PySide6.QtCore import Qt  # noqa: E402
from PySide6.QtWidgets import QApplication, QDialog, QWidget  # noqa: E402

from proctor.evidence.access import Reader  # noqa: E402
from proctor.evidence.keys import KeyFile, reviewer_key  # noqa: E402
from ui import app, theme  # noqa: E402
from ui.console.app import Desk  # noqa: E402

WAIT_S = 60.0
SIZE = (1320, 900)
WHO = "A. Stone"
# The moments that are shown. Pictures in the documentation are only of a recording whose licence allows
# it (docs/attributions.md); the one with two people is for looking at.
SHOWN, SEVERAL = "gaze.away", "face.several"
IN_DOCS = {"start", "key", "case", "reason", "signed", "strip", "keys", "session"}


def wait(condition: Callable[[], bool], what: str) -> None:
    """Let the window live until ``condition`` is true."""
    until = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > until:
            raise SystemExit(f"screens: waited in vain for {what}")
        QApplication.processEvents()
        time.sleep(0.005)


def rest(seconds: float) -> None:
    """Let the window live for a while."""
    until = time.monotonic() + seconds
    wait(lambda: time.monotonic() > until, "nothing")


def opened(desk: Desk) -> None:
    """Wait until the clip of the moment that is looked at is decoded, and stand still."""
    page = desk.window.page
    if page is None or page.flag is None:
        return
    wait(lambda: page.ready, "the moment in sight")
    if page.flag.clip is None:
        return
    player = page.player
    wait(lambda: player._clip is not None and player._clip.ready >= player.count > 0, "a clip")
    player.pause()
    player.to_the_moment()
    rest(0.05)


def screens(desk: Desk, case: Path) -> Iterator[tuple[str, QWidget]]:
    """Every screen, shown one after the other; looks are signed on the way."""
    window = desk.window
    window.resize(*SIZE)
    desk.show()
    rest(0.05)
    yield "start", window
    # As on a computer with one key, which has a passphrase.
    own = KeyFile("office", case / "office.key", "", protected=True)
    desk.key_page.offer([own], ())
    window.show_page(desk.key_page)
    rest(0.05)
    yield "key", window
    desk.open(case)
    wait(lambda: window.page is not None and not window.worker.busy, "the case")
    opened(desk)
    page, file = window.page, window.case
    if page is None or file is None:
        raise SystemExit("screens: there is no case")
    kinds = {flag.kind: flag.id for flag in file.story.flags}
    if SHOWN not in kinds:
        raise SystemExit(f"screens: the case has no '{SHOWN}'; make one with `proctor demo`")
    window.look_at(kinds[SHOWN])
    opened(desk)
    page.player.points.setChecked(True)
    wait(lambda: len(page.player._faces) >= page.player.count, "faces")
    page.player.points.setChecked(False)
    yield "case", window
    page.say("confirmed")
    rest(0.05)
    yield "reason", window
    page.reason.setPlainText("The eyes are on something to the left for nine seconds.")
    page.say_pending()
    wait(lambda: not window.worker.busy, "a signature")
    opened(desk)
    if SEVERAL in kinds:
        window.look_at(kinds[SEVERAL])
        opened(desk)
        page.player.blur.setChecked(True)
        page.player.points.setChecked(True)
        wait(lambda: len(page.player._faces) >= page.player.count, "faces")
        rest(0.1)
        yield "blur", window
        page.player.blur.setChecked(False)
        page.player.points.setChecked(False)
    window.look_at(kinds[SHOWN])
    opened(desk)
    page.player.points.setChecked(True)
    wait(lambda: len(page.player._faces) >= page.player.count, "faces")
    rest(0.1)
    yield "signed", window
    page.verticalScrollBar().setValue(page.verticalScrollBar().maximum())
    rest(0.05)
    yield "strip", page.strip
    page.verticalScrollBar().setValue(0)
    page.propose_pause(40)
    rest(0.05)
    yield "pause", window
    page.hide_pause()
    for name, show in (("keys", window.show_keys), ("session", window.show_session)):
        show()
        rest(0.05)
        sheet = window.findChildren(QDialog)[-1]
        yield name, sheet
        sheet.close()
        rest(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--look", default="light", choices=list(theme.COLOURS))
    parser.add_argument("--font", type=float, default=1.0, help="size of text, 1 is the usual")
    parser.add_argument("--all", action="store_true", help="every screen, not only those in docs")
    parser.add_argument("--rtl", action="store_true", help="lay out from right to left")
    arguments = parser.parse_args()
    running, said = app.start("Open Proctor", arguments.lang)
    theme.apply(running, arguments.look)
    font = running.font()
    font.setPointSizeF(font.pointSizeF() * arguments.font)
    running.setFont(font)
    if arguments.rtl:
        running.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    # The pictures of films are made coarser by the tool that makes the student's.
    spec = importlib.util.spec_from_file_location(
        "screens_student", ROOT / "packaging" / "screens_student.py"
    )
    if spec is None or spec.loader is None:
        raise SystemExit("screens: packaging/screens_student.py is missing")
    student = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(student)
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        shutil.copytree(arguments.case, case)
        desk = Desk(said.lang, Reader(WHO, reviewer_key()))
        for name, widget in screens(desk, case):
            if name in IN_DOCS or arguments.all:
                student.save(widget, out / f"console-{name}.png")
        desk.window.close()
        desk.window.deleteLater()
    return 0


if __name__ == "__main__":
    sys.exit(main())
