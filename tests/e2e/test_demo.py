"""`proctor demo` always runs: with the sample exam, or with nothing but what this project makes itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from proctor.cli.main import main


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def page() -> str:
    return next(Path("demo").glob("*/page.html")).read_text(encoding="utf-8")


def test_it_runs_with_no_mirror_no_cache_and_no_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", str(tmp_path / "no-mirror"))
    monkeypatch.setattr("urllib.request.OpenerDirector.open", _unreachable)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["demo", "--no-browser"]) == 0
    captured = capsys.readouterr()
    for kind in ("camera.covered", "camera.frozen", "light.dim"):
        assert kind in captured.out
    for name in ("face_landmarker", "yolo11n", "silero_vad"):
        assert f"`proctor models install {name}" in captured.err or name in captured.err
    assert "Not measured: object.phone" in captured.err
    assert "Camera covered" in page()


def _unreachable(*arguments, **options):
    raise OSError("no network in this test")


def test_the_sample_exam_shows_every_act_that_can_be_measured(media, model, capsys):
    for name in ("face_landmarker", "yunet", "yolo11n", "silero_vad"):
        model(name)
    assert main(["demo", "--no-browser"]) == 0
    out = capsys.readouterr().out
    for kind in ("gaze.away", "object.phone", "face.absent", "face.several", "speech.voice"):
        assert kind in out
    for kind in ("light.", "camera.", "object.book"):
        assert f" {kind}" not in out.split("What was played")[0].split("freely licensed")[1]
    assert "data:image/jpeg" in page()
