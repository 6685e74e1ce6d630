"""The root file of an institution: who may sign its policies, and how many of them must."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tomlkit
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import Field, ValidationError, model_validator

from policies import sign
from policies.errors import PolicyError, Refused
from policies.load import as_tuples, document_of, printable, sentence_of
from policies.schema import MAX_VERSION, Part, Text

# A root that takes the place of another travels in an envelope of this type.
PAYLOAD_TYPE = "application/vnd.proctor.root+toml"
MAX_KEYS = 20
# Written as the text that begins a root file, and by which one is known.
HEADING = "Who may sign the policies of this institution. Get it from the institution itself."

PublicKey = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{43}=$",
        description="An Ed25519 public key: its 32 bytes in base64.",
    ),
]


class Root(Part):
    """The keys of one institution and how many different ones of them must sign a policy."""

    institution: Text = Field(
        min_length=1,
        max_length=200,
        title="Institution",
        description="Its name, exactly as its policies say it.",
    )
    version: int = Field(
        1,
        ge=1,
        le=MAX_VERSION,
        title="Version",
        description="Raised by one whenever the keys change.",
    )
    threshold: int = Field(
        1,
        ge=1,
        le=MAX_KEYS,
        title="Signatures needed",
        description="How many different keys must sign a policy.",
    )
    keys: tuple[PublicKey, ...] = Field(
        min_length=1, max_length=MAX_KEYS, title="Keys", description="The public keys, in base64."
    )

    @model_validator(mode="after")
    def _reachable(self) -> Root:
        if len({base64.b64decode(key) for key in self.keys}) != len(self.keys):
            raise ValueError("keys: one stands there twice, and a key counts once")
        if self.threshold > len(self.keys):
            raise ValueError(
                f"threshold asks for {self.threshold} signatures of {len(self.keys)} keys"
            )
        return self

    def public_keys(self) -> list[Ed25519PublicKey]:
        return [Ed25519PublicKey.from_public_bytes(base64.b64decode(key)) for key in self.keys]

    def open(self, envelope: bytes, payload_type: str = sign.PAYLOAD_TYPE) -> bytes:
        """The payload that enough keys signed; raises :class:`~policies.sign.SignatureError`."""
        return sign.open_envelope(envelope, self.public_keys(), self.threshold, payload_type)


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as root files and ``--root-key`` say it."""
    return base64.b64encode(key.public_bytes_raw()).decode("ascii")


def parse(raw: bytes, where: str) -> Root:
    """Check the bytes of a root file; raises :class:`PolicyError` with one sentence."""
    text, document = document_of(raw, where, "root file")
    try:
        return Root.model_validate(as_tuples(document))
    except ValidationError as error:
        raise PolicyError(sentence_of(error, text, f"root file {where}", Root)) from error


def read(path: Path) -> Root:
    """The root file at ``path``."""
    try:
        with path.open("rb") as file:
            raw = file.read(sign.MAX_BYTES)
    except OSError as error:
        raise PolicyError(
            f"The root file {printable(str(path))} cannot be read ({error.strerror})."
        ) from error
    return parse(raw, printable(str(path)))


def make(institution: str, keys: Sequence[str], threshold: int, version: int = 1) -> str:
    """The text of a root file; raises :class:`PolicyError` when it would not be one."""
    document = tomlkit.document()
    document.add(tomlkit.comment(HEADING))
    document.add("institution", institution)
    document.add("version", version)
    document.add("threshold", threshold)
    document.add("keys", tomlkit.item(list(keys)).multiline(True))
    text = tomlkit.dumps(document)
    parse(text.encode("utf-8"), "new")
    return text


def follow(envelope: bytes, where: str, old: Root) -> Root:
    """The root in ``envelope``, once the ``old`` one's keys and its own agree that it takes its place.

    As in The Update Framework (specification 5.3): signed by the threshold of the old keys and by the
    threshold of the new ones, for the same institution, and the very next version, so that every step
    from a root that a person installed was signed. Raises :class:`~policies.errors.Refused` when a
    check says no, :class:`PolicyError` when it is no root.
    """
    # 1. Enough of the keys that are trusted now signed it. Nothing of it was parsed until here.
    try:
        payload = old.open(envelope, PAYLOAD_TYPE)
    except sign.SignatureError as error:
        raise Refused(
            f"The new root {where} is not signed as the root of '{old.institution}' that is installed "
            f"here asks ({_brief(error)})."
        ) from error
    new = parse(payload, where)
    # 2. Enough of the new keys signed it: their owners have them.
    try:
        new.open(envelope, PAYLOAD_TYPE)
    except sign.SignatureError as error:
        raise Refused(
            f"The new root {where} is not signed by enough of its own keys ({_brief(error)})."
        ) from error
    # 3. It speaks for the same institution.
    if new.institution != old.institution:
        raise Refused(
            f"The new root {where} is of '{new.institution}', the old one of '{old.institution}'."
        )
    # 4. It is the next one; none is left out, and none comes back.
    if new.version != old.version + 1:
        raise Refused(
            f"The new root {where} is version {new.version}, but here is version {old.version}: version "
            f"{old.version + 1} comes next."
        )
    return new


def _brief(error: sign.SignatureError) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
