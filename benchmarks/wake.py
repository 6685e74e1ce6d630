"""Wake phrases: our heads beside other recognisers, on the same recordings that none was tuned on.

    python benchmarks/wake.py MEDIA [--alexa-head FILE]
    python benchmarks/wake.py --near-misses

Recall by set of recordings, false hits, and CPU seconds per minute of sound. Porcupine (pvporcupine
1.9.5) and openWakeWord's own "alexa" head (CC BY-NC-SA, so never shipped) are peers to measure
against, used only where they are at hand. `--near-misses` lets ten voices of flite, SVOX Pico and
espeak-ng (those that are installed) say phrases that are nearly one, and three that are.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import importlib.util
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from detectors import _heads, wake
from detectors._voice import MODEL as VOICE_MODEL
from models import registry
from models.wake_heads import STEPS, WORDINGS, SpeechEmbedding, WakeHeads
from proctor.pipeline.detector import Context
from proctor.types import AudioChunk

RATE = 16000
KINDS = (".flac", ".wav", ".mp3", ".ogg", ".mp4", ".mpg")
Sound = npt.NDArray[np.int16]
# What an engine hears in a sound: phrases with their times in seconds.
Hits = list[tuple[float, str]]
Engine = Callable[[Sound], Hits]


@dataclass(frozen=True, slots=True)
class Group:
    """Recordings of one kind; ``phrase`` is said once in each, or ``""`` where none is said."""

    name: str
    phrase: str
    sounds: list[Sound]


def read(path: Path) -> Sound:
    """A file's sound at 16 kHz, mono, with a second of a quiet room after it, as in an exam."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as file:
        parts = [p for f in file.decode(audio=0) for p in resampler.resample(f)]
        parts += resampler.resample(None)
    rest = np.random.default_rng(1).integers(-2, 3, RATE).astype(np.int16)
    return np.concatenate([*(part.to_ndarray()[0] for part in parts), rest])


def groups(media: Path) -> Iterator[Group]:
    """Every set of recordings: first those with a phrase, then those without."""
    wakes = media / "audio" / "wake"

    def all_in(*folders: Path) -> list[Sound]:
        files = [p for folder in folders for p in sorted(folder.rglob("*.*"))]
        return [read(p) for p in files if p.suffix in KINDS]

    yield Group("alexa, 60 people", "alexa", all_in(wakes / "alexa"))
    yield Group("alexa, one person", "alexa", all_in(wakes / "efficientword_alexa_custom"))
    yield Group("alexa, 7 TTS voices", "alexa", all_in(wakes / "efficientword_alexa"))
    yield Group("ok google, 7 TTS voices", "ok google", all_in(wakes / "efficientword_ok_google"))
    yield Group("hey siri, 8 eSpeak voices", "hey siri", all_in(wakes / "synthetic_hey_siri"))
    yield from _composite(media)
    yield Group("google alone, 7 TTS voices", "", all_in(wakes / "efficientword_google"))
    yield Group("siri alone, 7 TTS voices", "", all_in(wakes / "efficientword_siri"))
    others = ("computer", "jarvis", "smart_mirror", "snowboy", "view_glass")
    yield Group("50 other wake words", "", all_in(*(wakes / other for other in others)))
    yield Group("speech: 40 sentences", "", all_in(media / "audio" / "speech" / "librispeech"))
    yield Group("speech: three speakers", "", [read(media / "audio/speech/three_speakers.wav")])
    yield Group("speech: 11 faces talking", "", all_in(media / "video" / "talking_grid"))
    yield Group("85 noises", "", all_in(media / "audio" / "noise"))
    quiet = read(media / "audio" / "composite" / "exam_quiet_no_voice.flac")
    yield Group("quiet exam, 120 s", "", [quiet])


