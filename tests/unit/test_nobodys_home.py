"""What tests write never reaches the folders of whoever runs them, also from programs that they start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proctor.evidence import keys
from proctor.session import logs

FOLDERS = """
import ui
from PySide6.QtCore import QSettings
from proctor.evidence import keys
from proctor.session import logs

print(logs.folder(), keys.data_dir(), QSettings("open-proctor", "test").fileName(), sep="\\n")
"""


def test_logs_and_keys_of_a_test_without_a_home_are_temporary(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    temporary = tmp_path_factory.getbasetemp()
    for folder in (logs.folder(), keys.data_dir()):
        assert folder.is_relative_to(temporary)


@pytest.mark.skipif(sys.platform != "linux", reason="settings lie elsewhere on other systems")
def test_so_are_those_of_a_program_that_it_starts(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOLDERS], capture_output=True, text=True, check=True, timeout=120
    )
    found = [Path(line) for line in done.stdout.splitlines()]
    assert len(found) == 3
    for path in found:
        assert path.is_relative_to(tmp_path_factory.getbasetemp())
