"""The first minute: no word at all, what is lacking on three systems, newer versions, networks that came along."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from models import registry
from proctor.cli import welcome
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import minisign
from proctor.session import checks, mends, updates


def test_no_word_at_all_is_a_welcome_and_not_a_mistake() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proctor.cli.main"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout == welcome.WELCOME + "\n"
    for command in ("doctor", "demo", "exam"):
        assert f"  proctor {command}" in done.stdout


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"proctor {version('open-proctor')}\n"


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_everything_that_may_lack_has_a_way_to_mend_it(platform: str) -> None:
    for lacking in mends.MENDS:
        sentence = mends.mend(lacking, platform)
        assert sentence.endswith("."), lacking
        if platform != "linux":
            assert "apt-get" not in sentence, lacking
            assert "usermod" not in sentence, lacking


def test_a_packed_program_is_not_told_to_run_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert "make" not in mends.mend("library")
    assert "Install this program again" in mends.mend("library")


def test_a_system_without_fonts_is_told_so(tmp_path: Path) -> None:
    assert checks.fonts("linux", [tmp_path]).state == "missing"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "Letters.TTF").touch()
    assert checks.fonts("linux", [tmp_path]).state == "ok"
    assert checks.fonts("win32", []).state == "ok"


def test_a_hub_is_asked_only_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert checks.hub(address).state == "ok"
    gone = checks.hub(address)
    assert gone.state == "missing"
    assert not gone.needed
    with pytest.raises(InputError):
        checks.hub("not an address")


def test_a_network_that_detectors_can_do_without_is_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path))
    told = {check.name: check for check in checks.networks()}
    assert told["network yunet"].needed
    assert not told["network vosk_small_en"].needed


# Networks that somebody else keeps.


def test_networks_that_came_along_are_found_before_the_cache(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = model("yunet")
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path / "cache"))
    kept, along = tmp_path / "kept", tmp_path / "along"
    for folder in (kept, along):
        folder.mkdir()
    monkeypatch.setattr(registry, "BUNDLED", along)
    assert registry.find("yunet") is None
    name = registry.manifest()["yunet"].file
    (along / name).write_bytes(source.read_bytes())
    assert registry.find("yunet") == along / name
    assert registry.install("yunet") == along / name
    assert not (tmp_path / "cache").exists()
    monkeypatch.setenv("PROCTOR_MODELS", str(kept))
    assert registry.find("yunet") == along / name
    (kept / name).write_bytes(source.read_bytes())
    assert registry.find("yunet") == kept / name
    (kept / name).write_bytes(b"something else")
    with pytest.raises(registry.ModelError, match="install this program again"):
        registry.find("yunet")
    monkeypatch.setenv("PROCTOR_MODELS", str(tmp_path / "nowhere"))
    with pytest.raises(registry.ModelError, match="which is no folder"):
        registry.find("yunet")


# Newer versions.


class Page:
    """A server over TLS that holds a few texts; ``asked`` are the paths that somebody wanted."""

    def __init__(self, folder: Path) -> None:
        self.held: dict[str, bytes] = {}
        self.asked: list[str] = []
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append(self.path)
                body = page.held.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                """Nobody wants to read it."""

        self.ca = folder / "ca.pem"
        key = folder / "key.pem"
        certify(self.ca, key)
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://localhost:{self.server.server_address[1]}/latest.json"


def certify(certificate: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    made = Page(tmp_path)
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def test_a_newer_version_is_told_and_never_fetched(page: Page) -> None:
    key = Ed25519PrivateKey.generate()
    asked = updates.Settings(page.address, minisign.public_text(key).splitlines()[1])
    for told, state, words in (
        ({"version": "999.0", "page": "https://example.edu/new"}, "missing", "999.0 is out"),
        (
            {"version": version("open-proctor"), "page": "https://example.edu/"},
            "ok",
            "is the newest",
        ),
        ({"version": "0.0.1", "page": "https://example.edu/"}, "ok", "is the newest"),
        ({"version": "1; rm", "page": "https://example.edu/"}, "missing", "names no version"),
        ({"version": "999.0", "page": "http://example.edu/"}, "missing", "names no version"),
        (["999.0"], "missing", "names no version"),
    ):
        data = json.dumps(told).encode()
        page.held["/latest.json"] = data
        page.held["/latest.json.minisig"] = minisign.sign(data, key, "c").encode()
        found = updates.check(asked, ca=str(page.ca))
        assert (found.state, found.needed) == (state, False), told
        assert words in found.detail
    assert set(page.asked) == {"/latest.json", "/latest.json.minisig"}
    page.held["/latest.json"] = data + b" "
    assert "was changed" in updates.check(asked, ca=str(page.ca)).detail
    page.held.clear()
    assert "404" in updates.check(asked, ca=str(page.ca)).detail


def test_an_address_that_is_not_trusted_or_not_there_is_said(page: Page) -> None:
    asked = updates.Settings(page.address, "RW")
    assert "does not answer" in updates.check(asked).detail
    assert page.asked == []


def test_nobody_is_asked_unless_somebody_wrote_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    found = updates.check(updates.settings(tmp_path / "settings.toml"))
    assert found.state == "not looked at"
    assert "nobody is asked" in found.detail


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[updates]\naddress = "http://example.edu/latest.json"\nkey = "RW"', "https"),
        ('[updates]\naddress = "https://example.edu/latest.json"', "needs the key"),
        ("[updates", "cannot be read"),
        ("updates = 3", "cannot be read"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=why):
        updates.settings(path)
