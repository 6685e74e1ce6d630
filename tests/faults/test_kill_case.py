"""Kill a program that writes a case at every fsync, rename and write, for real, and go on afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proctor.evidence import keys
from proctor.evidence.case import Case
from proctor.evidence.seal import unseal
from proctor.evidence.verify import verify

WRITER = Path(__file__).with_name("case_writer.py")
CALLS = {"fsync": "fsync", "rename": "rename,renameat,renameat2", "write": "write"}


# Every file and folder of the small case that is written, so that strace leaves Python's own alone.
PLACES = (
    "",
    "journal.jsonl",
    "policy.dsse.part",
    "clips",
    "clips/f-1.mp4.age.part",
    "clips/f-2.mp4.age.part",
    "checkpoints",
    "checkpoints/00000004.note.part",
    "checkpoints/00000007.note.part",
    "checkpoints/00000008.note.part",
)
# One moment takes about a second: a part of them each time, all of them where asked.
STEP = 1 if os.environ.get("PROCTOR_FAULTS") == "all" else 4


def traced(
    folder: Path, home: Path, trace: str, inject: str = ""
) -> subprocess.CompletedProcess[str]:
    command = ["strace", "-f", "-qq", "-e", f"trace={trace}"]
    for place in PLACES:
        command += ["-P", str(folder / place)]
    if inject:
        command += ["-e", f"inject={trace}:{inject}"]
    environment = {**os.environ, "PROCTOR_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, sys.executable, str(WRITER), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def can_trace(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not sys.platform.startswith("linux") or shutil.which("strace") is None:
        pytest.skip("strace is not installed (`apt install strace`)")
    if subprocess.run(["strace", "-qq", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")


@pytest.mark.usefixtures("can_trace")
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_any_moment_nothing_sealed_is_lost(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("PROCTOR_HOME", str(home))
    keys.demo_identity()
    keys.local_signing_key()
    whole = traced(tmp_path / "whole", home, CALLS[call])
    assert whole.returncode == 0, whole.stderr
    moments = len(re.findall(rf"\b{call}\w*\(", whole.stderr))
    assert moments >= 6
    for moment in range(1, moments + 1, STEP):
        folder = tmp_path / f"at-{moment}"
        killed = traced(folder, home, CALLS[call], f"signal=KILL:when={moment}")
        assert killed.returncode != 0
        _check_after_kill(folder, killed.stdout)


def _check_after_kill(folder: Path, said: str) -> None:
    """``said`` is what the writer had been promised before it died."""
    for path in folder.rglob("*"):
        assert path.is_dir() or b"PLAINTEXT" not in path.read_bytes()
    if "begun" not in said:
        return  # Consent was never on disk, so nothing was captured: there is no case to go on with.
    before = (folder / "journal.jsonl").read_bytes()
    whole_lines = before[: before.rindex(b"\n") + 1]
    again = Case.resume(folder)
    again.close()
    assert (folder / "journal.jsonl").read_bytes().startswith(whole_lines)
    assert [check.code for check in verify(folder) if not check.ok] == []
    view = Case.read(folder)
    assert len(view.gaps) == 1
    for flag in re.findall(r"stored (\S+)", said):
        record = view.sealed[flag]
        data = unseal(
            (folder / record["file"]).read_bytes(), [keys.demo_identity()], sha256=record["sha256"]
        )
        assert data.startswith(b"PLAINTEXT")
    assert not list(folder.rglob("*.part"))
