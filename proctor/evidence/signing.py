"""An institution's signing keys: Ed25519 in encrypted PKCS #8 (PEM), opened with a passphrase.

Beside each private key ``NAME.pem`` stands ``NAME.pub``, whose one line goes into a root file.
``openssl pkey -in NAME.pem`` reads the key, and ``openssl pkcs8 -topk8 -scrypt`` can protect it anew.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.root import public_text
from proctor.errors import InputError, MissingError
from proctor.evidence.disk import said_plainly, write_new, write_secret
from proctor.evidence.keys import check_name, check_passphrase, keys_dir, read_secret

PRIVATE, PUBLIC = ".pem", ".pub"
ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key's files and its public half, in base64."""

    name: str
    path: Path
    public_path: Path
    public: str


def new_signing_key(name: str, passphrase: str, folder: Path | None = None) -> SigningKey:
    """Make a signing key ``name`` in ``folder`` (default: the keys folder).

    Raises :class:`InputError` when the name is not usable or taken or the passphrase is too short, and
    :class:`MissingError` when the folder cannot be written.
    """
    check_name(name)
    check_passphrase(passphrase)
    folder = folder or keys_dir()
    path, public_path = folder / f"{name}{PRIVATE}", folder / f"{name}{PUBLIC}"
    if path.exists() or public_path.exists():
        raise InputError(_taken(name, path))
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode("utf-8")),
    )
    public = public_text(key.public_key())
    try:
        with said_plainly(f"the key {path}"):
            write_secret(path, pem)
            write_new(public_path, f"{public}\n".encode("ascii"))
    except MissingError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise InputError(_taken(name, path)) from error
        raise
    return SigningKey(name, path, public_path, public)


def list_signing_keys(folder: Path | None = None) -> list[SigningKey]:
    """The signing keys in ``folder`` (default: the keys folder), by name; no passphrase is needed."""
    folder = folder or keys_dir()
    if not folder.is_dir():
        return []
    return [
        SigningKey(path.stem, path, path.with_suffix(PUBLIC), _public_line(path))
        for path in sorted(folder.glob(f"*{PRIVATE}"))
    ]


def load_signing_key(path: Path, passphrase: Callable[[Path], str]) -> Ed25519PrivateKey:
    """The private key in ``path``; ``passphrase`` is asked once, when all else is in order.

    Raises :class:`InputError` when others can read the file, it is no encrypted Ed25519 key, or the
    passphrase is wrong.
    """
    text = read_secret(path)
    if ENCRYPTED not in text:
        raise InputError(
            f"{path} is not a private key that a passphrase protects; `proctor keys new --signing` makes "
            f"one, and `openssl pkcs8 -topk8 -in {path}` protects one that there is."
        )
    secret = passphrase(path).encode("utf-8")
    try:
        key = serialization.load_pem_private_key(text.encode("ascii"), secret or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            f"The key {path} does not open: the passphrase is wrong, or the file is damaged."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(
            f"The key {path} is not an Ed25519 key, the only kind that signs policies."
        )
    return key


def public_key(text_or_path: str) -> str:
    """A public key in base64, from that text itself or from a ``.pub`` file."""
    text = text_or_path
    if len(text_or_path) != 44 or Path(text_or_path).is_file():
        text = _first_line(Path(text_or_path))
    try:
        return public_text(
            Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
        )
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f"'{text_or_path}' is no Ed25519 public key: give its 32 bytes in base64, or the {PUBLIC} "
            f"file that `proctor keys new --signing` writes."
        ) from error


def _public_line(path: Path) -> str:
    public = path.with_suffix(PUBLIC)
    return public_key(str(public)) if public.is_file() else f"unknown: {public} is missing"


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(200).decode("ascii", errors="replace").partition("\n")[0].strip()
    except OSError as error:
        raise InputError(
            f"The public key {path} cannot be read ({error.strerror}); give a {PUBLIC} file, or the "
            f"key itself in base64."
        ) from error


def _taken(name: str, path: Path) -> str:
    return (
        f"There is a key '{name}' already ({path}); a key is never overwritten, since nothing could be "
        f"signed with it any more. Choose another name."
    )
