"""What calibration and the exam page's milestones change: flags before and after, on real recordings.

    PYTHONPATH=. python benchmarks/calibration.py MEDIA gaze
    PYTHONPATH=. python benchmarks/calibration.py MEDIA turns
    PYTHONPATH=. python benchmarks/calibration.py MEDIA profiles
    PYTHONPATH=. python benchmarks/calibration.py MEDIA answers
    PYTHONPATH=. python benchmarks/calibration.py MEDIA light
    PYTHONPATH=. python benchmarks/calibration.py MEDIA voice

MEDIA is a folder with `video` and `audio`. Everything at the `standard` rules. ``gaze``: one man's
eyes at the edges of a screen as wide as they go, which was calibrated with other seconds of the same
clips. ``turns``: a head turned to either side for five seconds. ``profiles``: FairFace heads by the
landmarker's yaw, and how many of them the second network calls turned far aside. ``answers``: an answer while the eyes
are held aside, and answers of people who look at the screen, plain and in twelve altered versions
each. ``light``: every video recording in altered light, with and without a calibration in its first
seconds. ``voice``: one speaker through a wall (low-pass, quiet), another one at the desk, with and
without a calibration.
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.faces import clopper_pearson, context, frames
from benchmarks.faces_altered import CHANGES, Change
from benchmarks.vision_flags import ALTERATIONS, SUFFIXES, light, looped
from detectors import gaze, lighting, speech
from detectors._nets import FaceFinder, FaceMesh
from detectors._profile import turned
from models import registry
from policies.load import read
from proctor.pipeline.detector import CALIBRATED, Context, Detector, Plugin
from proctor.pipeline.rules import RuleBook
from proctor.types import AudioChunk, Flag, Frame, Marker, Observation

Item = Frame | AudioChunk | Marker
RULES = dict(read("standard")[0].rules)
RATE = 16_000
ONLY: list[str] = []


def play(plugin: Plugin, detector: Detector, items: Iterable[Item]) -> tuple[list[Flag], str]:
    """The flags of a stream in order of time, and how its last calibration went."""
    book = RuleBook(plugin.kinds, RULES)
    book.begin(0.0)
    closed, told, t = [], "", 0.0
    for item in items:
        said = detector.mark(item) if isinstance(item, Marker) else detector.update(item)  # type: ignore[attr-defined]
        for each in said:
            if isinstance(each, Observation):
                closed += [e.flag for e in book.feed(each) if e.what == "closed"]
            elif each.kind == CALIBRATED:
                told = str(each.data)
        t = max(t, item.end if isinstance(item, AudioChunk) else item.t)
    return closed + [e.flag for e in book.finish(t) if e.what == "closed"], told


def versions() -> dict[str, Change]:
    """The altered versions that were asked for; all of them by default."""
    return {name: change for name, change in CHANGES.items() if not ONLY or name in ONLY}


def of(count: int, total: int) -> str:
    low, high = clopper_pearson(count, total)
    return f"{count} of {total} [{low:.2f}, {high:.2f}]"


def after(items: Sequence[Frame], t: float) -> list[Frame]:
    """The frames with their time beginning at ``t``."""
    return [replace(item, t=item.t - items[0].t + t) for item in items]


# --- gaze --------------------------------------------------------------------------------------

POINTS = [(0.5, 0.5), (0, 0), (1, 0), (1, 1), (0, 1), (0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1)]


def calibration(clips: dict[float, list[Frame]], starts: dict[float, float]) -> list[Item]:
    """Nine points of 1.3 s; ``clips`` by the point's x, from ``starts`` on."""
    items: list[Item] = [Marker(0.0, "calibration.begin", {"what": "gaze"})]
    used = dict.fromkeys(clips, 0.0)
    for i, (x, y) in enumerate(POINTS):
        t, begin = 1.4 * i, starts[x] + used[x]
        used[x] += 1.3
        items.append(Marker(t, "calibration.point", {"x": float(x), "y": y, "seconds": 1.3}))
        items += after([f for f in clips[x] if begin <= f.t < begin + 1.3], t)
    return [*items, Marker(1.4 * len(POINTS), "calibration.end", {"what": "gaze"})]


