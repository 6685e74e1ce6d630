"""``proctor models``: which networks there are, fetching them, and checking them against their hashes."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.registry import Model

DONE, NO, WRONG_INPUT, MISSING = 0, 1, 2, 3


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Adds ``models list | install | verify`` to the command line."""
    parser = subparsers.add_parser("models", help="list, fetch and verify the networks")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = commands.add_parser("list", help="every network: licence, size, whether it is here")
    listing.add_argument("--json", action="store_true", help="for a machine to read")
    listing.set_defaults(run=run_list)

    install = commands.add_parser(
        "install",
        help="fetch networks from cache, mirror or official address",
        description="Fetches networks: from the cache, from each mirror in PROCTOR_MODELS_MIRROR "
        "(folders or addresses separated by ';'), then from the official address. A broken "
        "download is taken up where it stopped; a wrong hash is refused.",
    )
    install.add_argument(
        "names", nargs="*", metavar="NAME", help="which (default: all that built-in detectors use)"
    )
    # Also accepted after the subcommand, without undoing one given before it.
    install.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS)
    install.set_defaults(run=run_install)

    verify = commands.add_parser("verify", help="check every fetched network against its hash")
    verify.add_argument("--json", action="store_true", help="for a machine to read")
    verify.set_defaults(run=run_verify)


def state_of(name: str) -> str:
    """``"ok"``, ``"absent"``, or the sentence that says what is wrong with the cached file."""
    from models import registry

    try:
        return "absent" if registry.find(name) is None else "ok"
    except registry.ModelError as error:
        return str(error)


def run_list(arguments: argparse.Namespace) -> int:
    """Prints every network of the manifest. Exit code 0."""
    from models import registry

    rows = [_row(model) for model in registry.manifest().values()]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return DONE
    for row in rows:
        here = "here" if row["state"] == "ok" else "not here"
        if row["state"] not in ("ok", "absent"):
            here = "damaged"
        size = f"{row['bytes'] / 1e6:.1f} MB"
        print(f"{row['name']:<20}{here:<10}{size:>8}  {row['licence']:<12}{row['purpose']}")
    print(f"\nThey are kept in {registry.cache_dir()}.")
    return DONE


def _row(model: Model) -> dict[str, Any]:
    from models import registry

    state = state_of(model.name)
    return {
        "name": model.name,
        "version": model.version,
        "state": state,
        "path": str(registry.find(model.name)) if state == "ok" else None,
        "bytes": model.bytes,
        "sha256": model.sha256,
        "licence": model.licence,
        "url": model.url,
        "purpose": model.purpose,
        "detectors": list(model.detectors),
    }


def run_install(arguments: argparse.Namespace) -> int:
    """Fetches networks one by one. Exit code 0, or 3 when one cannot be had, or 2 for a wrong name."""
    from models import registry
    from proctor.errors import InputError

    known = registry.manifest()
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        raise InputError(f"No network is called {unknown[0]}; there are: {', '.join(known)}.")
    names = arguments.names or [model.name for model in known.values() if model.detectors]
    code = DONE
    for name in names:
        try:
            path = install_with_bar(known[name], quiet=arguments.quiet)
        except registry.ModelError as error:
            print(_not_measured(known[name], error))
            code = MISSING
        else:
            if not arguments.quiet:
                print(f"{name}: {path}")
    return code


def _not_measured(model: Model, error: Exception) -> str:
    """The one line for a network that cannot be had."""
    sentence = " ".join(str(error).split())
    if not model.measures:
        return sentence
    return f"{sentence} Until then not measured: {model.measures}."


def install_with_bar(model: Model, *, quiet: bool) -> str:
    """Fetch one network with a progress bar; returns where it lies."""
    from tqdm import tqdm

    from models import registry

    # tqdm draws no bar where nobody watches (disable=None: not a terminal).
    with tqdm(
        total=model.bytes,
        desc=model.name,
        unit="B",
        unit_scale=True,
        disable=True if quiet else None,
        leave=False,
    ) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return str(registry.install(model.name, progress))


def run_verify(arguments: argparse.Namespace) -> int:
    """Checks each network's hash. Exit code 0, 1 when one is damaged, 3 when a needed one is absent."""
    from models import registry

    states = {name: state_of(name) for name in registry.manifest()}
    if arguments.json:
        print(json.dumps(states, indent=1))
    else:
        for name, state in states.items():
            words = {"ok": "its hash is right", "absent": "not fetched yet"}.get(state, state)
            print(f"{name}: {words}")
    if any(state not in ("ok", "absent") for state in states.values()):
        return NO
    needed = [model.name for model in registry.manifest().values() if model.detectors]
    return MISSING if any(states[name] == "absent" for name in needed) else DONE
