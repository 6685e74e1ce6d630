"""What is arranged for one student: signed, only ever gentler, and what is off is not computed."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models import registry
from policies import load, root, sign
from policies.addendum import PAYLOAD_TYPE, Addendum, open_addendum, parse
from policies.consent import Answers, accept_all
from policies.errors import PolicyError, Refused
from proctor.errors import CheckFailed, InputError
from proctor.evidence.case import Case
from proctor.evidence.keys import local_signing_key
from proctor.evidence.show import gather
from proctor.pipeline.detector import Kind, Plugin, Settings
from proctor.session.plan import Plan, make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import Observation

STANDARD, RAW = load.read("standard")
SHA256 = hashlib.sha256(RAW).hexdigest()
NOW = datetime(2026, 3, 1, tzinfo=UTC)
HEAD = f'policy_sha256 = "{SHA256}"\nstudent = "a-17"\n'
ARRANGED = "not measured by arrangement"


def signed(text: str, key: Ed25519PrivateKey, kind: str = PAYLOAD_TYPE) -> bytes:
    return sign.envelope(text.encode(), kind, [key])


@pytest.fixture
def arrange(proctor_home, tmp_path):
    """An addendum to the standard preset, signed by this machine's key, as a file."""

    def write(text: str, head: str = HEAD) -> Path:
        path = tmp_path / "addendum.dsse"
        path.write_bytes(signed(head + text, local_signing_key()))
        return path

    return write


# The document.


def test_A1_an_addendum_has_no_field_for_a_reason():
    fields = set(Addendum.model_fields)
    assert not fields & {"reason", "why", "note", "notes", "comment", "diagnosis", "name", "text"}
    for key in ("reason", "diagnosis", "note"):
        with pytest.raises(PolicyError, match="no such key"):
            parse(f'{HEAD}{key} = "it is nobody\'s business"\n'.encode(), "a.toml")
    # Every field is a code, a digest, a moment, a name of what is off, a number or a yes.
    schema = Addendum.model_json_schema()["properties"]
    texts = [f for f in schema.values() if f.get("type") == "string"]
    assert len(texts) == 2
    assert all(field["pattern"] for field in texts)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("speech_expected = 1\n", "speech_expected"),
        ('kinds_off = ["gaze.away"]\n[rules."gaze.away"]\nmin_s = 9.0\n', "choose one"),
        ("expires = 2027-01-01T00:00:00\n", "time zone"),
        ('[rules."gaze.away"]\nmin_s = -1.0\n', "min_s"),
        ('[rules."gaze.away"]\ngap_s = 1.0\n', "no such key"),
    ],
)
def test_A1_an_addendum_is_checked_as_strictly_as_a_policy(text, words):
    with pytest.raises(PolicyError, match=words):
        parse((HEAD + text).encode(), "a.toml")


@pytest.mark.parametrize("change", ["on = 0.1", "min_s = 0.5", "cooldown_s = 0.0"])
def test_A1_an_arrangement_can_only_take_away(change):
    addendum = parse(f'{HEAD}[rules."gaze.away"]\n{change}\n'.encode(), "a.toml")
    with pytest.raises(PolicyError, match="stricter"):
        addendum.check(STANDARD)


def test_A1_a_gentler_rule_changes_that_rule_only():
    text = f'{HEAD}[rules."gaze.away"]\nmin_s = 12.0\non = 0.9\n'
    addendum = parse(text.encode(), "a.toml")
    rules = addendum.rules_of(STANDARD)
    assert (rules["gaze.away"].min_s, rules["gaze.away"].on) == (12.0, 0.9)
    assert rules["gaze.away"].gap_s == STANDARD.rules["gaze.away"].gap_s
    assert {k: r for k, r in rules.items() if k != "gaze.away"} == {
        k: r for k, r in STANDARD.rules.items() if k != "gaze.away"
    }


