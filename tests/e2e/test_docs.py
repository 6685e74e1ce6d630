"""Every ``proctor`` command that a page shows is a command, and does what it does without a complaint.

``docs/keys.md`` and ``docs/plugins.md`` are stories whose commands need each other; they have tests of
their own (``test_keys_page.py``, ``test_example_plugin.py``). What opens a window, waits for a person
or serves for ever is parsed here, and run where the table below says.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from policies import edit
from proctor.cli.main import build_parser, main
from proctor.evidence import keys
from proctor.session import made_recording

ROOT = Path(__file__).resolve().parents[2]
STORIES = {"docs/keys.md", "docs/plugins.md"}
SECRET = ["--passphrase-file", "secret"]
# What cannot run here by itself, and the test that does run it.
ELSEWHERE = {
    r"demo\b": "tests/e2e/test_demo.py",
    r"exam-page\b": "tests/e2e/test_exam_page_browser.py",
    r"exam .*--calibrate": "tests/unit/test_calibrate.py",
    r"exam .*--(terminal|policy|case)": "tests/e2e/test_exam_terminal.py",
    r"exam\b": "tests/gui/test_student_way.py",
    r"institution\b": "tests/gui/test_institution_way.py",
    r"my-data\b": "tests/unit/test_my_data.py",
    r"room-scan --camera": "tests/unit/test_room_scan.py",
    r"room-scan --from": "tests/unit/test_sweep.py",
    r"case send\b": "tests/faults/test_outbox.py",
    r"hub staff\b": "tests/contract/test_staff_requests.py",
    r"hub (serve|invite)\b": "tests/e2e/test_hub_commands.py",
    r"evaluate\b": "tests/e2e/test_evaluate_command.py",
    r"evaluate-faces\b": "tests/unit/test_evaluate_stills.py",
    r"dataset (check|augment|label)\b": "tests/e2e/test_evaluate_command.py",
    r"review\b": "tests/gui/test_console.py",
}
# A placeholder in a page, and what stands for it here.
STANDS_FOR = {
    "CASE": "case1", "POLICY": "standard", "FILE|PRESET": "standard", "OLD": "old.toml",
    "NEW": "new.toml", "KEYFILE": "office/rector.pem", "DIR": "public",
    "PLACE": "us", "RECORDING": "exam.mp4", "object.phone-001": "camera.covered-001",
    "40": "20",
}  # fmt: skip
# Answers besides 0 that belong to what is shown: code, and why.
ANSWERS = {
    r"doctor\b": (3, "no camera may be plugged in"),
}


def pages() -> list[str]:
    """Every page with commands, by its place in the project."""
    found = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")]
    names = [path.relative_to(ROOT).as_posix() for path in found]
    return sorted(name for name in names if name not in STORIES and commands(name))


def commands(page: str) -> list[str]:
    """The commands of a page without what is said about them, in order, each once."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r" *\\\n *", " ", text)  # a command on two lines
    fenced = "\n".join(re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    shown = re.findall(r"^(?: {4}|\$ )(proctor .*)$", text, re.MULTILINE)
    shown += re.findall(r"^(?:\$ )?(proctor .*)$", fenced, re.MULTILINE)
    bare = [re.split(r"\s{2,}|\s#\s|\s…", line)[0].strip() for line in shown]
    return list(dict.fromkeys(re.sub(r"\s*\[[^]]*\]", "", line) for line in bare))


def words(command: str) -> list[str]:
    return [STANDS_FOR.get(word, word) for word in shlex.split(command)[1:]]


def in_place(word: str) -> str:
    """The key of the attempt, which each case has of its own."""
    return Path("attempt.pub").read_text("ascii") if word == "KEY" else word


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the pages name: recording, policies, keys, a case."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("docs")
    patch.setenv("PROCTOR_HOME", str(folder / "home"))
    patch.chdir(folder)
    made_recording.make(folder).rename("exam.mp4")
    Path("secret").write_text("four unrelated words here\n", encoding="utf-8")
    Path("secret").chmod(0o600)
    for name in ("exam", "old", "new", "last-term", "p"):
        assert main(["policy", "new", "--preset", "standard", name]) == 0
    named = {
        "institution": "Lake University",
        "contact": "exams@lake.example",
        "recipients": [keys.new_identity("reader").recipient],
    }
    exam = Path("exam.toml")
    exam.write_text(edit.set_values(exam.read_text("utf-8"), named), "utf-8")
    assert main(["keys", "new", "rector", "--signing", "--dir", "office", *SECRET]) == 0
    root = ["--institution", "Lake University", "--key", "office/rector.pub"]
    assert main(["policy", "root", "new", *root]) == 0
    shutil.copy("exam.toml", "p.toml")
    for name in ("exam", "p"):
        sign = ["policy", "sign", f"{name}.toml", "--key", "office/rector.pem", *SECRET]
        assert main(sign) == 0
    rules = ["--policy", "exam.dsse", "--root", "root.toml", "--consent", "all"]
    assert main(["replay", "exam.mp4", "--case", "case1", "--json", *rules]) == 0
    lines = Path("case1/journal.jsonl").read_text("utf-8").splitlines()
    Path("line.json").write_text(lines[16], "utf-8")
    public = json.loads(lines[0])["data"]["public_key"]
    Path("attempt.pub").write_text(public, "ascii")
    hub = {"name": "hub.lake.example/log", "public_key": public}
    Path("hub.json").write_text(json.dumps(hub), "ascii")
    Path("public").mkdir()
    patch.undo()
    return folder


@pytest.mark.parametrize("page", pages())
def test_what_a_page_shows_is_a_command(page: str) -> None:
    parser = build_parser()
    for command in commands(page):
        try:
            parser.parse_args(words(command))
        except SystemExit as end:
            pytest.fail(f"{page}: {command} (code {end.code})")


def test_what_runs_elsewhere_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert [name for name in ELSEWHERE.values() if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", pages())
def test_what_a_page_shows_runs(
    page: str,
    prepared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = tmp_path / "work"
    shutil.copytree(prepared, work)
    monkeypatch.setenv("PROCTOR_HOME", str(work / "home"))
    monkeypatch.chdir(work)
    for command in commands(page):
        said = [in_place(word) for word in words(command)]
        line = " ".join(said)
        if any(re.match(pattern, line) for pattern in ELSEWHERE):
            continue
        if re.match(r"policy sign|keys new .*--signing", line):
            said += SECRET
        made = [said[at + 1] for at, word in enumerate(said) if word in ("--to", "--out", "--case")]
        for name in made:
            gone = work / name
            if gone.is_dir():
                shutil.rmtree(gone) if name.startswith("case") else None
            else:
                gone.unlink(missing_ok=True)
        also = next((code for p, (code, _) in ANSWERS.items() if re.match(p, line)), 0)
        fresh = work / f"{said[-1]}.toml"
        if line.startswith("policy new"):
            fresh.unlink(missing_ok=True)
        if line.startswith("policy sign"):
            (work / said[2]).with_suffix(".dsse").unlink()
        code = main(said)
        if line.startswith("policy new"):
            # A person fills it in, as was done for the pages' other commands.
            shutil.copy(prepared / fresh.name, fresh)
        told = capsys.readouterr()
        assert code in (0, also), f"{page}: {command}\n{told.out[-1500:]}{told.err[-1500:]}"


def test_scripts_and_habits_that_pages_name_are_there() -> None:
    shown = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in shown)
    scripts = set(re.findall(r"\bpython ((?:benchmarks|packaging|tests)/[\w/]+\.py)", text))
    habits = set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert len(scripts) > 10
    assert [name for name in sorted(scripts) if not (ROOT / name).is_file()] == []
    assert [name for name in sorted(habits) if f"\n{name}:" not in makefile] == []


def test_every_decision_stands_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    records = {path.name for path in folder.glob("[0-9]*.md")}
    assert set(re.findall(r"\(([0-9][^)]*\.md)\)", listed)) == records
