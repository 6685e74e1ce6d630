"""The training data of the exam-object network: drawn things, filled gaps, boxes that follow."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as pictures

from models.train import objects_data as data
from models.train.objects_data import CLASSES, COCO, Labelled
from models.train.objects_drawn import compose, empty_hand
from models.train.objects_things import DRAWERS, LONG

NOBODY = {name: np.zeros((0, 5), np.float32) for name in COCO}


@pytest.fixture
def scene():
    return np.ascontiguousarray(cv2.resize(pictures.astronaut()[..., ::-1], (384, 288)))


@pytest.fixture
def written(tmp_path, scene):
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), scene)
    return path


def labelled(
    source: str, *rows: tuple[str, float, float, float, float], file: Path = Path("x.jpg")
):
    boxes = [[CLASSES.index(name), *box] for name, *box in rows]
    return Labelled(file, source, np.array(boxes, np.float32).reshape(-1, 5))


def guessed(name: str, score: float) -> dict[str, np.ndarray]:
    return NOBODY | {name: np.array([[score, 0.1, 0.1, 0.3, 0.4]], np.float32)}


@pytest.mark.parametrize("drawer", list(DRAWERS), ids=lambda d: d.__name__)
def test_every_drawing_is_a_solid_thing_of_a_known_class(drawer):
    thing = drawer(np.random.default_rng(7))
    assert thing.name in CLASSES
    assert thing.solid.shape == thing.colour.shape[:2]
    assert thing.solid.shape[0] == LONG
    assert 0.7 < thing.solid.mean() <= 1.0
    assert np.isfinite(thing.colour).all()


def test_a_composed_thing_changes_the_picture_inside_its_box(scene):
    for seed in range(20):
        shown, name, (left, top, right, bottom) = compose(
            np.random.default_rng(seed), scene, None, None
        )
        assert name in CLASSES
        assert 0.0 <= left < right <= 1.0
        assert 0.0 <= top < bottom <= 1.0
        inside = (
            slice(int(top * 288), int(bottom * 288)),
            slice(int(left * 384), int(right * 384)),
        )
        changed = np.abs(shown.astype(int) - scene)
        assert changed[inside].mean() > 3 * changed.mean() / 4
        assert shown.dtype == np.uint8


def test_an_empty_hand_is_drawn_and_the_scene_left_alone(scene):
    before = scene.copy()
    assert (empty_hand(np.random.default_rng(1), scene) != before).any()
    assert (scene == before).all()


def test_a_sure_box_of_the_coco_network_fills_a_gap():
    item = labelled("earphone")
    data.fill(item, guessed("phone", 0.9))
    assert [CLASSES[int(box[0])] for box in item.boxes] == ["phone"]
    assert len(item.unsure) == 0


def test_an_unsure_box_is_left_out_rather_than_wrong():
    item = labelled("earphone")
    data.fill(item, guessed("phone", 0.3))
    assert len(item.boxes) == 0
    assert [CLASSES[int(box[0])] for box in item.unsure] == ["phone"]


def test_a_source_known_to_be_free_of_phones_needs_no_filling():
    item = labelled("hands")
    data.fill(item, guessed("phone", 0.9))
    assert len(item.boxes) == len(item.unsure) == 0


def test_the_sources_own_label_is_not_doubled():
    item = labelled("books_openimages", ("open_book", 0.1, 0.1, 0.3, 0.42))
    data.fill(item, guessed("book", 0.9))
    assert [CLASSES[int(box[0])] for box in item.boxes] == ["open_book"]


def test_a_varied_sample_keeps_its_box_on_the_thing(written):
    """A white square on black: wherever the sample moves it, its box must go along."""
    image = np.zeros((288, 384, 3), np.uint8)
    image[100:180, 150:250] = 255
    cv2.imwrite(str(written), image)
    item = labelled("hands", ("phone", 150 / 384, 100 / 288, 250 / 384, 180 / 288), file=written)
    for seed in range(15):
        sample = data.sample(np.random.default_rng(seed), item, 384, 288, draw=False, vary=True)
        for _, left, top, right, bottom in sample.boxes:
            x, y = (left + right) / 2 * 384, (top + bottom) / 2 * 288
            bright = sample.image[int(y), int(x)].mean()
            assert bright > 1.3 * np.median(sample.image[sample.image.sum(axis=2) != 342])


def test_the_same_seed_gives_the_same_sample(written):
    item = labelled("hands", ("phone", 0.2, 0.2, 0.5, 0.5), file=written)
    one, two = (
        data.sample(np.random.default_rng(5), item, 384, 288, draw=True, vary=True) for _ in "ab"
    )
    assert (one.image == two.image).all()
    assert (one.boxes == two.boxes).all()


def test_held_out_pictures_stay_held_out():
    names = [Path(f"cellphone_{i:04d}.jpg") for i in range(700)]
    kept = [data.held_out(labelled("cellphone", file=name)) for name in names]
    assert 60 < sum(kept) < 140
    assert kept == [data.held_out(labelled("cellphone", file=name)) for name in names]


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    item = labelled("hands", file=tmp_path / "gone.jpg")
    with pytest.raises(FileNotFoundError, match=r"gone\.jpg cannot be read"):
        data.sample(np.random.default_rng(0), item, 384, 288, draw=False, vary=False)
