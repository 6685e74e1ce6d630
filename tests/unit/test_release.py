"""What is released: the same bytes twice, a list of parts that holds, licences, signatures that others check."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from models import registry
from proctor.errors import CheckFailed, InputError
from proctor.evidence import minisign

ROOT = Path(__file__).resolve().parents[2]
EPOCH = 1_800_000_000


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """A script of ``packaging`` as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))

    def get(name: str) -> ModuleType:
        return importlib.import_module(name)

    return get


def copied(target: Path, age: int) -> Path:
    """The files under version control, elsewhere and at another time."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("this is no git work tree, so nothing says which files belong to it")
    kept = (
        "proctor/",
        "detectors/",
        "policies/",
        "models/",
        "ui/",
        "pyproject",
        "README",
        "LICENSE",
        ".gitignore",
    )
    for name in filter(None, listed.stdout.split("\0")):
        if name.startswith(kept) and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
            os.utime(target / name, (age, age))
    return target


def test_wheel_and_sdist_are_the_same_bytes_from_two_copies(script, tmp_path: Path) -> None:
    release = script("release")
    first = release.build(copied(tmp_path / "here", 1_500_000_000), tmp_path / "one", EPOCH)
    second = release.build(copied(tmp_path / "elsewhere", 1_600_000_000), tmp_path / "two", EPOCH)
    assert [path.suffix for path in first] == [".whl", ".gz"]
    for one, two in zip(first, second, strict=True):
        assert one.name == two.name
        assert (
            hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(two.read_bytes()).digest()
        ), one.name
    with tarfile.open(first[1]) as archive:
        inside = archive.getnames()
    assert not [name for name in inside if name.endswith((".onnx", ".task", ".mp4"))]
    assert any(name.endswith("models/manifest.toml") for name in inside)


def test_the_list_of_parts_names_every_pin_and_every_network(script) -> None:
    sbom = script("sbom")
    made = sbom.text(EPOCH)
    assert made == sbom.text(EPOCH)
    told = json.loads(made)
    assert told["bomFormat"] == "CycloneDX"
    by_kind: dict[str, dict[str, dict]] = {}
    for part in told["components"]:
        by_kind.setdefault(part["type"], {})[f"{part['name']}=={part['version']}"] = part
    pins = {
        f"{name}=={number}"
        for name, number, _ in sbom.pinned((ROOT / "requirements.lock").read_text())
    }
    assert len(pins) > 30
    assert by_kind["library"].keys() == pins
    assert all(part["externalReferences"][0]["hashes"] for part in by_kind["library"].values())
    networks = {m.sha256 for m in registry.manifest().values() if m.detectors}
    listed = by_kind["machine-learning-model"].values()
    assert {part["hashes"][0]["content"] for part in listed} == networks
    assert all(part["licenses"] for part in listed)
    assert "mediapipe==0.10.31" in pins
    assert [p for p in pins if p.startswith(("torch", "ultralytics", "pytest"))] == []


def test_every_library_says_a_licence_and_has_its_text(script, tmp_path: Path) -> None:
    licences = script("licences")
    licences.write(tmp_path, ["yolo11n"])
    told = (tmp_path / "LICENCES.md").read_text(encoding="utf-8")
    for name in ("cryptography", "PySide6_Essentials", "mediapipe", "vosk"):
        assert f"- {name} " in told
    assert "- yolo11n 8.3.0 weights, 480x640, opset 18: AGPL-3.0" in told
    assert "AFFERO GENERAL PUBLIC LICENSE" in (tmp_path / "LICENSE.txt").read_text(encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in tmp_path.glob("*.txt")]
    assert len(texts) > 25
    # Only texts: no compiled file, whose bytes hold paths of this machine.
    assert not [text for text in texts if "\0" in text or "\ufffd" in text or str(ROOT) in text]


def test_a_licence_nobody_has_looked_at_ends_it(script, tmp_path: Path) -> None:
    licences = script("licences")
    facts = tmp_path / "odd-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\nLicense: Ask-Me-First\n"
    )
    from importlib.metadata import PathDistribution

    with pytest.raises(licences.LicenceError, match="Ask-Me-First"):
        licences.part_of(PathDistribution(facts))


def test_a_signature_holds_only_for_its_file_key_and_comment() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    data = b"sums\n"
    signature = minisign.sign(data, key, "of open-proctor 1.0")
    public = minisign.public_text(key)
    assert minisign.verify(data, signature, public) == "of open-proctor 1.0"
    assert minisign.verify(data, signature, public.splitlines()[1]) == "of open-proctor 1.0"
    for wrong_data, wrong_text, wrong_key, why in (
        (b"sums \n", signature, public, "is not right"),
        (data, signature.replace("1.0", "2.0"), public, "is not right"),
        (data, signature, minisign.public_text(other), "another key"),
        (data, "nothing", public, "proves nothing"),
        (data, "\n".join(signature.splitlines()[:2]), public, "proves nothing"),
    ):
        with pytest.raises(CheckFailed, match=why):
            minisign.verify(wrong_data, wrong_text, wrong_key)
    with pytest.raises(InputError, match="no public key"):
        minisign.verify(data, signature, "RWabc")
    with pytest.raises(InputError, match="one line"):
        minisign.sign(data, key, "two\nlines")


@pytest.mark.skipif(not shutil.which("minisign"), reason="minisign is not installed")
def test_the_program_that_others_wrote_agrees(script, tmp_path: Path) -> None:
    release = script("release")
    (tmp_path / "a.whl").write_bytes(b"a")
    sums = tmp_path / release.SUMS
    sums.write_text(release.sums(tmp_path), encoding="utf-8")
    subprocess.run(["sha256sum", "-c", "--quiet", sums.name], cwd=tmp_path, check=True)
    key = Ed25519PrivateKey.generate()
    (tmp_path / "key.pub").write_text(minisign.public_text(key))
    signature = tmp_path / f"{release.SUMS}.minisig"
    signature.write_text(minisign.sign(sums.read_bytes(), key, "of a test"), encoding="utf-8")
    words = ["minisign", "-V", "-p", str(tmp_path / "key.pub"), "-m", str(sums)]
    good = subprocess.run(words, capture_output=True, text=True, check=False)
    assert good.returncode == 0, good.stderr
    assert "of a test" in good.stdout
    sums.write_text(sums.read_text() + "more\n")
    assert subprocess.run(words, capture_output=True, check=False).returncode != 0


def test_a_signature_of_minisign_itself_is_read() -> None:
    # Made once with minisign 0.11 over the bytes below, by a key made for this test and thrown away.
    vector = json.loads((ROOT / "tests/vectors/minisign.json").read_text(encoding="utf-8"))
    assert (
        minisign.verify(vector["data"].encode(), vector["signature"], vector["public"])
        == vector["comment"]
    )
