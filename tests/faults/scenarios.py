"""What is disturbed: writing a case, a whole replay, going on after a crash, exporting, erasing.

Each scenario begins in a folder of its own, works in a forked process, and says afterwards what must
hold. A check that fails raises :class:`AssertionError` with a sentence.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import recording
import striking
from striking import KILL, SIGNALS, Ended

from policies import load
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.cli.main import main
from proctor.clock import SessionClock
from proctor.errors import ProctorError
from proctor.evidence import (
    access,
    dumps,
    journal,
    keys,
    layout,
    opening,
    tombstone,
    verify_case,
)
from proctor.evidence.case import Case
from proctor.evidence.disk import said_plainly, write_in_place
from proctor.evidence.seal import seal, unseal
from proctor.evidence.verify import verify
from proctor.types import Clip

SECRET = b"PLAINTEXT OF A CLIP " * 4
FLAGS = ("f-1", "f-2")
# A gap is journalled in milliseconds.
ROUNDING_S = 0.002


def use(at: Path) -> None:
    """Work in ``at``: keys, temporary files, core dumps and all else would lie there."""
    os.environ["PROCTOR_HOME"] = str(at / "home")
    os.environ["TMPDIR"] = str(at / "tmp")
    (at / "tmp").mkdir(parents=True, exist_ok=True)
    os.chdir(at)


class Scenario(ABC):
    """One program that is disturbed."""

    name: str
    # Stretches of bytes that no file may hold.
    canaries: Sequence[bytes]

    def __init__(self, base: Path) -> None:
        """``base`` is a new folder, outside those that are watched."""
        base.mkdir(parents=True)
        self.ready = base / "ready"
        self.prepare(self.ready)

    def begin(self, at: Path) -> None:
        """Put into the new folder ``at`` what is there before the program runs."""
        shutil.copytree(self.ready, at)
        use(at)

    @abstractmethod
    def prepare(self, at: Path) -> None:
        """Make in ``at`` what every run begins with."""

    @abstractmethod
    def work(self, at: Path) -> int:
        """The program; returns its exit code."""

    @abstractmethod
    def check(self, at: Path, ended: Ended, fault: str) -> None:
        """What holds once it was disturbed, and after it was started again."""

    def check_all(self, at: Path, ended: Ended, fault: str) -> None:
        """:meth:`check`, and what holds for every scenario."""
        self.no_plaintext(at)
        self.said_plainly(ended, fault)
        self.check(at, ended, fault)
        self.no_plaintext(at)

    def no_plaintext(self, at: Path) -> None:
        for path in at.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                shown = [piece for piece in self.canaries if piece in data]
                assert not shown, f"{path.relative_to(at)} holds what was only to be in memory"

    def said_plainly(self, ended: Ended, fault: str) -> None:
        """A killed program says nothing; one whose disk failed ends well or in one sentence."""
        if fault in SIGNALS:
            assert ended.code < 0, f"it outlived SIG{fault}: {ended.said}"
            return
        assert "Traceback" not in ended.said, f"a traceback: {ended.said[-1500:]}"
        assert ended.code in (0, 1, 2, 3), f"exit code {ended.code}: {ended.said}"
        sentences = re.findall(r"^proctor: .+$", ended.said, re.MULTILINE)
        assert (ended.code == 0) == (not sentences), f"code {ended.code}, said: {ended.said}"
        assert len(sentences) <= 1, f"more than one sentence: {sentences}"


def promised(folder: Path) -> dict[str, str]:
    """Clips that must survive: sealed by the journal's word, or whole on the disk as announced."""
    if not (folder / layout.JOURNAL).is_file():
        return {}
    raw = (folder / layout.JOURNAL).read_bytes()
    lines = raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1]
    records = [journal.parse(line, number) for number, line in enumerate(lines, start=1)]
    there = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / layout.CLIPS).glob("*")
    }
    return {
        str(r.data["flag"]): str(r.data["sha256"])
        for r in records
        if r.type == "sealed" or (r.type == "sealing" and r.data["sha256"] in there)
    }


def whole_lines(folder: Path) -> bytes:
    path = folder / layout.JOURNAL
    raw = path.read_bytes() if path.is_file() else b""
    return raw[: raw.rfind(b"\n") + 1]


