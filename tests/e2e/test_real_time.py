"""A recording posing as devices goes through the live path: threads, slot, watchdog, pump."""

from __future__ import annotations

import json

import pytest

from proctor.cli.main import main


def test_a_live_exam_of_a_recording_takes_its_time_and_finds_the_same(
    media, model, tmp_path, monkeypatch, capsys
):
    for name in ("face_landmarker", "yunet", "yolo11n", "silero_vad"):
        model(name)
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    recording = str(media / "video/gaze/center_left_center.mp4")
    options = ["--case", "case", "--consent", "all", "--json", "--real-time"]
    assert main(["replay", recording, *options]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [flag["kind"] for flag in lines[:-1]] == ["gaze.away"]
    assert lines[0]["start"] == pytest.approx(5.65, abs=1.5)
    assert lines[-1]["summary"]["real_time_factor"] < 1.05
    assert lines[-1]["summary"]["clips"] == 1
    assert main(["case", "verify", "case"]) == 0
