"""False flags an hour: honest recordings, looped with shifted crops, light, noise and frame rate.

    python benchmarks/honest.py run MEDIA OUT.jsonl [--video-hours 2] [--audio-hours 4] [--minutes 60]
    python benchmarks/honest.py table OUT.jsonl

A recording is *honest* for a kind when no label says that the act is there and none says that it may
be argued about (`benchmarks/recordings.py` reads the labels). `run` plays honest recordings through the
public path (`Session.replay`) under the policy, again and again, each time altered anew by a seeded
draw: pictures to and fro, mirrored or not, cropped and shifted by up to a fifth, 0.6 to 1.4 times the
light, another white balance, sensor noise, 5 to 10 pictures a second; sound one recording after another,
6 dB louder to 12 dB softer, over a room's hiss. One line of OUT.jsonl a replay; it can be stopped and
started again at any time, and ends at the hours asked for or after `--minutes`. `table` counts: an
hour is an hour in which the kind was measured; intervals are exact Poisson ones of 95 %. The same few
minutes return hundreds of times, so the hours are not independent: the true interval is wider.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from recordings import Case, read_cases
from scipy.stats import chi2

from policies.consent import accept_all
from proctor.capture.replay import Recording
from proctor.session.plan import Plan, make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import AudioChunk, Frame, Image, Samples

RATE = 16_000
FPS = 10.0
SEED = 20261122
VIDEO_S = 60.0
AUDIO_S = 600.0
# A recording longer than this is shown in a piece of this length, drawn anew each time.
LONGEST_S = 30.0


@dataclass(frozen=True, slots=True)
class Look:
    """How one replay alters the pictures."""

    mirrored: bool
    crop: tuple[float, float, float]  # size kept (1 = all), and where from the left and the top
    light: tuple[float, float, float]  # factor of linear light by colour
    grain: float
    fps: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Look:
        light = 2 ** rng.uniform(-0.74, 0.49)
        return cls(
            bool(rng.random() < 0.5),
            (float(rng.uniform(0.8, 1.0)), float(rng.random()), float(rng.random())),
            tuple(float(light * rng.uniform(0.94, 1.06)) for _ in range(3)),
            float(rng.uniform(0.0, 5.0)),
            float(rng.choice([5.0, 7.0, 10.0])),
        )

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        height, width = image.shape[:2]
        size, left, top = self.crop
        y, x = int(top * (1 - size) * height), int(left * (1 - size) * width)
        piece = image[y : y + int(size * height), x : x + int(size * width)]
        shown = cv2.resize(piece, (width, height), interpolation=cv2.INTER_AREA)
        if self.mirrored:
            shown = cv2.flip(shown, 1)
        levels = (np.arange(256) / 255.0) ** 2.2
        for colour, factor in enumerate(self.light):
            curve = np.clip(255 * (levels * factor) ** (1 / 2.2), 0, 255).astype(np.uint8)
            shown[..., colour] = curve[shown[..., colour]]
        if self.grain:
            # One draw for the three colours: a quarter of the time, and no colder than a real sensor.
            grain = rng.normal(0.0, self.grain, (height, width, 1)).astype(np.float32)
            shown = np.clip(shown + grain, 0, 255).astype(np.uint8)
        altered: Image = np.ascontiguousarray(shown)
        altered.flags.writeable = False
        return altered


class Altered:
    """Recordings that pose as one long one; everything but ``samples`` is the first one's."""

    def __init__(
        self, recordings: Sequence[Recording], seconds: float, seed: Sequence[int]
    ) -> None:
        self._first, self._recordings, self._seconds = recordings[0], recordings, seconds
        self._rng = np.random.default_rng(seed)
        # From which second on which file is heard.
        self.played: list[tuple[float, str]] = []

    def at(self, t: float) -> str:
        """The file that is heard or seen at second ``t``."""
        return next((name for start, name in reversed(self.played) if start <= t), "")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._first, name)

    def samples(self, **options: Any) -> Iterator[Frame | AudioChunk]:
        if self._first.has_video:
            return self._pictures(options)
        return self._sounds(options)

    def _pictures(self, options: dict[str, Any]) -> Iterator[Frame | AudioChunk]:
        rng, look = self._rng, Look.draw(self._rng)
        self.played.append((0.0, self._first.path.name))
        length = self._first.duration or LONGEST_S
        begin = float(rng.uniform(0.0, max(0.0, length - LONGEST_S)))
        images, sounds = [], [np.zeros(0, np.int16)]
        for sample in self._first.samples(**options):
            if sample.t >= begin + LONGEST_S:
                break
            if sample.t >= begin and isinstance(sample, Frame):
                images.append(sample.image)
            elif sample.t >= begin and isinstance(sample, AudioChunk):
                sounds.append(sample.samples)
        order = [*range(len(images)), *range(len(images) - 2, 0, -1)]
        heard = np.concatenate(sounds)
        every = round(FPS / look.fps)
        for seq in range(int(self._seconds * FPS)):
            if len(heard):
                at = np.arange(seq * RATE // 10, (seq + 1) * RATE // 10)
                yield AudioChunk(seq / FPS, seq, np.take(heard, at, mode="wrap"), RATE)
            if seq % every == 0:
                yield Frame(seq / FPS, seq, look(images[order[seq % len(order)]], rng))

    def _sounds(self, options: dict[str, Any]) -> Iterator[AudioChunk]:
        rng = self._rng
        hiss = 10 ** (rng.uniform(-75, -50) / 20) * 32768
        rest, seq = np.zeros(0, np.int16), 0
        while seq * 0.1 < self._seconds:
            recording = self._recordings[int(rng.integers(len(self._recordings)))]
            self.played.append((seq * 0.1 + len(rest) / RATE, recording.path.name))
            options["camera"] = None
            parts = [s.samples for s in recording.samples(**options) if isinstance(s, AudioChunk)]
            pause = np.zeros(int(rng.uniform(0.5, 4.0) * RATE), np.int16)
            sound = 10 ** (rng.uniform(-12, 6) / 20) * np.concatenate([*parts, pause])
            whole = np.clip(sound + rng.normal(0, hiss, len(sound)), -32768, 32767)
            rest = np.concatenate([rest, whole.astype(np.int16)])
            while len(rest) >= RATE // 10:
                piece: Samples = rest[: RATE // 10]
                yield AudioChunk(seq * 0.1, seq, piece, RATE)
                rest, seq = rest[RATE // 10 :], seq + 1


@dataclass(frozen=True, slots=True)
class Job:
    """What one replay plays, and the kinds it is honest for."""

    name: str
    files: tuple[Path, ...]
    kinds: frozenset[str]
    video: bool


def jobs(media: Path, plan: Plan) -> list[Job]:
    """A job for each recording with pictures, and one for each group of sounds."""
    kinds = {
        kind.name: choice.plugin.takes for choice in plan.choices for kind in choice.plugin.kinds
    }
    made: list[Job] = []
    groups: dict[frozenset[str], list[Path]] = defaultdict(list)
    for case in read_cases(media, ""):
        path = media / case.file
        recording = Recording.open(path)
        honest = _honest(case, kinds, recording)
        if recording.has_video:
            made.append(Job(case.file, (path,), honest, video=True))
        if recording.has_audio and not recording.has_video:
            groups[honest].append(path)
    for honest, files in groups.items():
        made.append(Job(f"{len(files)} sounds", tuple(files), honest, video=False))
    return [job for job in made if job.kinds]


def _honest(case: Case, kinds: dict[str, str], recording: Recording) -> frozenset[str]:
    acted = {act.kind for act in case.acts} | case.arguable
    senses = {"frame": recording.has_video, "audio": recording.has_audio}
    return frozenset(kind for kind, takes in kinds.items() if senses[takes] and kind not in acted)


def play(plan: Plan, job: Job, number: int) -> dict[str, Any]:
    """One replay of ``job``: time measured and flags, of the kinds it is honest for."""
    recordings = [Recording.open(path) for path in job.files]
    altered: Any = Altered(recordings, VIDEO_S if job.video else AUDIO_S, (SEED, number))
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(
            plan,
            accept_all(plan.policy),
            Path(folder) / "case",
            recipients=choose_recipients(plan, []),
        ) as session,
    ):
        summary = session.replay(altered)
        flags = [flag for flag in session.flags.values() if flag.kind in job.kinds]
    measured = {
        kind: round(summary.seconds - summary.not_measured_s.get(kind, 0.0), 2)
        for kind in job.kinds
    }
    found = [
        {"kind": f.kind, "start": round(f.start, 1), "end": f.end and round(f.end, 1), "peak": f.peak,
         "why": f.why,
         # Where it ended: a wake phrase is dated back by an estimate, at times into the pause before.
         "file": altered.at(f.end or f.start)} for f in flags
    ]  # fmt: skip
    return {"number": number, "job": job.name, "video": job.video, "seconds": summary.seconds,
            "measured": measured, "flags": found}  # fmt: skip


def run(
    media: Path, out: Path, policy: str, video_s: float, audio_s: float, minutes: float
) -> None:
    plan = make_plan(policy, require_all=False)
    for absent in plan.not_measured:
        print(absent.sentence(), file=sys.stderr)
    every = jobs(media, plan)
    rows = read(out) if out.exists() else []
    played = {True: 0.0, False: 0.0}
    for row in rows:
        played[row["video"]] += row["seconds"]
    turns = {True: [j for j in every if j.video], False: [j for j in every if not j.video]}
    number, until = len(rows), time.monotonic() + 60 * minutes
    with out.open("a", encoding="utf-8") as file:
        while time.monotonic() < until:
            wanted = [v for v, most in ((True, video_s), (False, audio_s)) if played[v] < most]
            if not wanted:
                break
            # Whichever is further from its goal; sounds are quick, so they come along the way.
            video = min(wanted, key=lambda v: played[v] / (video_s if v else audio_s))
            done = round(played[video] / (VIDEO_S if video else AUDIO_S))
            row = play(plan, turns[video][done % len(turns[video])], number)
            file.write(json.dumps(row) + "\n")
            file.flush()
            played[video] += row["seconds"]
            number += 1


def read(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def per_hour(count: int, hours: float) -> str:
    """The rate with its exact Poisson interval."""
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    high = chi2.ppf(0.975, 2 * count + 2) / 2
    return f"{count / hours:.2f} ({low / hours:.2f}-{high / hours:.2f})"


def table(out: Path) -> None:
    rows = read(out)
    seconds: Counter[str] = Counter()
    named: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        for kind, measured in row["measured"].items():
            seconds[kind] += measured
        for flag in row["flags"]:
            named[flag["kind"]][flag["file"]] += 1
    video = sum(row["seconds"] for row in rows if row["video"]) / 3600
    audio = sum(row["seconds"] for row in rows if not row["video"]) / 3600
    print(f"{len(rows)} replays, {video:.2f} h with pictures, {audio:.2f} h of sound alone\n")
    print("| kind | hours measured | false flags | an hour (95 %) |\n|---|---|---|---|")
    for kind in sorted(seconds):
        hours, count = seconds[kind] / 3600, sum(named[kind].values())
        rate = per_hour(count, hours) if hours else "-"
        print(f"| `{kind}` | {hours:.2f} | {count} | {rate} |")
    print("\n| kind | recording | false flags |\n|---|---|---|")
    for kind in sorted(named):
        for job, count in named[kind].most_common():
            print(f"| `{kind}` | {job} | {count} |")
    print("\nEach of them, with the replay's number (the seed draws the same again):\n")
    for row in rows:
        for flag in row["flags"]:
            print(f"{row['number']} {flag['file']}: {flag['kind']} {flag['start']}-{flag['end']} "
                  f"({flag['peak']:.2f}) {flag['why']}")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run")
    runs.add_argument("media", type=Path)
    runs.add_argument("out", type=Path)
    runs.add_argument("--policy", default="standard")
    runs.add_argument("--video-hours", type=float, default=2.0)
    runs.add_argument("--audio-hours", type=float, default=4.0)
    runs.add_argument("--minutes", type=float, default=600.0)
    tables = commands.add_parser("table")
    tables.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.command == "table":
        table(asked.out)
    else:
        run(asked.media, asked.out, asked.policy, 3600 * asked.video_hours,
            3600 * asked.audio_hours, asked.minutes)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
