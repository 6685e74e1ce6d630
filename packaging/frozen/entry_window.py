"""Where the packed program begins when it is double-clicked: the student's window, without a terminal.

On Windows and macOS a file of its own, because there a program either opens a terminal or never does.
"""

from __future__ import annotations

import sys

import door

if __name__ == "__main__":
    door.clean()
    door.open_to_plugins()
    door.lend_streams()
    from proctor.cli.main import main

    sys.exit(main(door.words_of_window(sys.argv[1:])))
