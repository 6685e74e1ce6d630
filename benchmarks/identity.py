"""Measures face.other: likeness of pairs, swaps, and changes of one person that are no swap.

    PYTHONPATH=. python benchmarks/identity.py pairs MEDIA      FMR and FNMR, by group, with intervals
    PYTHONPATH=. python benchmarks/identity.py swaps MEDIA      one person's clip, then another's
    PYTHONPATH=. python benchmarks/identity.py altered MEDIA    glasses, dim light, turned head, blur …
    PYTHONPATH=. python benchmarks/identity.py cost MEDIA       CPU of one look against a landmark inference

MEDIA is the folder with labels.csv. The rule is the one that docs/detectors/identity.md gives.
"""

from __future__ import annotations

import argparse
import csv
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.face_changes import CHANGES
from benchmarks.faces import clopper_pearson, frames, room
from detectors import identity
from detectors._likeness import FaceNumbers, cut_out, mean, why_not
from detectors._nets import FaceFinder, FaceMesh, FaceView, Floats
from detectors._others import SURE, overlaps
from models import registry
from policies.schema import RuleSettings
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.pipeline.runner import Station
from proctor.types import Flag, Frame, Image, Observation

DOCS = Path(__file__).resolve().parents[1] / "docs" / "detectors" / "identity.md"
# Likeness below which the documented rule holds a face for another.
LIMIT = 0.44
# One clip each of people who certainly differ; the same camera and room within a group, so that a
# likeness of light and background would be seen. (Two of the eleven GRID clips show one speaker.)
GROUPS: dict[str, tuple[str, ...]] = {
    "talking_grid": tuple(
        f"talking_grid/{name}.mpg"
        for name in ("bbaf2n", "brbk7n", "lbax4n", "lbbc2a", "lrwp9a", "lwbsza", "pwij3p",
                     "sbia1a", "sbwe5n", "swiz3n")
    ),
    "asl": ("asl/again.mkv", "asl/sister.mkv", "asl/sorry.mkv", "asl/hungry.mkv"),
    "webcam": ("gaze/center_focus.mp4", "portrait/d0.mp4", "portrait/d9.mp4",
               "portrait/d18.mp4", "portrait/s18.mp4"),
}  # fmt: skip
SWAP_AT_S, SWAP_END_S = 12.0, 24.0
# Clips of each group that are altered (every one in every way takes an hour).
ALTERED_EACH = 3
# How often a face is given to the landmarker here; the detector itself looks once a second.
STEP_S = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """One face as the detector reads it."""

    numbers: Floats
    eyes_px: float


class Reader:
    """Landmarks, cut-out, quality gate and numbers of single pictures."""

    def __init__(self) -> None:
        self._nets = context()
        self._numbers = FaceNumbers(self._nets.models["face_reid"])
        self._finder = FaceFinder(self._nets.models["yunet"])

    def view(self, image: Image) -> FaceView | None:
        mesh = FaceMesh(self._nets.models["face_landmarker"]).acquire()
        view = mesh.look(Frame(0.0, 0, np.ascontiguousarray(image)))
        mesh.release()
        return view

    def look(self, image: Image) -> Look | None:
        """The face, or nothing where none is seen or the quality gate refuses it."""
        view = self.view(image)
        if view is None or self._finder.look_closer(image, view.box) < identity.PLAIN:
            return None
        # Some heads have others behind them, and the landmarker may take one of those.
        if any(not overlaps(face.box, view.box) for face in self._finder.find(image, SURE)):
            return None
        cut = cut_out(image, view)
        return None if why_not(cut, view) else Look(self._numbers.of(cut), cut.eyes_px)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("pairs", "swaps", "altered", "cost"))
    parser.add_argument("media", type=Path)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    {"pairs": pairs, "swaps": swaps, "altered": altered, "cost": cost}[chosen.what](chosen.media)


def context() -> Context:
    """The detector's networks, from where the agent finds them."""
    return Context({name: registry.install(name) for name in identity.PLUGIN.models})


