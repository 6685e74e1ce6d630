"""The check before an exam: each device and condition with a picture or a meter, a hint, and *try again*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QGridLayout, QWidget
from shiboken6 import isValid

from policies.consent import Answers
from policies.texts.told import tell
from proctor.evidence.keys import data_dir
from proctor.hub.client import reachable
from proctor.session import checks
from proctor.types import Frame, Marker, Observation
from ui import theme
from ui.bridge import Worker
from ui.student.attempt import Attempt
from ui.student.looking import Looking
from ui.student.runner import not_measured
from ui.student.step import Step
from ui.texts import mark
from ui.widgets.camera import CameraView
from ui.widgets.layout import Card, button, name_it, row
from ui.widgets.meter import LevelMeter
from ui.widgets.words import Note, Severity, Sign, Words

# What an observation from this score on means for the check: kind, what is well, what to do otherwise.
LIGHT: Mapping[str, str] = {
    "light.dim": mark("It is dark. Switch a lamp on, or sit closer to a window."),
    "light.backlit": mark("The light is behind you. Turn the desk, or close the curtain."),
    "light.glare": mark("The light is too bright. Move the lamp, or close the curtain."),
    "camera.covered": mark("The camera shows nothing. Open its cover."),
}
FACE: Mapping[str, str] = {
    "face.absent": mark("No face is seen. Sit in the middle of the picture."),
    "face.several": mark("More than one face is seen."),
}
# Kinds for which the face must be seen in detail; their reasons say what it lacks.
ABOUT_EYES = ("gaze.away", "face.covered", "face.other")
SEEN_FROM = 0.6
# Five seconds of blocks of a tenth without a sound that is louder than a quiet room.
QUIET_BLOCKS = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing stands: its sign, and a sentence that says what to do where it is not well."""

    state: Severity
    text: str


