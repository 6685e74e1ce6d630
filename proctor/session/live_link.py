"""The exam's live line to its hub: heartbeats, and what a person on duty asks for.

Two threads of their own, which never wait for capture and which capture never waits for. What a person
asks for is in the journal before it is done; each number is acted on once, also after a crash. A hub that
is away changes nothing: that is told once, and the exam goes on. Nothing here can end an exam.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from proctor.errors import CheckFailed, ProctorError
from proctor.evidence.outbox import Later
from proctor.evidence.sender import Courier, backoff
from proctor.hub.client import InUse
from proctor.hub.live_client import LiveClient, NoLiveLine, NotTaken, Received
from proctor.session.room_scan import Asked, check_asked

if TYPE_CHECKING:
    from proctor.session.session import Session

_LOG = logging.getLogger("proctor.live")

BEAT_S = 10.0
# A hub that was not reached for this long is told as away; a short trouble is not worth a word (s).
AWAY_S = 30.0
# Waiting after trouble is never longer than this (s): a person may be needed at the other end.
MOST_WAIT_S = 30.0
# A hub that has nothing for us and does not wait either is asked again after this (s).
LEAST_WAIT_S = 1.0
# The request at hand gets so long to end when the exam does (s).
PATIENCE_S = 3.0
COMMAND, OUTCOME = "hub.command", "hub.command.done"

What = Literal[
    "message", "answer_help", "extend", "pause", "resume", "approve_break", "room_scan",
    "away", "back", "in_use", "help_told",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """Something for the student: what kind it is, who says it, and that person's own words."""

    what: What
    id: int = 0
    by: str = ""
    text: str = ""
    minutes: float = 0.0


OnTold = Callable[[Told], None]


