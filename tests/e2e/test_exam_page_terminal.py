"""``proctor exam`` with a policy that names an exam page: the link, a milestone, and the closed door."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from proctor.cli.main import main

POLICY = """
version = 1
id = "page"
institution = "Test institution"
exam = "Exam on a page"
contact = "exams@example.org"
stakes = "practice"
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[exam_page]
origin = "https://exam.example.edu"
[detectors.lighting]
[rules."light.dim"]
"""


def post(port: str, token: str, origin: str) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/markers",
        data=b'{"kind": "question.shown", "id": "q1"}',
        headers={
            "Origin": origin,
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        },
    )
    # An opener of its own: the library's shared one keeps the proxies of whichever test came first.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_an_exam_prints_the_link_takes_a_milestone_and_closes_the_door(tmp_path, monkeypatch):
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "consent.toml").write_text("[consent]\ncamera = true\n")
    case = tmp_path / "case"
    exam = subprocess.Popen(
        [sys.executable, "-m", "proctor.cli.main", "exam", "--policy", str(tmp_path / "policy.toml"),
         "--case", str(case), "--consent", str(tmp_path / "consent.toml"), "--minutes", "0.2"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert exam.stderr is not None
    found = None
    for line in exam.stderr:
        found = re.search(r"https://exam\.example\.edu/#open-proctor=(\d+)\.(\S+)", line)
        if found:
            break
    assert found is not None
    port, token = found.groups()
    assert post(port, token, "https://elsewhere.example") == 403
    status = 409
    while status == 409:  # the devices are not open yet
        status = post(port, token, "https://exam.example.edu")
    assert status == 204
    exam.communicate(timeout=60)
    assert exam.returncode == 0
    records = [json.loads(line) for line in (case / "journal.jsonl").read_text().splitlines()]
    marks = [r["data"] for r in records if r["type"] == "marker"]
    assert [m["data"] for m in marks if m["kind"] == "question.shown"] == [{"id": "q1"}]
    # The token is written nowhere.
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 3
    assert not [path for path in written if token.encode() in path.read_bytes()]
    with pytest.raises(urllib.error.URLError):
        post(port, token, "https://exam.example.edu")


GAZE = """
version = 1
id = "answers"
institution = "Test institution"
exam = "Exam with answers"
contact = "exams@example.org"
stakes = "practice"
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[detectors.gaze]
[rules."gaze.away_before_answer"]
min_s = 0.0
"""


def test_a_recording_with_its_milestones_beside_it_is_replayed_shown_and_verified(
    media, model, tmp_path, monkeypatch, capsys
):
    """The man looks aside from 5.65 to 10.29 s; the question came at 4 s, the answer at 9.9 s."""
    model("face_landmarker")
    model("yunet")
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    (tmp_path / "policy.toml").write_text(GAZE)
    shutil.copy(media / "video" / "gaze" / "center_left_center.mp4", tmp_path / "exam.mp4")
    sidecar = tmp_path / "exam.markers.jsonl"
    replay = [
        "replay", str(tmp_path / "exam.mp4"), "--policy", str(tmp_path / "policy.toml"),
        "--consent", "all", "--quiet", "--json",
    ]  # fmt: skip
    sidecar.write_text('{"t": 4.0, "kind": "question.shown", "data": {"id": "q 1"}}\n')
    assert main([*replay, "--case", str(tmp_path / "bad")]) == 2
    error = capsys.readouterr().err
    assert "exam.markers.jsonl, line 1: data.id must be" in error
    assert not (tmp_path / "bad").exists()
    sidecar.write_text(
        '{"t": 4.0, "kind": "question.shown", "data": {"id": "q1"}}\n'
        '{"t": 9.9, "kind": "answer.submitted", "data": {"id": "q1"}}\n'
    )
    case = tmp_path / "case"
    assert main([*replay, "--case", str(case)]) == 0
    flag, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert flag["kind"] == "gaze.away_before_answer"
    assert flag["start"] == pytest.approx(5.65, abs=0.4)
    assert flag["end"] == pytest.approx(9.9, abs=0.2)
    # Between answers the time counts as measured.
    assert summary["summary"]["not_measured_s"]["gaze.away_before_answer"] < 1.0
    assert main(["case", "show", str(case)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the person looked away from the screen for" in shown
    assert main(["case", "verify", str(case)]) == 0
