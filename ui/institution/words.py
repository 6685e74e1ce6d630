"""The app's own labels: sections, choices of a field, units, presets. No Qt in here."""

from __future__ import annotations

from collections.abc import Mapping

from policies.texts import Texts
from policies.texts.numbers import kind_title, part_title
from policies.texts.words import LANGUAGE_NAMES, PLACES, PURPOSES
from ui.texts import mark

# Choice of a field, by the field's name. Fields that are not here show the file's own words.
CHOICES: Mapping[str, Mapping[str, str]] = {
    "institution_kind": {"public": mark("Public"), "private": mark("Private")},
    "stakes": {
        "practice": mark("Practice: it does not count"),
        "low": mark("Low: it counts a little"),
        "high": mark("High: a grade depends on it"),
    },
    "show_flags": {"live": mark("At once"), "at_end": mark("At the end of the exam")},
    "basis": {
        "consent": mark("Consent"),
        "public_task": mark("Public task"),
        "contract": mark("Contract"),
        "legitimate_interest": mark("Legitimate interest"),
    },
    "mode": {
        "off": mark("Off"),
        "offered": mark("Offered"),
        "planned": mark("At set times"),
        "on_demand": mark("When the student asks"),
    },
    "jurisdictions": {str(place): said for place, said in PLACES.items()},
    "languages": LANGUAGE_NAMES,
}

UNITS: Mapping[str, str] = {
    "s": mark("s"),
    "min": mark("min"),
    "h": mark("h"),
    "days": mark("days"),
    "years": mark("years"),
}

PRESETS: Mapping[str, str] = {
    "minimal": mark("Camera only, no sound, no clips: flags are sentences. A first step."),
    "standard": mark(
        "Every detector, and short clips of flagged moments. For trying everything out."
    ),
    "gdpr-public-university": mark(
        "A public university in the European Union: public task instead of consent, five languages."
    ),
    "us-public-university": mark(
        "A public university in the United States: no room scan, records a student can inspect."
    ),
    "us-illinois": mark("Illinois: no identity check, no gaze, each purpose agreed to in writing."),
    "us-california": mark("California: nothing kept beyond proctoring, no research."),
    "practice": mark("A rehearsal: nothing is recorded but the journal."),
    "research-study": mark("Volunteers: copies for research, asked about by themselves."),
}


def choice(t: Texts, field: str, value: str) -> str:
    """A choice of a field as a label."""
    known = CHOICES.get(field, {})
    return t.say(known[value]) if value in known else value


def unit(t: Texts, name: str) -> str:
    """A unit as it stands after a number."""
    return t.say(UNITS[name]) if name in UNITS else ""


def entry(t: Texts, table: str, name: str) -> str:
    """A purpose, detector or kind of flag as a label."""
    if table == "purposes" and name in PURPOSES:
        return t.say(PURPOSES[name])  # type: ignore[index]
    if table == "detectors":
        return part_title(t, name)
    return kind_title(t, name, {}) if table == "rules" else name
