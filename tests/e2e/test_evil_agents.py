"""Changed agents, and what is seen of them: every row of the table in docs/attestation.md, seen or not.

The honest agent here is the real one, fed by real pictures of a person at the slightly uneven times of a
camera (this machine has none). An evil agent is the same with one thing changed, or it rewrites its case
afterwards with the key that it holds; the test of a row fails when what sees it is taken out.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from policies.consent import Grant, accept_all
from proctor.capture.naming import DeviceFacts
from proctor.capture.replay import RealTimeReplay, Recording
from proctor.clock import SessionClock
from proctor.errors import InputError
from proctor.evidence import checkpoint, keys, layout, tree, view
from proctor.evidence.attestation import attest, known_models
from proctor.evidence.verify import verify
from proctor.pipeline.detector import Plugin
from proctor.pipeline.plugins import discover
from proctor.session import inventory
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import Frame

_spec = importlib.util.spec_from_file_location(
    "fast_exam", Path(__file__).with_name("fast_exam.py")
)
assert _spec is not None
assert _spec.loader is not None
fast_exam = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fast_exam)

ROOT = Path(__file__).resolve().parents[2]
CAMERA = DeviceFacts("camera", "Integrated Camera (04f2:b6d9)", "uvcvideo", False)
POLICY = """
version = 1
id = "attest-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.clips]
alternative = "Flags are kept as sentences without pictures."
[clips]
pre_roll_s = 1.0
post_roll_s = 0.5
max_s = 5.0
[detectors.camera]
[rules."camera.frozen"]
on = 0.6
off = 0.4
min_s = 3.0
"""
Change = Callable[[list[dict]], list[dict]]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def person(media) -> list[np.ndarray]:
    """Nineteen seconds of somebody before a webcam, ten pictures a second."""
    recording = Recording.open(media / "video/portrait/d9.mp4")
    samples = recording.samples(camera=Grant("camera", "test"), microphone=None, fps=10.0)
    return [item.image for item in samples if isinstance(item, Frame)]


def plan_of(folder: Path, plugins: dict[str, Plugin] | None = None):
    policy = folder / "policy.toml"
    policy.write_text(POLICY, encoding="utf-8")
    return make_plan(str(policy), plugins=plugins)


def run(folder: Path, images, *, facts=(CAMERA,), jitter=0.004, patch=lambda session: None) -> Path:
    """An exam, faster than time: ``images`` ten a second, from the devices ``facts``."""
    folder.mkdir()
    plan = plan_of(folder)
    rng = np.random.default_rng(4)
    times = np.arange(len(images)) / 10 + 0.05 + rng.uniform(-jitter, jitter, len(images))
    frames = [
        Frame(float(t), i, image) for i, (t, image) in enumerate(zip(times, images, strict=True))
    ]
    with Session(
        plan, accept_all(plan.policy), folder / "case", recipients=choose_recipients(plan, [])
    ) as session:
        fast_exam.sit(session, frames, facts, patch)
    return folder / "case"


@pytest.fixture(scope="module")
def honest(person, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person, a camera that hangs for five seconds (a flag with a clip), the person again."""
    hung = [*person[:100], *[person[99]] * 50, *person[100:]]
    return run(tmp_path_factory.mktemp("honest") / "exam", hung)


def codes(folder: Path, *, listed: bool = True) -> set[str]:
    """Every reason why the case is not in order or not attested, to one who lists this very build."""
    try:
        records = view.read(folder).records
    except InputError:  # a damaged case: the checks say what is wrong
        records = ()
    builds = {inventory.build()["sha256"]} if listed else {"0" * 64}
    found = {r.code for r in attest(records, listed=builds, models=known_models()).reasons}
    return (found if records else set()) | {check.code for check in verify(folder) if not check.ok}


