"""The agent's live line to a hub: redeeming the code, heartbeats, and commands by long poll.

Each thread uses a client of its own. Nothing here is evidence, so nothing here is queued: what cannot be
said now is said with the next heartbeat. docs/live.md has the contract.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from proctor.errors import InputError
from proctor.evidence.outbox import Gone, Later, Refused
from proctor.evidence.untrusted import text
from proctor.hub.client import API, Answer, HubClient
from proctor.hub.commands import Command, checked

JSON = "application/json"
# A hub holds a long poll for at most this long (s).
WAIT_S = 25
# More commands than this do not wait for one student.
MOST_COMMANDS = 100
MOST_NAME = 200


# What became of a command is not asked for again after one of these: saying it once more changes nothing.
NOT_TAKEN = frozenset({400, 404, 405, 409, 410, 413, 415, 422})


class NoLiveLine(Exception):
    """The hub takes cases and has no live line; the exam needs none."""


class NotTaken(Exception):
    """The hub does not take what became of one command, such as one that it no longer knows."""


@dataclass(frozen=True, slots=True)
class Redeemed:
    """The place of this attempt at the hub: a neutral label, and the digest of the policy it serves."""

    seat: str
    policy_sha256: str


@dataclass(frozen=True, slots=True)
class Received:
    """A command with its number. ``left_s``: for how long it makes sense, by the hub's clock."""

    id: int
    command: Command
    by: str
    signed: str
    left_s: float


class LiveClient(HubClient):
    """Every call raises :class:`Later` where the hub cannot be reached, and :class:`CheckFailed` at a no."""

    def redeem(self, code: str) -> Redeemed:
        """Bind the invitation's code to this attempt; the same attempt may ask again.

        Raises :class:`proctor.hub.client.InUse` when another computer used the invitation, and
        :class:`NoLiveLine` where the hub knows no such thing.
        """
        said = self._json(
            "POST",
            f"{self._hub}/{API}/invitations/redeem",
            {"attempt": self.attempt},
            bearer=code,
        )
        seat, digest = said.get("seat", ""), said.get("policy_sha256", said.get("policy", ""))
        token = said.get("token", "")
        if isinstance(token, str) and token:
            self._token = token
        return Redeemed(str(seat)[:100], str(digest)[:64])

    def beat(self, state: str, delivery: str, *, help_asked: bool, at: float) -> None:
        """Say that this agent is there, and how. ``at``: seconds since 1970 by its own clock."""
        self._json(
            "POST",
            urljoin(self._base, "heartbeat"),
            {"state": state, "delivery": delivery, "help": help_asked, "at": at},
        )

    def commands(self, after: int, wait: int = WAIT_S) -> list[Received]:
        """The commands with a higher number than ``after``; waits for one up to ``wait`` seconds.

        What is not in the table of commands is left out: there is nothing that an agent could do about it.
        """
        said = self._json("GET", urljoin(self._base, f"commands?after={after}&wait={wait}"), None)
        listed = said.get("commands")
        if not isinstance(listed, list):
            return []
        found = [_received(one) for one in listed[:MOST_COMMANDS]]
        return sorted((one for one in found if one is not None), key=lambda one: one.id)

    def done(self, number: int, what: str) -> None:
        """Say what became of a command; raises :class:`NotTaken` where the hub wants to hear nothing of it."""
        address = urljoin(self._base, f"commands/{number}/done")
        answer = self._say("POST", address, {"what": what})
        if answer.status in NOT_TAKEN:
            raise NotTaken(f"it answered {answer.status}")
        self._understood(answer)

    def _json(
        self, method: str, address: str, body: Mapping[str, Any] | None, *, bearer: str = ""
    ) -> Mapping[str, Any]:
        answer = self._say(method, address, body, bearer)
        if answer.status in (404, 405):
            raise NoLiveLine
        return self._understood(answer)

    def _say(
        self, method: str, address: str, body: Mapping[str, Any] | None, bearer: str = ""
    ) -> Answer:
        data = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Accept": JSON}
        if data is not None:
            headers["Content-Type"] = JSON
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        return self._ask(method, address, headers, data)

    def _understood(self, answer: Answer) -> Mapping[str, Any]:
        try:
            self._expect(answer, (200, 201, 204))
        except (Refused, Gone) as error:
            raise Later(str(error)) from error
        said: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(answer.data or b"{}")
        if not isinstance(said, Mapping):
            raise Later("what answers is not the hub's live line: perhaps it is not the hub")
        return said


def _received(one: object) -> Received | None:
    if not isinstance(one, Mapping):
        return None
    number, left = one.get("id"), one.get("left_s")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 2**63:
        return None
    try:
        command = checked(one.get("kind"), one.get("text", ""), one.get("minutes", 0.0))
    except InputError:
        return None
    seconds = float(left) if isinstance(left, int | float) else 0.0
    by, signed = text(one.get("by"), MOST_NAME), one.get("signed")
    if not by:
        # The student is told who it is; nobody is no person on duty.
        return None
    return Received(
        number,
        command,
        by,
        signed if isinstance(signed, str) else "",
        seconds,
    )