def check_goes_on(folder: Path, before: bytes, clips: dict[str, str]) -> None:
    """The journal extends what was there, every check passes, and every promised clip opens."""
    assert (folder / layout.JOURNAL).read_bytes().startswith(before), "the journal was rewritten"
    failed = [f"{c.code}: {c.detail}" for c in verify(folder) if not c.ok]
    assert not failed, f"checks fail: {failed}"
    view = Case.read(folder)
    for flag, digest in clips.items():
        assert flag in view.sealed, f"the sealed clip of {flag} was lost"
        data = (folder / layout.clip_name(flag)).read_bytes()
        assert unseal(data, [keys.demo_identity()], sha256=digest), flag
    left = [p.name for p in folder.rglob("*.part")]
    assert not left, f"unfinished files stay: {left}"


class SmallCase(Scenario):
    """A case written by the evidence part alone, on a clock that runs and a machine that has no keys yet."""

    name = "case"
    canaries = (SECRET,)

    def prepare(self, at: Path) -> None:
        use(at)

    def work(self, at: Path) -> int:
        use(at)
        dumps.forbid()
        try:
            self._write(at / "case")
        except ProctorError as error:
            print(f"proctor: {error}", file=sys.stderr)
            return error.exit_code
        return 0

    def _write(self, folder: Path) -> None:
        policy, clock = b'id = "small"\n', SessionClock()
        digest = hashlib.sha256(policy).hexdigest()
        case = Case.create(
            folder,
            policy_envelope=envelope(policy, PAYLOAD_TYPE, [keys.local_signing_key()]),
            consent={
                "policy": {"id": "small", "version": 1, "sha256": digest},
                "granted": {"camera": True, "clips": True},
                "recipients": [keys.demo_recipient()],
            },
            wall=clock.wall,
        )
        try:
            case.record("session.started", {"t": 0.0, "anchor": clock.anchor.isoformat()})
            for flag in FLAGS:
                case.record("flag", {"id": flag, "start": clock.now(), "t": clock.now()})
                case.record("scores", {"t0": 0.0, "kinds": {}}, sync=False)
                data = SECRET + os.urandom(20_000)
                clip = Clip(flag, 0.0, 1.0, "video/mp4", data, hashlib.sha256(data).hexdigest())
                case.store(seal(clip, [keys.demo_recipient()]), {})
                print(f"stored {flag}")
                case.checkpoint()
            case.record("session.ended", {"t": clock.now(), "summary": {}})
        finally:
            case.close()

    def check(self, at: Path, ended: Ended, fault: str) -> None:
        folder = at / "case"
        before, clips = whole_lines(folder), promised(folder)
        if not before:
            assert "stored" not in ended.said, "a clip was stored before consent was on the disk"
            return
        for flag in re.findall(r"stored (\S+)", ended.said):
            assert flag in clips, f"{flag} was said to be stored, and is not"
        began = datetime.now(UTC)
        Case.resume(folder).close()
        check_goes_on(folder, before, clips)
        view = Case.read(folder)
        (gap,) = view.gaps
        anchor = datetime.fromisoformat(view.session.get("anchor", view.records[0]["time"]))
        start, end = (anchor + timedelta(seconds=gap[name]) for name in ("start", "end"))
        assert start.timestamp() <= ended.at + ROUNDING_S, "the gap begins after the program died"
        assert end >= began - timedelta(seconds=ROUNDING_S), "the gap ends before it went on"


