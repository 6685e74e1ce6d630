"""Every skin tone, age and gender alike: real heads, and group photographs, in three lights."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import beta

from benchmarks.faces import LIGHTS
from detectors._nets import FaceFinder, FaceMesh, lift
from detectors.faces import FACE_SCORE
from proctor.types import Frame, Image

# Fewer heads than this say nothing about a group.
LEAST = 10


def interval(found: int, n: int) -> tuple[float, float]:
    """95 % Clopper-Pearson."""
    low = 0.0 if found == 0 else float(beta.ppf(0.025, found, n - found + 1))
    high = 1.0 if found == n else float(beta.ppf(0.975, found + 1, n - found))
    return low, high


def is_found(finder: FaceFinder, mesh: FaceMesh, image: Image, number: int) -> bool:
    """Whether the detector would say that a face is there: either network, shadows lifted or not."""
    if any(face.score >= FACE_SCORE for face in finder.find(image)):
        return True
    if any(face.score >= FACE_SCORE for face in finder.find(lift(image))):
        return True
    mesh.reset()
    return mesh.look(Frame(float(number), number, image)) is not None


@pytest.mark.parametrize("light", ["normal light", "light x 0.15", "back light"])
def test_no_group_of_heads_is_found_less_often_than_another(
    media: Path, model: Callable[[str], Path], light: str
) -> None:
    folder = media / "images" / "faces_fairface"
    finder = FaceFinder(model("yunet"))
    mesh = FaceMesh(model("face_landmarker")).acquire()
    groups: dict[str, dict[str, list[bool]]] = {"age": {}, "gender": {}, "ITA": {}}
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            # Halved: about as large as a face before a webcam, and a quarter of the work.
            head = cv2.resize(
                cv2.imread(str(folder / row["file"])), None, fx=0.5, fy=0.5,
                interpolation=cv2.INTER_AREA,
            )  # fmt: skip
            image = LIGHTS[light](head)
            hit = is_found(finder, mesh, np.ascontiguousarray(image), number)
            groups["age"].setdefault(row["age_group_fairface"], []).append(hit)
            groups["gender"].setdefault(row["gender_fairface"], []).append(hit)
            groups["ITA"].setdefault(row["ita_bin_measured"] or "unmeasured", []).append(hit)
    mesh.release()
    everybody = [hit for hits in groups["gender"].values() for hit in hits]
    assert len(everybody) == 280
    assert sum(everybody) / len(everybody) >= 0.97
    for kind, members in groups.items():
        known = {name: hits for name, hits in members.items() if len(hits) >= LEAST}
        assert len(known) >= 2
        for one, other in combinations(known, 2):
            (a, b), (c, d) = (interval(sum(known[g]), len(known[g])) for g in (one, other))
            apart = f"{kind}: {one} {a:.3f}-{b:.3f}, {other} {c:.3f}-{d:.3f}"
            assert max(a, c) <= min(b, d), apart


@pytest.mark.parametrize(
    ("name", "people"),
    [
        ("jessica-wilson-nx3N6enkY_k-unsplash.jpg", 4),
        ("roland-samuel-9COZH5kDJOg-unsplash.jpg", 3),
        ("bruce-dixon-MofnqVlkrJY-unsplash.jpg", 5),
    ],
)
@pytest.mark.parametrize("gain", [1.0, 0.35, 0.15])
def test_every_face_of_a_group_is_found(
    media: Path, model: Callable[[str], Path], name: str, people: int, gain: float
) -> None:
    finder = FaceFinder(model("yunet"))
    image = cv2.imread(str(media / "images" / "groups" / name))
    noise = np.random.default_rng(0).normal(0.0, 3.0, image.shape)
    shown = np.clip(image * gain + (noise if gain < 1 else 0.0), 0, 255).astype(np.uint8)
    faces = [face for face in finder.find(shown, 0.3) if face.score >= FACE_SCORE]
    lifted = [face for face in finder.find(lift(shown), 0.3) if face.score >= FACE_SCORE]
    assert max(len(faces), len(lifted)) == people
