"""Our wake-phrase heads, on real recordings that they never saw, and their card."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from detectors._heads import MODELS, HeadPhrases, load
from detectors.wake import DEFAULT_PHRASES, PLUGIN, Settings, WakeDetector
from models.wake_heads import HEADS_FILE, STEPS, WORDINGS, SpeechEmbedding, WakeHeads
from proctor.pipeline.detector import Context
from proctor.types import AudioChunk

RATE = 16000
CARD = Path(__file__).parents[2] / "models" / "cards" / "wake_heads.md"
Sound = npt.NDArray[np.int16]


def read(path: Path, quiet_s: float = 1.0) -> Sound:
    """A recording at 16 kHz with some quiet room after it, as an exam would go on."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as file:
        parts = [p for f in file.decode(audio=0) for p in resampler.resample(f)]
    room = np.random.default_rng(1).integers(-2, 3, int(quiet_s * RATE)).astype(np.int16)
    return np.concatenate([*(part.to_ndarray()[0] for part in parts), room])


@pytest.fixture(scope="module")
def networks(model: Callable[[str], Path]) -> dict[str, Path]:
    return {name: model(name) for name in MODELS}


@pytest.fixture(scope="module")
def heads(networks: dict[str, Path]) -> HeadPhrases:
    return load(networks, tuple(WORDINGS))


def phrases(heads: HeadPhrases, sound: Sound) -> list[str]:
    heads.reset()
    return [hit.phrase for hit in heads.accept(sound, 0.0)]


def test_the_card_tells_of_the_heads_that_are_here() -> None:
    digest = hashlib.sha256(HEADS_FILE.read_bytes()).hexdigest()
    assert digest in CARD.read_text(encoding="utf-8")
    assert HEADS_FILE.stat().st_size <= 300_000
    assert set(WakeHeads().names) == set(WORDINGS.values())


def test_alexa_said_by_sixty_people_is_heard(heads: HeadPhrases, media: Path) -> None:
    files = sorted((media / "audio" / "wake" / "alexa").iterdir())
    heard = [phrases(heads, read(path)) for path in files]
    assert len(files) == 60
    assert sum("alexa" in found for found in heard) >= 54
    assert all(set(found) <= {"alexa"} for found in heard)


def test_read_sentences_hold_no_wake_phrase(heads: HeadPhrases, media: Path) -> None:
    files = sorted((media / "audio" / "speech" / "librispeech").glob("*.flac"))
    assert len(files) == 40
    assert {path.name: found for path in files if (found := phrases(heads, read(path)))} == {}


# So many of these eight voices are misunderstood today (models/cards/wake_heads.md): two say "hey
# Sarah" so that it is taken for "hey siri". It may not become more.
NEARLY = {"hey Sarah": 2, "okay, Googled it": 1, "okay, I googled it": 1, "hey, Courtney": 0}
SPEAKERS = (
    *(("flite", "-voice", voice, "-o", "FILE", "-t") for voice in ("kal16", "awb", "rms", "slt")),
    *(("espeak-ng", "-s", "150", "-w", "FILE", "-v", voice)
      for voice in ("en-us", "en-gb", "en-us+f3", "en-gb-scotland")),
)  # fmt: skip


def heard_from_everyone(heads: HeadPhrases, text: str, folder: Path) -> int:
    """How many of the synthetic voices are understood to say a phrase."""
    count = 0
    for number, speaker in enumerate(SPEAKERS):
        if shutil.which(speaker[0]) is None:
            pytest.skip(f"{speaker[0]} is not installed, so nothing can be spoken")
        path = folder / f"{number}.wav"
        command = [str(path) if part == "FILE" else part for part in speaker]
        subprocess.run([*command, text], check=True)
        count += bool(phrases(heads, np.concatenate([np.zeros(RATE, np.int16), read(path)])))
    return count


@pytest.mark.parametrize("text", NEARLY)
def test_what_is_nearly_a_phrase_is_hardly_ever_taken_for_one(
    heads: HeadPhrases, tmp_path: Path, text: str
) -> None:
    assert heard_from_everyone(heads, text, tmp_path) <= NEARLY[text]


