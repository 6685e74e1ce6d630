"""From a recording to an opened clip through the public commands, on real faces and real speech."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from proctor.cli.main import main

FPS = 10
NETWORKS = ("face_landmarker", "yunet", "yolo11n", "silero_vad")


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch, model):
    """Keys and attempts of these tests are their own; the networks must be here."""
    for name in NETWORKS:
        model(name)
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main([*arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def replay(capsys, recording: Path, case: str = "case", *more: str, consent: str = "all"):
    code, out, err = run(
        capsys, "replay", str(recording), "--case", case, "--consent", consent, "--json", *more
    )
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    return lines[:-1], lines[-1]["summary"]


def write_recording(path: Path, pictures, sound=None) -> Path:
    """An MP4 of 640×480 pictures at 10 a second, with sound at 16 kHz."""
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
        audio = None
        if sound is not None:
            audio = file.add_stream("aac", rate=16_000, layout="mono")
        for picture in pictures:
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        file.mux(video.encode())
        if audio is not None:
            frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
            frame.sample_rate = 16_000
            file.mux(audio.encode(frame))
            file.mux(audio.encode())
    return path


def room() -> np.ndarray:
    """A wall with a window and a shelf: nobody and nothing of interest, but not a blank picture."""
    y, x = np.mgrid[0:480, 0:640]
    picture = np.stack([120 + x // 12, 135 + y // 14, 150 - x // 14], axis=-1).astype(np.uint8)
    picture[60:230, 30:150] = (225, 215, 190)
    picture[60:230, 88:92] = picture[143:147, 30:150] = (90, 95, 100)
    picture[300:312, 420:640] = (60, 80, 110)
    for i in range(9):
        picture[230 + i * 3 : 300, 440 + i * 20 : 456 + i * 20] = (70 + i * 15, 60, 140 - i * 12)
    return picture


ROOM = room()


def astronaut_scene(index: int, where: str, rng) -> np.ndarray:
    """Eileen Collins before her desk (a NASA photograph), elsewhere, or twice; nobody sits quite still."""
    from skimage import data

    face = data.astronaut()[:400, 60:380, ::-1]
    picture = ROOM.copy()
    spots = {"here": [160], "gone": [], "twice": [0, 320]}[where]
    for x in spots:
        sway = round(10 * np.sin(index / 7 + x))
        x = min(max(x + sway, 0), 320)
        picture[80:480, x : x + 320] = face
    noisy = picture.astype(np.int16) + rng.normal(0, 2, picture.shape).astype(np.int16)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def speech(text: str, seconds: float) -> np.ndarray:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed (make setup installs it)")
    wav = subprocess.run(
        ["espeak-ng", "-v", "en-us", "--stdout", text], capture_output=True, check=True
    ).stdout
    import io

    samples = []
    with av.open(io.BytesIO(wav)) as file:
        resampler = av.AudioResampler("s16", "mono", 16_000)
        for frame in file.decode(audio=0):
            samples += [f.to_ndarray().ravel() for f in resampler.resample(frame)]
        samples += [f.to_ndarray().ravel() for f in resampler.resample(None)]
    voice = np.concatenate(samples)
    whole = np.random.default_rng(3).normal(0, 20, int(seconds * 16_000)).astype(np.int16)
    start = 16_000
    whole[start : start + len(voice)] += voice[: len(whole) - start]
    return whole


@pytest.fixture(scope="module")
def exam(tmp_path_factory) -> Path:
    """Twenty-four seconds: a face, nobody, a face, two faces; somebody speaks at the start."""
    rng = np.random.default_rng(1)
    scenes = ["here"] * 50 + ["gone"] * 80 + ["here"] * 30 + ["twice"] * 60 + ["here"] * 20
    text = "Now read the first question aloud and then tell me slowly what the answer could be."
    return write_recording(
        tmp_path_factory.mktemp("exam") / "exam.mp4",
        (astronaut_scene(i, scene, rng) for i, scene in enumerate(scenes)),
        speech(text, len(scenes) / FPS),
    )


def test_from_recording_to_opened_clip(capsys, tmp_path, exam):
    flags, summary = replay(capsys, exam)
    by_kind = {flag["kind"]: flag for flag in flags}
    assert {"face.absent", "face.several", "speech.voice"} <= set(by_kind)
    absent = by_kind["face.absent"]
    assert absent["start"] == pytest.approx(5.0, abs=0.7)
    assert absent["end"] == pytest.approx(13.0, abs=0.7)
    assert absent["why"].startswith("No face was in view for ")
    # A second face has to move like a living one before it counts (a poster does not).
    assert 16.0 <= by_kind["face.several"]["start"] <= 19.5
    assert summary["seconds"] == pytest.approx(24.0, abs=0.3)
    assert summary["frames_seen"] == 240
    assert summary["clips"] == len(flags)
    assert summary["real_time_factor"] > 0
    assert set(summary["cpu_s"]) >= {"decode", "clips", "faces", "objects", "total"}

    code, out, _ = run(capsys, "case", "verify", "case")
    assert code == 0, out
    code, out, _ = run(capsys, "case", "show", "case", "--json")
    shown = json.loads(out)
    assert sorted(f["kind"] for f in shown["flags"]) == sorted(f["kind"] for f in flags)

    flag_id = next(f["id"] for f in shown["flags"] if f["kind"] == "face.absent")
    code, out, err = run(
        capsys, "case", "open", "case", flag_id, "--to", "clip.mp4", "--reason", "A test."
    )
    assert code == 0, err
    with av.open("clip.mp4") as clip:
        assert {s.type for s in clip.streams} == {"video", "audio"}
        pictures = [f.to_ndarray(format="rgb24") for f in clip.decode(video=0)]
    # 5 s before, 8 s of absence, 3 s after
    assert len(pictures) / FPS == pytest.approx(16.0, abs=1.2)
    middle = pictures[len(pictures) // 2]
    assert middle[80:480, 160:480].std() < 25  # nobody there
    assert pictures[0][80:480, 160:480].std() > 25  # she was there before


def test_the_page_holds_pictures_only_for_who_has_the_key(capsys, exam):
    replay(capsys, exam)
    code, _, err = run(capsys, "case", "show", "case", "--html", "page.html")
    assert code == 0, err
    page = Path("page.html").read_text(encoding="utf-8")
    assert "No face was in view for" in page
    assert "data:image" not in page
    code, _, err = run(capsys, "case", "show", "case", "--html", "seen.html", "--identity", "demo")
    assert code == 0, err
    assert "data:image/jpeg" in Path("seen.html").read_text(encoding="utf-8")
    code, _, _ = run(capsys, "keys", "new", "stranger", "--dir", "keys")
    assert code == 0
    stranger = next(Path("keys").iterdir())
    code, out, err = run(
        capsys, "case", "open", "case", "face.absent-001", "--identity", str(stranger)
    )
    assert code == 1
    assert "age1" in out + err


def test_what_was_declined_is_not_captured(capsys, exam):
    Path("consent.toml").write_text("[consent]\ncamera = false\nmicrophone = true\nclips = false\n")
    flags, summary = replay(capsys, exam, consent="consent.toml")
    assert {flag["kind"] for flag in flags} == {"speech.voice"}
    assert summary["frames_seen"] == 0
    assert summary["clips"] == 0
    assert summary["not_measured_s"]["face.absent"] == pytest.approx(24.0, abs=0.3)
    assert list(Path("case/clips").iterdir()) == []


def test_nothing_starts_when_every_sensor_is_declined(capsys, exam):
    Path("consent.toml").write_text(
        "[consent]\ncamera = false\nmicrophone = false\nclips = false\n"
    )
    code, _, err = run(capsys, "replay", str(exam), "--case", "case", "--consent", "consent.toml")
    assert code == 2
    assert "nothing was recorded" in err
    assert not Path("case").exists()


def test_the_same_recording_gives_the_same_flags_twice(capsys, exam):
    first, _ = replay(capsys, exam, "one")
    second, _ = replay(capsys, exam, "two")
    assert first == second


def test_no_file_ever_holds_plaintext_media(capsys, tmp_path, monkeypatch, exam):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    replay(capsys, exam)
    code, _, err = run(
        capsys,
        "case",
        "open",
        "case",
        "face.absent-001",
        "--to",
        "plain.mp4",
        "--reason",
        "A test.",
    )
    assert code == 0, err
    plain = Path("plain.mp4").read_bytes()
    at = plain.index(b"mdat") + 4
    canaries = [plain[at + k : at + k + 24] for k in range(64, 20_000, 997)]
    Path("plain.mp4").unlink()
    searched = 0
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            searched += 1
            assert b"moof" not in data, path
            assert not any(canary in data for canary in canaries), path
    assert searched >= 6


def _python(script: str, *wrapper: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [*wrapper, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


# Libraries that report usage do so some seconds after they were first used: stay that long.
REPLAY = (
    "import sys, time; from proctor.cli.main import main; "
    "code = main(['replay', r'{exam}', '--case', 'quiet', '--consent', 'all', '--json']); "
    "time.sleep(20); sys.exit(code)"
)


def test_a_whole_replay_with_the_network_denied_succeeds(exam):
    if sys.platform != "linux" or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        pytest.skip("this machine lets nobody make an empty network (needs Linux and root)")
    done = _python(REPLAY.format(exam=exam), "unshare", "-n")
    assert done.returncode == 0, done.stderr
    assert '"summary"' in done.stdout


def test_a_whole_replay_attempts_no_connection(exam, tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (make test installs it where it may)")
    log = tmp_path / "connections.txt"
    done = _python(
        REPLAY.format(exam=exam),
        "strace", "-f", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg", "-o", str(log),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    attempts = [
        line
        for line in log.read_text().splitlines()
        if "AF_INET" in line or "sin_port" in line or "sin6_port" in line
    ]
    assert attempts == []
