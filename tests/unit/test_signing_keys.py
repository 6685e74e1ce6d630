"""An institution's signing keys: behind a passphrase, for their owner alone, never overwritten."""

from __future__ import annotations

import base64
import io
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.root import public_text
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import signing

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no mode bits")
PASSPHRASE = "zwölf Boxkämpfer jagen"


def opened(path: Path, passphrase: str = PASSPHRASE) -> Ed25519PrivateKey:
    return signing.load_signing_key(path, lambda _: passphrase)


def test_a_key_opens_with_its_passphrase_alone(proctor_home: Path) -> None:
    made = signing.new_signing_key("rector", PASSPHRASE)
    assert public_text(opened(made.path).public_key()) == made.public
    assert (
        signing.public_key(str(made.public_path)) == signing.public_key(made.public) == made.public
    )
    for wrong in ("", "zwölf boxkämpfer jagen", PASSPHRASE + " "):
        with pytest.raises(InputError, match="the passphrase is wrong"):
            opened(made.path, wrong)
    assert signing.list_signing_keys() == [made]


@posix
def test_a_private_key_is_for_its_owner_alone(proctor_home: Path) -> None:
    made = signing.new_signing_key("rector", PASSPHRASE)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert PASSPHRASE.encode() not in made.path.read_bytes()
    made.path.chmod(0o644)
    with pytest.raises(InputError, match=f"Others .* can read .*`chmod 600 {made.path}` mends it"):
        opened(made.path)


def test_a_key_is_never_overwritten(proctor_home: Path) -> None:
    made = signing.new_signing_key("rector", PASSPHRASE)
    before = made.path.read_bytes()
    with pytest.raises(InputError, match="There is a key 'rector' already"):
        signing.new_signing_key("rector", PASSPHRASE)
    assert made.path.read_bytes() == before


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 14])
def test_a_passphrase_that_can_be_tried_out_makes_no_key(
    proctor_home: Path, passphrase: str
) -> None:
    with pytest.raises(InputError, match="at least 15 characters"):
        signing.new_signing_key("rector", passphrase)
    assert not proctor_home.exists()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a\n", "réctor"])
def test_a_name_that_could_lead_elsewhere_is_refused(proctor_home: Path, name: str) -> None:
    with pytest.raises(InputError, match="is no name for a key"):
        signing.new_signing_key(name, PASSPHRASE)


def pem(key: object, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    )


def test_files_that_are_no_protected_ed25519_key_are_one_sentence(tmp_path: Path) -> None:
    protected = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    whole = pem(Ed25519PrivateKey.generate(), protected)
    for content, words in (
        (pem(Ed25519PrivateKey.generate(), serialization.NoEncryption()), "openssl pkcs8 -topk8"),
        (pem(ec.generate_private_key(ec.SECP256R1()), protected), "not an Ed25519 key"),
        (whole[:120] + whole[130:], "the file is damaged"),
        (b"", "not a private key that a passphrase protects"),
        (b"\xff", "not plain text"),
        (b"x" * 30_000, "too large"),
    ):
        path = tmp_path / "k.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(InputError, match=words) as error:
            opened(path)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="cannot be read"):
        opened(tmp_path / "missing.pem")


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 44, "=" * 44, base64.b64encode(b"x" * 31).decode()]
)
def test_a_text_that_is_no_public_key_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match="public key"):
        signing.public_key(text)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_reads_our_keys_and_we_read_its_stronger_ones(
    proctor_home: Path, tmp_path: Path
) -> None:
    made = signing.new_signing_key("rector", PASSPHRASE)
    given = ["-passin", f"pass:{PASSPHRASE}"]
    read = subprocess.run(
        ["openssl", "pkey", "-in", str(made.path), *given, "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    )
    # The last 32 bytes of the SubjectPublicKeyInfo are the key itself.
    assert base64.b64encode(read.stdout[-32:]).decode() == made.public
    anew = tmp_path / "anew.pem"
    files = ["-in", str(made.path), "-out", str(anew)]
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-scrypt", *files, *given, "-passout", f"pass:{PASSPHRASE}"],
        check=True,
    )
    anew.chmod(0o600)
    assert public_text(opened(anew).public_key()) == made.public


def test_a_passphrase_comes_from_a_terminal_a_file_or_a_pipe(
    proctor_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSPHRASE}\n"))
    assert main(["keys", "new", "a", "--signing"]) == 2
    assert "there is no terminal to ask on" in capsys.readouterr().err
    assert main(["keys", "new", "a", "--signing", "--passphrase-file", "-"]) == 0
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    file.chmod(0o600)
    assert main(["keys", "new", "b", "--signing", "--passphrase-file", str(file)]) == 0
    for name in "ab":
        assert opened(proctor_home / "keys" / f"{name}.pem")
    file.write_text("")
    assert main(["keys", "new", "c", "--signing", "--passphrase-file", str(file)]) == 2
    assert "no line left" in capsys.readouterr().err
    assert not (proctor_home / "keys" / "c.pem").exists()


@posix
def test_a_passphrase_file_that_others_can_read_is_refused(
    proctor_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n", encoding="utf-8")
    file.chmod(0o644)
    assert main(["keys", "new", "b", "--signing", "--passphrase-file", str(file)]) == 2
    assert "Others on this computer can read" in capsys.readouterr().err
    assert PASSPHRASE not in capsys.readouterr().err