def rule() -> RuleSettings:
    """The rule of face.other in the documentation."""
    text = DOCS.read_text(encoding="utf-8").split("```toml", 1)[1].split("```", 1)[0]
    return RuleSettings(**tomllib.loads(text)["rules"][identity.OTHER])


def watch(samples: Iterable[Frame]) -> tuple[list[Flag], list[Observation], dict[str, float]]:
    """The detector and its rule over ``samples``: flags, observations, unmeasured seconds by reason."""
    station = Station(identity.PLUGIN, identity.PLUGIN.create(identity.Settings(), context()))
    book = RuleBook(identity.PLUGIN.kinds, {identity.OTHER: rule()})
    raised: list[Flag] = []
    seen: list[Observation] = []
    t = 0.0
    for frame in samples:
        if not seen:
            book.begin(frame.t)
        t = frame.t
        if not station.due(t):
            continue
        for observation in station.look(frame):
            seen.append(observation)
            raised += [e.flag for e in book.feed(observation) if e.what == "closed"]
    raised += [e.flag for e in book.finish(t + 0.1) if e.what == "closed"]
    station.close()
    return raised, seen, book.rules[identity.OTHER].unknown_s


def looped(path: Path, start: float, end: float) -> Iterator[Frame]:
    """A clip from session second ``start`` to ``end``, twice a second, again and again."""
    pictures = [f.image for f in frames(path) if round(f.t * 10) % round(STEP_S * 10) == 0]
    for i in range(int((end - start) / STEP_S)):
        yield Frame(start + i * STEP_S, i, pictures[i % len(pictures)])


# --- pairs -------------------------------------------------------------------------------------


def pairs(media: Path) -> None:
    """How often different people are taken for one (FMR) and one person for another (FNMR)."""
    folder = media / "images" / "faces_fairface"
    reader = Reader()
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known: list[tuple[dict[str, str], Look]] = []
    for row in rows:
        look = reader.look(room(cv2.imread(str(folder / row["file"])), 1.0))
        if look is not None:
            known.append((row, look))
    print(f"FairFace: {len(known)} of {len(rows)} heads pass the quality gate")
    groups: dict[str, list[int]] = {}
    for i, (row, _) in enumerate(known):
        for name in names_of(row):
            groups.setdefault(name, []).append(i)
    of = Counter(name for row in rows for name in names_of(row))
    for name, members in sorted(groups.items()):
        print(f"  {name:18s} {_share(len(members), of[name])}")
    numbers = np.stack([look.numbers for _, look in known])
    print(
        "\nFMR: pairs of different people at least this alike (95 %: people drawn anew, 1000 times)"
    )
    for name, members in sorted(groups.items()):
        if len(members) >= 10:
            print(f"  {name:18s} {len(members):3d} people  " + _fmr(numbers[members]))
    _same_picture(reader, folder, known, groups)
    _same_room(media, reader)
    _one_man(media, reader)


def names_of(row: dict[str, str]) -> tuple[str, ...]:
    """The groups that one person of FairFace belongs to."""
    return (
        "all",
        f"gender {row['gender_fairface']}",
        f"age {row['age_group_fairface']}",
        f"ITA {row['ita_bin_measured'] or 'unmeasured'}",
    )


def _fmr(numbers: Floats) -> str:
    likeness = numbers @ numbers.T
    upper = np.triu_indices(len(numbers), 1)
    text = f"{len(upper[0]):5d} pairs"
    rng = np.random.default_rng(0)
    over = np.triu(likeness >= LIMIT, 1)
    shares = []
    for _ in range(1000):
        times = np.bincount(rng.integers(0, len(numbers), len(numbers)), minlength=len(numbers))
        weights = np.outer(times, times)
        shares.append(float((over * weights).sum() / np.triu(weights, 1).sum()))
    low, high = np.quantile(shares, [0.025, 0.975])
    if not over.any():
        # Drawing people anew cannot say how rare the unseen is; here pairs count as independent.
        low, high = clopper_pearson(0, len(upper[0]))
    share = over[upper].mean()
    text += f"   ≥ {LIMIT:.2f}: {over.sum():3d} = {share:.5f} [{low:.5f}, {high:.5f}]"
    ordered = np.sort(likeness[upper])[::-1]
    return text + f"   1 in 1000 reach {ordered[int(len(ordered) * 1e-3)]:.3f}"


