"""What a student may do at any time during an exam, and everything that follows from it.

The student's word is taken on any thread and is on disk when the call returns. What follows for
rules, clips and devices is done by the one thread that writes evidence, within a quarter of a second.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial

from policies.consent import Grant
from policies.engine import break_ends_at, planned_break_due
from policies.schema import PurposeName
from proctor.clock import SessionClock
from proctor.errors import InputError
from proctor.evidence import erasure
from proctor.evidence.case import Case
from proctor.evidence.words import BY_ARRANGEMENT
from proctor.pipeline.runner import Station
from proctor.session.arrangement import SENSOR, purposes_of
from proctor.session.capturing import Capture
from proctor.session.desk import ConsentDesk
from proctor.session.recorder import Recorder
from proctor.session.room_scan import Asked, RoomScan
from proctor.types import Erasure, Marker

# Before a break ends by itself, its end is announced this long ahead (s).
WARNING_S = 60.0
# The session's loop turns several times a second. Where it did not for so long, the computer slept or the
# program was held up (s).
STOOD_STILL_S = 10.0
# A film of the room waits so long for the exam to let go of its camera; rule C4 gives a device one second (s).
RELEASED_S = 5.0
STOOD_STILL = "The computer slept, or the program was held up."
# Who asks, unless somebody else is named: the policy itself.
BY_POLICY = Asked()

OnNotice = Callable[[str], None]


class Interventions:
    """Withdrawals, later answers and breaks of one session. ``capture`` is there during a live run.

    ``bound`` are the purposes that detectors of this exam run on, whether they were agreed to or not.
    """

    def __init__(
        self,
        case: Case,
        desk: ConsentDesk,
        recorder: Recorder,
        stations: Sequence[Station],
        bound: Collection[PurposeName],
        clock: SessionClock,
        on_notice: OnNotice,
    ) -> None:
        self.capture: Capture | None = None
        self.closed = False
        self._case = case
        self._desk = desk
        self._policy = desk.policy
        self._recorder = recorder
        self._stations = stations
        self._bound = bound
        self._clock = clock
        self._on_notice = on_notice
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._work = threading.RLock()
        self._writer: int | None = None
        self._warned = False
        self._turned: float | None = None
        # A film of the room has the camera; whether the pause that it needed is its own.
        self.filming = self._paused_to_film = False
        # How often a person was asked for; ``changed`` is set at every such call, break and return.
        self.help_calls = 0
        self.changed = threading.Event()

    def withdraw(self, purpose: PurposeName) -> str:
        """Take back what was agreed to (rule C4); returns the alternative, a sentence.

        On return nothing of it is looked at any more, and journal and receipt are on disk; the device
        is released and what was kept is erased within a second. A detector that needs ``purpose``
        besides its sensor is closed and let go of, at the latest when its look under way ends. Raises
        :class:`InputError` when there is nothing to take back.
        """
        self._check_open()
        t = self._desk.withdraw(purpose)
        for station in self._stations:
            if purpose in station.plugin.needs:
                station.retire(BY_ARRANGEMENT)
        self._do(partial(self._withdrawn, purpose, t))
        self._case.put_receipts(self._policy)
        return self._policy.purposes[purpose].alternative

    def answer(
        self,
        purpose: PurposeName,
        yes: bool,
        *,
        how: str = "asked",
        language: str = "en",
        asked: Asked = BY_POLICY,
    ) -> Grant | None:
        """The answer to a question put during the exam, for instance at the moment of a room scan.

        A sensor that was taken back may be given again; what was declined at the start may not,
        because nothing was loaded for it, and neither may what a detector needed that is closed now.
        Raises :class:`InputError` then.
        """
        self._check_open()
        if yes and purpose in self._bound:
            loaded = any(purpose in purposes_of(s.plugin) for s in self._stations if not s.closed)
            device = purpose in SENSOR.values()
            shut = device and (self.capture is None or not self.capture.can_reopen)
            if not loaded or shut:
                raise InputError(
                    f"'{purpose}' cannot be switched on in this exam any more; begin the exam anew "
                    f"to use it, or go on without it."
                )
        grant = self._desk.answer(purpose, yes, how, language, asked)
        if grant is not None:
            self._do(partial(self._restored, purpose, self._clock.now()))
        self._case.put_receipts(self._policy)
        return grant

    def pause(self, by: str = "") -> None:
        """Begin a break (rule A2): capture stops and every device is released within a second.

        ``by``: the person on duty who pauses the exam. Raises :class:`InputError` with the reason when
        the policy allows no break now.
        """
        self._check_open()
        if self.capture is None:
            raise InputError("Nothing is captured now; breaks are for a live exam that is running.")
        if not self.capture.can_reopen:
            raise InputError("A recording has no breaks; they are for a live exam.")
        t = self._desk.begin_break(by)
        self._do(partial(self._break_begun, t))
        self.changed.set()

    def resume(self) -> None:
        """End the break; raises :class:`InputError` when there is none, or the room is being filmed."""
        self._check_open()
        if self.filming:
            raise InputError("Your room is being filmed; the exam goes on when that is over.")
        t = self._desk.end_break()
        self._do(partial(self._break_ended, t))
        self.changed.set()

    def lend_camera(self, by: str) -> None:
        """Let a film of the room, which ``by`` asks for, have the camera: the exam pauses if it did not.

        Returns once the exam's own devices are released. Raises :class:`InputError` as :meth:`pause` does.
        """
        self._check_open()
        if not self._desk.state.on_break:
            self.pause(by)
            self._paused_to_film = True
        self.filming = True
        capture = self.capture
        if capture is not None:
            capture.released.wait(RELEASED_S)

    def take_camera_back(self, scan: RoomScan | None) -> None:
        """The film is over: what of ``scan`` was not handed over is gone, and the exam goes on.

        Does nothing that is done already, and nothing to an exam that is over.
        """
        if self.closed:
            return
        if scan is not None:
            scan.drop(self._desk.scan_dropped)
            self._case.put_receipts(self._policy)
        self.filming = False
        if self._paused_to_film:
            self._paused_to_film = False
            if self._desk.state.on_break:
                self.resume()

    def ask_for_help(self) -> None:
        """The student asks for a person: a neutral milestone, from any thread."""
        self._check_open()
        asked = Marker(self._clock.now(), "help.asked")
        self._do(partial(self._recorder.marker, asked))
        self.help_calls += 1
        self.changed.set()

    # The evidence writer.

    def begin(self, capture: Capture | None) -> None:
        """A run begins: the calling thread is the evidence writer now."""
        with self._work:
            self.attend()
            self._writer, self.capture = threading.get_ident(), capture

    def end(self) -> None:
        """The run is over."""
        with self._work:
            self.attend()
            self._writer = self.capture = None

    def _check_open(self) -> None:
        if self.closed:
            raise InputError("This exam is closed; write to the contact that its policy names.")

    def _do(self, job: Callable[[], None]) -> None:
        """Have ``job`` done by the evidence writer: here and now when that is us or nobody."""
        with self._work:
            self._jobs.put(job)
            if self._writer in (None, threading.get_ident()):
                self.attend()

    def attend(self) -> None:
        """Do what was left to the evidence writer."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            job()

    def _withdrawn(self, purpose: PurposeName, t: float) -> None:
        if self.capture is not None:
            self.capture.forget(purpose)
        self._recorder.withdraw(purpose, t)
        self.erase_what_is_due(t)
        self._case.checkpoint()

    def erase_what_is_due(self, t: float) -> None:
        """Erase the sealed clips of what was taken back, each with its tombstone."""
        for flag in erasure.due(self._case.records()):
            when = self._clock.wall(self._clock.now()).isoformat()
            tombstone = Erasure(f"the clip of {flag}", when, erasure.WITHDRAWN, erasure.RULE)
            self._case.erase(flag, tombstone, t)
            self._recorder.sealed -= 1

    def _restored(self, purpose: PurposeName, t: float) -> None:
        self._recorder.restore(purpose, t)
        if purpose in SENSOR.values() and self.capture is not None:
            self._forget_history()
            if not self._desk.state.on_break:
                self.capture.close()
                self.capture.open()

    def _break_begun(self, t: float) -> None:
        self._warned = False
        if self.capture is not None:
            self.capture.close()
            self.capture.forget_waiting()
        self._recorder.pause(t)
        self._recorder.marker(Marker(t, "break.start"))

    def _break_ended(self, t: float) -> None:
        self._recorder.marker(Marker(t, "break.end"))
        self._recorder.resume(t)
        self._forget_history()
        # The student may have asked for another break in the meantime.
        if self.capture is not None and self.capture.can_reopen and self._desk.open_valve():
            self.capture.open()

    def _forget_history(self) -> None:
        for station in self._stations:
            station.after_gap = True

    def watch_sleep(self, now: float) -> None:
        """Called at every turn of a live session: time in which there was none becomes an ``agent.gap``.

        Nobody measured in it, which the rules count as such; what detectors remember of the time before
        does not belong to the time after. In a break nothing is measured anyway.
        """
        last, self._turned = self._turned, now
        if last is None or now - last < STOOD_STILL_S or self._desk.state.on_break:
            return
        self._forget_history()
        gap = {"start": round(last, 3), "end": round(now, 3), "why": STOOD_STILL}
        self._case.record("agent.gap", gap, now)
        self._on_notice(
            f"{STOOD_STILL} Nothing was measured for {round(now - last)} s, and that does not count "
            f"against you. The exam goes on."
        )

    def watch_breaks(self, now: float) -> None:
        """Begin a planned break, and end one whose time is over; both are told in a sentence."""
        breaks, state = self._policy.breaks, self._desk.state
        if self.capture is None or not self.capture.can_reopen or self.filming:
            return
        minutes = state.break_minutes if state.break_by else breaks.max_minutes
        if planned_break_due(breaks, state, now):
            begun = self._desk.begin_planned_break()
            if begun is None:
                return
            self._break_begun(begun)
            self._on_notice(
                f"A planned break of {breaks.max_minutes:g} minutes begins; nothing is captured. "
                f"You can end it earlier."
            )
            return
        end = break_ends_at(breaks, state, unlimited=self._desk.breaks_unlimited)
        if end is None:
            return
        if now >= end:
            # Who typed resume at this very moment was first.
            ended = self._desk.end_overdue_break()
            if ended is None:
                return
            self._break_ended(ended)
            self._on_notice(
                f"The break is over: this exam allows {minutes:g} minutes. Capture goes on."
            )
        elif now >= end - WARNING_S and not self._warned:
            self._warned = True
            self._on_notice(f"The break ends in {max(1, round(end - now))} s.")
