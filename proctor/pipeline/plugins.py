"""Finds detector plug-ins. The built-in ones come through the same door as a third party's."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points

from policies.engine import PURPOSES
from proctor.errors import InputError
from proctor.pipeline.detector import Plugin

GROUP = "proctor.detectors"

# What a detector may never claim to know (EU AI Act 5(1)(f) and our own promise).
FORBIDDEN = (
    "attention", "boredom", "deception", "emotion", "engagement", "honesty", "lying", "mood",
    "nervous", "sentiment", "stress", "trust",
)  # fmt: skip
_KIND_NAME = re.compile(r"^[a-z]+(\.[a-z_]+)+$")


class Plugins(dict[str, Plugin]):
    """The installed plug-ins by name; ``broken`` has a sentence for each that could not be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: dict[str, str] = {}


def discover() -> Plugins:
    """Every installed plug-in. One that breaks the interface is set aside and harms no other."""
    found = Plugins()
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            plugin = _load(entry)
            if plugin.name != entry.name or plugin.name in found:
                raise InputError(
                    f"The detector plug-in '{entry.name}' ({entry.value}) calls itself "
                    f"'{plugin.name}' or is installed twice; uninstall it or tell its author."
                )
        except InputError as error:
            found.broken[entry.name] = str(error)
        else:
            found[plugin.name] = plugin
    return found


def _load(entry: EntryPoint) -> Plugin:
    try:
        plugin = entry.load()
    except Exception as error:  # a third party's module may raise anything while it is imported
        raise InputError(
            f"The detector plug-in '{entry.name}' ({entry.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}. Reinstall or uninstall it."
        ) from error
    if not isinstance(plugin, Plugin):
        raise InputError(
            f"The detector plug-in '{entry.name}' ({entry.value}) is not a Plugin value; "
            f"its author must fix the entry point."
        )
    refuse_unlawful(plugin)
    return plugin


def refuse_unlawful(plugin: Plugin) -> None:
    """Raise :class:`InputError` when a plug-in's declaration is malformed or claims a forbidden output."""
    if plugin.takes not in ("frame", "audio") or plugin.period < 0 or not plugin.kinds:
        raise InputError(
            f"The detector plug-in '{plugin.name}' must take 'frame' or 'audio', have a period of "
            f"0 s or more, and declare at least one kind."
        )
    for need in plugin.needs:
        if need not in PURPOSES:
            raise InputError(
                f"The detector plug-in '{plugin.name}' needs the purpose '{need}', about which no "
                f"student can be asked (known: {', '.join(PURPOSES)})."
            )
    for kind in plugin.kinds:
        if not _KIND_NAME.match(kind.name):
            raise InputError(
                f"The detector plug-in '{plugin.name}' declares the kind '{kind.name}', which is "
                f"not a dotted lower-case name such as object.phone."
            )
        words = f"{kind.name} {kind.title} {kind.sentence}".lower()
        for word in FORBIDDEN:
            if word in words:
                raise InputError(
                    f"The detector plug-in '{plugin.name}' is refused: its kind '{kind.name}' speaks "
                    f"of '{word}', and nothing here may infer what a person feels or intends."
                )
