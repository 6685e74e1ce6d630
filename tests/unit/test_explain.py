"""The student's notice says what the policy says, all of it, in five languages (rule P4)."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from policies import consent, explain, load
from policies.schema import Policy
from policies.texts import LANGUAGES
from policies.texts.notice import Item, Part
from proctor.cli.main import main
from proctor.cli.policy_text import parts_of
from proctor.pipeline.plugins import discover

FULL = Path(__file__).with_name("policy_full.toml")


@pytest.fixture(scope="module")
def full() -> Policy:
    return load.parse(FULL.read_bytes(), "full")


def changed(policy: Policy, **values) -> Policy:
    return Policy.model_validate({**policy.model_dump(), **values})


def text(policy: Policy, lang: str = "en") -> str:
    """The notice as one line, so that a sentence is found wherever a line breaks."""
    page = explain.as_text(explain.notice(policy, lang, parts_of(policy)))
    return " ".join(line.lstrip("-> ") for line in " ".join(page.split("\n")).split())


def run(capsys, *words: str) -> tuple[int, str, str]:
    code = main([*words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", load.preset_names())
def test_P4_every_preset_has_a_notice_in_every_language(name, lang):  # noqa: N802
    policy, _ = load.read(name)
    page = explain.notice(policy, lang, parts_of(policy))
    assert page.lang == lang
    assert len(page.sections) == 13
    assert all(section.items for section in page.sections)
    assert "{" not in explain.as_text(page)


def test_P4_the_notice_says_everything_that_the_policy_says(full):  # noqa: N802
    said = text(full)
    for words in (
        "Lake University", "Physics 1", "exams@lake.example", "DPIA-2026-17", "counts a lot",
        "European Union, United States", "1 December 2026, 08:00 UTC", "31 January 2027, 20:30 UTC",
        "ALT-CAMERA", "ALT-MICROPHONE", "ALT-CLIPS", "ALT-IDENTITY", "ALT-KEEPING", "ALT-SCAN",
        "ALT-RESEARCH", "The law gives us this task",
        "No face is in view for 5 seconds or more.", "You look away from the screen for 1.5 seconds",
        "Somebody talks for 1 second or more.",
        "It starts 1 second before", "It ends 1.5 seconds after", "longer than 20 seconds",
        "2 keys can open your clips", "age1qqqqqqqq…qqqqqq, age1pppppppp…pppppp",
        "clips for 31 days", "film of your room for 3 days", "identity check for 9 days",
        "the log for 200 days", "decided for 400 days", "research for 500 days",
        "after 21 days is dropped", "you have 1 day to tell your side", "One person alone can decide",
        "You see all notes when the exam ends", "set times", "45, 90", "You can take 1 break.",
        "A break lasts 7.5 minutes", "16 or older", "guardian must say yes", "Department of Education",
        "A look to the side counts from about 33 degrees.", "“full”, version 3",
    ):  # fmt: skip
        assert words in said, words


def test_P4_thresholds_stand_in_a_table_with_the_languages_own_decimal_sign(full):  # noqa: N802
    for lang, cell in (("en", "0.5"), ("de", "0,5"), ("fr", "0,5"), ("es", "0,5"), ("nl", "0,5")):
        rule = full.rules["gaze.away"].model_copy(update={"gap_s": 0.5})
        policy = changed(full, rules={"gaze.away": rule.model_dump()})
        table = explain.notice(policy, lang, parts_of(policy)).sections[-1].table
        assert table is not None
        assert table.rows[0][1:] == ("70", "45", "1.5" if lang == "en" else "1,5", cell, "5", "2")
        assert len(table.columns) == len(table.rows[0])


def test_P4_every_kind_of_our_detectors_has_plain_words():  # noqa: N802
    from policies.texts.words import DETECTORS, KINDS

    ours = {
        name: plugin
        for name, plugin in discover().items()
        if plugin.create.__module__.startswith("detectors.")
    }
    assert ours.keys() <= DETECTORS.keys()
    assert {kind.name for plugin in ours.values() for kind in plugin.kinds} <= KINDS.keys()


def test_P4_a_kind_that_is_not_ours_keeps_its_own_words_and_the_notice_says_so(full):  # noqa: N802
    policy = changed(
        full,
        detectors={"doorbell": {}},
        rules={"door.bell": {"min_s": 3.0}, "door.knock": {"min_s": 0.0}},
    )
    part = Part("microphone", {"door.bell": "Es klingelt", "door.knock": "Klopfen"}, {"level": 7})
    page = explain.notice(policy, "en", {"doorbell": part})
    signals = next(section for section in page.sections if section.id == "signals")
    found = {point.quote: point.text for point in signals.items[0].points}
    assert found["Es klingelt"].startswith("An added part makes a note after 3 seconds.")
    assert "in its own language" in found["Klopfen"]
    assert page.sections[-1].table.rows[0][0] == "Es klingelt"
    assert "Setting of an added part: doorbell.level = 7." in explain.as_text(page)


def test_P4_a_kind_without_a_rule_is_told_as_measured_but_not_noted(full):  # noqa: N802
    assert "This gets a score, but no note is made of it: “Face covered”." in text(full)


def test_P4_what_is_off_is_said_to_be_off():  # noqa: N802
    minimal, _ = load.read("minimal")
    said = text(minimal)
    assert "Your microphone stays off." in said
    assert "No picture and no sound is kept." in said
    assert "There are no clips" in said
    assert "microphone is on" not in said


def test_P4_an_unknown_language_is_one_sentence_and_exit_code_2(capsys):  # noqa: N802
    for words in (("explain", "standard"), ("diff", "standard", "minimal")):
        code, out, err = run(capsys, "policy", *words, "--lang", "xx")
        assert (code, out) == (2, "")
        assert err == (
            "proctor: There are no texts in the language 'xx'; there are: en, de, fr, es, nl.\n"
        )


def test_R1_the_notice_shows_reason_alternative_and_hours_of_an_offered_scan(full):  # noqa: N802
    said = text(full)
    assert "REASON-SCAN books lie open in this exam." in said
    assert "INSTEAD-SCAN a person looks in by video." in said
    assert "at least 48 hours before the exam" in said
    assert "The film lasts 45 seconds at most." in said
    assert "1 key can open the film of your room. It looks like this: age1zzzzzzzz…zzzzzz." in said


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", "Your room is never scanned."),
        ("de", "Dein Zimmer wird nie gefilmt."),
        ("fr", "Votre pièce n'est jamais filmée."),
        ("es", "Tu habitación nunca se filma."),
        ("nl", "Je kamer wordt nooit gefilmd."),
    ],
)
def test_R1_a_scan_that_is_off_is_said_never_to_happen(lang, words):  # noqa: N802
    standard, _ = load.read("standard")
    assert words in text(standard, lang)


def test_R2_the_notice_says_that_the_scan_is_asked_again_at_its_moment(full):  # noqa: N802
    assert "We ask you again right before it." in text(full)


def test_C1_each_purpose_is_its_own_question_in_the_students_language(full):  # noqa: N802
    for lang in LANGUAGES:
        page = explain.notice(full, lang, parts_of(full))
        choices = next(section for section in page.sections if section.id == "choices")
        put = [item for item in choices.items if item.points]
        assert len(put) == len(full.purposes)
        for item, (name, purpose) in zip(put, full.purposes.items(), strict=True):
            asked = item.text == explain.question(name, lang)
            assert asked == (purpose.basis == "consent"), (lang, name)


def test_C1_the_question_in_english_is_the_constant():  # noqa: N802
    for name, words in consent.QUESTIONS.items():
        assert explain.question(name, "en") == words
        assert len({explain.question(name, lang) for lang in LANGUAGES}) == len(LANGUAGES)


def test_C2_the_notice_says_what_declining_brings_and_that_it_costs_nothing(full):  # noqa: N802
    said = text(full)
    for purpose in full.purposes.values():
        assert purpose.alternative in said
    assert "You can say no and still take your exam." in said
    assert "No note is made of a no." in said


def test_C5_the_hash_is_of_the_text_in_the_language_in_which_it_was_put(full):  # noqa: N802
    hashes = {consent.Answers({"camera": True}, "asked", lang).text_sha256() for lang in LANGUAGES}
    assert len(hashes) == len(LANGUAGES)


def test_C1_the_terminal_asks_in_the_language_asked_for(full):  # noqa: N802
    put: list[str] = []
    answers = consent.ask(full, lambda words: put.append(words) is None, "es")
    assert answers.language == "es"
    assert "¿Puede este examen usar tu micrófono?" in put[1]
    assert "Si dices que no, tienes esto a cambio: ALT-MICROPHONE" in put[1]
    assert "Si te opones, tienes esto a cambio: ALT-CAMERA" in put[0]


def test_C1_the_answer_is_typed_in_the_same_language(capsys, monkeypatch):  # noqa: N802
    from proctor.cli.running import yes_or_no

    # "a" could be either word in German, so it is neither; English words always count.
    monkeypatch.setattr("sys.stdin", io.StringIO("a\nablehnen\nannehmen\nyes\n"))
    assert yes_or_no("de", "Darf das sein?") is False
    asked = capsys.readouterr().err
    assert asked.count("annehmen oder ablehnen?") == 2
    assert "Bitte annehmen oder ablehnen eingeben." in asked
    assert yes_or_no("de", "Darf das sein?") is True
    assert yes_or_no("de", "Darf das sein?") is True


def test_C1_an_unknown_language_stops_before_anything_is_asked(capsys, tmp_path):  # noqa: N802
    words = ("--case", str(tmp_path / "case"), "--consent", "all", "--lang", "tlh")
    code, _, err = run(capsys, "exam", *words)
    assert code == 2
    assert err.endswith("no texts in the language 'tlh'; there are: en, de, fr, es, nl.\n")
    assert not (tmp_path / "case").exists()


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", "A person decides. The program never does."),
        ("de", "Ein Mensch entscheidet."),
        ("fr", "Une personne décide."),
        ("es", "Decide una persona."),
        ("nl", "Een mens beslist."),
    ],
)
def test_O1_the_notice_says_that_a_human_decides(lang, words):  # noqa: N802
    for name in load.preset_names():
        assert words in text(load.read(name)[0], lang)


def test_A2_a_break_is_said_to_stop_capture_and_to_be_no_note(full):  # noqa: N802
    said = text(full)
    assert "In a break, the camera and the microphone are off." in said
    assert "A break is fine. No note is made of it." in said


class Reader(HTMLParser):
    """What a browser would see: tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_the_page_is_self_contained_and_has_language_headings_and_row_heads(full):
    page = Reader(explain.as_html(explain.notice(full, "de", parts_of(full))))
    names = [tag for tag, _ in page.tags]
    assert page.tags[0] == ("html", {"lang": "de"})
    assert names.count("h1") == 1
    assert names.count("h2") == names.count("section") == 13
    assert not {"script", "img", "link", "iframe", "form"} & set(names)
    assert {"col", "row"} == {attrs["scope"] for _, attrs in page.tags if "scope" in attrs}
    addresses = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert {f"#{a['id']}" for tag, a in page.tags if tag == "section"} == set(addresses)


