"""Packs the program into one folder that needs no Python: ``build/frozen/open-proctor``.

    .venv/bin/python packaging/freeze.py [--without NETWORK …]

Lays out what goes in (the wheel, the networks the detectors need, licences, icons) in ``build/stage``, so that
what is packed is what would be released and never a file that happens to lie about; then runs PyInstaller.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import icons
import licences
import slim

from models import made, registry

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
STAGE = BUILD / "stage"
FROZEN = BUILD / "frozen" / "open-proctor"
SPEC = ROOT / "packaging" / "frozen" / "open-proctor.spec"


def main() -> int:
    """Pack; exit code 3 when a network is not to be had and was not left out by name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--without",
        nargs="*",
        default=[],
        metavar="NETWORK",
        help="networks that are left out knowingly",
    )
    without = set(parser.parse_args().without)
    wanted = {model.name for model in registry.manifest().values() if model.detectors}
    if unknown := without - wanted:
        print(f"freeze: no detector needs {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    shutil.rmtree(STAGE, ignore_errors=True)
    (STAGE / "networks").mkdir(parents=True)
    for name in sorted(wanted - without):
        try:
            stage_network(name)
        except registry.ModelError as error:
            print(f"freeze: {error} Or leave it out by name: --without {name}", file=sys.stderr)
            return 3
    stage_wheel()
    licences.write(STAGE / "licences", sorted(wanted - without))
    icons.write(STAGE / "icons")
    environment = {**os.environ, "PROCTOR_STAGE": str(STAGE), "PYTHONPATH": str(STAGE / "site")}
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", "--distpath",
         str(FROZEN.parent), "--workpath", str(BUILD / "pyinstaller"), str(SPEC)],
        check=True, env=environment, cwd=ROOT,
    )  # fmt: skip
    if sys.platform == "linux":
        inside = FROZEN / "_internal"
        slim.strip(FROZEN)
        slim.share_ffmpeg(inside)
        slim.share_openblas(inside)
        slim.trim_icu(inside / "PySide6" / "Qt" / "lib")
        slim.drop_orphans(inside)
        # One program under two names; which one it was opened by says what it does (frozen/entry.py).
        (FROZEN / "open-proctor").symlink_to("proctor")
    size = sum(path.lstat().st_size for path in FROZEN.rglob("*") if path.is_file())
    print(f"freeze: {FROZEN.relative_to(ROOT)}, {size / 1e6:.0f} MB")
    return 0


def stage_network(name: str) -> None:
    """The verified network as it will lie beside the program, with the stamp of one that was made here."""
    entry = registry.manifest()[name]
    source = registry.install(name)
    target = STAGE / "networks" / (entry.unpack or entry.file)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
        return
    shutil.copyfile(source, target)
    if made.stamp_of(source).exists():
        shutil.copyfile(made.stamp_of(source), made.stamp_of(target))


def stage_wheel() -> None:
    """This project built as a wheel and unpacked, as a release would be."""
    wheels = STAGE / "wheel"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(ROOT)],
        check=True,
    )
    (wheel,) = wheels.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--no-compile", "--target", str(STAGE / "site"), str(wheel)],
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())
