"""An evaluation is the agent's own path: the same flags bit for bit, computed once and kept."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

from policies.consent import accept_all
from proctor.capture.replay import Recording
from proctor.errors import InputError, MissingError
from proctor.evaluate import pool, run
from proctor.evaluate.dataset import read
from proctor.evaluate.recipe import agreed, plan_of, recipe_of
from proctor.evaluate.rescore import Kept
from proctor.evaluate.run import How, evaluate
from proctor.evaluate.score import Task, score
from proctor.evaluate.values import Thresholds
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients

FILES = ("video/gaze/center_left_center.mp4", "video/talking_grid/bbaf2n.mpg")
NETWORKS = ("face_landmarker", "yunet", "yolo11n", "silero_vad")


@pytest.fixture(scope="module")
def plan(model):
    for name in NETWORKS:
        model(name)
    return make_plan("standard", require_all=False)


@pytest.fixture(scope="module")
def folder(media, tmp_path_factory):
    """A dataset of two real recordings that stay where they are."""
    here = tmp_path_factory.mktemp("dataset")
    rows = [
        f"{name.rpartition('/')[2]},p{n},instructed,{media / name}" for n, name in enumerate(FILES)
    ]
    (here / "sessions.csv").write_text(
        "\n".join(["session,person,arm,media", *rows, ""]), encoding="utf-8"
    )
    (here / "truth.csv").write_text(
        "session,start_s,end_s,kind,annotator,certain\n"
        "center_left_center.mp4,5.65,10.29,gaze.away,a,yes\n",
        encoding="utf-8",
    )
    return here


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("scores")


@pytest.fixture(scope="module")
def done(folder, plan, cache):
    """The dataset, scored once for this module."""
    return evaluate(read(folder), plan, How(cache=cache))


def files_in(cache):
    return {p.relative_to(cache): p.read_bytes() for p in cache.rglob("*.parquet")}


@pytest.mark.parametrize("number", range(len(FILES)))
def test_flags_and_unmeasured_time_are_those_of_an_exam(
    media, plan, done, number, tmp_path, monkeypatch
):
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    recipients = choose_recipients(plan, [])
    case = tmp_path / "case"
    with Session(plan, accept_all(plan.policy), case, recipients=recipients) as session:
        summary = session.replay(Recording.open(media / FILES[number]))
        expected = dict(session.flags)
        frames = session.recorder.frames
    result, scores = done
    mine = result.sessions[number]
    flags = {
        flag.id: flag
        for kind, rule in plan.rules.items()
        for flag, _ in scores.whole_flags(mine.id, kind, rule)
    }
    assert flags == expected
    assert flags or number > 0, "the first recording holds an act that is flagged"
    assert len(mine.found) == len(expected)
    assert mine.duration_s == summary.seconds
    assert mine.frames == frames
    unmeasured = {kind: round(mine.unmeasured_s(kind), 2) for kind in mine.unmeasured}
    assert unmeasured == pytest.approx(
        {kind: summary.not_measured_s.get(kind, 0.0) for kind in unmeasured}, abs=0.011
    )


def test_what_was_scored_is_not_scored_again(folder, plan, cache, done, monkeypatch):
    played = []
    monkeypatch.setattr(pool, "here", lambda tasks, reached: played.extend(tasks) or [])
    again, _ = evaluate(read(folder), plan, How(cache=cache))
    assert played == []
    assert again.sessions == done[0].sessions
    assert again.speed.scored_s == 0.0
    assert again.speed.cached_s == pytest.approx(done[0].speed.scored_s)


def test_another_threshold_needs_no_score_and_another_setting_does(plan):
    text = plan.policy_bytes.decode()
    other = recipe_of(agreed(_plan(text.replace("min_s = 8.0", "min_s = 9.0"))))
    recipe = recipe_of(agreed(plan))
    assert other.policy != recipe.policy
    assert other.parts == recipe.parts
    changed = recipe_of(
        agreed(
            _plan(
                text.replace("[detectors.gaze]", "[detectors.gaze]\nsettings.away_degrees = 25.0")
            )
        )
    )
    by_name = {part.plugin: part for part in recipe.parts}
    differ = {part.plugin for part in changed.parts if part != by_name[part.plugin]}
    # Who shares a network with it may have seen its work.
    assert "gaze" in differ
    assert differ <= {part.plugin for part in recipe.parts if part.lane == by_name["gaze"].lane}


def _plan(text):
    from policies import load

    known = make_plan("standard", require_all=False)
    policy = load.parse(text.encode(), "changed")
    from proctor.pipeline.plugins import discover
    from proctor.session.plan import settings_of

    plugins = discover()
    choices = tuple(
        replace(
            c,
            settings=settings_of(
                plugins[c.plugin.name], policy.detectors[c.plugin.name].settings, "p"
            ),
        )
        for c in known.choices
    )
    return replace(known, policy=policy, policy_bytes=text.encode(), choices=choices)


def test_a_machine_that_would_compute_other_scores_says_so(plan, media, folder):
    recipe = recipe_of(agreed(plan))
    assert plan_of(recipe).policy == plan.policy
    parts = tuple(replace(part, key="0" * 32) for part in recipe.parts)
    other = replace(recipe, parts=parts)
    with pytest.raises(MissingError, match="would compute other scores"):
        plan_of(other)
    task = Task("s", str(media / FILES[1]), "", other, tuple(p.plugin for p in parts), True)
    assert "would compute other scores" in score(task).failed


def test_a_sweep_runs_the_rule_and_series_hold_what_detectors_said(done):
    result, scores = done
    rule = result.thresholds["gaze.away"]
    name = result.sessions[0].id
    (flag,) = scores.flags(name, "gaze.away", rule)
    assert flag == next(f for f in result.sessions[0].found if f.kind == "gaze.away")
    assert flag.start + rule.min_s <= flag.raised <= flag.end
    assert scores.flags(name, "gaze.away", replace(rule, min_s=6.0)) == ()
    series = scores.series(name, "gaze.away")
    assert series is not None
    assert series.times.shape == series.scores.shape == series.quality.shape
    assert len(series.times) > 100
    inside = (series.times > 6) & (series.times < 10)
    assert series.scores[inside].mean() > 0.6
    with pytest.raises(InputError, match="are none that a policy can have"):
        scores.flags(name, "gaze.away", Thresholds(0.4, 0.6, 1, 1, 1, 1))


def test_overrides_hold_for_their_session_alone(folder, plan, cache, done, tmp_path):
    for name in ("sessions.csv", "truth.csv"):
        shutil.copy(folder / name, tmp_path / name)
    rows = (tmp_path / "sessions.csv").read_text(encoding="utf-8").splitlines()
    rows = [rows[0] + ",policy", rows[1] + ",gaze.away.min_s=6.0 light.dim=off", rows[2] + ","]
    (tmp_path / "sessions.csv").write_text("\n".join(rows), encoding="utf-8")
    result, _ = evaluate(read(tmp_path), plan, How(cache=cache))
    first, second = result.sessions
    assert [f.kind for f in first.found] == []
    assert [s.reason for s in first.unmeasured["light.dim"]] == ["not measured by arrangement"]
    assert second.found == done[0].sessions[1].found
    rows[1] = rows[1].replace("light.dim=off", "light.elsewhere=off")
    (tmp_path / "sessions.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match="changes no rule of this policy"):
        evaluate(read(tmp_path), plan, How(cache=cache))


@pytest.fixture
def broken(folder, tmp_path):
    """The dataset with one recording that is none, one that is missing, and one cut short."""
    whole = (folder / "sessions.csv").read_text(encoding="utf-8")
    (tmp_path / "noise.mp4").write_bytes(os.urandom(5000))
    more = "noise,p8,honest,noise.mp4\ngone,p9,honest,gone.mp4\n"
    (tmp_path / "sessions.csv").write_text(whole + more, encoding="utf-8")
    shutil.copy(folder / "truth.csv", tmp_path / "truth.csv")
    return tmp_path


def test_a_broken_recording_stops_the_run_unless_asked_otherwise(broken, plan, cache, done):
    with pytest.raises(InputError, match=r"'noise' cannot be scored.*--keep-going"):
        evaluate(read(broken), plan, How(cache=cache))
    result, _ = evaluate(read(broken), plan, How(cache=cache, keep_going=True))
    assert result.sessions == done[0].sessions
    assert [s.session for s in result.skipped] == ["noise", "gone"]
    assert all(s.why for s in result.skipped)


def test_labels_in_another_unit_stop_the_run(folder, plan, cache, done, tmp_path):
    shutil.copy(folder / "sessions.csv", tmp_path / "sessions.csv")
    truth = (folder / "truth.csv").read_text(encoding="utf-8")
    (tmp_path / "truth.csv").write_text(truth.replace("5.65,10.29", "5650,10290"), "utf-8")
    with pytest.raises(InputError, match="look like milliseconds"):
        evaluate(read(tmp_path), plan, How(cache=cache))


def test_an_interrupted_run_goes_on_where_it_stopped(
    folder, plan, cache, done, tmp_path, monkeypatch
):
    here = pool.here

    def stopped(tasks, reached):
        yield next(here(tasks, reached))
        raise KeyboardInterrupt

    # What the first recording came to lies in the other cache; only the second is to be computed.
    fresh = tmp_path / "fresh"
    monkeypatch.setattr(pool, "here", stopped)
    with pytest.raises(KeyboardInterrupt):
        evaluate(read(folder), plan, How(cache=fresh))
    kept = files_in(fresh)
    assert kept
    assert kept.items() <= files_in(cache).items()
    played = []
    monkeypatch.setattr(
        pool, "here", lambda tasks, reached: (played.append(t.session) or score(t) for t in tasks)
    )
    result, _ = evaluate(read(folder), plan, How(cache=fresh))
    assert played == ["bbaf2n.mpg"]
    assert result.sessions == done[0].sessions
    assert files_in(fresh) == files_in(cache)


def test_pictures_and_sound_in_two_files_are_one_recording(media, plan, tmp_path):
    video = FILES[1]
    sound = "audio/speech/three_speakers.wav"
    (tmp_path / "sessions.csv").write_text(
        f"session,person,arm,media,sound\ns,p,honest,{media / video},{media / sound}\n", "utf-8"
    )
    (tmp_path / "truth.csv").write_text(
        "session,start_s,end_s,kind,annotator,certain\n", encoding="utf-8"
    )
    result, scores = evaluate(read(tmp_path), plan, How(cache=tmp_path / "scores"))
    (session,) = result.sessions
    assert "speech.voice" in {found.kind for found in session.found}
    assert session.frames == 30
    assert session.audio_s == pytest.approx(18.6, abs=0.1)
    # The sound that was recorded apart goes on after the last picture.
    assert scores.series("s", "face.absent").times[-1] < 3.1
    assert scores.series("s", "speech.voice").times[-1] > 18.0
    assert session.duration_s == pytest.approx(18.6, abs=0.1)


def test_a_cache_of_another_version_is_not_read(done, cache, plan):
    result, scores = done
    where: Kept = scores._kept[result.sessions[0].id]
    store = run.Store(cache)
    assert store.facts(where.media, "older.json") is None
    broken = store.path(where.media, "older.json")
    broken.write_text('{"frames": 1}', encoding="utf-8")
    assert store.facts(where.media, "older.json") is None
    broken.unlink()


def test_a_run_over_kept_scores_began_when_they_were_kept(folder, plan, cache, done):
    for file in cache.rglob("*.json"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    run, _ = evaluate(read(folder), plan, How(cache=cache))
    assert run.began == "2023-11-14T22:13:20+00:00"


def test_kept_scores_that_are_damaged_are_named(folder, plan, cache, done, tmp_path):
    shutil.copytree(cache, tmp_path / "scores")
    damaged = next((tmp_path / "scores").rglob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.raises(InputError, match="delete the file"):
        evaluate(read(folder), plan, How(cache=tmp_path / "scores"))


def test_what_an_exam_page_told_belongs_to_the_recording(media, plan, cache, done, tmp_path):
    clip = tmp_path / "clip.mpg"
    shutil.copyfile(media / FILES[1], clip)
    (tmp_path / "sessions.csv").write_text(
        "session,person,arm,media\ns,p,honest,clip.mpg\n", "utf-8"
    )
    (tmp_path / "truth.csv").write_text(
        "session,start_s,end_s,kind,annotator,certain\n", encoding="utf-8"
    )
    before, _ = evaluate(read(tmp_path), plan, How(cache=cache))
    assert before.speed.scored_s == 0.0, "these are the bytes of a recording that was scored"
    lines = [
        '{"t": 0.5, "kind": "question.shown", "data": {"id": "q1"}}',
        '{"t": 2.5, "kind": "answer.submitted", "data": {"id": "q1"}}',
    ]
    clip.with_suffix(".markers.jsonl").write_text("\n".join(lines), encoding="utf-8")
    after, scores = evaluate(read(tmp_path), plan, How(cache=cache))
    assert after.sessions[0].media_sha256 != before.sessions[0].media_sha256
    series = scores.series("s", "gaze.away_before_answer")
    assert len(series.times) > 0