@pytest.mark.parametrize(
    ("expectation", "off", "on"),
    [
        ("speech_expected", ["speech.voice", "speech.wake_phrase"], ["face.absent"]),
        ("reader_allowed", ["face.several", "object.person"], ["face.absent", "speech.voice"]),
        ("movement_expected", ["gaze.away", "gaze.down", "face.covered"], ["face.absent"]),
        ("assistive_technology", ["screen.reader"], ["object.phone"]),
    ],
)
def test_A1_an_expectation_switches_off_what_it_makes_meaningless(expectation, off, on):
    addendum = parse(f"{HEAD}{expectation} = true\n".encode(), "a.toml")
    assert all(addendum.off(kind) for kind in off)
    assert not any(addendum.off(kind) for kind in on)


def test_A1_a_rule_of_its_own_keeps_a_kind_that_an_expectation_would_switch_off():
    text = f'{HEAD}speech_expected = true\n[rules."speech.wake_phrase"]\ncooldown_s = 60.0\n'
    addendum = parse(text.encode(), "a.toml")
    assert addendum.off("speech.voice")
    assert not addendum.off("speech.wake_phrase")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('detectors_off = ["telepathy"]\n', "does not have"),
        ('[rules."face.green"]\nmin_s = 9.0\n', "does not have"),
    ],
)
def test_A1_what_the_policy_does_not_have_cannot_be_arranged(text, words):
    with pytest.raises(PolicyError, match=words):
        parse((HEAD + text).encode(), "a.toml").check(STANDARD)


# Who may say so.


def test_A1_only_the_institutions_signature_counts():
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys = [key.public_key()]
    good = signed(HEAD, key)
    assert open_addendum(good, "a", keys, SHA256, NOW).student == "a-17"
    with pytest.raises(Refused, match="signatures"):
        open_addendum(signed(HEAD, other), "a", keys, SHA256, NOW)
    with pytest.raises(Refused, match="signatures"):
        open_addendum(good, "a", [], SHA256, NOW)
    with pytest.raises(Refused, match="not '"):
        open_addendum(signed(HEAD, key, sign.PAYLOAD_TYPE), "a", keys, SHA256, NOW)
    with pytest.raises(Refused, match="another policy"):
        open_addendum(good, "a", keys, "0" * 64, NOW)
    old = signed(f"{HEAD}expires = 2026-02-28T00:00:00Z\n", key)
    with pytest.raises(Refused, match="expired"):
        open_addendum(old, "a", keys, SHA256, NOW)


def test_A1_an_addendum_to_a_signed_policy_needs_a_key_of_its_institution(proctor_home, tmp_path):
    key, stranger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    text = RAW.replace(b"recipients = []", b"").decode().replace('"practice"', '"low"')
    (tmp_path / "policy.dsse").write_bytes(signed(text, key, sign.PAYLOAD_TYPE))
    roots = [tmp_path / "root.toml"]
    roots[0].write_text(root.make(STANDARD.institution, [root.public_text(key.public_key())], 1))
    digest = hashlib.sha256(text.encode()).hexdigest()
    head = f'policy_sha256 = "{digest}"\nstudent = "a-17"\nspeech_expected = true\n'

    def plan(signer: Ed25519PrivateKey) -> Plan:
        (tmp_path / "a.dsse").write_bytes(signed(head, signer))
        return make_plan(
            str(tmp_path / "policy.dsse"),
            require_all=False,
            roots=roots,
            addendum=tmp_path / "a.dsse",
        )

    assert plan(key).idle == {"microphone"}
    for wrong in (stranger, local_signing_key()):
        with pytest.raises(CheckFailed, match="not followed"):
            plan(wrong)


