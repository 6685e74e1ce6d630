"""Writes a small case and says aloud what it was promised, so that a test can kill it and check."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from policies.sign import PAYLOAD_TYPE, envelope
from proctor.evidence import keys
from proctor.evidence.case import Case
from proctor.evidence.seal import seal
from proctor.types import Clip

ANCHOR = datetime.now(UTC)


def main(folder: Path) -> None:
    policy = b'id = "small"\n'
    case = Case.create(
        folder,
        policy_envelope=envelope(policy, PAYLOAD_TYPE, [keys.local_signing_key()]),
        consent={
            "policy": {"id": "small", "version": 1, "sha256": hashlib.sha256(policy).hexdigest()},
            "granted": {"camera": True, "clips": True},
            "recipients": [keys.demo_recipient()],
        },
        wall=lambda t: ANCHOR + timedelta(seconds=t),
    )
    print("begun", flush=True)
    for number in (1, 2):
        flag = f"f-{number}"
        case.record("flag", {"id": flag, "start": number * 10.0, "t": number * 10.0 + 1})
        data = b"PLAINTEXT" + bytes(50_000)
        clip = Clip(flag, 0.0, 1.0, "video/mp4", data, hashlib.sha256(data).hexdigest())
        case.store(seal(clip, [keys.demo_recipient()]), {})
        print(f"stored {flag}", flush=True)
        case.checkpoint()
    case.record("session.ended", {"t": 60.0, "summary": {}})
    case.close()
    print("ended", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