@pytest.mark.parametrize("text", ["hey Siri", "ok google"])
def test_the_same_voices_are_heard_when_they_say_a_phrase(
    heads: HeadPhrases, tmp_path: Path, text: str
) -> None:
    assert heard_from_everyone(heads, text, tmp_path) == len(SPEAKERS)


@pytest.mark.parametrize("wanted", ["alexa", "ok google"])
def test_a_hit_is_dated_where_the_phrase_was_said(
    heads: HeadPhrases, media: Path, wanted: str
) -> None:
    exam = media / "audio" / "composite" / "exam_with_events.flac"
    said = {"alexa": (14.0, 15.33), "ok google": (44.0, 45.33)}[wanted]
    start = said[0] - 4.0
    sound = read(exam)[int(start * RATE) : int((said[1] + 1.0) * RATE)]
    heads.reset()
    hits = [hit for hit in heads.accept(sound, start) if hit.phrase == wanted]
    assert len(hits) == 1
    assert said[0] - 0.4 <= hits[0].start < hits[0].end <= said[1] + 0.4


def test_pieces_of_any_length_give_what_the_whole_gives(
    networks: dict[str, Path], media: Path
) -> None:
    sound = read(media / "audio" / "speech" / "three_speakers.wav")[: 8 * RATE]
    embedding = SpeechEmbedding(*(networks[name] for name in MODELS))
    whole = embedding.feed(sound)
    embedding.reset()
    cuts = np.sort(np.random.default_rng(3).integers(0, len(sound), 60))
    pieces = np.concatenate([embedding.feed(piece) for piece in np.split(sound, cuts)])
    np.testing.assert_allclose(pieces, whole, atol=1e-3)
    assert len(whole) == len(sound) // 1280


def test_only_the_phrases_asked_for_are_heard(networks: dict[str, Path], media: Path) -> None:
    sound = read(media / "audio" / "composite" / "exam_with_events.flac")[13 * RATE : 17 * RATE]
    assert phrases(load(networks, ("alexa",)), sound) == ["alexa"]
    assert phrases(load(networks, ("hey siri", "hey copilot")), sound) == []


def test_after_a_reset_nothing_of_before_is_left(
    heads: HeadPhrases, networks: dict[str, Path], media: Path
) -> None:
    exam = read(media / "audio" / "composite" / "exam_with_events.flac")
    talk, phrase = exam[28 * RATE : 31 * RATE], exam[13 * RATE : 17 * RATE]
    heads.reset()
    heads.accept(talk, 0.0)
    heads.reset()
    hits = heads.accept(phrase, 100.0)
    assert [hit.phrase for hit in hits] == ["alexa"]
    assert hits == load(networks, tuple(WORDINGS)).accept(phrase, 100.0)


def test_silence_and_full_scale_noise_are_no_phrase(heads: HeadPhrases) -> None:
    rng = np.random.default_rng(5)
    for sound in (
        np.zeros(10 * RATE, np.int16),
        rng.integers(-32768, 32768, 10 * RATE).astype(np.int16),
        np.full(5 * RATE, 12000, np.int16),
    ):
        assert phrases(heads, sound) == []


def test_scores_lie_between_zero_and_one() -> None:
    windows = np.random.default_rng(2).normal(size=(50, STEPS, 96)).astype(np.float32) * 50
    scores = WakeHeads().scores(windows)
    assert scores.shape == (50, len(WakeHeads().names))
    assert np.isfinite(scores).all()
    assert scores.min() >= 0.0
    assert scores.max() <= 1.0


def test_the_usual_assistants_need_no_vosk_model_and_other_phrases_do(
    networks: dict[str, Path], model: Callable[[str], Path]
) -> None:
    context = Context({**networks, "silero_vad": model("silero_vad")})
    assert set(DEFAULT_PHRASES) == set(WORDINGS)
    PLUGIN.create(Settings(), context).close()
    with pytest.raises(ValueError, match=r"'hello proctor' need the network 'vosk_small_en'"):
        PLUGIN.create(Settings(phrases=("alexa", "hello proctor")), context)


