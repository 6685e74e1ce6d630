"""What is typed in an exam in the terminal: each language's words, and the English ones in all of them."""

from __future__ import annotations

from typing import get_args

import pytest

from policies.schema import PurposeName
from policies.texts import LANGUAGES, terminal, texts
from proctor.cli import running

ALL: tuple[PurposeName, ...] = get_args(PurposeName)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_word_means_one_thing_and_the_english_ones_always_count(lang: str) -> None:
    t = texts(lang)
    for command, english in terminal.COMMANDS.items():
        said = t.say(english)
        assert said.isascii(), "some keyboards lack the other letters"
        assert said.islower()
        for word in (said, said.upper(), english):
            assert terminal.command_of(t, word) == command
    assert terminal.command_of(t, "what?") is None
    assert terminal.is_no(t, t.say(terminal.NO))
    assert terminal.is_no(t, "NO")
    assert not terminal.is_no(t, "")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_purpose_can_be_typed_with_and_without_its_accents(lang: str) -> None:
    t = texts(lang)
    for purpose in ALL:
        word = terminal.purpose_word(t, purpose)
        bare = word.translate(str.maketrans("áàâäéèêëíîïóôöúùûüç", "aaaaeeeeiiiooouuuuc"))
        for typed in (word, word.title(), f" {bare} ", purpose):
            assert terminal.purpose_of(t, typed) == purpose
    assert terminal.purpose_of(t, "everything") is None


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_help_names_every_word(lang: str) -> None:
    t = texts(lang)
    lines = terminal.help_text(t, ["camera", "clips"]).splitlines()
    assert len(lines) == 1 + len(terminal.COMMANDS)
    for line, english in zip(lines[1:], terminal.COMMANDS.values(), strict=True):
        assert line.split()[0] == t.say(english)
    assert terminal.names(t, ["camera", "clips"]) in "\n".join(lines)


@pytest.mark.parametrize(
    ("variables", "lang"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_BE@euro"}, "fr"),
        ({"LANG": "pt_BR.UTF-8", "LANGUAGE": "pt:es:en"}, "es"),
        ({"LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "nl"}, "en"),
        ({"LANG": "nl"}, "nl"),
    ],
)
def test_the_systems_language_is_taken_where_there_are_texts_in_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], lang: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert running.system_language() == lang
