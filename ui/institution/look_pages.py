"""The pages that look at a policy: what is wrong with it, what a student reads, what changes, what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from policies import diff, explain, exports, load
from policies.diff import Change
from policies.schema import Policy
from policies.texts import LANGUAGES
from policies.texts.notice import Notice
from policies.texts.words import LANGUAGE_NAMES
from proctor.cli.policy_text import parts_of
from proctor.evidence.disk import said_plainly, write_whole
from ui import theme
from ui.institution import keeping, words
from ui.institution.desk import Desk
from ui.institution.fields import general, tables
from ui.institution.problems import Problem
from ui.texts import Plural, mark
from ui.widgets.layout import Card, Page, button, empty, name_it, row
from ui.widgets.notice import NoticeView
from ui.widgets.words import Note, Sign, Words

PLACEHOLDER = mark("There is something to mend first: every value must be allowed.")
EFFECTS = (
    ("more", "warning", mark("Asks more of students")),
    ("less", "good", mark("Asks less of students")),
    ("other", "info", mark("Neither more nor less")),
)


class LookPage(Page):
    """A page that is made anew from the draft whenever it is seen."""

    def __init__(self, desk: Desk, title: str, about: str, *, wide: bool = False) -> None:
        super().__init__(title, about, wide=wide)
        self.desk = desk
        # There is more to read here than to operate: the arrow keys scroll it.
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def show_draft(self, *, refill: bool) -> None:
        raise AssertionError(f"{type(self).__name__} shows nothing")

    @property
    def policy(self) -> Policy | None:
        checked = self.desk.draft.checked
        return checked.policy if checked else None


class FindingsPage(LookPage):
    """Everything there is to mend, with the reason, and the way to its field."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("To mend"),
            t.say("What is not allowed, unlawful or unwise. It is no legal advice."),
        )
        self.summary = Note()
        self.column.addWidget(self.summary)
        self.cards = QVBoxLayout()
        self.cards.setSpacing(theme.MEDIUM)
        self.column.addLayout(self.cards)
        self.column.addStretch(1)
        self._shown: Sequence[Problem] | None = None

    def show_draft(self, *, refill: bool) -> None:
        checked = self.desk.draft.checked
        if checked is None or checked.problems == self._shown:
            return
        self._shown = checked.problems
        t = self.desk.t
        if checked.problems:
            self.summary.say(counts(self.desk), "error" if checked.errors else "warning")
        else:
            self.summary.say(t.say("Nothing to mend."), "good")
        empty(self.cards)
        for problem in checked.problems:
            self.cards.addWidget(self._card(problem))

    def _card(self, problem: Problem) -> Card:
        t = self.desk.t
        card = Card()
        card.column.setSpacing(theme.SMALL)
        error = problem.severity == "error"
        place = place_of(self.desk, problem)
        heading = t.say("Error: {place}" if error else "Warning: {place}", place=place)
        card.setAccessibleName(heading)
        head = QHBoxLayout()
        head.setSpacing(theme.SMALL)
        head.addWidget(Sign(problem.severity, problem.severity), 0, Qt.AlignmentFlag.AlignTop)
        head.addWidget(Words(heading, "heading"), 1)
        card.column.addLayout(head)
        if problem.title:
            card.column.addWidget(_chosen(Words(problem.title, "label")))
        card.column.addWidget(_chosen(Words(problem.text)))
        for text in (problem.why, problem.mend):
            if text:
                card.column.addWidget(_chosen(Words(text)))
        if problem.rule:
            card.column.addWidget(Words(f"{problem.rule} · {problem.source}", "hint"))
        go = button(t.say("Go to the field"), "link", t.say("Show the field that this is about."))
        go.setAccessibleName(t.say("Go to the field: {place}", place=place))
        go.clicked.connect(lambda: self.desk.wanted.emit(problem.key))
        card.column.addLayout(row(go))
        return card


