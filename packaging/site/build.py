"""Builds the documents as a site: ``python packaging/site/build.py``, into ``.site/html``.

Links between documents go by their places in the repository, so that they work there, too. The files
are gathered below one folder in the same places, and MkDocs checks every link of them (strict).
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".site"
CONFIG = Path(__file__).with_name("mkdocs.yml")
# What the site shows; every Markdown file and picture that these name.
SHOWN = (
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "models/cards",
    "examples", "tests/vectors/README.md",
)  # fmt: skip
# Words in mkdocs.yml that stand for all pages of a folder.
FOLDERS = {
    "DETECTORS": "docs/detectors",
    "CARDS": "models/cards",
    "DECISIONS": "docs/decisions",
}


def gather(root: Path, source: Path) -> None:
    """Copy what the site shows from ``root`` to ``source``, each file to its own place."""
    shutil.rmtree(source, ignore_errors=True)
    for name in SHOWN:
        place = root / name
        files = [place] if place.is_file() else sorted(place.rglob("*"))
        for file in files:
            if file.suffix in (".md", ".png", ".svg") and "node_modules" not in file.parts:
                target = source / file.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


def title(page: Path) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"site: {page} has no title; let it begin with a line '# Title'.")
    return found[1].strip()


def config(source: Path) -> str:
    """``mkdocs.yml`` with the pages of whole folders filled in, with absolute places."""
    text = CONFIG.read_text(encoding="utf-8")
    for word, folder in FOLDERS.items():
        lines = "".join(
            f"\n          - {quoted(title(page))}: {page.relative_to(source).as_posix()}"
            for page in sorted((source / folder).glob("*.md"))
        )
        text = text.replace(f": {word}\n", f":{lines}\n")
    text = re.sub(r"^docs_dir:.*$", f"docs_dir: {quoted(str(source))}", text, flags=re.MULTILINE)
    return re.sub(
        r"^site_dir:.*$",
        f"site_dir: {quoted(str(source.parent / 'html'))}",
        text,
        flags=re.MULTILINE,
    )


def quoted(text: str) -> str:
    """``text`` as a YAML string."""
    return "'" + text.replace("'", "''") + "'"


def build(folder: Path = SITE) -> int:
    """Gather and build below ``folder``; 0, or MkDocs' code when a link or a page is amiss."""
    source = folder / "source"
    gather(ROOT, source)
    made = folder / "mkdocs.yml"
    made.write_text(config(source), encoding="utf-8")
    # Not --quiet: MkDocs would then count no warning, and strict would pass anything.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "SOURCE_DATE_EPOCH": "0"}
    result = subprocess.run([*command, "--config-file", str(made)], check=False, env=environment)
    return result.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=SITE, help="folder (default: .site)")
    arguments = parser.parse_args()
    code = build(arguments.to.resolve())
    if code == 0:
        print(f"site: open {arguments.to / 'html' / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
