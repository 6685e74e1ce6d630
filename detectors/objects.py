"""Phone, tablet or second screen, book, and an extra person, from one object network.

The network looks at single pictures; :mod:`detectors._evidence` turns its intermittent finds into a
probability that is steady over time. docs/detectors/objects.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

import numpy as np
from pydantic import Field

from detectors._each import EachPicture
from detectors._evidence import Evidence, Place, Weights
from detectors._yolo import Found, ObjectNet, around, intersection, overlap, within
from proctor.pipeline.detector import Context, Detector, Kind, Plugin
from proctor.pipeline.detector import Settings as BaseSettings
from proctor.types import Box, Frame, Image, Observation

NAME = "objects"
MODEL = "yolo11n"
PERIOD_S = 0.5

KINDS = (
    Kind("object.phone", "Phone in view", "A phone was in view for {seconds} s."),
    Kind(
        "object.tablet",
        "Tablet or second screen in view",
        "A tablet or another screen came into view for {seconds} s.",
    ),
    Kind("object.book", "Book in view", "A book was in view for {seconds} s."),
    Kind("object.person", "Another person in view", "Another person was in view for {seconds} s."),
)

# COCO's names, and the lowest score worth looking at. Evidence needs the weak ones too: on the
# development pictures a score of 0.10-0.20 is four times as common with a phone as without.
LOWEST = {"person": 0.25, "cell phone": 0.05, "book": 0.05, "laptop": 0.1, "tv": 0.1}
PHONE = "cell phone"
# COCO has no tablet: it finds one as a television, a laptop or a phone.
SCREENS = ("tv", "laptop")

# Log-likelihood ratios of a picture's best phone score, 364 pictures with a hand-sized phone against
# 860 without (hands, keys, mugs, shoes, cases, signing), times 0.6 because looks half a second apart
# are not independent (any factor from 0.5 to 0.7 gives the same flags on the labelled recordings).
# Books separate alike, so they share the table (see docs/detectors/objects.md).
THING = Weights(
    scores=(0.0, 0.03, 0.07, 0.15, 0.28, 0.42, 0.6, 0.85),
    values=(-1.05, -1.05, 0.0, 0.8, 0.95, 1.1, 1.6, 1.95),
)
# People are the class that COCO knows best: one confident look nearly suffices, and a weak score that
# stays (a blurred column at the edge, a space suit's sleeve) is evidence against.
PERSON = Weights(scores=(0.0, 0.25, 0.5, 0.65, 0.8), values=(-1.5, -1.0, 0.0, 1.5, 2.5), prior=-2.0)

# The close look takes three times the box: less loses the hand that tells a phone, and more (five
# times) confirms signing hands as phones. Never less than a quarter of the picture's height, below
# which there is nothing left to enlarge.
CLOSE_TIMES = 3.2
CLOSE_LEAST = 0.25
CLOSE_SAME = 0.2

# Books on a shelf come in numbers: of 178 pictures of open books 177 have at most four book boxes.
SHELF = 5
# A book held up before a shelf is much larger than those on it.
BEFORE_SHELF = 4.0
# How far a screen may seem to move, in fractions of the picture, while it stands still.
STILL = 0.04
# A picture whose brightest 2 % stay below this (of 255) shows nothing to judge.
BLACK = 24
# Less than this between the darkest and the brightest 2 % is an evenly grey or blurred picture.
FLAT = 16
# The network was trained on pictures of 640; below this side a phone is a handful of pixels.
SMALLEST_SIDE = 96


class Settings(BaseSettings):
    """Smallest things that count, as fractions of the picture's area, and how the room is learned."""

    smallest_screen: float = Field(
        0.02, ge=0.0, le=1.0, description="A smaller screen is far away: a television in the room."
    )
    smallest_book: float = Field(
        0.015, ge=0.0, le=1.0, description="A smaller book stands on a shelf, out of reach."
    )
    smallest_person: float = Field(
        0.02, ge=0.0, le=1.0, description="A smaller person is far behind, or in a picture."
    )
    room_s: float = Field(
        5.0,
        ge=0.0,
        le=30.0,
        description="Screens that stand still in these first seconds belong to the room.",
    )
    each_picture: bool = Field(
        False,
        description="Judge each picture by itself and name everybody and everything: for a sweep of "
        "a room, never for an exam.",
    )


