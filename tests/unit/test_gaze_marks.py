"""Gaze with milestones: how much of the time before an answer, and where the screen is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from detectors import gaze
from detectors._glances import GLANCE_S, Answers, Glances
from detectors._screen import Screen, ScreenCalibration
from policies.consent import Grant
from policies.load import read
from proctor.capture.replay import Recording
from proctor.pipeline.detector import CALIBRATED, Context, Said
from proctor.pipeline.rules import RuleBook
from proctor.types import Flag, Frame, Marker, Observation

Looks = Iterable[tuple[float, float | None]]


# --- the time before an answer -----------------------------------------------------------------


def looks(*parts: tuple[float, float | None], step: float = 0.1) -> Looks:
    """Looks at ten a second: for each part, seconds and score."""
    t = 0.0
    for seconds, score in parts:
        for _ in range(round(seconds / step)):
            yield round(t, 3), score
            t += step


def answers(
    *parts: tuple[float, float | None], longest: float = 10.0, step: float = 0.1
) -> Answers:
    glances = Glances()
    for t, score in looks(*parts, step=step):
        glances.add(t, score)
    return Answers(glances, longest)


@pytest.mark.parametrize(
    ("parts", "score", "reason"),
    [
        ([(10, 0.0)], 0.0, "0.0 of the 10.0 s, in 0 looks of 1 s or more"),
        # One look aside to think passes, of up to a third of the time.
        ([(7, 0.0), (2.5, 0.9), (0.5, 0.0)], 0.2, "2.5 of the 10.0 s, in 1 look of 1 s or more"),
        ([(5, 0.0), (5, 0.9)], 0.75, "5.0 of the 10.0 s, in 1 look of 1 s or more"),
        # Three shorter ones say as much as a long one; three short ones say nothing.
        ([(2, 0.0), (1.2, 0.9)] * 3 + [(0.4, 0.0)], 0.6, "3.6 of the 10.0 s, in 3 looks"),
        ([(2, 0.0), (0.9, 0.9)] * 3 + [(1.3, 0.0)], 0.0, "0.0 of the 10.0 s, in 0 looks"),
        # A blink or a face lost for a moment does not cut a look in two.
        ([(4, 0.0), (3, 0.9), (0.2, None), (2.8, 0.9)], 1.0, "6.0 of the 10.0 s, in 1 look"),
        ([(4, 0.0), (4, None), (2, 0.9)], None, "unknown for 4.0 of the 10.0 s before the answer"),
    ],
)
def test_score_and_words_of_the_time_before_an_answer(parts, score, reason):
    found = answers(*parts).answer(10.0, {"id": "q"})
    assert found.score == (score if score is None else pytest.approx(score, abs=0.06))
    assert found.reason.startswith(reason)


def test_the_time_begins_with_the_question_or_with_the_answer_before():
    log = answers((4, 0.9), (6, 0.0), (4, 0.9))
    log.question(4.0, {"id": "a"})
    log.question(4.0, {"id": "b"})
    first = log.answer(9.0, {"id": "a"})
    assert first.score == 0.0
    assert first.reason.startswith("0.0 of the 5.0 s since the question came")
    second = log.answer(14.0, {"id": "b"})
    assert second.reason.startswith("4.0 of the 5.0 s since the answer before, in 1 look")
    assert second.score == pytest.approx(1.0)
    assert second.since == pytest.approx(10.0)
    again = log.answer(14.0, {"id": "b"})
    assert (again.score, again.reason) == (0.0, "no time before the answer")


def test_a_page_without_questions_and_one_that_floods():
    log = answers((10, 0.9))
    for i in range(100_000):
        log.question(5.0, {"id": f"{i}" * 50})
    assert log.answer(10.0, {"id": None}).reason.startswith("5.0 of the 5.0 s")
    assert len(log._shown) <= 500


def test_time_nobody_looked_is_unknown_also_before_the_first_look_and_on_a_slow_machine():
    assert answers((2, 0.9)).answer(10.0, {}).score is None
    assert answers((10, 0.9), step=0.4).answer(10.0, {}).score == pytest.approx(1.0)
    assert answers((10, 0.9), step=2.0).answer(10.0, {}).score is None


def test_often_means_three_real_glances_and_most_of_the_time():
    def told(*parts: tuple[float, float | None]) -> str:
        glances, end = Glances(), 0.0
        for t, score in looks(*parts):
            glances.add(t, score)
            end = t + 0.1
        return glances.often(end)

    assert told(*[(2.2, 0.9), (1.0, 0.0)] * 3).startswith("away for 6.6 of 10 s, in 3 looks")
    assert told(*[(1.0, 0.9), (1.0, 0.0)] * 5) == ""
    assert told(*[(GLANCE_S - 0.2, 0.9), (0.4, 0.0)] * 8) == ""
    assert told((8.0, 0.9), (2.0, 0.0)) == ""


# --- where the screen is -----------------------------------------------------------------------

POINTS = [(0.5, 0.5), (0, 0), (1, 0), (1, 1), (0, 1), (0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1)]


def shown(
    line_of_sight: Callable[[float, float], tuple[float, float]],
    points: Sequence[tuple[float, float]] = POINTS,
    scatter: float = 0.5,
) -> tuple[Screen | None, str]:
    """A calibration of somebody who looks at each point for 1.8 s, ten looks a second."""
    rng = np.random.default_rng(5)
    calibration, t = ScreenCalibration(0.0), 0.0
    for x, y in points:
        calibration.point(t, {"x": x, "y": y, "seconds": 1.8})
        for i in range(18):
            # Before the eyes arrive they are anywhere.
            at = line_of_sight(x, y) if i >= 6 else (40.0, -40.0)
            right, up = rng.normal(at, scatter)
            calibration.look(t + i / 10, (float(right), float(up)), "")
        t += 1.8
    return calibration.result()


def test_a_screen_is_found_with_its_middle_and_its_edges():
    screen, why = shown(lambda x, y: (3 + 30 * (0.5 - x), -8 - 16 * (y - 0.5)))
    assert why == ""
    assert screen is not None
    assert (screen.right, screen.up) == (pytest.approx(3, abs=1), pytest.approx(-8, abs=1))
    assert screen.to_right == pytest.approx(15, abs=1.5)
    assert screen.to_left == pytest.approx(15, abs=1.5)
    assert screen.to_up == pytest.approx(8, abs=1.5)
    assert not screen.mirrored
    turned, _ = shown(lambda x, y: (3 + 30 * (x - 0.5), -8.0))
    assert turned is not None
    assert turned.mirrored


@pytest.mark.parametrize(
    ("line_of_sight", "points", "scatter", "words"),
    [
        (lambda x, y: (0.0, 0.0), POINTS, 0.5, "the eyes did not follow the points"),
        (lambda x, y: (300 * (0.5 - x), 0.0), POINTS, 0.5, "did not follow"),
        # To and fro, but not where the points were.
        (lambda x, y: (40 * (y - 0.5) + 9 * (0.5 - x), 0.0), POINTS, 0.5, "did not follow"),
        (lambda x, y: (30 * (0.5 - x), 0.0), POINTS, 14.0, "the eyes did not rest on the points"),
        (lambda x, y: (30 * (0.5 - x), 0.0), POINTS[:3], 0.5, "too few of the points"),
        (lambda x, y: (30 * (0.5 - x), 0.0), [], 0.5, "too few of the points were seen well (0)"),
    ],
)
def test_a_calibration_that_did_not_succeed_says_why(line_of_sight, points, scatter, words):
    screen, why = shown(line_of_sight, points, scatter)
    assert screen is None
    assert words in why


def test_eyes_that_were_not_seen_are_named():
    calibration = ScreenCalibration(0.0)
    calibration.point(0.0, {"x": 0.5, "y": 0.5, "seconds": 5.0})
    for i in range(50):
        calibration.look(i / 10, None, "face too dark (brightness 9 of 255)")
    assert "face too dark" in calibration.result()[1]


# --- on the labelled recordings ----------------------------------------------------------------


@pytest.fixture(scope="module")
def nets(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in gaze.PLUGIN.models}


@pytest.fixture(scope="module")
def clips(media: Path) -> dict[str, list[Frame]]:
    """One man: eyes at the centre, to the picture's left, to its right; ten frames a second."""
    found = {}
    for name in ("center_focus", "center_left_center", "center_right_center"):
        path = media / "video" / "gaze" / f"{name}.mp4"
        samples = Recording.open(path).samples(camera=Grant("camera", "test"), microphone=None)
        found[name] = [sample for sample in samples if isinstance(sample, Frame)]
    # Eyes to the side from 5.65 to 10.29 s, and a second at the centre before and after.
    found["aside"] = cut(found["center_left_center"], 4.0, 7.3)
    return found


