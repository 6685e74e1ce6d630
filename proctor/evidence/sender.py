"""Sends an outbox: one thing at a time, small ones first, never faster than asked, for as long as it takes.

Pure decisions (how long to wait, whether clips wait for the end of the exam) stand apart from the loop.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from proctor.errors import CheckFailed, ProctorError
from proctor.evidence.outbox import Destination, Gone, Item, Later, Outbox, Refused

# Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015): students
# whose network comes back at one moment do not all knock at once.
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
# Bytes of a clip that go in one request: fewer on a slow line, and never more than a second's worth of
# the budget.
FIRST_CHUNK = 64_000
MOST_CHUNK = 1_000_000
LEAST_CHUNK = 4_000
# A request that took this long (s) was too large; one that took less may grow.
LONG_REQUEST_S = 4.0
SHORT_REQUEST_S = 1.0
# How often the case is looked at for something new (s): a proctor is to hear of a flag within two seconds,
# and the rest of the way takes its part.
LOOK_S = 0.5
# During an exam, clips that would take longer than this (s) wait for its end; they go again below half.
HOLD_S = 600.0
# Weight of the newest measurement of the connection's speed.
NEWEST = 0.3

Tell = Callable[[str], None]


def backoff(tries: int, chance: float) -> float:
    """Seconds to wait after ``tries`` failures in a row; ``chance`` is a random number in 0…1."""
    return chance * min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 30))


def holds_clips(held: bool, waiting_bytes: int, bytes_s: float | None) -> bool:
    """Whether clips wait for the end of the exam, given how fast the connection is known to be."""
    if bytes_s is None:
        return held
    needed = waiting_bytes / max(bytes_s, 1.0)
    return needed > (HOLD_S / 2 if held else HOLD_S)


class Sender:
    """Delivers an :class:`Outbox` to a :class:`Destination`, step by step.

    ``bytes_s`` is the most that is sent a second on average (0: as fast as it goes). ``tell`` hears
    sentences for the person at the machine.
    """

    def __init__(
        self,
        outbox: Outbox,
        destination: Destination,
        *,
        bytes_s: float = 0.0,
        tell: Tell = lambda sentence: None,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.outbox = outbox
        self.in_exam = False
        self.events_only = False
        self.destination = destination
        self._budget = bytes_s
        self._tell = tell
        self._chance = chance
        self._clock = clock
        self._tries = 0
        self._chunk = FIRST_CHUNK
        self._held = False
        self._trouble = ""
        self._rate: float | None = bytes_s or None
        self._looked = float("-inf")
        # How far the clip at hand is, as the hub said; unknown after any trouble.
        self._at: tuple[int, int] | None = None

    @property
    def clips_go(self) -> bool:
        """Whether clips are sent now; not on a slow line during an exam, and not where nobody wants it."""
        return not (self.events_only or self._held)

    def step(self) -> float | None:
        """Do one thing. Returns the seconds to wait before the next, ``None`` when nothing is to be sent.

        Raises :class:`CheckFailed` when it makes no sense to go on.
        """
        if self._clock() - self._looked >= LOOK_S:
            self._looked = self._clock()
            self.outbox.collect()
        item = self.outbox.next(clips=self._clips_may_go())
        if item is None:
            return None
        began = self._clock()
        try:
            sent = self._clip(item) if item.kind == "clip" else self._small(item)
        except Later as later:
            return self._wait_after(later)
        except Gone as gone:
            self.outbox.locate(item, "")
            self._at = None
            return self._wait_after(Later(str(gone)))
        except Refused as refused:
            self._set_aside(item, str(refused))
            return 0.0
        self._tries = 0
        if self._trouble:
            self._trouble = ""
            self._tell("The hub answers again.")
        took = self._clock() - began
        if item.kind == "clip" and sent:
            self._fit_chunk(took)
        wait = max(0.0, sent / self._budget - took) if self._budget else 0.0
        self._measure(item, sent, took + wait)
        return wait

    def _small(self, item: Item) -> int:
        body = self.outbox.body(item)
        self.outbox.done(item, self.destination.post(item, body))
        return len(body)

    def _clip(self, item: Item) -> int:
        """Begin, go on with or end an upload; returns the bytes that were sent."""
        location = item.location
        if not location:
            # Its bytes are looked at before anything is announced.
            self.outbox.body(item)
            location = self.destination.begin(item)
            self.outbox.locate(item, location)
        offset = self._offset(item, location)
        if offset == item.length:
            self.outbox.done(item, self.destination.finish(item, location))
            self._at = None
            return 0
        data = self.outbox.body(item, offset, self._next_chunk())
        if not data:
            raise Refused("its file is shorter than the journal says")
        arrived = self.destination.put(location, offset, data)
        if arrived != offset + len(data):
            raise Later(f"the hub counts {arrived} bytes where {offset + len(data)} were sent")
        self._at = (item.seq, arrived)
        return len(data)

    def _offset(self, item: Item, location: str) -> int:
        if self._at is not None and self._at[0] == item.seq:
            return self._at[1]
        offset = self.destination.offset(location)
        if not 0 <= offset <= item.length:
            raise Gone(f"the hub counts {offset} bytes of a clip that has {item.length}")
        self._at = (item.seq, offset)
        return offset

    def _next_chunk(self) -> int:
        most = max(LEAST_CHUNK, self._budget) if self._budget else MOST_CHUNK
        return int(min(self._chunk, most))

    def _fit_chunk(self, seconds: float) -> None:
        """Requests of a clip become as large as the line carries in good time."""
        if seconds > LONG_REQUEST_S:
            self._chunk = max(LEAST_CHUNK, self._chunk // 2)
        elif seconds < SHORT_REQUEST_S:
            self._chunk = min(MOST_CHUNK, self._chunk * 2)

    def _clips_may_go(self) -> bool:
        if self.events_only:
            return False
        held = False
        if self.in_exam:
            waiting = self.outbox.counts().waiting_bytes
            held = holds_clips(self._held, waiting, self._rate)
        if held != self._held:
            self._held = held
            self._tell(
                "The connection is slow: notes and the log are sent, clips stay here, sealed, until the "
                "exam is over."
                if held
                else "Clips are sent again."
            )
        return not held

    def _measure(self, item: Item, sent: int, seconds: float) -> None:
        if item.kind == "clip" and sent and seconds > 0.0:
            now = sent / seconds
            self._rate = now if self._rate is None else NEWEST * now + (1 - NEWEST) * self._rate

    def _wait_after(self, later: Later) -> float:
        self._at = None
        self._fit_chunk(float("inf"))
        self._tries += 1
        if str(later) != self._trouble:
            self._trouble = str(later)
            self._tell(f"Not delivered yet: {later}. It is tried again; nothing is lost meanwhile.")
        wait = backoff(self._tries - 1, self._chance())
        # A hub may ask for patience, but not for more than we would have.
        return max(wait, min(later.after_s or 0.0, LONGEST_WAIT_S))

    def _set_aside(self, item: Item, why: str) -> None:
        if item.kind in ("policy", "journal", "checkpoint"):
            # What follows builds on it: the rest could not be checked without.
            raise CheckFailed(
                f"The hub does not take {item.kind} {item.name} of the case {self.outbox.folder}: {why}. "
                f"Nothing after it was sent; tell the institution."
            )
        self.outbox.refuse(item, why)
        self._at = None
        self._tell(f"The {item.kind} {item.name} was not taken: {why}. It stays in the case.")


def drain(
    sender: Sender, wait: Callable[[float], None], go_on: Callable[[], bool] = lambda: True
) -> bool:
    """Send until nothing is left; ``False`` when ``go_on`` ended it before."""
    while go_on():
        pause = sender.step()
        if pause is None:
            return True
        if pause > 0.0:
            wait(pause)
    return False


class Courier:
    """A thread that sends while an exam runs. What it cannot do is told, and never stops the exam."""

    def __init__(self, make: Callable[[Tell], Sender], tell: Tell) -> None:
        self._make = make
        self._tell = tell
        self._stop = threading.Event()
        self._sender: Sender | None = None
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    @property
    def clips_go(self) -> bool:
        """Whether clips are sent now, and not the small things only."""
        return self._sender is None or self._sender.clips_go

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience_s: float = 40.0) -> None:
        """End the thread after the request at hand."""
        self._stop.set()
        self._thread.join(patience_s)

    def _run(self) -> None:
        try:
            sender = self._sender = self._make(self._say)
            sender.in_exam = True
            with sender.outbox:
                while not self._stop.is_set():
                    pause = sender.step()
                    self._stop.wait(LOOK_S if pause is None else pause)
        except ProctorError as error:
            self._say(f"Nothing more is sent during this exam: {error}")

    def _say(self, sentence: str) -> None:
        """Pass a sentence on; once the exam is over nobody listens any more."""
        if not self._stop.is_set():
            self._tell(sentence)
