"""One place for the newest item: a slow reader never makes anything queue up."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """Newest wins. An item that is overwritten before any reader took it counts as dropped.

    Several readers (one per worker) may each read the same newest item; each remembers the serial
    it read last. ``put_count`` is the serial of the newest item, so serials start at 1.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.put_count = 0
        self._item: T | None = None
        self._taken = True
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        """Make ``item`` the newest. Never waits for a reader; ignored once closed."""
        with self._changed:
            if self._closed:
                return
            if not self._taken:
                self.dropped += 1
            self._item = item
            self._taken = False
            self.put_count += 1
            self._changed.notify_all()

    def newest(self, after: int, timeout: float) -> tuple[int, T] | None:
        """Serial and item of the newest put with a serial above ``after``.

        Waits up to ``timeout`` seconds for one; ``None`` when none came or the slot is closed.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self.put_count > after and self._item is not None), timeout
            )
            if self._closed or self.put_count <= after or self._item is None:
                return None
            self._taken = True
            return self.put_count, self._item

    def empty(self) -> None:
        """Let go of the item; readers wait for the next one."""
        with self._changed:
            self._item = None
            self._taken = True

    def close(self) -> None:
        """Let go of the item and wake every reader with ``None``. May be called twice."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()
