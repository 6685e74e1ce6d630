"""Whether it is still the same person: on real clips, with consent given (the session checks that)."""

from __future__ import annotations

import gc
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from benchmarks.face_changes import CHANGES
from benchmarks.identity import looped, rule
from detectors import identity
from detectors._likeness import PLACES, SIDE, cut_out
from detectors._nets import FaceMesh
from policies.load import parse
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import FlagEvent, RuleBook
from proctor.pipeline.runner import Station
from proctor.types import Frame, Image, Observation

DOCS = Path(__file__).resolve().parents[2] / "docs" / "detectors" / "identity.md"
MAN, GLASSES_MAN = "gaze/center_focus.mp4", "portrait/d9.mp4"
SPEAKER, OTHER_SPEAKER = "talking_grid/lwbsza.mpg", "talking_grid/bbaf2n.mpg"


@pytest.fixture(scope="module")
def nets(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in identity.PLUGIN.models}


@pytest.fixture
def detector(nets: dict[str, Path]) -> Iterator[identity.Identity]:
    made = identity.Identity(identity.Settings(), Context(nets))
    yield made
    made.close()


@pytest.fixture(scope="module")
def head() -> Image:
    """Head and shoulders of Eileen Collins (NASA), 300×300 BGR."""
    return np.ascontiguousarray(data.astronaut()[:300, 80:380, ::-1])


def clip(media: Path, name: str, start: float, end: float) -> list[Frame]:
    return list(looped(media / "video" / name, start, end))


def watch(
    detector: identity.Identity, samples: Iterable[Frame]
) -> tuple[list[FlagEvent], list[Observation]]:
    """The detector once a second and the documented rule; what opened or closed, and what was said."""
    station = Station(identity.PLUGIN, detector)
    book = RuleBook(identity.PLUGIN.kinds, {identity.OTHER: rule()})
    events: list[FlagEvent] = []
    said: list[Observation] = []
    for frame in samples:
        if station.due(frame.t):
            answers = station.look(frame)
            said += answers
            events += [event for answer in answers for event in book.feed(answer)]
    return events, said


def changed(frames: list[Frame], change: str, nets: dict[str, Path], since: float) -> list[Frame]:
    mesh = FaceMesh(nets["face_landmarker"]).acquire()
    out = []
    for frame in frames:
        view = mesh.look(frame)
        if frame.t < since or view is None:
            out.append(frame)
        else:
            image = np.ascontiguousarray(CHANGES[change](frame.image, view))
            out.append(replace(frame, image=image))
    mesh.release()
    return out


@pytest.mark.parametrize(
    ("first", "second"),
    [(SPEAKER, OTHER_SPEAKER), (MAN, GLASSES_MAN), ("portrait/s18.mp4", SPEAKER)],
)
def test_a_swap_is_flagged_within_ten_seconds_and_says_how_alike(
    media: Path, detector: identity.Identity, first: str, second: str
) -> None:
    events, _ = watch(detector, [*clip(media, first, 0, 9), *clip(media, second, 9, 19.5)])
    assert [event.what for event in events] == ["opened"]
    assert 9.0 < events[0].t <= 19.0
    flag = events[0].flag
    assert "likeness" in flag.why
    assert "0.56 and more" in flag.why
    assert flag.box is not None


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (MAN, "thin glasses"),
        (SPEAKER, "thick glasses"),
        (GLASSES_MAN, "light x 0.35"),
        (SPEAKER, "light x 0.35"),
        (MAN, "gamma 2.2"),
        (SPEAKER, "tilted 20"),
    ],
)
def test_glasses_dim_light_and_a_tilted_head_are_no_swap(
    media: Path, nets: dict[str, Path], detector: identity.Identity, name: str, change: str
) -> None:
    frames = changed(clip(media, name, 0, 15), change, nets, since=8.0)
    events, said = watch(detector, frames)
    assert events == []
    late = [o.score for o in said if o.t >= 9.0 and o.score is not None]
    assert late, "it was judged, not only unknown"
    assert max(late) < 0.6


def test_a_head_that_turns_is_unknown_and_no_swap(media: Path, detector: identity.Identity) -> None:
    turning = "intel_preview/head-pose-face-detection-female.gif"
    events, said = watch(detector, clip(media, turning, 0, 20))
    assert events == []
    assert any("turned" in o.reason for o in said)