def forge(folder: Path, change: Change, *, sign: bool = True) -> Path:
    """The case as an agent would have written it that was made to: with its own key, all anew."""
    lines = [json.loads(line) for line in (folder / layout.JOURNAL).read_bytes().splitlines()]
    told = change(lines)
    for place, record in enumerate(told, start=1):
        record["id"] = str(place)
    raw = [json.dumps(r, ensure_ascii=False, separators=(",", ":")).encode() for r in told]
    (folder / layout.JOURNAL).write_bytes(b"".join(line + b"\n" for line in raw))
    if sign:
        grown = tree.Tree()
        for line in raw:
            grown.append(tree.leaf_hash(line))
        (attempt,) = {r["data"]["attempt"] for r in told if "attempt" in r["data"]}
        for path in (folder / layout.CHECKPOINTS).iterdir():
            path.unlink()
        note = checkpoint.Checkpoint(attempt, grown.size, grown.root())
        name = folder / layout.note_name(grown.size)
        name.write_bytes(checkpoint.sign(note, keys.attempt_key(attempt)))
    return folder


def edited(**changes) -> Change:
    """Change the data of every record of a type: ``edited(inventory={...})``."""

    def change(records: list[dict]) -> list[dict]:
        for record in records:
            if record["type"] in changes:
                record["data"] |= changes[record["type"]]
        return records

    return change


def without(*types: str) -> Change:
    return lambda records: [record for record in records if record["type"] not in types]


def in_inventory(name: str, value: object) -> Change:
    return edited(inventory={name: value})


def test_an_honest_agent_on_a_listed_build_is_attested(honest: Path) -> None:
    assert codes(honest) == set()
    assert len(view.read(honest).sealed) == 1


def test_nothing_private_is_in_the_inventory(honest: Path, monkeypatch) -> None:
    import getpass
    import platform

    (record,) = [r for r in view.read(honest).records if r["type"] == "inventory"]
    text = json.dumps(record["data"]).lower()
    for private in (getpass.getuser(), platform.node(), Path.home().name):
        assert not re.search(rf"(?<![a-z]){re.escape(private.lower())}(?![a-z])", text), private
    assert set(record["data"]) == {
        "t", "build", "system", "source", "devices", "models", "policy_sha256", "plugins",
    }  # fmt: skip
    assert set(record["data"]["system"]) == {"os", "release", "machine", "python"}


# What is seen: a name in the table, what the agent does, and the code of what sees it.

