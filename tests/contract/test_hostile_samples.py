"""Hostile and odd samples for every built-in detector, and hostile plug-ins beside them."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from models import registry
from policies import load
from proctor.pipeline.detector import Context, Kind, Plugin, Settings
from proctor.pipeline.flatout import FlatOut
from proctor.pipeline.plugins import discover
from proctor.pipeline.rules import RuleBook
from proctor.pipeline.runner import MAX_FAILURES, Station, lanes
from proctor.types import AudioChunk, Frame, Image, Observation

RATE = 16_000
SEEING = ("camera", "faces", "gaze", "lighting", "objects")
HEARING = ("speaker", "speech", "wake")


def test_these_are_all_the_built_in_detectors_that_need_no_consent_of_their_own() -> None:
    """A new built-in detector must be put to these samples, too."""
    found = {name: plugin for name, plugin in discover().items()
             if plugin.create.__module__.startswith("detectors.")}  # fmt: skip
    assert {name for name, plugin in found.items() if plugin.takes == "audio"} == set(HEARING)
    assert {name for name, plugin in found.items() if plugin.takes == "frame"} - {
        "identity"
    } == set(SEEING)


@pytest.fixture(scope="module")
def station(model: Callable[[str], Path]) -> Callable[[str], Station]:
    """A running built-in detector by name. Those of one test module share their networks."""
    paths: dict[str, Path] = {}

    def start(name: str, context: Context | None = None) -> Station:
        plugin = discover()[name]
        paths.update({needed: model(needed) for needed in plugin.models})
        for extra in plugin.optional_models:
            if (found := registry.find(extra)) is not None:
                paths[extra] = found
        return Station(plugin, plugin.create(plugin.Settings(), context or Context(paths)))

    return start


@cache
def pictures(path: Path, count: int, step: int) -> tuple[Image, ...]:
    found: list[Image] = []
    with av.open(str(path)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            if number % step == 0:
                found.append(frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False))
            if len(found) == count:
                break
    return tuple(found)


def person(media: Path) -> tuple[Image, ...]:
    """Somebody before a plain wall, looking at the camera."""
    return pictures(media / "video/talking_grid/lwbsza.mpg", 4, 8)


def look(station: Station, images: Sequence[Any], t: float = 0.0) -> list[Observation]:
    """What is said of ``images`` in the detector's own rhythm; each answer checked."""
    step = max(station.plugin.period, 0.1)
    said = []
    for seq, image in enumerate(images):
        answers = station.look(Frame(t + seq * step, seq, image))
        assert not station.lost
        for answer in answers:
            assert answer.score is None or 0.0 <= answer.score <= 1.0
            assert answer.score is not None or answer.reason
        said += answers
    return said


# Capture promises height × width × 3 bytes. In bytes NaN does not exist; a picture of floating-point
# numbers, where it does, is another format, as grey and RGBA are.
FOREIGN: dict[str, Callable[[Image], Any]] = {
    "NaN": lambda image: np.full(image.shape, np.nan, np.float32),
    "floating point": lambda image: (image / 255.0).astype(np.float32),
    "grey": lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY),
    "one colour": lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None],
    "RGBA": lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2BGRA),
    "sixteen bits": lambda image: image.astype(np.uint16) * 257,
    "nothing": lambda image: image[:0, :0],
}


@pytest.mark.parametrize("name", SEEING)
def test_a_picture_in_another_format_is_unknown_and_the_next_one_is_seen(
    name: str, media: Path, station: Callable[[str], Station]
) -> None:
    plain = person(media)
    fresh = look(station(name), plain)
    running = station(name)
    for change in FOREIGN.values():
        said = look(running, [change(image) for image in plain])
        assert {a.kind for a in said} == {kind.name for kind in running.plugin.kinds}
        assert {a.score for a in said} == {None}
        assert all("the picture is" in a.reason for a in said)
    # Nothing of it was shown to the detector, so it is as if nothing had been.
    assert [(a.kind, a.score, a.reason) for a in look(running, plain)] == [
        (a.kind, a.score, a.reason) for a in fresh
    ]


@pytest.mark.parametrize("name", SEEING)
def test_one_pixel_and_black_are_unknown_and_8k_is_as_its_small_copy(
    name: str, media: Path, station: Callable[[str], Station]
) -> None:
    plain = person(media)
    for image in (np.full((1, 1, 3), 90, np.uint8), np.zeros((480, 640, 3), np.uint8)):
        said = look(station(name), [image] * 4)
        # Of a black picture one thing can be told: that the camera sees nothing.
        assert {a.score for a in said if a.kind != "camera.covered"} == {None}
    large = cv2.resize(plain[0], (7680, 6144), interpolation=cv2.INTER_LINEAR)
    small, big = look(station(name), [plain[0]] * 2), look(station(name), [large] * 2)
    assert [(a.kind, a.score is None) for a in big] == [(a.kind, a.score is None) for a in small]
    seen = [(a.score or 0.0, b.score or 0.0) for a, b in zip(small, big, strict=True)]
    assert all(abs(a - b) < 0.25 for a, b in seen)


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_camera_that_hangs_askew_makes_no_flag_of_a_person_who_sits_there(
    name: str, quarters: int, media: Path, station: Callable[[str], Station]
) -> None:
    running = station(name)
    turned = [np.ascontiguousarray(np.rot90(image, quarters)) for image in person(media)]
    rules = load.read("standard")[0].rules
    said = look(running, turned * 3)
    seen = {a.kind for a in said
            if a.score is not None and a.kind in rules and a.score >= rules[a.kind].on}  # fmt: skip
    assert seen == set()


