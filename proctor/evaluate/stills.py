"""Face detection, gaze and identity on still pictures with group labels: for whom do the detectors fail?

Each picture stands before the very plug-ins of an exam as if a camera looked at it for a while. A
still does not move, blink or speak, and one picture a person says nothing about that person's day: this
measures whether a face is *seen* in every group, no more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models import registry
from proctor.errors import InputError, MissingError
from proctor.evaluate.dataset import Fault, rows
from proctor.evaluate.fairness import Slice, slices
from proctor.evaluate.statistics import Answer, share
from proctor.pipeline import plugins
from proctor.pipeline.detector import Context, Detector, Plugin
from proctor.types import Frame, Image, Observation

LABELS = "labels.csv"
PLUGINS = ("faces", "gaze", "identity")
# The standard rules' thresholds: a score from here on is what a rule would take up.
ABSENT_ON, OTHER_ON = 0.6, 0.6
# How long a picture stands before faces and gaze, and before identity (which looks once a second).
LOOK_S, STEP_S = 1.2, 0.2
ENROL_S, COMPARE_S = 7.0, 4.0
# A head fills this part of the picture before a webcam; around it is grey.
WIDER = 1.5
# What is asked of every picture, as the table calls it.
QUESTIONS = (
    "no face found",
    "no face found at a seventh of the brightness",
    "gaze not measured",
    "identity not enrolled, of pictures of one person who looks ahead",
    "own picture at half the brightness held for somebody else",
    "somebody of the same groups not told apart",
)
# Why identity learns no face from a picture that was not made for it, by how the detector's reason begins: in
# an exam it waits until the head turns back and whoever else is there is gone, and a still never changes.
# Whatever other reason it gives counts as not enrolled.
UNFIT = {
    "face turned": "head turned or tilted",
    "learning the face: turned": "head turned or tilted",
    "more than one face": "more than one face",
}
# Factors of grey levels. Light itself, before a camera's gamma of about 2.2, is then 1.5 % and 22 %.
DARK, HALF = 0.15, 0.5


@dataclass(frozen=True, slots=True)
class Still:
    """One picture of one person, and the groups that its labels give."""

    path: Path
    groups: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: what became of every picture that it could be asked of."""

    question: str
    whole: Answer
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Stills:
    """All questions, and pictures that could not be read with the reason.

    ``unfit`` counts the pictures that could not be asked whether identity is enrolled, and
    ``not_enrolled`` those in which it was not, by reason and most frequent first.
    """

    pictures: int
    asked: tuple[Asked, ...]
    unread: tuple[str, ...]
    unfit: Mapping[str, int]
    not_enrolled: Mapping[str, int]
    answers: tuple[tuple[str, Mapping[str, bool]], ...]


def read(folder: Path, groups: Sequence[str]) -> list[Still]:
    """Pictures of ``labels.csv`` (column ``file``) with the label columns ``groups``.

    An empty label is a group not stated, other columns are not looked at. Raises :class:`InputError`
    where file or column lack, or a line does not read.
    """
    path = folder / LABELS
    if not path.is_file():
        raise InputError(f"There is no {path}; it lists the pictures, one a person.")
    faults: list[Fault] = []
    listed = [row for _, row in rows(path, ("file", *groups), (), faults, own="")]
    if faults:
        raise InputError(f"{folder / str(faults[0])}.")
    if not listed:
        raise InputError(f"{path} lists no picture.")
    return [
        Still(folder / row["file"], {name: row[name] for name in groups if row[name]})
        for row in listed
    ]


def work_out(
    stills: Sequence[Still], tell: Callable[[int], None] = lambda _: None, *, identity: bool = True
) -> Stills:
    """Ask every question of every picture. ``tell`` hears how many are done.

    Raises :class:`MissingError` when a plug-in or a network lacks.
    """
    found = plugins.discover()
    missing = [name for name in PLUGINS if name not in found]
    if missing:
        raise MissingError(f"The plug-in {missing[0]} is not installed; reinstall the program.")
    chosen = [found[name] for name in PLUGINS if identity or name != "identity"]
    networks = {name: registry.install(name) for one in chosen for name in one.models}
    context = Context(networks)
    faces, gaze = (_made(found[name], context) for name in ("faces", "gaze"))
    kept: list[Still] = []
    unread: list[str] = []
    for still in stills:
        if load(still.path) is None:
            unread.append(f"{still.path.name}: no picture that reads")
        else:
            kept.append(still)
    answers: list[dict[str, bool]] = []
    unfit: Counter[str] = Counter()
    lacking: Counter[str] = Counter()
    for number, still in enumerate(kept):
        # Loaded again, because thousands of pictures do not fit into memory together.
        image = _loaded(still)
        mine = _seen(faces, gaze, image)
        if identity:
            other = _partner(number, kept)
            theirs = None if other is None else _loaded(kept[other])
            compared, why = _compared(found["identity"], context, image, theirs)
            mine |= compared
            if why and QUESTIONS[3] in compared:
                # Numbers left out, so that like reasons are counted together.
                lacking[re.sub(r" \([^)]*\)", "", why)] += 1
            elif why:
                unfit[_unfit(why)] += 1
        answers.append(mine)
        tell(number + 1)
    faces.close()
    gaze.close()
    return Stills(
        len(kept),
        tuple(_asked(question, kept, answers) for question in QUESTIONS),
        tuple(unread),
        dict(unfit.most_common()),
        dict(lacking.most_common()),
        tuple((still.path.name, mine) for still, mine in zip(kept, answers, strict=True)),
    )


