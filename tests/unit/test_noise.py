"""Known start-up remarks of native code are held back; everything else still reaches the reader."""

from __future__ import annotations

import os

from detectors._noise import without_known_remarks


def test_known_remarks_are_held_back_and_the_rest_is_passed_on(capfd):
    with without_known_remarks():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"E0000 the model file is damaged\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "E0000 the model file is damaged\nafter\n"


def test_it_ends_also_when_the_work_fails(capfd):
    try:
        with without_known_remarks():
            os.write(2, b"unknown remark\n")
            raise RuntimeError("no")
    except RuntimeError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "unknown remark\nafter\n"


def test_making_the_landmarker_says_nothing(capfd, model):
    from detectors._landmarks import Landmarker

    Landmarker(model("face_landmarker").read_bytes()).close()
    assert capfd.readouterr().err == ""