@pytest.mark.parametrize("name", SEEING)
def test_two_pictures_a_second_are_enough_and_no_flag_by_themselves(
    name: str, media: Path, station: Callable[[str], Station]
) -> None:
    running = station(name)
    film = pictures(media / "video/portrait/d18.mp4", 16, 12)
    book = RuleBook(running.plugin.kinds, load.read("standard")[0].rules)
    book.begin(0.0)
    said = []
    for seq, image in enumerate([*film, *film[::-1]]):
        said += running.look(Frame(seq * 0.5, seq, image))
    flags = [e.flag for answer in said for e in book.feed(answer)]
    assert flags == []
    known = [a for a in said if a.score is not None]
    assert len(known) >= len(said) / 3


# Sound.


def room(seconds: float) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 12, int(seconds * RATE)).astype(np.int16)


def spoken(media: Path) -> np.ndarray:
    path = min((media / "audio/speech/librispeech").glob("1998-*.flac"))
    with av.open(str(path)) as file:
        sound = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
    return np.concatenate([room(4.0), sound, room(2.0)])


def hear(
    station: Station, sound: np.ndarray, rate: int = RATE, block: int = 1600
) -> list[Observation]:
    said = []
    for seq, at in enumerate(range(0, len(sound), block)):
        said += station.look(AudioChunk(at / rate, seq, sound[at : at + block], rate))
        assert not station.lost
        assert station.failures == 0
    return said


def odd_sounds(media: Path) -> Iterator[tuple[str, np.ndarray, int, int]]:
    talk = spoken(media)
    yield "silence", np.zeros(8 * RATE, np.int16), RATE, 1600
    yield "full scale", np.tile(np.array([32767, -32768], np.int16), 2 * RATE), RATE, 1600
    clipped = np.clip(talk * 60.0, -32768, 32767).astype(np.int16)
    yield "overdriven talk", clipped, RATE, 1600
    yield "another rate", talk, 44_100, 4410
    yield "stereo", np.stack([talk, talk], axis=1), RATE, 1600
    yield "floating point with NaN", np.full(2 * RATE, np.nan, np.float32), RATE, 1600
    yield "a minute in one piece", np.tile(room(6.0), 10), RATE, 60 * RATE


@pytest.mark.parametrize("name", HEARING)
def test_sound_that_cannot_be_judged_is_unknown_and_the_next_is_heard(
    name: str, media: Path, station: Callable[[str], Station]
) -> None:
    running = station(name)
    for what, sound, rate, block in odd_sounds(media):
        running.detector.reset()
        said = hear(running, sound, rate, block)
        assert said, what
        # The first seconds of silence may be a quiet room; from then on it is a dead microphone.
        late = [a for a in said if a.t > said[0].t + 3.0] or said
        unknown = sum(a.score is None for a in late) / len(late)
        assert all(a.reason for a in said if a.score is None)
        if what == "overdriven talk":
            # It has quiet pauses, in which nobody speaks, and its first sounds are still a voice.
            assert unknown >= 0.2
        else:
            assert unknown == 1.0, what
            assert not any(a.score for a in said), what
    running.detector.reset()
    assert any(a.score is not None for a in hear(running, room(4.0)))


@pytest.mark.parametrize("offset", [-9000, 9000])
@pytest.mark.parametrize("name", HEARING)
def test_a_constant_offset_changes_nothing_that_is_said(
    name: str, offset: int, media: Path, station: Callable[[str], Station]
) -> None:
    sound = spoken(media).astype(np.int32)
    sound = sound[: 9 * RATE] // 2
    plain, moved = (
        hear(station(name), np.clip(s, -32768, 32767).astype(np.int16))
        for s in (sound, sound + offset)
    )
    known = [(a.score, b.score) for a, b in zip(plain, moved, strict=True)
             if a.score is not None and b.score is not None]  # fmt: skip
    assert len(known) >= len(plain) / 2
    # A voice detector sees the offset's low end: single windows may differ, the verdict may not.
    assert np.mean([(a >= 0.5) == (b >= 0.5) for a, b in known]) >= 0.9


