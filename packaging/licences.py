"""The licences of everything that a student's program is made of, as texts and as one list.

    .venv/bin/python packaging/licences.py FOLDER

Libraries are those of ``requirements.lock`` as installed in this environment; networks those of the manifest.
A library that says no licence, or a licence that the AGPL-3.0 cannot be combined with, ends it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from models import registry

ROOT = Path(__file__).resolve().parents[1]
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_TEXT_NAMES = re.compile(r"(?i)^(licen[cs]e|copying|notice|authors|third.?party)")
_TEXT_ENDS = frozenset({"", ".txt", ".md", ".rst", ".apache", ".bsd", ".mit"})
# Words of licences that may be combined with the AGPL-3.0-or-later (its text, section 13, and the list of the
# Free Software Foundation). What none of them fits is a question for a person, so the run ends.
_FITTING = re.compile(
    r"(?i)\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|LGPL|GPL|AGPL|Unlicense|"
    r"public domain|HPND|Zlib|CC0|Blessing)\b|GNU"
)
# What the wheel's metadata leaves out, read in the project's own repository.
_SAID_ELSEWHERE = {"vosk": "Apache-2.0", "flatbuffers": "Apache-2.0", "pyrage": "MIT"}
# What comes along without metadata of its own.
BESIDE = (
    "Python: PSF-2.0",
    "PortAudio: MIT",
    "Qt, in PySide6: LGPL-3.0-only; its libraries are files of their own that may be replaced",
    "FFmpeg, x264 and x265, in av: GPL-2.0-or-later as built there",
    "Kaldi and OpenFst, in vosk: Apache-2.0",
)


@dataclass(frozen=True, slots=True)
class Part:
    """One library or network: its name, version, licence as a phrase, and texts by file name."""

    name: str
    version: str
    licence: str
    texts: dict[str, str]
    home: str = ""


def plain(name: str) -> str:
    """A library's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class LicenceError(Exception):
    """A part cannot be shipped as it is; the sentence says which and why."""


def libraries(lock: Path = ROOT / "requirements.lock") -> list[Part]:
    """What the lock pins and is installed here; what other systems alone need is not."""
    parts = []
    # A library may be pinned twice, for different Pythons.
    for name in sorted(set(_PINNED.findall(lock.read_text(encoding="utf-8")))):
        try:
            parts.append(part_of(distribution(name)))
        except PackageNotFoundError:
            continue
    return parts


def part_of(found: Distribution) -> Part:
    data = found.metadata
    name = str(data["Name"])
    spoken = [
        line.rpartition("::")[2].strip()
        for line in data.get_all("Classifier") or ()
        if "License ::" in line
    ]
    said = (
        str(data.get("License-Expression") or "")
        or "; ".join(spoken)
        or str(data.get("License") or "")
    )
    said = _SAID_ELSEWHERE.get(name.lower(), said.strip().splitlines()[0] if said.strip() else "")
    if not said:
        raise LicenceError(
            f"{name} {found.version} says no licence; read it and name it in licences.py."
        )
    if not _FITTING.search(said):
        raise LicenceError(
            f"{name} {found.version} is under '{said}', which nobody has looked at yet."
        )
    texts = {}
    for file in found.files or ():
        near = ".dist-info" in file.parts[0] or len(file.parts) == 2
        if (
            near
            and file.suffix.lower() in _TEXT_ENDS
            and _TEXT_NAMES.match(file.name)
            and (path := Path(str(file.locate()))).is_file()
        ):
            texts[file.name] = path.read_text(encoding="utf-8", errors="replace")
    home = str(data.get("Home-page") or "")
    return Part(name, found.version, said, texts, home)


def networks(names: list[str]) -> list[Part]:
    """The networks of those names, as the manifest has them."""
    return [
        Part(model.name, model.version, model.licence, {}, model.url)
        for model in registry.manifest().values()
        if model.name in names
    ]


def write(folder: Path, names: list[str]) -> None:
    """``LICENCES.md`` and the texts of each library into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "# What this program is made of",
        "",
        "Open Proctor is under the AGPL-3.0-or-later (LICENSE.txt). It contains these parts; files beside this one",
        "hold their texts. The whole program's source is to be had where you got this from.",
        "",
        "## Libraries",
        "",
    ]
    for part in sorted(libraries(), key=lambda part: part.name.lower()):
        lines.append(f"- {part.name} {part.version}: {part.licence}")
        if part.texts:
            whole = "\n\n".join(
                f"===== {name}\n\n{text}" for name, text in sorted(part.texts.items())
            )
            (folder / f"{part.name}.txt").write_text(whole, encoding="utf-8")
    lines += ["", "## Inside these, or beside them", "", *(f"- {line}" for line in BESIDE)]
    lines += ["", "## Networks", ""]
    lines += [f"- {part.name} {part.version}: {part.licence}" for part in networks(names)]
    (folder / "LICENCES.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "LICENSE.txt").write_text(
        (ROOT / "LICENSE").read_text(encoding="utf-8"), encoding="utf-8"
    )


def main() -> int:
    """Write the folder named; exit code 1 when a part cannot be shipped."""
    if len(sys.argv) != 2:
        print("usage: licences.py FOLDER", file=sys.stderr)
        return 2
    try:
        write(Path(sys.argv[1]), [m.name for m in registry.manifest().values() if m.detectors])
    except LicenceError as error:
        print(f"licences: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
