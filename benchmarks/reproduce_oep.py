"""The tables of Atoum, Chen, Liu, Hsu & Liu (IEEE Transactions on Multimedia 2017) with this program's detectors.

    python benchmarks/reproduce_oep.py OEP [--policy P] [--out DIR] [--cache DIR]

OEP is the folder of the OEP database as published (subject1 …, each with gt.txt, a .wav and *1.avi), with a
``types.csv`` beside the subjects that says what a type stands for (docs/evaluation.md), or any other
study in a documented layout. Prints for each kind the share of segments found (TDR) at false alarm rates
(FAR) of 1, 2 and 5 %, and the share of acts with a flag (instance-based TDR).
"""

from __future__ import annotations

import sys
from dataclasses import replace

from reproduction import Reproduced, about, reasons, run, said, table

from proctor.evaluate.curves import FARS, detection_at, lacking
from proctor.evaluate.matching import SEGMENT_S
from proctor.evaluate.secondary import Secondary
from proctor.evaluate.statistics import Answer, Estimate

PUBLISHED = (
    "Published: the authors sum their system up as finding about 87 % of segments of all types together at "
    "a FAR of 2 %. Their paper was not at hand here, so this number is from memory: read it there before "
    "you quote it."
)
NOT_HERE = (
    "Not run here: the OEP database is handed out on request and was not at hand, so no number above is about "
    "its subjects unless the folder named above is that database.",
    "Not the same: the authors train one classifier for all types on half of the subjects, and use a camera in "
    "the glasses and the list of open windows. This program has neither, trains nothing on these persons, "
    "and answers for each kind by itself.",
)


def detection(one: Secondary, far: float) -> Answer:
    """The share of segments found at a FAR; the number of these recordings also where no interval can be."""
    answer = one.detection[far]
    if isinstance(answer, Estimate) or lacking(one.curve) or one.curve is None:
        return answer
    return replace(answer, here=detection_at(*one.curve.rates(), far))


def show(made: Reproduced) -> list[str]:
    """The lines that are printed."""
    results = made.results
    kinds = [one for one in results.secondary if one.events.hits + one.events.missed]
    segments = [
        (
            one.kind,
            str(one.segments),
            str(one.left_out),
            *(said(detection(one, far)) for far in FARS),
        )
        for one in kinds
    ]
    instances = [(one.kind, str(one.sessions), said(one.instances)) for one in kinds]
    head = ("kind", "segments", "left out", *(f"TDR at FAR {far:.0%}" for far in FARS))
    none = ["No act of any kind is labelled: neither table can be said."] if not kinds else []
    return [
        *about(made),
        "",
        f"Segments of {SEGMENT_S:g} s, positive where acts fill half or more; persons drawn anew:",
        *(table(head, segments) if kinds else none),
        *reasons([detection(one, far) for one in kinds for far in FARS]),
        "",
        "Acts with a flag by the policy's rules (instance-based TDR):",
        *(table(("kind", "recordings", "TDR"), instances) if kinds else none),
        *reasons([one.instances for one in kinds]),
        "",
        "Recordings in which nothing is labelled count for the FAR; what was measured for less than half of "
        "a segment is left out and counted.",
        PUBLISHED,
        *NOT_HERE,
        "",
        *results.limits,
    ]


if __name__ == "__main__":
    sys.exit(run(__doc__ or "", show))
