"""Another voice beside the student's: real readers of LibriSpeech through the plug-in and a rule."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import pytest

from detectors._own_voice import ENROL_PIECES, OwnVoice, is_narrow
from detectors.speaker import CALIBRATION, PLUGIN, Settings, SpeakerDetector
from policies.addendum import EXPECTED
from policies.consent import Answers
from policies.schema import RuleSettings
from proctor.capture.replay import Recording
from proctor.pipeline.detector import CALIBRATED, Context
from proctor.pipeline.plugins import discover, refuse_unlawful
from proctor.pipeline.rules import RuleBook
from proctor.session.plan import Plan, make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import AudioChunk, Flag, Marker, Observation, Samples

RATE = 16_000
KIND = "speech.other_voice"
DOCS = Path(__file__).parents[2] / "docs" / "detectors" / "speaker.md"
RULE = RuleSettings(on=0.5, off=0.5, min_s=0.5, gap_s=2.0, cooldown_s=5.0, stale_after_s=2.0)


def room(seconds: float, spread: float = 8.0) -> Samples:
    return np.random.default_rng(5).normal(0, spread, int(seconds * RATE)).astype(np.int16)


def reader(media: Path, who: str) -> list[Samples]:
    """Their four recordings, each as loud as the next."""
    found = []
    for path in sorted((media / "audio/speech/librispeech").glob(f"{who}-*.flac")):
        with av.open(str(path)) as file:
            sound = np.concatenate([f.to_ndarray()[0] for f in file.decode(audio=0)])
        level = np.sqrt(np.mean(sound.astype(np.float64) ** 2))
        found.append(np.clip(sound * (1500.0 / level), -32768, 32767).astype(np.int16))
    assert len(found) == 4
    return found


def chunks(sound: Samples, t: float = 0.0) -> Iterator[AudioChunk]:
    for seq, start in enumerate(range(0, len(sound), RATE // 10)):
        yield AudioChunk(t + start / RATE, seq, sound[start : start + RATE // 10], RATE)


def hear(detector: SpeakerDetector, sound: Samples, t: float = 0.0) -> list[Observation]:
    return [answer for chunk in chunks(sound, t) for answer in detector.update(chunk)]


def flags(answers: list[Observation]) -> list[Flag]:
    book = RuleBook(PLUGIN.kinds, {KIND: RULE})
    book.begin(0.0)
    events = [event for answer in answers for event in book.feed(answer)]
    events += book.finish(answers[-1].t + 2.0)
    return [event.flag for event in events if event.what == "closed"]


@pytest.fixture
def detector(model: Callable[[str], Path]) -> Iterator[SpeakerDetector]:
    context = Context({name: model(name) for name in PLUGIN.models})
    made = PLUGIN.create(Settings(), context)
    assert isinstance(made, SpeakerDetector)
    made.reset()
    yield made
    made.close()


def learn(detector: SpeakerDetector, media: Path, who: str = "1998") -> float:
    """The student reads three recordings; the second at which they end."""
    parts = [part for sound in reader(media, who)[:3] for part in (room(1.0), sound)]
    sound = np.concatenate([room(1.0), *parts, room(2.0)])
    hear(detector, sound)
    return len(sound) / RATE


def test_it_is_measured_of_the_body_so_it_needs_the_purpose_identity() -> None:
    assert PLUGIN.needs == ("identity",)
    assert discover()["speaker"] == PLUGIN
    refuse_unlawful(PLUGIN)


def test_the_students_own_voice_is_no_flag_and_another_one_is(
    media: Path, detector: SpeakerDetector
) -> None:
    t = learn(detector, media)
    own, other = reader(media, "1998")[3], reader(media, "3005")[0]
    sound = np.concatenate([own, room(3.0), other, room(3.0)])
    begins = t + (len(own) + 3 * RATE) / RATE
    found = flags(hear(detector, sound, t))
    assert len(found) == 1
    assert begins - 1.0 < found[0].start < begins + 3.0
    assert found[0].start + 1.0 < (found[0].end or 0.0) < begins + len(other) / RATE + 1.0
    assert "another voice below 0.30" in found[0].why


def test_before_it_is_learnt_a_voice_is_unknown_and_silence_is_nobody(
    media: Path, detector: SpeakerDetector
) -> None:
    assert {a.score for a in hear(detector, room(3.0))} == {0.0}
    first = hear(detector, np.concatenate([reader(media, "1998")[0], room(2.0)]), 3.0)
    voiced = [a for a in first if "not known yet" in a.reason]
    assert voiced
    assert all(a.score is None for a in voiced)


def test_no_voice_is_learnt_from_two_people_in_turn(media: Path, detector: SpeakerDetector) -> None:
    # Three seconds of each in turn: the voice of neither may become the student's.
    one, two = np.concatenate(reader(media, "1998")), np.concatenate(reader(media, "3005"))
    turns = [s[i * 3 * RATE : (i + 1) * 3 * RATE] for i in range(5) for s in (one, two)]
    answers = hear(detector, np.concatenate([room(1.0), *turns]))
    assert any("more than one voice" in a.reason for a in answers)
    assert all(a.score is None or a.reason == "nobody speaks" for a in answers)


def test_a_break_does_not_make_it_forget_whose_voice_it_is(
    media: Path, detector: SpeakerDetector
) -> None:
    t = learn(detector, media)
    detector.reset()
    found = flags(hear(detector, np.concatenate([reader(media, "3005")[1], room(3.0)]), t + 600.0))
    assert len(found) == 1


def test_reading_aloud_when_asked_to_replaces_what_was_learnt(
    media: Path, detector: SpeakerDetector
) -> None:
    t = learn(detector, media, "3005")
    assert list(detector.mark(Marker(t, "calibration.begin", {"what": CALIBRATION}))) == []
    assert list(detector.mark(Marker(t, "calibration.begin", {"what": "gaze"}))) == []
    aloud = np.concatenate([p for s in reader(media, "1998")[:3] for p in (room(0.5), s)])
    hear(detector, np.concatenate([aloud, room(2.0)]), t)
    t += len(aloud) / RATE + 2.0
    (told,) = detector.mark(Marker(t, "calibration.end", {"what": CALIBRATION}))
    assert isinstance(told, Marker)
    assert (told.kind, told.data["done"]) == (CALIBRATED, True)
    sound = np.concatenate(
        [reader(media, "1998")[3], room(2.0), reader(media, "3005")[0], room(2.0)]
    )
    found = flags(hear(detector, sound, t))
    assert [flag.start > t + len(reader(media, "1998")[3]) / RATE for flag in found] == [True]


def test_a_calibration_in_which_nobody_read_says_so(detector: SpeakerDetector) -> None:
    assert list(detector.mark(Marker(0.0, "calibration.end", {"what": CALIBRATION}))) == []
    detector.mark(Marker(0.0, "calibration.begin", {"what": CALIBRATION}))
    hear(detector, room(5.0))
    (told,) = detector.mark(Marker(5.0, "calibration.end", {"what": CALIBRATION}))
    assert isinstance(told, Marker)
    assert told.data["done"] is False
    assert "and 0 s of it were heard" in told.data["sentence"]


@pytest.mark.parametrize(
    ("alter", "words"),
    [
        (lambda s: s + room(len(s) / RATE, 1200.0), "too noisy to tell voices apart"),
        (lambda s: (s * 0.06).astype(np.int16), "a voice too faint to compare"),
        (lambda s: np.zeros(len(s), np.int16), "gives only silence"),
        (lambda s: np.clip(s * 40.0, -32768, 32767).astype(np.int16), "overdriven"),
    ],
)
def test_what_cannot_be_told_is_unknown_with_the_reason(
    media: Path,
    detector: SpeakerDetector,
    alter: Callable[[Samples], Samples],
    words: str,
) -> None:
    t = learn(detector, media)
    own = np.concatenate([room(4.0), reader(media, "1998")[3], room(1.0)])
    answers = hear(detector, alter(own), t)
    assert sum(words in a.reason for a in answers) >= 3
    assert [a for a in answers if a.score] == []


def test_a_microphone_that_sounds_otherwise_since_is_unknown(
    media: Path, detector: SpeakerDetector
) -> None:
    t = learn(detector, media)
    own = np.concatenate([reader(media, "1998")[3], room(1.0)])
    spectrum = np.fft.rfft(own.astype(np.float64))
    spectrum[np.fft.rfftfreq(len(own), 1 / RATE) > 3400] = 0
    narrow = np.fft.irfft(spectrum, len(own)).astype(np.int16)
    assert is_narrow(narrow)
    assert not is_narrow(own)
    answers = hear(detector, narrow, t)
    assert any("sounds other than when the voice was learnt" in a.reason for a in answers)
    assert [a for a in answers if a.score] == []


def test_what_was_learnt_is_overwritten_when_it_is_let_go_of() -> None:
    own = OwnVoice()
    pieces = [np.full(192, 192**-0.5, np.float32) for _ in range(ENROL_PIECES + 1)]
    for piece in pieces[:ENROL_PIECES]:
        assert own.learn(piece, -30.0)
    assert own.known
    assert own.likeness(pieces[-1]) == pytest.approx(1.0)
    kept = own._own
    own.forget()
    assert not own.known
    assert kept is not None
    assert not kept.any()
    assert not any(piece.any() for piece in pieces[:ENROL_PIECES])
    with pytest.raises(ValueError, match="no voice has been learnt"):
        own.likeness(pieces[-1])


def exam(media: Path, folder: Path, identity: bool) -> tuple[Plan, list[Flag]]:
    """A recorded exam under the policy of the documentation: the student reads, then another."""
    standard = files("policies").joinpath("presets/standard.toml").read_text(encoding="utf-8")
    block = DOCS.read_text(encoding="utf-8").split("```toml", 1)[1].split("```", 1)[0]
    policy = folder / "exam.toml"
    policy.write_text(standard + block, encoding="utf-8")
    parts = [part for sound in reader(media, "1998")[:3] for part in (sound, room(1.0))]
    sound = np.concatenate([room(1.0), *parts, reader(media, "3005")[0], room(3.0)])
    with wave.open(str(folder / "exam.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(sound.tobytes())
    plan = make_plan(str(policy), require_all=False)
    granted = dict.fromkeys(plan.policy.purposes, True) | {"identity": identity}
    recipients = choose_recipients(plan, [])
    answers = Answers(granted, "file")
    with Session(plan, answers, folder / "case", recipients=recipients) as session:
        session.replay(Recording.open(folder / "exam.wav"))
        return session.plan, list(session.flags.values())


@pytest.mark.parametrize("identity", [True, False])
def test_the_whole_path_flags_another_voice_only_where_the_student_agreed(
    media: Path, model: Callable[[str], Path], tmp_path: Path, identity: bool
) -> None:
    for name in PLUGIN.models:
        model(name)
    plan, found = exam(media, tmp_path, identity)
    kinds = [flag.kind for flag in found]
    assert "speech.voice" in kinds
    assert kinds.count(KIND) == int(identity)
    assert (KIND in {kind.name for kind in plan.kinds}) is identity


def test_who_is_read_to_by_arrangement_is_not_measured() -> None:
    assert KIND in EXPECTED["reader_allowed"]