def _same_picture(
    reader: Reader,
    folder: Path,
    known: Sequence[tuple[dict[str, str], Look]],
    groups: dict[str, list[int]],
) -> None:
    """FNMR by group: each head against itself changed (FairFace has one picture a person)."""
    print("\nFNMR: the same picture changed, less alike than the limit (Clopper-Pearson)")
    for change in ("light x 0.35", "thin glasses", "thick glasses"):
        failed: dict[int, bool] = {}
        for i, (row, look) in enumerate(known):
            image = room(cv2.imread(str(folder / row["file"])), 1.0)
            view = reader.view(image)
            if view is None:
                continue
            again = reader.look(CHANGES[change](image, view))
            if again is not None:
                failed[i] = float(look.numbers @ again.numbers) < LIMIT
        print(f"  {change}")
        for name, members in sorted(groups.items()):
            judged = [failed[i] for i in members if i in failed]
            if len(members) >= 10 and not name.startswith("age"):
                print(f"    {name:18s} {_share(sum(judged), len(judged))}")


def _same_room(media: Path, reader: Reader) -> None:
    """Templates of five looks against the mean of three looks, within one room and camera."""
    print("\nSame room: template of five looks against means of three")
    for group, clips in GROUPS.items():
        looks = {}
        for clip in clips:
            found = [reader.look(f.image) for f in looped(media / "video" / clip, 0.0, 10.0)]
            looks[clip] = [look for look in found if look is not None]
        usable = {clip: some for clip, some in looks.items() if len(some) >= 8}
        own, others = [], []
        for clip, some in usable.items():
            template = mean([look.numbers for look in some[:5]])
            for other, theirs in usable.items():
                means = [
                    float(mean([x.numbers for x in theirs[k : k + 3]]) @ template)
                    for k in range(5 if other == clip else 0, len(theirs) - 2)
                ]
                (own if other == clip else others).extend(means)
        print(
            f"  {group:13s} {len(usable)} people: same, least {min(own):.2f}, below {LIMIT} "
            f"{_share(sum(x < LIMIT for x in own), len(own))}; different, most {max(others):.2f}, "
            f"at least {LIMIT} {_share(sum(x >= LIMIT for x in others), len(others))}"
        )


def _one_man(media: Path, reader: Reader) -> None:
    """205 webcam pictures of one man who holds things before his face."""
    found = [
        reader.look(cv2.resize(cv2.imread(str(path)), (640, 480)))
        for path in sorted((media / "images" / "phone_webcam").glob("*.jpg"))
    ]
    looks = [look.numbers for look in found if look is not None]
    template = mean(looks[:5])
    means = [float(mean(looks[k : k + 3]) @ template) for k in range(5, len(looks) - 2)]
    print(
        f"\nOne man, {len(found)} webcam pictures, {len(looks)} pass the gate: least likeness "
        f"{min(means):.2f}; below {LIMIT}: {_share(sum(x < LIMIT for x in means), len(means))}"
    )


def _share(k: int, n: int) -> str:
    if n == 0:
        return "none judged"
    low, high = clopper_pearson(k, n)
    return f"{k} of {n} = {k / n:.4f} [{low:.4f}, {high:.4f}]"


# --- swaps -------------------------------------------------------------------------------------


