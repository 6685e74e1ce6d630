"""People, exams, flags and sealed clips at a real hub, for tests of the staff's side.

Accounts, policies and flags come through the hub's own functions; clips are real age files. ``Clock`` is the hub's
clock, which a test turns.
"""

from __future__ import annotations

import hashlib
import importlib.util
import secrets
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pyrage
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import insert, update

from policies import sign as dsse
from policies.load import read_bytes
from proctor.evidence import access_record, decision, hold, tombstone
from proctor.evidence.access_record import Access
from proctor.evidence.decision import Decision
from proctor.evidence.hold import Hold
from proctor.evidence.journal import Record
from proctor.hub import accounts, enrol, flags, proposals, tokens
from proctor.hub.proposals import Asked
from proctor.hub.staff_client import RefusedError, StaffClient
from proctor.hub.staff_login import box_of
from proctor.hub.tables import attempts, clips, headers, log_records

__all__ = ["RefusedError", "log_records", "urllib3"]
NAMES = ("Ada Quill", "Bo Rivers", "Cy Marsh", "Dee Stone", "Em Field", "Flo Hart")
PASSWORD = "a lantern by seven quiet rivers"


def load(name: str) -> ModuleType:
    """A helper beside this one, loaded once."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class Clock:
    """The hub's clock."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        # Two statements are never made at the same moment.
        self.at += timedelta(milliseconds=1)
        return self.at

    def turn(self, **by: float) -> None:
        """Set it forward."""
        self.at += timedelta(**by)


@dataclass
class Member:
    """One of the staff, logged in, with a key that the hub knows."""

    id: str
    name: str
    key: Ed25519PrivateKey
    client: StaffClient
    roles: frozenset[str]

    def look(self, world: World, attempt: str, flag: str, **changed: Any) -> bytes:
        """A signed access record."""
        said = {
            "attempt": attempt,
            "flag": flag,
            "clip": world.digests[attempt, flag],
            "reason": "to look at the flag",
            "who": self.name,
            "when": world.clock(),
        }
        return access_record.sign(Access(**{**said, **changed}), self.key)

    def says(
        self, world: World, attempt: str, flag: str, verdict: str | None, **changed: Any
    ) -> bytes:
        """A signed statement."""
        said = {
            "attempt": attempt,
            "flag": flag,
            "clip": world.digests.get((attempt, flag), ""),
            "look": "first",
            "verdict": verdict,
            "reason": "a second person speaks" if verdict in decision.NEEDS_REASON else "",
            "who": self.name,
            "when": world.clock(),
        }
        return decision.sign(Decision(**{**said, **changed}), self.key)

    def judge(self, world: World, attempt: str, flag: str, verdict: str, **changed: Any) -> Any:
        """Open the clip and say what it shows."""
        self.client.header(attempt, flag, self.look(world, attempt, flag))
        return self.client.decide(attempt, self.says(world, attempt, flag, verdict, **changed))

    def hold(
        self, world: World, attempt: str, names: tuple[str, ...] = (), days: int = 30
    ) -> bytes:
        until = world.clock() + timedelta(days=days)
        return hold.write(
            Hold(attempt, frozenset(names), self.name, "an appeal", until), [self.key]
        )

    def asks(self, kind: str, attempt: str, names: tuple[str, ...] = ()) -> bytes:
        asked = Asked(kind, attempt, frozenset(names), self.name, "asked by the student")
        return proposals.write(asked, secrets.token_hex(16), self.key)

    def agrees(self, paper: bytes) -> bytes:
        return dsse.add_signatures(paper, [self.key])


