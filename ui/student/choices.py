"""Consent, purpose by purpose: equal answers, nothing chosen beforehand, no clock (rules C1, C2, C6)."""

from __future__ import annotations

from policies.consent import ADULT, BIOMETRIC, GUARDIAN_QUESTION, put_to_student
from policies.schema import PurposeName
from proctor.session.arrangement import SENSOR
from ui.student.attempt import Attempt
from ui.student.own_copy import OwnKeyCard
from ui.student.step import Step
from ui.widgets.consent import ConsentCard
from ui.widgets.words import Note


class ChoicesStep(Step):
    """One card for each purpose. What is asked at its own moment, a room scan, is asked there."""

    def __init__(self, attempt: Attempt) -> None:
        t = attempt.t
        super().__init__(
            attempt,
            t.say("Your choices"),
            t.say(
                "Each question stands alone. You can take back every yes at any time in the exam."
            ),
        )
        self.cards: dict[PurposeName, ConsentCard] = {}
        policy = attempt.policy
        for name in attempt.asked:
            purpose = policy.purposes[name]
            instead = t.say(
                "If you say no, you get this instead:"
                if purpose.basis == "consent"
                else "If you object, you get this instead:"
            )
            question = put_to_student(policy, name, t.lang)
            card = ConsentCard(t, question, instead, purpose.alternative)
            card.show_answer(attempt.answers.get(name))
            card.answered.connect(lambda yes, name=name: self._answered(name, yes))
            self.cards[name] = card
            self.column.addWidget(card)
        self.guardian: ConsentCard | None = None
        if policy.min_age < ADULT:
            self.guardian = ConsentCard(t, t.say(GUARDIAN_QUESTION), "", "")
            self.guardian.show_answer(attempt.guardian)
            self.guardian.answered.connect(self._guardian)
            self.column.addWidget(self.guardian)
        self.own_key: OwnKeyCard | None = None
        if attempt.offers_own_key:
            self.own_key = OwnKeyCard(attempt)
            self.own_key.changed.connect(self._say)
            self.column.addWidget(self.own_key)
        self.outcome = Note()
        self.column.addWidget(self.outcome)
        self.column.addStretch(1)
        self._say()

    @property
    def can_go_on(self) -> bool:
        return self._complete() and self._some_sensor() and not self._passphrase_missing()

    def _complete(self) -> bool:
        answered = all(name in self.attempt.answers for name in self.cards)
        return answered and (self.guardian is None or self.attempt.guardian is not None)

    def _passphrase_missing(self) -> bool:
        """Whether a key is wanted for clips that are kept, and its passphrase is not chosen yet."""
        card, keeps = self.own_key, self.attempt.answers.get("clips")
        return card is not None and keeps is True and not card.complete

    def _some_sensor(self) -> bool:
        granted = self.attempt.given().granted
        idle = self.attempt.plan.idle
        return any(granted.get(sensor) and sensor not in idle for sensor in SENSOR.values())

    def _answered(self, name: PurposeName, yes: bool) -> None:
        self.attempt.answers[name] = yes
        self._say()

    def _guardian(self, yes: bool) -> None:
        self.attempt.guardian = yes
        self._say()

    def _say(self) -> None:
        """What the answers lead to, also where they lead elsewhere."""
        t, attempt = self.t, self.attempt
        if self.own_key is not None:
            self.own_key.setVisible(attempt.answers.get("clips") is not False)
        if not self._complete():
            self.outcome.say("")
        elif not self._some_sensor():
            sensors = [name for name in self.cards if name in SENSOR.values()]
            alternatives = t.listed([attempt.policy.purposes[name].alternative for name in sensors])
            self.outcome.say(
                t.say(
                    "Without camera and microphone this program has nothing to do, and it ends here. "
                    "What you get instead: {alternatives} Write to {contact}",
                    alternatives=alternatives,
                    contact=attempt.policy.contact,
                ),
                "info",
            )
        elif self._passphrase_missing():
            self.outcome.say(t.say("Choose a passphrase for your key, or decline the key."), "info")
        elif attempt.policy.min_age < ADULT and any(
            attempt.answers.get(name) and not attempt.given().granted.get(name)
            for name in BIOMETRIC
        ):
            self.outcome.say(
                t.say("The identity check stays off, because students may be under 18."), "info"
            )
        else:
            self.outcome.say(
                t.say("A no has no disadvantage. Nobody who reviews the exam sees it."), "good"
            )
        self.changed.emit()
