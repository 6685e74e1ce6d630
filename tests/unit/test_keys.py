"""Keys: made once, kept from others, never overwritten."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from proctor.errors import InputError, MissingError
from proctor.evidence import keys

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no mode bits")


def run(*arguments: str) -> int:
    import argparse

    from proctor.cli import keys as cli

    parser = argparse.ArgumentParser()
    cli.add(parser.add_subparsers())
    parsed = parser.parse_args(["keys", *arguments])
    return parsed.run(parsed)


@posix
def test_secrets_are_for_their_owner_alone(proctor_home: Path) -> None:
    keys.new_identity("anna")
    keys.local_signing_key()
    keys.new_attempt_key("a" * 32)
    files = [path for path in proctor_home.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_a_key_file_is_one_the_age_tools_read(proctor_home: Path) -> None:
    made = keys.new_identity("anna")
    lines = made.path.read_text().splitlines()
    assert [line[:2] for line in lines[:2]] == ["# ", "# "]
    assert lines[1] == f"# public key: {made.recipient}"
    assert lines[2].startswith("AGE-SECRET-KEY-1")
    (identity,) = keys.load_identity(made.path)
    assert str(identity.to_public()) == made.recipient


def test_a_key_is_never_overwritten(proctor_home: Path) -> None:
    made = keys.new_identity("anna")
    before = made.path.read_bytes()
    with pytest.raises(InputError, match="There is a key 'anna' already"):
        keys.new_identity("anna")
    assert made.path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b", "a\n"])
def test_a_name_that_could_lead_elsewhere_is_refused(proctor_home: Path, name: str) -> None:
    with pytest.raises(InputError, match="is no name for a key"):
        keys.new_identity(name)


@posix
def test_a_key_that_others_can_read_is_refused_with_the_command_that_mends_it(
    proctor_home: Path,
) -> None:
    made = keys.new_identity("anna")
    made.path.chmod(0o640)
    with pytest.raises(InputError, match=f"chmod 600 {made.path}"):
        keys.load_identity(made.path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "holds no key"),
        (b"# only words\n", "holds no key"),
        (b"age1qqqq\n", "Line 1 .* no age X25519 secret key"),
        (b"\xff\n", "not plain text"),
        (b"x" * 30_000, "too large"),
    ],
)
def test_a_file_that_is_no_key_is_one_sentence(tmp_path: Path, text: bytes, sentence: str) -> None:
    path = tmp_path / "k"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(InputError, match=sentence):
        keys.load_identity(path)
    with pytest.raises(InputError, match="cannot be read"):
        keys.load_identity(tmp_path / "missing")


def test_the_demo_and_practice_keys_are_made_once(proctor_home: Path) -> None:
    assert keys.demo_recipient() == keys.demo_recipient() == str(keys.demo_identity().to_public())
    first, second = keys.local_signing_key(), keys.local_signing_key()
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert [key.name for key in keys.list_identities()] == ["demo"]


def test_a_damaged_signing_key_is_one_sentence(proctor_home: Path) -> None:
    keys.local_signing_key()
    (path,) = proctor_home.glob("*.key")
    path.write_bytes(b"AAAA\n")
    with pytest.raises(InputError, match="is damaged"):
        keys.local_signing_key()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingError, match="Cannot write the key"):
        keys.new_identity("anna", tmp_path / "file")


def test_the_command_line_makes_and_lists_keys(
    proctor_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    assert "No keys in" in capsys.readouterr().out
    assert run("new", "berta", "--dir", str(tmp_path / "own")) == 0
    printed = capsys.readouterr().out
    assert run("list", "--json", "--dir", str(tmp_path / "own")) == 0
    (listed,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert listed["name"] == "berta"
    assert listed["recipient"] in printed
    assert "AGE-SECRET-KEY" not in printed
    assert listed["file"] in printed


# Under a passphrase. Each use costs about a second by design, so one key serves all of them.

SECRET = "four quiet boats drift"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> keys.KeyFile:
    return keys.new_identity("anna", tmp_path_factory.mktemp("locked"), SECRET)


def test_a_key_under_a_passphrase_opens_with_it_alone(locked: keys.KeyFile) -> None:
    raw = locked.path.read_bytes()
    assert raw.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
    assert b"AGE-SECRET-KEY" not in raw
    asked: list[Path] = []

    def ask(path: Path) -> str:
        asked.append(path)
        return SECRET

    (identity,) = keys.load_identity(locked.path, ask)
    assert str(identity.to_public()) == locked.recipient
    assert asked == [locked.path], "asked once"
    with pytest.raises(InputError, match="the passphrase is wrong"):
        keys.load_identity(locked.path, lambda path: SECRET + "!")
    with pytest.raises(InputError, match="cannot be asked here"):
        keys.load_identity(locked.path)


def test_a_locked_key_is_listed_without_its_passphrase(locked: keys.KeyFile) -> None:
    (listed,) = keys.list_identities(locked.path.parent)
    assert listed == locked
    assert keys.recipient_of(str(locked.path.with_suffix(keys.PUBLIC_SUFFIX))) == locked.recipient


@posix
def test_a_locked_key_that_others_can_read_is_refused_before_anyone_is_asked(
    locked: keys.KeyFile, tmp_path: Path
) -> None:
    path = tmp_path / "anna.key"
    path.write_bytes(locked.path.read_bytes())
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        keys.load_identity(path, lambda path: pytest.fail("asked"))


def test_a_short_passphrase_makes_no_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 15 characters"):
        keys.new_identity("anna", tmp_path, "short")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_takes_a_passphrase_from_a_file(
    proctor_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    words = ["new", "cleo", "--dir", str(tmp_path / "own"), "--passphrase-file", str(secret)]
    assert run(*words) == 0
    printed = capsys.readouterr().out
    assert SECRET not in printed
    assert run("list", "--dir", str(tmp_path / "own")) == 0
    assert "(passphrase)" in capsys.readouterr().out
    assert (tmp_path / "own" / "cleo.recipient").read_text().strip() in printed
    with pytest.raises(InputError, match="There is a key 'cleo' already"):
        run(*words)


@pytest.mark.parametrize("text", ["age1nothing", "AGE-SECRET-KEY-1QQ", "missing.recipient"])
def test_what_is_no_public_key_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"no age public key|cannot be read"):
        keys.recipient_of(text)
