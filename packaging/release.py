"""Makes what is released, in ``dist``: wheel, sdist, list of parts, licences, sums, signatures.

    .venv/bin/python packaging/release.py --key NAME.pem [--page https://…]

``--key`` is a signing key of `proctor keys new NAME --signing`; its passphrase is asked for, or read from the file
that ``--passphrase-file`` names. What ``freeze.py`` and the packagers of each system left in ``dist`` is summed up
and signed with the rest. ``--unsigned`` makes all but the signatures, for a look at it.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import licences

from models import registry
from proctor.errors import ProctorError
from proctor.evidence import minisign
from proctor.evidence.signing import load_signing_key

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
SUMS, LATEST, PUBLIC = "SHA256SUMS", "latest.json", "open-proctor.pub"
PACKAGES = (".deb", ".AppImage", ".exe", ".dmg", ".whl", ".tar.gz", ".zip", ".json")
PAGE = "https://open-proctor.example/releases"


def moment() -> int:
    """Seconds since 1970 that every file in a release bears: ``SOURCE_DATE_EPOCH``, else the last commit's."""
    if named := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(named)
    command = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def build(source: Path, target: Path, epoch: int) -> list[Path]:
    """Wheel and sdist of the tree ``source``: the same bytes wherever and whenever it is built."""
    before = set(target.glob("*")) if target.exists() else set()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(target)],
        cwd=source, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
    )  # fmt: skip
    return sorted(set(target.glob("*")) - before)


def sums(folder: Path) -> str:
    """A line for each file that is released, as ``sha256sum -c`` reads it."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith(PACKAGES))
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files
    )


def main() -> int:
    """Make a release; exit code 2 where the key cannot be used."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--key", type=Path, help="the signing key")
    chosen.add_argument(
        "--unsigned", action="store_true", help="without signatures; not for others"
    )
    parser.add_argument("--passphrase-file", type=Path, help="read the key's passphrase from here")
    parser.add_argument("--page", default=PAGE, help="where people find the release")
    arguments = parser.parse_args()
    key = None
    if arguments.key:
        try:
            key = load_signing_key(
                arguments.key, lambda path: _passphrase(path, arguments.passphrase_file)
            )
        except ProctorError as error:
            print(f"release: {error}", file=sys.stderr)
            return error.exit_code
    import sbom

    number, epoch = version("open-proctor"), moment()
    DIST.mkdir(exist_ok=True)
    for old in (*DIST.glob("open_proctor-*"), *DIST.glob("*.minisig"), DIST / SUMS):
        old.unlink(missing_ok=True)
    build(ROOT, DIST, epoch)
    (DIST / f"open-proctor-{number}.cdx.json").write_text(sbom.text(epoch), encoding="utf-8")
    folder = ROOT / "build" / f"open-proctor-{number}-licences"
    shutil.rmtree(folder, ignore_errors=True)
    licences.write(
        folder, [model.name for model in registry.manifest().values() if model.detectors]
    )
    _zip(folder, DIST / f"{folder.name}.zip", epoch)
    latest = {"version": number, "page": arguments.page}
    (DIST / LATEST).write_text(json.dumps(latest) + "\n", encoding="utf-8")
    (DIST / SUMS).write_text(sums(DIST), encoding="utf-8")
    if key is not None:
        (DIST / PUBLIC).write_text(minisign.public_text(key), encoding="ascii")
        for name in (SUMS, LATEST):
            comment = (
                f"{name} of open-proctor {number}, {time.strftime('%Y-%m-%d', time.gmtime(epoch))}"
            )
            made = minisign.sign((DIST / name).read_bytes(), key, comment)
            (DIST / f"{name}.minisig").write_text(made, encoding="utf-8")
    for path in sorted(DIST.iterdir()):
        print(f"{path.stat().st_size:>12}  dist/{path.name}")
    return 0


def _passphrase(path: Path, file: Path | None) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").splitlines()[0]
    return getpass.getpass(f"Passphrase of {path.name}: ")


def _zip(folder: Path, target: Path, epoch: int) -> None:
    """A zip whose bytes depend on nothing but names and contents."""
    import zipfile

    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(f"{folder.name}/{path.name}", time.gmtime(epoch)[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
