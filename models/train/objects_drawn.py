"""Drawn things, lit, tilted in space, held in drawn or real hands and blended into real photographs."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.objects_things import (
    DRAWERS,
    LONG,
    Floats,
    Picture,
    Rng,
    Thing,
    any_colour,
    between,
)

# Skin from dark to light (BGR), after the range of measured skin reflectances; mixed freely.
SKIN = np.array([(38, 52, 84), (66, 96, 141), (110, 150, 198), (160, 190, 230)], np.float32)


# How thick things are, as a share of their long side (a full wallet against a phone of 8 mm).
THICK = {
    "phone": (0.0, 0.05),
    "wallet": (0.03, 0.2),
    "other_handheld": (0.02, 0.2),
    "book": (0.0, 0.12),
}


def _wear(rng: Rng, thing: Thing, scene: Picture) -> None:
    """Gives a drawing, in place, the light and the fine structure of a real photograph's part."""
    rows, columns = scene.shape[:2]
    if rng.random() < 0.5:
        h, w = int(rows * between(rng, 0.1, 0.5)), int(columns * between(rng, 0.1, 0.5))
        y, x = int(rng.integers(rows - h)), int(rng.integers(columns - w))
        grey = cv2.cvtColor(scene[y : y + h, x : x + w], cv2.COLOR_BGR2GRAY).astype(np.float32)
        grey = cv2.resize(grey, thing.solid.shape[::-1], interpolation=cv2.INTER_LINEAR)
        grey = (grey - grey.mean()) / (grey.std() + 5) * between(rng, 2, 18)
        np.add(thing.colour, grey[..., None], out=thing.colour)
    x_ramp = np.linspace(-1, 1, thing.solid.shape[1], dtype=np.float32)[None, :, None]
    y_ramp = np.linspace(-1, 1, thing.solid.shape[0], dtype=np.float32)[:, None, None]
    light = 1 + rng.normal(0, 0.18) * x_ramp + rng.normal(0, 0.18) * y_ramp
    np.multiply(thing.colour, np.clip(light, 0.3, 1.7).astype(np.float32), out=thing.colour)