Item = Frame | Marker


def after(items: Sequence[Item], t: float) -> list[Item]:
    """``items`` with their time beginning at ``t``."""
    return [replace(item, t=item.t - items[0].t + t) for item in items]


def cut(frames: list[Frame], start: float, seconds: float) -> list[Frame]:
    return [frame for frame in frames if start <= frame.t < start + seconds]


def play(detector, items: Sequence[Item]) -> tuple[list[Flag], list[Said]]:
    """What the standard policy flags, and everything that was said."""
    assert all(a.t <= b.t for a, b in pairwise(items))
    book = RuleBook(gaze.PLUGIN.kinds, dict(read("standard")[0].rules))
    book.begin(0.0)
    said: list[Said] = []
    closed = []
    for item in items:
        answer = detector.mark(item) if isinstance(item, Marker) else detector.update(item)
        said += answer
        for each in answer:
            if isinstance(each, Observation):
                closed += [e.flag for e in book.feed(each) if e.what == "closed"]
    return closed + [e.flag for e in book.finish(items[-1].t) if e.what == "closed"], said


@pytest.fixture
def make(nets: dict[str, Path]) -> Iterator[Callable[..., gaze.Gaze]]:
    made: list[gaze.Gaze] = []

    def new(**settings: float) -> gaze.Gaze:
        made.append(gaze.Gaze(gaze.Settings(**settings), Context(nets)))
        return made[-1]

    yield new
    for detector in made:
        detector.close()


