"""Keys on this machine: reviewers' age identities, the local practice signer, keys of attempts.

Identity files are those of the age tools: comment lines and one ``AGE-SECRET-KEY-1…`` line, so that
``age -d -i FILE`` opens our clips. Every secret is readable by its owner alone and never overwritten.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import IdentityError, x25519

from proctor.errors import InputError, MissingError
from proctor.evidence.disk import said_plainly, write_secret

DEMO = "demo"
SUFFIX = ".key"
# A key file has a few lines; one of a megabyte is something else.
MAX_BYTES = 20_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One identity file: its name, where it is, and the public key to give to others."""

    name: str
    path: Path
    recipient: str


def data_dir() -> Path:
    """Where this program keeps its keys: ``$PROCTOR_HOME``, else the user's data folder."""
    home = os.environ.get("PROCTOR_HOME")
    return Path(home) if home else Path(platformdirs.user_data_dir("open-proctor", appauthor=False))


def keys_dir() -> Path:
    """Where identities are kept unless another folder is named."""
    return data_dir() / "keys"


def new_identity(name: str, folder: Path | None = None) -> KeyFile:
    """Make an identity ``name`` in ``folder`` (default: the keys folder).

    Raises :class:`InputError` when the name is not usable or taken, and :class:`MissingError` when the
    folder cannot be written.
    """
    check_name(name)
    path = (folder or keys_dir()) / f"{name}{SUFFIX}"
    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    made = datetime.now(UTC).isoformat(timespec="seconds")
    lines = f"# created: {made}\n# public key: {recipient}\n{identity}\n"
    try:
        with said_plainly(f"the key {path}"):
            write_secret(path, lines.encode("ascii"))
    except MissingError as error:
        if path.exists():
            raise InputError(
                f"There is a key '{name}' already ({path}); a key is never overwritten, since clips "
                f"sealed for it could not be opened any more. Choose another name."
            ) from error
        raise
    return KeyFile(name, path, recipient)


def check_name(name: str) -> None:
    """Raise :class:`InputError` when ``name`` cannot name a key file."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name}' is no name for a key: use up to 64 letters, digits, dots, dashes, underscores."
        )


def list_identities(folder: Path | None = None) -> list[KeyFile]:
    """The identities in ``folder`` (default: the keys folder), by name."""
    folder = folder or keys_dir()
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        found += [
            KeyFile(path.stem, path, str(identity.to_public())) for identity in load_identity(path)
        ]
    return found


def load_identity(path: Path) -> list[x25519.Identity]:
    """The identities in an age identity file (usually one).

    Raises :class:`InputError` when it cannot be read, holds no key, or others may read it.
    """
    identities = []
    for number, line in enumerate(read_secret(path).splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            identities.append(x25519.Identity.from_str(line))
        except IdentityError as error:
            raise InputError(
                f"Line {number} of the key file {path} is no age X25519 secret key; such a line begins "
                f"with 'AGE-SECRET-KEY-1'."
            ) from error
    if not identities:
        raise InputError(f"The key file {path} holds no key; `proctor keys new` makes one.")
    return identities


def demo_identity() -> x25519.Identity:
    """This machine's own practice reviewer, made on first use."""
    path = keys_dir() / f"{DEMO}{SUFFIX}"
    if not path.exists():
        try:
            new_identity(DEMO)
        except InputError:
            # Another process made it a moment ago; then its key is the one to use.
            if not path.exists():
                raise
    return load_identity(path)[0]


def demo_recipient() -> str:
    """The public key of :func:`demo_identity`."""
    return str(demo_identity().to_public())


def local_signing_key() -> Ed25519PrivateKey:
    """The key that signs policies given on this machine's command line, made on first use.

    It says "this machine used this policy", never "an institution issued it".
    """
    return _ed25519(data_dir() / f"practice-signing{SUFFIX}", make=True)


def attempt_key_path(attempt: str) -> Path:
    """Where the signing key of an attempt is kept: outside its case, which travels."""
    return data_dir() / "attempts" / f"{attempt}{SUFFIX}"


def new_attempt_key(attempt: str) -> Ed25519PrivateKey:
    """Make the key that signs the checkpoints of one attempt."""
    return _ed25519(attempt_key_path(attempt), make=True)


def attempt_key(attempt: str) -> Ed25519PrivateKey:
    """The key of an attempt that began on this machine; :class:`InputError` where it did not."""
    return _ed25519(attempt_key_path(attempt), make=False)


def _ed25519(path: Path, *, make: bool) -> Ed25519PrivateKey:
    if make and not path.exists():
        key = Ed25519PrivateKey.generate()
        text = base64.b64encode(key.private_bytes_raw()) + b"\n"
        try:
            with said_plainly(f"the key {path}"):
                write_secret(path, text)
        except MissingError:
            # Another process may have made it a moment ago; then its key is the one to use.
            if not path.exists():
                raise
    try:
        raw = base64.b64decode(read_secret(path).strip(), validate=True)
        return Ed25519PrivateKey.from_private_bytes(raw)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f"The key file {path} is damaged; move it away and a new key is made for what comes next."
        ) from error


def read_secret(path: Path, encoding: str = "ascii") -> str:
    """The text of a key file that only its owner can read; :class:`InputError` where others can."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(
                    f"Others on this computer can read the key file {path}; `chmod 600 {path}` mends it."
                )
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"The key file {path} cannot be read ({error.strerror}).") from error
    if len(raw) > MAX_BYTES:
        raise InputError(f"{path} is too large to be a key file.")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a key file: it is not plain text.") from error
