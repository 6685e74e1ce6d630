"""A real case, sent by the real sender, arrives at a real hub whole, once, and with its header apart."""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import importlib.util
import ipaddress
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import func, select

from proctor.errors import CheckFailed
from proctor.evidence import checkpoint, cosignature, layout, tree
from proctor.evidence.checkpoint import NoteError
from proctor.evidence.outbox import Outbox
from proctor.hub import enrol, log, tables

_TESTS = Path(__file__).resolve().parents[1]


def _load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _TESTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


hub_world, hub_cases = _load("hub_world"), _load("hub_cases")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


@pytest.fixture(params=hub_world.BACKENDS)
def world(request, tmp_path: Path, own_home):
    with hub_world.running(request.param, tmp_path) as running:
        yield running


@pytest.fixture
def exam(world):
    return hub_cases.publish(world.hub, world.url)


def stored(world, table, *where):
    with world.hub.store.reading() as connection:
        return connection.execute(select(table).where(*where)).all()


def journal_of(world, attempt: str) -> bytes:
    rows = stored(world, tables.batches, tables.batches.c.attempt == attempt)
    return b"".join(bytes(r.body) for r in sorted(rows, key=lambda r: r.first))


def header_of(world, attempt: str, flag: str) -> bytes | None:
    with world.hub.store.headers() as connection:
        row = connection.execute(
            select(tables.headers.c.header).where(
                tables.headers.c.attempt == attempt, tables.headers.c.flag == flag
            )
        ).scalar_one_or_none()
    return None if row is None else bytes(row)


def kinds(world) -> list[str]:
    return [r.kind for r in sorted(stored(world, tables.log_records), key=lambda r: r.position)]


def test_a_case_arrives_whole_and_once_with_headers_apart(world, exam, tmp_path: Path) -> None:
    folder = hub_cases.whole(tmp_path / "case", exam)
    attempt, code = hub_cases.attempt_of(folder), hub_cases.code(world.hub, exam)
    assert hub_cases.send(folder, world.url, code) == []
    assert journal_of(world, attempt) == (folder / layout.JOURNAL).read_bytes()
    clips = stored(world, tables.clips)
    assert {c.state for c in clips} == {"stored"}
    assert len(clips) == 2
    for clip in clips:
        whole = (folder / layout.clip_name(clip.flag)).read_bytes()
        header = header_of(world, attempt, clip.flag)
        assert header is not None
        assert header.startswith(b"age-encryption.org/v1\n")
        payload = world.hub.blobs.get(clip.blob)
        assert header + payload == whole
        # Nothing of the header is where backups take the payload from.
        assert header[22:60] not in payload
    assert list(world.hub.blobs.names("parts")) == []
    (row,) = stored(world, tables.attempts)
    assert (row.state, row.seat) == ("ended", 1)
    assert row.lines == len((folder / layout.JOURNAL).read_bytes().splitlines())
    before = kinds(world)
    assert before.count("stored") == 2
    assert before.count("enrolled") == 1
    # The queue is lost and made again: everything goes a second time, and has no effect.
    for path in (tmp_path / "home" / "outbox").iterdir():
        path.unlink()
    assert hub_cases.send(folder, world.url, code) == []
    assert kinds(world) == before


def test_a_checkpoint_comes_back_countersigned_with_a_time(world, exam, tmp_path: Path) -> None:
    folder = hub_cases.whole(tmp_path / "case", exam, 1)
    hub_cases.send(folder, world.url, hub_cases.code(world.hub, exam))
    with Outbox.of(folder, world.url) as outbox:
        receipts = [
            json.loads(row[0])
            for row in outbox._base.execute("SELECT receipt FROM items WHERE kind = 'checkpoint'")
        ]
    assert receipts
    for receipt in receipts:
        note = receipt["note"].encode()
        when = cosignature.check(note, world.hub.name, world.hub.public)
        assert abs((when - world.hub.now()).total_seconds()) < 60
        # The student's own signature still holds, and another hub's key signed nothing here.
        attempt = hub_cases.attempt_of(folder)
        public = bytes(stored(world, tables.attempts)[0].public_key)
        assert checkpoint.read(note, attempt, public).size > 0
        with pytest.raises(NoteError):
            cosignature.check(note, world.hub.name, public)


def test_the_log_proves_what_was_stored_of_an_attempt(world, exam, tmp_path: Path) -> None:
    folder = hub_cases.whole(tmp_path / "case", exam)
    attempt, code = hub_cases.attempt_of(folder), hub_cases.code(world.hub, exam)
    old = get(world, "/v1/log/consistency")
    hub_cases.send(folder, world.url, code)
    said = get(world, f"/v1/attempts/{attempt}/proof?size={old['size']}", code)
    now = checkpoint.read(said["note"].encode(), world.hub.name, world.hub.public)
    assert now.size == said["size"] == len(kinds(world))
    shown = {record["kind"] for record in said["records"]}
    assert shown == {"enrolled", "checkpoint.countersigned", "stored"}
    for record in said["records"]:
        leaf = tree.leaf_hash(record["body"].encode())
        proof = [base64.b64decode(one) for one in record["inclusion"]]
        assert tree.verify_inclusion(leaf, record["position"], now.size, proof, now.root)
        assert not tree.verify_inclusion(leaf, record["position"] + 1, now.size, proof, now.root)
    before = checkpoint.read(old["note"].encode(), world.hub.name, world.hub.public)
    extends = [base64.b64decode(one) for one in said["consistency"]]
    assert tree.verify_consistency(before.size, now.size, extends, before.root, now.root)


