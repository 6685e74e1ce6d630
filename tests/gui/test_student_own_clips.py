"""A student's own key in real windows: chosen before the exam, used on the receipt, or not there and why."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from policies.texts import LANGUAGES
from proctor.cli.main import main
from proctor.evidence import access
from proctor.evidence.case import Case
from proctor.evidence.keys import LockedError, load_identity
from proctor.evidence.verify import verify
from proctor.session import my_data, own_copy
from ui import app
from ui.student.receipt import ReceiptPage
from ui.student.window import StudentWindow
from ui.widgets.words import Words

_SPEC = importlib.util.spec_from_file_location(
    "student_kit", Path(__file__).with_name("student_kit.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
evening, student = kit.evening, kit.student

Student = Callable[..., StudentWindow]
POLICY = kit.POLICY.replace('stakes = "low"', 'stakes = "low"\nstudent_copy = true')
PASSPHRASE = "four geese over the lake"


def to_the_receipt(window: StudentWindow) -> None:
    kit.to_the_exam(window)
    kit.wait(lambda: window.exam.flags.count() > 0, "a note")
    # The clip goes on for half a second after what was noted.
    kit.wait(lambda: any(window.attempt.case.glob("clips/*")), "the clip")
    window.exam.end()
    kit.wait(lambda: window.receipt is not None, "the receipt")


def choose(window: StudentWindow, passphrase: str) -> None:
    card = window.steps["choices"].own_key
    card.yes.click()
    card.first.setText(passphrase)
    card.again.setText(passphrase)
    kit.pump(0.05)


def wrong(case: Path) -> list[str]:
    return [check.detail for check in verify(case) if not check.ok]


def shown(window: StudentWindow) -> np.ndarray:
    """The picture that the player shows, height x width x 4."""
    return window.receipt.clips.player.view._pixels


def test_a_key_of_ones_own_plays_the_clip_after_its_passphrase(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five pictures at a time, so that a short clip comes in as many parts as a long one.
    monkeypatch.setattr("ui.widgets.player.CHUNK_BYTES", 5 * 320 * 240 * 3)
    window = student()
    kit.join(window, kit.invited(tmp_path, POLICY))
    kit.answer(window)
    card = window.steps["choices"].own_key
    assert card.answer is None
    assert card.yes.size() == card.no.size()
    assert window.next_button.isEnabled()  # it is no condition of anything
    card.yes.click()
    card.first.setText("too short")
    kit.pump(0.05)
    assert not window.next_button.isEnabled()
    assert "9 of 15" in card.note.text
    choose(window, PASSPHRASE)
    assert window.next_button.isEnabled()
    to_the_receipt(window)

    case, receipt = window.attempt.case, window.receipt
    assert window.attempt.passphrase == ""
    agreed = Case.read(case).records[0]["data"]["recipients"]
    assert agreed[0] == str(kit.PROCTOR.to_public())
    key = own_copy.find(case, agreed)
    assert key is not None
    assert key.path.parent == case.parent
    assert wrong(case) == []

    (play,) = receipt.plays.values()
    play.click()
    clips = receipt.clips
    kit.wait(lambda: clips.line.isVisible(), "the question for the passphrase")
    QTest.keyClicks(clips.line, "four geese over the river")
    QTest.keyClick(clips.line, Qt.Key.Key_Return)
    kit.wait(lambda: clips.note.text != "", "the sentence")
    assert clips.note.text == "This passphrase does not open your key. You can try again."
    assert access.read(case) == []  # nothing was opened

    clips.line.setText(PASSPHRASE)
    clips.unlock_button.click()
    player = clips.player
    kit.wait(lambda: player.view.shown, "a picture of the clip")
    (look,) = access.read(case)
    assert look.kind == access.OPENED
    assert look.reason == "the student's own look"
    assert wrong(case) == []

    # The clip begins in a bright room, and then a hand is over the camera.
    player.pause()
    player.slider.setValue(player.count - 1)
    assert player.view.shown == (player._clip.ready == player.count)
    kit.wait(lambda: player._clip.ready == player.count, "every picture")
    assert player.count >= 15
    player.slider.setValue(0)
    bright = shown(window)[..., :3].mean()
    player.slider.setValue(player.count * 2 // 3)
    assert shown(window)[..., :3].mean() < bright / 4
    at = player.slider.value()
    player.on.click()
    assert player.slider.value() == at + 1
    QTest.keyClick(player.slider, Qt.Key.Key_Left)
    assert player.slider.value() == at
    player.speed.setCurrentIndex(player.speed.count() - 1)
    player.slider.setValue(0)
    player.play_button.click()
    assert player.playing
    assert "normal speed" in player.note.text()
    kit.wait(lambda: not player.playing, "the end of the clip")
    assert player.slider.value() == player.count - 1

    # Everything of it says what it is; once unlocked, nothing is asked again.
    for widget in (player.slider, player.play_button, player.back, player.on, player.speed):
        assert QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)
    play.click()
    kit.wait(lambda: player.view.shown, "the clip again")
    assert not clips.lock.isVisible()
    # Later, and elsewhere, the command line opens it with the same key.
    words = tmp_path / "words"
    words.write_text(PASSPHRASE)
    words.chmod(0o600)
    given = ["--identity", str(key.path), "--passphrase-file", str(words)]
    assert main(["case", "open", str(case), next(iter(receipt.plays)), *given]) == 0
    assert not [p for p in case.parent.rglob("*") if p.suffix in (".mp4", ".jpg", ".wav")]


@pytest.mark.parametrize("granted", [False, True])
def test_without_a_key_there_is_no_button_and_a_sentence_says_why(
    student: Student, tmp_path: Path, granted: bool
) -> None:
    window = student()
    kit.join(window, kit.invited(tmp_path, POLICY if granted else kit.POLICY))
    kit.answer(window)
    card = window.steps["choices"].own_key
    assert (card is not None) == granted
    if card is not None:
        card.no.click()
    to_the_receipt(window)
    assert window.receipt.plays == {}
    texts = [label.text() for label in window.receipt.findChildren(Words)]
    why = "You have no key of your own" if granted else "give you no key of your own"
    assert any(why in text and "exams@shores.example" in text for text in texts)
    assert list(window.attempt.case.parent.glob("*.key")) == []


def test_who_declines_clips_is_not_asked_for_a_passphrase(student: Student, tmp_path: Path) -> None:
    window = student()
    kit.join(window, kit.invited(tmp_path, POLICY))
    kit.answer(window, clips=False)
    step = window.steps["choices"]
    assert not step.own_key.isVisible()
    assert window.next_button.isEnabled()
    step.cards["clips"].yes.click()
    kit.pump(0.05)
    assert step.own_key.isVisible()


def test_nothing_of_it_is_cut_off_in_any_language(
    student: Student, dressed: QApplication, clipped: Callable[[QWidget], list[str]], tmp_path: Path
) -> None:
    window = student()
    kit.join(window, kit.invited(tmp_path, POLICY))
    kit.answer(window)
    for lang in LANGUAGES:
        app.speak(dressed, lang)
        window.speak(lang)
        choose(window, PASSPHRASE)
        window.steps["choices"].own_key.again.setText("another")
        kit.pump(0.05)
        assert clipped(window) == []
    choose(window, PASSPHRASE)
    to_the_receipt(window)
    mine = my_data.gather(window.attempt.case)
    identities = load_identity(window.receipt.clips.key.path, lambda _: PASSPHRASE)
    for lang in LANGUAGES:
        app.speak(dressed, lang)
        window.attempt.speak(lang)
        page = ReceiptPage(window.attempt, mine)
        page.resize(860, 760)
        page.show()
        (play,) = page.plays.values()
        play.click()
        page.clips._locked(LockedError("wrong"))
        kit.pump(0.05)
        assert page.clips.note.text != ""
        assert clipped(page) == []
        page.clips._unlocked(identities)
        kit.wait(lambda page=page: page.clips.player.view.shown, "the clip")
        assert clipped(page) == []
        page.shut()
        page.close()
        page.deleteLater()
