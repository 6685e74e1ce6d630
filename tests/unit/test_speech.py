"""The speech detector on real talk, real noises, synthetic talk and odd sound."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from detectors._voice import shared_ear
from detectors.speech import PLUGIN, SpeechDetector
from policies import load
from proctor.pipeline.contract import check
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import AudioChunk, Flag, Observation, Samples

RATE = 16_000
MakeDetector = Callable[[], SpeechDetector]


def read(path: Path) -> Samples:
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as file:
        frames = [f for frame in file.decode(audio=0) for f in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.int16)


def chunks(sound: Samples, size: int = RATE // 10) -> Iterator[AudioChunk]:
    for seq, start in enumerate(range(0, len(sound), size)):
        yield AudioChunk(start / RATE, seq, sound[start : start + size], RATE)


def room(seconds: float, level: float = 12.0) -> Samples:
    """A quiet room: the microphone's own hiss."""
    return np.random.default_rng(5).normal(0, level, int(seconds * RATE)).astype(np.int16)


def speak(text: str, folder: Path, voice: str = "en-gb", speed: int = 150) -> Samples:
    """``text`` spoken by espeak-ng, with a second of quiet room on each side."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed, so nothing can be spoken")
    file = folder / "spoken.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(file), text], check=True)
    return np.concatenate([room(1.0), read(file) // 2, room(1.0)])


@pytest.fixture
def make(model: Callable[[str], Path]) -> MakeDetector:
    path = model("silero_vad")

    def detector() -> SpeechDetector:
        made = PLUGIN.create(PLUGIN.Settings(), Context({"silero_vad": path}))
        assert isinstance(made, SpeechDetector)
        return made

    return detector


def judge(
    detector: SpeechDetector, sound: Samples
) -> tuple[list[Flag], list[Observation], RuleBook]:
    """Flags under the standard policy, with every observation."""
    book = RuleBook(PLUGIN.kinds, load.read("standard")[0].rules)
    book.begin(0.0)
    detector.reset()
    answers = [answer for chunk in chunks(sound) for answer in detector.update(chunk)]
    events = [event for answer in answers for event in book.feed(answer)]
    events += book.finish(len(sound) / RATE)
    return [e.flag for e in events if e.what == "closed"], answers, book


def test_it_keeps_the_contract(model: Callable[[str], Path]) -> None:
    assert check(PLUGIN, {"silero_vad": model("silero_vad")}) == []


def test_talk_by_ten_people_is_found(media: Path, make: MakeDetector) -> None:
    detector = make()
    talk = sorted((media / "audio/speech/librispeech").glob("*.flac"))
    missed = [path.name for path in talk if not judge(detector, read(path))[0]]
    assert len(talk) == 40
    assert missed == []


def test_three_speakers_are_found_where_they_speak(media: Path, make: MakeDetector) -> None:
    flags, _, _ = judge(make(), read(media / "audio/speech/three_speakers.wav"))
    # One speaker after another with pauses of 2.3 and 1.7 s; the first speaks for 2.2 s.
    spans = [(flag.start, flag.end or 0.0) for flag in flags]
    for start, end in ((6.2, 11.1), (12.8, 18.0)):
        assert any(abs(s - start) < 0.5 and abs(e - end) < 0.7 for s, e in spans)


def test_no_noise_is_taken_for_speech(media: Path, make: MakeDetector) -> None:
    detector = make()
    noises = sorted((media / "audio/noise").glob("*/*.ogg"))
    flagged = [str(path) for path in noises if judge(detector, read(path))[0]]
    assert len(noises) == 85
    assert flagged == []


@pytest.mark.parametrize("kind", ["coughing", "sneezing", "keyboard_typing", "laughing"])
def test_a_long_fit_of_noise_is_not_speech_either(
    media: Path, make: MakeDetector, kind: str
) -> None:
    fit = np.concatenate(
        [read(p) for p in sorted((media / "audio/noise" / kind).glob("*.ogg"))] * 2
    )
    assert judge(make(), fit)[0] == []


def test_wake_words_alone_are_not_speech(media: Path, make: MakeDetector) -> None:
    detector = make()
    called = sorted((media / "audio/wake/alexa").glob("*"))
    assert len(called) == 60
    assert [p.name for p in called if judge(detector, np.append(read(p), room(1.0)))[0]] == []


def test_the_composed_exams(media: Path, make: MakeDetector) -> None:
    detector = make()
    rows = list(csv.DictReader((media / "labels.csv").read_text(encoding="utf-8").splitlines()))
    talk = [
        (float(r["start_s"]), float(r["end_s"]))
        for r in rows
        if r["file"] == "audio/composite/exam_with_events.flac" and r["label"] == "speech"
    ]
    flags, _, _ = judge(detector, read(media / "audio/composite/exam_with_events.flac"))
    for start, end in talk:
        found = any(f.start < end and (f.end or 0.0) > start for f in flags)
        assert found or end - start < 3.0
    for flag in flags:
        assert any(flag.start < end and (flag.end or 0.0) > start for start, end in talk)
    assert judge(detector, read(media / "audio/composite/exam_quiet_no_voice.flac"))[0] == []


def test_a_synthetic_sentence_is_speech_and_says_how_long(
    make: MakeDetector, tmp_path: Path
) -> None:
    text = "Could you tell me the answer to the third question, and how did you work that out?"
    flags, _, _ = judge(make(), speak(text, tmp_path))
    assert len(flags) == 1
    assert 0.5 < flags[0].start < 2.0
    assert flags[0].why.startswith("Speech was heard for ")


def test_a_quiet_room_is_known_to_be_without_speech(make: MakeDetector) -> None:
    _, answers, book = judge(make(), room(20.0))
    assert {answer.score for answer in answers} == {0.0}
    assert book.rules["speech.voice"].unknown_s.get("nothing reported", 0.0) < 0.2


@pytest.mark.parametrize("offset", [0, 9000])
def test_a_muted_microphone_is_unknown_not_silent(make: MakeDetector, offset: int) -> None:
    _, answers, book = judge(make(), np.full(10 * RATE, offset, np.int16))
    assert answers[-1].score is None
    assert answers[-1].reason == "the microphone gives only silence (muted?)"
    assert book.rules["speech.voice"].unknown_s[answers[-1].reason] > 7.0


def test_an_overdriven_microphone_is_unknown(make: MakeDetector) -> None:
    t = np.arange(5 * RATE) / RATE
    loud = np.clip(90_000 * np.sin(2 * np.pi * 200 * t), -32768, 32767).astype(np.int16)
    _, answers, _ = judge(make(), loud)
    assert answers[-1].score is None
    assert answers[-1].reason.startswith("the microphone is overdriven")


def test_steady_loud_noise_hides_silence_but_not_speech(make: MakeDetector, tmp_path: Path) -> None:
    _, answers, _ = judge(make(), room(12.0, level=3000.0))
    assert answers[-1].score is None
    assert answers[-1].reason.startswith("too noisy")
    spoken = speak("one two three four five six seven eight nine ten eleven twelve", tmp_path)
    near = np.concatenate([room(6.0, 1500.0), room(len(spoken) / RATE, 1500.0) + spoken])
    flags, _, _ = judge(make(), near)
    assert flags


def test_another_rate_or_format_is_unknown_with_the_reason(make: MakeDetector) -> None:
    detector = make()
    slow = detector.update(AudioChunk(0.0, 0, room(0.1), 8000))
    stereo = detector.update(AudioChunk(0.1, 1, np.zeros((100, 2), np.int16), RATE))
    assert [(a.score, a.reason) for a in (*slow, *stereo)] == [
        (None, "the sound comes at 8000 Hz, not at 16000 Hz"),
        (None, "the sound is not 16-bit mono"),
    ]


@pytest.mark.parametrize("size", [1, 160, 511, 4000])
def test_the_length_of_the_chunks_changes_nothing(
    make: MakeDetector, tmp_path: Path, size: int
) -> None:
    sound = speak("good morning everybody", tmp_path)[: 2 * RATE]
    usual, odd = make(), make()
    expected = [a for chunk in chunks(sound) for a in usual.update(chunk)]
    found = [a for chunk in chunks(sound, size) for a in odd.update(chunk)]
    assert len(found) == len(expected) > 10
    for a, b in zip(found, expected, strict=True):
        assert a.score == b.score
        assert a.t == pytest.approx(b.t, abs=1e-6)


def test_a_constant_offset_changes_little(make: MakeDetector, tmp_path: Path) -> None:
    sound = speak("this is a sentence with a constant offset under all of it", tmp_path)
    flags, _, _ = judge(make(), (sound // 2 + 8000).astype(np.int16))
    assert flags


def test_nothing_is_joined_across_a_gap(make: MakeDetector, tmp_path: Path) -> None:
    sound = speak("one two three four five six seven", tmp_path)[RATE : 2 * RATE]
    detector = make()
    before = [a for chunk in chunks(sound) for a in detector.update(chunk)]
    assert (before[-1].score or 0.0) > 0.5
    after = detector.update(AudioChunk(30.0, 99, room(0.1), RATE, gap=29.0))
    assert after[0].score == 0.0
    assert after[0].t == pytest.approx(30.0)


def test_two_plugins_share_one_judgement_of_a_chunk(model: Callable[[str], Path]) -> None:
    context = Context({"silero_vad": model("silero_vad")})
    chunk = AudioChunk(0.0, 0, room(0.1), RATE)
    assert shared_ear(context) is shared_ear(context)
    assert shared_ear(context).hear(chunk) is shared_ear(context).hear(chunk)
