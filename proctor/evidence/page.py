"""The page a proctor sees: one HTML file that needs no script, no network and no other file.

Why without scripts: docs/decisions/0009. Pictures are in it only when the caller opened the clips.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from pyrage import x25519

from policies.schema import NEVER_A_FLAG
from proctor.errors import InputError
from proctor.evidence.apart import Apart
from proctor.evidence.attestation import Attestation
from proctor.evidence.curve import COLUMNS
from proctor.evidence.disk import PART, said_plainly
from proctor.evidence.judged import Judged
from proctor.evidence.pictures import Opened, open_clip
from proctor.evidence.show import about_others, gather
from proctor.evidence.story import FlagStory, Row, Story
from proctor.evidence.untrusted import text
from proctor.evidence.verify import Check
from proctor.evidence.words import (
    amount,
    answer,
    clock,
    direction,
    lead,
    sentence,
    share_seen,
    size,
)

# Steps of a time axis that people read easily, in seconds.
_TICK_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS = 10
# Numbers on bars that begin closer than this share of the strip would lie on each other.
_CHIP_ROOM = 0.03
# Pictures of more flags than this would make a page of tens of megabytes.
_MOST_OPENED = 100
# What the summary's numbers are called for people; others stay in the journal and in `--json`.
TOTALS = {
    "frames_seen": "Camera pictures looked at",
    "frames_dropped": "Camera pictures passed over for a newer one",
    "audio_s": "Seconds of sound heard",
    "audio_gaps": "Interruptions of sound",
    "audio_gap_s": "Seconds of sound lost",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis; ``minor`` ones are left out on a narrow screen."""

    t: float
    minor: bool


def write_page(
    folder: Path,
    target: Path,
    *,
    identities: Sequence[x25519.Identity] | None = None,
    embed_clips: bool = False,
    titles: Mapping[str, str] | None = None,
    listed: Collection[str] | None = None,
    now: datetime | None = None,
) -> Path:
    """Write the page of the case in ``folder`` to ``target`` and return ``target``.

    ``listed`` are the digests in the institution's list of builds, where it has one; ``now`` decides whether
    the student's days for a comment are over.

    Without ``identities`` the page holds no picture. With them it holds pictures of the clips that
    they open (``embed_clips``: the clips, too), and only its owner may read the file.
    """
    shown = gather(folder, titles, listed, now)
    opened: dict[str, Opened] | None = None
    notes = (*shown.notes, *about_others(shown))
    if identities is not None:
        opened = {}
        with Apart() as apart:
            for flag in shown.story.flags[:_MOST_OPENED]:
                clip = open_clip(folder, flag, identities, apart, embed=embed_clips)
                if clip is not None:
                    opened[flag.id] = clip
        if len(shown.story.flags) > _MOST_OPENED:
            notes += (f"Only the clips of the first {_MOST_OPENED} flags were opened.",)
    html = render(shown.story, shown.checks, opened, notes, shown.attestation, shown.judged)
    _write(target, html.encode("utf-8"), private=identities is not None)
    return target


def _write(target: Path, data: bytes, *, private: bool) -> None:
    """Put the page in place in one step; a page with pictures is readable by its owner alone."""
    if target.is_dir():
        raise InputError(f"{target} is a folder; give the name of a file for the page.")
    part = target.with_name(target.name + PART)
    with said_plainly(f"the page {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(part, flags, 0o600 if private else 0o644)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            part.replace(target)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def render(
    story: Story,
    checks: Sequence[Check] = (),
    opened: Mapping[str, Opened] | None = None,
    notes: Sequence[str] = (),
    attestation: Attestation | None = None,
    judged: Mapping[str, Judged] | None = None,
) -> str:
    """The whole page as HTML text.

    ``opened`` holds, by flag id, the pictures of the clips that the viewer's key opened; ``None``
    means that no key was given, and the page then holds no picture at all. ``notes`` are sentences
    about the case that the reader should see first. ``judged`` is what is decided, by flag; ``None``: it is
    not known, and the page says nothing of decisions.
    """
    clips = opened or {}
    return _template().render(
        story=story,
        lead=lead(story),
        checks=checks,
        open_checks=[check for check in checks if answer(check) != "yes"],
        notes=notes,
        attestation=attestation,
        judged=judged,
        never_a_flag=NEVER_A_FLAG,
        key_given=opened is not None,
        opened=clips,
        with_pictures=sum(1 for clip in clips.values() if clip.pictures),
        with_video=sum(1 for clip in clips.values() if clip.video),
        ticks=ticks(story.seconds),
        totals=[(TOTALS[name], value) for name, value in story.totals if name in TOTALS],
    )


def short_key(key: str) -> str:
    """A public key cut to what two people compare on the phone: its first and last characters."""
    return key if len(key) <= 24 else f"{key[:12]}…{key[-6:]}"


def ticks(seconds: float) -> tuple[Tick, ...]:
    """Marks of the time axis at round times."""
    fitting = (step for step in _TICK_STEPS if seconds / step <= _MOST_TICKS)
    step = next(fitting, _TICK_STEPS[-1])
    count = int(seconds / step) + 1 if seconds > 0.0 else 0
    return tuple(Tick(float(place * step), place % 2 == 1) for place in range(count))


def chips(flags: Sequence[FlagStory], seconds: float) -> tuple[FlagStory, ...]:
    """The flags of a row whose numbers can be written without lying on each other."""
    kept: list[FlagStory] = []
    for flag in flags:
        if not kept or flag.start - kept[-1].start >= _CHIP_ROOM * seconds:
            kept.append(flag)
    return tuple(kept)


def areas(row: Row) -> str:
    """The score curve as an SVG path in a field of ``COLUMNS`` × 100, one area for each measured run."""
    path: list[str] = []
    height: int | None = None
    for column, score in enumerate((*row.columns, None)):
        if score is None:
            if height is not None:
                path.append(f"H{column}V100Z")
            height = None
            continue
        top = round(100 - 100 * score)
        if height is None:
            path.append(f"M{column} 100V{top}")
        elif top != height:
            path.append(f"H{column}V{top}")
        height = top
    return "".join(path)


def in_words(row: Row) -> str:
    """What a row shows, as one sentence for a screen reader."""
    if row.why_not:
        return f"{row.title}: not measured, {row.why_not}"
    spans = ", ".join(f"{clock(f.start)} to {clock(f.end)}" for f in row.flags[:20])
    flagged = f"flagged {spans}" if spans else "no flag"
    missing = f", {amount(round(row.unmeasured_s, 1))} s not measured" if row.unmeasured_s else ""
    return f"{row.title}: {flagged}{missing}"


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "clock": clock,
        "size": size,
        "amount": amount,
        "short_key": short_key,
        "areas": areas,
        "in_words": in_words,
        "line": text,
        "answer": answer,
        "sentence": sentence,
        "share_seen": share_seen,
        "direction": direction,
    }
    environment.globals |= {"chips": chips, "columns": COLUMNS}
    source = resources.files("proctor.evidence").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(source)
