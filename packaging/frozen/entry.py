"""Where the packed program begins: the command ``proctor``."""

from __future__ import annotations

import sys

import door

if __name__ == "__main__":
    door.clean()
    door.open_to_plugins()
    from proctor.cli.main import main

    sys.exit(main())