def asked(start: float, end: float) -> list[Marker]:
    return [
        Marker(start, "question.shown", {"id": "q1"}),
        Marker(end, "answer.submitted", {"id": "q1"}),
    ]


def with_marks(frames: list[Frame], marks: list[Marker]) -> list[Item]:
    return sorted([*marks, *frames], key=lambda item: item.t)


def test_eyes_held_aside_before_an_answer_make_one_flag_that_begins_with_the_look(clips, make):
    """Label: eyes to the left from 5.65 to 10.29 s."""
    flags, _ = play(make(), with_marks(clips["aside"], asked(4.0, 10.0)))
    assert sorted(f.kind for f in flags) == ["gaze.away", "gaze.away_before_answer"]
    (flag,) = (f for f in flags if f.kind == "gaze.away_before_answer")
    assert flag.start == pytest.approx(5.65, abs=0.4)
    assert flag.end == pytest.approx(10.0, abs=0.2)
    assert flag.why.startswith("Just before an answer, the person looked away from the screen for ")
    assert "of the 6.0 s since the question came, in 1 look of 1 s or more" in flag.why


def test_an_answer_with_eyes_on_the_screen_and_one_without_a_face_are_no_flag(clips, make):
    centre = cut(clips["center_focus"], 0.0, 6.0)
    flags, said = play(make(), with_marks(centre, asked(0.5, 5.95)))
    assert flags == []
    blank = [replace(f, image=np.full((480, 640, 3), 90, np.uint8)) for f in centre]
    flags, said = play(make(), with_marks(blank, asked(0.5, 5.95)))
    assert flags == []
    (answer,) = [o for o in said if o.t == 5.95 and o.reason.startswith("unknown for")]
    assert answer.score is None


def calibration(clips: dict[str, list[Frame]], sides: tuple[str, str]) -> list[Item]:
    """Nine points on a screen as wide as the man's eyes went; ``sides``: clips for left and right."""
    items: list[Item] = [Marker(0.0, "calibration.begin", {"what": "gaze"})]
    t = 0.0
    spare = dict.fromkeys(clips, 0.0)
    for x, y in POINTS:
        name = "center_focus" if x == 0.5 else sides[int(x)]
        start = (0.5 if x == 0.5 else 5.9) + spare[name]
        spare[name] += 1.3
        items.append(Marker(t, "calibration.point", {"x": float(x), "y": y, "seconds": 1.3}))
        items += after(cut(clips[name], start, 1.3), t)
        t += 1.4
    return [*items, Marker(t, "calibration.end", {"what": "gaze"})]


# The person's left is the picture's right: that clip is the screen's left side.
SIDES = ("center_right_center", "center_left_center")


def results(said: list[Said]) -> list[Marker]:
    return [each for each in said if isinstance(each, Marker)]


def test_reading_at_the_edges_of_a_calibrated_screen_is_not_away(clips, make):
    reading = clips["aside"]
    assert [f.kind for f in play(make(), reading)[0]] == ["gaze.away"]
    learned = calibration(clips, SIDES)
    flags, said = play(make(), [*learned, *after(reading, 20.0)])
    (told,) = results(said)
    assert (told.kind, told.data["what"], told.data["done"]) == (CALIBRATED, "gaze", True)
    assert told.data["left_degrees"] > 30
    assert flags == []
    during = [o for o in said if isinstance(o, Observation) and 1.0 < o.t < 11.0]
    assert {o.score for o in during} == {None}
    assert {o.reason for o in during} <= {"the screen is being calibrated", "no face in view"}


