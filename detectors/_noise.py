"""Keeps MediaPipe's start-up remarks off the student's terminal, and nothing else.

Its native code writes to file descriptor 2 before its logging can be set up, whatever the environment
says. Lines that are not on the list below are passed on.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

KNOWN = (
    b"All log messages before absl::InitializeLog()",
    b"acceleration to xnnpack by default",
    b"Created TensorFlow Lite XNNPACK delegate",
    b"Feedback manager requires a model with a single signature",
)


@contextmanager
def without_known_remarks() -> Iterator[None]:
    """Within, what native code writes to the error stream is held back; after, unknown lines follow."""
    try:
        sys.stderr.flush()
        real = os.dup(2)
    except OSError:  # no error stream at all, as in a windowed program on Windows
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            for line in held:
                if not any(known in line for known in KNOWN):
                    os.write(2, line)