class PreviewPage(LookPage):
    """The notice, as a student reads it before the exam."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("As a student sees it"),
            t.say("The notice before the exam, made from this policy and nothing else."),
        )
        self.lang = language_box(desk)
        self.lang.currentIndexChanged.connect(lambda: self.show_draft(refill=True))
        self.save = button(
            t.say("Save as a page …"), about=t.say("Write the notice as one HTML file.")
        )
        self.save.clicked.connect(self._save)
        label = Words(t.say("Language"), wrap=False)
        label.setBuddy(self.lang)
        self.column.addLayout(row(label, self.lang, self.save))
        self.note = Note()
        self.column.addWidget(self.note)
        self.view = NoticeView(t.say("The student's notice"))
        self.column.addWidget(self.view, 1)
        self.page: Notice | None = None

    def show_draft(self, *, refill: bool) -> None:
        policy, lang = self.policy, str(self.lang.currentData())
        self.save.setEnabled(policy is not None)
        if policy is None:
            self._show(None)
            return
        listed = lang in policy.languages
        said = "" if listed else self.desk.t.say("The policy does not list this language.")
        self.note.say(said, "info")
        self.desk.run(lambda: explain.notice(policy, lang, parts_of(policy)), self._show)

    def _show(self, page: Notice | None) -> None:
        if page is None:
            self.note.say(self.desk.t.say(PLACEHOLDER), "error")
        self.view.setVisible(page is not None)
        if page is not None and page != self.page:
            self.view.show_notice(page)
        self.page = page

    def _save(self) -> None:
        page = self.page
        path = ask_for_file(
            self, self.desk.t.say("Save as a page …"), "notice.html", "HTML (*.html)"
        )
        if page is not None and path is not None:
            write(self.desk, path, explain.as_html(page))


class ChangesPage(LookPage):
    """What this version changes for a student, against another one."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("What changes"),
            t.say("For a student, against another version of the policy."),
        )
        self.base = QComboBox()
        self.base.addItem(t.say("The file as it was saved"), "")
        for name in load.preset_names():
            self.base.addItem(t.say("Preset: {name}", name=name), name)
        self.base.addItem(t.say("Another file …"), None)
        name_it(self.base, t.say("Compare with"))
        self.base.activated.connect(self._based)
        self.lang = language_box(desk)
        self.lang.currentIndexChanged.connect(lambda: self.show_draft(refill=True))
        against, language = (
            Words(t.say("Compare with"), wrap=False),
            Words(t.say("Language"), wrap=False),
        )
        against.setBuddy(self.base)
        language.setBuddy(self.lang)
        self.column.addLayout(row(against, self.base))
        self.column.addLayout(row(language, self.lang))
        self.note = Note()
        self.column.addWidget(self.note)
        self.cards = QVBoxLayout()
        self.cards.setSpacing(theme.MEDIUM)
        self.column.addLayout(self.cards)
        self.column.addStretch(1)
        self.other = ""
        self.found: tuple[Change, ...] = ()

    def compare_with(self, name_or_path: str) -> None:
        """Take a preset or a file as the older version; empty: the file as it was saved."""
        self.other = name_or_path
        place = self.base.findData(name_or_path)
        self.base.setCurrentIndex(place if place >= 0 else self.base.count() - 1)
        self.show_draft(refill=True)

    def show_draft(self, *, refill: bool) -> None:
        policy, lang, draft = self.policy, str(self.lang.currentData()), self.desk.draft
        older = self.other or (str(draft.path) if draft.path else "")
        if policy is None or not older:
            self._show(())
            missing = mark("This policy was not saved yet, so there is nothing to compare with.")
            self.note.say(self.desk.t.say(PLACEHOLDER if policy is None else missing), "info")
            return

        def work() -> tuple[Change, ...]:
            old, _ = load.read(older)
            return diff.changes(old, policy, lang, {**parts_of(old), **parts_of(policy)})

        self.desk.run(work, self._show)

    def _based(self, place: int) -> None:
        chosen = self.base.itemData(place)
        if chosen is None:
            path, _ = QFileDialog.getOpenFileName(self, self.desk.t.say("Another file …"))
            chosen = path
        self.compare_with(chosen or "")

    def _show(self, found: tuple[Change, ...]) -> None:
        t = self.desk.t
        self.found = found
        self.note.say("" if found else t.say("Nothing changes for a student."), "info")
        empty(self.cards)
        for effect, sign, title in EFFECTS:
            chosen = [change for change in found if change.effect == effect]
            if not chosen:
                continue
            card = Card()
            card.setAccessibleName(t.say(title))
            head = QHBoxLayout()
            head.addWidget(Sign(sign, "soft" if sign == "info" else sign))
            head.addWidget(Words(f"{t.say(title)} ({len(chosen)})", "heading"), 1)
            card.column.addLayout(head)
            for change in chosen:
                block = QVBoxLayout()
                block.setSpacing(theme.TIGHT)
                block.addWidget(_chosen(Words(change.text)))
                if change.was:
                    block.addWidget(Words(t.say("Before: {words}", words=change.was), "hint"))
                if change.now:
                    block.addWidget(Words(t.say("Now: {words}", words=change.now), "hint"))
                card.column.addLayout(block)
            self.cards.addWidget(card)


