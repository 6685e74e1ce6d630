"""The identity check through a whole exam: a swap is flagged, and a withdrawal takes everything with it."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.identity import looped
from detectors import identity
from detectors._likeness import FaceNumbers
from policies.consent import Answers
from proctor.capture.replay import Recording
from proctor.evidence import layout
from proctor.evidence.verify import verify
from proctor.session.movie import FPS, HEIGHT, WIDTH, Movie
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients

DOCS = Path(__file__).resolve().parents[2] / "docs" / "detectors" / "identity.md"
POLICY = """
version = 1
id = "identity-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
languages = ["en"]

[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.clips]
alternative = "Flags are kept as sentences without pictures."

[clips]
pre_roll_s = 1.0
post_roll_s = 0.5
max_s = 5.0
"""
SWAP_S, END_S, WITHDRAWN_S = 8.0, 20.0, 18.5


@pytest.fixture(scope="module")
def film(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One speaker for eight seconds, then another."""
    target = tmp_path_factory.mktemp("film") / "swap.mp4"
    with Movie(target) as movie:
        for name, start, end in (
            ("talking_grid/lwbsza.mpg", 0.0, SWAP_S),
            ("talking_grid/bbaf2n.mpg", SWAP_S, END_S),
        ):
            for frame in looped(media / "video" / name, start, end):
                picture = np.ascontiguousarray(cv2.resize(frame.image, (WIDTH, HEIGHT)))
                for _ in range(FPS // 2):
                    movie.picture(picture)
    return target


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    block = DOCS.read_text(encoding="utf-8").split("```toml", 1)[1].split("```", 1)[0]
    path = tmp_path / "policy.toml"
    path.write_text(POLICY + block, encoding="utf-8")
    return path


def of(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [r["data"] for r in map(json.loads, lines) if r["type"] == kind]


def begin(policy: Path, folder: Path, *, agreed: bool) -> Session:
    plan = make_plan(str(policy))
    answers = Answers({"camera": True, "clips": True, "identity": agreed}, "file")
    return Session(plan, answers, folder, recipients=choose_recipients(plan, []))


def test_C4_a_swap_is_flagged_and_a_withdrawal_takes_template_and_clip(
    film: Path, policy: Path, model: Callable[[str], Path], tmp_path: Path
) -> None:
    for name in identity.PLUGIN.models:
        model(name)
    folder = tmp_path / "case"
    kept: list[Any] = []
    with begin(policy, folder, agreed=True) as session:
        (station,) = session.stations
        detector = station.detector
        assert isinstance(detector, identity.Identity)

        def progress(t: float) -> None:
            if t >= WITHDRAWN_S and not kept:
                kept.extend([detector._template, *(numbers for _, numbers in detector._recent)])
                assert len(list((folder / layout.CLIPS).iterdir())) == 1
                session.withdraw("identity")
                assert station.closed

        session.replay(Recording.open(film), progress)
        assert station.detector is not detector
    assert len(kept) >= 2
    assert not any(np.any(numbers) for numbers in kept)
    (flag,) = of(folder, "flag")
    assert flag["kind"] == "face.other"
    assert SWAP_S < flag["t"] <= SWAP_S + 10.0
    assert "likeness" in flag["why"]
    (sealed,) = of(folder, "sealed")
    assert sealed["sensors"] == ["camera", "identity"]
    (erased,) = of(folder, "erased")
    assert erased["flag"] == flag["id"]
    assert list((folder / layout.CLIPS).iterdir()) == []
    (ended,) = of(folder, "session.ended")
    why = ended["summary"]["not_measured_why"]["face.other"]
    assert why["not measured by arrangement"] > 0.0
    assert [check.detail for check in verify(folder) if not check.ok] == []


def test_C2_declined_means_that_no_network_is_loaded_and_no_number_made(
    film: Path, policy: Path, model: Callable[[str], Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in identity.PLUGIN.models:
        model(name)
    loaded: list[Path] = []
    monkeypatch.setattr(FaceNumbers, "__init__", lambda self, path: loaded.append(path))
    folder = tmp_path / "case"
    with begin(policy, folder, agreed=False) as session:
        assert session.stations == []
        session.replay(Recording.open(film))
    assert loaded == []
    assert of(folder, "flag") == []
    (started,) = of(folder, "session.started")
    assert [n["why"] for n in started["not_measured"]] == ["not measured by arrangement"]
    assert [check.detail for check in verify(folder) if not check.ok] == []