def swaps(media: Path) -> None:
    """Who sits down after 12 s is somebody else: found, and after how long? And nobody changing?"""
    found = total = false = honest = 0
    for group, clips in GROUPS.items():
        others = [*clips[1:], clips[0]]
        if group == "webcam":
            others = [*clips[2:], *clips[:2]]
        for first, second in zip(clips, others, strict=True):
            total += 1
            raised, _, _ = watch(swap(media, first, second))
            after = [f.start for f in raised if f.end is None or f.end > SWAP_AT_S]
            opened = f"flagged from {after[0] - SWAP_AT_S:+.1f} s" if after else "MISSED"
            found += bool(after)
            print(f"  {first:26s} → {second:26s} {opened} {raised[0].why if raised else ''}")
        for clip in clips:
            honest += 1
            raised, seen, _ = watch(looped(media / "video" / clip, 0.0, SWAP_END_S))
            false += bool(raised)
            judged = [o for o in seen if o.score is not None]
            most = max((o.score for o in judged if o.score is not None), default=0.0)
            print(f"  {clip:26s} alone: {len(raised)} flags, {len(judged)} looks, most {most:.2f}")
    print(f"\nswaps found {_share(found, total)}; false flags in {_share(false, honest)}")


def swap(media: Path, first: str, second: str) -> Iterator[Frame]:
    """One clip for 12 s, then the other."""
    yield from looped(media / "video" / first, 0.0, SWAP_AT_S)
    yield from looped(media / "video" / second, SWAP_AT_S, SWAP_END_S)


# --- changes of one person ---------------------------------------------------------------------


def altered(media: Path) -> None:
    """Enrolled as they are, changed from 8 s on: flagged (wrongly), judged alike, or unknown."""
    reader = Reader()
    counts = {change: Counter[str]() for change in CHANGES}
    wrong: dict[str, list[str]] = {change: [] for change in CHANGES}
    clips = [clip for clips in GROUPS.values() for clip in clips[:ALTERED_EACH]]
    for clip in clips:
        bare = list(looped(media / "video" / clip, 0.0, 18.0))
        views: dict[int, FaceView | None] = {}
        for frame in bare:
            # Clips are looped, so the same picture comes again.
            if id(frame.image) not in views:
                views[id(frame.image)] = reader.view(frame.image)
        for change, apply in CHANGES.items():
            samples = []
            for frame in bare:
                view = views[id(frame.image)]
                if frame.t < 8.0 or view is None:
                    samples.append(frame)
                else:
                    image = np.ascontiguousarray(apply(frame.image, view))
                    samples.append(replace(frame, image=image))
            raised, seen, _ = watch(samples)
            judged = any(o.score is not None for o in seen if o.t >= 9.0)
            counts[change]["flagged" if raised else "alike" if judged else "unknown"] += 1
            if raised:
                wrong[change].append(clip)
            outcome = "flagged" if raised else "judged alike" if judged else "unknown"
            print(f"  {clip:26s} {change:16s} {outcome}", flush=True)
    print("change           people  flagged  judged alike  unknown")
    for change, count in counts.items():
        print(
            f"{change:16s} {len(clips):6d} {count['flagged']:8d} {count['alike']:13d} "
            f"{count['unknown']:8d}  {' '.join(wrong[change])}"
        )


def cost(media: Path) -> None:
    """CPU of one look of the detector beside one landmark inference, on the same frames."""
    pictures = list(looped(media / "video" / "portrait/d9.mp4", 0.0, 60.0))
    nets = context()
    detector = identity.PLUGIN.create(identity.Settings(), nets)
    mesh = FaceMesh(nets.models["face_landmarker"]).acquire()
    spent: dict[str, list[float]] = {"landmarks": [], "landmarks and identity": []}
    for frame in pictures:
        before = time.process_time()
        mesh.look(frame)
        between = time.process_time()
        detector.update(frame)
        spent["landmarks"].append(between - before)
        spent["landmarks and identity"].append(time.process_time() - between)
    alone, both = (1000 * float(np.mean(values[10:])) for values in spent.values())
    print(
        f"landmarks {alone:.1f} ms; identity besides {both - alone:.1f} ms, ratio {both / alone:.2f}"
    )
    print(f"at one look a second {(both - alone) / 10:.1f} % of one core")


if __name__ == "__main__":
    main()
