"""A picture of an evaluation's report, on screen and on paper, for docs/pictures and for looking at.

    python benchmarks/media_dataset.py MEDIA DATASET --only video/
    proctor evaluate DATASET --out REPORT --keep-going
    python packaging/report_picture.py REPORT/report.html [--out docs/pictures]

Needs Chromium, and poppler's pdftoppm for the paper; neither is needed to read a report.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 1180, 1500
PAPER_DPI = 80


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    chosen = parser.parse_args()
    browser = next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        None,
    )
    printer = shutil.which("pdftoppm")
    if browser is None or printer is None:
        print("Chromium or pdftoppm is not installed; both draw this picture.", file=sys.stderr)
        return 3
    chosen.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        common = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                  f"--user-data-dir={folder / 'profile'}"]  # fmt: skip
        page = chosen.report.resolve().as_uri()
        shot, paper = folder / "screen.png", folder / "paper.pdf"
        subprocess.run(
            [*common, f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={shot}", page],
            check=True,
            capture_output=True,
        )
        subprocess.run(
            [*common, "--no-pdf-header-footer", f"--print-to-pdf={paper}", page],
            check=True,
            capture_output=True,
        )
        first = ["-f", "1", "-l", "1"]
        subprocess.run(
            [printer, "-r", str(PAPER_DPI), *first, "-png", str(paper), str(folder / "p")],
            check=True,
        )
        _write(shot, chosen.out / "evaluation-report.png")
        _write(next(folder.glob("p-*.png")), chosen.out / "evaluation-paper.png")
    return 0


def _write(source: Path, target: Path) -> None:
    """The same picture in as few bytes as PNG can."""
    cv2.imwrite(str(target), cv2.imread(str(source)), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(target)


if __name__ == "__main__":
    sys.exit(main())
