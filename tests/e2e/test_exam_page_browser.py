"""A real exam page in headless Chromium tells a running exam of its questions; other pages cannot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from policies.consent import accept_all
from proctor.capture.replay import RealTimeReplay, Recording
from proctor.session.markers import ExamPage, snippet
from proctor.session.plan import make_plan
from proctor.session.session import Session, choose_recipients

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None or os.name == "nt":
    pytest.skip("no Chromium is installed here", allow_module_level=True)

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--host-resolver-rules=MAP exam.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
PATIENCE_S = 120


class Site:
    """A web site on loopback with one page; ``reports`` are what the page tells its own site.

    ``texts`` are its other files by path; ``opened`` and ``told`` are set by the page's reports.
    """

    def __init__(self, page: str, certificate: Path | None = None) -> None:
        self.reports: list[Any] = []
        self.opened, self.told = threading.Event(), threading.Event()
        self.texts = {"/": page, "/exam_page.js": snippet()}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = site.texts.get(self.path, "")
                kind = "javascript" if self.path.endswith(".js") else "html"
                self.send_response(200 if text else 404)
                self.send_header("Content-Type", f"text/{kind}; charset=utf-8")
                self.end_headers()
                self.wfile.write(text.encode())

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                site.reports.append(json.loads(self.rfile.read(length)))
                self.send_response(204)
                self.end_headers()
                if site.reports[-1] == "done":
                    site.told.set()
                if site.reports[-1] == "open":
                    site.opened.set()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.origin = f"{'https://exam.test' if certificate else 'http://127.0.0.1'}:{self.port}"

    def __enter__(self) -> Site:
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def browsing(address: str, folder: Path) -> Iterator[None]:
    """Chromium with one page open; ends with everything it started."""
    browser = subprocess.Popen(
        [str(CHROMIUM), *QUIET, f"--user-data-dir={folder}", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(browser.pid, signal.SIGTERM)
        try:
            browser.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait(60)


def page(script: str) -> str:
    return f"""<!doctype html><meta charset="utf-8"><title>Exam</title>
