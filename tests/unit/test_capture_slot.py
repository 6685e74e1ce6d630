"""The newest-frame slot, the frame grid, and the shapes pictures come in."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from proctor.capture.pictures import FrameGrid, fit, letterbox, to_bgr
from proctor.capture.slot import Slot


def test_the_newest_item_wins_and_untaken_ones_are_counted():
    slot: Slot[str] = Slot()
    for item in ("a", "b", "c"):
        slot.put(item)
    assert slot.newest(after=0, timeout=0) == (3, "c")
    assert (slot.put_count, slot.dropped) == (3, 2)
    slot.put("d")
    assert slot.dropped == 2  # "c" was taken


def test_every_reader_may_take_the_same_item():
    slot: Slot[str] = Slot()
    slot.put("a")
    assert slot.newest(0, 0) == slot.newest(0, 0) == (1, "a")
    assert slot.newest(1, 0) is None
    slot.put("b")
    assert slot.dropped == 0


def test_a_reader_wakes_when_an_item_comes():
    slot: Slot[str] = Slot()
    got: list[tuple[int, str] | None] = []
    reader = threading.Thread(target=lambda: got.append(slot.newest(0, 10)))
    reader.start()
    slot.put("a")
    reader.join(10)
    assert got == [(1, "a")]


def test_close_wakes_readers_and_lets_the_item_go():
    slot: Slot[str] = Slot()
    got: list[object] = []
    reader = threading.Thread(target=lambda: got.append(slot.newest(0, 10)))
    reader.start()
    slot.close()
    reader.join(10)
    assert not reader.is_alive()
    assert got == [None]
    slot.put("late")
    assert slot.newest(0, 0) is None


def taken(times: list[float], fps: float = 10.0) -> list[float]:
    grid = FrameGrid(fps)
    return [t for t in times if grid.wants(t)]


@pytest.mark.parametrize(
    ("rate", "expected"), [(25, 100), (30, 100), (30000 / 1001, 100), (12, 100)]
)
def test_a_faster_source_is_thinned_to_the_grid(rate, expected):
    times = [i / rate for i in range(round(10 * rate))]
    assert abs(len(taken(times)) - expected) <= 1


@pytest.mark.parametrize("rate", [1, 7, 9.9, 10])
def test_a_slower_source_keeps_all_its_frames(rate):
    times = [i / rate for i in range(200)]
    assert taken(times) == times


def test_millisecond_rounding_costs_no_frame():
    times = [round(i / 10 + (-1) ** i * 0.004, 3) for i in range(100)]
    assert taken(times) == times


def test_irregular_times_take_the_first_frame_of_each_step():
    assert taken([0, 0.03, 0.07, 0.5, 0.52, 1.4, 1.41, 1.45, 2.9]) == [0, 0.5, 1.4, 2.9]


def test_pictures_are_never_enlarged_and_their_sides_are_even():
    assert fit(848, 480, 640) == (640, 362)
    assert fit(320, 241, 640) == (320, 240)
    assert fit(7680, 4320, 640) == (640, 360)
    assert fit(2160, 3840, 640) == (360, 640)


def test_another_shape_is_put_in_the_middle():
    image = np.full((90, 160, 3), 200, np.uint8)
    framed = letterbox(image, 160, 120)
    assert framed.shape == (120, 160, 3)
    assert (framed[15:105] == 200).all()
    assert not framed[:15].any()
    assert not framed[105:].any()


@pytest.mark.parametrize(
    "raw",
    [
        np.full((4, 6), 7, np.uint8),
        np.full((4, 6, 1), 7, np.uint8),
        np.full((4, 6, 4), 7, np.uint8),
        np.full((4, 6), 7 << 8, np.uint16),
    ],
)
def test_grey_deep_and_transparent_pictures_become_bgr(raw):
    image = to_bgr(raw)
    assert image is not None
    assert image.shape == (4, 6, 3)
    assert (image == 7).all()


@pytest.mark.parametrize(
    "raw",
    [None, "text", np.zeros((0, 6, 3), np.uint8), np.zeros((4, 6, 2), np.uint8), np.zeros((4, 6))],
)
def test_what_is_no_picture_is_none(raw):
    assert to_bgr(raw) is None
