"""The public command on real recordings: it flags the labelled acts and nothing in the honest ones.

The whole table is made by `benchmarks/recordings.py`; these are the recordings that must not change.
"""

from __future__ import annotations

import json

import pytest

from proctor.cli.main import main

# recording, kinds that must be flagged (with the second they begin), kinds that may be
ACTS = [
    ("video/gaze/center_left_center.mp4", {"gaze.away": 5.65}, set()),
    ("video/gaze/center_right_center.mp4", {"gaze.away": 5.42}, set()),
    ("video/phone/3761652-sd_640_360_25fps.mp4", {"object.phone": None}, None),
    ("video/phone/5977270-sd_640_360_25fps.mp4", {"object.phone": None}, None),
    # One sentence of it is taken for a wake phrase: a false flag, printed in docs/detectors.md.
    ("audio/speech/three_speakers.wav", {"speech.voice": None}, {"speech.wake_phrase"}),
]
HONEST = [
    "video/gaze/center_focus.mp4",
    "video/portrait/d9.mp4",
    "video/portrait/d18.mp4",
    "video/portrait/s18.mp4",
    "video/asl/again.mkv",
    "video/asl/book.mkv",
    "video/asl/sister.mkv",
    "audio/composite/exam_quiet_no_voice.flac",
]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch, model):
    for name in ("face_landmarker", "yunet", "yolo11n", "silero_vad"):
        model(name)
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def flags_of(media, capsys, name: str) -> list[dict]:
    code = main(["replay", str(media / name), "--case", "case", "--consent", "all", "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert "summary" in lines[-1]
    return lines[:-1]


@pytest.mark.parametrize(("name", "expected", "allowed"), ACTS)
def test_a_labelled_act_is_flagged(media, capsys, name, expected, allowed):
    flags = flags_of(media, capsys, name)
    for kind, start in expected.items():
        found = [f for f in flags if f["kind"] == kind]
        assert found, f"{kind} was not flagged"
        if start is not None:
            assert found[0]["start"] == pytest.approx(start, abs=1.0)
    if allowed is not None:
        assert {f["kind"] for f in flags} <= set(expected) | allowed


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_recording_is_not_flagged(media, capsys, name):
    assert [(f["kind"], f["why"]) for f in flags_of(media, capsys, name)] == []


def test_an_empty_room_is_flagged_and_a_person_in_it_is_not_called_absent_for_long(media, capsys):
    flags = flags_of(media, capsys, "video/presence/one-by-one-person-detection.mp4")
    absent = [f for f in flags if f["kind"] == "face.absent"]
    for start, end in ((0.0, 6.1), (44.9, 50.1), (86.8, 92.2)):
        assert any(f["start"] <= end and f["end"] >= start for f in absent), (start, end)