def test_the_plug_in_hears_six_of_seven_phrases_of_a_mixed_exam_and_nothing_else(
    networks: dict[str, Path], model: Callable[[str], Path], media: Path
) -> None:
    context = Context({**networks, "silero_vad": model("silero_vad")})
    detector = PLUGIN.create(Settings(), context)
    sound = read(media / "audio" / "composite" / "exam_with_events.flac")
    hits = []
    for number, at in enumerate(range(0, len(sound), 1600)):
        chunk = AudioChunk(at / RATE, number, sound[at : at + 1600], RATE)
        hits += [(answer.t, answer.reason) for answer in detector.update(chunk) if answer.score]
    said = {14: "alexa", 44: "google", 75: "alexa", 91: "alexa", 116: "google", 150: "alexa"}
    said[166] = "google"
    found = {t for t, phrase in said.items() if phrase in heard(hits, t)}
    assert len(found) >= 6
    others = [hit for hit in hits if all(abs(hit[0] - t) >= 2.5 for t in said)]
    assert others == []


def heard(hits: list[tuple[float, str]], t: float) -> str:
    """The phrases among ``hits`` within two seconds of ``t``."""
    return " ".join(phrase for when, phrase in hits if abs(when - t) < 2)


@pytest.fixture(scope="module")
def detector(networks: dict[str, Path], model: Callable[[str], Path]) -> WakeDetector:
    made = PLUGIN.create(Settings(), Context({**networks, "silero_vad": model("silero_vad")}))
    assert isinstance(made, WakeDetector)
    return made


def trimmed(path: Path) -> npt.NDArray[np.float64]:
    """A recording from where it gets loud until it is soft again, at -26 dBFS."""
    sound = read(path, 0.0).astype(np.float64)
    loudness = np.sqrt(np.convolve(sound**2, np.ones(320) / 320, "same"))
    loud = np.flatnonzero(loudness > loudness.max() / 10)
    said: npt.NDArray[np.float64] = sound[loud[0] : loud[-1]]
    said *= 1640.0 / said.std()
    return said


def in_a_room(*parts: npt.NDArray[np.float64] | float) -> Sound:
    """Sounds, and pauses in seconds, one after another over a little hiss."""
    whole = np.concatenate([np.zeros(int(p * RATE)) if isinstance(p, float) else p for p in parts])
    whole += np.random.default_rng(1).normal(0, 6, len(whole))
    sound: Sound = np.clip(whole, -32768, 32767).astype(np.int16)
    return sound


def called(detector: WakeDetector, sound: Sound) -> list[str]:
    detector.reset()
    pieces = [sound[at : at + 1600] for at in range(0, len(sound), 1600)]
    chunks = [AudioChunk(seq * 0.1, seq, piece, RATE) for seq, piece in enumerate(pieces)]
    answers = [answer for chunk in chunks for answer in detector.update(chunk)]
    return [answer.reason for answer in answers if answer.score][::2]


@pytest.mark.parametrize("person", ["13", "126"])
def test_a_phrase_counts_only_where_an_utterance_begins(
    heads: HeadPhrases, detector: WakeDetector, media: Path, person: str
) -> None:
    audio = media / "audio"
    talk = trimmed(audio / "speech" / "librispeech" / "367-130732-0009.flac")[-3 * RATE :]
    alexa = trimmed(audio / "wake" / "alexa" / f"{person}.flac")
    running = in_a_room(1.0, talk, alexa, 1.0)
    assert phrases(heads, running) == ["alexa"]
    assert called(detector, running) == []
    assert called(detector, in_a_room(1.0, talk, 0.4, alexa, 1.0)) == ["alexa"]
    assert called(detector, in_a_room(1.0, alexa, talk)) == ["alexa"]
    assert called(detector, in_a_room(0.1, alexa, 1.0)) == ["alexa"]


@pytest.mark.parametrize("person", ["104", "115"])
def test_somebody_elses_soft_talk_does_not_hide_where_a_phrase_begins(
    detector: WakeDetector, media: Path, person: str
) -> None:
    audio = media / "audio"
    talk = trimmed(audio / "speech" / "librispeech" / "367-130732-0009.flac")
    sound = in_a_room(1.0, trimmed(audio / "wake" / "alexa" / f"{person}.flac"), 1.0).astype(
        np.float64
    )
    assert called(detector, in_a_room(sound + 0.1 * talk[: len(sound)])) == ["alexa"]
