"""Altered copies keep times, labels, persons and splits, and are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from policies.consent import Answers, issue
from proctor.capture import milestones
from proctor.capture.replay import Recording
from proctor.errors import InputError
from proctor.evaluate.augment import ALTERATIONS, augment
from proctor.evaluate.dataset import read
from proctor.types import AudioChunk, Frame

TRUTH = "session,start_s,end_s,kind,annotator,certain\ns1,0.5,2.25,object.phone,anna,yes\n"
HEADER = "session,person,arm,media,split,skin_tone\n"


@pytest.fixture
def folder(media, tmp_path):
    """One real recording of three seconds, with a milestone and a label."""
    here = tmp_path / "dataset"
    here.mkdir()
    clip = here / "clip.mpg"
    clip.write_bytes((media / "video/talking_grid/bbaf2n.mpg").read_bytes())
    line = '{"t": 1.0, "kind": "question.shown", "data": {"id": "q1"}}\n'
    milestones.sidecar(clip).write_text(line, encoding="utf-8")
    (here / "sessions.csv").write_text(HEADER + "s1,p1,instructed,clip.mpg,test,4\n", "utf-8")
    (here / "truth.csv").write_text(TRUTH, encoding="utf-8")
    return here


def samples(path):
    grants = issue(Answers({"camera": True, "microphone": True}, "all"), "a test")
    recording = Recording.open(path)
    played = [
        *recording.samples(camera=grants["camera"], microphone=grants["microphone"], fps=30.0)
    ]
    frames = [s for s in played if isinstance(s, Frame)]
    chunks = [s for s in played if isinstance(s, AudioChunk)]
    return recording, frames, np.concatenate([c.samples for c in chunks])


def altered(folder, out, *names, **options):
    augment(read(folder), out, [names], **options)
    (entry,) = read(out).entries
    return entry


def light_of(frames):
    return np.mean([frame.image.mean() for frame in frames])


def test_truth_person_split_and_milestones_come_along(folder, tmp_path):
    entry = altered(folder, tmp_path / "out", "noise")
    assert (entry.id, entry.person, entry.arm, entry.split) == (
        "s1+noise-1",
        "p1",
        "instructed",
        "test",
    )
    assert entry.groups == {"skin_tone": "4", "altered": "noise"}
    assert entry.labelled is None
    (event,) = entry.truth
    assert (event.session, event.start, event.end, event.kind) == (
        "s1+noise-1", 0.5, 2.25, "object.phone",
    )  # fmt: skip
    assert [m.t for m in Recording.open(entry.media).markers] == [1.0]


def test_times_stay_where_they_were(folder, tmp_path):
    _, before, heard = samples(folder / "clip.mpg")
    for names in (("noise",), ("light", "crop")):
        entry = altered(folder, tmp_path / "-".join(names), *names)
        recording, after, sound = samples(entry.media)
        assert [f.t for f in after] == pytest.approx([f.t for f in before], abs=0.001)
        assert len(sound) == len(heard)
        assert not recording.damage.pieces


def test_each_alteration_alters_what_it_says(folder, tmp_path):
    _, before, heard = samples(folder / "clip.mpg")
    seen = {}
    for name in ALTERATIONS:
        entry = altered(folder, tmp_path / name, name, seed=3)
        seen[name] = samples(entry.media)
    _, frames, sound = seen["light"]
    assert abs(light_of(frames) - light_of(before)) > 5
    assert np.array_equal(sound, heard)
    # What is near a corner came nearer to the middle, or left.
    _, frames, _ = seen["crop"]
    assert np.abs(frames[0].image[:, :9].astype(int) - before[0].image[:, :9]).mean() > 3
    _, frames, sound = seen["noise"]
    assert (
        np.abs(np.diff(frames[0].image.astype(int), axis=1)).mean()
        > 1.5 * np.abs(np.diff(before[0].image.astype(int), axis=1)).mean()
    )
    assert 20 < (sound.astype(int) - heard).std() < 400
    _, frames, _ = seen["frame-rate"]
    assert len(frames) < len(before) / 2
    _, frames, sound = seen["codec"]
    assert len(frames) == len(before)
    assert np.abs(frames[5].image.astype(int) - before[5].image).mean() > 2
    assert len(sound) == pytest.approx(len(heard), abs=1600)
    size = {name: recording.path.stat().st_size for name, (recording, *_) in seen.items()}
    assert size["codec"] < size["crop"] / 3


def test_an_altered_light_is_no_longer_labelled(folder, tmp_path):
    entry = altered(folder, tmp_path / "out", "light")
    assert "object.phone" in entry.labelled
    assert "light.dim" not in entry.labelled


def test_the_same_seed_makes_the_same_files_and_another_does_not(folder, tmp_path):
    files = []
    for out, seed in (("a", 7), ("b", 7), ("c", 8)):
        entry = altered(folder, tmp_path / out, "noise", "light", seed=seed)
        files.append(entry.media.read_bytes())
    assert files[0] == files[1]
    assert files[0] != files[2]


def test_copies_are_drawn_apart(folder, tmp_path):
    augment(read(folder), tmp_path / "out", [("light",)], copies=2)
    one, two = read(tmp_path / "out").entries
    assert (one.person, two.person) == ("p1", "p1")
    assert light_of(samples(one.media)[1]) != pytest.approx(light_of(samples(two.media)[1]), abs=2)


def test_what_is_there_is_not_overwritten_and_a_broken_file_is_told(folder, tmp_path):
    dataset = read(folder)
    with pytest.raises(InputError, match="is there already and not empty"):
        augment(dataset, folder, [("noise",)])
    (folder / "clip.mpg").write_bytes(b"nothing of a recording" * 50)
    with pytest.raises(InputError, match="--keep-going"):
        augment(dataset, tmp_path / "one", [("noise",)])
    left_out = augment(dataset, tmp_path / "two", [("noise",)], keep_going=True)
    assert len(left_out) == 1
    assert left_out[0].startswith("s1: ")


def test_bare_recordings_with_names_that_no_table_holds_come_back(media, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("exam (1).mpg", "exam [1].mpg"):
        (bare / name).write_bytes((media / "video/talking_grid/bbaf2n.mpg").read_bytes())
    augment(read(bare), tmp_path / "out", [["frame-rate"]])
    entries = read(tmp_path / "out").entries
    assert len({entry.id for entry in entries}) == len({entry.person for entry in entries}) == 2
