"""A case reaches its hub whole, once and in order, whatever the network, the hub or a kill does.

The hub is a real HTTP server on loopback (small_hub.py); the case is real and sealed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policies import load
from policies.sign import PAYLOAD_TYPE, envelope
from proctor.cli.main import main
from proctor.errors import CheckFailed, InputError
from proctor.evidence import keys, layout
from proctor.evidence.case import Case
from proctor.evidence.outbox import Outbox
from proctor.evidence.seal import seal
from proctor.evidence.sender import Sender, drain
from proctor.hub.client import HubClient, check_address
from proctor.types import Clip, Erasure

_spec = importlib.util.spec_from_file_location(
    "small_hub", Path(__file__).with_name("small_hub.py")
)
assert _spec is not None
assert _spec.loader is not None
small_hub = importlib.util.module_from_spec(_spec)
sys.modules["small_hub"] = small_hub  # dataclasses look their module up
_spec.loader.exec_module(small_hub)
SmallHub = small_hub.SmallHub
ANCHOR = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
CLIP = 60_000


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_HOME", str(tmp_path / "home"))


def begin(folder: Path) -> Case:
    raw = load.read("standard")[1]
    consent = {
        "policy": {"id": "standard", "version": 1, "sha256": hashlib.sha256(raw).hexdigest()},
        "granted": {"camera": True, "clips": True},
        "recipients": [keys.demo_recipient()],
    }
    return Case.create(
        folder,
        policy_envelope=envelope(raw, PAYLOAD_TYPE, [keys.local_signing_key()]),
        consent=consent,
        wall=lambda t: ANCHOR + timedelta(seconds=t),
    )


def add(case: Case, number: int, *, size: int = CLIP, sync: bool = True) -> str:
    """A flag with its sealed clip, and scores; signed where ``sync``."""
    flag, t = f"object.phone-{number:03d}", number * 10.0
    what = {"id": flag, "kind": "object.phone", "rule": "object.phone", "start": t}
    case.record("flag", {**what, "peak": 0.8, "why": "A phone.", "t": t + 1}, t + 1)
    case.record("flag.closed", {**what, "peak": 0.9, "end": t + 2, "why": "A phone."}, t + 2)
    data = random.Random(number).randbytes(size)  # noqa: S311
    clip = Clip(flag, t - 1, t + 3, "video/mp4", data, hashlib.sha256(data).hexdigest())
    case.store(seal(clip, [keys.demo_recipient()]), {})
    kinds = {f"test.kind{letter}": [0.123] * 10 for letter in "abcdefgh"}
    for place in range(100):
        case.record("scores", {"t0": t + place / 10, "step": 1.0, "kinds": kinds}, sync=False)
    if sync:
        case.checkpoint()
    return flag


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case of three flags that has ended: 180 kB of clips, 150 kB of journal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(tmp_path_factory.mktemp("home")))
        case = begin(tmp_path_factory.mktemp("original") / "case")
        for number in (1, 2, 3):
            add(case, number)
        case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
        case.close()
    return case.folder


@pytest.fixture
def ended(original: Path, tmp_path: Path) -> Path:
    """A copy of that case."""
    return shutil.copytree(original, tmp_path / "case")


def expected(folder: Path) -> dict[tuple[str, str], bytes]:
    """What a hub must hold in the end, read from the folder without the outbox's help."""
    found = {
        ("checkpoint", f"{layout.CHECKPOINTS}/{path.name}"): path.read_bytes()
        for path in (folder / layout.CHECKPOINTS).iterdir()
    }
    for path in (folder / layout.CLIPS).iterdir():
        found["clip", path.name.removesuffix(layout.CLIP_SUFFIX)] = path.read_bytes()
    found["policy", layout.POLICY] = (folder / layout.POLICY).read_bytes()
    return found


def check_whole(hub, folder: Path) -> None:
    """Everything is there byte by byte, had an effect once, and came in an order that can be checked."""
    assert len(set(hub.effects)) == len(hub.effects) == len(hub.stored)
    batches = sorted(
        (int(name.partition("-")[0]), body)
        for (kind, name), body in hub.stored.items()
        if kind == "journal"
    )
    assert b"".join(body for _, body in batches) == (folder / layout.JOURNAL).read_bytes()
    rest = {key: body for key, body in hub.stored.items() if key[0] not in ("journal", "event")}
    assert rest == expected(folder)
    lines = (folder / layout.JOURNAL).read_bytes().splitlines()
    events = {name: body for (kind, name), body in hub.stored.items() if kind == "event"}
    assert events == {
        str(number): line
        for number, line in enumerate(lines, start=1)
        if any(
            f'"type":"{type}"'.encode() in line for type in ("flag", "flag.closed", "session.ended")
        )
    }
    _check_order(hub)


