"""Our sealed clips are ordinary age files: the Go ``age`` tool opens ours, and we open its."""

from __future__ import annotations

import hashlib
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
