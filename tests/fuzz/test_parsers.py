"""Everything that the fuzzer starts from, and everything it found, through every parser of our own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
SEEDS = [
    (folder.name, path.name)
    for folder in sorted(CORPUS.iterdir())
    for path in sorted(folder.iterdir())
]
NAMES = sorted({target for target, _ in SEEDS})
SLOW = {"case", "export"}
some = settings(
    deadline=None, derandomize=True, suppress_health_check=[*HealthCheck], database=None
)


def load(name: str) -> ModuleType:
    sys.path.insert(0, str(HERE))
    try:
        return __import__(name)
    finally:
        sys.path.remove(str(HERE))


targets, corpora = load("targets"), load("corpora")


def test_every_target_has_its_seeds() -> None:
    assert sorted(targets.TARGETS) == NAMES


@pytest.mark.parametrize(("target", "name"), SEEDS)
def test_a_seed_or_a_finding_is_refused_or_read(target: str, name: str) -> None:
    targets.TARGETS[target](corpora.seeds(target)[name])


def test_the_seeds_get_far() -> None:
    """Well-formed things are read, not refused at the door."""
    files = targets.case_files()
    folder = targets._laid_out("whole", files)
    with targets._at_home():
        checks = targets.verify.verify(folder, root_key=targets.PUBLIC)
    assert [check.code for check in checks if not check.ok] == []
    assert targets.verify_case.main([str(folder)]) == 0


@st.composite
def damaged(draw: st.DrawFn, target: str) -> bytes:
    """A seed of ``target`` with stretches of it replaced, doubled or taken out."""
    seeds = corpora.seeds(target)
    data = seeds[draw(st.sampled_from(sorted(seeds)))]
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 4, 8, 60])))
        piece = draw(st.binary(max_size=8) | st.sampled_from([b"", data[start:end] * 2, *PIECES]))
        data = data[:start] + piece + data[end:]
    return data


PIECES = [
    b"{}", b"[]", b"null", b"true", b"-1", b"1e999", b"NaN", b'""', b'"\\ud800"', b'"\xff"', b"\n",
    b"\n\n", b"\0", b"[" * 2000, b"9" * 5000, "\N{EM DASH} ".encode(), b"0", b"9999-12-31T23:59:59-23:59",
]  # fmt: skip


@pytest.mark.parametrize("target", NAMES)
def test_what_is_damaged_is_refused_or_read(target: str) -> None:
    @settings(some, max_examples=25 if target in SLOW else 80)
    @given(damaged(target))
    def read(data: bytes) -> None:
        targets.TARGETS[target](data)

    read()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="atheris is there for Linux only")
def test_the_fuzzer_finds_what_is_there_to_be_found(tmp_path: Path) -> None:
    """A parser with a fault behind two bytes: the fuzzer must say so, or all its silence says nothing."""
    pytest.importorskip("atheris", reason="atheris is not installed")
    faulty = (
        "import sys, atheris\n"
        "def parse(data):\n"
        "    if len(data) > 1 and data[0] == 0x70:\n"
        "        if data[1] == 0x21:\n"
        "            raise KeyError('found')\n"
        "parse = atheris.instrument_func(parse)\n"
        "atheris.Setup([sys.argv[0], '-runs=200000', '-seed=1', '-artifact_prefix=./'], parse)\n"
        "atheris.Fuzz()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", faulty], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "KeyError" in done.stdout + done.stderr
    (finding,) = tmp_path.glob("crash-*")
    assert finding.read_bytes()[:2] == b"p!"
