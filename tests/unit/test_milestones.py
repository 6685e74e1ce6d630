"""Milestones: from a sidecar file or a live session, in order of time, to detectors and journal."""

from __future__ import annotations

import json
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.consent import Grant
from proctor.capture import milestones
from proctor.capture.milestones import checked
from proctor.capture.replay import Recording
from proctor.clock import SessionClock
from proctor.errors import InputError
from proctor.pipeline import contract
from proctor.pipeline.detector import CALIBRATED, Kind, Plugin, Said, Settings
from proctor.pipeline.flatout import FlatOut
from proctor.pipeline.live import Live
from proctor.pipeline.runner import MAX_FAILURES, Station, lanes
from proctor.types import AudioChunk, Frame, Marker, Observation

IMAGE = np.zeros((48, 64, 3), np.uint8)
SOUND = np.zeros(1600, np.int16)


class Listener:
    """Notes everything it is given, and answers markers as told."""

    def __init__(self, kind: str, answer=None) -> None:
        self.kind = kind
        self.given: list[float | str] = []
        self._answer = answer or (lambda m: [Observation(m.t, kind, 1.0, "ear")])

    def update(self, sample: Frame | AudioChunk) -> list[Observation]:
        self.given.append(sample.t)
        return [Observation(sample.t, self.kind, 0.0, "ear")]

    def mark(self, marker: Marker) -> list[Said]:
        self.given.append(marker.kind)
        return self._answer(marker)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def station(takes="frame", period=0.1, answer=None) -> Station:
    kind = f"test.{takes}"
    plugin = Plugin(
        takes, takes, period, (Kind(kind, "x", "{seconds}"),), (), Settings, lambda s, c: None
    )
    return Station(plugin, Listener(kind, answer))


def flat_out(stations, items):
    seen, told = [], []
    FlatOut(
        lanes(stations),
        on_media=lambda s: None,
        on_observations=lambda t, found: seen.extend(found),
        on_marker=told.append,
        on_lost=lambda t, s: None,
    ).run(iter(items))
    return seen, told


def feed(*marks: Marker) -> list:
    """Two seconds of frames and sound with the marks between them."""
    items = [
        *marks,
        *(Frame(i / 10, i, IMAGE) for i in range(20)),
        *(AudioChunk(i / 10, i, SOUND, 16000) for i in range(20)),
    ]
    return sorted(items, key=lambda item: item.t)


def test_every_lane_hears_of_a_milestone_between_the_samples_around_it():
    eye, ear = station(), station("audio", 0.0)
    mark = Marker(0.75, "question.shown", {"id": "a"})
    seen, told = flat_out([eye, ear], feed(mark))
    for hearer in (eye, ear):
        given = hearer.detector.given
        at = given.index("question.shown")
        assert (given[at - 1], given[at + 1]) == (pytest.approx(0.7), pytest.approx(0.8))
    assert told == [mark]
    # What was answered stands in order of time among the rest.
    of_eye = [o for o in seen if o.kind == "test.frame"]
    assert [o.t for o in of_eye] == sorted(o.t for o in of_eye)
    assert [o.t for o in of_eye if o.score == 1.0] == [0.75]


