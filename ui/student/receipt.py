"""The receipt: what was recorded, who may look, when it goes, and the student's side of each flag."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QPlainTextEdit, QPushButton, QVBoxLayout

from policies.texts.mine import CLASSES, said
from policies.texts.numbers import kind_title
from policies.texts.words import short_key
from proctor.evidence.access import local_reader
from proctor.evidence.export import export
from proctor.evidence.page import write_page
from proctor.evidence.story import FlagStory
from proctor.evidence.words import clock
from proctor.session import my_data, own_copy
from proctor.session.my_data import Mine
from ui.student.attempt import Attempt
from ui.student.own_copy import OwnClips, why_not
from ui.student.sayings import noted
from ui.texts import Plural
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, Page, button, name_it, row
from ui.widgets.words import HELD, Note, Words

COMMENT_LINES = 3
SILENT = Plural("For {n} second: {titles}.", "For {n} seconds: {titles}.")


class ReceiptPage(Page):
    """Everything the student gets to know about their exam. ``closed``: they are done with it."""

    closed = Signal()

    def __init__(self, attempt: Attempt, mine: Mine) -> None:
        t = attempt.t
        policy = mine.told.policy
        super().__init__(
            t.say("Your receipt"),
            t.say("What was recorded in “{exam}”, and what becomes of it.", exam=policy.exam),
        )
        self.attempt, self.mine = attempt, mine
        self.comments: dict[str, QPlainTextEdit] = {}
        self.plays: dict[str, QPushButton] = {}
        self.clips: OwnClips | None = None
        key = own_copy.find(mine.folder, mine.story.recipients)
        if key is not None:
            self.clips = OwnClips(attempt, mine.folder, key)
            self.clips.setParent(self)
            self.clips.hide()
        self.delivery = Note()
        self.column.addWidget(self.delivery)
        self._length()
        self._flags()
        self._said()
        self._kept()
        self._take_along()
        self.column.addStretch(1)

    def _length(self) -> None:
        t, story = self.attempt.t, self.mine.story
        card = Card(t.say("The exam"))
        card.column.addWidget(Words(t.say("It lasted {time}.", time=clock(story.seconds))))
        ready = self.attempt.ready
        parts = ready.parts if ready is not None else {}
        silent: dict[int, list[str]] = {}
        for kind, seconds in self.mine.told.unmeasured:
            silent.setdefault(round(seconds), []).append(kind_title(t, kind, parts))
        if silent:
            text = t.say("What the program could not tell. It does not count against you:")
            card.column.addWidget(Words(text))
        for whole, titles in sorted(silent.items(), reverse=True):
            text = t.count(SILENT, whole, titles=t.listed(titles))
            card.column.addWidget(Words(text, "hint"))
        self.column.addWidget(card)

    def _flags(self) -> None:
        t, flags = self.attempt.t, self.mine.story.flags
        if not flags:
            self.column.addWidget(Note(t.say("No moment was noted."), "good"))
            return
        card = Card(
            t.say("What was noted"),
            t.say("A note is a question to a person. It does not say that you did wrong."),
        )
        if self.clips is None and any(flag.clip is not None for flag in flags):
            policy = self.mine.told.policy
            card.column.addWidget(Words(why_not(t, own_copy.granted(policy), policy.contact)))
        for flag in flags:
            self._flag(card, flag)
        self.column.addWidget(card)

    def _flag(self, card: Card, flag: FlagStory) -> None:
        t = self.attempt.t
        ready = self.attempt.ready
        lasted = (flag.end if flag.end is not None else flag.start) - flag.start
        said = noted(t, flag.kind, flag.why, lasted, ready.parts if ready is not None else {})
        card.column.addWidget(Words(f"{clock(flag.start)}  {said}", "label"))
        if flag.rule is not None:
            limit = t.count(HELD, flag.rule.min_s, points=t.percent(flag.rule.on))
            card.column.addWidget(Words(limit, "hint"))
        kept = (
            t.say("A locked clip is kept.") if flag.clip is not None else t.say("No clip is kept.")
        )
        card.column.addWidget(Words(kept, "hint"))
        if flag.clip is not None and self.clips is not None:
            self._play(card, flag, self.clips)
        field = QPlainTextEdit(flag.comment)
        field.setTabChangesFocus(True)
        field.setFixedHeight(field.fontMetrics().lineSpacing() * COMMENT_LINES + 16)
        title = t.say("Your side of note {number}", number=flag.number)
        field.setPlaceholderText(t.say("Your side of it, for whoever reviews it"))
        name_it(field, title, t.say("Your side of it, for whoever reviews it"))
        field.setToolTip("")
        self.comments[flag.id] = field
        send = button(t.say("Keep my words"), about=title)
        send.setToolTip("")
        send.clicked.connect(lambda: self.keep(flag.id))
        card.column.addWidget(field)
        card.column.addLayout(row(send))

    def _play(self, card: Card, flag: FlagStory, clips: OwnClips) -> None:
        """The button that plays a clip, and the place where it is played."""
        t = self.attempt.t
        play = button(
            t.say("Play"), about=t.say("Play the clip of note {number}", number=flag.number)
        )
        play.setToolTip("")
        place = QVBoxLayout()
        play.clicked.connect(lambda: clips.watch(flag.id, place))
        self.plays[flag.id] = play
        card.column.addLayout(row(play))
        card.column.addLayout(place)

    def shut(self) -> None:
        """Forget what was opened; the window closes."""
        if self.clips is not None:
            self.clips.shut()

    def keep(self, flag: str) -> None:
        """Keep what the student wrote to one flag."""
        words, folder = self.comments[flag].toPlainText(), self.mine.folder
        t = self.attempt.t
        self.attempt.run(
            lambda: my_data.comment(folder, flag, words),
            lambda _: self.attempt.say(t.say("Your words are kept with the note, signed."), "good"),
        )

    def _said(self) -> None:
        """What people said about the notes, as far as this computer's copy knows."""
        t, told = self.attempt.t, self.mine.told
        if told.said:
            card = Card(t.say("What people decided, and why:"))
            for one in told.said:
                card.column.addWidget(Words(said(t, one)))
            self.column.addWidget(card)

    def _kept(self) -> None:
        t, told = self.attempt.t, self.mine.told
        card = Card(t.say("Who may look, and until when"))
        keys = [short_key(key) for key in self.mine.story.recipients]
        if any(flag.clip is not None for flag in self.mine.story.flags) and keys:
            card.column.addWidget(
                Words(t.say("Clips can be opened with these keys: {keys}.", keys=t.listed(keys)))
            )
            if self.clips is not None:
                own = short_key(self.clips.key.recipient)
                card.column.addWidget(Words(t.say("Your own key is {key}.", key=own)))
        if self.mine.story.scans:
            seeing = [short_key(key) for key in self.attempt.policy.room_scan.recipients]
            text = t.say(
                "The film of your room can be opened with these keys: {keys}.",
                keys=t.listed(seeing),
            )
            card.column.addWidget(Words(text))
        for kind, moment in told.until:
            card.column.addWidget(Words(self._until(kind, moment)))
        card.column.addWidget(
            Words(t.say("Questions? Ask here: {contact}", contact=told.policy.contact))
        )
        self.column.addWidget(card)

    def _until(self, kind: str, moment: datetime) -> str:
        t = self.attempt.t
        return t.say("Erased by {moment}: {what}.", moment=moment, what=t.say(CLASSES[kind]))

    def _take_along(self) -> None:
        t = self.attempt.t
        card = Card(
            t.say("To take along"),
            t.say("Later, `proctor my-data` shows all of this again, and who has looked."),
        )
        page = button(
            t.say("Show the page …"), about=t.say("The page that a proctor sees, without pictures")
        )
        zipped = button(
            t.say("Save an export …"), about=t.say("Everything, sealed, with a verifier")
        )
        letter = button(t.say("Save a letter …"), about=t.say("One page in plain words"))
        page.clicked.connect(self.show_page)
        zipped.clicked.connect(lambda: self._ask("exam.zip", self.save_export))
        letter.clicked.connect(lambda: self._ask("exam.txt", self.save_letter))
        card.column.addLayout(Flow(page, zipped, letter))
        self.column.addWidget(card)
        done = button(t.say("Done"), "primary")
        done.clicked.connect(self.closed.emit)
        self.column.addLayout(row(done))

    def _ask(self, name: str, save: object) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "", str(Path.home() / name))
        if chosen and callable(save):
            save(Path(chosen))

    def show_page(self) -> None:
        """Write the page beside the case, and open it in the system's browser."""
        folder = self.mine.folder
        target = folder.parent / f"{folder.name}-page.html"

        def work() -> Path:
            return write_page(folder, target)

        self.attempt.run(work, _open)

    def save_export(self, target: Path) -> None:
        """The whole case with proofs and verifier, its clips as they are sealed."""
        folder, t = self.mine.folder, self.attempt.t
        self.attempt.run(
            lambda: export(folder, target, reader=local_reader(), reason="the student's own copy"),
            lambda _: self.attempt.say(t.say("Saved: {path}", path=str(target)), "good"),
        )

    def save_letter(self, target: Path) -> None:
        """The one-page letter in the window's language."""
        t, mine = self.attempt.t, self.mine
        parts = self.attempt.ready.parts if self.attempt.ready is not None else {}

        def work() -> None:
            target.write_text(my_data.letter(mine, parts, t.lang), encoding="utf-8")

        self.attempt.run(
            work, lambda _: self.attempt.say(t.say("Saved: {path}", path=str(target)), "good")
        )


def _open(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
