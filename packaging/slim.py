"""Makes the packed folder smaller on Linux without leaving anything out that is used."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

# Below this share of its size, what `strip` leaves is worth having.
_WORTH = 0.95
# FFmpeg's libraries; a file is called lib<name>-<digest of the wheel's maker>.so.<major>.<minor>.<micro>.
_FFMPEG = ("avcodec", "avformat", "avutil", "swscale", "swresample")
_VERSION = re.compile(r"\.so\.(\d+)\.(\d+)\.(\d+)$")
# What OpenCV's copy of FFmpeg alone needs.
_ONLY_FFMPEG = ("libvpx-", "libcrypto-", "libssl-", "libdrm-")


def strip(folder: Path) -> None:
    """Take symbols for debuggers out of libraries; those in ``*.libs`` were laid out anew and stay as they are."""
    for path in sorted(folder.rglob("*.so*")):
        if path.is_symlink() or any(part.endswith(".libs") for part in path.parts):
            continue
        trial = path.with_name(path.name + ".stripped")
        subprocess.run(["strip", "--strip-unneeded", "-o", str(trial), str(path)], check=True)
        if trial.stat().st_size < _WORTH * path.stat().st_size:
            trial.chmod(path.stat().st_mode)
            trial.replace(path)
        else:
            trial.unlink()


def share_ffmpeg(inside: Path) -> None:
    """Let OpenCV use PyAV's FFmpeg: both wheels carry one, and ours opens recordings with PyAV only.

    Done only where each library has the same major and the minor is not older, within which FFmpeg promises that
    programs go on working; the loader checks every symbol when ``cv2`` is imported. Raises ``SystemExit`` where
    the two differ more, so that a newer wheel is looked at before it is packed.
    """
    ours, theirs = inside / "av.libs", inside / "opencv_python_headless.libs"
    pairs = [(_library(theirs, name), _library(ours, name)) for name in _FFMPEG]
    for old, new in pairs:
        was, now = _version(old), _version(new)
        if was[0] != now[0] or was > now:
            raise SystemExit(
                f"freeze: OpenCV's {old.name} cannot be replaced by PyAV's {new.name}; "
                "leave share_ffmpeg out, or pin wheels that carry the same FFmpeg."
            )
    for old, new in pairs:
        old.unlink()
        old.symlink_to(Path("..") / ours.name / new.name)
    for path in theirs.iterdir():
        if path.name.startswith(_ONLY_FFMPEG):
            path.unlink()
            if (
                ours / path.name
            ).exists():  # the very same build of it, wanted by PyAV's FFmpeg too
                path.symlink_to(Path("..") / ours.name / path.name)
    # PyInstaller links some libraries at the top, too; no link may point to what is gone.
    for link in inside.iterdir():
        if link.is_symlink() and not link.exists():
            link.unlink()


def _library(folder: Path, name: str) -> Path:
    (found,) = folder.glob(f"lib{name}-*.so.*")
    return found


def _version(path: Path) -> tuple[int, ...]:
    match = _VERSION.search(path.name)
    if match is None:
        raise SystemExit(f"freeze: {path.name} has no version in its name.")
    return tuple(int(number) for number in match.groups())
