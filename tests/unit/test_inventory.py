"""The inventory: what ran, by name and digest, and nothing about whoever ran it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from proctor.capture.camera import Camera
from proctor.capture.microphone import Microphone
from proctor.capture.naming import Described, DeviceFacts, camera_facts, microphone_facts
from proctor.clock import SessionClock
from proctor.session import inventory
from proctor.session.attesting import INTERVALS, Attesting
from proctor.session.plan import make_plan
from proctor.types import Observation


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("Integrated Camera: Integrated C", "Integrated Camera: Integrated C"),
        ("USB2.0 HD UVC WebCam (0408:a061)", "USB2.0 HD UVC WebCam (0408:a061)"),
        ("HD Pro Webcam C920", "HD Pro Webcam C920"),
        ("Anna's iPhone Camera", "… iPhone Camera"),
        ("Anna Maria’s AirPods", "… AirPods"),
        ("James' AirPods Pro", "… AirPods Pro"),
        ("iPhone von Anna Müller", "iPhone …"),
        ("AirPods de Zoë", "AirPods …"),
        ("Webcam of host lab-17", "Webcam of host …"),
        ("annam's phone", "… phone"),
        ("Camera of ANNAM", "Camera of …"),
        ("C920 serial 8F2A11BE33", "C920 serial …"),
        ("Headset 00:1A:7D:DA:71:13", "Headset …"),
        ("", ""),
    ],
)
def test_names_of_devices_lose_people_and_single_devices(name: str, left: str) -> None:
    assert inventory.scrubbed(name, {"annam", "lab-17"}) == left


def test_this_accounts_and_this_computers_names_are_taken_out(monkeypatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "zoe.k")
    monkeypatch.setattr("platform.node", lambda: "zoes-laptop.home.example")
    assert inventory.scrubbed("zoe.k camera at zoes-laptop") == "… camera at …"
    facts = DeviceFacts("camera", "Camera of zoe.k", "driver on zoes-laptop", False)
    data = inventory.device_data(facts)
    assert data == {
        "device": "camera", "name": "Camera of …", "driver": "driver on …", "software": False,
    }  # fmt: skip


def test_the_inventory_lists_nothing_else(tmp_path: Path) -> None:
    plan = make_plan("minimal", require_all=False)
    recording = tmp_path / "anna.mp4"
    recording.write_bytes(b"pictures")
    data = inventory.take(plan, "replay", [DeviceFacts("camera", "C")], recording)
    assert set(data) == {
        "build", "system", "source", "devices", "models", "policy_sha256", "plugins",
        "recording_sha256",
    }  # fmt: skip
    assert set(data["build"]) == {"version", "sha256", "files", "frozen"}
    assert set(data["system"]) == {"os", "release", "machine", "python"}
    assert all(set(d) == {"device", "name", "driver", "software"} for d in data["devices"])
    assert all(set(p) == {"name", "built_in", "version", "sha256"} for p in data["plugins"])
    assert "anna" not in str(data)


def video(system: Path, number: int, name: str, *, bus: str, driver: str = "") -> None:
    """A camera as Linux lists it below /sys."""
    real = system / "devices" / bus / f"video{number}"
    real.mkdir(parents=True)
    (real / "name").write_text(f"{name}\n", encoding="utf-8")
    if driver:
        (system / "bus/usb/drivers" / driver).mkdir(parents=True)
        (real / "device").mkdir()
        (real / "device/driver").symlink_to(system / "bus/usb/drivers" / driver)
    listed = system / "class/video4linux"
    listed.mkdir(parents=True, exist_ok=True)
    (listed / f"video{number}").symlink_to(real)


@pytest.mark.skipif(os.name != "posix", reason="links as Linux has them")
def test_linux_tells_a_cameras_name_driver_and_whether_it_is_software(tmp_path: Path) -> None:
    video(tmp_path, 0, "Integrated Camera", bus="pci0000:00/usb1", driver="uvcvideo")
    video(tmp_path, 2, "Any name at all", bus="virtual/video4linux")
    real = DeviceFacts("camera", "Integrated Camera", "uvcvideo", False)
    assert camera_facts(0, "linux", tmp_path) == real
    assert camera_facts("/dev/video0", "linux", tmp_path) == real
    assert camera_facts(2, "linux", tmp_path) == DeviceFacts("camera", "Any name at all", "", True)
    assert camera_facts(7, "linux", tmp_path) == DeviceFacts("camera")


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_elsewhere_the_cameras_name_is_unknown_and_not_guessed(platform: str) -> None:
    assert camera_facts(0, platform) == DeviceFacts("camera", "", "", None)


def test_a_microphone_is_named_by_the_sound_system() -> None:
    told = {"name": "USB Audio", "driver": "ALSA"}
    assert microphone_facts(3, lambda device: told) == DeviceFacts(
        "microphone", "USB Audio", "ALSA"
    )

    def broken(device):
        raise RuntimeError("no sound system")

    assert microphone_facts(None, broken) == DeviceFacts("microphone")


def test_live_devices_can_say_what_they_are() -> None:
    assert issubclass(Camera, Described)
    assert issubclass(Microphone, Described)


class Times:
    """A computer's clock that can be set."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def written(begin_case):
    """An :class:`Attesting` of a live session, the records that it writes, and the computer's clock."""
    case = begin_case()
    times = Times()
    attesting = Attesting(case, SessionClock(), times)
    plan = make_plan("minimal", require_all=False)
    attesting.begin(0.0, plan, "live", (DeviceFacts("camera", "C"),))

    def of(type: str) -> list:
        return [r["data"] for r in case.records() if r["type"] == type]

    yield attesting, of, times
    case.close()


