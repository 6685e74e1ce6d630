"""The papers an institution must keep are made from the policy, and say what only people can fill in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from policies import exports, load
from policies.schema import Policy
from proctor.cli.main import main
from proctor.cli.policy_text import parts_of

FULL = Path(__file__).with_name("policy_full.toml")
PAPERS = {"dpia": exports.dpia, "retention": exports.retention, "record": exports.record}


@pytest.fixture(scope="module")
def full() -> Policy:
    return load.parse(FULL.read_bytes(), "full")


def paper(name: str, policy: Policy) -> str:
    return PAPERS[name](policy, FULL.read_bytes(), parts_of(policy))


def table(text: str, head: str) -> dict[str, list[str]]:
    """The rows of the table whose first head is ``head``, by their first cell."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        first, *rest = [cell.strip() for cell in line.strip("|").split(" | ")]
        rows[first] = rest
    return rows


@pytest.mark.parametrize("what", PAPERS)
@pytest.mark.parametrize("name", load.preset_names())
def test_every_preset_gives_every_paper(what, name):
    policy, raw = load.read(name)
    text = PAPERS[what](policy, raw, parts_of(policy))
    assert f"`{hashlib.sha256(raw).hexdigest()}`" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert tables
    for rows in tables:
        assert len({row.count(" | ") for row in rows.splitlines()}) == 1, rows
    assert "None" not in text


def test_T1_the_schedule_has_a_clock_for_each_class_of_data(full):  # noqa: N802
    rows = table(paper("retention", full), "Class of data")
    assert {name: row[0] for name, row in rows.items()} == {
        "Sealed clips": "31 days",
        "Sealed room scans": "3 days",
        "Identity data": "9 days",
        "Research copies": "500 days",
        "Journal (no media)": "200 days",
        "Decisions and reasons": "400 days",
        "All other pictures and sound": "not kept",
    }


def test_T1_a_class_that_never_exists_has_no_clock():  # noqa: N802
    policy, raw = load.read("minimal")
    rows = table(exports.retention(policy, raw, {}), "Class of data")
    assert list(rows) == [
        "Journal (no media)",
        "Decisions and reasons",
        "All other pictures and sound",
    ]


def test_T3_identity_without_its_own_purpose_is_kept_no_longer_than_the_exam(full):  # noqa: N802
    document = full.model_dump()
    del document["purposes"]["identity_retention"]
    rows = table(paper("retention", Policy.model_validate(document)), "Class of data")
    assert rows["Identity data"][0] == "the exam"


def test_the_record_has_every_letter_of_article_30(full):
    rows = table(paper("record", full), "GDPR Art. 30(1)")
    assert {name[:3] for name in rows} == {f"({letter})" for letter in "abcdefg"}
    assert rows["(a) Controller"] == ["Lake University"]
    assert "camera (public task, GDPR Art. 6(1)(e))" in rows["(b) Purposes"][0]
    assert "room scans: holders of 1 key(s)" in rows["(d) Recipients"][0]
    assert "journal (no media): 200 days" in rows["(f) Time limits"][0]
    assert rows["(a) Data protection officer"] == [exports.TO_FILL]


def test_the_impact_assessment_describes_and_leaves_the_judgement_to_people(full):
    text = paper("dpia", full)
    assert "people must judge" in text
    assert "DPIA-2026-17" in text
    assert table(text, "Signal")["Looking away"] == ["70 of 100", "1.5 s"]
    assert table(text, "Part")["Faces"] == ["faces", "camera", "yes"]
    assert table(text, "Purpose")["Camera"][0] == "public task, GDPR Art. 6(1)(e)"
    risks = table(text, "Risk")
    assert len(risks) == 10
    assert all(row[1] == exports.TO_FILL for row in risks.values())
    assert "one reviewer (no second one)" in risks["A decision is taken without a person"][0]


def test_O1_the_impact_assessment_says_that_the_program_decides_nothing(full):  # noqa: N802
    assert "It takes no decision." in paper("dpia", full)


def test_words_of_the_institution_stay_words(full):
    nasty = "a | b <script>x</script> `c` [d](e) # *f*"
    policy = Policy.model_validate({**full.model_dump(), "institution": nasty, "exam": nasty})
    for what in PAPERS:
        html = MarkdownIt("commonmark").enable("table").render(paper(what, policy))
        assert "<script>" not in html
        assert "<a " not in html
        assert "<em>f</em>" not in html
        if what == "record":
            assert "<td>a | b &lt;script&gt;x&lt;/script&gt; `c` [d](e) # *f*</td>" in html


def test_the_command_writes_a_file_or_prints(capsys, tmp_path):
    target = tmp_path / "record.md"
    assert main(["policy", "export", str(FULL), "--what", "record", "--out", str(target)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["policy", "export", str(FULL), "--what", "record"]) == 0
    assert capsys.readouterr().out == target.read_text(encoding="utf-8")
    missing = str(tmp_path / "no" / "such.md")
    assert main(["policy", "export", str(FULL), "--what", "dpia", "--out", missing]) == 2
    assert "does not exist; make it first" in capsys.readouterr().err
