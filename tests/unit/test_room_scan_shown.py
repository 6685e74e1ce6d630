# ruff: noqa: N802 - the tests bear the numbers of the rules they prove
"""What people see of a room scan in its case, and what an arrangement leaves out of it (R3, A1)."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import av
import pytest
from pyrage import x25519

from policies import sign
from policies.addendum import PAYLOAD_TYPE
from proctor.cli.main import main
from proctor.evidence.case import Case
from proctor.evidence.keys import local_signing_key
from proctor.evidence.page import write_page
from proctor.evidence.show import gather
from proctor.pipeline.plugins import discover
from proctor.session import room_list

_SPEC = importlib.util.spec_from_file_location(
    "turning_rooms", Path(__file__).with_name("turning_rooms.py")
)
rooms = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rooms)

REASON = "Another person must not be in the room."
POLICY = f"""
version = 1
id = "scan-test"
institution = "Test institution"
exam = "Test exam"
contact = "exams@example.org"
stakes = "practice"
languages = ["en"]

[purposes.camera]
alternative = "You sit the exam in a room with a person."
[purposes.room_scan]
alternative = "A person looks at the room with you."

[room_scan]
mode = "offered"
reason = "{REASON}"
alternative = "A person looks at the room with you."
notice_hours = 24
max_s = 10.0
recipients = ["{x25519.Identity.generate().to_public()}"]

[detectors.lighting]
[detectors.objects]
[rules."light.dim"]
[rules."object.phone"]
"""


@pytest.fixture
def policy(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    path = tmp_path / "scan.toml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """Three seconds of a turning camera."""
    path = tmp_path_factory.mktemp("film") / "turn.mp4"
    frames = list(rooms.film(rooms.papered(), rooms.steady(60, 20), 66))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.height, stream.width = frames[0].image.shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="bgr24")))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def addendum(policy, tmp_path) -> Path:
    digest = hashlib.sha256(policy.read_bytes()).hexdigest()
    text = f'policy_sha256 = "{digest}"\nstudent = "a-17"\ndetectors_off = ["objects"]\n'
    path = tmp_path / "addendum.dsse"
    path.write_bytes(sign.envelope(text.encode(), PAYLOAD_TYPE, [local_signing_key()]))
    return path


def scan(policy: Path, case: Path, recording: Path, *options: object) -> int:
    given = ["--policy", policy, "--case", case, "--from", recording, "--consent", "all"]
    return main(["room-scan", *map(str, given), *map(str, options), "--quiet"])


def test_R3_a_case_shows_reason_coverage_and_what_stands_in_the_room(
    policy, recording, tmp_path, capsys
):
    folder = tmp_path / "case"
    assert scan(policy, folder, recording, "--json") == 0
    said = json.loads(capsys.readouterr().out)["room_scan"]

    assert main(["case", "show", str(folder), "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)["room_scans"]
    assert shown["name"] == said["scan"] == "room-scan-001"
    assert shown["reason"] == REASON
    assert shown["coverage"] == said["coverage"]
    assert [(t["t"], t["yaw"], t["looks"]) for t in shown["things"]] == [
        (t["t"], t["yaw"], t["looks"]) for t in said["things"]
    ]
    assert shown["clip"]["length"] > 0

    assert main(["case", "show", str(folder)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Room scan room-scan-001" in text
    assert REASON in text
    assert f"{said['coverage']:.0%} of the circle was seen" in text

    page = write_page(folder, tmp_path / "page.html").read_text("utf-8")
    assert "<h2>Room scan</h2>" in page
    assert REASON in page
    assert "only the recipients of room scans can open it" in page


def test_R3_a_thing_is_listed_with_its_direction(policy, recording, tmp_path):
    folder = tmp_path / "case"
    assert scan(policy, folder, recording) == 0
    case = Case.resume(folder)
    told = [
        {"kind": "object.phone", "t": 1.2, "yaw": 81.4, "looks": 3},
        {"kind": "object.person", "t": 2.0, "yaw": None, "looks": 2},
    ]
    case.record(
        "roomscan.seen", {"scan": "room-scan-001", "things": told, "not_listed": ["Not listed: x."]}
    )
    case.close()
    page = write_page(folder, tmp_path / "page.html").read_text("utf-8")
    assert "81° to the right of the first view" in page
    assert "direction not known" in page
    assert "Not listed: x." in page


def test_C4_a_scan_that_was_erased_is_listed_no_more(policy, recording, tmp_path):
    folder = tmp_path / "case"
    assert scan(policy, folder, recording) == 0
    case = Case.resume(folder)
    case.record("erased", {"flag": "room-scan-001"})
    case.close()
    assert gather(folder).story.scans == ()


def test_A1_what_is_off_by_arrangement_is_not_listed_and_its_network_not_loaded(
    policy, recording, addendum, tmp_path, capsys
):
    folder = tmp_path / "case"
    assert scan(policy, folder, recording, "--addendum", addendum, "--json") == 0
    said = json.loads(capsys.readouterr().out)["room_scan"]
    assert said["things"] == []
    (line,) = said["not_listed"]
    assert "object.phone" in line
    assert "not measured by arrangement" in line
    stations = room_list.lookers(discover(), off=lambda kind: kind.startswith("object.")).stations
    assert "objects" not in [station.plugin.name for station in stations]

    assert scan(policy, folder, recording, "--asked-by", "Dr. A. Example", "--reason", REASON) == 2
    assert "another addendum, or without" in capsys.readouterr().err
