"""``proctor dataset``: recordings labelled, checked and altered, before anything is evaluated."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from proctor.cli.running import add_quiet, step_bar


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("dataset", help="label, check and alter recordings")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="what is wrong with a dataset, and what a report could not say about it",
        description="Exit code 0: it can be evaluated; 1: something would make an evaluation wrong.",
    )
    check.add_argument("dataset", type=Path, metavar="DATASET", help="a folder of recordings")
    check.add_argument("--json", action="store_true", help="one JSON object")
    check.set_defaults(run=run_check)
    label = actions.add_parser(
        "label",
        help="say in a window what recordings show",
        description="A window with a key for everything, over the table truth.csv, in which several people "
        "may label. It shows nothing that a detector found. Exit code 3: no display, or no Qt.",
    )
    label.add_argument("dataset", type=Path, metavar="DATASET", help="a folder of recordings")
    label.add_argument(
        "--name", default="", help="who labels (default: asked once, then remembered)"
    )
    label.add_argument(
        "--lang", choices=("en", "de", "fr", "es", "nl"), help="language (default: the system's)"
    )
    label.set_defaults(run=run_label)
    augment = actions.add_parser(
        "augment",
        help="a dataset of altered recordings, with the labels carried along",
        description="Write a new dataset in which every recording comes back altered: another light, "
        "crop, noise, frame rate or codec. Times stay, and a person stays in their split.",
    )
    augment.add_argument("dataset", type=Path, metavar="DATASET", help="a folder of recordings")
    augment.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    augment.add_argument(
        "--alter",
        action="append",
        choices=("light", "crop", "noise", "frame-rate", "codec"),
        default=[],
        help="what is altered (may be given again; default: each of them alone)",
    )
    augment.add_argument("--copies", type=int, default=1, metavar="N", help="draws of each")
    augment.add_argument("--seed", type=int, default=1, metavar="N", help="the same draws again")
    augment.add_argument(
        "--keep-going", action="store_true", help="leave out recordings that cannot be read"
    )
    add_quiet(augment)
    augment.set_defaults(run=run_augment)


def run_check(arguments: argparse.Namespace) -> int:
    from proctor.evaluate.check import check
    from proctor.evaluate.dataset import parse
    from proctor.pipeline.plugins import discover

    dataset = parse(arguments.dataset)
    known = {kind.name for plugin in discover().values() for kind in plugin.kinds}
    found = check(dataset, known)
    if arguments.json:
        told = {
            "layout": dataset.layout,
            "sessions": len(dataset.entries),
            "persons": found.persons,
            "seconds": round(found.seconds, 2),
            "sha256": dataset.sha256,
            "notes": list(dataset.notes),
            "faults": [{"file": f.file, "line": f.line, "what": f.what} for f in found.faults],
            "remarks": [{"file": f.file, "line": f.line, "what": f.what} for f in found.remarks],
        }
        print(json.dumps(told, ensure_ascii=False))
        return 1 if found.faults else 0
    for fault in found.faults:
        print(f"wrong: {fault}.")
    for remark in found.remarks:
        print(f"to know: {remark}.")
    for note in dataset.notes:
        print(note)
    labels = sum(len(entry.truth) for entry in dataset.entries)
    print(
        f"{dataset.layout}: {len(dataset.entries)} sessions of {found.persons} persons, "
        f"{found.seconds / 3600:.2f} h, labels: {labels}; faults: {len(found.faults)}, "
        f"things to know: {len(found.remarks)}."
    )
    return 1 if found.faults else 0


def run_label(arguments: argparse.Namespace) -> int:
    from proctor.cli.apps import start
    from proctor.evaluate.labels import ready

    dataset, said = ready(arguments.dataset)
    if said:
        print(said)
    return start("researcher", dataset=dataset, lang=arguments.lang, who=arguments.name)


def run_augment(arguments: argparse.Namespace) -> int:
    from proctor.errors import InputError
    from proctor.evaluate.augment import ALTERATIONS, augment
    from proctor.evaluate.dataset import read

    if arguments.copies < 1:
        raise InputError(f"--copies must be 1 or more, not {arguments.copies}.")
    dataset = read(arguments.dataset)
    chosen = [[name] for name in ALTERATIONS] if not arguments.alter else [arguments.alter]
    with step_bar("altering", arguments.quiet) as report:
        left_out = augment(
            dataset,
            arguments.out,
            chosen,
            copies=arguments.copies,
            seed=arguments.seed,
            keep_going=arguments.keep_going,
            on_progress=report,
        )
    for sentence in left_out:
        print(f"left out: {sentence}")
    print(arguments.out)
    return 0
