"""Makes the ``.deb`` and the AppImage of what ``freeze.py`` packed, into ``dist``; Linux only.

    .venv/bin/python packaging/linux_packages.py

The AppImage's first part is compiled from ``linux/runtime.c`` (docs/decisions/0032 says why no other).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from freeze import BUILD, FROZEN, ROOT, STAGE
from release import moment

LINUX = ROOT / "packaging" / "linux"
DIST = ROOT / "dist"
APP_ID = "org.open_proctor.Student"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MAGIC = b"AI\x02"
MAGIC_AT = 8
LIBRARIES = ("-lsquashfuse", "-lz", "-lzstd", "-llzma", "-llz4", "-llzo2")


def main() -> int:
    """Make both; exit code 3 where nothing was packed or a tool is missing."""
    if not FROZEN.is_dir():
        print("linux_packages: run packaging/freeze.py first.", file=sys.stderr)
        return 3
    lacking = [tool for tool in ("dpkg-deb", "mksquashfs", "cc") if not shutil.which(tool)]
    if lacking:
        print(
            f"linux_packages: {', '.join(lacking)} is missing; run packaging/setup.sh dev.",
            file=sys.stderr,
        )
        return 3
    DIST.mkdir(exist_ok=True)
    for made in (deb(), appimage()):
        print(f"linux_packages: {made.relative_to(ROOT)}, {made.stat().st_size / 1e6:.0f} MB")
    return 0


def filled(name: str, **values: str) -> str:
    """A text of ``packaging/linux`` with its ``@NAMES@`` filled in."""
    text = (LINUX / name).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def tree(root: Path) -> None:
    """The program with all that a desktop wants of it, below ``root``: what both packages hold."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(FROZEN, root / "usr/lib/open-proctor", symlinks=True)
    share = root / "usr/share"
    put(share / f"applications/{APP_ID}.desktop", filled(f"{APP_ID}.desktop"))
    put(share / "mime/packages/open-proctor.xml", filled("open-proctor.xml"))
    day = time.strftime("%Y-%m-%d", time.gmtime(moment()))
    info = filled(f"{APP_ID}.metainfo.xml", VERSION=version("open-proctor"), DATE=day)
    put(share / f"metainfo/{APP_ID}.metainfo.xml", info)
    icons = share / "icons/hicolor"
    for size in (16, 32, 48, 64, 128, 256, 512):
        copy(
            STAGE / f"icons/open-proctor-{size}.png", icons / f"{size}x{size}/apps/open-proctor.png"
        )
    copy(STAGE / "icons/open-proctor.svg", icons / "scalable/apps/open-proctor.svg")


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def settle(root: Path) -> None:
    """Rights and times that depend on nothing of this machine."""
    when = moment()
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            runs = path.is_dir() or (os.access(path, os.X_OK) and ".so" not in path.name)
            path.chmod(0o755 if runs else 0o644)
        os.utime(path, (when, when), follow_symlinks=False)


def deb() -> Path:
    """The Debian package."""
    root = BUILD / "deb"
    tree(root)
    (root / "usr/bin").mkdir(parents=True)
    for name in ("proctor", "open-proctor"):
        (root / "usr/bin" / name).symlink_to(f"../lib/open-proctor/{name}")
    manual = root / "usr/share/man/man1"
    manual.mkdir(parents=True)
    (manual / "proctor.1.gz").write_bytes(gzip.compress(filled("proctor.1").encode(), mtime=0))
    (manual / "open-proctor.1.gz").symlink_to("proctor.1.gz")
    doc = root / "usr/share/doc/open-proctor"
    copy(STAGE / "licences/LICENCES.md", doc / "copyright")
    (doc / "changelog.gz").write_bytes(gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), mtime=0))
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(-(-path.stat().st_size // 1024) for path in files)
    control = filled(
        "control",
        VERSION=version("open-proctor"),
        ARCHITECTURE=ARCHITECTURES[platform.machine()],
        SIZE=str(size),
        GLIBC=platform.libc_ver()[1],
    )
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
    )
    put(root / "DEBIAN/control", control)
    put(root / "DEBIAN/md5sums", sums)
    settle(root)
    target = (
        DIST / f"open-proctor_{version('open-proctor')}_{ARCHITECTURES[platform.machine()]}.deb"
    )
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", str(root), str(target)],
        check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(moment())},
    )  # fmt: skip
    return target


def appimage() -> Path:
    """The AppImage: our runtime, then a squashfs of the same tree."""
    root = BUILD / "AppDir"
    tree(root)
    put(root / "AppRun", filled("AppRun"))
    (root / "AppRun").chmod(0o755)
    put(root / f"{APP_ID}.desktop", filled(f"{APP_ID}.desktop"))
    copy(STAGE / "icons/open-proctor.svg", root / "open-proctor.svg")
    copy(STAGE / "icons/open-proctor-256.png", root / ".DirIcon")
    settle(root)
    squashed = BUILD / "open-proctor.squashfs"
    squashed.unlink(missing_ok=True)
    stamp = str(moment())
    environment = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        ["mksquashfs", str(root), str(squashed), "-root-owned", "-noappend", "-no-xattrs", "-comp", "zstd",
         "-Xcompression-level", "9", "-mkfs-time", stamp, "-all-time", stamp, "-no-progress", "-quiet"],
        check=True, env=environment,
    )  # fmt: skip
    data = squashed.read_bytes()
    runtime = BUILD / "runtime"
    digest = hashlib.sha256(data).hexdigest()[:24]
    subprocess.run(
        ["cc", "-O2", "-s", "-static", "-Wall", "-Wextra", "-Werror", f'-DDIGEST="{digest}"',
         "-Wl,--build-id=none", "-o", str(runtime), str(LINUX / "runtime.c"), *LIBRARIES],
        check=True,
    )  # fmt: skip
    head = bytearray(runtime.read_bytes())
    head[MAGIC_AT : MAGIC_AT + len(MAGIC)] = MAGIC
    target = DIST / f"Open_Proctor-{version('open-proctor')}-{platform.machine()}.AppImage"
    target.write_bytes(bytes(head) + data)
    target.chmod(0o755)
    return target


if __name__ == "__main__":
    sys.exit(main())