def _check_order(hub) -> None:
    assert hub.effects[0] == ("policy", layout.POLICY)
    lines, size = 0, 0
    for kind, name in hub.effects:
        if kind == "journal":
            first, last = map(int, name.split("-"))
            assert first == lines + 1
            lines = last
        elif kind == "checkpoint":
            size = int(Path(name).stem)
            assert size == lines, "a checkpoint comes right after the records that it signs"
        elif kind == "clip":
            sealed = b'"type":"sealed"'
            assert any(
                sealed in line and name.encode() in line
                for (k, _), body in hub.stored.items()
                if k == "journal"
                for line in body.splitlines()
            )


def sender_of(folder: Path, hub, **options) -> Sender:
    outbox = Outbox.of(folder, hub.url)
    options = {"chance": lambda: 0.0, **options}
    client = HubClient(hub.url, Case.read(folder).attempt, token=hub.code)
    return Sender(outbox, client, **options)


def send(folder: Path, hub, **options) -> Sender:
    sender = sender_of(folder, hub, **options)
    with sender.outbox:
        assert drain(sender, lambda seconds: None)
        assert sender.outbox.counts().waiting == 0
    return sender


def test_a_case_arrives_whole_once_and_in_order(ended: Path) -> None:
    with SmallHub(code="ABC234") as hub:
        send(ended, hub)
        check_whole(hub, ended)
        asked = len(hub.requests)
        send(ended, hub)
        assert len(hub.requests) == asked, "what has arrived is not even asked about again"


@pytest.mark.parametrize("fault", small_hub.FAULTS)
def test_one_kind_of_trouble_changes_nothing_in_the_end(ended: Path, fault: str) -> None:
    rng = random.Random(fault)  # noqa: S311
    with SmallHub(lambda number: fault if rng.random() < 0.4 else "") as hub:
        told: list[str] = []
        send(ended, hub, tell=told.append)
        check_whole(hub, ended)
        if fault not in ("delay", "twice", "stale", "loses", "half", "gone", "cut answer"):
            assert any("Not delivered yet" in sentence for sentence in told)


