"""Escrow: so many holders together open a clip, fewer do not, and the spare key is on no disk."""

from __future__ import annotations

import math
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrage import x25519

from policies import load
from policies.schema import Policy
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import access, escrow, keys
from proctor.evidence.case import Case
from proctor.evidence.seal import NoKeyError, seal, unseal
from proctor.evidence.verify import verify
from proctor.session.plan import make_plan
from proctor.session.recipients import choose_recipients
from proctor.types import Clip

go_age = pytest.mark.skipif(
    shutil.which("age") is None, reason="the age tool is not installed (`apt install age`)"
)


def people(count: int) -> list[x25519.Identity]:
    return [x25519.Identity.generate() for _ in range(count)]


def public(holders: list[x25519.Identity]) -> list[str]:
    return [str(holder.to_public()) for holder in holders]


def chosen(name: str) -> list[int]:
    return [int(part) - 1 for part in name.removeprefix("escrow-").split(".")[0].split("-")]


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_every_choice_of_enough_holders_opens_and_fewer_do_not(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 5))
    threshold = data.draw(st.integers(2, count))
    holders = people(count)
    made = escrow.make(public(holders), threshold)
    assert len(made.files) == math.comb(count, threshold)
    name = data.draw(st.sampled_from(sorted(made.files)))
    layered = made.files[name]
    *first, last = chosen(name)
    for place in first:
        with pytest.raises(NoKeyError, match="another holder's turn"):
            escrow.peel(layered, [h for i, h in enumerate(holders) if i != place])
        with pytest.raises(InputError, match="Another holder's layer is left"):
            escrow.last(layered, [holders[place]], made.recipient)
        layered = escrow.peel(layered, [holders[place]])
        assert layered.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
    with pytest.raises(InputError, match="not written to a disk"):
        escrow.peel(layered, [holders[last]])
    found = escrow.last(layered, [holders[last]], made.recipient)
    assert str(found.to_public()) == made.recipient


def test_all_holders_but_one_together_know_nothing() -> None:
    holders = people(3)
    made = escrow.make(public(holders), 3)
    (layered,) = made.files.values()
    with pytest.raises(NoKeyError):
        escrow.peel(layered, holders[1:])
    rest = escrow.peel(layered, holders)
    with pytest.raises(NoKeyError):
        escrow.last(escrow.peel(rest, holders), holders[:2], made.recipient)


