"""``proctor evaluate``: labelled recordings through the agent's path, and a report about false flags and misses."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.cli import passphrase
from proctor.cli.running import add_quiet

if TYPE_CHECKING:
    from proctor.evaluate.values import Run
    from proctor.session.plan import Plan


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="measure false flags and misses on labelled recordings",
        description="Run the agent's own path on labelled recordings and write a report. Scores are kept, "
        "so the same command after an interruption goes on, and another policy needs seconds.",
    )
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="a folder of recordings")
    parser.add_argument(
        "--policy",
        default="standard",
        help="a preset's name, a practice policy file, or a signed policy (.dsse); default: standard",
    )
    parser.add_argument(
        "--root",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="root file of the institution that signed the policy (default: those installed here)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report is written")
    how = parser.add_argument_group("how it is computed (changes nothing about what comes out)")
    how.add_argument(
        "--workers",
        type=_workers,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that score at once (default: one a processor; each needs up to 1 GB)",
    )
    how.add_argument(
        "--scheduler", default="", metavar="tcp://HOST:PORT", help="score on a Dask cluster instead"
    )
    how.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where scores are kept (default: the user's cache)",
    )
    how.add_argument(
        "--keep-going",
        action="store_true",
        help="leave out recordings that cannot be scored, and list them in the report",
    )
    add_quiet(parser)
    what = parser.add_argument_group("what the report says")
    what.add_argument(
        "--against", type=Path, metavar="DIR", help="compare with the report of an earlier run"
    )
    what.add_argument(
        "--thresholds", choices=("sweep",), help="the operating curve of every kind, too"
    )
    what.add_argument(
        "--target",
        default="",
        metavar="TEXT",
        help="propose thresholds for a target such as 'FA/h <= 0.05', chosen on development persons "
        "and scored on others",
    )
    what.add_argument(
        "--prevalence",
        type=float,
        default=0.02,
        metavar="P",
        help="share of exams with the act, for what a flag is worth (default: 0.02)",
    )
    what.add_argument(
        "--preregister",
        type=Path,
        metavar="FILE",
        help="a plan (.toml) is signed and nothing is scored; a signed one (.dsse) is compared with "
        "what was done",
    )
    what.add_argument(
        "--key", type=Path, metavar="KEYFILE", help="the signing key for --preregister PLAN.toml"
    )
    what.add_argument(
        "--public",
        action="append",
        default=[],
        metavar="KEY",
        help="a public key that must have signed the plan (may be given again)",
    )
    what.add_argument(
        "--cards",
        nargs="?",
        type=Path,
        const=True,
        default=False,
        metavar="DIR",
        help="write blocks for model cards; with DIR, put them into the cards that lie there",
    )
    passphrase.add_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evaluate.cache import parquet
    from proctor.evaluate.dataset import read
    from proctor.evaluate.preregister import is_plan
    from proctor.evaluate.report import asked, write
    from proctor.evaluate.run import How, evaluate
    from proctor.session.plan import make_plan

    plan = make_plan(arguments.policy, require_all=False, roots=arguments.root)
    if arguments.preregister is not None and is_plan(arguments.preregister):
        return _sign(arguments, plan)
    if arguments.out is None:
        raise InputError("Say with --out DIR where the report is to be written.")
    if not 0.0 < arguments.prevalence < 1.0:
        raise InputError(f"--prevalence must lie between 0 and 1, not {arguments.prevalence:g}.")
    # What is missing or does not read is said now, and not after hours of scoring.
    parquet()
    _writable(arguments.out)
    dataset = read(arguments.dataset)
    public = tuple(arguments.public)
    asked(arguments.against, arguments.preregister, public, arguments.target, arguments.dataset)
    how = How(arguments.workers, arguments.scheduler, arguments.keep_going, arguments.cache)
    bar = _Bar(arguments.quiet)
    try:
        done, scores = evaluate(dataset, plan, how, bar)
    finally:
        bar.close()
    written = write(
        done,
        arguments.out,
        scores=scores,
        against=arguments.against,
        sweep=arguments.thresholds == "sweep",
        target=arguments.target,
        preregistered=arguments.preregister,
        cards=arguments.cards,
        prevalence=arguments.prevalence,
        study=arguments.dataset,
        public=public,
    )
    if not arguments.quiet:
        _tell(done)
    print(written[0])
    return 0


def _sign(arguments: argparse.Namespace, plan: Plan) -> int:
    from datetime import UTC, datetime

    from proctor.errors import InputError
    from proctor.evaluate import preregister
    from proctor.evaluate.rescore import thresholds_of
    from proctor.evidence.signing import load_signing_key

    if arguments.key is None:
        raise InputError(
            f"{arguments.preregister} is a plan that nobody signed yet; give --key KEYFILE to sign it "
            f"(`proctor keys new --signing` makes one)."
        )
    key = load_signing_key(arguments.key, passphrase.asker(arguments.passphrase_file))
    thresholds = {kind: thresholds_of(rule) for kind, rule in plan.rules.items()}
    signed = preregister.sign(
        arguments.preregister, thresholds, plan.policy_sha256, key, datetime.now(UTC)
    )
    print(signed)
    return 0


def _writable(out: Path) -> None:
    from proctor.errors import InputError

    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"The folder {out} cannot be written ({error.strerror}).") from error


def _tell(run: Run) -> None:
    import sys

    for session in run.skipped:
        print(f"left out: {session.session}: {session.why}", file=sys.stderr)
    for sentence in (*run.not_measured, *run.problems):
        print(sentence, file=sys.stderr)
    speed = run.speed
    pace = f", {speed.scored_s / speed.cpu_s:.1f} x real time a core" if speed.cpu_s else ""
    print(
        f"{len(run.sessions)} sessions: {speed.scored_s / 3600:.2f} h scored{pace}, "
        f"{speed.cached_s / 3600:.2f} h from the cache; rules over all of it in {speed.rules_s:.1f} s.",
        file=sys.stderr,
    )


def _workers(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"a number from 1 to 1024 is needed, not '{text}'")
    return int(text)


class _Bar:
    """A progress bar over seconds of recordings with the time left; drawn only while there is work."""

    def __init__(self, quiet: bool) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            desc="scoring",
            disable=True if quiet else None,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} min, {remaining} left "
            "{postfix}",
        )
        self._at: dict[str, float] = {}
        self._through = self._recordings = 0

    def total(self, seconds: float, recordings: int) -> None:
        self._bar.total = max(1, round(seconds / 60))
        self._recordings = recordings
        self._bar.refresh()

    def reached(self, session: str, seconds: float) -> None:
        self._at[session] = max(seconds, self._at.get(session, 0.0))
        self._show()

    def through(self, session: str) -> None:
        self._through += 1
        self._bar.set_postfix_str(
            f"({self._through} of {self._recordings} recordings)", refresh=False
        )
        self._show()

    def _show(self) -> None:
        minutes = min(int(sum(self._at.values()) / 60), self._bar.total or 0)
        self._bar.update(minutes - self._bar.n)

    def close(self) -> None:
        self._bar.close()
