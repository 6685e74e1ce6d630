"""A small recording that needs no download: a drawn room, in which light, lens and picture fail in turn.

It stands in where neither the cache, nor a mirror, nor the official addresses can be reached, so that
something real always runs. Nobody is in it, and it pretends nothing else.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from proctor.session.movie import FPS, HEIGHT, RATE, WIDTH, Movie, Scene, room_noise
from proctor.types import Image

# Raise this when the code below draws or sounds differently, so that no old file is played.
_RECIPE = 2
SECONDS = 36.0
_DARK = (8.0, 15.0)
_COVERED = (19.0, 24.0)
_FROZEN = (27.0, 33.0)
# A lamp is turned down within this time (s), to this share of the light.
_FADE_S = 1.0
_DARK_SHARE = 0.13
# Start, end (s) and pitches (Hz) of the tones; nothing in them resembles a voice.
_TONES = ((2.0, 3.5, (440.0,)), (10.0, 12.0, (330.0, 415.0, 494.0)), (20.0, 22.0, (523.0, 659.0)))
# A tenth of full scale, and a hundredth of a second to swell and fade without a click.
_LOUDNESS, _SWELL_S = 3277.0, 0.01

SCENES = (
    Scene(0.0, SECONDS, "face.absent", "A drawn room with nobody in it"),
    Scene(2.0, 3.5, "", "A tone"),
    Scene(_DARK[0] + _FADE_S, _DARK[1], "light.dim", "The light goes down"),
    Scene(10.0, 12.0, "", "A chord"),
    Scene(*_COVERED, "camera.covered", "The lens is covered"),
    Scene(20.0, 22.0, "", "Two tones"),
    Scene(*_FROZEN, "camera.frozen", "The picture freezes, and all sound stops"),
)


def make(folder: Path, progress: Callable[[float, float], None] | None = None) -> Path:
    """The recording as an MP4 file in ``folder``: made on first use, then found again.

    ``progress(done, total)`` is told in seconds of film.
    """
    key = hashlib.sha256(repr((_RECIPE, SCENES)).encode()).hexdigest()[:12]
    target = folder / f"made-recording-{key}.mp4"
    if target.is_file():
        return target
    room, sound = _room(), _sound()
    samples = RATE // FPS
    # A picture that stands by itself is coded anew and would break up the frozen stretch.
    with Movie(target, key_every_s=SECONDS) as movie:
        for number in range(round(SECONDS * FPS)):
            t = number / FPS
            frozen = _FROZEN[0] < t < _FROZEN[1]
            movie.picture(_camera(room, _FROZEN[0] if frozen else t), frozen=frozen)
            movie.sound(sound[number * samples : (number + 1) * samples])
            if progress is not None:
                progress(movie.seconds, SECONDS)
    return target


def _camera(room: Image, t: float) -> Image:
    """What the camera gives at ``t``: the room with its moving parts, darkened or covered."""
    if _COVERED[0] <= t < _COVERED[1]:
        return _finger(t)
    picture = room.copy()
    _draw_moving(picture, t)
    light = _light(t)
    return picture if light == 1.0 else cv2.convertScaleAbs(picture, alpha=light).astype(np.uint8)


def _light(t: float) -> float:
    """Share of the light at ``t``: turned down within a second, switched on at once."""
    begin, end = _DARK
    if not begin <= t < end:
        return 1.0
    return 1.0 - (1.0 - _DARK_SHARE) * min(1.0, (t - begin) / _FADE_S)


def _room() -> Image:
    """A wall in even light, a window with a cross, a shelf with pots, a desk with a sheet."""
    rows = np.linspace(1.05, 0.85, HEIGHT)[:, np.newaxis, np.newaxis]
    columns = np.linspace(0.92, 1.04, WIDTH)[np.newaxis, :, np.newaxis]
    wall = np.array([168.0, 186.0, 196.0])
    room: Image = (wall * rows * columns).clip(0, 255).astype(np.uint8)
    cv2.rectangle(room, (48, 60), (208, 236), (226, 218, 202), -1)
    for corner in ((48, 60, 208, 236), (48, 60, 128, 148), (128, 148, 208, 236)):
        cv2.rectangle(room, corner[:2], corner[2:], (96, 112, 122), 5)
    cv2.rectangle(room, (416, 196), (616, 206), (70, 92, 118), -1)
    for place, radius in enumerate((20, 28, 15, 24, 18)):
        tone = 70 + 37 * place % 110
        cv2.circle(room, (440 + 40 * place, 195 - radius), radius, (tone, 120, 190 - tone), -1)
    cv2.rectangle(room, (0, 372), (WIDTH, HEIGHT), (84, 112, 142), -1)
    for y in range(384, HEIGHT, 16):
        cv2.line(room, (0, y), (WIDTH, y + 5), (72, 98, 126), 2)
    cv2.rectangle(room, (232, 396), (392, 464), (232, 234, 232), -1)
    for y in range(408, 460, 10):
        cv2.line(room, (244, y), (376 - 7 * (y % 4), y), (120, 116, 112), 2)
    return room


def _draw_moving(picture: Image, t: float) -> None:
    """A clock with its hand, and a plant that sways: something moves in every picture."""
    centre = (316, 120)
    cv2.circle(picture, centre, 46, (236, 238, 238), -1, cv2.LINE_AA)
    cv2.circle(picture, centre, 46, (70, 74, 80), 4, cv2.LINE_AA)
    turn = 2 * math.pi * t / 12.0
    tip = (round(centre[0] + 36 * math.sin(turn)), round(centre[1] - 36 * math.cos(turn)))
    cv2.line(picture, centre, tip, (40, 44, 48), 4, cv2.LINE_AA)
    cv2.rectangle(picture, (520, 330), (572, 378), (62, 84, 150), -1)
    for leaf in range(-2, 3):
        sway = 9 * math.sin(1.3 * t + leaf)
        top = (round(546 + 26 * leaf + sway), 240 + 12 * abs(leaf))
        cv2.line(picture, (546, 332), top, (70, 132, 74), 7, cv2.LINE_AA)


def _finger(t: float) -> Image:
    """A lens under a finger: dim reddish shading, nothing sharp anywhere."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    distance = np.hypot((x - WIDTH / 2) / WIDTH, (y - HEIGHT / 2) / HEIGHT)
    glow = (1.0 - 0.7 * distance) * (1.0 + 0.05 * math.sin(2.0 * t))
    shade: Image = (glow[..., np.newaxis] * np.array([18.0, 20.0, 52.0])).astype(np.uint8)
    return shade


def _sound() -> npt.NDArray[np.int16]:
    """A still room with tones in it; no sound at all while the picture is frozen."""
    track = room_noise(SECONDS)
    for start, end, pitches in _TONES:
        t = np.arange(round((end - start) * RATE)) / RATE
        swell = np.clip(np.minimum(t, t[::-1]) / _SWELL_S, 0.0, 1.0)
        tone = sum(np.sin(2 * np.pi * pitch * t) for pitch in pitches) / len(pitches)
        begin = round(start * RATE)
        track[begin : begin + len(t)] += (_LOUDNESS * swell * tone).astype(np.float32)
    track[round(_FROZEN[0] * RATE) : round(_FROZEN[1] * RATE)] = 0.0
    return track.clip(-32768, 32767).astype(np.int16)