class Replay(Scenario):
    """``proctor replay`` of a whole short recording with two flags, from the command line."""

    name = "replay"

    def __init__(self, base: Path) -> None:
        self.recording, self.policy = base / "recording.mkv", base / "small.toml"
        super().__init__(base)

    def prepare(self, at: Path) -> None:
        use(at)
        keys.demo_identity()
        keys.local_signing_key()
        self.policy.write_text(recording.POLICY, "utf-8")
        canaries = recording.make(self.recording)
        calm = at.with_name("calm")
        shutil.copytree(at, calm)
        ended = striking.run(lambda: self.replay(calm))
        assert ended.code == 0, ended.said
        view = Case.read(calm / "case")
        assert len(view.sealed) == len(recording.COVERED), ended.said
        for flag, data in view.sealed.items():
            raw = (calm / "case" / layout.clip_name(flag)).read_bytes()
            opened = unseal(raw, [keys.demo_identity()], sha256=data["sha256"])
            canaries += recording.windows(opened)
        self.canaries = canaries

    def work(self, at: Path) -> int:
        return self.replay(at)

    def replay(self, at: Path) -> int:
        use(at)
        return main(["replay", str(self.recording), "--quiet", *self._options(at)])

    def go_on(self, at: Path) -> int:
        use(at)
        return main(["replay", str(self.recording), "--quiet", "--resume", *self._options(at)])

    def _options(self, at: Path) -> list[str]:
        return ["--policy", str(self.policy), "--case", str(at / "case"), "--consent", "all"]

    def check(self, at: Path, ended: Ended, fault: str) -> None:
        use(at)
        folder = at / "case"
        before, clips = whole_lines(folder), promised(folder)
        if not before:
            assert not clips, "a clip was kept before consent was on the disk"
            again = striking.run(lambda: self.go_on(at))
            assert (again.code, "Traceback" in again.said) == (2, False), again.said
            return
        over = b'"type":"session.ended"' in before
        again = striking.run(lambda: self.go_on(at))
        # An exam that has ended is not gone on with, but its last checkpoint is made good.
        assert again.code == (2 if over else 0), again.said
        assert "Traceback" not in again.said, again.said
        check_goes_on(folder, before, clips)
        view = Case.read(folder)
        assert view.gaps, "the time in between is not in the journal"
        assert [r["type"] for r in view.records].count("session.ended") == 1


class Resume(Replay):
    """Going on after a crash, when the disk fails or the power goes again."""

    name = "resume"

    def prepare(self, at: Path) -> None:
        super().prepare(at)
        # Leaves a whole clip whose last record is missing, and one flag to come.
        log, clips = at.with_name("log"), at / "case" / layout.CLIPS
        killed = striking.strike(lambda: self.replay(at), log, "fsync", 1, KILL, only=clips)
        assert killed.code < 0, killed.said
        assert list(clips.iterdir()), "it died before there was a clip"
        # What a power cut in the middle of a record leaves.
        with (at / "case" / layout.JOURNAL).open("ab") as file:
            file.write(b'{"specversion":"1.0","id":')

    def work(self, at: Path) -> int:
        return self.go_on(at)


class _Finished(Scenario):
    """A case of two clips that ended sixty days ago."""

    canaries = (SECRET,)
    sealed: dict[str, bytes]

    def prepare(self, at: Path) -> None:
        use(at)
        raw = load.read("standard")[1]
        sat = datetime.now(UTC) - timedelta(days=60)
        case = Case.create(
            at / "case",
            policy_envelope=envelope(raw, PAYLOAD_TYPE, [keys.local_signing_key()]),
            consent={
                "policy": {
                    "id": "standard",
                    "version": 1,
                    "sha256": hashlib.sha256(raw).hexdigest(),
                },
                "granted": {"camera": True, "microphone": True, "clips": True},
                "recipients": [keys.demo_recipient()],
            },
            wall=lambda t: sat + timedelta(seconds=t),
        )
        case.record("session.started", {"t": 0.0, "anchor": sat.isoformat(), "detectors": []})
        for number, flag in enumerate(FLAGS, start=1):
            case.record("flag", {"id": flag, "start": 10.0 * number, "t": 10.0 * number})
            data = SECRET + bytes(3000)
            clip = Clip(flag, 0.0, 1.0, "video/mp4", data, hashlib.sha256(data).hexdigest())
            case.store(seal(clip, [keys.demo_recipient()]), {})
        case.record("session.ended", {"t": 60.0, "summary": {}})
        case.close()
        self.sealed = {flag: (at / "case" / layout.clip_name(flag)).read_bytes() for flag in FLAGS}


class Export(_Finished):
    """``proctor case export``."""

    name = "export"

    def work(self, at: Path) -> int:
        use(at)
        return main(["case", "export", str(at / "case"), "--to", str(at / "out.zip")])

    def check(self, at: Path, ended: Ended, fault: str) -> None:
        use(at)
        before, clips = whole_lines(at / "case"), promised(at / "case")
        assert set(clips) == set(FLAGS), "exporting lost a clip"
        if ended.code == 0:
            assert (at / "out.zip").exists(), "it said that it was done"
        if not (at / "out.zip").exists():
            again = striking.run(lambda: self.work(at))
            assert again.code == 0, f"it cannot be done again: {again.said}"
        unpacked = at / "unpacked"
        with zipfile.ZipFile(at / "out.zip") as archive:
            assert archive.testzip() is None
            archive.extractall(unpacked)
        checked = striking.run(lambda: verify_case.main([str(unpacked)]))
        assert checked.code == 0, checked.said
        shutil.rmtree(unpacked)
        Case.maintain(at / "case").close()
        check_goes_on(at / "case", before, clips)


