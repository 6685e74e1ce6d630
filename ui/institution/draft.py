"""The policy being written: its text, what is wrong with it, undo, and saving. One for a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from policies import edit, load
from policies.errors import PolicyError
from proctor.errors import InputError, ProctorError
from proctor.evidence.disk import said_plainly, write_whole
from ui.bridge import Worker
from ui.institution import problems
from ui.institution.fields import Path
from ui.institution.problems import Checked
from ui.texts import Texts

# Wait after a keystroke before the text is changed and checked: shorter than a pause between words.
PAUSE_MS = 250
MOST_STEPS = 200


@dataclass(frozen=True, slots=True)
class Step:
    """A text in the history, and the field whose change led to it."""

    text: str
    key: Path


class Draft(QObject):
    """Changes are collected, then made in the TOML and checked on a worker; then :attr:`changed`.

    ``changed`` carries whether values changed by something else than the form (undo, another file).
    """

    changed = Signal(bool)
    refused = Signal(str)
    focus_wanted = Signal(tuple)

    def __init__(self, t: Texts, worker: Worker, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.t = t
        self.path: FilePath | None = None
        self.checked: Checked | None = None
        self._worker = worker
        self._steps: list[Step] = []
        self._at = 0
        self._saved = ""
        self._pending: dict[Path, Any] = {}
        self._sent = 0
        self._after: list[Callable[[], None]] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._apply)

    @property
    def text(self) -> str:
        """The TOML with every change that was made in it so far."""
        return self._steps[self._at].text if self._steps else ""

    @property
    def is_open(self) -> bool:
        return bool(self._steps)

    @property
    def unsaved(self) -> bool:
        """Whether something would be lost if this were closed."""
        return self.is_open and (bool(self._pending) or self.text != self._saved)

    @property
    def settled(self) -> bool:
        """Whether every change was made in the text, and the text was checked."""
        return not self._pending and not self._sent

    @property
    def can_undo(self) -> bool:
        return self._at > 0 or bool(self._pending)

    @property
    def can_redo(self) -> bool:
        return self._at + 1 < len(self._steps)

    def begin(self, text: str, path: FilePath | None, *, saved: bool) -> None:
        """Work on another text. It must have been looked at before (:func:`look`)."""
        self._timer.stop()
        self._pending.clear()
        self.path = path
        self._steps, self._at = [Step(text, ())], 0
        self._saved = text if saved else ""
        self._check(text, foreign=True)

    def take_over(self, other: Draft) -> None:
        """Go on where another window stopped, its history included."""
        self.path, self._saved = other.path, other._saved
        self._steps, self._at = list(other._steps), other._at
        self._check(self.text, foreign=True)

    def close(self) -> None:
        """Work on nothing."""
        self._timer.stop()
        self._pending.clear()
        self._steps, self._at, self._saved = [], 0, ""
        self.path, self.checked = None, None
        self.changed.emit(True)

    def change(self, key: Path, value: Any) -> None:
        """Give a field another value; ``None`` takes it out of the file."""
        self._pending.pop(key, None)
        self._pending[key] = value
        self._timer.start()

    def when_settled(self, then: Callable[[], None]) -> None:
        """Make every change that is waiting, then call ``then``; at once when there is none."""
        if self.settled:
            then()
            return
        self._after.append(then)
        if self._pending and not self._sent:
            self._apply()

    def undo(self) -> None:
        self.when_settled(lambda: self._go(-1))

    def redo(self) -> None:
        self.when_settled(lambda: self._go(+1))

    def save(self, path: FilePath, then: Callable[[], None]) -> None:
        """Write the text to ``path`` in one step; what cannot be written is said by :attr:`refused`."""

        def write() -> None:
            text = self.text

            def work() -> None:
                with said_plainly(f"the policy {path}"):
                    if path.is_dir():
                        raise InputError(f"{path} is a folder; give the name of a file.")
                    write_whole(path, text.encode("utf-8"))

            def done(_: object) -> None:
                self.path, self._saved = path, text
                self.changed.emit(False)
                then()

            self._worker.run(work, done, self._failed)

        self.when_settled(write)

    def _go(self, by: int) -> None:
        wanted = self._at + by
        if not 0 <= wanted < len(self._steps):
            return
        key = self._steps[max(self._at, wanted)].key
        self._at = wanted
        self._check(self.text, foreign=True)
        self.when_settled(lambda: self.focus_wanted.emit(key))

    def _apply(self) -> None:
        if self._sent or not self._pending:
            return
        changes, before, t = dict(self._pending), self.text, self.t
        self._pending.clear()
        where = self.name

        def work() -> Checked:
            dotted = {edit.join_key(key): value for key, value in changes.items()}
            return problems.check(t, edit.put_values(before, dotted, where), where)

        def done(checked: Checked) -> None:
            if checked.text != before:
                last = next(reversed(changes))
                self._steps[self._at + 1 :] = [Step(checked.text, last)]
                self._steps = self._steps[-MOST_STEPS:]
                self._at = len(self._steps) - 1
            # A named table that came or went changes what there is to show.
            tables = any(value is None or isinstance(value, dict) for value in changes.values())
            self._take(checked, foreign=tables)

        def failed(error: Exception) -> None:
            self._failed(error)
            self._check(before, foreign=True)

        self._send(work, done, failed)

    def _check(self, text: str, *, foreign: bool) -> None:
        t, where = self.t, self.name
        self._send(
            lambda: problems.check(t, text, where),
            lambda checked: self._take(checked, foreign=foreign),
            self._failed,
        )

    def _send(
        self,
        work: Callable[[], Checked],
        then: Callable[[Checked], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._sent += 1

        def done(checked: Checked) -> None:
            self._sent -= 1
            then(checked)
            self._next()

        def not_done(error: Exception) -> None:
            self._sent -= 1
            failed(error)
            self._next()

        self._worker.run(work, done, not_done)

    def _take(self, checked: Checked, *, foreign: bool) -> None:
        if checked.text == self.text:
            self.checked = checked
            self.changed.emit(foreign)

    def _next(self) -> None:
        if self._pending and not self._timer.isActive():
            self._timer.start()
        elif self._pending and self._after:
            self._apply()
        if self.settled:
            waiting, self._after = self._after, []
            for then in waiting:
                then()

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, PolicyError | ProctorError):
            raise error
        self.refused.emit(str(error))

    @property
    def name(self) -> str:
        """How sentences call it."""
        return load.printable(self.path.name) if self.path else "new"


def look(name_or_path: str) -> str:
    """The TOML of a preset, a file or a signed envelope; raises :class:`PolicyError` in one sentence.

    The text need not be a valid policy, only TOML: it is opened to be mended.
    """
    raw = load.read_bytes(name_or_path)
    where = load.describe(name_or_path)
    if load.is_envelope(raw):
        raw = load.payload_of(raw, where)
    text, _ = load.document_of(raw, where)
    return text
