"""A policy is strict, frozen, and says in one sentence what is wrong, where, and what is allowed."""

from __future__ import annotations

import pytest

from policies import load
from policies.consent import accept_all, ask, from_file, issue, require
from policies.errors import GrantError, PolicyError
from proctor.errors import InputError
from proctor.session.plan import make_plan

STANDARD = load.read("standard")[1].decode()


@pytest.mark.parametrize("name", load.preset_names())
def test_every_preset_is_valid_and_fits_the_installed_detectors(name):
    assert make_plan(name, require_all=False).policy.id == name


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("min_s = 5.0", "minimum = 5.0"), ["minimum", "line", "no such key"]),
        (("min_s = 5.0", 'min_s = "5 s"'), ["min_s", "line"]),
        (("max_s = 30.0", "max_s = 300.0"), ["clips.max_s", "less than or equal to 60"]),
        (("max_s = 30.0", "max_s = 6.0"), ["no room"]),
        (("pre_roll_s = 5.0", "pre_roll_s = 99.0"), ["pre_roll_s"]),
        (("on = 0.6", "on = 0.1"), ["off", "above on"]),
        (('stakes = "practice"', 'stakes = "deadly"'), ["stakes", "'practice', 'low' or 'high'"]),
        (("recipients = []", 'recipients = ["age1nokey"]'), ["recipients", "line"]),
        (("version = 1", "version = 0"), ["version"]),
        (("version = 1", "version = 1\nversion = 2"), ["not valid TOML"]),
        (("[purposes.camera]", "[purposes.emotions]"), ["purposes.emotions"]),
        (("clips_days = 30", "clips_days = 3000"), ["clips_days"]),
    ],
)
def test_a_wrong_policy_is_refused_in_one_sentence(change, words):
    assert change[0] in STANDARD
    with pytest.raises(PolicyError) as refused:
        load.parse(STANDARD.replace(*change, 1).encode(), "exam.toml")
    sentence = str(refused.value)
    assert "exam.toml" in sentence
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"a = " + b"[" * 5000, b"", b"\x00"])
def test_bytes_that_are_no_policy_are_refused(raw):
    with pytest.raises(PolicyError):
        load.parse(raw, "exam.toml")


def test_a_huge_file_is_refused_unread(tmp_path):
    big = tmp_path / "big.toml"
    big.write_bytes(b"# " + b"x" * 2_000_000)
    with pytest.raises(PolicyError, match="larger than"):
        load.read(str(big))


def test_a_missing_policy_names_the_presets():
    with pytest.raises(PolicyError, match="standard"):
        load.read("no-such-policy")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('[rules."face.absent"]', '[rules."face.green"]'), "unknown kind 'face.green'"),
        (("[detectors.gaze]", "[detectors.telepathy]"), "not installed"),
        (
            ("[detectors.gaze]\nrequired = true", "[detectors.gaze]\nsettings = {colour = 1}"),
            "detectors.gaze.settings.colour",
        ),
        (("[detectors.gaze]\nrequired = true\n", ""), "does not run the detector 'gaze'"),
    ],
)
def test_a_policy_may_name_only_what_is_declared(tmp_path, change, words):
    assert change[0] in STANDARD
    path = tmp_path / "exam.toml"
    path.write_text(STANDARD.replace(*change, 1), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        make_plan(str(path), require_all=False)


def test_each_purpose_is_one_question_with_its_alternative_beside_it():
    policy = load.read("standard")[0]
    asked: list[str] = []

    def answer(question: str) -> bool:
        asked.append(question)
        return "camera" in question

    answers = ask(policy, answer)
    assert answers.granted == {"camera": True, "microphone": False, "clips": False}
    assert len(asked) == 3
    for question, purpose in zip(asked, policy.purposes.values(), strict=True):
        assert purpose.alternative in question


def test_a_consent_file_answers_every_purpose_or_is_refused(tmp_path):
    policy = load.read("standard")[0]
    path = tmp_path / "consent.toml"
    path.write_text("[consent]\ncamera = true\nmicrophone = false\nclips = true\n")
    assert from_file(policy, path).granted["microphone"] is False
    for text, words in (
        ("[consent]\ncamera = true\n", "says nothing about: microphone, clips"),
        ("[consent]\ncamera = 1\nmicrophone = false\nclips = true\n", "true or false"),
        ("[consent]\nroom = true\n", "does not ask for"),
        ("camera = true\n", r"\[consent\]"),
        ("[consent\n", "not valid TOML"),
        ("a." * 5000 + "b = 1\n", "too deeply"),
    ):
        path.write_text(text)
        with pytest.raises(PolicyError, match=words):
            from_file(policy, path)


def test_a_grant_exists_only_after_its_record_and_ends_with_withdrawal():
    answers = accept_all(load.read("minimal")[0])
    with pytest.raises(GrantError):
        issue(answers, "")
    grant = issue(answers, "record-0")["camera"]
    assert require(grant, "camera") is grant
    for wrong in (None, "camera", True, {"camera": True}):
        with pytest.raises(GrantError):
            require(wrong, "camera")
    with pytest.raises(GrantError):
        require(grant, "microphone")
    grant.withdraw()
    with pytest.raises(GrantError):
        require(grant, "camera")
