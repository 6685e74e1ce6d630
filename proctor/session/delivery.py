"""Delivers a case to the hub of its policy: beside an exam, and afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.errors import InputError, ProctorError
from proctor.evidence import view
from proctor.evidence.outbox import Counts, Later, Outbox
from proctor.evidence.sender import Courier, Sender, Tell, drain
from proctor.hub.client import check_address
from proctor.hub.witness import Witness

if TYPE_CHECKING:
    from proctor.session.session import Session

# Kilobits a second in bytes a second.
BYTES_PER_KBIT = 125.0
# A hub that does not answer after an exam is not waited for longer than this (min).
PATIENCE_MINUTES = 5.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """How far a delivery came. ``refused`` are kind, name and reason of what the hub does not take;
    ``doubts`` are sentences about what the hub said and does not hold."""

    whole: bool
    counts: Counts
    refused: tuple[tuple[str, str, str], ...]
    doubts: tuple[str, ...] = ()


def make_sender(folder: Path, hub: str, code: str, kbit: float, tell: Tell) -> Sender:
    """What delivers the case in ``folder`` to ``hub``, with the invitation's ``code``.

    ``kbit``: at most so many kilobits a second, 0 for as fast as it goes. Raises :class:`InputError` for
    an unusable address or budget, or when another program is sending this case.
    """
    if not 0.0 <= kbit < float("inf"):
        raise InputError("--kbit is a number of kilobits a second, 0 for as fast as it goes.")
    address = check_address(hub)
    attempt = view.read(folder).attempt
    client = Witness(address, attempt, token=code)
    return Sender(Outbox.of(folder, address), client, bytes_s=kbit * BYTES_PER_KBIT, tell=tell)


def deliver(sender: Sender, minutes: float = 0.0) -> Delivered:
    """Send until everything has arrived, or ``minutes`` are over (0: however long it takes)."""
    ends = time.monotonic() + minutes * 60.0 if minutes else float("inf")
    with sender.outbox as outbox:
        finished = drain(sender, time.sleep, lambda: time.monotonic() < ends)
        counts, refused = outbox.counts(), tuple(outbox.refused())
        doubts = _looked_at(sender) if finished else ()
    return Delivered(finished and not counts.waiting and not refused, counts, refused, doubts)


def _looked_at(sender: Sender) -> tuple[str, ...]:
    """What the hub said and does not hold; its receipts are kept in the case."""
    hub = sender.destination
    if not isinstance(hub, Witness):
        return ()
    try:
        return tuple(hub.look(sender.outbox.folder, sender.outbox))
    except Later:
        # It has everything, and its proofs can be had whenever the case is sent again.
        return ()


@contextmanager
def sending(
    session: Session, code: str, kbit: float, tell: Callable[[str], None]
) -> Iterator[Courier | None]:
    """While the exam of ``session`` runs, deliver to the hub of its policy; nothing where it names none.

    What is to be said about it is journalled, too. ``tell`` is called on a thread of its own.
    """
    hub = session.plan.policy.hub
    if not hub:
        yield None
        return

    def noted(sentence: str) -> None:
        now = round(session.clock.now(), 3)
        data = {"t": now, "kind": "delivery.noted", "data": {"sentence": sentence}}
        session.case.record("marker", data)
        tell(sentence)

    courier = Courier(lambda say: make_sender(session.case.folder, hub, code, kbit, say), noted)
    courier.start()
    try:
        yield courier
    finally:
        courier.stop()


def send_rest(hub: str, folder: Path, code: str, kbit: float, tell: Tell) -> Delivered | None:
    """After an exam: deliver what is left, for a while. ``None`` where the policy names no hub.

    That a delivery waits is no failure of an exam: the reason is told, and the case is whole here.
    """
    if not hub:
        return None
    try:
        return deliver(make_sender(folder, hub, code, kbit, tell), PATIENCE_MINUTES)
    except ProctorError as error:
        tell(str(error))
        return None
