"""An exam whose policy names a hub delivers to it, over TLS where it is not this computer, and to nobody else."""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import socket
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from skimage import data

from policies.consent import accept_all
from proctor.evidence import layout, view
from proctor.evidence.outbox import Item, Later
from proctor.hub.client import HubClient
from proctor.session import delivery
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import Frame

_file = Path(__file__).resolve().parents[1] / "faults" / "small_hub.py"
_spec = importlib.util.spec_from_file_location("small_hub", _file)
assert _spec is not None
assert _spec.loader is not None
small_hub = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("small_hub", small_hub)
_spec.loader.exec_module(small_hub)

_spec_fast = importlib.util.spec_from_file_location(
    "fast_exam", Path(__file__).with_name("fast_exam.py")
)
assert _spec_fast is not None
assert _spec_fast.loader is not None
fast_exam = importlib.util.module_from_spec(_spec_fast)
_spec_fast.loader.exec_module(fast_exam)

POLICY = """
version = 1
id = "deliver-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
hub = "{hub}"
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
"""


def pictures():
    """A portrait before a noisy sensor that hangs for five seconds in the middle: one flag, one clip."""
    rng = np.random.default_rng(2)
    portrait = np.ascontiguousarray(data.astronaut()[::2, ::2, ::-1])
    image = portrait
    for i in range(120):
        if not 40 <= i < 90:
            grain = rng.normal(0, 3, portrait.shape)
            image = np.clip(portrait + grain, 0, 255).astype(np.uint8)
        yield Frame(i / 10, i, image)


def sit(folder: Path, hub_url: str, told: list[str], *, code: str = "") -> Path:
    """The exam, faster than time, with what ``proctor exam`` does about delivery."""
    policy = folder / "policy.toml"
    policy.write_text(POLICY.format(hub=hub_url), encoding="utf-8")
    plan = make_plan(str(policy))
    case = folder / "case"
    with (
        Session(
            plan, accept_all(plan.policy), case, recipients=choose_recipients(plan, [])
        ) as session,
        delivery.sending(session, code, 0.0, told.append),
    ):
        fast_exam.sit(session, pictures())
    delivery.send_rest(plan.policy.hub, case, code, 0.0, lambda sentence: None)
    return case


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


def test_an_exam_delivers_its_whole_case_to_the_policys_hub_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[tuple] = set()
    connect = socket.socket.connect

    def noting(self: socket.socket, address) -> None:
        asked.add(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noting)
    told: list[str] = []
    with small_hub.SmallHub(code="ABCDEF234567") as hub:
        case = sit(tmp_path, hub.url, told, code="ABCDEF234567")
        assert asked == {hub._server.server_address}
    sent = b"".join(hub.stored[key] for key in hub.effects if key[0] == "journal")
    assert sent == (case / layout.JOURNAL).read_bytes()
    clips = [name for kind, name in hub.effects if kind == "clip"]
    assert clips == list(view.read(case).sealed) == ["camera.frozen-001"]
    assert told == []


def test_without_a_hub_in_the_policy_nothing_is_asked_of_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(self, address) -> None:
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refusing)
    told: list[str] = []
    assert len(view.read(sit(tmp_path, "", told)).sealed) == 1
    assert told == []
    assert not (tmp_path / "home/outbox").exists()


def test_a_hub_that_is_down_is_told_journalled_and_does_not_touch_the_exam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_MINUTES", 0.001)
    with small_hub.SmallHub() as hub:
        url = hub.url
    told: list[str] = []
    case = sit(tmp_path, url, told)
    seen = view.read(case)
    assert len(seen.sealed) == 1
    noted = [m["data"]["sentence"] for m in seen.markers if m["kind"] == "delivery.noted"]
    assert noted == told
    assert all("nothing is lost meanwhile" in sentence for sentence in told)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this computer's loopback address, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "small hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "hub.crt", folder / "hub.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return public, private


def test_a_hub_must_prove_who_it_is_before_it_gets_a_byte(tmp_path: Path) -> None:
    import hashlib

    public, private = certificate(tmp_path)
    body = b'{"id":"2"}'
    item = Item(1, "event", "2", hashlib.sha256(body).hexdigest(), len(body), 0, "")
    attempt = "a" * 32
    with small_hub.SmallHub() as hub:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(public, private)
        hub._server.socket = context.wrap_socket(hub._server.socket, server_side=True)
        url = hub.url.replace("http:", "https:")
        with pytest.raises(Later, match="SSLError"):
            HubClient(url, attempt).post(item, body)
        assert hub.requests == []
        receipt = HubClient(url, attempt, ca=str(public)).post(item, body)
        assert json.loads(receipt)["sha256"] == item.sha256
        assert hub.stored == {("event", "2"): body}
