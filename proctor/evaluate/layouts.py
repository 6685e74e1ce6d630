"""Datasets of others: OEP as published, RTTM for speech, and folders of bare recordings.

The OEP layout (Atoum, Chen, Liu, Hsu, Liu: Automated Online Exam Proctoring, IEEE Transactions on
Multimedia 2017) is that of the readme that comes with it: folders ``subject1`` to ``subject24``, each with
``gt.txt`` (start, end and type of an act, one a line), one ``NAME.wav``, the webcam ``NAME1.avi`` and
the camera in the glasses ``NAME2.avi``, which no student has here and which is not read. The readme says
neither in which unit the times are nor what the numbers of the types mean: a file whose times all have
four digits with seconds under 60 is read as minutes and seconds (0130 is 90 s), any other as seconds,
and ``types.csv`` beside the folders (``type,kinds``) says which kinds a type stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from proctor.errors import InputError
from proctor.evaluate.dataset import (
    KIND,
    Dataset,
    Entry,
    Fault,
    rows,
    seconds,
    shown,
    text_of,
)
from proctor.evaluate.values import Arm, TruthEvent

TYPES = "types.csv"
# Actors by the readme of the dataset; all other subjects sat a real exam.
OEP_ACTORS = frozenset({*range(1, 10), 17, *range(20, 25)})
PICTURES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts"})
SOUNDS = frozenset({".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac"})
_FOUR = re.compile(r"\d{2}[0-5]\d")
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d(?:\.\d+)?)")


def oep(folder: Path) -> Dataset | None:
    """The OEP folders in ``folder``; ``None`` where there is no ``gt.txt``."""
    subjects = sorted((path.parent for path in folder.glob("*/gt.txt")), key=_by_number)
    if not subjects:
        return None
    faults: list[Fault] = []
    types = _types(folder, faults)
    entries, units, unknown = [], set(), set()
    for subject in subjects:
        pictures = sorted(subject.glob("*1.avi"))
        sounds = sorted(subject.glob("*.wav"))
        if len(pictures) != 1 or len(sounds) > 1:
            what = (
                f"there must be one webcam video *1.avi and at most one .wav in it, not "
                f"{len(pictures)} and {len(sounds)}"
            )
            faults.append(Fault(subject.name, 0, what))
            continue
        acts, minutes = _acts(subject / "gt.txt", folder, faults)
        units.add(minutes)
        events = []
        for start, end, name in acts:
            unknown |= {name} - types.keys()
            # Without a word on what a type means it stays a kind of its own, which nothing measures.
            kinds = types.get(name, (f"oep.type_{name}",))
            events += [TruthEvent(subject.name, start, end, kind, "oep") for kind in kinds]
        labelled = frozenset(kind for kinds in types.values() for kind in kinds)
        arm: Arm = "instructed" if _number(subject) in OEP_ACTORS else "real"
        sound = sounds[0] if sounds else None
        person = subject.name
        entries.append(
            Entry(person, person, arm, pictures[0], sound, "", labelled, {}, (), tuple(events))
        )
    notes = [
        "Times of gt.txt are read as minutes and seconds (0130 is 90 s)."
        if units == {True}
        else "Times of gt.txt are read as seconds."
        if units == {False}
        else "Times of some gt.txt are read as minutes and seconds (0130 is 90 s), of others as seconds."
    ]
    if unknown:
        notes.append(
            f"No kind is known for the types {', '.join(sorted(unknown))}: write {TYPES} beside the "
            f"folders, with the columns type,kinds (1,object.book gaze.down)."
        )
    return Dataset(folder, "OEP", tuple(entries), tuple(notes), tuple(faults))


def _types(folder: Path, faults: list[Fault]) -> Mapping[str, tuple[str, ...]]:
    if not (folder / TYPES).is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for line, row in rows(folder / TYPES, ("type", "kinds"), (), faults):
        kinds = tuple(row["kinds"].split())
        if not row["type"] or not kinds or not all(map(KIND.fullmatch, kinds)):
            faults.append(Fault(TYPES, line, "give a type, and kinds such as object.phone"))
        else:
            found[row["type"]] = kinds
    return found


def _acts(
    path: Path, folder: Path, faults: list[Fault]
) -> tuple[list[tuple[float, float, str]], bool]:
    """Start, end and type of every act of a gt.txt, and whether its times are minutes and seconds."""
    name = path.relative_to(folder).as_posix()
    lines = [(n, line.split()) for n, line in enumerate(text_of(path).splitlines(), 1)]
    lines = [(n, words) for n, words in lines if words]
    minutes = bool(lines) and all(map(_FOUR.fullmatch, (w for _, ws in lines for w in ws[:2])))
    found = []
    for number, words in lines:
        try:
            if len(words) != 3:
                raise ValueError(f"a start, an end and a type are needed, not {len(words)} words")
            start, end = (_time(word, minutes) for word in words[:2])
            if end < start:
                raise ValueError(f"the end ({words[1]}) lies before the start ({words[0]})")
            if not re.fullmatch(r"\w{1,30}", words[2]):
                raise ValueError(f"the type must be a number or a word, not '{shown(words[2])}'")
        except ValueError as error:
            faults.append(Fault(name, number, str(error)))
            continue
        found.append((start, end, words[2].lower()))
    return found, minutes


def _time(text: str, minutes: bool) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock:
        return 60 * float(clock[1]) + float(clock[2])
    return 60.0 * int(text[:2]) + int(text[2:]) if minutes else seconds(text, "a time")


def _number(folder: Path) -> int:
    digits = re.sub(r"\D", "", folder.name)
    return int(digits) if digits else 0


def _by_number(folder: Path) -> tuple[int, str]:
    return _number(folder), folder.name


def rttm(folder: Path) -> Dataset | None:
    """Recordings with speech marked in RTTM files (NIST RT-09); ``None`` where there is none.

    Every line ``SPEAKER FILE CHANNEL START DURATION … NAME …`` is an event ``speech.voice`` of the
    recording FILE; the names of speakers are not kept.
    """
    tables = sorted(folder.rglob("*.rttm"))
    if not tables:
        return None
    faults: list[Fault] = []
    events: dict[str, list[TruthEvent]] = {}
    for table in tables:
        where = table.relative_to(folder).as_posix()
        for number, line in enumerate(text_of(table).splitlines(), 1):
            words = line.split()
            if not words or words[0] != "SPEAKER":
                continue
            try:
                if len(words) < 8:
                    raise ValueError(f"a SPEAKER line has 9 or 10 fields, not {len(words)}")
                start, lasts = seconds(words[3], "the start"), seconds(words[4], "the duration")
            except ValueError as error:
                faults.append(Fault(where, number, str(error)))
                continue
            told = events.setdefault(words[1], [])
            told.append(TruthEvent(words[1], start, start + lasts, "speech.voice", "rttm"))
    media = {path.stem: path for path in _media(folder)}
    for table in tables:
        # A table without any speech tells of silence, which counts as well.
        if table.stem in media:
            events.setdefault(table.stem, [])
    for name in sorted(events.keys() - media.keys()):
        faults.append(Fault(name, 0, "an .rttm file speaks of it, but there is no such recording"))
    entries = tuple(
        Entry(name, name, "unknown", media[name], None, "", frozenset({"speech.voice"}), {}, (),
              tuple(sorted(told, key=lambda e: e.start)))
        for name, told in sorted(events.items()) if name in media
    )  # fmt: skip
    note = "Speech is what RTTM marks; who the persons are and what else happens is not known."
    return Dataset(folder, "RTTM", entries, (note,), tuple(faults))


def bare(folder: Path) -> Dataset | None:
    """Every recording in ``folder``, about which nothing is known; ``None`` where there is none."""
    files = list(_media(folder))
    if not files:
        return None
    names = [
        path.relative_to(folder).with_suffix("").as_posix().replace("/", "+") for path in files
    ]
    twice = {name for name in names if names.count(name) > 1}
    entries = tuple(
        Entry(path.name if name in twice else name, path.stem, "unknown", path,
              labelled=frozenset())
        for name, path in zip(names, files, strict=True)
    )  # fmt: skip
    note = "Bare recordings: each is taken for a person of its own, and no flag is called right or false."
    return Dataset(folder, "bare recordings", entries, (note,))


def _media(folder: Path) -> Iterable[Path]:
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES | SOUNDS)
    if len(found) > 1_000_000:
        raise InputError(f"{folder} holds more than a million recordings; give a part of it.")
    return [path for path in found if path.is_file()]
