"""docs/plugins.md as somebody follows it: the example is installed, checked, and flags in a replay."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proctor.session import made_recording

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "quiet-microphone"
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, installed by pip into a folder of its own, so that the environment stays as it is."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", folder, EXAMPLE], check=True, timeout=400)
    return folder


@pytest.fixture
def run(site: Path, tmp_path: Path) -> Run:
    def go(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    return go


def test_the_page_shows_what_the_example_does() -> None:
    code = "".join((EXAMPLE / "quiet_microphone.py").read_text(encoding="utf-8").split())
    entry = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    shown = [text for language, text in blocks if language == "python"]
    assert len(shown) == 3
    kind, detector, _ = shown
    for piece in (kind, detector.partition("    def reset")[0]):
        for line in piece.splitlines():
            assert "".join(line.split()) in code, line
    assert next(text for language, text in blocks if language == "toml") in entry


def test_its_own_tests_pass(run: Run) -> None:
    tests = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(EXAMPLE)]
    result = run(sys.executable, "-m", "pytest", *tests, str(EXAMPLE / "tests"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "4 passed" in result.stdout


def test_the_guide_leads_from_nothing_to_a_flag(run: Run, tmp_path: Path) -> None:
    """Every command of the page but the installation, which the fixture did."""
    made_recording.make(tmp_path).rename(tmp_path / "exam.mp4")
    commands = [
        line
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
        for line in block.splitlines()
        if not line.startswith("pip ")
    ]
    assert [line.split()[0] for line in commands] == ["proctor"] * len(commands) != []
    rules = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    for line in commands:
        result = run(sys.executable, "-m", "proctor.cli.main", *line.split()[1:])
        assert result.returncode == 0, f"{line}\n{result.stdout}{result.stderr}"
        if "policy new" in line:
            policy = tmp_path / "exam.toml"
            policy.write_text(policy.read_text(encoding="utf-8") + "\n" + rules, encoding="utf-8")
    shown = run(sys.executable, "-m", "proctor.cli.main", "case", "show", "case1", "--json")
    flags = [f for f in json.loads(shown.stdout)["flags"] if f["kind"] == "microphone.silent"]
    # The made recording is without any sound from 27 to 33 s.
    assert [(round(f["start"]), round(f["end"])) for f in flags] == [(27, 33)]
    notice = run(
        sys.executable, "-m", "proctor.cli.main", "policy", "explain", "exam.toml", "--lang", "de"
    )
    assert "Silent microphone" in notice.stdout
