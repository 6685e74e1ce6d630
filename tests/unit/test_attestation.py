"""The label of a case: a pure answer in neutral words, whatever a stranger's journal holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence.attestation import attest, known_models, read_list
from proctor.evidence.page import write_page

BUILD = "ab" * 32
JUDGING = ["che" + "at", "viol" + "ation", "susp" + "icious", "fraud", "fake", "dishonest"]


def record(type: str, **data: object) -> dict:
    return {"type": type, "data": data}


def clean() -> list[dict]:
    """The records of a case that is attested."""
    kinds = [{"name": "camera.virtual", "title": "V"}]
    rule = {"on": 0.6, "off": 0.4, "min_s": 3.0, "cooldown_s": 5.0}
    return [
        record("consent.recorded", policy={"sha256": "p"}, agent={"version": "1"}),
        record("session.started", detectors=[{"kinds": kinds}], rules={"camera.frozen": rule}),
        record(
            "inventory",
            build={"version": "1", "sha256": BUILD},
            source="live",
            devices=[{"device": "camera", "name": "Integrated Camera", "software": False}],
            models={},
            policy_sha256="p",
            plugins=[{"name": "camera", "sha256": BUILD}],
        ),
        record("scores", t0=0.0, step=1.0, kinds={"camera.virtual": [0.0], "camera.frozen": [0.0]}),
    ]


def reasons(records: list[dict], listed: set[str] | None = None) -> list[str]:
    found = attest(records, listed={BUILD} if listed is None else listed, models={"net": "d"})
    return [reason.code for reason in found.reasons]


def test_nothing_speaks_against_a_clean_case() -> None:
    found = attest(clean(), listed={BUILD}, models={})
    assert (found.attested, found.label, found.reasons) == (True, "attested", ())
    assert "does not prove" in found.sentence


def test_without_a_list_the_build_was_not_checked_and_that_is_said() -> None:
    found = attest(clean(), listed=None, models={})
    assert [reason.code for reason in found.reasons] == ["build-not-checked"]
    assert found.label == "unattested"
    assert "says nothing about the student" in found.sentence


def test_a_listed_network_and_plug_in_are_as_good_as_known_ones() -> None:
    records = clean()
    records[2]["data"] |= {
        "models": {"net": "d", "own": "c" * 64},
        "plugins": [{"name": "added", "sha256": "e" * 64}],
    }
    assert set(reasons(records)) == {"network-unlisted", "plugin-unlisted"}
    assert reasons(records, {BUILD, "c" * 64, "e" * 64}) == []


def run_of(score: float, seconds: int, start: float = 0.0) -> dict:
    return record("scores", t0=start, step=1.0, kinds={"camera.frozen": [score] * seconds})


FLAG = {"id": "camera.frozen-001", "kind": "camera.frozen", "start": 2.0}


@pytest.mark.parametrize(
    ("more", "differ"),
    [
        ([run_of(0.9, 18)], False),  # shorter than three times three seconds and ten
        ([run_of(0.9, 30)], True),
        ([run_of(0.59, 300)], False),
        ([run_of(0.9, 10), run_of(0.9, 10, 10.0)], True),  # one run over two records
        ([run_of(0.9, 10), run_of(0.9, 10, 12.0)], False),  # a hole between them
        ([run_of(0.9, 30), record("flag", **FLAG)], False),  # still open
        ([run_of(0.9, 30), record("flag", **FLAG), record("flag.closed", **FLAG, end=28.0)], False),
        ([run_of(0.9, 30, 50.0), record("flag.closed", **FLAG, end=28.0)], True),
        (
            [run_of(0.9, 30, 30.0), record("flag.closed", **FLAG, end=28.0)],
            False,
        ),  # in its cool-down
    ],
)
def test_scores_that_must_have_opened_a_flag(more: list[dict], differ: bool) -> None:
    assert ("flags-differ" in reasons([*clean(), *more])) is differ


def test_the_words_judge_nobody() -> None:
    """Every sentence that can be said, also with a device's own name in it."""
    records = clean()
    records[2]["data"] |= {
        "source": "replay",
        "devices": [{"device": "camera", "name": "OBS Virtual Camera"}, {"device": "microphone"}],
        "models": {"x": "y"},
        "plugins": [{"name": "z", "sha256": "0"}],
        "policy_sha256": "q",
        "build": {"version": "2", "sha256": "0" * 64},
    }
    records += [
        record("source.noted", what="timing", reason="a grid"),
        record("clock.changed", by_s=7200.0),
        record("sealed", models={"other": "d"}),
        run_of(0.9, 60),
    ]
    found = attest(records, listed={BUILD}, models={})
    empty = attest([], listed=None, models={})
    sentences = [r.sentence for r in (*found.reasons, *empty.reasons)]
    assert len(sentences) >= 12
    for sentence in [*sentences, found.sentence, empty.sentence]:
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert not any(word in sentence.lower() for word in JUDGING), sentence
        assert "student" not in sentence or "nothing about the student" in sentence


