"""Real cases for a real hub: a signed policy that names it, students' codes, sealed clips, the real sender."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.sign import PAYLOAD_TYPE, envelope
from proctor.evidence import keys, layout
from proctor.evidence.case import Case
from proctor.evidence.outbox import Outbox
from proctor.evidence.seal import seal
from proctor.evidence.sender import Sender, drain
from proctor.hub import enrol
from proctor.hub.app import Hub
from proctor.hub.client import HubClient
from proctor.types import Clip, Erasure

POLICY = """
version = {version}
id = "{exam}"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
hub = "{hub}"
recipients = ["{recipient}"]
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.clips]
alternative = "Flags are kept as sentences without pictures."
[detectors.camera]
[rules."camera.frozen"]
[review]
window_days = {window}
[retention]
clips_days = {clips}
journal_days = {journal}
"""


@dataclass(frozen=True)
class Exam:
    """A published exam: its policy, and who signed it."""

    name: str
    digest: str
    payload: bytes
    envelope: bytes
    signer: Ed25519PrivateKey


def publish(
    hub: Hub, url: str, name: str = "hub-test", *, version: int = 1, window: int = 14,
    clips: int = 30, journal: int = 365, signer: Ed25519PrivateKey | None = None,
) -> Exam:  # fmt: skip
    """Publish an exam's policy on ``hub``, which agents reach at ``url``."""
    signer = signer or Ed25519PrivateKey.generate()
    said = {"version": version, "exam": name, "hub": url, "recipient": keys.demo_recipient()}
    payload = POLICY.format(**said, window=window, clips=clips, journal=journal).encode()
    signed = envelope(payload, PAYLOAD_TYPE, [signer])
    exam, digest = enrol.publish(hub, signed, None)
    return Exam(exam, digest, payload, signed, signer)


def code(hub: Hub, exam: Exam) -> str:
    """A fresh one-time code."""
    return enrol.new_codes(hub, exam.name, exam.digest, 1)[0].code


def begin(folder: Path, exam: Exam, anchor: datetime | None = None) -> Case:
    """A case that has begun, with a real key of its own."""
    start = anchor or datetime.now(UTC) - timedelta(minutes=30)
    consent = {
        "policy": {"id": exam.name, "version": 1, "sha256": exam.digest},
        "granted": {"camera": True, "clips": True},
        "recipients": [keys.demo_recipient()],
    }
    return Case.create(
        folder,
        policy_envelope=exam.envelope,
        consent=consent,
        wall=lambda t: start + timedelta(seconds=t),
    )


def flag(case: Case, number: int, *, size: int = 60_000) -> str:
    """A flag with its sealed clip, and a checkpoint."""
    name, t = f"camera.frozen-{number:03d}", number * 10.0
    what = {"id": name, "kind": "camera.frozen", "rule": "camera.frozen", "start": t}
    case.record("flag", {**what, "peak": 0.8, "why": "The picture stood.", "t": t + 1}, t + 1)
    case.record("flag.closed", {**what, "peak": 0.9, "end": t + 2, "why": "It stood."}, t + 2)
    data = random.Random(number).randbytes(size)  # noqa: S311
    clip = Clip(name, t - 1, t + 3, "video/mp4", data, hashlib.sha256(data).hexdigest())
    case.store(seal(clip, [keys.demo_recipient()]), {})
    case.checkpoint()
    return name


def erase(case: Case, name: str) -> None:
    """The student's own erasure of a clip."""
    now = datetime.now(UTC).isoformat()
    case.erase(name, Erasure(layout.clip_name(name), now, "asked", "request"))
    case.checkpoint()


def whole(folder: Path, exam: Exam, flags: int = 2, *, size: int = 60_000) -> Path:
    """An ended case with ``flags`` flags."""
    case = begin(folder, exam)
    case.record("session.started", {"t": 0.0, "how": "live"}, 0.0)
    for number in range(1, flags + 1):
        flag(case, number, size=size)
    case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    case.close()
    return folder


def attempt_of(folder: Path) -> str:
    """The attempt of a case."""
    from proctor.evidence import view

    return view.read(folder).attempt


def send(
    folder: Path, url: str, secret: str, *, most: int = 5_000, ca: str | None = None
) -> list[tuple[str, str, str]]:
    """Deliver a case with the real outbox, sender and client; returns what was refused.

    Waits are not waited for, beyond a moment; raises when it does not end.
    """
    import time

    steps = 0

    def go_on() -> bool:
        nonlocal steps
        steps += 1
        assert steps < most, "the delivery does not end"
        return True

    with Outbox.of(folder, url) as outbox:
        client = HubClient(url, attempt_of(folder), token=secret, ca=ca)
        sender = Sender(outbox, client, chance=lambda: 0.0)
        try:
            assert drain(sender, lambda s: time.sleep(min(s, 0.01)), go_on)
        finally:
            client.close()
        return outbox.refused()
