"""Bad input ends in one clear sentence and the right exit code, and loses nothing that was sealed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from policies import load
from proctor.cli.main import main
from proctor.evidence.disk import RESERVE_BYTES

STANDARD = load.read("standard")[1].decode()


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def tone(tmp_path_factory) -> Path:
    """Two seconds of tone, no picture: the quickest thing that can be replayed."""
    path = tmp_path_factory.mktemp("tone") / "tone.wav"
    write_sound(path, 2.0)
    return path


@pytest.fixture(scope="module")
def light_policy(tmp_path_factory) -> Path:
    """A policy that needs no network: light and the camera itself."""
    path = tmp_path_factory.mktemp("policy") / "light.toml"
    path.write_text(policy_for("lighting", "camera"), encoding="utf-8")
    return path


def policy_for(*detectors: str) -> str:
    """The standard policy with only some detectors and their rules."""
    kinds = {"lighting": "light.", "camera": "camera.", "speech": "speech.voice"}
    blocks = STANDARD.split("\n\n")
    kept = []
    for block in blocks:
        head = next((line for line in block.splitlines() if line.startswith("[")), "")
        if head.startswith("[detectors.") and head[11:-1] not in detectors:
            continue
        if head.startswith("[rules.") and not any(kinds[d] in head for d in detectors):
            continue
        kept.append(block)
    return "\n\n".join(kept)


def write_sound(path: Path, seconds: float, rate: int = 16_000) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=rate, layout="mono")
        t = np.arange(int(seconds * rate)) / rate
        samples = (3000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        file.mux(stream.encode(frame))
        file.mux(stream.encode())


def write_video(path: Path, frames: int, size: tuple[int, int] = (320, 240)) -> Path:
    rng = np.random.default_rng(5)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        ramp = np.linspace(40, 200, size[0], dtype=np.int16)[None, :, None]
        for _ in range(frames):
            noise = rng.normal(0, 3, (size[1], size[0], 3))
            picture = np.clip(ramp + noise, 0, 255).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(stream.encode())
    return path


def replay(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["replay", *arguments, "--consent", "all", "--quiet"])
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("proctor: ")]
    return code, captured.out, errors[0] if errors else ""


def text(path: Path) -> None:
    path.write_text("this is no film\n" * 50)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(50_000))


def header_only(path: Path) -> None:
    whole = path.with_name("whole.mp4")
    write_video(whole, 20)
    path.write_bytes(whole.read_bytes()[:600])


@pytest.mark.parametrize("spoil", [text, empty, noise, header_only])
def test_what_is_no_recording_is_refused(capsys, tmp_path, light_policy, spoil: Callable):
    path = tmp_path / "exam.mp4"
    spoil(path)
    code, _, sentence = replay(capsys, str(path), "--policy", str(light_policy), "--case", "case")
    assert code == 2
    assert "exam.mp4" in sentence
    assert sentence.count("\n") == 0


def test_a_missing_recording_or_a_folder_is_refused(capsys, tmp_path, light_policy):
    for name in ("nothing.mp4", "."):
        code, _, sentence = replay(capsys, name, "--policy", str(light_policy), "--case", "case")
        assert code == 2
        assert name in sentence


def test_sound_alone_runs_and_says_what_was_not_measured(capsys, tone, light_policy, tmp_path):
    code, out, _ = replay(
        capsys, str(tone), "--policy", str(light_policy), "--case", "case", "--json"
    )
    assert code == 0
    assert "the recording has no picture" in out


def test_pictures_alone_run(capsys, tmp_path, light_policy):
    path = write_video(tmp_path / "silent.mp4", 30)
    code, out, _ = replay(
        capsys, str(path), "--policy", str(light_policy), "--case", "case", "--json"
    )
    assert code == 0
    assert '"frames_seen": 30' in out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('[rules."light.dim"]', '[rules."light.purple"]'), "unknown kind 'light.purple'"),
        (("min_s = 3.0", "min_s = -3.0"), "min_s"),
        (("version = 1", "version = "), "not valid TOML"),
        (("recipients = []", 'recipients = ["ssh-rsa AAAA"]'), "recipients"),
    ],
)
def test_a_wrong_policy_stops_before_consent(capsys, tone, light_policy, tmp_path, change, words):
    wrong = tmp_path / "wrong.toml"
    before = light_policy.read_text()
    assert change[0] in before
    wrong.write_text(before.replace(*change, 1))
    code, _, sentence = replay(capsys, str(tone), "--policy", str(wrong), "--case", "case")
    assert code == 2
    assert words in sentence
    assert not Path("case").exists()


@pytest.mark.parametrize("key", ["age1short", "hello", "AGE-SECRET-KEY-1QQQ", "age1" + "q" * 58])
def test_a_recipient_that_is_no_key_is_refused(capsys, tone, light_policy, key):
    code, _, sentence = replay(
        capsys, str(tone), "--policy", str(light_policy), "--case", "case", "--recipient", key
    )
    assert code == 2
    assert sentence
    assert not Path("case").exists()


def test_a_case_folder_that_is_a_file_or_is_full_of_something_else_is_refused(
    capsys, tone, light_policy, tmp_path
):
    Path("afile").write_text("x")
    code, _, sentence = replay(
        capsys, str(tone), "--policy", str(light_policy), "--case", "afile/case"
    )
    assert code in (2, 3)
    assert "afile" in sentence
    Path("full").mkdir()
    Path("full/letter.txt").write_text("keep me")
    code, _, sentence = replay(capsys, str(tone), "--policy", str(light_policy), "--case", "full")
    assert code == 2
    assert "full" in sentence
    assert Path("full/letter.txt").read_text() == "keep me"


def test_a_finished_case_is_not_overwritten(capsys, tone, light_policy):
    assert replay(capsys, str(tone), "--policy", str(light_policy), "--case", "case")[0] == 0
    journal = Path("case/journal.jsonl").read_bytes()
    code, _, sentence = replay(capsys, str(tone), "--policy", str(light_policy), "--case", "case")
    assert code == 2
    assert "case" in sentence
    assert Path("case/journal.jsonl").read_bytes() == journal
    assert main(["case", "verify", "case"]) == 0


def test_two_agents_on_one_case_are_refused(capsys, tone, light_policy, tmp_path):
    from policies.consent import accept_all
    from proctor.session.plan import make_plan
    from proctor.session.session import Session, choose_recipients

    plan = make_plan(str(light_policy))
    with Session(
        plan, accept_all(plan.policy), Path("case"), recipients=choose_recipients(plan, [])
    ):
        done = subprocess.run(
            [sys.executable, "-m", "proctor.cli.main", "replay", str(tone), "--policy",
             str(light_policy), "--case", "case", "--consent", "all"],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "case" in done.stderr


def test_a_case_edited_by_hand_is_noticed_and_named(capsys, tone, light_policy):
    replay(capsys, str(tone), "--policy", str(light_policy), "--case", "case")
    journal = Path("case/journal.jsonl")
    journal.write_bytes(journal.read_bytes().replace(b'"camera":true', b'"camera":null', 1))
    code = main(["case", "verify", "case"])
    assert code == 1
    assert "NO" in capsys.readouterr().out.upper()


def test_a_disk_that_fills_keeps_what_was_sealed_and_goes_on_without_clips(
    capsys, tmp_path, light_policy, monkeypatch
):
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("making a small disk needs Linux and root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={RESERVE_BYTES + 700_000}", "tmpfs", str(disk)],
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        path = covered_video(tmp_path / "covered.mp4")
        code, _, _ = replay(
            capsys, str(path), "--policy", str(light_policy), "--case", str(disk / "case")
        )
        assert code == 0
        records = [
            json.loads(line) for line in (disk / "case" / "journal.jsonl").read_text().splitlines()
        ]
        left_out = [r["data"]["why"] for r in records if r["type"] == "clip.skipped"]
        assert left_out
        assert all("free on the disk" in why for why in left_out)
        assert any("There is room for" in str(r["data"]) for r in records)
        whole = [p for p in (disk / "case" / "clips").iterdir() if p.suffix == ".age"]
        assert whole, "the disk was full before anything was sealed, so nothing was shown"
        for clip in whole:
            assert clip.read_bytes().startswith(b"age-encryption.org/v1")
        assert records[-1]["type"] == "session.ended"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def covered_video(path: Path) -> Path:
    """A noisy room whose light goes out and on again and again: many flags, many clips."""
    rng = np.random.default_rng(9)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10, options={"crf": "18", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        for i in range(900):
            level = 0.03 if i // 150 % 2 else 1.0
            picture = rng.normal(120 * level, 3 * level + 1, (480, 640, 3))
            picture += 60 * level * np.sin(np.arange(640) / 40)[None, :, None]
            data = np.clip(picture, 0, 255).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(data, format="bgr24")))
        file.mux(stream.encode())
    return path


def test_no_terminal_to_ask_on_is_said_before_anything_starts(tone, light_policy):
    done = subprocess.run(
        [sys.executable, "-m", "proctor.cli.main", "replay", str(tone), "--policy",
         str(light_policy), "--case", "case"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--consent" in done.stderr
    assert not Path("case").exists()


def test_a_required_network_that_is_missing_stops_before_consent(tmp_path, tone, monkeypatch):
    done = subprocess.run(
        [sys.executable, "-m", "proctor.cli.main", "replay", str(tone), "--policy", "standard",
         "--case", "case"],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=os.environ | {"PROCTOR_CACHE": str(tmp_path / "nothing")},
    )  # fmt: skip
    assert done.returncode == 3
    assert "proctor models install" in done.stderr
    assert not Path("case").exists()


def test_consent_is_asked_purpose_by_purpose_on_a_terminal(tmp_path, tone, light_policy):
    if shutil.which("script") is None:
        pytest.skip("the program script, which makes a terminal, is not installed")
    command = (
        f"{sys.executable} -m proctor.cli.main replay {tone} --policy {light_policy} --case case"
    )
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"],
        input="maybe\naccept\naccept\ndecline\n",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("accept or decline?") == 4
    assert "Please type accept or decline." in done.stdout
    record = Path("case/journal.jsonl").read_text().splitlines()[0]
    assert '"granted":{"camera":true,"microphone":true,"clips":false}' in record
