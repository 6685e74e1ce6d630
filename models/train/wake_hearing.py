"""Scenes around the utterances (lead, room, noise, what follows), and what the embedding hears."""

from __future__ import annotations

import importlib
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.train import wake_sounds
from models.train.wake_corpus import NEGATIVE, SEED, Utterances, load
from models.train.wake_voices import RATE, Sound
from models.wake_heads import SIZE, STEP, STEPS, SpeechEmbedding

# A step counts as "phrase just heard" when it ends this long after the phrase (s). Between "not
# yet" and "just heard" nothing is asked of the heads.
HEARD_FROM, HEARD_TO, NOT_YET = 0.08, 0.40, -0.25
TAIL = 0.5
ASKED_NOTHING = -2


@dataclass(frozen=True, slots=True)
class Heard:
    """Embeddings of many scenes, one after another.

    ``embeddings`` T×96; ``wanted`` T: head number, -1 for none, -2 for "ask nothing"; ``scene`` T:
    the number of the scene. Each scene was heard from reset, so the window of a step that has
    fewer than 15 steps of its scene before it is filled up with the quiet embedding.
    """

    embeddings: npt.NDArray[np.float16]
    wanted: npt.NDArray[np.int8]
    scene: npt.NDArray[np.int32]


class QuickEmbedding(SpeechEmbedding):
    """The same numbers six times as fast for long sounds, for training.

    The network holds no padding in time, so it can slide over a whole mel picture at once; only the
    two shapes written into its graph stand in the way. Needs the package ``onnx``.
    """

    def __init__(self, melspectrogram: Path, embedding: Path) -> None:
        onnx: Any = importlib.import_module("onnx")
        graph = onnx.load(str(embedding))
        numbers = {item.name: item for item in graph.graph.initializer}
        shapes = [numbers[n.input[1]] for n in graph.graph.node if n.op_type == "Reshape"]
        for item, shape in zip(shapes, ((1, 1, -1, 32), (1, SIZE, -1, 1)), strict=True):
            item.CopyFrom(onnx.numpy_helper.from_array(np.array(shape, np.int64), item.name))
        graph.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "lines"
        graph.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "steps"
        del graph.graph.value_info[:]
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Our output shape is not the one the graph declares.
        options.log_severity_level = 3
        self._sliding: Any = ort.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        super().__init__(melspectrogram, embedding)

    def _slide(self, lines: Sound) -> Sound:
        out = self._sliding.run(None, {"input_1": lines[None, :, :, None]})[0]
        numbers: Sound = out[0, :, :, 0].T
        return numbers


def windows(heard: Heard, quiet: npt.NDArray[np.float32], at: npt.NDArray[np.int64]) -> Sound:
    """The 16 embeddings that end at each of the steps ``at``: N×16×96 float32."""
    steps = at[:, None] + np.arange(1 - STEPS, 1)[None]
    same = (steps >= 0) & (heard.scene[np.maximum(steps, 0)] == heard.scene[at][:, None])
    picked = heard.embeddings[np.maximum(steps, 0)].astype(np.float32)
    return np.where(same[..., None], picked, quiet)


def _silence(seconds: float) -> Sound:
    return np.zeros(int(seconds * RATE), np.float32)


def _joined(sound: Sound, said: Utterances, rng: np.random.Generator) -> tuple[Sound, int]:
    """A phrase among what may come before and after it, and the sample at which it ends."""
    lead = float(rng.uniform(0, 0.3)) if rng.random() < 0.6 else float(rng.uniform(0.3, 1.4))
    before = _silence(lead)
    if rng.random() < 0.2:
        other = said.sounds[int(rng.integers(len(said.sounds)))]
        before = np.concatenate([other[-int(1.2 * RATE) :], _silence(float(rng.uniform(0.1, 0.5)))])
    after = _silence(TAIL)
    if rng.random() < 0.4:
        other = said.sounds[int(rng.integers(len(said.sounds)))]
        after = np.concatenate([_silence(float(rng.uniform(0, 0.3))), other, after])
    whole = np.concatenate([before, sound, after[: int(TAIL * RATE)]])
    return whole, len(before) + len(sound)


def _scene(
    said: Utterances, number: int, babble: list[Sound], rng: np.random.Generator
) -> tuple[Sound, int]:
    """The recorded scene of one utterance, and its end (0 for negatives, which have none)."""
    sound = wake_sounds.mouth(said.sounds[number], rng)
    if said.labels[number] == NEGATIVE:
        if rng.random() < 0.15:  # speech backwards: every sound of a voice, and no phrase
            sound = sound[::-1]
        whole = np.concatenate([_silence(float(rng.uniform(0, 0.5))), sound, _silence(0.4)])
        return wake_sounds.recorded(whole, babble, rng), 0
    whole, end = _joined(sound, said, rng)
    return wake_sounds.recorded(whole, babble, rng), end


