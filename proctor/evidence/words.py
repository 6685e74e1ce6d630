"""How the page and the terminal put a case into words: times, sizes, sentences."""

from __future__ import annotations

from proctor.evidence.story import ScanStory, Story
from proctor.evidence.verify import Check

# One sentence for every clip that is not kept (never agreed to, taken back, left out), so that nobody
# who reads a case can tell one from another (rule C2).
NO_CLIP = "clips are not kept"
# One sentence for every detector that is off, whoever wished it (rules C2, A1).
BY_ARRANGEMENT = "not measured by arrangement"


def answer(check: Check) -> str:
    """``yes``, ``no``, or ``open`` for a check that passed with a warning."""
    if not check.ok:
        return "no"
    return "open" if check.detail.startswith("Warning:") else "yes"


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
    return f"{value:,.0f}".replace(",", "\u202f") if value == int(value) else f"{value:.1f}"


def share_seen(scan: ScanStory) -> str:
    """How much of the circle a room scan shows, in a sentence."""
    if scan.coverage is None:
        why = f": {scan.why_not}" if scan.why_not else ""
        return sentence(f"how much of the room was seen could not be told{why}")
    return f"{scan.coverage:.0%} of the circle was seen."


def direction(yaw: float | None) -> str:
    """Where a thing stands, from the first view of a room scan."""
    return "direction not known" if yaw is None else f"{yaw:.0f}° to the right of the first view"


def sentence(text: str) -> str:
    """``text`` with a capital at its begin and a full stop at its end."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?…" else ".")