@pytest.mark.parametrize(
    ("device", "name", "software"),
    [
        ("camera", "OBS Virtual Camera", True),
        ("camera", "XSplit VCam", True),
        ("camera", "Dummy video device (0x0000)", True),
        ("camera", "HD UVCam", False),
        ("camera", "Integrated Camera: Integrated C", False),
        ("camera", "Logitech BRIO", False),
        ("camera", "Brandi Cam", False),
        ("microphone", "Monitor of Built-in Audio", True),
        ("microphone", "CABLE Output (VB-Audio Virtual Cable)", True),
        ("microphone", "Microphone Array (Realtek)", False),
    ],
)
def test_names_of_programs_and_of_hardware(device: str, name: str, software: bool) -> None:
    records = clean()
    records[2]["data"]["devices"] = [{"device": device, "name": name, "software": None}]
    assert (f"{device}-software" in reasons(records)) is software


LEAF = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just("live")
)
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["build", "sha256", "devices", "device", "name", "models", "plugins", "kinds", "rules",
             "t0", "step", "on", "min_s", "cooldown_s", "policy", "source", "id", "kind", "detectors"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
TYPES = [
    "inventory", "inventory.changed", "scores", "sealed", "session.started", "source.noted",
    "clock.changed", "flag", "flag.closed", "consent.recorded",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.fixed_dictionaries({"type": st.sampled_from(TYPES), "data": JSON}), max_size=6))
def test_whatever_a_strangers_journal_holds_there_is_an_answer(records: list[dict]) -> None:
    found = attest(records, listed=set(), models={})
    assert found.label in ("attested", "unattested")
    for reason in found.reasons:
        assert reason.sentence.isprintable()


def test_a_list_of_builds_is_read_and_a_slip_is_named(tmp_path: Path) -> None:
    listing = tmp_path / "builds.txt"
    listing.write_text(
        f"# ours\n\n{BUILD}  open-proctor 0.1.0 # tested\n{'C' * 64}\n", encoding="utf-8"
    )
    assert read_list(listing) == {BUILD, "c" * 64}
    listing.write_text(f"{BUILD}\nabc  too short\n", encoding="utf-8")
    with pytest.raises(InputError, match="Line 2 of the list of builds"):
        read_list(listing)
    with pytest.raises(InputError, match="cannot be read"):
        read_list(tmp_path / "none")


def test_show_verify_and_the_page_say_it(finished_case: Path, tmp_path: Path, capsys) -> None:
    assert main(["case", "show", str(finished_case)]) == 0
    shown = capsys.readouterr().out
    assert "The program and its devices: unattested" in shown
    assert "no inventory of the program" in shown
    assert main(["case", "show", str(finished_case), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["attestation"]
    assert told["label"] == "unattested"
    assert {reason["code"] for reason in told["reasons"]} == {"no-inventory"}
    listing = tmp_path / "builds.txt"
    listing.write_text(f"{BUILD}\n", encoding="utf-8")
    # It is no check: the case is whole, so the answer is yes.
    assert main(["case", "verify", str(finished_case), "--builds", str(listing)]) == 0
    assert "The program and its devices: unattested" in capsys.readouterr().out
    assert main(["case", "verify", str(finished_case), "--builds", str(tmp_path / "none")]) == 2
    page = write_page(finished_case, tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'id="attestation"' in page
    assert "The program and its devices: unattested" in page


def test_the_manifests_networks_are_known() -> None:
    assert {"yunet", "face_landmarker"} <= known_models().keys()
    assert all(len(digest) == 64 for digest in known_models().values())
