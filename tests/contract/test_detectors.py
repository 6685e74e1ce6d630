"""Every detector, ours or a third party's, keeps one contract."""

from __future__ import annotations

import pytest

from models import registry
from proctor.pipeline.contract import check
from proctor.pipeline.detector import Kind, Plugin, Settings
from proctor.pipeline.plugins import discover
from proctor.types import Observation

BUILT_IN = (
    "camera",
    "faces",
    "gaze",
    "identity",
    "lighting",
    "objects",
    "speaker",
    "speech",
    "wake",
)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_detector_keeps_the_contract(name, model):
    plugin = discover()[name]
    paths = {required: model(required) for required in plugin.models}
    for extra in plugin.optional_models:
        found = registry.find(extra)
        if found is not None:
            paths[extra] = found
    assert check(plugin, paths) == []


class _Painter:
    """Breaks every promise it can: paints on the picture, lies about its name, keeps silent."""

    def update(self, sample):
        if sample.t == 0:
            return []
        return [Observation(sample.t, "test.paint", None, "somebody else")]

    def reset(self):
        raise RuntimeError("cannot")

    def close(self):
        raise RuntimeError("will not")


def test_the_contract_notices_what_is_broken():
    plugin = Plugin(
        "painter",
        "frame",
        0.5,
        (Kind("test.paint", "Paint", "{seconds}"), Kind("test.quiet", "Quiet", "{seconds}")),
        (),
        Settings,
        lambda settings, context: _Painter(),
    )
    text = " | ".join(check(plugin, {}))
    for expected in (
        "somebody else", "unknown without a reason", "test.quiet", "reset() raised",
        "close() raised",
    ):  # fmt: skip
        assert expected in text
