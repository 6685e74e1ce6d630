"""The Debian package and the AppImage on a clean Debian: installed, used by a user, removed without residue.

Needs root, debootstrap and the network of Debian's packages. The clean system is made once, in ``build``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import watch

ROOT = Path(__file__).resolve().parents[2]
SUITE = "bookworm"
X_SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 - where X servers listen
WINDOW_S = 120.0
# What the program may take on a disk. The network for own English phrases, 68 MB, is no part of every package.
MOST_BYTES = 450_000_000
# What both packages expect of a desktop; the .deb names them as its dependencies.
DESKTOP = (
    "libegl1", "libgl1", "libx11-6", "libdbus-1-3", "libasound2", "fontconfig-config", "fonts-dejavu-core",
    "xkb-data", "desktop-file-utils", "shared-mime-info",
)  # fmt: skip
# What any run of apt and dpkg changes.
TRACES = re.compile(
    r"^(proc|dev|sys|tmp|run|home)(/|$)|^var/(lib/(dpkg|apt)|cache|log)/|/(mimeinfo\.cache|icon-theme\.cache)$"
)

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not shutil.which("debootstrap") or not hasattr(os, "geteuid") or os.geteuid() != 0,
        reason="needs root and debootstrap (make package-setup)",
    ),
]


@pytest.fixture(scope="module")
def package() -> Path:
    (found,) = (ROOT / "dist").glob("open-proctor_*.deb")
    return found


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Debian with what a desktop has at the least, and one user, ``student``. No Python, nothing of ours."""
    kept = ROOT / "build" / "clean-root"
    ready = kept / "ready"
    if not ready.exists() or ready.read_text(encoding="utf-8") != " ".join(DESKTOP):
        shutil.rmtree(kept, ignore_errors=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", SUITE, str(kept)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        inside(kept, "apt-get", "update", "-q")
        inside(kept, "apt-get", "install", "-q", "-y", "--no-install-recommends", *DESKTOP)
        inside(kept, "useradd", "-m", "student")
        ready.write_text(" ".join(DESKTOP), encoding="utf-8")
    root = tmp_path_factory.mktemp("root")
    subprocess.run(["cp", "-a", f"{kept}/.", str(root)], check=True)
    assert not (root / "usr/bin/python3").exists()
    mounted = []
    try:
        X_SOCKETS.mkdir(exist_ok=True)
        for options, where in (
            (("-t", "proc", "proc"), "proc"),
            (("--bind", "/dev"), "dev"),
            (("--bind", str(X_SOCKETS)), "tmp/.X11-unix"),
        ):
            target = root / where
            target.mkdir(exist_ok=True)
            subprocess.run(["mount", *options, str(target)], check=True)
            mounted.append(target)
        yield root
    finally:
        # Nothing below the folder may still be another's when pytest clears it away.
        for target in reversed(mounted):
            subprocess.run(["umount", "-l", str(target)], check=True)


def inside(root: Path, *words: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run as that system's administrator."""
    done = subprocess.run(
        ["chroot", str(root), *map(str, words)], capture_output=True, text=True, check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"} | more,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def as_student(root: Path, *words: object, display: str = "") -> list[str]:
    """The command that runs ``words`` as the user, in that system."""
    user = (root / "etc/passwd").read_text().partition("student:x:")[2].split(":")
    shown = [f"DISPLAY={display}", "QT_QPA_PLATFORM=xcb"] if display else []
    return [
        "chroot", f"--userspec={user[0]}:{user[1]}", str(root), "/usr/bin/env", "-i", "-C", "/home/student",
        "HOME=/home/student", "PATH=/usr/bin:/bin", "LANG=C.UTF-8", *shown, *map(str, words),
    ]  # fmt: skip


def files(root: Path) -> set[str]:
    """Every path of that system but the users' own and what each run of apt and dpkg changes."""
    found = set()
    for folder, folders, names in os.walk(root):
        base = Path(folder).relative_to(root).as_posix()
        folders[:] = [
            name for name in folders if not TRACES.search(f"{base}/{name}".removeprefix("./"))
        ]
        found.update(f"{base}/{name}".removeprefix("./") for name in [*folders, *names])
    return {path for path in found if not TRACES.search(path)}


def use(root: Path, sample: Path, display: str, picture: Path, command: str, window: str) -> None:
    """What a student does: is all here, a sample exam, a look at its case, the window."""
    home = root / "home/student"
    shutil.copyfile(sample, home / "exam.mp4")
    # Both programs are tried in the same home, each with a case of its own.
    case = f"case-of-{Path(command).stem}"
    replay = (
        "replay",
        "exam.mp4",
        "--policy",
        "standard",
        "--consent",
        "all",
        "--quiet",
        "--case",
        case,
    )
    for words in (("doctor", "--json"), replay, ("case", "verify", case)):
        done = subprocess.run(
            as_student(root, command, *words), capture_output=True, text=True, check=False
        )
        if words[0] == "doctor":
            # There is no camera here, and that is what it says.
            lacking = {
                c["name"]
                for c in json.loads(done.stdout)["checks"]
                if c["state"] == "missing" and c["needed"]
            }
            assert lacking <= {"camera", "microphone"}, done.stdout
        else:
            assert done.returncode == 0, done.stdout + done.stderr
    flags = (home / case / "journal.jsonl").read_text().count('"type":"flag"')
    assert flags >= 5
    process = subprocess.Popen(
        as_student(root, window, display=display),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        watch.wait_for_window(display, "Open Proctor", process, WINDOW_S)
        watch.wait_until_drawn(display, picture, process, WINDOW_S)
    finally:
        process.terminate()
        assert "Traceback" not in process.communicate(timeout=60)[1]


def test_the_deb_installs_works_and_leaves_nothing(
    clean: Path, package: Path, sample: Path, display: str, tmp_path: Path
) -> None:
    before = files(clean)
    shutil.copyfile(package, clean / "tmp/package.deb")
    inside(clean, "dpkg", "-i", "/tmp/package.deb")  # noqa: S108
    (clean / "tmp/package.deb").unlink()
    inside(clean, "dpkg", "--verify", "open-proctor")
    came = files(clean) - before
    size = sum(
        (clean / p).lstat().st_size for p in came if (clean / p).is_file() and "vosk-model" not in p
    )
    print(
        f"\ninstalled: {size / 1e6:.0f} MB in {len(came)} files, the network vosk_small_en not counted"
    )
    assert size < MOST_BYTES
    known = (clean / "usr/share/applications/mimeinfo.cache").read_text()
    assert "application/vnd.open-proctor.invitation=" in known
    assert "x-scheme-handler/open-proctor=" in known
    use(clean, sample, display, tmp_path / "window.png", "proctor", "open-proctor")
    inside(clean, "dpkg", "--purge", "open-proctor")
    assert files(clean) == before
    # The student's own are kept, and only where the documents say.
    home = clean / "home/student"
    own = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    told = tuple(
        f"{place}/open-proctor/" for place in (".local/share", ".local/state", ".cache", ".config")
    )
    assert [
        path for path in own if path[0] == "." and "proctor" in path and not path.startswith(told)
    ] == []
    assert any(path.startswith(told[0]) for path in own)


def test_the_appimage_runs_without_fuse_and_can_be_forgotten(
    clean: Path, sample: Path, display: str, tmp_path: Path
) -> None:
    (image,) = (ROOT / "dist").glob("*.AppImage")
    before = files(clean)
    place = clean / "home/student/Open_Proctor.AppImage"
    shutil.copy(image, place)
    place.chmod(0o755)
    use(
        clean,
        sample,
        display,
        tmp_path / "window.png",
        f"/home/student/{place.name}",
        f"/home/student/{place.name}",
    )
    cache = clean / "home/student/.cache/open-proctor/appimage"
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1
    subprocess.run(
        as_student(clean, f"/home/student/{place.name}", "--appimage-forget"), check=True
    )
    assert not cache.exists()
    assert files(clean) == before
    head = image.read_bytes()[:12]
    assert head[:4] == b"\x7fELF"
    assert head[8:11] == b"AI\x02"


def test_a_damaged_appimage_says_so(tmp_path: Path) -> None:
    (image,) = (ROOT / "dist").glob("*.AppImage")
    offset = int(
        subprocess.run(
            [image, "--appimage-offset"], check=True, capture_output=True, text=True
        ).stdout
    )
    broken = tmp_path / "broken.AppImage"
    broken.write_bytes(image.read_bytes()[: offset + 4096])
    broken.chmod(0o755)
    done = subprocess.run(
        [broken, "--version"],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "this file is damaged" in done.stderr
