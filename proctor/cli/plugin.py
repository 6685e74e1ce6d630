"""``proctor plugin``: the installed detectors, and whether they keep the contract."""

from __future__ import annotations

import argparse
import json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("plugin", help="list and check detector plug-ins")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every installed detector and what it measures")
    listing.add_argument("--json", action="store_true", help="one JSON object")
    listing.set_defaults(run=run_list)
    check = actions.add_parser("check", help="run the contract tests on plug-ins")
    check.add_argument("names", nargs="*", help="plug-ins to check (default: all)")
    check.set_defaults(run=run_check)


def run_list(arguments: argparse.Namespace) -> int:
    from models import registry
    from proctor.pipeline.plugins import discover

    plugins = discover()
    rows = []
    missing = {
        plugin.name: [m for m in plugin.models if registry.find(m) is None]
        for plugin in plugins.values()
    }
    for plugin in plugins.values():
        rows.append(
            {
                "name": plugin.name,
                "takes": plugin.takes,
                "period_s": plugin.period,
                "kinds": [kind.name for kind in plugin.kinds],
                "models": list(plugin.models),
                "needs": list(plugin.needs),
                "missing_models": missing[plugin.name],
            }
        )
    if arguments.json:
        print(json.dumps({"plugins": rows, "refused": plugins.broken}, indent=2))
        return 0
    for plugin in plugins.values():
        pace = f"every {plugin.period:g} s" if plugin.period else "all of it"
        print(f"{plugin.name} ({plugin.takes}, {pace})")
        for kind in plugin.kinds:
            print(f"    {kind.name:<24} {kind.title}")
        if plugin.needs:
            print(f"    only where the student agrees to: {', '.join(plugin.needs)}")
        for name in missing[plugin.name]:
            print(f"    not measured until you run: proctor models install {name}")
    for sentence in plugins.broken.values():
        print(f"refused: {sentence}")
    return 0


def run_check(arguments: argparse.Namespace) -> int:
    from models import registry
    from proctor.errors import InputError
    from proctor.pipeline.contract import check
    from proctor.pipeline.plugins import discover

    plugins = discover()
    unknown = [name for name in arguments.names if name not in plugins]
    if unknown and unknown[0] in plugins.broken:
        raise InputError(plugins.broken[unknown[0]])
    if unknown:
        raise InputError(
            f"No detector plug-in is called '{unknown[0]}' (installed: {', '.join(plugins)})."
        )
    worst = 0
    for name in arguments.names or plugins:
        plugin = plugins[name]
        found = {m: registry.find(m) for m in (*plugin.models, *plugin.optional_models)}
        lacking = [m for m in plugin.models if found[m] is None]
        if lacking:
            print(f"{name}: not checked; run: proctor models install {' '.join(lacking)}")
            worst = max(worst, 3)
            continue
        problems = check(plugin, {m: p for m, p in found.items() if p is not None})
        print(f"{name}: {'keeps the contract' if not problems else 'breaks the contract'}")
        for problem in problems:
            print(f"    {problem}")
        worst = max(worst, 1 if problems else 0)
    return worst