class KeepingPage(LookPage):
    """How long each class of data is kept, and who can open it."""

    def __init__(self, desk: Desk) -> None:
        t = desk.t
        super().__init__(
            desk,
            t.say("What is kept"),
            t.say(
                "Each class of data has its own clock; when it ends, the key is destroyed first."
            ),
            wide=True,
        )
        self.note = Note()
        self.column.addWidget(self.note)
        self.card = Card()
        self.card.setAccessibleName(t.say("What is kept"))
        self.grid = QGridLayout()
        self.grid.setHorizontalSpacing(theme.LARGE)
        self.grid.setVerticalSpacing(theme.MEDIUM)
        for place in range(len(keeping.HEADS)):
            self.grid.setColumnStretch(place, 1)
        self.card.column.addLayout(self.grid)
        self.column.addWidget(self.card)
        papers = Card(t.say("Papers"), t.say("Made from this policy, in English, to be filled in."))
        for title, make in (
            (t.say("Retention schedule …"), exports.retention),
            (t.say("Record of processing …"), exports.record),
            (t.say("Impact assessment …"), exports.dpia),
        ):
            paper = button(title, about=t.say("Write this paper as a file, in English."))
            paper.clicked.connect(lambda _=False, make=make: self._export(make))
            papers.column.addLayout(row(paper))
        self.column.addWidget(papers)
        self.column.addStretch(1)
        self.rows: list[tuple[str, str, str, str]] = []

    def show_draft(self, *, refill: bool) -> None:
        policy, t = self.policy, self.desk.t
        self.note.say("" if policy else t.say(PLACEHOLDER), "error")
        self.rows = keeping.overview(t, policy) if policy else []
        self.card.setVisible(bool(self.rows))
        empty(self.grid)
        heads = [t.say(head) for head in keeping.HEADS]
        for place, head in enumerate(heads):
            self.grid.addWidget(Words(head, "hint"), 0, place, Qt.AlignmentFlag.AlignTop)
        for line, cells in enumerate(self.rows, start=1):
            for place, text in enumerate(cells):
                cell = Words(text, "body" if place else "label")
                # A screen reader says which column it is in.
                cell.setAccessibleName(f"{heads[place]}: {text}" if place else text)
                self.grid.addWidget(cell, line, place, Qt.AlignmentFlag.AlignTop)

    def _export(self, make: object) -> None:
        policy, text = self.policy, self.desk.draft.text
        if policy is None or not callable(make):
            return
        path = ask_for_file(self, self.desk.t.say("Save"), "paper.md", "Markdown (*.md)")
        if path is not None:
            write(self.desk, path, make(policy, text.encode("utf-8"), parts_of(policy)))


def counts(desk: Desk) -> str:
    """How much there is to mend, in words."""
    checked = desk.draft.checked
    if checked is None or not checked.problems:
        return desk.t.say("Nothing to mend.")
    t = desk.t
    parts = []
    if checked.errors:
        parts.append(t.count(Plural("{n} error", "{n} errors"), checked.errors))
    if checked.warnings:
        parts.append(t.count(Plural("{n} warning", "{n} warnings"), checked.warnings))
    return t.listed(parts)


def place_of(desk: Desk, problem: Problem) -> str:
    """Where a problem is, as titles: ``Rules, No face in view, Seen from``."""
    t, key = desk.t, problem.key
    if not key:
        return t.say("The policy")
    table = tables().get(key[0])
    if table is None:
        known = {field.name: field.title for field in general()}
        return t.say(known[key[0]]) if key[0] in known else key[0]
    names = [t.say(table.title)]
    rest = key[1:]
    if table.named and rest:
        names.append(words.entry(t, table.name, rest[0]))
        rest = rest[1:]
    titles = {field.name: t.say(field.title) for field in table.fields}
    return t.listed([*names, *(titles.get(part, part) for part in rest if part != "settings")])


def language_box(desk: Desk) -> QComboBox:
    """The five languages, each in the window's own words."""
    box = QComboBox()
    for lang in LANGUAGES:
        box.addItem(desk.t.say(LANGUAGE_NAMES[lang]), lang)
    box.setCurrentIndex(LANGUAGES.index(desk.t.lang))
    name_it(box, desk.t.say("Language"), desk.t.say("The language that a student reads it in."))
    return box


def ask_for_file(parent: QWidget, title: str, name: str, kinds: str) -> FilePath | None:
    """Where to write something; ``None`` when the person thought better of it."""
    path, _ = QFileDialog.getSaveFileName(parent, title, name, kinds)
    return FilePath(path) if path else None


def write(desk: Desk, path: FilePath, text: str) -> None:
    """Write a text on the worker, in one step, and say so."""

    def work() -> None:
        with said_plainly(str(path)):
            write_whole(path, text.encode("utf-8"))

    desk.run(work, lambda _: desk.say(desk.t.say("Written to {path}.", path=str(path))))


def _chosen(label: QLabel) -> QLabel:
    """A text that can be copied."""
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
