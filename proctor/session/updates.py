"""Whether there is a newer version: asked only on a person's command, at an address they wrote down, and only told.

The settings file has no such address unless somebody writes one, so this program asks nobody by itself.

    [updates]
    address = "https://example.edu/open-proctor/latest.json"
    key = "RW…"    # the public key of minisign that signs it

What the address holds is ``{"version": "1.2.3", "page": "https://…"}``, and beside it, with ``.minisig`` added to
its name, the signature.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from proctor.errors import CheckFailed, InputError

if TYPE_CHECKING:
    from proctor.session.checks import Check

NAME = "newer version"
MOST_BYTES = 10_000
PATIENCE_S = 10.0
_NUMBER = re.compile(r"^\d{1,6}(\.\d{1,6}){0,3}$")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to ask, and whose signature counts. Both are empty unless a person wrote them."""

    address: str = ""
    key: str = ""


def settings_path() -> Path:
    """The user's settings file; it need not exist."""
    return Path(platformdirs.user_config_dir("open-proctor")) / "settings.toml"


def settings(path: Path | None = None) -> Settings:
    """What the file says. Raises :class:`InputError` where it cannot be read."""
    path = path or settings_path()
    if not path.exists():
        return Settings()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("updates", {})
        found = Settings(str(table.get("address", "")), str(table.get("key", "")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read ({error}); mend it or move it away.") from error
    if found.address and not found.address.startswith("https://"):
        raise InputError(f"{path}: the address of [updates] must begin with https://.")
    if found.address and not found.key:
        raise InputError(f"{path}: [updates] needs the key whose signature counts.")
    return found


def check(asked: Settings, ca: str | None = None) -> Check:
    """Ask, and say what came of it. Opens one connection, to ``asked.address``, and none where it is empty.

    ``ca`` is a file of certificates to trust in place of the system's.
    """
    from proctor.session.checks import Check

    if not asked.address:
        return Check(
            NAME,
            "not looked at",
            "no address is set, so nobody is asked",
            f"Write one under [updates] in {settings_path()} if you want to be told; docs/install.md says how.",
            needed=False,
        )
    try:
        text = _fetch(asked.address, ca)
        signature = _fetch(asked.address + ".minisig", ca).decode("utf-8", "replace")
        newest, page = _told(text, signature, asked.key)
    except CheckFailed as error:
        return Check(NAME, "missing", str(error), "Tell whoever runs that address.", needed=False)
    here = version("open-proctor")
    if _parts(newest) <= _parts(here):
        return Check(NAME, "ok", f"none: {here} is here, {newest} is the newest", needed=False)
    return Check(
        NAME, "missing", f"{newest} is out, {here} is here", f"It is at {page}.", needed=False
    )


def _told(text: bytes, signature: str, key: str) -> tuple[str, str]:
    """The version and the page, once the signature was found right."""
    from proctor.evidence import minisign

    minisign.verify(text, signature, key)
    try:
        told = json.loads(text)
        newest, page = told["version"], told["page"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed("What the address holds names no version and page.") from error
    if not isinstance(newest, str) or not _NUMBER.match(newest):
        raise CheckFailed("What the address holds names no version and page.")
    if not isinstance(page, str) or not page.startswith("https://"):
        raise CheckFailed("What the address holds names no version and page.")
    return newest, page


def _parts(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))


def _fetch(address: str, ca: str | None) -> bytes:
    import urllib3

    with urllib3.PoolManager(num_pools=1, retries=False, timeout=PATIENCE_S, ca_certs=ca) as pool:
        try:
            answer = pool.request("GET", address, redirect=False, preload_content=False)
            data = answer.read(MOST_BYTES + 1)
        except urllib3.exceptions.HTTPError as error:
            raise CheckFailed(f"{address} does not answer ({type(error).__name__}).") from error
    if answer.status != 200 or len(data) > MOST_BYTES:
        raise CheckFailed(f"{address} holds nothing that names a version ({answer.status}).")
    return data
