"""Who looked at a case: on record before it happens, signed on their own machine, checked by all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import load, sign
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError, MissingError
from proctor.evidence import access, keys, layout, retention, verify_case, view
from proctor.evidence.case import Case
from proctor.evidence.clearing import clear, files_of
from proctor.evidence.export import export
from proctor.evidence.hold import Hold
from proctor.evidence.hold import write as write_hold
from proctor.evidence.opening import opened
from proctor.evidence.page import write_page
from proctor.evidence.retention import due
from proctor.evidence.seal import NoKeyError
from proctor.evidence.verify import verify
from proctor.types import Clip

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ONE, TWO = "object.phone-001", "object.phone-002"


def reader(name: str = "Dr Ada Stone") -> access.Reader:
    return access.local_reader(name)


def failed(folder: Path) -> dict[str, str]:
    return {check.code: check.detail for check in verify(folder) if not check.ok}


def look(folder: Path, who: access.Reader, flag: str = ONE, **more: object) -> bytes:
    return opened(view.read(folder), flag, [keys.demo_identity()], who, now=NOW, **more)  # type: ignore[arg-type]


def log_of(folder: Path) -> Path:
    (path,) = access.logs(folder)
    return path


def test_an_opening_is_on_record_with_who_what_and_why(
    finished_case: Path, real_clip: Clip
) -> None:
    assert look(finished_case, reader(), reason="The first look.") == real_clip.data
    look(finished_case, reader(), TWO)
    first, second = access.read(finished_case)
    assert (first.who, first.reason, first.flags) == ("Dr Ada Stone", "The first look.", (ONE,))
    assert first.when == NOW
    assert second.flags == (TWO,)
    assert failed(finished_case) == {}
    (told,) = (c.detail for c in verify(finished_case) if c.code == "access")
    assert "3 signed records, kept by the machine with key " in told
    assert " for Dr Ada Stone." in told


def test_nothing_is_handed_out_when_it_cannot_be_recorded(
    finished_case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (finished_case / layout.ACCESS).write_text("in the way")
    with pytest.raises(MissingError, match="Cannot write the access log"):
        look(finished_case, reader())


def test_what_did_not_open_is_no_opening(finished_case: Path, proctor_home: Path) -> None:
    (other,) = keys.load_identity(keys.new_identity("other").path)
    with pytest.raises(NoKeyError):
        opened(view.read(finished_case), ONE, [other], reader())
    with pytest.raises(InputError, match="no clip of a flag"):
        opened(view.read(finished_case), "object.phone-009", [keys.demo_identity()], reader())
    assert access.read(finished_case) == []


@pytest.mark.parametrize("how", ["written", "escrow"])
def test_what_leaves_memory_needs_a_reason(finished_case: Path, how: str) -> None:
    with pytest.raises(InputError, match="give --reason"):
        look(finished_case, reader(), reason="  ", **{how: True})


def test_two_reviewers_keep_two_logs(
    finished_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = keys.demo_identity()
    look(finished_case, reader("Ada"))
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "second machine"))
    opened(view.read(finished_case), TWO, [demo], reader("Ben"), now=NOW)
    assert sorted(one.who for one in access.read(finished_case)) == ["Ada", "Ben"]
    assert len(access.logs(finished_case)) == 2
    assert failed(finished_case) == {}


def test_a_name_stays_one_line_and_an_empty_one_is_refused(finished_case: Path) -> None:
    look(finished_case, access.local_reader("Ada\n\x1b[31mStone" + "x" * 900))
    (one,) = access.read(finished_case)
    assert "\n" not in one.who
    assert len(one.who) <= access.MAX_NAME
    with pytest.raises(InputError, match="--name"):
        access.local_reader(" \n ")


# A hostile reader, or one who would rather not have looked.


def _reworded(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"The first look.", b"Nobody looked. "))


def _last_gone(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def _two_more(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    for number in (len(lines) + 1, len(lines) + 2):
        event = {**json.loads(lines[-1]), "id": str(number)}
        path.write_bytes(path.read_bytes() + json.dumps(event).encode() + b"\n")


def _another_name(path: Path) -> None:
    for suffix in (".jsonl", ".note"):
        path.with_suffix(suffix).rename(path.with_name("0" * 16 + suffix))


def _no_note(path: Path) -> None:
    path.with_suffix(".note").unlink()


def _half_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _another_key(path: Path) -> None:
    """Signed anew by a stranger under the old name."""
    from proctor.evidence import checkpoint, tree

    whole = tree.Tree()
    for line in path.read_bytes().splitlines():
        whole.append(tree.leaf_hash(line))
    attempt = view.read(path.parents[1]).attempt
    signed = checkpoint.Checkpoint(
        access.origin(attempt, path.stem), whole.size, whole.root(whole.size)
    )
    path.with_suffix(".note").write_bytes(checkpoint.sign(signed, Ed25519PrivateKey.generate()))


TAMPERING: list[Callable[[Path], None]] = [
    _reworded,
    _last_gone,
    _two_more,
    _another_name,
    _no_note,
    _half_a_line,
    _another_key,
]


@pytest.mark.parametrize("tamper", TAMPERING)
def test_both_verifiers_find_a_log_that_was_changed(
    finished_case: Path, tamper: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    look(finished_case, reader(), reason="The first look.")
    look(finished_case, reader(), TWO)
    assert verify_case.main([str(finished_case)]) == 0
    tamper(log_of(finished_case))
    assert list(failed(finished_case)) in (["access"], ["access", "holds"])
    capsys.readouterr()
    assert verify_case.main([str(finished_case)]) == 1
    assert "NO  The logs of who opened what" in capsys.readouterr().out


@pytest.mark.parametrize("tamper", [_reworded, _last_gone, _two_more, _no_note, _another_key])
def test_nothing_is_added_to_a_log_that_was_changed(
    finished_case: Path, tamper: Callable[[Path], None]
) -> None:
    look(finished_case, reader(), reason="The first look.")
    look(finished_case, reader(), TWO)
    tamper(log_of(finished_case))
    with pytest.raises(CheckFailed, match="was changed, so nothing is opened"):
        look(finished_case, reader())


def test_a_log_of_another_case_is_found(
    finished_case: Path, begin_case: Callable, tmp_path: Path
) -> None:  # type: ignore[type-arg]
    look(finished_case, reader())
    other = begin_case(tmp_path / "other")
    other.close()
    shutil.copytree(finished_case / layout.ACCESS, tmp_path / "other" / layout.ACCESS)
    assert "access" in failed(tmp_path / "other")


def test_a_crash_between_record_and_signature_leaves_a_log_that_goes_on(
    finished_case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not signed had not happened: the record goes, and the next one comes."""
    look(finished_case, reader(), reason="The first look.")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    for before in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(access, "_sign", crash)
            with pytest.raises(KeyboardInterrupt):
                look(finished_case, reader(), TWO)
        (told,) = (c.detail for c in verify(finished_case) if c.code == "access")
        assert "1 last records are not signed" in told
        assert len(access.read(finished_case)) == 2, before
    look(finished_case, reader(), TWO, reason="Again.")
    assert [one.reason for one in access.read(finished_case)] == ["The first look.", "Again."]
    assert failed(finished_case) == {}