@pytest.mark.parametrize(
    ("count", "threshold", "words"),
    [
        (2, 1, "at least 2"),
        (2, 3, "no more than there are"),
        (10, 2, "at most 9"),
        (0, 2, "cannot be"),
    ],
)
def test_outside_the_ceilings_there_is_no_escrow(count: int, threshold: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        escrow.make(public(people(count)), threshold)


def test_a_holder_counts_once_and_a_secret_key_is_no_holder() -> None:
    (one,) = people(1)
    with pytest.raises(InputError, match="named twice"):
        escrow.make([str(one.to_public())] * 2, 2)
    with pytest.raises(InputError, match="A secret key was given"):
        escrow.make([str(one), str(one.to_public())], 2)


def test_the_largest_escrow_is_made_and_bounded() -> None:
    made = escrow.make(public(people(9)), 4)
    assert len(made.files) == 126
    assert max(map(len, escrow.make(public(people(9)), 9).files.values())) < escrow.MAX_BYTES


@pytest.mark.parametrize("raw", [b"", b"words", b"-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n"])
def test_a_file_that_is_none_is_one_sentence(raw: bytes) -> None:
    with pytest.raises(InputError, match=r"no escrow file|is damaged"):
        escrow.peel(raw, people(1))
    with pytest.raises(InputError, match="no escrow file"):
        escrow.peel(b"-----BEGIN AGE" + bytes(escrow.MAX_BYTES), people(1))


def test_the_key_of_another_escrow_is_said() -> None:
    holders = people(2)
    made, other = escrow.make(public(holders), 2), escrow.make(public(holders), 2)
    (layered,) = made.files.values()
    with pytest.raises(InputError, match="of another escrow"):
        escrow.last(escrow.peel(layered, [holders[0]]), [holders[1]], other.recipient)


@go_age
def test_the_go_tool_opens_every_layer_and_then_the_clip(tmp_path: Path, real_clip: Clip) -> None:
    held = [keys.new_identity(name, tmp_path) for name in ("anna", "ben", "cleo")]
    made = escrow.make([one.recipient for one in held], 2)
    layered = made.files["escrow-1-3.age"]
    for one in (held[0], held[2]):
        layered = subprocess.run(
            ["age", "-d", "-i", str(one.path)], input=layered, capture_output=True, check=True
        ).stdout
    spare = tmp_path / "spare.key"
    keys.write_secret(spare, layered)
    sealed = seal(real_clip, [made.recipient])
    ran = subprocess.run(
        ["age", "-d", "-i", str(spare)], input=sealed.ciphertext, capture_output=True, check=True
    )
    assert ran.stdout == real_clip.data


# The policy, and a case.


def with_escrow(made: escrow.Escrow, policy: Policy) -> Policy:
    table = {
        "recipient": made.recipient,
        "threshold": made.threshold,
        "holders": made.holders,
    }
    return Policy.model_validate({**policy.model_dump(), "escrow": table})


def test_clips_are_sealed_for_the_escrow_as_well(proctor_home: Path, real_clip: Clip) -> None:
    holders = people(2)
    made = escrow.make(public(holders), 2)
    plan = make_plan("standard", require_all=False)
    assert choose_recipients(plan, []) == (keys.demo_recipient(),)
    plan = replace(plan, policy=with_escrow(made, plan.policy))
    recipients = choose_recipients(plan, [])
    assert recipients == (keys.demo_recipient(), made.recipient)
    sealed = seal(real_clip, recipients)
    (layered,) = made.files.values()
    spare = escrow.last(escrow.peel(layered, holders[:1]), holders[1:], made.recipient)
    assert unseal(sealed.ciphertext, [spare], sha256=sealed.sha256) == real_clip.data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"holders": ()}, "go together"),
        ({"recipient": ""}, "go together"),
        ({"threshold": 3}, "3 of 2 holders"),
        ({"threshold": 1}, "greater than or equal to 2"),
    ],
)
def test_an_escrow_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    made = escrow.make(public(people(2)), 2)
    table = {"recipient": made.recipient, "threshold": 2, "holders": made.holders, **change}
    policy = load.read("standard")[0]
    with pytest.raises(ValueError, match=words):
        Policy.model_validate({**policy.model_dump(), "escrow": table})
    twice = {"recipient": made.recipient, "threshold": 2, "holders": made.holders}
    with pytest.raises(ValueError, match="is among the recipients"):
        Policy.model_validate(
            {**policy.model_dump(), "recipients": (made.recipient,), "escrow": twice}
        )


@pytest.fixture
def ceremony(tmp_path: Path, proctor_home: Path) -> list[keys.KeyFile]:
    """Three holders, and the escrow that two of them are enough for, made by the command."""
    held = [keys.new_identity(name, tmp_path / name) for name in ("anna", "ben", "cleo")]
    words = ["keys", "escrow", "new", "--threshold", "2", "--out", str(tmp_path / "escrow")]
    assert main([*words, "--holders", *(one.recipient for one in held)]) == 0
    return held


