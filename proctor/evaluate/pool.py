"""Many recordings at once: a pool of processes here, or the workers of a Dask cluster.

Both call the same :func:`proctor.evaluate.score.score`, and every recording begins with fresh detectors, so where
and in which order it is computed does not show in what comes out.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from proctor.errors import MissingError
from proctor.evaluate.score import Scored, Task, score
from proctor.evidence import dumps

OnReached = Callable[[str, float], None]
# How often the progress of workers is looked at.
LOOK_S = 0.5
CONNECT_S = 15.0
# Recordings that one process scores. On Linux memory stays flat (docs/decisions/0038); on other systems nobody
# has measured it, and a process must stay under 1 GB.
EACH = 50

_reached: Any = None


def here(tasks: Sequence[Task], on_reached: OnReached) -> Iterator[Scored]:
    """One after another, in this process."""
    for task in tasks:
        yield score(task, lambda t, name=task.session: on_reached(name, t))  # type: ignore[misc]


def processes(tasks: Sequence[Task], workers: int, on_reached: OnReached) -> Iterator[Scored]:
    """In ``workers`` processes, in the order in which they are through."""
    suspects: list[Task] = []
    left = list(reversed(tasks))
    while left:
        most = workers * EACH
        waiting, left = left[-most:], left[:-most]
        yield from _pool(waiting, workers, on_reached, suspects)
        left += waiting
    # A process that dies takes the work of the others with it: each of these is tried alone.
    for task in suspects:
        alone: list[Task] = []
        again = [task]
        yield from _pool(again, 1, on_reached, alone)
        if alone or again:
            why = (
                f"{Path(task.media).name} ended the process that scored it (out of memory, or a "
                f"crash in a library); try it with fewer workers or leave it out."
            )
            yield Scored(task.session, {}, failed=why)


def _pool(
    waiting: list[Task], workers: int, on_reached: OnReached, suspects: list[Task]
) -> Iterator[Scored]:
    """Work through ``waiting`` from its end, until all is done or a process died.

    What was under way then goes to ``suspects``; what had not begun stays in ``waiting``.
    """
    # Not forked: a fork of a process with threads of native libraries may never wake up.
    context = multiprocessing.get_context("spawn")
    reached = context.Queue()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(reached,))
    running: dict[Future[Scored], Task] = {}
    broken = False
    try:
        while waiting or running:
            # As many as there are workers: what is under way is what an interruption loses.
            while waiting and len(running) < workers:
                # A pool that broke refuses: then this one has not begun.
                running[pool.submit(_work, waiting[-1])] = waiting[-1]
                waiting.pop()
            done, _ = wait(running, LOOK_S, FIRST_COMPLETED)
            while not reached.empty():
                on_reached(*reached.get())
            for future in done:
                task = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    suspects.append(task)
                    broken = True
            if broken:
                suspects += running.values()
                return
    except BrokenProcessPool:
        suspects += running.values()
    finally:
        pool.shutdown(cancel_futures=True)
        reached.close()


def _begin(reached: Any) -> None:
    global _reached
    _reached = reached
    dumps.forbid()


def _work(task: Task) -> Scored:
    return score(task, lambda t: _reached.put((task.session, t)))


def cluster(tasks: Sequence[Task], address: str) -> Iterator[Scored]:
    """On the workers of the Dask scheduler at ``address``, in the order in which they are through.

    Every worker must see the recordings under the same paths and have the same version of this
    program; one that would compute other scores says so, and a recording that ended its workers is told
    as failed. Raises :class:`MissingError` where no scheduler answers.
    """
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise MissingError(
            f"A cluster needs Dask, which cannot be loaded ({error}); run "
            f"pip install 'open-proctor[evaluate,cluster]'."
        ) from error
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise MissingError(
            f"No Dask scheduler answers at {address} ({error or type(error).__name__}); start one with "
            f"`dask scheduler`, and workers with `dask worker {address} --nthreads 1`."
        ) from error
    with client:
        names = {}
        for task in tasks:
            future = client.submit(score, task, pure=False, key=f"score-{task.session}-{id(task)}")
            names[future] = task
        for future in as_completed(list(names), loop=client.loop):
            task = names.pop(future)
            try:
                yield future.result()
            except KilledWorker as error:
                why = f"{Path(task.media).name} ended the workers that scored it ({error})."
                yield Scored(task.session, {}, failed=why)
            future.release()
