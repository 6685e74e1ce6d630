"""Labels while people write them: one annotator's own, kept in a ``truth.csv`` that others write, too.

Nothing that anybody wrote is lost: each save reads the file again, takes over what others changed in the
meantime, and puts the whole file in its place in one step (:func:`proctor.evidence.disk.write_whole`).
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from filelock import FileLock, Timeout

from proctor.errors import InputError, MissingError
from proctor.evaluate import dataset as layout
from proctor.evaluate.dataset import SESSIONS, TRUTH, TRUTH_COLUMNS, Dataset, Entry
from proctor.evaluate.matching import Pair, joined
from proctor.evaluate.statistics import Answer, Unsaid
from proctor.evaluate.values import Session, TruthEvent
from proctor.evidence.disk import write_whole

# Another program holds the file for as long as it takes to write it.
WAIT_S = 10.0
# Microseconds are finer than any frame; a time that a person wrote comes back as it was.
DIGITS = 6
# Times at which two people begin an act never match to the frame: less than this is no disagreement.
LEAST_S = 0.5
HEADER = ("session", "person", "arm", "media", "labelled")


@dataclass(frozen=True, slots=True)
class Dispute:
    """Time of one kind that some of a session's annotators mark (``there``) and others do not."""

    start: float
    end: float
    kind: str
    there: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """How annotators of one session agree: ``alpha`` of all, ``kappas`` of every two, and where not."""

    annotators: tuple[str, ...]
    alpha: Answer
    kappas: Mapping[tuple[str, str], Answer]
    disputes: tuple[Dispute, ...]


def ready(folder: Path) -> tuple[Dataset, str]:
    """The dataset in ``folder`` with a table for labels, and a sentence about what was made ("" if nothing).

    A folder of bare recordings gets a ``sessions.csv`` that knows nothing about anybody yet. Raises
    :class:`InputError` for a layout that has labels of its own, and for every fault of a table.
    """
    said = ""
    if (folder / SESSIONS).is_file():
        if not (folder / TRUTH).is_file():
            write_whole(folder / TRUTH, _table(()))
        return layout.read(folder), said
    found = layout.read(folder)
    if found.layout != "bare recordings":
        raise InputError(
            f"{folder} is in the layout {found.layout}, which has labels of its own; the labeller writes "
            f"the layout with {SESSIONS} and bare recordings only."
        )
    if (folder / TRUTH).exists():
        raise InputError(f"{folder} has a {TRUTH} and no {SESSIONS}; put the missing table back.")
    write_whole(folder / TRUTH, _table(()))
    write_whole(folder / SESSIONS, _sessions(found))
    said = (
        f"{folder / SESSIONS} was written, a line a recording. Fill in who is who and the arms; name the "
        f"kinds in the column labelled once they are labelled throughout."
    )
    return layout.read(folder), said


def _sessions(found: Dataset) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for number, entry in enumerate(found.entries, 1):
        where = entry.media.relative_to(found.folder).as_posix()
        name = entry.id if layout.NAME.fullmatch(entry.id) else f"recording {number}"
        person = entry.person if layout.NAME.fullmatch(entry.person) else name
        writer.writerow((name, person, "unknown", where, "none"))
    return text.getvalue().encode()


def _number(value: float) -> str:
    return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")


def _table(events: Iterable[TruthEvent]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRUTH_COLUMNS)
    for e in events:
        certain = "yes" if e.certain else "no"
        row = (e.session, _number(e.start), _number(e.end), e.kind, e.annotator, certain)
        writer.writerow(row)
    return text.getvalue().encode()


def _rounded(event: TruthEvent) -> TruthEvent:
    """The event as it comes back from the file."""
    return replace(event, start=round(event.start, DIGITS), end=round(event.end, DIGITS))


def _all(dataset: Dataset) -> frozenset[TruthEvent]:
    return frozenset(_rounded(event) for entry in dataset.entries for event in entry.truth)