def test_a_detector_that_hears_none_and_one_without_leave_are_passed_by():
    class Deaf(Listener):
        mark = None

    deaf, forbidden = station(), station()
    deaf.detector = Deaf("test.frame")
    assert deaf.mark(Marker(0.0, "question.shown")) == []
    (lane,) = lanes([forbidden])
    lane.allowed = lambda: False
    assert lane.mark(Marker(0.0, "question.shown")) == []
    assert forbidden.detector.given == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda m: 1 / 0, "ZeroDivisionError"),
        (lambda m: [Observation(m.t, "test.frame", 7.0, "ear")], "score 7.0"),
        (lambda m: [Observation(m.t - 20, "test.frame", 0.5, "ear")], "time"),
        (lambda m: [Marker(m.t, "break.start")], "break.start"),
        (lambda m: [Marker(m.t, CALIBRATED, {"points": [1, 2, 3]})], CALIBRATED),
        (lambda m: [Marker(m.t, CALIBRATED, {"why": "x" * 500})], CALIBRATED),
        (lambda m: [Marker(m.t, CALIBRATED, {f"n{i}": i for i in range(99)})], CALIBRATED),
        (lambda m: [Marker(float("nan"), CALIBRATED)], CALIBRATED),
    ],
)
def test_a_nonsense_answer_to_a_milestone_becomes_unknown(answer, words):
    eye = station(answer=answer)
    marks = [Marker(i / 10, "question.shown") for i in range(MAX_FAILURES)]
    for mark in marks:
        (unknown,) = eye.mark(mark)
        assert isinstance(unknown, Observation)
        assert unknown.score is None
        assert words in unknown.reason
    assert "switched off" in eye.lost
    assert eye.mark(marks[0]) == []


def test_how_a_calibration_went_comes_back_as_a_marker():
    result = Marker(1.0, CALIBRATED, {"what": "gaze", "done": True, "degrees": 12.5})
    eye = station(answer=lambda m: [result])
    seen, told = flat_out([eye], feed(Marker(1.0, "calibration.end", {"what": "gaze"})))
    assert told[1] is result
    assert all(o.score == 0.0 for o in seen)


def test_a_live_milestone_comes_after_the_frame_before_it_even_when_no_frame_follows():
    eye, ear = station(), station("audio", 0.0)
    clock = SessionClock()
    live = Live(lanes([eye, ear]), clock)
    told: list[Marker] = []
    seen: list[Observation] = []

    def source() -> None:
        for i in range(5):
            live.frame(Frame(clock.now(), i, IMAGE))
            live.audio(AudioChunk(clock.now(), i, SOUND, 16000))
            time.sleep(0.1)
        live.event(Marker(clock.now(), "answer.submitted", {"id": "a"}))

    live.start()
    thread = threading.Thread(target=source)
    thread.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and sum(o.score == 1.0 for o in seen) < 2:
        live.pump(
            on_media=lambda s: None,
            on_observations=lambda t, found: seen.extend(found),
            on_marker=told.append,
            timeout=0.05,
        )
    thread.join()
    live.stop()
    assert [m.kind for m in told] == ["answer.submitted"]
    for hearer in (eye, ear):
        assert hearer.detector.given[-1] == "answer.submitted"
        assert len(hearer.detector.given) > 1


def test_the_contract_speaks_of_milestones_too():
    class Painter(Listener):
        def mark(self, marker: Marker) -> list[Said]:
            if marker.data.get("what") == "gaze":
                return [Marker(marker.t, "gaze.mood")]
            return [Observation(marker.t, "test.frame", None, "ear")]

    plugin = Plugin(
        "ear", "frame", 0.1, (Kind("test.frame", "x", "{seconds}"),), (), Settings,
        lambda settings, context: Painter("test.frame"),
    )  # fmt: skip
    text = " | ".join(contract.check(plugin, {}))
    assert "markers after noise: the detector failed (answered a marker with the marker" in text
    assert "unknown without a reason" in text


# --- a recording's sidecar ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two grey seconds at ten frames a second, without sound."""
    path = tmp_path_factory.mktemp("film") / "exam.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 90, np.uint8), "bgr24")
            frame.pts, frame.time_base = i, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write(film: Path, *lines: object) -> None:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    milestones.sidecar(film).write_text(text, encoding="utf-8")


def shown(t: float, name: str = "q1") -> dict[str, object]:
    return {"t": t, "kind": "question.shown", "data": {"id": name}}


