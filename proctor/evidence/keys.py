"""Keys on this machine: reviewers' age identities, the local practice signer, keys of attempts.

Identity files are those of the age tools: comment lines and one ``AGE-SECRET-KEY-1…`` line, or that
text in an age file of its own under a passphrase, so that ``age -d -i FILE`` opens our clips. Every
secret is readable by its owner alone and never overwritten.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
import pyrage
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import IdentityError, x25519

from proctor.errors import InputError, MissingError
from proctor.evidence.disk import said_plainly, write_new, write_secret

DEMO = "demo"
SUFFIX = ".key"
# Beside a key under a passphrase: its public half, which can be read without the passphrase.
PUBLIC_SUFFIX = ".recipient"
# NIST SP 800-63B-4, 3.1.1.2: a password that is the only factor has at least 15 characters. Here it
# is: whoever has the file can try passphrases.
MIN_PASSPHRASE = 15
# How an age file begins (C2SP age.md): as text between lines of dashes, or as it is.
AGE_FILE = ("-----BEGIN AGE ENCRYPTED FILE-----", "age-encryption.org/v1")
# A key file has a few lines; one of a megabyte is something else.
MAX_BYTES = 20_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

# Asked once for a key file that needs its passphrase.
Ask = Callable[[Path], str]


class LockedError(InputError):
    """The passphrase given does not open a key."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One identity file: its name, where it is, and the public key to give to others.

    ``protected``: a passphrase opens it.
    """

    name: str
    path: Path
    recipient: str
    protected: bool = False


def data_dir() -> Path:
    """Where this program keeps its keys: ``$PROCTOR_HOME``, else the user's data folder."""
    home = os.environ.get("PROCTOR_HOME")
    return Path(home) if home else Path(platformdirs.user_data_dir("open-proctor", appauthor=False))


def keys_dir() -> Path:
    """Where identities are kept unless another folder is named."""
    return data_dir() / "keys"


def new_identity(name: str, folder: Path | None = None, passphrase: str = "") -> KeyFile:
    """Make an identity ``name`` in ``folder`` (default: the keys folder), under ``passphrase`` if given.

    Raises :class:`InputError` when the name is not usable or taken or the passphrase is too short, and
    :class:`MissingError` when the folder cannot be written.
    """
    check_name(name)
    if passphrase:
        check_passphrase(passphrase)
    path = (folder or keys_dir()) / f"{name}{SUFFIX}"
    public_path = path.with_name(f"{name}{PUBLIC_SUFFIX}")
    if passphrase and public_path.exists():
        raise InputError(_taken(name, public_path))
    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    text = identity_text(identity)
    if passphrase:
        text = bytes(pyrage.passphrase.encrypt(text, passphrase, armored=True))
    try:
        with said_plainly(f"the key {path}"):
            write_secret(path, text)
            if passphrase:
                write_new(public_path, f"{recipient}\n".encode("ascii"))
    except MissingError as error:
        if path.exists():
            raise InputError(_taken(name, path)) from error
        raise
    return KeyFile(name, path, recipient, bool(passphrase))


def _taken(name: str, path: Path) -> str:
    return (
        f"There is a key '{name}' already ({path}); a key is never overwritten, since clips "
        f"sealed for it could not be opened any more. Choose another name."
    )


def identity_text(identity: x25519.Identity) -> bytes:
    """What the file of ``identity`` holds."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    public = identity.to_public()
    return f"# created: {made}\n# public key: {public}\n{identity}\n".encode("ascii")


def check_passphrase(passphrase: str) -> None:
    """Raise :class:`InputError` when ``passphrase`` is too short to protect a key."""
    if len(passphrase) < MIN_PASSPHRASE:
        raise InputError(
            f"The passphrase needs at least {MIN_PASSPHRASE} characters: whoever gets hold of the key "
            f"file can try as many as they like. A few unrelated words make a good one."
        )


def check_name(name: str) -> None:
    """Raise :class:`InputError` when ``name`` cannot name a key file."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name}' is no name for a key: use up to 64 letters, digits, dots, dashes, underscores."
        )


