"""An export: everything a stranger needs, nothing that was not asked for, and a verifier that tells."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import cryptography
import pytest
from pyrage import decrypt, x25519

from policies import sign
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.evidence import access, checkpoint, keys, layout, proof, tree, verify_case
from proctor.evidence.case import Case
from proctor.evidence.export import export
from proctor.evidence.view import public_key
from proctor.types import Clip, Erasure

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ONE, TWO, THREE = (f"object.phone-00{n}" for n in (1, 2, 3))


def made(folder: Path, target: Path, **options: object) -> Path:
    """An export, unpacked beside its zip."""
    reader = access.Reader("Dr Ada Stone", keys.reviewer_key())
    export(folder, target, reader=reader, **options)  # type: ignore[arg-type]
    with zipfile.ZipFile(target) as archive:
        archive.extractall(target.with_suffix(""))
    return target.with_suffix("")


@pytest.fixture
def anew(finished_case: Path, tmp_path: Path) -> tuple[Path, x25519.Identity]:
    """An export of one clip for a new reader, and that reader's key."""
    reader = x25519.Identity.generate()
    folder = made(
        finished_case,
        tmp_path / "anew.zip",
        flags=[TWO],
        recipient=str(reader.to_public()),
        identities=[keys.demo_identity()],
    )
    return folder, reader


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# What is in it.


def test_a_whole_export_holds_the_case_as_it_lies(finished_case: Path, tmp_path: Path) -> None:
    folder = made(finished_case, tmp_path / "whole.zip")
    inside = {name for name in names(finished_case) if not name.endswith(layout.LOCK)}
    for name in inside:
        assert (folder / "case" / name).read_bytes() == (finished_case / name).read_bytes()
    others = {name for name in names(folder) if not name.startswith(("case/", "proofs/"))}
    assert others == {"explanation.txt", "explanation.html", "export.dsse", "verify_case.py"}
    assert {n.removeprefix("case/") for n in names(folder) if n.startswith("case/")} == inside


def test_the_same_case_makes_the_same_zip(finished_case: Path, tmp_path: Path) -> None:
    zips = [tmp_path / "a.zip", tmp_path / "b.zip"]
    for target in zips:
        copy = shutil.copytree(finished_case, target.with_suffix(".case"))
        made(copy, target, now=NOW)
    assert zips[0].read_bytes() == zips[1].read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_only_its_owner_can_read_the_zip(finished_case: Path, tmp_path: Path) -> None:
    made(finished_case, tmp_path / "a.zip")
    assert stat.S_IMODE((tmp_path / "a.zip").stat().st_mode) == 0o600


def test_a_clip_goes_to_the_new_reader_alone(
    anew: tuple[Path, x25519.Identity], real_clip: Clip
) -> None:
    folder, reader = anew
    clips = [name for name in names(folder) if name.endswith(".age")]
    assert clips == [f"encrypted-anew/{TWO}.mp4.age"], "more clips than were asked for"
    sealed = (folder / clips[0]).read_bytes()
    assert decrypt(sealed, [reader]) == real_clip.data
    with pytest.raises(Exception, match="No matching keys"):
        decrypt(sealed, [keys.demo_identity()])


def test_no_plaintext_is_written(
    finished_case: Path, tmp_path: Path, real_clip: Clip, anew: tuple[Path, x25519.Identity]
) -> None:
    made(finished_case, tmp_path / "whole.zip")
    middle = len(real_clip.data) // 2
    needles = [real_clip.data[:32], real_clip.data[middle : middle + 32]]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            assert not any(needle in raw for needle in needles), path.name


def test_flags_without_an_id_take_no_clip_along(finished_case: Path, tmp_path: Path) -> None:
    folder = made(finished_case, tmp_path / "none.zip", flags=[])
    assert not [name for name in names(folder) if name.endswith(".age")]
    assert verify_case.main([str(folder)]) == 0