def test_a_recording_plays_the_milestones_beside_it(film):
    write(film, shown(0.55), "", {"t": 1.5, "kind": "answer.submitted", "data": {"id": "q1"}})
    played = list(Recording.open(film).samples(camera=Grant("camera", "t"), microphone=None))
    kinds = [item.kind if isinstance(item, Marker) else round(item.t, 1) for item in played]
    assert kinds[5:8] == [0.5, "question.shown", 0.6]
    assert kinds.index("answer.submitted") == kinds.index(1.5) - 1
    assert sum(isinstance(item, Frame) for item in played) == 20


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["{"], "line 1: this is not a JSON object"),
        (["[1]"], "not a JSON object"),
        ([shown(0.5), shown(0.4)], "line 2: t is smaller"),
        ([shown(60.0)], "after the recording's end"),
        ([shown(-1.0)], "t must be a number"),
        (['{"t": NaN, "kind": "question.shown", "data": {"id": "a"}}'], "t must be a number"),
        (['{"t": 1' + "0" * 500 + ', "kind": "question.shown", "data": {"id": "a"}}'], "t must be"),
        ([shown(0.5) | {"kind": "break.start"}], "the kind must be one of"),
        ([shown(0.5) | {"kind": ["x"]}], "the kind must be one of"),
        ([shown(0.5) | {"who": "me"}], "the fields must be exactly t, kind, data"),
        ([shown(0.5, "q 1")], "data.id must be"),
        ([shown(0.5, "q" * 65)], "data.id must be"),
        ([shown(0.5) | {"data": ["id"]}], "data must be an object"),
        ([" " * 1200 + json.dumps(shown(0.5))], "longer than 1000 bytes"),
        (["\n" * 10_001], "more than 10000 lines"),
        (["[" * 900], "not a JSON object"),
        ([{"t": 1, "kind": "calibration.begin", "data": {"what": "pulse"}}], "data.what must be"),
        (
            [{"t": 1, "kind": "calibration.point", "data": {"x": 3, "y": 0, "seconds": 2}}],
            "x must be a number from -0.25 to 1.25",
        ),
    ],
)
def test_a_bad_sidecar_is_one_sentence_with_its_line(film, lines, words):
    write(film, *lines)
    with pytest.raises(InputError) as error:
        Recording.open(film)
    assert words in str(error.value)
    assert str(error.value).count("\n") == 0
    assert "exam.markers.jsonl" in str(error.value)


def test_a_sidecar_that_is_no_text_or_no_file(film):
    milestones.sidecar(film).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="line 1"):
        Recording.open(film)
    milestones.sidecar(film).write_bytes(b"x" * 1_000_001)
    with pytest.raises(InputError, match="larger than a megabyte"):
        Recording.open(film)
    milestones.sidecar(film).unlink()
    milestones.sidecar(film).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        Recording.open(film)
    milestones.sidecar(film).rmdir()
    assert Recording.open(film).markers == ()


def test_what_comes_from_outside_is_copied_field_by_field():
    data = {"id": "q1"}
    assert checked("question.shown", data) == data
    assert checked("question.shown", data) is not data
    point = {"x": 0, "y": 1.1, "seconds": 2}
    assert checked("calibration.point", point) == {"x": 0.0, "y": 1.1, "seconds": 2.0}
    with pytest.raises(InputError):
        checked("calibration.point", point | {"x": True})


def _lines(values: list[object]) -> bytes:
    return "\n".join(json.dumps(value) for value in values).encode("utf-8", "replace")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "what", "x", "y", "seconds"), JSON)
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(milestones.KINDS) | JSON, FIELDS | JSON)
def test_whatever_comes_from_outside_is_refused_in_words_or_small(kind, data):
    try:
        said = json.dumps(checked(kind, data))
    except InputError as error:
        said = str(error)
    assert 0 < len(said) < 200


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.lists(JSON, max_size=3).map(_lines))
def test_any_sidecar_is_read_or_refused_with_its_line(tmp_path_factory, data):
    film = tmp_path_factory.getbasetemp() / "any.mp4"
    milestones.sidecar(film).write_bytes(data)
    found, refused = (), ", line 1"
    try:
        found = milestones.read(film, 60.0)
    except InputError as error:
        refused = str(error)
    assert ", line " in refused
    assert list(found) == sorted(found, key=lambda marker: marker.t)