def test_A1_a_file_that_is_no_addendum_ends_in_a_sentence(proctor_home, tmp_path):
    for name, data in (("missing", None), ("text", b"hello"), ("empty", b"")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises((InputError, CheckFailed), match=name):
            make_plan("standard", require_all=False, addendum=tmp_path / name)


def test_A1_an_addendum_is_signed_and_used_from_the_command_line(
    proctor_home, tmp_path, monkeypatch, capsys
):
    from proctor.cli.main import main

    monkeypatch.chdir(tmp_path)
    given = ["policy", "arrange", "a.toml", "--policy", "standard"]
    Path("a.toml").write_text(f"{HEAD.replace(SHA256, '0' * 64)}reader_allowed = true\n")
    assert main(given) == 2
    assert f'policy_sha256 = "{SHA256}"' in capsys.readouterr().err
    Path("a.toml").write_text(f'{HEAD}[rules."gaze.away"]\nmin_s = 0.1\n')
    assert main(given) == 2
    assert "stricter" in capsys.readouterr().err
    assert not Path("a.dsse").exists()
    Path("a.toml").write_text(f"{HEAD}speech_expected = true\n")
    assert main(given) == 0
    assert make_plan("standard", require_all=False, addendum=Path("a.dsse")).idle == {"microphone"}
    assert main(given) == 2
    assert "already" in capsys.readouterr().err


# What is off is not computed.


@pytest.fixture
def loaded(monkeypatch):
    """The names of everything that loads a network, as it happens."""
    import onnxruntime
    import vosk
    from mediapipe.tasks.python import vision

    seen: list[str] = []
    session = onnxruntime.InferenceSession

    class Watched(session):
        def __init__(self, path, *arguments, **options):
            seen.append(Path(path).name if isinstance(path, str) else "bytes")
            super().__init__(path, *arguments, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Watched)
    create = vision.FaceLandmarker.create_from_options

    def landmarker(options):
        seen.append("face_landmarker")
        return create(options)

    monkeypatch.setattr(vision.FaceLandmarker, "create_from_options", landmarker)
    model = vosk.Model
    monkeypatch.setattr(vosk, "Model", lambda *a, **o: (seen.append("vosk"), model(*a, **o))[1])
    return seen


@pytest.fixture
def looked_for(monkeypatch):
    """The networks that were looked for on this machine."""
    names: list[str] = []
    find = registry.find
    monkeypatch.setattr(registry, "find", lambda name: (names.append(name), find(name))[1])
    return names


def close(plan: Plan) -> None:
    for station in plan.stations():
        station.detector.close()


def test_A1_the_network_of_a_switched_off_detector_is_not_even_looked_for(
    arrange, model, loaded, looked_for
):
    for name in ("face_landmarker", "yunet", "yolo11n", "silero_vad"):
        model(name)
    whole = make_plan("standard", require_all=False)
    assert {"yolo11n", "silero_vad", "face_landmarker"} <= set(looked_for)
    close(whole)
    files = {n: p.name for c in whole.choices for n, p in c.models.items()}
    assert {files["yolo11n"], files["silero_vad"]} <= set(loaded)
    loaded.clear()
    looked_for.clear()

    off = 'detectors_off = ["objects"]\nspeech_expected = true\nmovement_expected = true\n'
    plan = make_plan("standard", require_all=False, addendum=arrange(off))
    close(plan)
    assert {c.plugin.name for c in plan.choices} == {"faces", "lighting", "camera"}
    assert not {"yolo11n", "silero_vad"} & set(looked_for)
    assert not {files["yolo11n"], files["silero_vad"], "vosk"} & set(loaded)
    arranged = {n.detector for n in plan.not_measured if n.why == ARRANGED}
    assert arranged == {"objects", "speech", "wake", "gaze", "faces"}
    (faces,) = [n for n in plan.not_measured if n.detector == "faces"]
    assert faces.kinds == ("face.covered",)
    assert "face.covered" not in {kind.name for kind in plan.kinds}
    assert plan.idle == {"microphone"}


def test_A1_a_required_network_that_is_missing_is_no_obstacle_when_it_is_off(arrange, monkeypatch):
    find = registry.find
    monkeypatch.setattr(registry, "find", lambda n: None if n == "yolo11n" else find(n))
    plan = make_plan(
        "standard", require_all=False, addendum=arrange('detectors_off = ["objects"]\n')
    )
    assert [n.why for n in plan.not_measured if n.detector == "objects"] == [ARRANGED]


# In a session, with a plug-in each for picture and sound.

POLICY = """
version = 1
id = "small"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
languages = ["en"]
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.microphone]
alternative = "The exam runs with the microphone off."
[purposes.clips]
alternative = "Flags are kept as sentences without pictures."
[detectors.eye]
[detectors.ear]
[rules."face.seen"]
min_s = 0.0
[rules."speech.heard"]
min_s = 0.0
"""


@pytest.fixture
def small(proctor_home, tmp_path):
    """A plan over two plug-ins that note what they are given."""
    (tmp_path / "small.toml").write_text(POLICY)
    looked: list[str] = []

    def plugin(name, takes, kind):
        class Looker:
            def update(self, sample):
                looked.append(name)
                return [Observation(sample.t, kind, 1.0, name)]

            def reset(self):
                pass

            def close(self):
                pass

        kinds = (Kind(kind, name, "{seconds}"),)
        create = lambda s, c: (looked.append(f"made {name}"), Looker())[1]  # noqa: E731
        return Plugin(name, takes, 0.5, kinds, (), Settings, create)

    plugins = {
        "eye": plugin("eye", "frame", "face.seen"),
        "ear": plugin("ear", "audio", "speech.heard"),
    }

    def make(text: str | None = None) -> Plan:
        addendum = None
        if text is not None:
            digest = hashlib.sha256(POLICY.encode()).hexdigest()
            addendum = tmp_path / "a.dsse"
            head = f'policy_sha256 = "{digest}"\nstudent = "a-17"\n'
            addendum.write_bytes(signed(head + text, local_signing_key()))
        return make_plan(str(tmp_path / "small.toml"), plugins=plugins, addendum=addendum)

    make.looked = looked
    return make


def run(plan: Plan, folder: Path, recording, answers: Answers | None = None):
    with Session(
        plan, answers or accept_all(plan.policy), folder, recipients=choose_recipients(plan, [])
    ) as session:
        session.replay(recording)
    return gather(folder).story


def test_A1_C2_declined_and_arranged_look_the_same_to_a_reviewer(small, tmp_path, made_recording):
    yes = dict.fromkeys(small().policy.purposes, True)
    declined = run(
        small(), tmp_path / "a", made_recording, Answers({**yes, "microphone": False}, "file")
    )
    arranged = run(small("speech_expected = true\n"), tmp_path / "b", made_recording)
    assert declined.absent == arranged.absent
    assert [(a.detector, a.why, a.mend) for a in arranged.absent] == [("ear", ARRANGED, "")]
    for row, other in zip(declined.rows, arranged.rows, strict=True):
        # What differs is what no two recordings share: the ciphertexts.
        assert replace(row, flags=()) == replace(other, flags=())
    assert len(declined.flags) == len(arranged.flags) > 0
    assert declined.totals[:4] == arranged.totals[:4]
    for flag, other in zip(declined.flags, arranged.flags, strict=True):
        assert (flag.clip.mime, flag.clip.end) == (other.clip.mime, other.clip.end)
    sealed = list(Case.read(tmp_path / "b").sealed.values())
    assert sealed
    assert all(data["sensors"] == ["camera"] for data in sealed)


def test_A1_a_sensor_whose_detectors_are_all_off_is_never_opened(small, tmp_path, made_recording):
    run(small("speech_expected = true\n"), tmp_path / "a", made_recording)
    assert "ear" not in small.looked
    assert "made ear" not in small.looked
    assert "eye" in small.looked


def test_A1_the_case_holds_the_rules_as_they_held_and_never_the_student_or_a_reason(
    small, tmp_path, made_recording
):
    story = run(small('[rules."face.seen"]\nmin_s = 1.5\n'), tmp_path / "a", made_recording)
    (row,) = [row for row in story.rows if row.kind == "face.seen"]
    assert row.rule.min_s == 1.5
    journal = (tmp_path / "a" / "journal.jsonl").read_text()
    assert "a-17" not in journal
    first = json.loads(journal.splitlines()[0])["data"]
    assert len(first["addendum_sha256"]) == 64
    plain = run(small(), tmp_path / "b", made_recording)
    assert [row.rule.min_s for row in plain.rows if row.kind == "face.seen"] == [0.0]


def test_A1_breaks_are_unlimited_where_that_is_arranged(small, tmp_path):
    plan = small("breaks_unlimited = true\n")
    with Session(
        plan, accept_all(plan.policy), tmp_path / "a", recipients=choose_recipients(plan, [])
    ) as session:
        for _ in range(plan.policy.breaks.max_count + 3):
            session.desk.begin_break()
            session.desk.end_break()
