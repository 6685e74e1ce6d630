"""An institution's signed policy, from signing to a verified case, through the public commands."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from proctor.cli.main import main

INSTITUTION = "University of Both Shores"
# Light and the camera itself: no network is needed, so this runs everywhere.
POLICY = f"""\
version = {{version}}
id = "algebra"
institution = "{INSTITUTION}"
exam = "Algebra 1"
contact = "exams@shores.example"
stakes = "{{stakes}}"

[purposes.camera]
alternative = "You sit the exam in a room with a person and no computer program."

[detectors.lighting]
[detectors.camera]

[rules."light.dim"]
[rules."camera.covered"]
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two seconds of a grey room."""
    path = tmp_path / "room.mp4"
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        rng = np.random.default_rng(1)
        for _ in range(20):
            picture = rng.integers(90, 160, (240, 320, 3), dtype=np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode())
    return path


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, a root file, and policies of two versions signed with it, in the present folder."""
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "passphrase"
    secret.write_text("four unrelated words here\n")
    secret.chmod(0o600)
    asked = ["--passphrase-file", str(secret)]
    assert main(["keys", "new", "rector", "--signing", "--dir", "office", *asked]) == 0
    root = ["policy", "root", "new", "--institution", INSTITUTION, "--key", "office/rector.pub"]
    assert main(root) == 0
    for version in (1, 2):
        file = f"algebra-{version}.toml"
        Path(file).write_text(POLICY.format(version=version, stakes="low"))
        assert main(["policy", "sign", file, "--key", "office/rector.pem", *asked]) == 0


def replay(recording: Path, case: str, policy: str, *more: str) -> int:
    given = ["--policy", policy, "--case", case, "--consent", "all", "--json", *more]
    return main(["replay", str(recording), *given])


def test_a_case_holds_the_institutions_envelope_and_verifies_against_its_root(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(recording, "case", "algebra-1.dsse", "--root", "root.toml") == 0
    assert Path("case/policy.dsse").read_bytes() == Path("algebra-1.dsse").read_bytes()
    capsys.readouterr()
    assert main(["case", "verify", "case", "--root", "root.toml", "--json"]) == 0
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (signature,) = [check for check in checks if check["code"] == "policy-signature"]
    assert "1 of its keys or more" in signature["detail"]
    # Another institution's root does not vouch for it.
    assert main(["keys", "new", "other", "--signing", "--passphrase-file", "passphrase"]) == 0
    other = ["--key", "home/keys/other.pub", "--out", "other.toml"]
    assert main(["policy", "root", "new", "--institution", INSTITUTION, *other]) == 0
    assert main(["case", "verify", "case", "--root", "other.toml"]) == 1


def test_an_older_version_is_refused_once_a_newer_one_was_used(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "root", "install", "root.toml"]) == 0
    assert replay(recording, "one", "algebra-1.dsse") == 0
    assert replay(recording, "two", "algebra-2.dsse") == 0
    capsys.readouterr()
    assert replay(recording, "three", "algebra-1.dsse") == 1
    err = capsys.readouterr().err
    assert "is version 1, but version 2 of 'algebra' was followed here before" in err
    assert err.count("\n") == 1
    assert not Path("three").exists()


@pytest.mark.parametrize(
    ("policy", "more", "words", "code"),
    [
        ("algebra-1.toml", [], "only practice runs unsigned", 2),
        ("algebra-1.dsse", [], "give its root file with --root FILE", 1),
        ("algebra-1.dsse", ["--root", "missing.toml"], "cannot be read", 2),
        ("algebra-1.dsse", ["--root", "algebra-1.toml"], "is needed and missing", 2),
        ("root.toml", [], "is needed and missing", 2),
    ],
)
def test_what_is_not_signed_by_somebody_known_does_not_run(
    recording: Path,
    policy: str,
    more: list[str],
    words: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    assert replay(recording, "case", policy, *more) == code
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert not Path("case").exists()


def test_practice_runs_unsigned(recording: Path) -> None:
    Path("mine.toml").write_text(POLICY.format(version=1, stakes="practice"))
    assert replay(recording, "case", "mine.toml") == 0
    assert main(["case", "verify", "case"]) == 0