class Open(_Finished):
    """Opening a clip and writing it where a person asked for it: on record first, or not at all."""

    name = "open"
    # Here a person asks for the plaintext on a disk.
    canaries = ()

    def work(self, at: Path) -> int:
        use(at)
        dumps.forbid()
        try:
            reader = access.local_reader("Ada")
            data = opening.opened(
                Case.read(at / "case"),
                FLAGS[0],
                [keys.demo_identity()],
                reader,
                reason="The student asked to see it.",
                written=True,
            )
            with said_plainly(f"the clip {at / 'opened.mp4'}"):
                write_in_place(at / "opened.mp4", data)
        except ProctorError as error:
            print(f"proctor: {error}", file=sys.stderr)
            return error.exit_code
        return 0

    def check(self, at: Path, ended: Ended, fault: str) -> None:
        use(at)
        folder, target = at / "case", at / "opened.mp4"
        before, clips = whole_lines(folder), promised(folder)
        assert set(clips) == set(FLAGS), "opening lost a clip"
        if ended.code == 0:
            assert target.exists(), "it said that it was done"
        shown = any(SECRET in path.read_bytes() for path in at.rglob("*") if path.is_file())
        signed = self.signed(folder)
        assert not shown or signed == 1, "a clip was shown, and nothing is on record"
        target.unlink(missing_ok=True)
        again = striking.run(lambda: self.work(at))
        assert again.code == 0, f"it cannot be done again: {again.said}"
        assert self.signed(folder) == signed + 1, "what was on record is gone"
        assert [check.code for check in verify(folder) if not check.ok] == []
        Case.maintain(folder).close()
        check_goes_on(folder, before, clips)

    def signed(self, folder: Path) -> int:
        """Openings on record that the reviewer's key signed."""
        found = 0
        for path in access.logs(folder):
            note = path.with_suffix(layout.NOTE_SUFFIX)
            size = int(note.read_text("utf-8").split("\n")[1]) if note.exists() else 0
            found += sum(r.type == access.OPENED for r in access.records_of(path)[:size])
        return found


class Erase(_Finished):
    """``proctor case erase --due``: keys, then bytes, then tombstone, in this order (rule T2)."""

    name = "erase"

    def work(self, at: Path) -> int:
        use(at)
        return main(["case", "erase", str(at / "case"), "--due"])

    def check(self, at: Path, ended: Ended, fault: str) -> None:
        use(at)
        folder = at / "case"
        before = whole_lines(folder)
        lines = before.split(b"\n")[:-1]
        records = [journal.parse(line, n) for n, line in enumerate(lines, start=1)]
        erased = {str(r.data["flag"]) for r in records if r.type == "erased"}
        for flag, sealed in self.sealed.items():
            path = folder / layout.clip_name(flag)
            if path.exists():
                assert flag not in erased, f"{flag} has a tombstone and its bytes"
                header = tombstone.header_length(sealed)
                gone = bytes(header) + sealed[header:]
                assert path.read_bytes() in (sealed, gone), f"{flag} is half erased"
        again = striking.run(lambda: self.work(at))
        assert again.code == 0, again.said
        check_goes_on(folder, before, {})
        assert not any((folder / layout.CLIPS).iterdir()), "a clip is still there"
        view = Case.read(folder)
        public = keys.attempt_key(view.attempt).public_key().public_bytes_raw()
        assert tombstone.known(view.attempt, public) == set(FLAGS), "a backup could bring one back"


def all_scenarios(base: Path, names: Sequence[str] | None) -> Iterator[Scenario]:
    """The scenarios called ``names`` (``None``: all); ``base`` is a folder for what they need."""
    for make in (SmallCase, Replay, Resume, Export, Open, Erase):
        if names is None or make.name in names:
            yield make(base / make.name)
