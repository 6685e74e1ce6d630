"""What the whole path flags on the labelled recordings: found, missed, falsely flagged.

    python benchmarks/recordings.py MEDIA [--only video/phone] [--policy standard] [--markdown]
    python benchmarks/recordings.py MEDIA --json OUT.json; python benchmarks/recordings.py --targets OUT.json

MEDIA is a folder with `labels.csv` (file, start_s, end_s, label, note). Every recording goes through
the public path (`Session.replay`). A labelled act counts as *found* when a flag of its kind overlaps
it, as *missed* otherwise; acts shorter than the rule's minimum duration are listed as *too short*. A
flag that overlaps no act of its kind is *false*, unless the label says that it may be argued about.
`--targets` prints, from what `--json` kept, the share found of the acts that are long enough for the
project's targets, with the interval of Clopper and Pearson, and every miss.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scipy.stats import beta

from policies.consent import accept_all
from proctor.capture.replay import Recording
from proctor.session.plan import Plan, make_plan
from proctor.session.session import Session, choose_recipients
from proctor.types import Flag

# A flag may begin this much before a labelled act or end this much after it (label precision, s).
COLLAR_S = 0.5

# What the project set itself: share found, of acts at least this long (s), in files that begin so.
TARGETS = (
    ("face.absent", 5.0, 0.95, ""),
    ("face.several", 2.0, 0.95, ""),
    ("object.phone", 2.0, 0.95, ""),
    ("object.book", 3.0, 0.95, ""),
    ("light.dim", 0.0, 0.95, ""),
    ("camera.covered", 0.0, 0.95, ""),
    ("camera.frozen", 0.0, 0.95, ""),
    ("speech.voice", 3.0, 0.95, ""),
    ("speech.wake_phrase", 0.0, 0.9, "audio/wake/alexa/ audio/wake/efficientword_alexa_custom/"),
    ("gaze.away", 4.0, 0.9, ""),
)


@dataclass
class Act:
    kind: str
    start: float
    end: float


@dataclass
class Case:
    file: str
    acts: list[Act] = field(default_factory=list)
    arguable: set[str] = field(default_factory=set)


def acts_of(label: str, note: str) -> tuple[set[str], set[str]]:
    """Kinds that a label says are there, and kinds about which one may argue."""
    words = label.split()
    kinds: set[str] = set()
    arguable: set[str] = set()
    for word in words:
        match word.partition(":"):
            case ("gaze", _, "image_left" | "image_right" | "away"):
                kinds.add("gaze.away")
            case ("head_turn", _, _):
                kinds.add("gaze.away")
            case ("wake", _, _):
                kinds.add("speech.wake_phrase")
                arguable.add("speech.voice")
            case ("near_miss" | "other_wake_word", _, _):
                arguable.add("speech.voice")
            case ("speech", _, _):
                kinds.add("speech.voice")
            case ("empty_room", _, _):
                kinds.add("face.absent")
            case ("phone", _, _):
                kinds.add("object.phone")
                # Who holds a phone looks at it; none of these clips is a student at a desk.
                arguable |= {
                    "gaze.away",
                    "gaze.down",
                    "face.absent",
                    "object.person",
                    "face.several",
                }
                arguable |= {
                    "object.tablet",
                    "object.laptop",
                    "light.backlit",
                    "light.glare",
                    "light.dim",
                }
    if "face=none" in words:
        arguable.add("face.absent")  # no face is in view, but a person is
    counts = {w.partition("=")[0]: w.partition("=")[2] for w in words}
    people = max(
        (int(counts[k]) for k in ("faces", "people") if counts.get(k, "").isdigit()), default=0
    )
    if people > 1:
        kinds.add("face.several")
        arguable |= {"object.person", "face.several", "gaze.away", "gaze.down"}
    if "second_person_partial" in words:
        arguable |= {"face.several", "object.person"}
    if "arguable" in note:
        arguable.add("gaze.away")
    return kinds, arguable


def read_cases(media: Path, only: str) -> list[Case]:
    cases: dict[str, Case] = {}
    with (media / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["end_s"] or not row["file"].startswith(("video/", "audio/")):
                continue
            if only not in row["file"] or not (media / row["file"]).is_file():
                continue
            case = cases.setdefault(row["file"], Case(row["file"]))
            kinds, arguable = acts_of(row["label"], row["note"])
            case.arguable |= arguable
            start, end = float(row["start_s"]), float(row["end_s"])
            for kind in kinds:
                last = next((a for a in reversed(case.acts) if a.kind == kind), None)
                if last is not None and start - last.end < COLLAR_S:
                    last.end = end  # two labels of one act
                else:
                    case.acts.append(Act(kind, start, end))
    return list(cases.values())


def replay(plan: Plan, path: Path) -> list[Flag]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(
            plan,
            accept_all(plan.policy),
            Path(folder) / "case",
            recipients=choose_recipients(plan, []),
        ) as session,
    ):
        session.replay(Recording.open(path))
        return list(session.flags.values())


def overlaps(flag: Flag, act: Act) -> bool:
    end = flag.start if flag.end is None else flag.end
    return flag.start <= act.end + COLLAR_S and end >= act.start - COLLAR_S


def share(found: int, n: int) -> str:
    """Found of ``n`` with the 95 % interval of Clopper and Pearson."""
    if not n:
        return "none here"
    low = float(beta.ppf(0.025, found, n - found + 1)) if found else 0.0
    high = float(beta.ppf(0.975, found + 1, n - found)) if found < n else 1.0
    return f"{found} of {n} = {found / n:.2f} ({low:.2f}-{high:.2f})"


def targets(acts: list[dict[str, Any]]) -> None:
    """Print the table of TARGETS and every miss. ``acts`` are those that ``--json`` kept."""
    print("| kind | acts | found (95 %) | target |\n|---|---|---|---|")
    missed = []
    for kind, least, wanted, begin in TARGETS:
        mine = [
            act
            for act in acts
            if act["kind"] == kind
            and act["end"] - act["start"] >= least
            and (not begin or act["file"].startswith(tuple(begin.split())))
        ]
        hits = sum(act["found"] for act in mine)
        missed += [act for act in mine if not act["found"]]
        length = f", {least:g} s and longer" if least else ""
        who = ", by people" if begin else ""
        print(f"| `{kind}`{length}{who} | {len(mine)} | {share(hits, len(mine))} | {wanted:.2f} |")
    print("\n| missed | from | to |\n|---|---|---|")
    for act in missed:
        print(f"| {act['file']}: `{act['kind']}` | {act['start']:.1f} | {act['end']:.1f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("media", type=Path, nargs="?")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--targets", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    if arguments.targets:
        targets(json.loads(arguments.targets.read_text(encoding="utf-8")))
        return 0
    if arguments.media is None:
        parser.error("MEDIA, the folder with labels.csv, is missing")
    kept: list[dict[str, Any]] = []
    plan = make_plan(arguments.policy, require_all=False)
    for absent in plan.not_measured:
        print(absent.sentence(), file=sys.stderr)
    measured = {kind.name for kind in plan.kinds}
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rows = []
    cases = read_cases(arguments.media, arguments.only)
    seconds = 0.0
    for case in cases:
        path = arguments.media / case.file
        seconds += Recording.open(path).duration or 0.0
        flags = replay(plan, path)
        found, missed, short, false = [], [], [], []
        for act in (a for a in case.acts if a.kind in measured):
            name = f"{act.kind} {act.start:.1f}-{act.end:.1f}"
            hit = any(f.kind == act.kind and overlaps(f, act) for f in flags)
            kept.append({"file": case.file, "kind": act.kind, "start": act.start, "end": act.end,
                         "found": hit})  # fmt: skip
            if hit:
                found.append(name)
                totals[act.kind]["found"] += 1
            elif act.end - act.start < plan.policy.rules[act.kind].min_s:
                short.append(name)
                totals[act.kind]["too short"] += 1
            else:
                missed.append(name)
                totals[act.kind]["missed"] += 1
        for flag in flags:
            if any(a.kind == flag.kind and overlaps(flag, a) for a in case.acts):
                continue
            name = f"{flag.kind} {flag.start:.1f}-{flag.end:.1f} ({flag.peak:.2f})"
            if flag.kind in case.arguable:
                totals[flag.kind]["arguable"] += 1
            else:
                false.append(name)
                totals[flag.kind]["false"] += 1
        rows.append((case.file, found, missed, short, false))
        if not arguments.markdown:
            print(f"{case.file}: found {found} missed {missed} too short {short} false {false}")
    if arguments.json:
        arguments.json.write_text(json.dumps(kept, indent=0), encoding="utf-8")
    if arguments.markdown:
        print("| recording | found | missed | too short for the rule | falsely flagged |")
        print("|---|---|---|---|---|")
        for file, *lists in rows:
            if any(lists):
                print(f"| {file} | " + " | ".join("; ".join(x) for x in lists) + " |")
        quiet = sum(not any(lists) for _, *lists in rows)
        print(f"\n{quiet} further recordings: nothing labelled, nothing flagged.")
    print(f"\n{len(cases)} recordings, {seconds / 60:.1f} minutes, policy {plan.policy.id}\n")
    print("| kind | found | missed | too short | false flags | arguable flags |")
    print("|---|---|---|---|---|---|")
    for kind in sorted(totals):
        t = totals[kind]
        cells = (t["found"], t["missed"], t["too short"], t["false"], t["arguable"])
        print(f"| {kind} | " + " | ".join(map(str, cells)) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
