"""``proctor hub``: one command serves, another invites, and what students get leads their cases here."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies import invitation, root
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.cli.main import main
from proctor.errors import InputError
from proctor.evidence import keys
from proctor.hub import settings

ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0


def _load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_cases = _load("hub_cases")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


def served(folder: Path, *more: str) -> tuple[subprocess.Popen[str], str]:
    """A hub as its operator starts it, and the address that it prints."""
    command = [sys.executable, "-m", "proctor.cli.main", "hub", "serve", "--port", "0"]
    with (folder.parent / "hub.log").open("a") as log:
        process = subprocess.Popen(
            [*command, "--folder", str(folder), *more],
            stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
        )  # fmt: skip
    assert process.stdout is not None
    first, second = process.stdout.readline(), process.stdout.readline()
    assert first.startswith("The hub answers at http://127.0.0.1:"), first
    assert second.startswith("Invite students:"), second
    url = first.split()[4]
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if urllib3.request("GET", f"{url}/readyz", retries=False, timeout=2.0).status == 200:
                return process, url
        except urllib3.exceptions.HTTPError:
            time.sleep(0.1)
    raise AssertionError("the hub does not answer")


def policy_for(url: str, folder: Path) -> tuple[Path, Path]:
    """A signed policy that names the hub, and the institution's root file."""
    signer = Ed25519PrivateKey.generate()
    said = {"version": 1, "exam": "hub-cli", "hub": url, "recipient": keys.demo_recipient()}
    text = hub_cases.POLICY.format(**said, window=14, clips=30, journal=365)
    policy, roots = folder / "exam.dsse", folder / "root.toml"
    policy.write_bytes(envelope(text.encode(), PAYLOAD_TYPE, [signer]))
    public = root.public_text(signer.public_key())
    roots.write_text(root.make("Test institution", [public], 1), encoding="utf-8")
    return policy, roots


@pytest.mark.skipif(sys.platform == "win32", reason="ends the hub as systemd does, by a signal")
def test_serve_invite_deliver_and_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "hub"
    process, url = served(folder, "--workers", "2")
    try:
        policy, roots = policy_for(url, tmp_path)
        students = tmp_path / "students.txt"
        students.write_text('Anna Bell\n=HYPERLINK("x")\n\nCarl, "C"\n', encoding="utf-8")
        invite = ["hub", "invite", "--folder", str(folder), "--policy", str(policy)]
        invite += [
            "--root",
            str(roots),
            "--students",
            str(students),
            "--out",
            str(tmp_path / "out"),
        ]
        assert main(invite) == 0
        assert "3 invitations" in capsys.readouterr().out
        with (tmp_path / "out" / "invitations.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["student"] for row in rows] == ["Anna Bell", '\'=HYPERLINK("x")', 'Carl, "C"']
        given = invitation.parse((tmp_path / "out" / rows[0]["file"]).read_bytes(), "given")
        assert given.policy.encode() == policy.read_bytes()
        payload = given.payload()
        exam = hub_cases.Exam(
            "hub-cli", hashlib.sha256(payload).hexdigest(), payload, policy.read_bytes(),
            Ed25519PrivateKey.generate(),
        )  # fmt: skip
        case = hub_cases.whole(tmp_path / "case", exam, 1)
        assert hub_cases.send(case, url, given.code) == []
        numbers = urllib3.request("GET", f"{url}/metrics").data.decode()
        assert 'hub_requests_total{method="PATCH"' in numbers
        # No name of a student is anywhere in the hub's folder.
        for path in folder.rglob("*"):
            assert not path.is_file() or b"Anna Bell" not in path.read_bytes(), path
        assert main([*invite[:-1], str(tmp_path / "out")]) == 2
        assert (
            main(["hub", "revoke", "--folder", str(folder), "--exam", "hub-cli", "--seat", "2"])
            == 0
        )
        assert (
            main(["hub", "revoke", "--folder", str(folder), "--exam", "hub-cli", "--seat", "2"])
            == 2
        )
        assert main(["hub", "check", "--folder", str(folder)]) == 0
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=START_S)
    assert process.returncode == 0
    log = (tmp_path / "hub.log").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line.get("route", "").endswith("/uploads/{upload}") for line in lines)
    assert given.code not in log
    assert (folder / "hub.key").stat().st_mode & 0o077 == 0


def test_what_cannot_be_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str, code: int) -> str:
        assert main(["hub", *words]) == code
        error = capsys.readouterr().err
        assert error.startswith("proctor: ")
        assert error.count("\n") == 1
        return error

    wrong = tmp_path / "wrong.toml"
    wrong.write_text("ports = 1\n", encoding="utf-8")
    assert "ports" in said("serve", "--settings", str(wrong), code=2)
    wrong.write_text('database = "mysql://x"\n', encoding="utf-8")
    assert "sqlite" in said("migrate", "--settings", str(wrong), code=2)
    wrong.write_text('database = "postgresql://hub:pass-word@127.0.0.1:1/hub"\n', encoding="utf-8")
    assert "pass-word" not in said("migrate", "--settings", str(wrong), code=3)
    invite = [
        "invite",
        "--folder",
        str(tmp_path / "hub"),
        "--count",
        "1",
        "--out",
        str(tmp_path / "o"),
    ]
    assert "cannot be read" in said(*invite, "--policy", str(tmp_path / "none.dsse"), code=2)
    policy, roots = policy_for("http://127.0.0.1:9", tmp_path)
    other = (
        policy_for("http://127.0.0.1:9", tmp_path / "home")[1]
        if (tmp_path / "home").is_dir()
        else roots
    )
    assert "not signed" in said(*invite, "--policy", str(policy), "--root", str(other), code=2)
    assert not (tmp_path / "o").exists()


def test_every_setting_is_documented_and_the_examples_are_usable(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    missing = [name for name in settings.HubSettings.model_fields if f"`{name}`" not in page]
    assert missing == []
    folder = ROOT / "packaging" / "hub"
    read = settings.load(folder / "hub.toml", {})
    assert (read.on_sqlite, read.workers) == (True, 2)
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))["services"]
    given = services["hub"]["environment"]
    assert {k.removeprefix(settings.ENVIRONMENT).lower() for k in given} <= set(
        settings.HubSettings.model_fields
    )
    assert "hub serve" in (folder / "open-proctor-hub.service").read_text(encoding="utf-8")


def test_no_address_is_taken_for_a_proxy_by_a_slip(tmp_path: Path) -> None:
    assert settings.load(None, {"PROCTOR_HUB_PROXIES": "10.0.0.0/8, ::1"}).proxies
    for slip in ("*", "10.0.0.0/33", "proxy.example.org"):
        with pytest.raises(InputError, match="no address or network"):
            settings.load(None, {"PROCTOR_HUB_PROXIES": slip})


def test_settings_come_from_file_environment_and_command_in_that_order(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("port = 1000\nworkers = 3\nmax_body = 200000\n", encoding="utf-8")
    environ = {"PROCTOR_HUB_PORT": "2000", "PROCTOR_HUB_WORKERS": "4", "OTHER": "x"}
    read = settings.load(file, environ, {"port": 3000})
    assert (read.port, read.workers, read.max_body) == (3000, 4, 200_000)
    assert read.folder == Path(os.environ["PROCTOR_HOME"]) / "hub"
