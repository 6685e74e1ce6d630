"""What this machine has and lacks for an exam, looked at without taking one picture or sound.

A camera is listed, never opened, and a microphone never recorded: both wait for consent.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from models import registry
from proctor.evidence.disk import CASE_BYTES, RESERVE_BYTES
from proctor.pipeline.plugins import discover
from proctor.session import inventory
from proctor.session.mends import mend

State = Literal["ok", "missing", "not looked at"]

OLDEST_PYTHON, FIRST_UNTRIED_PYTHON = (3, 11), (3, 14)

# Import name → what it is for, in the words of the person whose machine lacks it.
LIBRARIES: Mapping[str, str] = {
    "numpy": "arithmetic on pictures and sound",
    "cv2": "the camera and picture work",
    "mediapipe": "face landmarks",
    "onnxruntime": "running the networks",
    "av": "reading recordings and encoding clips",
    "sounddevice": "the microphone",
    "webrtcvad": "the first look for speech",
    "vosk": "wake phrases in a policy's own words",
    "cryptography": "signing the journal",
    "pyrage": "sealing clips",
    "pydantic": "reading policies",
}

# What the clips of one exam may take, and what then stays free.
WANTED_FREE_BYTES = CASE_BYTES + RESERVE_BYTES
FONT_FOLDERS = tuple(
    Path(name)
    for name in ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
)
FONT_FILES = frozenset({".ttf", ".otf", ".ttc", ".pfb"})
# Time zones and a file system's rounding shift a date by less than this.
CLOCK_SLACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``needed``: an exam cannot do without it. ``mend`` says what to do."""

    name: str
    state: State
    detail: str
    mend: str = ""
    needed: bool = True


def python_version(version: tuple[int, int]) -> Check:
    """Whether this Python is one that the project is tried with."""
    words = f"{version[0]}.{version[1]}"
    if OLDEST_PYTHON <= version < FIRST_UNTRIED_PYTHON:
        return Check("python", "ok", words)
    return Check("python", "missing", words, "Use Python 3.11, 3.12 or 3.13.")


def this_build() -> Check:
    """Which build this is, for an institution's list of builds (docs/attestation.md)."""
    found = inventory.build()
    return Check(
        "build", "ok", f"version {found['version']}, sha256 {found['sha256']}", needed=False
    )


def libraries(names: Mapping[str, str] = LIBRARIES) -> list[Check]:
    """Whether each library can be imported, one check each."""
    return [_library(name, purpose) for name, purpose in names.items()]


def _library(name: str, purpose: str) -> Check:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a library without its system part may raise anything at import
        lacks = "portaudio" if name == "sounddevice" and "PortAudio" in str(error) else "library"
        return Check(f"library {name}", "missing", f"{purpose}: {error}", mend(lacks))
    version = getattr(module, "__version__", "")
    return Check(f"library {name}", "ok", f"{purpose} {version}".strip())


def cameras(
    platform: str = sys.platform, system: Path = Path("/sys"), devices: Path = Path("/dev")
) -> Check:
    """Which cameras the system lists. None is opened: that needs consent."""
    if not platform.startswith("linux"):
        return Check(
            "camera",
            "not looked at",
            "this system lists cameras only by opening one, and that waits for your consent",
            mend("camera", platform),
        )
    named = []
    for entry in sorted((system / "class" / "video4linux").glob("video*")):
        device = devices / entry.name
        if not device.exists():
            continue
        if not os.access(device, os.R_OK | os.W_OK):
            return Check(
                "camera",
                "missing",
                f"{device} may not be opened by this user",
                mend("camera rights", platform),
            )
        named.append((entry / "name").read_text(encoding="utf-8").strip())
    if not named:
        return Check(
            "camera",
            "missing",
            "no video device is listed",
            mend("camera", platform),
        )
    return Check("camera", "ok", f"{', '.join(dict.fromkeys(named))} (listed, not opened)")


def microphones(query: Callable[[], Iterable[Mapping[str, Any]]] | None = None) -> Check:
    """Which microphones the sound system lists. None is recorded from: that needs consent."""
    try:
        if query is None:
            import sounddevice

            query = sounddevice.query_devices
        found = [str(device["name"]) for device in query() if device["max_input_channels"] > 0]
    except Exception as error:  # PortAudio and its import raise several unrelated types
        return Check(
            "microphone", "missing", f"devices cannot be listed: {error}", mend("microphone")
        )
    if not found:
        return Check("microphone", "missing", "no input device is listed", mend("microphone"))
    return Check("microphone", "ok", f"{', '.join(found)} (listed, not recorded)")


def networks() -> list[Check]:
    """Whether each network that a built-in detector uses is here and has the right hash.

    One that detectors can do without (they then say what is not measured) is not needed.
    """
    needed = {name for plugin in discover().values() for name in plugin.models}
    return [
        _network(model, model.name in needed)
        for model in registry.manifest().values()
        if model.detectors
    ]


