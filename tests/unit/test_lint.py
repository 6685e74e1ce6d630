"""`proctor policy check`, the presets, the reference page, and where in a file a finding points."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies import load
from policies.lines import line_of
from policies.lint import lint
from policies.lint_page import page
from policies.lint_rules import RULES
from proctor.cli.main import main

ROOT = Path(__file__).parents[2]
PRESETS = {
    "minimal",
    "standard",
    "gdpr-public-university",
    "us-public-university",
    "us-illinois",
    "us-california",
    "practice",
    "research-study",
}
# What an institution has to fill in itself, and what `standard` shows of a clip at its longest.
LEFT_TO_THE_INSTITUTION = {"L-GEN-01", "L-GEN-04", "L-GEN-05", "L-GEN-06", "L-CLIP-01", "L-SIG-16"}
CHOSEN = {"standard": {"L-CLIP-05"}, "research-study": {"L-GEN-09"}}

POLICY = """\
# A policy written in every way that TOML allows.
version = 1
id = "lines"
institution = "College"
exam = "Exam"
contact = '''
exams@harbour.test'''
stakes = "high"
retention.clips_days = 13
jurisdictions = [
  "EU",  # [not a table]
  "US-CA",
]

[purposes]
camera = { alternative = "You sit the exam in the hall." }
"clips" = { alternative = "Flags stay sentences." }

[detectors.'faces']

