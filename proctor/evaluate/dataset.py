"""Labelled recordings: what a dataset folder says, read strictly, with one sentence for every fault.

The project's own layout is a folder with ``sessions.csv`` and ``truth.csv`` (docs/evaluation.md). A
folder of another layout is recognised by its files (:mod:`proctor.evaluate.layouts`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from proctor.errors import InputError
from proctor.evaluate.values import ARMS, Arm, TruthEvent

SESSIONS = "sessions.csv"
TRUTH = "truth.csv"
NEEDED = ("session", "person", "arm", "media")
OPTIONAL = ("sound", "split", "labelled", "policy")
# Opt-in groups, and what each may say; an empty set is a word of the researcher's own.
YES_NO = frozenset({"yes", "no"})
GROUPS: Mapping[str, frozenset[str]] = {
    "skin_tone": frozenset(map(str, range(1, 11))),  # Monk Skin Tone Scale (Monk 2019), 1 to 10
    "sex": frozenset(),
    "glasses": YES_NO,
    "head_cover": YES_NO,
    "age_band": frozenset(),
    "accommodation": YES_NO,
    "lighting": frozenset(),
    "camera": frozenset(),
}
# A group of the researcher's own is a column whose name begins so.
OWN_GROUP = "group_"
TRUTH_COLUMNS = ("session", "start_s", "end_s", "kind", "annotator", "certain")
SPLITS = ("", "development", "test")
KIND = re.compile(r"[a-z]+(\.[a-z_0-9]+)+")
NAME = re.compile(r"[\w][\w .:@+-]{0,199}")
OVERRIDE = re.compile(
    r"([a-z]+(?:\.[a-z_0-9]+)+?)(?:\.(on|off|min_s|gap_s|cooldown_s))?=(off|[0-9]+(?:\.[0-9]+)?)"
)
# A table of a million rows is read; a larger file is none that people labelled.
MAX_BYTES = 100_000_000
MAX_CELL = 4000


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a dataset. ``file`` is empty where no file of it says so, and ``line`` 0
    where it is no line of a file."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        at = f", line {self.line}" if self.line else ""
        return f"{self.file}{at}: {self.what}" if self.file else self.what


@dataclass(frozen=True, slots=True)
class Entry:
    """One session of a dataset, before anything is computed. ``line`` is where it stands, if anywhere.

    ``sound`` is a second file that was recorded at the same time, where pictures and sound are apart.
    """

    id: str
    person: str
    arm: Arm
    media: Path
    sound: Path | None = None
    split: str = ""
    labelled: frozenset[str] | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    truth: tuple[TruthEvent, ...] = ()
    line: int = 0

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.media,) if self.sound is None else (self.media, self.sound)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as read. ``layout`` is a word for it; ``notes`` are how it was understood, a sentence each."""

    folder: Path
    layout: str
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def sha256(self) -> str:
        """Of what was read: every session and label, but not of the media."""
        digest = hashlib.sha256()
        for e in sorted(self.entries, key=lambda e: e.id):
            files = [path.name for path in e.files]
            named = (e.id, e.person, e.arm, files, e.split, *e.overrides)
            # "Everything is labelled" and "nothing is" are not the same.
            labelled = "all" if e.labelled is None else sorted(e.labelled)
            digest.update(repr((named, sorted(e.groups.items()), labelled, e.truth)).encode())
        return digest.hexdigest()


def read(folder: Path) -> Dataset:
    """The dataset in ``folder``; raises :class:`InputError` with its first fault, in the order of lines."""
    dataset = parse(folder)
    if dataset.faults:
        more = len(dataset.faults) - 1
        rest = f" ({more} more; `proctor dataset check` lists them)" if more else ""
        raise InputError(f"{dataset.faults[0]}{rest}")
    return dataset


def parse(folder: Path) -> Dataset:
    """The dataset in ``folder`` with everything that is wrong with it.

    Raises :class:`InputError` where nothing can be read at all.
    """
    from proctor.evaluate import layouts

    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder}; give one with {SESSIONS} or with recordings."
        )
    if (folder / SESSIONS).is_file():
        return _own(folder)
    for layout in (layouts.oep, layouts.rttm, layouts.bare):
        found = layout(folder)
        if found is not None:
            return found
    raise InputError(
        f"{folder} is no dataset: it has neither {SESSIONS}, nor folders with gt.txt, nor .rttm files, "
        f"nor recordings. docs/evaluation.md shows the layouts."
    )


def _own(folder: Path) -> Dataset:
    faults: list[Fault] = []
    entries = list(_sessions(folder, faults))
    if not entries and not faults:
        faults.append(
            Fault(SESSIONS, 1, "there is no session in it; add a line for each recording")
        )
    events: dict[str, list[TruthEvent]] = {entry.id: [] for entry in entries}
    if (folder / TRUTH).is_file():
        for event in _truth(folder / TRUTH, events, faults):
            events[event.session].append(event)
    else:
        faults.append(
            Fault(TRUTH, 0, "the file is missing; without any label, write its header line alone")
        )
    told = tuple(_with(entry, events[entry.id]) for entry in entries)
    return Dataset(folder, "own", told, faults=tuple(faults))


def _with(entry: Entry, events: Sequence[TruthEvent]) -> Entry:
    return replace(entry, truth=tuple(sorted(events, key=lambda e: (e.start, e.end, e.kind))))


