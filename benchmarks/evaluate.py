"""What scoring costs beside the bare networks, and how fast kept scores are judged anew.

    python benchmarks/evaluate.py [RECORDING] [--seconds 90] [--rounds 3]   # scoring against the bare networks
    python benchmarks/evaluate.py --memory HOURS                            # one long recording: time, memory, bytes
    python benchmarks/evaluate.py [RECORDING] --rescore HOURS               # rules over kept scores of many hours

*Scoring* is what `proctor evaluate` does with a recording that it does not know: capture, every detector of
the policy, scores to Parquet. *Bare* are the networks alone at the same cadence on the same samples, without
any encoder (`benchmarks/agent.py` says which). Both run in processes of their own, in turn; the ratio is of
medians. `--rescore` takes the scores of the recording (the sample exam) and lays copies of them one after another in
time, an hour in each made recording, so everything in them is real but that the hours repeat.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

HOUR = 3600.0
# Seconds of the recording that are scored first and not counted.
WARM_S = 2.0


def sample() -> Path:
    from models import registry
    from proctor.session import sample_exam

    return sample_exam.compose(registry.cache_dir())


def bare(recording: Path, seconds: float) -> dict[str, float]:
    """The networks alone."""
    import agent

    class Nothing:
        """Stands where an encoder was: scoring encodes nothing."""

        def __init__(self, *_: Any, **__: Any) -> None:
            self.pix_fmt, self.options, self.width, self.height = "", {}, 0, 0

        def encode(self, *_: Any) -> list[Any]:
            return []

    import av

    really = av.open

    class Sink:
        def add_stream(self, *_: Any, **__: Any) -> Nothing:
            return Nothing()

        def mux(self, *_: Any) -> None:
            pass

    av.open = (
        lambda file, *rest, **named: (  # type: ignore[assignment]
            Sink() if rest[:1] == ("w",) else really(file, *rest, **named)
        )
    )
    return agent.bare(recording, seconds)


def scoring(recording: Path, seconds: float, warm: bool = True) -> dict[str, float]:
    """The same samples through `proctor evaluate`'s path.

    ``warm``: with a short piece first, because what a process loads once, however many recordings it
    scores, is no part of a recording's cost.
    """
    from proctor.capture.replay import Recording
    from proctor.evaluate import score as scoring_module
    from proctor.evaluate.recipe import agreed, plan_of, recipe_of
    from proctor.evaluate.score import Task, peak_memory, score
    from proctor.session.plan import make_plan

    class Head(scoring_module.Played):
        def samples(self, *grants: Any) -> Any:
            for sample in super().samples(*grants):
                if sample.t > seconds:
                    return
                yield sample

    scoring_module.Played = Head  # type: ignore[misc]
    recipe = recipe_of(agreed(make_plan("standard", require_all=False)))
    plan_of(recipe)
    wanted = tuple(part.plugin for part in recipe.parts)
    task = Task("s", str(recording), "", recipe, wanted, True)
    if warm:
        until, seconds = seconds, WARM_S
        score(task)
        seconds = until
    began, wall = time.process_time(), time.perf_counter()
    scored = score(task)
    scoring_module.Played = Head.__bases__[0]  # type: ignore[misc]
    assert not scored.failed, scored.failed
    return {
        "cpu_s": time.process_time() - began,
        "wall_s": time.perf_counter() - wall,
        "media_s": min(seconds, Recording.open(recording).duration or seconds),
        "bytes": float(sum(map(len, scored.files.values()))),
        "peak_mb": peak_memory() / 2**20,
    }


def compare(recording: Path, seconds: float, rounds: int) -> None:
    runs: dict[str, list[dict[str, float]]] = {"bare": [], "scoring": []}
    for _ in range(rounds):
        for which, results in runs.items():
            words = [str(recording), "--seconds", str(seconds), "--only", which]
            done = subprocess.run(
                [sys.executable, __file__, *words], check=True, capture_output=True, text=True
            )
            results.append(json.loads(done.stdout.splitlines()[-1]))

    def median(which: str, what: str) -> float:
        return statistics.median(r[what] for r in runs[which])

    media = median("scoring", "media_s")
    print(f"media_s                     {media:.1f}")
    print(f"bare networks, x real time a core      {media / median('bare', 'cpu_s'):.2f}")
    print(f"scoring, x real time a core            {media / median('scoring', 'cpu_s'):.2f}")
    print(f"scoring, x real time by the clock      {media / median('scoring', 'wall_s'):.2f}")
    print(
        f"scoring to bare (CPU)                  {median('scoring', 'cpu_s') / median('bare', 'cpu_s'):.2f}"
    )
    print(
        f"kB of scores a minute                  {median('scoring', 'bytes') / media * 60 / 1000:.1f}"
    )
    print(f"peak MB                                {median('scoring', 'peak_mb'):.0f}")


def long_recording(hours: float) -> None:
    """The sample exam again and again as one long file."""
    import av

    source = sample()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mkv"
        repeat(source, path, hours * HOUR)
        with av.open(str(path)) as made:
            print(f"made {made.duration / av.time_base:.0f} s, {path.stat().st_size / 1e6:.0f} MB")
        done = subprocess.run(
            [sys.executable, __file__, str(path), "--seconds", "1e9", "--only", "scoring"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{told['media_s']:.0f} s scored in {told['wall_s']:.0f} s ({told['cpu_s']:.0f} s of CPU: "
        f"{told['media_s'] / told['cpu_s']:.1f} x real time a core), peak {told['peak_mb']:.0f} MB, "
        f"{told['bytes'] / 1e6:.2f} MB of scores"
    )


def repeat(source: Path, path: Path, seconds: float) -> None:
    """Copy the packets of ``source`` into ``path`` until it is that long; nothing is encoded again."""
    import av

    with av.open(str(source)) as first, av.open(str(path), "w", format="matroska") as out:
        # A little longer than the header says: the last packets of a turn end before the next begins.
        length = first.duration / av.time_base + 0.5
        tracks = {s.index: out.add_stream_from_template(s) for s in first.streams}
        for turn in range(round(seconds / length + 0.5)):
            with av.open(str(source)) as file:
                for packet in file.demux():
                    if packet.dts is None or packet.dts < 0:
                        continue
                    shift = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = tracks[packet.stream.index]
                    out.mux(packet)


def rescore(source: Path, hours: int) -> None:
    """Rules over kept scores of ``hours`` recordings of an hour."""
    from proctor.evaluate.cache import Facts, Reader, Store, Writer
    from proctor.evaluate.dataset import Dataset, Entry
    from proctor.evaluate.recipe import agreed, recipe_of
    from proctor.evaluate.run import How, evaluate
    from proctor.evaluate.score import Task, facts_name, file_name, score
    from proctor.session.plan import make_plan
    from proctor.types import Observation

    plan = make_plan("standard", require_all=False)
    recipe = recipe_of(agreed(plan))
    names = tuple(part.plugin for part in recipe.parts)
    scored = score(Task("s", str(source), "", recipe, names, True))
    assert not scored.failed, scored.failed
    facts = Facts.from_json(scored.files[facts_name(recipe)])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        once, hour = root / "once", root / "hour"
        once.mkdir()
        hour.mkdir()
        rows = 0
        for part in recipe.parts:
            kept = once / file_name(part)
            kept.write_bytes(scored.files[file_name(part)])
            writer = Writer(hour / file_name(part), part.kinds)
            with Reader(kept) as reader:
                told = {kind: reader.observations(kind) for kind in part.kinds}
                for kind, seen in told.items():
                    turns = int(HOUR // facts.end_s)
                    for turn in range(turns):
                        for i in range(len(seen.times)):
                            o = seen(i)
                            moved = Observation(
                                o.t + turn * facts.end_s, kind, o.score, o.source, o.box,
                                o.quality, o.reason,
                            )  # fmt: skip
                            writer.add(moved)
                            rows += 1
            writer.close()
        end = HOUR // facts.end_s * facts.end_s
        told_facts = Facts(True, True, end, round(10 * end), end, ()).to_json()
        files = {path.name: path.read_bytes() for path in hour.iterdir()}
        files[facts_name(recipe)] = told_facts
        store, entries = Store(root / "cache"), []
        from proctor.evaluate.recipe import media_digest

        for n in range(hours):
            media = root / f"{n}.mkv"
            media.write_bytes(b"%d" % n)
            store.put(media_digest([media], {media: store.sha256(media)}), files)
            entries.append(Entry(f"s{n}", f"p{n}", "honest", media))
        store.remember()
        size = sum(map(len, files.values()))
        print(f"{rows} observations and {size / 1e6:.1f} MB an hour, {hours} hours")
        for turn in ("first", "second", "third"):
            began, cpu = time.perf_counter(), time.process_time()
            run, _ = evaluate(Dataset(root, "own", tuple(entries)), plan, How(cache=root / "cache"))
            wall = time.perf_counter() - began
            flags = sum(len(s.found) for s in run.sessions)
            print(
                f"{turn}: {wall:.1f} s ({time.process_time() - cpu:.1f} s of CPU), of which rules "
                f"{run.speed.rules_s:.1f} s; {flags} flags"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=float, metavar="HOURS")
    parser.add_argument("--rescore", type=int, metavar="HOURS")
    parser.add_argument("--only", choices=("bare", "scoring"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory:
        long_recording(arguments.memory)
    elif arguments.rescore:
        rescore(arguments.recording or sample(), arguments.rescore)
    elif arguments.only:
        measure = bare if arguments.only == "bare" else scoring
        print(json.dumps(measure(arguments.recording, arguments.seconds)))
    else:
        compare(arguments.recording or sample(), arguments.seconds, arguments.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
