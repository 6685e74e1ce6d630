"""An invitation to an exam: one small file, or a link, that holds all a student's computer needs.

It is not signed itself and does not need to be: the policy inside is signed, names the only hub, and
decides who can open clips; an addendum inside is signed as well. Whoever changes anything else of an
invitation can make it useless, and nothing more (docs/decisions/0024).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import zlib
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from policies import load, root, sign
from policies.errors import PolicyError
from policies.root import Root
from policies.schema import Part, Policy

SUFFIX = ".proctor"
SCHEME = "open-proctor:"
# A policy envelope with an addendum and a root takes about 30 kB; no invitation is ten times that.
MAX_BYTES = 300_000
# What a link of that file can hold: base64 makes four characters of three bytes.
MAX_LINK = MAX_BYTES * 4 // 3 + 100
# 80 bits in base32: nobody guesses it, and it can be read out on the phone.
CODE_BYTES = 10

Code = Annotated[str, Field(pattern=r"^([A-Z2-7]{16,64})?$")]


class Invitation(Part):
    """What a student gets from the institution before an exam."""

    format: int = Field(1, ge=1, le=1, title="Format", description="Version of this format: 1.")
    policy: str = Field(
        "",
        max_length=sign.MAX_BYTES,
        title="Policy",
        description="The signed policy of the exam: the text of its DSSE envelope. Empty: the hub has it.",
    )
    hub: str = Field(
        "",
        max_length=2_000,
        title="Hub",
        description="Address of the hub that has the policy, where it is not in the invitation.",
    )
    root: str = Field(
        "",
        max_length=load.MAX_BYTES,
        title="Root file",
        description="The text of the institution's root file, for computers that do not know it yet.",
    )
    addendum: str = Field(
        "",
        max_length=sign.MAX_BYTES,
        title="Addendum",
        description="What is arranged for this student: the text of a signed envelope.",
    )
    code: Code = Field(
        "",
        title="Code",
        description="The one-time code with which the hub knows this attempt.",
    )
    begins: datetime | None = Field(
        None, title="Begins", description="Moment from which it can be used, with a time zone."
    )
    ends: datetime | None = Field(
        None, title="Ends", description="Moment after which it cannot be used, with a time zone."
    )

    @model_validator(mode="after")
    def _in_time(self) -> Invitation:
        for name in ("begins", "ends"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(f"{name} needs a time zone, for instance 2027-01-31T12:00:00Z")
        if self.begins and self.ends and self.ends <= self.begins:
            raise ValueError("it ends before it begins")
        return self

    def payload(self) -> bytes:
        """The policy file inside; its signatures are *not* checked here."""
        return load.payload_of(self.policy.encode("utf-8"), "in the invitation")

    def read_policy(self) -> Policy:
        """The policy inside, to be shown; its signatures are *not* checked here."""
        return load.parse(self.payload(), "in the invitation")

    def read_root(self) -> Root | None:
        """The root file inside, if there is one."""
        return root.parse(self.root.encode("utf-8"), "in the invitation") if self.root else None

    def check(self) -> None:
        """Raise :class:`PolicyError` where its parts are not usable or do not belong together."""
        if not self.policy:
            if not (self.hub and self.code):
                raise PolicyError(
                    "The invitation holds no policy, and not both the hub's address and a code with which "
                    "to fetch it; ask for it again."
                )
            self.read_root()
            return
        policy, known = self.read_policy(), self.read_root()
        if known is not None:
            if known.institution != policy.institution:
                raise PolicyError(
                    f"The invitation holds a policy of '{policy.institution}' and the root file of "
                    f"'{known.institution}'; ask for one whose parts belong together."
                )
            try:
                known.open(self.policy.encode("utf-8"))
            except sign.SignatureError as error:
                raise PolicyError(
                    f"The invitation's policy was not signed by the keys it brings: {error}"
                ) from error
        if self.hub and self.hub.rstrip("/") != policy.hub.rstrip("/"):
            raise PolicyError(
                f"The invitation is for the hub {load.printable(self.hub)}, and its policy names "
                f"{load.printable(policy.hub) or 'none'}; ask for one whose parts belong together."
            )
        if bool(policy.hub) != bool(self.code):
            has, lacks = ("a hub", "no code") if policy.hub else ("a code", "no hub")
            raise PolicyError(
                f"The invitation has {has} and {lacks}; a policy that names a hub and a one-time code "
                f"come together."
            )


def new_code() -> str:
    """A fresh one-time code."""
    return base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode("ascii")


def write(invitation: Invitation) -> bytes:
    """The bytes of an invitation file."""
    document = invitation.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps({"format": 1, **document}, ensure_ascii=False, indent=1)
    return text.encode("utf-8") + b"\n"


def link(invitation: Invitation) -> str:
    """The same as a link, for a mail or a page; the app is its handler."""
    packed = zlib.compress(write(invitation), 9)
    return SCHEME + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def is_link(text: str) -> bool:
    """Whether ``text`` is such a link, and not the name of a file."""
    return text.strip().lower().startswith(SCHEME)


def parse(raw: bytes, where: str) -> Invitation:
    """Check the bytes of an invitation file; ``where`` names it in error sentences."""
    if len(raw) > MAX_BYTES:
        raise PolicyError(
            f"The invitation {where} is larger than {MAX_BYTES // 1000} kB; none is. Ask for it again."
        )
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
        # Strict models read times from JSON text only.
        invitation = Invitation.model_validate_json(json.dumps(document))
    except UnicodeDecodeError as error:
        raise PolicyError(f"The invitation {where} is not text; ask for it again.") from error
    except ValidationError as error:
        raise PolicyError(load.sentence_of(error, "", f"invitation {where}")) from error
    except (ValueError, RecursionError) as error:
        raise PolicyError(
            f"The invitation {where} is damaged ({load.printable(str(error))}); ask for it again."
        ) from error
    invitation.check()
    return invitation


def parse_link(text: str) -> Invitation:
    """Check an invitation link."""
    text = text.strip()
    if not is_link(text) or len(text) > MAX_LINK:
        raise PolicyError(
            f"This is no invitation link: it should begin with {SCHEME} and be one line; copy it again, "
            f"whole."
        )
    body = text[len(SCHEME) :]
    try:
        packed = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        opened = zlib.decompressobj()
        raw = opened.decompress(packed, MAX_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise PolicyError("The invitation link is damaged; copy it again, whole.") from error
    if not opened.eof and len(raw) <= MAX_BYTES:
        raise PolicyError("The invitation link is cut off; copy it again, whole.")
    return parse(raw, "in the link")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise ValueError("one of its keys stands there twice")
    return dict(pairs)
