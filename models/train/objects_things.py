"""Flat drawings for training: phones, and what must not be called one.

No picture that may be used shows a wallet, so the network learns wallets, card holders, cases and
remotes from drawings. Crude on purpose: what tells a phone from a wallet (lens cluster, lit or
mirroring glass, thin even rim against grain, stitching, fold, card edges) is drawn; the rest varies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
# Drawings are made with this long side, then shrunk into the scene.
LONG = 240
# Leather as it is sold: black, browns, tan, burgundy (BGR).
LEATHER = [(25, 25, 28), (35, 50, 80), (45, 75, 120), (60, 40, 30), (40, 35, 95), (90, 120, 160)]


@dataclass(frozen=True, slots=True)
class Thing:
    """A flat drawing: class, BGR 0…255 float32, and how solid each pixel is, 0…1."""

    name: str
    colour: Floats
    solid: Floats


def between(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _plate(rng: Rng, aspect: float, corner: float) -> tuple[Floats, Floats]:
    """An empty rounded plate: colour (black) and solidity; ``aspect`` is long over short side."""
    h, w = LONG, max(24, round(LONG / aspect))
    radius = max(1, int(corner * w))
    solid = np.zeros((h, w), np.float32)
    cv2.rectangle(solid, (radius, 0), (w - 1 - radius, h - 1), 1.0, -1)
    cv2.rectangle(solid, (0, radius), (w - 1, h - 1 - radius), 1.0, -1)
    for x in (radius, w - 1 - radius):
        for y in (radius, h - 1 - radius):
            cv2.circle(solid, (x, y), radius, 1.0, -1)
    return np.zeros((h, w, 3), np.float32), solid


def any_colour(rng: Rng, dark: float = 0.5) -> Floats:
    """Black to white, or, less often, a strong colour; ``dark`` is the share of near-black."""
    pick = rng.random()
    if pick < dark:
        return np.asarray(rng.uniform(8, 45) + rng.uniform(-4, 8, 3), np.float32)
    if pick < dark + 0.25:
        return np.asarray(rng.uniform(90, 245) + rng.uniform(-8, 8, 3), np.float32)
    return rng.uniform(20, 240, 3).astype(np.float32)


def _grain(rng: Rng, shape: tuple[int, ...], coarse: float, strength: float) -> Floats:
    """Smooth noise around 0, such as leather grain or wear."""
    h, w = shape[:2]
    small = rng.normal(0, 1, (max(2, int(h / coarse)), max(2, int(w / coarse)))).astype(np.float32)
    grown = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown * strength, np.float32)[..., None]


def _mirror(rng: Rng, colour: Floats, strength: float) -> None:
    """A window's slanted reflection on glass, in place."""
    h, w = colour.shape[:2]
    slope, start, width = (
        between(rng, -0.8, 0.8),
        between(rng, -0.3, 1.0),
        between(rng, 0.1, 0.7),
    )
    x = np.linspace(0, 1, w)[None, :] + slope * np.linspace(0, 1, h)[:, None]
    band = np.clip(1 - np.abs(x - start) / width, 0, 1)
    if rng.random() < 0.4:
        band = (band > 0.4).astype(float)
    colour += (strength * band)[..., None].astype(np.float32)


