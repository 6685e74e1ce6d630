"""Trains the wake-phrase heads from synthetic speech alone. Recipe and results: models/cards/wake_heads.md.

    python -m models.train.wake CORPUS MELSPECTROGRAM.onnx EMBEDDING.onnx

CORPUS is the folder of ``python -m models.train.wake_corpus``. The network is small enough for plain
NumPy: 16×96 inputs, two hidden layers, one output a phrase. Writes models/heads/wake_heads.npz and
prints the training curve and what the "tune" and "judge" voices gave, as Markdown tables.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.train.wake_corpus import HEADS, NEGATIVE, SEED, SHARES
from models.train.wake_hearing import Heard, QuickEmbedding, hear, hear_noise, together, windows
from models.wake_heads import HEADS_FILE, RATE, SIZE, SMOOTHED, STEP, STEPS, WakeHeads

HIDDEN = (64, 32)
EPOCHS, BATCHES, BATCH, POSITIVE_SHARE = 30, 200, 512, 0.35
PACE, DECAY, DROPPED, BLUR = 2e-3, 1e-2, 0.15, 0.15
# The heads are a running average of the weights: steadier than the last step's.
AVERAGED = 0.002
ROUNDS = 3
NOISE_SECONDS = 1600
# A false alarm costs a student more than a missed phrase costs the exam.
WEIGHT_OF_NEGATIVES = 4.0
# At its threshold a head fires at most this often in an hour of the tune voice's ordinary talk, heard
# through far worse rooms, noises and codecs than an exam's, and on at most this share of its other
# negatives, of which four in ten are near-misses; and no threshold is lower than the lowest.
FALSE_AN_HOUR, FALSE_SHARE, LOWEST = 1.5, 0.01, 0.6
# "Ok Google" and "Hey Google" differ in one vowel; either head may hear either.
TWINS = (HEADS.index("ok google"), HEADS.index("hey google"))

Floats = npt.NDArray[np.float32]
Layers = list[tuple[Floats, Floats]]


@dataclass(slots=True)
class Adam:
    """Adam with decoupled weight decay (Loshchilov, Hutter 2019) over a list of arrays."""

    values: list[Floats]
    first: list[Floats]
    second: list[Floats]
    count: int = 0

    def step(self, slopes: list[Floats], rate: float) -> None:
        self.count += 1
        for value, slope, m, v in zip(self.values, slopes, self.first, self.second, strict=True):
            m += 0.1 * (slope - m)
            v += 0.001 * (slope**2 - v)
            right = np.sqrt(v / (1 - 0.999**self.count)) + 1e-8
            value -= rate * (m / (1 - 0.9**self.count) / right + (value.ndim > 1) * DECAY * value)


def _logits(layers: Layers, x: Floats) -> tuple[Floats, list[Floats]]:
    """The last layer's outputs, and the inputs of every layer."""
    inputs = []
    for number, (weights, bias) in enumerate(layers):
        inputs.append(x)
        x = x @ weights + bias
        if number < len(layers) - 1:
            x = np.maximum(x, 0.0)
    return x, inputs


def _slopes(layers: Layers, inputs: list[Floats], slope: Floats) -> list[Floats]:
    """Back through the layers: the slope of the loss for every weight and bias."""
    found: list[Floats] = []
    for (weights, _), x in zip(reversed(layers), reversed(inputs), strict=True):
        found += [slope.sum(axis=0), x.T @ slope]
        slope = (slope @ weights.T) * (x > 0)
    return found[::-1]


def _targets(wanted: npt.NDArray[np.int8]) -> tuple[Floats, Floats]:
    """What each head should say, and how much each answer counts."""
    goal = np.zeros((len(wanted), len(HEADS)), np.float32)
    real = np.flatnonzero(wanted >= 0)
    goal[real, wanted[real]] = 1.0
    count = np.where(goal > 0, 1.0, WEIGHT_OF_NEGATIVES).astype(np.float32)
    for one, other in (TWINS, TWINS[::-1]):
        count[wanted == one, other] = 0.0
    return goal, count


