"""Opens a case's clips for the page: in memory, as data URIs, with the flag's box drawn.

Nothing here writes to a disk. Clips come from a stranger's machine, so each is checked against the
journal, decrypted, and decoded within bounds and in a process of its own; one that fails costs a
sentence, not the page.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pyrage import x25519

from proctor.errors import CheckFailed
from proctor.evidence import layout
from proctor.evidence.apart import Apart
from proctor.evidence.disk import read_bounded
from proctor.evidence.seal import NoKeyError, unseal
from proctor.evidence.story import FlagStory
from proctor.types import Box, Image

# One picture from before the flag, three from within it.
_WITHIN = 3
# Wide enough for a card on a sharp screen; four make about 60 kB.
_WIDTH = 400
_JPEG_QUALITY = 80
# Seconds before the flag from which the first picture comes, where the clip reaches so far.
_BEFORE_S = 2.0
# A picture's time in the clip is rounded; asked a little later, it is that picture and not the one
# before. The agent's pictures are 0.1 s apart.
_SLACK_S = 0.02


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG as a data URI; ``t`` is session seconds, ``boxed`` whether a box was drawn on it."""

    t: float
    uri: str
    width: int
    height: int
    boxed: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of one clip: its pictures, perhaps the whole clip as a data URI, or why neither."""

    pictures: tuple[Picture, ...] = ()
    video: str = ""
    problem: str = ""


def open_clip(
    folder: Path,
    flag: FlagStory,
    identities: Sequence[x25519.Identity],
    apart: Apart,
    *,
    embed: bool = False,
) -> Opened | None:
    """The pictures of a flag's clip in the case ``folder``; ``embed`` adds the clip itself.

    ``apart`` is the process that decodes it.

    ``None`` when the flag has no clip or no key opens it; a clip that is missing, changed or damaged
    gives an :class:`Opened` whose ``problem`` says so.
    """
    if flag.clip is None or not layout.FLAG_ID.fullmatch(flag.id):
        return None
    # The name follows from the flag, never from what the journal claims.
    path = folder / layout.clip_name(flag.id)
    try:
        ciphertext = read_bounded(path, layout.MAX_SEALED)
        data = unseal(ciphertext, identities, sha256=flag.clip.sha256)
        times = _times(flag, flag.clip.start, flag.clip.start + apart.info(data).duration)
        images = apart.frames(data, [t - flag.clip.start + _SLACK_S for t in times])
    except NoKeyError:
        return None
    except OSError as error:
        return Opened(problem=f"The clip cannot be read from the case ({error.strerror}).")
    except (CheckFailed, ValueError) as error:
        return Opened(problem=str(error))
    return Opened(
        pictures=tuple(
            # The box is where it was at its best moment; at any other it would point beside it.
            _picture(t, image, flag.box if t == flag.peak_t else None)
            for t, image in zip(times, images, strict=False)
        ),
        video=_uri("video/mp4", data) if embed else "",
    )


def _times(flag: FlagStory, first: float, last: float) -> list[float]:
    """Session seconds of the pictures from a clip that runs from ``first`` to ``last``.

    One before the flag, the others spread over it; the nearest of them gives way to the best moment.
    """
    end = min(last if flag.end is None else flag.end, last)
    start = min(max(flag.start, first), end)
    spread = [start + (end - start) * (i + 0.5) / _WITHIN for i in range(_WITHIN)]
    best = flag.peak_t if flag.box is not None else None
    if best is not None and start <= best <= end:
        nearest = min(range(_WITHIN), key=lambda i: abs(spread[i] - best))
        spread[nearest] = best
    return [max(first, start - _BEFORE_S), *spread]


def _picture(t: float, image: Image, box: Box | None) -> Picture:
    height, width = image.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    if box is not None:
        _draw(small, box)
    done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise CheckFailed("A picture of the clip cannot be written as JPEG.")
    return Picture(t, _uri("image/jpeg", jpeg.tobytes()), *size, box is not None)


def _draw(image: Image, box: Box) -> None:
    """A white frame with dark edges: seen on any ground and by any eye."""
    height, width = image.shape[:2]
    corner = (round(box.x * width), round(box.y * height))
    opposite = (round((box.x + box.width) * width), round((box.y + box.height) * height))
    for colour, thickness in (((20, 20, 20), 5), ((255, 255, 255), 2)):
        cv2.rectangle(image, corner, opposite, colour, thickness)


def _uri(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
