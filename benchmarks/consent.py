"""What consent costs per sample: the check of a grant, of a sensor's leave, and the gate.

    python benchmarks/consent.py

Prints nanoseconds a check, the median of several runs; the aim is at most 1000 (one microsecond).
"""

from __future__ import annotations

import json
import statistics
import timeit
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKS = 200_000
RUNS = 7


def median_ns(statement: object) -> float:
    """Nanoseconds that one call of ``statement`` takes."""
    runs = timeit.repeat(statement, number=CHECKS, repeat=RUNS)  # type: ignore[arg-type]
    return round(statistics.median(runs) / CHECKS * 1e9, 1)


def main() -> None:
    import os

    with TemporaryDirectory() as folder:
        os.environ["PROCTOR_HOME"] = str(Path(folder) / "home")
        from policies.consent import Grant, accept_all, require
        from proctor.session.plan import make_plan
        from proctor.session.session import Session, choose_recipients

        grant = Grant("camera", "record")
        plan = make_plan("standard", plugins=None, require_all=False).without(
            ["frame", "audio"], ""
        )
        with Session(
            plan,
            accept_all(plan.policy),
            Path(folder) / "case",
            recipients=choose_recipients(plan, []),
        ) as session:
            found = {
                "an empty call": median_ns(lambda: None),
                "grant.live": median_ns(lambda: grant.live),
                "require(grant, purpose)": median_ns(lambda: require(grant, "camera")),
                "desk.capturing(sensor)": median_ns(lambda: session.desk.capturing("camera")),
            }
    print(json.dumps({"nanoseconds": found, "aim": 1000.0}, indent=2))


if __name__ == "__main__":
    main()