def test_many_requests_at_once_have_one_effect_each(world, exam, tmp_path: Path) -> None:
    """Two more workers on the same databases, and every request three times at once."""
    folder = hub_cases.whole(tmp_path / "case", exam, 1)
    attempt, code = hub_cases.attempt_of(folder), hub_cases.code(world.hub, exam)
    with hub_world.started(world.settings) as second, hub_world.started(world.settings) as third:
        urls = [world.url, second.url, third.url]

        def everywhere(path: str, headers: dict[str, str], body: bytes) -> list[int]:
            def ask(url: str) -> int:
                return urllib3.request(
                    "POST", f"{url}/v1/attempts/{attempt}/{path}", body=body, retries=False,
                    headers={"Authorization": f"Bearer {code}", **headers},
                ).status  # fmt: skip

            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                return sorted(pool.map(ask, urls * 2))

        policy = (folder / layout.POLICY).read_bytes()
        answers = everywhere("policy", small("policy.dsse", policy, "policy"), policy)
        assert answers == [200] * 5 + [201]
        lines = (folder / layout.JOURNAL).read_bytes()
        count = lines.count(b"\n")
        assert post_json(world, "/v1/invitations/redeem", {"attempt": "f" * 32}, code)[0] == 403
        answers = everywhere("journal", small(f"1-{count}", lines, "journal"), lines)
        assert answers == [200] * 5 + [201]
        name = sorted((folder / layout.CHECKPOINTS).iterdir())[-1]
        note = name.read_bytes()
        answers = everywhere(
            "checkpoints", small(f"checkpoints/{name.name}", note, "checkpoints"), note
        )
        assert answers == [200] * 5 + [201]
        upload_everywhere(urls, attempt, code, folder)
    assert kinds(world).count("stored") == 1
    assert stored(world, tables.clips)[0].state == "stored"
    assert list(world.hub.blobs.names("parts")) == []
    assert kinds(world).count("enrolled") == 1
    assert kinds(world).count("checkpoint.countersigned") == 1
    with world.hub.store.reading() as connection:
        size, root = log.state(connection)
        bodies = connection.execute(
            select(tables.log_records.c.body).order_by(tables.log_records.c.position)
        ).scalars()
        assert tree.root(tree.leaf_hash(bytes(body)) for body in bodies) == root
        assert (
            connection.execute(select(func.count()).select_from(tables.log_records)).scalar()
            == size
        )


def upload_everywhere(urls: list[str], attempt: str, code: str, folder: Path) -> None:
    """A clip in parts, each sent to every worker twice at once: one of them takes it."""
    name = "camera.frozen-001"
    clip = (folder / layout.clip_name(name)).read_bytes()
    headers = {"Authorization": f"Bearer {code}", "Tus-Resumable": "1.0.0"}

    def ask(method: str, url: str, path: str, body: bytes, **more: str):
        said = {key.replace("_", "-"): value for key, value in more.items()}
        address = f"{url}/v1/attempts/{attempt}/{path}"
        return urllib3.request(method, address, body=body, headers=headers | said, retries=False)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        made = pool.map(
            lambda url: ask("POST", url, "uploads", b"", **announced(name, clip)).headers[
                "Location"
            ],
            urls * 2,
        )
        (location,) = set(made)
        for start in range(0, len(clip), 25_000):
            part = clip[start : start + 25_000]
            said = {
                "Upload_Offset": str(start), "Content_Type": "application/offset+octet-stream",
                "Upload_Checksum": f"sha256 {base64.b64encode(hashlib.sha256(part).digest()).decode()}",
            }  # fmt: skip
            answers = pool.map(
                lambda url, part=part, said=said: ask("PATCH", url, location, part, **said).status,
                urls * 2,
            )
            assert sorted(answers) == [204] + [409] * 5
    assert "Repr-Digest" in ask("HEAD", urls[0], location, b"").headers


def test_over_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    key, chain = certificate(tmp_path)
    with hub_world.running("sqlite", tmp_path, certificate=chain, certificate_key=key) as world:
        url = world.url.replace("http://", "https://")
        assert (
            urllib3.PoolManager(ca_certs=str(chain)).request("GET", f"{url}/livez").data == b"ok\n"
        )
        with pytest.raises(urllib3.exceptions.SSLError):
            urllib3.PoolManager(retries=False).request("GET", f"{url}/livez")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "hub.pem", folder / "hub.crt"
    form = serialization.PrivateFormat.PKCS8
    pem = serialization.Encoding.PEM
    paths[0].write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    paths[1].write_bytes(made.public_bytes(pem))
    return paths