def gaze_benchmark(media: Path) -> None:
    folder = media / "video" / "gaze"
    centre, left, right = (
        list(frames(folder / f"{name}.mp4"))
        for name in ("center_focus", "center_left_center", "center_right_center")
    )
    # The person's left, x = 0, is the picture's right.
    screens = {
        "none": [],
        "as wide as the eyes went": calibration(
            {0: right, 0.5: centre, 1: left}, {0: 5.9, 0.5: 0.5, 1: 5.9}
        ),
        "eyes never left the middle": calibration(
            {0: centre, 0.5: centre, 1: centre}, {0: 0.5, 0.5: 3.5, 1: 6.0}
        ),
    }
    for (name, learned), (change, alter) in itertools.product(screens.items(), versions().items()):
        flagged = []
        told = ""
        for clip in (left, right):
            detector = gaze.Gaze(gaze.Settings(), context())
            shown = [
                i
                if isinstance(i, Marker)
                else replace(i, image=np.ascontiguousarray(alter(i.image)).astype(np.uint8))
                for i in [*learned, *after(clip, 20.0)]
            ]
            flags, told = play(gaze.PLUGIN, detector, shown)
            flagged.append("+".join(f.kind for f in flags) or "no flag")
            detector.close()
        print(f"{name:28s} {change:12s} eyes aside: {', '.join(flagged)}  {told}")


# Yaw by the label: to the left up to 44 degrees until 0.45 s, through the front, then to the right
# from 10 to 30.
TURN_CLIP = "intel_preview/head-pose-face-detection-female.gif"
TURNS = (
    (0.55, 0.85, 4.0),
    (0.0, 0.45, 5.0),
    (0.55, 0.85, 4.0),
    (0.95, 1.35, 5.0),
    (0.55, 0.85, 3.0),
)


def turns_benchmark(media: Path) -> None:
    """A woman's turned head, its frames shown back and forth for five seconds to each side."""
    bare = list(frames(media / "video" / TURN_CLIP))
    shown: list[Frame] = []
    for start, end, seconds in TURNS:
        part = [f for f in bare if start <= f.t <= end]
        order = part + part[-2:0:-1]
        for i in range(round(seconds * 10)):
            shown.append(Frame(len(shown) / 10, len(shown), order[i % len(order)].image))
    for change, alter in versions().items():
        detector = gaze.Gaze(gaze.Settings(), context())
        altered = [
            replace(f, image=np.ascontiguousarray(alter(f.image)).astype(np.uint8)) for f in shown
        ]
        flags, _ = play(gaze.PLUGIN, detector, altered)
        detector.close()
        text = "; ".join(f"{f.kind} {f.start:.1f}-{f.end:.1f}" for f in flags) or "no flag"
        print(f"{change:12s} head left 4.0-9.0, right 13.0-18.0: {text}")


def profiles_benchmark(media: Path) -> None:
    mesh = FaceMesh(context().models["face_landmarker"]).acquire()
    finder = FaceFinder(context().models["yunet"])
    found: dict[str, list[tuple[float, bool]]] = {}
    for i, path in enumerate(sorted((media / "images" / "faces_fairface").glob("*.jpg"))):
        image = head_in_a_room(cv2.imread(str(path)))
        mesh.reset()
        view = mesh.look(Frame(float(i), i, image))
        seen = finder.surest(image)
        if seen is None:
            continue
        score, to_right = turned(seen[1])
        group = "no landmarks" if view is None else f"yaw {min(int(abs(view.yaw) / 10), 5)}0°"
        wrong = view is not None and score >= 0.5 and (view.yaw > 0) != to_right
        found.setdefault(group, []).append((score, wrong))
    for group, heads in sorted(found.items()):
        count = sum(score >= 0.5 for score, _ in heads)
        wrong_side = sum(wrong for _, wrong in heads)
        print(
            f"{group:14s} turned far aside: {of(count, len(heads))}, {wrong_side} to the wrong side"
        )


def head_in_a_room(head: np.ndarray) -> np.ndarray:
    """A cut-out head, 260 px high or wide, in a grey picture of 640 by 480."""
    room = np.full((480, 640, 3), 110, np.uint8)
    scale = 260 / max(head.shape[:2])
    sized = cv2.resize(head, None, fx=scale, fy=scale)
    room[100 : 100 + sized.shape[0], 190 : 190 + sized.shape[1]] = sized
    return room


HONEST = (
    "portrait/d9.mp4", "portrait/d18.mp4", "portrait/s18.mp4",
    "gaze/center_focus.mp4", "talking_grid/bbaf2n.mpg", "talking_grid/lbbc2a.mpg",
    "talking_grid/lwbsza.mpg", "talking_grid/sbwe5n.mpg", "asl/again.mkv", "asl/walk.mkv",
    "asl/night.mkv",
)  # fmt: skip