@dataclass
class World:
    """A running hub with people and exams."""

    running: Any
    folder: Path
    clock: Clock = field(default_factory=Clock)
    digests: dict[tuple[str, str], str] = field(default_factory=dict)
    sealed: dict[tuple[str, str], bytes] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    clients: list[StaffClient] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hub = self.running.hub
        self.hub.now = self.clock
        self.identity = pyrage.x25519.Identity.generate()
        self.institution = Ed25519PrivateKey.generate()
        self.lines = 10
        loose = self.running.app.state.limits
        for buckets in (loose.person, loose.address, loose.log_in):
            buckets._rate = buckets._burst = 1e9

    def turn(self, **by: float) -> None:
        """Let time pass; everybody logs in anew, since log-ins do not last for days."""
        self.clock.turn(**by)
        with self.hub.store.transaction() as tx:
            for member in self.members:
                person = accounts.by_id(tx.connection, member.id)
                assert person is not None
                member.client.token = tokens.issue(tx.connection, person, self.clock()).token

    def close(self) -> None:
        for client in self.clients:
            client.close()

    def client(self, token: str = "") -> StaffClient:
        made = StaffClient(self.running.url, token, kept=self.folder / "kept")
        self.clients.append(made)
        return made

    def member(self, name: str, *roles: str, key: bool = True) -> Member:
        """A new account, logged in."""
        with self.hub.store.transaction() as tx:
            made = accounts.add(
                tx.connection, box_of(self.hub), name, roles, now=self.clock(), subject=name
            )
            token = tokens.issue(tx.connection, made.person, self.clock()).token
        person = Member(
            made.person.id, name, Ed25519PrivateKey.generate(), self.client(token), frozenset(roles)
        )
        if key:
            person.client.register_key(person.key)
        self.members.append(person)
        return person

    def exam(self, name: str, *, second: bool = True, comment_days: int = 7) -> str:
        """An exam with a published policy."""
        text = read_bytes("standard").decode("utf-8")
        lines = text.splitlines()
        kept = [one for one in lines if not one.startswith(("id =", "hub ="))]
        address = self.hub.settings.address or self.running.url
        payload = f'id = "{name}"\nhub = "{address}"\n' + "\n".join(kept) + "\n"
        payload = with_review(payload, second, comment_days)
        envelope = dsse.envelope(payload.encode("utf-8"), dsse.PAYLOAD_TYPE, [self.institution])
        self.digest = enrol.publish(self.hub, envelope, None)[1]
        return name

    def attempt(self, exam: str) -> str:
        """One student who sits it."""
        attempt = secrets.token_hex(16)
        code = enrol.new_codes(self.hub, exam, self.digest, 1)[0].code
        enrol.attempt_of(self.hub, f"Bearer {code}", attempt)
        self.codes[attempt] = code
        return attempt

    def record(self, attempt: str, kind: str, data: dict[str, Any]) -> None:
        """A journal line that the hub stores."""
        self.lines += 1
        now = self.clock()
        line = Record(self.lines, kind, f"urn:proctor:attempt:{attempt}", now, data, {})
        with self.hub.store.transaction() as tx:
            flags.noted(tx, attempt, line, now)

    def ended(self, attempt: str) -> None:
        with self.hub.store.transaction() as tx:
            tx.execute(
                update(attempts)
                .where(attempts.c.attempt == attempt)
                .values(state="ended", ended=self.clock())
            )
        self.record(attempt, "session.ended", {})

    def flag(self, attempt: str, name: str, kind: str = "face.absent", *, clip: bool = True) -> str:
        """A flag, with a sealed clip that has arrived."""
        data = {"id": name, "kind": kind, "start": 12.0, "end": 15.0, "peak": 0.987, "why": "…"}
        self.record(attempt, "flag", data)
        if clip:
            self.clip(attempt, name)
        return name

    def clip(self, attempt: str, name: str) -> None:
        sealed = pyrage.encrypt(secrets.token_bytes(2000), [self.identity.to_public()])
        digest, at = hashlib.sha256(sealed).hexdigest(), tombstone.header_length(sealed)
        blob = f"clips/{attempt[:2]}/{attempt}/{name}.payload"
        self.hub.blobs.put(blob, sealed[at:])
        with self.hub.store.headers() as connection:
            connection.execute(
                insert(headers).values(
                    attempt=attempt, flag=name, sha256=digest, header=sealed[:at]
                )
            )
        with self.hub.store.transaction() as tx:
            tx.execute(
                insert(clips).values(
                    attempt=attempt,
                    flag=name,
                    sha256=digest,
                    length=len(sealed),
                    line=self.lines,
                    what="clips",
                    sealed=self.clock(),
                    state="stored",
                    arrived=len(sealed),
                    header_length=at,
                    blob=blob,
                    stored=self.clock(),
                    why="",
                )
            )
        self.digests[attempt, name] = digest
        self.sealed[attempt, name] = sealed


def with_review(text: str, second: bool, comment_days: int) -> str:
    """A policy's text with these review rules."""
    head, _, tail = text.partition("[review]\n")
    rest = tail.split("\n")
    end = next((n for n, line in enumerate(rest) if line.startswith("[")), len(rest))
    said = [f"second_reviewer = {str(second).lower()}", f"comment_days = {comment_days}"]
    return "\n".join([head + "[review]", "window_days = 14", *said, *rest[end:]])