def _text(rng: Rng, colour: Floats, box: tuple[int, int, int, int], ink: float, step: int) -> None:
    """Lines of word-long strokes inside ``box`` (left, top, right, bottom), in place."""
    left, top, right, bottom = box
    for y in range(top, bottom, step):
        if rng.random() < 0.1:
            continue
        x = left
        end = right - int(rng.random() ** 3 * (right - left))
        while x < end:
            long = int(rng.integers(4, 22))
            cv2.line(colour, (x, y), (min(x + long, end), y), (ink, ink, ink), max(1, step // 4))
            x += long + 4


def _screen(rng: Rng, colour: Floats, box: tuple[int, int, int, int]) -> None:
    """A lit screen: a wallpaper, icons, a chat or a page of text, in place."""
    left, top, right, bottom = box
    h, w = bottom - top, right - left
    glow = between(rng, 0.6, 1.2)
    ends = rng.uniform(20, 255, (2, 3)) if rng.random() < 0.6 else np.array([[245.0] * 3] * 2)
    ramp = np.linspace(0, 1, h)[:, None, None]
    part = (ends[0] * (1 - ramp) + ends[1] * ramp).astype(np.float32) * np.ones(
        (1, w, 1), np.float32
    )
    what = rng.integers(4)
    if what == 0:
        side = max(4, w // 6)
        for y in range(side, h - side, int(side * 1.7)):
            for x in range(side // 2, w - side, int(side * 1.4)):
                part[y : y + side, x : x + side] = rng.uniform(30, 255, 3)
    elif what == 1:
        y = h // 12
        while y < h - 20:
            tall, long = (
                int(rng.integers(10, 30)),
                int(rng.integers(w // 3, max(w // 3 + 1, int(w * 0.8)))),
            )
            x = 4 if rng.random() < 0.5 else w - long - 4
            part[y : y + tall, x : x + long] = rng.uniform(80, 255, 3)
            y += tall + 7
    elif what == 2:
        _text(rng, part, (6, 10, w - 6, h - 6), 40.0, int(rng.integers(5, 10)))
    else:
        part += _grain(rng, part.shape, 30, 50)
    colour[top:bottom, left:right] = np.clip(part * glow, 0, 255)


def _glass(rng: Rng, name: str, aspect: float, corner: float) -> Thing:
    """Front of a phone or tablet: rim, screen on or off, hole, notch or button."""
    colour, solid = _plate(rng, aspect, corner)
    h, w = solid.shape
    colour[:] = any_colour(rng, 0.7)
    rim = max(2, int(w * between(rng, 0.02, 0.06)))
    end = rim if rng.random() < 0.7 else int(h * between(rng, 0.08, 0.14))
    glass = between(rng, 5, 30)
    colour[rim : h - rim, rim : w - rim] = glass
    if rng.random() < 0.6:
        _screen(rng, colour, (rim * 2, end + rim, w - rim * 2, h - end - rim))
    else:
        _mirror(rng, colour, between(rng, 15, 110))
    if end == rim:
        cv2.circle(colour, (w // 2, rim * 3), max(2, w // 28), (8.0, 8.0, 8.0), -1)
    elif rng.random() < 0.6:
        cv2.circle(colour, (w // 2, h - end // 2), end // 4, (glass + 40,) * 3, 2)
    return Thing(name, colour, solid)


def _back(rng: Rng, name: str, aspect: float, corner: float) -> Thing:
    """Back of a phone: lens cluster in one of the usual places, flash, sometimes a logo or case rim."""
    colour, solid = _plate(rng, aspect, corner)
    h, w = solid.shape
    colour[:] = any_colour(rng, 0.55)
    colour += np.linspace(0, between(rng, -25, 25), h, dtype=np.float32)[:, None, None]
    if rng.random() < 0.15:
        colour += _grain(rng, colour.shape, 25, 45)
    if rng.random() < 0.6:
        _mirror(rng, colour, between(rng, 5, 60))
    if rng.random() < 0.4:
        inside = (3, 3, w - 4, h - 4)
        shade = (colour.mean(axis=(0, 1)) * 0.6).tolist()
        cv2.rectangle(colour, inside[:2], inside[2:], shade, 3)
    lens = int(w * between(rng, 0.07, 0.12))
    side = 1 if rng.random() < 0.5 else -1
    x0 = int(w * (0.5 - side * 0.27))
    layout, y0 = rng.integers(4), int(h * 0.11)
    step = int(lens * 2.4)
    spots = {
        0: [(x0, y0), (x0 + side * step, y0 + step // 2), (x0, y0 + step)],
        1: [(x0, y0 + i * step) for i in range(int(rng.integers(2, 4)))],
        2: [(w // 2 + (i - 1) * step, y0) for i in range(int(rng.integers(2, 4)))],
        3: [(x0, y0)],
    }[int(layout)]
    if rng.random() < 0.75:
        xs, ys = [x for x, _ in spots], [y for _, y in spots]
        bump = colour.mean(axis=(0, 1)) * between(rng, 0.5, 1.3)
        low = (min(xs) - int(lens * 1.5), min(ys) - int(lens * 1.5))
        high = (max(xs) + int(lens * 1.5), max(ys) + int(lens * 1.5))
        cv2.rectangle(colour, low, high, bump.tolist(), -1)
        cv2.rectangle(colour, low, high, (bump * 0.7).tolist(), 2)
    for spot in spots:
        ring = between(rng, 40, 190)
        cv2.circle(colour, spot, lens, (ring, ring, ring), -1)
        cv2.circle(colour, spot, int(lens * 0.8), (12.0, 12.0, 12.0), -1)
        cv2.circle(
            colour, (spot[0] - lens // 3, spot[1] - lens // 3), max(1, lens // 5), (200.0,) * 3, -1
        )
    if rng.random() < 0.4:
        cv2.circle(colour, (w // 2, h // 2), w // 10, (colour.mean(axis=(0, 1)) + 50).tolist(), -1)
    return Thing(name, colour, solid)


def phone(rng: Rng) -> Thing:
    draw = _back if rng.random() < 0.5 else _glass
    return draw(rng, "phone", between(rng, 1.85, 2.2), between(rng, 0.06, 0.18))


def tablet(rng: Rng) -> Thing:
    draw = _back if rng.random() < 0.15 else _glass
    return draw(rng, "tablet", between(rng, 1.3, 1.6), between(rng, 0.03, 0.07))


def _leather(rng: Rng, aspect: float) -> tuple[Floats, Floats]:
    colour, solid = _plate(rng, aspect, between(rng, 0.03, 0.12))
    shade = np.array(LEATHER[int(rng.integers(len(LEATHER)))], np.float32)
    if rng.random() < 0.45:
        shade = any_colour(rng, 0.85)
    colour[:] = shade * between(rng, 0.7, 1.3)
    colour += _grain(rng, colour.shape, between(rng, 2, 5), between(rng, 1, 7))
    colour += _grain(rng, colour.shape, between(rng, 20, 70), between(rng, 2, 12))
    return colour, solid


def _stitch(rng: Rng, colour: Floats, inset: int) -> None:
    h, w = colour.shape[:2]
    thread = (colour.mean(axis=(0, 1)) + between(rng, -25, 70)).tolist()
    for a in range(inset, h - inset, 7):
        for x in (inset, w - inset):
            cv2.line(colour, (x, a), (x, min(a + 4, h - inset)), thread, 1)
    for a in range(inset, w - inset, 7):
        for y in (inset, h - inset):
            cv2.line(colour, (a, y), (min(a + 4, w - inset), y), thread, 1)


def wallet(rng: Rng) -> Thing:
    """Closed, long or opened, or a card holder: grain, stitching, a fold's shadow, card edges."""
    kind = rng.choice(["closed", "closed", "closed", "long", "open", "cards"])
    aspect = {"closed": (1.1, 1.45), "long": (1.7, 2.1), "open": (1.8, 2.3), "cards": (1.3, 1.55)}[
        kind
    ]
    colour, solid = _leather(rng, between(rng, *aspect))
    h, w = solid.shape
    if kind in ("closed", "long"):
        # The folded edge is round: dark towards one long side, with a thin light line before it.
        x = np.linspace(0, 1, w, dtype=np.float32)
        colour *= (1 - 0.6 * np.exp(-x / 0.06))[None, :, None]
        light = between(rng, 5, 30) * np.exp(-(((x - 0.12) / 0.05) ** 2))
        colour += light.astype(np.float32)[None, :, None]
        if rng.random() < 0.5:
            # Leaves seen at the open side: leather, notes, leather.
            for i in range(int(rng.integers(1, 4))):
                at = w - 2 - 4 * i
                cv2.line(colour, (at, 4), (at, h - 5), (any_colour(rng, 0.4) * 0.8).tolist(), 2)
    if kind == "open":
        cv2.line(colour, (0, h // 2), (w, h // 2), (8.0, 8.0, 8.0), 3)
    if kind in ("open", "cards"):
        for i in range(int(rng.integers(2, 5))):
            y = int(h * (0.1 + 0.1 * i))
            if rng.random() < 0.6:
                cv2.rectangle(
                    colour, (w // 10, y - 7), (w - w // 10, y), any_colour(rng, 0.1).tolist(), -1
                )
            cv2.line(
                colour, (w // 12, y), (w - w // 12, y), (colour.mean(axis=(0, 1)) * 0.5).tolist(), 2
            )
    if rng.random() < 0.7:
        _stitch(rng, colour, int(rng.integers(5, 10)))
    if rng.random() < 0.3:
        at = (int(w * between(rng, 0.25, 0.75)), int(h * between(rng, 0.6, 0.9)))
        cv2.circle(
            colour, at, int(rng.integers(5, 12)), (colour.mean(axis=(0, 1)) * 0.7 + 20).tolist(), 2
        )
    return Thing("wallet", colour, solid)


def glasses_case(rng: Rng) -> Thing:
    colour, _ = _leather(rng, between(rng, 2.1, 2.7))
    solid = _plate(rng, colour.shape[0] / colour.shape[1], 0.48)[1]
    colour, solid = (
        colour[: solid.shape[0], : solid.shape[1]],
        solid[: colour.shape[0], : colour.shape[1]],
    )
    x = np.linspace(-1, 1, colour.shape[1], dtype=np.float32)
    colour *= (0.55 + 0.6 * np.sqrt(np.clip(1 - x**2, 0, 1)))[None, :, None]
    cv2.line(
        colour,
        (int(colour.shape[1] * 0.55), 5),
        (int(colour.shape[1] * 0.55), LONG - 6),
        (10.0,) * 3,
        2,
    )
    return Thing("other_handheld", colour, solid)


def remote(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 3.0, 5.0), between(rng, 0.1, 0.45))
    colour[:] = any_colour(rng, 0.7)
    h, w = solid.shape
    pitch = max(8, w // int(rng.integers(2, 5)))
    for y in range(14, h - 14, pitch):
        for x in range(pitch // 2, w - 4, pitch):
            ink = any_colour(rng, 0.1) if rng.random() < 0.15 else np.full(3, between(rng, 60, 220))
            cv2.circle(colour, (x, y), max(2, pitch // 4), ink.tolist(), -1)
    return Thing("other_handheld", colour, solid)


def chocolate(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 1.9, 2.6), 0.02)
    h, w = solid.shape
    if rng.random() < 0.5:
        colour[:] = np.array((25, 45, 80), np.float32) * between(rng, 0.6, 1.3)
        pitch = w // int(rng.integers(2, 5))
        for y in range(0, h, pitch):
            cv2.line(colour, (0, y), (w, y), (12.0, 22.0, 40.0), 4)
            cv2.line(colour, (0, y + 4), (w, y + 4), (60.0, 90.0, 130.0), 1)
        for x in range(0, w, pitch):
            cv2.line(colour, (x, 0), (x, h), (12.0, 22.0, 40.0), 4)
    else:
        colour[:] = rng.uniform(10, 230, 3)
        colour[h // 4 : h // 2] = rng.uniform(10, 250, 3)
        _text(rng, colour, (w // 6, h // 2 + 8, w - w // 6, h - 30), between(rng, 0, 255), 14)
        colour += _grain(rng, colour.shape, 14, 16)
    return Thing("other_handheld", colour, solid)


def power_bank(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 1.6, 2.3), between(rng, 0.05, 0.4))
    h, w = solid.shape
    x = np.linspace(-1, 1, w, dtype=np.float32)
    colour[:] = any_colour(rng, 0.5)
    colour *= (0.75 + 0.35 * np.sqrt(np.clip(1 - x**2, 0, 1)))[None, :, None]
    colour += _grain(rng, colour.shape, 2, 3)
    for i in range(4):
        cv2.circle(colour, (int(w * 0.35) + i * w // 12, h - h // 7), 2, (230.0, 200.0, 120.0), -1)
    if rng.random() < 0.7:
        _text(rng, colour, (w // 3, h // 2, w - w // 3, h // 2 + 4), between(rng, 60, 220), 14)
    return Thing("other_handheld", colour, solid)


def small_case(rng: Rng) -> Thing:
    """An ear-bud case, a soap box, a lighter: small, round, with a seam."""
    colour, solid = _plate(rng, between(rng, 1.1, 1.6), between(rng, 0.25, 0.45))
    h, w = solid.shape
    colour[:] = any_colour(rng, 0.3)
    y = np.linspace(-1, 1, h, dtype=np.float32)
    colour *= (0.7 + 0.4 * np.sqrt(np.clip(1 - y**2, 0, 1)))[:, None, None]
    seam = int(h * between(rng, 0.25, 0.45))
    cv2.line(colour, (0, seam), (w, seam), (colour.mean(axis=(0, 1)) * 0.6).tolist(), 2)
    return Thing("other_handheld", colour, solid)


def calculator(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 1.4, 2.0), between(rng, 0.04, 0.12))
    h, w = solid.shape
    colour[:] = any_colour(rng, 0.5)
    cv2.rectangle(colour, (w // 10, h // 14), (w - w // 10, h // 4), (130.0, 160.0, 150.0), -1)
    columns = int(rng.integers(4, 7))
    for y in range(h // 3, h - 14, h // 9):
        for i in range(columns):
            x = int(w * (0.1 + 0.8 * i / columns))
            ink = any_colour(rng, 0.3) if rng.random() < 0.2 else np.full(3, between(rng, 150, 230))
            cv2.rectangle(
                colour, (x, y), (x + int(w * 0.55 / columns), y + h // 15), ink.tolist(), -1
            )
    return Thing("calculator", colour, solid)


def paper(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 1.2, 1.6), 0.005)
    h, w = solid.shape
    colour[:] = between(rng, 200, 250)
    _text(
        rng,
        colour,
        (w // 12, h // 12, w - w // 12, h - h // 12),
        between(rng, 20, 120),
        int(rng.integers(6, 13)),
    )
    if rng.random() < 0.5:
        cv2.line(colour, (0, h // 2), (w, h // 2), (180.0,) * 3, 2)
    return Thing("paper", colour, solid)


def notebook(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 1.25, 1.6), 0.02)
    h, w = solid.shape
    colour[:] = any_colour(rng, 0.25)
    if rng.random() < 0.6:
        band = rng.uniform(10, 250, 3).tolist()
        cv2.rectangle(colour, (w // 6, h // 5), (w - w // 6, h // 3), band, -1)
        _text(rng, colour, (w // 6, h // 2, w - w // 6, h // 2 + 20), between(rng, 0, 255), 12)
    if rng.random() < 0.5:
        for y in range(6, h - 6, 9):
            cv2.circle(colour, (6, y), 3, (170.0,) * 3, 2)
    colour[:, w - 4 :] = 225
    return Thing("book", colour, solid)


def open_book(rng: Rng) -> Thing:
    colour, solid = _plate(rng, between(rng, 1.3, 1.6), 0.01)
    h, w = solid.shape
    colour[:] = between(rng, 190, 245)
    half = h // 2
    turned = np.ascontiguousarray(colour.transpose(1, 0, 2))
    for left in (10, half + 12):
        _text(
            rng,
            turned,
            (left, w // 10, left + half - 22, w - w // 10),
            between(rng, 20, 110),
            int(rng.integers(6, 11)),
        )
    colour[:] = turned.transpose(1, 0, 2)
    y = np.abs(np.arange(h, dtype=np.float32) - half) / half
    colour *= (1 - 0.45 * np.exp(-y / 0.07))[:, None, None]
    return Thing("open_book", colour, solid)


DRAWERS: dict[Callable[[Rng], Thing], tuple[float, float, float]] = {
    # drawer: how often, and long side in the scene as shares of the picture's height
    phone: (0.26, 0.08, 0.5),
    tablet: (0.07, 0.40, 0.80),
    wallet: (0.25, 0.08, 0.45),
    glasses_case: (0.05, 0.16, 0.45),
    remote: (0.05, 0.2, 0.5),
    chocolate: (0.03, 0.15, 0.45),
    power_bank: (0.04, 0.15, 0.45),
    small_case: (0.06, 0.08, 0.28),
    calculator: (0.05, 0.15, 0.5),
    paper: (0.05, 0.25, 0.8),
    notebook: (0.05, 0.25, 0.7),
    open_book: (0.04, 0.35, 0.9),
}
