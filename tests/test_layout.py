"""The house rules that a reader would otherwise have to remember."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LONGEST_MODULE = 600
# A megabyte of text is a book; what is larger is a network, a recording or an accident.
LARGEST_FILE = 1_000_000
MEDIA = {
    ".onnx", ".pt", ".pth", ".tflite", ".task", ".bin", ".npz", ".npy", ".mdl", ".whl", ".zip", ".age",
    ".mp4", ".m4v", ".webm", ".mkv", ".avi", ".mov", ".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a",
    ".jpg", ".jpeg", ".gif", ".webp", ".bmp",
}  # fmt: skip
# Networks that this project's own scripts in models/train made; their cards say how and from what.
OURS = {"models/heads/wake_heads.npz"}
# Written in halves, so that this file does not contain what it looks for.
JUDGING = ["che" + "at", "viol" + "ation", "susp" + "icious"]
HOSTS = [
    "pypi" + ".org", "python" + "hosted.org", "npm" + "js.", "crates" + ".io",
    "deb.deb" + "ian.org", "download.py" + "torch.org", "ana" + "conda.org", "hugging" + "face.co",
    "artifact" + "-registry", "docker" + ".io", "ghcr" + ".io",
]  # fmt: skip
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-hub.lock")
MACHINE = ["/wo" + "rk/", "/ro" + "ot/", "/tmp/" + "bash"]  # noqa: S108


@cache
def files() -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git work tree, so nothing says which files belong to it")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


@cache
def texts() -> dict[str, str]:
    """Our own texts by path; the licence is not ours, and the lock files are a resolver's."""
    foreign = {"LICENSE", "packaging/build.lock", *LOCKS}
    found = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if (
            name not in foreign
            and path.suffix not in {".png", ".ico", ".pdf", ".mo"}
            and name not in OURS
        ):
            found[name] = path.read_text(encoding="utf-8")
    return found


def lines_with(
    words: list[str], pattern: str = "{}", flags: re.RegexFlag = re.IGNORECASE
) -> list[str]:
    """``file:line`` of every line with one of the words, for a failure that says where."""
    wanted = re.compile("|".join(pattern.format(re.escape(word)) for word in words), flags)
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_nobody_imports_what_they_may_not() -> None:
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program, "import-linter is not installed beside this Python"
    result = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout


def test_packaging_hides_no_library() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()


def test_no_test_folder_has_a_packages_name() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    folders = {path.parent.name for path in (ROOT / "tests").rglob("*.py")} - {"tests"}
    assert packages >= {"proctor", "detectors", "policies", "models", "ui"}
    assert not packages & folders


def test_no_text_judges_a_person() -> None:
    assert lines_with(JUDGING) == []


def test_no_text_names_a_package_registry_or_a_path_of_one_machine() -> None:
    assert lines_with(HOSTS) == []
    assert lines_with(MACHINE, r"(?<![\w.<>}}\])]){}") == []


def test_nothing_is_left_for_later() -> None:
    assert lines_with(["TO" + "DO", "FIX" + "ME", "NotImpl" + "emented"], r"\b{}", re.NOFLAG) == []


def test_no_network_recording_or_picture_is_in_the_repository() -> None:
    others = [path for path in files() if path.relative_to(ROOT).as_posix() not in OURS]
    assert [path for path in others if path.suffix.lower() in MEDIA] == []
    assert [path for path in others if path.stat().st_size > LARGEST_FILE] == []


def test_modules_stay_short() -> None:
    lengths = {name: text.count("\n") for name, text in texts().items() if name.endswith(".py")}
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE} == {}


def test_every_package_says_what_it_is() -> None:
    silent = [
        name
        for name, text in texts().items()
        if name.endswith(".py")
        and text.strip()
        and not text.lstrip("#! \n").startswith(('"""', 'r"""'))
    ]
    assert [name for name in silent if not name.startswith("tests/")] == []


def test_the_manifest_and_the_detectors_agree_on_who_needs_what() -> None:
    from models import registry
    from proctor.pipeline import plugins

    found = plugins.discover()
    named = {(model, plugin.name) for plugin in found.values() for model in plugin.models}
    told = {
        (model.name, detector)
        for model in registry.manifest().values()
        for detector in model.detectors
    }
    assert found.keys() >= {detector for _, detector in told}
    assert named <= told, "a plug-in needs a network that the manifest does not tell of"


def test_the_readme_begins_with_the_two_commands() -> None:
    readme = texts()["README.md"]
    assert "make run" in readme
    assert "make test" in readme


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_help_lists_every_habit() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for habit in ("help", "setup", "run", "test", "check", "bench"):
        assert re.search(rf"^{habit}:", listed.stdout, re.MULTILINE), habit


@pytest.mark.parametrize("script", ["packaging/setup.sh", "packaging/export-env.sh"])
@pytest.mark.skipif(not shutil.which("sh"), reason="sh is not installed")
def test_set_up_scripts_are_shell_that_parses(script: str) -> None:
    subprocess.run(["sh", "-n", script], cwd=ROOT, check=True)


def test_locks_hold_no_cuda_and_one_opencv() -> None:
    for name in LOCKS:
        text = (ROOT / name).read_text(encoding="utf-8")
        pinned = re.findall(r"^([a-z0-9._-]+)==", text, re.MULTILINE)
        assert "index-url" not in text
        assert len(pinned) > 30, name
        assert not [
            p for p in pinned if p.startswith(("nvidia", "torch", "ultralytics", "openvino"))
        ]
        assert [p for p in pinned if p.startswith("opencv")] == ["opencv-python-headless"]


def test_what_is_in_two_locks_is_the_same_in_both() -> None:
    pins = [
        dict(re.findall(r"^([a-z0-9._-]+)==([^ ]+)", (ROOT / name).read_text("utf-8"), re.M))
        for name in LOCKS
    ]
    run, dev, hub = pins
    assert hub.keys() >= {"fastapi", "uvicorn", "sqlalchemy", "psycopg-binary", "boto3"}
    assert not {name for name in hub if name.startswith(("pyside6", "pytest"))}
    for one in (run, hub):
        assert {name: dev.get(name) for name in one} == one
