"""One case, one program: a second is refused in a sentence, and a dead one is in nobody's way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proctor.evidence import keys
from proctor.evidence.case import Case

FIRST = """
import sys
from pathlib import Path
from proctor.evidence.case import Case

case = Case.resume(Path(sys.argv[1]))
print("mine", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    keys.demo_identity()
    keys.local_signing_key()
    return tmp_path


@pytest.fixture
def stopped(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A case whose replay lost its power, and the command line of that replay."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import recording
    import striking

    if striking.strace_works():
        pytest.skip(striking.strace_works())
    policy = home / "small.toml"
    policy.write_text(recording.POLICY, "utf-8")
    recording.make(home / "recording.mkv")
    words = ["replay", str(home / "recording.mkv"), "--policy", str(policy), "--consent", "all"]
    words += ["--quiet", "--case", str(home / "case")]
    # After the first clip was put in place, before the journal says so.
    kill = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync"]
    kill += ["-P", str(home / "case" / "clips"), "-e", "inject=fsync:signal=KILL:when=1"]
    killed = proctor(*words, by=kill)
    assert killed.returncode != 0
    assert list((home / "case" / "clips").iterdir())
    return home / "case", words


def proctor(*words: str, by: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [*(by or []), sys.executable, "-m", "proctor.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=400)


@pytest.fixture
def first(stopped: tuple[Path, list[str]]) -> Iterator[subprocess.Popen[str]]:
    """Another program that is writing to the case."""
    command = [sys.executable, "-c", FIRST, str(stopped[0])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


def test_a_second_program_is_refused_until_the_first_is_gone(
    stopped: tuple[Path, list[str]], first: subprocess.Popen[str]
) -> None:
    folder, words = stopped
    before = (folder / "journal.jsonl").read_bytes()
    for second in (
        [*words, "--resume"],
        ["exam", "--resume", *words[2:]],
    ):
        refused = proctor(*second)
        assert refused.returncode == 2, refused.stderr
        assert refused.stderr.startswith("proctor: Another program is writing to the case")
        assert refused.stderr.count("\n") == 1
    begun = proctor(*words)
    assert (begun.returncode, begun.stderr.count("\n")) == (2, 1)
    assert (folder / "journal.jsonl").read_bytes() == before
    first.kill()  # as with kill -9: it has no chance to let go
    first.wait()
    assert proctor(*words, "--resume").returncode == 0
    view = Case.read(folder)
    assert len(view.gaps) == 2
    assert [record["type"] for record in view.records].count("session.ended") == 1
    over = proctor(*words, "--resume")
    assert over.returncode == 2
    assert "has ended" in over.stderr


def test_a_replay_goes_on_where_it_stopped_however_late(stopped: tuple[Path, list[str]]) -> None:
    folder, words = stopped
    assert proctor(*words, "--resume").returncode == 0
    view = Case.read(folder)
    assert view.summary["seconds"] == pytest.approx(4.0, abs=0.1)
    assert len(view.sealed) == 2
    assert {flag["id"] for flag in view.flags} == set(view.sealed)
    (gap,) = view.gaps
    assert gap["start"] == gap["end"]


def test_a_replay_in_real_time_cannot_go_on(stopped: tuple[Path, list[str]]) -> None:
    _, words = stopped
    refused = proctor(*words, "--resume", "--real-time")
    assert refused.returncode == 2
    assert "--resume goes on where a recording stopped" in refused.stderr
