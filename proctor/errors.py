"""Errors that end in one sentence for the person who reads it: what, where, how to mend it."""

from __future__ import annotations

import traceback
from pathlib import Path


class ProctorError(Exception):
    """Base of every error a user may see. ``str(error)`` is the sentence."""

    exit_code = 2


class InputError(ProctorError):
    """The command, file or policy given is not usable (exit code 2)."""


class CheckFailed(ProctorError):
    """A check was carried out and its answer is no (exit code 1)."""

    exit_code = 1


class MissingError(ProctorError):
    """This machine lacks something: a camera, a model, a display, disk space (exit code 3)."""

    exit_code = 3


class ConsentError(ProctorError):
    """Something was asked for that no live grant covers."""


class DeviceError(MissingError):
    """A camera, microphone or recording stopped giving samples."""


def places(error: BaseException) -> str:
    """An error for a log: its type and where it came from, innermost last.

    Neither its message nor the folders of this computer, which may hold somebody's name.
    """
    frames = traceback.extract_tb(error.__traceback__)
    at = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
    return " > ".join((type(error).__name__, *at))
