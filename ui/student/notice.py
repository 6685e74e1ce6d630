"""What will happen: the notice made from the policy itself, in each of its languages, and a try-out."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox

from policies import explain
from policies.texts.words import LANGUAGE_NAMES
from ui.student.attempt import Attempt
from ui.student.step import Step
from ui.widgets.layout import button, labelled, name_it, row
from ui.widgets.notice import NoticeView


class NoticeStep(Step):
    """``speak`` asks for the whole window in another language, ``try_out`` for a look at one's own devices."""

    speak = Signal(str)
    try_out = Signal()

    def __init__(self, attempt: Attempt) -> None:
        t = attempt.t
        super().__init__(
            attempt,
            t.say("What will happen"),
            t.say("Made from the rules of your exam, and from nothing else."),
        )
        self.languages = QComboBox()
        name_it(self.languages, t.say("Language"))
        for lang in attempt.policy.languages:
            self.languages.addItem(t.say(LANGUAGE_NAMES[lang]), lang)
        self.languages.setCurrentIndex(max(0, self.languages.findData(t.lang)))
        self.languages.activated.connect(lambda _: self.speak.emit(self.languages.currentData()))
        self.column.addLayout(labelled(t.say("Language"), self.languages))
        self.view = NoticeView(t.say("What will happen"))
        self.column.addWidget(self.view, 1)
        self.preview = button(
            t.say("Show me on my own camera …"),
            about=t.say("Try what the program sees. Nothing is stored."),
        )
        self.preview.clicked.connect(self.try_out.emit)
        self.column.addLayout(row(self.preview))

    def enter(self) -> None:
        attempt = self.attempt
        if attempt.ready is None:
            return
        policy, parts = attempt.policy, attempt.ready.parts
        lang = attempt.t.lang if attempt.t.lang in policy.languages else policy.languages[0]
        attempt.run(lambda: explain.notice(policy, lang, parts), self.view.show_notice)
