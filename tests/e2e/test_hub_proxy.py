"""The hub behind the reverse proxy whose configuration is shipped: TLS, tus uploads, live alerts, addresses."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select

from proctor.errors import MissingError
from proctor.evidence import layout
from proctor.hub import tables
from proctor.hub.live_client import LiveClient
from proctor.hub.staff_client import StaffClient

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "packaging" / "hub" / "nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
pytestmark = pytest.mark.skipif(
    NGINX is None, reason="nginx is not on this machine; packaging/setup.sh dev may install it"
)


def _load(name: str) -> Any:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, cases, staff = _load("hub_world"), _load("hub_cases"), _load("staff_kit")


@dataclass(frozen=True)
class Behind:
    """A hub and the proxy in front of it; ``url`` is the proxy's."""

    running: Any
    url: str
    port: int
    ca: str


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


def shipped(port: int, hub: int, chain: Path, key: Path) -> str:
    """The configuration as it is shipped, with this test's ports and files in it; each is in it."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("    listen [::]:443 ssl;\n", ""),
        ("127.0.0.1:8460", f"127.0.0.1:{hub}"),
        ("/etc/ssl/hub.example.org.pem", str(chain)),
        ("/etc/ssl/private/hub.example.org.key", str(key)),
    ):
        assert old in text
        text = text.replace(old, new)
    return text


@contextmanager
def proxy(folder: Path, port: int, hub: int, chain: Path, key: Path) -> Iterator[None]:
    """nginx with the shipped configuration until the block ends."""
    folder.mkdir()
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{one}_temp_path {folder / one};" for one in places)
    # nginx gives its workers to another account where it is started by root; the test's files are root's.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}\nworker_processes 1;\ndaemon off;\npid {folder / 'pid'};\nerror_log {folder / 'log'};\n"
        f"events {{ worker_connections 512; }}\nhttp {{\n{temporary}\n{shipped(port, hub, chain, key)}\n}}\n"
    )
    assert NGINX is not None
    command = [
        NGINX,
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        str(folder / "log"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        ends = time.monotonic() + 60.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1.0).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < ends, "nginx does not listen"
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Behind]:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    chain, key = certificate(tmp_path)
    port = free_port()
    url = f"https://localhost:{port}"
    with (
        hub_world.running("sqlite", tmp_path, address=url, proxies="127.0.0.1") as running,
        proxy(tmp_path / "nginx", port, running.port, chain, key),
    ):
        yield Behind(running, url, port, str(chain))


def ask(behind: Behind, method: str, path: str, source: str = "127.0.0.1", **more: Any) -> Any:
    """A request from one of this machine's own addresses, through the proxy."""
    pool = urllib3.HTTPSConnectionPool(
        "localhost", behind.port, ca_certs=behind.ca, retries=False, source_address=(source, 0),
        timeout=60.0,
    )  # fmt: skip
    try:
        return pool.request(method, path, **more)
    finally:
        pool.close()


def test_a_case_goes_through_the_proxy_whole(behind: Behind, tmp_path: Path) -> None:
    exam = cases.publish(behind.running.hub, behind.url)
    # Three parts a clip.
    folder = cases.whole(tmp_path / "case", exam, 2, size=2_300_000)
    code = cases.code(behind.running.hub, exam)
    assert cases.send(folder, behind.url, code, ca=behind.ca) == []
    with behind.running.hub.store.reading() as connection:
        clips = connection.execute(select(tables.clips)).all()
    assert [one.state for one in clips] == ["stored", "stored"]
    for clip in clips:
        whole = (folder / layout.clip_name(clip.flag)).read_bytes()
        assert whole.endswith(behind.running.hub.blobs.get(clip.blob))


def test_an_alert_leaves_the_proxy_at_once_and_a_request_for_commands_may_wait(
    behind: Behind,
) -> None:
    world = staff.World(behind.running, Path(behind.ca).parent)
    ada = world.member("Ada Quill", "proctor")
    world.exam("algebra")
    attempt = world.attempt("algebra")
    client = StaffClient(behind.url, ada.client.token, kept=world.folder / "kept", ca=behind.ca)
    heard: list[dict[str, str]] = []
    begun = threading.Event()

    def listen() -> None:
        # At the end the line is cut from this side.
        with suppress(MissingError):
            for frame in client.stream():
                if frame.get("event") == "alert":
                    heard.append(frame)
                    begun.set()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        # Alerts until one is heard: when the stream began to listen is not known from here. Few bytes: a proxy
        # that keeps answers back would keep all of these.
        for number in range(60):
            world.flag(attempt, f"f{number}", clip=False)
            if begun.wait(0.5):
                break
        assert heard, "no alert came through the proxy"
        agent = LiveClient(behind.url, attempt, token=world.codes[attempt], ca=behind.ca)
        began = time.monotonic()
        assert agent.commands(0, wait=2) == []
        assert time.monotonic() - began > 1.5, "the waiting request did not wait"
        agent.close()
    finally:
        client.close()
        thread.join(20)
        world.close()
    assert not thread.is_alive()


def test_limits_count_by_the_clients_address_whatever_a_client_says(behind: Behind) -> None:
    said = {"name": "nobody", "password": "not the right words here", "code": "000000"}

    def try_from(source: str, forged: str = "") -> int:
        headers = {"X-Forwarded-For": forged} if forged else {}
        return int(
            ask(behind, "POST", "/v1/staff/session", source, json=said, headers=headers).status
        )

    limits = behind.running.app.state.limits
    limits.log_in._burst = 2.0
    limits.log_in._rate = 1e-6
    assert [try_from("127.0.0.2") for _ in range(3)][-1] == 429
    assert try_from("127.0.0.2", "203.0.113.9") == 429, "a made-up address is believed"
    assert try_from("127.0.0.3") != 429, "everybody behind the proxy counts as one"


def test_refusals_of_the_proxy_look_like_the_hubs_and_the_answers_are_dressed(
    behind: Behind,
) -> None:
    large = ask(behind, "POST", "/v1/staff/session", body=b"x" * 2_400_000)
    assert (large.status, large.json()["code"]) == (413, "body.large")
    assert large.headers["Content-Type"] == "application/problem+json"
    answer = ask(behind, "GET", "/v1/staff/me")
    assert answer.status == 401
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    assert answer.headers["Cache-Control"] == "no-store"
    behind.running.stop()
    away = ask(behind, "GET", "/livez")
    assert (away.status, away.json()["code"], away.headers["Retry-After"]) == (503, "away", "5")
