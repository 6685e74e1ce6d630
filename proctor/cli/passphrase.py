"""Asking for the passphrase of a key: on the terminal, or from a file that a script names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.texts import Texts


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="read the passphrase from a file, one line for each key ('-': standard input; "
        "default: ask on the terminal)",
    )


def asker(
    file: str | None, *, twice: bool = False, t: Texts | None = None
) -> Callable[[Path], str]:
    """What gives the passphrase of a key file; ``twice`` asks a person again, for a new key, in the
    language of ``t``."""
    if file is None:
        return partial(_ask_twice if twice else _ask, t)
    lines = iter(_lines(file))

    def next_line(path: Path) -> str:
        from proctor.errors import InputError

        line = next(lines, None)
        if line is None:
            raise InputError(f"{file} has no line left for the passphrase of the key {path}.")
        return line

    return next_line


def _lines(file: str) -> list[str]:
    from proctor.errors import InputError
    from proctor.evidence.keys import MAX_BYTES, read_secret

    if file != "-":
        return read_secret(Path(file), encoding="utf-8").splitlines()
    try:
        return sys.stdin.read(MAX_BYTES).splitlines()
    except UnicodeDecodeError as error:
        raise InputError("The passphrase on standard input is not text.") from error


def _ask(t: Texts | None, path: Path) -> str:
    import getpass

    from policies.texts import terminal, texts
    from proctor.errors import InputError

    if not sys.stdin.isatty():
        raise InputError(
            f"The passphrase of the key {path} must be asked, but there is no terminal to ask on; give "
            f"it with --passphrase-file."
        )
    try:
        return getpass.getpass((t or texts()).say(terminal.PASSPHRASE, path=str(path)) + " ")
    except EOFError as error:
        raise InputError("No passphrase was given, so nothing was done.") from error


def _ask_twice(t: Texts | None, path: Path) -> str:
    from proctor.errors import InputError

    first = _ask(t, path)
    if first != _ask(t, path):
        raise InputError("The two passphrases were not the same, so no key was made; try again.")
    return first