def test_devices_are_written_down_when_they_change_and_only_then(written) -> None:
    attesting, of, _ = written
    attesting.attend(1.0, (DeviceFacts("camera", "C"),))
    assert of("inventory.changed") == []
    attesting.attend(2.0, (DeviceFacts("camera", "D"),))
    attesting.attend(3.0, (DeviceFacts("camera", "D"),))
    (changed,) = of("inventory.changed")
    assert changed["t"] == 2.0
    assert changed["devices"][0]["name"] == "D"


def test_a_clock_that_is_set_is_written_down_once_and_a_correction_is_not(written) -> None:
    attesting, of, times = written
    camera = (DeviceFacts("camera", "C"),)
    times.ahead = timedelta(seconds=2)
    attesting.attend(10.0, camera)
    assert of("clock.changed") == []
    times.ahead = timedelta(hours=-1)
    attesting.attend(20.0, camera)
    attesting.attend(30.0, camera)
    (changed,) = of("clock.changed")
    assert changed["by_s"] == pytest.approx(-3600, abs=5)


def test_what_is_seen_of_a_camera_is_written_down_once(written) -> None:
    attesting, of, _ = written
    for t, score in ((1.0, None), (2.0, 0.4), (3.0, 0.7), (4.0, 1.0)):
        attesting.observations([Observation(t, "camera.virtual", score, "camera", reason="r")])
    attesting.observations([Observation(5.0, "camera.frozen", 1.0, "camera")])
    assert of("source.noted") == [{"t": 3.0, "what": "camera.virtual", "reason": "r"}]


# Intervals in seconds, in turn: how files of several rates look on a grid of ten a second.
GRIDS = {
    "ten a second": [0.1],
    "25 a second": [0.12, 0.08],
    "30 a second": [0.1, 0.1, 0.1],
    "in whole milliseconds": [0.1, 0.101, 0.099],
    "24 a second": [0.125, 0.083333, 0.083334, 0.125, 0.083333],
}


@pytest.mark.parametrize("grid", GRIDS)
def test_the_times_of_a_file_are_told_from_a_cameras(written, grid: str) -> None:
    attesting, of, _ = written
    t = 0.0
    for i in range(INTERVALS + 2):
        t += GRIDS[grid][i % len(GRIDS[grid])]
        attesting.frame(t)
    (noted,) = of("source.noted")
    assert noted["what"] == "timing"


@pytest.mark.parametrize("spread", [0.0001, 0.001, 0.02])
def test_a_cameras_times_are_left_alone(written, spread: float) -> None:
    import random

    attesting, of, _ = written
    rng = random.Random(3)  # noqa: S311
    for i in range(5 * INTERVALS):
        attesting.frame(i * 0.1 + rng.gauss(0.0, spread))
    assert of("source.noted") == []