def test_what_was_erased_goes_header_first_and_does_not_come_again(
    world, exam, tmp_path: Path
) -> None:
    code = hub_cases.code(world.hub, exam)
    case = hub_cases.begin(tmp_path / "case", exam)
    name = hub_cases.flag(case, 1)
    attempt = hub_cases.attempt_of(case.folder)
    sealed = (case.folder / layout.clip_name(name)).read_bytes()
    hub_cases.send(case.folder, world.url, code)
    (clip,) = stored(world, tables.clips)
    assert header_of(world, attempt, name)
    hub_cases.erase(case, name)
    hub_cases.send(case.folder, world.url, code)
    case.close()
    assert header_of(world, attempt, name) is None
    (gone,) = stored(world, tables.clips)
    assert (gone.state, gone.blob) == ("erased", "")
    with pytest.raises(Exception, match="no"):
        world.hub.blobs.get(clip.blob)
    assert kinds(world)[-2:] == ["erased", "checkpoint.countersigned"]
    # Whoever has the clip still cannot bring it back.
    said = urllib3.request(
        "POST", f"{world.url}/v1/attempts/{attempt}/uploads", retries=False,
        headers={"Authorization": f"Bearer {code}", **announced(name, sealed)},
    )  # fmt: skip
    assert said.status == 409


def test_a_code_is_of_one_attempt_and_a_token_speaks_for_it(world, exam, tmp_path: Path) -> None:
    code = hub_cases.code(world.hub, exam)
    one, two = "1" * 32, "2" * 32
    answer = post_json(world, "/v1/invitations/redeem", {"attempt": one}, code)
    again = post_json(world, "/v1/invitations/redeem", {"attempt": one}, code)
    assert answer == again
    assert answer[1]["policy"] == exam.digest
    assert answer[1]["seat"] == "Seat 001"
    status, refused = post_json(world, "/v1/invitations/redeem", {"attempt": two}, code)
    assert (status, refused["code"]) == (403, "code.used")
    token = answer[1]["token"]
    assert get(world, f"/v1/attempts/{one}/proof", token)["records"][0]["kind"] == "enrolled"
    got = urllib3.request(
        "GET", f"{world.url}/v1/invitations/policy", retries=False,
        headers={"Authorization": f"Bearer {code}", "Proctor-Attempt": one},
    )  # fmt: skip
    assert got.data == exam.envelope
    folder = hub_cases.whole(tmp_path / "other", exam, 1)
    with pytest.raises(CheckFailed, match="in use already"):
        hub_cases.send(folder, world.url, code)
    # No secret is in the database.
    assert all(
        code != r.code_sha256 and token != r.token_sha256 for r in stored(world, tables.codes)
    )


def test_a_code_that_was_taken_back_is_told_before_anything_begins(world, exam) -> None:
    code = hub_cases.code(world.hub, exam)
    seat = max(row.seat for row in stored(world, tables.codes))
    asked = {"Authorization": f"Bearer {code}"}
    address = f"{world.url}/v1/invitations/policy"
    assert urllib3.request("GET", address, headers=asked, retries=False).data == exam.envelope
    enrol.revoke(world.hub, exam.name, seat)
    refused = urllib3.request("GET", address, headers=asked, retries=False)
    assert (refused.status, refused.json()["code"]) == (403, "code.revoked")
    assert post_json(world, "/v1/invitations/redeem", {"attempt": "3" * 32}, code)[0] == 403


def small(name: str, body: bytes, path: str) -> dict[str, str]:
    media = {
        "policy": "application/vnd.dsse.envelope.v1+json",
        "events": "application/cloudevents+json; charset=utf-8",
        "journal": "application/jsonl; charset=utf-8",
        "checkpoints": "text/plain; charset=utf-8",
    }
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return {
        "Content-Type": media[path],
        "Content-Digest": f"sha-256=:{digest}:",
        "Proctor-Name": name,
    }


def announced(flag: str, clip: bytes) -> dict[str, str]:
    pairs = {"flag": flag, "sha256": hashlib.sha256(clip).hexdigest()}
    said = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in pairs.items())
    return {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(clip)), "Upload-Metadata": said}


def get(world, path: str, secret: str = ""):
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    answer = urllib3.request("GET", world.url + path, headers=headers, retries=False)
    assert answer.status == 200, answer.data
    return json.loads(answer.data)


def post_json(world, path: str, body, secret: str):
    answer = urllib3.request(
        "POST",
        world.url + path,
        json=body,
        headers={"Authorization": f"Bearer {secret}"},
        retries=False,
    )
    return answer.status, json.loads(answer.data)
