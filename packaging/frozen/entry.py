"""Where the packed program begins: the command ``proctor``.

On Linux the window is the same file under another name, since each copy holds every module anew (10 MB).
"""

from __future__ import annotations

import sys
from pathlib import Path

import door

if __name__ == "__main__":
    door.clean()
    door.open_to_plugins()
    from proctor.cli.main import main

    opened = Path(sys.argv[0]).name == door.WINDOW
    sys.exit(main(door.words_of_window(sys.argv[1:]) if opened else None))
