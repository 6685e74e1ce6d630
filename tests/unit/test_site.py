"""The documents as a site: every link leads somewhere, and a page fetches nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

BUILD = Path(__file__).resolve().parents[2] / "packaging" / "site" / "build.py"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_site_is_built_strictly(
    build: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert build.build(tmp_path) == 0, capfd.readouterr().err[-3000:]
    html = {path.name: path.read_text("utf-8") for path in (tmp_path / "html").rglob("*.html")}
    assert {"index.html", "student.html", "operations.html", "numbers.html"} <= html.keys()
    fetched = r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["']?(https?://[^"' >]+)"""
    assert {
        name: found for name, text in html.items() if (found := re.findall(fetched, text))
    } == {}


def test_a_broken_link_fails_it(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    (root / "docs" / "decisions").mkdir(parents=True)
    (root / "docs" / "detectors").mkdir()
    (root / "models" / "cards").mkdir(parents=True)
    config = tmp_path / "mkdocs.yml"
    nav = "nav:\n  - Home: README.md\n"
    config.write_text(build.CONFIG.read_text("utf-8").split("nav:\n  - ")[0] + nav, "utf-8")
    monkeypatch.setattr(build, "ROOT", root)
    monkeypatch.setattr(build, "CONFIG", config)
    page = root / "README.md"
    page.write_text("# A page\n\n[elsewhere](docs/gone.md)\n", "utf-8")
    assert build.build(tmp_path / "one") == 1
    page.write_text("# A page\n", "utf-8")
    assert build.build(tmp_path / "two") == 0
