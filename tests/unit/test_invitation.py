"""Invitations: written, sent as a file or a link, opened once, gone on with, and refused in a sentence."""

from __future__ import annotations

import base64
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import invitation as documents
from policies import root, sign
from policies.errors import PolicyError
from policies.invitation import Invitation
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.session import invitation, trust
from proctor.session.plan import make_plan

INSTITUTION = "University of Both Shores"
POLICY = f"""
version = 3
id = "algebra"
institution = "{INSTITUTION}"
exam = "Algebra 1"
contact = "exams@shores.example"
stakes = "low"
hub = "https://hub.shores.example"
[purposes.camera]
alternative = "You sit the exam in a room with a person and no computer program."
[detectors.lighting]
[rules."light.dim"]
"""
KEY = Ed25519PrivateKey.generate()
ENVELOPE = sign.envelope(POLICY.encode(), sign.PAYLOAD_TYPE, [KEY])
ROOT = root.make(INSTITUTION, [root.public_text(KEY.public_key())], 1)
CODE = documents.new_code()
NOW = datetime(2027, 1, 31, 9, 0, tzinfo=UTC)


def made(**changes: object) -> Invitation:
    parts = {"policy": ENVELOPE.decode(), "root": ROOT, "code": CODE, **changes}
    return Invitation(**parts)  # type: ignore[arg-type]


@pytest.fixture
def file(proctor_home, tmp_path) -> Path:
    path = tmp_path / "algebra.proctor"
    path.write_bytes(documents.write(made(begins=NOW, ends=NOW + timedelta(hours=3))))
    return path


# The document.


def test_a_file_and_a_link_hold_the_same():
    whole = made(begins=NOW, ends=NOW + timedelta(hours=3))
    assert documents.parse(documents.write(whole), "a.proctor") == whole
    link = documents.link(whole)
    assert documents.parse_link(f"  {link}\n") == whole
    assert len(link) < 4000
    assert link.isascii()
    assert " " not in link


def test_codes_are_long_and_never_the_same():
    codes = {documents.new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(code) == 16 for code in codes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("policy"), "holds no policy"),
        (lambda d: d.update(policy="{}"), "envelope"),
        (lambda d: d.update(extra=1), "extra: there is no such key"),
        (lambda d: d.update(format=2), "format"),
        (lambda d: d.update(code="guess"), "code"),
        (lambda d: d.pop("code"), "a hub and no code"),
        (lambda d: d.update(begins="2027-01-31T08:00:00"), "time zone"),
        (lambda d: d.update(begins="2027-01-31T08:00Z", ends="2027-01-30T08:00Z"), "ends before"),
        (lambda d: d.update(root=ROOT.replace("Both", "No")), "belong together"),
        (
            lambda d: d.update(
                root=root.make(
                    INSTITUTION,
                    [root.public_text(Ed25519PrivateKey.generate().public_key())],
                    1,
                )
            ),
            "not signed by the keys it brings",
        ),
    ],
)
def test_what_is_broken_or_foreign_is_one_sentence(change, words):
    document = json.loads(documents.write(made()))
    change(document)
    with pytest.raises(PolicyError, match=words) as caught:
        documents.parse(json.dumps(document).encode(), "a.proctor")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "damaged"),
        (b"\xff\xfe\x00", "not text"),
        (b"[" * 100_000, "damaged"),
        (b'{"format": 1, "format": 1}', "twice"),
        (b"x" * (documents.MAX_BYTES + 1), "larger than"),
    ],
)
def test_what_is_no_invitation_is_one_sentence(raw, words):
    with pytest.raises(PolicyError, match=words):
        documents.parse(raw, "a.proctor")


def packed(raw: bytes) -> str:
    return documents.SCHEME + base64.urlsafe_b64encode(zlib.compress(raw, 9)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("open-proctor:", "damaged|cut off"),
        ("open-proctor:%%%%", "damaged"),
        ("https://example.org/join", "begin with open-proctor:"),
        (documents.link(made())[:-40], "cut off|damaged"),
        (packed(b"0" * 50_000_000), "larger than"),
        ("open-proctor:" + "A" * documents.MAX_LINK, "whole"),
    ],
)
def test_a_link_that_is_none_is_one_sentence(link, words):
    with pytest.raises(PolicyError, match=words):
        documents.parse_link(link)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2000), st.booleans())
def test_no_bytes_crash_the_parser(noise, at, as_link):
    whole = documents.link(made()).encode() if as_link else documents.write(made())
    changed = whole[: at % len(whole)] + noise + whole[at % len(whole) + len(noise) :]
    said = ""
    try:
        if as_link:
            documents.parse_link(changed.decode("latin-1"))
        else:
            documents.parse(changed, "a.proctor")
    except PolicyError as error:
        said = str(error)
    assert "\n" not in said


# On this computer.