class Objects:
    """One network look a frame; four observations."""

    def __init__(self, net: ObjectNet, settings: Settings) -> None:
        self._net = net
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        self._phone, self._book, self._screen = (Evidence(THING) for _ in range(3))
        self._person = Evidence(PERSON)
        self._furniture: list[Box] = []
        self._began: float | None = None

    def close(self) -> None:
        self.reset()

    def update(self, frame: Frame) -> Sequence[Observation]:
        reason = _unfit(frame.image)
        if reason:
            return [
                Observation(frame.t, kind.name, None, NAME, quality=0.0, reason=reason)
                for kind in KINDS
            ]
        if self._began is None:
            self._began = frame.t
        things = self._net.find(frame.image)
        phones = [f for f in things if f.name == PHONE]
        screens = self._brought(frame.t - self._began, [f for f in things if f.name in SCREENS])
        books = in_use([f for f in things if f.name == "book"], self._settings.smallest_book)
        people = [f for f in things if f.name == "person"]
        extra = extra_people(people, self._settings.smallest_person)
        t = frame.t
        return [
            _say(
                t, KINDS[0], self._phone.add(t, phones, lambda box: self._close(frame.image, box))
            ),
            _say(t, KINDS[1], self._screen.add(t, screens)),
            _say(t, KINDS[2], self._book.add(t, books)),
            _say(t, KINDS[3], self._person.add(t, extra)),
        ]

    def _close(self, image: Image, box: Box) -> float:
        """How the network scores a phone at ``box`` when it sees that part of the picture enlarged."""
        part, where = around(image, box, CLOSE_TIMES, CLOSE_LEAST)
        found = [f for f in self._net.find(part) if f.name == PHONE]
        same = (f.score for f in found if overlap(within(where, f.box), box) > CLOSE_SAME)
        return max(same, default=0.0)

    def _brought(self, since_begin: float, screens: Sequence[Found]) -> list[Found]:
        """Screens near enough to read that were not standing there when the session began."""
        fresh: list[Found] = []
        for screen in screens:
            same = [i for i, box in enumerate(self._furniture) if stands_still(box, screen.box)]
            if same:
                # Followed, so that a laptop lid or a camera that sags does not turn it into news.
                self._furniture[same[0]] = screen.box
            elif since_begin < self._settings.room_s:
                self._furniture.append(screen.box)
            elif screen.box.width * screen.box.height >= self._settings.smallest_screen:
                fresh.append(screen)
        return fresh


def in_use(books: Sequence[Found], smallest: float) -> list[Found]:
    """Books near enough to be read; many together are a shelf, and only a far larger one counts."""
    areas = [f.box.width * f.box.height for f in books]
    least = smallest
    if len(books) >= SHELF:
        least = max(smallest, BEFORE_SHELF * median(areas))
    return [f for f, area in zip(books, areas, strict=True) if area >= least]


def extra_people(people: Sequence[Found], smallest: float) -> list[Found]:
    """Everyone but the student, who is the largest person in the picture.

    A score counts only as far as its box lies outside the student's: an arm, a hand held to the camera
    or a print on a shirt is also found as a person, and lies mostly inside.
    """
    if len(people) < 2:
        return []
    student = max(people, key=lambda f: f.box.width * f.box.height)
    extra: list[Found] = []
    for person in people:
        area = person.box.width * person.box.height
        if person is student or area < smallest:
            continue
        score = person.score * (1.0 - intersection(person.box, student.box) / area)
        if score >= LOWEST["person"]:
            extra.append(replace(person, score=score))
    return extra


def stands_still(a: Box, b: Box) -> bool:
    """Whether two boxes are one unmoved thing: edges within ``STILL``, or mostly overlapping (a
    person in front cuts a screen differently in every picture)."""
    edges = (
        a.x - b.x,
        a.y - b.y,
        a.x + a.width - b.x - b.width,
        a.y + a.height - b.y - b.height,
    )
    return max(map(abs, edges)) <= STILL or overlap(a, b) >= 0.5


def _unfit(image: Image) -> str:
    """Why the picture cannot be judged, or an empty string. Looks at one pixel in 64."""
    if min(image.shape[:2]) < SMALLEST_SIDE:
        return "picture too small"
    low, high = np.quantile(image[::8, ::8, 1], (0.02, 0.98))
    if high < BLACK:
        return "too dark"
    if high - low < FLAT:
        return "nothing to be made out"
    return ""


def _say(t: float, kind: Kind, place: Place | None) -> Observation:
    if place is None:
        return Observation(t, kind.name, 0.0, NAME)
    reason = f"found in {place.hits} of {place.looks} looks, best {place.best:.2f}"
    return Observation(t, kind.name, place.score, NAME, place.box, reason=reason)


def create(settings: Settings, context: Context) -> Detector:
    """The detector, with its network loaded (once a session)."""
    path = context.models[MODEL]
    net = context.share(f"{NAME}:{MODEL}", lambda: ObjectNet(path, LOWEST))
    if settings.each_picture:
        kinds = dict(zip((PHONE, "book", "person"), (KINDS[0], KINDS[2], KINDS[3]), strict=True))
        return EachPicture(net, NAME, kinds | dict.fromkeys(SCREENS, KINDS[1]), _unfit)
    return Objects(net, settings)


PLUGIN = Plugin(
    name=NAME,
    takes="frame",
    period=PERIOD_S,
    kinds=KINDS,
    models=(MODEL,),
    Settings=Settings,
    create=create,
)
