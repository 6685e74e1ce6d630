"""Hostile media against what opens clips and recordings: nothing crashes, hangs or grows without end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from proctor.evidence import clip
from proctor.evidence.apart import Apart
from proctor.evidence.clip import ClipError

HERE = Path(__file__).parent
# More where asked: about 10 s for every hundred.
MUTATIONS = int(os.environ.get("PROCTOR_MUTATIONS", "12"))
MOST_S = 5.0
MOST_BYTES = 300_000_000
LINUX = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is read from /proc"
)


def peak(pid: int) -> int:
    """Most bytes that a process ever had in memory."""
    status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def cpu(pid: int) -> float:
    """Seconds that a process has computed: a busy machine does not make them more."""
    after = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(") ")[2].split()
    return (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture(scope="module")
def decoder() -> Iterator[Apart]:
    # Far more patience than the program has: what a clip costs is counted in seconds of CPU here.
    with Apart(seconds=20 * MOST_S) as made:
        yield made


@pytest.fixture(scope="module")
def hostile() -> dict[str, bytes]:
    sys.path.insert(0, str(HERE))
    try:
        import hostile
    finally:
        sys.path.remove(str(HERE))
    return dict(hostile.files(MUTATIONS))


@LINUX
def test_no_clip_crashes_hangs_or_fills_the_memory(
    decoder: Apart, hostile: dict[str, bytes]
) -> None:
    opened, refused, late = [], {}, {}
    decoder.info(hostile["plain.mp4"])
    begin, pid = peak(decoder.pid or 0), decoder.pid
    for name, data in hostile.items():
        began = cpu(decoder.pid or 0)
        try:
            found = decoder.info(data)
            pictures = decoder.frames(data, [0.0, found.duration / 2, found.duration])
            assert all(picture.size for picture in pictures)
            opened.append(name)
            decoder.sound(data)
        except ClipError as error:
            refused[name] = str(error)
        assert decoder.pid == pid, f"{name} killed the decoder: {refused.get(name)}"
        late[name] = cpu(pid or 0) - began
        assert peak(pid or 0) - begin < MOST_BYTES, f"{name} took {peak(pid or 0) - begin} bytes"
    # All three calls together may take three times the limit of one.
    assert {name: t for name, t in late.items() if t > 3 * MOST_S} == {}
    assert "plain.mp4" in opened
    assert len([name for name in opened if name.startswith("mutated")]) > 3, "nothing was tried"
    assert not [name for name in opened if not name.endswith(".mp4")], "no clip of ours"
    assert all(sentence.count(".") and len(sentence) < 600 for sentence in refused.values())


RECORDING = """
import sys, time
from pathlib import Path
from policies.consent import Grant
from proctor.capture.replay import Recording
from proctor.errors import ProctorError

def peak():
    return 1024 * int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

grants = {p: Grant(p, "urn:test#1") for p in ("camera", "microphone")}
for line in sys.stdin:
    path = Path(line.strip())
    Path("/proc/self/clear_refs").write_text("5")
    before, began, items, what = peak(), time.process_time(), 0, "played"
    try:
        recording = Recording.open(path)
        for sample in recording.samples(camera=grants["camera"], microphone=grants["microphone"]):
            items += 1
            if items > 3000:
                break
    except ProctorError as error:
        what = "refused"
    print(path.name, what, items, round(time.process_time() - began, 2), peak() - before, flush=True)
