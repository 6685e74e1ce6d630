"""Finding and starting an app with windows. The runtime knows no Qt; apps come by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from proctor.errors import MissingError

GROUP = "proctor.apps"


def start(name: str, **arguments: Any) -> int:
    """Run the app ``name`` until its window is closed; returns its exit code.

    Raises :class:`MissingError` where it is not installed, or this machine has no Qt or no display.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise MissingError(
            f"The app '{name}' is not installed; install this program again with its `ui` extra."
        )
    try:
        run = next(iter(found)).load()
    except ImportError as error:
        raise MissingError(
            f"The app '{name}' needs Qt, which cannot be loaded here ({error}); install this program with "
            f"its `ui` extra, and on Linux the libraries that docs/institution-app.md lists."
        ) from error
    code: int = run(**arguments)
    return code
