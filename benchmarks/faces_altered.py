"""Faces and gaze on recordings altered on purpose: other light, crops and noise; parts of the face hidden.

    PYTHONPATH=. python benchmarks/faces_altered.py light MEDIA [--only TEXT]
    PYTHONPATH=. python benchmarks/faces_altered.py covered MEDIA [--only TEXT]
    PYTHONPATH=. python benchmarks/faces_altered.py swapped MEDIA [--only TEXT]

``light`` plays honest and labelled clips in 13 versions and prints every flag; ``covered`` draws
masks, hands and bars on bare faces, from 3 s on or from the beginning, and prints which are flagged;
``swapped`` cuts from one person to another and prints what is flagged, which must not be a cover.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.faces import context, frames, run
from detectors._nets import FaceMesh, FaceView
from proctor.types import Image

Change = Callable[[Image], np.ndarray]

LIGHT_CLIPS = (
    "portrait/d9.mp4",
    "portrait/d18.mp4",
    "portrait/s18.mp4",
    "gaze/center_focus.mp4",
    "gaze/center_left_center.mp4",
    "gaze/center_right_center.mp4",
    "talking_grid/bbaf2n.mpg",
    "talking_grid/lbbc2a.mpg",
    "talking_grid/lwbsza.mpg",
    "asl/again.mkv",
    "asl/want.mkv",
    "asl/walk.mkv",
)
COVERED_CLIPS = (
    "talking_grid/bbaf2n.mpg",
    "talking_grid/lwbsza.mpg",
    "gaze/center_focus.mp4",
    "portrait/d9.mp4",
    "portrait/s18.mp4",
)
SWAPPED_CLIPS = (
    "gaze/center_focus.mp4",
    "phone/3761652-sd_640_360_25fps.mp4",
    "portrait/d9.mp4",
    "talking_grid/bbaf2n.mpg",
    "portrait/d0.mp4",
    "talking_grid/lrwp9a.mpg",
    "portrait/s18.mp4",
    "talking_grid/swiz3n.mpg",
    "portrait/d18.mp4",
)
SWAP_AT_S, SWAPPED_S = 5.0, 8.0
# Short clips are played again and again until this many seconds are full.
FULL_S = 12.0
COVER_FROM_S = 3.0
COVER_LENGTH_S = 10.0
NOISE = np.random.default_rng(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("light", "covered", "swapped"))
    parser.add_argument("media", type=Path)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    if chosen.what == "swapped":
        swapped(chosen.media / "video", chosen.only)
        return
    clips = LIGHT_CLIPS if chosen.what == "light" else COVERED_CLIPS
    for clip in clips:
        if chosen.only in clip:
            (light if chosen.what == "light" else covered)(chosen.media / "video" / clip)


def light(path: Path) -> None:
    """Every flag in every version of one clip."""
    bare = list(frames(path, FULL_S))
    for name, change in CHANGES.items():
        raised, seen, _ = run(
            replace(f, image=np.ascontiguousarray(change(f.image)).astype(np.uint8)) for f in bare
        )
        unknown = sum(o.score is None for o in seen) / len(seen)
        text = "; ".join(f"{x.kind} {x.start:.1f}-{x.end:.1f}" for x in raised) or "no flag"
        print(f"{path.parent.name}/{path.name:24s} {name:12s} {unknown:4.0%} unknown  {text}")


def covered(path: Path) -> None:
    """Which covers of one face are flagged, and how sure."""
    bare = [f for f in frames(path, COVER_LENGTH_S) if f.t < COVER_LENGTH_S]
    mesh = FaceMesh(context().models["face_landmarker"]).acquire()
    views = [mesh.look(frame) for frame in bare]
    mesh.release()
    for cover in COVERS:
        for start in (COVER_FROM_S, 0.0):
            raised, seen, _ = run(
                replace(f, image=COVERS[cover](f.image, view)) if view and f.t >= start else f
                for f, view in zip(bare, views, strict=True)
            )
            scores = [
                o.score
                for o in seen
                if o.kind == "face.covered" and o.t > start + 0.3 and o.score is not None
            ]
            flag = next((x for x in raised if x.kind == "face.covered"), None)
            print(
                f"{path.name:24s} {cover:20s} from {start:.0f} s  median {np.median(scores):.2f}  "
                f"{flag.why if flag else 'no flag'}"
            )


def swapped(videos: Path, only: str) -> None:
    """Cuts from each clip to the next and back: false covers, and what was not measured."""
    pairs = list(zip(SWAPPED_CLIPS, (*SWAPPED_CLIPS[1:], SWAPPED_CLIPS[0]), strict=True))
    false = total = 0
    for first, second in [*pairs, *((b, a) for a, b in pairs)]:
        if only not in f"{first} {second}":
            continue
        before = [f for f in frames(videos / first, SWAP_AT_S) if f.t < SWAP_AT_S]
        after = [f for f in frames(videos / second, SWAPPED_S) if f.t < SWAPPED_S]
        raised, seen, _ = run(
            iter([*before, *(replace(f, t=f.t + SWAP_AT_S, seq=f.seq + 1000) for f in after)])
        )
        covers = [x for x in raised if x.kind == "face.covered"]
        late = [o for o in seen if o.kind == "face.covered" and o.t > SWAP_AT_S]
        unknown = sum(o.score is None for o in late) / len(late)
        total += 1
        false += bool(covers)
        text = "; ".join(f"{x.start:.1f}-{x.end:.1f} {x.why}" for x in covers) or "no cover"
        print(f"{first:26s} {second:26s} {unknown:4.0%} unknown  {text}", flush=True)
    print(f"cuts between two people: {false} of {total} flagged as a cover")


def _gain(gain: float, sigma: float) -> Change:
    return lambda im: np.clip(im * gain + NOISE.normal(0, sigma, im.shape), 0, 255)


def _tilt(degrees: float) -> Change:
    def change(im: Image) -> np.ndarray:
        height, width = im.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        return cv2.warpAffine(im, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)

    return change


def _half(im: Image) -> np.ndarray:
    height, width = im.shape[:2]
    small = cv2.resize(im, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    by, bx = height // 4, width // 4
    return cv2.copyMakeBorder(small, by, by, bx, bx, cv2.BORDER_REPLICATE)


def _shift(im: Image) -> np.ndarray:
    height, width = im.shape[:2]
    matrix = np.array([[1.0, 0.0, 0.28 * width], [0.0, 1.0, 0.1 * height]])
    return cv2.warpAffine(im, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _back_light(im: Image) -> np.ndarray:
    height, width = im.shape[:2]
    y, x = np.mgrid[:height, :width]
    face = ((x - width / 2) / (0.3 * width)) ** 2 + ((y - height / 2) / (0.45 * height)) ** 2
    return np.clip(im * (1.6 - 1.25 * np.exp(-face)[..., None]), 0, 255)


def _jpeg(im: Image) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", im, [cv2.IMWRITE_JPEG_QUALITY, 25])[1], 1)


CHANGES: dict[str, Change] = {
    "as it is": lambda im: im,
    "light x 0.4": _gain(0.4, 5),
    "light x 0.2": _gain(0.2, 4),
    "light x 1.5": _gain(1.5, 2),
    "noise 12": _gain(1.0, 12),
    "mirrored": lambda im: im[:, ::-1],
    "tilted 12": _tilt(12),
    "tilted -12": _tilt(-12),
    "half size": _half,
    "shifted": _shift,
    "JPEG 25": _jpeg,
    "blurred": lambda im: cv2.GaussianBlur(im, (0, 0), 2.5),
    "back light": _back_light,
}


def _hull(places: tuple[int, ...], colour: tuple[int, int, int] | None) -> Callable[..., Image]:
    """Paints the hull of some landmarks; without a colour in that of the cheek."""

    def paint(im: Image, view: FaceView) -> Image:
        points = (view.points[:, :2] * (im.shape[1], im.shape[0])).astype(np.int32)
        cheek = np.clip(points[50], 0, (im.shape[1] - 1, im.shape[0] - 1))
        skin = tuple(int(v) for v in im[cheek[1], cheek[0]])
        painted = im.copy()
        cv2.fillConvexPoly(painted, cv2.convexHull(points[list(places)]), colour or skin)
        return painted

    return paint


def _hand(im: Image, view: FaceView) -> Image:
    """A skin-coloured fist with finger lines over mouth and nose."""
    points = view.points[:, :2] * (im.shape[1], im.shape[0])
    cheek = np.clip(points[50], 0, (im.shape[1] - 1, im.shape[0] - 1)).astype(int)
    skin = [int(v) for v in im[cheek[1], cheek[0]]]
    centre, width = 0.4 * points[4] + 0.6 * points[14], view.width_px
    painted = im.copy()
    size = (0.75 * width, 0.5 * width)
    cv2.ellipse(painted, (tuple(map(float, centre)), size, 10.0), skin, -1)
    for offset in (-0.18, -0.06, 0.06, 0.18):
        left = np.add(centre, (-0.35 * width, offset * width)).astype(int).tolist()
        right = np.add(centre, (0.35 * width, offset * width)).astype(int).tolist()
        cv2.line(painted, left, right, [int(0.75 * v) for v in skin], max(1, int(0.02 * width)))
    return painted


MASK = (6, 132, 361, 172, 397, 152)
COVERS: dict[str, Callable[..., Image]] = {
    "blue mask": _hull(MASK, (200, 170, 120)),
    "black mask": _hull(MASK, (25, 25, 25)),
    "skin-coloured mask": _hull(MASK, None),
    "hand": _hand,
    "bar over the eyes": _hull((70, 300, 117, 346, 127, 356), (20, 20, 20)),
    "left half": _hull((10, 4, 152, 234, 127, 172, 21), (90, 90, 90)),
    "chin only": _hull((18, 176, 400, 152, 148, 377), None),
}


if __name__ == "__main__":
    main()
