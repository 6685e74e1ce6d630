"""What a reviewer hears, in their language: what was noted, and why a look cannot be signed."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from policies.texts import LANGUAGES
from policies.texts.told import SENTENCES, told
from proctor.evidence import decision
from proctor.evidence.story import FlagStory
from proctor.pipeline.plugins import discover
from ui.console import words
from ui.console.hub_source import HubCase, HubSource
from ui.console.source import FolderSource
from ui.texts import texts

OTHERS = [lang for lang in LANGUAGES if lang != "en"]
# Where a reviewer is refused something: every sentence of these can stand in the console.
REFUSING: tuple[Callable[..., Any], ...] = (
    decision.refusal,
    decision._no_withdrawal,
    HubCase.refusal,
    HubSource.clip,
    FolderSource.clip,
)


def sentences(of: Callable[..., Any]) -> Iterator[str]:
    """What a function says, with ``{}`` where a value stands."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(of)))
    doc = ast.get_docstring(tree.body[0], clean=False)  # type: ignore[arg-type]
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if node in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            inside.update(ast.walk(node))
            pieces = [str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield "".join(pieces)
        elif isinstance(node, ast.Constant):
            text = str(node.value)
            if " " in text and text != doc:
                yield text


@pytest.mark.parametrize("of", REFUSING, ids=lambda of: str(of.__qualname__))
def test_every_refusal_can_be_told(of: Callable[..., Any]) -> None:
    known = {re.sub(r"\{\w+\}", "{}", text) for text in SENTENCES}
    said = set(sentences(of))
    assert said
    assert said <= known, "add these to policies/texts/judging.py"


@pytest.mark.parametrize("lang", OTHERS)
def test_what_was_noted_is_told_without_what_was_measured_before_a_look(lang: str) -> None:
    t = texts(lang)
    for plugin in discover().values():
        for kind in plugin.kinds:
            reason = "a face at 0.91"
            english = kind.sentence.format(seconds="3.5", reason=reason, phrase="alexa")
            flag = FlagStory(
                number=1, id="a-001", kind=kind.name, title="", start=1.0, end=4.5, peak=None,
                peak_t=None, box=None, observations=None, why=english, rule=None, clip=None,
                no_clip="", comment="",
            )  # fmt: skip
            whole, blind = (words.why(t, flag, measured=measured) for measured in (True, False))
            assert whole == told(t, english) != english
            if f"({reason})" in english:
                assert "0,91" in whole
                assert "0,91" not in blind
                assert blind.endswith(".")
            else:
                assert blind == whole
    own = "A kettle boiled for 3.5 s (steam 0.91)."
    # The words of somebody else's plug-in stay, without what it measured.
    flag = FlagStory(
        number=1, id="a-001", kind="x.y", title="", start=1.0, end=4.5, peak=None, peak_t=None,
        box=None, observations=None, why=own, rule=None, clip=None, no_clip="", comment="",
    )  # fmt: skip
    assert words.why(t, flag, measured=False) == "A kettle boiled for 3.5 s."
