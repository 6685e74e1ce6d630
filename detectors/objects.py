"""Phone, laptop, other screen, book, and an extra person, from one object network.

The network looks at single pictures; :mod:`detectors._evidence` turns its intermittent finds into a
probability that is steady over time. docs/detectors/objects.md says what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from pydantic import Field

from detectors._each import EachPicture
from detectors._evidence import Evidence, Place, Weights
from detectors._yolo import SAME, Found, ObjectNet, around, intersection, overlap, within
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
    Kind("object.laptop", "Laptop in view", "A laptop was in view for {seconds} s."),
    Kind("object.book", "Book in view", "A book was in view for {seconds} s."),
    Kind("object.person", "Another person in view", "Another person was in view for {seconds} s."),
)

# COCO's names, and the lowest score worth looking at. Evidence needs the weak ones too: on the
# development pictures a score of 0.10-0.20 is four times as common with a phone as without.
LOWEST = {"person": 0.25, "cell phone": 0.05, "book": 0.05, "laptop": 0.1, "tv": 0.1}
PHONE = "cell phone"
# COCO has no tablet: it finds one as a television, a laptop or a phone. The two are followed together, and
# a thing is called by the name that it mostly had.
TV, LAPTOP = "tv", "laptop"
SCREENS = (TV, LAPTOP)

# Log-likelihood ratios of a picture's best phone score, 364 pictures with a hand-sized phone against
# 860 without (hands, keys, mugs, shoes, cases, signing), times 0.6 because looks half a second apart
# are not independent (any factor from 0.5 to 0.7 gives the same flags on the labelled recordings).
# From `fixed` on one look outweighs the prior (unmultiplied). See docs/detectors/objects.md.
PHONES = Weights(
    scores=(0.0, 0.03, 0.07, 0.15, 0.28, 0.42, 0.6, 0.85),
    values=(-1.05, -1.05, 0.0, 0.8, 0.95, 1.1, 1.6, 1.95),
    fixed=0.5,
)
# The same for books: 178 pictures of open books against 1,687 without one from 17 sets that count alike
# (wallets, phones, hands and signing among them). A weak score says more than with phones, and none says
# less: a third of the open books is never found.
BOOKS = Weights(
    scores=(0.0, 0.04, 0.07, 0.15, 0.28, 0.42, 0.6, 0.85),
    values=(-0.65, -0.65, 0.2, 0.9, 1.5, 1.6, 2.1, 2.5),
    fixed=0.35,
)
# Screens separate at least as well as phones (laptops: 26 of 27 from 0.25 up, 0 of 620 false from 0.1).
SCREEN = Weights(scores=PHONES.scores, values=PHONES.values, fixed=0.35)
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
        description="Screens other than laptops that stand still in these first seconds belong to the room.",
    )
    each_picture: bool = Field(
        False,
        description="Judge each picture by itself and name everybody and everything: for a sweep of "
        "a room, never for an exam.",
    )


@dataclass(slots=True)
class Standing:
    """A screen that has stood where it is since the beginning; ``laptop`` is above zero when it was more
    of a laptop than of a television."""

    box: Box
    laptop: float = 0.0


class Objects:
    """One network look a frame; one observation of each kind."""

    def __init__(self, net: ObjectNet, settings: Settings) -> None:
        self._net = net
        self._settings = settings
        self.reset()

    def reset(self) -> None:
        self._phone, self._book, self._screen = map(Evidence, (PHONES, BOOKS, SCREEN))
        self._person = Evidence(PERSON)
        self._standing: list[Standing] = []
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
        books = in_use(only_books(things), self._settings.smallest_book)
        people = [f for f in things if f.name == "person"]
        extra = extra_people(people, self._settings.smallest_person)
        t = frame.t
        self._screen.add(t, screens)
        places = {
            "object.phone": self._phone.add(t, phones, lambda box: self._close(frame.image, box)),
            "object.tablet": self._screen.likeliest(TV),
            "object.laptop": self._screen.likeliest(LAPTOP),
            "object.book": self._book.add(t, books),
            "object.person": self._person.add(t, extra),
        }
        return [_say(t, kind, places[kind.name]) for kind in KINDS]

    def _close(self, image: Image, box: Box) -> float:
        """How the network scores a phone at ``box`` when it sees that part of the picture enlarged."""
        part, where = around(image, box, CLOSE_TIMES, CLOSE_LEAST)
        found = [f for f in self._net.find(part) if f.name == PHONE]
        same = (f.score for f in found if overlap(within(where, f.box), box) > CLOSE_SAME)
        return max(same, default=0.0)

    def _brought(self, since_begin: float, screens: Sequence[Found]) -> list[Found]:
        """Screens near enough to read; of televisions those that did not stand there when the session
        began. A laptop counts from the beginning: the student's own is never before its own camera."""
        fresh: list[Found] = []
        for screen in one_name(screens):
            there = next((s for s in self._standing if stands_still(s.box, screen.box)), None)
            if there is None and since_begin < self._settings.room_s:
                there = Standing(screen.box)
                self._standing.append(there)
            if there is not None:
                # Followed, so that a monitor or a camera that sags does not turn it into news.
                there.box = screen.box
                there.laptop += screen.score if screen.name == LAPTOP else -screen.score
                if there.laptop <= 0.0:
                    continue
            if screen.box.width * screen.box.height >= self._settings.smallest_screen:
                fresh.append(screen)
        return fresh


def one_name(screens: Sequence[Found]) -> list[Found]:
    """Each screen once, by its better score: the network often finds one thing under both names."""
    kept: list[Found] = []
    for screen in sorted(screens, key=lambda f: -f.score):
        if all(overlap(screen.box, other.box) < SAME for other in kept):
            kept.append(screen)
    return kept


def only_books(things: Sequence[Found]) -> list[Found]:
    """The books that are not rather a phone or a screen: an opened wallet is a bit of each."""
    others = [f for f in things if f.name in (PHONE, *SCREENS)]
    return [
        book
        for book in things
        if book.name == "book"
        and all(o.score < book.score or overlap(o.box, book.box) < SAME for o in others)
    ]


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
        kinds = dict(zip((PHONE, TV, LAPTOP, "book", "person"), KINDS, strict=True))
        return EachPicture(net, NAME, kinds, _unfit)
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
