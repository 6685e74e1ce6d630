"""How long a reviewer at a hub waits for the next clip, over 200 flags of ten exams.

    python benchmarks/review_hub.py CASE [--flags 200] [--attempts 10]

CASE is as for ``benchmarks/review.py``: its clips are sealed again and again, into as many cases as there are
attempts, and delivered to a hub of its own on loopback (``proctor hub serve`` in a process apart, SQLite). Its
flags are taken from the queue, 50 at a time, and each is looked at and signed as *nothing to see* with the one key
for it. Printed is the time from that key until the next clip's first picture is shown: the signed statement at the
hub, the way to the next exam where one is over, the signed access record in the hub's log before the header leaves,
decryption in memory and the decoder are all in it. The sealed bytes of the next clip were fetched ahead. Between
two looks lies a second, as a hub expects of a person. Needs no display.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from PySide6.QtCore import Qt  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402
from review import LIMIT_S, Turns, clips_of, crowd, make_case  # noqa: E402

from policies import load, sign  # noqa: E402
from proctor.evidence import keys, view  # noqa: E402
from proctor.evidence.outbox import Outbox  # noqa: E402
from proctor.evidence.sender import Sender, drain  # noqa: E402
from proctor.hub import accounts, enrol, starting, tokens  # noqa: E402
from proctor.hub.client import HubClient  # noqa: E402
from proctor.hub.settings import HubSettings  # noqa: E402
from proctor.hub.staff_client import StaffClient  # noqa: E402
from proctor.hub.staff_login import box_of  # noqa: E402
from ui import app  # noqa: E402
from ui.console.hub_app import HubDesk  # noqa: E402
from ui.console.hub_office import Office  # noqa: E402

AT_ONCE = 50
BETWEEN_S = 1.0
WHO = "Benchmark"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A hub as its operator starts it, and its address."""
    command = [sys.executable, "-m", "proctor.cli.main", "hub", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--folder", str(folder)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[4]
    finally:
        process.terminate()
        process.wait(30)


def deliver(folder: Path, url: str, code: str) -> None:
    """Send a case with the agent's own sender."""
    with Outbox.of(folder, url) as outbox:
        client = HubClient(url, view.read(folder).attempt, token=code)
        try:
            assert drain(Sender(outbox, client), lambda s: time.sleep(min(s, 0.05)))
        finally:
            client.close()
        assert not outbox.refused(), outbox.refused()


def policy_for(url: str) -> bytes:
    """The signed standard policy for this hub."""
    lines = load.read("standard")[1].decode("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("id =", "hub ="))]
    text = f'id = "bench"\nhub = "{url}"\n' + "\n".join(kept) + "\n"
    return sign.envelope(text.encode("utf-8"), sign.PAYLOAD_TYPE, [Ed25519PrivateKey.generate()])


def log_in(
    settings: HubSettings, url: str, envelope: bytes, count: int
) -> tuple[list[str], HubDesk, Office]:
    """Codes for students, and a reviewer's desk and office; made where the hub's database is."""
    with starting.opened(settings) as hub:
        exam, digest = enrol.publish(hub, envelope, None)
        codes = [one.code for one in enrol.new_codes(hub, exam, digest, count)]
        with hub.store.transaction() as tx:
            made = accounts.add(
                tx.connection, box_of(hub), WHO, ["reviewer"], now=hub.now(), subject=WHO
            )
            token = tokens.issue(tx.connection, made.person, hub.now()).token
    client = StaffClient(url, token)
    client.register_key(keys.reviewer_key())
    desk = HubDesk("en", url, [keys.demo_identity()])
    person = {"id": made.person.id, "name": WHO, "roles": ["reviewer"]}
    office = Office(desk.t, client, person, desk.window.worker, desk.window.say)
    return codes, desk, office


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("case", type=Path)
    parser.add_argument("--flags", type=int, default=200)
    parser.add_argument("--attempts", type=int, default=10)
    arguments = parser.parse_args()
    clips = clips_of(arguments.case)
    app.start("Open Proctor", "en")
    with tempfile.TemporaryDirectory() as name, serving(Path(name) / "hub") as url:
        folder, turns = Path(name), Turns()
        envelope = policy_for(url)
        codes, desk, office = log_in(
            HubSettings(folder=folder / "hub"), url, envelope, arguments.attempts
        )
        each = arguments.flags // arguments.attempts
        for number, code in enumerate(codes):
            case = make_case(folder / f"case-{number}", clips, each, envelope)
            deliver(case, url, code)
        window = desk.window
        window.enter(office)
        desk.show()
        turns.until(lambda: not window.worker.busy)
        # What the hub's own packages brought into this process is no part of a console, nor is looking through it.
        gc.collect()
        gc.freeze()
        waits, over, crowded, opened = [], [], crowd(), 0.0
        turns.longest = 0.0
        left = each * arguments.attempts
        while left:
            looks = each * arguments.attempts - left
            take(desk, turns, looks)
            if not looks:
                opened, turns.longest = turns.longest, 0.0
            count = min(AT_ONCE, left)
            for number in range(count):
                before = desk._waits
                took = look(desk, turns, last=number == count - 1)
                if took is not None:
                    waits.append(took)
                    if desk._waits is not before:
                        over.append(took)
            left -= count
        done = office.client.queue(limit=1)["coverage"]
        assert done["reviewed"] == done["all"] == each * arguments.attempts, done
        desk.close()
    report(waits, over, turns, opened, statistics.mean(map(len, clips)) / 1e6, crowded)
    return 0 if sorted(waits)[int(0.95 * len(waits))] <= LIMIT_S else 1


def take(desk: HubDesk, turns: Turns, looks: int) -> None:
    """Take from the queue, and wait until the first clip is shown."""
    queue = desk.window.queue
    assert queue is not None
    queue.count.setValue(AT_ONCE)
    queue.take.click()

    def shown() -> bool:
        case = desk.case
        if case is None or case.page is None or not case._waiting():
            return False
        return case.session.looks == looks and case.page.player.view.shown

    turns.until(shown)


def look(desk: HubDesk, turns: Turns, *, last: bool) -> float | None:
    """Say what one sees with one key; seconds until the next clip is shown, ``None`` after the last one."""
    window = desk.case
    assert window is not None
    assert window.case is not None
    pause = time.monotonic() + BETWEEN_S
    turns.until(lambda: time.monotonic() > pause)
    turns.until(lambda: window.page is not None and window.page.ready)
    attempt, flag, looks = window.case.story.attempt, window.current, window.session.looks
    window.activateWindow()
    QApplication.processEvents()
    began = time.perf_counter()
    QTest.keyClick(window.moments, Qt.Key.Key_1)
    if last:
        turns.until(lambda: window.session.looks == looks + 1)
        turns.until(lambda: not desk.window.worker.busy and not window.worker.busy)
        return None
    turns.until(
        lambda: (
            window.case is not None
            and (window.case.story.attempt, window.current) != (attempt, flag)
        )
    )
    turns.until(lambda: window.page is not None and window.page.player.view.shown)
    return time.perf_counter() - began


def report(
    waits: list[float], over: list[float], turns: Turns, opened: float, size: float, crowded: float
) -> None:
    """Print what was measured."""
    waits, over = sorted(waits), sorted(over)
    print(f"{len(waits)} next clips through a hub, {size:.1f} MB on average; machine {crowded:.1f}")
    print(f"from the key to the next clip's first picture: median {statistics.median(waits):.3f} s")
    print(f"  95 % within {waits[int(0.95 * len(waits))]:.3f} s, longest {waits[-1]:.3f} s")
    if over:
        print(
            f"  over to another exam ({len(over)}): median {statistics.median(over):.3f} s, "
            f"longest {over[-1]:.3f} s"
        )
    print(f"share within {LIMIT_S} s: {sum(w <= LIMIT_S for w in waits) / len(waits):.1%}")
    print(
        f"longest turn of the window's loop: {turns.longest * 1000:.0f} ms (opening the first: "
        f"{opened * 1000:.0f} ms)"
    )


if __name__ == "__main__":
    sys.exit(main())