"""


@LINUX
def test_no_recording_crashes_hangs_or_fills_the_memory(
    hostile: dict[str, bytes], tmp_path: Path
) -> None:
    for name, data in hostile.items():
        (tmp_path / name).write_bytes(data)
    names = "".join(f"{tmp_path / name}\n" for name in hostile)
    done = subprocess.run(
        [sys.executable, "-c", RECORDING], input=names, capture_output=True, text=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0, (rows[-1:], done.stderr[-2000:])
    assert [row[0] for row in rows] == list(hostile)
    assert [row for row in rows if float(row[3]) > MOST_S] == []
    assert [row for row in rows if int(row[4]) > MOST_BYTES] == []
    assert {row[1] for row in rows} == {"played", "refused"}


# That the limits hold.


@LINUX
def test_the_decoder_may_do_little(decoder: Apart, hostile: dict[str, bytes]) -> None:
    decoder.info(hostile["plain.mp4"])
    limits = {}
    for line in Path(f"/proc/{decoder.pid}/limits").read_text("ascii").splitlines()[1:]:
        limits[line[:26].strip()] = line[26:].split()[0]
    assert limits["Max file size"] == limits["Max core file size"] == "0"
    assert int(limits["Max open files"]) < 40
    assert int(limits["Max address space"]) < 2_000_000_000


def test_a_clip_that_takes_too_long_is_given_up(hostile: dict[str, bytes]) -> None:
    with Apart(seconds=0.5) as made:
        plain = hostile["plain.mp4"]
        made.info(plain)
        os.kill(made.pid or 0, signal.SIGSTOP)  # as one that hangs
        with pytest.raises(ClipError, match=r"takes longer than 0\.5 s"):
            made.info(plain)
        assert made.pid is None
        assert made.info(plain).pictures > 10, "the next clip is opened all the same"


@LINUX
def test_a_clip_that_takes_too_much_is_given_up(hostile: dict[str, bytes]) -> None:
    with Apart(memory=20_000_000) as made:
        large = hostile["plain.mp4"]
        assert made.info(large).pictures > 10
        with pytest.raises(ClipError):
            made.frames(large + bytes(40_000_000), [0.0])


# What a decoder in the hands of a stranger may answer; the first would run a program if it were unpickled.
ANSWERS = [
    ("info", b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R."),
    ("info", b"{}"),
    ("info", b"[]"),
    ("info", b"nonsense"),
    ("info", b'{"info": {"duration": NaN}}'),
    ("info", b'{"info": {"duration": 1e9}}'),
    ("info", b'{"info": {"duration": 1, "width": "1"}}'),
    ("info", b'{"info": 3}'),
    ("frames", b'{"sizes": [[1, 1]]}'),
    ("frames", b'{"sizes": [[99999, 99999]]}'),
    ("frames", b'{"sizes": [[1, 1], [1, 1], [1, 1]]}'),
    ("frames", b'{"sizes": ["ab"]}'),
    ("frames", b'{"sizes": 3}'),
    ("frames", b'{"sizes": [[1, 1.5]]}'),
]


@pytest.mark.parametrize(("asked", "answer"), ANSWERS)
def test_a_decoder_that_was_taken_over_gets_nowhere(
    asked: str, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = get_context("spawn").Pipe()
    made = Apart(seconds=0.5)
    monkeypatch.setattr(made, "_started", lambda: ours)
    for piece in (answer, b"abcd", b"abc"):
        theirs.send_bytes(piece)
    with ours, theirs, pytest.raises(ClipError):
        made.info(b"clip") if asked == "info" else made.frames(b"clip", [0.0, 1.0])


def test_what_comes_back_is_what_was_decoded_here(
    decoder: Apart, hostile: dict[str, bytes]
) -> None:
    data = hostile["plain.mp4"]
    assert decoder.info(data) == clip.info(data)
    times = [0.0, 1.05, 2.5]
    for there, here in zip(decoder.frames(data, times), clip.frames(data, times), strict=True):
        assert np.array_equal(there, here)


def test_a_decoder_that_died_is_started_anew(hostile: dict[str, bytes]) -> None:
    with Apart() as made:
        made.info(hostile["plain.mp4"])
        os.kill(made.pid or 0, signal.SIGKILL)
        made._process.join(60)
        assert made.info(hostile["plain.mp4"]).pictures > 10
    assert made.pid is None
    assert clip.MAX_WORK_S <= MOST_S