def _composite(media: Path) -> Iterator[Group]:
    """The exam with events and the ten wake words, cut at what their labels say."""
    with (media / "labels.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"].startswith("wake:")]
    names = ("audio/composite/exam_with_events.flac", "audio/wake/multiple_keywords.wav")
    for phrase in ("alexa", "ok google"):
        pieces = []
        for name in names:
            sound = read(media / name)
            for row in rows:
                if row["file"] == name and row["label"] == f"wake:{phrase}":
                    start, end = float(row["start_s"]) - 2.0, float(row["end_s"]) + 1.0
                    pieces.append(sound[int(max(0.0, start) * RATE) : int(end * RATE)])
        yield Group(f"{phrase}, mixed exam sounds", phrase, pieces)


def plug_in(models: dict[str, Path]) -> Engine:
    """Our heads as the agent uses them: behind the voice gate, 0.1 s at a time."""

    def run(sound: Sound) -> Hits:
        detector = wake.PLUGIN.create(wake.PLUGIN.Settings(), Context(models))
        seen, piece = [], RATE // 10
        for number, at in enumerate(range(0, len(sound), piece)):
            chunk = AudioChunk(at / RATE, number, sound[at : at + piece], RATE)
            seen += [(o.t, o.reason) for o in detector.update(chunk) if o.score]
        # Each hit is told twice, where it began and where it ended.
        return list(seen[1::2])

    return run


def always_on(models: dict[str, Path]) -> Engine:
    """Our heads over every sample, without the gate."""
    recogniser = _heads.load(models, tuple(WORDINGS))

    def run(sound: Sound) -> Hits:
        recogniser.reset()
        return [(hit.end, hit.phrase) for hit in recogniser.accept(sound, 0.0)]

    return run


def alexa_head(models: dict[str, Path], path: Path) -> Engine:
    """openWakeWord's "alexa" over the same embedding, at its threshold of 0.5."""
    embedding = SpeechEmbedding(*(models[name] for name in _heads.MODELS))
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    net = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = net.get_inputs()[0].name

    def run(sound: Sound) -> Hits:
        embedding.reset()
        found = np.concatenate([np.tile(embedding.quiet, (STEPS - 1, 1)), embedding.feed(sound)])
        hits, deaf = [], -1.0
        for step in range(len(found) - STEPS + 1):
            t = (step + 1) * _heads.STEP_S
            score = float(net.run(None, {name: found[None, step : step + STEPS]})[0].item())
            if score >= 0.5 and t > deaf:
                hits.append((t, "alexa"))
                deaf = t + _heads.REST_S
        return hits

    return run


def porcupine(sensitivity: float) -> Engine:
    """Porcupine 1.9.5 with the phrases that it knows of ours."""
    package: Any = importlib.import_module("pvporcupine")
    words = ["alexa", "hey siri", "ok google", "hey google"]
    engine = package.create(keywords=words, sensitivities=[sensitivity] * len(words))

    def run(sound: Sound) -> Hits:
        engine.process([0] * engine.frame_length)
        hits = []
        for at in range(0, len(sound) - engine.frame_length, engine.frame_length):
            index = engine.process(sound[at : at + engine.frame_length].tolist())
            if index >= 0:
                hits.append((at / RATE, words[index]))
        return hits

    return run


VOICES = (
    *(("flite", "-voice", voice, "-o", "FILE", "-t") for voice in ("kal16", "awb", "rms", "slt")),
    *(("pico2wave", "-w", "FILE", "-l", voice) for voice in ("en-US", "en-GB")),
    *(("espeak-ng", "-s", "150", "-w", "FILE", "-v", voice)
      for voice in ("en-us", "en-gb", "en-us+f3", "en-gb-scotland")),
)  # fmt: skip
NEARLY = (
    "hey Sarah", "hey Sarah, come here", "okay, Googled it", "okay, I googled it", "hey Sierra",
    "a serious question", "OK, go ogle it", "Alexander", "a lexicon", "hey, Courtney", "hi, big boy",
    "hey, co-pilot's chair",
)  # fmt: skip
SAID = ("hey Siri", "ok google", "alexa")


