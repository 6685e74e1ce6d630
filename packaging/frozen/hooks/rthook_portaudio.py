"""Runs before ours: sounddevice asks the system where PortAudio is, and here it lies in our own folder (Linux)."""

import ctypes.util
import os
import sys

_of_the_system = ctypes.util.find_library


def _ours_first(name: str) -> str | None:
    if name == "portaudio":
        return os.path.join(sys._MEIPASS, "libportaudio.so.2")  # noqa: PTH118 - as PyInstaller gives it
    return _of_the_system(name)


ctypes.util.find_library = _ours_first
