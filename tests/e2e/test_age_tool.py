"""Our sealed clips are ordinary age files: the Go ``age`` tool opens ours, and we open its."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from proctor.evidence import keys
from proctor.evidence.seal import seal, unseal
from proctor.types import Clip

pytestmark = pytest.mark.skipif(
    shutil.which("age") is None or shutil.which("age-keygen") is None,
    reason="the age tool is not installed (`apt install age`)",
)

DATA = bytes(range(256)) * 1000


def age(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["age", *arguments], input=data, capture_output=True, check=True).stdout


def clip() -> Clip:
    return Clip("f-1", 0.0, 1.0, "video/mp4", DATA, hashlib.sha256(DATA).hexdigest())


def test_age_opens_our_clip_with_a_key_file_of_ours(tmp_path: Path) -> None:
    key = keys.new_identity("reviewer", tmp_path)
    other = keys.new_identity("escrow", tmp_path)
    sealed = seal(clip(), [key.recipient, other.recipient])
    for path in (key.path, other.path):
        assert age("-d", "-i", str(path), data=sealed.ciphertext) == DATA


def test_we_open_what_age_sealed_with_a_key_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "go.key"
    subprocess.run(["age-keygen", "-o", str(path)], capture_output=True, check=True)
    (identity,) = keys.load_identity(path)
    ciphertext = age("-r", str(identity.to_public()), data=DATA)
    digest = hashlib.sha256(ciphertext).hexdigest()
    assert unseal(ciphertext, [identity], sha256=digest) == DATA


def test_age_prints_the_public_key_that_we_print(tmp_path: Path) -> None:
    key = keys.new_identity("reviewer", tmp_path)
    printed = subprocess.run(["age-keygen", "-y", str(key.path)], capture_output=True, check=True)
    assert printed.stdout.decode().strip() == key.recipient


def at_a_terminal(answers: list[str], *words: str) -> tuple[int, bytes]:
    """Run the tool at a terminal of its own, where it asks for passphrases; code and what it showed."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.execvp(words[0], words)  # noqa: S606
    shown = b""
    waiting = list(answers)
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not piece:
            break
        shown += piece
        if waiting and shown.rstrip().endswith(b":"):
            os.write(terminal, waiting.pop(0).encode() + b"\n")
            shown += b"\n"
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal of POSIX")
def test_keys_under_a_passphrase_go_both_ways(tmp_path: Path) -> None:
    secret = "four quiet boats drift"
    key = keys.new_identity("reviewer", tmp_path, secret)
    sealed, opened = tmp_path / "clip.age", tmp_path / "clip"
    sealed.write_bytes(seal(clip(), [key.recipient]).ciphertext)
    words = ["age", "-d", "-i", str(key.path), "-o", str(opened), str(sealed)]
    code, shown = at_a_terminal([secret], *words)
    assert code == 0, shown
    assert opened.read_bytes() == DATA

    plain, locked = tmp_path / "go.key", tmp_path / "locked.key"
    subprocess.run(["age-keygen", "-o", str(plain)], capture_output=True, check=True)
    code, shown = at_a_terminal([secret] * 2, "age", "-p", "-o", str(locked), str(plain))
    assert code == 0, shown
    locked.chmod(0o600)
    (theirs,) = keys.load_identity(locked, lambda path: secret)
    assert str(theirs) == str(keys.load_identity(plain)[0])
