"""The agent killed, crashed, and on a failing disk, for real: a few moments here, all in ``make faults``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from proctor.evidence.case import Case

HERE = Path(__file__).parent
FAULTS = ("KILL", "SEGV", "EIO", "ENOSPC")
# The small case meets all four; the others, which take longer, one or two of them.
FEWER = {
    "replay": ("KILL", "EIO"),
    "resume": ("ENOSPC",),
    "export": ("KILL", "ENOSPC"),
    "open": ("SEGV", "EIO"),
    "erase": ("KILL", "EIO"),
}
# The calls that each program makes, whatever else it does.
ALL = {"fsync", "rename", "write", "openat"}
MAKES = {
    "case": {*ALL, "link", "unlink"},
    "replay": {*ALL, "link", "unlink"},
    "resume": {*ALL, "unlink", "ftruncate"},
    "export": {*ALL, "link", "unlink"},
    "open": {*ALL, "link", "unlink"},
    "erase": {*ALL, "unlink"},
}


@pytest.mark.parametrize("name", MAKES)
def test_wherever_it_stops_nothing_sealed_is_lost_and_nothing_is_shown(
    name: str, tmp_path: Path
) -> None:
    faults = FEWER.get(name, FAULTS)
    words = ["--scenario", name, "--sample", "1"]
    words += [word for fault in faults for word in ("--fault", fault)]
    done = subprocess.run(
        [sys.executable, str(HERE / "disturb.py"), *words],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode == 3:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in MAKES[name]:
        row = re.search(rf"^{name} +{kind} +(\d+) calls +(.*)$", done.stdout, re.MULTILINE)
        assert row is not None, done.stdout
        assert int(row[1]) > 0, f"the program makes no call of the kind {kind}: nothing was tried"
        assert row[2].split() == [word for fault in faults for word in (fault, "1/1")]


# That the checks of those runs can fail.


@pytest.fixture
def scenarios(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.chdir(tmp_path)
    for name in ("PROCTOR_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    import scenarios

    return scenarios


def stored(scenarios: ModuleType, at: Path) -> object:
    """A small case that lost its power right after the first clip was stored."""
    import striking

    scenario = scenarios.SmallCase(at.with_name("base"))
    scenario.begin(at)
    real = Case.checkpoint

    def stop(self: Case) -> None:
        self._journal.close()
        self._lock.release()
        raise KeyboardInterrupt

    Case.checkpoint = stop  # type: ignore[method-assign]
    try:
        with pytest.raises(KeyboardInterrupt):
            scenario._write(at / "case")
    finally:
        Case.checkpoint = real  # type: ignore[method-assign]
    return scenario, striking.Ended(-9, "stored f-1\n", time.time(), "here")


def test_what_it_is_promised_is_checked(scenarios: ModuleType, tmp_path: Path) -> None:
    scenario, ended = stored(scenarios, tmp_path / "at")
    scenario.check_all(tmp_path / "at", ended, "KILL")


def test_a_byte_of_plaintext_anywhere_is_found(scenarios: ModuleType, tmp_path: Path) -> None:
    scenario, ended = stored(scenarios, tmp_path / "at")
    (tmp_path / "at" / "tmp" / "clip.mp4").write_bytes(b"mp4" + scenarios.SECRET)
    with pytest.raises(AssertionError, match="only to be in memory"):
        scenario.check_all(tmp_path / "at", ended, "KILL")


def test_a_lost_clip_is_found(scenarios: ModuleType, tmp_path: Path) -> None:
    scenario, ended = stored(scenarios, tmp_path / "at")
    (tmp_path / "at" / "case" / "clips" / "f-1.mp4.age").unlink()
    with pytest.raises(AssertionError, match="checks fail"):
        scenario.check_all(tmp_path / "at", ended, "KILL")


def test_a_gap_shorter_than_the_true_one_is_found(
    scenarios: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, ended = stored(scenarios, tmp_path / "at")
    short = partial(Case.resume, now=datetime(2000, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(Case, "resume", short)
    time.sleep(0.01)  # the true gap is longer than the journal's rounding
    with pytest.raises(AssertionError, match="the gap ends before"):
        scenario.check_all(tmp_path / "at", ended, "KILL")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (70, "Traceback (most recent call last):"),
        (3, ""),
        (0, "proctor: it failed"),
        (3, "proctor: one\nproctor: two"),
    ],
)
def test_more_or_less_than_one_sentence_is_found(
    scenarios: ModuleType, tmp_path: Path, code: int, said: str
) -> None:
    scenario, ended = stored(scenarios, tmp_path / "at")
    with pytest.raises(AssertionError):
        scenario.said_plainly(type(ended)(code, said, ended.at), "EIO")


# Dumps.

HOLDS = "import os,sys; secret = bytes(range(256)) * 40; "


@pytest.mark.skipif(sys.platform == "win32", reason="Windows writes no core files")
def test_a_crash_leaves_no_memory_on_the_disk(tmp_path: Path) -> None:
    def crash(where: Path, first: str) -> list[bytes]:
        where.mkdir()
        lift = (
            "import resource as r; h = r.getrlimit(r.RLIMIT_CORE)[1]; "
            "r.setrlimit(r.RLIMIT_CORE, (h, h)); "
        )
        done = subprocess.run(
            [sys.executable, "-c", lift + HOLDS + first + "os.abort()"], cwd=where
        )
        assert done.returncode != 0
        return [path.read_bytes() for path in where.iterdir()]

    secret = bytes(range(256)) * 40
    forbid = "from proctor.evidence import dumps; dumps.forbid(); "
    assert not any(secret in dump for dump in crash(tmp_path / "kept", forbid))
    if not any(secret in dump for dump in crash(tmp_path / "lost", "")):
        pytest.skip("this system writes no core files where a program works")
