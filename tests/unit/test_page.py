"""The page a proctor sees: complete, calm, safe to open, and without a picture nobody opened."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from policies.load import parse, read
from proctor.evidence.page import areas, in_words, render, ticks
from proctor.evidence.pictures import Opened, Picture
from proctor.evidence.story import Story
from proctor.evidence.story_reader import read_story
from proctor.evidence.verify import Check
from proctor.evidence.words import clock, lead

KEY = "age1" + "q" * 58
DETECTORS = {
    "faces": (0.1, ["face.absent", "face.several", "face.covered"]),
    "gaze": (0.1, ["gaze.away", "gaze.down"]),
    "objects": (0.5, ["object.phone", "object.tablet", "object.book", "object.person"]),
    "lighting": (0.5, ["light.dim", "light.glare", "light.backlit"]),
    "camera": (0.5, ["camera.covered", "camera.frozen"]),
    "speech": (0.0, ["speech.voice"]),
}
ACTS = [
    ("gaze.away", 16.0, 20.6, 0.91, "The eyes were away from the screen for 4.6 s."),
    ("object.phone", 27.2, 33.0, 0.87, "A phone was in view for 5.8 s."),
    ("face.absent", 38.3, 49.2, 0.99, "Nobody was in view for 10.9 s."),
    ("face.several", 54.5, 63.1, 0.95, "More than one face was in view for 8.6 s."),
    ("speech.voice", 75.4, 80.3, 0.98, "A voice was heard for 4.9 s."),
]
UNSURE = {"gaze.away": (38.0, 49.5), "gaze.down": (38.0, 49.5), "face.covered": (38.0, 49.5)}


def event(type_: str, **data: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "test", "type": type_, "data": data}


def journal() -> list[dict[str, Any]]:
    """The records of a 90 s exam with five flags, one detector missing and a stretch nobody could judge."""
    records = [
        event(
            "consent.recorded",
            attempt="7b1e-52",
            public_key="k",
            policy={"id": "standard", "version": 1, "sha256": "ab" * 32},
            granted={"camera": True, "microphone": True, "clips": True},
            recipients=[KEY],
        ),
        event(
            "session.started",
            t=0.0,
            anchor="2026-11-22T10:15:00+00:00",
            source={"kind": "replay"},
            detectors=[
                {"name": name, "period": period, "kinds": kinds, "models": {}}
                for name, (period, kinds) in DETECTORS.items()
            ],
            not_measured=[
                {
                    "detector": "wake",
                    "kinds": ["speech.wake_phrase"],
                    "why": "The network oww_embedding is not on this computer.",
                    "mend": "proctor models install oww_embedding",
                }
            ],
        ),
        event("marker", t=12.0, kind="question.shown", data={}),
        event(
            "marker", t=40.0, kind="detector.lost", data={"sentence": "The gaze detector failed."}
        ),
        event("marker", t=50.0, kind="detector.restarted", data={"sentence": "Gaze runs again."}),
        event("agent.gap", start=66.0, end=69.0, why="The computer slept."),
    ]
    for place, (kind, start, end, peak, why) in enumerate(ACTS):
        name = f"{kind}-001"
        records.append(
            event(
                "flag", id=name, kind=kind, rule=kind, start=start, peak=0.6, why=why, t=start + 2
            )
        )
        records.append(
            event("flag.closed", id=name, start=start, end=end, peak=peak, why=why, observations=40)
        )
        if place != 4:
            records.append(
                event(
                    "sealed",
                    flag=name,
                    file=f"clips/{name}.age",
                    sha256="cd" * 32,
                    length=412_000,
                    start=start - 5,
                    end=end + 3,
                    mime="video/mp4",
                    recipients=[KEY],
                )
            )
    records.append(event("clip.skipped", flag="speech.voice-001", why="clips are not kept"))
    for t0 in range(0, 90, 10):
        kinds = {
            kind: [score(kind, t0 + i) for i in range(10)]
            for _, ks in DETECTORS.values()
            for kind in ks
        }
        records.append(event("scores", t0=float(t0), step=1.0, kinds=kinds))
    summary = {
        "seconds": 90.0,
        "frames_seen": 900,
        "frames_dropped": 3,
        "not_measured_s": {"gaze.away": 14.5},
    }
    records.append(event("session.ended", t=90.0, summary=summary))
    return records


def score(kind: str, t: int) -> float | None:
    begin, end = UNSURE.get(kind, (-1.0, -1.0))
    if begin <= t < end or 66 <= t < 69:
        return None
    for name, start, stop, peak, _ in ACTS:
        if name == kind and start - 1 <= t <= stop:
            return round(peak * (0.9 + 0.1 * math.sin(t)), 3)
    return round(0.06 + 0.06 * math.sin(t * 0.7 + len(kind)), 3)


@pytest.fixture
def story() -> Story:
    return read_story(journal(), read("standard")[0])


def page(story: Story, **more: Any) -> str:
    return render(story, **more)


class Tags(HTMLParser):
    """Every start tag with its attributes, and every text outside of style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._styled = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._styled = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._styled = False

    def handle_data(self, data: str) -> None:
        if not self._styled and data.strip():
            self.texts.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def test_the_first_sentence_is_calm_and_counts(story: Story) -> None:
    assert lead(story) == "5 moments are put before you."
    assert "Nothing here is a verdict." in Tags(page(story)).text


