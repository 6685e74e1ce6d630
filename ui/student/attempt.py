"""One attempt of a student, as the pages share it: invitation, plan, answers, devices, and the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from policies import load
from policies.consent import ASKED_AT_ITS_MOMENT, Answers
from policies.engine import lawful
from policies.errors import PolicyError
from policies.schema import Policy, PurposeName
from policies.texts.notice import Part
from policies.texts.told import tell
from proctor.errors import ProctorError
from proctor.evidence.keys import data_dir
from proctor.session import invitation, own_copy
from proctor.session.devices import Devices
from proctor.session.invitation import Joined
from proctor.session.plan import Plan, make_plan
from ui.bridge import Worker
from ui.texts import Texts, texts
from ui.widgets.words import Severity

# The preset of a practice exam: nothing is kept of it but the journal.
PRACTICE = "practice"


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan that can run here, and what its plug-ins say of themselves."""

    plan: Plan
    parts: Mapping[str, Part]
    # Whether this exam has begun here already: its answers are on record.
    begun: bool = False


class Attempt(QObject):
    """What the student's window works on. ``said`` is a message for the foot line."""

    said = Signal(str, str)

    def __init__(self, lang: str, devices: Devices | None = None) -> None:
        super().__init__()
        self.t: Texts = texts(lang)
        self.worker = Worker(self)
        # What asks the network can take seconds; nothing else waits for it.
        self.far = Worker(self)
        self.devices = devices or Devices()
        self.joined: Joined | None = None
        self.ready: Ready | None = None
        self.answers: dict[PurposeName, bool] = {}
        self.guardian: bool | None = None
        # Whether the student wants a key of their own to their clips, and its passphrase until it is made.
        self.own_key: bool | None = None
        self.passphrase = ""
        self._practice_case: Path | None = None

    # What is known.

    @property
    def plan(self) -> Plan:
        """The plan; only after :meth:`prepare` has succeeded."""
        if self.ready is None:
            raise AssertionError("the exam was not prepared")
        return self.ready.plan

    @property
    def policy(self) -> Policy:
        return self.plan.policy

    @property
    def case(self) -> Path:
        """The folder of this attempt's case."""
        if self.joined is not None:
            return self.joined.case
        if self._practice_case is None:
            self._practice_case = _new_practice()
        return self._practice_case

    @property
    def asked(self) -> list[PurposeName]:
        """The purposes that are asked about before the exam, in the policy's order."""
        return [name for name in self.policy.purposes if name not in ASKED_AT_ITS_MOMENT]

    @property
    def offers_scan(self) -> bool:
        policy = self.policy
        return policy.room_scan.mode == "offered" and "room_scan" in policy.purposes

    @property
    def offers_own_key(self) -> bool:
        return own_copy.granted(self.policy)

    def given(self) -> Answers:
        """The student's answers, with what a yes alone does not allow taken back."""
        # What is asked at its own moment was not asked yet, which is no refusal.
        granted = {name: self.answers.get(name, False) for name in self.asked}
        answers = Answers(granted, "asked", self.t.lang, self.guardian)
        return lawful(self.policy, answers)

    # What is done; each off the window's thread.

    def join(self, given: str, then: Callable[[Joined], None]) -> None:
        """Open an invitation, a file or a link."""
        self.run(lambda: invitation.join(given), lambda joined: self._joined(joined, then))

    def _joined(self, joined: Joined, then: Callable[[Joined], None]) -> None:
        self.joined = joined
        then(joined)

    def trust(self, then: Callable[[Any], None]) -> None:
        """The student compared the keys of the institution and said yes."""
        joined = self.joined
        if joined is not None:
            self.run(lambda: invitation.trust_root(joined), then)

    def prepare(self, then: Callable[[Ready], None]) -> None:
        """Check the policy against this computer: signatures, plug-ins, networks."""
        joined = self.joined

        def work() -> Ready:
            begun = False
            if joined is None:
                plan = make_plan(PRACTICE, require_all=False)
            else:
                # Reads the journal, so it is asked here and nowhere on the window's thread.
                begun = joined.state == "begun"
                invitation.check_unused(joined)
                plan = make_plan(str(joined.policy_file), addendum=joined.addendum_file)
            from proctor.cli.policy_text import parts_of

            return Ready(plan, parts_of(plan.policy), begun)

        def done(ready: Ready) -> None:
            self.ready = ready
            then(ready)

        self.run(work, done)

    def speak(self, lang: str) -> None:
        """Another language, for what is shown from now on."""
        self.t = texts(lang)

    def run(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run something on the worker; a student's mistake becomes a message."""
        self.worker.run(work, then, self.failed)

    def failed(self, error: Exception) -> None:
        """Say what went wrong in the foot line; anything that is ours is raised."""
        if not isinstance(error, PolicyError | ProctorError):
            raise error
        self.say(tell(self.t, str(error)), "error")

    def say(self, text: str, severity: Severity = "info") -> None:
        self.said.emit(text, severity)


def _new_practice() -> Path:
    folder = data_dir() / "practice"
    number = 1
    while (folder / f"{number:03d}").exists():
        number += 1
    return folder / f"{number:03d}"


def practice_policy() -> Policy:
    """The policy of a practice exam."""
    return load.read(PRACTICE)[0]
