"""What a student can type during an exam in the terminal: break, resume, withdraw, end, help."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from policies.texts import Texts, terminal, texts
from proctor.errors import ProctorError
from proctor.session.live_link import LiveLink
from proctor.session.session import Session

# A longer line is no command.
MAX_LINE = 200


class Controls:
    """Obeys the lines a student types, in the language of ``t`` or in English. ``write`` prints a line;
    ``ended`` is true after ``end``."""

    def __init__(
        self,
        session: Session,
        write: Callable[[str], None],
        link: LiveLink | None = None,
        t: Texts | None = None,
    ) -> None:
        self._session = session
        self._write = write
        self.ended = False
        self._link = link
        self._t = t or texts()

    @property
    def help(self) -> str:
        """What can be typed."""
        return terminal.help_text(self._t, self._session.plan.policy.purposes)

    def obey(self, line: str) -> None:
        """One line; what came of it is printed, also when it could not be done."""
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        command, t = terminal.command_of(self._t, word), self._t
        try:
            if command == "break" and not rest:
                self._session.pause()
                back = t.say(terminal.COMMANDS["resume"])
                self._write(t.say(terminal.BREAK_BEGAN, word=back))
            elif command == "resume" and not rest:
                self._session.resume()
                self._write(t.say(terminal.BREAK_OVER))
            elif command == "call" and not rest:
                self._session.ask_for_help()
                contact = self._session.plan.policy.contact
                self._write(t.say(terminal.CALLED, contact=contact))
            elif command == "scan":
                self._scan(rest)
            elif command == "withdraw":
                self._withdraw(rest)
            elif command == "end" and not rest:
                self.ended = True
            elif word:
                self._write(self.help)
        except ProctorError as error:
            self._write(str(error))

    def _scan(self, answer: str) -> None:
        link, t = self._link, self._t
        number = 0 if link is None else link.scan
        if link is None or not number:
            self._write(t.say(terminal.NO_SCAN))
            return
        if not terminal.is_no(t, answer):
            words = f"{t.say(terminal.COMMANDS['scan'])} {t.say(terminal.NO)}"
            self._write(t.say(terminal.SCAN_ELSEWHERE, words=words))
            return
        asked = link.asked(number)
        self._session.answer("room_scan", False, language=t.lang, asked=asked)
        link.scanned(number, "declined")
        self._write(t.say(terminal.DECLINED))

    def _withdraw(self, rest: str) -> None:
        t = self._t
        purpose = terminal.purpose_of(t, rest)
        if purpose is None:
            named = terminal.names(t, self._session.plan.policy.purposes)
            self._write(t.say(terminal.WHAT_TO_TAKE_BACK, names=named))
            return
        alternative = self._session.withdraw(purpose)
        word = terminal.purpose_word(t, purpose)
        self._write(t.say(terminal.TAKEN_BACK, purpose=word, alternative=alternative))

    def listen(self) -> None:
        """Obey what is typed, from now on, on a thread of its own; only where a person is typing."""
        if not sys.stdin.isatty():
            return
        self._write(self.help)
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
