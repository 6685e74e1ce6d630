"""Copies for research: only where the student agreed, with a clock of their own, and on record."""

# ruff: noqa: N802 (a test is named after its rule)

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyrage import x25519

from policies import load
from policies.schema import Policy
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, keys, retention, view
from proctor.evidence.case import Case
from proctor.evidence.clearing import files_of
from proctor.evidence.export import copy_of, export
from proctor.evidence.seal import seal
from proctor.types import Clip

DAY = timedelta(days=1)
MADE = datetime(2026, 3, 9, 12, tzinfo=UTC)
ONE, SCAN = "object.phone-001", "room-scan-001"


@pytest.fixture
def volunteer(
    begin_case: Callable[..., Case],
    add_flag: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Case:
    """A case, still open, of a student who agreed to research, with one flag."""
    raw = load.read("research-study")[1]
    monkeypatch.setattr(load, "read", lambda name: (None, raw))
    created = Case.create

    def create(folder: Path, **more: object) -> Case:
        consent = dict(more["consent"])  # type: ignore[call-overload]
        consent["granted"] = {**consent["granted"], "research": True}
        return created(folder, **{**more, "consent": consent})  # type: ignore[arg-type]

    monkeypatch.setattr(Case, "create", create)
    case = begin_case(tmp_path / "study")
    monkeypatch.undo()
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    add_flag(case, ONE, 5.0)
    case.checkpoint()
    return case


def policy_of(folder: Path) -> Policy:
    return load.parse(view.read(folder).policy, "of the case")


def copied(folder: Path, target: Path, when: datetime = MADE) -> Path:
    reader = access.Reader("Dr Ada Stone", keys.reviewer_key())
    export(folder, target, reader=reader, reason="A study of lighting.", research=True,
           recipient=str(x25519.Identity.generate().to_public()),
           identities=[keys.demo_identity()], now=when)  # fmt: skip
    return target


def due(folder: Path, now: datetime) -> dict[str, retention.Due]:
    case = view.read(folder)
    kept = retention.kept(case, files_of(folder), (), access.copies(folder))
    found = retention.due([kept], policy_of(folder), now)
    return {one.item.name: one for one in found if one.item.kind == "research"}


def test_without_a_yes_to_research_there_is_no_copy(finished_case: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="did not agree to research"):
        copied(finished_case, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()
    assert access.logs(finished_case) == []


def test_a_copy_is_for_one_reader_and_holds_no_room_scan(
    volunteer: Case, real_clip: Clip, tmp_path: Path
) -> None:
    folder = volunteer.folder
    scan = replace(real_clip, flag_id=SCAN)
    volunteer.store(seal(scan, [keys.demo_recipient()]), {"what": "room_scan"})
    volunteer.checkpoint()
    reader = access.Reader("Dr Ada Stone", keys.reviewer_key())
    with pytest.raises(InputError, match="give --recipient"):
        export(folder, tmp_path / "copy.zip", reader=reader, research=True)
    with zipfile.ZipFile(copied(folder, tmp_path / "copy.zip")) as archive:
        clips = [name for name in archive.namelist() if name.endswith(".age")]
    assert clips == [f"encrypted-anew/{ONE}.mp4.age"]
    (look,) = access.read(folder)
    assert "A copy for research was made" in look.what
    assert look.flags == (ONE,)


def test_T1_a_copy_for_research_has_its_own_clock(volunteer: Case, tmp_path: Path) -> None:
    folder = volunteer.folder
    copied(folder, tmp_path / "copy.zip")
    days = policy_of(folder).retention.research_days
    assert due(folder, MADE + days * DAY - timedelta(seconds=2)) == {}
    found = due(folder, MADE + days * DAY)
    assert found["copy.zip"].rule == "T1"


def test_C4_a_copy_must_go_once_research_is_taken_back(volunteer: Case, tmp_path: Path) -> None:
    folder = volunteer.folder
    copied(folder, tmp_path / "copy.zip")
    volunteer.record("consent.withdrawn", {"t": 70.0, "purpose": "research"}, 70.0)
    volunteer.checkpoint()
    assert due(folder, MADE)["copy.zip"].rule == "C4"
    with pytest.raises(CheckFailed, match="took it back"):
        copied(folder, tmp_path / "another.zip")


def test_the_commands_make_list_and_erase_a_copy(
    volunteer: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, target = str(volunteer.folder), tmp_path / "copy.zip"
    volunteer.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    volunteer.close()
    board = keys.new_identity("board", tmp_path).recipient
    make = ["case", "export", folder, "--research", "--recipient", board, "--reason", "A study."]
    make += ["--identity", str(keys.keys_dir() / "demo.key")]
    assert main([*make, "--to", str(target)]) == 0
    assert main([*make, "--to", str(tmp_path / "second.zip")]) == 0
    number = copy_of(target, volunteer.attempt)
    capsys.readouterr()
    assert main(["case", "erase", folder]) == 0
    assert "copy for research copy.zip" in capsys.readouterr().out
    erase = ["case", "erase", folder, "--copy", str(target)]
    assert main(erase) == 2
    assert "says why (--why)" in capsys.readouterr().err
    moved = target.rename(tmp_path / "renamed.zip")
    backup = moved.read_bytes()
    assert main([*erase[:-1], str(moved), "--why", "The study was called off."]) == 0
    told = capsys.readouterr().out
    assert "The copy for research, “copy.zip”." in told
    assert "The study was called off." in told
    assert not moved.exists()
    assert [copy.name for copy in access.copies(volunteer.folder)] == ["second.zip"]
    assert number not in {copy.id for copy in access.copies(volunteer.folder)}
    moved.write_bytes(backup)
    assert main([*erase[:-1], str(moved), "--why", "It came back."]) == 0
    assert not moved.exists()
    assert main(["case", "verify", folder]) == 0


def test_what_is_no_copy_is_one_sentence(
    volunteer: Case, finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole.zip"
    assert main(["case", "export", str(finished_case), "--to", str(whole)]) == 0
    (tmp_path / "words").write_text("words")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("export.dsse", json.dumps({}))
    for path in (whole, tmp_path / "words", tmp_path / "empty.zip", tmp_path / "missing"):
        before = path.read_bytes() if path.exists() else None
        assert main(["case", "erase", str(finished_case), "--copy", str(path)]) == 2
        assert "is no copy for research" in capsys.readouterr().err
        assert (path.read_bytes() if path.exists() else None) == before
