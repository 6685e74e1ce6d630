"""Light and sound of the student's own room, and the steps of a calibration, on real recordings."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from detectors import lighting, speech
from detectors._roomtone import HIGHEST_DBFS, RoomTone, level_dbfs
from detectors._sound import FIT, Fitness
from detectors._voice import WINDOW, WINDOW_S, Window
from policies.consent import Grant, accept_all
from policies.load import read
from proctor.capture.replay import RealTimeReplay, Recording
from proctor.cli.calibrate import walking
from proctor.errors import InputError
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.session.calibrate import AROUND, Calibration, forgotten
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import AudioChunk, Frame, Image, Marker, Observation

RATE = 16_000
Item = Frame | AudioChunk | Marker


def marks(what: str, begin: float, end: float) -> list[Marker]:
    return [
        Marker(begin, "calibration.begin", {"what": what}),
        Marker(end, "calibration.end", {"what": what}),
    ]


def play(plugin, detector, items: Iterable[Item]) -> tuple[list[str], list[dict[str, Any]]]:
    """Kinds that the standard policy flags, and how the calibrations went."""
    book = RuleBook(plugin.kinds, dict(read("standard")[0].rules))
    book.begin(0.0)
    events, told, t = [], [], 0.0
    for item in sorted(items, key=lambda item: item.t):
        said = detector.mark(item) if isinstance(item, Marker) else detector.update(item)
        for each in said:
            if isinstance(each, Observation):
                events += book.feed(each)
            else:
                told.append(dict(each.data))
        t = max(t, item.t)
    events += book.finish(t + 0.5)
    return [e.flag.kind for e in events if e.what == "closed"], told


# --- light -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def room(media: Path) -> Image:
    """A man at home before his webcam, as he sits there."""
    path = media / "video" / "portrait" / "d9.mp4"
    samples = Recording.open(path).samples(camera=Grant("camera", "test"), microphone=None)
    return next(sample.image for sample in samples if isinstance(sample, Frame))


def lit(room: Image, gain: float, rng: np.random.Generator) -> Image:
    linear = (room / 255.0) ** 2.2 * gain
    grain = rng.normal(0.0, 2.0, room.shape)
    return np.ascontiguousarray(np.clip(255 * linear ** (1 / 2.2) + grain, 0, 255).astype(np.uint8))


def evening(room: Image, *gains: tuple[float, float]) -> list[Frame]:
    """Two pictures a second: seconds and light, one after the other."""
    rng = np.random.default_rng(3)
    found: list[Frame] = []
    for seconds, gain in gains:
        for _ in range(round(2 * seconds)):
            found.append(Frame(len(found) / 2, len(found), lit(room, gain, rng)))
    return found


def test_a_room_that_is_dim_every_evening_is_not_dim_after_a_calibration(room):
    """At a fifteenth of the light this room is just above the fixed limit; a little less is nothing."""
    usual, less = 0.065, 0.045
    shown = evening(room, (8, usual), (10, less))
    assert play(lighting.PLUGIN, lighting.Lighting(lighting.Settings()), shown)[0] == ["light.dim"]
    flags, (told,) = play(
        lighting.PLUGIN, lighting.Lighting(lighting.Settings()),
        [*marks("light", 1.0, 6.0), *shown],
    )  # fmt: skip
    assert (told["what"], told["done"]) == ("light", True)
    assert 50 < told["brightness"] < 60
    assert flags == []


def test_light_that_goes_out_is_found_after_a_calibration(room):
    flags, (told,) = play(
        lighting.PLUGIN, lighting.Lighting(lighting.Settings()),
        [*marks("light", 1.0, 6.0), *evening(room, (8, 1.0), (10, 0.1))],
    )  # fmt: skip
    assert told["done"] is True
    assert flags == ["light.dim"]


@pytest.mark.parametrize(
    ("gains", "end", "why"),
    [
        ([(8, 0.05)], 6.0, "too dark (brightness"),
        ([(8, 0.0)], 6.0, "camera covered"),
        ([(3, 1.0), (5, 0.2)], 6.0, "the light changed by"),
        ([(8, 1.0)], 1.9, "only 2 pictures came"),
        ([(8, 1.0)], 70.0, "it took too long"),
    ],
)
def test_a_room_that_cannot_be_learned_says_why(room, gains, end, why):
    _, (told,) = play(
        lighting.PLUGIN, lighting.Lighting(lighting.Settings()),
        [*marks("light", 1.0, end), *evening(room, *gains)],
    )  # fmt: skip
    assert told["done"] is False
    assert told["why"].startswith(why)
    assert "Wider limits hold" in told["sentence"]


def test_a_learned_room_outlasts_a_break_but_not_another_camera(room):
    detector = lighting.Lighting(lighting.Settings())
    play(lighting.PLUGIN, detector, [*marks("light", 0.5, 6.0), *evening(room, (8, 0.065))])
    detector.reset()
    shown = evening(room, (10, 0.045))
    assert play(lighting.PLUGIN, detector, shown)[0] == []
    (told,) = detector.mark(Marker(20.0, "device.lost", {"device": "camera"}))
    assert told.data["done"] is False
    assert play(lighting.PLUGIN, detector, shown)[0] == ["light.dim"]
    assert detector.mark(Marker(21.0, "device.lost", {"device": "camera"})) == []


# --- the room's sound --------------------------------------------------------------------------


def sound(path: Path, seconds: float) -> np.ndarray:
    resampler = av.AudioResampler("flt", "mono", RATE)
    with av.open(str(path)) as container:
        pieces = [
            out.to_ndarray()[0] for f in container.decode(audio=0) for out in resampler.resample(f)
        ]
    return np.resize(np.concatenate(pieces), round(seconds * RATE))


def at(samples: np.ndarray, dbfs: float) -> np.ndarray:
    return samples * 10 ** (dbfs / 20) / float(np.sqrt(np.mean(samples**2)))


@pytest.fixture(scope="module")
def next_door(media: Path) -> np.ndarray:
    """A reader through a wall: low-pass at 400 Hz, -50 dBFS, with a microphone's hiss."""
    voice = sound(media / "audio/speech/librispeech/1688-142285-0003.flac", 18.0)
    spectrum = np.fft.rfft(voice) / (1 + (np.fft.rfftfreq(len(voice), 1 / RATE) / 400.0) ** 2)
    quiet = at(np.fft.irfft(spectrum, len(voice)), -50.0)
    return quiet + np.random.default_rng(4).normal(0, 10 ** (-65 / 20), len(quiet))