@pytest.mark.parametrize("name", HEARING)
def test_crumbs_of_sound_and_time_that_jumps_are_taken(
    name: str, station: Callable[[str], Station]
) -> None:
    running = station(name)
    for seq, (t, length) in enumerate([(0.0, 0), (0.0, 1), (0.1, 511), (5.0, 1600), (1.0, 1600)]):
        running.look(AudioChunk(t, seq, room(1.0)[:length], RATE, gap=float(seq == 3)))
        assert running.failures == 0


# Plug-ins that mean harm, in the same lane as detectors that do not.


def hostile(act: Callable[[Frame], Any]) -> Station:
    class Detector:
        def update(self, sample: Frame) -> Any:
            return act(sample)

        def reset(self) -> None:
            """Nothing is kept."""

        def close(self) -> None:
            """Nothing is held."""

    plugin = Plugin(
        "hostile", "frame", 0.1, (Kind("test.hostile", "x", "{seconds}"),), ("face_landmarker",),
        Settings, lambda settings, context: Detector(),
    )  # fmt: skip
    return Station(plugin, Detector())


def run(stations: Sequence[Station], film: Sequence[Image]) -> list[Observation]:
    seen: list[Observation] = []
    driver = FlatOut(
        lanes(stations),
        on_media=lambda sample: None,
        on_observations=lambda until, said: seen.extend(said),
        on_marker=lambda marker: None,
        on_lost=lambda t, station: None,
        hang_s=2.0,
    )
    driver.run(Frame(seq * 0.1, seq, image) for seq, image in enumerate(film))
    return seen


def _raise(frame: Frame) -> Any:
    raise RuntimeError("on purpose")


def _say(score: float, times: int = 1) -> Callable[[Frame], Any]:
    return lambda frame: [Observation(frame.t, "test.hostile", score, "hostile")] * times


NAMES = ("faces", "gaze", "lighting", "camera")


def test_hostile_plugins_are_contained_and_the_others_say_what_they_always_say(
    media: Path, station: Callable[[str], Station]
) -> None:
    film = pictures(media / "video/talking_grid/lwbsza.mpg", 12, 2)
    alone = run([station(name) for name in NAMES], film)
    acts = {"raises": _raise, "above one": _say(1.01), "below none": _say(-0.5),
            "NaN": _say(float("nan")), "floods": _say(0.9, 100_000)}  # fmt: skip
    for what, act in acts.items():
        bad = hostile(act)
        beside = run([bad, *(station(name) for name in NAMES)], film)
        harmed = [a for a in beside if a.kind == "test.hostile"]
        assert len(harmed) == MAX_FAILURES, what
        assert {a.score for a in harmed} == {None}, what
        assert bad.lost.startswith("switched off"), what
        assert _sorted(a for a in beside if a.kind != "test.hostile") == _sorted(alone), what


def test_a_plugin_that_hangs_costs_its_own_lane_a_moment_and_the_others_nothing(
    media: Path, station: Callable[[str], Station]
) -> None:
    film = pictures(media / "video/talking_grid/lwbsza.mpg", 36, 2)
    stuck = threading.Event()

    def hang(frame: Frame) -> Any:
        if frame.t > 0.5:
            stuck.wait(60)
        return _say(0.0)(frame)

    try:
        bad = hostile(hang)
        alone = run([station(name) for name in NAMES], film)
        beside = run([bad, *(station(name) for name in NAMES)], film)
    finally:
        stuck.set()
    assert bad.lost.startswith("switched off")
    last = [a for a in beside if a.kind == "test.hostile"][-1]
    assert last.score is None
    for name in ("lighting", "camera"):
        assert _sorted(a for a in beside if a.source == name) == _sorted(
            a for a in alone if a.source == name
        )
    # Samples that waited behind it are not looked at; that is silence, which counts as not measured.
    times = sorted({a.t for a in beside if a.source == "faces"})
    assert max(b - a for a, b in pairwise(times)) <= 2.0
    assert times[-1] == max(a.t for a in alone if a.source == "faces")


def _sorted(said: Iterable[Observation]) -> list[tuple[float, str, str]]:
    return sorted((a.t, a.kind, f"{a.score} {a.reason}") for a in said)


@pytest.mark.parametrize("word", ["emotion", "attention"])
def test_an_installed_plugin_that_claims_to_read_minds_is_refused_at_load(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"mind_{word}.py").write_text(
        textwrap.dedent(
            f"""
            from proctor.pipeline.detector import Kind, Plugin, Settings
            made = []
            PLUGIN = Plugin("mind_{word}", "frame", 1.0, (Kind("face.{word}", "Face", "{{seconds}}"),),
                            (), Settings, lambda settings, context: made.append(context))
            """
        )
    )
    told = tmp_path / f"mind_{word}-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mind-{word}\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(
        f"[proctor.detectors]\nmind_{word} = mind_{word}:PLUGIN\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = discover()
    assert f"mind_{word}" not in found
    assert f"'{word}'" in found.broken[f"mind_{word}"]
    assert set(found) >= {*SEEING, *HEARING}
