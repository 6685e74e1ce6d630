"""The page a proctor sees: one HTML file that needs no script, no network and no other file.

Why without scripts: docs/decisions/0009. Pictures are in it only when the caller opened the clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template

from proctor.evidence.curve import COLUMNS
from proctor.evidence.pictures import Opened
from proctor.evidence.story import FlagStory, Row, Story
from proctor.evidence.untrusted import text

# Steps of a time axis that people read easily, in seconds.
_TICK_STEPS = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS = 10
# Numbers on bars that begin closer than this share of the strip would lie on each other.
_CHIP_ROOM = 0.03
# What the summary's numbers are called for people; others stay in the journal and in `--json`.
TOTALS = {
    "frames_seen": "Camera pictures looked at",
    "frames_dropped": "Camera pictures passed over for a newer one",
    "audio_s": "Seconds of sound heard",
    "audio_gaps": "Interruptions of sound",
    "audio_gap_s": "Seconds of sound lost",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One step of the verification. ``ok`` is ``None`` when it could not be carried out."""

    name: str
    ok: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the time axis; ``minor`` ones are left out on a narrow screen."""

    t: float
    minor: bool


def render(
    story: Story, checks: Sequence[Check] = (), opened: Mapping[str, Opened] | None = None
) -> str:
    """The whole page as HTML text.

    ``opened`` holds, by flag id, the pictures of the clips that the viewer's key opened; ``None``
    means that no key was given, and the page then holds no picture at all.
    """
    clips = opened or {}
    return _template().render(
        story=story,
        lead=lead(story),
        checks=checks,
        key_given=opened is not None,
        opened=clips,
        with_pictures=sum(1 for clip in clips.values() if clip.pictures),
        with_video=sum(1 for clip in clips.values() if clip.video),
        ticks=ticks(story.seconds),
        totals=[(TOTALS[name], value) for name, value in story.totals if name in TOTALS],
    )


def lead(story: Story) -> str:
    """The calm first sentence."""
    count = len(story.flags) + story.flags_left_out
    if count == 0:
        return "No moment is put before you."
    if count == 1:
        return "1 moment is put before you."
    return f"{count} moments are put before you."


def clock(t: float | None) -> str:
    """Session seconds as people read them: ``1:05``, ``2:03:09``."""
    if t is None:
        return "–"
    whole = int(t + 0.5)
    hours, rest = divmod(whole, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def size(count: int) -> str:
    """Bytes as people read them: ``410 kB``, ``2.4 MB``."""
    if count < 1_000_000:
        return f"{max(1, round(count / 1000))} kB"
    return f"{count / 1e6:.1f} MB"


def amount(value: float) -> str:
    """A count or a number of seconds: whole where it is whole, else one decimal."""
    return f"{value:,.0f}".replace(",", " ") if value == int(value) else f"{value:.1f}"


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
    }
    environment.globals |= {"chips": chips, "columns": COLUMNS}
    source = resources.files("proctor.evidence").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(source)