@pytest.fixture(scope="module")
def at_the_desk(media: Path, next_door: np.ndarray) -> np.ndarray:
    """The same, with four seconds of talk in the room from second 12 on."""
    near = sound(media / "audio/speech/librispeech/1998-15444-0002.flac", 5.0)[RATE:]
    mixed = next_door.copy()
    mixed[12 * RATE : 16 * RATE] += at(near, -34.0)
    return mixed


def chunks(samples: np.ndarray) -> list[AudioChunk]:
    whole = np.clip(samples * 32768, -32768, 32767).astype(np.int16)
    step = RATE // 10
    return [
        AudioChunk(i / RATE, i // step, whole[i : i + step], RATE)
        for i in range(0, len(whole), step)
    ]


@pytest.fixture
def ear(model: Callable[[str], Path]) -> Callable[[], Any]:
    nets = {"silero_vad": model("silero_vad")}
    return lambda: speech.PLUGIN.create(speech.Settings(), Context(dict(nets)))


LEARN = marks("voice", 1.0, 6.0)


def test_a_voice_behind_the_wall_does_not_count_once_the_room_was_learned(
    ear, next_door, at_the_desk
):
    before, _ = play(speech.PLUGIN, ear(), chunks(next_door))
    assert set(before) == {"speech.voice"}
    after, (told,) = play(speech.PLUGIN, ear(), [*LEARN, *chunks(next_door)])
    assert told["done"] is True
    assert -52 < told["room_tone_dbfs"] < -40
    # What was heard before the room was known stands; nothing is flagged after it.
    assert len(after) <= 1
    found, _ = play(speech.PLUGIN, ear(), [*LEARN, *chunks(at_the_desk)])
    assert len(found) == len(after) + 1


def test_talk_while_the_room_is_learned_is_refused_and_every_voice_counts(ear, at_the_desk):
    loud = np.roll(at_the_desk, -10 * RATE)
    found, (told,) = play(speech.PLUGIN, ear(), [*LEARN, *chunks(loud[: 8 * RATE])])
    assert told["done"] is False
    assert told["why"].startswith("somebody spoke")
    assert "Every voice counts" in told["sentence"]
    assert found == ["speech.voice"]


def window(t: float, dbfs: float, voice: float = 0.0, fitness: Fitness = FIT) -> Window:
    tone = np.sin(np.arange(WINDOW)) * np.sqrt(2) * 32768 * 10 ** (dbfs / 20)
    return Window(t, tone.astype(np.int16), voice, fitness)


def test_levels_limits_and_what_makes_a_room_unfit():
    assert level_dbfs(window(0.0, -30.0).samples) == pytest.approx(-30.0, abs=0.3)
    assert level_dbfs(np.full(WINDOW, 9000, np.int16)) == -90.0

    def learned(*windows: Window) -> RoomTone:
        tone = RoomTone(0.0)
        for each in windows:
            tone.add(each)
        return tone

    still = [window(i * WINDOW_S, -60.0) for i in range(150)]
    assert learned(*still).problem(5.0) == ""
    assert learned(*still).limit_dbfs == pytest.approx(-54.0, abs=0.5)
    hum = [window(i * WINDOW_S, -35.0) for i in range(150)]
    assert learned(*hum).limit_dbfs == HIGHEST_DBFS
    assert "only 0.3 s" in learned(*still[:10]).problem(5.0)
    assert learned(*still).problem(61.0) == "it took too long"
    muted = [replace(each, fitness=Fitness(unfit="the microphone is muted")) for each in still]
    assert learned(*muted).problem(5.0) == "the microphone is muted"
    assert learned(*[window(i * WINDOW_S, -35.0, 0.9) for i in range(150)]).problem(5.0) != ""


def test_another_microphone_hears_the_room_in_another_way(ear, next_door):
    detector = ear()
    play(speech.PLUGIN, detector, [*LEARN, *chunks(next_door[: 8 * RATE])])
    detector.reset()
    assert play(speech.PLUGIN, detector, chunks(next_door[: 8 * RATE]))[0] == []
    (told,) = detector.mark(Marker(30.0, "device.lost", {"device": "microphone"}))
    assert "the microphone was lost" in told.data["why"]
    detector.reset()
    assert play(speech.PLUGIN, detector, chunks(next_door[: 8 * RATE]))[0] == ["speech.voice"]


# --- the steps, in a running exam --------------------------------------------------------------

POLICY = """
version = 1
id = "calibrate"
institution = "Test institution"
exam = "Calibrated exam"
contact = "exams@example.org"
stakes = "practice"
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[detectors.gaze]
[detectors.lighting]
[rules."gaze.away"]
min_s = 3.0
"""
QUIET_S, POINT_S = 2.5, 1.4
WAIT_S = 120.0


@pytest.fixture(scope="module")
def film(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A man who looks where the steps say, as far to the sides as his eyes go, and then aside again.

    Cut from the recordings with his eyes in the middle, to the picture's left and to its right.
    """
    seen = {}
    for name in ("center_focus", "center_left_center", "center_right_center"):
        path = media / "video" / "gaze" / f"{name}.mp4"
        samples = Recording.open(path).samples(camera=Grant("camera", "test"), microphone=None)
        seen[name] = [sample for sample in samples if isinstance(sample, Frame)]
    # The person's left is the picture's right.
    side = {0.0: "center_right_center", 0.5: "center_focus", 1.0: "center_left_center"}
    plan = [(side[0.5], 0.5, QUIET_S + 0.5)] + [
        (side[x], 0.5 if x == 0.5 else 6.0 + 1.3 * (i % 3), POINT_S)
        for i, (x, _) in enumerate(AROUND)
    ]
    plan += [(side[0.5], 1.0, 1.0), (side[1.0], 5.9, 4.3), (side[0.5], 1.0, 1.0)]
    path = tmp_path_factory.mktemp("film") / "exam.mkv"
    with av.open(str(path), "w") as out:
        height, width = seen["center_focus"][0].image.shape[:2]
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "18"}
        number = 0
        for name, start, seconds in plan:
            frames = [f for f in seen[name] if f.t >= start - 0.01][: round(seconds * 10)]
            assert len(frames) == round(seconds * 10)
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(np.array(frame.image), "bgr24")
                picture.pts, number = number, number + 1
                out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return path


def journal(case: Path, kind: str) -> list[dict[str, Any]]:
    lines = (case / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [r["data"] for r in map(json.loads, lines) if r["type"] == kind]


def test_the_steps_of_a_running_exam_teach_its_detectors_and_a_crash_unteaches_them(
    film, model, tmp_path, monkeypatch
):
    model("face_landmarker")
    model("yunet")
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    (tmp_path / "policy.toml").write_text(POLICY)
    plan = make_plan(str(tmp_path / "policy.toml"))
    case = tmp_path / "case"
    said: list[str] = []
    outcomes: list[Any] = []
    session = Session(
        plan, accept_all(plan.policy), case, recipients=choose_recipients(plan, []),
        on_notice=said.append,
    )  # fmt: skip
    calibration = Calibration(session, quiet_s=QUIET_S, point_s=POINT_S)
    assert calibration.senses == ("gaze", "light")
    with pytest.raises(InputError, match="No live exam"):
        next(calibration.steps())

    def walk() -> None:
        waiting = threading.Event()
        while session.recorder.frames == 0:
            waiting.wait(0.02)
        points = []
        for step in calibration.steps():
            assert 1 <= step.number <= step.count == 9
            assert step.say.endswith((".", "seconds."))
            points.append(step.point)
            waiting.wait(step.seconds)
        outcomes.extend(calibration.outcomes())
        assert points == [(0.5, 0.5), *AROUND]

    thread = threading.Thread(target=walk)
    thread.start()
    source = RealTimeReplay(
        Recording.open(film), session.clock, camera=session.sensor("camera"), microphone=None
    )
    session.live([source], until=lambda t: False)
    thread.join(WAIT_S)
    session.close()
    assert [(o.what, o.done) for o in outcomes] == [("gaze", True), ("light", True)]
    assert outcomes[0].sentence == "Where your screen is has been learned."
    assert {o.sentence for o in outcomes} <= set(said)
    # Eyes as far aside as in the calibration, for 4.3 s: that is the screen's edge.
    assert journal(case, "flag") == []
    kinds = [m["kind"] for m in journal(case, "marker")]
    assert kinds.count("calibration.point") == 9
    assert kinds.count("calibration.done") == 2
    records = [json.loads(line) for line in (case / "journal.jsonl").read_text().splitlines()]
    assert sorted(forgotten(records)) == ["gaze", "light"]
    told = [m["data"] for m in journal(case, "marker") if m["kind"] == "calibration.done"]
    plain = (str, bool, int, float)
    assert all(isinstance(value, plain) for data in told for value in data.values())


def test_steps_that_are_skipped_end_what_they_began():
    class Running:
        """Stands for a live session: keeps what it is told."""

        def __init__(self) -> None:
            self.calibrated: dict[str, Any] = {}
            self.told: list[tuple[str, str]] = []
            self.plan = make_plan("standard", require_all=False)

        def mark(self, kind: str, data: dict[str, Any]) -> None:
            self.told.append((kind, str(data.get("what", ""))))

    session = Running()
    calibration = Calibration(session, lead_s=1.2)  # type: ignore[arg-type]
    assert calibration.seconds <= 30.0
    steps = calibration.steps()
    first = next(steps)
    assert first.say.startswith("Look at the middle of the screen, sit as you will")
    next(steps)
    steps.close()
    begun = {what for kind, what in session.told if kind == "calibration.begin"}
    ended = [what for kind, what in session.told if kind == "calibration.end"]
    assert begun == set(ended) == set(calibration.senses)
    assert len(ended) == len(begun)
    outcomes = calibration.outcomes(patience_s=0.0)
    assert all(not o.done and "its device is off" in o.sentence for o in outcomes)


# --- in the terminal ---------------------------------------------------------------------------

QUIET_ROOM = """
version = 1
id = "quiet"
institution = "Test institution"
exam = "Exam that listens"
contact = "exams@example.org"
stakes = "practice"
[purposes.microphone]
alternative = "You sit the exam in a room with a person."
[detectors.speech]
[rules."speech.voice"]
"""


def start(policy: str, folder: Path, said: list[str]) -> Session:
    (folder / "policy.toml").write_text(policy)
    plan = make_plan(str(folder / "policy.toml"))
    return Session(
        plan, accept_all(plan.policy), folder / "case",
        recipients=choose_recipients(plan, []), on_notice=said.append,
    )  # fmt: skip


class Crash(Exception):
    """The program ends in the middle of an exam."""


def test_the_terminal_says_what_to_do_and_after_a_crash_that_it_must_be_done_again(
    media, model, tmp_path, monkeypatch
):
    model("silero_vad")
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    said: list[str] = []
    with start(QUIET_ROOM, tmp_path, said) as session:
        recording = Recording.open(media / "audio" / "composite" / "exam_quiet_no_voice.flac")
        source = RealTimeReplay(
            recording, session.clock, camera=None, microphone=session.sensor("microphone")
        )

        def crash(t: float) -> bool:
            if session.calibrated or t > WAIT_S:
                raise Crash
            return False

        with walking(session, True, said.append), pytest.raises(Crash):
            session.live([source], until=crash)
    assert said[0] == "Calibration, 5 s:"
    assert said[1].strip() == "1 of 1: Sit as you will in the exam, and be quiet for 5 seconds."
    assert said[2] == "The sound of your room has been learned."
    again: list[str] = []
    with Session.reopen(session.plan, tmp_path / "case", on_notice=again.append) as resumed:
        resumed.live([], until=lambda t: True)
    assert len(again) == 1
    assert "went with the program's restart" in again[0]
    assert journal(tmp_path / "case", "marker")[-1]["data"]["done"] is False


def test_without_a_picture_nothing_is_calibrated_and_it_is_said(model, tmp_path, monkeypatch):
    model("face_landmarker")
    model("yunet")
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("proctor.cli.calibrate.FIRST_PICTURE_S", 0.3)
    said: list[str] = []
    told = "No picture comes from the camera, so nothing is calibrated; wider limits hold."
    with start(POLICY, tmp_path, said) as session, walking(session, True, said.append):
        session.live([], until=lambda t: told in said or t > WAIT_S)
    # On a very busy machine it is also said that the program was held up.
    assert told in said
    assert not any(sentence.startswith("Calibration") for sentence in said)