def test_the_command_writes_nested_files_and_the_table_for_the_policy(
    ceremony: list[keys.KeyFile], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "escrow"
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["escrow-1-2.age", "escrow-1-3.age", "escrow-2-3.age", "escrow.toml"]
    table = tomllib.loads((folder / "escrow.toml").read_text("utf-8"))["escrow"]
    assert table["holders"] == [one.recipient for one in ceremony]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix != ".key":
            assert b"AGE-SECRET-KEY" not in path.read_bytes(), path
    capsys.readouterr()
    again = ["keys", "escrow", "new", "--threshold", "2", "--out", str(folder), "--holders"]
    assert main([*again, *(one.recipient for one in ceremony)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_two_holders_open_a_clip_and_it_is_on_record(
    ceremony: list[keys.KeyFile],
    tmp_path: Path,
    begin_case: Callable[..., Case],
    add_flag: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = tomllib.loads((tmp_path / "escrow" / "escrow.toml").read_text("utf-8"))["escrow"]
    text = load.read("standard")[1].decode("utf-8") + (
        f'\n[escrow]\nrecipient = "{table["recipient"]}"\nthreshold = 2\nholders = {table["holders"]}\n'
    )
    monkeypatch.setattr(load, "read", lambda name: (None, text.encode("utf-8")))
    monkeypatch.setattr(keys, "demo_recipient", lambda: table["recipient"])
    with_case = begin_case()
    add_flag(with_case, "object.phone-001", 5.0)
    with_case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    with_case.close()
    monkeypatch.undo()
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    case = str(tmp_path / "case")

    passed_on = tmp_path / "for-cleo.age"
    peel = ["keys", "escrow", "peel", str(tmp_path / "escrow" / "escrow-1-3.age")]
    assert main([*peel, "--identity", str(ceremony[1].path), "--out", str(passed_on)]) == 1
    assert "another holder's turn" in capsys.readouterr().err
    assert main([*peel, "--identity", str(ceremony[0].path), "--out", str(passed_on)]) == 0
    check = ["keys", "escrow", "check", str(passed_on), "--identity", str(ceremony[2].path)]
    assert main([*check, "--table", str(tmp_path / "escrow" / "escrow.toml")]) == 0
    other = tmp_path / "other.toml"
    other.write_text(f'[escrow]\nrecipient = "{ceremony[0].recipient}"\n')
    assert main([*check, "--table", str(other)]) == 2
    assert "of another escrow" in capsys.readouterr().err
    assert main([*check, "--table", str(passed_on)]) == 2
    assert "names no escrow key" in capsys.readouterr().err

    words = ["case", "open", case, "object.phone-001", "--escrow", str(passed_on)]
    assert main(words) == 2
    assert "--identity as well" in capsys.readouterr().err
    words += ["--identity", str(ceremony[2].path), "--name", "Cleo Hart"]
    assert main(words) == 2
    assert "give --reason" in capsys.readouterr().err
    assert access.read(tmp_path / "case") == [], "what was refused is no opening"
    assert main([*words, "--reason", "Both reviewers left."]) == 0
    assert "160x120" in capsys.readouterr().out
    (look,) = access.read(tmp_path / "case")
    assert (look.who, look.reason) == ("Cleo Hart", "Both reviewers left.")
    assert "with the spare key" in look.what
    assert [check.code for check in verify(tmp_path / "case") if not check.ok] == []
    assert all(b"AGE-SECRET-KEY" not in path.read_bytes()
               for path in tmp_path.rglob("*")
               if path.is_file() and path.suffix != ".key")  # fmt: skip


def test_a_case_without_an_escrow_says_so(
    finished_case: Path, ceremony: list[keys.KeyFile], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["case", "open", str(finished_case), "object.phone-001", "--reason", "A test.",
             "--escrow", str(tmp_path / "escrow" / "escrow-1-2.age"),
             "--identity", str(ceremony[0].path)]  # fmt: skip
    assert main(words) == 2
    assert "names no escrow" in capsys.readouterr().err


def test_pyrage_and_we_agree_on_what_a_layer_is() -> None:
    holders = people(2)
    (layered,) = escrow.make(public(holders), 2).files.values()
    inner = pyrage.decrypt(pyrage.decrypt(layered, holders[:1]), holders[1:])
    assert inner.count(b"AGE-SECRET-KEY-1") == 1
