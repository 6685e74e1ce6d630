"""Sentences of the runtime and the detectors, told in a student's language by their shape."""

from __future__ import annotations

import ast
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies.consent import Grant
from policies.texts import LANGUAGES, texts
from policies.texts.told import SENTENCES, told
from proctor.capture.camera import Camera
from proctor.cli import running
from proctor.clock import SessionClock
from proctor.pipeline.plugins import discover
from proctor.pipeline.rules import FlagEvent
from proctor.session import checks
from proctor.session.plan import make_plan
from proctor.types import AudioChunk, Flag, Frame, Marker

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [lang for lang in LANGUAGES if lang != "en"]
# Where sentences are made that a student reads while joining, checking, calibrating and in an exam.
MADE = (
    *(f"detectors/{name}.py" for name in (
        "_cover", "_glances", "_likeness", "_others", "_repeats", "_roomtone", "_screen", "_sight", "_sound",
        "_voice", "camera", "faces", "gaze", "identity", "lighting", "objects", "speaker", "speech", "wake",
    )),
    "proctor/capture/camera.py",
    "proctor/capture/device.py",
    "proctor/capture/microphone.py",
    "proctor/pipeline/live.py",
    "proctor/session/calibrate.py",
    "proctor/session/delivery.py",
    "proctor/session/desk.py",
    "proctor/session/interventions.py",
    "proctor/session/invitation.py",
    "proctor/session/own_copy.py",
    "proctor/session/preview.py",
    "proctor/evidence/sender.py",
    "proctor/cli/calibrate.py",
    "proctor/hub/client.py",
    "policies/engine.py",
    "policies/invitation.py",
    "policies/trust.py",
)  # fmt: skip
# What these modules say to somebody else, or nobody.
NOT_A_STUDENTS = (
    "--kbit is a number",
    "the clip of {}",
    "No invitation can be made of this: {}",
    "Another program is sending",
    "phrase needs at least one word",
    "The wake phrases {} need the network",
    "the hub counts {}",
    "This policy does not ask about",
    "is no address of a hub",
    "The hub's address may hold no name",
    "would be spoken to without encryption",
    "one of its keys stands there twice",
    "it ends before it begins",
    "needs a time zone",
    "in the invitation",
    "in the link",
    "'{}' holds no",
    "cell phone",
    "the last",
    "{} of {}: {}",
)


def _literals(path: Path) -> Iterator[str]:
    """The sentences and pieces of sentences in a module, with ``{}`` where a value stands."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        name = getattr(getattr(node, "func", None), "id", "")
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
        elif isinstance(node, ast.Call) and name in ("Field", "ValueError", "AssertionError"):
            skipped.update(ast.walk(node))
        elif isinstance(node, ast.Call) and name == "Kind":
            # The sentence is told; the title has words of its own (policies/texts/words.py).
            skipped.update(node.args[:2])
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped.update(ast.walk(node))
            pieces = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            text = "".join(str(piece) for piece in pieces)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = re.sub(r"\{[^}]*\}", "{}", node.value)
        else:
            continue
        # A reason of a detector may have two words.
        least = 2 if path.parent.name == "detectors" and path.name[0] != "_" else 3
        if len(re.findall(r"[A-Za-z]{2,}", text)) >= least and text.count(" ") >= least - 1:
            yield text


def _known(literal: str) -> bool:
    pieces = [re.escape(piece) for piece in literal.split("{}")]
    return any(re.search(".+?".join(pieces), text, re.DOTALL) for text in SENTENCES)


@pytest.mark.parametrize("module", MADE)
def test_no_sentence_is_made_that_no_catalogue_knows(module: str) -> None:
    unknown = [
        text
        for text in _literals(ROOT / module)
        if not _known(text) and not any(said in text for said in NOT_A_STUDENTS)
    ]
    assert not unknown, "add these to policies/texts (outcomes, reasons or exam_words)"


def test_every_sentence_of_the_catalogues_is_made_somewhere() -> None:
    made = [
        re.compile(".+?".join(re.escape(piece) for piece in text.split("{}")), re.DOTALL)
        for folder in ("detectors", "proctor", "policies")
        for path in (ROOT / folder).rglob("*.py")
        if "texts" not in path.parts
        for text in _literals_short(path)
    ]
    stale = [text for text in SENTENCES if not any(one.search(text) for one in made)]
    assert not stale


def _literals_short(path: Path) -> Iterator[str]:
    """As :func:`_literals`, with everything that has three letters of its own."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = re.sub(r"\{[^}]*\}", "{}", node.value)
        else:
            continue
        if len(re.findall(r"[A-Za-z]", text)) >= 3:
            yield text.strip()


