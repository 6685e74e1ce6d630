"""The student's side of rule O4: asks the hub what people decided and who looked, and checks what was signed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import urllib3

from proctor.errors import CheckFailed, MissingError
from proctor.evidence import access_record, decision
from proctor.evidence.access_record import Access, AccessError
from proctor.evidence.decision import Decision, DecisionError
from proctor.evidence.untrusted import moment, text
from proctor.hub.client import check_address

CONNECT_S, ANSWER_S = 5.0, 20.0
# An exam with a hundred flags and five looks at each takes half of it.
MAX_ANSWER = 2_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a hub told of one attempt, as far as it was signed.

    ``decided`` are the ids of statements that a verdict stands on. ``comment_until`` says by flag until when the
    student may still say something before anything is decided. ``doubts`` are sentences about what was told and
    does not hold; nothing of that is in the rest.
    """

    statements: tuple[Decision, ...]
    decided: frozenset[str]
    looks: tuple[Access, ...]
    comment_until: Mapping[str, datetime]
    doubts: tuple[str, ...]


def ask(hub: str, attempt: str, code: str) -> Outcome:
    """Ask ``hub`` about ``attempt``, with the invitation's code.

    Raises :class:`MissingError` where the hub cannot be reached, and :class:`CheckFailed` where it does not say.
    """
    address = f"{check_address(hub)}/v1/attempts/{attempt}/outcome"
    pool = urllib3.PoolManager(
        num_pools=1, retries=False, timeout=urllib3.Timeout(connect=CONNECT_S, read=ANSWER_S)
    )
    try:
        answer = pool.request(
            "GET",
            address,
            headers={"Authorization": f"Bearer {code}", "User-Agent": "open-proctor"},
            redirect=False,
            preload_content=False,
        )
        try:
            data = answer.read(MAX_ANSWER + 1)
        finally:
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise MissingError(
            "The hub cannot be reached now, so what people decided there is not shown."
        ) from error
    finally:
        pool.clear()
    if answer.status != 200 or len(data) > MAX_ANSWER:
        raise CheckFailed(
            f"The hub does not say what people decided (its answer has the number {answer.status})."
        )
    return read(data, attempt)


def read(data: bytes, attempt: str) -> Outcome:
    """What an answer says, every signature checked; raises :class:`CheckFailed` where it is none."""
    try:
        said: Any = json.loads(data)
        keys = {str(key): str(name) for key, name in said["keys"].items()}
        if said["attempt"] != attempt:
            raise ValueError("it is about another exam")
        doubts: list[str] = []
        statements, decided, until = [], set(), {}
        for flag in said["flags"]:
            found = [_statement(one, attempt, keys, doubts) for one in flag["statements"]]
            kept = [one for one in found if one is not None and one.flag == flag["flag"]]
            statements += kept
            if flag["state"] == "done":
                _verdict(flag, kept, doubts)
                decided |= {one.id for one in kept}
            if flag["state"] == "may_comment" and (when := moment(flag["comment_until"])):
                until[text(flag["flag"], 100)] = when
        looks = [_look(one["record"], attempt, keys, doubts) for one in said["looks"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckFailed("The hub's answer about what people decided cannot be read.") from error
    return Outcome(
        tuple(statements),
        frozenset(decided),
        tuple(one for one in looks if one is not None),
        until,
        tuple(doubts),
    )


def _statement(
    envelope: str, attempt: str, keys: Mapping[str, str], doubts: list[str]
) -> Decision | None:
    try:
        one = decision.read(envelope.encode("utf-8"))
    except DecisionError as error:
        doubts.append(f"A decision that the hub shows does not hold: {error}")
        return None
    if one.attempt != attempt or keys.get(one.key) != one.who:
        doubts.append(f"A decision that the hub shows in the name of {one.who} is not theirs.")
        return None
    return one


def _look(envelope: str, attempt: str, keys: Mapping[str, str], doubts: list[str]) -> Access | None:
    try:
        one = access_record.read(envelope.encode("utf-8"))
    except AccessError as error:
        doubts.append(f"A look that the hub shows does not hold: {error}")
        return None
    if one.attempt != attempt or keys.get(one.key) != one.who:
        doubts.append(f"A look that the hub shows in the name of {one.who} is not theirs.")
        return None
    return one


def _verdict(flag: Mapping[str, Any], kept: list[Decision], doubts: list[str]) -> None:
    """A verdict stands on what the last person said, and against a student on what somebody signed."""
    said = flag["verdict"]
    if said is not None and (not kept or kept[-1].verdict != said):
        name = text(flag["flag"], 100)
        doubts.append(
            f"The hub says that {name} is decided, and shows nothing signed that says so."
        )