@pytest.mark.parametrize(
    ("change", "reason"),
    [("light x 0.15", "too dark|no face|plainly"), ("blurred 4 px", "blurred|no face|plainly")],
)
def test_what_cannot_be_seen_well_is_unknown(
    media: Path, nets: dict[str, Path], detector: identity.Identity, change: str, reason: str
) -> None:
    frames = clip(media, SPEAKER, 0, 12)
    dark = [
        replace(f, image=np.asarray(f.image // 3, np.uint8)) if change.startswith("light") else f
        for f in frames
    ]
    _, said = watch(detector, changed(dark, change, nets, since=0.0))
    assert {o.score for o in said} == {None}
    assert all(o.reason and o.quality == 0.0 for o in said)
    assert any(word in o.reason for o in said for word in reason.split("|"))


def test_a_small_face_an_empty_picture_and_two_faces_are_unknown(
    detector: identity.Identity, head: Image
) -> None:
    empty = np.full((480, 640, 3), 120, np.uint8)
    small, pair = empty.copy(), empty.copy()
    small[200:300, 300:400] = cv2.resize(head, (100, 100), interpolation=cv2.INTER_AREA)
    pair[100:400, 10:310], pair[100:400, 320:620] = head, head[:, ::-1]
    reasons = []
    for t, picture in enumerate((empty, small, pair, np.zeros((1, 1, 3), np.uint8))):
        (said,) = detector.update(Frame(float(t), t, picture))
        assert said.score is None
        reasons.append(said.reason)
    assert reasons[0] == "no face seen well enough to compare"
    assert "small" in reasons[1] or "no face" in reasons[1]
    assert reasons[2] == "more than one face in view"
    assert reasons[3].startswith("picture too small")


def test_a_portrait_on_the_wall_does_not_stop_the_comparison(
    detector: identity.Identity, head: Image
) -> None:
    room = np.full((480, 640, 3), 120, np.uint8)
    room[10:110, 520:620] = cv2.resize(head[:, ::-1], (100, 100), interpolation=cv2.INTER_AREA)
    said = []
    for t in range(8):
        picture = room.copy()
        picture[150:450, 60 + 3 * t : 360 + 3 * t] = head
        said += detector.update(Frame(float(t), t, picture))
    assert [o.reason for o in said[:5]][-1] == "the face is learned"
    assert said[-1].score == 0.0


def test_two_people_who_take_turns_are_never_learned_as_one(
    media: Path, detector: identity.Identity
) -> None:
    one, two = clip(media, SPEAKER, 0, 8), clip(media, OTHER_SPEAKER, 0, 8)
    mixed = [pair[i // 2 % 2] for i, pair in enumerate(zip(one, two, strict=True))]
    _, said = watch(detector, mixed)
    assert {o.score for o in said} == {None}
    assert any("the looks differ" in o.reason for o in said)


def test_after_a_break_nobody_new_is_learned(media: Path, detector: identity.Identity) -> None:
    _, said = watch(detector, clip(media, SPEAKER, 0, 9))
    assert said[-1].score == 0.0
    detector.reset()
    events, said = watch(detector, clip(media, OTHER_SPEAKER, 900, 909))
    assert not any("learning" in o.reason for o in said)
    assert [event.flag.kind for event in events] == ["face.other"]
    detector.reset()
    events, said = watch(detector, clip(media, SPEAKER, 1800, 1806))
    assert events == []
    assert said[-1].score == 0.0


def test_closing_wipes_every_number_of_the_face(media: Path, nets: dict[str, Path]) -> None:
    detector = identity.Identity(identity.Settings(), Context(nets))
    watch(detector, clip(media, SPEAKER, 0, 9))
    assert detector._template is not None
    kept = [detector._template, *(numbers for _, numbers in detector._recent)]
    assert all(numbers.shape == (256,) and np.any(numbers) for numbers in kept)
    enrolling = identity.Identity(identity.Settings(), Context(nets))
    watch(enrolling, clip(media, SPEAKER, 0, 3))
    kept += list(enrolling._enrolling)
    assert len(kept) >= 5
    detector.close()
    enrolling.close()
    assert not any(np.any(numbers) for numbers in kept)
    del kept
    gc.collect()
    left = [o for o in gc.get_objects() if isinstance(o, np.ndarray) and o.shape == (256,)]
    assert not any(np.any(numbers) for numbers in left)


def test_nothing_of_the_face_is_shared_with_other_detectors(
    media: Path, nets: dict[str, Path]
) -> None:
    context = Context(nets)
    detector = identity.Identity(identity.Settings(), context)
    watch(detector, clip(media, SPEAKER, 0, 9))
    assert list(context._shared) == ["face_mesh"]
    held = vars(context._shared["face_mesh"]).values()
    assert not any(isinstance(v, np.ndarray) and v.shape == (256,) for v in held)
    detector.close()


def test_the_five_points_come_to_their_places(
    media: Path, nets: dict[str, Path], head: Image
) -> None:
    """Eyes, nose and mouth of a face lie at the same places however it is turned and scaled."""
    reference = None
    for angle, size in ((0, 300), (25, 300), (12, 260)):
        picture = np.full((480, 640, 3), 120, np.uint8)
        picture[90 : 90 + size, 170 : 170 + size] = cv2.resize(head, (size, size))
        matrix = cv2.getRotationMatrix2D((320, 240), angle, 1.0)
        turned = np.ascontiguousarray(cv2.warpAffine(picture, matrix, (640, 480)))
        mesh = FaceMesh(nets["face_landmarker"]).acquire()
        view = mesh.look(Frame(0.0, 0, turned))
        mesh.release()
        assert view is not None
        cut = cut_out(turned, view)
        assert cut.image.shape == (SIDE, SIDE, 3)
        grey = cv2.cvtColor(cut.image, cv2.COLOR_BGR2GRAY).astype(float)[30:120, 20:108].ravel()
        reference = grey if reference is None else reference
        assert np.corrcoef(reference, grey)[0, 1] > 0.85
    assert PLACES[0, 0] < PLACES[2, 0] < PLACES[1, 0]


def test_the_policy_in_the_documentation_is_one(tmp_path: Path) -> None:
    """The standard policy with the documented block is a valid policy that asks for identity."""
    standard = (Path(parse.__code__.co_filename).parent / "presets" / "standard.toml").read_bytes()
    block = DOCS.read_text(encoding="utf-8").split("```toml", 1)[1].split("```", 1)[0]
    policy = parse(standard + block.encode(), "of the documentation")
    assert set(tomllib.loads(block)) == {"purposes", "detectors", "rules"}
    assert policy.purposes["identity"].basis == "consent"
    assert "face.other" in policy.rules