def list_identities(folder: Path | None = None) -> list[KeyFile]:
    """The identities in ``folder`` (default: the keys folder), by name; no passphrase is needed."""
    folder = folder or keys_dir()
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if _is_protected(_read_bytes(path)):
            found.append(KeyFile(path.stem, path, _public_line(path), True))
            continue
        found += [
            KeyFile(path.stem, path, str(identity.to_public())) for identity in load_identity(path)
        ]
    return found


def load_identity(path: Path, ask: Ask | None = None) -> list[x25519.Identity]:
    """The identities in an age identity file (usually one); ``ask`` gives its passphrase if it has one.

    Raises :class:`InputError` when it cannot be read, holds no key, others may read it, or the
    passphrase is wrong or nobody can be asked for it.
    """
    raw = _read_bytes(path)
    if _is_protected(raw):
        if ask is None:
            raise InputError(
                f"The key {path} is protected by a passphrase, which cannot be asked here."
            )
        raw = _unlock(raw, path, ask(path))
    return identities_in(raw, f"the key file {path}")


def identities_in(raw: bytes, what: str) -> list[x25519.Identity]:
    """The identities in the text of an age identity file; ``what`` names it in sentences."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise InputError(f"{_capital(what)} is not a key file: it is not plain text.") from error
    identities = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            identities.append(x25519.Identity.from_str(line))
        except IdentityError as error:
            raise InputError(
                f"Line {number} of {what} is no age X25519 secret key; such a line begins with "
                f"'AGE-SECRET-KEY-1'."
            ) from error
    if not identities:
        raise InputError(f"{_capital(what)} holds no key; `proctor keys new` makes one.")
    return identities


def _capital(what: str) -> str:
    return what[:1].upper() + what[1:]


def _read_bytes(path: Path) -> bytes:
    return read_secret(path, encoding="latin-1").encode("latin-1")


def _is_protected(raw: bytes) -> bool:
    return raw.startswith(tuple(begin.encode("ascii") for begin in AGE_FILE))


def _unlock(raw: bytes, path: Path, passphrase: str) -> bytes:
    try:
        return bytes(pyrage.passphrase.decrypt(raw, passphrase))
    except (pyrage.DecryptError, OSError) as error:  # pyrage raises either, by where it fails
        raise LockedError(
            f"The key {path} does not open: the passphrase is wrong, the file is damaged, or it is an "
            f"age file that no passphrase protects."
        ) from error


def recipient_of(text_or_path: str) -> str:
    """An age public key: that text itself, or the first line of a file that holds one."""
    text = text_or_path.strip()
    if not text.startswith("age1") or Path(text_or_path).is_file():
        text = _first_line(Path(text_or_path))
    try:
        return str(x25519.Recipient.from_str(text))
    except pyrage.RecipientError as error:
        raise InputError(
            f"'{text_or_path[:200]}' is no age public key: give the line that begins with 'age1', or a "
            f"file that holds it and nothing else, such as NAME{PUBLIC_SUFFIX}. A secret key stays with "
            f"its owner."
        ) from error


def _public_line(path: Path) -> str:
    public = path.with_suffix(PUBLIC_SUFFIX)
    try:
        return recipient_of(str(public))
    except InputError:
        return f"unknown: {public} is missing or damaged"


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(200).decode("ascii", errors="replace").partition("\n")[0].strip()
    except OSError as error:
        raise InputError(
            f"The public key {str(path)[:200]} cannot be read ({error.strerror}); give a file, or the key itself."
        ) from error


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


def reviewer_key() -> Ed25519PrivateKey:
    """The key that signs what is opened and handed on at this machine, made on first use."""
    return _ed25519(data_dir() / f"reviewer-signing{SUFFIX}", make=True)


def attempt_key_path(attempt: str) -> Path:
    """Where the signing key of an attempt is kept: outside its case, which travels."""
    return data_dir() / "attempts" / f"{attempt}{SUFFIX}"


def new_attempt_key(attempt: str) -> Ed25519PrivateKey:
    """Make the key that signs the checkpoints of one attempt."""
    return _ed25519(attempt_key_path(attempt), make=True)


def attempt_key(attempt: str) -> Ed25519PrivateKey:
    """The key of an attempt that began on this machine; :class:`InputError` where it did not."""
    return _ed25519(attempt_key_path(attempt), make=False)


def secret_ed25519(path: Path) -> Ed25519PrivateKey:
    """The signing key in ``path``, made there on first use (a hub's own)."""
    return _ed25519(path, make=True)


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
