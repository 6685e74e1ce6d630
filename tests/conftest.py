"""Shared fixtures: where real recordings and networks are, and skips with a reason where they are not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Without a display Qt aborts the whole process; tests that want a real one start it themselves.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# Where a shared folder stands beside the project, it is the mirror for networks and sample clips.
if "PROCTOR_MODELS_MIRROR" not in os.environ and (SHARED / "models").is_dir():
    os.environ["PROCTOR_MODELS_MIRROR"] = f"{SHARED / 'models'};{SHARED / 'media'}"


@pytest.fixture(scope="session", autouse=True)
def nobodys_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a test that names no home of its own writes, or a program that it starts, goes to nobody's:
    keys, cases, logs, and (on Linux) where windows stood, which Qt keeps in the configuration folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of labelled real recordings."""
    folder = Path(os.environ.get("PROCTOR_MEDIA", SHARED / "media"))
    if not (folder / "labels.csv").is_file():
        pytest.skip(f"labelled recordings are not here ({folder.name} is missing)")
    return folder


@pytest.fixture(scope="session")
def model() -> Callable[[str], Path]:
    """The verified local path of a network by its manifest name; skips where it cannot be had."""
    from models import registry

    def get(name: str) -> Path:
        path = registry.find(name)
        if path is None:
            try:
                path = registry.install(name)
            except registry.ModelError as error:
                pytest.skip(f"network {name} cannot be had here: {error}")
        return path

    return get