def test_no_flag_is_no_statement_that_nothing_happened() -> None:
    quiet = read_story([record for record in journal() if "flag" not in record["type"]], None)
    assert lead(quiet) == "No moment is put before you."
    assert "does not say that nothing happened" in Tags(page(quiet)).text


def test_every_reported_kind_has_a_row_under_its_detector(story: Story) -> None:
    wanted = {kind for _, kinds in DETECTORS.values() for kind in kinds} | {"speech.wake_phrase"}
    assert {row.kind for row in story.rows} == wanted
    assert [group.name for group in story.groups] == [*DETECTORS, "wake"]
    html = page(story)
    assert html.count('role="img"') == len(wanted) + 1  # and the milestones


def test_each_flag_has_a_card_with_time_reason_and_thresholds(story: Story) -> None:
    text = Tags(page(story)).text
    for _, _, _, _, why in ACTS:
        assert why in text
    assert "0:27 – 0:33" in text
    assert "Opens at 0.50 held for 1.5 s, closes below 0.30" in text
    assert "Highest score 0.87 in 40 looks" in text


def test_what_was_not_measured_is_told_with_the_command_that_mends_it(story: Story) -> None:
    text = Tags(page(story)).text
    assert "The network oww_embedding is not on this computer." in text
    assert "proctor models install oww_embedding" in text
    assert "The agent did not run from 1:06 to 1:09 The computer slept." in text
    assert "Detector: lost at 0:40 The gaze detector failed." in text
    assert "The agent noted: 0:50 – Gaze runs again." in text
    away = next(row for row in story.rows if row.kind == "gaze.away")
    assert away.unmeasured_s == 14.5
    assert [(round(s.start), round(s.end)) for s in away.unmeasured] == [(38, 50), (66, 69)]
    wake = next(row for row in story.rows if row.kind == "speech.wake_phrase")
    assert wake.unmeasured[0].start == 0.0
    assert wake.unmeasured[0].end == pytest.approx(90.0)
    assert in_words(wake).startswith("Speech: wake phrase: not measured")


def test_the_curve_keeps_every_peak_and_breaks_where_nobody_measured(story: Story) -> None:
    phone = next(row for row in story.rows if row.kind == "object.phone")
    assert max(s for s in phone.columns if s is not None) >= 0.87 * 0.9
    assert areas(phone).count("M") == 2  # one area before the gap, one behind it
    assert re.fullmatch(r"[MHVZ0-9 ]+", areas(phone))


def test_without_a_key_the_page_holds_no_picture(story: Story) -> None:
    html = page(story)
    tags = Tags(html)
    assert not [tag for tag, _ in tags.tags if tag in ("img", "video", "script", "iframe", "link")]
    assert "data:" not in html.replace("img-src data:", "").replace("media-src data:", "")
    assert tags.text.count("Sealed: only its recipients can open this clip.") == 4
    assert "Made without a key" in tags.text


def test_opened_clips_show_and_the_page_says_that_it_holds_pictures(story: Story) -> None:
    picture = Picture(28.0, "data:image/jpeg;base64,AAAA", 320, 240, True)
    opened = {
        "object.phone-001": Opened((picture,), "data:video/mp4;base64,AAAA"),
        "gaze.away-001": Opened(problem="This key does not open the clip."),
    }
    tags = Tags(page(story, opened=opened))
    assert [a["src"] for t, a in tags.tags if t == "img"] == [picture.uri]
    assert [a["alt"] for t, a in tags.tags if t == "img"] == [
        "Camera picture at 0:28, with a frame around what was seen"
    ]
    assert "This page contains pictures from 1 clip, and 1 whole clip with sound." in tags.text
    assert "This key does not open the clip." in tags.text


def test_the_page_may_load_and_run_nothing(story: Story) -> None:
    html = page(story)
    policy = next(a["content"] for t, a in Tags(html).tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; media-src data:"
    )
    assert not re.search(r"https?://|//[a-z]|@import|url\((?!#)", html)


def test_checks_are_told_apart_by_word_and_sign_not_by_colour_alone(story: Story) -> None:
    checks = [
        Check(1, "a", "It is whole", True, "All there."),
        Check(2, "b", "Every clip is there", False, "One is gone."),
        Check(3, "c", "The institution signed", True, "Warning: no key was given."),
    ]
    text = Tags(page(story, checks=checks)).text
    assert "✓ yes" in text
    assert "✗ no" in text
    assert "– open" in text
    assert "1 of 3 checks answered yes" in text
    assert "One is gone." in text
    assert "Warning: no key was given." in text


@pytest.mark.parametrize(
    "word", ["che" + "at", "viol" + "ation", "susp" + "icious", "risk score", "student score"]
)
def test_words_are_neutral(story: Story, word: str) -> None:
    assert word not in page(story).lower()


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}\u202e"


