"""A case folder: the order on disk, one writer, recovery, and never a byte of plaintext media."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from proctor.errors import CheckFailed, InputError, MissingError
from proctor.evidence import journal, keys
from proctor.evidence.case import Case
from proctor.evidence.ring import Ring
from proctor.evidence.seal import seal, unseal
from proctor.evidence.verify import verify
from proctor.types import Clip, Frame

Begin = Callable[..., Case]
Add = Callable[..., Path]


def stop_dead(case: Case) -> None:
    """What a power cut leaves: the files as they are, nobody holding the lock."""
    case._journal.close()
    case._lock.release()


def types(folder: Path) -> list[str]:
    return [record["type"] for record in Case.read(folder).records]


def fails(folder: Path) -> list[str]:
    return [check.code for check in verify(folder) if not check.ok]


def test_the_consent_is_on_disk_before_there_is_anything_else(begin_case: Begin) -> None:
    case = begin_case()
    (record,) = journal.load(case.folder / "journal.jsonl").records()
    assert record.type == "consent.recorded"
    assert case.consent_record == f"{record.source}#1"
    assert record.data["attempt"] == case.attempt
    assert record.data["granted"] == {"camera": True, "microphone": True, "clips": True}
    assert sorted(p.name for p in case.folder.iterdir() if p.name != ".lock") == [
        "checkpoints",
        "clips",
        "journal.jsonl",
        "policy.dsse",
    ]
    case.close()


def test_the_signing_key_stays_outside_the_case(begin_case: Begin, proctor_home: Path) -> None:
    case = begin_case()
    case.close()
    secret = keys.attempt_key_path(case.attempt).read_bytes().strip()
    assert keys.attempt_key_path(case.attempt).is_relative_to(proctor_home)
    for path in case.folder.rglob("*"):
        assert path.is_dir() or secret not in path.read_bytes()


def test_a_finished_case_reads_back_by_flag(finished_case: Path) -> None:
    view = Case.read(finished_case)
    assert [flag["id"] for flag in view.flags] == [f"object.phone-00{i}" for i in (1, 2, 3)]
    first = view.flags[0]
    assert (first["t"], first["end"], first["peak"]) == (11.0, 12.0, 0.9)
    assert set(view.sealed) == {flag["id"] for flag in view.flags}
    assert view.summary == {"seconds": 60.0}
    assert view.markers[0]["kind"] == "question.shown"
    assert view.scores[0]["kinds"] == {"face.absent": [0.0, None]}
    assert view.consent["policy"]["sha256"] == hashlib.sha256(view.policy).hexdigest()
    assert b'id = "standard"' in view.policy


def test_a_clip_follows_its_flag_and_its_announcement(finished_case: Path) -> None:
    order = types(finished_case)
    at = order.index("flag")
    assert order[at : at + 4] == ["flag", "flag.closed", "sealing", "sealed"]


def test_what_was_stored_opens_again(finished_case: Path, real_clip: Clip) -> None:
    record = Case.read(finished_case).sealed["object.phone-001"]
    ciphertext = (finished_case / record["file"]).read_bytes()
    assert unseal(ciphertext, [keys.demo_identity()], sha256=record["sha256"]) == real_clip.data


def test_a_folder_in_use_or_not_empty_is_refused(begin_case: Begin, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "homework.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        begin_case(tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        begin_case(tmp_path / "file")
    case = begin_case()
    with pytest.raises(InputError, match="is not empty"):
        begin_case()
    with pytest.raises(InputError, match="Another program is writing"):
        Case.resume(case.folder)
    case.close()
    Case.resume(case.folder).close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_sentence_and_nothing_half_written_stays(
    begin_case: Begin, real_clip: Clip
) -> None:
    """/dev/full refuses every byte as a full disk does."""
    case = begin_case()
    case.record("flag", {"id": "f", "t": 1.0})
    (case.folder / "clips" / "f.mp4.age.part").symlink_to("/dev/full")
    with pytest.raises(MissingError, match="the disk is full"):
        case.store(seal(_named(real_clip, "f"), [keys.demo_recipient()]), {})
    assert list((case.folder / "clips").iterdir()) == []
    case.close()
    again = Case.resume(case.folder)
    again.close()
    assert Case.read(case.folder).skipped["f"]["why"].startswith("The program stopped")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user who is not root")
def test_a_folder_that_cannot_be_written_is_one_sentence(begin_case: Begin, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(MissingError, match="not writable for you"):
        begin_case(tmp_path / "locked" / "case")


def test_a_path_through_a_file_is_one_sentence(begin_case: Begin, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingError, match="Cannot write the case"):
        begin_case(tmp_path / "file" / "case")


def test_a_flag_has_one_clip_and_a_plain_name(begin_case: Begin, real_clip: Clip) -> None:
    case = begin_case()
    sealed = seal(_named(real_clip, "a-1"), [keys.demo_recipient()])
    case.store(sealed, {})
    with pytest.raises(InputError, match="already"):
        case.store(sealed, {})
    for name in ("../a", "a/b", "", ".a", "A", "a" * 200):
        with pytest.raises(InputError, match="cannot name a clip"):
            case.store(seal(_named(real_clip, name), [keys.demo_recipient()]), {})
    case.close()


def test_the_consent_must_be_for_the_policy_that_is_used(begin_case: Begin, tmp_path: Path) -> None:
    from policies.sign import PAYLOAD_TYPE, envelope

    other = envelope(b"version = 2\n", PAYLOAD_TYPE, [keys.local_signing_key()])
    consent = {"policy": {"sha256": "0" * 64}}
    for raw, sentence in ((other, "another policy"), (b"{}", "not a signed envelope")):
        with pytest.raises(InputError, match=sentence):
            Case.create(tmp_path / "c", policy_envelope=raw, consent=consent, wall=None)  # type: ignore[arg-type]
    assert not (tmp_path / "c").exists()


def test_closing_twice_is_harmless_and_signs_the_end(begin_case: Begin) -> None:
    case = begin_case()
    case.record("marker", {"t": 1.0})
    case.close()
    case.close()
    assert [p.name for p in (case.folder / "checkpoints").iterdir()] == ["00000002.note"]


# Going on after a crash.


def test_after_a_power_cut_the_case_goes_on_with_a_gap_as_long_as_the_true_one(
    begin_case: Begin, add_flag: Add
) -> None:
    case = begin_case()
    case.record("session.started", {"t": 0.0, "anchor": case.anchor.isoformat()})
    add_flag(case, "f-1", 10.0)
    stop_dead(case)
    again = Case.resume(case.folder, now=case.anchor + timedelta(seconds=100))
    assert (again.attempt, again.anchor) == (case.attempt, case.anchor)
    again.record("marker", {"t": 101.0})
    again.close()
    (gap,) = Case.read(case.folder).gaps
    assert gap["start"] <= 12.0
    assert gap["end"] == 100.0
    assert fails(case.folder) == []


def test_a_torn_last_line_is_cut_and_noted(begin_case: Begin) -> None:
    case = begin_case()
    case.record("marker", {"t": 1.0})
    stop_dead(case)
    path = case.folder / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"specversion"')
    assert fails(case.folder)[0] == "journal-whole"
    Case.resume(case.folder).close()
    assert Case.read(case.folder).gaps[0]["torn_bytes"] == 14
    assert fails(case.folder) == []


@pytest.mark.parametrize("name", ["f-1.mp4.age", "f-1.mp4.age.part"])
def test_a_complete_clip_without_its_last_record_is_adopted(
    begin_case: Begin, add_flag: Add, name: str
) -> None:
    case = begin_case()
    path = add_flag(case, "f-1", 10.0)
    stop_dead(case)
    _drop_last_line(case.folder)  # the power went before ``sealed`` was written …
    path.rename(path.with_name(name))  # … or even before the file had its name
    again = Case.resume(case.folder)
    assert again.recovered.adopted == ("f-1",)
    again.close()
    record = Case.read(case.folder).sealed["f-1"]
    assert record["adopted"] is True
    assert unseal(path.read_bytes(), [keys.demo_identity()], sha256=record["sha256"])
    assert fails(case.folder) == []


def test_an_incomplete_clip_is_deleted_and_the_flag_says_so(
    begin_case: Begin, add_flag: Add
) -> None:
    case = begin_case()
    path = add_flag(case, "f-1", 10.0)
    stop_dead(case)
    _drop_last_line(case.folder)
    path.with_name(path.name + ".part").write_bytes(path.read_bytes()[:-1])
    path.unlink()
    (case.folder / "clips" / "other.mp4.age").write_bytes(b"unknown")
    again = Case.resume(case.folder)
    assert again.recovered.deleted == ("f-1.mp4.age.part", "other.mp4.age")
    again.close()
    view = Case.read(case.folder)
    assert "before this clip was sealed" in view.skipped["f-1"]["why"]
    assert list((case.folder / "clips").iterdir()) == []
    assert fails(case.folder) == []


def test_a_journal_that_was_changed_is_not_continued(finished_case: Path) -> None:
    path = finished_case / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"peak":0.9', b'"peak":0.1'))
    with pytest.raises(CheckFailed, match="was changed or cut"):
        Case.resume(finished_case)
    lines = path.read_bytes().replace(b'"peak":0.1', b'"peak":0.9').splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(CheckFailed, match="was changed or cut"):
        Case.resume(finished_case)


def test_only_the_machine_it_began_on_goes_on_with_a_case(finished_case: Path) -> None:
    keys.attempt_key_path(Case.read(finished_case).attempt).unlink()
    with pytest.raises(InputError, match="began on another computer"):
        Case.resume(finished_case)


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda folder: (folder / "journal.jsonl").unlink(), "There is no case in"),
        (lambda folder: (folder / "policy.dsse").unlink(), "policy .* cannot be read"),
        (lambda folder: (folder / "policy.dsse").write_text("x"), "policy .* is damaged"),
        (lambda folder: (folder / "journal.jsonl").write_text("x\n"), "Line 1 .* case verify"),
        (lambda folder: (folder / "journal.jsonl").write_text(""), "does not begin with a consent"),
    ],
)
def test_a_folder_that_is_no_whole_case_reads_as_one_sentence(
    finished_case: Path, break_it: Callable[[Path], object], sentence: str
) -> None:
    break_it(finished_case)
    with pytest.raises(InputError, match=sentence):
        Case.read(finished_case)


# No plaintext media on disk.


def test_no_file_ever_holds_a_byte_of_a_picture(
    begin_case: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A known random pattern goes in as pictures; neither it nor its encoding is in any file."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    pattern = np.random.default_rng(99).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    ring = Ring()
    for i in range(30):
        ring.frame(Frame(i / 10, i, pattern))
    clip = ring.cut("f-1", 0.0, 3.0)
    raw = pattern.tobytes()
    needles = [raw[at : at + 24] for at in range(0, len(raw) - 24, 4001)]
    needles += [clip.data[at : at + 24] for at in range(0, len(clip.data) - 24, 4001)]

    case = begin_case()
    case.record("flag", {"id": "f-1", "t": 2.0})
    case.store(seal(clip, [keys.demo_recipient()]), {})
    case.close()

    def holding() -> list[Path]:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) >= 6
        return [path for path in files if any(n in path.read_bytes() for n in needles)]

    assert holding() == []
    (tmp_path / "control").write_bytes(clip.data)  # the search does find it where it is
    assert holding() == [tmp_path / "control"]


# The command line.


def run(*arguments: str) -> int:
    import argparse

    from proctor.cli import case as cli

    parser = argparse.ArgumentParser()
    cli.add(parser.add_subparsers())
    parsed = parser.parse_args(["case", *arguments])
    return parsed.run(parsed)


def test_open_says_what_is_in_it_and_writes_nothing(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run("open", str(finished_case), "object.phone-001") == 0
    printed = capsys.readouterr().out
    assert "160x120" in printed
    assert "16000 Hz" in printed
    assert "Opened in memory only" in printed
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    added = sorted(path.suffix for path in now.keys() - before.keys())
    assert added == ["", ".jsonl", ".key", ".note"], (
        "only the access log, its lock and the key of it"
    )
    assert before == {path: data for path, data in now.items() if path in before}
    assert not any(b"ftyp" in data for data in now.values()), "nothing unsealed is on the disk"


def test_open_writes_where_it_is_told_and_says_so(
    finished_case: Path, tmp_path: Path, real_clip: Clip, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "clip.mp4"
    words = ["open", str(finished_case), "object.phone-001", "--to", str(target)]
    with pytest.raises(InputError, match="give --reason"):
        run(*words)
    assert not target.exists()
    assert run(*words, "--reason", "The student asked to see it.") == 0
    assert target.read_bytes() == real_clip.data
    assert "Written unsealed" in capsys.readouterr().out
    with pytest.raises(InputError, match="already"):
        run("open", str(finished_case), "object.phone-001", "--to", str(target))


def test_open_refuses_each_for_its_own_reason(finished_case: Path, proctor_home: Path) -> None:
    other = keys.new_identity("other").path
    with pytest.raises(CheckFailed, match=f"sealed for {keys.demo_recipient()}"):
        run("open", str(finished_case), "object.phone-001", "--identity", str(other))
    with pytest.raises(InputError, match=r"has clips of: object\.phone-001"):
        run("open", str(finished_case), "object.phone-009")
    clip = finished_case / "clips" / "object.phone-001.mp4.age"
    clip.write_bytes(clip.read_bytes() + b"x")
    with pytest.raises(CheckFailed, match="not the one that the journal names"):
        run("open", str(finished_case), "object.phone-001")
    clip.unlink()
    with pytest.raises(CheckFailed, match="cannot be read"):
        run("open", str(finished_case), "object.phone-001")


def test_verify_prints_a_numbered_list_and_its_exit_code_answers(
    finished_case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", str(finished_case)) == 0
    printed = capsys.readouterr().out
    assert "  1. ok " in printed
    assert "26 of 26 checks passed" in printed
    (finished_case / "clips" / "object.phone-002.mp4.age").unlink()
    assert run("verify", str(finished_case), "--json") == 1
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [check["number"] for check in checks] == list(range(1, 27))
    assert [check["code"] for check in checks if not check["ok"]] == ["clips-present"]
    with pytest.raises(InputError, match="no Ed25519 public key"):
        run("verify", str(finished_case), "--root-key", "AAAA")


def _named(clip: Clip, flag: str) -> Clip:
    return Clip(flag, clip.start, clip.end, clip.mime, clip.data, clip.sha256)


def _drop_last_line(folder: Path) -> None:
    path = folder / "journal.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def test_reading_a_case_imports_no_codec() -> None:
    """An auditor's machine needs neither FFmpeg nor OpenCV to verify."""
    import subprocess

    script = "import sys, proctor.evidence.verify; print({'av', 'cv2', 'numpy'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