class LiveLink:
    """The live line of one running ``session``; ``delivery`` says whether clips go out now.

    ``tell`` is called on one of its threads. ``extra_minutes`` is how much time was added to the exam.
    """

    def __init__(
        self,
        session: Session,
        code: str,
        tell: OnTold,
        *,
        clips_go: Callable[[], bool] = lambda: True,
        ca: str | None = None,
    ) -> None:
        hub, attempt = session.plan.policy.hub, session.case.attempt
        self._session = session
        self._code = code
        self._tell = tell
        self._clips_go = clips_go
        # A client is one thread's: each of the two has its own.
        self._clients = [LiveClient(hub, attempt, token=code, ca=ca) for _ in range(2)]
        self._stop = threading.Event()
        self._ready = threading.Event()
        self._state = threading.Lock()
        self._silent_since: float | None = None
        self._told_away = False
        self._answered = 0
        self.seat = ""
        self.extra_minutes = 0.0
        self._last = 0
        self._told_calls = 0
        self._listening_over = False
        self._open: dict[int, Received] = {}
        # What became of commands and the hub has not heard yet.
        self._outcomes: dict[int, str] = {}
        self._unfinished: list[Told] = []
        self._recall()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._beats, "heartbeats"), (self._listens, "commands"))
        ]

    # From any thread.

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Say that the exam has ended, as far as the hub can be reached, and let go."""
        self._stop.set()
        self._session.interventions.changed.set()
        ends = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.1, ends - time.monotonic()))

    @property
    def scan(self) -> int:
        """The newest room scan that waits for the student's answer; 0 where none does."""
        with self._state:
            return max(self._open, default=0)

    def scanned(self, number: int, what: Literal["accepted", "declined", "impossible"]) -> None:
        """What became of a room scan that was asked for. A no is as good as a yes."""
        with self._state:
            asked = self._open.pop(number, None)
        if asked is not None:
            self._done(number, what)

    def asked(self, number: int) -> Asked:
        """Who asks for the room scan of this command, and why (rule R4)."""
        with self._state:
            one = self._open.get(number)
        return Asked(one.by, one.command.text) if one is not None else Asked()

    # What stands in the journal already.

    def _recall(self) -> None:
        """After a crash: what was asked before is not asked again, and added time stays added."""
        given: dict[int, dict[str, Any]] = {}
        allowed: dict[str, Any] = {}
        for record in self._session.case.records():
            data = record["data"]
            if record["type"] == "break.started" and data.get("minutes"):
                # A pause has none, and takes no break away.
                allowed = {}
            if record["type"] != "marker":
                continue
            inside = data.get("data", {})
            if data.get("kind") == COMMAND:
                given[inside["id"]] = inside
            elif data.get("kind") == OUTCOME:
                self._outcomes[inside["id"]] = inside["what"]
                one = given.get(inside["id"], {})
                if one.get("command") == "approve_break" and inside["what"] == "shown":
                    allowed = one
        for number, one in given.items():
            if one["command"] == "extend":
                self.extra_minutes += one["minutes"]
            if number not in self._outcomes:
                self._resume_with(number, one)
        if allowed:
            self._session.desk.give_break(allowed["by"], allowed["minutes"])
        self._last = max(given, default=0)

    def _resume_with(self, number: int, one: dict[str, Any]) -> None:
        """The crash came in the middle of a command: words are shown again, the rest is asked anew."""
        kind: What = one["command"]
        if kind in ("message", "answer_help", "extend"):
            self._unfinished.append(Told(kind, number, one["by"], one["text"], one["minutes"]))
        else:
            self._done(number, "impossible")

    # Heartbeats.

    def _beats(self) -> None:
        client, changed = self._clients[0], self._session.interventions.changed
        failures = 0
        try:
            while True:
                ending = self._stop.is_set()
                try:
                    if not self._ready.is_set():
                        self.seat = client.redeem(self._code).seat
                        self._ready.set()
                    self._beat(client, ended=ending)
                    self._settle(client)
                    failures = 0
                    self._reached()
                except Later:
                    failures += 1
                    self._not_reached()
                if ending:
                    return
                wait = BEAT_S if failures == 0 else _patience(failures)
                changed.wait(wait)
                changed.clear()
        except InUse:
            self._say(Told("in_use"))
        except (NoLiveLine, CheckFailed) as error:
            # A hub without a live line takes the case all the same; what is refused the delivery tells.
            _LOG.info("no more heartbeats: %s", type(error).__name__)
        finally:
            self._stop_listening()
            client.close()

    def _beat(self, client: LiveClient, *, ended: bool) -> None:
        session = self._session
        standing = session.desk.state
        state = "running"
        if ended:
            state = "ended"
        elif standing.on_break:
            state = "paused" if standing.paused else "break"
        calls = session.interventions.help_calls
        client.beat(
            state,
            "all" if self._clips_go() else "events_only",
            help_asked=calls > self._answered and not ended,
            at=time.time(),
        )
        if calls > self._answered and calls != self._told_calls:
            self._told_calls = calls
            self._say(Told("help_told"))

    def _reached(self) -> None:
        self._silent_since = None
        if self._told_away:
            self._told_away = False
            self._say(Told("back"))

    def _not_reached(self) -> None:
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if now - self._silent_since >= AWAY_S and not self._told_away:
            self._told_away = True
            self._say(Told("away"))

    # Commands.

    def _stop_listening(self) -> None:
        self._listening_over = True
        self._ready.set()

    def _listens(self) -> None:
        client = self._clients[1]
        failures = 0
        for told in self._unfinished:
            self._say(told)
            self._done(told.id, "shown")
        self._ready.wait()
        try:
            while not (self._stop.is_set() or self._listening_over):
                try:
                    began = time.monotonic()
                    found = client.commands(self._last)
                    for one in found:
                        if self._stop.is_set():
                            return
                        self._obey(one)
                    failures = 0
                    if not found and time.monotonic() - began < LEAST_WAIT_S:
                        self._stop.wait(LEAST_WAIT_S)
                except Later:
                    failures += 1
                    self._stop.wait(_patience(failures))
        except (NoLiveLine, CheckFailed) as error:
            # As with the heartbeats: the exam needs none of it.
            _LOG.info("no more commands: %s", type(error).__name__)
        finally:
            client.close()

    def _obey(self, one: Received) -> None:
        """Act on one command: journal first, then the act, then what became of it."""
        if one.id <= self._last:
            return
        self._last = one.id
        if one.left_s <= 0.0:
            self._done(one.id, "late")
            return
        command = one.command
        facts = {
            "id": one.id, "command": command.kind, "by": one.by, "text": command.text,
            "minutes": command.minutes,
        }  # fmt: skip
        if one.signed:
            facts["signed_sha256"] = hashlib.sha256(one.signed.encode("utf-8")).hexdigest()
        self._mark(COMMAND, facts)
        what = self._act(one)
        if what:
            self._done(one.id, what)

    def _act(self, one: Received) -> str:
        """Do it; what became of it, empty where the student answers later."""
        session, command = self._session, one.command
        try:
            if command.kind == "pause":
                session.pause(by=one.by)
            elif command.kind == "resume":
                if not session.desk.state.paused:
                    # A break is the student's: nobody else switches their camera on again.
                    return "impossible"
                session.resume()
            elif command.kind == "approve_break":
                session.desk.give_break(one.by, command.minutes)
            elif command.kind == "extend":
                self.extra_minutes += command.minutes
            elif command.kind == "answer_help":
                self._answered = session.interventions.help_calls
                session.interventions.changed.set()
            elif command.kind == "room_scan":
                asked = Asked(one.by, command.text)
                check_asked(session.plan.policy, session.case.records(), asked)
                with self._state:
                    self._open[one.id] = one
        except ProctorError:
            # The exam is not as the person thought: no break to end, no scan in this policy.
            return "impossible"
        self._say(Told(command.kind, one.id, one.by, command.text, command.minutes))
        return "" if command.kind == "room_scan" else "shown"

    def _done(self, number: int, what: str) -> None:
        """Note what became of a command; the next heartbeat, which comes at once, brings it to the hub."""
        self._mark(OUTCOME, {"id": number, "what": what})
        with self._state:
            self._outcomes[number] = what
        self._session.interventions.changed.set()

    def _settle(self, client: LiveClient) -> None:
        with self._state:
            outcomes = dict(self._outcomes)
        for number, what in outcomes.items():
            try:
                client.done(number, what)
            except NotTaken as error:
                # Only this outcome is dropped; it stays in the journal, and heartbeats go on.
                _LOG.info("the hub does not take what became of command %d: %s", number, error)
            with self._state:
                del self._outcomes[number]

    def _mark(self, kind: str, data: dict[str, Any]) -> None:
        now = round(self._session.clock.now(), 3)
        self._session.case.record("marker", {"t": now, "kind": kind, "data": data})

    def _say(self, told: Told) -> None:
        if not self._stop.is_set():
            self._tell(told)


def _patience(failures: int) -> float:
    """Seconds to wait after so many failures in a row, at most :data:`MOST_WAIT_S`."""
    return max(0.5, min(MOST_WAIT_S, backoff(failures, random.random())))  # noqa: S311


@contextmanager
def linked(
    session: Session, code: str, tell: OnTold, courier: Courier | None = None
) -> Iterator[LiveLink | None]:
    """The live line while the exam of ``session`` runs; nothing where its policy names no hub.

    ``courier`` is what delivers the case beside it: heartbeats tell whether clips go out now.
    """
    if not session.plan.policy.hub or not code:
        yield None
        return
    clips_go = (lambda: courier.clips_go) if courier is not None else (lambda: True)
    link = LiveLink(session, code, tell, clips_go=clips_go)
    link.start()
    try:
        yield link
    finally:
        link.stop()
