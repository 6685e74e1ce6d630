"""A student's own key: made beside the case, under a passphrase, one more recipient of clips and of nothing else."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest
from pyrage import x25519

from policies import load
from policies.consent import accept_all
from policies.schema import Policy
from policies.texts import texts
from proctor.cli import exam
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import layout
from proctor.evidence.keys import LockedError, load_identity
from proctor.session import own_copy
from proctor.session.recipients import scan_recipients

PASSPHRASE = "four geese over the lake"


@pytest.fixture
def policy() -> Policy:
    standard, _ = load.read("standard")
    return standard.model_copy(update={"student_copy": True})


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return tmp_path / "exam" / "case"


def test_no_preset_gives_it_away_unasked() -> None:
    found = {name: load.read(name)[0].student_copy for name in load.preset_names()}
    assert found
    assert not any(found.values())


def test_the_key_lies_beside_the_case_and_opens_what_is_sealed_for_it(
    policy: Policy, case: Path
) -> None:
    made = own_copy.make(policy, case, PASSPHRASE)
    assert made.path.parent == case.parent
    assert not case.exists()
    assert made.recipient not in scan_recipients(policy)
    proctor = x25519.Identity.generate()
    sealed = pyrage.encrypt(
        b"a clip", [proctor.to_public(), x25519.Recipient.from_str(made.recipient)]
    )
    assert own_copy.find(case, [made.recipient]) == made
    identities = load_identity(made.path, lambda _: PASSPHRASE)
    assert pyrage.decrypt(sealed, identities) == b"a clip"


def test_without_the_passphrase_it_opens_nothing(policy: Policy, case: Path) -> None:
    made = own_copy.make(policy, case, PASSPHRASE)
    assert b"AGE-SECRET-KEY" not in made.path.read_bytes()
    with pytest.raises(LockedError, match="passphrase is wrong"):
        load_identity(made.path, lambda _: PASSPHRASE.upper())


def test_a_key_of_an_exam_that_never_began_is_never_taken_away(policy: Policy, case: Path) -> None:
    first = own_copy.make(policy, case, PASSPHRASE)
    second = own_copy.make(policy, case, PASSPHRASE)
    assert first.path != second.path
    assert own_copy.find(case, [first.recipient]) == first
    assert own_copy.find(case, [second.recipient]) == second
    assert own_copy.find(case, ["age1" + "q" * 58]) is None


def test_a_damaged_public_half_fits_no_clip_and_stops_nothing(policy: Policy, case: Path) -> None:
    made = own_copy.make(policy, case, PASSPHRASE)
    made.path.with_suffix(".recipient").write_text("age1 something else\n")
    assert own_copy.find(case, [made.recipient]) is None


@pytest.mark.parametrize(
    ("update", "passphrase", "words"),
    [
        ({"student_copy": False}, PASSPHRASE, "gives students no key of their own"),
        ({"purposes": {}}, PASSPHRASE, "gives students no key of their own"),
        ({}, "four geese", "at least 15 characters"),
        ({}, "", "needs a passphrase"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_makes_nothing(
    policy: Policy, case: Path, update: dict[str, object], passphrase: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        own_copy.make(policy.model_copy(update=update), case, passphrase)
    assert not list(case.parent.glob("*.key"))


def test_an_exam_that_has_begun_gets_no_further_key(policy: Policy, case: Path) -> None:
    case.mkdir(parents=True)
    (case / layout.JOURNAL).write_text("{}\n")
    with pytest.raises(InputError, match="has begun"):
        own_copy.make(policy, case, PASSPHRASE)


def test_the_terminal_refuses_it_where_the_policy_does(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    arguments = ["exam", "--policy", "minimal", "--case", str(case), "--own-copy"]
    assert main([*arguments, "--consent", "all"]) == 2
    assert "no key of their own" in capsys.readouterr().err
    assert not case.exists()


def test_the_terminal_makes_it_only_for_who_agrees_to_clips(
    policy: Policy, case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words"
    words.write_text(PASSPHRASE)
    words.chmod(0o600)
    arguments = argparse.Namespace(case=case, passphrase_file=str(words))
    yes = accept_all(policy)
    no = replace(yes, granted={**yes.granted, "clips": False})
    assert exam._own_key(arguments, policy, no, texts()) == ()
    assert not case.parent.exists()
    assert "said no to clips" in capsys.readouterr().err
    (recipient,) = exam._own_key(arguments, policy, yes, texts())
    made = own_copy.find(case, [recipient])
    assert made is not None
    assert str(made.path) in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("age") is None, reason="the age tool is not installed")
def test_the_age_tool_knows_the_key(policy: Policy, case: Path) -> None:
    made = own_copy.make(policy, case, PASSPHRASE)
    done = subprocess.run(
        ["age", "-e", "-r", made.recipient, "-o", "-"], input=b"x", capture_output=True, check=True
    )
    assert pyrage.decrypt(done.stdout, load_identity(made.path, lambda _: PASSPHRASE)) == b"x"