def answers_benchmark(media: Path) -> None:
    counts: Counter[str] = Counter()

    def run(clip: str, marks: list[Marker], seconds: float) -> None:
        bare = list(frames(media / "video" / clip, seconds))
        for change, alter in versions().items():
            detector = gaze.Gaze(gaze.Settings(), context())
            shown: list[Item] = [
                replace(f, image=np.ascontiguousarray(alter(f.image)).astype(np.uint8))
                for f in bare
                if f.t < seconds
            ]
            flags, _ = play(gaze.PLUGIN, detector, sorted([*marks, *shown], key=lambda i: i.t))
            detector.close()
            whys = [f.why for f in flags if f.kind == "gaze.away_before_answer"]
            act = "honest" if clip in HONEST else "darting" if "d0" in clip else "aside"
            counts[f"{act} {'as it is' if change == 'as it is' else 'altered'} all"] += 1
            counts[f"{act} {'as it is' if change == 'as it is' else 'altered'} flagged"] += bool(
                whys
            )
            print(f"{clip:32s} {change:12s} {whys or 'no flag'}")

    def marks(*times: float) -> list[Marker]:
        first = Marker(0.5, "question.shown", {"id": "q"})
        return [first, *(Marker(t, "answer.submitted", {"id": "q"}) for t in times)]

    for clip in ("gaze/center_left_center.mp4", "gaze/center_right_center.mp4"):
        run(clip, [Marker(4.0, "question.shown", {"id": "q"}), *marks(9.9)[1:]], 15.0)
    # Labelled away: eyes to one side and the other for 2.2 of every 3.1 s, again and again.
    run("portrait/d0.mp4", marks(6.0, 9.0, 16.0), 17.0)
    for clip in HONEST:
        run(clip, marks(6.0, 9.0, 16.0), 17.0)
    acts = ("aside", "darting", "honest")
    for act in (f"{act} {how}" for act in acts for how in ("as it is", "altered")):
        print(f"{act}: flagged {of(counts[f'{act} flagged'], counts[f'{act} all'])}")


# --- light -------------------------------------------------------------------------------------

# What an evening room is to the recordings' own: 2.2 stops less light.
EVENING = 0.22
LIGHTS: dict[str, tuple[float, str]] = {
    "as it is": (1.0, "as-is"),
    "0.6 times the light": (1.0, "mild-dark"),
    "1.4 times the light": (1.0, "mild-bright"),
    "0.2 times the light": (1.0, "dark-0.2"),
    "0.1 times the light": (1.0, "dark-0.1"),
    "0.05 times the light": (1.0, "dark-0.05"),
    "a lamp": (1.0, "lamp"),
    "an evening room, as it is": (EVENING, "as-is"),
    "an evening room, 0.6 times the light": (EVENING, "mild-dark"),
    "an evening room, 0.2 times the light": (EVENING, "dark-0.2"),
}
LEARN = (
    Marker(0.4, "calibration.begin", {"what": "light"}),
    Marker(6.1, "calibration.end", {"what": "light"}),
)


def light_benchmark(media: Path) -> None:
    rng = np.random.default_rng(20261122)
    paths = sorted(p for p in media.glob("video/*/*") if p.suffix in SUFFIXES)
    for name, (room, change) in LIGHTS.items():
        found: dict[str, Counter[str]] = {"without": Counter(), "with": Counter()}
        for path in paths:
            shown = list(looped(path, 20.0, "as-is", rng))
            for i, frame in enumerate(shown):
                image = frame.image if room == 1.0 else light(frame.image, room, 2.0, rng)
                if frame.t >= 8.0:
                    image = ALTERATIONS[change](image, rng)
                shown[i] = replace(frame, image=np.ascontiguousarray(image))
            for how, marks in (("without", ()), ("with", LEARN)):
                detector = lighting.Lighting(lighting.Settings())
                stream = sorted([*marks, *shown], key=lambda item: item.t)
                flags, told = play(lighting.PLUGIN, detector, stream)
                for kind in {f.kind for f in flags}:
                    found[how][kind] += 1
                found[how]["calibrated"] += "'done': True" in told
        n = len(paths)
        for how, counts in found.items():
            kinds = ("light.dim", "light.glare", "light.backlit")
            text = ", ".join(f"{kind} {of(counts[kind], n)}" for kind in kinds)
            print(f"{name:40s} {how:8s} calibration ({counts['calibrated']:2d} done): {text}")


# --- voice -------------------------------------------------------------------------------------


