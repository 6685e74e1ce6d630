"""docs/keys.md, command by command: what an institution reads there is what the program does."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies import edit, load, sign
from proctor.cli.main import main
from proctor.evidence import access, keys
from proctor.evidence.case import Case
from proctor.evidence.seal import seal
from proctor.evidence.verify import verify
from proctor.types import Clip

ANCHOR = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "keys.md"
# Commands that ask for a passphrase, which a test gives in a file.
ASKING = re.compile(
    r"keys new|keys escrow (peel|check)|keys revoked (new|sign)|policy sign|policy root (next|sign)"
    r"|case (open|export|hold)"
)
PINS = ["--passphrase-file", "secret"]


def commands() -> list[str]:
    """The indented lines of the page, in order."""
    return [
        line.strip() for line in PAGE.read_text("utf-8").splitlines() if line.startswith("    ")
    ]


def recipient(name: str) -> str:
    return Path(f"{name}/{name}.recipient").read_text("ascii").strip()


def fill_in_the_policy() -> None:
    """What the page asks a person to do in an editor."""
    table = load.document_of(Path("escrow/escrow.toml").read_bytes(), "table")[1]["escrow"]
    path = Path("exam.toml")
    changed = {
        "institution": "Lake University",
        "contact": "exams@lake.example",
        "recipients": [recipient("cleo"), recipient("dora")],
        "escrow.recipient": table["recipient"],
        "escrow.threshold": table["threshold"],
        "escrow.holders": table["holders"],
    }
    path.write_text(edit.set_values(path.read_text("utf-8"), changed), "utf-8")


def sit_the_exam(clip: Clip) -> None:
    """A case under the signed policy, with two sealed clips."""
    envelope = Path("exam.dsse").read_bytes()
    payload = sign.inspect(envelope)[0]
    policy = load.parse(payload, "exam")
    readers = [*policy.recipients, policy.escrow.recipient]
    consent = {
        "policy": {
            "id": policy.id,
            "version": policy.version,
            "sha256": hashlib.sha256(payload).hexdigest(),
        },
        "granted": {"camera": True, "microphone": True, "clips": True},
        "how": "all",
        "text_sha256": "0" * 64,
        "recipients": readers,
        "agent": {"name": "open-proctor", "version": "0"},
    }
    case = Case.create(
        Path("case"),
        policy_envelope=envelope,
        consent=consent,
        wall=lambda t: ANCHOR + timedelta(seconds=t),
    )
    for number in (1, 2):
        name, start = f"object.phone-{number:03d}", 10.0 * number
        what = {"id": name, "kind": "object.phone", "rule": "object.phone", "start": start}
        case.record("flag", {**what, "peak": 0.9, "why": "A phone was in view."}, start + 1)
        named = Clip(name, start - 1, start + 3, clip.mime, clip.data, clip.sha256)
        case.store(seal(named, readers), {"policy_sha256": "p"})
    case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    case.close()


def run(line: str) -> None:
    line = re.sub(r"\$\(cat (\S+)\)", lambda m: Path(m[1]).read_text("ascii").strip(), line)
    program, *words = shlex.split(line)
    assert program == "proctor"
    if ASKING.match(" ".join(words)):
        words += PINS
    assert main(words) == 0, line


def test_every_command_of_the_page_does_what_it_says(
    proctor_home: Path,
    tmp_path: Path,
    real_clip: Clip,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    Path("secret").write_text("four quiet boats drift\n" * 3)
    Path("secret").chmod(0o600)
    Path("public").mkdir()
    after: dict[str, Callable[[], None]] = {
        "proctor policy new": fill_in_the_policy,
        "proctor policy verify": lambda: sit_the_exam(real_clip),
    }
    told = {}
    for line in commands():
        run(line)
        told[line] = capsys.readouterr().out
        for begin, follow in after.items():
            if line.startswith(begin):
                follow()
    assert Path("clip.mp4").read_bytes() == real_clip.data
    assert [one.who for one in access.read(Path("case"))] == [
        "Cleo Hart",
        "Cleo Hart",
        "Dora Quinn",
        "Gus Vale",
        "Appeals office",
    ]
    assert {path.name for path in Path("public").iterdir()} >= {"root.toml", "revoked.dsse"}
    assert [check.code for check in verify(Path("case")) if not check.ok] == []
    (erase,) = (line for line in commands() if line.startswith("proctor case erase"))
    assert "held until 2199-12-31" in told[erase]
    assert (
        "Signed by two keys of the root file or more: 1 of 1."
        in told["proctor case verify case --root root.toml"]
    )
    plain = [p for p in tmp_path.rglob("*") if p.is_file() and b"AGE-SECRET-KEY" in p.read_bytes()]
    assert plain == [], "a secret key lies on the disk without a passphrase"
    assert keys.list_identities(Path("cleo"))[0].protected