def test_a_crash_before_the_first_signature_leaves_no_log(
    finished_case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(access, "_sign", crash)
        with pytest.raises(KeyboardInterrupt):
            look(finished_case, reader())
    look(finished_case, reader(), reason="Now.")
    assert [one.reason for one in access.read(finished_case)] == ["Now."]
    assert failed(finished_case) == {}


def test_two_programs_take_turns(finished_case: Path, proctor_home: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from proctor.evidence import access, view\n"
        "case = view.read(Path(sys.argv[1])); who = access.local_reader(sys.argv[2])\n"
        "for n in range(8): access.note(case, who, access.OPENED, {'flags': [f'f-{n}']})"
    )
    keys.reviewer_key()
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(finished_case), name])
        for name in ("Ada", "Ben")
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(access.read(finished_case)) == 16
    assert failed(finished_case) == {}


# The commands.


def test_show_and_its_page_and_an_export_are_on_record(
    finished_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.demo_identity()
    case, page = str(finished_case), str(tmp_path / "page.html")
    words = ["case", "show", case, "--html", page, "--identity", "demo", "--name", "Ada"]
    assert main([*words, "--embed-clips"]) == 2
    assert "give --reason" in capsys.readouterr().err
    assert main([*words, "--embed-clips", "--reason", "The board meets."]) == 0
    target = str(tmp_path / "out.zip")
    assert main(["case", "export", case, "--to", target, "--flags", ONE, "--name", "Ada"]) == 0
    capsys.readouterr()
    assert main(["case", "show", case]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Ada: A page with pictures and sound was written" in told
    assert "Why: The board meets." in told
    assert f"Ada: An export was made with the clips of {ONE}, as they were sealed." in told
    assert main(["case", "show", case, "--json"]) == 0
    looks = json.loads(capsys.readouterr().out)["looks"]
    assert [one["kind"] for one in looks] == [access.SHOWN, access.EXPORTED]
    assert main(["case", "verify", case]) == 0


def test_the_page_says_what_holds_a_case_and_how_often_it_was_looked_at(
    finished_case: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert "handed on" not in write_page(finished_case, page).read_text("utf-8")
    look(finished_case, reader("Ada"))
    look(finished_case, reader("Ben"))
    attempt = view.read(finished_case).attempt
    paper = Hold(
        attempt, frozenset(), "The <b>board", "An appeal.", datetime(2199, 1, 1, tzinfo=UTC)
    )
    (finished_case / layout.HOLDS).mkdir()
    (finished_case / layout.hold_name(1)).write_bytes(write_hold(paper, [keys.reviewer_key()]))
    told = write_page(finished_case, page).read_text("utf-8")
    assert "opened, shown or handed on 2 times, by 2 people" in told
    assert "The &lt;b&gt;board holds this case until 2199-01-01" in told


def test_a_page_without_pictures_is_nobodys_look(finished_case: Path, tmp_path: Path) -> None:
    words = ["case", "show", str(finished_case), "--html", str(tmp_path / "page.html")]
    assert main(words) == 0
    assert access.logs(finished_case) == []


def test_T1_the_logs_go_with_the_whole_case(finished_case: Path) -> None:  # noqa: N802
    look(finished_case, reader())
    case = view.read(finished_case)
    policy = load.parse(case.policy, "of the case")
    now = NOW + timedelta(days=policy.retention.journal_days + 1)
    found = due([retention.kept(case, files_of(finished_case))], policy, now)
    clear(finished_case, found, now)
    assert not finished_case.exists()


# A hostile log.


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case with a log, for many small changes."""
    folder = tmp_path_factory.mktemp("looked at")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(folder / "home"))
        raw = load.read("standard")[1]
        case = Case.create(
            folder / "case",
            policy_envelope=sign.envelope(raw, sign.PAYLOAD_TYPE, [keys.local_signing_key()]),
            consent={
                "policy": {"id": "standard", "version": 1, "sha256": sha256(raw).hexdigest()},
                "granted": {"camera": True},
                "recipients": [],
            },
            wall=lambda t: NOW,
        )
        case.close()
        for number in range(3):
            facts = {"flags": [f"f-{number}"], "key": "age1"}
            access.note(view.read(folder / "case"), reader(), access.OPENED, facts, now=NOW)
    return folder / "case"


_CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 6), st.binary(max_size=6)), min_size=1, max_size=3
)


@settings(max_examples=150, deadline=None)
@given(_CHANGES, st.sampled_from([".jsonl", ".note"]))
def test_no_changed_byte_is_believed_and_none_stops_the_verifier(
    looked_at: Path, changes: list[tuple[float, int, bytes]], suffix: str
) -> None:
    path = log_of(looked_at).with_suffix(suffix)
    true = path.read_bytes()
    changed = true
    for where, length, new in changes:
        at = round(where * len(changed))
        changed = changed[:at] + new + changed[at + length :]
    path.write_bytes(changed)
    try:
        (check,) = (c for c in verify(looked_at) if c.code == "access")
        told = verify_case.check_access(_read_by_the_other(looked_at)) if check.ok else ""
        assert check.ok == (changed == true) or suffix == ".note", check.detail
        if check.ok:
            assert "the machine with key" in told
    finally:
        path.write_bytes(true)


def _read_by_the_other(folder: Path) -> verify_case.Case:
    case = verify_case.Case(folder, None)
    verify_case.check_journal(case)
    return case


def test_more_logs_than_a_case_can_have_are_not_read(finished_case: Path) -> None:
    below = finished_case / layout.ACCESS
    below.mkdir()
    for number in range(access.MAX_LOGS + 1):
        (below / f"{number:016x}.jsonl").write_bytes(b"")
    assert "more than 100" in failed(finished_case)["access"]
    with pytest.raises(InputError, match="more than 100 access logs"):
        access.read(finished_case)
    with pytest.raises(InputError, match="more than 100 access logs"):
        export(finished_case, finished_case.parent / "out.zip", reader=reader())


def test_a_log_too_large_to_be_one_is_not_read(finished_case: Path) -> None:
    look(finished_case, reader())
    with log_of(finished_case).open("ab") as file:
        file.truncate(access.MAX_LOG + 1)
    assert "too large" in failed(finished_case)["access"]