def test_each_clip_has_its_proof(finished_case: Path, tmp_path: Path) -> None:
    folder = made(finished_case, tmp_path / "a.zip", flags=[ONE, THREE])
    view = Case.read(finished_case)
    lines = (folder / "case" / layout.JOURNAL).read_bytes().splitlines()
    found = set()
    for path in (folder / "proofs").glob(f"*{proof.SUFFIX}"):
        line = lines[int(path.stem) - 1]
        proof.check_inclusion(path.read_bytes(), line, view.attempt, public_key(view.consent))
        found.add(json.loads(line)["data"]["flag"])
    assert found == {ONE, THREE}
    provable = proof.load(finished_case)
    *earlier, newest = (one.checkpoint for one in provable.signed)
    assert len(earlier) == len(list((folder / "proofs").glob("*.consistency"))) > 0
    for old in earlier:
        raw = (folder / "proofs" / f"{old.size:08d}{proof.CONSISTENCY_SUFFIX}").read_bytes()
        assert proof.check_consistency(raw, old, public_key(view.consent)) == newest.size


def test_the_explanation_says_it_in_words(
    finished_case: Path, anew: tuple[Path, x25519.Identity]
) -> None:
    told = (anew[0] / "explanation.txt").read_text("utf-8")
    for part in (
        "A phone was in view for 2.0 s.",
        f"{TWO}; clip encrypted anew",
        f"{ONE}; clip not in this export",
        "It cannot prove that the camera",
        str(anew[1].to_public()),
    ):
        assert part in told
    page = (anew[0] / "explanation.html").read_text("utf-8")
    assert "<h1>What this is</h1>" in page
    assert "<h2>How to check it</h2>" in page
    assert "<script" not in page


def test_words_of_a_stranger_stay_words(
    begin_case: Callable[..., Case], add_flag: Callable[..., Path], tmp_path: Path
) -> None:
    case = begin_case()
    case.record(
        "flag", {"id": "x-001", "kind": "a.b", "why": "<script>alert(1)</script>\n\nHeading"}
    )
    case.close()
    folder = made(case.folder, tmp_path / "a.zip")
    page = (folder / "explanation.html").read_text("utf-8")
    assert "<script" not in page
    assert "<h2>Heading" not in page


# What is refused.


