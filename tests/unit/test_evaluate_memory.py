"""What a recording's detectors freed goes back to the system, so that a process stays as small as it was."""

import subprocess
import sys

import pytest

# Blocks of more than Python's own allocator takes, freed but for one at the far end, which holds the heap open.
PROGRAM = """
from proctor.evaluate.score import give_back

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

blocks = [bytes(2000) for _ in range(100_000)]
last = blocks[-1]
del blocks
before = held()
give_back()
print(before - held())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to give memory back")
def test_freed_memory_goes_back():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) > 100_000_000
