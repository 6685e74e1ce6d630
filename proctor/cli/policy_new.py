"""``proctor policy new`` and ``proctor policy schema``: a file to start from, and what may stand in it."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    new = actions.add_parser(
        "new",
        help="write a commented policy to start from",
        description="Write a policy file with a comment above every kind of field.",
    )
    new.add_argument(
        "name", nargs="?", default="exam", help="short name of the policy (default: exam)"
    )
    new.add_argument(
        "--preset", default="standard", help="the preset to begin with (default: standard)"
    )
    new.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: NAME.toml)"
    )
    new.set_defaults(run=run_new)

    schema = actions.add_parser(
        "schema",
        help="print every field a policy can have",
        description="Print the reference page (Markdown), or the JSON Schema.",
    )
    schema.add_argument("--json", action="store_true", help="JSON Schema instead of the page")
    schema.set_defaults(run=run_schema)


def run_new(arguments: argparse.Namespace) -> int:
    from policies import edit, load
    from policies.errors import PolicyError
    from proctor.errors import InputError
    from proctor.evidence.disk import said_plainly, write_new

    names = load.preset_names()
    if arguments.preset not in names:
        raise InputError(
            f"There is no preset '{load.printable(arguments.preset)}'; there are: {', '.join(names)}."
        )
    try:
        text = edit.dump_commented(
            load.read(arguments.preset)[0],
            f"A policy made from the preset {arguments.preset}. Fill in institution, exam and contact.\n"
            f"Then: `proctor policy check FILE`, `proctor policy sign FILE --key KEYFILE`.",
        )
        text = edit.set_values(text, {"id": arguments.name, "version": 1}, "new policy")
    except PolicyError as error:
        raise InputError(str(error)) from error
    path = arguments.out or Path(f"{arguments.name}.toml")
    with said_plainly(f"the policy {path}"):
        try:
            write_new(path, text.encode("utf-8"))
        except FileExistsError as error:
            raise InputError(
                f"There is a file {path} already; choose another with --out."
            ) from error
    print(f"Written to {path}. Edit it, then: proctor policy check {path}")
    return 0


def run_schema(arguments: argparse.Namespace) -> int:
    from policies import reference

    if arguments.json:
        import json

        print(json.dumps(reference.json_schema(), indent=2, ensure_ascii=False))
    else:
        print(reference.page(), end="")
    return 0