def test_no_text_of_a_case_becomes_markup() -> None:
    raw = read("standard")[1].decode()
    # A policy may hold no unseen character; markup it may.
    markup = json.dumps(HOSTILE.rstrip("\u202e"))
    raw = raw.replace('"Practice exam"', markup).replace('"Practice institution"', markup)
    records = json.loads(json.dumps(journal()))

    def poison(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: poison(item) for key, item in value.items()}
        if isinstance(value, list):
            return [poison(item) for item in value]
        return value + HOSTILE if isinstance(value, str) else value

    for record in records:
        record["data"] = poison(record["data"])
    html = page(
        read_story(records, parse(raw.encode(), "test")),
        checks=[Check(1, HOSTILE, HOSTILE, False, HOSTILE)],
        notes=[HOSTILE],
    )
    tags = Tags(html)
    assert not [tag for tag, _ in tags.tags if tag in ("script", "img")]
    assert not [name for _, attrs in tags.tags for name in attrs if name.startswith("on")]
    assert "&lt;script&gt;" in html
    assert "{{ 7*7 }}" in html
    assert "\u202e" not in html


NASTY: list[Any] = [
    None,
    True,
    "x",
    -1,
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    [],
    {},
    [[]],
    "nan",
    "\ud800",
]


@pytest.mark.parametrize("nasty", NASTY, ids=lambda value: repr(value)[:20])
def test_a_hostile_journal_still_makes_a_page(nasty: Any) -> None:
    records: list[dict[str, Any]] = [{"type": nasty}, {"data": nasty}, {}]
    for record in journal():
        records.append({**record, "data": nasty})
        for field in record["data"]:
            records.append({**record, "data": {**record["data"], field: nasty}})
    html = page(read_story(records, None))
    assert "nan%" not in html
    assert "inf" not in re.findall(r'(?:x|width|left)[=:]"?([a-z]+)', html)
    assert "Nothing here is a verdict." in html
    html.encode("utf-8")


def test_records_that_cannot_be_read_are_counted(story: Story) -> None:
    broken = [*journal(), event("flag", id="x"), event("scores", t0="never"), {"type": "flag"}]
    read_back = read_story(broken, None)
    assert read_back.unreadable == 3
    assert len(read_back.flags) == len(story.flags)
    assert "Records that could not be read" in page(read_back)


def test_a_journal_of_ten_thousand_flags_stays_a_page() -> None:
    many = [
        event(
            "flag", id=f"f{i}", kind="gaze.away", rule="gaze.away", start=i, peak=0.9, why="w", t=i
        )
        for i in range(10_000)
    ]
    html = page(read_story(many, None))
    assert "10000 moments are put before you." in html
    assert "9500 more are in the journal; this page shows the first 500." in html
    assert len(html) < 1_500_000


def test_an_exam_that_broke_off_says_so() -> None:
    cut = [record for record in journal() if record["type"] not in ("session.ended", "flag.closed")]
    text = Tags(page(read_story(cut, None))).text
    assert "The record stops before the end of the exam." in text
    assert "not closed" in text


@pytest.mark.parametrize(
    ("anchor", "shown"),
    [
        ("2026-11-22T01:15:00+02:00", "21 November 2026, 23:15 UTC"),
        ("2026-11-22T10:15:00", "22 November 2026, 10:15 UTC"),
        ("0001-01-01T00:00:00+23:00", "not recorded"),
        ("yesterday", "not recorded"),
    ],
)
def test_the_begin_is_told_in_utc(anchor: str, shown: str) -> None:
    records = [event("session.started", anchor=anchor)]
    assert f"Began {shown}" in Tags(page(read_story(records, None))).text


def test_an_empty_journal_makes_a_page() -> None:
    assert "No moment is put before you." in page(read_story([], None))


@pytest.mark.parametrize(
    ("t", "shown"),
    [(0.0, "0:00"), (65.2, "1:05"), (59.6, "1:00"), (7389.0, "2:03:09"), (None, "–")],
)
def test_times_read_as_people_write_them(t: float | None, shown: str) -> None:
    assert clock(t) == shown


@pytest.mark.parametrize("seconds", [0.0, 3.0, 90.0, 600.0, 7200.0, 86_400.0])
def test_the_time_axis_has_few_round_marks(seconds: float) -> None:
    marks = ticks(seconds)
    assert len(marks) <= 12
    assert all(mark.t <= seconds for mark in marks)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "ground", 7.0),
        ("ink", "sheet", 7.0),
        ("ink", "track", 7.0),
        ("soft", "ground", 4.5),
        ("soft", "sheet", 4.5),
        ("link", "sheet", 4.5),
        ("good", "sheet", 4.5),
        ("warn", "sheet", 4.5),
        ("on-flag", "flag", 4.5),
        ("curve", "track", 3.0),
        ("flag", "track", 3.0),
        ("hatch", "sheet", 3.0),
    ],
)
def test_colours_are_readable(
    story: Story, scheme: int, ink: str, ground: str, least: float
) -> None:
    block = re.findall(r":root \{(.*?)\}", page(story), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))
    light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