@pytest.mark.parametrize("seed", range(4))
def test_all_kinds_of_trouble_together_change_nothing_in_the_end(ended: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    with SmallHub(lambda n: rng.choice(small_hub.FAULTS) if rng.random() < 0.5 else "") as hub:
        send(ended, hub)
        check_whole(hub, ended)


def test_killed_again_and_again_it_still_arrives_whole_and_once(ended: Path) -> None:
    """A kill -9 at every few requests, wherever the sender happens to be then."""
    rng = random.Random(5)  # noqa: S311
    kills = 0
    with SmallHub(rate=400_000) as hub:
        command = [sys.executable, "-m", "proctor.cli.main", "case", "send", str(ended)]
        while True:
            process = subprocess.Popen(
                [*command, "--hub", hub.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            enough = len(hub.requests) + rng.randint(2, 8)
            while process.poll() is None and len(hub.requests) < enough:
                time.sleep(0.002)
            if process.poll() is None:
                process.kill()
                process.communicate()
                kills += 1
                assert kills < 60, "it never comes to an end"
                continue
            _, err = process.communicate()
            assert process.returncode == 0, err
            break
        assert kills >= 3
        check_whole(hub, ended)


def test_nothing_is_sent_that_no_checkpoint_signs(tmp_path: Path) -> None:
    """What is not synced may be gone after a power cut; a hub must never have more than the student."""
    case = begin(tmp_path / "case")
    add(case, 1)
    signed = (case.folder / layout.JOURNAL).read_bytes()
    add(case, 2, sync=False)
    with SmallHub() as hub:
        send(case.folder, hub)
        sent = b"".join(b for (kind, _), b in hub.stored.items() if kind == "journal")
        assert sent == signed
        assert ("clip", "object.phone-002") not in hub.stored
        case.close()
        send(case.folder, hub)
        assert ("clip", "object.phone-002") in hub.stored


def test_an_exam_without_network_is_sent_afterwards(tmp_path: Path) -> None:
    case = begin(tmp_path / "case")
    with SmallHub() as hub:
        url = hub.url
    told: list[str] = []
    outbox = Outbox.of(case.folder, url)
    offline = Sender(outbox, HubClient(url, case.attempt), tell=told.append, chance=lambda: 0.5)
    offline.in_exam = True
    waits = []
    with outbox:
        for number in (1, 2, 3):
            add(case, number)
            waits += [offline.step() for _ in range(3)]
    assert waits == [0.5 * 2**tries for tries in range(9)]
    assert told == [
        "Not delivered yet: the hub does not answer (NewConnectionError). It is tried again; nothing is "
        "lost meanwhile."
    ]
    case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
    case.close()
    with SmallHub() as hub:
        send(case.folder, hub)
        check_whole(hub, case.folder)


def test_a_lost_outbox_is_found_again_in_the_case(ended: Path, tmp_path: Path) -> None:
    with SmallHub() as hub:
        send(ended, hub)
        for path in (tmp_path / "home" / "outbox").iterdir():
            path.unlink()
        send(ended, hub)
        check_whole(hub, ended)


def test_a_journal_rewritten_after_it_was_sent_is_noticed_here_and_there(
    ended: Path, tmp_path: Path
) -> None:
    journal = ended / layout.JOURNAL
    whole = journal.read_bytes()
    with SmallHub() as hub:
        send(ended, hub)
        journal.write_bytes(whole.replace(b'"peak":0.8', b'"peak":0.1', 1))
        with pytest.raises(CheckFailed, match="was changed after it was signed"):
            send(ended, hub)
        for path in (tmp_path / "home" / "outbox").iterdir():
            path.unlink()
        # Without its own memory the sender tries, and the hub does not take another history.
        with pytest.raises(CheckFailed, match="holds something else under this name"):
            send(ended, hub)


def test_what_was_erased_is_not_sent_any_more(tmp_path: Path) -> None:
    case = begin(tmp_path / "case")
    first, second = add(case, 1), add(case, 2)
    with SmallHub() as hub:
        sender = sender_of(case.folder, hub)
        with sender.outbox as outbox:
            outbox.collect()
            case.erase(first, Erasure("clip", "now", "asked for", "withdrawal"))
            case.checkpoint()
            assert drain(sender, lambda seconds: None)
            assert outbox.refused() == []
        assert [name for kind, name in hub.effects if kind == "clip"] == [second]
    case.close()


def test_a_case_that_is_erased_as_a_whole_leaves_no_queue(ended: Path, tmp_path: Path) -> None:
    from proctor.evidence import outbox

    attempt = Case.read(ended).attempt
    with SmallHub() as hub:
        send(ended, hub)
    assert list((tmp_path / "home/outbox").glob(f"{attempt}*"))
    outbox.forget(attempt)
    assert not list((tmp_path / "home/outbox").glob(f"{attempt}*"))
    outbox.forget("*")  # no attempt: nothing is touched


def test_a_clip_that_the_hub_does_not_take_stops_nothing_else(
    ended: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with SmallHub() as hub:
        hub.most_clip = CLIP // 2
        assert main(["case", "send", str(ended), "--hub", hub.url]) == 1
        out = capsys.readouterr().out
        assert "not taken: clip object.phone-001 (the hub answered 413)" in out
        assert len([kind for kind, _ in hub.effects if kind == "journal"]) >= 3
        assert (ended / layout.clip_name("object.phone-001")).is_file()


def test_a_clip_that_was_swapped_is_not_sent(ended: Path) -> None:
    one, two = (ended / layout.clip_name(f"object.phone-00{i}") for i in (1, 2))
    one.write_bytes(two.read_bytes())
    with SmallHub() as hub:
        sender = sender_of(ended, hub)
        with sender.outbox as outbox:
            assert drain(sender, lambda seconds: None)
            assert outbox.refused() == [
                ("clip", "object.phone-001", "it is not the clip that was sealed")
            ]
        assert ("clip", "object.phone-001") not in hub.stored


@pytest.mark.parametrize("lie", ["digests", "portal"])
def test_a_status_code_alone_confirms_nothing(ended: Path, lie: str) -> None:
    with SmallHub(lambda n: "portal" if lie == "portal" else "") as hub:
        hub.lies_about_digests = lie == "digests"
        sender = sender_of(ended, hub)
        with sender.outbox as outbox:
            for _ in range(20):
                sender.step()
            assert outbox.counts().done == 0


def test_a_clip_is_done_only_when_the_hub_repeats_its_digest(ended: Path) -> None:
    with SmallHub() as hub:
        sender = sender_of(ended, hub)
        with sender.outbox as outbox:
            while (item := outbox.next()) is None or item.kind != "clip":
                sender.step()
            hub.lies_about_digests = True
            for _ in range(30):
                sender.step()
            assert outbox.next().name == item.name
            hub.lies_about_digests = False
            assert drain(sender, lambda seconds: None)
        check_whole(hub, ended)


def test_a_hub_that_counts_more_than_there_is_is_not_believed(ended: Path, monkeypatch) -> None:
    """The upload begins anew, and nothing counts as delivered or as refused meanwhile."""
    with SmallHub() as hub:
        upload = hub._upload

        def claiming(method, name, headers, body):
            answer = upload(method, name, headers, body)
            answer.headers["Upload-Offset"] = str(10**9)
            return answer

        sender = sender_of(ended, hub)
        with sender.outbox as outbox:
            monkeypatch.setattr(hub, "_upload", claiming)
            for _ in range(40):
                sender.step()
            assert (outbox.counts().waiting, outbox.refused()) == (3, [])
            monkeypatch.setattr(hub, "_upload", upload)
            assert drain(sender, lambda seconds: None)
        check_whole(hub, ended)


def test_a_hub_that_points_elsewhere_is_not_followed(ended: Path, monkeypatch) -> None:
    """Neither by a redirect, nor by an upload's address, nor by a proxy that the system names."""
    with SmallHub() as elsewhere, SmallHub() as hub:
        monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
        monkeypatch.setenv("http_proxy", elsewhere.url)
        create = hub._create

        def pointing(path, headers):
            answer = create(path, headers)
            answer.headers["Location"] = elsewhere.url + answer.headers["Location"]
            return answer

        monkeypatch.setattr(hub, "_create", pointing)
        sender = sender_of(ended, hub)
        with sender.outbox as outbox:
            for _ in range(40):
                sender.step()
            assert outbox.counts().waiting == 3
            assert outbox.next().kind == "clip"
        assert elsewhere.requests == []
        hub.elsewhere = elsewhere.url
        hub.fault = lambda number: "redirect"
        sender = sender_of(ended, hub)
        with sender.outbox:
            for _ in range(5):
                sender.step()
        assert hub.requests[-1][1].startswith("/v1/")
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://hub.example.org", "without encryption"),
        ("http://127.0.0.1.example.org", "without encryption"),
        ("ftp://hub.example.org", "no address"),
        ("hub.example.org", "no address"),
        ("https://hub.example.org:x/", "no address"),
        ("https://me:secret@hub.example.org", "no name, password"),
        ("https://hub.example.org/?a=b", "no name, password"),
    ],
)
def test_an_address_that_is_none_is_refused_with_a_sentence(address: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_address(address)


def test_a_code_that_is_not_accepted_ends_it_with_a_sentence(
    ended: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = tmp_path / "code"
    code.write_text("WRONG234\n", encoding="ascii")
    with SmallHub(code="RIGHT234") as hub:
        command = ["case", "send", str(ended), "--hub", hub.url]
        assert main([*command, "--code-file", str(code)]) == 1
        assert "does not accept this exam's invitation" in capsys.readouterr().err
        code.write_text("RIGHT234\n", encoding="ascii")
        assert main([*command, "--code-file", str(code)]) == 0
        assert "are left" in capsys.readouterr().out
        check_whole(hub, ended)


def test_without_a_hub_in_the_policy_an_address_must_be_given(ended: Path, capsys) -> None:
    assert main(["case", "send", str(ended)]) == 2
    assert "names no hub" in capsys.readouterr().err


def test_two_senders_of_one_case_are_refused(ended: Path) -> None:
    with (
        SmallHub() as hub,
        Outbox.of(ended, hub.url),
        pytest.raises(InputError, match="Another program is sending"),
    ):
        Outbox.of(ended, hub.url)


def test_giving_up_says_what_is_left_and_how_to_go_on(ended: Path, capsys) -> None:
    with SmallHub(lambda n: "503") as hub:
        assert main(["case", "send", str(ended), "--hub", hub.url, "--minutes", "0.01"]) == 1
    captured = capsys.readouterr()
    assert "0 parts of the case have arrived" in captured.out
    assert f"Go on with: proctor case send {ended}" in captured.out
    assert "the hub answered 503" in captured.err


def test_events_only_leaves_the_clips_here(ended: Path, capsys) -> None:
    with SmallHub() as hub:
        assert main(["case", "send", str(ended), "--hub", hub.url, "--events-only"]) == 1
        assert "3 are left" in capsys.readouterr().out
        assert {kind for kind, _ in hub.effects} == {"policy", "event", "journal", "checkpoint"}
        assert main(["case", "send", str(ended), "--hub", hub.url]) == 0
        check_whole(hub, ended)


class Clock:
    """A clock that moves when somebody waits, and a little with every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_the_budget_holds_over_the_whole_case(ended: Path) -> None:
    """At 128 kbit/s (16 kB/s): not faster than that, and not much slower."""
    clock = Clock()
    with SmallHub() as hub:
        sender = sender_of(ended, hub, bytes_s=16_000.0, clock=clock)
        with sender.outbox:
            assert drain(sender, clock.wait)
        check_whole(hub, ended)
        least = hub.taken / 16_000.0
    assert least <= clock.now <= 1.1 * least + 1.0


def test_on_a_slow_line_clips_wait_for_the_end_of_the_exam_and_it_is_said(tmp_path: Path) -> None:
    case = begin(tmp_path / "case")
    add(case, 1, size=900_000)
    add(case, 2, size=900_000)
    told: list[str] = []
    with SmallHub() as hub:
        clock = Clock()
        sender = sender_of(case.folder, hub, bytes_s=2_000.0, clock=clock, tell=told.append)
        sender.in_exam = True
        with sender.outbox:
            assert drain(sender, clock.wait)
            assert {kind for kind, _ in hub.effects} == {"policy", "event", "journal", "checkpoint"}
            assert any("clips stay here, sealed, until the exam is over" in line for line in told)
            case.close()
            sender.in_exam = False
            sender._looked = float("-inf")
            assert drain(sender, clock.wait)
        assert told[-1] == "Clips are sent again."
        check_clips = [name for kind, name in hub.effects if kind == "clip"]
        assert check_clips == ["object.phone-001", "object.phone-002"]


def test_small_things_go_before_the_rest_of_a_clip(tmp_path: Path) -> None:
    case = begin(tmp_path / "case")
    add(case, 1, size=500_000)
    with SmallHub() as hub:
        clock = Clock()
        sender = sender_of(case.folder, hub, bytes_s=50_000.0, clock=clock)
        with sender.outbox:
            while not any(upload.data for upload in hub.uploads.values()):
                clock.wait(sender.step() or 0.0)
            add(case, 2, size=1_000)
            assert drain(sender, clock.wait)
        clips = [name for kind, name in hub.effects if kind == "clip"]
        last_event = max(i for i, (kind, _) in enumerate(hub.effects) if kind == "event")
        first_clip = hub.effects.index(("clip", clips[0]))
        assert last_event < first_clip
    case.close()


def test_a_courier_delivers_while_the_case_is_written(tmp_path: Path) -> None:
    from proctor.evidence.sender import Courier

    case = begin(tmp_path / "case")
    told: list[str] = []
    with SmallHub() as hub:
        courier = Courier(lambda tell: sender_of(case.folder, hub, tell=tell), told.append)
        add(case, 1)
        courier.start()
        deadline = time.monotonic() + 60.0
        while ("clip", "object.phone-001") not in hub.stored and time.monotonic() < deadline:
            time.sleep(0.02)
        courier.stop()
        assert ("clip", "object.phone-001") in hub.stored
        add(case, 2)
        case.record("session.ended", {"t": 60.0, "summary": {}}, 60.0)
        case.close()
        send(case.folder, hub)
        check_whole(hub, case.folder)
    assert told == []
