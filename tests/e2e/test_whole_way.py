"""The whole way once: an institution invites, a student sits the exam, people look and decide, the student reads it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import root
from policies.consent import accept_all
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.cli.main import main
from proctor.evidence import layout
from proctor.evidence.access import Reader
from proctor.evidence.seal import NoKeyError
from proctor.hub import accounts
from proctor.hub.staff_client import RefusedError, StaffClient
from proctor.hub.staff_login import box_of
from proctor.session import delivery
from proctor.session.invitation import Joined, join, trust_root
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients
from ui.console.hub_source import HubSource, by_attempt

TESTS = Path(__file__).resolve().parents[1]
FIRST, OWN = "a lantern by seven quiet rivers", "nine grey herons above the weir"
POLICY = """
version = 1
id = "whole-way"
institution = "Test institution"
exam = "Algebra"
contact = "exams@example.org"
stakes = "low"
hub = "{hub}"
recipients = ["{recipient}"]
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
min_s = 3.0
[review]
second_reviewer = true
comment_days = 5
"""
REASON = "The picture stands for five seconds and then goes on elsewhere."


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, TESTS / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hub_world, fast_exam = _load("hub_world.py"), _load("e2e/fast_exam.py")
delivers = _load("e2e/test_exam_delivers.py")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


@pytest.fixture(params=hub_world.BACKENDS)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    with hub_world.running(request.param, tmp_path) as running:
        yield running


def settings_file(hub: Any, folder: Path) -> Path:
    """The running hub's settings, for commands on its machine."""
    said = hub.settings.model_dump(mode="json", exclude_defaults=True)
    lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
    path = folder / "hub.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class Staff:
    """A reviewer with an account of their own, a machine of their own, and the institution's clip key."""

    def __init__(self, hub: Any, folder: Path, name: str, identity: Any) -> None:
        with hub.hub.store.transaction() as tx:
            made = accounts.add(
                tx.connection,
                box_of(hub.hub),
                name,
                ["reviewer"],
                now=hub.hub.now(),
                password=FIRST,
            )
        codes = iter(made.recovery)
        self.client = StaffClient(hub.url, kept=folder / name)
        assert self.client.log_in(name, FIRST, next(codes))["must_change"]
        self.client.change_password(FIRST, OWN, next(codes))
        self.client.log_in(name, OWN, next(codes))
        self.reader = Reader(name, Ed25519PrivateKey.generate())
        self.client.register_key(self.reader.key)
        self.identity = identity

    def take(self) -> HubSource:
        (items,) = by_attempt(self.client.take(5))
        return HubSource(self.client, self.reader, [self.identity], items)


def invited(hub: Any, folder: Path, recipient: str) -> Joined:
    """A signed policy, published by `proctor hub invite`, and joined on the student's computer."""
    signer = Ed25519PrivateKey.generate()
    text = POLICY.format(hub=hub.url, recipient=recipient)
    policy, roots = folder / "exam.dsse", folder / "root.toml"
    policy.write_bytes(envelope(text.encode("utf-8"), PAYLOAD_TYPE, [signer]))
    public = root.public_text(signer.public_key())
    roots.write_text(root.make("Test institution", [public], 1), encoding="utf-8")
    command = ["hub", "invite", "--settings", str(settings_file(hub, folder)), "--count", "1"]
    command += ["--policy", str(policy), "--root", str(roots), "--out", str(folder / "out")]
    assert main(command) == 0
    joined = join(str(next((folder / "out").glob("seat-001*"))))
    trust_root(joined)
    return joined


def sit(joined: Joined) -> None:
    """The exam, faster than time, as `proctor exam` runs and delivers it."""
    plan = make_plan(str(joined.policy_file))
    code = joined.invitation.code
    with (
        Session(
            plan,
            accept_all(plan.policy),
            joined.case,
            recipients=choose_recipients(plan, []),
        ) as session,
        delivery.sending(session, code, 0.0, lambda sentence: None),
    ):
        fast_exam.sit(session, delivers.pictures())
    deliver(joined)


def deliver(joined: Joined) -> None:
    hub = joined.policy.hub
    done = delivery.send_rest(hub, joined.case, joined.invitation.code, 0.0, lambda sentence: None)
    assert done is not None
    assert done.whole, done


def test_from_an_invitation_to_a_verdict_that_the_student_reads(
    hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = pyrage.x25519.Identity.generate()
    joined = invited(hub, tmp_path, str(identity.to_public()))
    sit(joined)
    flag = "camera.frozen-001"
    sealed = (joined.case / layout.clip_name(flag)).read_bytes()
    assert b"ftyp" not in sealed

    ada = Staff(hub, tmp_path, "Ada Quill", identity)
    bo = Staff(hub, tmp_path, "Bo Rivers", identity)
    look = ada.take()
    case = look.load()
    # Blind: what the machine measured comes after the look.
    (shown,) = case.story.flags
    assert (shown.id, shown.peak, shown.why) == (flag, None, "")
    assert {score for row in case.story.rows for score in row.columns} == {None}
    with pytest.raises(RefusedError, match="your first look"):
        ada.client.journal(look.attempt)
    with pytest.raises(RefusedError):  # nobody decides on a clip that they did not open
        look.decide(flag, "nothing_to_see", "")
    stranger = HubSource(
        ada.client, ada.reader, [pyrage.x25519.Identity.generate()], look.items.values()
    )
    stranger.load()
    with pytest.raises(NoKeyError):
        stranger.clip(flag)
    assert ada.client.statistics()["attempts"] is None  # one student is no group
    look.fetch(flag)
    assert look.clip(flag)[4:8] == b"ftyp"
    case = look.decide(flag, "confirmed", REASON)
    assert case.standing(flag).state == "may_comment"
    case = look.whole()
    (shown,) = case.story.flags
    assert shown.peak is not None
    assert shown.why
    assert {score for row in case.story.rows for score in row.columns} > {None}

    # The student is asked for their side before anything stands.
    capsys.readouterr()
    assert main(["my-data", "show", "whole-way"]) == 0
    told = capsys.readouterr()
    assert "you can say your side of camera.frozen-001" in told.err
    assert "Ada Quill" in told.out
    words = "My camera stopped; I plugged it in again."
    assert main(["my-data", "comment", "whole-way", flag, words]) == 0
    deliver(joined)

    again = bo.take()
    case = again.load()
    assert case.standing(flag).look == "second"
    assert case.visible(flag) == []  # Bo does not read what Ada said before an own look
    assert case.story.flags[0].comment == words
    again.clip(flag)
    case = again.decide(flag, "confirmed", REASON)
    assert case.standing(flag).state == "done"
    assert [one.who for one in case.visible(flag)] == ["Ada Quill", "Bo Rivers"]

    capsys.readouterr()
    assert main(["my-data", "show", "whole-way", "--json"]) == 0
    mine = json.loads(capsys.readouterr().out)
    said = [(one["who"], one["reason"], one["decides"]) for one in mine["decisions"]]
    assert said == [("Ada Quill", REASON, True), ("Bo Rivers", REASON, True)]
    looks = {(one["who"], one["reason"]) for one in mine["looks"]}
    assert looks == {("Ada Quill", "a look in the console"), ("Bo Rivers", "a look in the console")}
    for one in (ada, bo):
        one.client.close()
