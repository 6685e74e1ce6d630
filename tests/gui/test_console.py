"""A person judges in a real window: blind, by the keyboard, with a reason, and nothing is opened unseen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from proctor.evidence import access, deciding, view
from proctor.evidence.keys import new_identity
from proctor.evidence.verify import verify
from proctor.session import my_data
from ui.console import rates, words
from ui.console.app import Desk
from ui.console.faces import Face, Finder, blurred
from ui.console.session import LOOKS, REST_S, Session
from ui.console.sheets import Sheet
from ui.texts import texts

_SPEC = importlib.util.spec_from_file_location(
    "console_kit", Path(__file__).with_name("console_kit.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
case, fresh_case, console, one_clip = kit.case, kit.fresh_case, kit.console, kit.one_clip
PHONE, FACES, WAKE, BARE = kit.PHONE, kit.FACES, kit.WAKE, kit.BARE

Console = Callable[..., Desk]


def press(desk: Desk, key: Qt.Key, *, ctrl: bool = False) -> None:
    """Press a key where the focus is, and wait until all that follows is done."""
    desk.window.activateWindow()
    QTest.qWaitForWindowActive(desk.window)
    held = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
    QTest.keyClick(desk.window.focusWidget() or desk.window, key, held)
    kit.pump(0.02)
    kit.settle(desk)


def shown(desk: Desk) -> str:
    """Every text that can be seen."""
    found = [label.text() for label in desk.window.findChildren(QLabel) if label.isVisible()]
    listed = desk.window.moments
    return "\n".join([*found, *(listed.item(i).text() for i in range(listed.count()))])


def decisions(folder: Path) -> list[tuple[str, str, str | None]]:
    found = deciding.read(folder, view.read(folder).attempt)
    return [(one.who, one.flag, one.verdict) for one in found]


def wrong(folder: Path) -> list[str]:
    return [check.detail for check in verify(folder) if not check.ok]


def test_nothing_to_see_is_one_key_and_every_look_is_on_record_before(
    case: Path, console: Console
) -> None:
    desk = console(case)
    window = desk.window
    assert window.current == PHONE
    (look,) = access.read(case)
    assert (look.kind, look.flags, look.who) == (access.OPENED, (PHONE,), "Ada")
    press(desk, Qt.Key.Key_1)
    assert decisions(case) == [("Ada", PHONE, "nothing_to_see")]
    assert window.current == FACES
    assert "1 of 4 moments decided; 3 wait for you." in shown(desk)
    press(desk, Qt.Key.Key_1)
    press(desk, Qt.Key.Key_2)
    assert window.current == BARE  # it has no clip, and that is said
    assert "No clip is kept of this moment." in shown(desk)
    assert not window.page.player.isVisible()
    press(desk, Qt.Key.Key_1)
    assert "4 of 4 moments decided; 0 wait for you." in shown(desk)
    assert not window.next_button.isEnabled()
    # Nobody opened what they did not look at: one opening and one signature for each clip.
    kinds = [entry.kind for entry in access.read(case)]
    assert kinds.count(access.OPENED) == 3
    assert kinds.count(access.DECIDED) == 4
    assert wrong(case) == []


def test_an_adverse_look_needs_a_reason_and_letters_in_it_are_no_keys(
    case: Path, console: Console
) -> None:
    desk = console(case)
    page = desk.window.page
    press(desk, Qt.Key.Key_4)
    assert page.note.text.startswith("What was noted can be seen. Write the reason")
    assert page.reason.hasFocus()
    assert decisions(case) == []
    QTest.keyClicks(page.reason, "1 book, pages 2. Name it")
    assert page.reason.toPlainText() == "1 book, pages 2. Name it"
    assert decisions(case) == []
    press(desk, Qt.Key.Key_Enter, ctrl=True)  # the one beside the digits; Return does the same
    assert decisions(case) == [("Ada", PHONE, "confirmed")]
    assert desk.window.current == FACES
    told = my_data.letter(my_data.gather(case), {}, "en")
    assert "Reason: 1 book, pages 2. Name it This alone decides nothing." in told


def test_the_student_reads_it_on_the_receipt(case: Path, console: Console, dressed: object) -> None:
    from proctor.session.devices import Devices
    from ui.student.attempt import Attempt
    from ui.student.receipt import ReceiptPage

    desk = console(case)
    press(desk, Qt.Key.Key_1)
    attempt = Attempt("de", Devices())
    page = ReceiptPage(attempt, my_data.gather(case))
    told = " ".join(label.text() for label in page.findChildren(QLabel))
    assert "Ada: es ist nichts zu sehen." in told
    page.shut()
    page.deleteLater()
    attempt.worker.close()


def test_a_first_look_is_blind(case: Path, console: Console) -> None:
    first = console(case, "Ada")
    assert "0.9" not in shown(first)
    first.window.page.reason.setPlainText("A telephone lies there.")
    first.window.page.say("confirmed")
    kit.settle(first)
    first.window.look_at(PHONE)
    kit.settle(first)
    assert "A telephone lies there." in shown(first)
    assert "Waits for another person" in shown(first)

    second = console(case, "Ben")
    assert second.window.current == PHONE
    told = shown(second)
    assert "telephone" not in told
    assert "Ada" not in told
    assert words.AGAIN not in told
    assert f"0:20–0:22  {words.WAITS}" in told
    press(second, Qt.Key.Key_1)
    second.window.look_at(PHONE)
    kit.settle(second)
    assert "A telephone lies there." in shown(second)
    # They differ, so a third person looks, as blind as the first two.
    third = console(case, "Cleo")
    assert "telephone" not in shown(third)
    press(third, Qt.Key.Key_2)
    assert third.window.case.standing(PHONE).verdict == "cannot_tell"
    assert wrong(case) == []


def test_what_was_measured_is_told_after_the_look_only(case: Path, console: Console) -> None:
    desk = console(case)
    told = "A phone was in view for 2.0 s"
    (phone,) = (flag for flag in desk.window.case.story.flags if flag.id == PHONE)
    measured = replace(phone, why=f"{told} (likeness 0.91 (at most), 2 of 3 looks).")
    desk.window.page.show_flag(measured)
    assert desk.window.page.why.text() == f"{told}."
    desk.window.page.show_flag(phone)
    press(desk, Qt.Key.Key_1)
    desk.window.page.show_flag(measured)
    assert "(likeness 0.91 (at most), 2 of 3 looks)." in desk.window.page.why.text()


def test_a_key_that_is_held_down_signs_one_look(case: Path, console: Console) -> None:
    action = console(case).window.action
    for name in (*words.VERDICTS, "send", "undo", "next"):
        assert not action[name].autoRepeat(), name
    assert action["on"].autoRepeat()


def test_scores_are_drawn_only_where_one_has_looked(case: Path, console: Console) -> None:
    desk = console(case)
    strip = desk.window.page.strip

    def picture() -> np.ndarray:
        image = strip.grab().toImage()
        row = image.width() * 4
        return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), row).copy()

    assert strip._blind == {PHONE, FACES, WAKE, BARE}
    strip.go("")
    before = picture()
    press(desk, Qt.Key.Key_1)
    assert strip._blind == {FACES, WAKE, BARE}
    strip.go("")
    after = picture()
    changed = np.flatnonzero((before != after).any(axis=0)) // 4
    area = strip._area(0)
    # Only around the flag that was looked at, give or take the columns of the curve.
    assert strip._x(20 - 5.6, area) <= changed.min()
    assert changed.max() <= strip._x(22 + 5.6, area)
    assert (before != after).any()


def test_while_the_student_can_comment_nothing_adverse_is_decided(
    fresh_case: Path, console: Console
) -> None:
    desk = console(fresh_case)
    desk.window.page.reason.setPlainText("A telephone lies there.")
    desk.window.page.say("confirmed")
    kit.settle(desk)
    desk.window.look_at(PHONE)
    kit.settle(desk)
    assert "The student can still comment" in shown(desk)
    assert not any(made.isEnabled() for made in desk.window.page.buttons.values())
    # For whoever has not looked, not even that is said: it would tell what the first one saw.
    other = console(fresh_case, "Ben")
    assert words.CLOSED in shown(other)
    assert "still comment" not in shown(other)
    my_data.comment(fresh_case, PHONE, "That is my calculator.")
    again = console(fresh_case, "Ben")
    assert again.window.current == PHONE
    assert "The student says: “That is my calculator.”" in shown(again)


def test_a_slip_is_taken_back_with_the_usual_key(case: Path, console: Console) -> None:
    desk = console(case)
    press(desk, Qt.Key.Key_1)
    assert desk.window.undo_button.isEnabled()
    press(desk, Qt.Key.Key_Z, ctrl=True)
    assert decisions(case) == [("Ada", PHONE, "nothing_to_see"), ("Ada", PHONE, None)]
    assert desk.window.current == PHONE
    assert "0 of 4 moments decided; 4 wait for you." in shown(desk)
    assert desk.window.session.back == 1
    assert not desk.window.undo_button.isEnabled()


def test_keys_of_one_character_can_be_switched_off(case: Path, console: Console) -> None:
    desk = console(case)
    desk.window.letters.setChecked(False)
    press(desk, Qt.Key.Key_1)
    assert decisions(case) == []
    desk.window.letters.setChecked(True)
    press(desk, Qt.Key.Key_1)
    assert len(decisions(case)) == 1


def test_the_clip_is_stepped_slowed_and_shows_the_box_where_it_was(
    case: Path, console: Console
) -> None:
    desk = console(case)
    player = desk.window.page.player
    player.pause()
    press(desk, Qt.Key.Key_M)
    # The clip begins a second before the flag, and the best moment is a second into it.
    assert player.slider.value() == round((1 + kit.BEST) / 0.1)
    (box,) = player.view._boxes
    assert (box.x, box.y) == pytest.approx((0.4, 0.3))
    press(desk, Qt.Key.Key_Period)
    assert player.slider.value() == 21
    assert not player.view._boxes
    press(desk, Qt.Key.Key_Comma)
    assert player.view._boxes
    press(desk, Qt.Key.Key_B)
    assert not player.view._boxes
    for _ in range(3):
        press(desk, Qt.Key.Key_Minus)
    assert player.speed.currentData() == 0.25
    assert len(player.wave.peaks) > 100
    assert 0.1 < float(player.wave.peaks.max()) <= 1.0


def test_without_the_network_blur_hides_the_whole_picture(
    case: Path, console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from models import registry

    desk = console(case)
    page = desk.window.page
    page.player.pause()

    def missing(*_: object) -> None:
        raise registry.ModelError(
            "The network 'yunet' is not here; `proctor models install` brings it."
        )

    monkeypatch.setattr(registry, "find", missing)
    sharp = page.player.view._pixels.copy()
    press(desk, Qt.Key.Key_L)
    kit.wait(lambda: "yunet" in page.no_clip.text, "the sentence")
    hidden = page.player.view._pixels
    # Six rows of blocks, and nothing finer.
    assert len(np.unique(hidden, axis=0)) <= 6 < len(np.unique(sharp, axis=0))


def test_other_people_are_blurred_and_the_nearest_face_keeps_its_points(
    model: Callable[[str], Path], media: Path
) -> None:
    import av

    model("yunet")
    with av.open(
        str(media / "video/intel_preview/head-pose-face-detection-female-and-male.gif")
    ) as film:
        frames = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
    image = frames[30]
    faces = Finder().find(image)
    assert len(faces) == 2
    assert faces[0].size > faces[1].size
    assert all(0 <= v <= 1 for face in faces for point in face.points for v in point)
    made = blurred(image, faces)
    high, wide = image.shape[:2]

    def part(of: np.ndarray, face: Face) -> np.ndarray:
        box = face.box
        rows = slice(int(box.y * high), int((box.y + box.height) * high))
        return of[rows, int(box.x * wide) : int((box.x + box.width) * wide)]

    assert (part(made, faces[0]) == part(image, faces[0])).all()
    assert len(np.unique(part(made, faces[1]).reshape(-1, 3), axis=0)) <= 36
    assert len(np.unique(blurred(image, None), axis=0)) <= 6


def test_published_rates_are_those_of_the_cards(case: Path, console: Console) -> None:
    known = rates.published()
    assert any(one.found == 49 and one.n == 49 for one in known["camera.covered"])
    assert all(0 <= one.found <= one.n for found in known.values() for one in found)
    # A card of a network that is not in use speaks of no note that anybody gets.
    assert not any("at 0.077" in one.what for one in known["object.phone"])
    desk = console(case)
    # Of several tests the worst, with its count and its interval as published.
    assert "what should be noted: 7 of 25 were (95 % interval 12.1 to 49.4 %)" in shown(desk)
    assert "what should not be noted: 14 of 14 were (95 % interval 76.8 to 100 %)" in shown(desk)
    assert "a black wallet brought in" in shown(desk)
    assert rates.NO_RIGHT in shown(desk)
    assert rates.sentences(desk.t, "gaze.down") == [rates.NO_RIGHT, rates.NO_FOUND, rates.NO_FALSE]


def test_a_test_that_counted_right_notes_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = rates.Rate("a study", "right", 31, 100, 0.221, 0.411, date(2026, 11, 1))
    newer = replace(one, found=9, n=10, low=0.555, high=0.998, when=date(2026, 11, 2))
    monkeypatch.setattr(rates, "published", lambda: {"gaze.away": (one, newer, one)})
    told = rates.sentences(texts("en"), "gaze.away")[0]
    assert told == (
        "In the last published test, 9 of 10 such notes were right (95 % interval 55.5 to 99.8 %): a study."
    )


def test_a_key_with_a_passphrase_is_asked_for(
    dressed: object, tmp_path: Path, one_clip: object, console: Console
) -> None:
    from datetime import UTC, datetime

    own = new_identity("office", passphrase="four geese over the lake")
    folder = kit.make_case(tmp_path / "locked", own.recipient, datetime.now(UTC), one_clip)
    desk = console()
    page = desk.key_page
    desk.open(folder)
    kit.wait(lambda: desk.window.stack.currentWidget() is page, "the question for a key")
    assert page.note.text == ""
    assert page.names.currentText() == "office"
    page.line.setText("four geese over the river")
    page.unlock.click()
    kit.wait(lambda: bool(page.note.text), "the sentence")
    assert page.note.text == "This passphrase does not open the key. You can try again."
    assert access.read(folder) == []
    QTest.keyClicks(page.line, "four geese over the lake")
    QTest.keyClick(page.line, Qt.Key.Key_Return)
    kit.settle(desk)
    assert desk.window.page.player.view.shown
    assert page.line.text() == ""


def test_where_there_is_no_key_at_all_that_is_said(console: Console) -> None:
    page = console().key_page
    page.offer([], ())
    assert page.note.text.startswith("No key was found on this computer.")
    assert not page.unlock.isEnabled()
    assert page.without.isEnabled()


def test_without_a_key_nothing_adverse_can_be_said_of_a_clip(case: Path, console: Console) -> None:
    desk = console()
    desk.folder = case
    desk.key_page.opened.emit([])
    kit.settle(desk)
    assert "No key here opens the clips" in desk.window.page.no_clip.text
    desk.window.page.reason.setPlainText("I have heard of it.")
    desk.window.page.say("confirmed")
    kit.settle(desk)
    assert desk.window.page.note.text.startswith("Open the clip first")
    assert decisions(case) == []


def test_what_is_no_case_is_said_and_a_changed_log_opens_nothing(
    case: Path, console: Console, tmp_path: Path
) -> None:
    desk = console()
    desk.open(tmp_path)
    kit.wait(lambda: bool(desk.window.message.text()), "a sentence")
    assert "There is no case in" in desk.window.message.text()
    first = console(case)
    (log,) = access.logs(case)
    log.write_bytes(log.read_bytes().replace(b"Ada", b"Eve"))
    first.window.look_at(FACES)
    kit.wait(lambda: bool(first.window.page.no_clip.text), "a sentence")
    assert "was changed, so nothing is opened" in first.window.page.no_clip.text
    assert not first.window.page.player.view.shown


def test_the_session_is_counted_for_oneself_and_a_pause_is_proposed_kindly(
    case: Path, console: Console
) -> None:
    session = Session(0.0)
    asked = [session.looked("nothing_to_see", 3.0, float(now)) for now in range(1, LOOKS + 1)]
    assert asked == [False] * (LOOKS - 1) + [True]
    session.rested(100.0)
    assert not session.looked("cannot_tell", 5.0, 101.0)
    assert session.typical == 3.0
    # Whoever was away for a while has had their pause.
    later = Session(0.0)
    for now in range(1, LOOKS):
        later.looked("nothing_to_see", 3.0, float(now))
    assert not later.looked("nothing_to_see", 3.0, LOOKS + REST_S)

    desk = console(case)
    press(desk, Qt.Key.Key_1)
    page = desk.window.page
    page.propose_pause(40)
    assert page.pause.isVisible()
    page.pause_done.click()
    assert not page.pause.isVisible()
    desk.window.show_session()
    (sheet,) = desk.window.findChildren(Sheet)
    told = [label.text() for label in sheet.findChildren(QLabel)]
    assert told[told.index("Looks signed in this session") - 1] == "1"
    sheet.close()
    kit.pump(0.02)
    desk.window.show_keys()
    sheet = desk.window.findChildren(Sheet)[-1]
    told = [label.text() for label in sheet.findChildren(QLabel)]
    assert told[told.index("Nothing to see") - 1] == "1"
    sheet.close()
