"""Erases everything that is due from the case in a folder, so that a test can kill it in between."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from policies import load
from proctor.evidence import retention
from proctor.evidence.case import Case
from proctor.evidence.clearing import clear, files_of


def main(folder: Path, now: datetime) -> None:
    kept = retention.kept(Case.read(folder), files_of(folder))
    clear(folder, retention.due([kept], load.read("standard")[0], now), now)


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]).astimezone(UTC))
