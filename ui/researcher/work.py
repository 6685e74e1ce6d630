"""What one annotator is doing: labels with undo and redo, the kinds and their keys. No Qt in here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.texts import Texts
from policies.texts.numbers import kind_title
from proctor.evaluate.dataset import Dataset
from proctor.evaluate.labels import Labels
from proctor.evaluate.values import TruthEvent
from proctor.pipeline.plugins import discover

Events = tuple[TruthEvent, ...]
# Keys 1 to 9 choose the first kinds.
KEYS = 9


@dataclass(frozen=True, slots=True)
class Change:
    """One's labels of a session before and after one act."""

    session: str
    before: Events
    after: Events


class Work:
    """Labels of one annotator, and every change since they began."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.kinds = kinds(labels.dataset)
        self._done: list[Change] = []
        self._undone: list[Change] = []

    def put(self, session: str, after: Events) -> None:
        """Set one's labels of a session; that can be undone."""
        before = self.labels.mine(session)
        self.labels.put(session, after)
        if self.labels.mine(session) != before:
            self._done.append(Change(session, before, self.labels.mine(session)))
            self._undone.clear()

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    def undo(self) -> str:
        """Take the last change back; the session it was in, or "" where nothing was changed."""
        return self._go(self._done, self._undone, lambda one: one.before)

    def redo(self) -> str:
        """Make the change again that was taken back."""
        return self._go(self._undone, self._done, lambda one: one.after)

    def _go(
        self, source: list[Change], target: list[Change], which: Callable[[Change], Events]
    ) -> str:
        if not source:
            return ""
        change = source.pop()
        target.append(change)
        self.labels.put(change.session, which(change))
        return change.session


def kinds(dataset: Dataset) -> tuple[str, ...]:
    """Every kind that can be labelled: those of this dataset first, the most used before others."""
    used = Counter(event.kind for entry in dataset.entries for event in entry.truth)
    known = {kind.name for plugin in discover().values() for kind in plugin.kinds}
    return (
        *sorted(used, key=lambda kind: (-used[kind], kind)),
        *sorted(known - used.keys()),
    )


def titles(t: Texts, names: tuple[str, ...]) -> Mapping[str, str]:
    """Kinds as they are called in a language."""
    return {name: kind_title(t, name, {}) for name in names}


def moment(at: float) -> str:
    """A place in a recording: minutes, seconds and hundredths."""
    minutes, seconds = divmod(round(at * 100), 6000)
    return f"{minutes}:{seconds / 100:05.2f}"