def test_a_calibration_outlasts_a_break_but_not_another_camera(clips, make):
    detector = make()
    play(detector, calibration(clips, SIDES))
    detector.reset()
    assert play(detector, clips["aside"])[0] == []
    (told,) = detector.mark(Marker(99.0, "device.lost", {"device": "camera"}))
    assert told.data["done"] is False
    assert "the camera was lost" in told.data["sentence"]
    detector.reset()
    assert [f.kind for f in play(detector, clips["aside"])[0]] == ["gaze.away"]


def test_eyes_that_stay_in_the_middle_teach_nothing_and_the_wide_limits_hold(clips, make):
    still = calibration(clips, SIDES)
    middle = after(clips["center_focus"], 0.0)
    frames = iter(middle * 3)
    items = [i if isinstance(i, Marker) else replace(next(frames), t=i.t) for i in still]
    flags, said = play(make(), [*items, *after(clips["aside"], 20.0)])
    (told,) = results(said)
    assert told.data["done"] is False
    assert "did not follow the points" in told.data["why"]
    assert "Wider limits hold" in told.data["sentence"]
    assert [f.kind for f in flags] == ["gaze.away"]


@pytest.mark.parametrize(
    ("settings", "kinds"),
    [
        # The picture's left is the person's right.
        ({"right_screen_degrees": 60.0}, []),
        ({"left_screen_degrees": 60.0}, ["gaze.away"]),
    ],
)
def test_a_second_screen_that_the_policy_allows_is_allowed_on_its_side_only(
    clips, make, settings, kinds
):
    flags, _ = play(make(**settings), clips["aside"])
    assert [f.kind for f in flags] == kinds


def test_milestones_out_of_order_and_unknown_ones_are_passed_over(clips, make):
    detector = make()
    (told,) = detector.mark(Marker(1.0, "calibration.end", {"what": "gaze"}))
    assert "it was not begun" in told.data["why"]
    for kind, data in (
        ("calibration.point", {"x": 0.5, "y": 0.5, "seconds": 1}),
        ("calibration.begin", {"what": "light"}),
        ("calibration.end", {"what": "light"}),
        ("device.lost", {"device": "camera"}),
        ("of.tomorrow", {}),
    ):
        assert detector.mark(Marker(2.0, kind, data)) == []
    detector.mark(Marker(3.0, "calibration.begin", {"what": "gaze"}))
    (told,) = detector.mark(Marker(90.0, "calibration.end", {"what": "gaze"}))
    assert "it took too long" in told.data["why"]


def test_many_glances_count_as_one_act_and_a_single_one_does_not(media, make):
    """Label: eyes to one side and the other from 0.42 to 2.62 s of a clip of 3.1 s."""
    path = media / "video" / "portrait" / "d0.mp4"
    samples = Recording.open(path).samples(camera=Grant("camera", "test"), microphone=None)
    once = [sample for sample in samples if isinstance(sample, Frame)]
    assert play(make(), once)[0] == []
    again = [replace(f, t=f.t + 3.1 * i) for i in range(4) for f in once]
    flags, said = play(make(), again)
    assert [f.kind for f in flags] == ["gaze.away"]
    between = [o.reason for o in said if isinstance(o, Observation) and "looks" in o.reason]
    assert between
    assert all(reason.startswith("away for ") for reason in between)


def test_whether_glances_are_often_is_what_going_through_all_looks_says():
    """Most moments are decided by a count; it must never say no where the looks say yes."""
    rng = np.random.default_rng(8)
    yes = 0
    for _ in range(60):
        glances, t, away = Glances(), 0.0, False
        share = rng.uniform(0.2, 1.0)
        for _ in range(250):
            t += float(rng.choice([0.1, 0.2, 0.4, 0.7]))
            if rng.random() < 0.25:
                away = rng.random() < share
            known = rng.random() < 0.95
            glances.add(t, (0.9 if away else 0.1) if known else None)
            looked = glances.between(t - 10.0, t)
            often = len(looked.glances) >= 3 and looked.away_s >= 6.0 - 1e-6
            assert bool(glances.often(t)) == often
            yes += often
    assert yes > 100
