"""Whose voice is it: how alike two-second pieces of one voice and of two are, and what the plug-in says.

    python benchmarks/speaker.py MEDIA [--conditions clean,noise-10] [--exams]

MEDIA is the folder of labelled recordings. Part one learns each of the ten LibriSpeech readers from
four pieces of their other recordings, and compares every piece of theirs and of everybody else's (the
other nine, the ten of `talking_grid`, the three of `three_speakers.wav`), as recorded and altered.
FMR: pieces of others that reach the limit `OWN` (taken for the student). FNMR: the student's own
pieces below it. Part two (`--exams`) puts whole sounds through the plug-in and the rule: a student
reads for a while, pauses, then reads on, or somebody else does. Intervals are Clopper and Pearson's,
over pieces (which are not independent) and over persons (who are).
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from detectors import speaker
from detectors._own_voice import ENROL_PIECES, OTHER, OWN, OwnVoice, VoiceNet
from detectors._voice import IS_VOICE, Ear
from models import registry
from policies.schema import RuleSettings
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import AudioChunk, Flag

RATE = 16_000
LENGTH = speaker.PIECE * 512
Sound = npt.NDArray[np.int16]
Alter = Callable[[Sound, np.random.Generator], Sound]
# The rule that docs/detectors/speaker.md recommends.
RULE = RuleSettings(on=0.5, off=0.5, min_s=0.5, gap_s=2.0, cooldown_s=5.0, stale_after_s=2.0)


def interval(k: int, n: int) -> str:
    """``k of n (low-high)``, 95 %."""
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return f"{k} of {n} ({low:.4f}-{high:.4f})"


def read(path: Path) -> Sound:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as file:
        parts = [p for f in file.decode(audio=0) for p in resampler.resample(f)]
        parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts])


@dataclass(frozen=True, slots=True)
class Talk:
    """One recording of one person."""

    who: str
    file: str
    sound: Sound


def readers(media: Path) -> list[Talk]:
    files = sorted((media / "audio/speech/librispeech").glob("*.flac"))
    return [Talk(path.name.split("-")[0], path.name, read(path)) for path in files]


def strangers(media: Path) -> Iterator[Talk]:
    """Everybody else: each file of the grid (ten people), and the published turns of three."""
    for path in sorted((media / "video/talking_grid").glob("*.mpg")):
        yield Talk(f"grid {path.stem}", path.name, read(path))
    whole = read(media / "audio/speech/three_speakers.wav")
    with (media / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["file"].endswith("three_speakers.wav") and "speaker=" in row["label"]:
                start, end = float(row["start_s"]), float(row["end_s"])
                turn = whole[int(start * RATE) : int(end * RATE)]
                yield Talk("three " + row["label"].split("=")[1], row["file"], turn)


def pieces(ear: Ear, sound: Sound) -> list[Sound]:
    """The pieces, none overlapping another, in which enough is voice (as the plug-in asks for)."""
    ear.reset()
    chunks = (
        AudioChunk(at / RATE, at, sound[at : at + RATE], RATE) for at in range(0, len(sound), RATE)
    )
    voiced = np.array([w.voice >= IS_VOICE for c in chunks for w in ear.hear(c).windows], np.bool_)
    found, at = [], 0
    while at + speaker.PIECE <= len(voiced):
        if voiced[at : at + speaker.PIECE].sum() >= speaker.VOICED:
            found.append(sound[at * 512 : at * 512 + LENGTH])
            at += speaker.PIECE
        else:
            at += 1
    return found


def level(sound: Sound) -> float:
    return float(np.sqrt(np.mean(sound.astype(np.float64) ** 2)))


def clipped(sound: npt.NDArray[np.floating]) -> Sound:
    cut: Sound = np.clip(sound, -32768, 32767).astype(np.int16)
    return cut


def noise(decibels: float, noises: list[Sound]) -> Alter:
    """A noise of the recordings under the voice, that much softer than it."""

    def alter(sound: Sound, rng: np.random.Generator) -> Sound:
        other = noises[int(rng.integers(len(noises)))]
        at = int(rng.integers(len(other) - len(sound)))
        other = other[at : at + len(sound)]
        gain = level(sound) / max(level(other), 1.0) * 10 ** (-decibels / 20)
        return clipped(sound + gain * other.astype(np.float64))

    return alter


def hiss(decibels: float) -> Alter:
    def alter(sound: Sound, rng: np.random.Generator) -> Sound:
        return clipped(sound + rng.normal(0, level(sound) * 10 ** (-decibels / 20), len(sound)))

    return alter


def room(seconds: float) -> Alter:
    """A bare room with that reverberation time: noise that dies away, after the direct sound."""

    def alter(sound: Sound, rng: np.random.Generator) -> Sound:
        t = np.arange(int(seconds * RATE)) / RATE
        echo = rng.normal(0, 0.05, len(t)) * 10 ** (-3 * t / seconds)
        echo[0] = 1.0
        return clipped(np.convolve(sound.astype(np.float64), echo)[: len(sound)])

    return alter


def pitch(factor: float) -> Alter:
    """Faster and higher (or slower and lower) by that factor, as an excited or a tired voice is."""

    def alter(sound: Sound, rng: np.random.Generator) -> Sound:
        at = np.arange(0, len(sound) - 1, factor)
        return clipped(np.interp(at, np.arange(len(sound)), sound))

    return alter


def telephone(sound: Sound, rng: np.random.Generator) -> Sound:
    """300-3400 Hz and no more: a poor headset."""
    spectrum = np.fft.rfft(sound.astype(np.float64))
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return clipped(np.fft.irfft(spectrum, len(sound)))


def conditions(media: Path) -> dict[str, Alter]:
    """Every alteration by name."""
    noises = [s for p in sorted((media / "audio/noise").rglob("*.ogg"))
              if level(s := read(p)) > 30 and len(s) > 2 * LENGTH]  # fmt: skip
    made: dict[str, Alter] = {"clean": lambda sound, rng: sound}
    made |= {f"noise-{d}": noise(d, noises) for d in (20, 15, 10, 5, 0)}
    made |= {f"hiss-{d}": hiss(d) for d in (20, 10, 5)}
    made |= {f"room-{s}": room(s) for s in (0.3, 0.8)}
    made |= {f"pitch-{f}": pitch(f) for f in (0.92, 0.96, 1.04, 1.08)}
    made["telephone"] = telephone
    made["far-20dB"] = lambda sound, rng: clipped(sound * 0.1 + rng.normal(0, 4, len(sound)))
    return made


def likenesses(
    media: Path, net: VoiceNet, ear: Ear, alter: Alter
) -> tuple[dict[str, list[float]], dict[tuple[str, str], list[float]]]:
    """By reader: of their own pieces. By reader and other person: of the others' pieces.

    The voice is always learnt as recorded; only what is compared with it is altered.
    """
    rng = np.random.default_rng(20261122)
    known = [(talk, pieces(ear, talk.sound)) for talk in readers(media)]
    others = [(talk, pieces(ear, talk.sound)) for talk in strangers(media)]
    numbers = {
        id(piece): net.voice(alter(piece, rng)) for _, found in known + others for piece in found
    }
    plain = {id(piece): net.voice(piece) for _, found in known for piece in found}
    same: dict[str, list[float]] = {}
    different: dict[tuple[str, str], list[float]] = {}
    for test, tested in known:
        own = OwnVoice()
        rest = [p for talk, found in known if talk.who == test.who and talk is not test
                for p in found]  # fmt: skip
        for piece in rest:
            if not own.known:
                own.learn(plain[id(piece)].copy(), 0.0)
        if not own.known:
            continue
        same.setdefault(test.who, []).extend(own.likeness(numbers[id(p)]) for p in tested)
        for talk, found in known + others:
            if talk.who != test.who:
                scores = [own.likeness(numbers[id(p)]) for p in found]
                different.setdefault((test.who, talk.who), []).extend(scores)
    return same, different


def table(media: Path, net: VoiceNet, ear: Ear, wanted: str) -> None:
    print(
        "| heard as | own pieces | own: lowest, 1 %, median | FNMR at OWN | own taken for another | "
        "others' pieces | others: median, 99 %, 99.9 %, highest | FMR at OWN | others below OTHER |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, alter in conditions(media).items():
        if wanted and name not in wanted.split(","):
            continue
        same, different = likenesses(media, net, ear, alter)
        own = np.array([v for values in same.values() for v in values])
        other = np.array([v for values in different.values() for v in values])
        print(
            f"| {name} | {len(own)} | {own.min():.2f}, {np.percentile(own, 1):.2f}, "
            f"{np.median(own):.2f} | {interval(int((own < OWN).sum()), len(own))} | "
            f"{interval(int((own < OTHER).sum()), len(own))} | {len(other)} | "
            f"{np.median(other):.2f}, {np.percentile(other, 99):.2f}, "
            f"{np.percentile(other, 99.9):.2f}, {other.max():.2f} | "
            f"{interval(int((other >= OWN).sum()), len(other))} | "
            f"{interval(int((other < OTHER).sum()), len(other))} |",
            flush=True,
        )
        if name == "clean":
            pairs = [max(values) >= OWN for values in different.values() if values]
            people = [min(values) < OTHER for values in same.values() if values]
            print(
                f"\npairs of people with any piece at OWN or above: {interval(sum(pairs), len(pairs))}"
            )
            print(f"readers with any own piece below OTHER: {interval(sum(people), len(people))}\n")


def flags(context: Context, sound: Sound) -> tuple[list[Flag], dict[str, float]]:
    """What the plug-in and the recommended rule flag in ``sound``, and unknown time by reason."""
    detector = speaker.PLUGIN.create(speaker.PLUGIN.Settings(), context)
    detector.reset()
    book = RuleBook(speaker.PLUGIN.kinds, {"speech.other_voice": RULE})
    book.begin(0.0)
    events = []
    for seq, at in enumerate(range(0, len(sound), RATE // 10)):
        chunk = AudioChunk(at / RATE, seq, sound[at : at + RATE // 10], RATE)
        events += [e for answer in detector.update(chunk) for e in book.feed(answer)]
    events += book.finish(len(sound) / RATE)
    detector.close()
    closed = [event.flag for event in events if event.what == "closed"]
    return closed, book.rules["speech.other_voice"].unknown_s


def exams(media: Path, context: Context) -> None:
    """A reader reads all but their last recording; then their last, or one of each other reader's."""
    rng = np.random.default_rng(3)

    def quiet(seconds: float) -> Sound:
        return rng.normal(0, 8, int(seconds * RATE)).astype(np.int16)

    def even(sound: Sound) -> Sound:
        return clipped(sound * (1500.0 / level(sound)))

    talks = readers(media)
    people = sorted({talk.who for talk in talks})
    by = {who: [even(t.sound) for t in talks if t.who == who] for who in people}
    false = early = 0
    turns: dict[bool, list[bool]] = {True: [], False: []}
    late: list[float] = []
    for who in people:
        start = [part for sound in by[who][:-1] for part in (sound, quiet(1.0))]
        learnt = np.concatenate([quiet(2.0), *start, quiet(2.0)])
        begin = len(learnt) / RATE - 1.0
        found, _ = flags(context, np.concatenate([learnt, by[who][-1], quiet(3.0)]))
        false += bool(found)
        for flag in found:
            print(f"false: {who} at {flag.start:.1f}: {flag.why}")
        for other in people:
            if other != who:
                turn = by[other][-1]
                found, _ = flags(context, np.concatenate([learnt, turn, quiet(3.0)]))
                right = [flag for flag in found if flag.start >= begin]
                early += len(found) > len(right)
                turns[len(turn) >= 5 * RATE].append(bool(right))
                late += [right[0].start - begin - 1.0] if right else []
    print(f"readers flagged for their own voice: {interval(false, len(people))}")
    print(f"replays with a flag while the student reads, before the other's turn: {early}")
    for long, name in ((False, "shorter than 5 s"), (True, "5 s and longer")):
        print(f"another's recording {name} found: {interval(sum(turns[long]), len(turns[long]))}")
    print(f"the flag begins {np.median(late):.1f} s (median) after the other's recording does")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("--conditions", default="")
    parser.add_argument("--exams", action="store_true")
    asked = parser.parse_args()
    context = Context({name: registry.install(name) for name in speaker.PLUGIN.models})
    net, ear = VoiceNet(context.models["campplus"]), Ear(context.models["silero_vad"])
    print(f"OWN {OWN}, OTHER {OTHER}, learnt from {ENROL_PIECES} pieces of {LENGTH / RATE:.2f} s")
    if asked.exams:
        exams(asked.media, context)
        return
    table(asked.media, net, ear, asked.conditions)
    sound = np.concatenate([talk.sound for talk in readers(asked.media)])
    began = time.process_time()
    flags(context, sound)
    spent = (time.process_time() - began) / (len(sound) / RATE / 60)
    print(f"\nthe plug-in with its ear: {spent:.2f} CPU s a minute of unbroken talk")


if __name__ == "__main__":
    main()