def _sessions(folder: Path, faults: list[Fault]) -> Iterator[Entry]:
    seen: dict[str, int] = {}
    for line, row in rows(folder / SESSIONS, NEEDED, (*OPTIONAL, *GROUPS), faults, OWN_GROUP):
        wrong = _wrong_session(row, seen)
        if wrong:
            faults.append(Fault(SESSIONS, line, wrong))
            continue
        seen[row["session"]] = line
        arm: Arm = next(arm for arm in ARMS if arm == row["arm"])
        labelled = row.get("labelled", "")
        groups = {
            name.removeprefix(OWN_GROUP): value
            for name, value in row.items()
            if value and (name in GROUPS or name.startswith(OWN_GROUP))
        }
        sound = row.get("sound", "")
        yield Entry(
            row["session"],
            row["person"],
            arm,
            folder / row["media"],
            folder / sound if sound else None,
            row.get("split", ""),
            None if labelled in ("", "all") else frozenset(labelled.split()) - {"none"},
            groups,
            tuple(row.get("policy", "").split()),
            line=line,
        )


def _wrong_session(row: Mapping[str, str], seen: Mapping[str, int]) -> str:
    for column in ("session", "person"):
        if not NAME.fullmatch(row[column]):
            return (
                f"{column} must be a short name of letters and digits, not '{shown(row[column])}'"
            )
    if row["session"] in seen:
        return f"the session '{row['session']}' stands in line {seen[row['session']]} already"
    if row["arm"] not in ARMS:
        return f"arm must be one of {', '.join(ARMS)}, not '{shown(row['arm'])}'"
    if not row["media"]:
        return "media is empty; name the recording, relative to this folder"
    if row.get("split", "") not in SPLITS:
        return f"split must be empty, development or test, not '{shown(row['split'])}'"
    for kind in row.get("labelled", "").split():
        if kind not in ("all", "none") and not KIND.fullmatch(kind):
            return f"labelled must be kinds such as face.absent, all or none, not '{shown(kind)}'"
    for override in row.get("policy", "").split():
        if not OVERRIDE.fullmatch(override):
            return (
                f"policy must be words such as gaze.away.on=0.8 or gaze.down=off, not "
                f"'{shown(override)}'"
            )
    for name, allowed in GROUPS.items():
        value = row.get(name, "")
        if value and allowed and value not in allowed:
            known = "1 to 10" if name == "skin_tone" else " or ".join(sorted(allowed))
            return f"{name} must be {known}, or empty where it was not stated, not '{shown(value)}'"
    return ""


def _truth(path: Path, sessions: Mapping[str, object], faults: list[Fault]) -> Iterator[TruthEvent]:
    for line, row in rows(path, TRUTH_COLUMNS, (), faults):
        try:
            if row["session"] not in sessions:
                raise ValueError(f"{SESSIONS} has no session '{shown(row['session'])}'")
            start, end = seconds(row["start_s"], "start_s"), seconds(row["end_s"], "end_s")
            if end < start:
                raise ValueError(f"end_s ({end:g}) lies before start_s ({start:g})")
            if not KIND.fullmatch(row["kind"]):
                raise ValueError(
                    f"kind must be a dotted name such as object.phone, not '{shown(row['kind'])}'"
                )
            if row["certain"] not in YES_NO:
                raise ValueError(f"certain must be yes or no, not '{shown(row['certain'])}'")
            if not row["annotator"]:
                raise ValueError("annotator is empty; write who labelled, or a word for it")
        except ValueError as error:
            faults.append(Fault(path.name, line, str(error)))
            continue
        certain = row["certain"] == "yes"
        yield TruthEvent(row["session"], start, end, row["kind"], row["annotator"], certain)


def rows(
    path: Path,
    needed: Sequence[str],
    optional: Sequence[str],
    faults: list[Fault],
    own: str = "\n",
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, trimmed; what is wrong goes to ``faults``.

    Columns that begin with ``own`` are read as well; the empty text lets every column pass.
    """
    # Lines end as CSV ends them: other separators of Unicode may stand in a cell.
    reader = csv.reader(io.StringIO(text_of(path), newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            line, cells = reader.line_num, [cell.strip() for cell in cells]
            if not header:
                header = cells
                wrong = _wrong_header(header, needed, optional, own)
                if wrong:
                    faults.append(Fault(path.name, line, wrong))
                    return
            elif not any(cells):
                continue
            elif len(cells) != len(header):
                what = f"there are {len(cells)} cells and {len(header)} columns"
                faults.append(Fault(path.name, line, what))
            elif any(len(cell) > MAX_CELL for cell in cells):
                faults.append(Fault(path.name, line, f"a cell is longer than {MAX_CELL} letters"))
            else:
                yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        faults.append(Fault(path.name, reader.line_num, f"this is not CSV ({error})"))
    if not header:
        faults.append(Fault(path.name, 1, f"the file is empty; begin with {','.join(needed)}"))


def _wrong_header(
    header: Sequence[str], needed: Sequence[str], optional: Sequence[str], own: str
) -> str:
    missing = [name for name in needed if name not in header]
    if missing:
        return f"the column {', '.join(missing)} is missing (needed: {', '.join(needed)})"
    for name in header:
        if header.count(name) > 1:
            return f"the column {shown(name)} is there twice"
        if name not in needed and name not in optional and not name.startswith(own):
            known = ", ".join((*needed, *optional))
            more = f", and {own}NAME for a group of your own" if own.strip() else ""
            return f"there is no column '{shown(name)}' (known: {known}{more})"
    return ""


def text_of(path: Path) -> str:
    """A text file of bounded size; raises :class:`InputError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    if len(raw) > MAX_BYTES:
        raise InputError(
            f"{path} is larger than {MAX_BYTES // 1_000_000} MB; no table of labels is."
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8."
        ) from error


def seconds(text: str, what: str) -> float:
    """A time in seconds; raises ``ValueError`` with a sentence for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} must be seconds from 0 on, with a dot, not '{shown(text)}'")
    return value


def shown(text: str) -> str:
    """A stranger's word inside a sentence: short, and nothing that a terminal would obey."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:60])
    return clean if len(text) <= 60 else f"{clean}…"