def load(path: Path) -> Image | None:
    """A picture as a webcam would see that head: grey around it. ``None`` where it does not read."""
    import cv2

    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    head = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if head is None:
        return None
    side = int(WIDER * max(head.shape[:2]))
    wide = np.full((side, side, 3), 128, np.uint8)
    top, left = (side - head.shape[0]) // 2, (side - head.shape[1]) // 2
    wide[top : top + head.shape[0], left : left + head.shape[1]] = head
    return wide


def _loaded(still: Still) -> Image:
    image = load(still.path)
    if image is None:
        raise InputError(f"{still.path} read a moment ago and does not now; put it back.")
    return image


def dimmed(image: Image, gain: float) -> Image:
    """The picture with its grey levels times ``gain`` and a sensor's noise (3 levels)."""
    noise = np.random.default_rng(0).normal(0.0, 3.0, image.shape)
    made: Image = np.clip(image * gain + noise, 0, 255).astype(np.uint8)
    return made


def _made(plugin: Plugin, context: Context) -> Detector:
    detector: Detector = plugin.create(plugin.Settings(), context)
    return detector


def _shown(image: Image, begin: float, seconds: float, step: float) -> Iterator[Frame]:
    still = np.ascontiguousarray(image)
    still.setflags(write=False)
    for i in range(round(seconds / step)):
        yield Frame(begin + i * step, i, still)


def _last(detector: Detector, frames: Iterator[Frame], kind: str) -> float | None:
    """The last score of ``kind``; ``None`` where the detector could not tell."""
    said = _last_said(detector, frames, kind)
    return None if said is None else said.score


def _last_said(detector: Detector, frames: Iterator[Frame], kind: str) -> Observation | None:
    said: list[Observation] = []
    for frame in frames:
        for one in detector.update(frame):
            if isinstance(one, Observation) and one.kind == kind:
                said.append(one)
    return said[-1] if said else None


def _seen(faces: Detector, gaze: Detector, image: Image) -> dict[str, bool]:
    answers = {}
    for question, shown in (
        (QUESTIONS[0], image),
        (QUESTIONS[1], dimmed(image, DARK)),
    ):
        faces.reset()
        score = _last(faces, _shown(shown, 0.0, LOOK_S, STEP_S), "face.absent")
        answers[question] = score is None or score >= ABSENT_ON
    gaze.reset()
    looked = _last(gaze, _shown(image, 0.0, LOOK_S, STEP_S), "gaze.away")
    answers[QUESTIONS[2]] = looked is None
    return answers


def _compared(
    plugin: Plugin, context: Context, image: Image, other: Image | None
) -> tuple[dict[str, bool], str]:
    """A template of the picture; then itself at half the brightness, then somebody else.

    Also why there is no template, or nothing.
    """
    detector = _made(plugin, context)
    learned = _last_said(detector, _shown(image, 0.0, ENROL_S, 1.0), "face.other")
    answers: dict[str, bool] = {}
    why = ""
    if learned is None or learned.score is None:
        why = "nothing was said" if learned is None else learned.reason
        if not _unfit(why):
            answers[QUESTIONS[3]] = True
    else:
        answers[QUESTIONS[3]] = False
        detector.reset()
        own = _last(detector, _shown(dimmed(image, HALF), 20.0, COMPARE_S, 1.0), "face.other")
        if own is not None:
            answers[QUESTIONS[4]] = own >= OTHER_ON
        if other is not None:
            detector.reset()
            theirs = _last(detector, _shown(other, 40.0, COMPARE_S, 1.0), "face.other")
            if theirs is not None:
                answers[QUESTIONS[5]] = theirs < OTHER_ON
    detector.close()
    return answers, why


def _unfit(why: str) -> str:
    """What it is in the picture that keeps identity from learning the face; empty where it is something else."""
    return next((told for begin, told in UNFIT.items() if why.startswith(begin)), "")


def _partner(number: int, stills: Sequence[Still]) -> int | None:
    """The next picture with the same groups, round about: whom one is hardest told apart from."""
    n = len(stills)
    for step in range(1, n):
        i = (number + step) % n
        if stills[i].groups == stills[number].groups:
            return i
    return None


def _asked(question: str, stills: Sequence[Still], answers: Sequence[Mapping[str, bool]]) -> Asked:
    told = [(s, a[question]) for s, a in zip(stills, answers, strict=True) if question in a]
    counted = [yes for _, yes in told]
    groups = [still.groups for still, _ in told]
    return Asked(
        question,
        share(sum(counted), len(counted), "persons"),
        tuple(slices(groups, counted, intersections=True)) if told else (),
    )
