"""``proctor policy explain``, ``diff`` and ``export``: what a policy means, in sentences."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from proctor.errors import InputError

if TYPE_CHECKING:
    from policies.schema import Policy
    from policies.texts.notice import Part

LANGUAGE_HELP = "language: en, de, fr, es or nl (default: the first that the policy lists)"
EXPORTS = ("dpia", "retention", "record")


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    explain = actions.add_parser(
        "explain",
        help="write the student's notice from a policy",
        description="The notice a student reads before the exam, made from the policy itself.",
    )
    explain.add_argument("policy", metavar="POLICY", help="a preset's name or a policy file")
    explain.add_argument("--lang", metavar="L", help=LANGUAGE_HELP)
    explain.add_argument("--html", type=Path, metavar="FILE", help="write a page instead of text")
    explain.add_argument("--json", action="store_true", help="one JSON object")
    explain.set_defaults(run=run_explain)

    diff = actions.add_parser(
        "diff",
        help="say what a new policy changes for a student",
        description="What changes for a student, the most important first.",
    )
    diff.add_argument("old", metavar="OLD", help="a preset's name or a policy file")
    diff.add_argument("new", metavar="NEW", help="a preset's name or a policy file")
    diff.add_argument("--lang", metavar="L", help=LANGUAGE_HELP.replace("policy", "new policy"))
    diff.add_argument("--json", action="store_true", help="one JSON object a line")
    diff.set_defaults(run=run_diff)

    export = actions.add_parser(
        "export",
        help="write what an institution must keep on paper (in English)",
        description="Input for the impact assessment, the retention schedule, or the record of "
        "processing, as Markdown in English, made from the policy itself.",
    )
    export.add_argument("policy", metavar="POLICY", help="a preset's name or a policy file")
    export.add_argument("--what", choices=EXPORTS, required=True, help="which paper")
    export.add_argument("--out", type=Path, metavar="FILE", help="file (default: the terminal)")
    export.set_defaults(run=run_export)


def run_explain(arguments: argparse.Namespace) -> int:
    from policies import explain
    from policies.texts import UnknownLanguageError

    policy, _ = _read(arguments.policy)
    try:
        page = explain.notice(policy, arguments.lang or policy.languages[0], parts_of(policy))
    except UnknownLanguageError as error:
        raise InputError(str(error)) from error
    if arguments.html:
        _write(arguments.html, explain.as_html(page))
    if arguments.json:
        print(json.dumps(explain.as_dict(page), ensure_ascii=False, indent=1))
    elif arguments.html:
        print(f"The notice is in {arguments.html}.")
    else:
        print(explain.as_text(page), end="")
    return 0


def run_diff(arguments: argparse.Namespace) -> int:
    from policies import diff
    from policies.texts import UnknownLanguageError

    old, _ = _read(arguments.old)
    new, _ = _read(arguments.new)
    lang = arguments.lang or new.languages[0]
    try:
        found = diff.changes(old, new, lang, {**parts_of(old), **parts_of(new)})
    except UnknownLanguageError as error:
        raise InputError(str(error)) from error
    if not arguments.json:
        print(diff.as_text(found, lang), end="")
        return 0
    for change in found:
        told = {"effect": change.effect, "text": change.text, "was": change.was, "now": change.now}
        print(
            json.dumps({name: words for name, words in told.items() if words}, ensure_ascii=False)
        )
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    from policies import exports

    policy, raw = _read(arguments.policy)
    make = {"dpia": exports.dpia, "retention": exports.retention, "record": exports.record}
    text = make[arguments.what](policy, raw, parts_of(policy))
    if arguments.out:
        _write(arguments.out, text)
        print(f"The paper is in {arguments.out}.", file=sys.stderr)
    else:
        print(text, end="")
    return 0


def parts_of(policy: Policy) -> Mapping[str, Part]:
    """What the installed plug-ins of ``policy`` say of themselves, by detector name."""
    from pydantic import ValidationError

    from policies.texts.notice import Part
    from proctor.pipeline.plugins import discover

    known = discover()
    parts = {}
    for name, wanted in policy.detectors.items():
        plugin = known.get(name)
        if plugin is None:
            raise InputError(
                known.broken.get(name)
                or f"The policy '{policy.id}' names the detector '{name}', which is not installed "
                f"(installed: {', '.join(known)}). `proctor plugin list` shows them."
            )
        # A TOML array may fill a tuple; everything else stays strict.
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in wanted.settings.items()}
        try:
            settings = plugin.Settings.model_validate(given).model_dump()
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"The policy '{policy.id}': detectors.{name}.settings.{where}: "
                f"{first['msg'].removeprefix('Value error, ')}."
            ) from error
        parts[name] = Part(
            "camera" if plugin.takes == "frame" else "microphone",
            {kind.name: kind.title for kind in plugin.kinds},
            settings,
        )
    return parts


def _read(name_or_path: str) -> tuple[Policy, bytes]:
    from policies import load
    from policies.errors import PolicyError

    try:
        return load.read(name_or_path)
    except PolicyError as error:
        raise InputError(str(error)) from error


def _write(path: Path, text: str) -> None:
    """Put the file in place in one step, or leave what is there."""
    from proctor.evidence.disk import said_plainly, write_whole

    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist; make it first.")
    with said_plainly(str(path)):
        write_whole(path, text.encode("utf-8"))