def _wanted(label: int, end: int, steps: int) -> npt.NDArray[np.int8]:
    if label == NEGATIVE:
        return np.full(steps, NEGATIVE, np.int8)
    after = (np.arange(1, steps + 1) * STEP - end) / RATE
    wanted = np.full(steps, ASKED_NOTHING, np.int8)
    wanted[after <= NOT_YET] = NEGATIVE
    wanted[(after >= HEARD_FROM) & (after <= HEARD_TO)] = label
    return wanted


def hear(family: str, rounds: int, corpus: Path, embedding: SpeechEmbedding) -> Heard:
    """Every phrase and a third of the negatives of a family, each in a new scene, for one round.

    Three rounds hear every negative once and every phrase thrice. Kept beside the corpus.
    """
    path = corpus / f"heard-{family}-{rounds}.npz"
    if path.exists():
        return _read(path)
    said = load(corpus / f"{family}.npz")
    negatives = np.flatnonzero(said.labels == NEGATIVE)
    babble = [said.sounds[i] for i in negatives[:200]]
    numbers = np.sort(
        np.concatenate([np.flatnonzero(said.labels >= 0), negatives[rounds % 3 :: 3]])
    )
    found, wanted, scene, start = [], [], [], time.monotonic()
    for count, number in enumerate(numbers):
        rng = np.random.default_rng((SEED, zlib.crc32(family.encode()), int(number), rounds))
        sound, end = _scene(said, int(number), babble, rng)
        embedding.reset()
        heard = embedding.feed(np.round(sound * 32767).astype(np.int16))
        found.append(heard.astype(np.float16))
        wanted.append(_wanted(int(said.labels[number]), end, len(heard)))
        scene.append(np.full(len(heard), count, np.int32))
        if count % 500 == 499:
            left = (time.monotonic() - start) / (count + 1) * (len(numbers) - count - 1)
            print(f"{family} round {rounds}: {count + 1}, {left:.0f} s left", flush=True)
    return _keep(path, Heard(np.concatenate(found), np.concatenate(wanted), np.concatenate(scene)))


def _keep(path: Path, heard: Heard) -> Heard:
    np.savez(path, embeddings=heard.embeddings, wanted=heard.wanted, scene=heard.scene)
    return heard


def _read(path: Path) -> Heard:
    with np.load(path) as file:
        return Heard(file["embeddings"], file["wanted"], file["scene"])


def hear_noise(seconds: int, embedding: SpeechEmbedding, corpus: Path) -> Heard:
    """Rooms without speech: each generated noise, four seconds at a time, at any level."""
    path = corpus / f"heard-noise-{seconds}.npz"
    if path.exists():
        return _read(path)
    rng = np.random.default_rng((SEED, 7))
    said = load(corpus / "hibari.npz")
    babble = [said.sounds[i] for i in np.flatnonzero(said.labels == NEGATIVE)[:200]]
    found, scene = [], []
    for count in range(seconds // 4):
        sound = (
            wake_sounds.bursts(4 * RATE, rng)
            if rng.random() < 0.4
            else wake_sounds.noise(4 * RATE, babble, rng)
        )
        if rng.random() < 0.3:
            sound = sound + wake_sounds.noise(4 * RATE, babble, rng)
        if rng.random() < 0.3:
            sound = wake_sounds.room(sound, rng)
        level = 10 ** (float(rng.uniform(-70, -12)) / 20)
        embedding.reset()
        heard = embedding.feed(np.round(np.clip(sound * level, -1, 1) * 32767).astype(np.int16))
        found.append(heard.astype(np.float16))
        scene.append(np.full(len(heard), count, np.int32))
    embeddings = np.concatenate(found)
    nothing = np.full(len(embeddings), NEGATIVE, np.int8)
    return _keep(path, Heard(embeddings, nothing, np.concatenate(scene)))


def together(parts: list[Heard]) -> Heard:
    """Several as one, their scenes numbered on."""
    scenes, first = [], 0
    for part in parts:
        scenes.append(part.scene + first)
        first = int(scenes[-1][-1]) + 1
    return Heard(
        np.concatenate([part.embeddings for part in parts]),
        np.concatenate([part.wanted for part in parts]),
        np.concatenate(scenes),
    )
