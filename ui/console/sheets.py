"""Two small windows: every key of the console, and what one did in this session."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

from ui.console.session import Session
from ui.console.words import VERDICTS
from ui.texts import Texts
from ui.widgets.sheet import Sheet


def keys(t: Texts, actions: Sequence[QAction], parent: QWidget) -> Sheet:
    """Every key, as the menus have them."""
    native = QKeySequence.SequenceFormat.NativeText
    lines = [
        (" / ".join(one.toString(native) for one in action.shortcuts()), _plain(action.text()))
        for action in actions
        if action.shortcuts()
    ]
    lines += [
        ("Tab", t.say("To the next control")),
        ("← →", t.say("In the strip: the moment before, and the next one")),
    ]
    return Sheet(t, t.say("Keys"), lines, parent)


def statistics(t: Texts, session: Session, waiting: int, parent: QWidget) -> Sheet:
    """What the reviewer did, for themselves."""
    typical = session.typical
    lines = [
        (t.number(session.looks), t.say("Looks signed in this session")),
        (t.number(waiting), t.say("Moments that wait for you in this case")),
        (t.number(session.back), t.say("Looks taken back")),
        (
            "–" if typical is None else t.number(round(typical, 1)),
            t.say("Seconds that half of your looks took at most"),
        ),
    ]
    lines += [
        (t.number(session.verdicts[verdict]), t.say(text)) for verdict, text in VERDICTS.items()
    ]
    return Sheet(t, t.say("Your session"), lines, parent)


def _plain(text: str) -> str:
    return text.replace("&", "").removesuffix(" …")