def test_hostile_words_of_an_institution_or_a_plug_in_stay_words(full):
    nasty = "<script>alert(1)</script> {exam} %s & done"
    policy = changed(full, exam=nasty, contact=nasty, rules={"door.bell": {"min_s": 3.0}})
    part = Part("microphone", {"door.bell": "Bell \x1b[2J\u202e{n}"})
    page = explain.notice(policy, "en", {"doorbell": part})
    html, terminal = explain.as_html(page), explain.as_text(page)
    assert "<script" not in html
    assert Reader(html).text.count("<script>alert(1)</script> {exam} %s & done") == 2
    assert "{n}" in terminal
    for sign in ("\x1b", "\u202e"):
        assert sign not in terminal + html


def test_the_command_writes_text_json_and_a_page(capsys, tmp_path):
    code, out, _ = run(capsys, "policy", "explain", str(FULL), "--lang", "fr")
    assert code == 0
    assert "Qui décide" in out
    page = tmp_path / "notice.html"
    code, out, _ = run(capsys, "policy", "explain", str(FULL), "--json", "--html", str(page))
    assert code == 0
    told = json.loads(out)
    assert told["lang"] == "en"
    assert [s["id"] for s in told["sections"]][:2] == ["who", "sensors"]
    assert page.read_text(encoding="utf-8").count("<section") == 13
    code, _, err = run(capsys, "policy", "explain", "standard", "--html", str(tmp_path))
    assert code == 2
    assert re.fullmatch(r"proctor: .* is a folder; give the name of a file\.\n", err)


def test_an_item_holds_one_line_of_others_words():
    assert Item("We say:", "two\n\nlines\tof it").quote == "two lines of it"