def _network(model: registry.Model, needed: bool) -> Check:
    name = f"network {model.name}"
    how = f"Run `proctor models install {model.name}`."
    try:
        path = registry.find(model.name)
    except registry.ModelError as error:
        return Check(name, "missing", str(error), how, needed)
    if path is None:
        return Check(name, "missing", f"until then not measured: {model.measures}", how, needed)
    return Check(name, "ok", "its hash is right", needed=needed)


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def writing(folder: Path) -> Check:
    """Whether cases can be written in ``folder`` (or, where it is not made yet, above it)."""
    name = "permission to write"
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)) as file:
            file.write(b"0")
            file.flush()
    except OSError as error:
        return Check(
            name,
            "missing",
            f"{folder}: {error.strerror or error}",
            mend("writing"),
        )
    return Check(name, "ok", str(folder))


def disk_space(folder: Path, wanted: int = WANTED_FREE_BYTES) -> Check:
    """Whether the disk of ``folder`` has room for the sealed clips of a long exam."""
    free = shutil.disk_usage(_existing(folder)).free
    words = f"{free / 1e9:.1f} GB free for {folder}"
    if free >= wanted:
        return Check("disk space", "ok", words)
    return Check(
        "disk space", "missing", words, f"Free {(wanted - free) / 1e9:.1f} GB. {mend('disk space')}"
    )


def display(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Check:
    """Whether a window could be shown. The command line does without one."""
    if not platform.startswith("linux"):
        return Check("display", "ok", "this system always has one", needed=False)
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if environment.get(variable):
            return Check("display", "ok", f"{variable}={environment[variable]}", needed=False)
    return Check(
        "display",
        "missing",
        "neither WAYLAND_DISPLAY nor DISPLAY is set; the command line works without",
        mend("display", platform),
        needed=False,
    )


def fonts(
    platform: str = sys.platform,
    folders: Sequence[Path] = FONT_FOLDERS,
) -> Check:
    """Whether letters could be drawn. A bare Linux system may have no font at all."""
    if not platform.startswith("linux"):
        return Check("fonts", "ok", "this system always has some", needed=False)
    for folder in folders:
        # The first one that is found is enough; a system may have thousands.
        if any(path.suffix.lower() in FONT_FILES for path in folder.expanduser().rglob("*")):
            return Check("fonts", "ok", str(folder), needed=False)
    return Check(
        "fonts",
        "missing",
        "no font is installed: a window would show boxes in place of letters",
        mend("fonts", platform),
        needed=False,
    )


def hub(address: str, ask: Callable[[str], bool] | None = None) -> Check:
    """Whether a hub answers: opens a connection to the address that was named, and to nothing else.

    Raises :class:`proctor.errors.InputError` when ``address`` is none of a hub.
    """
    if ask is None:
        from proctor.hub import client

        ask = client.reachable
    if ask(address):
        return Check("hub", "ok", f"{address} answers", needed=False)
    return Check(
        "hub",
        "missing",
        f"{address} does not answer; that is no obstacle to an exam: sealed clips wait on this computer",
        mend("hub"),
        needed=False,
    )


def network_connection() -> Check:
    """Says that none is needed; looking would open a connection that nobody asked for."""
    return Check(
        "network connection",
        "not looked at",
        "not needed here: an exam opens one to its hub only (`proctor doctor --hub ADDRESS` asks it)",
        needed=False,
    )


def wall_clock(now: datetime, installed: datetime) -> Check:
    """Whether the clock is not before the moment this program was put on the machine."""
    words = now.isoformat(timespec="seconds")
    if now + CLOCK_SLACK >= installed:
        return Check("clock", "ok", words)
    return Check(
        "clock",
        "missing",
        f"{words} is before this program was installed",
        mend("clock"),
    )


def all_checks(data_folder: Path) -> list[Check]:
    """Every check on this machine, in the order in which a person would mend things."""
    # A packed program keeps this file inside an archive; the program itself lies beside it.
    program = Path(sys.executable if getattr(sys, "frozen", False) else __file__)
    installed = datetime.fromtimestamp(program.stat().st_mtime, UTC)
    return [
        python_version((sys.version_info.major, sys.version_info.minor)),
        this_build(),
        *libraries(),
        *networks(),
        cameras(),
        microphones(),
        writing(data_folder),
        disk_space(data_folder),
        display(),
        fonts(),
        network_connection(),
        wall_clock(datetime.now(UTC), installed),
    ]


def enough(checks: Iterable[Check]) -> bool:
    """Whether nothing that an exam needs is missing."""
    return not any(check.needed and check.state == "missing" for check in checks)
