"""The first page over a hub: which one, and who; the address is remembered, what was typed is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QSettings, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLineEdit

from policies.texts.told import tell
from proctor.errors import ProctorError
from proctor.evidence.keys import reviewer_key
from proctor.hub.staff_client import StaffClient
from ui.bridge import Worker
from ui.console.hub_office import own_key
from ui.texts import Texts
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, Page, button, labelled, name_it
from ui.widgets.words import SmallNote, Words

ADDRESS = "console/hub"


class LoginPage(Page):
    """``entered`` gives a client that is logged in, who it is, and a sentence to show first; ``browsing`` an
    address that is to be opened in the browser."""

    entered = Signal(object, dict, str)
    browsing = Signal(str)

    def __init__(self, t: Texts, worker: Worker, hub: str = "") -> None:
        super().__init__(
            t.say("Log in at a hub"),
            t.say("What you see and sign there is on record under your name."),
        )
        self.t, self._worker = t, worker
        self._client: StaffClient | None = None
        self._person: dict[str, Any] = {}
        self._old = ""
        self.who = Card(t.say("Who you are"))
        self.address = _line(t.say("Address of the hub"))
        self.address.setText(hub or str(QSettings().value(ADDRESS, "")))
        self.name = _line(t.say("Name"))
        self.password = _line(t.say("Password"), secret=True)
        self.code = _line(t.say("One-time code"))
        for line, hint in (
            (
                self.address,
                t.say("As your institution gave it to you, such as https://hub.example.org"),
            ),
            (self.name, ""),
            (self.password, ""),
            (self.code, t.say("From your authenticator app, or one of your recovery codes")),
        ):
            self.who.column.addLayout(labelled(line.accessibleName(), line, hint=hint))
            line.returnPressed.connect(self.log_in)
        self.enter = button(t.say("Log in"), "primary")
        self.provider = button(
            t.say("With the institution's account …"),
            about=t.say("Opens the page of the institution's own log-in in your browser"),
        )
        self.note = SmallNote()
        self.who.column.addWidget(self.note)
        self.who.column.addLayout(Flow(self.enter, self.provider))
        self.enter.clicked.connect(self.log_in)
        self.provider.clicked.connect(self.log_in_by_provider)
        self.first = Card(t.say("A password of your own"))
        self.first.column.addWidget(
            Words(t.say("Somebody else has seen the one you were given. Choose another one now."))
        )
        self.new = _line(t.say("New password"), secret=True)
        self.again = _line(t.say("The same again"), secret=True)
        self.next_code = _line(t.say("Next one-time code"))
        for line in (self.new, self.again, self.next_code):
            self.first.column.addLayout(labelled(line.accessibleName(), line))
        self.choose = button(t.say("Use this password"), "primary")
        self.first_note = SmallNote()
        self.first.column.addWidget(self.first_note)
        self.first.column.addLayout(Flow(self.choose))
        self.choose.clicked.connect(self.change)
        self.other = Card(t.say("Another computer signs for you"))
        self.other.column.addWidget(
            Words(
                t.say(
                    "At this hub the key of another computer stands for you. If this computer takes its "
                    "place, what was signed before stays yours, and the other computer signs no more."
                )
            )
        )
        self.replace = button(t.say("Sign with this computer from now on"), "primary")
        self.keep = button(t.say("Leave it"), about=t.say("You can look, and sign nothing here"))
        self.other.column.addLayout(Flow(self.replace, self.keep))
        self.replace.clicked.connect(self._register)
        self.keep.clicked.connect(lambda: self._enter(""))
        for card in (self.who, self.first, self.other):
            self.column.addWidget(card)
        self.column.addStretch(1)
        self._only(self.who)
        # The address comes from the thread that waits for the browser; Qt opens it from the window's.
        self.browsing.connect(self._browse, Qt.ConnectionType.QueuedConnection)

    def _only(self, wanted: Card) -> None:
        for card in (self.who, self.first, self.other):
            card.setVisible(card is wanted)

    # --- coming in ----------------------------------------------------------------------------

    def log_in(self) -> None:
        """With name, password and code."""
        name, password, code = self.name.text().strip(), self.password.text(), self.code.text()
        if not (self.address.text().strip() and name and password):
            self.note.say(
                self.t.say("Fill in the address, your name and your password."), "warning"
            )
            return
        self._begin(lambda client: client.log_in(name, password, code.replace(" ", "")))

    def log_in_by_provider(self) -> None:
        """In the browser, where the institution's provider asks."""
        if not self.address.text().strip():
            self.note.say(self.t.say("Fill in the address of the hub."), "warning")
            return
        self.note.say(self.t.say("Go on in your browser; this window waits for you."), "info")
        self._begin(lambda client: client.log_in_by_provider(self.browsing.emit))

    def _browse(self, address: str) -> None:
        if not QDesktopServices.openUrl(QUrl(address)):
            self.note.say(self.t.say("No browser could be opened here."))

    def _begin(self, how: Any) -> None:
        self._busy(True)
        address = self.address.text().strip()

        def work() -> tuple[StaffClient, Mapping[str, Any], list[str]]:
            client = StaffClient(address)
            try:
                said = how(client)
                known = [] if said["must_change"] else list(client.me()["keys"])
            except BaseException:
                client.close()
                raise
            return client, said, known

        self._worker.run(work, self._welcome, self._refused)

    def _welcome(self, found: tuple[StaffClient, dict[str, Any], list[str]]) -> None:
        self._client, said, known = found
        self._person = dict(said["person"])
        QSettings().setValue(ADDRESS, self.address.text().strip())
        self._busy(False)
        self.note.say("")
        self._old = self.password.text()
        self.password.clear()
        self.code.clear()
        if said["must_change"]:
            self._only(self.first)
            self.new.setFocus()
            return
        self._old = ""
        self._key(known)

    def change(self) -> None:
        """Choose a password, and log in with it."""
        client, new, name = self._client, self.new.text(), self.name.text().strip()
        if client is None:
            return
        if new != self.again.text():
            self.first_note.say(self.t.say("The two passwords are not the same."), "warning")
            return
        old, code = self._old, self.next_code.text().replace(" ", "")
        self.choose.setEnabled(False)

        def done(_: object) -> None:
            self.choose.setEnabled(True)
            client.close()
            for line in (self.new, self.again, self.next_code):
                line.clear()
            self._old = ""
            self._only(self.who)
            self.name.setText(name)
            self.note.say(
                self.t.say("Your password is changed. Log in with it and a new code."), "good"
            )
            self.password.setFocus()

        def refused(error: Exception) -> None:
            self.choose.setEnabled(True)
            self._sentence(error, self.first_note)

        self._worker.run(lambda: client.change_password(old, new, code), done, refused)

    def _key(self, known: list[str]) -> None:
        """This computer's key is what the person signs with; the hub learns it once."""
        if own_key() in known or not self._signs():
            self._enter("")
        elif known:
            self._only(self.other)
            self.replace.setFocus()
        else:
            self._register()

    def _signs(self) -> bool:
        return bool(set(self._person["roles"]) & {"admin", "proctor", "reviewer"})

    def _register(self) -> None:
        client = self._client
        if client is None:
            return
        sentence = self.t.say(
            "What you say at this hub is signed by this computer from now on; its key is registered there."
        )
        self._worker.run(
            lambda: client.register_key(reviewer_key()),
            lambda _: self._enter(sentence),
            self._refused,
        )

    def _enter(self, sentence: str) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            self._only(self.who)
            self.entered.emit(client, self._person, sentence)

    def _refused(self, error: Exception) -> None:
        self._busy(False)
        self._only(self.who)
        self._sentence(error, self.note)
        self.code.clear()

    def _sentence(self, error: Exception, note: SmallNote) -> None:
        if not isinstance(error, ProctorError):
            raise error
        note.say(tell(self.t, str(error)))

    def _busy(self, busy: bool) -> None:
        self.enter.setEnabled(not busy)
        self.provider.setEnabled(not busy)


def _line(name: str, *, secret: bool = False) -> QLineEdit:
    made = QLineEdit()
    if secret:
        made.setEchoMode(QLineEdit.EchoMode.Password)
    name_it(made, name)
    return made
