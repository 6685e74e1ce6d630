"""The recipes for three systems: what can be checked of them here, for two of them run elsewhere."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import yaml

from policies.invitation import SCHEME, SUFFIX
from policies.texts import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
LINUX, WINDOWS, MAC = PACKAGING / "linux", PACKAGING / "windows", PACKAGING / "macos"
MIME = "application/vnd.open-proctor.invitation"
# Made by freeze.py, so they are in no fresh clone.
MADE = ("build/frozen", "build/stage", "dist")


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_macos_is_asked_for_camera_and_microphone_in_five_languages() -> None:
    info = plistlib.loads((MAC / "Info.plist").read_bytes())
    rights = plistlib.loads((MAC / "entitlements.plist").read_bytes())
    assert rights["com.apple.security.device.camera"] is True
    assert rights["com.apple.security.device.audio-input"] is True
    # Nothing that would let others' code in: no debugger, no foreign library.
    assert not any("disable-library-validation" in key or "get-task-allow" in key for key in rights)
    assert set(info["CFBundleLocalizations"]) == set(LANGUAGES)
    asked = {key for key in info if key.endswith("UsageDescription")}
    assert asked == {"NSCameraUsageDescription", "NSMicrophoneUsageDescription"}
    for lang in LANGUAGES:
        strings = text(MAC / f"{lang}.lproj" / "InfoPlist.strings")
        found = dict(re.findall(r'^"(\w+)" = "([^"\\]+)";$', strings, re.MULTILINE))
        assert found.keys() == asked, lang
        if lang == "en":
            assert found == {key: info[key] for key in asked}


def test_every_system_opens_an_invitation_by_file_and_by_link() -> None:
    scheme, ending = SCHEME.rstrip(":"), SUFFIX.lstrip(".")
    info = plistlib.loads((MAC / "Info.plist").read_bytes())
    assert info["CFBundleURLTypes"][0]["CFBundleURLSchemes"] == [scheme]
    (kind,) = info["UTExportedTypeDeclarations"]
    assert kind["UTTypeTagSpecification"]["public.filename-extension"] == [ending]
    assert info["CFBundleDocumentTypes"][0]["LSItemContentTypes"] == [kind["UTTypeIdentifier"]]
    desktop = text(LINUX / "org.open_proctor.Student.desktop")
    assert f"MimeType={MIME};x-scheme-handler/{scheme};" in desktop
    names = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    tree = ElementTree.parse(LINUX / "open-proctor.xml")  # noqa: S314 - our own file
    (entry,) = tree.findall("m:mime-type", names)
    assert entry.get("type") == MIME
    assert [glob.get("pattern") for glob in entry.findall("m:glob", names)] == [f"*{SUFFIX}"]
    registry = text(WINDOWS / "open-proctor.iss")
    assert f"Software\\Classes\\{SUFFIX}" in registry
    assert f"Software\\Classes\\{scheme}\\shell\\open\\command" in registry


def test_the_desktop_reads_the_same_languages_everywhere() -> None:
    desktop = text(LINUX / "org.open_proctor.Student.desktop")
    translated = set(LANGUAGES) - {"en"}
    for key in ("GenericName", "Comment"):
        assert set(re.findall(rf"^{key}\[(\w+)\]=", desktop, re.MULTILINE)) == translated
    script = text(WINDOWS / "open-proctor.iss")
    assert set(re.findall(r'^Name: "(\w+)"; MessagesFile', script, re.MULTILINE)) == set(LANGUAGES)
    messages = re.findall(r"^(\w+)\.(\w+)=.+$", script, re.MULTILINE)
    for name in {name for _, name in messages}:
        assert {lang for lang, of in messages if of == name} == set(LANGUAGES), name
        assert f"{{cm:{name}}}" in script or f"CustomMessage('{name}')" in script


def test_the_windows_script_is_whole() -> None:
    script = text(WINDOWS / "open-proctor.iss")
    sections = re.findall(r"^\[(\w+)\]$", script, re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert {"Setup", "Files", "Icons", "Registry", "Code"} <= set(sections)
    parts_of = re.split(r"^\[\w+\]$", script, flags=re.MULTILINE)[1:]
    body = dict(zip(sections, parts_of, strict=True))
    for line in body["Setup"].splitlines():
        assert not line or re.match(r"^(;|#|\w+=)", line), line
    for section in ("Languages", "Tasks", "Files", "Icons", "Registry", "Run"):
        for line in filter(None, body[section].splitlines()):
            parts = re.findall(r'(\w+): ("(?:[^"]|"")*"|[^";]+)(?:; |$)', line)
            assert "; ".join(f"{key}: {value}" for key, value in parts) == line, line
    # Only keys that end with the program's own removal.
    assert "uninsdeletekey" in body["Registry"]
    assert body["Code"].count("begin") == len(re.findall(r"\bend\b", body["Code"]))
    for named in re.findall(r"\{#Root\}\\([^\s\"*]+)", script):
        path = named.replace("\\", "/").rstrip("/")
        assert path.startswith(MADE) or (ROOT / path).exists(), named


def test_every_file_that_a_recipe_names_is_here() -> None:
    named = set()
    for recipe in (
        MAC / "build.sh", WINDOWS / "build.ps1", PACKAGING / "frozen/open-proctor.spec", ROOT / "Makefile",
        ROOT / ".github/workflows/packages.yml", PACKAGING / "linux_packages.py", PACKAGING / "setup.sh",
    ):  # fmt: skip
        named |= set(re.findall(r"packaging[/\\][\w./\\-]+\.\w+", text(recipe)))
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name.replace("\\", "/")).is_file()] == []
    for name in re.findall(r'filled\(\s*"([^"{]+)"', text(PACKAGING / "linux_packages.py")):
        assert (LINUX / name).is_file(), name


def test_versions_are_those_of_the_project() -> None:
    from importlib.metadata import version

    number = version("open-proctor")
    assert plistlib.loads((MAC / "Info.plist").read_bytes())["CFBundleVersion"] == number
    facts = text(WINDOWS / "version.txt")
    assert set(re.findall(r"'(?:File|Product)Version', '([^']+)'", facts)) == {number}
    assert f"filevers=({', '.join([*number.split('.'), '0'])})" in facts
    compile(facts, "version.txt", "eval")
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    wheels = {
        found for page in pages for found in re.findall(r"open_proctor-([\d.]+)-py3", text(page))
    }
    assert wheels == {number}


def test_the_workflow_runs_what_is_here() -> None:
    flow = yaml.safe_load(text(ROOT / ".github/workflows/packages.yml"))
    assert flow["jobs"].keys() == {"networks", "linux", "windows", "macos"}
    habits = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    lines = [step["run"] for job in flow["jobs"].values() for step in job["steps"] if "run" in step]
    asked = {habit for line in lines for habit in re.findall(r"\bmake (?!&)([a-z][a-z-]+)", line)}
    asked -= {"make"}
    assert {"package", "package-test", "package-setup"} <= asked <= habits
    for job in flow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            # What somebody else can exchange under a name is no fixed part of a package.
            assert "run" in step or re.search(r"@[0-9a-f]{40}$", step["uses"]), step


def test_the_program_is_packed_without_what_students_never_need() -> None:
    spec = text(PACKAGING / "frozen/open-proctor.spec")
    compile(spec, "open-proctor.spec", "exec")
    left_out = set(re.findall(r'"([\w.]+)"', spec.partition("LEFT_OUT = [")[2].partition("]")[0]))
    import tomllib

    project = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    for extra in ("evaluate", "cluster"):
        for need in project[extra]:
            name = re.match(r"[\w-]+", need)
            assert name is not None
            module = {"scikit-learn": "sklearn"}.get(name[0], name[0])
            assert module in left_out, module


@pytest.mark.skipif(os.name != "posix", reason="shell scripts are read by a shell")
def test_shell_scripts_parse() -> None:
    for script in (MAC / "build.sh", LINUX / "AppRun", PACKAGING / "setup.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)


@pytest.mark.skipif(
    not shutil.which("desktop-file-validate"), reason="desktop-file-utils is not here"
)
def test_the_desktop_file_is_valid() -> None:
    done = subprocess.run(
        ["desktop-file-validate", str(LINUX / "org.open_proctor.Student.desktop")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("appstreamcli"), reason="appstream is not here")
def test_the_metainfo_is_valid(tmp_path: Path) -> None:
    filled = text(LINUX / "org.open_proctor.Student.metainfo.xml")
    page = tmp_path / "org.open_proctor.Student.metainfo.xml"
    page.write_text(
        filled.replace("@VERSION@", "0.1.0").replace("@DATE@", "2026-01-01"), encoding="utf-8"
    )
    done = subprocess.run(
        ["appstreamcli", "validate", "--no-net", str(page)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="paths of desktops")
def test_an_invitation_by_its_address_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PACKAGING / "frozen"))
    import door

    assert door.as_path("file:///home/x/My%20exam.proctor") == "/home/x/My exam.proctor"
    assert door.as_path("open-proctor:abc") == "open-proctor:abc"


def test_a_double_click_opens_the_window_and_words_stay_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(PACKAGING / "frozen"))
    import door

    assert door.words_of_window([]) == ["exam"]
    assert door.words_of_window(["open-proctor:abc"]) == ["exam", "open-proctor:abc"]
    assert door.words_of_window(["institution"]) == ["institution"]
    assert door.words_of_window(["review", "case1"]) == ["review", "case1"]


def test_packing_takes_nothing_of_ours_for_a_part_of_qt() -> None:
    spec = text(PACKAGING / "frozen/open-proctor.spec")
    unused = spec.partition("UNUSED = (")[2].partition("\n)")[0]
    names: dict[str, object] = {"OURS": ("proctor", "policies"), "LANGUAGES": LANGUAGES}
    body = "def is_used" + spec.partition("def is_used")[2].partition("\n\n\n")[0]
    exec(f"UNUSED = ({unused})\n{body}", names)  # noqa: S102 - our own recipe
    is_used = names["is_used"]
    assert callable(is_used)
    # The name of a platform of Qt's is also that of a policy.
    assert is_used(("policies/presets/minimal.toml",))
    assert not is_used(("PySide6/Qt/plugins/platforms/libqminimal.so",))