class CheckStep(Step):
    """Opens the devices that were agreed to, only while it is shown; what they give is stored nowhere."""

    def __init__(self, attempt: Attempt) -> None:
        t = attempt.t
        super().__init__(
            attempt,
            t.say("Check"),
            t.say("A look at your devices. Nothing of it is stored, and nothing here is judged."),
        )
        self._worker = Worker(self)
        self._looking: Looking | None = None
        self._blocks = 0
        # Why each of ABOUT_EYES could not be told last; empty where it could.
        self._poor: dict[str, str] = {}
        card = Card()
        self.camera = CameraView(t.say("What your camera sees"))
        self.meter = LevelMeter(t)
        card.column.addWidget(self.camera)
        card.column.addWidget(self.meter)
        self.again = button(t.say("Try again"))
        self.again.clicked.connect(self.try_again)
        card.column.addLayout(row(self.again))
        self.column.addWidget(card)
        self._list = Card(t.say("What was found"))
        self._rows: dict[str, _Row] = {}
        grid = QWidget()
        self._grid = QGridLayout(grid)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(2, 1)
        self._grid.setVerticalSpacing(theme.SMALL)
        self._list.column.addWidget(grid)
        self.column.addWidget(self._list)
        self.column.addWidget(
            Note(
                t.say(
                    "You can go on in any case. What does not work is told in the exam's record as not "
                    "measured, and does not count against you. Help: {contact}",
                    contact=attempt.policy.contact,
                )
            )
        )
        self.column.addStretch(1)
        screen = QGuiApplication.instance()
        if isinstance(screen, QGuiApplication):
            screen.screenAdded.connect(self._screens)
            screen.screenRemoved.connect(self._screens)

    @property
    def next_text(self) -> str:
        return self.t.say("Continue to the exam")

    # Opening and releasing the devices.

    def enter(self) -> None:
        t = self.t
        granted = self.attempt.given().granted
        self._show("camera", self._waiting("camera", granted))
        self._show("microphone", self._waiting("microphone", granted))
        for name, title in (("face", t.say("Face")), ("light", t.say("Light"))):
            if granted.get("camera"):
                self._show(name, Finding("info", t.say("one moment …")), title)
        self._blocks, self.meter.heard = 0, False
        self._screens()
        self._worker.run(self._machine, self._machine_found)
        self._network()
        self.camera.setVisible(bool(granted.get("camera")))
        self.camera.forget(t.say("The camera starts …"))
        self.meter.setVisible(bool(granted.get("microphone")))
        self._open()

    def leave(self) -> None:
        if self._looking is not None:
            self._looking.stop()
        self._looking = None
        self.camera.forget()

    def try_again(self) -> None:
        """Let go of the devices and open them anew."""
        self.leave()
        self.enter()

    def close(self) -> bool:
        self.leave()
        self._worker.close()
        return super().close()

    def _open(self) -> None:
        attempt = self.attempt
        given = attempt.given().granted
        sensors = {name: bool(given.get(name)) for name in ("camera", "microphone")}
        answers = Answers(
            {name: yes for name, yes in sensors.items() if name in attempt.policy.purposes},
            "asked",
            attempt.t.lang,
        )
        looking = self._looking = Looking(attempt, answers)
        looking.failed.connect(self._failed)
        relay = looking.relay
        relay.frame.connect(self._frame)
        relay.level.connect(self._level)
        relay.seen.connect(self._seen)
        relay.marker.connect(self._marker)

    def _failed(self, sentence: str) -> None:
        self._no_picture(tell(self.t, sentence))

    def _no_picture(self, sentence: str) -> None:
        """The camera gives nothing (any more): the last picture goes, and what needs one says so."""
        self._show("camera", Finding("error", sentence))
        self.camera.forget(sentence)
        for name in ("face", "light"):
            if name in self._rows:
                text = self.t.say("It needs a picture from the camera.")
                self._show(name, Finding("info", text))

    # What comes from the devices.

    def _frame(self, frame: Frame) -> None:
        if not self.camera.shown:
            self._show("camera", Finding("good", self.t.say("It works.")))
        self.camera.show_picture(frame.image)

    def _level(self, dbfs: float) -> None:
        self.meter.show_level(dbfs)
        self._blocks += 1
        if self.meter.heard:
            self._show("microphone", Finding("good", self.t.say("It works.")))
        elif self._blocks == QUIET_BLOCKS:
            text = self.t.say("Nothing is heard. Say a few words; some microphones have a switch.")
            self._show("microphone", Finding("warning", text))

    def _marker(self, marker: Marker) -> None:
        sentence = tell(self.t, str(marker.data.get("sentence", "")))
        device = str(marker.data.get("device", ""))
        lost = marker.kind in ("device.refused", "device.lost")
        if lost and device == "microphone":
            self._show("microphone", Finding("error", sentence))
        elif (lost and device == "camera") or marker.kind in ("source.damaged", "preview.ended"):
            self._no_picture(sentence)

    def _seen(self, observations: Sequence[Observation]) -> None:
        self._judge("light", LIGHT, observations)
        for one in observations:
            if one.kind in ABOUT_EYES:
                self._poor[one.kind] = one.reason if one.score is None else ""
        self._judge("face", FACE, observations)

    def _judge(
        self, name: str, kinds: Mapping[str, str], observations: Sequence[Observation]
    ) -> None:
        """The first of ``kinds`` that is seen says what to do; one that cannot be told says why."""
        mine = {one.kind: one for one in observations if one.kind in kinds}
        if not mine or name not in self._rows:
            return
        for kind, mend in kinds.items():
            one = mine.get(kind)
            if one is not None and one.score is not None and one.score >= SEEN_FROM:
                self._show(name, Finding("warning", self.t.say(mend)))
                return
        unknown = next((one for one in mine.values() if one.score is None), None)
        if unknown is not None and all(one.score is None for one in mine.values()):
            text = self.t.say("Could not tell: {reason}", reason=tell(self.t, unknown.reason))
            self._show(name, Finding("info", text))
        else:
            self._show(name, self._fair(name))

    def _fair(self, name: str) -> Finding:
        """Nothing is wrong; but a face can be too small, dark or blurred for what the exam looks for."""
        poor = next((why for why in self._poor.values() if why.startswith("face ")), "")
        if name != "face" or not poor:
            return Finding("good", self.t.say("All is well."))
        text = self.t.say(
            "A face is seen, but not well enough for everything: {reason}.",
            reason=tell(self.t, poor),
        )
        return Finding("info", text)

    # What is looked at without any device.

    def _machine(self) -> list[tuple[str, Finding]]:
        t, plan = self.t, self.attempt.plan
        found: list[tuple[str, Finding]] = []
        folder = data_dir()
        disk, writing = checks.disk_space(folder), checks.writing(folder)
        works = Finding("good", t.say("It works."))
        room = t.say("Little room is left. Empty the waste bin, or remove what you no longer need.")
        full = Finding("error", f"{tell(t, disk.detail)}. {room}")
        text = t.say(
            "The program cannot write in {folder}. Allow it there, or free some space.",
            folder=str(folder),
        )
        found.append((t.say("Disk"), works if disk.state == "ok" else full))
        found.append((t.say("Writing"), works if writing.state == "ok" else Finding("error", text)))
        absent = replace(plan, not_measured=tuple(one for one in plan.not_measured if one.mend))
        ready = self.attempt.ready
        missing = " ".join(not_measured(t, absent, ready.parts if ready is not None else {}))
        well = t.say("All that your exam needs is on this computer.")
        found.append((t.say("Program"), Finding("warning" if missing else "good", missing or well)))
        return found

    def _machine_found(self, found: list[tuple[str, Finding]]) -> None:
        for title, finding in found:
            self._show(title, finding, title)

    def _network(self) -> None:
        """Whether the hub of the policy is there, if it has one. It need not be: clips wait."""
        t, hub, attempt = self.t, self.attempt.policy.hub, self.attempt
        title = t.say("Network")
        if not hub:
            text = t.say("None is needed: nothing is sent.")
            self._show(title, Finding("good", text), title)
            return
        self._show(title, Finding("info", t.say("one moment …")), title)
        there = t.say("{hub} answers. Sealed clips go there.", hub=hub)
        away = t.say(
            "{hub} does not answer now. That is no obstacle: sealed clips wait on this computer "
            "until there is a network.",
            hub=hub,
        )

        def told(answers: bool) -> None:
            # The page may be gone by now, for one in another language.
            if isValid(self):
                found = Finding("good", there) if answers else Finding("info", away)
                self._show(title, found, title)

        attempt.far.run(lambda: reachable(hub), told, attempt.failed)

    def _screens(self, _: object = None) -> None:
        """How many screens there are, also when one is plugged in meanwhile."""
        count = len(QGuiApplication.screens())
        t = self.t
        text = t.say("One screen.") if count == 1 else t.say("{count} screens.", count=count)
        self._show("screens", Finding("good" if count == 1 else "info", text), t.say("Screens"))

    # The list.

    def _waiting(self, sensor: str, granted: Mapping[Any, bool]) -> Finding:
        if granted.get(sensor):
            return Finding("info", self.t.say("one moment …"))
        return Finding("info", self.t.say("It stays off."))

    def _show(self, name: str, finding: Finding, title: str = "") -> None:
        line = self._rows.get(name)
        if line is None:
            titles = {"camera": self.t.say("Camera"), "microphone": self.t.say("Microphone")}
            line = _Row(titles.get(name, title or name))
            self._rows[name] = line
            line.add_to(self._grid)
        line.show(finding)

    def finding(self, name: str) -> Finding | None:
        """How one thing stands; for tests and for the summary."""
        line = self._rows.get(name)
        return line.finding if line is not None else None


class _Row:
    def __init__(self, title: str) -> None:
        self._sign, self._title, self._words = Sign("info", "soft"), Words(title, "label"), Words()
        # Both begin on the same line, also where the sentence takes several.
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeading)
        self._name = title
        self.finding: Finding | None = None

    def add_to(self, grid: QGridLayout) -> None:
        number = grid.rowCount()
        top = Qt.AlignmentFlag.AlignTop
        grid.addWidget(self._sign, number, 0, top)
        grid.addWidget(self._title, number, 1, top)
        grid.addWidget(self._words, number, 2)

    def show(self, finding: Finding) -> None:
        if finding == self.finding:
            return
        self.finding = finding
        self._sign.show_sign(finding.state, "soft" if finding.state == "info" else finding.state)
        self._words.setText(finding.text)
        name_it(self._words, f"{self._name}: {finding.text}")
        self._words.setToolTip("")
