"""Signing and publishing, in three steps from top to bottom."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QCheckBox, QComboBox, QFileDialog, QLineEdit

from proctor.session.publish import Published
from ui.institution import signing
from ui.institution.desk import Desk
from ui.institution.look_pages import LookPage, counts
from ui.institution.signing import Envelope
from ui.texts import Plural
from ui.widgets.layout import Card, button, labelled, name_it, row
from ui.widgets.words import Note, Words


class PublishPage(LookPage):
    """Is it ready, who signs, where do students get it."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("Sign and publish"),
            t.say("Agents follow a policy only when those sign it whom students were told of."),
        )
        self.envelope: Envelope | None = None
        self._ready_card()
        self._sign_card()
        self._publish_card()
        self.column.addStretch(1)
        desk.keys_changed.connect(self._list_keys)
        self._list_keys()

    def _ready_card(self) -> None:
        t = self.desk.t
        card = Card(t.say("1. Ready to sign?"))
        self.ready = Note()
        self.despite = QCheckBox(t.say("Sign despite the errors"))
        name_it(self.despite, self.despite.text(), t.say("Only where your counsel said so."))
        self.despite.clicked.connect(self._enable)
        card.column.addWidget(self.ready)
        card.column.addWidget(self.despite)
        self.counsel = Words(t.say("Only where your counsel said so."), "hint")
        card.column.addWidget(self.counsel)
        self.column.addWidget(card)

    def _sign_card(self) -> None:
        t = self.desk.t
        card = Card(
            t.say("2. Sign"),
            t.say("Where several people must sign, each does so with a key of their own."),
        )
        self.key = QComboBox()
        name_it(self.key, t.say("Key"), t.say("The key file that signs."))
        self.key.activated.connect(self._chosen)
        card.column.addLayout(labelled(t.say("Key"), self.key))
        self.passphrase = QLineEdit()
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.passphrase.returnPressed.connect(self._sign)
        self.passphrase.textChanged.connect(self._enable)
        name_it(self.passphrase, t.say("Passphrase"), t.say("The passphrase of that key."))
        card.column.addLayout(labelled(t.say("Passphrase"), self.passphrase))
        self.sign = button(
            t.say("Sign"), "primary", t.say("Put your signature under this version.")
        )
        self.sign.clicked.connect(self._sign)
        card.column.addLayout(row(self.sign))
        self.signed = Note()
        card.column.addWidget(self.signed)
        self.column.addWidget(card)

    def _publish_card(self) -> None:
        t = self.desk.t
        card = Card(
            t.say("3. Publish"),
            t.say("Writes the signed policy and the root file into a folder that students get."),
        )
        self.root, self.folder, self.revoked = QLineEdit(), QLineEdit(), QLineEdit()
        for line, title, about, pick in (
            (
                self.root,
                t.say("Root file"),
                t.say("Says who may sign; made under Keys."),
                self._pick_root,
            ),
            (
                self.folder,
                t.say("Folder"),
                t.say("Where students get the policy from."),
                self._pick_folder,
            ),
            (
                self.revoked,
                t.say("List of revoked keys (may be left empty)"),
                t.say("Is published beside the policy; `proctor keys revoked new` makes it."),
                self._pick_revoked,
            ),
        ):
            name_it(line, title, about)
            line.textChanged.connect(self._enable)
            choose = button(t.say("Choose …"), about=about)
            choose.setAccessibleName(f"{title}: {t.say('Choose …')}")
            choose.clicked.connect(pick)
            card.column.addLayout(labelled(title, line, choose))
        self.publish = button(
            t.say("Publish"), "primary", t.say("Check it as an agent would, and write it there.")
        )
        self.publish.clicked.connect(self._publish)
        card.column.addLayout(row(self.publish))
        self.published = Note()
        card.column.addWidget(self.published)
        self.column.addWidget(card)

    def show_draft(self, *, refill: bool) -> None:
        t, draft = self.desk.t, self.desk.draft
        checked = draft.checked
        errors = checked.errors if checked else 0
        may_be_signed = errors > 0 and self.policy is not None
        self.despite.setVisible(may_be_signed)
        self.counsel.setVisible(may_be_signed)
        if not may_be_signed:
            self.despite.setChecked(False)
        if draft.path is None or draft.unsaved:
            self.ready.say(t.say("Save the policy first; what is signed is the file."), "warning")
        elif errors:
            self.ready.say(
                t.say("There is something to mend: {counts}.", counts=counts(self.desk)), "error"
            )
        elif checked and checked.warnings:
            said = t.say(
                "It can be signed. Think about this first: {counts}.", counts=counts(self.desk)
            )
            self.ready.say(said, "warning")
        else:
            self.ready.say(t.say("It can be signed."), "good")
        self._enable()
        path, text = draft.path, draft.text
        if path is None:
            self._looked(None)
        else:
            self.desk.run(lambda: signing.look(path, text), self._looked)

    def _looked(self, envelope: Envelope | None) -> None:
        t = self.desk.t
        self.envelope = envelope
        if envelope is None:
            self.signed.say(t.say("Nobody has signed this version yet."), "info")
        elif not envelope.same:
            said = t.say("Version {n} is signed; this text is not.", n=str(envelope.version))
            self.signed.say(said, "info")
        else:
            plural = Plural(
                "It has {n} signature: {keys}. Publishing checks it.",
                "It has {n} signatures: {keys}. Publishing checks them.",
            )
            keys = t.listed([name[:16] for name in envelope.signers])
            self.signed.say(t.count(plural, len(envelope.signers), keys=keys), "good")
        self._enable()

    def _enable(self) -> None:
        draft, checked = self.desk.draft, self.desk.draft.checked
        saved = draft.path is not None and not draft.unsaved
        fine = self.policy is not None and checked is not None
        allowed = fine and checked is not None and (not checked.errors or self.despite.isChecked())
        key = self.key.currentData() is not None
        self.sign.setEnabled(saved and allowed and key and bool(self.passphrase.text()))
        there = self.envelope is not None and self.envelope.same
        self.publish.setEnabled(there and bool(self.root.text()) and bool(self.folder.text()))

    def _list_keys(self) -> None:
        t, chosen = self.desk.t, self.key.currentData()
        self.key.clear()
        for found in self.desk.keys.signing:
            self.key.addItem(found.name, found.path)
        if not self.desk.keys.signing:
            self.key.addItem(t.say("There is no key here yet"), None)
        self.key.addItem(t.say("Another file …"), "")
        place = self.key.findData(chosen)
        self.key.setCurrentIndex(max(place, 0))
        self._enable()

    def _chosen(self, place: int) -> None:
        if self.key.itemData(place) == "":
            path, _ = QFileDialog.getOpenFileName(self, self.desk.t.say("Key"), "", "PEM (*.pem)")
            self.key.setCurrentIndex(0)
            if path:
                self.key.insertItem(0, Path(path).name, Path(path))
                self.key.setCurrentIndex(0)
        self._enable()

    def _pick_root(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, self.desk.t.say("Root file"), "", "TOML (*.toml)"
        )
        if path:
            self.root.setText(path)

    def _pick_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.desk.t.say("Folder"))
        if path:
            self.folder.setText(path)

    def _pick_revoked(self) -> None:
        title = self.desk.t.say("List of revoked keys (may be left empty)")
        path, _ = QFileDialog.getOpenFileName(self, title, "", "DSSE (*.dsse)")
        if path:
            self.revoked.setText(path)

    def _sign(self) -> None:
        draft, key, secret = self.desk.draft, self.key.currentData(), self.passphrase.text()
        path, text, despite = draft.path, draft.text, self.despite.isChecked()
        if not self.sign.isEnabled() or path is None or not isinstance(key, Path):
            return
        self.passphrase.clear()
        self.desk.worker.run(
            lambda: signing.sign_file(path, text, key, secret, despite_errors=despite),
            self._signed,
            self._not_signed,
        )

    def _signed(self, envelope: Envelope) -> None:
        self._looked(envelope)
        self.desk.say(self.desk.t.say("Signed: {path}.", path=str(envelope.path)))

    def _not_signed(self, error: Exception) -> None:
        self.desk.failed(error)
        self.signed.say(str(error), "error")

    def _publish(self) -> None:
        path, root, folder = self.desk.draft.path, Path(self.root.text()), Path(self.folder.text())
        revoked = Path(self.revoked.text()) if self.revoked.text() else None
        if path is None:
            return

        def done(what: Published) -> None:
            t = self.desk.t
            said = t.say("Published: {path}.", path=str(what.envelope))
            self.published.say(said, "good")
            self.desk.say(said)

        def failed(error: Exception) -> None:
            self.desk.failed(error)
            self.published.say(str(error), "error")

        self.desk.worker.run(
            lambda: signing.publish_file(path, root, folder, revoked), done, failed
        )
