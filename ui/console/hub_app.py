"""``proctor review --hub``: the window over a hub, and beside it the one in which a case is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyrage import x25519
from PySide6.QtCore import QObject, QTimer

from proctor.evidence import keys
from proctor.evidence.keys import KeyFile
from ui import app
from ui.bridge import Worker
from ui.console.hub_office import Office
from ui.console.hub_source import HubSource, Item, by_attempt
from ui.console.hub_window import HubWindow
from ui.console.source import CaseFile
from ui.console.start import KeyPage
from ui.console.window import ConsoleWindow
from ui.texts import texts

# The clip that is opened comes first; the next case is read so much later (ms).
AHEAD_MS = 700


def main(hub: str, identities: Sequence[x25519.Identity] = (), lang: str | None = None) -> int:
    """Run until the window is closed; returns the exit code. ``hub`` may be empty: it is asked for.

    Raises :class:`proctor.errors.MissingError` where there is no display.
    """
    running, said = app.begin(lang)
    desks = [HubDesk(said.lang, hub, identities)]
    desks[0].show()

    def speak(wanted: str) -> None:
        old = desks.pop()
        app.speak(running, wanted)
        desks.append(old.in_language(wanted))
        desks[0].window.speak.connect(speak)

    desks[0].window.speak.connect(speak)
    return running.exec()


class HubDesk(QObject):
    """What is taken from the queue, looked at one attempt after the other; the next one is read ahead."""

    def __init__(
        self, lang: str, hub: str = "", identities: Sequence[x25519.Identity] = ()
    ) -> None:
        super().__init__()
        self.t = texts(lang)
        self.hub = hub
        self.identities = list(identities)
        self.office: Office | None = None
        self.window = HubWindow(self.t, hub)
        self.window.restore_place()
        self.window.entered.connect(self._entered)
        self.window.left.connect(self._left)
        self.window.looking.connect(self.look)
        self.window.newest.connect(self.look_at_newest)
        self.case: ConsoleWindow | None = None
        self.key_page: KeyPage | None = None
        self._ahead = Worker(self)
        self._next: list[HubSource] = []
        self._waits: HubSource | None = None

    def show(self) -> None:
        """Show the window."""
        self.window.show()

    def _entered(self, office: Office) -> None:
        self.office = office

    def _left(self) -> None:
        """Nobody is logged in: nothing of a case stays open."""
        self.office = None
        self._next, self._waits = [], None
        self._ahead.close()
        if self.case is not None:
            case, self.case, self.key_page = self.case, None, None
            case.close()
            case.deleteLater()

    # --- cases --------------------------------------------------------------------------------

    def look_at_newest(self, row: Mapping[str, Any]) -> None:
        """Open the newest flag of a line of the wall."""
        office, newest = self.office, row["newest"]
        if office is None or not newest:
            return
        attempt, flag = str(row["attempt"]), str(newest["flag"])

        def done(items: list[Item]) -> None:
            self.look([one for one in items if one["flag"] == flag])

        office.run(lambda: office.client.queue(attempt=attempt, limit=500)["items"], done)

    def look(self, rows: Sequence[Item]) -> None:
        """Open these rows of the queue, attempt after attempt."""
        office = self.office
        if office is None or not rows:
            return
        self._next = [
            HubSource(office.client, office.reader, self.identities, items)
            for items in by_attempt(rows)
        ]
        self._open_next()

    def _open_next(self) -> None:
        if not self._next:
            self._back()
            return
        source = self._next.pop(0)
        self._waits = source
        self._ahead.run(source.load, lambda case: self._read(source, case), self.window.fail)

    def _read(self, source: HubSource, case: CaseFile) -> None:
        """The case is here; is a key here, too?"""
        if source is not self._waits:
            return
        wanted = source.recipients()
        own = {str(one.to_public()) for one in self.identities}
        if not wanted or own & wanted:
            self._show(source)
            return

        def work() -> tuple[list[x25519.Identity], list[KeyFile]]:
            known = keys.list_identities()
            fits = [key for key in known if key.recipient in wanted and not key.protected]
            return [one for key in fits for one in keys.load_identity(key.path)], known

        def done(found: tuple[list[x25519.Identity], list[KeyFile]]) -> None:
            opened, known = found
            if source is not self._waits:
                return
            if opened:
                self._with_keys(opened)
                return
            window, page = self._case_window()
            page.offer(known, tuple(wanted))
            window.show_page(page)
            self._raise(window)

        self._ahead.run(work, done, self.window.fail)

    def _with_keys(self, opened: list[x25519.Identity]) -> None:
        self.identities += opened
        for source in [self._waits, *self._next]:
            if source is not None:
                source.identities = list(self.identities)
        if self._waits is not None:
            self._show(self._waits)

    def _show(self, source: HubSource) -> None:
        window, _ = self._case_window()
        window.open(source)
        self._raise(window)
        QTimer.singleShot(AHEAD_MS, self, self._read_ahead)

    def _read_ahead(self) -> None:
        """The next case comes near while one looks at this one."""
        for coming in self._next[:1]:
            self._ahead.run(coming.ahead, lambda _: None, lambda _: None)

    def _case_window(self) -> tuple[ConsoleWindow, KeyPage]:
        if self.case is None or self.key_page is None:
            self.case = ConsoleWindow(self.t)
            self.case.restore_place()
            self.key_page = KeyPage(self.t, self.case.worker)
            # A page without a parent would outlive the application.
            self.case.stack.addWidget(self.key_page)
            self.key_page.opened.connect(self._with_keys)
            self.case.choosing.connect(self._back)
            self.case.through.connect(self._through)
            self.case.speak.connect(self.window.speak.emit)
        return self.case, self.key_page

    def _through(self) -> None:
        """Nothing of this case waits any more: the next one, which was read ahead; after the last one, what
        was measured is shown."""
        if self.window.queue is not None:
            self.window.queue.refresh()
        if self._next:
            self._open_next()
            return
        source, case = self._waits, self.case

        if source is None or case is None:
            return

        def shown(found: CaseFile) -> None:
            # Meanwhile somebody may have opened another case.
            if case is self.case and case.source is source:
                # What was signed while this was fetched is in the newest only.
                case.show_again(source.newest or found)

        self._ahead.run(source.whole, shown, self.window.fail)

    def _back(self) -> None:
        """To the queue."""
        if self.window.queue is not None:
            self.window.tabs.setCurrentWidget(self.window.queue)
            self.window.queue.refresh()
            self.window.say(self.t.say("No flag waits for you there."), "good")
        self._raise(self.window)

    def _raise(self, window: HubWindow | ConsoleWindow) -> None:
        window.show()
        window.raise_()
        window.activateWindow()

    # --- another language ---------------------------------------------------------------------

    def in_language(self, lang: str) -> HubDesk:
        """The same person at the same hub in windows of another language; a case is opened anew."""
        new = HubDesk(lang, self.hub, self.identities)
        new.window.setGeometry(self.window.geometry())
        office = self.office
        new.show()
        if office is not None:
            client = office.client.again()
            new.window.enter(
                Office(
                    new.t, client, office.person, new.window.worker, new.window.say, key=office.key
                )
            )
        self.close()
        return new

    def close(self) -> None:
        """Close every window."""
        self.window.close()
        self._ahead.close()
        self.window.deleteLater()
