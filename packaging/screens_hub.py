"""Pictures of the console over a hub, for docs/pictures and for looking at.

    python packaging/screens_hub.py                  English, light, into docs/pictures
    python packaging/screens_hub.py --out DIR --lang de --look dark --font 2

A hub runs in a temporary folder meanwhile, with attempts whose programs say how they are and flags as they
would report them; no picture of a person is in it. Needs no display, and the hub's packages.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import urllib3  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from PySide6.QtWidgets import QWidget  # noqa: E402

from policies import sign  # noqa: E402
from policies.load import read_bytes  # noqa: E402
from proctor.evidence import keys  # noqa: E402
from proctor.evidence.journal import Record  # noqa: E402
from proctor.hub import accounts, enrol, flags, tokens  # noqa: E402
from proctor.hub.staff_client import StaffClient  # noqa: E402
from proctor.hub.staff_login import box_of  # noqa: E402
from ui import app, theme  # noqa: E402
from ui.console.hub_app import HubDesk  # noqa: E402
from ui.console.hub_office import Office  # noqa: E402

SIZE = (1320, 900)
SEATS = 24
# Seat, kind, second of the exam.
FLAGS = (
    (3, "gaze.away", 611.0), (7, "object.phone", 1190.0), (7, "face.absent", 1504.0),
    (12, "speech.voice", 1777.0), (16, "face.several", 902.0), (21, "camera.covered", 2044.0),
)  # fmt: skip
STATES = {5: "break", 9: "paused", 18: "break", 23: "ended"}
CALLS = 14


def part(name: str) -> ModuleType:
    """A script beside this one, or a helper of the tests."""
    path = ROOT / name
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"screens: {name} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exam(running: Any) -> dict[int, str]:
    """An exam with attempts as they are in the middle of it; their names by seat."""
    hub = running.hub
    lines = read_bytes("standard").decode("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("id =", "hub =", "exam ="))]
    text = f'id = "algebra-2"\nhub = "{running.url}"\nexam = "Algebra 2"\n' + "\n".join(kept)
    signed = sign.envelope(text.encode("utf-8"), sign.PAYLOAD_TYPE, [Ed25519PrivateKey.generate()])
    name, digest = enrol.publish(hub, signed, None)
    pool, attempts = urllib3.PoolManager(), {}
    for seat, one in enumerate(enrol.new_codes(hub, name, digest, SEATS), 1):
        attempt = attempts[seat] = secrets.token_hex(16)
        enrol.attempt_of(hub, f"Bearer {one.code}", attempt)
        beat = {"state": STATES.get(seat, "running"), "help": seat == CALLS, "at": time.time()}
        pool.request(
            "POST",
            f"{running.url}/v1/attempts/{attempt}/heartbeat",
            headers={"Authorization": f"Bearer {one.code}"},
            json=beat,
        )
    for line, (seat, kind, start) in enumerate(FLAGS, 1):
        data = {"id": f"{kind}-{line:03d}", "kind": kind, "start": start, "end": start + 6.0}
        now = hub.now()
        source = f"urn:proctor:attempt:{attempts[seat]}"
        with hub.store.transaction() as tx:
            flags.noted(tx, attempts[seat], Record(line, "flag", source, now, data, {}), now)
    return attempts


def person(running: Any, folder: Path) -> tuple[StaffClient, dict[str, Any]]:
    """Somebody on duty, logged in."""
    hub, name = running.hub, "A. Stone"
    roles = ["admin", "auditor", "proctor", "reviewer"]
    with hub.store.transaction() as tx:
        made = accounts.add(tx.connection, box_of(hub), name, roles, now=hub.now(), subject=name)
        token = tokens.issue(tx.connection, made.person, hub.now()).token
    client = StaffClient(running.url, token, kept=folder / "kept")
    client.register_key(keys.reviewer_key())
    return client, {"id": made.person.id, "name": name, "roles": roles}


def screens(desk: HubDesk, running: Any, folder: Path, wait: Any) -> Iterator[tuple[str, QWidget]]:
    """Every screen, shown one after the other."""
    window = desk.window
    window.resize(*SIZE)
    desk.show()
    window.login.address.setText("https://hub.example.org")
    wait(lambda: window.isVisible(), "the window")
    yield "login", window
    attempts = exam(running)
    client, who = person(running, folder)
    office = Office(desk.t, client, who, window.worker, window.say)
    window.enter(office)
    live, queue, papers = window.live, window.queue, window.papers
    if live is None or queue is None or papers is None:
        raise SystemExit("screens: a page is missing")
    wait(lambda: live.model.rowCount() == SEATS and not window.worker.busy, "the wall")

    def settled() -> bool:
        window.refresh()
        wait(lambda: not window.worker.busy, "the rows")
        return sum(row["state"] == "running" for row in live.model.rows) > 10

    wait(settled, "the states")
    live.table.selectRow(live.model.place(attempts[12]))
    live.words.setText("Please say when you are back; there is no hurry.")
    live.asking["message"].click()
    wait(lambda: not window.worker.busy and live.sent.count() > 0, "what became of it")
    yield "live", window
    window.tabs.setCurrentWidget(queue)
    queue.count.setValue(2)
    client.take(2)
    queue.refresh()
    wait(lambda: not window.worker.busy, "the queue")
    queue.table.selectRow(0)
    yield "queue", window
    window.tabs.setCurrentWidget(papers)
    office.ask_for_copy(attempts[12], "The student asked for another look")
    papers.attempt.setCurrentIndex(papers.attempt.findData(attempts[12]))
    papers.refresh()
    wait(lambda: not window.worker.busy, "the log")
    yield "log", window


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    parser.add_argument("--lang", default="en")
    parser.add_argument("--look", default="light", choices=list(theme.COLOURS))
    parser.add_argument("--font", type=float, default=1.0, help="size of text, 1 is the usual")
    arguments = parser.parse_args()
    running_app, said = app.start("Open Proctor", arguments.lang)
    theme.apply(running_app, arguments.look)
    font = running_app.font()
    font.setPointSizeF(font.pointSizeF() * arguments.font)
    running_app.setFont(font)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tools = part("packaging/screens_console.py")
    save = part("packaging/screens_student.py").save
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PROCTOR_HOME"] = str(folder / "home")
        with part("tests/hub_world.py").running("sqlite", folder) as running:
            desk = HubDesk(said.lang, running.url, [keys.demo_identity()])
            for screen, widget in screens(desk, running, folder, tools.wait):
                tools.rest(0.1)
                save(widget, arguments.out / f"console-hub-{screen}.png")
            desk.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
