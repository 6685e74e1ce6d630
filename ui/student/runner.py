"""Runs the session on a thread of its own and tells the window what happens, as queued signals."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QObject, Signal

from policies.schema import PurposeName
from policies.texts.numbers import Parts
from policies.texts.told import left_out
from proctor.errors import ProctorError, places
from proctor.session import delivery, own_copy
from proctor.session.devices import Devices
from proctor.session.live_link import LiveLink, linked
from proctor.session.markers import ExamPage
from proctor.session.plan import Plan
from proctor.session.session import Session, choose_recipients
from proctor.session.summary import Summary
from ui.bridge import Worker
from ui.student.attempt import Attempt
from ui.student.relay import Relay
from ui.texts import Texts

_LOG = logging.getLogger("proctor.exam")


class Runner(QObject):
    """One exam, from its consent record to its end. ``begun`` tells that devices may open now,
    ``page`` gives the link with which the exam's page finds this program, ``live`` what the people on
    duty say (:class:`proctor.session.live_link.Told`)."""

    begun = Signal()
    flag = Signal(object)
    notice = Signal(str)
    live = Signal(object)
    page = Signal(str)
    ended = Signal(object)
    failed = Signal(str)

    def __init__(self, attempt: Attempt, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._attempt = attempt
        self.relay = Relay(self)
        self.session: Session | None = None
        self.link: LiveLink | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._worker = Worker(self)

    @property
    def running(self) -> bool:
        """Whether the exam goes on."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Write the consent record (or go on with a case) and load the detectors, then run."""
        self._worker.run(self._make, self._made, self._not_made)

    def end(self) -> None:
        """Ask the exam to end; ``ended`` follows once everything is sealed."""
        self._end.set()

    def close(self) -> None:
        """End it and wait until it is on the disk."""
        self.end()
        if self._thread is not None:
            self._thread.join()
        elif self.session is not None:
            self.session.close()
        self._worker.close()

    # What the student may do at any time; each is short, and off the window's thread all the same.

    def do(self, work: Callable[[Session], Any], then: Callable[[Any], None]) -> None:
        """Run something on the session; what it refuses is told as a notice."""
        session = self.session
        if session is None:
            return

        def refused(error: Exception) -> None:
            if not isinstance(error, ProctorError):
                raise error
            self.notice.emit(str(error))

        self._worker.run(lambda: work(session), then, refused)

    def on(self, sensor: PurposeName) -> bool:
        """Whether samples of a sensor are looked at now."""
        session = self.session
        return session is not None and self.running and session.desk.capturing(sensor)

    @property
    def on_break(self) -> bool:
        session = self.session
        return session is not None and session.desk.state.on_break

    @property
    def filming(self) -> bool:
        """Whether a film of the room has the camera, in a pause of the exam."""
        return self.session is not None and self.running and self.session.filming

    @property
    def seconds(self) -> float:
        """Session seconds; 0 before it has begun."""
        return self.session.clock.now() if self.session is not None else 0.0

    # Inside.

    def _make(self) -> Session:
        attempt = self._attempt
        flag = self.flag.emit
        notice = self.notice.emit
        if attempt.joined is not None and attempt.joined.state == "begun":
            return Session.reopen(attempt.plan, attempt.case, on_flag=flag, on_notice=notice)
        recipients = choose_recipients(attempt.plan, ())
        folder = attempt.case
        folder.parent.mkdir(parents=True, exist_ok=True)
        answers = attempt.given()
        if attempt.own_key and attempt.offers_own_key and answers.granted.get("clips"):
            recipients += (own_copy.make(attempt.policy, folder, attempt.passphrase).recipient,)
        return Session(
            attempt.plan,
            answers,
            folder,
            recipients=recipients,
            on_flag=flag,
            on_notice=notice,
        )

    def _made(self, session: Session) -> None:
        session.watching = self.relay.watching
        self.session = session
        self._attempt.passphrase = ""
        self.begun.emit()

    def _not_made(self, error: Exception) -> None:
        if not isinstance(error, ProctorError):
            raise error
        self.failed.emit(str(error))

    def run(self) -> None:
        """Open the devices and watch, until the end."""
        if self.session is None or self._thread is not None:
            return
        self._thread = threading.Thread(
            target=self._run, args=(self.session, self._attempt.devices), name="exam", daemon=True
        )
        self._thread.start()

    @property
    def _code(self) -> str:
        joined = self._attempt.joined
        return joined.invitation.code if joined is not None else ""

    @contextmanager
    def _hub(self, session: Session) -> Iterator[None]:
        """Deliver to the policy's hub, and hear the people on duty, as long as the exam runs."""
        with (
            delivery.sending(session, self._code, 0.0, self.notice.emit) as courier,
            linked(session, self._code, self.live.emit, courier) as self.link,
        ):
            yield

    @contextmanager
    def _page(self, session: Session) -> Iterator[None]:
        """Listen to the exam page, if the policy names one, as long as the exam runs."""
        origin = session.plan.policy.exam_page.origin
        if not origin:
            yield
            return
        with ExamPage(origin, session.mark) as page:
            self.page.emit(page.link)
            yield

    def _run(self, session: Session, devices: Devices) -> None:
        summary: Summary | None = None
        sentence = ""
        try:
            with session, self._hub(session), self._page(session):
                summary = session.live(
                    lambda: devices.sources(
                        session.clock, session.sensor("camera"), session.sensor("microphone")
                    ),
                    until=lambda t: self._end.is_set(),
                )
        except ProctorError as error:
            sentence = str(error)
        except Exception as error:  # told in words, never lost; what is sealed stays sealed
            _LOG.error("the exam broke off: %s", places(error))
            sentence = f"{type(error).__name__}: {error}"
        if summary is not None:
            self.ended.emit(summary)
        else:
            self.failed.emit(sentence)


def not_measured(t: Texts, plan: Plan, parts: Parts) -> list[str]:
    """A sentence for each detector that does not run."""
    return [left_out(t, one.kinds, one.why, one.mend, parts) for one in plan.not_measured]