class Labels:
    """Labels of ``who`` in a dataset of the project's own layout. Saving may wait: call it off a window's thread."""

    def __init__(self, dataset: Dataset, who: str) -> None:
        if not layout.NAME.fullmatch(who):
            raise InputError(
                f"A name must be short and of letters and digits, not '{layout.shown(who)}'."
            )
        self.dataset, self.who = dataset, who
        self._turn = threading.Lock()
        self._path = dataset.folder / TRUTH
        self._order = {entry.id: place for place, entry in enumerate(dataset.entries)}
        everything = _all(dataset)
        self._others = frozenset(e for e in everything if e.annotator != who)
        self._saved = self._mine = frozenset(e for e in everything if e.annotator == who)

    @property
    def unsaved(self) -> bool:
        """Whether the file does not say yet what was set here."""
        return self._saved != self._mine

    def mine(self, session: str) -> tuple[TruthEvent, ...]:
        """One's own labels of a session, in order of time."""
        return self._sorted(e for e in self._mine if e.session == session)

    def others(self, session: str) -> tuple[TruthEvent, ...]:
        """What everybody else wrote about a session, as of the last reading of the file."""
        return self._sorted(e for e in self._others if e.session == session)

    def put(self, session: str, events: Iterable[TruthEvent]) -> None:
        """Replace one's own labels of a session. Raises ValueError for somebody else's."""
        new = frozenset(map(_rounded, events))
        if any(e.session != session or e.annotator != self.who for e in new):
            raise ValueError("a label belongs to another session or annotator")
        with self._turn:
            self._mine = frozenset(e for e in self._mine if e.session != session) | new

    def save(self) -> None:
        """Write the file, with what others changed in it since.

        What another window of the same annotator added or took away is taken over as well. Raises
        :class:`InputError` where the file cannot be read or written; what was set stays set here.
        """
        try:
            with FileLock(f"{self._path}.lock", timeout=WAIT_S):
                with self._turn:
                    mine, base = self._mine, self._saved
                there = self._read()
                own = frozenset(e for e in there if e.annotator == self.who)
                merged = (own - (base - mine)) | (mine - base)
                others = there - own
                if merged != own:
                    write_whole(self._path, _table(self._sorted(merged | others)))
                with self._turn:
                    # What was set while the file was written is a change of its own.
                    self._mine = (merged - (mine - self._mine)) | (self._mine - mine)
                    self._saved, self._others = merged, others
        except Timeout as error:
            raise InputError(
                f"{self._path} is held by another program for more than {WAIT_S:.0f} s; close it there."
            ) from error
        except OSError as error:
            raise InputError(f"{self._path} cannot be written ({error.strerror}).") from error

    def compare(self, session: str, duration_s: float) -> Compared:
        """How everybody who labelled a session agrees, second by second, by what the file says now.

        Saves first, and raises what :meth:`save` does.
        Raises :class:`MissingError` where the libraries of statistics are not installed.
        """
        self.save()
        entry = next(e for e in self.dataset.entries if e.id == session)
        return compare(entry, (*self.mine(session), *self.others(session)), duration_s)

    def _read(self) -> frozenset[TruthEvent]:
        found = layout.parse(self.dataset.folder)
        wrong = [fault for fault in found.faults if fault.file == TRUTH]
        if wrong:
            raise InputError(
                f"Nothing was saved, because another program broke the file: {wrong[0]}."
            )
        return _all(found)

    def _sorted(self, events: Iterable[TruthEvent]) -> tuple[TruthEvent, ...]:
        last = len(self._order)
        return tuple(
            sorted(
                events,
                key=lambda e: (
                    self._order.get(e.session, last), e.session, e.start, e.end, e.kind, e.annotator,
                    e.certain,
                ),
            )
        )  # fmt: skip


def compare(entry: Entry, truth: Sequence[TruthEvent], duration_s: float) -> Compared:
    """How the annotators in ``truth`` agree about one recording of ``duration_s`` seconds."""
    try:
        import scipy  # noqa: F401
        import statsmodels  # noqa: F401
    except ImportError as error:
        raise MissingError(
            "Agreement needs libraries that are not installed: pip install 'open-proctor[evaluate]'."
        ) from error
    from proctor.evaluate import agreement, people

    session = Session(
        entry.id, entry.person, entry.arm, entry.media.name, duration_s=duration_s,
        truth=tuple(truth),
    )  # fmt: skip
    names = tuple(sorted({event.annotator for event in truth}))
    said, owner = people.marks([session])
    if not said:
        nobody = Unsaid("fewer than two people labelled this recording", 0, "seconds")
        return Compared(names, nobody, {}, ())
    return Compared(names, agreement.alpha(said, owner), agreement.kappas(said), disputes(truth))


def disputes(truth: Sequence[TruthEvent], least: float = LEAST_S) -> tuple[Dispute, ...]:
    """Spans of ``least`` seconds or more of one kind that some annotators mark and others do not.

    A mark of no certainty counts as one. Sorted by time.
    """
    names = sorted({event.annotator for event in truth})
    found: list[Dispute] = []
    for kind in sorted({event.kind for event in truth}):
        spans: dict[str, list[Pair]] = {
            name: joined(
                [(e.start, e.end) for e in truth if e.kind == kind and e.annotator == name]
            )
            for name in names
        }
        edges = sorted({edge for own in spans.values() for span in own for edge in span})
        pieces: list[Dispute] = []
        for start, end in pairwise(edges):
            middle = (start + end) / 2
            there = tuple(n for n in names if any(a <= middle <= b for a, b in spans[n]))
            absent = tuple(n for n in names if n not in there)
            if not there or not absent:
                continue
            if pieces and pieces[-1].end == start and pieces[-1].there == there:
                start = pieces.pop().start
            pieces.append(Dispute(start, end, kind, there, absent))
        found += [piece for piece in pieces if piece.end - piece.start >= least]
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.kind)))
