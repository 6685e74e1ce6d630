# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""A preview shows what the detectors see on a real recording, and leaves nothing behind."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from policies.consent import Answers
from policies.errors import GrantError
from proctor.capture.camera import Camera
from proctor.capture.replay import RealTimeReplay
from proctor.session.plan import make_plan
from proctor.session.preview import PREFIX, Preview, forget_left_overs, level_dbfs
from proctor.session.watching import Watching
from proctor.types import AudioChunk, Frame

POLICY = """
version = 1
id = "preview-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.microphone]
alternative = "The exam runs with the microphone off."
[detectors.lighting]
[detectors.camera]
[rules."light.dim"]
[rules."camera.covered"]
"""


@pytest.fixture
def plan(proctor_home, tmp_path, monkeypatch):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return make_plan(str(path))


def run(plan, recording, answers: dict[str, bool], seconds: float = 60.0):
    """Preview the recording until both a picture and an observation came, or it has ended."""
    frames: list[Frame] = []
    levels: list[float] = []
    seen, ended = [], threading.Event()

    def devices(preview: Preview):
        return [
            RealTimeReplay(
                recording,
                preview.clock,
                camera=preview.sensor("camera"),
                microphone=preview.sensor("microphone"),
            )
        ]

    watching = Watching(
        on_frame=frames.append,
        on_level=levels.append,
        on_seen=seen.extend,
        on_marker=lambda marker: ended.set() if marker.kind == "source.ended" else None,
    )
    with Preview(plan, Answers(answers, "asked"), devices, watching):
        folder = next(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
        assert [path.name for path in folder.rglob("*")] == ["journal.jsonl"]
        assert ended.wait(seconds)
    return frames, levels, seen


def test_C3_it_shows_pictures_levels_and_what_is_seen_and_stores_nothing(
    plan, made_recording, tmp_path
):
    frames, levels, seen = run(plan, made_recording, {"camera": True, "microphone": True})
    assert len(frames) > 20
    assert len(levels) > 10
    assert all(-90.0 <= level <= 0.0 for level in levels)
    assert {one.kind for one in seen} >= {"light.dim", "camera.covered"}
    assert not list(Path(tempfile.gettempdir()).iterdir())
    assert not (tmp_path / "home" / "attempts").exists()


def test_C3_what_was_not_agreed_to_is_neither_read_nor_loaded(plan, made_recording):
    frames, levels, seen = run(plan, made_recording, {"camera": False, "microphone": True})
    assert frames == []
    assert seen == []
    assert levels


def test_C4_after_it_is_closed_no_device_can_be_built(plan, made_recording):
    given = []

    def devices(preview: Preview):
        given.append(preview.sensor("camera"))
        return []

    preview = Preview(plan, Answers({"camera": True}, "asked"), devices, Watching())
    preview.start()
    deadline = time.monotonic() + 60
    while not given and time.monotonic() < deadline:
        time.sleep(0.01)
    preview.close()
    preview.close()
    assert preview.sensor("camera") is None
    with pytest.raises(GrantError):
        Camera(given[0], preview.clock)


def test_what_breaks_a_preview_is_logged_without_what_it_said(plan, caplog):
    """The message may hold a name or a path; type and lines are enough to find the fault."""

    def devices(preview: Preview):
        raise ValueError("/home/anna.example/camera")

    told = threading.Event()
    preview = Preview(
        plan, Answers({"camera": True}, "asked"), devices, Watching(on_marker=lambda _: told.set())
    )
    preview.start()
    assert told.wait(60.0)
    preview.close()
    assert preview.problem == "/home/anna.example/camera"
    assert "ValueError > preview.py:" in caplog.text
    assert "anna" not in caplog.text


def test_left_overs_of_a_crash_are_removed(plan):
    (Path(tempfile.gettempdir()) / f"{PREFIX}abc").mkdir()
    assert forget_left_overs() == 1
    assert forget_left_overs() == 0


def test_loudness_is_in_decibels_below_full_scale():
    sine = np.sin(np.arange(16_000) / 16_000 * 2 * np.pi * 440)
    chunk = AudioChunk(0.0, 0, (sine * 32767).astype(np.int16), 16_000)
    assert level_dbfs(chunk) == pytest.approx(-3.01, abs=0.02)
    quiet = AudioChunk(0.0, 0, np.zeros(1600, np.int16), 16_000)
    assert level_dbfs(quiet) == -90.0
    assert level_dbfs(AudioChunk(0.0, 0, np.zeros(0, np.int16), 16_000)) == -90.0
