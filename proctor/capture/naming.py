"""What the system says of a camera or a microphone: its name and what drives it, never its number.

Only Linux tells which camera a number means without another library; elsewhere its name stays unknown
here, and an app that knows it (Qt does) gives it instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

# What is asked of the sound system, given a device or None for the usual one.
SoundQuery = Callable[[int | str | None], Mapping[str, Any]]
MOST_NAME = 100


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """One device. ``device`` is ``camera``, ``microphone`` or ``recording``; empty texts are unknown.

    ``software`` says whether the system itself knows the device as one made by a program.
    """

    device: str
    name: str = ""
    driver: str = ""
    software: bool | None = None


@runtime_checkable
class Described(Protocol):
    """A source that knows what it reads."""

    def facts(self) -> DeviceFacts:
        """What the system says of the device, at this moment."""
        ...


def camera_facts(
    device: int | str, platform: str = sys.platform, system: Path = Path("/sys")
) -> DeviceFacts:
    """The name and driver of a camera by its number or path."""
    if not platform.startswith("linux"):
        return DeviceFacts("camera")
    node = Path(f"/dev/video{device}") if isinstance(device, int) else Path(device).resolve()
    entry = system / "class" / "video4linux" / node.name
    try:
        name = (entry / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return DeviceFacts("camera")
    driver = entry / "device" / "driver"
    # Loopback cameras have no hardware, so the system keeps them apart.
    software = "virtual" in entry.resolve().relative_to(system.resolve()).parts
    return DeviceFacts(
        "camera",
        name[:MOST_NAME],
        driver.resolve().name if driver.exists() else "",
        software,
    )


def microphone_facts(device: int | str | None, query: SoundQuery | None = None) -> DeviceFacts:
    """The name of a microphone, and the sound system it is reached through."""
    try:
        if query is None:
            query = _ask_portaudio
        found = query(device)
        return DeviceFacts(
            "microphone", str(found["name"])[:MOST_NAME], str(found.get("driver", ""))[:MOST_NAME]
        )
    except (
        Exception
    ):  # PortAudio and its import raise several unrelated types: the name stays unknown
        return DeviceFacts("microphone")


def _ask_portaudio(device: int | str | None) -> Mapping[str, Any]:
    import sounddevice

    found = sounddevice.query_devices(device, "input")
    return {"name": found["name"], "driver": sounddevice.query_hostapis(found["hostapi"])["name"]}