[rules]
[rules . "face.absent"]
min_s = 5.0
"gap_s" = 11.0
[rules."face.several"]
on = 0.95 # on = 0.1
"""


@pytest.fixture
def policy_file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / f"exam-{len(list(tmp_path.iterdir()))}.toml"
        path.write_text(text, encoding="utf-8", newline="\n")
        return str(path)

    return write


def test_P5_all_presets_are_there():
    assert set(load.preset_names()) == PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_P5_each_preset_passes_its_own_lint(name):
    policy, raw = load.read(name)
    found = lint(policy, raw)
    assert [finding.sentence() for finding in found if finding.severity == "error"] == []
    warned = {finding.rule for finding in found}
    assert warned <= LEFT_TO_THE_INSTITUTION | CHOSEN.get(name, set())


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_P5_presets_share_their_thresholds(name):
    standard = load.read("standard")[0].rules
    policy = load.read(name)[0]
    assert policy.rules.items() <= standard.items()


@pytest.mark.parametrize("name", sorted(PRESETS - {"standard", "minimal", "practice"}))
def test_P5_a_preset_filled_in_leaves_nothing_to_mend(name):
    raw = load.read(name)[1].decode()
    keys = ["age1f7m78jtqzx6jfkuyasf3uer7sa23lypw5l7yjgd7sr64xmec0ejs83d5s4"]
    keys.append("age14mxgnn9f8fj8nztlq6mu4fdzn7vrd60mcfvw94yxk65adhzpg9yss5lscc")
    soon = datetime.now(UTC) + timedelta(days=300)
    for old, new in (
        ("Example University (replace with yours)", "University of the Harbour"),
        ("Example College (replace with yours)", "College of the Harbour"),
        ("(replace)", "IV"),
        ("example.org", "harbour.test"),
        ("\nstakes =", '\nevaluation = "Report 17 of 2027"\nstakes ='),
        ("Replace: ", "2027-3, fundamental rights and IRB: "),
        (
            "recipients = []",
            f"recipients = {json.dumps(keys)}\nexpires = {soon:%Y-%m-%d}T00:00:00Z",
        ),
    ):
        raw = raw.replace(old, new)
    if name == "research-study":
        raw = raw.replace('stakes = "practice"', 'stakes = "practice"\njurisdictions = ["US"]')
    policy = load.parse(raw.encode(), name)
    assert {finding.rule for finding in lint(policy, raw.encode())} <= CHOSEN.get(name, set())


def test_P5_what_the_presets_promise():
    policies = {name: load.read(name)[0] for name in PRESETS}
    for policy in policies.values():
        assert policy.room_scan.mode == "off"
        assert not {"identity", "identity_retention", "room_scan"} & set(policy.purposes)
    assert set(policies["minimal"].purposes) == {"camera"}
    assert policies["minimal"].show_flags == "live"
    assert "clips" not in policies["practice"].purposes
    assert not any(choice.required for choice in policies["practice"].detectors.values())
    assert policies["gdpr-public-university"].purposes["camera"].basis == "public_task"
    for name in ("us-public-university", "us-illinois", "us-california", "research-study"):
        assert {purpose.basis for purpose in policies[name].purposes.values()} == {"consent"}
    assert "research" in policies["research-study"].purposes
    assert "gaze" not in policies["us-illinois"].detectors
    assert all(policies[name].review.second_reviewer for name in PRESETS)


def test_P4_the_reference_page_is_in_step_with_the_rules():
    written = (ROOT / "docs" / "policy-linter.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m policies.lint_page > docs/policy-linter.md"
    for rule in RULES:
        assert f"| {rule.id}<br>{rule.severity} |" in written


def test_P4_findings_point_at_lines():
    policy = load.parse(POLICY.encode(), "exam.toml")
    now = datetime(2027, 1, 10, tzinfo=UTC)
    lines = {f.rule: f.line for f in lint(policy, POLICY.encode(), now=now)}
    written = POLICY.splitlines()
    assert written[lines["L-REV-02"] - 1] == "retention.clips_days = 13"
    assert written[lines["L-SIG-10"] - 1] == '"gap_s" = 11.0'
    assert written[lines["L-SIG-04"] - 1].startswith("on = 0.95")
    assert lines["L-GEN-01"] is None, "what is not written has no line"
    assert lines["L-CLIP-05"] is None


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["version"], "version = 1"),
        (["contact"], "contact = '''"),
        (["retention", "clips_days"], "retention.clips_days = 13"),
        (["retention", "journal_days"], "retention.clips_days = 13"),
        (["purposes", "clips", "basis"], '"clips" = { alternative = "Flags stay sentences." }'),
        (["detectors", "faces", "required"], "[detectors.'faces']"),
        (["rules", "face.absent"], '[rules . "face.absent"]'),
        (["rules", "face.absent", "min_s"], "min_s = 5.0"),
        (["rules", "face.several", "min_s"], '[rules."face.several"]'),
        (["rules", "face.several", "on"], "on = 0.95 # on = 0.1"),
        (["jurisdictions", "1"], "jurisdictions = ["),
    ],
)
def test_P4_a_key_is_found_where_it_is_written(keys, line):
    found = line_of(POLICY, keys)
    assert found is not None
    assert POLICY.splitlines()[found - 1] == line


def test_P4_a_key_that_is_nowhere_has_no_line():
    assert line_of(POLICY, ["breaks", "mode"]) is None


def test_P4_check_ends_with_0_after_warnings_and_with_1_after_errors(policy_file, capsys):
    assert main(["policy", "check", "standard"]) == 0
    told = capsys.readouterr().out
    assert "warning  L-CLIP-05 line" in told
    assert "ask your counsel" in told
    assert main(["policy", "check", "practice"]) == 0
    assert capsys.readouterr().out == "Nothing to mend.\n"
    text = load.read("practice")[1].decode()
    path = policy_file(text.replace("[detectors.faces]\nrequired = false\n", ""))
    assert main(["policy", "check", path]) == 1
    told = capsys.readouterr().out
    assert "error    L-SIG-13 line" in told
    assert "→ Add the detector" in told


def test_P4_check_of_what_is_no_policy_ends_with_2(policy_file, capsys):
    for arguments, words in (
        ([policy_file("version = ")], "not valid TOML"),
        ([policy_file("version = 1")], "is needed and missing"),
        (["no-such-policy"], "gdpr-public-university"),
        (["standard", "--jurisdiction", "Mars"], "US-IL"),
    ):
        assert main(["policy", "check", *arguments]) == 2
        streams = capsys.readouterr()
        assert streams.out == ""
        assert words in streams.err
        assert streams.err.count("\n") == 1


def test_P4_check_for_a_machine(capsys):
    assert main(["policy", "check", "minimal", "--json", "--jurisdiction", "EU"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["policy"] == "minimal"
    assert told["ok"] is False
    assert told["errors"] == sum(f["severity"] == "error" for f in told["findings"])
    first = told["findings"][0]
    assert set(first) == {"rule", "severity", "key", "line", "what", "why", "source", "mend"}
    assert first["severity"] == "error"


def test_P4_check_loads_nothing_that_an_exam_needs():
    """It answers at once because it loads no network, picture or sound library (no clock here)."""
    heavy = ["av", "cv2", "mediapipe", "numpy", "onnxruntime", "pyrage", "sounddevice", "vosk"]
    script = (
        "import sys\nfrom proctor.cli.main import main\n"
        "main(['policy', 'check', 'gdpr-public-university'])\n"
        f"print('HEAVY:', *[name for name in {heavy!r} if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert run.stdout.splitlines()[-1].split() == ["HEAVY:"]


def test_the_institutions_page_has_a_row_for_every_rule_and_names_only_what_exists():
    text = (ROOT / "docs" / "institution.md").read_text(encoding="utf-8")
    counts = {"P": 5, "C": 6, "R": 4, "A": 2, "O": 4, "T": 3}
    wanted = [f"{letter}{n}" for letter, count in counts.items() for n in range(1, count + 1)]
    assert re.findall(r"^\| ([PCRAOT]\d) \|", text, re.MULTILINE) == wanted
    assert set(re.findall(r"L-[A-Z]+-\d\d", text)) <= {rule.id for rule in RULES}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == PRESETS
