"""What every page over a hub works with: who is logged in where, and how work leaves the window's thread."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import x25519

from policies import sign
from policies.texts.told import tell
from proctor.errors import ProctorError
from proctor.evidence.access import Reader
from proctor.evidence.keys import reviewer_key
from proctor.hub import commands, papers
from proctor.hub.staff_client import StaffClient
from ui.bridge import Worker
from ui.texts import Texts
from ui.widgets.words import Severity

Say = Callable[[str, Severity], None]


@dataclass
class Office:
    """One person, logged in at one hub. ``say`` shows a sentence at the foot of the window; ``key`` is what this
    computer signs with. Once it is ``over`` (the person logged out), no answer that is still on its way is shown."""

    t: Texts
    client: StaffClient
    person: Mapping[str, Any]
    worker: Worker
    say: Say
    identities: Sequence[x25519.Identity] = ()
    exam: str = ""
    over: bool = False
    key: Ed25519PrivateKey = field(default_factory=reviewer_key)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = Reader(str(self.person["name"]), self.key)

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(map(str, self.person["roles"]))

    def may(self, *roles: str) -> bool:
        """Whether the person has one of ``roles``; the hub decides, this only shows what is of use."""
        return bool(self.roles & set(roles))

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None] = lambda _: None,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """``work`` on another thread; a user's mistake or the hub's "no" becomes a sentence."""

        def arrived(result: Any) -> None:
            if not self.over:
                then(result)

        def refused(error: Exception) -> None:
            if not isinstance(error, ProctorError):
                raise error
            if self.over:
                return
            sentence = tell(self.t, str(error))
            if failed is not None:
                failed(sentence)
            else:
                self.say(sentence, "error")

        self.worker.run(work, arrived, refused)

    def command(self, attempt: str, kind: str, words: str, minutes: float) -> dict[str, Any]:
        """Send a signed command; raises what is wrong with it."""
        made = commands.checked(kind, words, minutes)
        payload = commands.payload(
            attempt, made, nonce=secrets.token_hex(16), at=round(time.time(), 3)
        )
        signed = sign.envelope(payload, commands.PAYLOAD_TYPE, [self.reader.key])
        said = {"kind": made.kind, "text": made.text, "signed": signed.decode("utf-8")}
        return self.client.command(attempt, said | {"minutes": made.minutes})

    def ask_for_copy(self, attempt: str, reason: str) -> str:
        """Propose an export of a whole attempt; the proposal's id."""
        asked = papers.Asked(papers.EXPORT, attempt, frozenset(), self.reader.name, reason)
        paper = papers.write(asked, secrets.token_hex(16), self.reader.key)
        return self.client.propose(papers.EXPORT, attempt, paper)

    def agree(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """Sign a proposal of another person beside them."""
        paper = str(proposal["paper"]).encode("utf-8")
        return self.client.approve(
            str(proposal["id"]), sign.add_signatures(paper, [self.reader.key])
        )


def own_key() -> str:
    """This computer's public signing key, as the hub names it."""
    public = reviewer_key().public_key().public_bytes_raw()
    return base64.b64encode(public).decode("ascii")
