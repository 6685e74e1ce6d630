"""A window of the institution's app, over files of its own; keys and settings stay in a temporary folder."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from PySide6.QtCore import QEvent, QSettings
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from policies import edit, load
from ui import app, theme
from ui.institution.app import open_window
from ui.institution.window import Window

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 120.0


def load_module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def screens_tool() -> ModuleType:
    """What makes the pictures of the documentation also knows every screen."""
    return load_module(ROOT / "packaging" / "screens.py")


@pytest.fixture(scope="session")
def clipped() -> Callable[[QWidget], list[str]]:
    """What of a window's texts is cut off (tests/gui/clipping.py)."""
    found: Callable[[QWidget], list[str]] = load_module(
        Path(__file__).with_name("clipping.py")
    ).clipped
    return found


@pytest.fixture
def dressed(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QApplication:
    """The application as every app starts it, in English and light, with a home of its own."""
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings")
    )
    font = qapp.font()
    app.start("Open Proctor", "en")
    theme.apply(qapp, "light")
    yield qapp
    app.speak(qapp, "en")
    qapp.setFont(font)


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    """A policy with comments, for a real exam, without errors."""
    text = load.read_bytes("gdpr-public-university").decode("utf-8")
    path = tmp_path / "algebra.toml"
    text = edit.set_values(
        text,
        {
            "id": "algebra",
            "institution": "Sample College",
            "exam": "Algebra",
            "contact": "exams@college.edu; data protection officer: dpo@college.edu",
            "dpia": "DPIA 12, FRIA 3",
        },
    )
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def make_window(dressed: QApplication, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Opens windows, and closes them without questions."""
    made: list[Window] = []

    def make(path: Path | None = None, lang: str = "en") -> Window:
        window = open_window(lang, None, tmp_path / "keys")
        window.resize(1180, 800)
        made.append(window)
        settle(window)
        if path is not None:
            window.open_file(path)
            settle(window)
        return window

    yield make
    for window in made:
        if isValid(window):
            window.desk.draft.close()
            window.close()
            window.deleteLater()
    QApplication.processEvents()
    # Outside a running event loop nobody else carries out what was put off.
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def window(make_window: Callable[..., Window], policy_file: Path) -> Window:
    """A window with :func:`policy_file` open."""
    return make_window(policy_file)


def settle(window: Window) -> None:
    """Wait until what was changed is made in the text and checked, and every page shows it."""
    until = time.monotonic() + WAIT_S
    calm = 0
    while calm < 3:
        assert time.monotonic() < until, "the window does not come to rest"
        QApplication.processEvents()
        desk = window.desk
        calm = calm + 1 if desk.draft.settled and not desk.worker.busy else 0
        time.sleep(0.001)


@pytest.fixture(name="settle")
def settle_fixture() -> Callable[[Window], None]:
    return settle
