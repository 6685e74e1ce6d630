"""What a student can type during an exam in the terminal: break, resume, withdraw, end, help."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import get_args

from policies.schema import PurposeName
from proctor.errors import ProctorError
from proctor.session.live_link import LiveLink
from proctor.session.session import Session

HELP = (
    "You can type, at any time:\n"
    "  break              capture stops, and the devices are released\n"
    "  resume             the break is over\n"
    "  withdraw camera    take back what you agreed to (or microphone, clips, …)\n"
    "  call               ask a person for help\n"
    "  scan no            no to a room scan that somebody asks for; the exam goes on\n"
    "  end                end the exam\n"
    "  help               this text"
)
# A longer line is no command.
MAX_LINE = 200


class Controls:
    """Obeys the lines a student types. ``write`` prints a line; ``ended`` is true after ``end``."""

    def __init__(
        self, session: Session, write: Callable[[str], None], link: LiveLink | None = None
    ) -> None:
        self._session = session
        self._write = write
        self.ended = False
        self._link = link

    def obey(self, line: str) -> None:
        """One line; what came of it is printed, also when it could not be done."""
        command, _, rest = line.strip().lower().partition(" ")
        rest = rest.strip()
        try:
            if command == "break" and not rest:
                self._session.pause()
                self._write("Break: nothing is captured. Type resume to go on.")
            elif command == "resume" and not rest:
                self._session.resume()
                self._write("The break is over; capture goes on.")
            elif command == "call" and not rest:
                self._session.ask_for_help()
                contact = self._session.plan.policy.contact
                self._write(f"Noted. Whom to ask besides: {contact}")
            elif command == "scan":
                self._scan(rest)
            elif command == "withdraw":
                self._withdraw(rest)
            elif command == "end" and not rest:
                self.ended = True
            elif command:
                self._write(HELP)
        except ProctorError as error:
            self._write(str(error))

    def _scan(self, answer: str) -> None:
        link = self._link
        number = 0 if link is None else link.scan
        if link is None or not number:
            self._write("Nobody asks for a room scan now.")
            return
        if answer != "no":
            self._write(
                "A film of the room is made in the student's window (`proctor exam` without --terminal), "
                "not in a terminal. Type scan no to decline; the exam goes on either way."
            )
            return
        asked = link.asked(number)
        self._session.answer("room_scan", False, asked=asked)
        link.scanned(number, "declined")
        self._write("Declined. The exam goes on.")

    def _withdraw(self, rest: str) -> None:
        purpose: PurposeName | None = next((p for p in get_args(PurposeName) if p == rest), None)
        if purpose is None:
            self._write(f"Say what to take back: {', '.join(self._session.plan.policy.purposes)}.")
            return
        alternative = self._session.withdraw(purpose)
        self._write(f"Taken back: {purpose}. Nothing is noted about it. Instead: {alternative}")

    def listen(self) -> None:
        """Obey what is typed, from now on, on a thread of its own; only where a person is typing."""
        if not sys.stdin.isatty():
            return
        self._write(HELP)
        threading.Thread(target=self._read, name="typed lines", daemon=True).start()

    def _read(self) -> None:
        # Straight from the terminal: a thread that waits inside sys.stdin would hold its lock and
        # keep the program from ending.
        while True:
            try:
                line = os.read(sys.stdin.fileno(), MAX_LINE)
            except OSError:
                return
            if not line:
                return
            for part in line.decode("utf-8", "replace").splitlines():
                self.obey(part)
