"""Kill a program that erases a case at every fsync, rename, write and unlink; then let it finish."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies import load
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.evidence import keys, layout, retention, tombstone
from proctor.evidence.case import Case
from proctor.evidence.clearing import files_of
from proctor.evidence.retention import due
from proctor.evidence.seal import seal
from proctor.evidence.verify import verify
from proctor.types import Clip

ERASER = Path(__file__).with_name("case_eraser.py")
CALLS = {
    "fsync": "fsync",
    "rename": "rename,renameat,renameat2",
    "write": "write",
    "unlink": "unlink,unlinkat",
}
FLAGS = ("f-1", "f-2")
SAT = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
# After the review window of the standard policy, and long before its journal has to go.
NOW = SAT + timedelta(days=20)
# One moment takes about a second: a part of them each time, all of them where asked.
STEP = 1 if os.environ.get("PROCTOR_FAULTS") == "all" else 4


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a finished case of two clips and the keys of the machine that wrote it."""
    if not sys.platform.startswith("linux") or shutil.which("strace") is None:
        pytest.skip("strace is not installed (`apt install strace`)")
    if subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "begun" / "home"))
    raw = load.read("standard")[1]
    case = Case.create(
        tmp_path / "begun" / "case",
        policy_envelope=envelope(raw, PAYLOAD_TYPE, [keys.local_signing_key()]),
        consent={
            "policy": {"id": "standard", "version": 1, "sha256": hashlib.sha256(raw).hexdigest()},
            "granted": {"camera": True, "microphone": True, "clips": True},
            "recipients": [keys.demo_recipient()],
        },
        wall=lambda t: SAT + timedelta(seconds=t),
    )
    for number, flag in enumerate(FLAGS, start=1):
        case.record("flag", {"id": flag, "start": number * 10.0, "t": number * 10.0})
        clip = Clip(
            flag, 0.0, 1.0, "video/mp4", bytes(5000), hashlib.sha256(bytes(5000)).hexdigest()
        )
        case.store(seal(clip, [keys.demo_recipient()]), {})
    case.record("session.ended", {"t": 60.0, "summary": {}})
    case.close()
    return tmp_path / "begun"


def erase(where: Path, trace: str = "", inject: str = "") -> subprocess.CompletedProcess[str]:
    case, home = where / "case", where / "home"
    attempt = next((home / "attempts").iterdir()).stem
    command: list[str] = []
    if trace:
        command = ["strace", "-f", "-qq", "-e", f"trace={trace}"]
        size = len((case / layout.JOURNAL).read_bytes().splitlines()) + len(FLAGS)
        stones = home / "tombstones" / attempt
        places = [case / layout.JOURNAL, case / layout.CLIPS, case / layout.CHECKPOINTS]
        places += [case / layout.clip_name(flag) for flag in FLAGS]
        places += [case / (layout.note_name(size) + ".part"), stones, stones.parent]
        places += [stones / f"{flag}.dsse.part" for flag in FLAGS]
        for place in places:
            command += ["-P", str(place)]
    if inject:
        command += ["-e", f"inject={trace}:{inject}"]
    environment = {**os.environ, "PROCTOR_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command += [sys.executable, str(ERASER), str(case), NOW.isoformat()]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("call", CALLS)
def test_T2_killed_at_any_moment_the_erasure_can_be_finished(  # noqa: N802 (named after its rule)
    call: str, begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = {f: (begun / "case" / layout.clip_name(f)).read_bytes() for f in FLAGS}
    whole = tmp_path / "whole"
    shutil.copytree(begun, whole)
    result = erase(whole, CALLS[call])
    assert result.returncode == 0, result.stderr
    moments = len(re.findall(rf"\b{call}\w*\(", result.stderr))
    assert moments >= len(FLAGS)
    for moment in range(1, moments + 1, STEP):
        where = tmp_path / f"at-{moment}"
        shutil.copytree(begun, where)
        killed = erase(where, CALLS[call], f"signal=KILL:when={moment}")
        assert killed.returncode != 0
        _check_order(where / "case", sealed)
        assert erase(where).returncode == 0
        monkeypatch.setenv("PROCTOR_HOME", str(where / "home"))
        _check_finished(where / "case")


def _check_order(case: Path, sealed: dict[str, bytes]) -> None:
    """No tombstone before its bytes are gone, and no bytes gone before their keys are."""
    lines = (case / layout.JOURNAL).read_bytes().split(b"\n")[:-1]
    records = [json.loads(line) for line in lines]
    erased = {r["data"]["flag"] for r in records if r["type"] == "erased"}
    for flag, before in sealed.items():
        path = case / layout.clip_name(flag)
        if path.exists():
            assert flag not in erased
            now, header = path.read_bytes(), tombstone.header_length(before)
            assert now in (before, bytes(header) + before[header:])


def _check_finished(case: Path) -> None:
    assert not any((case / layout.CLIPS).iterdir())
    assert [check.code for check in verify(case) if not check.ok] == []
    view = Case.read(case)
    attempt, public = view.attempt, keys.attempt_key(view.attempt).public_key().public_bytes_raw()
    assert tombstone.known(attempt, public) == set(FLAGS), "a backup could bring a clip back"
    assert due([retention.kept(view, files_of(case))], load.read("standard")[0], NOW) == []
