"""The labeller on real recordings: a key for everything, one table for several people, nothing lost."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from policies.consent import Answers, issue
from policies.texts import LANGUAGES
from proctor.capture.replay import Recording
from proctor.types import Frame
from ui import app, theme
from ui.researcher.app import Desk
from ui.researcher.film import LEVEL_S, RATE, Film
from ui.researcher.window import LabelWindow

HERE = Path(__file__).parent


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


kit, student, reach = (
    _module(name) for name in ("labeller_kit", "test_student_screens", "test_student_reach")
)
folder, label, from_the_right = kit.folder, kit.label, reach.from_the_right
Label = Callable[..., Desk]
Clipped = Callable[[QWidget], list[str]]
SHOWN = [*((lang, scale) for lang in LANGUAGES for scale in (1.0, 3.0)), ("de", 2.0)]
SCREEN = (1920, 1000)
ALT, SHIFT, CTRL = (
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


def opened(desk: Desk) -> LabelWindow:
    window = desk.window
    assert window is not None
    window.activateWindow()
    QTest.qWaitForWindowActive(window)
    return window


def press(window: LabelWindow, keys: str) -> None:
    """Press keys of one character, one after the other, and let each be done."""
    for key in keys:
        QTest.keyClicks(window.recordings, key)
        QApplication.processEvents()
    kit.settle(window)


def test_labels_by_keyboard_alone(label: Label, folder: Path) -> None:
    window = opened(label())
    player = window.player
    step = player.frame_s
    press(window, "I" + "." * 30)
    # A begin without an end is shown, and written nowhere.
    assert "since 0:00.00" in window.marks.about.text()
    assert len(kit.truth(folder)) == 2
    press(window, "1CO")
    (mine,) = [one for one in kit.truth(folder) if one.annotator == "Ada"]
    assert (mine.session, mine.kind, mine.certain) == ("gaze", "gaze.away", False)
    assert (mine.start, mine.end) == (0.0, pytest.approx(30 * step, abs=1e-5))
    for keys in ((Qt.Key.Key_Right, ALT), (Qt.Key.Key_Right, ALT | SHIFT)):
        for _ in range(2):
            QTest.keyClick(window, *keys)
    QTest.keyClick(window, Qt.Key.Key_Left, ALT)
    press(window, "2C")
    (mine,) = [one for one in kit.truth(folder) if one.annotator == "Ada"]
    assert mine.certain
    assert mine.kind == window.work.kinds[1]
    assert (mine.start, mine.end) == (
        pytest.approx(step, abs=1e-5), pytest.approx(32 * step, abs=1e-5),
    )  # fmt: skip
    assert player.at == pytest.approx(step, abs=1e-5)
    QTest.keyClick(window, Qt.Key.Key_Delete)
    kit.settle(window)
    assert len(kit.truth(folder)) == 2
    # Every change comes back, one after the other, and goes again.
    changes = 0
    while window.work.can_undo:
        QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
        changes += 1
    kit.settle(window)
    assert changes == 9
    assert (folder / "truth.csv").read_text(encoding="utf-8") == kit.TABLE
    for _ in range(changes - 1):
        QTest.keyClick(window, Qt.Key.Key_Z, CTRL | SHIFT)
    kit.settle(window)
    assert mine in kit.truth(folder)
    # The other recording, its labels, and back by undo.
    QTest.keyClick(window, Qt.Key.Key_PageDown, CTRL)
    kit.settle(window)
    assert window.entry.id == "talk"
    press(window, "JLLLIOO")
    assert "Say first where it begins" in window.note.text
    (talk,) = [one for one in kit.truth(folder) if one.session == "talk"]
    # At the end, one picture long: a label always has a length.
    assert talk.end - talk.start == pytest.approx(window.player.frame_s, abs=1e-5)
    QTest.keyClick(window, Qt.Key.Key_PageUp, CTRL)
    kit.settle(window)
    QTest.keyClick(window, Qt.Key.Key_Z, CTRL)
    kit.settle(window)
    assert window.entry.id == "talk"
    assert [one for one in kit.truth(folder) if one.session == "talk"] == []


def test_playing_at_every_speed_reaches_the_pictures(label: Label) -> None:
    window = opened(label())
    player = window.player
    press(window, "+++++++")
    assert player.speed.currentData() == 2.0
    press(window, "-" * 9)
    assert player.speed.currentData() == 0.25
    press(window, "++++++")
    player.toggle()
    assert player.playing
    kit.pump(1.5)
    press(window, "P")
    assert not player.playing
    assert player.view.shown
    # Decoding may be behind on a busy machine; what is shown at rest is this very picture.
    kit.settle(window)
    assert 1.0 < player.at <= 4.0
    assert player._shown == player.slider.value()
    before = player.timeline._x(player.at + 1.0) - player.timeline._x(player.at)
    QTest.keyClick(window, Qt.Key.Key_Plus, CTRL)
    after = player.timeline._x(player.at + 1.0) - player.timeline._x(player.at)
    assert after == pytest.approx(2 * before)


@pytest.mark.parametrize("name", [kit.TALK, kit.GAZE])
def test_a_picture_is_that_of_a_replay(media: Path, name: str) -> None:
    """The labeller's second is the detectors' second, forwards, backwards and at random."""
    recording = Recording.open(media / name)
    frames = [item for item in _played(recording) if isinstance(item, Frame)][:60]
    film = Film(media / name)
    try:
        order = np.random.default_rng(3).permutation(len(frames))
        for place in [*range(0, len(frames), 7), *range(len(frames) - 1, 0, -9), *order[:12]]:
            frame = frames[place]
            seen = film.picture(frame.t)
            assert seen is not None
            assert np.array_equal(seen, frame.image), f"another picture at {frame.t:.3f} s"
    finally:
        film.close()


def _played(recording: Recording) -> Iterator[object]:
    camera = issue(Answers({"camera": True}, "all"), "a test")["camera"]
    yield from recording.samples(camera=camera, microphone=None, fps=10.0)


def test_the_wave_is_the_sound(media: Path) -> None:
    film = Film(media / kit.TALK)
    try:
        whole = np.frombuffer(film.sound(0.0, 60.0).samples, "<i2").astype(np.float32)
        levels = film.levels()
        assert len(levels) == pytest.approx(film.duration / LEVEL_S, rel=0.1)
        step = round(LEVEL_S * RATE)
        loud = np.abs(whole[: step * len(levels)]).reshape(-1, step).max(axis=1) / 32768
        assert np.allclose(loud, levels, atol=1e-6)
        part = np.frombuffer(film.sound(1.0, 0.5).samples, "<i2").astype(np.float32)
        there = whole[16000 : 16000 + len(part)]
        # A resampler that begins elsewhere gives nearly the same.
        assert np.corrcoef(part, there)[0, 1] > 0.95
    finally:
        film.close()


def test_others_stay_hidden_until_asked(label: Label, folder: Path) -> None:
    window = opened(label())
    timeline = window.player.timeline
    assert timeline.bars == []
    assert "Bo" not in window.player.timeline.accessibleDescription()
    press(window, "A")
    assert "Fewer than two people" in window.compare.numbers.text()
    press(window, "A1I" + "L" + "O")
    press(window, "A")
    assert "Krippendorff's alpha: " in window.compare.numbers.text()
    assert "Cohen's kappa of Ada and Bo: " in window.compare.numbers.text()
    places = window.compare.places
    assert [places.item(i).text() for i in range(places.count())] == [
        "0:00.00 to 0:02.00: Looking away\nMarked by Ada, not by Bo",
        "0:04.00 to 0:05.00: Looking away\nMarked by Ada, not by Bo",
        "0:06.00 to 0:09.00: Looking away\nMarked by Bo, not by Ada",
    ]
    assert {bar.who for bar in timeline.bars} == {"", "Bo"}
    places.setCurrentRow(2)
    QTest.keyClick(places, Qt.Key.Key_Return)
    assert window.player.at == pytest.approx(6.0, abs=window.player.frame_s)
    # The next recording is labelled without them again.
    QTest.keyClick(window, Qt.Key.Key_PageDown, CTRL)
    kit.settle(window)
    assert not window.compare.asked


def test_nothing_is_lost_when_the_file_cannot_be_written(label: Label, folder: Path) -> None:
    window = opened(label())
    broken = kit.TABLE + "gaze,x,1,gaze.away,Bo,yes\n"
    (folder / "truth.csv").write_text(broken, encoding="utf-8")
    press(window, "I..O")
    assert "line 4: start_s must be seconds" in window.note.text
    assert "Not saved yet" in window.state.text()
    window.close()
    assert window.isVisible()
    assert "Close again to leave them" in window.note.text
    (folder / "truth.csv").write_text(kit.TABLE, encoding="utf-8")
    window.close()
    assert not window.isVisible()
    assert [one.annotator for one in kit.truth(folder)].count("Ada") == 1


def test_a_recording_that_is_gone_is_said(label: Label) -> None:
    window = opened(label())
    window.go_to("gone")
    kit.settle(window)
    assert "gone.mp4" in window.note.text
    assert not window.marks.begin.isEnabled()
    press(window, "IO")
    assert window.mine == ()


def test_the_name_is_asked_once(label: Label, folder: Path) -> None:
    desk = label(who="")
    asking = desk.asking
    assert asking is not None
    asking.line.setText("?")
    QTest.keyClick(asking.line, Qt.Key.Key_Return)
    assert "letters and digits" in asking.note.text
    asking.line.setText("Cy")
    QTest.keyClick(asking.line, Qt.Key.Key_Return)
    assert desk.window is not None
    kit.settle(desk.window)
    assert desk.window.labels.who == "Cy"
    again = label(who="")
    assert again.asking is None
    assert again.window is not None
    assert again.window.labels.who == "Cy"


def test_another_language_goes_on_where_one_was(label: Label, folder: Path) -> None:
    desk = label()
    window = opened(desk)
    press(window, "I...O")
    window.player.go(5.0)
    kit.settle(window)
    desk.in_language("fr")
    new = desk.window
    assert new is not None
    assert new is not window
    kit.settle(new)
    assert new.player.at == pytest.approx(5.0, abs=new.player.frame_s)
    assert "annotation" in new.marks.about.text()
    new.undo()
    kit.settle(new)
    assert (folder / "truth.csv").read_text(encoding="utf-8") == kit.TABLE


def screens(desk: Desk) -> Iterator[tuple[str, QWidget]]:
    """Every screen of the labeller, shown one after the other."""
    window = opened(desk)
    yield "empty", window
    press(window, "1I" + "L" + "O" + "I")
    press(window, "A")
    yield "compared", window
    window.page.verticalScrollBar().setValue(window.page.verticalScrollBar().maximum())
    yield "below", window
    window.show_keys()
    kit.pump(0.02)
    sheet = window.findChildren(QDialog)[-1]
    yield "keys", sheet
    sheet.close()
    window.go_to("gone")
    kit.settle(window)
    yield "gone", window
    desk.ask()
    assert desk.asking is not None
    desk.asking.line.setText("?")
    desk.asking.answer()
    kit.pump(0.02)
    yield "name", desk.asking


@pytest.mark.parametrize(("lang", "scale"), SHOWN)
def test_no_text_is_cut_off(
    label: Label, dressed: QApplication, clipped: Clipped, lang: str, scale: float
) -> None:
    font = dressed.font()
    font.setPointSizeF(font.pointSizeF() * scale)
    dressed.setFont(font)
    app.speak(dressed, lang)
    theme.apply(dressed, "dark" if scale > 1.0 else "light")
    desk = label(lang=lang, size=SCREEN if scale > 1.0 else (1320, 900))
    cut = [f"{name}: {line}" for name, widget in screens(desk) for line in clipped(widget)]
    theme.apply(dressed, "light")
    assert cut == []


def test_the_other_way_round(label: Label, from_the_right: QApplication, clipped: Clipped) -> None:
    desk = label()
    for name, widget in screens(desk):
        assert widget.layoutDirection() == Qt.LayoutDirection.RightToLeft
        assert clipped(widget) == [], name
        if name == "compared":
            timeline = desk.window.player.timeline
            assert timeline._x(timeline.begin) == pytest.approx(timeline.width())
            asked: list[float] = []
            timeline.asked.connect(asked.append)
            QTest.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=timeline.rect().bottomRight())
            assert asked[0] == pytest.approx(timeline.begin, abs=0.1)


@pytest.mark.parametrize("look", ["contrast-light", "contrast-dark"])
def test_high_contrast_is_drawn(label: Label, dressed: QApplication, look: theme.Name) -> None:
    desk = label()
    theme.apply(dressed, look)
    colours = theme.COLOURS[look]
    try:
        for name, widget in screens(desk):
            picture = widget.grab().toImage()
            assert reach._share(picture, colours.ground) > 0.3, f"{name} has another ground"
            assert reach._share(picture, colours.text) > 0.001, f"{name} has no text in its colour"
    finally:
        theme.apply(dressed, "light")


def test_everything_says_what_it_is_to_a_screen_reader(label: Label) -> None:
    desk = label()
    nameless = []
    for name, widget in screens(desk):
        for one in student.tree(QAccessible.queryAccessibleInterface(widget)):
            acts = one.role() in student.ACTS and not one.state().invisible
            if acts and not one.text(QAccessible.Text.Name):
                nameless.append(f"{name}: {one.role()}")
        if name == "compared":
            about = desk.window.player.timeline.accessibleDescription()
            assert "0:00.00–0:05.00 Looking away" in about
            assert "0:06.00–0:09.00 Looking away Bo" in about
    assert nameless == []


def test_tab_reaches_everything(label: Label) -> None:
    window = opened(label())
    press(window, "1I" + "L" + "O")
    press(window, "A")
    window.choose(0)
    window.recordings.setFocus()
    seen: list[QWidget] = []
    for _ in range(60):
        QTest.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
        now = window.focusWidget()
        if now is window.recordings:
            break
        seen.append(now)
    player, marks = window.player, window.marks
    wanted = [
        player.slider, player.play_button, player.back, player.on, player.speed, marks.kind,
        marks.certain, marks.begin, marks.end, marks.delete, marks.undo, marks.list,
        window.compare.show_button, window.compare.places,
    ]  # fmt: skip
    assert [one for one in seen if one in wanted] == wanted
