"""`proctor --help` answers at once because it imports nothing heavy (no clock in this test)."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = [
    "av", "cv2", "cryptography", "jinja2", "mediapipe", "models.registry", "numpy", "onnxruntime",
    "pydantic", "pyrage", "sounddevice", "vosk", "webrtcvad",
]  # fmt: skip

SCRIPT = f"""
import sys
from proctor.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
print("HEAVY:", *[name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.mark.parametrize("words", [["--help"], ["models", "--help"], ["doctor", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "usage: proctor" in result.stdout
    assert result.stdout.splitlines()[-1].split() == ["HEAVY:"]
