"""An invitation that holds only the hub's address and a code: the policy comes from the hub, the trust does not."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import x25519
from sqlalchemy import update

from policies import invitation as documents
from policies import root, sign
from policies.invitation import Invitation
from proctor.errors import CheckFailed, InputError
from proctor.evidence import keys
from proctor.hub import enrol, tables
from proctor.hub.client import InUse
from proctor.session.invitation import join, trust_root
from proctor.session.plan import make_plan

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, cases = _load("hub_world"), _load("hub_cases")
INSTITUTION = "Test institution"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    keys.demo_identity()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Any]:
    with hub_world.running("sqlite", tmp_path) as running:
        yield running


class Desk:
    """The institution: its key and root, its exam at the hub, and short invitations to it."""

    def __init__(self, hub: Any, folder: Path) -> None:
        self.hub, self.folder = hub, folder
        self.signer = Ed25519PrivateKey.generate()
        self.root = root.make(INSTITUTION, [root.public_text(self.signer.public_key())], 1)
        self.exam = cases.publish(hub.hub, hub.url, signer=self.signer)
        self.codes = 0

    def invite(self, exam: Any = None) -> str:
        self.codes += 1
        code = cases.code(self.hub.hub, exam or self.exam)
        made = Invitation(hub=self.hub.url, code=code, root=self.root)
        path = self.folder / f"{self.codes}.proctor"
        path.write_bytes(documents.write(made))
        return str(path)


def follow(given: str) -> Any:
    """Join, trust the institution where it is new, and read the policy as an exam does."""
    joined = join(given)
    trust_root(joined)
    return make_plan(str(joined.policy_file), require_all=False)


def test_the_policy_is_fetched_once_and_then_found_here(hub: Any, tmp_path: Path) -> None:
    desk = Desk(hub, tmp_path)
    given = desk.invite()
    joined = join(given)
    assert joined.policy_file.read_bytes() == desk.exam.envelope
    assert joined.unknown is not None
    assert follow(given).policy.hub == hub.url
    hub.stop()
    assert join(given).folder == joined.folder  # without a network, too
    link = documents.link(documents.parse(Path(given).read_bytes(), "here"))
    assert len(link) < 1_500
    assert join(link).folder == joined.folder


def serve_instead(hub: Any, exam: Any, envelope: bytes) -> None:
    """The hub's operator puts another policy in the place of the published one."""
    with hub.hub.store.transaction() as tx:
        tx.execute(
            update(tables.policies)
            .where(tables.policies.c.sha256 == exam.digest)
            .values(envelope=envelope)
        )


def test_a_recipient_that_the_hub_adds_is_refused(hub: Any, tmp_path: Path) -> None:
    desk = Desk(hub, tmp_path)
    follow(desk.invite())
    mine = x25519.Identity.generate().to_public()
    more = desk.exam.payload.replace(b'recipients = ["', f'recipients = ["{mine}", "'.encode())
    assert more != desk.exam.payload
    for signer in (Ed25519PrivateKey.generate(), hub.hub.key):
        serve_instead(hub, desk.exam, sign.envelope(more, sign.PAYLOAD_TYPE, [signer]))
        with pytest.raises(CheckFailed, match="was not signed by the keys"):
            join(desk.invite())
    # With the institution's own signature it would be followed: the signature is what holds it back.
    serve_instead(hub, desk.exam, sign.envelope(more, sign.PAYLOAD_TYPE, [desk.signer]))
    assert str(mine) in join(desk.invite()).policy.recipients


def test_an_old_policy_is_refused_by_whoever_has_followed_a_newer_one(
    hub: Any, tmp_path: Path
) -> None:
    desk = Desk(hub, tmp_path)
    newer = cases.publish(hub.hub, hub.url, version=2, signer=desk.signer)
    assert follow(desk.invite(newer)).policy.version == 2
    with pytest.raises(CheckFailed, match="version 2"):
        follow(desk.invite(desk.exam))
    # A computer that has seen nothing newer cannot know; the policy's own dates are for that.
    shutil.rmtree(tmp_path / "home")
    keys.demo_identity()
    assert follow(desk.invite(desk.exam)).policy.version == 1


def test_a_policy_for_another_hub_is_refused(hub: Any, tmp_path: Path) -> None:
    desk = Desk(hub, tmp_path)
    other = desk.exam.payload.replace(hub.url.encode(), b"https://elsewhere.example.org")
    serve_instead(hub, desk.exam, sign.envelope(other, sign.PAYLOAD_TYPE, [desk.signer]))
    with pytest.raises(CheckFailed, match="elsewhere"):
        join(desk.invite())


def test_a_second_computer_hears_it_before_anything_begins(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(hub, tmp_path)
    given = desk.invite()
    code = join(given).invitation.code
    enrol.redeem(hub.hub, f"Bearer {code}", "1" * 32)
    assert join(given).policy.id == desk.exam.name  # here it is kept
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "second"))
    with pytest.raises(InUse, match="another computer"):
        join(given)


def test_a_hub_that_is_away_or_knows_no_such_code(hub: Any, tmp_path: Path) -> None:
    desk = Desk(hub, tmp_path)
    given = desk.invite()
    wrong = Invitation(hub=hub.url, code="A" * 20, root=desk.root)
    path = tmp_path / "wrong.proctor"
    path.write_bytes(documents.write(wrong))
    with pytest.raises(CheckFailed, match="does not accept"):
        join(str(path))
    hub.stop()
    with pytest.raises(InputError, match="try again with a network"):
        join(given)
