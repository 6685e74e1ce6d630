"""Which words a phrase recogniser is given: spellings the model knows, and decoys beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# What to try when a model's vocabulary lacks a name, in this order: other spellings, then common
# words that sound the same when said in a row. Made by ear from the names' pronunciation.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "siri": ("ciri", "siree", "seeree", "seer ee", "see re"),
    "alexa": ("alexia", "a lexa", "alex a"),
    "cortana": ("kortana", "core tana", "court anna"),
    "bixby": ("bigsby", "bix be", "bigs be", "picks be"),
    "copilot": ("co-pilot", "co pilot"),
    "google": ("googol", "goo gull"),
    "ok": ("okay", "o k"),
    "okay": ("ok", "o k"),
    "hey": ("hay",),
    "hi": ("high",),
}

# The word that some models have for "anything else".
ANYTHING = "[unk]"

# Words near the usual assistants' names, so that a neighbour is heard as itself, and frequent
# words and syllables of English (by hand), so that any sentence has somewhere else to go.
ENGLISH_DECOYS = """
    sarah sally sherry cherry cereal series serious sierra syria sorry city silly story sir sea
    hurry harry mary very weary eerie theory siren sirius
    googled goggles goose good goal google's giggle cool school gold gobble
    alex alexander alexandra alexis lexus election elections electric lesson letter alaska
    cortex curtain certain carton court corner tanner montana
    big busy bigger biggest baby maybe picks pixie busby copy pilot pirate compile complete
    hey hay hi high hello okay ok oh play day say they way may today obey
    the a an and or but so if of to in on at by for from with about into over
    i you he she it we me him her us them my your his our their this that these those
    is are was were be been am do does did have has had will would can could should
    not no yes please thanks what when where who why how which
    one two three four five six seven eight nine ten hundred
    time question answer page word number first next last right left up down out here there now
    then read write think know see look go going come get make take put work need want
    people man woman year thing part home room hand eye line sentence exam test
"""
# With fewer words to be taken for "anything else", ordinary talk turns into wake phrases.
FEWEST_DECOYS = 20


@dataclass(frozen=True, slots=True)
class Words:
    """``spoken``: what to listen for, each with the phrase it stands for; ``decoys``: the rest."""

    spoken: dict[str, str]
    decoys: tuple[str, ...]


def resolve(
    phrases: Sequence[str], decoys: Sequence[str] | None, known: Callable[[str], bool]
) -> Words:
    """Spell ``phrases`` in words that the model knows; ``decoys`` is ``None`` for the English ones.

    Raises ``ValueError`` naming every word that no spelling of is known, or the lack of decoys.
    """
    spelt = {word: _spell(word, known) for phrase in phrases for word in phrase.split()}
    missing = sorted(word for word, spelling in spelt.items() if not spelling)
    if missing:
        good = [p for p in phrases if not set(p.split()) & set(missing)]
        advice = (
            f"keep only these: {', '.join(good)}" if good else "choose a model of that language"
        )
        raise ValueError(
            f"The wake-phrase model does not know {_quoted(missing)}; under [detectors.wake.settings] "
            f"write 'phrases' in words that it knows, or {advice}."
        )
    spoken: dict[str, str] = {}
    for phrase in phrases:
        spoken.setdefault(" ".join(spelt[word] for word in phrase.split()), phrase)
    if decoys is not None:
        unknown = sorted(word for word in decoys if not known(word))
        if unknown:
            raise ValueError(
                f"The wake-phrase model does not know the decoys {_quoted(unknown)}; "
                f"remove them from 'decoys' under [detectors.wake.settings]."
            )
    others = [
        word for word in (ENGLISH_DECOYS.split() if decoys is None else decoys) if known(word)
    ]
    if len(others) < FEWEST_DECOYS and not known(ANYTHING):
        raise ValueError(
            f"The wake-phrase model knows only {len(others)} decoys, so that any talk would sound "
            f"like a wake phrase; under [detectors.wake.settings] give at least {FEWEST_DECOYS} "
            f"everyday words of the model's language as 'decoys'."
        )
    # A phrase's words alone ("google it") are not the phrase.
    parts = [word for text in spoken if " " in text for word in text.split()]
    unheard = [word for word in dict.fromkeys((*others, *parts)) if word not in spoken]
    return Words(spoken, (*unheard, *((ANYTHING,) if known(ANYTHING) else ())))


def _spell(word: str, known: Callable[[str], bool]) -> str:
    """``word`` itself or its first other spelling made of known words only; empty when none is."""
    for spelling in (word, *SPELLINGS.get(word, ())):
        if all(known(part) for part in spelling.split()):
            return spelling
    return ""


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
