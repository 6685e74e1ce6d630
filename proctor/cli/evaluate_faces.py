"""``proctor evaluate-faces``: for whom the detectors of faces fail, on still pictures with group labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from proctor.cli.running import add_quiet


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "evaluate-faces",
        help="for whom faces, gaze and identity fail, on still pictures with group labels",
        description="Put still pictures, one a person, before the detectors of an exam and compare groups. "
        "FOLDER has labels.csv with the column file and a column for each kind of group.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="pictures and labels.csv")
    parser.add_argument(
        "--groups",
        required=True,
        metavar="COLUMN,COLUMN",
        help="columns of labels.csv that are groups",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where tables go")
    parser.add_argument(
        "--no-identity", action="store_true", help="leave out identity (the slowest part)"
    )
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from proctor.evaluate import stills, stills_table

    names = [name.strip() for name in arguments.groups.split(",") if name.strip()]
    listed = stills.read(arguments.folder, names)
    with tqdm(total=len(listed), unit="picture", disable=arguments.quiet or None) as bar:

        def tell(done: int) -> None:
            bar.update(done - bar.n)

        made = stills.work_out(listed, tell, identity=not arguments.no_identity)
    for path in stills_table.write(made, arguments.out):
        print(path)
    return 0