@pytest.mark.parametrize("lang", OTHERS)
def test_no_sentence_is_english_in_another_language(lang: str) -> None:
    t = texts(lang)
    same = [text for text in SENTENCES if t._catalogue.gettext(text) == text]
    assert not same


@pytest.mark.parametrize("lang", OTHERS)
def test_a_sentence_with_values_is_found_again(lang: str) -> None:
    """Each sentence, filled as a detector fills it, comes out whole and in the language asked for."""
    for english in SENTENCES:
        names = re.findall(r"\{(\w+)\}", english)
        filled = english.format(**{name: f"7{number}.5" for number, name in enumerate(names)})
        said = told(texts(lang), filled)
        assert said not in ("", filled)
        left = re.findall(r"7\d,5", said)
        assert sorted(left) == sorted(f"7{number},5" for number in range(len(names))), english


@pytest.mark.parametrize("lang", OTHERS)
def test_every_built_in_detector_says_what_it_noted(lang: str) -> None:
    t = texts(lang)
    for plugin in discover().values():
        for kind in plugin.kinds:
            english = kind.sentence.format(seconds="3.5", reason="face too small (40 px wide)")
            said = told(t, english)
            assert said not in ("", english), english
            assert "3,5" in said or "{seconds}" not in kind.sentence
            assert "face too small" not in said or kind.name == "speech.wake_phrase", said


@pytest.mark.parametrize("lang", OTHERS)
def test_what_this_computer_lacks_is_told(lang: str, tmp_path: Path) -> None:
    t = texts(lang)
    full = checks.disk_space(tmp_path, wanted=10**18)
    said = told(t, full.detail)
    assert said
    assert said != full.detail
    assert str(tmp_path) in said


@pytest.mark.parametrize("lang", OTHERS)
def test_a_camera_that_is_not_there_is_told(lang: str) -> None:
    heard = Heard()
    camera = Camera(Grant("camera", "test"), SessionClock(), device=97, fps=10.0)
    camera.start(heard)
    assert heard.event_came.wait(30.0)
    camera.stop()
    english = str(heard.events[0].data["sentence"])
    said = told(texts(lang), english)
    assert said
    assert said != english
    assert "/dev/video97" in said


class Heard:
    """A sink that keeps what a device says."""

    def __init__(self) -> None:
        self.events: list[Marker] = []
        self.event_came = threading.Event()

    def frame(self, frame: Frame) -> None:
        raise AssertionError("there is no such camera")

    def audio(self, chunk: AudioChunk) -> None:
        raise AssertionError("a camera gives no sound")

    def event(self, marker: Marker) -> None:
        self.events.append(marker)
        self.event_came.set()


def test_what_nobody_translated_stays_as_it_is() -> None:
    assert told(texts("de"), "A kettle boiled for 3.5 s.") == ""


def test_a_moment_and_a_name_survive() -> None:
    """Values are carried over letter by letter; only numbers get the comma of the language."""
    now = datetime(2027, 1, 31, 12, tzinfo=UTC)
    english = (
        f"This invitation could be used until {now - timedelta(days=1):%Y-%m-%d %H:%M} UTC. This "
        f"computer's clock says {now:%Y-%m-%d %H:%M} UTC; if that is wrong, set it right. Questions: "
        f"exams@uni.example"
    )
    said = told(texts("de"), english)
    assert "2027-01-30 12:00" in said
    assert "2027-01-31 12:00" in said
    assert said.endswith("exams@uni.example")


@pytest.mark.parametrize("lang", OTHERS)
def test_the_terminal_tells_notes_and_what_does_not_run(
    lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    t, lines = texts(lang), list[str]()
    why = "The camera picture stood still for 3.5 s."
    flag = Flag("n-1", "camera.frozen", "camera.frozen", 1.0, 4.5, 1.0, why)
    running.flag_printer(False, lines.append, t)(FlagEvent("closed", 5.0, flag))
    assert "stood still" not in lines[0]
    assert "3,5" in lines[0]
    plan = make_plan("practice", require_all=False).without(["audio"], "the recording has no sound")
    running.print_not_measured(plan, False, t)
    said = capsys.readouterr().err
    assert said
    assert "Not measured" not in said
    assert "recording" not in said