FORGED: dict[str, tuple[Change, str]] = {
    "keeps quiet about itself": (without("inventory"), "no-inventory"),
    "names another policy": (in_inventory("policy_sha256", "0" * 64), "policy-differs"),
    "names another version": (
        in_inventory("build", {"version": "9.9", "sha256": ""}), "version-differs",
    ),
    "runs an edited network": (in_inventory("models", {"yunet": "0" * 64}), "network-unlisted"),
    "names networks that its clips do not": (
        edited(sealed={"models": {"yunet": "0" * 64}}, sealing={"models": {"yunet": "0" * 64}}),
        "networks-differ",
    ),
    "is another program after a restart": (
        lambda records: [
            *records[:3],
            {**records[2], "data": {**records[2]["data"], "build": {"sha256": "1" * 64}}},
            *records[3:],
        ],
        "build-changed",
    ),
    "does not look at the camera": (
        lambda records: [
            r for r in records if r["type"] != "scores" or r["data"]["kinds"].pop("camera.virtual", 0) == 0
        ],
        "pictures-not-judged",
    ),
    "records before consent": (
        lambda records: [records[1], records[0], *records[2:]], "consent-first",
    ),
    "drops a flag's clip": (without("sealed", "sealing"), "clips-recorded"),
    "turns time back": (
        lambda records: [{**records[0], "time": "2031-01-01T00:00:00+00:00"}, *records[1:]],
        "journal-time",
    ),
    "seals for somebody else": (
        edited(sealed={"recipients": [keys.DEMO]}), "clips-agreed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("agent", FORGED)
def test_a_forged_case_is_seen(agent: str, honest: Path, tmp_path: Path) -> None:
    change, code = FORGED[agent]
    assert code not in codes(honest)
    assert code in codes(forge(shutil.copytree(honest, tmp_path / "case"), change))


def test_an_edited_program_is_seen_by_its_digest(honest: Path) -> None:
    assert codes(honest, listed=False) >= {"build-unlisted"}


def test_a_program_with_one_changed_byte_has_another_digest(tmp_path: Path) -> None:
    """What the digest of a build is made of: every file, its name and its place."""
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "inner/rules.py").write_bytes(b"on = 0.6\n")

    def digest() -> str:
        return inventory.digest_of(sorted(inventory._below(package)))

    before = digest()
    (package / "inner/rules.py").write_bytes(b"on = 0.9\n")
    assert digest() != before
    (package / "inner/rules.py").write_bytes(b"on = 0.6\n")
    assert digest() == before
    (package / "inner/rules.py").rename(package / "inner/rule.py")
    assert digest() != before
    assert inventory.build()["files"] > 100


def test_a_journal_changed_after_its_checkpoint_is_seen(honest: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(honest, tmp_path / "case")
    forge(folder, without("flag", "flag.closed", "sealed", "sealing"), sign=False)
    assert "checkpoint-roots" in codes(folder)


def test_a_clip_deleted_after_it_was_sealed_is_seen(honest: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(honest, tmp_path / "case")
    next((folder / layout.CLIPS).iterdir()).unlink()
    assert "clips-present" in codes(folder)


def test_a_dropped_flag_is_seen_by_its_scores(person, tmp_path: Path) -> None:
    """A camera that hangs for 22 s, with the flag and without."""
    images = [*person[:30], *[person[29]] * 220]

    def drop(session: Session) -> None:
        session.recorder._flagged = lambda event: None  # type: ignore[method-assign]

    assert "flags-differ" in codes(run(tmp_path / "evil", images, patch=drop))
    assert "flags-differ" not in codes(run(tmp_path / "honest", images))


def test_a_flag_that_is_not_sealed_is_seen(person, tmp_path: Path) -> None:
    def skip(session: Session) -> None:
        session.recorder._open_clip = lambda flag: None  # type: ignore[method-assign]

    images = [*person[:20], *[person[19]] * 50]
    assert "flags-settled" in codes(run(tmp_path / "evil", images, patch=skip))


DEVICES = {
    "names a camera that is a program": (
        DeviceFacts("camera", "OBS Virtual Camera", "", None), "camera-software",
    ),
    "reads a loopback driver": (
        DeviceFacts("camera", "Integrated Camera", "v4l2 loopback", None), "camera-software",
    ),
    "reads a device that the system knows as software": (
        DeviceFacts("camera", "Integrated Camera", "", True), "camera-software",
    ),
    "listens to what the computer plays": (
        DeviceFacts("microphone", "Monitor of Built-in Audio", "ALSA", None), "microphone-software",
    ),
    "does not say which camera": (DeviceFacts("camera"), "camera-unnamed"),
    "plays a recording": (DeviceFacts("recording"), "recording-played"),
}  # fmt: skip


@pytest.mark.parametrize("agent", DEVICES)
def test_a_device_that_is_none_is_seen_by_its_name(
    agent: str, honest: Path, tmp_path: Path
) -> None:
    facts, code = DEVICES[agent]
    folder = shutil.copytree(honest, tmp_path / "case")
    assert code in codes(forge(folder, in_inventory("devices", [inventory.device_data(facts)])))


def test_a_loop_is_seen(person, tmp_path: Path) -> None:
    """Seven seconds again and again, with the times and the name of a camera."""
    images = [person[i % 71] for i in range(420)]
    found = codes(run(tmp_path / "evil", images))
    assert "pictures-not-a-cameras" in found


def test_a_still_picture_is_seen(person, tmp_path: Path) -> None:
    found = run(tmp_path / "evil", [person[0]] * 150)
    assert "pictures-not-a-cameras" in codes(found)
    assert [flag["kind"] for flag in view.read(found).flags] == ["camera.frozen"]


def test_the_times_of_a_file_are_seen(person, tmp_path: Path) -> None:
    """Otherwise perfect: real pictures, none twice, the name of a camera; but a file's own times."""
    found = run(tmp_path / "evil", person[:180], jitter=0.0)
    assert "pictures-not-a-cameras" in codes(found)
    (noted,) = [r["data"] for r in view.read(found).records if r["type"] == "source.noted"]
    assert noted["what"] == "timing"


def test_a_recording_that_poses_as_devices_says_so() -> None:
    recording = Recording.__new__(Recording)
    recording.as_live = lambda **given: iter(())  # type: ignore[method-assign]
    source = RealTimeReplay(recording, SessionClock(), camera=None, microphone=None)
    assert source.facts() == DeviceFacts("recording")


def test_a_clock_that_is_set_during_the_exam_is_seen(person, tmp_path: Path) -> None:
    def turn(session: Session) -> None:
        attesting = session.attesting
        attesting._wall = lambda: datetime.now(UTC) + timedelta(hours=3)
        attesting.attend(1.0, (CAMERA,))

    assert "clock-changed" in codes(run(tmp_path / "evil", person[:20], patch=turn))


def test_another_institutions_detector_is_named(honest: Path, tmp_path: Path) -> None:
    own = next(r for r in view.read(honest).records if r["type"] == "inventory")["data"]["plugins"]
    added = {"name": "added", "built_in": True, "version": "1", "sha256": "2" * 64}
    folder = shutil.copytree(honest, tmp_path / "case")
    forge(folder, in_inventory("plugins", [*own, added]))
    assert "plugin-unlisted" in codes(folder)


def test_a_foreign_plug_ins_code_is_its_own_digest() -> None:
    """A plug-in that lives in another package is never taken for ours."""
    camera = discover()["camera"]
    foreign = replace(camera, create=pytest.fixture)  # any function of another installed package
    assert inventory.plugin_data(camera)["built_in"] is True
    data = inventory.plugin_data(foreign)
    assert data["built_in"] is False
    assert data["sha256"] not in (inventory.build()["sha256"], "")


# What is not seen here. These are no promises: they keep the table honest.


def test_not_seen_a_whole_case_made_up_with_a_listed_builds_name(
    honest: Path, tmp_path: Path
) -> None:
    """The agent leaves out the flag, its clip and every score that would speak of it, and signs."""
    folder = shutil.copytree(honest, tmp_path / "case")
    shutil.rmtree(folder / layout.CLIPS)
    (folder / layout.CLIPS).mkdir()

    def made_up(records: list[dict]) -> list[dict]:
        for record in records:
            if record["type"] == "scores":
                cells = record["data"]["kinds"]["camera.frozen"]
                record["data"]["kinds"]["camera.frozen"] = [0.0 for _ in cells]
        return without("flag", "flag.closed", "sealed", "sealing")(records)

    assert codes(forge(folder, made_up)) == set()


def test_not_seen_a_recording_with_a_cameras_times_and_name(person, tmp_path: Path) -> None:
    assert "pictures-not-a-cameras" not in codes(run(tmp_path / "evil", person[:190]))


SEEN_BY_TESTS = {
    "runs an edited program": "build-unlisted",
    "changes the journal after a checkpoint": "checkpoint-roots",
    "deletes a sealed clip": "clips-present",
    "drops flags, not their scores": "flags-differ",
    "does not seal": "flags-settled",
    "feeds a loop": "pictures-not-a-cameras",
    "feeds a still picture": "pictures-not-a-cameras",
    "feeds a file at its own times": "pictures-not-a-cameras",
    "sets the clock during the exam": "clock-changed",
    "adds a detector of its own": "plugin-unlisted",
}


def test_the_table_says_what_these_tests_show() -> None:
    page = (ROOT / "docs/attestation.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| ([^|]+?) \| [^|]*?`([a-z-]+)`[^|]*\|$", page, re.MULTILINE))
    shown = {agent: code for agent, (_, code) in {**FORGED, **DEVICES}.items()}
    assert told == {**shown, **SEEN_BY_TESTS}