def near_misses(engines: dict[str, Engine]) -> None:
    """Print how many voices' near-misses, and phrases, each engine takes for a phrase."""
    voices = [voice for voice in VOICES if shutil.which(voice[0])]
    print(f"{len(voices)} voices\n\n| said | " + " | ".join(engines) + " |")
    print("|---" * (1 + len(engines)) + "|")
    room = np.random.default_rng(1).normal(0, 12, RATE).astype(np.int16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        for text in (*NEARLY, *SAID):
            hits = dict.fromkeys(engines, 0)
            for voice in voices:
                command = [str(path) if part == "FILE" else part for part in voice]
                subprocess.run([*command, text], check=True)
                sound = np.concatenate([room, read(path), room])
                for name, engine in engines.items():
                    hits[name] += bool(engine(sound))
            print(f"| {text} | " + " | ".join(map(str, hits.values())) + " |", flush=True)


def right(hit: str, phrase: str) -> bool:
    """Whether a hit is the phrase; the two wordings for Google count as one."""
    return hit == phrase or (hit.endswith("google") and phrase.endswith("google"))


def measure(name: str, engine: Engine, recordings: list[Group]) -> None:
    """Print one engine's table."""
    print(f"\n{name}\n\n| recordings | n | minutes | found | false hits |\n|---|---|---|---|---|")
    cpu, minutes, false_all, false_minutes = 0.0, 0.0, 0, 0.0
    for group in recordings:
        length = sum(len(sound) for sound in group.sounds) / RATE / 60
        found, false, before = 0, [], time.process_time()
        for sound in group.sounds:
            hits = engine(sound)
            found += any(right(hit, group.phrase) for _, hit in hits)
            false += [hit for _, hit in hits if not right(hit, group.phrase)]
        cpu, minutes = cpu + time.process_time() - before, minutes + length
        if not group.phrase:
            false_all, false_minutes = false_all + len(false), false_minutes + length
        said = f"{found}/{len(group.sounds)}" if group.phrase else "-"
        which = f" ({', '.join(sorted(set(false)))})" if false else ""
        print(
            f"| {group.name} | {len(group.sounds)} | {length:.1f} | {said} | {len(false)}{which} |"
        )
    rate = false_all / false_minutes * 60
    print(f"\n{false_all} false hits in {false_minutes:.1f} min = {rate:.1f}/h; ", end="")
    print(f"{cpu / minutes:.2f} CPU s per minute of sound")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("media", type=Path, nargs="?")
    parser.add_argument("--alexa-head", type=Path)
    parser.add_argument("--near-misses", action="store_true")
    asked = parser.parse_args()
    models = {name: registry.install(name) for name in (*_heads.MODELS, VOICE_MODEL)}
    if asked.near_misses:
        engines = {"ours": plug_in(models)}
        if importlib.util.find_spec("pvporcupine"):
            engines["Porcupine 0.5"] = porcupine(0.5)
        near_misses(engines)
        return
    if asked.media is None:
        parser.error("MEDIA, the folder of labelled recordings, is missing")
    recordings = list(groups(asked.media))
    thresholds = dict(zip(WakeHeads().names, WakeHeads().thresholds.round(2), strict=True))
    print(f"thresholds: {thresholds}")
    measure("Our heads behind the voice gate (as the agent runs)", plug_in(models), recordings)
    measure("Our heads, always on", always_on(models), recordings)
    if asked.alexa_head:
        measure("openWakeWord alexa, always on", alexa_head(models, asked.alexa_head), recordings)
    if importlib.util.find_spec("pvporcupine"):
        for sensitivity in (0.5, 0.7):
            engine = porcupine(sensitivity)
            measure(f"Porcupine 1.9.5 at sensitivity {sensitivity}", engine, recordings)
    else:
        print("\nPorcupine: not here (pip install pvporcupine==1.9.5 in an environment of its own)")


if __name__ == "__main__":
    main()
