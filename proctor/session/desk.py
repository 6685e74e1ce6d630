"""Where the student's word is taken: every yes, no, withdrawal and break, on disk before it counts.

Any thread may call. A grant dies before anything else happens, so nothing a withdrawal takes back
is read while its record is being written.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from policies.consent import Grant, put_to_student
from policies.engine import (
    ConsentState,
    break_ends_at,
    planned_break_due,
    why_no_break,
    why_no_grant,
)
from policies.schema import Policy, PurposeName
from proctor.errors import InputError
from proctor.evidence.case import Case
from proctor.evidence.erasure import ROOM_SCAN
from proctor.evidence.journal import SOURCE
from proctor.session.room_scan import Asked, check_asked, one_more


class ConsentDesk:
    """The consent of one case, as it stands and as its journal has it.

    ``grants`` is the one mapping that everything reads; a withdrawn grant stays in it, dead.
    """

    def __init__(
        self,
        case: Case,
        policy: Policy,
        state: ConsentState,
        grants: dict[PurposeName, Grant],
        now: Callable[[], float],
        *,
        breaks_unlimited: bool = False,
    ) -> None:
        self.policy = policy
        self.state = state
        self.grants = grants
        self.breaks_unlimited = breaks_unlimited
        self._case = case
        self._now = now
        self._lock = threading.RLock()
        # Closed during a break, from the moment it is asked for.
        self._open = not state.on_break
        # A break that a person on duty gave and that was not taken yet: who, and how many minutes.
        self._given: tuple[str, float] | None = None

    def grant_of(self, purpose: PurposeName) -> Grant | None:
        """The live grant for ``purpose``, if there is one."""
        grant = self.grants.get(purpose)
        return grant if grant is not None and grant.live else None

    def capturing(self, sensor: PurposeName) -> bool:
        """Whether a sample of ``sensor`` may be looked at now. Asked for every sample."""
        grant = self.grants.get(sensor)
        return self._open and grant is not None and grant.live

    def covers(self, purposes: Collection[PurposeName]) -> bool:
        """Whether there is a live grant for each of ``purposes``."""
        return all(self.grant_of(purpose) is not None for purpose in purposes)

    def withdraw(self, purpose: PurposeName) -> float:
        """Take ``purpose`` back; returns the session second from which it counts.

        Where the legal basis is not consent this is an objection. Raises :class:`InputError` when
        there is nothing to take back.
        """
        with self._lock:
            if not self.state.live(purpose):
                live = ", ".join(p for p in self.state.purposes if self.state.live(p)) or "nothing"
                raise InputError(
                    f"'{purpose}' is not agreed to, so there is nothing to take back (agreed to: {live})."
                )
            self.grants[purpose].withdraw()
            t = self._now()
            by_consent = self.state.basis.get(purpose, "consent") == "consent"
            kind = "consent.withdrawn" if by_consent else "consent.objected"
            self._write(kind, {"purpose": purpose}, t)
            return t

    def answer(
        self, purpose: PurposeName, yes: bool, how: str, language: str, asked: Asked
    ) -> Grant | None:
        """The answer to a question put during the exam; its grant, or ``None`` for a no.

        ``asked`` is who asked for a second room scan and why (rule R4). Raises :class:`InputError`
        when a yes cannot be taken, and as :func:`check_asked` does for a room scan.
        """
        with self._lock:
            if purpose == ROOM_SCAN:
                check_asked(self.policy, self._case.records(), asked)
            problem = why_no_grant(self.policy, self.state, purpose)
            if problem:
                raise InputError(problem)
            put = put_to_student(self.policy, purpose, language)
            data = {
                "purpose": purpose,
                "how": how,
                "language": language,
                "text_sha256": hashlib.sha256(put.encode()).hexdigest(),
                **asked.facts(),
            }
            if purpose == ROOM_SCAN and not yes:
                data |= one_more(self._case.records())
            number = self._write("consent.granted" if yes else "consent.refused", data, self._now())
            if not yes:
                return None
            grant = Grant(purpose, f"{SOURCE}{self._case.attempt}#{number}")
            self.grants[purpose] = grant
            return grant

    def scan_dropped(self) -> None:
        """The student throws away the film that their last yes to a room scan was for."""
        with self._lock:
            data = {"purpose": ROOM_SCAN, **one_more(self._case.records())}
            self._write("consent.withdrawn", data, self._now())

    def give_break(self, by: str, minutes: float) -> None:
        """``by``, a person on duty, gives one break more than the policy; it begins when the student wants."""
        with self._lock:
            self._given = (by, minutes)

    def begin_break(self, by: str = "") -> float:
        """Begin a break; returns its session second. Raises :class:`InputError` when there is none.

        ``by``: the person on duty who pauses the exam, whatever the policy says about breaks.
        """
        with self._lock:
            t = self._now()
            given = (by, 0.0) if by else self._given
            problem = why_no_break(
                self.policy.breaks,
                self.state,
                t,
                unlimited=self.breaks_unlimited or given is not None,
            )
            if problem:
                raise InputError(problem)
            self._open = False
            facts: dict[str, Any] = {}
            if given is not None:
                facts = {"by": given[0], "minutes": given[1]}
                self._given = None if not by else self._given
            self._write("break.started", facts, t)
            return t

    def begin_planned_break(self) -> float | None:
        """Begin the planned break that is due; ``None`` when there is none any more."""
        with self._lock:
            due = planned_break_due(self.policy.breaks, self.state, self._now())
            return self.begin_break() if due else None

    def end_overdue_break(self) -> float | None:
        """End the break whose time is over; ``None`` when there is none any more."""
        with self._lock:
            end = break_ends_at(self.policy.breaks, self.state, unlimited=self.breaks_unlimited)
            return self.end_break() if end is not None and self._now() >= end else None

    def end_break(self) -> float:
        """End the break; returns the session second. Samples flow once :meth:`open_valve` was called."""
        with self._lock:
            if not self.state.on_break:
                raise InputError("There is no break to end.")
            t = self._now()
            self._write("break.ended", {}, t)
            return t

    def open_valve(self) -> bool:
        """Let samples through again, unless there is another break already; returns whether it did."""
        with self._lock:
            self._open = not self.state.on_break
            return self._open

    def _write(self, kind: str, data: Mapping[str, Any], t: float) -> int:
        data = {"t": round(t, 3), **data}
        number = self._case.record(kind, data)
        self.state = self.state.after({"id": str(number), "type": kind, "data": data})
        return number