def sound(path: Path) -> np.ndarray:
    """A file as mono 16 kHz float32."""
    resampler = av.AudioResampler("flt", "mono", RATE)
    pieces = []
    with av.open(str(path)) as container:
        for frame in itertools.chain(container.decode(audio=0), [None]):
            pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    return np.concatenate(pieces)


def at(samples: np.ndarray, dbfs: float) -> np.ndarray:
    return samples * 10 ** (dbfs / 20) / max(float(np.sqrt(np.mean(samples**2))), 1e-9)


def through_a_wall(samples: np.ndarray) -> np.ndarray:
    """What a plasterboard wall leaves: 12 dB less an octave above 400 Hz (two first-order stages)."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.fft.irfft(spectrum / (1 + (hertz / 400.0) ** 2), len(samples))


def chunks(samples: np.ndarray) -> list[AudioChunk]:
    whole = np.clip(samples * 32768, -32768, 32767).astype(np.int16)
    block = RATE // 10
    return [
        AudioChunk(i / RATE, i // block, whole[i : i + block], RATE)
        for i in range(0, len(whole) - block, block)
    ]


def voice_benchmark(media: Path) -> None:
    rng = np.random.default_rng(20261122)
    by_speaker: dict[str, list[Path]] = {}
    for path in sorted((media / "audio" / "speech" / "librispeech").glob("*.flac")):
        by_speaker.setdefault(path.name.split("-")[0], []).append(path)
    voices = [np.concatenate([sound(p) for p in paths]) for paths in by_speaker.values()]
    learn = [
        Marker(1.0, "calibration.begin", {"what": "voice"}),
        Marker(6.0, "calibration.end", {"what": "voice"}),
    ]
    silero = Context({"silero_vad": _model("silero_vad")})
    cases: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {}
    for level in (-45.0, -50.0, -55.0):
        cases[f"next room at {level:g} dBFS"] = lambda tv, near, level=level: at(
            through_a_wall(tv), level
        )
    for level in (-30.0, -36.0, -42.0):
        cases[f"next room at -50 dBFS, 4 s of talk at the desk at {level:g} dBFS"] = (
            lambda tv, near, level=level: at(through_a_wall(tv), -50.0) + _placed(near, level)
        )
        cases[f"quiet room, 4 s of talk at the desk at {level:g} dBFS"] = (
            lambda tv, near, level=level: _placed(near, level)
        )
    cases["talk at the desk at -30 dBFS while it is learned"] = lambda tv, near: at(near, -30.0)
    for name, mix in cases.items():
        flagged = Counter({"without": 0, "with": 0, "done": 0})
        for i, tv in enumerate(voices):
            near = voices[(i + 1) % len(voices)][: 20 * RATE]
            heard = mix(np.resize(tv, 20 * RATE), np.resize(near, 20 * RATE))
            items = chunks(heard + rng.normal(0, 10 ** (-65 / 20), 20 * RATE))
            for how, marks in (("without", []), ("with", learn)):
                detector = speech.PLUGIN.create(speech.Settings(), Context(dict(silero.models)))
                stream = sorted([*marks, *items], key=lambda item: item.t)
                flags, told = play(speech.PLUGIN, detector, stream)
                # Only what comes after the calibration is compared.
                flagged[how] += any((f.end or f.start) > 7.0 for f in flags)
                flagged["done"] += "'done': True" in told
        n = len(voices)
        print(
            f"{name:62s} flagged without {of(flagged['without'], n)}, with {of(flagged['with'], n)} "
            f"({flagged['done']} learned)"
        )


def _placed(near: np.ndarray, dbfs: float) -> np.ndarray:
    """Four seconds of talk from second 12 on."""
    placed = np.zeros(20 * RATE)
    placed[12 * RATE : 16 * RATE] = at(near[RATE : 5 * RATE], dbfs)
    return placed


def _model(name: str) -> Path:
    return registry.find(name) or registry.install(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("what", choices=("gaze", "turns", "profiles", "answers", "light", "voice"))
    parser.add_argument("--only", action="append", choices=list(CHANGES), help="altered versions")
    chosen = parser.parse_args()
    ONLY.extend(chosen.only or [])
    cv2.setNumThreads(1)
    {
        "gaze": gaze_benchmark,
        "turns": turns_benchmark,
        "profiles": profiles_benchmark,
        "answers": answers_benchmark,
        "light": light_benchmark,
        "voice": voice_benchmark,
    }[chosen.what](chosen.media)


if __name__ == "__main__":
    main()