<script src="exam_page.js"></script><script>
const report = (what) => fetch("/", {{ method: "POST", body: JSON.stringify(what) }});
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const post = async (address, options) => {{
  try {{
    const answer = await fetch(address, options);
    return [answer.status, answer.ok ? "" : (await answer.json()).title];
  }} catch (error) {{ return [0, error.name]; }}
}};
(async () => {{ {script}; await report("done"); }})();
</script>"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for exam.test, with its key in the same file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "exam.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("exam.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "exam.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


ODD = """
const { port, token } = window.way;
const at = `http://127.0.0.1:${port}/markers`;
const headers = { "Authorization": `Bearer ${token}`, "Content-Type": "application/json" };
const body = JSON.stringify({ kind: "question.shown", id: "q9" });
await report(["wrong token", ...await post(at,
  { method: "POST", headers: { ...headers, "Authorization": "Bearer " + "A".repeat(32) }, body })]);
await report(["too large", ...await post(at, { method: "POST", headers, body: "x".repeat(5000) })]);
await report(["other kind", ...await post(at,
  { method: "POST", headers, body: body.replace("question.shown", "break.start") })]);
await report(["put", ...await post(at, { method: "PUT", headers, body })]);
await report(["get", ...await post(at, { headers })]);
await report(["as text", ...await post(at, { method: "POST", mode: "no-cors", body })]);
"""


def test_a_secure_exam_page_marks_and_odd_requests_of_it_are_refused(tmp_path, certificate):
    told: list[tuple[str, Any]] = []
    script = (
        "window.way = { port: (sessionStorage.getItem('open-proctor') || '').split('.')[0],"
        " token: (sessionStorage.getItem('open-proctor') || '').split('.')[1] };"
        "await report(['hash', location.hash, isSecureContext]);"
        "await report(['shown', await openProctor.shown('q1')]);"
        "await report(['answered', await openProctor.answered('q1')]);" + ODD
    )
    with (
        Site(page(script), certificate) as site,
        ExamPage(site.origin, lambda kind, data: told.append((kind, dict(data)))) as door,
        browsing(door.link, tmp_path / "profile"),
    ):
        assert site.told.wait(PATIENCE_S), site.reports
    assert told == [("question.shown", {"id": "q1"}), ("answer.submitted", {"id": "q1"})]
    answers = {name: rest for name, *rest in site.reports[:-1]}
    assert answers["hash"] == ["", True]  # the token is out of sight at once
    assert answers["shown"] == answers["answered"] == [True]
    assert answers["wrong token"] == [401, "wrong token"]
    assert answers["too large"] == [413, "too large"]
    assert answers["other kind"] == [422, "unknown kind"]
    assert answers["put"][0] == answers["get"][0] == 0  # the browser itself does not send these
    assert answers["as text"][0] == 0


def test_another_page_that_knows_address_and_token_marks_nothing(tmp_path):
    told: list[str] = []
    script = (
        "await report(['shown', await openProctor.shown('q1')]);"
        "const [port, token] = sessionStorage.getItem('open-proctor').split('.');"
        "await report(['plain', ...await post(`http://127.0.0.1:${port}/markers`, {method: 'POST',"
        " mode: 'no-cors', body: JSON.stringify({kind: 'question.shown', id: 'q1'})})]);"
    )
    with (
        Site(page(script)) as foreign,
        ExamPage("https://exam.test", lambda kind, data: told.append(kind)) as door,
        browsing(f"{foreign.origin}/{door.hash}", tmp_path / "profile"),
    ):
        assert foreign.told.wait(PATIENCE_S), foreign.reports
    assert told == []
    assert foreign.reports[0] == ["shown", False]


POLICY = """
version = 1
id = "browser"
institution = "Test institution"
exam = "Exam in a browser"
contact = "exams@example.org"
stakes = "practice"
[purposes.camera]
alternative = "You sit the exam in a room with a person."
[exam_page]
origin = "{origin}"
[detectors.gaze]
[rules."gaze.away_before_answer"]
on = 0.6
off = 0.4
min_s = 0.0
gap_s = 1.0
cooldown_s = 0.0
"""

# The page's clock is this computer's; the site says when the recording began, in milliseconds.
QUIZ = """
await report("open");
let start = "";
while (!start) { await wait(50); start = await (await fetch("start")).text(); }
await wait(Number(start) + 3500 - Date.now());
await report(["shown", await openProctor.shown("q1")]);
await wait(Number(start) + 9800 - Date.now());
await report(["answered", await openProctor.answered("q1")]);
"""


def test_eyes_aside_before_an_answer_that_a_page_posts_reach_journal_and_reviewer(
    media, model, tmp_path, monkeypatch
):
    """The man looks aside from 5.65 to 10.29 s; the page asks at 3.5 s and is answered at 9.8 s."""
    model("face_landmarker")
    model("yunet")
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    recording = Recording.open(media / "video" / "gaze" / "center_left_center.mp4")
    site = Site(page(QUIZ))
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(origin=site.origin))
    plan = make_plan(str(policy))
    with (
        Session(
            plan, accept_all(plan.policy), tmp_path / "case",
            recipients=choose_recipients(plan, []),
        ) as session,
        site,
        ExamPage(plan.policy.exam_page.origin, session.mark) as door,
        browsing(door.link, tmp_path / "profile"),
    ):  # fmt: skip
        source = RealTimeReplay(
            recording, session.clock, camera=session.sensor("camera"), microphone=None
        )

        def when_the_page_is_open() -> list[RealTimeReplay]:
            assert site.opened.wait(PATIENCE_S), site.reports
            site.texts["/start"] = str(round(time.time() * 1000))
            return [source]

        # Live until the recording ends, which closes every source.
        session.live(when_the_page_is_open, until=lambda t: False)
    assert site.reports == ["open", ["shown", True], ["answered", True], "done"]
    lines = (tmp_path / "case" / "journal.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    marks = [r["data"] for r in records if r["type"] == "marker"]
    assert [(m["kind"], m["data"]) for m in marks if m["kind"] != "source.ended"] == [
        ("question.shown", {"id": "q1"}),
        ("answer.submitted", {"id": "q1"}),
    ]
    (flag,) = (r["data"] for r in records if r["type"] == "flag.closed")
    assert flag["kind"] == "gaze.away_before_answer"
    assert "since the question came, in 1 look" in flag["why"]
    assert marks[0]["t"] < flag["start"] < flag["end"] <= marks[1]["t"] + 0.3
