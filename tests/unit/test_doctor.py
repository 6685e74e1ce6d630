"""`proctor doctor` and `proctor models`: what they say, and what they end with."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from models import registry
from proctor.cli import doctor, models
from proctor.errors import InputError
from proctor.session import checks


def command(*words: str) -> int:
    """One command through the real parsers of the two groups."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quiet", action="store_true")
    commands = parser.add_subparsers()
    doctor.add(commands)
    models.add(commands)
    arguments = parser.parse_args(words)
    code: int = arguments.run(arguments)
    return code


@pytest.fixture
def mirrored(model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a mirror folder that holds YuNet only."""
    source = model("yunet")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / registry.manifest()["yunet"].file).write_bytes(source.read_bytes())
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PROCTOR_MODELS_MIRROR", str(mirror))
    # The official addresses answer nothing through a proxy that nobody runs.
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return mirror


def test_install_fetches_by_name_and_verify_sees_it(
    mirrored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("models", "install", "yunet") == 0
    assert str(registry.find("yunet")) in capsys.readouterr().out
    assert command("models", "list") == 0
    listed = capsys.readouterr().out
    assert (
        next(line for line in listed.splitlines() if line.startswith("yunet ")).split()[1] == "here"
    )
    # The others are needed and not here.
    assert command("models", "verify") == 3


def test_a_network_that_cannot_be_had_is_one_line_saying_what_is_not_measured(
    mirrored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("models", "install", "face_landmarker", "yunet", "--quiet") == 3
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "face_landmarker cannot be had" in lines[0]
    assert "not measured: whether a face is there" in lines[0]
    assert registry.find("yunet") is not None


def test_a_damaged_network_is_a_no(mirrored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = registry.install("yunet")
    path.write_bytes(b"damaged")
    assert command("models", "verify", "--json") == 1
    states = json.loads(capsys.readouterr().out)
    assert "proctor models install yunet" in states["yunet"]
    assert states["face_landmarker"] == "absent"


def test_an_unknown_network_is_wrong_input(mirrored: Path) -> None:
    with pytest.raises(InputError, match="there are: face_landmarker"):
        command("models", "install", "yunet", "yolo99")
    assert registry.find("yunet") is None


def test_list_for_a_machine_holds_licence_and_hash(
    mirrored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("models", "list", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == registry.manifest().keys()
    assert rows["yunet"]["licence"] == "MIT"
    assert rows["yunet"]["state"] == "absent"


def test_doctor_names_what_is_missing_and_how_to_mend_it(
    mirrored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("doctor", "--json", "--data", str(tmp_path / "cases")) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    found = {check["name"]: check for check in document["checks"]}
    assert found["network yunet"]["mend"] == "Run `proctor models install yunet`."
    assert found["library cv2"]["state"] == "ok"
    assert found["permission to write"]["state"] == "ok"
    assert found["network connection"]["state"] == "not looked at"
    assert not (tmp_path / "cases").exists()
    for check in document["checks"]:
        assert check["state"] in ("ok", "missing", "not looked at")
        assert check["mend"] or check["state"] != "missing"

    assert command("doctor", "--data", str(tmp_path)) == 3
    assert "→ Run `proctor models install yunet`." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10), "missing"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "missing")],
)
def test_python_versions(version: tuple[int, int], state: str) -> None:
    assert checks.python_version(version).state == state


def test_a_library_that_is_not_there_is_missing() -> None:
    (check,) = checks.libraries({"no_such_library_here": "nothing"})
    assert check.state == "missing"
    assert "make setup" in check.mend


def camera_system(folder: Path, *names: str) -> Path:
    """The folders in which Linux lists cameras."""
    for index, name in enumerate(names):
        entry = folder / "class" / "video4linux" / f"video{index}"
        entry.mkdir(parents=True)
        (entry / "name").write_text(f"{name}\n")
        (folder / f"video{index}").touch()
    return folder


def test_cameras_are_listed_by_name_and_not_opened(tmp_path: Path) -> None:
    system = camera_system(tmp_path, "Integrated Camera", "Integrated Camera", "USB Camera")
    check = checks.cameras("linux", system, system)
    assert check.state == "ok"
    assert check.detail == "Integrated Camera, USB Camera (listed, not opened)"


def test_no_camera_is_something_an_exam_lacks(tmp_path: Path) -> None:
    check = checks.cameras("linux", tmp_path, tmp_path)
    assert check.state == "missing"
    assert not checks.enough([check])


def test_a_camera_that_may_not_be_opened_says_how_to_get_the_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = camera_system(tmp_path, "Camera")
    # Root may open everything, so the answer of the system is put in its place.
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "usermod" in checks.cameras("linux", system, system).mend


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_other_systems_wait_for_consent(platform: str) -> None:
    check = checks.cameras(platform)
    assert check.state == "not looked at"
    assert "consent" in check.detail
    assert checks.enough([check])


def test_microphones_are_those_with_inputs() -> None:
    devices = [
        {"name": "Speakers", "max_input_channels": 0},
        {"name": "Headset", "max_input_channels": 1},
    ]
    assert checks.microphones(lambda: devices).detail == "Headset (listed, not recorded)"
    assert checks.microphones(lambda: devices[:1]).state == "missing"

    def broken() -> list[dict[str, object]]:
        raise OSError("no sound system")

    assert "no sound system" in checks.microphones(broken).detail


def test_the_disk_needs_room(tmp_path: Path) -> None:
    assert checks.disk_space(tmp_path / "not" / "made", wanted=1).state == "ok"
    short = checks.disk_space(tmp_path, wanted=1 << 62)
    assert short.state == "missing"
    assert short.mend.startswith("Free ")


def test_a_folder_that_cannot_be_written_is_missing() -> None:
    folder = Path("/proc/self")
    if not folder.exists():
        pytest.skip("this system has no folder that even root may not write")
    assert checks.writing(folder / "cases").state == "missing"


def test_a_display_is_wanted_but_not_needed() -> None:
    assert checks.display("linux", {"DISPLAY": ":0"}).state == "ok"
    none = checks.display("linux", {})
    assert none.state == "missing"
    assert checks.enough([none])


def test_a_clock_before_the_program_was_installed_is_wrong() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert checks.wall_clock(now, now).state == "ok"
    assert checks.wall_clock(now - timedelta(days=400), now).state == "missing"
