"""The page of a case: the strip, the clip, what is known about the moment, and what one says to it."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from policies.texts.told import tell
from proctor.evidence import decision
from proctor.evidence.decision import NEEDS_REASON, Verdict
from proctor.evidence.story import FlagStory
from ui import theme
from ui.console import rates, words
from ui.console.player import CasePlayer
from ui.console.source import CaseFile
from ui.console.strip import Strip
from ui.texts import Texts, mark
from ui.widgets.flow import Flow
from ui.widgets.layout import Card, Page, button, name_it
from ui.widgets.words import HELD, Note, SmallNote, Words

REASON_LINES = 3
# Narrower than so many characters, the clip stands above what is said about it.
SIDE_BY_SIDE = 130
# The picture takes this share of the height, within limits (pixels of the scaled desktop).
OF_HEIGHT, LEAST, MOST = 0.46, 240, 640
LEGEND = mark(
    "Curve: scores; dashed line: threshold; hatched: not measured; framed: noted. In the last lane: "
    "breaks, times without the program, and milestones."
)
BLIND = mark("Scores are shown once you have said what you see.")
# Longer than two presses of one slip of the hand are apart (Windows and Qt call 400 to 500 ms a double click).
REST_MS = 600
EARLY = mark(
    "That was not signed: this moment was not in sight yet. Press again once you have seen it."
)


class CasePage(Page):
    """``signing`` gives a flag, a verdict and its reason; ``chosen`` the flag that is to be looked at.

    Nothing is signed for a moment before it was in sight: its clip shows a picture (or it is said why it does
    not), and after that no verdict was asked for during ``rest_ms``. So a key that is pressed twice, or
    held down, says something of one moment only.
    """

    signing = Signal(str, str, str)
    chosen = Signal(str)

    def __init__(self, t: Texts) -> None:
        super().__init__(t.say("The moment"), wide=True)
        self.heading = self.findChildren(Words)[0]
        self.t = t
        self.case: CaseFile | None = None
        self.flag: FlagStory | None = None
        self.pending: Verdict | None = None
        # What there is to see of the moment is in sight; and that, long enough for a verdict to count.
        self._sighted = self.ready = False
        self.rest_ms = REST_MS
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        # Once more around the loop, so that presses which waited for a busy window come before it, and not after.
        self._rest.timeout.connect(lambda: QTimer.singleShot(0, self, self._rested))
        self.pause = Note()
        self.pause_done = button(t.say("Go on"), about=t.say("Hide this hint"))
        self.column.addWidget(self.pause)
        self.column.addLayout(Flow(self.pause_done))
        self.pause_done.hide()
        self.pause_done.clicked.connect(self.hide_pause)
        over = Card(t.say("The whole exam"))
        self.strip = Strip(t)
        self.strip.chosen.connect(self.chosen.emit)
        self.legend = Words(t.say(LEGEND), "hint")
        for part in (self.strip, self.legend):
            over.column.addWidget(part)
        self.both = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self.both.setSpacing(theme.LARGE)
        self.both.addWidget(self._clip(), 3)
        self.both.addWidget(self._facts(), 2)
        self.column.addLayout(self.both)
        self.column.addWidget(over)
        self.column.addStretch(1)

    def _clip(self) -> Card:
        t = self.t
        card = Card(t.say("The clip"))
        self.player = CasePlayer(t)
        self.no_clip = Note()
        self.moment = button(
            t.say("To the noted moment"), about=t.say("Stand still where it was noted best")
        )
        self.moment.clicked.connect(self.player.to_the_moment)
        self.player.column.addLayout(Flow(self.moment))
        card.column.addWidget(self.no_clip)
        card.column.addWidget(self.player)
        card.column.addStretch(1)
        self.player.failed.connect(lambda sentence: self.no_clip.say(sentence, "warning"))
        self.player.missing.connect(lambda sentence: self.no_clip.say(tell(t, sentence), "warning"))
        self.player.seen.connect(self._in_sight)
        self.player.failed.connect(self._in_sight)
        return card

    def _facts(self) -> QWidget:
        t = self.t
        whole = QWidget()
        column = QVBoxLayout(whole)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.LARGE)
        about = Card(t.say("What was noted"))
        self.when = Words("", "hint")
        self.why, self.limit = Words(), Words("", "hint")
        self.comment = Words()
        self.known = [Words("", "hint") for _ in rates.ASKED]
        for part in (self.when, self.why, self.limit, self.comment, *self.known):
            about.column.addWidget(part)
        said = Card(t.say("What you see"))
        self.state = Words("", "hint")
        self.reason = QPlainTextEdit()
        self.reason.setTabChangesFocus(True)
        self.reason.setFixedHeight(self.reason.fontMetrics().lineSpacing() * REASON_LINES + 16)
        self.reason.setPlaceholderText(t.say("Reason, which the student reads"))
        name_it(self.reason, t.say("Reason, which the student reads"))
        self.note = SmallNote()
        said.column.addWidget(self.state)
        said.column.addWidget(self.reason)
        self.buttons: dict[Verdict, QPushButton] = {}
        for key, (verdict, text) in enumerate(words.VERDICTS.items(), start=1):
            made = button(f"{key}  {t.say(text)}", "choice", t.say(words.ABOUT[verdict]))
            made.clicked.connect(lambda _=False, verdict=verdict: self.say(verdict))
            self.buttons[verdict] = made
            said.column.addWidget(made)
        said.column.addWidget(self.note)
        self.others = Card(t.say("What was said"))
        self.statements = QVBoxLayout()
        self.others.column.addLayout(self.statements)
        for card in (about, said, self.others):
            column.addWidget(card)
        column.addStretch(1)
        return whole

    # --- what is shown ------------------------------------------------------------------------

    def show_case(self, case: CaseFile) -> None:
        """The case as it is now; the flag that is looked at stays."""
        self.case = case
        blind = [flag.id for flag in case.story.flags if not case.seen(flag.id)]
        titles = {flag.kind: words.title(self.t, flag) for flag in case.story.flags}
        self.strip.show_story(case.story, titles, blind)
        self.legend.setText(self.t.say(LEGEND) + (f" {self.t.say(BLIND)}" if blind else ""))
        if self.flag is not None:
            self._show_sayings(case, self.flag)

    def show_flag(self, flag: FlagStory) -> None:
        """Another flag; its clip is opened by whoever calls."""
        t, case = self.t, self.case
        if self.flag is None or self.flag.id != flag.id:
            self._out_of_sight()
        self.flag, self.pending = flag, None
        self.player.flag = flag
        self.strip.go(flag.id)
        self.heading.setText(f"{flag.number}. {words.title(t, flag)}")
        self.when.setText(t.say("At {when} of the exam", when=words.when(flag)))
        rule = flag.rule
        self.limit.setVisible(rule is not None)
        if rule is not None:
            self.limit.setText(t.count(HELD, rule.min_s, points=t.percent(rule.on)))
        self.comment.setText(
            t.say("The student says: “{words}”", words=flag.comment)
            if flag.comment
            else t.say("The student has said nothing to it.")
        )
        for known, sentence in zip(self.known, rates.sentences(t, flag.kind), strict=True):
            known.setText(sentence)
        self.reason.clear()
        self.note.say("")
        self.no_clip.say(
            "" if flag.clip is not None else t.say("No clip is kept of this moment."), "info"
        )
        if case is not None:
            self._show_sayings(case, flag)
        if flag.clip is None:
            self._in_sight()

    def forget(self) -> None:
        """Another case comes: nothing is said of the moment that stands here."""
        self._out_of_sight()
        self.player.forget()
        self.flag = None

    def _out_of_sight(self) -> None:
        self._sighted = self.ready = False
        self._rest.stop()

    def _in_sight(self, *_: object) -> None:
        """What there is to see of this moment is shown; only after a rest does a verdict count."""
        if not self._sighted:
            self._sighted = True
            self._rest.start(self.rest_ms)

    def _rested(self) -> None:
        # Meanwhile another moment may have come, or somebody pressed and began the rest anew.
        if self._sighted and not self.ready and not self._rest.isActive():
            self.ready = True
            if self.note.text == self.t.say(EARLY):
                self.note.say("")

    def _show_sayings(self, case: CaseFile, flag: FlagStory) -> None:
        t = self.t
        refused = case.refusal(flag.id)
        open_ = not refused
        self.state.setText(words.state(t, case, flag.id))
        why = words.why(t, flag, measured=case.seen(flag.id))
        self.why.setText(why)
        self.why.setVisible(bool(why))
        self.reason.setEnabled(open_)
        for made in self.buttons.values():
            made.setEnabled(open_)
        while self.statements.count():
            item = self.statements.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        seen = case.visible(flag.id)
        for one in seen:
            self.statements.addWidget(Words(words.said(t, one)))
        self.others.setVisible(bool(seen))

    def propose_pause(self, looks: int) -> None:
        """A hint that can be put away."""
        self.pause.say(
            self.t.say(
                "You have looked at {n} moments. A few minutes away from the screen help to judge well.",
                n=looks,
            )
        )
        self.pause_done.show()

    def hide_pause(self) -> None:
        """Put the hint away."""
        self.pause.say("")
        self.pause_done.hide()

    # --- what a person says -------------------------------------------------------------------

    def say(self, verdict: Verdict) -> None:
        """Sign this verdict, or ask for the reason that it needs."""
        flag = self.flag
        if flag is None or not self.buttons[verdict].isEnabled():
            return
        if not self.ready:
            if self._sighted:
                self._rest.start(self.rest_ms)
            self.note.say(self.t.say(EARLY), "info")
            return
        reason = " ".join(self.reason.toPlainText().split())
        if verdict in NEEDS_REASON and not reason:
            self.pending = verdict
            what = self.t.say(words.VERDICTS[verdict])
            how = self.t.say("Write the reason, then press Ctrl+Enter.")
            self.note.say(f"{what}. {how}", "warning")
            self.reason.setFocus(Qt.FocusReason.OtherFocusReason)
            self.ensureWidgetVisible(self.reason)
            return
        if len(reason) > decision.MAX_REASON:
            self.note.say(
                self.t.say("{n} of {all} characters", n=len(reason), all=decision.MAX_REASON)
            )
            return
        self.pending = None
        for made in self.buttons.values():
            made.setEnabled(False)
        self.signing.emit(flag.id, verdict, reason)

    def say_pending(self) -> None:
        """Sign the verdict whose reason was asked for."""
        if self.pending is not None:
            self.say(self.pending)

    def refuse(self, sentence: str) -> None:
        """A statement was not signed, and why."""
        self.note.say(tell(self.t, sentence))
        if self.case is not None and self.flag is not None:
            self._show_sayings(self.case, self.flag)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        super().resizeEvent(event)
        wide = self.viewport().width() > self.fontMetrics().averageCharWidth() * SIDE_BY_SIDE
        share = round(self.viewport().height() * OF_HEIGHT)
        self.player.view.setFixedHeight(min(max(share, LEAST), MOST))
        way = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self.both.setDirection(way)