def test_joining_keeps_what_an_exam_needs_and_nobody_is_trusted_before_a_person_looked(file):
    joined = invitation.join(str(file), now=NOW + timedelta(minutes=5))
    assert joined.state == "new"
    assert joined.policy.exam == "Algebra 1"
    assert joined.unknown is not None
    (line,) = invitation.fingerprints(joined.unknown)
    assert len(line.split()) == 8
    with pytest.raises(CheckFailed):
        make_plan(str(joined.policy_file), require_all=False)

    invitation.trust_root(joined)
    plan = make_plan(str(joined.policy_file), require_all=False)
    assert plan.policy.hub == "https://hub.shores.example"
    again = invitation.join(str(file), now=NOW + timedelta(minutes=6))
    assert again.folder == joined.folder
    assert again.unknown is None
    assert [one.folder for one in invitation.kept(pytest.fail)] == [joined.folder]


def test_it_can_be_used_in_its_time_only_and_the_clock_is_told(file):
    with pytest.raises(
        CheckFailed, match=r"from 2027-01-31 09:00 UTC on.*clock says 2027-01-30 09"
    ):
        invitation.join(str(file), now=NOW - timedelta(days=1))
    with pytest.raises(CheckFailed, match=r"until 2027-01-31 12:00 UTC.*exams@shores"):
        invitation.join(str(file), now=NOW + timedelta(days=1))
    assert invitation.kept(pytest.fail) == []


def test_an_exam_that_has_begun_goes_on_whatever_the_time_and_one_that_ended_does_not(file):
    joined = invitation.join(str(file), now=NOW)
    joined.case.mkdir()
    journal = joined.case / "journal.jsonl"
    journal.write_text('{"type": "consent.recorded"}\n{"type": "flag"}\n{"ty')
    later = invitation.join(str(file), now=NOW + timedelta(days=1))
    assert later.state == "begun"
    invitation.check_unused(later)
    journal.write_text('{"type": "consent.recorded"}\n{"type": "session.ended"}\n')
    with pytest.raises(CheckFailed, match="used on this computer already"):
        invitation.check_unused(later)


def test_another_institution_under_a_known_name_is_not_followed(file, tmp_path):
    invitation.trust_root(invitation.join(str(file), now=NOW))
    other = Ed25519PrivateKey.generate()
    foreign = made(
        policy=sign.envelope(POLICY.encode(), sign.PAYLOAD_TYPE, [other]).decode(),
        root=root.make(INSTITUTION, [root.public_text(other.public_key())], 1),
    )
    path = tmp_path / "foreign.proctor"
    path.write_bytes(documents.write(foreign))
    joined = invitation.join(str(path), now=NOW)
    assert joined.unknown is None  # the name is known, and the known keys decide
    with pytest.raises(CheckFailed):
        make_plan(str(joined.policy_file), require_all=False)
    assert len(trust.installed_roots()) == 1


def test_one_that_was_damaged_hides_no_other(file, proctor_home, capsys):
    joined = invitation.join(str(file), now=NOW)
    damaged = invitation.exams_dir() / "damaged-0" / invitation.INVITATION
    damaged.parent.mkdir()
    damaged.write_text('{"format": 1, "pol')
    assert main(["my-data"]) == 0
    told = capsys.readouterr()
    assert joined.folder.name in told.out
    assert "damaged-0" in told.err
    assert told.err.count("\n") == 1


def test_without_a_root_file_an_unknown_institution_is_said(proctor_home, tmp_path):
    path = tmp_path / "bare.proctor"
    path.write_bytes(documents.write(made(root="")))
    with pytest.raises(CheckFailed, match="does not know 'University of Both Shores'"):
        invitation.join(str(path), now=NOW)


def test_a_file_that_is_not_there_says_what_to_give(proctor_home, tmp_path):
    with pytest.raises(InputError, match="give the file you were sent"):
        invitation.join(str(tmp_path / "none.proctor"))


# The commands.


def test_from_a_signed_policy_to_an_invitation_and_back(proctor_home, tmp_path, capsys):
    (tmp_path / "p.dsse").write_bytes(ENVELOPE)
    (tmp_path / "root.toml").write_text(ROOT)
    given = ["invite", "--policy", str(tmp_path / "p.dsse"), "--root", str(tmp_path / "root.toml")]
    out = str(tmp_path / "a.proctor")
    assert main([*given, "--out", out]) == 2
    assert "a hub and no code" in capsys.readouterr().err
    assert main([*given, "--code", CODE]) == 2
    assert "--out FILE, or --link" in capsys.readouterr().err
    assert main([*given, "--code", CODE, "--out", out, "--link"]) == 0
    link = capsys.readouterr().out.splitlines()[-1]
    assert documents.parse_link(link) == invitation.read(out)
    assert main([*given, "--code", CODE, "--out", out]) == 2
    assert "there already" in capsys.readouterr().err

    # Nobody is at a terminal here to compare the keys.
    assert main(["exam", out, "--terminal", "--consent", "all"]) == 2
    assert "Compare its keys" in capsys.readouterr().err
    assert main(["exam", out, "--terminal", "--policy", "standard"]) == 2
    assert "--policy cannot be given" in capsys.readouterr().err
    assert main(["exam", "--terminal"]) == 2
    assert "Give an invitation" in capsys.readouterr().err
