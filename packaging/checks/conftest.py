"""What the checks of packed programs share. They run by ``make package-test``, never by ``make test``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import registry
from proctor.session import sample_exam

ROOT = Path(__file__).resolve().parents[2]
STARTS_S = 60.0
# The checks share `watch.py`, and use the scripts beside this folder.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


@pytest.fixture(scope="session")
def frozen() -> Path:
    """The folder that ``packaging/freeze.py`` made."""
    folder = ROOT / "build" / "frozen" / "open-proctor"
    assert folder.is_dir(), "nothing is packed here; `make package` does it"
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample exam, composed from real clips."""
    try:
        return sample_exam.compose(registry.cache_dir(), lambda *_: None)
    except registry.ModelError as error:
        pytest.skip(f"the sample exam cannot be had here: {error}")


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment of somebody who has nothing of ours: no mirror, no cache, no Python."""
    home = tmp_path / "home"
    home.mkdir()
    if sys.platform == "win32":
        # Without the first two no program starts there.
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP")}
        return kept | {"USERPROFILE": str(home), "LOCALAPPDATA": str(home), "APPDATA": str(home)}
    mine = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    return mine | ({"QT_QPA_PLATFORM": "xcb"} if sys.platform == "linux" else {})


@pytest.fixture
def run(bare: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program in that environment; the words, then what to add to the environment."""

    def go(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in words], env=bare | more, capture_output=True, text=True, check=False,
            timeout=1200,
        )  # fmt: skip

    return go


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual display that the test starts and ends."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as told:
        number = told.readline().strip()
    try:
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(STARTS_S)
