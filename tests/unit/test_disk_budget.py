"""The disk budget: one clear sentence before it is reached, and an exam that goes on when it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from policies import load
from policies.consent import Grant
from proctor.evidence.case import Case
from proctor.evidence.disk import CASE_BYTES, RESERVE_BYTES, SAID_AT, DiskBudget
from proctor.evidence.keys import demo_recipient
from proctor.evidence.view import CaseView
from proctor.pipeline.detector import Kind
from proctor.session.recorder import Recorder
from proctor.types import Frame, Observation

MB = 1_000_000


def test_it_is_said_once_and_before_the_budget_is_used_up(tmp_path: Path) -> None:
    budget = DiskBudget(tmp_path, most=100 * MB, reserve=0, free=lambda folder: 10**12)
    said = []
    for _ in range(10):
        assert budget.refuses(10 * MB) == ""
        said.append(budget.took(10 * MB))
    warned = [place for place, sentence in enumerate(said) if sentence]
    assert warned == [8], "once, with a tenth left"
    assert said[8].startswith("There is room for 10 MB more of clips")
    assert "used up" in budget.refuses(1)


def test_a_disk_that_others_fill_is_noticed_too(tmp_path: Path) -> None:
    free = [RESERVE_BYTES + int((1 - SAID_AT) * CASE_BYTES) + MB]
    budget = DiskBudget(tmp_path, free=lambda folder: free[0])
    assert budget.took(MB) == ""
    free[0] -= 2 * MB
    assert "Free some space" in budget.took(MB)
    free[0] = RESERVE_BYTES
    assert "less than 200 MB are free" in budget.refuses(MB)


def test_what_a_resumed_case_holds_counts(tmp_path: Path) -> None:
    budget = DiskBudget(tmp_path, used=99 * MB, most=100 * MB, reserve=0)
    assert budget.refuses(2 * MB)
    assert not budget.refuses(MB // 2)


def two_flags(case: Case, told: list[str], most: int) -> CaseView:
    """A case of two flags of one second each, whose clips may take ``most`` bytes."""
    kind = Kind("test.seen", "Seen", "It was seen for {seconds} s.")
    policy = load.read("standard")[0]
    rule = {"min_s": 0.2, "cooldown_s": 0.0, "gap_s": 0.0}
    clips = {"pre_roll_s": 0.2, "post_roll_s": 0.2, "max_s": 2.0}
    recorder = Recorder(
        case,
        kinds=[kind],
        purposes={"test.seen": ("camera",)},
        rules={"test.seen": policy.rules["object.phone"].model_copy(update=rule)},
        clips=policy.clips.model_copy(update=clips),
        grants={name: Grant(name, "test") for name in ("camera", "clips")},
        recipients=[demo_recipient()],
        provenance={},
        fps=10.0,
        on_flag=lambda event: None,
        on_notice=told.append,
        disk=DiskBudget(case.folder, most=most, reserve=0, free=lambda folder: 10**12),
    )
    recorder.begin(0.0)
    rng = np.random.default_rng(1)
    for i in range(120):
        t = i / 10
        recorder.media(Frame(t, i, rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)))
        seen = 1.0 if 1.0 <= t < 2.0 or 6.0 <= t < 7.0 else 0.0
        recorder.observations(t, [Observation(t, "test.seen", seen, "test")])
    recorder.finish(12.0)
    case.close()
    return Case.read(case.folder)


def test_an_exam_goes_on_without_clips_and_says_why(begin_case, tmp_path: Path) -> None:
    """The first clip fits and brings the warning; the second is left out with its reason."""
    told: list[str] = []
    roomy = two_flags(begin_case(tmp_path / "roomy"), told, CASE_BYTES)
    sizes = [data["length"] for data in roomy.sealed.values()]
    assert len(sizes) == 2
    assert told == []
    view = two_flags(begin_case(tmp_path / "tight"), told, int(1.1 * sizes[0]))
    assert len(view.flags) == 2
    assert [marker["kind"] for marker in view.markers] == ["disk.low"]
    assert len(told) == 1
    assert list(view.sealed) == ["test.seen-001"]
    assert "used up" in view.skipped["test.seen-002"]["why"]


def test_the_budget_of_an_exam_is_what_doctor_looks_for() -> None:
    from proctor.session.checks import WANTED_FREE_BYTES

    assert WANTED_FREE_BYTES == CASE_BYTES + RESERVE_BYTES


@pytest.mark.parametrize("size", [1, CASE_BYTES])
def test_the_real_disk_is_asked(tmp_path: Path, size: int) -> None:
    """Whatever this machine's disk has free, the answer is a sentence or nothing."""
    said = DiskBudget(tmp_path).refuses(size)
    assert said == "" or said.endswith(("free on the disk", "used up"))
