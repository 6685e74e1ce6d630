"""The outbox against every order of events that hypothesis can think of: writing, sending, trouble, crashes."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from policies.sign import PAYLOAD_TYPE, envelope
from proctor.evidence import keys, layout
from proctor.evidence.case import Case
from proctor.evidence.outbox import Gone, Item, Later, Outbox
from proctor.evidence.seal import seal
from proctor.evidence.sender import (
    FIRST_WAIT_S,
    HOLD_S,
    LONGEST_WAIT_S,
    Sender,
    backoff,
    drain,
    holds_clips,
)
from proctor.types import Clip

ANCHOR = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Memory:
    """A destination that keeps what it gets, and does what it is told with the next call."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], bytes] = {}
        self.order: list[tuple[str, str]] = []
        self.uploads: dict[str, bytearray] = {}
        self.trouble: list[str] = []

    def _meets(self) -> str:
        what = self.trouble.pop() if self.trouble else ""
        if what == "before":
            raise Later("no answer")
        return what

    def _keep(self, kind: str, name: str, body: bytes) -> None:
        if (kind, name) in self.stored:
            assert self.stored[kind, name] == body
            return
        self.stored[kind, name] = body
        self.order.append((kind, name))

    def post(self, item: Item, body: bytes) -> bytes:
        what = self._meets()
        assert hashlib.sha256(body).hexdigest() == item.sha256
        self._keep(item.kind, item.name, body)
        if what == "after":
            raise Later("the answer was lost")
        return b"receipt"

    def begin(self, item: Item) -> str:
        what = self._meets()
        self.uploads.setdefault(item.name, bytearray())
        if what == "after":
            raise Later("the answer was lost")
        return item.name

    def offset(self, location: str) -> int:
        if self._meets() == "gone":
            self.uploads.pop(location, None)
        if location not in self.uploads:
            raise Gone("not here")
        return len(self.uploads[location])

    def put(self, location: str, offset: int, data: bytes) -> int:
        what = self._meets()
        if location not in self.uploads:
            raise Gone("not here")
        upload = self.uploads[location]
        if offset != len(upload):
            raise Later("not the next part")
        upload += data[: len(data) // 2] if what == "half" else data
        if what in ("after", "half"):
            raise Later("the answer was lost")
        return len(upload)

    def finish(self, item: Item, location: str) -> bytes:
        what = self._meets()
        if hashlib.sha256(self.uploads[location]).hexdigest() != item.sha256:
            del self.uploads[location]
            raise Gone("not what was announced")
        self._keep("clip", item.name, bytes(self.uploads[location]))
        if what == "after":
            raise Later("the answer was lost")
        return b"receipt"


class Delivery(RuleBasedStateMachine):
    """A case that grows while it is sent; the sender dies at any moment and is started again."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=os.environ["PROCTOR_HOME"]))
        policy = b'id = "small"\n'
        self.case = Case.create(
            self.folder / "case",
            policy_envelope=envelope(policy, PAYLOAD_TYPE, [keys.local_signing_key()]),
            consent={
                "policy": {"id": "s", "version": 1, "sha256": hashlib.sha256(policy).hexdigest()},
                "granted": {"camera": True, "clips": True},
                "recipients": [keys.demo_recipient()],
            },
            wall=lambda t: ANCHOR + timedelta(seconds=t),
        )
        self.hub = Memory()
        self.flags = 0
        self.acknowledged: set[tuple[str, str]] = set()
        self._open()

    def _open(self) -> None:
        self.outbox = Outbox.of(self.case.folder, "https://hub.example.org")
        self.sender = Sender(self.outbox, self.hub, chance=lambda: 0.0)
        self.sender._chunk = 700

    @rule(count=st.integers(1, 4))
    def note(self, count: int) -> None:
        for _ in range(count):
            self.case.record("marker", {"t": 1.0, "kind": "question.shown", "data": {}}, sync=False)

    @rule()
    def flag(self) -> None:
        self.flags += 1
        name = f"f-{self.flags}"
        self.case.record("flag", {"id": name, "start": 1.0, "t": 2.0})
        data = random.Random(self.flags).randbytes(1500)  # noqa: S311
        clip = Clip(name, 0.0, 1.0, "video/mp4", data, hashlib.sha256(data).hexdigest())
        self.case.store(seal(clip, [keys.demo_recipient()]), {})

    @rule()
    def sign(self) -> None:
        self.case.checkpoint()

    @rule(trouble=st.lists(st.sampled_from(["before", "after", "half", "gone"]), max_size=3))
    def step(self, trouble: list[str]) -> None:
        self.hub.trouble = trouble
        self.sender._looked = float("-inf")
        self.sender.step()

    @rule()
    def crash(self) -> None:
        """Nothing is tidied up; what SQLite had committed is what there is."""
        self.outbox._base.close()
        self.outbox._lock.release(force=True)
        self._open()

    @rule()
    def lose_the_outbox(self) -> None:
        self.outbox.close()
        for path in self.outbox.path.parent.glob(f"{self.outbox.path.stem}.sqlite*"):
            path.unlink()
        self.acknowledged.clear()
        self._open()

    @invariant()
    def what_was_acknowledged_is_there(self) -> None:
        if not hasattr(self, "hub"):
            return
        now = {(kind, name) for kind, name, _ in self.outbox.receipts()}
        assert self.acknowledged <= now, "an acknowledged item was forgotten"
        assert now <= self.hub.stored.keys(), "an item counts as sent that never arrived"
        self.acknowledged = now
        batches = [name for kind, name in self.hub.order if kind == "journal"]
        assert [int(name.split("-")[0]) for name in batches] == [
            1,
            *(int(name.split("-")[1]) + 1 for name in batches[:-1]),
        ][: len(batches)]

    def teardown(self) -> None:
        if not hasattr(self, "hub"):
            return
        self.case.close()
        self.hub.trouble = []
        self.sender._looked = float("-inf")
        assert drain(self.sender, lambda seconds: None)
        self.outbox.close()
        lines = b"".join(self.hub.stored[key] for key in self.hub.order if key[0] == "journal")
        assert lines == (self.case.folder / layout.JOURNAL).read_bytes()
        clips = {name: body for (kind, name), body in self.hub.stored.items() if kind == "clip"}
        assert clips == {
            path.name.removesuffix(layout.CLIP_SUFFIX): path.read_bytes()
            for path in (self.case.folder / layout.CLIPS).iterdir()
        }
        assert len(self.hub.order) == len(set(self.hub.order))


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROCTOR_HOME", str(tmp_path_factory.mktemp("home")))
        yield


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(
    max_examples=int(os.environ.get("PROCTOR_EXAMPLES", "12")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("tries", [0, 1, 5, 9, 40, 10_000])
def test_back_off_doubles_up_to_a_ceiling_and_is_spread_over_all_of_it(tries: int) -> None:
    most = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 30))
    assert backoff(tries, 0.0) == 0.0
    assert backoff(tries, 1.0) == most
    rng = random.Random(1)  # noqa: S311
    waits = [backoff(tries, rng.random()) for _ in range(2000)]
    assert sum(waits) / len(waits) == pytest.approx(most / 2, rel=0.05)


def test_clips_wait_and_go_again_with_room_between() -> None:
    """So that a connection at the edge does not switch to and fro."""
    rate = 16_000.0
    assert not holds_clips(False, int(rate * HOLD_S), rate)
    assert holds_clips(False, int(rate * HOLD_S) + 16_000, rate)
    assert holds_clips(True, int(rate * HOLD_S * 0.6), rate)
    assert not holds_clips(True, int(rate * HOLD_S * 0.4), rate)
    assert not holds_clips(False, 10**12, None), "nothing is known yet"
