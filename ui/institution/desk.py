"""What the pages of one window share: its texts, its worker, the draft, plug-ins, keys, and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from policies.errors import PolicyError
from proctor.errors import InputError, ProctorError
from proctor.evidence.keys import SUFFIX, KeyFile, keys_dir, load_identity, read_secret
from proctor.evidence.signing import PRIVATE, PUBLIC, SigningKey, public_key
from proctor.pipeline.plugins import discover
from ui.bridge import Worker
from ui.institution.draft import Draft
from ui.institution.fields import Field, of_plugin
from ui.texts import Texts
from ui.widgets.words import Severity


@dataclass(frozen=True, slots=True)
class Known:
    """What is installed here: settings by detector, and the kinds that they can report."""

    settings: Mapping[str, tuple[Field, ...]] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFound:
    """A key file; ``wrong`` says in a sentence why it cannot be used, and is empty otherwise."""

    name: str
    path: Path
    public: str
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """The key files in the keys folder: those that open clips, and those that sign."""

    opening: tuple[KeyFound, ...] = ()
    signing: tuple[KeyFound, ...] = ()


class Desk(QObject):
    """One for a window. ``said`` is a message for the foot line, ``wanted`` a key to show the field of."""

    said = Signal(str, str)
    wanted = Signal(tuple)
    known_changed = Signal()
    keys_changed = Signal()

    def __init__(self, t: Texts, folder: Path | None = None) -> None:
        super().__init__()
        self.t = t
        self.folder = folder or keys_dir()
        self.worker = Worker(self)
        self.draft = Draft(t, self.worker, self)
        self.known = Known()
        self.keys = Keys()

    def learn(self) -> None:
        """Look for plug-ins and keys, on the worker."""
        self.worker.run(find_known, self._learned)
        self.look_for_keys()

    def look_for_keys(self) -> None:
        folder = self.folder
        self.worker.run(lambda: find_keys(folder), self._found)

    def run(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run something on the worker; a user's mistake becomes a message."""
        self.worker.run(work, then, self.failed)

    def failed(self, error: Exception) -> None:
        """Say a user's mistake in the foot line; anything else is ours, and raised."""
        if not isinstance(error, PolicyError | ProctorError):
            raise error
        self.say(str(error), "error")

    def say(self, text: str, severity: Severity = "good") -> None:
        self.said.emit(text, severity)

    def recipients(self) -> list[tuple[str, str]]:
        """Keys of this computer that open clips, for a list to choose from."""
        return [(key.public, key.name) for key in self.keys.opening if not key.wrong]

    def _learned(self, known: Known) -> None:
        self.known = known
        self.known_changed.emit()

    def _found(self, keys: Keys) -> None:
        self.keys = keys
        self.keys_changed.emit()


def find_known() -> Known:
    """What the installed plug-ins say of themselves."""
    plugins = discover()
    settings = {
        name: of_plugin(plugin.Settings.model_json_schema()) for name, plugin in plugins.items()
    }
    kinds = dict.fromkeys(kind.name for plugin in plugins.values() for kind in plugin.kinds)
    return Known(settings, tuple(kinds))


def find_keys(folder: Path) -> Keys:
    """Every key file in ``folder``; one that is damaged or open to others is listed with the reason."""
    if not folder.is_dir():
        return Keys()
    return Keys(
        tuple(_opening(path) for path in sorted(folder.glob(f"*{SUFFIX}"))),
        tuple(_signing(path) for path in sorted(folder.glob(f"*{PRIVATE}"))),
    )


def as_found(key: KeyFile | SigningKey) -> KeyFound:
    """A key that was just made."""
    public = key.recipient if isinstance(key, KeyFile) else key.public
    return KeyFound(key.name, key.path, public)


def _opening(path: Path) -> KeyFound:
    try:
        return KeyFound(path.stem, path, str(load_identity(path)[0].to_public()))
    except InputError as error:
        return KeyFound(path.stem, path, "", str(error))


def _signing(path: Path) -> KeyFound:
    try:
        read_secret(path)
        return KeyFound(path.stem, path, public_key(str(path.with_suffix(PUBLIC))))
    except InputError as error:
        return KeyFound(path.stem, path, "", str(error))
