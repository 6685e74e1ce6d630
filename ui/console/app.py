"""``proctor review``: the window in which a person looks at what was noted, and says what they see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyrage import x25519
from PySide6.QtCore import QObject, QTimer

from policies.errors import PolicyError
from proctor.errors import InputError
from proctor.evidence import keys, view
from proctor.evidence.access import Reader, local_reader
from proctor.evidence.keys import KeyFile
from ui import app
from ui.console import hub_app
from ui.console.source import FolderSource
from ui.console.start import KeyPage, StartPage
from ui.console.window import ConsoleWindow
from ui.texts import texts


def main(
    case: Path | None = None,
    who: str | None = None,
    identities: Sequence[x25519.Identity] = (),
    lang: str | None = None,
    hub: str | None = None,
) -> int:
    """Run until the window is closed; returns the exit code.

    ``case``: a folder to look at; ``who``: who looks (default: the account's name); ``identities``
    open the clips (default: what this machine has); ``hub``: work there instead (empty: it is asked
    for). Raises :class:`proctor.errors.MissingError` where there is no display,
    :class:`proctor.errors.InputError` where it is not known who looks.
    """
    if hub is not None:
        return hub_app.main(hub, identities, lang)
    reader = local_reader(who)
    running, said = app.begin(lang)
    desks = [Desk(said.lang, reader, identities)]
    desks[0].show(case)

    def speak(wanted: str) -> None:
        old = desks.pop()
        app.speak(running, wanted)
        desks.append(old.in_language(wanted))
        desks[0].window.speak.connect(speak)

    desks[0].window.speak.connect(speak)
    return running.exec()


class Desk(QObject):
    """The window, and the way from a folder to the case in it: read, find the key, show."""

    def __init__(
        self, lang: str, reader: Reader, identities: Sequence[x25519.Identity] = ()
    ) -> None:
        super().__init__()
        self.t = texts(lang)
        self.reader, self.identities = reader, list(identities)
        self.folder: Path | None = None
        self.window = ConsoleWindow(self.t)
        self.window.restore_place()
        self.start = StartPage(self.t, reader.name)
        self.key_page = KeyPage(self.t, self.window.worker)
        # In the window from the beginning: a widget without one outlives the application, and must not.
        for page in (self.start, self.key_page):
            self.window.stack.addWidget(page)
        self.window.choosing.connect(self.start.ask)
        self.start.opening.connect(lambda folder: self.open(Path(folder)))
        self.key_page.opened.connect(self._open_with)

    def show(self, case: Path | None = None) -> None:
        """Show the window, and in it ``case`` or the question for one."""
        self.window.show_page(self.start)
        self.window.show()
        if case is not None:
            QTimer.singleShot(0, lambda: self.open(case))

    def open(self, folder: Path) -> None:
        """Open a case with a key that fits; where all of them have a passphrase, ask for it."""
        given = self.identities

        def work() -> tuple[list[x25519.Identity], list[KeyFile], tuple[str, ...]]:
            try:
                found = view.read(folder)
            except PolicyError as error:
                raise InputError(str(error)) from error
            wanted = tuple(
                str(key) for sealed in found.sealed.values() for key in sealed.get("recipients", ())
            )
            if given or not wanted:
                return given, [], wanted
            known = keys.list_identities()
            fits = [key for key in known if key.recipient in wanted and not key.protected]
            opened = [one for key in fits for one in keys.load_identity(key.path)]
            return opened, known, wanted

        def done(found: tuple[list[x25519.Identity], list[KeyFile], tuple[str, ...]]) -> None:
            identities, known, wanted = found
            self.folder = folder
            if identities or not wanted:
                self._open_with(identities)
                return
            self.key_page.offer(known, wanted)
            self.window.show_page(self.key_page)

        self.window.say("")
        self.window.worker.run(work, done, self.window.fail)

    def _open_with(self, identities: list[x25519.Identity]) -> None:
        if self.folder is not None:
            self.window.open(FolderSource(self.folder, self.reader, identities))

    def in_language(self, lang: str) -> Desk:
        """The same work in a window of another language; a clip is opened, and noted, anew."""
        new = Desk(lang, self.reader, self.identities)
        new.window.session = self.window.session
        new.window.setGeometry(self.window.geometry())
        source, here = self.window.source, self.window.current
        new.show()
        if source is not None:
            new.folder = self.folder
            new.window.open(source, lambda: new.window.look_at(here))
        self.window.close()
        self.window.deleteLater()
        return new
