"""What was declined or withdrawn is invisible to whoever reviews (rule C2)."""
# ruff: noqa: N802 - the tests bear the numbers of the rules they prove

from __future__ import annotations

import importlib.util
from pathlib import Path

from policies.consent import Answers
from proctor.evidence.show import gather

_SPEC = importlib.util.spec_from_file_location(
    "student_world", Path(__file__).with_name("student_world.py")
)
kit = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(kit)
World, world, of, passes = kit.World, kit.world, kit.of, kit.passes


def story_of(world: World, folder: Path, answers: Answers) -> object:
    world.begin(folder, answers)
    with world.session:
        world.run([world.flagged])
    return gather(folder)


TELLING = ("declin", "refus", "withdr", "objected", "granted", "consent.")


def test_C2_what_was_declined_shows_nowhere_a_reviewer_looks(world, tmp_path, monkeypatch, capsys):
    from proctor.cli.main import main
    from proctor.evidence.page import render

    monkeypatch.chdir(tmp_path)
    yes = dict.fromkeys(world.plan().policy.purposes, True)
    answers = Answers({**yes, "microphone": False, "clips": False}, "file")
    shown = story_of(world, Path("case"), answers)
    assert [(a.detector, a.why) for a in shown.story.absent] == [
        ("ear", "not measured by arrangement")
    ]
    assert {f.no_clip for f in shown.story.flags} == {"clips are not kept"}
    assert main(["case", "show", "case"]) == 0
    assert main(["case", "show", "case", "--json"]) == 0
    assert main(["case", "verify", "case"]) == 0
    for told in (render(shown.story, shown.checks), capsys.readouterr().out):
        assert [word for word in TELLING if word in told.lower()] == []


def test_C2_what_was_withdrawn_shows_nowhere_a_reviewer_looks(world, tmp_path, monkeypatch, capsys):
    from proctor.cli.main import main
    from proctor.evidence.page import render

    monkeypatch.chdir(tmp_path)
    with world.begin(Path("case")) as session:

        def clip():
            session.pause()
            session.resume()

        world.run([world.flagged, clip, lambda: session.withdraw("clips"), world.flagged])
    assert of(Path("case"), "erased")
    shown = gather(Path("case"))
    assert {f.no_clip for f in shown.story.flags} == {"clips are not kept"}
    assert all(f.clip is None for f in shown.story.flags)
    assert main(["case", "show", "case"]) == 0
    assert main(["case", "show", "case", "--json"]) == 0
    assert main(["case", "open", "case", shown.story.flags[0].id]) == 2
    captured = capsys.readouterr()
    for told in (render(shown.story, shown.checks), captured.out + captured.err):
        assert [word for word in TELLING if word in told.lower()] == []


def test_C2_a_refusal_never_stops_the_exam(world, tmp_path):
    plan = world.plan()
    answers = Answers(
        {"camera": False, "microphone": True, "clips": False, "room_scan": False}, "file"
    )
    with world.begin(tmp_path / "case", answers):
        world.run([world.flagged])
    flags = of(tmp_path / "case", "flag")
    assert {flag["kind"] for flag in flags} == {"test.heard"}
    assert plan.policy.purposes["camera"].alternative
    passes(tmp_path / "case")
