"""Small drawn recordings in a documented layout, and a policy that needs no network: a room that goes dark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from policies import load

BRIGHT, DARK = 150, 12
RATE = 10
SIZE = (160, 120)
KIND = "light.dim"
KEPT = re.compile(r"\[(detectors\.|rules\.)(?!lighting|\"light\.)")


def draw(path: Path, seconds: float, dark: Sequence[tuple[float, float]] = ()) -> Path:
    """A film of a room with a window in which it is dark from each begin to its end (s)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    grain = rng.integers(-9, 10, (SIZE[1], SIZE[0], 3)).astype(np.int16)
    # Old players' AVI, as the OEP folders have it, or MP4.
    codec = "mpeg4" if path.suffix == ".avi" else "libx264"
    with av.open(str(path), "w") as file:
        video = file.add_stream(codec, rate=RATE)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for number in range(round(seconds * RATE)):
            t = number / RATE
            level = DARK if any(a <= t < b for a, b in dark) else BRIGHT
            picture = np.clip(level + grain * level // 100, 0, 255).astype(np.uint8)
            # Something always moves, so that no camera is taken for a still picture.
            across = (7 * number) % (SIZE[0] - 20)
            picture[40:60, across : across + 20] = min(255, 2 * level)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode())
    return path


def policy(path: Path) -> Path:
    """A practice policy that looks at light and at nothing else."""
    text = load.read_bytes("practice").decode("utf-8")
    blocks = re.split(r"(?m)^(?=\[)", text)
    path.write_text("".join(one for one in blocks if not KEPT.match(one)), encoding="utf-8")
    return path


def study(
    folder: Path, sessions: Sequence[Sequence[str]], truth: Sequence[Sequence[object]]
) -> Path:
    """The two tables: sessions (session, person, arm, media), truth (session, start, end, annotator, certain)."""
    folder.mkdir(parents=True, exist_ok=True)
    head = "session,person,arm,media,labelled"
    rows = [",".join([*one, KIND]) for one in sessions]
    (folder / "sessions.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    head = "session,start_s,end_s,kind,annotator,certain"
    rows = [f"{s},{a},{b},{KIND},{who},{sure}" for s, a, b, who, sure in truth]
    (folder / "truth.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
    return folder
