"""Lanes: who shares a thread, who looks when, and what happens when a plug-in misbehaves."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from proctor.clock import SessionClock
from proctor.errors import InputError
from proctor.pipeline.detector import Kind, Plugin, Settings
from proctor.pipeline.flatout import FlatOut
from proctor.pipeline.live import Live
from proctor.pipeline.plugins import discover, refuse_unlawful
from proctor.pipeline.runner import MAX_FAILURES, Station, lanes
from proctor.types import AudioChunk, Frame, Observation

IMAGE = np.zeros((48, 64, 3), np.uint8)
WAIT_S = 60.0


def make_plugin(name, takes="frame", period=0.5, models=(), look=None):
    kind = f"test.{name}"

    class Looker:
        def update(self, sample):
            return look(sample) if look else [Observation(sample.t, kind, 0.0, name)]

        def reset(self):
            pass

        def close(self):
            pass

    plugin = Plugin(
        name, takes, period, (Kind(kind, name, "{seconds}"),), models, Settings, lambda s, c: None
    )
    return Station(plugin, Looker())


def frames(seconds, fps=10.0):
    return [Frame(i / fps, i, IMAGE) for i in range(int(seconds * fps))]


def run_flat_out(stations, samples, **options):
    seen: list[tuple[float, Observation]] = []
    lost: list[Station] = []
    driver = FlatOut(
        lanes(stations),
        on_media=lambda s: None,
        on_observations=lambda t, obs: seen.extend((t, o) for o in obs),
        on_marker=lambda m: None,
        on_lost=lambda t, s: lost.append(s),
        **options,
    )
    driver.run(iter(samples))
    return seen, lost


def test_plugins_that_share_a_network_share_a_lane_and_others_do_not_wait_for_them():
    stations = [
        make_plugin("faces", models=("mesh", "yunet")),
        make_plugin("objects", models=("yolo",)),
        make_plugin("gaze", models=("mesh",)),
        make_plugin("light"),
        make_plugin("camera"),
        make_plugin("speech", "audio", 0.0, ("silero",)),
        make_plugin("wake", "audio", 0.0, ("vosk",)),
    ]
    names = {frozenset(lane.name.split("+")) for lane in lanes(stations)}
    assert names == {
        frozenset({"faces", "gaze"}),
        frozenset({"objects"}),
        frozenset({"light", "camera"}),
        frozenset({"speech", "wake"}),
    }


def test_each_detector_looks_at_its_own_period():
    fast, slow = make_plugin("fast", period=0.1), make_plugin("slow", period=0.5)
    run_flat_out([fast, slow], frames(10))
    assert (fast.looks, slow.looks) == (100, 20)


def test_observations_come_in_order_and_never_after_their_tick():
    stations = [make_plugin("a", period=0.1, models=("x",)), make_plugin("b", period=0.3)]
    seen, _ = run_flat_out(stations, frames(20))
    times = [o.t for _, o in seen]
    assert times == sorted(times)
    assert all(o.t <= until for until, o in seen)


def test_the_result_does_not_depend_on_which_lane_is_faster():
    def sleepy(sample):
        time.sleep(0.002)
        return [Observation(sample.t, "test.a", 0.5, "a")]

    one, _ = run_flat_out(
        [make_plugin("a", period=0.1, models=("x",), look=sleepy), make_plugin("b", period=0.1)],
        frames(6),
    )
    two, _ = run_flat_out(
        [make_plugin("a", period=0.1, models=("x",)), make_plugin("b", period=0.1)], frames(6)
    )
    assert [(t, o.t, o.kind) for t, o in one] == [(t, o.t, o.kind) for t, o in two]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s: 1 / 0, "ZeroDivisionError"),
        (lambda s: [Observation(s.t, "test.bad", 1.5, "bad")], "score 1.5"),
        (lambda s: [Observation(s.t, "test.bad", float("nan"), "bad")], "score nan"),
        (lambda s: [Observation(s.t, "other.kind", 0.5, "bad")], "undeclared"),
        (lambda s: [Observation(s.t + 1e6, "test.bad", 0.5, "bad")], "time"),
        (lambda s: [Observation(s.t, "test.bad", 0.5, "bad")] * 1000, "1000 observations"),
        (lambda s: ["text"], "answered with a str"),
        (lambda s: None, "TypeError"),
    ],
)
def test_a_misbehaving_detector_becomes_unknown_and_harms_nobody(answer, words):
    bad, good = make_plugin("bad", look=answer), make_plugin("good")
    seen, _ = run_flat_out([bad, good], frames(5))
    told = [o for _, o in seen if o.kind == "test.bad"]
    assert told
    assert all(o.score is None and words in o.reason for o in told)
    assert len(told) == MAX_FAILURES
    assert "switched off" in bad.lost
    assert good.looks == 10


def test_flat_out_gives_up_a_detector_that_hangs_and_goes_on():
    stuck = threading.Event()

    def hang(sample):
        if sample.t > 1.0:
            stuck.wait(60)
        return []

    bad = make_plugin("bad", models=("x",), look=hang)
    mate = make_plugin("mate", models=("x",))
    good = make_plugin("good")
    # On a busy machine a look of an honest detector may take a while, too.
    seen, lost = run_flat_out([bad, mate, good], frames(8), hang_s=2.0)
    stuck.set()
    assert lost == [bad]
    assert good.looks == 16
    assert mate.looks >= 10  # its lane went on without the stuck one
    assert any(o.kind == "test.bad" and o.score is None for _, o in seen)


def run_live(stations, feed, over, hang_s=5.0):
    """A live run until ``over(live, seen, markers)``, which a busy machine reaches later."""
    clock = SessionClock()
    live = Live(lanes(stations), clock, hang_s=hang_s)
    markers, seen = [], []
    live.start()
    ended = threading.Event()

    def source():
        feed(live, clock, ended)

    thread = threading.Thread(target=source)
    thread.start()
    try:
        while not over(live, seen, markers):
            assert clock.now() < WAIT_S, "waited in vain"
            live.pump(
                on_media=lambda s: None,
                on_observations=lambda t, obs: seen.extend(obs),
                on_marker=markers.append,
                timeout=0.05,
            )
    finally:
        ended.set()
        thread.join()
        live.stop()
    return seen, markers


def camera_feed(live, clock, ended):
    seq = 0
    while not ended.wait(0.05):
        live.frame(Frame(clock.now(), seq, IMAGE))
        seq += 1


def test_live_never_judges_an_old_frame():
    eye = make_plugin("eye", period=0.1)

    def feed(live, clock, ended):
        while not ended.wait(0.05):
            live.frame(Frame(clock.now() - 1.0, 0, IMAGE))

    run_live([eye], feed, lambda live, seen, markers: live.stale_frames >= 5)
    assert eye.looks == 0


def test_a_slow_detector_delays_nobody_and_nothing_queues():
    go_on, slow_saw, quick_saw, meanwhile = threading.Event(), [], [], []

    def slow(sample):
        slow_saw.append(sample.seq)
        go_on.wait(WAIT_S)
        return []

    def quick(sample):
        quick_saw.append(sample.seq)
        return []

    slow_one = make_plugin("slow", period=0.1, models=("x",), look=slow)
    quick_one = make_plugin("quick", period=0.1, look=quick)

    def over(live, seen, markers):
        if slow_saw and len(quick_saw) >= 10 and not go_on.is_set():
            meanwhile.extend(quick_saw)
            go_on.set()
        return len(slow_saw) >= 3

    run_live([slow_one, quick_one], camera_feed, over, hang_s=2 * WAIT_S)
    # What went by during its one look is not looked at afterwards.
    assert slow_saw[1] >= meanwhile[-1]


def test_live_replaces_a_lane_that_hangs_and_says_so():
    stuck = threading.Event()

    def hang(sample):
        stuck.wait(2 * WAIT_S)
        return []

    bad = make_plugin("bad", models=("x",), look=hang)
    mate = make_plugin("mate", period=0.1, models=("x",))

    def replaced(live, seen, markers):
        return mate.looks >= 5 and any(o.kind == "test.bad" for o in seen)

    seen, markers = run_live([bad, mate], camera_feed, replaced, hang_s=2.0)
    stuck.set()
    assert [m.kind for m in markers] == ["detector.restarted"]
    assert [o.score for o in seen if o.kind == "test.bad"] == [None]


def test_audio_reaches_its_lane_whole_and_in_order():
    heard: list[int] = []

    def listen(sample):
        heard.append(sample.seq)
        return []

    def feed(live, clock, ended):
        for seq in range(100):
            live.audio(AudioChunk(seq * 0.1, seq, np.zeros(1600, np.int16), 16000))
        ended.wait()

    run_live([make_plugin("ear", "audio", 0.0, look=listen)], feed, lambda *_: len(heard) == 100)
    assert heard == list(range(100))


def test_the_built_in_detectors_come_through_the_entry_point():
    found = discover()
    assert found.broken == {}
    assert set(found) >= {
        "faces", "gaze", "objects", "lighting", "camera", "speech", "wake",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["emotion", "attention", "stress", "engagement"])
def test_a_plugin_that_claims_to_read_minds_is_refused(word):
    plugin = Plugin(
        "mind", "frame", 1.0, (Kind(f"face.{word}", "x", "y"),), (), Settings, lambda s, c: None
    )
    with pytest.raises(InputError, match=word):
        refuse_unlawful(plugin)
