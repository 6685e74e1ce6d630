"""How long a reviewer waits for the next clip, over 200 flags, and how long the window stands still.

    python benchmarks/review.py CASE [--flags 200]

CASE is a case that this machine can open, such as the one that `proctor demo` writes; its clips are sealed
again and again into a case of so many flags in a temporary folder. Each flag is then looked at and signed
as *nothing to see* with the one key for it. Printed are, over all flags: the time from the key until the
next clip's first picture is shown (its record in the access log, its decryption in memory and its decoder
included), and the longest that the window's thread computed in one
turn of its event loop (CPU time, so that other work on the machine does not count). Needs no display.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PySide6.QtCore import QEvent, Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402

from policies import load, sign  # noqa: E402
from proctor.evidence import access, keys, view  # noqa: E402
from proctor.evidence.access import local_reader  # noqa: E402
from proctor.evidence.case import Case  # noqa: E402
from proctor.evidence.disk import read_bounded  # noqa: E402
from proctor.evidence.layout import MAX_SEALED, clip_name  # noqa: E402
from proctor.evidence.seal import seal, unseal  # noqa: E402
from proctor.types import Clip  # noqa: E402
from ui import app  # noqa: E402
from ui.console.app import Desk  # noqa: E402
from ui.widgets.player import Player  # noqa: E402

LIMIT_S = 0.3
WAIT_S = 30.0


def clips_of(folder: Path) -> list[bytes]:
    """Every clip of a case, in memory."""
    found = view.read(folder)
    identity = keys.demo_identity()
    return [
        unseal(
            read_bounded(folder / clip_name(flag), MAX_SEALED),
            [identity],
            sha256=str(sealed["sha256"]),
        )
        for flag, sealed in found.sealed.items()
    ]


def make_case(
    folder: Path, clips: Sequence[bytes], flags: int, signed: bytes | None = None
) -> Path:
    """A case of so many flags over three hours, with the scores of a whole exam; ``signed``: its policy."""
    began = datetime.now(UTC) - timedelta(days=9)
    raw = load.read("standard")[1]
    envelope = signed or sign.envelope(raw, sign.PAYLOAD_TYPE, [keys.local_signing_key()])
    raw = sign.inspect(envelope)[0]
    recipient = keys.demo_recipient()
    case = Case.create(
        folder,
        policy_envelope=envelope,
        consent={
            "policy": {"id": "standard", "version": 1, "sha256": hashlib.sha256(raw).hexdigest()},
            "granted": {"camera": True, "microphone": True, "clips": True},
            "how": "all",
            "text_sha256": "0" * 64,
            "recipients": [recipient],
            "agent": {"name": "open-proctor", "version": "0"},
        },
        wall=lambda t: began + timedelta(seconds=t),
    )
    length = 10_800.0
    case.record("session.started", {"t": 0.0, "anchor": began.isoformat(), "detectors": []})
    given = cycle(clips)
    for number in range(flags):
        start = (number + 1) * length / (flags + 2)
        name = f"object.phone-{number + 1:03d}"
        what = {"id": name, "kind": "object.phone", "rule": "object.phone", "start": start}
        what |= {"peak": 0.8, "why": "A phone was in view for 2.0 s."}
        case.record("flag", {**what, "t": start}, start, sync=False)
        case.record("flag.closed", {**what, "end": start + 2}, start + 2, sync=False)
        data = next(given)
        clip = Clip(name, start - 1, start + 9, "video/mp4", data, hashlib.sha256(data).hexdigest())
        case.store(seal(clip, [recipient]), {"policy_sha256": "p"})
    for minute in range(180):
        scores = {"object.phone": [0.1] * 60, "face.absent": [0.0] * 60, "gaze.away": [0.3] * 60}
        case.record("scores", {"t0": minute * 60.0, "step": 1.0, "kinds": scores}, sync=False)
    case.record("session.ended", {"t": length, "summary": {"seconds": length}}, length)
    case.checkpoint()
    case.close()
    return folder


class Turns:
    """Turns of the event loop, and the longest of them."""

    def __init__(self) -> None:
        self.longest = 0.0

    def until(self, condition: object) -> float:
        """Seconds until ``condition()``."""
        assert callable(condition)
        began = time.perf_counter()
        while not condition():
            turn = time.thread_time()
            QApplication.processEvents()
            self.longest = max(self.longest, time.thread_time() - turn)
            if time.perf_counter() - began > WAIT_S:
                raise SystemExit("the clip does not open")
            time.sleep(0.001)
        return time.perf_counter() - began


def crowd() -> float:
    """How many times its CPU time a plain loop takes; 1.0 on a machine with nothing else to do."""
    wall, cpu, total = time.perf_counter(), time.thread_time(), 0
    while time.thread_time() - cpu < 1.0:
        total += 1
    return (time.perf_counter() - wall) / (time.thread_time() - cpu)


def busy(player: Player) -> float:
    """CPU seconds of this process, and of the one that decodes where the system tells (Linux)."""
    stat = Path(f"/proc/{player._apart.pid}/stat")
    ticks = 0
    if stat.exists():
        # utime and stime (proc(5)), counted after the name in brackets, which may hold blanks.
        fields = stat.read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("--flags", type=int, default=200)
    arguments = parser.parse_args()
    clips = clips_of(arguments.case)
    size = statistics.mean(map(len, clips)) / 1e6
    app.start("Open Proctor", "en")
    with tempfile.TemporaryDirectory() as folder:
        case = make_case(Path(folder) / "case", clips, arguments.flags)
        desk = Desk("en", local_reader("Benchmark"), [keys.demo_identity()])
        desk.window.resize(1320, 900)
        desk.show(case)
        window, turns = desk.window, Turns()
        turns.until(lambda: window.page is not None and window.page.player.view.shown)
        page = window.page
        assert page is not None
        window.activateWindow()
        waits, worked, opened, crowded = [], [], turns.longest, crowd()
        turns.longest = 0.0
        for _ in range(arguments.flags - 1):
            here = window.current
            turns.until(lambda: page.ready)
            began, turn = time.perf_counter(), time.thread_time()
            cpu = busy(page.player)
            QTest.keyClick(window.moments, Qt.Key.Key_1)
            turns.longest = max(turns.longest, time.thread_time() - turn)
            turns.until(lambda here=here: window.current != here)
            turns.until(lambda: page.player.view.shown)
            waits.append(time.perf_counter() - began)
            worked.append(busy(page.player) - cpu)
        looked = [entry for entry in access.read(case) if entry.kind == access.OPENED]
        assert len(looked) == arguments.flags, "a clip was opened that is not on record"
        crowded = (crowded + crowd()) / 2
        window.close()
        window.deleteLater()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    waits.sort()
    print(f"{arguments.flags} flags, clips of {size:.1f} MB on average")
    print(
        f"from the key to the next clip's first picture: median {statistics.median(waits):.3f} s, "
    )
    print(f"  95 % within {waits[int(0.95 * len(waits))]:.3f} s, longest {waits[-1]:.3f} s")
    print(
        f"CPU time meanwhile, of the console and its decoder: median {statistics.median(worked):.3f} s"
    )
    print(f"share within {LIMIT_S} s: {sum(w <= LIMIT_S for w in waits) / len(waits):.1%}")
    print(
        f"longest turn of the window's loop: {turns.longest * 1000:.0f} ms (opening: {opened * 1000:.0f} ms)"
    )
    print(f"other work on the machine made a plain loop take {crowded:.1f} times its CPU time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
