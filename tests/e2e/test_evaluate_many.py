"""Processes and a Dask cluster compute what one process does, byte for byte; a dying one is told."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from proctor.errors import MissingError
from proctor.evaluate import pool
from proctor.evaluate.dataset import read
from proctor.evaluate.recipe import Recipe, agreed, recipe_of
from proctor.evaluate.run import How, evaluate
from proctor.evaluate.score import Task
from proctor.session.plan import make_plan

FILES = ("bbaf2n.mpg", "brbk7n.mpg")


@pytest.fixture(scope="module")
def plan(model):
    for name in ("face_landmarker", "yunet", "yolo11n", "silero_vad"):
        model(name)
    return make_plan("standard", require_all=False)


@pytest.fixture(scope="module")
def dataset(media, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    rows = [f"{name},p{name},honest,{media / 'video/talking_grid' / name}" for name in FILES]
    (folder / "sessions.csv").write_text(
        "\n".join(["session,person,arm,media", *rows]), encoding="utf-8"
    )
    (folder / "truth.csv").write_text("session,start_s,end_s,kind,annotator,certain\n", "utf-8")
    return read(folder)


def files_in(cache):
    return {p.relative_to(cache): p.read_bytes() for p in cache.rglob("*.parquet")}


@pytest.fixture(scope="module")
def alone(dataset, plan, tmp_path_factory):
    cache = tmp_path_factory.mktemp("alone")
    return evaluate(dataset, plan, How(cache=cache))[0], files_in(cache)


class Heard:
    """A watcher that remembers."""

    def __init__(self):
        self.said = []

    def total(self, seconds, recordings):
        self.said.append(("total", round(seconds), recordings))

    def reached(self, session, seconds):
        self.said.append(("reached", session))

    def through(self, session):
        self.said.append(("through", session))


def test_processes_compute_the_same(dataset, plan, alone, tmp_path):
    heard = Heard()
    result, _ = evaluate(dataset, plan, How(workers=2, cache=tmp_path), heard)
    assert result.sessions == alone[0].sessions
    assert files_in(tmp_path) == alone[1]
    assert heard.said[0] == ("total", 6, 2)
    assert {("through", name) for name in FILES} <= set(heard.said)
    assert {("reached", name) for name in FILES} <= set(heard.said)


@pytest.fixture
def scheduler(tmp_path):
    """A real Dask scheduler with one worker, on the loopback address."""
    program = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_scheduler"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    running = [
        subprocess.Popen(
            program + options, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path
        )
    ]
    found = None
    while found is None:
        line = running[0].stderr.readline()
        assert line, "the scheduler ended"
        found = re.search(r"Scheduler at:\s+(tcp://[\d.:]+)", line)
    worker = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_worker", found[1]]
    options = ["--nthreads", "1", "--nworkers", "1", "--no-dashboard", "--no-nanny",
               "--local-directory", str(tmp_path)]  # fmt: skip
    running.append(
        subprocess.Popen(worker + options, stderr=subprocess.DEVNULL, env=env, cwd=tmp_path)
    )
    yield found[1]
    for process in reversed(running):
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    running[0].stderr.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.skipif(sys.platform == "win32", reason="ends its processes as Linux and macOS do")
def test_a_dask_cluster_computes_the_same(dataset, plan, alone, scheduler, tmp_path):
    cache = tmp_path / "cache"
    result, _ = evaluate(dataset, plan, How(scheduler=scheduler, cache=cache))
    assert result.sessions == alone[0].sessions
    assert files_in(cache) == alone[1]


def test_an_address_where_nobody_answers_is_told(dataset, plan, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "CONNECT_S", 0.5)
    with pytest.raises(MissingError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        evaluate(dataset, plan, How(scheduler="tcp://127.0.0.1:9", cache=tmp_path))


def test_a_pool_that_breaks_between_two_recordings_loses_none(monkeypatch):
    recipe = Recipe(b"", (), (), "")
    tasks = [Task(name, f"{name}.mp4", "", recipe, (), True) for name in "abcd"]
    submitted = []

    class Broken(ProcessPoolExecutor):
        def submit(self, *given):
            submitted.append(given[1].session)
            # As when an idle process was killed: the pool refuses what is given to it next.
            if submitted == ["a", "b"]:
                raise BrokenProcessPool("a process ended")
            return super().submit(*given)

    monkeypatch.setattr(pool, "ProcessPoolExecutor", Broken)
    scored = [one.session for one in pool.processes(tasks, 1, lambda name, t: None)]
    assert scored == ["a", "b", "c", "d"]


def test_a_recording_that_kills_its_process_takes_no_other_with_it(
    media, plan, tmp_path, monkeypatch
):
    # Who is killed cannot tidy up.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    recipe = recipe_of(agreed(plan))
    wanted = tuple(part.plugin for part in recipe.parts)
    files = {"deadly": "gaze/center_left_center.mp4", "harmless": f"talking_grid/{FILES[0]}"}
    tasks = [
        Task(name, str(media / "video" / file), "", recipe, wanted, True)
        for name, file in files.items()
    ]

    def reached(session, seconds):
        # As the kernel does to a process that takes all memory, whenever this one is played.
        if session == "deadly":
            for process in multiprocessing.active_children():
                process.kill()

    scored = {s.session: s for s in pool.processes(tasks, 2, reached)}
    assert "ended the process that scored it" in scored["deadly"].failed
    assert scored["harmless"].failed == ""
    assert scored["harmless"].files