def _tilt(rng: Rng, thing: Thing, long: float) -> tuple[Floats, Floats, Floats]:
    """The thing turned and tilted in space: colour, solidity and its four corners (clockwise)."""
    h, w = thing.solid.shape
    # Upright more often than not, as things are shown to or used before a camera.
    angle = rng.normal(0, 0.35) + (np.pi / 2 if rng.random() < 0.3 else 0.0)
    pitch, yaw = rng.normal(0, 0.4), rng.normal(0, 0.4)
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    flat = np.array([[-w, -h, 0], [w, -h, 0], [w, h, 0], [-w, h, 0]]) / (2 * max(w, h))
    solid = flat @ (about_z @ about_y @ about_x).T
    corners = solid[:, :2] / (1 + 0.35 * solid[:, 2:]) * long
    corners -= corners.min(axis=0)
    width, height = np.ceil(corners.max(axis=0)).astype(int) + 1
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    how = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    size = (int(width), int(height))
    # Area averaging has no perspective form: blur by the shrinking factor first.
    sigma = max(0.0, 0.45 * (LONG / long - 1))
    colour = cv2.GaussianBlur(thing.colour, (0, 0), sigma) if sigma > 0.2 else thing.colour
    warped = cv2.warpPerspective(
        colour, how, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpPerspective(thing.solid, how, size, flags=cv2.INTER_LINEAR)
    return warped.astype(np.float32), mask.astype(np.float32), corners.astype(np.float32)


def _skin(rng: Rng) -> Floats:
    place = rng.uniform(0, len(SKIN) - 1)
    low = int(min(place, len(SKIN) - 2))
    mixed = SKIN[low] + (place - low) * (SKIN[low + 1] - SKIN[low])
    return np.asarray(mixed + rng.normal(0, 6, 3), np.float32)


def _limb(scene: Floats, a: Floats, b: Floats, thick: float, skin: Floats) -> None:
    """A finger or arm from ``a`` to ``b``: a shaded capsule, darker at its rim, in place."""
    low = np.maximum(np.floor(np.minimum(a, b) - thick).astype(int), 0)
    high = np.minimum(np.ceil(np.maximum(a, b) + thick).astype(int) + 1, scene.shape[1::-1])
    if (high <= low).any():
        return
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    ax, ay = b - a
    along = np.clip(((x - a[0]) * ax + (y - a[1]) * ay) / max(ax * ax + ay * ay, 1e-6), 0, 1)
    away = np.hypot(x - a[0] - along * ax, y - a[1] - along * ay) / (thick / 2)
    solid = np.clip((1 - away) * thick / 3, 0, 1)[..., None]
    shade = (0.65 + 0.4 * np.sqrt(np.clip(1 - away**2, 0, 1)))[..., None]
    part = scene[low[1] : high[1], low[0] : high[0]]
    part += solid * (skin * shade - part)


def _hold(rng: Rng, scene: Floats, corners: Floats, skin: Floats, before: bool) -> None:
    """The hand at a held thing, in place: arm and palm behind it, or thumb and fingertips before it."""
    # Fingers grip two opposite edges; the hand comes from the lower one of the others.
    edges = [(corners[i], corners[(i + 1) % 4]) for i in range(4)]
    lowest = max(range(4), key=lambda i: float(edges[i][0][1] + edges[i][1][1]))
    left, right = edges[(lowest + 1) % 4], edges[(lowest + 3) % 4]
    if rng.random() < 0.5:
        left, right = right, left
    bottom = edges[lowest]
    middle = corners.mean(axis=0)
    span = float(np.linalg.norm(left[0] - right[0]))
    thick = float(np.clip(between(rng, 0.13, 0.24) * span, 4, 0.075 * scene.shape[0]))
    foot = (bottom[0] + bottom[1]) / 2
    if not before:
        end = np.array([foot[0] + rng.normal(0, 80), scene.shape[0] + 40], np.float32)
        wrist = foot + (foot - middle) * 0.3
        sleeve = any_colour(rng, 0.4)
        start = wrist + (end - wrist) * between(rng, 0.2, 0.9)
        _limb(scene, wrist, end, thick * 2.4, skin)
        _limb(scene, start, end, thick * 3.2, sleeve)
        _limb(scene, middle + (foot - middle) * 0.6, wrist, thick * 3.2, skin)
        return
    reach = between(rng, 0.02, 0.2) * span
    for i in range(int(rng.integers(2, 5))):
        at = left[1] + (left[0] - left[1]) * (0.15 + 0.17 * i + rng.normal(0, 0.02))
        inward = (middle - at) / max(1e-6, float(np.linalg.norm(middle - at)))
        _limb(
            scene,
            at - inward * thick * 0.6,
            at + inward * reach,
            thick,
            skin * between(rng, 0.9, 1.08),
        )
    at = right[0] + (right[1] - right[0]) * between(rng, 0.25, 0.75)
    inward = (middle - at) / max(1e-6, float(np.linalg.norm(middle - at)))
    _limb(scene, foot + (at - foot) * 0.75, at + inward * reach, thick * 1.15, skin)


def compose(
    rng: Rng, scene: Picture, where: tuple[float, float] | None, skin: Floats | None
) -> tuple[Picture, str, tuple[float, float, float, float]]:
    """One drawn thing blended into ``scene``; ``where`` is a real hand's middle in fractions, with its
    ``skin`` colour, else a hand is drawn (or none: the thing lies there).

    Returns the picture, the thing's class and its box (left, top, right, bottom in fractions).
    """
    drawers = list(DRAWERS)
    shares = np.array([DRAWERS[d][0] for d in drawers])
    drawer = drawers[int(rng.choice(len(drawers), p=shares / shares.sum()))]
    thing = drawer(rng)
    _wear(rng, thing, scene)
    rows, columns = scene.shape[:2]
    long = between(rng, *DRAWERS[drawer][1:]) * rows
    colour, solid, corners = _tilt(rng, thing, long)
    light = between(rng, 0.45, 1.25) * (0.5 + 0.5 * float(scene.mean()) / 110)
    colour *= min(light, 1.4)
    h, w = solid.shape
    middle = where or (between(rng, 0.15, 0.85), between(rng, 0.3, 0.9))
    left = int(np.clip(middle[0] * columns - w / 2, -0.3 * w, columns - 0.7 * w))
    top = int(np.clip(middle[1] * rows - h / 2, -0.1 * h, rows - 0.7 * h))
    canvas = scene.astype(np.float32)
    placed = corners + np.array([left, top], np.float32)
    held = where is not None or rng.random() < 0.75
    hand = skin if skin is not None else _skin(rng) * min(max(light, 0.5), 1.1)
    if held and where is None:
        _hold(rng, canvas, placed, hand, before=False)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + w, columns), min(top + h, rows)
    cut = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    alpha = cv2.GaussianBlur(solid, (0, 0), between(rng, 0.4, 1.2))[cut][..., None]
    if not held:
        # What lies on something throws a soft shadow.
        shadow = cv2.GaussianBlur(solid, (0, 0), 5)[cut][..., None]
        canvas[y0:y1, x0:x1] *= 1 - 0.35 * shadow
    part = canvas[y0:y1, x0:x1]
    # The far side of a thick thing shows beside it, in its own shade.
    deep = between(rng, *THICK.get(thing.name, (0.0, 0.02))) * long
    move = np.array(
        [[1, 0, rng.normal(0, 0.6) * deep], [0, 1, deep * between(rng, 0.3, 1.0)]], np.float32
    )
    side = cv2.warpAffine(solid, move, (w, h))[cut][..., None]
    part += side * (colour[cut].mean(axis=(0, 1)) * 0.45 - part)
    part += alpha * (colour[cut] - part)
    if held:
        _hold(rng, canvas, placed, hand, before=True)
    canvas += rng.normal(0, between(rng, 0, 5), canvas.shape).astype(np.float32)
    box = (x0 / columns, y0 / rows, x1 / columns, y1 / rows)
    return np.clip(canvas, 0, 255).astype(np.uint8), thing.name, box


def empty_hand(rng: Rng, scene: Picture) -> Picture:
    """A drawn hand that holds nothing, before the scene."""
    rows, columns = scene.shape[:2]
    canvas = scene.astype(np.float32)
    skin = _skin(rng) * between(rng, 0.7, 1.1)
    palm = np.array([between(rng, 0.1, 0.9) * columns, between(rng, 0.4, 0.9) * rows], np.float32)
    thick = between(rng, 0.03, 0.07) * rows
    _limb(
        canvas,
        palm,
        np.array([palm[0] + rng.normal(0, 60), rows + 40], np.float32),
        thick * 3,
        skin,
    )
    _limb(canvas, palm, palm - np.array([0, thick], np.float32), thick * 4, skin)
    for angle in np.linspace(-0.9, 0.7, 5) + rng.normal(0, 0.08, 5):
        way = np.array([np.sin(angle), -np.cos(angle)], np.float32)
        long = thick * between(rng, 1.5, 6)
        _limb(
            canvas,
            palm + way * thick,
            palm + way * (thick + long),
            thick,
            skin * between(rng, 0.92, 1.05),
        )
    return np.clip(canvas, 0, 255).astype(np.uint8)