class Learner:
    """The network, its data and its draw of easy and hard examples."""

    def __init__(self, heard: Heard, quiet: Floats, rng: np.random.Generator) -> None:
        self.heard, self.quiet, self.rng = heard, quiet, rng
        self.mean = heard.embeddings.astype(np.float32).mean(axis=0)
        self.scale = 1.0 / heard.embeddings.astype(np.float32).std(axis=0)
        sizes = (STEPS * SIZE, *HIDDEN, len(HEADS))
        self.layers: Layers = [
            (
                rng.normal(scale=np.sqrt(2 / a), size=(a, b)).astype(np.float32),
                np.zeros(b, np.float32),
            )
            for a, b in itertools.pairwise(sizes)
        ]
        flat = [array for layer in self.layers for array in layer]
        self.adam = Adam(flat, [np.zeros_like(a) for a in flat], [np.zeros_like(a) for a in flat])
        self.average = [array.copy() for array in flat]
        self.positive = [np.flatnonzero(heard.wanted == head) for head in range(len(HEADS))]
        self.negative = np.flatnonzero(heard.wanted == NEGATIVE)
        self.hard = self.negative

    def inputs(self, at: npt.NDArray[np.int64]) -> Floats:
        x: Floats = (windows(self.heard, self.quiet, at) - self.mean) * self.scale
        return x.reshape(len(at), STEPS * SIZE)

    def _draw(self) -> npt.NDArray[np.int64]:
        each = int(BATCH * POSITIVE_SHARE / len(HEADS))
        drawn = [self.rng.choice(steps, each) for steps in self.positive]
        rest = BATCH - each * len(HEADS)
        drawn.append(self.rng.choice(self.negative, rest // 2))
        drawn.append(self.rng.choice(self.hard, rest - rest // 2))
        return np.concatenate(drawn)

    def epoch(self, rate: float) -> float:
        """One epoch; the mean loss."""
        losses = []
        for _ in range(BATCHES):
            at = self._draw()
            x = self.inputs(at)
            x = x + np.float32(BLUR) * self.rng.standard_normal(x.shape, np.float32)
            x *= (self.rng.random(x.shape, np.float32) >= DROPPED) * np.float32(1 / (1 - DROPPED))
            goal, count = _targets(self.heard.wanted[at])
            z, inputs = _logits(self.layers, x)
            losses.append(float(np.mean(count * (np.logaddexp(0, z) - goal * z))))
            slope = count * (0.5 + 0.5 * np.tanh(0.5 * z) - goal) / len(at)
            self.adam.step(_slopes(self.layers, inputs, slope.astype(np.float32)), rate)
            for mean, value in zip(self.average, self.adam.values, strict=True):
                mean += np.float32(AVERAGED) * (value - mean)
        return float(np.mean(losses))

    def look_for_hard(self) -> None:
        """The negatives that fool the network most become the next epochs' hard half."""
        worst = np.concatenate(
            [
                _logits(self.layers, self.inputs(part))[0].max(axis=1)
                for part in np.array_split(self.negative, len(self.negative) // 4096 + 1)
            ]
        )
        self.hard = self.negative[np.argsort(worst)[-len(worst) // 25 :]]

    def save(self, path: Path, thresholds: Floats) -> None:
        """Write the heads as float16 arrays, the same bytes for the same numbers."""
        arrays = {
            "names": np.array(HEADS),
            "thresholds": thresholds.astype(np.float32),
            "mean": self.mean.astype(np.float32),
            "scale": self.scale.astype(np.float32),
            "layers": np.array(len(self.layers)),
        }
        for number in range(len(self.layers)):
            arrays[f"w{number}"] = self.average[2 * number].astype(np.float16)
            arrays[f"b{number}"] = self.average[2 * number + 1].astype(np.float16)
        path.parent.mkdir(exist_ok=True)
        np.savez(path, **arrays)


def best_by_scene(heads: WakeHeads, heard: Heard, quiet: Floats) -> tuple[Floats, Floats]:
    """Each phrase scene's best score of its head (N×2: head, score), and each negative's of all."""
    scores = np.concatenate(
        [
            heads.scores(windows(heard, quiet, part))
            for part in np.array_split(np.arange(len(heard.scene)), len(heard.scene) // 4096 + 1)
        ]
    )
    steady = scores / SMOOTHED
    for back in range(1, SMOOTHED):
        same = heard.scene[back:] == heard.scene[:-back]
        steady[back:] += scores[:-back] / SMOOTHED * same[:, None]
    starts = np.flatnonzero(np.diff(heard.scene, prepend=-1))
    best = np.maximum.reduceat(steady, starts, axis=0)
    head = np.maximum.reduceat(heard.wanted, starts)
    real = np.flatnonzero(head >= 0)
    own = best[real, head[real]]
    twins = np.isin(head[real], TWINS)
    own[twins] = best[real][twins][:, TWINS].max(axis=1)
    return np.stack([head[real], own], axis=1), best[head == NEGATIVE]


def choose(near: Floats, talk: Floats, hours: float) -> Floats:
    """Per head the lowest threshold that keeps to the three limits above."""
    by_share = np.quantile(near, 1 - FALSE_SHARE, axis=0)
    allowed = int(FALSE_AN_HOUR * hours)
    by_hour = np.sort(talk, axis=0)[-allowed - 1] + 0.01
    chosen: Floats = np.maximum(np.maximum(by_share, by_hour), LOWEST).astype(np.float32)
    return chosen


def table(title: str, heads: WakeHeads, heard: Heard, quiet: Floats) -> None:
    """Print recall by phrase and false scenes by head at the heads' thresholds."""
    positives, negatives = best_by_scene(heads, heard, quiet)
    print(f"\n| {title} | threshold | phrases | recall | negatives | false |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number, name in enumerate(HEADS):
        own = positives[positives[:, 0] == number, 1]
        limit = heads.thresholds[number]
        found, false = np.mean(own >= limit), np.mean(negatives[:, number] >= limit)
        print(
            f"| {name} | {limit:.2f} | {len(own)} | {found:.3f} | {len(negatives)} | {false:.4f} |"
        )


def main(arguments: list[str]) -> None:
    corpus = Path(arguments[0])
    embedding = QuickEmbedding(Path(arguments[1]), Path(arguments[2]))
    parts: dict[str, list[Heard]] = {"learn": [], "tune": [], "talk": [], "judge": []}
    for family, (part, _, _) in SHARES.items():
        parts[part] += [hear(family, rounds, corpus, embedding) for rounds in range(ROUNDS)]
    parts["learn"].append(hear_noise(NOISE_SECONDS, embedding, corpus))
    learner = Learner(together(parts["learn"]), embedding.quiet, np.random.default_rng(SEED))
    print(f"learn: {len(learner.negative)} negative steps,", [len(p) for p in learner.positive])
    print("| epoch | loss |\n| --- | --- |")
    for epoch in range(EPOCHS):
        rate = PACE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        loss = learner.epoch(rate)
        print(f"| {epoch + 1} | {loss:.4f} |", flush=True)
        if epoch % 5 == 4:
            learner.look_for_hard()
    talk = together(parts["talk"])
    hours = len(talk.scene) * STEP / RATE / 3600
    tune = together(parts["tune"])
    learner.save(HEADS_FILE, np.full(len(HEADS), LOWEST, np.float32))
    found = [best_by_scene(WakeHeads(), part, embedding.quiet)[1] for part in (tune, talk)]
    thresholds = choose(found[0], found[1], hours)
    learner.save(HEADS_FILE, thresholds)
    false = (found[1] >= thresholds).sum(axis=0)
    print(f"\ntune: {hours:.1f} hours of ordinary talk, false hits: {false.tolist()}")
    table("tune: Pico", WakeHeads(), tune, embedding.quiet)
    table("judge: Piper joe", WakeHeads(), together(parts["judge"]), embedding.quiet)
    print(f"\nsha256 {hashlib.sha256(HEADS_FILE.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(sys.argv[1:])
