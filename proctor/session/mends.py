"""How a person mends what this machine lacks, for each of three systems, in one place."""

from __future__ import annotations

import sys
from collections.abc import Mapping

LINUX, MAC, WINDOWS = "linux", "darwin", "win32"

# What is lacking → system → what to do. Where a system is not named, the one for all ("") holds.
MENDS: Mapping[str, Mapping[str, str]] = {
    "camera": {
        LINUX: "Plug a camera in, or switch it on (some laptops have a key or a slider).",
        MAC: "If the window shows no picture: System Settings, Privacy & Security, Camera, allow Open Proctor.",
        WINDOWS: "If the window shows no picture: Settings, Privacy & security, Camera, allow desktop apps.",
    },
    "camera rights": {
        LINUX: "Add yourself to the group: `sudo usermod -aG video $USER`, then log in again.",
        "": "Close the program that uses the camera, and allow this one in the privacy settings.",
    },
    "microphone": {
        LINUX: "Plug a microphone in; the sound settings of your desktop list it under input.",
        MAC: "Plug a microphone in; then System Settings, Privacy & Security, Microphone, allow Open Proctor.",
        WINDOWS: "Plug a microphone in; then Settings, Privacy & security, Microphone, allow desktop apps.",
    },
    "portaudio": {
        LINUX: "Install PortAudio: `apt-get install libportaudio2` on Debian.",
        "": "Install this program again: it brings PortAudio along on this system.",
    },
    "library": {"": "Run `make setup` again in the project's folder."},
    "library of a packed program": {"": "Install this program again: a part of it is damaged."},
    "display": {
        LINUX: "Start from a desktop session to see windows.",
        "": "Log in at the screen of this computer.",
    },
    "fonts": {
        LINUX: "Install some: `apt-get install fonts-dejavu-core` on Debian.",
        "": "Repair the system's fonts in its settings.",
    },
    "writing": {
        LINUX: "Give yourself the right to write there (`ls -ld` shows whose it is), or name another with --data.",
        MAC: "In the Finder choose the folder, Get Info, and allow yourself to write, or name another with --data.",
        WINDOWS: "In the folder's properties, Security, allow yourself to write, or name another with --data.",
    },
    "disk space": {
        LINUX: "Empty the waste bin, or give a larger disk with --data.",
        MAC: "System Settings, General, Storage shows what takes it.",
        WINDOWS: "Settings, System, Storage shows what takes it.",
    },
    "clock": {
        LINUX: "Set the date and time (`timedatectl set-ntp true`): a case's times come from it.",
        MAC: "System Settings, General, Date & Time: set them automatically. A case's times come from it.",
        WINDOWS: "Settings, Time & language: set the time automatically. A case's times come from it.",
    },
    "hub": {
        "": "Look whether this computer is online and the address is the invitation's; else ask the institution."
    },
}  # fmt: skip


def mend(lacking: str, platform: str = sys.platform) -> str:
    """What to do on ``platform`` (a value of ``sys.platform``) where ``lacking`` is a key of ``MENDS``."""
    if lacking == "library" and getattr(sys, "frozen", False):
        lacking = "library of a packed program"
    found = MENDS[lacking]
    system = LINUX if platform.startswith(LINUX) else platform
    return found.get(system) or found.get("") or found[LINUX]
