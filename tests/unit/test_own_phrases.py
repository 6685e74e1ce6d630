"""An exam whose policy names own wake phrases, where the network for them is not to be had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detectors.wake import MODEL, PLUGIN
from policies import load
from proctor.errors import MissingError
from proctor.pipeline.plugins import discover
from proctor.session.plan import Plan, make_plan

HEAD = "[detectors.wake]\nrequired = {}\n"
# Those of the usual assistants are other networks' work, and not what is asked about here.
ALONE = replace(PLUGIN, models=())


def planned(folder: Path, phrases: str, required: str) -> Plan:
    text = load.read("practice")[1].decode()
    assert HEAD.format("false") in text
    settings = f"[detectors.wake.settings]\nphrases = [{phrases}]\n"
    policy = folder / "own.toml"
    policy.write_text(
        text.replace(HEAD.format("false"), HEAD.format(required) + settings), encoding="utf-8"
    )
    return make_plan(str(policy), plugins={**discover(), "wake": ALONE})


@pytest.fixture(autouse=True)
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PROCTOR_MODELS", raising=False)


def test_the_usual_phrases_do_not_ask_for_it(tmp_path: Path) -> None:
    plan = planned(tmp_path, '"alexa", "ok google"', "true")
    assert "wake" in [choice.plugin.name for choice in plan.choices]
    assert "wake" not in [absent.detector for absent in plan.not_measured]


def test_an_own_phrase_is_not_measured_and_says_why(tmp_path: Path) -> None:
    plan = planned(tmp_path, '"alexa", "open sesame"', "false")
    assert "wake" not in [choice.plugin.name for choice in plan.choices]
    (absent,) = (absent for absent in plan.not_measured if absent.detector == "wake")
    assert absent.kinds == ("speech.wake_phrase",)
    assert absent.why == f"the network {MODEL} is not on this computer"
    assert absent.mend == f"`proctor models install {MODEL}` mends it."


def test_an_exam_that_requires_it_is_not_begun(tmp_path: Path) -> None:
    with pytest.raises(
        MissingError, match=f"requires the detector 'wake', but the network {MODEL}"
    ):
        planned(tmp_path, '"open sesame"', "true")