def test_a_file_that_no_case_holds_does_not_go_along(finished_case: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of this computer", "utf-8")
    (finished_case / "checkpoints" / "notes.txt").write_text("private", "utf-8")
    (finished_case / "diary.txt").write_text("private", "utf-8")
    folder = made(finished_case, tmp_path / "a.zip")
    assert not [name for name in names(folder) if "notes" in name or "diary" in name]
    (finished_case / "checkpoints" / "00000099.note").symlink_to(secret)
    with pytest.raises(CheckFailed):
        made(finished_case, tmp_path / "b.zip")
    assert not list(tmp_path.glob("b*")), "half an export stayed"


@pytest.mark.parametrize("flag", ["../../etc/passwd", "nobody-001", ""])
def test_a_flag_that_is_none_is_refused(finished_case: Path, tmp_path: Path, flag: str) -> None:
    with pytest.raises(InputError, match="keeps no clip"):
        made(finished_case, tmp_path / "a.zip", flags=[flag])


def test_a_clip_that_was_changed_is_not_handed_on(finished_case: Path, tmp_path: Path) -> None:
    path = finished_case / layout.clip_name(TWO)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    reader = str(x25519.Identity.generate().to_public())
    with pytest.raises(CheckFailed, match="not the one that was sealed"):
        made(finished_case, tmp_path / "a.zip")
    with pytest.raises(CheckFailed, match="not the one that the journal names"):
        made(
            finished_case,
            tmp_path / "a.zip",
            recipient=reader,
            identities=[keys.demo_identity()],
        )
    assert not list(tmp_path.glob("a*"))


def test_the_command_exports(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, reader = tmp_path / "out.zip", keys.new_identity("board", tmp_path)
    words = ["case", "export", str(finished_case), "--to", str(target), "--flags", ONE]
    assert main([*words, "--recipient", reader.recipient]) == 2
    assert "belong together" in capsys.readouterr().err
    demo = str(keys.keys_dir() / "demo.key")
    words = [*words, "--recipient", reader.recipient, "--identity", demo]
    assert main(words) == 2
    assert "give --reason" in capsys.readouterr().err
    words = [*words, "--reason", "The appeal board asked for it.", "--name", "Dr Stone"]
    assert main(words) == 0
    assert "1 clips for age1" in capsys.readouterr().out
    assert main(words) == 2
    assert "already" in capsys.readouterr().err


# The verifier that goes along.


def alone(folder: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the export's own verifier with Python and ``cryptography`` only, in an empty folder."""
    library, empty = tmp_path / "library", tmp_path / "empty"
    empty.mkdir(exist_ok=True)
    if not library.exists():
        library.mkdir()
        site = Path(cryptography.__file__).parents[1]
        for path in site.iterdir():
            if path.name.startswith(("cryptography", "cffi", "_cffi_backend", "pycparser")):
                (library / path.name).symlink_to(path)
    code = (
        "import runpy, sys; sys.path.append(sys.argv[1]); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, library, folder / "verify_case.py", *words],
        cwd=empty,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_verifier_needs_python_and_cryptography_only(
    anew: tuple[Path, x25519.Identity], tmp_path: Path
) -> None:
    result = alone(anew[0], tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("11 of 11 checks passed.\n")
    assert "the word of whoever exported them" in result.stdout
    key = keys.local_signing_key().public_key()
    assert "Warning: it is the policy agreed to" in result.stdout
    root = base64.b64encode(key.public_bytes_raw()).decode("ascii")
    assert "signed by the key given" in alone(anew[0], tmp_path, "--root-key", root).stdout
    other = base64.b64encode(bytes(32)).decode("ascii")
    assert alone(anew[0], tmp_path, "--root-key", other).returncode == 1


def test_the_verifier_checks_a_proof_that_is_shown(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provable = proof.load(finished_case)
    shown = tmp_path / "shown"
    for number in range(1, len(provable.lines) + 1):
        shown.write_bytes(provable.inclusion(number))
        assert verify_case.main([str(finished_case), "--proof", str(shown)]) == 0
        assert f"Record {number} stands in the journal" in capsys.readouterr().out
    for one in provable.signed:
        shown.write_bytes(provable.consistency(one.checkpoint.size))
        assert verify_case.main([str(finished_case), "--proof", str(shown)]) == 0
    good = provable.inclusion(4)
    for bad in (
        good.replace(b"index 3", b"index 2"),
        good.replace(b"index 3", b"index 999"),
        good.replace(b"index 3", b"old 3"),
        good.replace(b"\n\n", b"\n" + base64.b64encode(bytes(32)) + b"\n\n", 1),
        b"\n".join(good.split(b"\n")[:2] + good.split(b"\n")[3:]),
        good[:-30],
        b"noise",
        b"",
    ):
        shown.write_bytes(bad)
        assert verify_case.main([str(finished_case), "--proof", str(shown)]) == 1
        assert "NO  The proof shown holds" in capsys.readouterr().out


def test_both_verifiers_agree_about_every_proof_of_small_trees() -> None:
    leaves = [tree.leaf_hash(bytes([n])) for n in range(33)]
    grown = tree.Tree(leaves)
    for size in range(1, 34):
        root = grown.root(size)
        for index in range(size):
            hashes = grown.inclusion_proof(index, size)
            assert verify_case.stands(leaves[index], index, size, hashes, root)
            assert not verify_case.stands(leaves[index] + b"x", index, size, hashes, root)
        for old in range(1, size + 1):
            hashes = grown.consistency_proof(old, size)
            assert verify_case.extends(old, grown.root(old), size, hashes, root)
            assert not verify_case.extends(old, bytes(32), size, hashes, root)


def test_the_verifier_takes_a_case_as_well(
    finished_case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_case.main([str(finished_case)]) == 0
    assert "3 clips are as the journal says" in capsys.readouterr().out


def test_an_erased_clip_is_no_fault(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case.maintain(finished_case)
    case.erase(ONE, Erasure("the clip", "2026-03-16T09:00:00+00:00", "Long enough.", "T1"))
    case.close()
    folder = made(finished_case, tmp_path / "a.zip")
    assert verify_case.main([str(folder)]) == 0
    assert "2 clips are as the journal says; 1 erased" in capsys.readouterr().out
    assert f"{ONE}; clips are not kept" in (folder / "explanation.txt").read_text("utf-8")


Change = Callable[[Path], object]


def edited(name: str, old: bytes, new: bytes) -> Change:
    def change(case: Path) -> None:
        path = case / name
        raw = path.read_bytes()
        assert old in raw
        path.write_bytes(raw.replace(old, new, 1))

    return change


def cut(name: str, count: int) -> Change:
    return lambda case: (case / name).write_bytes((case / name).read_bytes()[:-count])


def swapped(case: Path) -> None:
    one, two = case / layout.clip_name(ONE), case / layout.clip_name(TWO)
    one.write_bytes(two.read_bytes())


def last_line(case: Path) -> None:
    path = case / layout.JOURNAL
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def other_policy(case: Path) -> None:
    raw = sign.envelope(b"version = 9\n", sign.PAYLOAD_TYPE, [keys.local_signing_key()])
    (case / layout.POLICY).write_bytes(raw)


def signed_by_another(case: Path) -> None:
    """The journal as it is, signed by a key that record 1 does not name."""
    newest = proof.load(case).signed[-1].checkpoint
    note = checkpoint.sign(newest, keys.new_attempt_key("e" * 32))
    (case / layout.note_name(newest.size)).write_bytes(note)


def no_checkpoints(case: Path) -> None:
    for path in (case / layout.CHECKPOINTS).iterdir():
        path.unlink()


TAMPERING: dict[str, tuple[Change, str]] = {
    "a record altered": (edited("journal.jsonl", b'"peak":0.8', b'"peak":0.1'), "not those that"),
    "the end cut off": (last_line, "not those that"),
    "half a record": (cut("journal.jsonl", 5), "middle of a record"),
    "a clip altered": (edited(layout.clip_name(ONE), b"-> X25519", b"-> X25518"), "altered"),
    "a clip cut": (cut(layout.clip_name(ONE), 1), "cut"),
    "clips swapped": (swapped, "swapped"),
    "a clip taken": (lambda case: (case / layout.clip_name(ONE)).unlink(), "missing"),
    "a clip added": (
        lambda case: (case / layout.clip_name("a-001")).write_bytes(b"x"),
        "does not know",
    ),
    "another policy": (other_policy, "not the one that was agreed to"),
    "another's signature": (signed_by_another, "not signed by the key"),
    "no checkpoints": (no_checkpoints, "no checkpoint"),
    "no journal": (lambda case: (case / layout.JOURNAL).unlink(), "missing"),
    "not json": (edited("journal.jsonl", b'{"specversion"', b"[[[[["), "is no record"),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_the_verifier_finds_tampering(
    finished_case: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, says = TAMPERING[name]
    change(finished_case)
    assert verify_case.main([str(finished_case)]) == 1
    printed = capsys.readouterr().out
    assert any(says in line for line in printed.splitlines()), printed
    assert "passed" in printed.splitlines()[-1], "it must always come to an end"


@pytest.mark.parametrize(
    "name", ["encrypted-anew/x", "case/extra", f"encrypted-anew/{TWO}.mp4.age"]
)
def test_a_file_changed_in_an_export_is_found(
    anew: tuple[Path, x25519.Identity], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = anew[0] / name
    path.write_bytes(b"something else")
    assert verify_case.main([str(anew[0])]) == 1
    assert "1. NO" in capsys.readouterr().out


def test_a_list_that_its_signer_did_not_sign_is_found(
    anew: tuple[Path, x25519.Identity], capsys: pytest.CaptureFixture[str]
) -> None:
    path = anew[0] / "export.dsse"
    payload = sign.inspect(path.read_bytes())[0]
    other = keys.new_attempt_key("f" * 32)
    path.write_bytes(sign.envelope(payload, "application/vnd.proctor.export+json", [other]))
    assert verify_case.main([str(anew[0])]) == 1
    assert "not signed by the key that it names" in capsys.readouterr().out
