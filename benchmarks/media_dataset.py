"""Turn the labelled recordings of a folder with `labels.csv` into a dataset that `proctor evaluate` reads.

    python benchmarks/media_dataset.py MEDIA OUT [--only video/]

OUT gets `sessions.csv` and `truth.csv`; the recordings stay where they are and are named by their paths.
A label becomes an event of the kinds that `benchmarks/recordings.py` reads from it; what that script calls
arguable becomes an event of the whole recording that is not certain. A recording in which no act is labelled
is in the arm honest, another in instructed. Nobody says who is in which recording: every file is taken for a
person of its own, which is not so, and which is why nothing about persons can be concluded from it.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from recordings import read_cases

from proctor.capture.replay import Recording


def write(media: Path, out: Path, only: str = "") -> int:
    """Write the dataset; returns the number of sessions."""
    out.mkdir(parents=True, exist_ok=True)
    sessions, truth = [], []
    for case in read_cases(media, only):
        path = (media / case.file).resolve()
        name = case.file.replace("/", "+")
        length = Recording.open(path).duration or max((a.end for a in case.acts), default=0.0)
        arm = "instructed" if case.acts else "honest"
        sessions.append([name, name, arm, path])
        for act in case.acts:
            end = min(act.end, length)
            truth.append([name, min(act.start, end), end, act.kind, "labels", "yes"])
        truth += [
            [name, 0, round(length, 2), kind, "labels", "no"] for kind in sorted(case.arguable)
        ]
    tables = (
        ("sessions.csv", "session person arm media", sessions),
        ("truth.csv", "session start_s end_s kind annotator certain", truth),
    )
    for file, header, rows in tables:
        with (out / file).open("w", encoding="utf-8", newline="") as table:
            writer = csv.writer(table)
            writer.writerow(header.split())
            writer.writerows(rows)
    return len(sessions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    print(f"{write(arguments.media, arguments.out, arguments.only)} sessions in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
