"""``proctor exam`` with a policy that names an exam page: the link, a milestone, and the closed door."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

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
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
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
         "--case", str(case), "--consent", str(tmp_path / "consent.toml"), "--minutes", "0.15"],
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
